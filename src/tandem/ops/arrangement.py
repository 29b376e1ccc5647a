"""Joining, turning, padding and diagonals as NumPy has them."""

import torch

from tandem.ops import shape


def at_least_one_axis(x):
    """x, a scalar as a vector."""
    return x.reshape(1) if x.dim() == 0 else x


def at_least_two_axes(x):
    """x, a vector as a row."""
    return x.reshape(1, -1) if x.dim() < 2 else x


def at_least_three_axes(x):
    """x with axes of size 1: a vector (n,) as (1, n, 1), a matrix (m, n) as (m, n, 1)."""
    return x.reshape(1, -1, 1) if x.dim() < 2 else x.unsqueeze(-1) if x.dim() == 2 else x


def side_by_side(xs):
    """Arrays joined along the second axis, vectors along their only one."""
    xs = [at_least_one_axis(x) for x in xs]
    return torch.cat(xs, 0 if xs[0].dim() == 1 else 1)


def on_top(xs):
    """Arrays joined along the first axis, vectors as rows."""
    return torch.cat([at_least_two_axes(x) for x in xs], 0)


def in_depth(xs):
    """Arrays joined along the third axis."""
    return torch.cat([at_least_three_axes(x) for x in xs], 2)


def as_columns(xs):
    """Vectors and matrices joined along the second axis, vectors as columns."""
    return torch.cat([x.reshape(-1, 1) if x.dim() < 2 else x for x in xs], 1)


def turned(x, times, axes):
    """x turned by 90 degrees, so many times, from the first axis towards the second."""
    return torch.rot90(x, times, tuple(axes))


def padded(x, amounts, mode="constant", value=0.0):
    """`tandem.ops.shape.pad` with two more modes: "maximum" and "minimum" of the axis."""
    if mode not in ("maximum", "minimum"):
        value = value if x.is_floating_point() else int(value)
        return shape.pad(x, amounts, mode=mode, value=value)
    if len(amounts) != x.dim():
        raise ValueError(f"padding needs {x.dim()} pairs, one to an axis, got {amounts}")
    for axis, (before, after) in enumerate(amounts):
        # The axes already padded hold no new extrema, so that their padding may take part.
        extreme = x.amax(axis, True) if mode == "maximum" else x.amin(axis, True)
        sizes = [-1] * x.dim()
        parts = []
        for count, part in ((before, extreme), (None, x), (after, extreme)):
            if count is None:
                parts.append(part)
            elif count:
                sizes[axis] = count
                parts.append(part.expand(sizes))
        x = torch.cat(parts, axis)
    return x


def diagonal(x, offset=0, axis1=0, axis2=1):
    """The offset-th diagonals of the planes of two axes, as the last axis."""
    return torch.diagonal(x, offset, axis1, axis2)


def trace(x, offset=0, axis1=0, axis2=1):
    """The sums of the offset-th diagonals, in x's dtype."""
    return torch.diagonal(x, offset, axis1, axis2).sum(-1, dtype=x.dtype)


def lower_triangle(x, offset=0):
    """x with 0 above the offset-th diagonal of its last two axes; a vector (n,) is each row of an (n, n) matrix."""
    return torch.tril(x.expand(x.shape[0], -1) if x.dim() == 1 else x, offset)


def upper_triangle(x, offset=0):
    """x with 0 below the offset-th diagonal of its last two axes; a vector as in `lower_triangle`."""
    return torch.triu(x.expand(x.shape[0], -1) if x.dim() == 1 else x, offset)


def without(x, places, axis):
    """x without the entries of an axis at some places (whole numbers or a tensor of them; negative ones from the end).

    Raises IndexError where there is no such place.
    """
    size = x.shape[axis]
    keep = torch.ones(size, dtype=torch.bool, device=x.device)
    keep[torch.as_tensor(places, dtype=torch.int64, device=x.device)] = False
    return x.index_select(axis, keep.nonzero().reshape(-1))


def inserted(x, places, values, axis):
    """x with values put in before the entries of an axis at some places.

    places: a whole number, before which all values go; or a vector of them, one to a value. values: broadcast to x's
    shape with the places' number on the axis (with one place, x's axes after the first, moved to the axis, decide how
    many there are), converted to x's dtype.
    Raises IndexError where there is no such place.
    """
    size = x.shape[axis]
    single = not isinstance(places, torch.Tensor) or places.dim() == 0
    index = torch.as_tensor(places, device=x.device).long().reshape(-1)
    if bool(((index < -size) | (index > size)).any()):
        raise IndexError(f"an index is out of range: expected {-size} to {size}, given {index.tolist()}")
    index = torch.where(index < 0, index + size, index)
    values = values.to(x.dtype)
    values = values.reshape(*[1] * (x.dim() - values.dim()), *values.shape)
    if single:
        values = values.movedim(0, axis)
    if index.numel() == 1:
        index = index.expand(values.shape[axis])
    wanted = list(x.shape)
    wanted[axis] = index.numel()
    values = values.expand(wanted)
    # Sorting by place, new entries before the old one of the same place and in the order in which they are given.
    order = torch.cat([2 * index, 2 * torch.arange(size, device=x.device) + 1]).argsort(stable=True)
    return torch.cat([values, x], axis).index_select(axis, order)


def recycled(x, shape):
    """The flattened x repeated until it fills a shape; zeros where x is empty."""
    total = 1
    for size in shape:
        total *= size
    flat = x.reshape(-1)
    if not flat.numel():
        return x.new_zeros(tuple(shape))
    return flat.index_select(0, torch.remainder(torch.arange(total, device=x.device), flat.numel())).reshape(shape)


def grids(xs, indexing="xy"):
    """Vectors broadcast over the grid that they span; "xy": the second one runs down, "ij": the first one."""
    order = list(range(len(xs)))  # the axis along which each runs; torch.meshgrid wants one dtype
    if indexing == "xy" and len(xs) > 1:
        order[:2] = 1, 0
    sizes = [xs[place].numel() for place in order]
    return [
        x.reshape([-1 if axis == own else 1 for axis in range(len(xs))]).expand(sizes).contiguous()
        for own, x in zip(order, xs)
    ]


def indices(sizes, *, dtype, device=None):
    """The coordinates of a grid: (number of axes, *sizes)."""
    if not sizes:
        return torch.empty(0, dtype=dtype, device=device)
    lines = [torch.arange(size, dtype=dtype, device=device) for size in sizes]
    return torch.stack(torch.meshgrid(*lines, indexing="ij"))


def nonzero(x):
    """Where x is not 0: a vector of indices to each axis (a scalar has one axis)."""
    return at_least_one_axis(x).nonzero(as_tuple=True)


def unique(x, axis=None):
    """(the different values or entries of an axis in order, where each is first, which each is, how often).

    Raises TypeError for bools.
    """
    if x.dtype is torch.bool:
        raise TypeError("bools have no order here; convert them with astype()")
    x, axis = (x.reshape(-1), 0) if axis is None or x.dim() == 0 else (x, axis)
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True, dim=axis)
    first = torch.full_like(counts, x.shape[axis])
    first.scatter_reduce_(0, inverse, torch.arange(x.shape[axis], device=x.device), "amin")
    return values, first, inverse, counts


def repeated(x, times, axis):
    """Each entry of an axis so many times, or each its own number of times (a list of numbers)."""
    if isinstance(times, int):
        return torch.repeat_interleave(x, times, axis)
    places = [place for place, count in enumerate(times) for _ in range(count)]
    return x.index_select(axis, torch.tensor(places, dtype=torch.int64, device=x.device))


def diagonal_of_or_on(x, offset=0):
    """The offset-th diagonal of a matrix, or a matrix with a vector on that diagonal.

    Raises ValueError for another number of axes.
    """
    if x.dim() not in (1, 2):
        raise ValueError(f"A diagonal is that of a matrix or vector. Given: shape {tuple(x.shape)}.")
    return torch.diag(x, offset)
