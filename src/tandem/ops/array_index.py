"""Picking, ordering and searching as Keras has it."""

import torch

from tandem.ops import arrangement, indexing, subscript


def get(x, key):
    """``x[key]``; slices may have negative steps."""
    if isinstance(key, list) and any(isinstance(one, slice) for one in key):
        key = tuple(key)
    if not isinstance(key, tuple):
        key = (key,)
    if not any(isinstance(one, slice) and one.step is not None and one.step < 0 for one in key):
        return x[key]
    if Ellipsis in key:
        place = key.index(Ellipsis)
        taken = sum(one is not None for one in key) - 1
        key = (*key[:place], *(slice(None),) * (x.dim() - taken), *key[place + 1 :])
    return subscript.get(x, key)


def take(x, indices, axis=None):
    """`tandem.ops.indexing.take`, without floats in between."""
    if axis is not None and not -x.dim() <= axis < x.dim():
        raise IndexError(f"There is no such axis. Expected: from {-x.dim()} to {x.dim() - 1}. Given: axis={axis}.")
    return indexing.take(x, indices, axis)


def _orderable(x):
    return x.to(torch.uint8) if x.dtype is torch.bool else x


def argsort(x, axis):
    """The indices that sort x along an axis; equal ones keep their order."""
    return torch.argsort(_orderable(x), dim=axis, stable=True)


def sort(x, axis):
    """x in rising order along an axis."""
    return torch.sort(_orderable(x), dim=axis).values.to(x.dtype)


def argpartition(x, kth, axis):
    """Indices that bring the kth smallest entry to its place, smaller ones before it: here all of them in order.

    Raises ValueError where there is no such entry.
    """
    if not -x.shape[axis] <= kth < x.shape[axis]:
        raise ValueError(f"There is no such entry. Expected: less than {x.shape[axis]}. Given: kth={kth}.")
    return argsort(x, axis)


def nonzero(x):
    """The indices of what is not 0: (axes, count)."""
    return torch.nonzero(x).T


def search(sequence, values, side):
    """Where values belong in a rising vector, before or behind equal ones."""
    return torch.searchsorted(sequence.contiguous(), values.contiguous(), side=side)


def resized(x, size, axis, value=None):
    """The first `size` entries of an axis, filled up with a value (None: the smallest of x, or 0 where it is less)."""
    have = x.shape[axis]
    if have >= size:
        return x.narrow(axis, 0, size)
    shape = list(x.shape)
    shape[axis] = size - have
    return torch.cat([x, x.new_full(shape, 0 if value is None else value)], axis)


def largest(x, k):
    """(the k largest entries of the last axis, falling; their indices, int32)."""
    values, index = torch.topk(_orderable(x), k, -1)
    return values.to(x.dtype), index.to(torch.int32)


def in_largest(targets, predictions, k):
    """Whether fewer than k of a row's entries are larger than the one its target names; not where that is not finite.

    targets: (rows,) whole numbers; predictions: (rows, classes).
    """
    classes = predictions.shape[1]
    targets = targets.long()
    inside = (targets >= 0) & (targets < classes)
    own = predictions.gather(1, torch.where(inside, targets, 0).unsqueeze(1))
    return inside & ((predictions > own).sum(1) < k) & torch.isfinite(own.squeeze(1))


def unique(x, axis):
    """`tandem.ops.arrangement.unique`, of bools too."""
    values, index, inverse, counts = arrangement.unique(_orderable(x), axis)
    return values.to(x.dtype), index, inverse, counts
