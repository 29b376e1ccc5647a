"""Picking, ordering and masking elements.

Indices may be of any dtype; they are cut to whole numbers. An index that is out of range raises IndexError on the CPU,
by the bounds check of the kernel itself, unless a ``mode`` says what it means.
"""

import torch
import torch.nn.functional as F


def embedding(indices, weight, *, mode="raise", sparse_gradient=False):
    """The rows of weight (entries, size) that the indices number: (*indices.shape, size).

    mode: "raise", or "clip" to the first and last row (MXNet); sparse_gradient: whether weight's gradient is torch's
    sparse tensor, of the picked rows only.
    """
    index = _whole(indices)
    if mode == "clip":
        index = index.clamp(0, weight.shape[0] - 1)
    try:
        return F.embedding(index, weight, sparse=sparse_gradient)
    except IndexError:
        raise _outside(index, weight.shape[0], "embedding", lowest=0) from None


def take(x, indices, axis=0, *, mode="raise"):
    """Entries of x along axis (of the flattened x if None): (*x.shape[:axis], *indices.shape, *x.shape[axis + 1:]).

    mode: "raise" counts negative indices from the end (Keras), "strict" does not; "clip" to the range and "wrap" around
    it (MXNet).
    """
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis %= x.dim()
    index = _in_range(_whole(indices), x.shape[axis], mode)
    try:
        y = x.index_select(axis, index.reshape(-1))
    except IndexError:
        raise _outside(_whole(indices), x.shape[axis], "take", lowest=0 if mode == "strict" else None) from None
    return y.reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def take_along(x, indices, axis=None):
    """``y[i, j] = x[i, indices[i, j]]`` along axis 1, and so on; negative indices count from the end."""
    if axis is None:
        x, indices, axis = x.reshape(-1), indices.reshape(-1), 0
    index = _in_range(_whole(indices), x.shape[axis], "raise")
    shape = [max(a, b) if i != axis % x.dim() else b for i, (a, b) in enumerate(zip(x.shape, index.shape))]
    index = index.expand(shape)
    shape[axis] = x.shape[axis]
    return x.expand(shape).gather(axis, index)


def pick(x, indices, axis=-1, *, keepdims=False, mode="clip"):
    """One element along axis for each position of the others; indices: x's shape less axis (or 1 there).

    mode: "clip", "wrap", "raise".
    """
    index = _in_range(_whole(indices), x.shape[axis], mode)
    index = index if index.dim() == x.dim() else index.unsqueeze(axis)
    y = x.gather(axis, index)
    return y if keepdims else y.squeeze(axis)


def gather_nd(x, indices):
    """``y[...] = x[indices[0, ...], indices[1, ...], ...]``; negative indices count from the end.

    indices: (axes indexed, ...). Returns (*indices.shape[1:], *the other axes of x).
    """
    return x[tuple(_whole(indices).unbind(0))]


def scatter_nd(data, indices, shape, *, add=False):
    """Zeros of the shape with ``y[indices[0, ...], indices[1, ...], ...] = data[...]``.

    add: where an index is there several times its data are summed; else one of them stands.
    """
    y = torch.zeros(tuple(shape), dtype=data.dtype, device=data.device)
    return y.index_put(tuple(_whole(indices).unbind(0)), data, accumulate=add)


def index_add(x, indices, values):
    """x with ``values[...]`` added at ``[indices[0, ...], indices[1, ...], ...]``; repeated indices add up."""
    return x.index_put(tuple(_whole(indices).unbind(0)), values.to(x.dtype), accumulate=True)


def index_update(x, indices, values):
    """x with ``values[...]`` at ``[indices[0, ...], indices[1, ...], ...]``; of repeated indices one stands."""
    return x.index_put(tuple(_whole(indices).unbind(0)), values.to(x.dtype))


def places(x):
    """Where x is not 0, one place to a row: (places, dimensions), int64."""
    return x.nonzero()


def put_rows(x, indices, rows):
    """x with ``rows`` in place of the rows that the indices number."""
    return x.index_copy(0, indices.long(), rows)


def one_hot(indices, depth, *, on=1, off=0, axis=-1, dtype=torch.float32):
    """``on`` at the index, else ``off``, along a new axis of size ``depth``; an index out of range gives ``off``."""
    index = _whole(indices)
    axis %= index.dim() + 1
    classes = torch.arange(depth, device=index.device).view([-1] + [1] * (index.dim() - axis))
    same = index.unsqueeze(axis) == classes
    if (on, off) == (1, 0):
        return same.to(dtype)
    return (same.to(dtype) * (on - off) + off).to(dtype)


def multi_hot(indices, depth, *, axis=-1, dtype=torch.float32):
    """1 at every index of a sample, 0 elsewhere: the largest of the `one_hot` vectors over the last axis."""
    return one_hot(indices, depth, axis=axis, dtype=dtype).amax(1 if indices.dim() > 1 else 0)


def topk(x, k=1, axis=-1, *, largest=True, stable=True):
    """(values, indices) of the k largest (or smallest) elements along axis, in order; axis None flattens.

    stable: of equal elements the first comes first, as in MXNet; else as the device likes, which is quicker.
    """
    if axis is None:
        x, axis = x.reshape(-1), 0
    if k == x.shape[axis] or stable:
        values, places = torch.sort(x, dim=axis, descending=largest, stable=True)
        return values.narrow(axis, 0, k), places.narrow(axis, 0, k)
    return torch.topk(x, k, axis, largest)


def topk_mask(x, k=1, axis=-1, *, largest=True):
    """1 where an element is one of the `topk` of its axis, else 0, in x's dtype."""
    places = topk(x, k, axis, largest=largest)[1]
    if axis is None:
        return torch.zeros(x.numel(), dtype=x.dtype, device=x.device).scatter(0, places, 1).reshape(x.shape)
    return torch.zeros_like(x).scatter(axis, places, 1)


def sort(x, axis=-1, *, ascending=True):
    """x in order along axis (flattened if None); NaN is the largest."""
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    return torch.sort(x, dim=axis, descending=not ascending, stable=True).values


def argsort(x, axis=-1, *, ascending=True, dtype=torch.int64):
    """The indices that put x in order along axis (flattened if None); equal elements keep their order."""
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    return torch.argsort(x, dim=axis, descending=not ascending, stable=True).to(dtype)


def boolean_mask(x, mask, axis=0):
    """The entries of x along axis where the mask is not 0. The result's size depends on the mask's values."""
    return x.index_select(axis, torch.nonzero(mask.reshape(-1)).squeeze(1))


def sequence_mask(x, length=None, *, value=0.0, axis=0):
    """x with ``value`` in the steps from ``length`` on.

    x: (time, batch, ...) with axis 0, (batch, time, ...) with axis 1; length: (batch,), or None for x as it is.
    """
    if length is None:
        return x
    return x.masked_fill(_behind(x, length, axis), value)


def sequence_last(x, length=None, *, axis=0):
    """The last step of each sample: (batch, ...); x and length as in `sequence_mask`."""
    if length is None:
        return x.select(axis, -1)
    step = (_whole(length) - 1).view([-1] + [1] * (x.dim() - 2)).expand(x.select(axis, 0).shape)
    return x.gather(axis, step.unsqueeze(axis)).squeeze(axis)


def sequence_reverse(x, length=None, *, axis=0):
    """The first ``length`` steps of each sample backwards, the others as they are; as in `sequence_mask`."""
    if length is None:
        return x.flip(axis)
    steps = torch.arange(x.shape[axis], device=x.device)
    length = _whole(length)
    steps, length = (
        (steps.unsqueeze(1), length.unsqueeze(0)) if axis == 0 else (steps.unsqueeze(0), length.unsqueeze(1))
    )
    source = torch.where(steps < length, length - 1 - steps, steps)
    return x.gather(axis, source.view(*source.shape, *[1] * (x.dim() - 2)).expand_as(x))


def zero_steps(x, value):
    """x with 0 in the steps (all but the last axis) whose features are all equal to ``value``."""
    return x * (x != value).any(-1, keepdim=True).to(x.dtype)


def ravel_index(indices, shape):
    """The place in an array of the shape, counted row by row, of each column of indices (axes, ...)."""
    place = indices[0]
    for index, size in zip(indices[1:], shape[1:]):
        place = place * size + index
    return place


def unravel_index(places, shape):
    """The coordinates (axes, ...) of places counted row by row in an array of the shape; its first size may be -1."""
    coordinates = []
    for size in reversed(shape):
        coordinates.append(torch.remainder(places, size) if size > 0 else places)
        places = torch.div(places, size, rounding_mode="floor")
    return torch.stack(coordinates[::-1])


# --- parts ---------------------------------------------------------------------------------------------------------


def _whole(indices):
    return indices if indices.dtype in (torch.int64, torch.int32) else indices.long()


def _in_range(index, size, mode):
    if mode == "clip":
        return index.clamp(0, size - 1).long()
    if mode == "wrap":
        return torch.remainder(index, size).long()
    if mode == "strict":
        return index.long()
    return torch.where(index < 0, index + size, index).long()


def _behind(x, length, axis):
    steps = torch.arange(x.shape[axis], device=x.device)
    length = _whole(length)
    behind = steps.unsqueeze(1) >= length if axis == 0 else steps >= length.unsqueeze(1)
    return behind.view(*behind.shape, *[1] * (x.dim() - 2))


def _outside(index, size, name, lowest=None):
    """The IndexError that says which index is out of range; for the moment of failure: it reads the indices."""
    lowest = -size if lowest is None else lowest
    found = sorted(set(index[(index < lowest) | (index >= size)].flatten().tolist()))
    some = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
    return IndexError(f"An index of {name} is out of range: expected {lowest} to {size - 1}, given {some}")


def masked(x, mask, value, axis=0):
    """x with a value where a mask over its axes from `axis` on is true.

    value: a number, or what broadcasts to the entries that the mask picks.
    """
    mask = mask != 0
    if isinstance(value, torch.Tensor) and value.dim():
        y = x.clone()
        y[(slice(None),) * axis + (mask,)] = value.to(x.dtype)
        return y
    sizes = (*[1] * axis, *mask.shape, *[1] * (x.dim() - axis - mask.dim()))
    return torch.where(mask.reshape(sizes), value, x).to(x.dtype)


def set_picked(x, indices, values):
    """x (rows, classes) with ``x[i, indices[i]] = values[i]``: the reverse of `pick` over the last axis."""
    return x.scatter(-1, _whole(indices).long().unsqueeze(-1), values.to(x.dtype).unsqueeze(-1))
