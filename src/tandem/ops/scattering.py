"""Blocks and single entries of a tensor, read and replaced."""

import torch

_REDUCE = {"add": "sum", "max": "amax", "min": "amin", "mul": "prod"}


def _ranges(starts, shape, sizes, device):
    """Indices of a block, one vector to an axis; tensors among the starts stay on their device."""
    vectors = []
    for axis, (start, size) in enumerate(zip(starts, shape)):
        place = torch.arange(size, device=device) + start
        place = place.reshape([-1 if i == axis else 1 for i in range(len(sizes))])
        vectors.append(place)
    return tuple(vectors)


def block(x, starts, shape):
    """The block of a shape that begins at `starts`, numbers or tensors; of numbers, what lies outside is left out."""
    if all(isinstance(start, int) for start in starts):
        return x[tuple(slice(start, start + size) for start, size in zip(starts, shape))]
    return x[_ranges(starts, shape, x.shape, x.device)]


def with_block(x, starts, values):
    """x with a block of values that begins at `starts`."""
    return x.index_put(_ranges(starts, values.shape, x.shape, x.device), values.to(x.dtype))


def added(indices, values, shape):
    """Zeros of the shape with values added at the indices (..., axes indexed)."""
    y = torch.zeros(shape, dtype=values.dtype, device=values.device)
    return y.index_put(tuple(indices.long().unbind(-1)), values, accumulate=True)


def updated(x, indices, values, reduction=None):
    """x with values at the indices (count, axes indexed), put there or by "add", "max", "min" or "mul"."""
    places = tuple(indices.long().unbind(-1))
    values = values.to(x.dtype)
    if reduction in (None, "add"):
        return x.index_put(places, values, accumulate=reduction == "add")
    # One number to each place of the axes indexed, so that repeated ones reduce.
    lead = x.shape[: len(places)]
    flat = torch.zeros_like(places[0])
    for place, size in zip(places, lead):
        flat = flat * size + torch.where(place < 0, place + size, place)
    rows = x.reshape(-1, *x.shape[len(places) :])
    values = values.reshape(-1, *rows.shape[1:])
    index = flat.reshape(-1, *(1,) * (rows.dim() - 1)).expand_as(values)
    return rows.scatter_reduce(0, index, values, _REDUCE[reduction], include_self=True).reshape(x.shape)
