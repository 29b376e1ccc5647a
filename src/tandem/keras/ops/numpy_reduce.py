"""Reductions, running sums, statistics."""

from tandem.keras import backend
from tandem.keras.ops.family import (
    Family,
    axes,
    result_type,
    spec,
    storage_dtype,
    tensor,
    to_float,
    to_narrow_float,
    to_wide_float,
)
from tandem.ops import array_reduce, reduce, statistics

NAMES = Family()


def _kept(x):
    return x


def _sum_dtype(x):
    """The dtype in which Keras sums: bools and small integers in int32."""
    name = backend.standardize_dtype(x.dtype)
    return storage_dtype("int32") if name in ("bool", "uint8", "int8", "int16") else x.dtype


# name, class, function, what becomes of x first
_PLAIN = [
    ("all", "All", reduce.all, _kept),
    ("any", "Any", reduce.any, _kept),
    ("amax", "Amax", array_reduce.largest, _kept),
    ("amin", "Amin", array_reduce.smallest, _kept),
    ("argmax", "Argmax", array_reduce.place_of_largest, _kept),
    ("argmin", "Argmin", array_reduce.place_of_smallest, _kept),
    ("mean", "Mean", reduce.mean, to_float),
    ("median", "Median", array_reduce.median, to_narrow_float),
    ("nanargmax", "Nanargmax", array_reduce.nan_place_of_largest, _kept),
    ("nanargmin", "Nanargmin", array_reduce.nan_place_of_smallest, _kept),
    ("nanmax", "Nanmax", array_reduce.nan_largest, _kept),
    ("nanmean", "Nanmean", reduce.nanmean, to_narrow_float),
    ("nanmedian", "Nanmedian", array_reduce.nan_median, to_narrow_float),
    ("nanmin", "Nanmin", array_reduce.nan_smallest, _kept),
    ("nanstd", "Nanstd", array_reduce.nan_deviation, to_narrow_float),
    ("nanvar", "Nanvar", array_reduce.nan_variance, to_narrow_float),
    ("ptp", "Ptp", array_reduce.spread, _kept),
    ("std", "Std", reduce.std, to_float),
    ("var", "Var", array_reduce.variance, to_float),
]


def _plain(function, prepare):
    def compute(x, axis=None, keepdims=False):
        return statistics.over(function, prepare(tensor(x)), axes(axis), keepdims)

    return compute


for _name, _class, _function, _prepare in _PLAIN:
    NAMES.add(
        _name, _plain(_function, _prepare), _class
    ).__doc__ = f"`{_name}` over an axis, several or all (None); `keepdims` keeps them with size 1."


@NAMES.op("Sum")
def sum_(x, axis=None, keepdims=False):
    """The sum over axes; bools and small integers in int32."""
    x = tensor(x)
    return statistics.over(reduce.sum, x, axes(axis), keepdims, dtype=_sum_dtype(x))


@NAMES.op("Nansum")
def nansum(x, axis=None, keepdims=False):
    """The sum over axes, NaN as 0."""
    x = tensor(x)
    return statistics.over(reduce.nansum, x, axes(axis), keepdims, dtype=_sum_dtype(x))


def _product_dtype(x, dtype):
    return result_type(_sum_dtype(x)) if dtype is None else storage_dtype(dtype)


@NAMES.op("Prod")
def prod(x, axis=None, keepdims=False, dtype=None):
    """The product over axes; bools and small integers in int32."""
    x = tensor(x)
    return statistics.over(reduce.prod, x, axes(axis), keepdims, dtype=_product_dtype(x, dtype))


@NAMES.op("Nanprod")
def nanprod(x, axis=None, keepdims=False):
    """The product over axes, NaN as 1."""
    x = tensor(x)
    return statistics.over(reduce.nanprod, x, axes(axis), keepdims, dtype=_product_dtype(x, None))


def _running_dtype(x, dtype):
    if dtype is not None:
        return result_type(storage_dtype(dtype))
    return storage_dtype("int32") if backend.standardize_dtype(x.dtype) == "bool" else result_type(x)


@NAMES.op("Cumsum")
def cumsum(x, axis=None, dtype=None):
    """The sums of the elements up to each along an axis (None: of the flattened x)."""
    x = tensor(x)
    return reduce.cumsum(x, axis, dtype=_running_dtype(x, dtype))


@NAMES.op("Cumprod")
def cumprod(x, axis=None, dtype=None):
    """The products of the elements up to each along an axis (None: of the flattened x)."""
    x = tensor(x)
    return reduce.cumprod(x, axis, dtype=_running_dtype(x, dtype))


@NAMES.op("Nancumsum")
def nancumsum(x, axis=None, dtype=None):
    """`cumsum`, NaN as 0."""
    x = tensor(x)
    return reduce.cumsum(array_reduce.without_nan(x, 0), axis, dtype=_running_dtype(x, dtype))


@NAMES.op("Nancumprod")
def nancumprod(x, axis=None, dtype=None):
    """`cumprod`, NaN as 1."""
    x = tensor(x)
    return reduce.cumprod(array_reduce.without_nan(x, 1), axis, dtype=_running_dtype(x, dtype))


def _extreme(name, function):
    def compute(x, axis=None, keepdims=False, initial=None):
        x = tensor(x)
        if x.numel() == 0:
            if initial is None:
                raise ValueError(f"Cannot compute the {name} of an empty tensor.")
            if axis is None:
                return tensor(initial)
        y = statistics.over(function, x, axes(axis), keepdims)
        return y if initial is None else array_reduce.limited(y, initial, name)

    return compute


NAMES.add("max", _extreme("max", array_reduce.largest), "Max").__doc__ = "The largest value over axes."
NAMES.add("min", _extreme("min", array_reduce.smallest), "Min").__doc__ = "The smallest value over axes."


@NAMES.op("CountNonzero")
def count_nonzero(x, axis=None):
    """How many elements are not 0, over axes: int32."""
    return array_reduce.count(tensor(x), axes(axis), storage_dtype("int32"))


@NAMES.op("Average", ("x", "weights"))
def average(x, axis=None, weights=None):
    """``sum(w x) / sum(w)``; the weights are of x's shape, or a vector along the axis."""
    x = to_narrow_float(tensor(x))
    if weights is None:
        return reduce.mean(x, axes(axis))
    weights = to_narrow_float(tensor(weights))
    dtype = result_type(x, weights, float)
    return array_reduce.average(x.to(dtype), axes(axis), weights.to(dtype))


def _quantiles(scale, nan):
    def compute(x, q, axis=None, method="linear", keepdims=False):
        return array_reduce.quantile(
            to_narrow_float(tensor(x)), to_float(tensor(q)), axes(axis), keepdims, method=method, scale=scale, nan=nan
        )

    return compute


for _name, _class, _scale, _nan in (
    ("quantile", "Quantile", 1, False),
    ("percentile", "Percentile", 100, False),
    ("nanquantile", "Nanquantile", 1, True),
    ("nanpercentile", "Nanpercentile", 100, True),
):
    NAMES.add(_name, _quantiles(_scale, _nan), _class, 2).__doc__ = (
        "The value below which the part q of the values lies"
        f"{', in percent' if _scale == 100 else ''}{', without NaNs' if _nan else ''}; several q stand in front."
    )


@NAMES.op("Diff")
def diff(a, n=1, axis=-1):
    """``a[i + 1] - a[i]`` along an axis, n times."""
    return array_reduce.differences(tensor(a), n, axis)


@NAMES.op("Trapezoid", ("y",))
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """The integral by trapezoids along an axis, over points x or steps dx."""
    return array_reduce.trapezoid(to_float(tensor(y)), None if x is None else to_float(tensor(x)), dx, axis)


@NAMES.op("Corrcoef")
def corrcoef(x):
    """The correlation coefficients of the rows: ``c_ij / sqrt(c_ii c_jj)``."""
    return array_reduce.correlations(to_wide_float(tensor(x)))


@NAMES.op("Correlate", 2)
def correlate(x1, x2, mode="valid"):
    """The cross-correlation of two vectors: "valid", "same" or "full"."""
    if mode not in ("valid", "same", "full"):
        raise ValueError(f"mode must be either `valid`, `same`, or `full`. Received: mode={mode}")
    x1, x2 = tensor(x1), tensor(x2)
    if x1.dim() != 1 or x2.dim() != 1:
        raise ValueError(
            f"Input tensors must be 1-dimensional. Received: shape={tuple(x1.shape)} and {tuple(x2.shape)}"
        )
    dtype = result_type(x1, x2, float)
    return array_reduce.correlate(x1.to(dtype), x2.to(dtype), mode)


def _histogram_spec(x, bins=10, range=None):
    _check_bins(bins, range)
    return spec((bins,), x.dtype), spec((bins + 1,), x.dtype)


def _check_bins(bins, range):
    if not isinstance(bins, int) or bins <= 0:
        raise ValueError(f"Argument `bins` should be a positive integer. Received: bins={bins}")
    if range is not None and (not isinstance(range, (tuple, list)) or len(range) != 2 or range[1] < range[0]):
        raise ValueError(
            f"Argument `range` must be a tuple of two elements, the first not above the second. Received: range={range}"
        )


@NAMES.op("Histogram", spec=_histogram_spec)
def histogram(x, bins=10, range=None):
    """(how many values of a vector lie in each of `bins` equal parts of a range, the edges of the parts)."""
    _check_bins(bins, range)
    x = tensor(x)
    if x.dim() != 1:
        raise ValueError(f"Input tensor must be 1-dimensional. Received: input.shape={tuple(x.shape)}")
    return array_reduce.histogram(to_float(x), bins, range)


def _bincount_spec(x, weights=None, minlength=0, sparse=False):
    dtype = "int32" if weights is None else result_type(weights)
    return spec((*(x.shape[:1] if len(x.shape) == 2 else ()), None), dtype)


@NAMES.op("Bincount", spec=_bincount_spec)
def bincount(x, weights=None, minlength=0, sparse=False):
    """How often each number from 0 on occurs, or the sums of weights; of a matrix row by row."""
    if sparse:
        raise ValueError("Unsupported value `sparse=True` with torch backend")
    return array_reduce.bincount(tensor(x), None if weights is None else _weights(tensor(weights)), minlength)


def _weights(x):
    return x.to(result_type(x))
