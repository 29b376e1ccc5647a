"""Reductions.

``axis`` is a number, several, or None for all axes (so is an empty tuple, as in MXNet); ``exclude=True`` reduces over
all axes but these; ``keepdims`` keeps the reduced ones with size 1. Norms are `tandem.ops.linalg.norm`, moments
`tandem.ops.norm.moments`.
"""

import torch


def axes_of(x, axis=None, exclude=False):
    """The axes to reduce over, as a sorted list of numbers from 0."""
    rank = x.dim()
    if axis is None or axis == ():
        return list(range(rank))
    chosen = {a % rank if -rank <= a < rank else _no_axis(a, rank) for a in ([axis] if isinstance(axis, int) else axis)}
    return [a for a in range(rank) if (a in chosen) != exclude]


def _no_axis(axis, rank):
    raise IndexError(
        f"There is no axis {axis}: expected a number from {-rank} to {rank - 1}, the input has {rank} axes"
    )


def _floating(x, dtype=None):
    return x if dtype is not None or x.is_floating_point() or x.is_complex() else x.to(torch.get_default_dtype())


def sum(x, axis=None, keepdims=False, *, exclude=False, dtype=None):
    """The sum. dtype: of the result; integers give int64 without one."""
    axes = axes_of(x, axis, exclude)
    if not axes:  # torch would reduce over everything
        return x if dtype is None else x.to(dtype)
    return torch.sum(x, axes, keepdim=keepdims, dtype=dtype)


def mean(x, axis=None, keepdims=False, *, exclude=False, dtype=None):
    """The mean; of integers in the default floating point type."""
    x, axes = _floating(x, dtype), axes_of(x, axis, exclude)
    return torch.mean(x, axes, keepdim=keepdims, dtype=dtype) if axes else x


def prod(x, axis=None, keepdims=False, *, exclude=False, dtype=None):
    """The product. dtype: of the result; integers give int64 without one."""
    return _one_axis(x, axes_of(x, axis, exclude), keepdims, lambda v, a, keep: torch.prod(v, a, keep, dtype=dtype))


def max(x, axis=None, keepdims=False, *, exclude=False, tie="split"):
    """The largest value; NaN if there is one.

    tie: "split" shares the gradient among equal largest values (torch, Keras), "all" gives each all of it (MXNet).
    """
    return _extremum(x, axes_of(x, axis, exclude), keepdims, tie, torch.amax)


def min(x, axis=None, keepdims=False, *, exclude=False, tie="split"):
    """The smallest value; NaN if there is one. ``tie`` as in `max`."""
    return _extremum(x, axes_of(x, axis, exclude), keepdims, tie, torch.amin)


def argmax(x, axis=None, keepdims=False, *, dtype=torch.int64):
    """Where the largest value is, the first of equals; without axis its place in the flattened x."""
    return _place(torch.argmax, x, axis, keepdims, dtype)


def argmin(x, axis=None, keepdims=False, *, dtype=torch.int64):
    """Where the smallest value is, the first of equals; without axis its place in the flattened x."""
    return _place(torch.argmin, x, axis, keepdims, dtype)


def logsumexp(x, axis=None, keepdims=False, *, exclude=False):
    """``log(sum(exp(x)))``, without overflow."""
    x, axes = _floating(x), axes_of(x, axis, exclude)
    return torch.logsumexp(x, axes, keepdim=keepdims) if axes else x


def var(x, axis=None, keepdims=False, *, exclude=False, ddof=0):
    """``sum((x - mean)^2) / (n - ddof)``."""
    x, axes = _floating(x), axes_of(x, axis, exclude)
    return torch.var(x, axes, correction=ddof, keepdim=keepdims) if axes else torch.zeros_like(x)


def std(x, axis=None, keepdims=False, *, exclude=False, ddof=0):
    """The root of `var`."""
    x, axes = _floating(x), axes_of(x, axis, exclude)
    return torch.std(x, axes, correction=ddof, keepdim=keepdims) if axes else torch.zeros_like(x)


def nansum(x, axis=None, keepdims=False, *, exclude=False, dtype=None):
    """The sum without NaN; 0 where there is nothing else."""
    axes = axes_of(x, axis, exclude)
    return torch.nansum(x, axes, keepdim=keepdims, dtype=dtype) if axes else torch.nan_to_num(x, nan=0.0)


def nanmean(x, axis=None, keepdims=False, *, exclude=False):
    """The mean without NaN; NaN where there is nothing else."""
    axes = axes_of(x, axis, exclude)
    return torch.nanmean(x, axes, keepdim=keepdims) if axes else x


def nanprod(x, axis=None, keepdims=False, *, exclude=False, dtype=None):
    """The product without NaN; 1 where there is nothing else."""
    return prod(torch.where(torch.isnan(x), 1.0, x), axis, keepdims, exclude=exclude, dtype=dtype)


def any(x, axis=None, keepdims=False):
    """Whether there is a value that is not 0."""
    return _truth(torch.any, x, axes_of(x, axis), keepdims)


def all(x, axis=None, keepdims=False):
    """Whether no value is 0."""
    return _truth(torch.all, x, axes_of(x, axis), keepdims)


def count_nonzero(x, axis=None, *, dtype=torch.int64):
    """How many values are not 0."""
    return torch.count_nonzero(x, axes_of(x, axis)).to(dtype)


def cumsum(x, axis=None, *, dtype=None):
    """Running sums along axis; without one, of the flattened x."""
    return torch.cumsum(x.reshape(-1), 0, dtype=dtype) if axis is None else torch.cumsum(x, axis, dtype=dtype)


def cumprod(x, axis=None, *, dtype=None):
    """Running products along axis; without one, of the flattened x."""
    return torch.cumprod(x.reshape(-1), 0, dtype=dtype) if axis is None else torch.cumprod(x, axis, dtype=dtype)


def average(x, axis=None, weights=None, keepdims=False):
    """``sum(w x) / sum(w)``; weights: as x, or a vector along axis."""
    if weights is None:
        return mean(x, axis, keepdims)
    if isinstance(axis, int) and weights.dim() == 1 and x.dim() != 1:
        shape = [1] * x.dim()
        shape[axis] = -1
        weights = weights.reshape(shape)
    weights = weights.expand_as(x)
    return sum(x * weights, axis, keepdims) / sum(weights, axis, keepdims)


def median(x, axis=None, keepdims=False):
    """The middle value, or the mean of both middle ones; NaN if there is one."""
    return quantile(x, 0.5, axis, keepdims)


def quantile(x, q, axis=None, keepdims=False, *, method="linear"):
    """The value below which the fraction q (a number or a tensor) of the values lies.

    method: "linear", "lower", "higher", "midpoint", "nearest" between two values. A tensor q adds its axis in front.
    """
    x, axes = _floating(x), axes_of(x, axis)
    moved, shape = _together(x, axes)
    y = torch.quantile(moved, q, -1, interpolation=method)
    return y.reshape(*y.shape[: y.dim() - moved.dim() + 1], *shape) if keepdims else y


# --- parts ---------------------------------------------------------------------------------------------------------


def _together(x, axes):
    """The axes moved to the end and made one; and the shape of a reduction that keeps them."""
    kept = [1 if a in axes else size for a, size in enumerate(x.shape)]
    rest = [a for a in range(x.dim()) if a not in axes]
    return x.permute(*rest, *axes).reshape(*(x.shape[a] for a in rest), -1), kept


def _one_axis(x, axes, keepdims, function):
    """A function that reduces one axis only, over several."""
    if len(axes) == 1:
        return function(x, axes[0], keepdims)
    moved, kept = _together(x, axes)
    y = function(moved, -1, False)
    return y.reshape(kept) if keepdims else y


def _truth(function, x, axes, keepdims):
    # torch answers uint8 for uint8
    return function(x if x.dtype is not torch.uint8 else x.bool(), axes, keepdim=keepdims) if axes else x.bool()


def _place(function, x, axis, keepdims, dtype):
    return function(x, axis, keepdims).to(dtype)


def _extremum(x, axes, keepdims, tie, function):
    if not axes:
        return x
    if tie == "split":
        return function(x, axes, keepdim=keepdims)
    return _EveryWinner.apply(x, axes, keepdims, function)


class _EveryWinner(torch.autograd.Function):
    """A largest or smallest value whose gradient goes to every element equal to it."""

    @staticmethod
    def forward(ctx, x, axes, keepdims, function):
        y = function(x, axes, keepdim=True)
        ctx.save_for_backward(x, y)
        ctx.axes, ctx.keepdims = axes, keepdims
        return y.clone() if keepdims else y.squeeze(axes)

    @staticmethod
    def backward(ctx, gradient):
        x, y = ctx.saved_tensors
        if not ctx.keepdims:
            for axis in ctx.axes:
                gradient = gradient.unsqueeze(axis)
        return gradient * (x == y), None, None, None
