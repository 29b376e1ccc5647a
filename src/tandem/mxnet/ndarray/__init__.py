"""`mx.nd`: arrays and the operators on them.

The functions of the operator table are made when they are first asked for; the others are listed here.
"""

import importlib

from tandem.mxnet import operators, views
from tandem.mxnet.base import open_module
from tandem.mxnet.ndarray.arithmetic import (
    add,
    divide,
    equal,
    greater,
    greater_equal,
    lesser,
    lesser_equal,
    logical_and,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    modulo,
    multiply,
    not_equal,
    power,
    subtract,
    true_divide,
)
from tandem.mxnet.ndarray.creation import (
    arange,
    array,
    concatenate,
    empty,
    eye,
    from_dlpack,
    from_numpy,
    full,
    histogram,
    linspace,
    moveaxis,
    onehot_encode,
    ones,
    split_v2,
    to_dlpack_for_read,
    to_dlpack_for_write,
    zeros,
)
from tandem.mxnet.ndarray.custom import Custom
from tandem.mxnet.ndarray.files import load, load_frombuffer, save
from tandem.mxnet.ndarray.ndarray import NDArray, waitall
from tandem.mxnet.ndarray.sparse_operators import attach as _attach_sparse

_table = views.Namespace("mxnet.ndarray", lambda: NDArray, operators.names())
_MODULES = ("_internal", "contrib", "image", "linalg", "op", "random", "sparse", "utils")
# The views for NumPy's arrays: in hybrid_forward they are F.np and F.npx.
_NUMPY = {"np": "numpy", "npx": "numpy_extension", "numpy": "numpy", "numpy_extension": "numpy_extension"}

__all__ = [
    "Custom",
    "NDArray",
    "add",
    "arange",
    "array",
    "concatenate",
    "divide",
    "empty",
    "equal",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "greater",
    "greater_equal",
    "histogram",
    "lesser",
    "lesser_equal",
    "linspace",
    "load",
    "load_frombuffer",
    "logical_and",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "modulo",
    "moveaxis",
    "multiply",
    "not_equal",
    "onehot_encode",
    "ones",
    "power",
    "save",
    "split_v2",
    "subtract",
    "to_dlpack_for_read",
    "to_dlpack_for_write",
    "true_divide",
    "waitall",
    "zeros",
]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"tandem.mxnet.ndarray.{name}")
    if name in _NUMPY:
        return importlib.import_module(f"tandem.mxnet.{_NUMPY[name]}")
    if name == "CachedOp":  # it needs symbols, which need arrays
        return importlib.import_module("tandem.mxnet.ndarray.cached_op").CachedOp
    return _table.get(name, globals())


def __dir__():
    return [*_table.dir(globals()), *_MODULES, *_NUMPY, "CachedOp"]


open_module(__name__)


# Operators that are also methods: `x.sum(axis=1)` is `nd.sum(x, axis=1)`.
_METHODS = [
    "abs",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "argmax",
    "argmax_channel",
    "argmin",
    "argsort",
    "broadcast_axes",
    "cast",
    "cbrt",
    "ceil",
    "clip",
    "cos",
    "cosh",
    "degrees",
    "depth_to_space",
    "diag",
    "exp",
    "expand_dims",
    "expm1",
    "fix",
    "flatten",
    "flip",
    "floor",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_softmax",
    "max",
    "mean",
    "min",
    "nanprod",
    "nansum",
    "negative",
    "norm",
    "one_hot",
    "ones_like",
    "pad",
    "pick",
    "prod",
    "radians",
    "rcbrt",
    "reciprocal",
    "relu",
    "repeat",
    "reshape_like",
    "rint",
    "round",
    "rsqrt",
    "shape_array",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "size_array",
    "slice",
    "slice_axis",
    "slice_like",
    "softmax",
    "softmin",
    "sort",
    "space_to_depth",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "sum",
    "swapaxes",
    "take",
    "tan",
    "tanh",
    "tile",
    "topk",
    "transpose",
    "trunc",
    "zeros_like",
]

_attach_sparse()
for _name in _METHODS:
    if _name in _table.names:
        setattr(NDArray, _name, _table.get(_name, globals()))
