"""What the files of `keras.ops` share: operands become tensors, dtypes follow Keras's rules, functions take symbols."""

import numpy as np
import torch

from tandem.core.dtypes import dtype_name, torch_dtype
from tandem.core.errors import explain
from tandem.keras import config, tensors
from tandem.keras.symbolic import KerasTensor, lift

# The dtypes that Keras's torch backend stores in a wider one.
_WIDER = {torch.uint16: torch.int32, torch.uint32: torch.int64}


def tensor(x, dtype=None):
    """`x` (number, list, array, `Variable`, tensor) as a tensor, of its own dtype or another."""
    if x is None or isinstance(x, (str, bytes)):
        raise ValueError(explain("Only numbers and bools make a tensor", given=repr(x)))
    if isinstance(x, np.floating) and isinstance(x, float):  # float64 is Python's float
        x = float(x)
    if type(x) is int and dtype is None and not -(2**31) <= x < 2**31:
        dtype = "int64"
    x = tensors.convert(x, None if dtype is None else storage_dtype(dtype))
    return x.to(_WIDER[x.dtype]) if x.dtype in _WIDER else x


def storage_dtype(dtype):
    """The torch dtype that values of a dtype are kept in (None: `floatx`)."""
    dtype = torch_dtype(dtype or config.floatx())
    return _WIDER.get(dtype, dtype)


_ALL = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16]
_ALL += [torch.float32, torch.float64, torch.complex64, torch.complex128]
# Looked up beforehand: while shapes are inferred torch's function is no plain one.
_PROMOTED = {(a, b): torch.promote_types(a, b) for a in _ALL for b in _ALL}


def common(*dtypes):
    """The dtype in which tensors of some dtypes meet."""
    dtype = dtypes[0]
    for other in dtypes[1:]:
        if other != dtype:
            dtype = _PROMOTED[dtype, other]
    return dtype


def result_type(*given):
    """Keras's result type of dtypes, tensors and Python types, as a torch dtype."""
    from tandem.keras import backend

    return storage_dtype(backend.result_type(*(getattr(one, "dtype", one) for one in given)))


def to_float(x):
    """Integers and bools as `floatx`, other dtypes as they are."""
    return x if x.is_floating_point() or x.is_complex() else x.to(storage_dtype(None))


def to_wide_float(x):
    """`to_float`, with float64 for int64: what Keras has for a few functions."""
    return x.to(torch.float64) if x.dtype == torch.int64 else to_float(x)


def to_narrow_float(x):
    """The result type of x and a Python float: 16 and 32 bits."""
    return x if x.is_complex() else x.to(result_type(x, float))


def operand(x):
    """A Python number as it is, since only its kind counts for the result's dtype; anything else as a tensor."""
    return x if type(x) in (int, float, bool) else tensor(x)


def narrow(*xs):
    """Operands as tensors of their result type, which is at most 32 bits wide; numbers give way."""
    xs = [operand(x) for x in xs]
    dtype = result_type(*(getattr(x, "dtype", type(x)) for x in xs))
    return [tensor(x).to(dtype) for x in xs]


def meeting(*xs):
    """`narrow`, but with the 64 bits that one of the operands has."""
    xs = [operand(x) for x in xs]
    dtype = result_type(*(getattr(x, "dtype", type(x)) for x in xs))
    wide = {torch.int32: torch.int64, torch.float32: torch.float64}.get(dtype)
    if any(getattr(x, "dtype", None) is wide for x in xs) and wide is not None:
        dtype = wide
    return [tensor(x).to(dtype) for x in xs]


def narrow_float(*xs):
    """`narrow`, with a Python float among them."""
    xs = [tensor(x) for x in xs]
    dtype = result_type(*xs, float)
    return [x.to(dtype) for x in xs]


def together(*xs):
    """Operands as tensors of one dtype, in which numbers count as int32 or `floatx`."""
    xs = [tensor(x) for x in xs]
    dtype = common(*(x.dtype for x in xs))
    return [x.to(dtype) for x in xs]


def spec(shape, dtype):
    """A result of a shape and a dtype."""
    return KerasTensor(tuple(shape), dtype_name(dtype), name="spec")


def axes(axis):
    """An axis argument, lists as tuples."""
    return tuple(axis) if isinstance(axis, list) else axis


class Family(dict):
    """The functions of one file, by name.

    module: the one that Keras's files name for the classes of operations.
    """

    def __init__(self, module="keras.src.ops.numpy"):
        super().__init__()
        self.module = module

    def add(self, name, function, class_name, operands=1, **options):
        """The function `keras.ops.<name>` and its `Operation`; see `tandem.keras.symbolic.lift`."""
        function.__name__ = function.__qualname__ = name
        self[name] = lift(function, class_name, operands, module=self.module, **options)
        return self[name]

    def op(self, class_name, operands=1, **options):
        """A decorator: the function below is `keras.ops.<its name>` (less a "_" at the end)."""

        def decorate(function):
            return self.add(function.__name__.strip("_"), function, class_name, operands, **options)

        return decorate

    def plain(self, function):
        """A decorator for a function that is no operation."""
        function.__name__ = function.__qualname__ = function.__name__.strip("_")
        self[function.__name__] = function
        return function

    def alias(self, name, other):
        """Another name of a function."""
        self[name] = self[other]
