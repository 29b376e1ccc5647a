"""`tf.float32` and its like: names of dtypes that also know NumPy's and torch's types."""

import numpy as np
import torch

from tandem.core import dtypes
from tandem.core.errors import explain, suggest

_QUANTISED = ("qint8", "quint8", "qint32")


class DType(str):
    """One dtype: a string, so that whatever takes the name of a dtype takes it; equal to what means the same."""

    __slots__ = ()

    @property
    def name(self):
        """The name, a plain string."""
        return str.__str__(self)

    @property
    def base_dtype(self):
        """The dtype itself: there are no reference types."""
        return self

    real_dtype = property(lambda self: {"complex64": float32, "complex128": float64}.get(self.name, self))

    @property
    def as_numpy_dtype(self):
        """NumPy's type for it; `object` for strings, as in TensorFlow."""
        if self.name == "string":
            return np.object_
        return dtypes.numpy_dtype(self.name).type

    @property
    def is_floating(self):
        """Whether it is a real floating point type."""
        return self.name in ("float16", "bfloat16", "float32", "float64")

    @property
    def is_complex(self):
        """Whether it is a complex type."""
        return self.name in ("complex64", "complex128")

    @property
    def is_integer(self):
        """Whether it is a type of whole numbers (bool is none)."""
        return self.name.startswith(("int", "uint"))

    @property
    def is_unsigned(self):
        """Whether it is a type of whole numbers without a sign."""
        return self.name.startswith("uint")

    is_bool = property(lambda self: self.name == "bool")

    @property
    def size(self):
        """Bytes to a value."""
        return 1 if self.name == "string" else dtypes.torch_dtype(self.name).itemsize

    def _limits(self):
        kind = dtypes.torch_dtype(self.name)
        return torch.finfo(kind) if self.is_floating else torch.iinfo(kind)

    @property
    def min(self):
        """The smallest value."""
        return False if self.name == "bool" else self.as_numpy_dtype(self._limits().min)

    @property
    def max(self):
        """The largest value."""
        return True if self.name == "bool" else self.as_numpy_dtype(self._limits().max)

    @property
    def limits(self):
        """The smallest value (at least 0 for floats) and the largest one (at most 1 for floats), for images."""
        return (0, 1) if self.is_floating else (0, self.max)

    def is_compatible_with(self, other):
        """Whether another dtype is the same."""
        return self == as_dtype(other)

    def __eq__(self, other):
        if isinstance(other, str):
            return str.__eq__(self, str.__str__(other))
        try:
            return str.__eq__(self, as_dtype(other).name)
        except (TypeError, ValueError):
            return NotImplemented

    def __ne__(self, other):
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    __hash__ = str.__hash__

    def __str__(self):
        return f"<dtype: '{self.name}'>"

    def __repr__(self):
        return f"tf.{self.name}"

    def __reduce__(self):
        return as_dtype, (self.name,)


NAMES = """
    float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128
    string
""".split()  # noqa: SIM905 (one name to a line would be a page)
_KNOWN = {name: DType(name) for name in NAMES}
_ALIASES = {"half": "float16", "double": "float64", "float": "float32", "int": "int32", "str": "string"}
float16, bfloat16, float32, float64 = (_KNOWN[name] for name in NAMES[:4])
half, double = float16, float64
int32, int64, uint8, bool_, string = (_KNOWN[name] for name in ("int32", "int64", "uint8", "bool", "string"))
PUBLIC = {**_KNOWN, "half": half, "double": double}


def as_dtype(dtype):
    """The `DType` for a name, a NumPy, torch or Python type. Raises TypeError for what is none."""
    if isinstance(dtype, str):
        name = str.__str__(dtype)
        name = _ALIASES.get(name, name)
    elif (
        dtype in (str, bytes, object)
        or (isinstance(dtype, np.dtype) and dtype.kind in "USO")
        or (isinstance(dtype, type) and issubclass(dtype, np.generic) and np.dtype(dtype).kind in "USO")
    ):
        name = "string"
    else:
        try:
            name = dtypes.dtype_name(dtype)
        except (TypeError, ValueError):
            name = str(dtype)
    if name not in _KNOWN:
        raise TypeError(
            explain(
                "Cannot convert a value to a TensorFlow dtype",
                expected=", ".join(_KNOWN),
                given=repr(dtype) + (" (quantised types are not there)" if name in _QUANTISED else ""),
                hint=suggest(name, _KNOWN),
            )
        )
    return _KNOWN[name]
