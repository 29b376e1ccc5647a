"""Binary arithmetic in one dtype: the result, comparisons too, has the dtype of the arrays, as MXNet has it.

In each function a and b are tensors of one dtype, or one of them is a number, which is first converted to the other's
dtype (``int32 * 0.5`` is ``int32 * 0``). Integers divide and raise to powers with the result cut towards zero.
"""

import math

import torch

from tandem.ops import elementwise


def number(value, like):
    """A Python number in the dtype of an array: whole for integers, as it is for bools.

    Beyond the range of float16 infinity, beyond that of integers what its lowest bits say.
    """
    if value is True or value is False:
        return int(value)  # torch has no `-` of truth values
    if like.dtype is torch.float16 and abs(value) > 65504:
        return math.copysign(math.inf, value)
    if like.dtype.is_floating_point or like.dtype is torch.bool:
        return value
    limits = torch.iinfo(like.dtype)
    if limits.min <= value <= limits.max:
        return int(value)
    return (int(value) - limits.min) % 2**limits.bits + limits.min if math.isfinite(value) else limits.min


def _pair(a, b):
    if not isinstance(b, torch.Tensor):
        return a, number(b, a)
    if not isinstance(a, torch.Tensor):
        return number(a, b), b
    return a, b


def _is_float(a, b):
    return (a if isinstance(a, torch.Tensor) else b).dtype.is_floating_point


def add(a, b):
    """``a + b``."""
    a, b = _pair(a, b)
    return torch.add(a, b) if isinstance(a, torch.Tensor) else torch.add(b, a)


def subtract(a, b):
    """``a - b``."""
    a, b = _pair(a, b)
    return torch.sub(a, b) if isinstance(a, torch.Tensor) else torch.rsub(b, a)


def multiply(a, b):
    """``a * b``."""
    a, b = _pair(a, b)
    return torch.mul(a, b) if isinstance(a, torch.Tensor) else torch.mul(b, a)


def divide(a, b):
    """``a / b``."""
    a, b = _pair(a, b)
    if not _is_float(a, b):
        return elementwise.floor_divide(a, b, rounding="trunc")
    return torch.div(a, b) if isinstance(a, torch.Tensor) else torch.reciprocal(b) * a


def modulo(a, b):
    """``a - b * floor(a / b)``, 0 where ``b == 0``."""
    a, b = _pair(a, b)
    if not isinstance(a, torch.Tensor):  # torch has no gradient of a number modulo a tensor
        a = torch.full((), a, dtype=b.dtype, device=b.device)
    return elementwise.modulo(a, b, zero="zero")


def power(a, b):
    """``a ** b``."""
    a, b = _pair(a, b)
    return torch.pow(a, b) if _is_float(a, b) else elementwise.truncated(torch.pow, a, b)


def maximum(a, b):
    """The larger of a and b; where they are equal a has the whole gradient."""
    a, b = _pair(a, b)
    if not isinstance(a, torch.Tensor):
        a, b = b, a
    return elementwise.maximum(a, b, tie="first")


def minimum(a, b):
    """The smaller of a and b; where they are equal a has the whole gradient."""
    a, b = _pair(a, b)
    if not isinstance(a, torch.Tensor):
        a, b = b, a
    return elementwise.minimum(a, b, tie="first")


def hypot(a, b):
    """``sqrt(a^2 + b^2)``."""
    a, b = _pair(a, b)
    if not isinstance(b, torch.Tensor):
        b = torch.full((), b, dtype=a.dtype, device=a.device)
    return torch.hypot(a, b) if _is_float(a, b) else elementwise.truncated(torch.hypot, a, b)


def _comparison(function, mirrored, doc):
    def compare(a, b):
        if not isinstance(a, torch.Tensor):
            return mirrored(b, number(a, b)).to(b.dtype)
        return function(a, b if isinstance(b, torch.Tensor) else number(b, a)).to(a.dtype)

    compare.__doc__ = doc
    return compare


equal = _comparison(torch.eq, torch.eq, "1 where ``a == b``, else 0.")
not_equal = _comparison(torch.ne, torch.ne, "1 where ``a != b``, else 0.")
greater = _comparison(torch.gt, torch.lt, "1 where ``a > b``, else 0.")
greater_equal = _comparison(torch.ge, torch.le, "1 where ``a >= b``, else 0.")
less = _comparison(torch.lt, torch.gt, "1 where ``a < b``, else 0.")
less_equal = _comparison(torch.le, torch.ge, "1 where ``a <= b``, else 0.")


def _logical(function, doc):
    def combine(a, b):
        if not isinstance(a, torch.Tensor):
            a, b = b, a
        if not isinstance(b, torch.Tensor):
            b = torch.full((), bool(number(b, a)), device=a.device)
        return function(a, b).to(a.dtype)

    combine.__doc__ = doc
    return combine


logical_and = _logical(torch.logical_and, "1 where both are not 0, else 0.")
logical_or = _logical(torch.logical_or, "1 where one is not 0, else 0.")
logical_xor = _logical(torch.logical_xor, "1 where exactly one is not 0, else 0.")


def add_(a, b):
    """``a += b``."""
    return a.add_(b if isinstance(b, torch.Tensor) else number(b, a))


def subtract_(a, b):
    """``a -= b``."""
    return a.sub_(b if isinstance(b, torch.Tensor) else number(b, a))


def multiply_(a, b):
    """``a *= b``."""
    return a.mul_(b if isinstance(b, torch.Tensor) else number(b, a))


def divide_(a, b):
    """``a /= b``."""
    b = b if isinstance(b, torch.Tensor) else number(b, a)
    return a.div_(b) if a.dtype.is_floating_point else a.div_(b, rounding_mode="trunc")


def modulo_(a, b):
    """``a %= b``."""
    return a.copy_(modulo(a, b))


def elementwise_only(function):
    """The function for arrays of one and the same shape.

    Raises ValueError where the shapes differ.
    """

    def same_shape(lhs, rhs):
        if lhs.shape != rhs.shape:
            raise ValueError(f"elementwise operands must have one shape, got {tuple(lhs.shape)} and {tuple(rhs.shape)}")
        return function(lhs, rhs)

    same_shape.__doc__ = function.__doc__
    return same_shape


def kept(function):
    """A function of floating point numbers that takes integers too and answers their dtype, cut towards zero."""

    def computed(x):
        return function(x) if x.is_floating_point() else elementwise.truncated(function, x)

    computed.__doc__ = function.__doc__
    computed.__name__ = function.__name__
    return computed


def clip(x, low, high):
    """``min(max(x, low), high)`` in the dtype of x; the gradient is 1 on the bounds too."""
    if not x.is_floating_point():
        limits = torch.iinfo(x.dtype)
        low, high = (int(min(max(bound, limits.min), limits.max)) for bound in (low, high))
    return torch.clamp(x, low, high)


def logical_not(x):
    """1 where ``x == 0``, else 0."""
    return torch.logical_not(x).to(x.dtype)


def cast(x, dtype):
    """x in another dtype; x itself where it has that dtype."""
    return x.to(dtype)


def copied(x):
    """``y = x`` in memory of its own."""
    return x.clone(memory_format=torch.contiguous_format)


def unchanged(x):
    """``y = x``."""
    return x


def add_all(*xs):
    """``x_0 + x_1 + ...``."""
    if len(xs) == 1:
        return copied(xs[0])
    total = torch.add(xs[0], xs[1])
    for x in xs[2:]:
        total = total + x
    return total


def polynomial(x, coefficients):
    """``c_0 + c_1 x + c_2 x^2 + ...``; of integers it is cut towards zero."""
    if not x.is_floating_point():
        return elementwise.truncated(lambda floats: polynomial(floats, coefficients), x)
    y = x * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        y = (y + c) * x
    return y + coefficients[0]


def constant(value, like):
    """A number as a tensor without axes, in the dtype of an array."""
    return torch.full((), number(value, like), dtype=like.dtype, device=like.device)


def shares_memory(x, y):
    """Whether the elements of two tensors are in one piece of memory, a bool without axes."""
    same = x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr()
    return torch.full((), same, dtype=torch.bool, device=x.device)
