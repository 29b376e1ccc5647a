"""MXNet's rules on shapes: the codes of `reshape`, the axes of reductions, begin/end/step of slices."""

import functools
import math

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError


def with_axis(function):
    """The function with results of shape (1,) where they have no axes: only MXNet's `_np_*` operators know such arrays,
    whatever np_shape says.
    """

    @functools.wraps(function)
    def compute(*data, **attributes):
        result = function(*data, **attributes)
        return result if result.dim() else result.reshape(1)

    return compute


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
        # Read from the right, a split has its two sizes before it: "a, b, -4".
        return tuple(reversed(reshaped(shape[::-1], tuple(target)[::-1])))
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


def reshaped_numpy(shape, target, reverse=False):
    """The shape that `npx.reshape` gives.

    In `target` -1 is what remains (once), -2 keeps the size at this place, -3 drops a size of 1, -4 keeps all remaining
    sizes, -5 multiplies the next two, -6 splits the next one into the two sizes that follow (one may be -1); anything
    else is a size. `reverse` matches from the right.
    Raises MXNetError where the sizes do not fit.
    """
    if reverse:
        return tuple(reversed(reshaped_numpy(shape[::-1], tuple(target)[::-1])))
    shape, target = tuple(shape), tuple(target)
    sizes, unknown, source, place = [], None, 0, 0
    while place < len(target):
        code = target[place]
        left = len(shape) - source
        if code >= 0:
            sizes.append(code)
        elif code == -1:
            if unknown is not None:
                raise _reject(shape, target, "only one size can be -1")
            unknown = len(sizes)
            sizes.append(1)
        elif code == -4:
            sizes.extend(shape[source:])
            source = len(shape) - 1
        elif code not in _TAKEN:
            raise _reject(shape, target, f"there is no code {code}")
        elif left < _TAKEN[code]:
            raise _reject(shape, target, f"code {code} needs {_TAKEN[code]} dimensions, {left} are left")
        elif code == -2:
            sizes.append(shape[source])
        elif code == -3:
            if shape[source] != 1:
                raise _reject(shape, target, f"code -3 drops a size of 1, and finds {shape[source]}")
        elif code == -5:
            sizes.append(shape[source] * shape[source + 1])
            source += 1
        else:
            sizes.extend(_halves(shape, target, shape[source], target[place + 1 : place + 3]))
            place += 2
        source += 1
        place += 1
    known, total = math.prod(sizes), math.prod(shape)
    if unknown is not None:
        sizes[unknown] = total // known if known else 0
        known *= sizes[unknown]
    if known != total:
        raise _reject(shape, target, f"{total} elements do not fit into {tuple(sizes)}")
    return tuple(sizes)


_TAKEN = {-2: 1, -3: 1, -5: 2, -6: 1}  # code of `npx.reshape`: dimensions that it needs


def _halves(shape, target, whole, halves):
    """The two sizes that one is split into."""
    if len(halves) < 2:
        raise _reject(shape, target, "code -6 needs two sizes behind it")
    first, second = halves
    if first == -1 and second == -1:
        raise _reject(shape, target, "a split dimension can have one -1 only")
    first, second = (whole // second if first == -1 else first), (whole // first if second == -1 else second)
    if first * second != whole:
        raise _reject(shape, target, f"{whole} does not split into {first} and {second}")
    return first, second


def checked_axis(axis, ndim):
    """An axis counted from 0.

    Raises MXNetError where there is no such axis.
    """
    if not -ndim <= axis < ndim:
        raise MXNetError(explain("No such axis", expected=f"{-ndim} to {ndim - 1}", given=f"axis={axis}"))
    return axis % ndim
