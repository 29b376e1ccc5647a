"""Binary arithmetic of arrays of different dtypes, as `mx.np` mixes them.

Floating point wins over integers, the wider of two of a kind over the narrower, anything over bool. Where MXNet has no
rule (int8 with uint8; most mixtures of integers but sums, products and powers, and where shapes differ differences and
remainders) a TypeError says so. A number takes the
array's dtype, as in `tandem.ops.typed`; with a bool array it makes int64.
"""

import torch

from tandem.ops import elementwise, typed

_ORDER = (torch.int8, torch.uint8, torch.int32, torch.int64)


def _refuse(a, b):
    return TypeError(f"there is no rule for operands of {a.dtype} and {b.dtype}; convert one with astype()")


def common_dtype(a, b):
    """The dtype that both operands are converted to.

    Raises TypeError for int8 with uint8.
    """
    first, second = a.dtype, b.dtype
    if first is second or second is torch.bool:
        return first
    if first is torch.bool:
        return second
    if first.is_floating_point or second.is_floating_point:
        return torch.promote_types(first, second)
    if {first, second} == {torch.int8, torch.uint8}:
        raise _refuse(a, b)
    return max(first, second, key=_ORDER.index)


def _converted(a, b, whole):
    """Both in one dtype; whole: whether integers (and bools) of different dtypes may mix, and bools compute."""
    if a.dtype is b.dtype:
        if a.dtype is torch.bool and not whole:
            raise _refuse(a, b)
        return a, b
    # MXNet's kernel for operands that broadcast mixes what its kernel for equal shapes refuses.
    if not whole and a.shape == b.shape and not (a.dtype.is_floating_point or b.dtype.is_floating_point):
        raise _refuse(a, b)
    dtype = common_dtype(a, b)
    return a.to(dtype), b.to(dtype)


def add(a, b):
    """``a + b``, of bools ``a or b``."""
    return torch.add(*_converted(a, b, True))


def multiply(a, b):
    """``a * b``, of bools ``a and b``."""
    return torch.mul(*_converted(a, b, True))


def subtract(a, b):
    """``a - b``."""
    return torch.sub(*_converted(a, b, False))


def modulo(a, b):
    """``a - b * floor(a / b)``, 0 where ``b == 0``."""
    return typed.modulo(*_converted(a, b, False))


def power(a, b):
    """``a ** b``, of integers cut towards zero."""
    a, b = _converted(a, b, True)
    if a.dtype is torch.bool:
        return a | ~b
    return typed.power(a, b)


def divide(a, b):
    """``a / b``: integers and bools of one dtype give floats, with floats the floats' dtype.

    Raises TypeError for two floating point dtypes, or for two dtypes of integers.
    """
    if a.dtype is not b.dtype:
        if a.dtype.is_floating_point == b.dtype.is_floating_point:
            raise _refuse(a, b)
        dtype = torch.promote_types(a.dtype, b.dtype)
        return torch.div(a.to(dtype), b.to(dtype))
    return torch.div(a, b) if a.is_floating_point() else torch.div(a.float(), b.float())


def with_number(function):
    """The function with a number for one operand: bools become int64 first."""

    def compute(data, scalar):
        return function(data.long() if data.dtype is torch.bool else data, scalar)

    compute.__doc__ = function.__doc__
    return compute


def in_doubles(function):
    """The function of an array and a number, in either order, of integers and bools in float64."""

    def compute(a, b):
        if isinstance(a, torch.Tensor):
            return function(a if a.is_floating_point() else a.double(), b)
        return function(a, b if b.is_floating_point() else b.double())

    compute.__doc__ = function.__doc__
    return compute


def divide_by_number(a, b):
    """``a / b`` with one number; integers give float32."""
    if isinstance(a, torch.Tensor):
        return torch.div(a if a.is_floating_point() else a.float(), b)
    return torch.reciprocal(b if b.is_floating_point() else b.float()) * a


def no_bools(function):
    """The function for numbers.

    Raises TypeError for bools.
    """

    def compute(x):
        if x.dtype is torch.bool:
            raise TypeError("the operator has no rule for bools; convert them with astype()")
        return function(x)

    compute.__doc__ = function.__doc__
    return compute


def no_bool_pairs(function):
    """The binary function for numbers.

    Raises TypeError for bools.
    """

    def compute(a, b):
        if a.dtype is torch.bool:
            raise TypeError("the operator has no rule for bools; convert them with astype()")
        return function(a, b)

    compute.__doc__ = function.__doc__
    return compute


def integers_only(function):
    """The binary function for integers and bools.

    Raises TypeError for floating point numbers.
    """

    def compute(a, b):
        if any(isinstance(x, torch.Tensor) and x.is_floating_point() for x in (a, b)):
            raise TypeError("the operator is for integers and bools, not for floating point numbers")
        return function(a, b)

    compute.__doc__ = function.__doc__
    return compute


def _whole(number, like):
    return bool(number) if like.dtype is torch.bool else int(number)


def bitwise_and(a, b):
    """Bits set in both; b may be a number."""
    return torch.bitwise_and(a, b if isinstance(b, torch.Tensor) else _whole(b, a))


def bitwise_or(a, b):
    """Bits set in either; b may be a number."""
    return torch.bitwise_or(a, b if isinstance(b, torch.Tensor) else _whole(b, a))


def bitwise_xor(a, b):
    """Bits set in one of both; b may be a number."""
    return torch.bitwise_xor(a, b if isinstance(b, torch.Tensor) else _whole(b, a))


def lcm(a, b):
    """The least common multiple; b may be a number."""
    a, b = _pair(a, b)
    return a & b if a.dtype is torch.bool else torch.lcm(a, b)


def _pair(a, b):
    """Both as tensors of one dtype."""
    if not isinstance(a, torch.Tensor):
        a = typed.constant(a, b)
    if not isinstance(b, torch.Tensor):
        b = typed.constant(b, a)
    return a, b


def arctan2(a, b):
    """The angle of the point (b, a), between -pi and pi; of integers cut towards zero."""
    return _cut(torch.atan2, a, b)


def hypot(a, b):
    """``sqrt(a^2 + b^2)``; of integers cut towards zero."""
    return _cut(torch.hypot, a, b)


def copysign(a, b):
    """``|a|`` with the sign of b."""
    return _cut(torch.copysign, a, b)


def ldexp(a, b):
    """``a * 2^b``; of integers cut towards zero."""
    return _cut(lambda x, y: x * torch.exp2(y), a, b)


def _cut(function, a, b):
    a, b = _pair(a, b)
    return function(a, b) if a.is_floating_point() else elementwise.truncated(function, a, b)


def _fits(a, b):
    """Whether a number for b is among those of a's dtype; of floating point numbers all are, large ones as infinity."""
    if isinstance(b, torch.Tensor) or a.is_floating_point() or a.dtype is torch.bool or b != b:
        return True
    limits = torch.iinfo(a.dtype)
    return limits.min <= b <= limits.max


def _comparison(function):
    def compare(a, b):
        if isinstance(a, torch.Tensor) and a.dtype is torch.bool and not isinstance(b, torch.Tensor):
            b = bool(b)  # as MXNet converts it, whatever its value
        if not _fits(a, b):
            a = a.double()
        return function(*_pair(a, b))

    compare.__doc__ = f"Whether ``a {function.__name__} b``."
    return compare


equal, not_equal = _comparison(torch.eq), _comparison(torch.ne)
greater, greater_equal = _comparison(torch.gt), _comparison(torch.ge)
less, less_equal = _comparison(torch.lt), _comparison(torch.le)


def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """x with numbers for NaN and infinities (None: the dtype's largest and smallest); integers as they are."""
    return torch.nan_to_num(x, nan, posinf, neginf) if x.is_floating_point() else x.clone()


def around(x, decimals=0):
    """Nearest number with so many decimals, a half to the even one; of integers cut towards zero.

    Raises TypeError for bools.
    """
    if x.dtype is torch.bool:
        raise TypeError("there is nothing to round in bools")
    # Scaling in the array's own precision, as NumPy does: torch's own `decimals` agrees, and -1 works on integers here.
    if x.is_floating_point():
        return elementwise.round(x, decimals)
    scale = 10 ** max(-decimals, 0)
    return torch.div(x, scale, rounding_mode="trunc") * scale


def clip(x, low=None, high=None):
    """``min(max(x, low), high)``; bounds of integers are cut towards zero.

    Raises TypeError for bools.
    """
    if x.dtype is torch.bool:
        raise TypeError("there is nothing to clip in bools")
    if x.is_floating_point():
        low, high = (bound if bound is None else typed.number(bound, x) for bound in (low, high))
    else:
        limits = torch.iinfo(x.dtype)
        low, high = (bound if bound is None else int(min(max(bound, limits.min), limits.max)) for bound in (low, high))
    return torch.clamp(x, low, high)


def choose(condition, a, b):
    """a where the condition is not 0, else b; either may be a number, two numbers give float32."""
    condition = condition != 0
    if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
        return torch.where(condition, *_pair(a, b))
    kind = {"dtype": torch.float32, "device": condition.device}
    return torch.where(condition, torch.full((), a, **kind), torch.full((), b, **kind))


def paired(function):
    """A function of two tensors for arrays of any two dtypes, or an array and a number, which takes its dtype."""

    def compute(a, b):
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
            dtype = common_dtype(a, b)
            return function(a.to(dtype), b.to(dtype))
        return function(*_pair(a, b))

    compute.__doc__ = function.__doc__
    return compute
