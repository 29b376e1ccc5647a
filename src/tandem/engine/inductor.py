"""Programs compiled by torch's own compiler, inductor.

The recorded calls, as they were before any pass, become a graph of the tensors from outside and the inputs. Changes in
place are part of it: parameters, slots and statistics are changed in the very same tensors. Random numbers are drawn
by torch's kernels before the compiled function runs, in the recorded order and from the same generators: so a program
draws what the function itself would have drawn. Where a draw needs a value that was computed, there is no program.
"""

import operator
import shutil
import sys
import warnings

import torch
from torch.utils._pytree import tree_map

from tandem.engine.arena import Memory
from tandem.engine.decompose import UPDATES, VALUES
from tandem.engine.program import Line, Program
from tandem.engine.record import Ref, Unfaithful, unflatten
from tandem.engine.schemas import ASKS_GRAD_MODE, EMPTY, HIDDEN_WRITES, NEW_MEMORY, bound, schema_of

aten = torch.ops.aten

# Random calls that look only at the form of the tensor that they get.
_LIKE = {"aten::rand_like", "aten::randn_like", "aten::randint_like"}

# Their result shares its argument's memory although their schema does not say so: the same, said.
_SAYS_SHARED = {aten._unsafe_view.default: aten.view.default}


def missing():
    """Why there is no compiler on this machine, or None."""
    if sys.platform == "win32":
        return None if shutil.which("cl") else "there is no C++ compiler (cl) on the path"
    if any(shutil.which(name) for name in ("g++", "c++", "clang++")):
        return None
    return "there is no C++ compiler (g++, c++ or clang++) on the path"


class InductorProgram(Program):
    """A recording as one compiled function; see `Program`. Making it takes from seconds to minutes."""

    compiler = "inductor"

    def __init__(self, recording, inputs):
        reason = missing()
        if reason is not None:
            raise Unfaithful(reason)
        if recording.cut is not None:
            raise Unfaithful("it is compiled as one piece, and the recording has two parts")
        self.inputs = inputs
        graph = _Graph(recording, inputs)
        self._draws, self._given = graph.draws, graph.given
        module = graph.module()
        self.source = module.code
        self._compiled = _compile(module, graph.examples())
        self._places = graph.places
        self.begin = self.whole = None
        self._fixed, self._kept = {}, []
        held = ((n, t) for n, t in enumerate(graph.tensors) if recording.storages[n].role != "made")
        self.memory = {n: Memory.whole(t.untyped_storage()) for n, t in held}  # the rest is the compiler's own
        self._describe(recording, recording.storages, set())
        drawn = [Line(call.func._schema.name, [call]) for call, _, _ in self._draws]
        rest = [call for call in recording.calls if not any(call is draw[0] for draw in self._draws)]
        self.lines = [*drawn, Line("compiled(…)", rest, compiled=True)]

    def _step(self):
        drawn = {}
        for call, args, kwargs in self._draws:
            result = call.func(*args, **kwargs)
            drawn[call.outputs[0]] = result
        given = [drawn[value] if type(value) is Ref else value for value in self._given]
        found = self._compiled(*given)
        return [found[place] if type(place) is int else place[0] for place in self._places]


def _compile(module, examples):
    try:
        from torch._inductor import compile as compile_graph
    except ImportError as error:
        raise Unfaithful(f"torch's compiler cannot be loaded ({error})") from None
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the compiler's own, about itself
            return compile_graph(module, examples)
    except Exception as error:  # its errors are of a hundred kinds
        text = str(error).strip().splitlines()
        raise Unfaithful(f"torch's compiler failed: {type(error).__name__}: {text[0] if text else ''}") from error


class _Graph:
    """Writes a recording as an fx graph.

    given: what the compiled function gets, tensors, or a `Ref` for what is drawn anew; draws: (call, args, kwargs) of
    the random calls; tensors: of each storage; places: for each result its number among the graph's outputs, or a
    fixed value in a tuple.
    """

    def __init__(self, recording, inputs):
        self.recording, self.storages = recording, recording.storages
        self.graph = torch.fx.Graph()
        self._tracer = torch.fx.proxy.GraphAppendingTracer(self.graph)
        self.given, self.draws, self.places = [], [], []
        self._nodes = {}  # Ref -> the node that last gave such a look at its storage
        self._bases = {}  # storage -> (the node that is all of it, its dtype)
        fresh = iter(inputs)
        self.tensors = [next(fresh) if s.role == "input" else s.tensor for s in self.storages]
        early = self._hoist()
        for number, (storage, tensor) in enumerate(zip(self.storages, self.tensors)):
            if storage.role != "made":
                tensor = _whole(tensor)
                look = tuple(tensor.shape), tensor.stride(), tensor.storage_offset()
                self._place(Ref(number, tensor.dtype, *look), tensor)
        for index, call in enumerate(recording.calls):
            if index not in early:
                self._write(call)
        self._finish()

    def module(self):
        """The graph as a module."""
        return torch.fx.GraphModule(torch.nn.Module(), self.graph)

    def examples(self):
        """Tensors to compile for."""
        return [self._empty(value) if type(value) is Ref else value for value in self.given]

    def _empty(self, ref):
        anywhere = (tensor.device for tensor in self.tensors if tensor is not None and tensor.is_cuda)
        device = next(anywhere, torch.device("cpu"))
        return torch.empty_strided(ref.size, ref.stride, dtype=ref.dtype, device=device)

    # -- random numbers -----------------------------------------------------------------------------------------------

    def _hoist(self):
        """Take the random calls out of the recording; gives the numbers of the calls that are not in it any more."""
        makers = {}  # storages that were made empty and not touched since -> the number of the call that made it
        early = set()
        for index, call in enumerate(self.recording.calls):
            name = call.func._schema.name
            if schema_of(call.func).random:
                early |= {index, *(makers[ref.storage] for ref in call.tensors() if ref.storage in makers)}
                self._draw(call, makers)
            if name in EMPTY:
                makers[call.outputs[0].storage] = index
            else:
                for ref in call.tensors():
                    makers.pop(ref.storage, None)
        return early

    def _draw(self, call, makers):
        """Have a random call run before the compiled function, on memory of its own."""
        made = {}
        for ref in call.tensors():
            if ref.storage not in makers and call.func._schema.name not in _LIKE:
                raise Unfaithful(f"random numbers that need a computed value are drawn ({call.func})", call.where)
            made[ref] = self._empty(ref)
        if len(call.outputs) != 1 or call.outputs[0] is None:
            raise Unfaithful(f"a random call does not give one tensor ({call.func})", call.where)
        args, kwargs = unflatten([made[v] if type(v) is Ref else v for v in call.args], call.spec)
        self.draws.append((call, args, kwargs))
        self._place(call.outputs[0], call.outputs[0])

    # -- the graph ----------------------------------------------------------------------------------------------------

    def _place(self, ref, value):
        """Let the compiled function get a value, which is all of its storage."""
        node = self.graph.placeholder(f"given{len(self.given)}")
        self.given.append(value)
        self._nodes[ref], self._bases[ref.storage] = node, (node, ref.dtype)

    def _node(self, ref):
        """The node of a value."""
        node = self._nodes.get(ref)
        if node is None:
            if ref.storage not in self._bases:
                raise Unfaithful("a value that was made in one run is read in the next")
            base, dtype = self._bases[ref.storage]
            if dtype is not ref.dtype:
                raise Unfaithful("memory is read as another dtype than it was written as")
            look = (list(ref.size), list(ref.stride), ref.offset)
            node = self._nodes[ref] = self.graph.call_function(aten.as_strided.default, (base, *look))
        return node

    def _write(self, call):
        func, name = _SAYS_SHARED.get(call.func, call.func), call.func._schema.name
        if name in NEW_MEMORY or name in ASKS_GRAD_MODE:
            raise Unfaithful(f"{call.func} cannot be compiled", call.where)
        args, kwargs = call.arguments()
        if torch.Tag.inplace_view in func.tags:  # what reads it later looks at the memory as this leaves it
            func = getattr(getattr(aten, name.removeprefix("aten::").removesuffix("_")), func._overloadname)
        elif name in HIDDEN_WRITES and any(type(bound(call)[place]) is Ref for place in HIDDEN_WRITES[name]):
            func, args, kwargs = aten._native_batch_norm_legit.default, bound(call), {}
        if name in UPDATES or name in VALUES:
            self._decompose(call, args, kwargs)
            return
        node = self.graph.call_function(func, *_mapped(self._node, (tuple(args), kwargs)))
        results = func._schema.returns
        if len(results) == 1 and str(results[0].type) == "Tensor":
            self._take(call.outputs[0], node)
            return
        if not all(str(result.type) == "Tensor" for result in results) and len(results) > 1:
            tensors = [str(result.type) for result in results if "Tensor" in str(result.type)]
            if tensors != ["Tensor"] * len(tensors):
                raise Unfaithful(f"{call.func} gives lists among other results", call.where)
        for place, ref in enumerate(call.outputs):
            if ref is not None:
                self._take(ref, self.graph.call_function(operator.getitem, (node, place)))

    def _decompose(self, call, args, kwargs):
        """Write a call as other ones that do the same."""

        def proxy(ref):
            return torch.fx.Proxy(self._node(ref), self._tracer)

        args, kwargs = _mapped(proxy, (tuple(args), kwargs))
        name = call.func._schema.name
        if name in VALUES:
            self._take(call.outputs[0], VALUES[name](*args, **kwargs).node)
        elif not UPDATES[name](*args, **kwargs):
            raise Unfaithful(f"{call.func} with a scaled gradient cannot be compiled", call.where)

    def _take(self, ref, node):
        self._nodes[ref] = node
        self._bases.setdefault(ref.storage, (node, ref.dtype))

    def _finish(self):
        """The graph's outputs: what is no part of a tensor from outside, which is changed in place."""
        outputs = {}
        for value in [*self.recording.outputs, *(ref for _, ref in self.recording.grads)]:
            if not isinstance(value, Ref):
                self.places.append((value,))
            elif self.storages[value.storage].role != "made":
                tensor = self.tensors[value.storage]
                if tensor.dtype is not value.dtype:
                    raise Unfaithful("a result looks at a tensor from outside as another dtype")
                self.places.append((torch.as_strided(tensor, value.size, value.stride, value.offset),))
            else:
                self.places.append(outputs.setdefault(value, len(outputs)))
        self.graph.output(tuple(self._node(value) for value in outputs))


def _whole(tensor):
    """All of a tensor's memory: the tensor itself where it is all of it, else a flat one."""
    memory = tensor.untyped_storage()
    if tensor.numel() * tensor.itemsize == memory.nbytes() and not tensor.storage_offset():
        return tensor
    count = memory.nbytes() // tensor.itemsize
    return torch.empty(0, dtype=tensor.dtype, device=tensor.device).set_(memory, 0, (count,), (1,))


def _mapped(function, tree):
    """A tree of arguments with each `Ref` replaced; sequences as fx keeps them."""
    return tree_map(lambda leaf: function(leaf) if isinstance(leaf, Ref) else leaf, tree)
