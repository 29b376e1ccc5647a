"""Functions of `mx.sym.np` that reduce axes, order and count."""

from tandem.core.errors import explain
from tandem.mxnet.symbol.numpy_shapes import ravel
from tandem.mxnet.symbol.numpy_symbol import NUMBERS, apply, checked, dtype_text, refuse_out
from tandem.mxnet.symbol.symbol import Symbol

__all__ = [
    "argmax",
    "argmin",
    "argsort",
    "average",
    "bincount",
    "diff",
    "ediff1d",
    "histogram",
    "mean",
    "percentile",
    "quantile",
    "sort",
    "std",
    "unique",
    "var",
]


def mean(a, axis=None, dtype=None, out=None, keepdims=False):
    """The mean; of integers in float32."""
    refuse_out("mean", out)
    return apply("_npi_mean", "mean", (checked(a),), {"axis": axis, "dtype": dtype_text(dtype), "keepdims": keepdims})


def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
    """The standard deviation, ``sqrt(sum((a - mean)^2) / (n - ddof))``."""
    refuse_out("std", out)
    attrs = {"axis": axis, "dtype": dtype_text(dtype), "ddof": ddof, "keepdims": keepdims}
    return apply("_npi_std", "std", (checked(a),), attrs)


def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
    """The variance, ``sum((a - mean)^2) / (n - ddof)``."""
    refuse_out("var", out)
    attrs = {"axis": axis, "dtype": dtype_text(dtype), "ddof": ddof, "keepdims": keepdims}
    return apply("_npi_var", "var", (checked(a),), attrs)


def average(a, axis=None, weights=None, returned=False, out=None):
    """The mean with weights; returned: a list with the sum of the weights behind it."""
    refuse_out("average", out)
    inputs = (checked(a),) if weights is None else (checked(a), checked(weights))
    found = apply("_npi_average", "average", inputs, {"axis": axis, "returned": returned, "weighted": len(inputs) == 2})
    return list(found) if returned else found


def argmax(a, axis=None, out=None):
    """The place of the largest value, of the flattened array or along an axis."""
    refuse_out("argmax", out)
    return apply("_npi_argmax", "argmax", (checked(a),), {"axis": axis, "keepdims": False})


def argmin(a, axis=None, out=None):
    """The place of the smallest value, of the flattened array or along an axis."""
    refuse_out("argmin", out)
    return apply("_npi_argmin", "argmin", (checked(a),), {"axis": axis, "keepdims": False})


def _in_one_way(name, kind, order):
    if kind is not None or order is not None:
        raise NotImplementedError(explain(f"{name}() sorts in one way", expected="kind=None, order=None"))


def argsort(a, axis=-1, kind=None, order=None):
    """The places of the values in rising order (axis None: of the flattened array)."""
    _in_one_way("argsort", kind, order)
    a, axis = (ravel(a), 0) if axis is None else (a, axis)
    return apply("_npi_argsort", "argsort", (checked(a),), {"axis": axis, "is_ascend": True, "dtype": "int64"})


def sort(a, axis=-1, kind=None, order=None):
    """The values in rising order (axis None: of the flattened array)."""
    _in_one_way("sort", kind, order)
    a, axis = (ravel(a), 0) if axis is None else (a, axis)
    return apply("_npi_sort", "sort", (checked(a),), {"axis": axis, "is_ascend": True})


def percentile(a, q, axis=None, out=None, overwrite_input=None, interpolation="linear", keepdims=False):
    """The value below which q percent of the values lie; q: a number or a symbol, whose axes come first.

    interpolation: "linear", "lower", "higher", "midpoint" or "nearest" between two values.
    """
    refuse_out("percentile", out)
    if overwrite_input is not None:
        raise NotImplementedError(explain("percentile() does not overwrite its input", expected="overwrite_input=None"))
    attrs = {"axis": axis, "interpolation": interpolation, "keepdims": keepdims}
    if isinstance(q, NUMBERS):
        return apply("_npi_percentile", "percentile", (checked(a),), {**attrs, "q_scalar": q})
    return apply("_npi_percentile", "percentile", (checked(a), checked(q, "q")), attrs)


def quantile(a, q, axis=None, out=None, overwrite_input=None, interpolation="linear", keepdims=False):
    """The value below which the fraction q of the values lies; as `percentile`."""
    return percentile(a, q * 100, axis, out, overwrite_input, interpolation, keepdims)


def bincount(x, weights=None, minlength=0):
    """How often each number from 0 on occurs in a vector of whole numbers, or the sums of their weights."""
    if minlength < 0:
        raise ValueError("Minlength value should greater than 0")
    inputs = (checked(x),) if weights is None else (checked(x), checked(weights))
    return apply("_npi_bincount", "bincount", inputs, {"minlength": minlength, "has_weights": len(inputs) == 2})


def histogram(a, bins=10, range=None, normed=None, weights=None, density=None):
    """[counts, edges]: in so many equal bins over `range`, or between the edges that a symbol `bins` gives.

    Raises NotImplementedError for a range that follows from the data, for weights and densities.
    """
    if normed or weights is not None or density:
        raise NotImplementedError(explain("histogram() only counts", expected="normed, weights and density None"))
    if isinstance(bins, Symbol):
        return list(apply("_npi_histogram", "histogram", (checked(a), bins)))
    if range is None:
        raise NotImplementedError(explain("histogram() needs a range", expected="range=(low, high)"))
    return list(apply("_npi_histogram", "histogram", (checked(a),), {"bin_cnt": bins, "range": tuple(range)}))


def diff(a, n=1, axis=-1, prepend=None, append=None):
    """The n-th differences of neighbours along an axis.

    Raises NotImplementedError for prepend and append.
    """
    if prepend is not None or append is not None:
        raise NotImplementedError(explain("diff() neither prepends nor appends", expected="prepend=None, append=None"))
    return apply("_npi_diff", "diff", (checked(a),), {"n": n, "axis": axis})


def ediff1d(ary, to_end=None, to_begin=None):
    """The differences of neighbours of the flattened array, with something behind and before them."""
    inputs, attrs = [checked(ary)], {}
    for key, value in (("to_begin", to_begin), ("to_end", to_end)):
        given = isinstance(value, Symbol)
        attrs[f"{key}_arr_given"] = given
        if given:
            inputs.append(value)
        else:
            attrs[f"{key}_scalar"] = value
    return apply("_npi_ediff1d", "ediff1d", tuple(inputs), attrs)


def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None):
    """The different values (or entries of an axis) in order; where asked, a list with int64 arrays behind them."""
    attrs = {"return_index": return_index, "return_inverse": return_inverse, "return_counts": return_counts}
    found = apply("_npi_unique", "unique", (checked(ar),), {**attrs, "axis": axis})
    return list(found) if any(attrs.values()) else found
