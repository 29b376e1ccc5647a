"""Functions of `mx.np` that reduce axes, order, count or accumulate."""

import builtins

from tandem.core.errors import explain
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.numpy.functions_base import NUMBERS, checked_array, dtype_given, row

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "average",
    "bincount",
    "cumsum",
    "diff",
    "ediff1d",
    "histogram",
    "max",
    "mean",
    "min",
    "percentile",
    "prod",
    "product",
    "quantile",
    "sometrue",
    "sort",
    "std",
    "sum",
    "var",
]


def sum(a, axis=None, dtype=None, keepdims=False, initial=None, out=None, **kwargs):
    """The sum, in the array's dtype (of bools in int64) unless given."""
    return row("_np_sum", "sum")(
        a, axis=axis, dtype=dtype_given(dtype), keepdims=keepdims, initial=initial, out=out, **kwargs
    )


def prod(a, axis=None, dtype=None, out=None, keepdims=False, **kwargs):
    """The product, in the array's dtype (of bools in int64) unless given."""
    return row("_np_prod", "prod")(a, axis=axis, dtype=dtype_given(dtype), keepdims=keepdims, out=out, **kwargs)


product = prod


def mean(a, axis=None, dtype=None, out=None, keepdims=False):
    """The mean; of integers in float32."""
    return row("_npi_mean", "mean")(a, axis=axis, dtype=dtype_given(dtype), keepdims=keepdims, out=out)


def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
    """The standard deviation, ``sqrt(sum((a - mean)^2) / (n - ddof))``; of integers cut to integers."""
    return row("_npi_std", "std")(a, axis=axis, dtype=dtype_given(dtype), ddof=ddof, keepdims=keepdims, out=out)


def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
    """The variance, ``sum((a - mean)^2) / (n - ddof)``; of integers cut to integers."""
    return row("_npi_var", "var")(a, axis=axis, dtype=dtype_given(dtype), ddof=ddof, keepdims=keepdims, out=out)


def _reduction(name, operator, doc):
    compute = row(operator, name)

    def function(a, axis=None, keepdims=False, out=None, **kwargs):
        return compute(a, axis=axis, keepdims=keepdims, out=out, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


max = _reduction("max", "_np_max", "The largest value; each of several equal ones has the whole gradient.")
amax = _reduction("amax", "_np_max", max.__doc__)
min = _reduction("min", "_np_min", "The smallest value; each of several equal ones has the whole gradient.")
amin = _reduction("amin", "_np_min", min.__doc__)
all = _reduction("all", "_np_all", "Whether nothing is 0.")
any = _reduction("any", "_np_any", "Whether something is not 0.")
sometrue = _reduction("sometrue", "_np_any", any.__doc__)


def argmax(a, axis=None, out=None):
    """Where the largest value is, the first of equals, in int64; without axis in the flattened array."""
    return row("_npi_argmax", "argmax")(a, axis=axis, keepdims=False, out=out)


def argmin(a, axis=None, out=None):
    """Where the smallest value is, the first of equals, in int64; without axis in the flattened array."""
    return row("_npi_argmin", "argmin")(a, axis=axis, keepdims=False, out=out)


def cumsum(a, axis=None, dtype=None, out=None):
    """Running sums along an axis, or of the flattened array, in the array's dtype (of bools in int64)."""
    if dtype is None and checked_array(a, "a").dtype == builtins.bool:
        dtype = "int64"
    return row("_np_cumsum", "cumsum")(a, axis=axis, dtype=dtype_given(dtype), out=out)


def average(a, axis=None, weights=None, returned=False, out=None):
    """``sum(weights a) / sum(weights)``, with `returned` also the sum of the weights.

    weights: of a's shape, or a vector along the one axis.
    """
    if weights is None:
        return row("_npi_average", "average")(a, axis=axis, returned=returned, weighted=False, out=out)
    return row("_npi_average", "average")(a, weights, axis=axis, returned=returned, out=out)


def _no_order(order):
    if order is not None:
        raise NotImplementedError(explain("There are no fields to order by", expected="order=None", given=repr(order)))


def sort(a, axis=-1, kind=None, order=None):
    """The array in order along an axis, or flattened (None); kind: how is torch's affair, stable."""
    _no_order(order)
    return row("_npi_sort", "sort")(checked_array(a), axis=axis, is_ascend=True)


def argsort(a, axis=-1, kind=None, order=None):
    """The indices that put the array in order along an axis, or flattened (None), in int64."""
    _no_order(order)
    return row("_npi_argsort", "argsort")(checked_array(a), axis=axis, is_ascend=True, dtype="int64")


def percentile(a, q, axis=None, out=None, overwrite_input=None, interpolation="linear", keepdims=False):
    """The value below which q percent of the values lie; q: a number or an array, whose axes come first.

    interpolation: "linear", "lower", "higher", "midpoint" or "nearest" between two values.
    Raises ValueError where q is not between 0 and 100.
    """
    if overwrite_input is not None:
        raise NotImplementedError(explain("percentile() does not overwrite its input", expected="overwrite_input=None"))
    options = {"axis": axis, "interpolation": interpolation, "keepdims": keepdims, "out": out}
    if isinstance(q, NUMBERS):
        if not 0 <= q <= 100:
            raise ValueError(explain("percentiles lie between 0 and 100", given=f"q={q}"))
        return row("_npi_percentile", "percentile")(a, q_scalar=float(q), **options)
    numbers = checked_array(q, "q").asnumpy()
    if ((numbers < 0) | (numbers > 100)).any():
        raise ValueError(explain("percentiles lie between 0 and 100", given=f"q={numbers}"))
    return row("_npi_percentile", "percentile")(a, q, **options)


def quantile(a, q, axis=None, out=None, overwrite_input=None, interpolation="linear", keepdims=False):
    """The value below which the fraction q of the values lies; as `percentile`."""
    if not isinstance(q, (*NUMBERS, NDArray)):
        checked_array(q, "q")
    return percentile(a, q * 100, axis, out, overwrite_input, interpolation, keepdims)


def bincount(x, weights=None, minlength=0):
    """How often each number from 0 on occurs in a vector of whole numbers, or the sums of their weights."""
    if minlength < 0:
        raise ValueError("'minlength' must not be negative")
    if weights is None:
        return row("_npi_bincount", "bincount")(x, minlength=minlength, has_weights=False)
    return row("_npi_bincount", "bincount")(x, weights, minlength=minlength, has_weights=True)


def histogram(a, bins=10, range=None, normed=None, weights=None, density=None):
    """(counts, edges): in so many equal bins over `range`, or between the edges that an array `bins` gives.

    Raises NotImplementedError for what MXNet does not have: a range that follows from the data, weights, densities.
    """
    if normed is True:
        raise NotImplementedError(explain("histogram() counts only", expected="normed=None", given="normed=True"))
    if weights is not None:
        raise NotImplementedError(explain("histogram() counts without weights", expected="weights=None"))
    if density is True:
        raise NotImplementedError(explain("histogram() counts only", expected="density=None", given="density=True"))
    if isinstance(bins, NUMBERS):
        if range is None:
            raise NotImplementedError(explain("histogram() needs a range", expected="range=(low, high)"))
        return row("_npi_histogram", "histogram")(a, bin_cnt=bins, range=range)
    if not isinstance(bins, NDArray):
        raise NotImplementedError(
            explain("histogram() takes edges as an array", expected="a mx.np.ndarray", given=type(bins).__name__)
        )
    return row("_npi_histogram", "histogram")(a, bins)


def diff(a, n=1, axis=-1, prepend=None, append=None):
    """The n-th differences of neighbours along an axis.

    Raises NotImplementedError for prepend and append.
    """
    if prepend is not None or append is not None:
        raise NotImplementedError(explain("diff() neither prepends nor appends", expected="prepend=None, append=None"))
    return row("_npi_diff", "diff")(a, n=n, axis=axis)


def ediff1d(ary, to_end=None, to_begin=None):
    """The differences of neighbours in the flattened array, with `to_begin` before and `to_end` behind them."""
    arrays, options = [ary], {}
    for name, value in (("to_begin", to_begin), ("to_end", to_end)):
        if isinstance(value, NDArray):
            arrays.append(value)
            options[f"{name}_arr_given"] = True
        elif value is not None:
            options[f"{name}_scalar"] = value
    return row("_npi_ediff1d", "ediff1d")(*arrays, **options)
