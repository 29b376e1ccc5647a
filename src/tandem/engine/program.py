"""A recording made into straight-line code on fixed buffers.

`plan` decides what a replay does; here each unit of the plan becomes a line of one Python function, and that function
is all that a replay runs. The functions behind the lines are torch's own Python bindings where they are proven to make
the very same ATen call (they cost half of a generic operator call), and machine code made by `native`.
"""

import ctypes

import torch
from torch.utils._pytree import tree_unflatten

from tandem.engine import heap
from tandem.engine.bindings import binding, with_tensor
from tandem.engine.native import emit, llvm
from tandem.engine.plan import Plan
from tandem.engine.record import FILL, Ref, Unfaithful
from tandem.engine.schemas import ASKS_GRAD_MODE, EQUIVALENTS, bound, refs, schema_of

aten = torch.ops.aten


class Line:
    """A line of a program: its code, the recorded calls that it stands for, and the loops of machine code.

    compiled: whether it is machine code, not a call of the library.
    """

    __slots__ = ("calls", "code", "compiled", "nests")

    def __init__(self, code, calls=(), nests=(), compiled=False):
        self.code, self.calls, self.nests, self.compiled = code, tuple(calls), tuple(nests), compiled


class Program:
    """Fixed buffers and the function that runs one step on them.

    `inputs` are the buffers to fill, `run()` computes, and its result is the tree of outputs: they belong to the
    program and hold until the next run. `source` is the code of the step, `lines` the same line by line. A recording of
    two parts (a forward and a backward pass) gives a program whose `begin()` runs the first, and `run()` the second.
    native: whether machine code may stand in for calls of the library; its results differ in the last bits.
    """

    first_lines = None  # how many lines the first of two parts has
    compiler = "machine code"  # what `lines` that are compiled were compiled to
    about = None  # an `engine.backends.About`: whose program it is, and why it is one of this kind

    def __init__(self, recording, inputs, native=False):
        self.inputs = inputs
        with heap.uncollected():
            plan = Plan(recording, inputs, native)
            writer = _Writer(plan)
            self.source, (self.begin, self._step) = writer.write()
        self.lines, self.first_lines = writer.lines, writer.first_lines
        self.whole = writer.whole()
        self._fixed = writer.views
        self._kept = writer.kept
        self.memory = plan.buffers  # storage number -> memory
        self._describe(recording, plan.storages, plan.constant_storages)

    def _describe(self, recording, storages, constants):
        """Keep what `run`, `is_current` and `explain` need to know of a recording."""
        self.recorded = len(recording.calls)
        self.roles = [("constant" if n in constants else s.role, s.nbytes) for n, s in enumerate(storages)]
        self._spec = recording.output_spec
        self._outputs = len(recording.outputs)
        self._grads = [parameter for parameter, _ in recording.grads]
        self._owners = [s.owner for s in recording.storages if s.owner is not None]
        self._seen = self._look()

    def explain(self):
        """The program as text: its lines with their shapes, their memory, and the user's lines that they come from."""
        from tandem.engine.explain import explain

        return explain(self)

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


class _Writer:
    """Writes the lines of a plan, and keeps what they name."""

    def __init__(self, plan):
        self.plan = plan
        self.recording = plan.recording
        self.storages = plan.storages
        self.lines = []
        self.constants = {}  # id -> (name, value)
        self.names = {}  # name -> value: the arguments of the generated function
        self.views = {}  # Ref -> tensor, for fixed storages
        self.variables = {}  # Ref -> variable name, for storages that a call makes anew in each run
        self.holders = {}  # storage number -> the variable (and Ref) that holds it
        self.kept = [plan.buffers]  # what machine code has the addresses of
        self._begun = 0  # the first line of the part that is being written
        self.first_lines = None
        self._tables = []  # (function, table) of each piece of machine code
        segments = {
            number: unit.segment or emit.Segment(unit.nests, llvm.has_threads())
            for number, unit in enumerate(plan.units)
            if unit.kind == "native"
        }
        self.segments = dict(zip(segments, zip(segments.values(), llvm.compile_segments(segments.values()))))

    def write(self):
        """The source, and the function of each part (None for the first where there is one part only)."""
        first, recording = None, self.recording
        for number, unit in enumerate(self.plan.units):
            if unit.part and first is None:
                first = self._part(recording.first_outputs)
            if unit.kind == "native":
                self._native(unit, *self.segments[number])
            else:
                self._emit(self.plan.calls[unit.calls[0]], unit.kind)
            self._release(self.plan.deaths.get(number, ()))
        if first is None and recording.cut is not None:
            first = self._part(recording.first_outputs)
        if first is not None:
            self.first_lines = self._begun
        results = [*recording.outputs, *(ref for _, ref in recording.grads)]
        return self._assemble(first, self._part(results))

    def whole(self):
        """(function, address of its table) where one piece of machine code is all that the program does, else None."""
        if len(self._tables) == len(self.lines) == 1 and self.recording.cut is None:
            return self._tables[0]
        return None

    def _part(self, results):
        """The code of a function: the lines since the last part, and what it gives."""
        results = ", ".join(self._argument(value) for value in results)
        begin, self._begun = self._begun, len(self.lines)
        return [line.code for line in self.lines[begin:]] + [f"return [{results}]"]

    def _native(self, unit, segment, function):
        """A call of machine code, after the addresses of what was made anew in this run are put into its table."""
        scratch = torch.empty(max(1, segment.scratch), dtype=torch.uint8)
        table = (ctypes.c_void_p * (len(segment.storages) + 1))()
        table[len(segment.storages)] = scratch.data_ptr()
        moving = []
        for slot, number in enumerate(segment.storages):
            if number in self.plan.dynamic:
                holder, base = self.holders[number]
                begin = f" - {base.offset * base.dtype.itemsize}" if base.offset else ""
                moving.append(f"{self._constant(table, 'table')}[{slot}] = {holder}.data_ptr(){begin}")
            else:
                table[slot] = self._memory(number).data_ptr()
        self.kept += [table, scratch]
        address = ctypes.c_void_p(ctypes.addressof(table))
        code = f"{self._constant(function, 'native')}({self._constant(address, 'table')})"
        calls = [self.plan.calls[index] for index in unit.calls]
        if not moving:
            self._tables.append((function, address))
        self.lines.append(Line("; ".join([*moving, code]), calls, unit.nests, compiled=True))

    def _emit(self, call, kind):
        func, schema = call.func, schema_of(call.func)
        if kind == "fill":
            value = FILL.get(func._schema.name)
            self._call(call, aten.fill_.Scalar, [call.outputs[0], bound(call)[1] if value is None else value], {})
        elif kind == "copy":
            self._call(call, aten.copy_.default, [call.outputs[0], call.args[0]], {})
        elif kind == "out":
            args, kwargs = call.arguments()
            if func._schema.name in EQUIVALENTS:
                overload, more = EQUIVALENTS[func._schema.name]
                args, names = [*args, *more], ("out",)
            else:
                overload, names = schema.out_variant
            self._call(call, overload, list(args), {**kwargs, **dict(zip(names, call.outputs, strict=True))})
        else:
            args, kwargs = call.arguments()
            targets = [
                (ref, ref is not None and ref.storage in self.plan.dynamic and ref not in self.variables)
                for ref in call.outputs
            ]
            self._call(call, func, list(args), kwargs, targets if any(new for _, new in targets) else ())

    def _call(self, call, func, args, kwargs, targets=()):
        first = next(iter(refs(args[0])), None) if args else None
        if first is not None:
            func, args = with_tensor(func, args, first.dtype)
        function = binding(func, args, kwargs, self._concrete, self.storages)
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
        if func._schema.name in ASKS_GRAD_MODE:
            switch = self._constant(torch._C._set_grad_enabled, "grad")
            code = f"{switch}(True); {code}; {switch}(False)"
        self.lines.append(Line(code, [call]))

    def _release(self, storages):
        names = [name for ref, name in self.variables.items() if ref.storage in storages]
        if names:
            self.lines.append(Line(" = ".join(names) + " = None"))

    def _argument(self, value):
        if isinstance(value, Ref):
            if value.storage in self.plan.dynamic:
                return self._variable(value)
            return self._constant(self._view(value), "t")
        if isinstance(value, (list, tuple)) and any(isinstance(item, Ref) for item in value):
            if all(not isinstance(item, Ref) or item.storage not in self.plan.dynamic for item in value):
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
            self.lines.append(Line(f"{name} = {look}({holder}, {ref.size}, {ref.stride}, {ref.offset})"))
        return name

    def _memory(self, storage):
        memory = self.plan.buffers.get(storage)
        if memory is None:
            raise Unfaithful("a value that was made in one run is read in the next")
        return memory

    def _view(self, ref):
        """The fixed tensor that looks at a fixed storage as `ref` says."""
        tensor = self.views.get(ref)
        if tensor is None:
            tensor = self.views[ref] = self._memory(ref.storage).view(ref)
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
        if ref.storage in self.plan.dynamic:
            return torch.empty_strided(ref.size, ref.stride, dtype=ref.dtype)
        return self._view(ref)

    def _assemble(self, first, second):
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
