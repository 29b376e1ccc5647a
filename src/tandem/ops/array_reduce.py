"""Statistics as Keras has them: extremes and means without NaN, quantiles of any dtype, counts in bins, correlations.

``axis`` is one axis, several, or None for all; an empty tuple reduces nothing.
"""

import torch
import torch.nn.functional as F

from tandem.ops import reduce
from tandem.ops.reduce import axes_of


def _over(function, x, axis, keepdims):
    if axis == ():
        return x
    axes = axes_of(x, axis)
    return function(x, axes, keepdim=keepdims) if axes else x


def largest(x, axis=None, keepdims=False):
    """The largest value."""
    return _over(torch.amax, x, axis, keepdims)


def smallest(x, axis=None, keepdims=False):
    """The smallest value."""
    return _over(torch.amin, x, axis, keepdims)


def limited(y, bound, kind):
    """The larger ("max") or smaller ("min") of y and a number."""
    bound = torch.as_tensor(bound, dtype=y.dtype, device=y.device)
    return torch.maximum(y, bound) if kind == "max" else torch.minimum(y, bound)


def spread(x, axis=None, keepdims=False):
    """The largest value less the smallest."""
    return largest(x, axis, keepdims) - smallest(x, axis, keepdims)


def _place(function, x, axis, keepdims):
    if isinstance(axis, tuple) and len(axis) == 1:
        axis = axis[0]
    x = x.to(torch.uint8) if x.dtype is torch.bool else x
    return function(x, axis, keepdim=keepdims).to(torch.int32)


def place_of_largest(x, axis=None, keepdims=False):
    """Where the largest value is first, along one axis or in the flattened x: int32."""
    return _place(torch.argmax, x, axis, keepdims)


def place_of_smallest(x, axis=None, keepdims=False):
    """Where the smallest value is first, along one axis or in the flattened x: int32."""
    return _place(torch.argmin, x, axis, keepdims)


def _nan_place(function, fill, x, axis, keepdims):
    if not x.is_floating_point():
        return _place(function, x, axis, keepdims)
    missing = torch.isnan(x)
    found = _place(function, x.masked_fill(missing, fill), axis, keepdims)
    nothing = missing.all() if axis is None else missing.all(axis, keepdim=keepdims)
    return torch.where(nothing, -1, found)


def nan_place_of_largest(x, axis=None, keepdims=False):
    """`place_of_largest` without NaNs; -1 where there is nothing else."""
    return _nan_place(torch.argmax, -torch.inf, x, axis, keepdims)


def nan_place_of_smallest(x, axis=None, keepdims=False):
    """`place_of_smallest` without NaNs; -1 where there is nothing else."""
    return _nan_place(torch.argmin, torch.inf, x, axis, keepdims)


def _nan_extreme(function, fill, x, axis, keepdims):
    if not x.is_floating_point():
        return _over(function, x, axis, keepdims)
    missing = torch.isnan(x)
    found = _over(function, x.masked_fill(missing, fill), axis, keepdims)
    return torch.where(reduce.all(missing, axis, keepdims), torch.nan, found).to(x.dtype)


def nan_largest(x, axis=None, keepdims=False):
    """The largest value without NaNs; NaN where there is nothing else."""
    return _nan_extreme(torch.amax, -torch.inf, x, axis, keepdims)


def nan_smallest(x, axis=None, keepdims=False):
    """The smallest value without NaNs; NaN where there is nothing else."""
    return _nan_extreme(torch.amin, torch.inf, x, axis, keepdims)


def without_nan(x, value):
    """x with a number for NaN."""
    return x.masked_fill(torch.isnan(x), value) if x.is_floating_point() else x


def _wide(x):
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def variance(x, axis=None, keepdims=False):
    """``mean((x - mean)^2)``, of 16 bits computed in 32; float64 gives float32, as in Keras."""
    dtype = torch.float32 if x.dtype is torch.float64 else x.dtype
    return reduce.var(_wide(x), axis, keepdims).to(dtype)


def nan_variance(x, axis=None, keepdims=False):
    """`variance` without NaNs, through which no gradient flows; NaN where there is nothing else."""
    y = _wide(x)
    missing = torch.isnan(y)
    y = y.masked_fill(missing, 0)
    count = reduce.sum((~missing).to(y.dtype), axis, True)
    distance = (y - reduce.sum(y, axis, True) / count).masked_fill(missing, 0)
    found = reduce.sum(distance.square(), axis, True) / count
    if not keepdims and axis != ():
        found = found.squeeze(tuple(axes_of(x, axis)))
    return found.to(x.dtype)


def nan_deviation(x, axis=None, keepdims=False):
    """The root of `nan_variance`."""
    return torch.sqrt(nan_variance(_wide(x), axis, keepdims)).to(x.dtype)


def count(x, axis, dtype):
    """How many values are not 0."""
    if axis == ():
        return (x != 0).to(dtype)
    return (x != 0).sum(axes_of(x, axis), dtype=dtype) if x.dim() else (x != 0).to(dtype)


def average(x, axis, weights):
    """``sum(w x) / sum(w)``; weights: x's shape, or a vector along the one axis."""
    if weights.shape != x.shape and isinstance(axis, tuple) and len(axis) == 1:
        axis = axis[0]
    return reduce.average(x, axis, weights)


def median(x, axis=None, keepdims=False):
    """The middle value, or the mean of both middle ones; NaN if there is one."""
    half = torch.full((), 0.5, dtype=_wide(x).dtype, device=x.device)
    return quantile(x, half, axis, keepdims)


def nan_median(x, axis=None, keepdims=False):
    """`median` without NaNs."""
    half = torch.full((), 0.5, dtype=_wide(x).dtype, device=x.device)
    return quantile(x, half, axis, keepdims, nan=True)


_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(x, q, axis=None, keepdims=False, *, method="linear", scale=1, nan=False):
    """The value below which the part ``q / scale`` of the values lies; the axes of q stand in front.

    x, q: floats; method: "linear", "lower", "higher", "midpoint", "nearest" between two values; nan: leave NaNs out.
    Raises ValueError for another method or a q of more than one axis.
    """
    if method not in _METHODS:
        raise ValueError(f"Unknown method of quantiles. Expected: one of {', '.join(_METHODS)}. Given: {method!r}.")
    if q.dim() > 1:
        raise ValueError(f"Quantiles are a number or a vector. Given: shape {tuple(q.shape)}.")
    wide = _wide(x)
    axes = axes_of(wide, axis)
    kept = [1 if a in axes else size for a, size in enumerate(wide.shape)]
    rest = [a for a in range(wide.dim()) if a not in axes]
    moved = wide.permute(*rest, *axes).reshape(*(wide.shape[a] for a in rest), -1)
    function = torch.nanquantile if nan else torch.quantile
    y = function(moved, q.to(wide.dtype) / scale, -1, interpolation=method)
    return (y.reshape(*q.shape, *kept) if keepdims else y).to(x.dtype)


def differences(x, times, axis):
    """``x[i + 1] - x[i]`` along an axis, so many times (of bools: whether they differ)."""
    return torch.diff(x, times, axis)


def trapezoid(y, x=None, dx=1.0, axis=-1):
    """``sum (x[i + 1] - x[i]) (y[i] + y[i + 1]) / 2`` along an axis."""
    return torch.trapezoid(y, x, dim=axis) if x is not None else torch.trapezoid(y, dx=dx, dim=axis)


def correlations(x):
    """The correlation coefficients of the rows of a matrix, in x's dtype."""
    y = _wide(x)
    y = y - y.mean(-1, keepdim=True)
    if y.dim() < 2:
        y = y.reshape(1, -1)
    covariance = torch.matmul(y, y.mT)
    scale = covariance.diagonal().sqrt()
    found = (covariance / scale.unsqueeze(0) / scale.unsqueeze(1)).clamp(-1, 1)
    return (found if x.dim() > 1 else found.reshape(())).to(x.dtype)


def correlate(a, v, mode):
    """``c[k] = sum_n a[n + k] v[n]`` of vectors; mode: "valid", "full", "same".

    "valid" is where they overlap fully, "full" everywhere, "same" as long as the longer one.
    """
    if mode == "valid" and a.shape[0] < v.shape[0]:
        return correlate(v, a, mode).flip(0)
    padding = {"full": v.shape[0] - 1, "same": v.shape[0] // 2}.get(mode, 0)
    wide = _wide(a)
    y = F.conv1d(F.pad(wide, (padding, padding))[None, None], _wide(v)[None, None])[0, 0]
    if mode == "same":
        y = y[: max(a.shape[0], v.shape[0])]
    return y.to(a.dtype)


def histogram(x, bins, range=None):
    """(counts, edges) of a vector in equal bins from the smallest to the largest value, or over a range; x's dtype."""
    if range is not None:
        low, high = range
        counts = torch.histc(x, bins, low, high) if low != high else torch.histc(x, bins, low - 0.5, high + 0.5)
        edges = torch.linspace(low, high, bins + 1, dtype=x.dtype, device=x.device)
        return counts, edges
    counts, edges = torch.histogram(x, bins) if x.device.type == "cpu" else _histogram_elsewhere(x, bins)
    return counts, edges


def _histogram_elsewhere(x, bins):
    low, high = x.amin(), x.amax()
    part = torch.arange(bins + 1, dtype=x.dtype, device=x.device) / bins
    edges = low + (high - low) * part
    place = torch.bucketize(x, edges, right=True).sub(1).clamp(0, bins - 1)
    return torch.zeros(bins, dtype=x.dtype, device=x.device).index_add_(0, place, torch.ones_like(x)), edges


def bincount(x, weights=None, minlength=0):
    """How often each number from 0 on occurs (int32), or the sums of weights; of a matrix row by row.

    x: whole numbers, (n,) or (rows, n).
    """
    size = minlength
    if x.numel():
        size = max(minlength, int(x.max()) + 1)  # the shape of the result depends on the values
    rows = x.shape[0] if x.dim() == 2 else 1
    place = x.reshape(rows, -1).long() + torch.arange(rows, device=x.device).unsqueeze(1) * size
    values = torch.ones_like(place, dtype=torch.int32) if weights is None else weights.reshape(rows, -1)
    sums = torch.zeros(rows * size, dtype=values.dtype, device=x.device)
    sums = sums.index_add(0, place.reshape(-1), values.reshape(-1))
    return sums.reshape(rows, size) if x.dim() == 2 else sums
