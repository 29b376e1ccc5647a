"""A recording made into straight-line code on fixed buffers.

The passes, in order: calls that only look at memory (views) vanish; calls whose arguments are all constants are folded;
calls with an `out=` variant write into a buffer of their own; buffers whose lives do not overlap share memory. What is
left is written as one Python function, a line to a call, and that function is all that a replay runs. The functions
behind the lines are torch's own Python bindings where they are proven to make the very same ATen call (they cost half
of a generic operator call).
"""

from dataclasses import dataclass

import torch
from torch.utils._pytree import tree_unflatten

from tandem.engine.bindings import binding, with_tensor
from tandem.engine.record import Ref, Unfaithful

aten = torch.ops.aten

_EMPTY = {"aten::empty", "aten::empty_like", "aten::empty_strided", "aten::new_empty", "aten::new_empty_strided"}
_FILL = {
    "aten::zeros": 0,
    "aten::zeros_like": 0,
    "aten::new_zeros": 0,
    "aten::ones": 1,
    "aten::ones_like": 1,
    "aten::new_ones": 1,
}
_COPY = {"aten::clone", "aten::_to_copy"}

# In-place operators that put other memory behind a tensor.
_NEW_MEMORY = {"aten::resize_", "aten::resize_as_", "aten::set_", "aten::_resize_output_"}

# Arguments that a kernel changes although its schema does not say so: the moving statistics.
_HIDDEN_WRITES = {"aten::native_batch_norm": (3, 4)}

# Kernels that keep what their gradient needs only while gradients are tracked.
_ASKS_GRAD_MODE = {"aten::mkldnn_rnn_layer"}

# Operators without an `out=` kernel that are a case of one that has it.
_EQUIVALENTS = {"aten::relu": (aten.clamp_min.out, (0,))}


@dataclass(slots=True)
class Schema:
    """What the passes need to know of an operator."""

    writes: tuple  # the positions of arguments that it changes
    random: bool
    out_variant: object  # (overload, names of its out arguments) or None
    names: tuple  # the arguments' names, in order
    keyword_only: tuple


_schemas: dict = {}


def schema_of(func):
    """The `Schema` of an overload, worked out once."""
    found = _schemas.get(func)
    if found is None:
        arguments = func._schema.arguments
        found = _schemas[func] = Schema(
            writes=tuple(i for i, a in enumerate(arguments) if a.alias_info is not None and a.alias_info.is_write),
            random=torch.Tag.nondeterministic_seeded in func.tags,
            out_variant=_out_variant(func),
            names=tuple(a.name for a in arguments),
            keyword_only=tuple(a.kwarg_only for a in arguments),
        )
    return found


def _out_variant(func):
    """The overload that computes the same into given tensors, where torch has a kernel for it.

    Overloads that torch generates by calling the functional one and copying are tagged `generated` and left alone.
    """
    wanted = [(a.name, str(a.type)) for a in func._schema.arguments]
    if any(str(r.type) != "Tensor" for r in func._schema.returns):
        return None
    for name in func.overloadpacket.overloads():
        other = getattr(func.overloadpacket, name)
        arguments = other._schema.arguments
        outs = [a.name for a in arguments if a.is_out]
        if (
            len(outs) == len(func._schema.returns)
            and [(a.name, str(a.type)) for a in arguments if not a.is_out] == wanted
            and torch.Tag.generated not in other.tags
        ):
            return other, outs
    return None


class Program:
    """Fixed buffers and the function that runs one step on them.

    `inputs` are the buffers to fill, `run()` computes, and its result is the tree of outputs: they belong to the
    program and hold until the next run. `source` is the code of the step, one line to a call. A recording of two parts
    (a forward and a backward pass) gives a program whose `begin()` runs the first, and `run()` the second.
    """

    def __init__(self, recording, inputs):
        self.inputs = inputs
        builder = _Builder(recording, inputs)
        self.source, (self.begin, self._step) = builder.build()
        self.calls = builder.lines
        self._fixed = builder.views
        self._spec = recording.output_spec
        self._outputs = len(recording.outputs)
        self._grads = [parameter for parameter, _ in recording.grads]
        self._owners = [s.owner for s in recording.storages if s.owner is not None]
        self._seen = self._look()

    def tensors(self):
        """The fixed tensors that the calls work on: buffers, parameters, constants, and views of them."""
        return list(self._fixed.values())

    def _look(self):
        return [(owner.data_ptr(), owner.requires_grad) for owner in self._owners]

    def is_current(self):
        """Whether the parameters still have the memory, and train as they did, when the program was made."""
        return self._look() == self._seen

    def run(self):
        """One step. Gradients are not tracked: what the recording says of them is already in it."""
        before = torch.is_grad_enabled()
        torch._C._set_grad_enabled(False)
        try:
            results = self._step()
        finally:
            torch._C._set_grad_enabled(before)
        if self._grads:
            for parameter, grad in zip(self._grads, results[self._outputs :], strict=True):
                parameter.grad = grad
            del results[self._outputs :]
        return tree_unflatten(results, self._spec)


class _Builder:
    def __init__(self, recording, inputs):
        self.recording = recording
        self.storages = recording.storages
        self.calls = recording.calls
        self.inputs = inputs
        self.lines = []  # (code, call)
        self._begun = 0  # the first line of the part that is being written
        self.constants = {}  # id -> (name, value)
        self.names = {}  # name -> value: the arguments of the generated function
        self.buffers = {}  # storage number -> tensor over the whole memory, for fixed storages
        self.views = {}  # Ref -> tensor, for fixed storages
        self.variables = {}  # Ref -> variable name, for storages that a call makes anew in each run
        self.holders = {}  # storage number -> the variable (and Ref) that holds it
        self.constant_storages = {i for i, s in enumerate(self.storages) if s.constant}

    # -- passes ---------------------------------------------------------------------------------------------------

    def build(self):
        written = self._written()
        kinds = [self._kind(index, call, written) for index, call in enumerate(self.calls)]
        self._drop_unread(kinds)
        self._find_dynamic(kinds)
        self._allocate(kinds)
        dies = self._deaths()
        first = None
        for index, (call, kind) in enumerate(zip(self.calls, kinds, strict=True)):
            if index == self.recording.cut:
                first = self._part(self.recording.first_outputs)
            if kind not in ("view", "constant", "empty", "unread"):
                self._emit(call, kind)
            self._release(dies.get(index, ()))
        if first is None and self.recording.cut is not None:
            first = self._part(self.recording.first_outputs)
        results = [*self.recording.outputs, *(ref for _, ref in self.recording.grads)]
        return self._assemble(first, self._part(results))

    def _part(self, results):
        """The code of a function: the lines since the last part, and what it gives."""
        results = ", ".join(self._argument(value) for value in results)
        begin, self._begun = self._begun, len(self.lines)
        return [code for code, _ in self.lines[begin:]] + [f"return [{results}]"]

    def _written(self):
        """For each storage, the indices of the calls that change it after it was made."""
        written = {}
        for index, call in enumerate(self.calls):
            for position in schema_of(call.func).writes or _HIDDEN_WRITES.get(call.func._schema.name, ()):
                for ref in _refs(self._bound(call)[position]):
                    written.setdefault(ref.storage, []).append(index)
        return written

    def _bound(self, call):
        """The call's arguments in the order of its schema, lists kept, absent ones None."""
        args, kwargs = tree_unflatten(call.args, call.spec)
        names = schema_of(call.func).names
        return [args[i] if i < len(args) else kwargs.get(name) for i, name in enumerate(names)]

    def _kind(self, index, call, written):
        schema = schema_of(call.func)
        if torch.Tag.inplace_view in call.func.tags:
            if call.func._schema.name in _NEW_MEMORY:
                raise Unfaithful(f"{call.func} gives a tensor other memory", call.where)
            return "view"  # `t.transpose_(0, 1)`: what reads t later says itself how it looks at the memory
        if schema.writes or not call.func._schema.returns:
            return "as is"
        made = [ref for ref in call.results() if self._made_by(ref, index)]
        if not made:
            return "view"
        name = call.func._schema.name
        reads = {ref.storage for ref in call.tensors()}
        mutated = any(ref.storage in written for ref in made)
        kept = all(self.storages[ref.storage].tensor is not None for ref in made)
        if name in _EMPTY:
            return "empty"
        if name in _FILL and not mutated and kept:
            self.constant_storages.update(ref.storage for ref in made)
            return "constant"
        if not mutated and kept and not schema.random and reads <= self.constant_storages:
            self.constant_storages.update(ref.storage for ref in made)
            return "constant"
        whole = all(_covers(ref, self.storages[ref.storage]) for ref in made)
        if len(made) != len(call.outputs) or not whole:
            return "dynamic"
        if name in _FILL or name == "aten::full":
            return "fill"
        if name in _COPY:
            return "copy"
        if name == "aten::native_batch_norm" and _is_scattered(call.args[0]):
            return "dynamic"
        if name in _EQUIVALENTS or (schema.out_variant is not None and not self._reduces(call)):
            return "out"
        return "dynamic"

    def _reduces(self, call):
        """Whether a loss is averaged or summed inside: those kernels use their `out` as scratch and resize it."""
        names = schema_of(call.func).names
        return "reduction" in names and "grad_output" not in names and self._bound(call)[names.index("reduction")] != 0

    def _drop_unread(self, kinds):
        """Mark the calls whose results nobody reads. A random one stays: it moves the generator on."""
        results = [*self.recording.outputs, *self.recording.first_outputs, *(ref for _, ref in self.recording.grads)]
        read = {value.storage for value in results if isinstance(value, Ref)}
        for index in range(len(self.calls) - 1, -1, -1):
            call, kind = self.calls[index], kinds[index]
            if kind in ("view", "constant", "empty"):
                continue
            effect = kind == "as is" or schema_of(call.func).random or call.func._schema.name in _HIDDEN_WRITES
            if effect or any(ref.storage in read for ref in call.results()):
                read.update(ref.storage for ref in call.tensors())
            else:
                kinds[index] = "unread"

    def _made_by(self, ref, index):
        storage = self.storages[ref.storage]
        return storage.role == "made" and storage.maker == index

    def _find_dynamic(self, kinds):
        self.dynamic = set()
        for index, (call, kind) in enumerate(zip(self.calls, kinds, strict=True)):
            if kind in ("dynamic", "as is"):
                self.dynamic.update(ref.storage for ref in call.results() if self._made_by(ref, index))

    def _allocate(self, kinds):
        """Give each fixed storage its memory; storages whose lives do not overlap may get the same."""
        last = self._last_uses()
        free, expiring = [], {}
        for index, kind in enumerate(kinds):
            call = self.calls[index]
            if kind in ("empty", "fill", "copy", "out"):
                for number in {ref.storage for ref in call.results() if self._made_by(ref, index)}:
                    memory = self._take(free, self.storages[number].nbytes, self._device(call))
                    self.buffers[number] = memory
                    expiring.setdefault(last[number], []).append(memory)
            free.extend(expiring.pop(index, ()))
        inputs = iter(self.inputs)
        for number, storage in enumerate(self.storages):
            if storage.role == "input":
                self.buffers[number] = next(inputs).untyped_storage()
            elif storage.role == "made" and kinds[storage.maker] == "unread":
                continue
            elif number not in self.buffers and number not in self.dynamic:
                if storage.tensor is None:
                    raise Unfaithful("a value that was made in one run is read in the next")
                self.buffers[number] = storage.tensor.untyped_storage()

    def _device(self, call):
        for ref in call.tensors():
            tensor = self.storages[ref.storage].tensor
            if tensor is not None and tensor.dim():
                return tensor.device
        device = (
            self._bound(call)[schema_of(call.func).names.index("device")]
            if "device" in schema_of(call.func).names
            else None
        )
        return (
            torch.device(device)
            if device is not None
            else self.inputs[0].device
            if self.inputs
            else torch.device("cpu")
        )

    @staticmethod
    def _take(free, nbytes, device):
        fitting = [m for m in free if nbytes <= m.nbytes() <= 2 * nbytes + 256 and m.device == device]
        if fitting:
            memory = min(fitting, key=lambda m: m.nbytes())
            free[:] = [m for m in free if m is not memory]
            return memory
        return torch.empty(nbytes, dtype=torch.uint8, device=device).untyped_storage()

    def _last_uses(self):
        """For each storage the index of the last call that touches it; outputs live on."""
        last = {}
        for index, call in enumerate(self.calls):
            for ref in call.tensors() + call.results():
                last[ref.storage] = index
        for value in [*self.recording.outputs, *(ref for _, ref in self.recording.grads)]:
            if isinstance(value, Ref):
                last[value.storage] = len(self.calls)
        for value in self.recording.first_outputs:
            last[value.storage] = max(last.get(value.storage, 0), self.recording.cut)
        return last

    def _deaths(self):
        deaths = {}
        last = self._last_uses()
        for number in self.dynamic:
            deaths.setdefault(last[number], []).append(number)
        return deaths

    # -- code -----------------------------------------------------------------------------------------------------

    def _emit(self, call, kind):
        func, schema = call.func, schema_of(call.func)
        if kind == "fill":
            value = _FILL.get(func._schema.name)
            if value is None:
                value = self._bound(call)[1]
            self._call(call, aten.fill_.Scalar, [call.outputs[0], value], {})
        elif kind == "copy":
            self._call(call, aten.copy_.default, [call.outputs[0], call.args[0]], {})
        elif kind == "out":
            args, kwargs = tree_unflatten(call.args, call.spec)
            if func._schema.name in _EQUIVALENTS:
                overload, more = _EQUIVALENTS[func._schema.name]
                args, names = [*args, *more], ("out",)
            else:
                overload, names = schema.out_variant
            self._call(call, overload, list(args), {**kwargs, **dict(zip(names, call.outputs, strict=True))})
        else:
            args, kwargs = tree_unflatten(call.args, call.spec)
            targets = [
                (ref, ref is not None and ref.storage in self.dynamic and ref not in self.variables)
                for ref in call.outputs
            ]
            self._call(call, func, list(args), kwargs, targets if any(new for _, new in targets) else ())

    def _call(self, call, func, args, kwargs, targets=()):
        first = next(iter(_refs(args[0])), None) if args else None
        if first is not None:
            func, args = with_tensor(func, args, first.dtype)
        function = binding(func, *_deep(self._concrete, (args, kwargs)))
        parts = [self._argument(value) for value in args]
        parts += [f"{name}={self._argument(value)}" for name, value in kwargs.items()]
        code = f"{self._constant(function, func._schema.name.split('::')[-1])}({', '.join(parts)})"
        if targets:
            left = []
            for ref, new in targets:
                name = f"v{len(self.variables)}" if new else "_"
                if new:
                    self.variables[ref] = name
                    self.holders.setdefault(ref.storage, (name, ref))
                left.append(name)
            single = len(func._schema.returns) == 1 and str(func._schema.returns[0].type) == "Tensor"
            code = f"{left[0] if single else ', '.join(left) + ','} = {code}"
        if func._schema.name in _ASKS_GRAD_MODE:
            switch = self._constant(torch._C._set_grad_enabled, "grad")
            code = f"{switch}(True); {code}; {switch}(False)"
        self.lines.append((code, call))

    def _release(self, storages):
        names = [name for ref, name in self.variables.items() if ref.storage in storages]
        if names:
            self.lines.append((" = ".join(names) + " = None", None))

    def _argument(self, value):
        if isinstance(value, Ref):
            if value.storage in self.dynamic:
                return self._variable(value)
            return self._constant(self._view(value), "t")
        if isinstance(value, (list, tuple)) and any(isinstance(item, Ref) for item in value):
            if all(not isinstance(item, Ref) or item.storage not in self.dynamic for item in value):
                return self._constant([self._view(i) if isinstance(i, Ref) else i for i in value], "t")
            return "[" + ", ".join(self._argument(item) for item in value) + "]"
        if value is None or value is True or value is False or type(value) is int:
            return repr(value)
        return self._constant(value, "c")

    def _variable(self, ref):
        name = self.variables.get(ref)
        if name is None:
            holder, base = self.holders[ref.storage]
            if base.dtype != ref.dtype:
                raise Unfaithful("the memory of a value that is made anew in each run is read as another dtype")
            name = f"v{len(self.variables)}"
            self.variables[ref] = name
            look = self._constant(torch.as_strided, "as_strided")
            self.lines.append((f"{name} = {look}({holder}, {ref.size}, {ref.stride}, {ref.offset})", None))
        return name

    def _view(self, ref):
        """The fixed tensor that looks at a fixed storage as `ref` says."""
        tensor = self.views.get(ref)
        if tensor is None:
            memory = self.buffers[ref.storage]
            tensor = torch.empty(0, dtype=ref.dtype, device=memory.device).set_(
                memory, ref.offset, ref.size, ref.stride
            )
            self.views[ref] = tensor
        return tensor

    def _constant(self, value, prefix):
        found = self.constants.get(id(value))
        if found is None:
            name = f"{prefix}_{len(self.names)}"
            found = self.constants[id(value)] = (name, value)
            self.names[name] = value
        return found[0]

    def _concrete(self, ref):
        """A tensor of a `Ref`'s form, to try a call with."""
        return self._stand_in(ref) if ref.storage in self.dynamic else self._view(ref)

    @staticmethod
    def _stand_in(ref):
        return torch.empty_strided(ref.size, ref.stride, dtype=ref.dtype)

    def _assemble(self, first, second):
        """The source, and the function of each part (None for the first where there is one part only)."""
        shared = ""
        if first is not None and self.variables:
            names = ", ".join(self.variables.values())
            shared = f"        nonlocal {names}\n"
        lines = [f"def bind({', '.join(self.names)}):\n"]
        if shared:
            lines.append(f"    {' = '.join(self.variables.values())} = None\n")
        for name, code in (("begin", first), ("step", second)):
            if code is not None:
                lines.append(f"    def {name}():\n{shared}" + "".join(f"        {line}\n" for line in code))
        lines.append(f"    return {'None' if first is None else 'begin'}, step\n")
        source, scope = "".join(lines), {}
        exec(compile(source, "<tandem program>", "exec"), scope)
        return source, scope["bind"](**self.names)


def _refs(value):
    if isinstance(value, Ref):
        return [value]
    return [item for item in value if isinstance(item, Ref)] if isinstance(value, (list, tuple)) else []


def _is_scattered(ref):
    """Whether a batch is dense neither with its channels second nor with them last.

    For such batches the kernel of `native_batch_norm.out` (torch 2.13, CPU) gives wrong statistics in training.
    """
    batch = torch.empty_strided(ref.size, ref.stride, dtype=ref.dtype, device="meta")
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(batch.dim(), torch.contiguous_format)
    return not (batch.is_contiguous() or batch.is_contiguous(memory_format=last))


def _covers(ref, storage):
    """Whether a tensor begins with its storage (and so can be an `out=` buffer on memory of its own)."""
    return ref.offset == 0


def _deep(function, tree):
    if isinstance(tree, Ref):
        return function(tree)
    if isinstance(tree, (list, tuple)):
        return type(tree)(_deep(function, item) for item in tree)
    if isinstance(tree, dict):
        return {key: _deep(function, item) for key, item in tree.items()}
    return tree
