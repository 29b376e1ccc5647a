"""Python's subscripts on tensors as numpy has them, negative steps included: reading and writing."""

import torch


def _positive(item, size):
    """A slice with a negative step as (slice with a positive step over the same elements, True)."""
    start, stop, step = item.indices(size)
    if step > 0:
        return slice(start, max(stop, start), step), False
    count = max(0, -((stop - start) // -step) if stop < start else 0)
    last = start + (count - 1) * step
    return (slice(last, start + 1, -step) if count else slice(0, 0)), True


def _forward(x, key):
    """The key with positive steps only; the axes of x, and those of the basic result, that then run backwards."""
    items, axis, result_axis, source, flipped = [], 0, 0, [], []
    for item in key:
        if item is None:
            result_axis += 1
        elif isinstance(item, slice):
            item, backwards = _positive(item, x.shape[axis])
            if backwards:
                source.append(axis)
                flipped.append(result_axis)
            axis, result_axis = axis + 1, result_axis + 1
        else:
            axis += 1
        items.append(item)
    return tuple(items), source, flipped


def get(x, key):
    """``x[key]``.

    key: a tuple without an ellipsis, one entry to a dimension (and None for new ones): integers, slices, or tensors of
    integers, which broadcast together. The result is a view of x where the key has no tensors and no negative steps.
    """
    items, source, flipped = _forward(x, key)
    if not flipped:
        return x[items]
    if any(isinstance(item, torch.Tensor) for item in items):
        return torch.flip(x, source)[tuple(_reversed(x, items, source))]
    return torch.flip(x[items], flipped)


def _reversed(x, items, source):
    """Keys of the flipped array: the slices of flipped axes, mirrored."""
    axis = 0
    for item in items:
        if item is None:
            yield item
            continue
        if axis in source:
            size, (start, stop, step) = x.shape[axis], item.indices(x.shape[axis])
            count = len(range(start, stop, step))
            first = size - 1 - (start + (count - 1) * step)
            yield slice(first, first + (count - 1) * step + 1, step) if count else slice(0, 0)
        else:
            yield item
        axis += 1


def put_(x, key, value):
    """``x[key] = value``: value (a tensor or a number) is broadcast and cast.

    key: as in `get`. Raises RuntimeError or IndexError where the shapes do not fit.
    """
    items, _, flipped = _forward(x, key)
    if isinstance(value, torch.Tensor):
        value = value.to(x.dtype)  # torch casts only where the key has no tensors
    if not flipped or not isinstance(value, torch.Tensor):
        x[items] = value
        return x
    if any(isinstance(item, torch.Tensor) for item in items):
        places = get(torch.arange(x.numel(), device=x.device).view(x.shape), key)
        x.view(-1)[places] = value
        return x
    target = x[items]
    target.copy_(torch.flip(value.expand(target.shape), flipped))
    return x


def put(x, key, value):
    """A copy of x with ``value`` at ``x[key]``; gradients flow to both. key: as in `get`."""
    return put_(x.clone(), key, value)


def where_true(mask):
    """The indices at which a mask is true: one tensor to each of its axes."""
    return mask.nonzero(as_tuple=True)


def fill_(x, mask, value):
    """``x[mask] = value``: mask has the shape of x's first axes, value is a number, cut to whole for integers."""
    if not x.is_floating_point():
        value = bool(value) if x.dtype is torch.bool else int(value)
    return x.masked_fill_(mask.reshape(mask.shape + (1,) * (x.dim() - mask.dim())), value)
