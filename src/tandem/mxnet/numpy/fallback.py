"""Functions of `mx.np` that NumPy computes on copies: on the CPU, without gradients.

Without an array of MXNet among the arguments the results are NumPy's own.
"""

import functools
import inspect

import numpy as onp

from tandem.core import scope
from tandem.core.errors import explain, warn
from tandem.mxnet.numpy.protocols import on_copies

# MXNet 1.9.1's name -> NumPy's, where NumPy 2 calls it otherwise.
_RENAMED = {
    "alltrue": "all",
    "in1d": "isin",
    "msort": "sort",
    "trapz": "trapezoid",
}
# Keywords that NumPy 2 calls otherwise, or (None) has given up after years of ignoring them.
_KEYWORDS = {
    "corrcoef": {"bias": None, "ddof": None},
    "histogram2d": {"normed": "density"},
    "histogramdd": {"normed": "density"},
    "nanpercentile": {"interpolation": "method"},
    "nanquantile": {"interpolation": "method"},
}
_FALLEN = """
    allclose alltrue apply_along_axis apply_over_axes argpartition argwhere array_equal array_equiv choose compress
    corrcoef correlate count_nonzero cov digitize divmod extract flatnonzero float_power frexp heaviside histogram2d
    histogram_bin_edges histogramdd i0 in1d interp intersect1d isclose isin ix_ lexsort min_scalar_type modf msort
    nanargmax nanargmin nancumprod nancumsum nanmax nanmedian nanmin nanpercentile nanprod nanquantile ndim packbits
    partition piecewise poly polyadd polydiv polyfit polyint polymul polysub positive promote_types ptp real result_type
    rollaxis roots searchsorted select setdiff1d setxor1d signbit size spacing take_along_axis trapz tril_indices_from
    trim_zeros triu_indices_from union1d unpackbits unwrap vander
""".split()  # noqa: SIM905 (one name to a line would be a page)

# NumPy took these out (its enhancement proposal 32); MXNet's names for them raise, as they do beside NumPy 1.23.
_FINANCIAL = ("mirr", "npv", "ppmt", "pv", "rate")


def computed_by_numpy(name, function, args, kwargs):
    """What a function of NumPy answers for copies of the arrays, its arrays as `mx.np.ndarray`.

    Raises ValueError where gradients were to flow through it.
    """

    def check(arrays, result):
        tracked = scope._current.recording and any(one._tensor.requires_grad for one in arrays)
        if tracked and result.dtype.kind == "f":
            raise ValueError(
                explain(
                    f"mx.np.{name} is computed by NumPy, without gradients",
                    expected="a function with gradients inside autograd.record()",
                    hint="Call it outside of record(), or on array.detach().",
                )
            )

    return on_copies(function, args, kwargs, check)


def _original(name):
    """NumPy's function for one of MXNet's names."""
    if name == "msort":
        return functools.partial(onp.sort, axis=0)
    if name == "in1d":
        return lambda ar1, ar2, assume_unique=False, invert=False: onp.isin(
            onp.ravel(ar1), ar2, assume_unique=assume_unique, invert=invert
        )
    if name == "count_nonzero":
        # NumPy 2 answers a scalar of its own where NumPy 1 gave an int.
        return lambda *args, **kwargs: _plain_integer(onp.count_nonzero(*args, **kwargs))
    return getattr(onp, _RENAMED.get(name, name))


def _plain_integer(value):
    return int(value) if isinstance(value, onp.integer) else value


def _renamed(name, kwargs):
    """Keywords as NumPy 2 has them."""
    known, found = _KEYWORDS[name], {}
    for key, value in kwargs.items():
        if known.get(key, key) is None:
            warn(f"{key}= of {name}() does nothing, in NumPy too", DeprecationWarning)
        else:
            found[known.get(key, key)] = value
    return found


def _fallen(name):
    original = _original(name)

    def function(*args, **kwargs):
        return computed_by_numpy(name, original, args, _renamed(name, kwargs) if name in _KEYWORDS else kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`numpy.{_RENAMED.get(name, name)}`, computed on copies on the CPU."
    if inspect.isroutine(original) and original.__name__ != "<lambda>" and name not in _KEYWORDS:
        function.__wrapped__ = original  # its signature
    return function


def _financial(name):
    def function(*args, **kwds):
        raise RuntimeError(
            explain(
                f"In accordance with NEP 32, the function {name} was removed from NumPy version 1.20",
                hint="numpy_financial has it.",
            )
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises RuntimeError: NumPy does not have it any more."
    return function


globals().update({name: _fallen(name) for name in _FALLEN})
globals().update({name: _financial(name) for name in _FINANCIAL})

__all__ = [*_FALLEN, *_FINANCIAL]


def genfromtxt(*args, **kwargs):
    """`numpy.genfromtxt`, its table as an array."""
    from tandem.mxnet.numpy import array

    table = onp.genfromtxt(*args, **kwargs)
    return array(table, dtype=table.dtype)
