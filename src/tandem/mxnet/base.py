"""What MXNet's code base shares: its error type and the tuples of accepted Python types."""

import os
import sys
from types import ModuleType

import numpy as np

from tandem.core.errors import Unsupported, explain, suggest
from tandem.mxnet.left_out import reason

__all__ = ["MXNetError", "Unsupported", "integer_types", "mx_real_t", "numeric_types", "py_str", "string_types"]

__version__ = "1.9.1"


class MXNetError(RuntimeError):
    """What MXNet raises where an operator, an array or a graph cannot do what was asked."""


# The names that a module has so far; `vars()` would ask its type.
_names_of = ModuleType.__dict__["__dict__"].__get__


class _Open(ModuleType):
    """A module that makes its functions when they are first asked for, and all where its `__dict__` is looked into.

    There scripts ask whether an MXNet has an operator: `'box_encode' in F.contrib.__dict__`.
    """

    @property
    def __dict__(self):
        names = _names_of(self)
        for name in names["__dir__"]():
            names.setdefault(name, getattr(self, name))
        return names

    def __dir__(self):
        return _names_of(self)["__dir__"]()


def open_module(name):
    """Let the `__dict__` of a module that has `__getattr__` and `__dir__` hold all that these know.

    So does `from module import *`: its table's public names join `__all__`, where it has them.
    """
    module = sys.modules[name]
    names = _names_of(module)
    if "__all__" in names and "_table" in names:
        names["__all__"] = sorted({*names["__all__"], *(key for key in names["_table"].names if key[0] != "_")})
    module.__class__ = _Open


class NotSupportedForSparseNDArray(Unsupported, MXNetError):
    """What was called is not there for sparse storage ('row_sparse', 'csr')."""


class NotImplementedForSymbol(MXNetError):
    """A method of arrays that symbols do not have."""

    def __init__(self, function, alias=None, *args):
        name = getattr(function, "__name__", str(function))
        also = f' (namely operator "{alias}")' if alias else ""
        types = f" with arguments ({', '.join(str(type(arg)) for arg in args)})" if args else ""
        super().__init__(f"Function {name}{also}{types} is not implemented for Symbol and only available in NDArray.")


string_types = (str,)
numeric_types = (float, int, np.generic)
integer_types = (int, np.int32, np.int64)
mx_real_t = np.float32


def py_str(text):
    """The text of UTF-8 bytes, which is how callbacks are told of names."""
    return text.decode("utf-8")


class _NullType:
    """The default of operator parameters in signatures: the operator's own default holds."""

    def __repr__(self):
        return "_Null"

    def __bool__(self):
        return False


_Null = _NullType()  # the one instance; MXNet's own code tests `is _Null`


def _as_list(obj):
    """A list or tuple as it is, anything else in a list."""
    return obj if isinstance(obj, (list, tuple)) else [obj]


def data_dir_default():
    """The folder where files are kept unless MXNET_HOME says another."""
    return os.path.join(os.path.expanduser("~"), ".mxnet")


def data_dir():
    """The folder where files are kept."""
    return os.getenv("MXNET_HOME", data_dir_default())


def sparse_unsupported(stype):
    """The error for a storage that something does not have."""
    return NotSupportedForSparseNDArray(
        explain(
            "Sparse storage is not there for this",
            expected="stype='default'",
            given=f"stype {stype}",
            hint="With stype 'default' the numbers are the same.",
        )
    )


class LeftOut(AttributeError):
    """The error for a public name that is not there for a reason, which the message has."""


def missing(module, name, names):
    """The AttributeError for a public name that a module does not have."""
    shown, why = module.removeprefix("tandem."), reason(module, name)
    return (LeftOut if why else AttributeError)(
        explain(
            f"module {shown!r} has no attribute {name!r}",
            hint=why or suggest(name, names) or f"dir({shown}) lists what is there.",
        ),
        name=name,
    )
