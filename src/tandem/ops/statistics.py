"""Statistics as `mx.np` has them: means, variances, quantiles, differences of neighbours.

``axis`` is None for all axes, or a tuple; an empty tuple reduces nothing.
"""

import torch

from tandem.ops import elementwise, reduce


def over(function, x, axis, keepdims, **options):
    """A function of `tandem.ops.reduce` over all axes, some, or none at all."""
    if axis == () or x.dim() == 0:
        # An axis of size 1 in front is what gets reduced, so that the dtype is the reduction's.
        return function(x.unsqueeze(0), 0, **options)
    return function(x, axis, keepdims, **options)


def accumulated(function, x, axis, keepdims, dtype):
    """A sum or product in a dtype; in one of integers that of floating point numbers is cut towards zero."""
    if x.is_floating_point() and not dtype.is_floating_point:
        return over(function, x, axis, keepdims).to(dtype)
    return over(function, x, axis, keepdims, dtype=dtype)


def mean(x, axis=None, keepdims=False, *, dtype=None):
    """The mean; of integers in float32, in an integer dtype cut towards zero."""
    if dtype is not None and not dtype.is_floating_point:
        return over(reduce.mean, x.double(), axis, keepdims).to(dtype)
    wanted = dtype or (x.dtype if x.is_floating_point() else torch.float32)
    return over(reduce.mean, x, axis, keepdims, dtype=wanted)


def _spread(function, x, axis, keepdims, ddof, dtype):
    dtype = dtype or x.dtype
    if dtype is torch.bool:
        raise TypeError("bools have no variance here; convert them with astype()")
    if not dtype.is_floating_point:
        return elementwise.truncated(lambda v: over(function, v, axis, keepdims, ddof=ddof), x).to(dtype)
    return over(function, x.to(dtype), axis, keepdims, ddof=ddof)


def variance(x, axis=None, keepdims=False, *, ddof=0, dtype=None):
    """``sum((x - mean)^2) / (n - ddof)``; of integers cut towards zero.

    Raises TypeError for bools.
    """
    return _spread(reduce.var, x, axis, keepdims, ddof, dtype)


def deviation(x, axis=None, keepdims=False, *, ddof=0, dtype=None):
    """The root of `variance`."""
    return _spread(reduce.std, x, axis, keepdims, ddof, dtype)


def average(x, weights=None, axis=None):
    """(``sum(w x) / sum(w)``, ``sum(w)``): weights of x's shape, or a vector along the one axis.

    Integers are cut towards zero. Raises ValueError where the weights do not fit.
    """
    if not x.is_floating_point():
        found = average(x.double(), None if weights is None else weights.double(), axis)
        return found[0].to(x.dtype), found[1].to(x.dtype)
    y = over(reduce.mean, x, axis, False)
    if weights is None:
        return y, torch.full_like(y, x.numel() // max(y.numel(), 1))
    if weights.shape != x.shape:
        if axis is None or len(axis) != 1:
            raise ValueError("weights of another shape than the array go along one axis, which `axis` must name")
        if weights.dim() != 1 or weights.shape[0] != x.shape[axis[0]]:
            raise ValueError(f"weights {tuple(weights.shape)} do not fit axis {axis[0]} of {tuple(x.shape)}")
        total = weights.sum()
        weights = weights.reshape([-1 if place == axis[0] else 1 for place in range(x.dim())])
    else:
        total = over(reduce.sum, weights, axis, False)
    return over(reduce.sum, x * weights, axis, False) / total, total


def percentile(x, q, axis=None, keepdims=False, method="linear"):
    """The value below which q percent (a number or a tensor) of the values lie, in float32 (float64 of float64).

    A tensor q adds its axes in front. method: "linear", "lower", "higher", "midpoint" or "nearest".
    Raises ValueError where the number q is not between 0 and 100; a tensor is not looked at.
    """
    if not isinstance(q, torch.Tensor):
        if not 0 <= q <= 100:
            raise ValueError("percentiles lie between 0 and 100")
        q = torch.full((), float(q), dtype=torch.float64, device=x.device)
    wide = x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32
    if axis is None:
        axis = tuple(range(x.dim()))
    kept = [1 if place in axis else size for place, size in enumerate(x.shape)]
    rest = [place for place in range(x.dim()) if place not in axis]
    values = x.to(wide).permute(*rest, *axis).reshape(*(x.shape[place] for place in rest), -1)
    # torch.quantile has a limit on sizes: sorting and picking neighbours has none.
    values = values.sort(-1).values
    place = q.reshape(-1).double() / 100 * (values.shape[-1] - 1)
    if method == "nearest":
        place = torch.round(place)
    elif method == "midpoint":
        place = (torch.floor(place) + torch.ceil(place)) / 2
    elif method != "linear":
        place = torch.floor(place) if method == "lower" else torch.ceil(place)
    below = torch.floor(place).long()
    low, high = values[..., below], values[..., torch.ceil(place).long()]
    found = (low + (high - low) * (place - below).to(wide)).movedim(-1, 0)
    return found.reshape((*q.shape, *(kept if keepdims else found.shape[1:])))


def differences(x, times=1, axis=-1):
    """``x[i + 1] - x[i]`` along an axis, so many times.

    Raises ValueError for a negative number of times, TypeError for bools.
    """
    if times < 0:
        raise ValueError(f"differences are taken 0 times or more, got {times}")
    if x.dtype is torch.bool:
        raise TypeError("bools have no differences; convert them with astype()")
    return torch.diff(x, times, axis) if times else x.clone()


def differences_between(x, begin=None, end=None):
    """The differences of neighbours in the flattened x, `begin` before and `end` behind them: tensors or numbers."""
    parts = [torch.diff(x.reshape(-1))]
    for place, part in ((0, begin), (len(parts) + 1, end)):
        if part is not None:
            if not isinstance(part, torch.Tensor):
                part = torch.full((1,), part if x.is_floating_point() else int(part), dtype=x.dtype, device=x.device)
            parts.insert(place, part.reshape(-1))
    return torch.cat(parts)
