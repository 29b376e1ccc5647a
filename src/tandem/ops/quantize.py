"""Numbers as 8-bit integers with a range, and layers on them.

A quantized tensor comes with the bounds of its range, two tensors of one element. Its largest integer, 127 (of int8) or
255 (of uint8), stands for the larger of their absolute values; 0 stands for 0. int32 results have a range whose end is
``2^31 - 1``. Results are rounded to the nearest (a half to even) and cut at the ends of their type.
"""

import torch

from tandem.ops import linalg

__all__ = [
    "add",
    "asymmetric",
    "batch_norm",
    "bias_for",
    "concat",
    "dense",
    "dequantize",
    "int32_bounds",
    "largest",
    "mean_of_windows",
    "multiply",
    "product_range",
    "quantize",
    "requantize",
    "whole_product",
    "widest_sum",
]

_MOST = {torch.int8: 127.0, torch.uint8: 255.0, torch.int32: 2147483647.0}
# What MXNet 1.9.1 divides by where it turns 8-bit integers back into numbers, and in other places: half a step more.
_MOST_BACK = {torch.int8: 127.5, torch.uint8: 255.5}


def largest(low, high):
    """``max(|low|, |high|)``."""
    return torch.maximum(low.abs(), high.abs())


def _rounded(x, dtype):
    limits = torch.iinfo(dtype)
    if dtype is torch.int32:
        return x.double().round().clamp(limits.min, limits.max).to(dtype)
    return x.round().clamp(limits.min, limits.max).to(dtype)


def quantize(x, end, dtype, *, half_step=False):
    """``x / end`` times the largest integer of int8 or uint8, or with `half_step` times half a step more than that."""
    if half_step:
        return _rounded(x * (_MOST_BACK[dtype] / end), dtype)
    return _rounded(x * (_MOST[dtype] / end), dtype)


def dequantize(q, end):
    """The numbers that integers stand for, as float32."""
    return q.to(torch.float32) * (end / _MOST_BACK[q.dtype])


def requantize(q, end, new_end, dtype):
    """int32 numbers with one range as int8 or uint8 ones with another."""
    return _rounded(q.to(torch.float32) * (end / _MOST[torch.int32]) * (_MOST[dtype] / new_end), dtype)


def int32_bounds(q, end):
    """The least and the largest of the numbers that int32 ones stand for, two tensors of one element."""
    low, high = (q.to(torch.float32) * (end / _MOST[torch.int32])).aminmax()
    return low.reshape(1), high.reshape(1)


def widest_sum(a_end, b_end):
    """The end of the range of sums."""
    return a_end + b_end


def product_range(end, weight_end, dtype=torch.int8):
    """The end of the int32 range of products of data (of a type, with one end) and int8 weights (with another)."""
    return end / _MOST[dtype] * (weight_end / 127.0) * _MOST[torch.int32]


def bias_for(bias, bias_end, end, weight_end, dtype):
    """An int8 bias in the steps of products of data (of a type) and weights, cut towards zero."""
    # Numbers of half steps first: where the factor is a whole number, nothing must round it down.
    return (bias.double() * bias_end.double() * _MOST_BACK[dtype] / (end.double() * weight_end.double())).trunc()


def dense(x, weight, bias=None):
    """``x weight^T + bias`` of integers, exact, as int32; bias: whole numbers."""
    y = linalg.dense(x.to(torch.float64), weight.to(torch.float64).mT)
    return (y if bias is None else y + bias).to(torch.int32)


def mean_of_windows(pooled, dtype):
    """Pooled floats back as integers."""
    return _rounded(pooled, dtype)


def concat(tensors, ends, end, dtype, axis):
    """Quantized tensors in one range and type, joined along an axis."""
    parts = []
    for x, own in zip(tensors, ends):
        # Of one type the steps cancel: what lies halfway must not be rounded twice.
        ratio = own / end if x.dtype is dtype else own / _MOST_BACK[x.dtype] * (_MOST_BACK[dtype] / end)
        parts.append(_rounded(x.to(torch.float32) * ratio, dtype))
    return torch.cat(parts, axis)


def add(a, b, a_end, b_end, end, dtype):
    """The sum of two quantized tensors in a range of its own."""
    total = dequantize(a, a_end) + dequantize(b, b_end)
    return _rounded(total * (_MOST_BACK.get(dtype, _MOST[dtype]) / end), dtype)


def multiply(a, b, a_end, b_end, end=None):
    """The product of two int8 tensors as float32, or in a range of its own as int8, cut towards zero."""
    step = (a_end / _MOST_BACK[a.dtype]) * (b_end / _MOST_BACK[b.dtype])
    product = whole_product(a, b).to(torch.float32)
    if end is None:
        return product * step
    return (product * (step * _MOST_BACK[torch.int8] / end)).trunc().clamp(-128, 127).to(torch.int8)


def whole_product(a, b):
    """The product of integers, exact, as int32."""
    return a.to(torch.int32) * b.to(torch.int32)


def asymmetric(x, low, high):
    """``x * scale + shift``, rounded to uint8, with ``scale = 255 / (high - low)`` and ``shift = 255 - high * scale``.

    Returns (integers, scale, shift); low, high: tensors of one element.
    """
    scale = 255.0 / torch.where(high > low, high - low, 1.0)
    shift = 255.0 - high * scale
    return (x * scale + shift + 0.5).floor().clamp(0, 255).to(torch.uint8), scale, shift


def batch_norm(x, scale, shift, mean, variance, end, new_end, *, axis, epsilon):
    """``(x - mean) / sqrt(variance + epsilon) * scale + shift`` of int8 numbers, as int8 ones in another range."""
    sizes = [1] * x.dim()
    sizes[axis] = -1
    factor = scale / torch.sqrt(variance + epsilon)
    shift = (shift - mean * factor).reshape(sizes)
    y = x.to(torch.float32) * (end / _MOST[torch.int8]) * factor.reshape(sizes) + shift
    return _rounded(y * (_MOST[torch.int8] / new_end), torch.int8)
