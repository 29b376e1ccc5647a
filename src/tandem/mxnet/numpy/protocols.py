"""NumPy's own functions on `mx.np.ndarray`: `numpy.mean(array)` is `mx.np.mean(array)`.

Where `mx.np` has no such function, NumPy computes it on copies on the CPU, without gradients.
"""

import importlib
import logging

import numpy as onp

from tandem.core import scope
from tandem.core.errors import explain
from tandem.mxnet.ndarray.ndarray import NDArray

# Functions of NumPy that have their counterpart in `mx.np`, under the same name (MXNet 1.9.1's list).
FUNCTIONS = """
    all any sometrue argmin argmax around round round_ argsort sort append broadcast_arrays broadcast_to clip
    concatenate copy cumsum diag diagonal diagflat dot expand_dims fix flip flipud fliplr inner insert max amax mean
    min amin nonzero ones_like atleast_1d atleast_2d atleast_3d prod product ravel repeat reshape roll split
    array_split hsplit vsplit dsplit squeeze stack std sum swapaxes take tensordot tile transpose unique unravel_index
    diag_indices_from delete var vdot vstack column_stack hstack dstack zeros_like linalg.norm linalg.cholesky
    linalg.inv linalg.solve linalg.tensorinv linalg.tensorsolve linalg.pinv linalg.eigvals linalg.eig linalg.eigvalsh
    linalg.eigh shape trace tril meshgrid outer einsum polyval shares_memory may_share_memory quantile percentile diff
    ediff1d resize where full_like bincount empty_like nan_to_num isnan isfinite isposinf isneginf isinf pad
    """.split()  # noqa: SIM905 (one name to a line would be a page)
UFUNCS = """
    abs fabs add arctan2 copysign degrees hypot lcm subtract multiply true_divide negative power mod matmul absolute
    rint sign exp log log2 log10 expm1 sqrt square cbrt reciprocal invert bitwise_not remainder sin cos tan sinh cosh
    tanh arcsin arccos arctan arcsinh arccosh arctanh maximum minimum ceil trunc floor bitwise_and bitwise_xor
    bitwise_or logical_not equal not_equal less less_equal greater greater_equal
    """.split()  # noqa: SIM905
_FUNCTIONS, _UFUNCS = frozenset(FUNCTIONS), frozenset(UFUNCS)
_RENAMED = {"divide": "true_divide"}  # numpy 2 calls it so
_STACKED = {"dtype": None, "casting": "same_kind"}
_MISSING = ("shape",)  # in MXNet's list, and plain enough to read off the array

_told = set()


def array_function(self, func, types, args, kwargs):
    """What `numpy.func(...)` answers where an argument is a `mx.np.ndarray`; NotImplemented beside other arrays."""
    name = f"{func.__module__.removeprefix('numpy').lstrip('.')}.{func.__name__}".lstrip(".")
    if name not in _FUNCTIONS:
        return _by_numpy(name, func, args, kwargs)
    if not all(issubclass(kind, NDArray) for kind in types):
        return NotImplemented
    if name in _MISSING:
        return args[0].shape
    if "method" in kwargs and name in ("percentile", "quantile"):
        kwargs = {("interpolation" if key == "method" else key): value for key, value in kwargs.items()}
    elif name == "vstack":  # numpy's row_stack hands on its own defaults
        kwargs = {key: value for key, value in kwargs.items() if key not in _STACKED or value != _STACKED[key]}
    return _counterpart(name)(*args, **kwargs)


def array_ufunc(self, ufunc, method, *inputs, **kwargs):
    """What a ufunc of NumPy answers where an input is a `mx.np.ndarray`; of its methods only the call is there."""
    if method != "__call__" or (ufunc.signature is not None and ufunc.__name__ != "matmul"):
        return NotImplemented
    if "out" in kwargs:
        kwargs["out"] = kwargs["out"][0] if len(kwargs["out"]) == 1 else kwargs["out"]
    name = _RENAMED.get(ufunc.__name__, ufunc.__name__)
    if name in _UFUNCS:
        return _counterpart(name)(*inputs, **kwargs)
    return _by_numpy(name, ufunc, inputs, kwargs)


def _counterpart(name):
    found = importlib.import_module("tandem.mxnet.numpy")
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _by_numpy(name, function, args, kwargs):
    """NumPy's own computation on copies.

    Raises ValueError while recording: no gradient would come of it.
    """
    if scope._current.recording:
        raise ValueError(
            explain(
                f"numpy.{name} has no counterpart in mx.np and computes without gradients",
                expected="a function of mx.np inside autograd.record()",
                hint="Call it outside of record(), or on array.asnumpy().",
            )
        )
    if name not in _told:
        _told.add(name)
        logging.warning("numpy.%s is computed by NumPy on copies: mx.np has no such function", name)
    return on_copies(function, args, kwargs)


def on_copies(function, args, kwargs, check=None):
    """What a function of NumPy answers for copies of the arrays, its arrays as `mx.np.ndarray`.

    check(arrays, result): looks at each array that it answers. Without an array of MXNet among the arguments the result
    is NumPy's own. Raises ValueError for complex numbers.
    """
    arrays = []

    def copied(leaf):
        if not isinstance(leaf, NDArray):
            return leaf
        arrays.append(leaf)
        return leaf.asnumpy()

    def wrapped(leaf):
        if not isinstance(leaf, onp.ndarray):
            return leaf
        if leaf.dtype.kind == "c":
            raise ValueError(explain("Complex numbers are not supported", given=str(leaf.dtype)))
        if check is not None:
            check(arrays, leaf)
        return _counterpart("array")(leaf, dtype=leaf.dtype, ctx=arrays[0].context)

    args, kwargs = converted(args, copied), converted(kwargs, copied)
    result = function(*args, **kwargs)
    return converted(result, wrapped) if arrays else result


def converted(tree, convert):
    """A tree of lists, tuples and dicts with its leaves converted; named tuples become plain ones."""
    if isinstance(tree, list):
        return [converted(item, convert) for item in tree]
    if isinstance(tree, tuple):
        return tuple(converted(item, convert) for item in tree)
    if isinstance(tree, dict):
        return {key: converted(item, convert) for key, item in tree.items()}
    return convert(tree)
