"""`Executor`: a symbol bound to arrays, run forwards and backwards.

Its forward and backward pass are recorded together and replayed, as a hybridized Gluon block's are: arguments, states
and gradients are arrays of a fixed memory, which a recording works on directly.
"""

import numpy as np
import torch

from tandem.core import scope
from tandem.core.errors import explain
from tandem.core.gradients import gradients
from tandem.mxnet import ndarray
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray, SparseStorage, mxnet_dtype
from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol.binding import Arrays, executor, requests_of
from tandem.mxnet.symbol.evaluate import Lowered
from tandem.mxnet.symbol.inference import Facts, known
from tandem.mxnet.symbol.nodes import SPECIAL, Entry, Node
from tandem.ops import typed, updates

__all__ = ["Executor"]

# Operators whose gradient does not ask for that of their output: they are losses, or end the way of gradients.
_LOSSES = {
    "SoftmaxOutput", "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput", "SVMOutput",
    "MakeLoss", "make_loss", "BlockGrad",
}  # fmt: skip


class Executor:
    """A symbol with its arrays; `Symbol.bind` and `Symbol.simple_bind` make them.

    arg_arrays, grad_arrays, aux_arrays, outputs: lists of arrays, in the order of the symbol's lists; arg_dict, ...:
    the same by name.
    """

    def __init__(self, handle, symbol, ctx, grad_req, group2ctx):
        if not isinstance(handle, Arrays):
            raise TypeError(
                explain(
                    "Executor(handle) takes a handle of MXNet's C library, which is not there",
                    given=type(handle).__name__,
                    hint="Symbol.bind and Symbol.simple_bind make executors.",
                )
            )
        self._symbol, self._ctx, self._group2ctx = symbol, ctx, group2ctx
        self._grad_req, self._arrays = grad_req, handle
        self.arg_arrays, self.grad_arrays, self.aux_arrays = handle.args, handle.grads, handle.aux
        self._lowered = Lowered(_with_own_heads(symbol), handle.facts, handle.devices)
        self._replayable = not any(node.row is not None and _is_eager(node) for node in self._lowered.order)
        pass_on = _passing_gradients_on(handle)
        self._needs_head = [id(entry.node) in pass_on for entry in symbol._entries]
        self.outputs = [
            NDArray._wrap(torch.zeros(self._shape_of(entry), dtype=handle.facts.dtype(entry)), self._context_of(entry))
            for entry in symbol._entries
        ]
        self._held, self._leaves, self._replay = None, [], None
        self._wanted, self._ones = [], {}  # leaves that want gradients; heads of losses by place
        self._slots = {}  # id of a leaf -> (its gradient's array, request)
        self._delivered = set()
        self._results, self._was_training = None, False
        self._monitor_callback, self._monitor_all = None, False
        self._seen = []  # (operator, its inputs' tensors) of the last pass that was watched, for its backward pass

    def _shape_of(self, entry):
        shape = self._arrays.facts.shape(entry)
        return () if shape is None else tuple(size or 0 for size in shape)

    def _context_of(self, entry):
        group = entry.node.attrs.get("__ctx_group__")
        return (self._group2ctx or {}).get(group, self._ctx)

    # --- its arrays --------------------------------------------------------------------------------------------------

    @staticmethod
    def _get_dict(names, ndarrays):
        if len(set(names)) != len(names):
            raise ValueError(f"Duplicate names detected, {names}")
        return dict(zip(names, ndarrays))

    @property
    def arg_dict(self):
        """Name of an argument -> its array."""
        return self._get_dict(self._arrays.arg_names, self.arg_arrays)

    @property
    def grad_dict(self):
        """Name of an argument -> the array of its gradient, None where none is wanted."""
        return self._get_dict(self._arrays.arg_names, self.grad_arrays)

    @property
    def aux_dict(self):
        """Name of an auxiliary state -> its array."""
        return self._get_dict(self._arrays.aux_names, self.aux_arrays)

    @property
    def output_dict(self):
        """Name of an output -> its array."""
        return self._get_dict(self._symbol.list_outputs(), self.outputs)

    def copy_params_from(self, arg_params, aux_params=None, allow_extra_params=False):
        """Copy values into arguments and auxiliary states, by name.

        Raises ValueError for a name that is none, unless `allow_extra_params`.
        """
        parts = (arg_params, self.arg_dict, "arguments"), (aux_params or {}, self.aux_dict, "auxiliary states")
        for given, own, what in parts:
            for name, array in given.items():
                if name in own:
                    array.astype(own[name].dtype).copyto(own[name])
                elif not allow_extra_params:
                    raise ValueError(f'Find name "{name}" that is not in the {what}')

    # --- running -----------------------------------------------------------------------------------------------------

    def forward(self, is_train=False, **kwargs):
        """Compute the outputs, a list of arrays.

        is_train: whether operators behave as in training, and `backward` may follow; kwargs: name -> new values of
        arguments. Raises ValueError for values of another shape, TypeError for an unknown name.
        """
        if kwargs:
            arguments = self.arg_dict
            for name, array in kwargs.items():
                if not isinstance(array, (NDArray, np.ndarray)):
                    raise ValueError("only accept keyword argument of NDArrays and numpy.ndarray")
                if name not in arguments:
                    raise TypeError(f"Unknown argument {name}")
                if arguments[name].shape != tuple(array.shape):
                    raise ValueError(
                        f"Shape not match! Argument {name}, need: {arguments[name].shape}, received: {array.shape}"
                    )
                arguments[name][:] = array
        self._was_training = bool(is_train)
        self._results = self._compute(self._was_training, self._was_training)
        for output, result in zip(self.outputs, self._results):
            held = result.detach()
            output._tensor = held.reshape(1) if held.dim() == 0 and output._tensor.dim() else held
        return self.outputs

    def _compute(self, training, differentiable):
        """The outputs' tensors; in torch's graph where gradients may be asked for."""
        self._find_leaves()
        self._seen = []
        before = scope.set_training(training), scope.set_recording(differentiable), torch.is_grad_enabled()
        torch._C._set_grad_enabled(differentiable)
        try:
            if self._replay is None or self._is_watched():
                return self._lowered.run(self._leaves, training, self._watch(differentiable))
            return self._replay(training)
        finally:
            scope.set_training(before[0])
            scope.set_recording(before[1])
            torch._C._set_grad_enabled(before[2])

    def _function(self, training):
        return self._lowered.run(self._leaves, training)

    def _find_leaves(self):
        """The tensors of the variables: an alias of each argument whose gradient is wanted stands in torch's graph."""
        sparse = False
        held = []
        for array in self._arrays.variables:
            try:
                held.append(array._tensor)
            except SparseStorage:
                held.append(array._dense())
                sparse = True
        if self._held is not None and not sparse and all(map(_is, held, self._held)):
            return
        self._held, self._slots, self._leaves = held, {}, []
        for tensor, (grad, request) in zip(held, self._arrays.requests):
            leaf = tensor.detach()
            if request != "null" and tensor.is_floating_point():
                leaf.requires_grad_(True)
                self._slots[id(leaf)] = grad, request
            self._leaves.append(leaf)
        self._wanted = [leaf for leaf in self._leaves if leaf.requires_grad]
        self._replay = None
        if self._replayable and not sparse:
            from tandem.engine.hybrid import Hybrid

            self._replay = Hybrid(self._function, self._learning, name="executor", deliver=self._deliver, certain=True)

    def _learning(self):
        return self._wanted

    def backward(self, out_grads=None, is_train=True):
        """Compute the gradients of the arguments into their arrays.

        out_grads: gradients of the outputs, an array, a list or a dict by name; a loss needs none.
        Raises MXNetError where one is missing, or has another shape.
        """
        incoming = self._incoming(out_grads)
        results = self._results
        if results is None or not any(result.requires_grad for result in results):
            results = self._compute(self._was_training, True)
        self._results = None  # its recording serves one backward pass
        wanted = self._learning()
        heads, seeds = [], []
        for place, (result, grad) in enumerate(zip(results, incoming)):
            if not result.requires_grad:
                continue
            if grad is None and self._needs_head[place]:
                raise MXNetError(
                    explain(
                        "Because the last operator is not Loss function, head_gradient is required by backward",
                        expected=f"a gradient of {self._symbol.list_outputs()[place]} in out_grads",
                        given="none",
                        hint="If the output is to be minimized, pass it through make_loss.",
                    )
                )
            heads.append(result)
            seeds.append(self._one(place, result) if grad is None else self._fitting(grad, result))
        self._delivered = set()
        watched = self._watched()
        found = [None] * (len(wanted) + len(watched))
        if heads and wanted:
            before = scope.set_training(bool(is_train)), scope.set_recording(False)
            try:
                found = gradients(heads, [*wanted, *watched], seeds)
            except RuntimeError as error:
                if isinstance(error, MXNetError):
                    raise
                raise MXNetError(explain(f"The backward pass failed: {str(error).splitlines()[0]}")) from error
            finally:
                scope.set_training(before[0])
                scope.set_recording(before[1])
        self._deliver(wanted, found[: len(wanted)], last=True)
        if watched:
            self._tell_gradients(watched, found[len(wanted) :])

    def _incoming(self, out_grads):
        """A gradient, or None, for each output."""
        if out_grads is None:
            return [None] * len(self.outputs)
        if isinstance(out_grads, NDArray):
            out_grads = [out_grads]
        elif isinstance(out_grads, dict):
            out_grads = [out_grads[name] for name in self._symbol.list_outputs()]
        for grad in out_grads:
            if not isinstance(grad, NDArray):
                raise TypeError("inputs must be NDArray")
        return [*out_grads, *[None] * (len(self.outputs) - len(out_grads))][: len(self.outputs)]

    def _one(self, place, result):
        """Ones in the shape of an output, the same tensor in each step."""
        ones = self._ones.get(place)
        if ones is None or ones.shape != result.shape or ones.dtype != result.dtype or ones.device != result.device:
            ones = self._ones[place] = torch.ones_like(result)
        return ones

    @staticmethod
    def _fitting(grad, result):
        tensor = grad._tensor
        if tensor.shape != result.shape:
            if tensor.numel() == 1 and result.numel() == 1:
                return tensor.reshape(result.shape)
            raise MXNetError(
                explain(
                    "A head gradient has another shape than its output",
                    expected=tuple(result.shape),
                    given=tuple(tensor.shape),
                )
            )
        return tensor.to(device=result.device, dtype=result.dtype)

    def _deliver(self, leaves, grads, last=False):
        """Put gradients into their arrays; a replay calls this with gradients in memory of its own.

        last: whether arguments that no gradient has reached get zeros.
        """
        targets, sources = [], []
        if last and len(self._delivered) == len(leaves) and all(grad is None for grad in grads):
            return []  # a replay has delivered them all
        for leaf, grad in zip(leaves, grads):
            slot = self._slots.get(id(leaf))
            if slot is None:
                continue
            array, request = slot
            again = id(leaf) in self._delivered
            if grad is None:
                if last and not again and request == "write":
                    array[:] = 0
                continue
            self._delivered.add(id(leaf))
            try:
                place = array._tensor
            except SparseStorage:
                if again or request == "add":
                    grad = typed.add_(array._dense(), grad)
                array._assign(grad)
                continue
            if self._arrays.devices:
                grad = grad.to(place.device)
            if request == "write" and not again:
                targets.append(place)
                sources.append(grad)
            else:
                typed.add_(place, grad)
        if targets:
            with torch.no_grad():
                updates.assign(targets, sources)
        return [None] * len(leaves)

    # --- looking in, and changing ------------------------------------------------------------------------------------

    def set_monitor_callback(self, callback, monitor_all=False):
        """Have `callback(name, array)` called for what each operator computes, forwards and backwards.

        The name is of bytes, as in MXNet: `mx.base.py_str` makes it a string. monitor_all: also for its inputs.
        """
        self._monitor_callback, self._monitor_all = callback, bool(monitor_all)

    def _is_watched(self):
        """Whether the callback wants to know: that of a `Monitor` does from its `tic` to its `toc`, in some batches."""
        monitor = getattr(self._monitor_callback, "__self__", None)
        return self._monitor_callback is not None and getattr(monitor, "activated", True)

    def _watch(self, differentiable):
        callback = self._monitor_callback
        if not self._is_watched():
            return None

        def watch(node, inputs, results):
            ctx = self._context_of(Entry(node))
            if results is not None:
                for name, tensor in zip(node.output_names(), results):
                    callback(name.encode(), NDArray._wrap(tensor.detach(), ctx))
                return results
            if self._monitor_all:
                for entry, tensor, name in zip(node.inputs, inputs, node.input_names()):
                    for one in [entry.node.name, name] if entry.node.is_variable else [name]:
                        callback(one.encode(), NDArray._wrap(tensor.detach(), ctx))
            if differentiable:
                # The gradient of an alias is what this operator adds to that of the tensor.
                inputs = [tensor.view_as(tensor) if tensor.requires_grad else tensor for tensor in inputs]
                self._seen.append((node, inputs))
            return inputs

        return watch

    def _watched(self):
        """Tensors whose gradients the monitor's callback is told of."""
        return [tensor for _, inputs in self._seen for tensor in inputs if tensor.requires_grad]

    def _tell_gradients(self, tensors, grads):
        """Call the monitor's callback with the gradients of each operator's inputs, the last operator's first.

        An input that is not learned has zeros: MXNet has numbers there that mean nothing.
        """
        found = {id(tensor): grad for tensor, grad in zip(tensors, grads) if grad is not None}
        for node, inputs in reversed(self._seen):
            written = node.mutated()
            inputs = [tensor for place, tensor in enumerate(inputs) if place not in written]
            if node.row.name == "elemwise_add" or not any(id(tensor) in found for tensor in inputs):
                continue
            ctx = self._context_of(Entry(node))
            for place, tensor in enumerate(inputs):
                grad = found.get(id(tensor))
                name = f"{node.name}_backward_output" + (str(place) if len(inputs) > 1 else "")
                grad = torch.zeros_like(tensor) if grad is None else grad
                self._monitor_callback(name.encode(), NDArray._wrap(grad.detach(), ctx))
        self._seen = []

    def reshape(self, partial_shaping=False, allow_up_sizing=False, **kwargs):
        """An executor on inputs of other shapes, by name, that shares the arrays of this one.

        partial_shaping: whether arguments that are not named may change their shape too; allow_up_sizing: whether
        larger arrays may be made anew.
        Raises MXNetError for a larger one without that, or an unnamed one.
        """
        facts = Facts(self._symbol._entries)
        for node, array in zip(self._arrays.nodes, self._arrays.variables):
            if node.name in kwargs:
                facts.give_shape(node, known(kwargs[node.name]))
            facts.tell_dtype(Entry(node), mxnet_dtype(array.dtype))
        facts.search(dtypes=True)
        found = [facts.shape(Entry(node)) for node in self._arrays.nodes]
        if any(shape is None or None in shape for shape in found):
            raise ValueError("Insufficient argument shapes provided.")
        parts = {"arg": [], "grad": [], "aux": []}
        for node, shape, array, (grad, _) in zip(
            self._arrays.nodes, found, self._arrays.variables, self._arrays.requests
        ):
            kind = "aux" if id(node) in self._arrays.written else "arg"
            if shape != array.shape and not partial_shaping and node.name not in kwargs and kind == "arg":
                raise MXNetError(
                    f"Shape of unspecified array arg:{node.name} changed. This can cause the new executor to not share"
                    " parameters with the old one. Please check for error in the network. If this is intended, set"
                    " partial_shaping=True to suppress this warning."
                )
            parts[kind].append(_resized(array, shape, allow_up_sizing, f"{kind}: {node.name}"))
            if kind == "arg":
                parts["grad"].append(None if grad is None else _resized(grad, shape, allow_up_sizing, node.name))
        requests = requests_of(self._grad_req, self._arrays.arg_names)
        made = executor(
            self._symbol, self._ctx, facts, parts["arg"], parts["grad"], self._grad_req, requests, parts["aux"],
            self._group2ctx,
        )  # fmt: skip
        if self._monitor_callback is not None:
            made.set_monitor_callback(self._monitor_callback, self._monitor_all)
        return made

    def debug_str(self):
        """The graph as text."""
        return self._symbol.debug_str()

    def get_optimized_symbol(self):
        """The symbol that is run."""
        return self._symbol.__copy__()


def _is(a, b):
    return a is b


def _is_eager(node):
    """Whether an operator cannot be replayed: it reads values, or its backward pass writes a state."""
    special = SPECIAL.get(node.row.name)
    return node.row.name == "IdentityAttachKLSparseReg" or (special is not None and special.reads_values)


def _resized(array, shape, allow_up_sizing, what):
    if array.shape == tuple(shape):
        return array
    size = int(np.prod(shape))
    if size > array.size:
        if not allow_up_sizing:
            raise MXNetError(
                explain(
                    f"New shape of {what} is larger than original",
                    expected=f"at most {array.size} elements, or allow_up_sizing=True",
                    given=f"{tuple(shape)}",
                    hint="First making a big executor and then down sizing it is more efficient than the reverse.",
                )
            )
        return ndarray.zeros(shape, ctx=array.context, dtype=array.dtype)
    return array.reshape((-1,))[0:size].reshape(shape)


def _with_own_heads(symbol):
    """The symbol with copies in the place of outputs that are variables: outputs have memory of their own."""
    if not any(entry.node.is_variable for entry in symbol._entries):
        return symbol
    copy = OPERATORS["_copy"]
    return type(symbol)(
        [
            Entry(Node(copy, entry.node.name, {}, [entry])) if entry.node.is_variable else entry
            for entry in symbol._entries
        ]
    )


def _passing_gradients_on(arrays):
    """The ids of the nodes through which a gradient of their output comes to an argument that wants one."""
    found = set()
    wanted = {id(node) for node, (_, request) in zip(arrays.nodes, arrays.requests) if request != "null"}
    for node in arrays.facts.order:
        if node.is_variable:
            on = id(node) in wanted
        else:
            on = _asks_for_head(node) and any(id(entry.node) in found for entry in node.inputs)
        if on:
            found.add(id(node))
    return found


def _asks_for_head(node):
    """Whether an operator's gradients depend on that of its output."""
    if node.row.name in _LOSSES:
        return node.row.name == "SoftmaxOutput" and node.binding.attributes["out_grad"]
    if node.row.name == "Custom":
        return SPECIAL["Custom"].needs_head(node)
    return node.row.differentiable
