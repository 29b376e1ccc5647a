"""Weights and activations as small integers or 8-bit floats, as Keras's quantised layers have them.

Keras stores ``q = round(x * scale)``: a scale is what numbers are multiplied by. With a zero point it stores
``q = round(x / scale) + zero``: there a scale is the size of a step. Rounding is to the nearest, a half to even.
"""

import math

import torch

from tandem.ops.indexing import embedding
from tandem.ops.tracing import is_exporting

__all__ = [
    "abs_max",
    "adapted",
    "amax_history",
    "apart",
    "code_range",
    "dequantized",
    "fake_quantized",
    "float8_scale",
    "float8_steps",
    "group_numbers",
    "groups_of",
    "int8_einsum",
    "int_product",
    "lookup",
    "packed",
    "plus",
    "product_of_codes",
    "product_of_rounded",
    "steps",
    "through",
    "unpacked",
    "watched",
]


def abs_max(x, axis, value_range=(-127, 127), epsilon=1e-7, dtype=torch.int8):
    """(``clip(round(x * scale))``, scale), with ``scale = value_range[1] / (max |x| + epsilon)`` over `axis`."""
    most = x.abs().amax(axis, keepdim=True) + epsilon
    scale = (torch.full_like(most, value_range[1]) / most).to(x.dtype)  # a number / a tensor is rounded twice
    return (x * scale).round().clamp(*value_range).to(dtype), scale


def code_range(x, size, *, levels, symmetric=False, epsilon=0.0, least=0, greatest=None, share=False, none_below=False):
    """(scale, zero point) of the rows of a matrix, cut into groups of columns.

    x: (rows, columns); size: columns to a group, -1 for all; levels: the number of steps between the least and the
    greatest code; symmetric: whether 0 is in the middle; least, greatest: the codes' range; share: one scale for the
    whole matrix; none_below: the code of 0 is none below `least`, also where all numbers are positive.
    Returns two tensors (rows, groups): the size of a step, and the code of 0 (as numbers).
    """
    if size > 0 and not share:
        groups = -(-x.shape[1] // size)
        if groups > 1:
            x = torch.nn.functional.pad(x, (0, groups * size - x.shape[1]))
        parts = x.reshape(x.shape[0], groups, -1)
    else:
        parts = x.reshape(1 if share else x.shape[0], 1, -1)
    low, high = parts.aminmax(dim=2)
    if none_below:
        low = low.clamp(max=0)
    if symmetric:
        high = torch.maximum(low.abs(), high)
        low = torch.where(low < 0, -high, low)
    flat = low == high
    low, high = torch.where(flat, low - 1, low), torch.where(flat, high + 1, high)
    scale = (high - low + epsilon) / levels
    scale = torch.where(scale <= 0, 1e-8, scale)
    zero = torch.full_like(scale, (levels + 1) / 2) if symmetric else (-low / scale).round()
    zero = zero + least
    if greatest is not None:
        zero = zero.clamp(least, greatest)
    return scale.expand(x.shape[0], -1), zero.expand(x.shape[0], -1)


def groups_of(x, size, value_range=(-8, 7), epsilon=1e-7, dtype=torch.int8, *, one_value_has_width=False):
    """(codes, scale, zero point) of a matrix (inputs, outputs), in groups of `size` inputs, with a zero point each.

    ``scale = (max - min + epsilon) / (greatest - least)``, ``zero = clip(round(-min / scale) + least)``,
    ``code = clip(round(x / scale) + zero)``. Returns the codes (inputs, outputs), and two of (groups, outputs).
    one_value_has_width: a group of equal values is taken to reach one further on both sides.
    """
    least, greatest = value_range
    count, outputs = x.shape
    groups = math.ceil(count / size)
    parts = torch.nn.functional.pad(x, (0, 0, 0, groups * size - count)).reshape(groups, size, outputs)
    if one_value_has_width:
        scale, zero = code_range(x.t(), size, levels=greatest - least, epsilon=epsilon, least=least, greatest=greatest)
        scale, zero = scale.t(), zero.t()
    else:
        low, high = parts.aminmax(dim=1)
        scale = (high - low + epsilon) / (greatest - least)
        zero = ((-low / scale).round() + least).clamp(least, greatest)
    codes = ((parts / scale.unsqueeze(1)).round() + zero.unsqueeze(1)).clamp(least, greatest)
    return codes.to(dtype).reshape(-1, outputs)[:count], scale.to(x.dtype), zero.to(torch.int8)


def steps(x, scale, zero, most):
    """``clip(round(x / scale + zero), 0, most)``: the codes of numbers, as numbers."""
    scale = torch.where(scale == 0, 1e-8, scale)
    return (x / scale + zero.to(scale.dtype)).round().clamp(0, most)


def dequantized(codes, scale, zero, groups, axis=-1):
    """``(codes - zero) * scale``; groups: of each index along `axis`, the number of its group in scale and zero."""
    groups = groups.to(torch.int64)
    scale, zero = scale.index_select(axis, groups), zero.index_select(axis, groups)
    return (codes - zero.to(scale.dtype)) * scale


def group_numbers(count, size):
    """The number of the group of each of `count` weights, as floats: ``floor(i / size)``."""
    return torch.arange(count, dtype=torch.float32).div(size, rounding_mode="floor")


def packed(codes, axis=0):
    """Codes of four bits, two to a byte, along an axis: the first in the lower half. (…, n, …) -> (…, ceil(n/2), …)"""
    codes = codes.movedim(axis, 0)
    if codes.shape[0] % 2:
        codes = torch.cat([codes, torch.zeros_like(codes[:1])])
    low, high = codes[::2] & 15, codes[1::2] & 15
    return (low | (high << 4)).movedim(0, axis).contiguous()


def unpacked(codes, count, axis=0, dtype=torch.int8):
    """What `packed` packed: `count` codes along the axis, -8 to 7 as int8, 0 to 15 as uint8."""
    codes = codes.movedim(axis, 0)
    halves = torch.stack([codes & 15, (codes >> 4) & 15], 1)
    if dtype is torch.int8:
        halves = (halves ^ 8) - 8
    return halves.to(dtype).flatten(0, 1)[:count].movedim(0, axis)


# --- products ---------------------------------------------------------------------------------------------------------


def int_product(x, weight):
    """``x @ weight`` of int8 tensors, (…, k) and (k, n), exactly, as int32.

    Matrices go to torch's int8 kernel where the device has one for their sizes. Elsewhere the product is emulated in
    floating point that holds all of its integers: exact too, but no faster than that of floats.
    """
    rows = x.reshape(-1, x.shape[-1])
    count, size, outputs = rows.shape[0], rows.shape[1], weight.shape[1]
    fits = x.device.type == "cpu" or (x.is_cuda and count > 16 and size % 8 == 0 and outputs % 8 == 0)
    if fits and not is_exporting():
        product = torch._int_mm(rows, weight.contiguous())
    else:
        wide = torch.float32 if size * 128 * 128 < 1 << 24 else torch.float64
        product = (rows.to(wide) @ weight.to(wide)).to(torch.int32)
    return product.reshape(*x.shape[:-1], outputs)


def int8_einsum(equation, x, weight):
    """``einsum(equation, x, weight)`` of int8 tensors, exactly, as int32. equation: letters alone, or "...a,ab->...b".

    Axes that both and the output have are emulated in floating point; else it is `int_product`.
    """
    if "..." in equation:
        return int_product(x, weight)
    inputs, output = equation.split("->")
    left, right = inputs.split(",")
    summed = [letter for letter in left if letter in right and letter not in output]
    batch = [letter for letter in left if letter in right and letter in output]
    if batch or any(letter not in output and letter not in summed for letter in left + right):
        return torch.einsum(equation, x.to(torch.float64), weight.to(torch.float64)).to(torch.int32)
    kept_left = [letter for letter in left if letter not in summed]
    kept_right = [letter for letter in right if letter not in summed]
    a = x.permute([left.index(letter) for letter in kept_left + summed])
    b = weight.permute([right.index(letter) for letter in summed + kept_right])
    sizes = (*a.shape[: len(kept_left)], *b.shape[len(summed) :])
    product = int_product(a.flatten(len(kept_left)), b.flatten(0, len(summed) - 1).flatten(1)).reshape(sizes)
    found = kept_left + kept_right
    return product.permute([found.index(letter) for letter in output])


class _Replaced(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, value, back):
        ctx.back = back
        return value.clone() if value is x else value

    @staticmethod
    def backward(ctx, grad):
        return ctx.back(grad), None, None


def through(x, value, back):
    """`value`, whose gradient is handed to x as ``back(gradient)``: that of a function which rounds has none."""
    if not (torch.is_grad_enabled() and x.requires_grad):
        return value
    return _Replaced.apply(x, value, back)


def lookup(table, ids, scale, zero=None, groups=None, dtype=torch.float32):
    """Rows of a table of codes, as numbers: ``table[ids] / scale[ids]``, or with a zero point and groups of columns
    ``(table[ids] - zero[ids]) * scale[ids]``.
    """
    rows = embedding(ids, table).to(dtype)
    if zero is None:
        return rows / embedding(ids, scale.unsqueeze(-1))
    return dequantized(rows, embedding(ids, scale), embedding(ids, zero), groups, -1).to(dtype)


def apart(codes, scale, dtype=torch.float32):
    """``codes / scale``."""
    return codes.to(dtype) / scale


# --- 8-bit floats -----------------------------------------------------------------------------------------------------


def float8_scale(amax, scale, dtype_max, margin=0):
    """``amax * 2^margin / dtype_max``, or the old scale where `amax` is 0 or no number."""
    factor = scale.reciprocal() if torch.is_tensor(scale) else 1.0 / scale
    found = (dtype_max / amax) / 2**margin
    found = torch.where(amax > 0.0, found, factor)
    return torch.where(torch.isfinite(amax), found, factor).reciprocal()


def amax_history(x, history):
    """The history moved on by one, with the largest absolute value of x in the first place."""
    newest = x.abs().amax().to(history.dtype).reshape(1)
    return torch.cat([newest, history.roll(-1)[1:]])


def float8_steps(x, scale, kind, dtype):
    """x rounded to multiples of `scale` that the 8-bit floats of a kind can tell apart, in `dtype`."""
    most = torch.finfo(kind).max
    scale = scale.to(dtype) if torch.is_tensor(scale) else torch.as_tensor(scale, dtype=dtype)
    return (x / scale).clamp(-most, most).to(kind).to(dtype) * scale


class _Watched(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale, history, dtype, training, of_gradient):
        ctx.dtype, ctx.training, ctx.of_gradient = dtype, training, of_gradient
        ctx.save_for_backward(x if training and not of_gradient else None, scale, history)
        return x.clone() if of_gradient else float8_steps(x, scale, torch.float8_e4m3fn, dtype)

    @staticmethod
    def backward(ctx, grad):
        x, scale, history = ctx.saved_tensors
        if not (ctx.training or ctx.of_gradient):
            return grad, None, None, None, None, None
        kind = torch.float8_e5m2 if ctx.of_gradient else torch.float8_e4m3fn
        new_scale = float8_scale(history.amax(), scale, torch.finfo(kind).max)
        new_history = amax_history(grad if ctx.of_gradient else x, history)
        if ctx.of_gradient:
            grad = float8_steps(grad, scale, kind, ctx.dtype)
        return grad, new_scale, new_history, None, None, None


def watched(x, scale, history, dtype, *, training, of_gradient=False):
    """x in steps of 8-bit floats (e4m3), its gradient as it is; with `of_gradient` x as it is, its gradient in steps
    (e5m2). The "gradients" of scale and history are their next values, from the largest numbers of the last calls.

    Micikevicius et al., FP8 formats for deep learning, 2022.
    """
    return _Watched.apply(x, scale, history, dtype, training, of_gradient)


# --- training with rounding in mind -----------------------------------------------------------------------------------


class _FakeQuantized(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, low, high, bits, narrow, axis):
        least, greatest = (1 if narrow else 0), (1 << bits) - 1
        width = high.to(torch.promote_types(high.dtype, torch.float32)) - low
        scale, inverse = width / (greatest - least), (greatest - least) / width
        zero = (least - low / scale).clamp(least, greatest).round()
        bottom, top = (least - zero) * scale, (greatest - zero) * scale
        of_zero = (-bottom * inverse + 0.5).floor()
        value = x.to(bottom.dtype).maximum(bottom).minimum(top)
        value = (((value - bottom) * inverse - of_zero + 0.5).floor() * scale).to(x.dtype)
        ctx.save_for_backward(x, bottom, top)
        ctx.shapes, ctx.axis = (low.shape, high.shape), axis
        return value

    @staticmethod
    def backward(ctx, grad):
        x, bottom, top = ctx.saved_tensors

        def share(where, shape):
            others = [axis for axis in range(grad.dim()) if axis != ctx.axis]
            part = torch.where(where, grad, 0.0)
            return (part.sum(others) if others else part).reshape(shape)

        inside = torch.where((x >= bottom) & (x <= top), grad, 0.0)
        return inside, share(x <= bottom, ctx.shapes[0]), share(x >= top, ctx.shapes[1]), None, None, None


def fake_quantized(x, low, high, bits=8, narrow=False, axis=None):
    """x cut at [low, high] and rounded to the numbers that an integer of `bits` bits could stand for in between.

    low, high: moved a little, so that 0 is one of those numbers; a number each, or one to each index along the last
    axis. narrow: the least integer is 1, not 0; axis: what low and high are summed over in their gradients is all but
    this one. Their gradients are the sums of x's where it was cut.
    Jacob et al., Quantization and training of neural networks for efficient integer-arithmetic-only inference, 2018.
    """
    return _FakeQuantized.apply(x, low, high, bits, narrow, axis)


# --- whole layers -----------------------------------------------------------------------------------------------------


def adapted(kernel, a, b, factor):
    """``kernel + factor * a @ b``, in the kernel's dtype."""
    return (kernel + factor * (a @ b)).to(kernel.dtype)


def plus(y, bias=None, low_rank=None):
    """``y + factor * p @ b + bias`` in y's dtype; low_rank: (p, b, factor), or None."""
    if low_rank is not None:
        p, b, factor = low_rank
        y = (y + factor * (p @ b)).to(y.dtype)
    return y if bias is None else y + bias


def product_of_codes(equation, x, x_codes, x_scale, codes, scale, kernel):
    """``einsum(equation, x_codes, codes) / (x_scale * scale)`` in x's dtype.

    x: what x_codes stand for, which gets the gradient of a product with ``kernel()``, what codes stand for.
    """
    if x_codes.dtype is codes.dtype is torch.int8:
        y = int8_einsum(equation, x_codes, codes)
    else:
        y = torch.einsum(equation, x_codes.to(x.dtype), codes.to(x.dtype))
    return through(x, y.to(x.dtype) / (x_scale * scale), _back(equation, kernel))


def product_of_rounded(equation, x, x_codes, x_scale, kernel):
    """``einsum(equation, x_codes, kernel) / x_scale``; x gets the gradient of its own product with the kernel."""
    y = torch.einsum(equation, x_codes.to(kernel.dtype), kernel) / x_scale
    return through(x, y, _back(equation, lambda: kernel))


def _back(equation, kernel):
    inputs, output = equation.split("->")
    left, right = inputs.split(",")
    return lambda grad: torch.einsum(f"{output},{right}->{left}", grad, kernel())
