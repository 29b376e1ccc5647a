"""MXNet's rules on shapes: the codes of `reshape`, the axes of reductions, begin/end/step of slices."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError


def _reject(shape, target, why):
    return MXNetError(explain(f"Cannot reshape: {why}", expected=f"sizes for {tuple(shape)}", given=f"shape={target}"))


def reshaped(shape, target, reverse=False):
    """The shape that `reshape` gives.

    In `target` a positive number is a size, 0 keeps the size at this place, -1 is what remains (once), -2 keeps all
    remaining sizes, -3 multiplies the next two, -4 splits the next one into the two sizes that follow (one may be -1).
    `reverse` matches from the right.
    Raises MXNetError where the sizes do not fit.
    """
    if reverse:
        # A split keeps the order of its two sizes: "-4, a, b" reads "b', a', -4" from the right.
        return tuple(reversed(reshaped(shape[::-1], _mirrored(tuple(target)))))
    shape, target = tuple(shape), tuple(target)
    sizes, unknown, source, place = [], None, 0, 0
    while place < len(target):
        code = target[place]
        if code > 0:
            sizes.append(code)
            source += 1
        elif code == 0:
            if source >= len(shape):
                raise _reject(shape, target, "code 0 has no dimension to keep")
            sizes.append(shape[source])
            source += 1
        elif code == -1:
            if unknown is not None:
                raise _reject(shape, target, "only one size can be -1")
            unknown = len(sizes)
            sizes.append(1)
            source += 1
        elif code == -2:
            sizes.extend(shape[source:])
            source = len(shape)
        elif code == -3:
            if source + 1 >= len(shape):
                raise _reject(shape, target, "code -3 needs two dimensions to multiply")
            sizes.append(shape[source] * shape[source + 1])
            source += 2
        elif code == -4:
            if place + 2 >= len(target) or source >= len(shape):
                raise _reject(shape, target, "code -4 needs a dimension, and two sizes behind it")
            first, second, whole = target[place + 1], target[place + 2], shape[source]
            if first == -1 and second == -1:
                raise _reject(shape, target, "a split dimension can have one -1 only")
            if first == -1:
                first = whole // second
            elif second == -1:
                second = whole // first
            if first * second != whole:
                raise _reject(shape, target, f"{whole} does not split into {first} and {second}")
            sizes.extend((first, second))
            source += 1
            place += 2
        else:
            raise _reject(shape, target, f"there is no code {code}")
        place += 1
    total = 1
    for size in shape:
        total *= size
    known = 1
    for size in sizes:
        known *= size
    if unknown is not None:
        sizes[unknown] = total // known if known else 0
        known *= sizes[unknown]
    if known != total:
        raise _reject(shape, target, f"{total} elements do not fit into {tuple(sizes)}")
    return tuple(sizes)


def _mirrored(target):
    groups, place = [], 0
    while place < len(target):
        if target[place] == -4:
            if place + 2 >= len(target):
                raise MXNetError(explain("Cannot reshape: code -4 needs two sizes behind it", given=f"shape={target}"))
            groups.append((-4, target[place + 2], target[place + 1]))
            place += 3
        else:
            groups.append((target[place],))
            place += 1
    return tuple(code for group in reversed(groups) for code in group)


def reduced_axes(axis, ndim, exclude=False):
    """The axes that a reduction runs over, from MXNet's `axis` (None or empty: all) and `exclude`.

    Raises MXNetError for an axis that is not there.
    """
    axes = tuple(range(ndim)) if axis is None or axis == () else tuple(checked_axis(a, ndim) for a in axis)
    if exclude and axis not in (None, ()):
        return tuple(a for a in range(ndim) if a not in axes)
    return axes


def checked_axis(axis, ndim):
    """An axis counted from 0.

    Raises MXNetError where there is no such axis.
    """
    if not -ndim <= axis < ndim:
        raise MXNetError(explain("No such axis", expected=f"{-ndim} to {ndim - 1}", given=f"axis={axis}"))
    return axis % ndim
