"""The optimizer states that MXNet writes, which are Python pickles: read as data, without running what is in them.

A pickle is a program for a small stack machine that may call any function. Here a machine of our own walks through it:
it knows numbers, texts, bytes and containers, and where the pickle names a class or calls something it notes down the
name and the arguments. Nothing is imported, called or made but records of that. What then are no arrays, numbers or
settings is an error.
"""

import pickletools
import struct
from dataclasses import dataclass, field

import numpy as np

from tandem.formats import params
from tandem.formats.limits import FormatError, broken

__all__ = ["FormatError", "Record", "read"]

_MARK = object()
_DEEPEST = 32  # containers in containers
_MOST_STEPS = 1 << 22


@dataclass(eq=False)
class Record:
    """An object that the file describes: the name of its class, and its attributes."""

    module: str
    name: str
    attributes: dict = field(default_factory=dict)


@dataclass(eq=False)
class _Name:
    module: str
    name: str

    def is_one_of(self, *names):
        return f"{self.module}.{self.name}" in names


@dataclass(eq=False)
class _Call:
    """What the pickle would have called: a name with arguments, and what was then put into the result."""

    name: _Name
    args: tuple
    state: object = None
    items: list = field(default_factory=list)


class _Machine:
    """Walks through a pickle; `result` is what it describes, of containers, plain values, `_Name` and `_Call`."""

    def __init__(self, data, source):
        self.stack, self.memo, self.source = [], {}, source
        steps = 0
        try:
            for opcode, argument, position in pickletools.genops(data):
                steps += 1
                if steps > _MOST_STEPS:
                    raise self.wrong(f"it has more than {_MOST_STEPS} steps")
                if opcode.name == "STOP":
                    break
                action = _ACTIONS.get(opcode.name)
                if action is None:
                    raise self.wrong(f"it has the operation {opcode.name} at {position}, which states have no use for")
                action(self, argument)
            self.result = self.pop()
        except FormatError:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise self.wrong(str(error)[:120] or type(error).__name__) from error

    def wrong(self, what):
        return broken(self.source, what, "optimizer states as MXNet pickles them", "another pickle, or a damaged one")

    def push(self, value):
        self.stack.append(value)

    def pop(self):
        value = self.stack.pop()
        if value is _MARK:
            raise IndexError("a mark stands where a value should")
        return value

    def pop_to_mark(self):
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                values = self.stack[place + 1 :]
                del self.stack[place:]
                return values
        raise IndexError("there is no mark")

    def top(self):
        return self.stack[-1]

    # --- operations --------------------------------------------------------------------------------------------------

    def remember(self, argument):
        self.memo[len(self.memo) if argument is None else int(argument)] = self.top()

    def recall(self, argument):
        self.push(self.memo[int(argument)])

    def take(self, count):
        values = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def put_items(self, flat):
        target = self.top()
        pairs = list(zip(flat[::2], flat[1::2]))
        if isinstance(target, dict):
            target.update(pairs)
        elif isinstance(target, _Call):
            target.items.extend(pairs)
        else:
            raise TypeError("items are put into what is no dict")

    def put_values(self, values):
        target = self.top()
        if not isinstance(target, list):
            raise TypeError("values are appended to what is no list")
        target.extend(values)

    def name_from_stack(self, _):
        name, module = self.pop(), self.pop()
        self.push(_Name(str(module), str(name)))

    def name_from_text(self, argument):
        module, _, name = argument.partition(" ")
        self.push(_Name(module, name))

    def call(self, _):
        args, name = self.pop(), self.pop()
        if not isinstance(name, _Name) or not isinstance(args, tuple):
            raise TypeError("what is called is no name")
        if name.is_one_of("copy_reg._reconstructor", "copyreg._reconstructor", "copyreg.__newobj__"):
            name, args = args[0], args[1:]
            if not isinstance(name, _Name):
                raise TypeError("what is made anew is no class")
        self.push(_Call(name, args))

    def set_state(self, _):
        state, target = self.pop(), self.top()
        if not isinstance(target, _Call):
            raise TypeError("a plain value is given attributes")
        target.state = state


def _pair(machine, _):
    value, key = machine.pop(), machine.pop()
    machine.put_items([key, value])


def _new_dict(machine, _):
    flat = machine.pop_to_mark()
    machine.push(dict(zip(flat[::2], flat[1::2])))


_PUSHED = """INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE
    BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"""
_ACTIONS = {
    **dict.fromkeys(_PUSHED.split(), _Machine.push),
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "MARK": lambda machine, _: machine.push(_MARK),
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.pop_to_mark(),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "DICT": _new_dict,
    "LIST": lambda machine, _: machine.push(machine.pop_to_mark()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_to_mark())),
    "TUPLE1": lambda machine, _: machine.take(1),
    "TUPLE2": lambda machine, _: machine.take(2),
    "TUPLE3": lambda machine, _: machine.take(3),
    "SETITEM": _pair,
    "SETITEMS": lambda machine, _: machine.put_items(machine.pop_to_mark()),
    "APPEND": lambda machine, _: machine.put_values([machine.pop()]),
    "APPENDS": lambda machine, _: machine.put_values(machine.pop_to_mark()),
    "PUT": _Machine.remember,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.remember,
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "GLOBAL": _Machine.name_from_text,
    "STACK_GLOBAL": _Machine.name_from_stack,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.set_state,
}

# Protocols before 3 write bytes as text, to be encoded in Latin-1.
_BYTES = ("builtins.bytearray", "__builtin__.bytearray", "_codecs.encode")
_DICTS = ("collections.OrderedDict", "collections.defaultdict")
_SCALARS = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
_ARRAYS = ("NDArray", "RowSparseNDArray", "CSRNDArray", "ndarray")


class _Reader:
    """Turns what the machine found into arrays, numbers, texts, containers and `Record`s."""

    def __init__(self, machine):
        self.machine = machine
        self.left = _MOST_STEPS  # a pickle may name one container again and again, in itself too

    def value(self, found, depth=0):
        self.left -= 1
        if depth > _DEEPEST or self.left < 0:
            raise self.machine.wrong("its containers are too deep, or too many")
        deeper = depth + 1
        if isinstance(found, dict):
            return {self.key(key): self.value(item, deeper) for key, item in found.items()}
        if isinstance(found, (list, tuple)):
            return type(found)(self.value(item, deeper) for item in found)
        if isinstance(found, _Call):
            return self.called(found, deeper)
        if isinstance(found, _Name):
            return Record(found.module, found.name)
        return found

    def key(self, key):
        if not isinstance(key, (int, float, str, bytes, tuple)):
            raise self.machine.wrong(f"a key is of the type {type(key).__name__}")
        return key

    def called(self, call, depth):
        self.left -= 1
        if depth > _DEEPEST or self.left < 0:
            raise self.machine.wrong("its calls are too deep, or too many")
        depth += 1
        name, args = call.name, call.args
        if name.is_one_of(*_BYTES):
            return self.bytes_of(args, depth)
        if name.is_one_of(*_DICTS):
            return {self.key(key): self.value(item, depth) for key, item in call.items}
        if name.is_one_of(*_SCALARS):
            return self.scalar(*args)
        if name.module.split(".")[0] == "mxnet" and name.name in _ARRAYS:
            return self.array(call, depth)
        state = call.state if isinstance(call.state, dict) else {}
        return Record(name.module, name.name, {self.key(key): self.value(item, depth) for key, item in state.items()})

    def bytes_of(self, args, depth=0):
        if not args:
            return b""
        value = self.called(args[0], depth) if isinstance(args[0], _Call) else args[0]
        if not isinstance(value, (str, bytes, bytearray)):
            raise self.machine.wrong("bytes are made of something else")
        return value.encode("latin-1") if isinstance(value, str) else bytes(value)

    def scalar(self, dtype, data):
        code = dtype.args[0] if isinstance(dtype, _Call) and dtype.args else None
        if not (
            isinstance(code, str) and code.lstrip("<|") in ("f8", "f4", "f2", "i8", "i4", "i1", "u1", "b1", "bool")
        ):
            raise self.machine.wrong(f"it has a number of the type {code!r}")
        return np.frombuffer(self.bytes_of((data,)), np.dtype(code))[0].item()

    def array(self, call, depth):
        state = self.value(call.state, depth) if isinstance(call.state, dict) else {}
        stored = state.get("handle")
        if not isinstance(stored, (bytes, bytearray)):
            raise self.machine.wrong("an array has no values")
        # The record of one array in a `.params` file, as a file with one array.
        whole = struct.pack("<QQQ", 0x112, 0, 1) + bytes(stored) + struct.pack("<Q", 0)
        return params.read(whole, self.machine.source).arrays[0]


def read(data, source=None):
    """(states, optimizer) from the bytes of a states file of MXNet.

    states: index -> None, an array (numpy's, or `params.RowSparse`) or nested tuples of them; optimizer: a `Record`, or
    None where the file has the states only. source: the file's name, for messages.
    Raises FormatError for a pickle of anything else.
    """
    machine = _Machine(bytes(data), source)
    try:
        found = _Reader(machine).value(machine.result)
    except FormatError:
        raise
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise machine.wrong(str(error)[:120] or type(error).__name__) from error
    optimizer = None
    if isinstance(found, tuple) and len(found) == 2:
        found, optimizer = found
    if not isinstance(found, dict) or not (optimizer is None or isinstance(optimizer, Record)):
        raise machine.wrong("it is no dict of states")
    for state in found.values():
        _check(state, machine)
    return found, optimizer


def _check(state, machine):
    if isinstance(state, (list, tuple)):
        for item in state:
            _check(item, machine)
    elif not (
        state is None or isinstance(state, (np.ndarray, params.RowSparse, int, float)) or hasattr(state, "shape")
    ):
        raise machine.wrong(f"a state is a {type(state).__name__}")
