"""Writing down every ATen call that a function makes, forward, backward and update alike.

A recording speaks of storages, not of tensor objects: autograd hands out new tensor objects for values that it saved,
so only the memory behind a tensor says which value it is. A storage is an *input* (a buffer that the caller fills
before each run), *made* by one of the calls, or *outside* (a parameter, an optimizer's slot, a constant).
"""

import itertools
import os
import random
import sys
import weakref
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack
from torch.utils._pytree import tree_flatten, tree_unflatten

from tandem.core import scope
from tandem.core.dispatch import DispatchMode
from tandem.core.module import Holder

aten = torch.ops.aten

# Of a new tensor that Python made from numbers, the value may be compared between two recordings up to this size.
_CONSTANT_ELEMENTS = 1 << 16

# What follows from Python's numbers alone is kept up to this size: a program has it as a constant.
_KEPT_BYTES = 1 << 16


class Unfaithful(Exception):
    """The function did something that a replay would not repeat; `where` is the user's line, if it is known."""

    def __init__(self, reason, where=None):
        super().__init__(reason)
        self.reason = reason
        self.where = where


@dataclass(slots=True, unsafe_hash=True)
class Ref:  # never changed, but frozen ones take three times as long to make
    """A tensor as seen by a recording: which storage, and how it looks at it."""

    storage: int
    dtype: torch.dtype
    size: tuple
    stride: tuple
    offset: int


def flatten(args, kwargs):
    """(the flat list of a call's arguments, what `unflatten` needs to know of them).

    ATen's arguments are values and flat lists of them: this is what recording spends its time on, and torch's general
    function takes five times as long.
    """
    flat, spec = [], []
    for name, value in (*enumerate(args), *kwargs.items()):
        if isinstance(value, (list, tuple)):
            spec.append((name, len(value)))
            flat.extend(value)
        else:
            spec.append((name, None))
            flat.append(value)
    return flat, tuple(spec)


def unflatten(flat, spec):
    """(arguments, keyword arguments) of a flat list."""
    args, kwargs, at = [], {}, 0
    for name, length in spec:
        if length is None:
            value, at = flat[at], at + 1
        else:
            value, at = list(flat[at : at + length]), at + length
        if isinstance(name, str):
            kwargs[name] = value
        else:
            args.append(value)
    return tuple(args), kwargs


def _results(result):
    """The flat list of what a call gave."""
    if isinstance(result, torch.Tensor):
        return [result]
    if not isinstance(result, (list, tuple)):
        return [result]
    flat = []
    for part in result:
        flat.extend(part) if isinstance(part, (list, tuple)) else flat.append(part)
    return flat


@dataclass(slots=True)
class Call:
    """One ATen call: `args` is the flat list of its arguments, tensors among them as `Ref`s; `outputs` likewise.

    An output that is no tensor (the gradient that nobody asked for) is None.
    """

    func: object
    spec: object
    args: list
    outputs: list
    where: tuple | None

    def arguments(self):
        """(arguments, keyword arguments) as they were given, lists kept."""
        return unflatten(self.args, self.spec)

    def tensors(self):
        """The `Ref`s among the arguments."""
        return [arg for arg in self.args if type(arg) is Ref]

    def results(self):
        """The `Ref`s among the outputs."""
        return [out for out in self.outputs if out is not None]


@dataclass(slots=True)
class Storage:
    """What a recording knows of one piece of memory."""

    role: str  # "input", "made" or "outside"
    nbytes: int
    key: int  # its address while it lives
    device: torch.device
    tensor: torch.Tensor | None  # None for what is made during the run: that must be freed as eager code frees it
    watch: object = None
    maker: int = -1  # the index of the call that made it
    constant: bool = False  # Python made it from numbers during the recording
    owner: torch.Tensor | None = None  # the parameter that it belongs to, as the function saw it


@dataclass
class Recording:
    """The calls of one run, the storages that they touch, and the tree of outputs."""

    calls: list = field(default_factory=list)
    storages: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    output_spec: object = None
    grads: list = field(default_factory=list)  # (parameter, Ref) of each `.grad` that the run left behind
    cut: int | None = None  # where the run has two parts: the index of the second part's first call
    first_outputs: list = field(default_factory=list)  # what the first part gives
    drew: bool = False  # whether Python's or NumPy's global generator gave numbers meanwhile
    generators: dict = field(default_factory=dict)  # of each that a call got: its state before the first call

    def difference(self, other):
        """Why a run recorded later did not do the same as this one, or None where it did."""
        if len(self.calls) != len(other.calls):
            return f"one run made {len(self.calls)} operations and the next {len(other.calls)}", None
        for before, after in zip(self.calls, other.calls, strict=True):
            if before.func is not after.func:
                return f"one run called {before.func} and the next {after.func}", after.where
            if before.args != after.args and not _same_args(before.args, after.args):
                return f"an argument of {after.func} changed from run to run", after.where
        for before, after in zip(self.storages, other.storages, strict=True):
            if before.role != after.role:
                return "a tensor came from elsewhere than in the run before", None
            if before.constant and after.constant:
                if not _same_values(before.tensor, after.tensor):
                    return "a number that Python computed changed from run to run", None
            elif before.role == "outside" and before.key != after.key:
                return "a tensor that the function reads was replaced by another one from run to run", None
        if self._results() != other._results() or self.cut != other.cut:
            return "the outputs are not the same values as in the run before", None
        if other.drew:
            return "random numbers are drawn in Python (by `random` or `numpy.random`)", None
        for generator, state in other.generators.items():
            if generator in self.generators and torch.equal(state, self.generators[generator]):
                return "a random generator begins each run in the same state", None
        return None

    def _results(self):
        return self.outputs, self.first_outputs, [ref for _, ref in self.grads]


def _same_args(before, after):
    return len(before) == len(after) and all(
        a is b or (type(a) is type(b) and (a == b or (a != a and b != b))) for a, b in zip(before, after, strict=True)
    )


def _same_values(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)


# Calls that fill new memory with a number, whatever is in the tensor whose shape they take.
FILL = {
    "aten::zeros": 0,
    "aten::zeros_like": 0,
    "aten::new_zeros": 0,
    "aten::ones": 1,
    "aten::ones_like": 1,
    "aten::new_ones": 1,
}

# Kernels of which one output (its number) has a shape that depends on values; only the kernel's gradient reads it.
_SHAPELESS = {aten._ctc_loss.Tensor: 1}


def _by_numbers(func, flat):
    """Whether it is a subscript with numbers alone, whose shape follows from theirs; a mask's depends on its values."""
    return func is aten.index.Tensor and not any(
        value.dtype in (torch.bool, torch.uint8) for value in flat[1:] if isinstance(value, torch.Tensor)
    )


def _storage_key(tensor):
    return tensor.untyped_storage()._cdata


class _Watch(weakref.ref):
    """Forgets a storage's number when it is freed: its address may be another's then.

    A weak reference of C++ would keep the address, and with it a small piece of the heap beside each large one that is
    freed; the next tensor, which asks for a little more than its size, would not fit into the hole.
    """

    __slots__ = ("key", "numbers")

    def __new__(cls, memory, numbers):
        return super().__new__(cls, memory, cls._forget)

    def __init__(self, memory, numbers):
        super().__init__(memory, self._forget)
        self.key, self.numbers = memory._cdata, numbers

    @staticmethod
    def _forget(watch):
        watch.numbers.pop(watch.key, None)


def user_frame():
    """(file, line) of the innermost Python frame that is neither torch's nor ours, or None."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        internal = _internal.get(name)
        if internal is None:
            internal = _internal[name] = name.startswith(_INTERNAL)
        if not internal:
            return name, frame.f_lineno
        frame = frame.f_back
    return None


_internal: dict = {}  # file name -> whether it is torch's, ours or the standard library's


_INTERNAL = (
    os.path.dirname(torch.__file__),
    os.path.dirname(os.path.dirname(__file__)),
    os.path.dirname(os.__file__),  # the standard library
    "<",
)

# Python looks into a tensor through these without any ATen call that a dispatch mode would see.
_READS = {
    torch.Tensor.numpy,
    torch.Tensor.tolist,
    torch.Tensor.__array__,
    torch.Tensor.data_ptr,
    torch.Tensor.untyped_storage,
    torch.Tensor.__dlpack__,
}


_NUMBERS = itertools.count(1)
_SEEDED = "a random generator is seeded or set back on the way"


def _default_generator(device):
    """The generator that random numbers on a device come from; None where we do not know it."""
    if device.type == "cpu":
        return torch.default_generator
    if device.type == "cuda":
        torch.cuda.init()
        return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]
    return None


class _Generators:
    """Notices what a replay would not repeat of random numbers: Python's, and generators that are seeded on the way.

    Calls of the dispatcher are replayed, and move torch's generators on as they did; what happens to these outside of
    calls is not seen, but the states that they are left in are.
    """

    def __init__(self):
        self._first = {}
        self._known = {}
        self._python = None

    def begin(self):
        """Look at the generators that everybody uses."""
        self._python = random.getstate(), _numpy_state()
        self._known = {torch.default_generator: torch.default_generator.get_state()}

    def end(self, recording):
        """Say in a recording what was drawn; gives whether all generators are as the calls left them."""
        recording.drew |= (random.getstate(), _numpy_state()) != self._python
        recording.generators = self._first
        return all(torch.equal(generator.get_state(), state) for generator, state in self._known.items())

    def before(self, generator):
        """Whether a generator that a call is going to use is as the last call left it."""
        state = generator.get_state()
        if generator in self._known:
            return torch.equal(state, self._known[generator])
        if generator is not _default_generator(generator.device):
            self._first[generator] = state
        return True

    def after(self, generator):
        """Remember how a call left the generator."""
        self._known[generator] = generator.get_state()


def _numpy_state():
    name, key, position, *rest = np.random.get_state()
    return name, key.tobytes(), position, *rest


class _Reads(TorchFunctionMode):
    """Notices when the function takes a tensor's values out of torch."""

    def __init__(self, recorder):
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in _READS and self.recorder.knows(args[0]) and not self.recorder.is_fixed(args[0]):
            self.recorder.refuse(f"a tensor's values are read into Python ({func.__name__})", user_frame())
        return func(*args, **(kwargs or {}))


class Recorder(DispatchMode):
    """Runs every call as it comes and writes it down; `recording` holds the result."""

    def __init__(self):
        super().__init__()
        self.recording = Recording()
        self.refusal = None
        self._numbers = {}
        self._fixed = set()  # numbers of storages whose values follow from numbers of Python's alone
        self._changed = set()  # numbers of storages that a call may have written to
        self._shapeless = set()  # numbers of storages of which only their own gradient's kernel reads the shape
        self._reads = _Reads(self)
        self._generators = _Generators()
        self._outer = None
        self._before = None  # during a trial: number of a storage from outside -> (its memory, what was in it)

    @contextmanager
    def trial(self):
        """Write down a block of code whose effect comes later: what it changes outside is put back at its end."""
        self._before = {}
        try:
            yield
        finally:
            for memory, content in self._before.values():
                memory.copy_(content)
            self._before = None

    def __enter__(self):
        self._generators.begin()
        self._outer, scope.current.recorder = scope.current.recorder, next(_NUMBERS)
        super().__enter__()
        self._reads.__enter__()
        return self

    def __exit__(self, *exception):
        self._reads.__exit__(*exception)
        super().__exit__(*exception)
        scope.current.recorder = self._outer
        if not self._generators.end(self.recording):
            self.refuse(_SEEDED, None)

    def refuse(self, reason, where):
        """Remember the first thing that a replay could not repeat; the run itself goes on."""
        if self.refusal is None:
            self.refusal = Unfaithful(reason, where)

    def knows(self, tensor):
        """Whether a tensor is an input of this run, or was made or changed by it."""
        number = self._numbers.get(_storage_key(tensor)) if isinstance(tensor, torch.Tensor) else None
        return number is not None and (self.recording.storages[number].role != "outside" or number in self._changed)

    def is_fixed(self, tensor):
        """Whether a tensor's values follow from numbers of Python's alone: each run makes the same ones."""
        return self._numbers.get(_storage_key(tensor)) in self._fixed

    def add_input(self, tensor):
        """Say that `tensor` is a buffer which the caller fills before each run."""
        self._add_storage(tensor, "input")

    def _add_storage(self, tensor, role, maker=-1, fixed=False):
        number = len(self.recording.storages)
        memory = tensor.untyped_storage()
        nbytes = memory.nbytes()
        keep = tensor.detach() if role != "made" or (fixed and nbytes <= _KEPT_BYTES) else None
        watch = _Watch(memory, self._numbers) if keep is None else None
        owner = tensor if role == "outside" and isinstance(tensor, torch.nn.Parameter) else None
        self.recording.storages.append(
            Storage(role, nbytes, memory._cdata, tensor.device, keep, watch, maker, owner=owner)
        )
        if fixed:
            self._fixed.add(number)
        self._numbers[memory._cdata] = number
        return number

    def _ref(self, tensor):
        number = self._numbers.get(_storage_key(tensor))
        if number is None:
            number = self._add_storage(tensor, "outside")
        if number in self._shapeless:
            return Ref(number, tensor.dtype, (0,), (1,), 0)
        return Ref(number, tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.storage_offset())

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        # In a user's own `autograd.Function` the mode that notices reads is still on: what we look at is no read.
        with torch._C.DisableTorchFunction():
            return self._write_down(func, args, kwargs or {})

    def _write_down(self, func, args, kwargs):
        if func.namespace == "profiler":
            return func(*args, **kwargs)
        where = user_frame()
        if func._overloadname.endswith("generator") and "generator" not in kwargs:
            kwargs["generator"] = None  # which torch (2.13) leaves out here although the schema has no default
        flat, spec = flatten(args, kwargs)
        refs = [self._ref(value) if isinstance(value, torch.Tensor) else value for value in flat]
        generator = self._generator(func, flat, where)
        if self._before is not None and func._schema.is_mutable:
            self._keep_outside(flat, refs)
        result = func(*args, **kwargs)
        if generator is not None:
            self._generators.after(generator)
        if func.namespace != "aten" and func.namespace not in ("prims", "mkldnn", "quantized", "tandem"):
            self.refuse(f"the operator {func} is not one of torch's own", where)
        if func is aten.lift_fresh.default and args[0].numel() <= _CONSTANT_ELEMENTS:
            self.recording.storages[refs[0].storage].constant = True
            self._fixed.add(refs[0].storage)
        fixed = generator is None and (
            func._schema.name in FILL or all(ref.storage in self._fixed for ref in refs if isinstance(ref, Ref))
        )
        if torch.Tag.data_dependent_output in func.tags and not fixed:
            self.refuse("a tensor's value is read into Python", where)
        elif torch.Tag.dynamic_output_shape in func.tags and func not in _SHAPELESS and not _by_numbers(func, flat):
            self.refuse(f"the shape of {func}'s result depends on values", where)
        index = len(self.recording.calls)
        outputs = []
        for tensor in _results(result):
            if not isinstance(tensor, torch.Tensor):
                outputs.append(None)
                continue
            if tensor.layout is not torch.strided:
                self.refuse(f"{func} gives a tensor that is not dense", where)
                return result
            if _storage_key(tensor) not in self._numbers:
                number = self._add_storage(tensor, "made", index, fixed)
                if len(outputs) == _SHAPELESS.get(func):
                    self._shapeless.add(number)
            outputs.append(self._ref(tensor))
        if not fixed and func._schema.is_mutable:
            touched = [ref.storage for ref in refs if isinstance(ref, Ref)]
            self._fixed.difference_update(touched)
            self._changed.update(touched)
        self.recording.calls.append(Call(func, spec, refs, outputs, where))
        return result

    def _keep_outside(self, flat, refs):
        for value, ref in zip(flat, refs):
            if not isinstance(ref, Ref) or ref.storage in self._before:
                continue
            if self.recording.storages[ref.storage].role == "outside":
                memory = value.untyped_storage()
                self._before[ref.storage] = memory, memory.clone()

    def _generator(self, func, flat, where):
        """The generator that a call is going to draw from, or None."""
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return None
        generator = next((value for value in flat if isinstance(value, torch.Generator)), None)
        if generator is None:
            tensor = next((value for value in flat if isinstance(value, torch.Tensor)), None)
            device = next((value for value in flat if isinstance(value, torch.device)), torch.device("cpu"))
            generator = _default_generator(device if tensor is None else tensor.device)
        if generator is not None and not self._generators.before(generator):
            self.refuse(_SEEDED, where)
        return generator

    def end_first_part(self, outputs):
        """Say that what was run so far gives the flat list `outputs`, and that what follows is run later."""
        self.recording.cut = len(self.recording.calls)
        self.recording.first_outputs = [self._ref(value) for value in outputs]

    def finish(self, outputs):
        """Close the recording with the tree of outputs; raise `Unfaithful` where it cannot be replayed."""
        if self.refusal is not None:
            raise self.refusal
        flat, spec = tree_flatten(outputs)
        flat = [value.tensor if isinstance(value, Holder) else value for value in flat]
        for value in flat:
            if not (value is None or isinstance(value, (torch.Tensor, int, float, str, bool))):
                raise Unfaithful(f"an output is a {type(value).__name__}, not a tensor")
        self.recording.outputs = [self._ref(v) if isinstance(v, torch.Tensor) else v for v in flat]
        self.recording.output_spec = spec
        for storage in list(self.recording.storages):
            grad = storage.owner.grad if storage.owner is not None else None
            if grad is not None and self.knows(grad):
                self.recording.grads.append((storage.owner, self._ref(grad)))
        return self.recording


def _recorders():
    return [mode for mode in _get_current_dispatch_mode_stack() if isinstance(mode, Recorder)]


def is_recording():
    """Whether what runs now is written down."""
    return bool(_recorders())


def refuse(reason):
    """Let the run that is being written down, if there is one, not be replayed. For code that knows of itself."""
    for recorder in _recorders():
        recorder.refuse(reason, user_frame())


def record(function, inputs, args):
    """Run `function(*args)` and write down what it does.

    inputs: the tensors among the arguments that will be filled anew before each run. Returns (result, recording), the
    recording an `Unfaithful` where the run cannot be replayed.
    """
    recorder = Recorder()
    for tensor in inputs:
        recorder.add_input(tensor)
    with recorder:
        result = function(*args)
    try:
        return result, recorder.finish(result)
    except Unfaithful as refusal:
        return result, refusal


__all__ = [
    "Call",
    "Recording",
    "Ref",
    "Storage",
    "Unfaithful",
    "is_recording",
    "record",
    "refuse",
    "tree_unflatten",
    "user_frame",
]
