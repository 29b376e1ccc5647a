"""`mx.np`: arrays with NumPy's behaviour, what makes them, and the functions on them.

The functions stand in one file to a family; what is not there is computed by NumPy (`fallback`) where MXNet 1.9.1 has
it so, and raises AttributeError where MXNet does not have it.
"""

import builtins
import importlib

import numpy as onp

from tandem.mxnet.base import missing
from tandem.mxnet.numpy import (
    fallback,
    functions_creation,
    functions_elementwise,
    functions_indexing,
    functions_later,
    functions_linear,
    functions_reduce,
    functions_shape,
    linalg,
    methods,
    random,
)
from tandem.mxnet.numpy.multiarray import ndarray

methods.attach(ndarray)

_FAMILIES = (
    functions_creation,
    functions_elementwise,
    functions_indexing,
    functions_later,
    functions_linear,
    functions_reduce,
    functions_shape,
    fallback,
)
for _family in _FAMILIES:
    globals().update({name: getattr(_family, name) for name in _family.__all__})

genfromtxt = fallback.genfromtxt
set_printoptions = onp.set_printoptions  # printing is NumPy's

pi, e, inf, nan, newaxis = onp.pi, onp.e, onp.inf, onp.nan, None
NAN = NaN = onp.nan
PINF, NINF, PZERO, NZERO = onp.inf, -onp.inf, 0.0, -0.0
float16, float32, float64, bool_, bool = onp.float16, onp.float32, onp.float64, onp.bool_, builtins.bool
int8, int32, int64, uint8, finfo = onp.int8, onp.int32, onp.int64, onp.uint8, onp.finfo

_CONSTANTS = """
    NAN NINF NZERO NaN PINF PZERO bool bool_ e finfo float16 float32 float64 inf int32 int64 int8 nan newaxis pi uint8
""".split()  # noqa: SIM905 (one name to a line would be a page)

__all__ = [
    *(name for family in _FAMILIES for name in family.__all__),
    "genfromtxt",
    "linalg",
    "ndarray",
    "random",
    "set_printoptions",
]


def __getattr__(name):
    if name == "_internal":
        return importlib.import_module("tandem.mxnet.numpy._internal")
    raise missing("mxnet.numpy", name, __all__)


def __dir__():
    return sorted({*__all__, *_CONSTANTS})
