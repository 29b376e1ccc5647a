"""One table between dtype names, torch dtypes and numpy dtypes."""

import numpy as np
import torch

from tandem.core.errors import explain, suggest

_BY_NAME = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "uint16": torch.uint16,
    "uint32": torch.uint32,
    "uint64": torch.uint64,
    "bool": torch.bool,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
}
_ALIASES = {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "int": "int32",
    "long": "int64",
    "bool_": "bool",
}
_NAMES = {dtype: name for name, dtype in _BY_NAME.items()}


def torch_dtype(dtype):
    """The torch dtype of a name, a numpy dtype or type, a Python type or a torch dtype.

    Raises ValueError for what is none of these.
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    if isinstance(dtype, str):
        name = _ALIASES.get(dtype, dtype).removeprefix("torch.")
    elif isinstance(dtype, type) and dtype in (float, int, bool):  # numpy.dtype("float64") equals float
        name = {float: "float32", int: "int32", bool: "bool"}[dtype]
    else:
        try:
            name = np.dtype(dtype).name
        except TypeError:
            name = str(dtype)
    if name == "string":
        raise ValueError(
            explain(
                "No tensor holds strings",
                expected="a layer that makes numbers of them first: StringLookup, TextVectorization or Hashing",
                given="dtype 'string'",
            )
        )
    if name not in _BY_NAME:
        raise ValueError(
            explain("Unknown dtype", expected=", ".join(_BY_NAME), given=repr(dtype), hint=suggest(name, _BY_NAME))
        )
    return _BY_NAME[name]


def dtype_name(dtype):
    """The name of a torch dtype (or of whatever `torch_dtype` takes): torch.float32 -> "float32".

    "string" is a name as well, of what no tensor holds: symbolic values may have it.
    """
    if dtype == "string":
        return "string"
    return _NAMES[torch_dtype(dtype)]


def numpy_dtype(dtype):
    """The numpy dtype of a torch dtype; bfloat16, which numpy lacks, reads as float32."""
    name = dtype_name(dtype)
    return np.dtype("float32" if name == "bfloat16" else name)


def is_float(dtype):
    """Whether a dtype (any form that `torch_dtype` takes) is a real floating point one."""
    return dtype != "string" and torch_dtype(dtype).is_floating_point
