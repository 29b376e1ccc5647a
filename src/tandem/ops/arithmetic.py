"""Arithmetic as Keras has it of bools and integers, where torch's own functions have no rule or another one."""

import torch


def truth(x):
    """Whether each element is not 0."""
    return x if x.dtype is torch.bool else x != 0


def _numbers(x):
    return x.to(torch.int32) if x.dtype is torch.bool else x


def absolute(x):
    """``|x|``; bools are their own."""
    return x if x.dtype is torch.bool else torch.abs(x)


def copied(x):
    """x in memory of its own."""
    return x.clone()


def imaginary(x):
    """The imaginary part; of real numbers 0."""
    return torch.imag(x) if x.is_complex() else torch.zeros_like(x)


def square(x):
    """``x^2``; bools count as int32."""
    return torch.square(_numbers(x))


def truncated(x):
    """x cut towards zero; whole numbers are their own."""
    return torch.trunc(x) if x.is_floating_point() else x


def divide_no_nan(a, b):
    """``a / b``, 0 where ``b == 0``; with gradients 0 there."""
    nothing = b == 0
    return torch.where(nothing, 0, torch.div(a, torch.where(nothing, 1, b)))


def modulo(a, b):
    """``a - b floor(a / b)``; bools count as int32."""
    return torch.remainder(*_not_bools(a, b))


def fmod(a, b):
    """``a - b trunc(a / b)``; bools count as int32."""
    return torch.fmod(*_not_bools(a, b))


def _not_bools(a, b):
    return (_numbers(a), _numbers(b)) if a.dtype is torch.bool and b.dtype is torch.bool else (a, b)


def subtract(a, b):
    """``a - b``; a bool counts as a number of the other's dtype, two bools cannot be subtracted."""
    if isinstance(b, bool) and a.dtype is not torch.bool:
        b = int(b)
    elif isinstance(a, bool) and b.dtype is not torch.bool:
        a = int(a)
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        if a.dtype is torch.bool and b.dtype is not torch.bool:
            a = a.to(b.dtype)
        elif b.dtype is torch.bool and a.dtype is not torch.bool:
            b = b.to(a.dtype)
    elif isinstance(a, float) and b.dtype is torch.bool:
        b = b.to(torch.get_default_dtype())
    elif isinstance(b, float) and a.dtype is torch.bool:
        a = a.to(torch.get_default_dtype())
    return a - b


def larger(a, b):
    """The larger of two, in their common dtype; NaN if one is. Of equal ones both have half the gradient."""
    return torch.maximum(a, b)


def smaller(a, b):
    """The smaller of two; as `larger`."""
    return torch.minimum(a, b)


def ldexp(a, b):
    """``a * 2^b``, integers a as floats.

    Raises TypeError where b is not of integers.
    """
    if b.is_floating_point() or b.dtype is torch.bool:
        raise TypeError(f"ldexp exponent must be an integer type. Received: x2 dtype={b.dtype}")
    a = a if a.dtype in (torch.float16, torch.bfloat16, torch.float32) else a.to(torch.float32)
    return torch.ldexp(a, b).to(a.dtype)


def clip(x, low, high):
    """``min(max(x, low), high)``; bounds are numbers, tensors or None."""
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor):
        y = x if low is None else torch.maximum(x, torch.as_tensor(low, dtype=x.dtype, device=x.device))
        return y if high is None else torch.minimum(y, torch.as_tensor(high, dtype=x.dtype, device=x.device))
    return torch.clamp(x, low, high)


def is_among(x, values, *, assume_unique=False, invert=False):
    """Whether each element of x is one of `values`."""
    if x.dtype is torch.bool:
        x, values = x.to(torch.uint8), values.to(torch.uint8)
    return torch.isin(x, values, assume_unique=assume_unique, invert=invert)


def reinterpreted(x, dtype):
    """The bytes of x as another dtype; the last axis grows or shrinks with the size of an element."""
    return x.view(dtype)


def log_sum_exp(x, axis=None, keepdims=False):
    """``log(sum(exp(x)))`` over axes (None: all)."""
    axes = tuple(range(x.dim())) if axis is None else axis
    return torch.logsumexp(x, axes, keepdims)


# Binary digits of the numbers of floating point dtypes.
_DIGITS = {torch.bfloat16: 8, torch.float16: 11, torch.float32: 24, torch.float64: 53}


def saturated(x, dtype):
    """x in another dtype, clipped to what that can hold; NaN in integers becomes 0."""
    limits = torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype) if dtype is not torch.bool else None
    low, high = (0, 1) if limits is None else (limits.min, limits.max)
    own = torch.finfo(x.dtype) if x.is_floating_point() else None
    if own is None and x.dtype is not torch.bool:
        own = torch.iinfo(x.dtype)
    if own is not None:
        low, high = max(low, own.min), min(high, own.max)
        if x.is_floating_point() and not dtype.is_floating_point:
            # The largest integers have no float of so many digits: the next one below it is what fits.
            low, high = int(low), int(high)
            spare = max(high.bit_length() - _DIGITS[x.dtype], 0)
            high = high >> spare << spare
        x = torch.clamp(x, low, high)
    return x.to(dtype)
