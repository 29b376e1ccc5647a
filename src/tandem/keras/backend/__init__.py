"""`keras.backend`: settings, dtypes and names, as Keras 3 has it, and Keras 2's functions `K.*`."""

import importlib

from tandem.core import dtypes
from tandem.keras.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from tandem.keras.legacy.k_names import FUNCTIONS
from tandem.keras.missing import absent
from tandem.keras.naming import get_uid
from tandem.keras.symbolic import is_keras_tensor

__all__ = [
    *FUNCTIONS,
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "get_uid",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
]


def standardize_dtype(dtype):
    """The name of a dtype, however it is given; None is `floatx`. Raises ValueError for what is none."""
    if dtype is None:
        return floatx()
    if dtype is str:
        return "string"
    try:
        return dtypes.dtype_name(dtype)
    except ValueError as error:
        raise ValueError(f"Invalid dtype: {dtype}. {error}") from None


def is_float_dtype(dtype):
    """Whether a dtype is a floating point one."""
    return dtypes.is_float(standardize_dtype(dtype))


def is_int_dtype(dtype):
    """Whether a dtype is one of integers (bool is not)."""
    name = standardize_dtype(dtype)
    return name.startswith(("int", "uint"))


_loaded = {}


def result_type(*given):
    """The dtype in which values of some dtypes meet.

    Python's `int` and `float` (and values of theirs) only say a kind: they give way to any array dtype of it. Without
    arguments: `floatx`. 64-bit dtypes give 32-bit ones, as in Keras.
    """
    if not given:
        return floatx()
    weak_float = any(item is float or isinstance(item, float) for item in given)
    names = [
        # By identity: NumPy's float64 equals Python's `float`.
        standardize_dtype(item)
        for item in given
        if item is not int and item is not float and not isinstance(item, (int, float))
    ]
    if not names:
        return floatx() if weak_float else "int32"
    name = _meet(set(names))
    if name is None or (weak_float and name.startswith(("bool", "int", "uint"))):
        return floatx()
    if name == "bool" and any(item is int for item in given):
        return "int32"
    return _NARROW.get(name, name)


# As JAX has it by default, and with it Keras: results are never 64 bits wide.
_NARROW = {"int64": "int32", "uint64": "uint32", "float64": "float32", "complex128": "complex64"}


def _meet(names):
    """The dtype that holds what several dtypes hold; None where only some floating point dtype does."""
    if any(name.startswith("complex") for name in names):
        return "complex128" if names & {"complex128", "float64"} else "complex64"
    floats = {name for name in names if "float" in name}
    if floats:
        return "float32" if floats == {"bfloat16", "float16"} else max(floats, key=_FLOATS.index)
    unsigned = max((int(name[4:]) for name in names if name.startswith("uint")), default=0)
    signed = max((int(name[3:]) for name in names if name.startswith("int")), default=0)
    if not signed:
        return f"uint{unsigned}" if unsigned else "bool"
    if signed <= unsigned:
        signed = 2 * unsigned
    return f"int{signed}" if signed <= 64 else None


_FLOATS = ("bfloat16", "float16", "float32", "float64")


def clear_session():
    """Begin automatic names, seeds and the learning phase again."""
    from tandem.keras.legacy import k_graph

    k_graph.clear_session()


def __getattr__(name):
    if name in FUNCTIONS:
        # Not kept in this module: `any` and `sum` here are Python's.
        if name not in _loaded:
            _loaded[name] = getattr(importlib.import_module(f"tandem.keras.legacy.{FUNCTIONS[name]}"), name)
        return _loaded[name]
    return absent("keras.backend", name, __all__)


def __dir__():
    return sorted(__all__)
