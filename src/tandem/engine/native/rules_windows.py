"""Padding, pooling and batch normalisation as loops."""

import itertools
import math

import torch

from tandem.engine.native.lowering import Unlowered, together
from tandem.engine.native.nests import Access, Expr, Statement, call, cast, constant, where
from tandem.engine.record import Ref

# --- padding ----------------------------------------------------------------------------------------------------------


def _part(ref, begins, size):
    """A box of a tensor, as a tensor."""
    offset = ref.offset + sum(begin * stride for begin, stride in zip(begins, ref.stride))
    return Ref(ref.storage, ref.dtype, tuple(size), ref.stride, offset)


def _pad(lowering, self, pad, value=0):
    """Numbers around a tensor, or with negative widths less of it. The frame is written slab by slab."""
    out, rank = lowering.call.outputs[0], len(self.size)
    before, after = [0] * rank, [0] * rank
    for number in range(len(pad) // 2):
        before[rank - 1 - number], after[rank - 1 - number] = pad[2 * number : 2 * number + 2]
    source, target, size = [], [], []
    for low, high, extent in zip(before, after, self.size):
        source.append(max(0, -low))
        target.append(max(0, low))
        size.append(extent + min(0, low) + min(0, high))
    if min(size) <= 0:
        raise Unlowered
    begins, extents = [0] * rank, list(out.size)
    for dim in range(rank):
        for begin, width in ((0, target[dim]), (target[dim] + size[dim], max(0, after[dim]))):
            if width:
                slab = _part(
                    out, [*begins[:dim], begin, *begins[dim + 1 :]], [*extents[:dim], width, *extents[dim + 1 :]]
                )
                lowering.store(slab, constant(value, out.dtype))
        begins[dim], extents[dim] = target[dim], size[dim]
    inside = _part(out, begins, extents)
    lowering.store(inside, lowering.load(_part(self, source, size), inside.size))


# --- windows ----------------------------------------------------------------------------------------------------------


def _places(ref, window, shape):
    """The access of each element of a window, in loops over the windows."""
    for place in itertools.product(*map(range, window)):
        steps = (1, 1, *window)
        strides = tuple(stride * step if extent != 1 else 0 for stride, step, extent in zip(ref.stride, steps, shape))
        offset = ref.offset + sum(at * stride for at, stride in zip(place, ref.stride[2:]))
        yield Access(ref.storage, ref.dtype, strides, offset)


def _window_max(lowering, x, window):
    out, largest = lowering.call.outputs[0], None
    for access in _places(x, window, out.size):
        value = Expr("load", x.dtype, access)
        largest = value if largest is None else where(_beats(value, largest), value, largest)
    lowering.store(out, largest)


def _beats(value, largest):
    return Expr("or", torch.bool, value > largest, value.compare("ne", value))


def _window_max_gradient(lowering, grad, x, window, relu):
    out, shape = lowering.call.outputs[0], tuple(grad.size)
    number, largest = None, None
    for index, access in enumerate(_places(x, window, shape)):
        value = Expr("load", x.dtype, access)
        if largest is None:
            largest, number = value, constant(0, torch.int32)
        else:
            better = _beats(value, largest)
            largest, number = where(better, value, largest), where(better, constant(index, torch.int32), number)
    arriving = lowering.load(grad, shape)
    if relu:
        arriving = where(largest <= 0.0, constant(0.0, grad.dtype), arriving)
    for index, access in enumerate(_places(out, window, shape)):
        here = number.compare("eq", constant(index, torch.int32))
        lowering.nest(shape, Statement(access, where(here, arriving, constant(0.0, out.dtype))))
    lowering.nests = together(lowering.nests)
    # What is over at the ends belongs to no window.
    begins, extents = [0] * len(out.size), list(out.size)
    for dim, width in enumerate(window, 2):
        covered = shape[dim] * width
        if covered < out.size[dim]:
            rest = [*begins[:dim], covered, *begins[dim + 1 :]]
            lowering.store(
                _part(out, rest, [*extents[:dim], out.size[dim] - covered, *extents[dim + 1 :]]), constant(0, out.dtype)
            )
        extents[dim] = covered


# --- batch normalisation ----------------------------------------------------------------------------------------------


def _channel(lowering, ref, shape, dtype=None):
    """The element of a vector over the second axis."""
    if len(ref.size) != 1 or ref.size[0] != shape[1]:
        raise Unlowered
    strides = tuple(ref.stride[0] if dim == 1 else 0 for dim in range(len(shape)))
    loaded = Expr("load", ref.dtype, Access(ref.storage, ref.dtype, strides, ref.offset))
    return loaded if dtype is None else cast(loaded, dtype)


def _moments(lowering, terms, shape):
    """Sums over all axes but the second of some formulas, as double precision vectors."""
    dims = [dim for dim in range(len(shape)) if dim != 1]
    sums = []
    for term in terms:
        sums.append(lowering.temporary((shape[1],), torch.float64))
        lowering.reduce(sums[-1], term, shape, dims, narrow=True)
    return sums


def _batch_norm(lowering, input, weight, bias, running_mean, running_var, training, momentum, eps):
    out, shape = lowering.call.outputs[0], tuple(input.size)
    count, vector = math.prod(shape) // shape[1], (shape[1],)
    if input.dtype is not torch.float32 or count < 2:
        raise Unlowered
    wide = torch.float64
    if not training and (running_mean is None or running_var is None):
        raise Unlowered

    def own(ref):
        return lowering.load(ref, vector, wide)

    if training:
        # Variances are those of the distances from each channel's first value: a large mean takes no digits away then.
        strides = tuple(input.stride[1] if dim == 1 else 0 for dim in range(len(shape)))
        first = Expr("load", input.dtype, Access(input.storage, input.dtype, strides, input.offset))
        distance = lowering.load(input, shape) - first
        total, squares = _moments(lowering, (distance, distance * distance), shape)
        shift = Expr("load", input.dtype, Access(input.storage, input.dtype, (input.stride[1],), input.offset))
        moved = own(total) / float(count)
        mean, variance = moved + cast(shift, wide), _at_least_zero(own(squares) / float(count) - moved * moved)
        save_mean, save_invstd = lowering.call.outputs[1:]
        for moving, fresh, factor in ((running_mean, mean, 1.0), (running_var, variance, count / (count - 1))):
            if moving is not None:
                lowering.store(moving, own(moving) * (1 - momentum) + fresh * (momentum * factor))
    else:
        mean, variance = own(running_mean), own(running_var)
    inverse = 1.0 / call("sqrt", variance + eps)
    if training:
        lowering.store(save_mean, mean)
        lowering.store(save_invstd, inverse)
    scale, offset = (lowering.temporary(vector, input.dtype) for _ in range(2))
    factor = inverse if weight is None else inverse * own(weight)
    lowering.store(scale, factor)
    lowering.store(offset, -(mean * factor) if bias is None else own(bias) - mean * factor)
    lowering.nests = together(lowering.nests)
    x = lowering.load(input, shape)
    lowering.store(out, x * _channel(lowering, scale, shape) + _channel(lowering, offset, shape))


def _at_least_zero(x):
    return where(x < 0.0, constant(0.0, x.dtype), x)


def _batch_norm_backward(
    lowering, grad_out, input, weight, running_mean, running_var, save_mean, save_invstd, train, eps
):
    of_input, of_weight, of_bias = lowering.call.outputs
    shape, wide = tuple(input.size), torch.float64
    count, vector = math.prod(shape) // shape[1], (shape[1],)
    if input.dtype is not torch.float32 or count < 2:
        raise Unlowered

    def own(ref):
        return lowering.load(ref, vector, wide)

    if train:
        mean, inverse = save_mean, own(save_invstd)
    else:
        mean, inverse = running_mean, 1.0 / call("sqrt", own(running_var) + eps)
    grad, x = lowering.load(grad_out, shape), lowering.load(input, shape)
    distance = x - _channel(lowering, mean, shape)
    total, product = _moments(lowering, (grad, grad * distance), shape)
    if of_weight is not None:
        lowering.store(of_weight, own(product) * inverse)
    if of_bias is not None:
        lowering.store(of_bias, own(total))
    if of_input is None:
        return
    factor = lowering.temporary(vector, input.dtype)
    lowering.store(factor, inverse if weight is None else inverse * own(weight))
    if not train:
        lowering.store(of_input, grad * _channel(lowering, factor, shape))
        return
    level, slope = (lowering.temporary(vector, input.dtype) for _ in range(2))
    lowering.store(level, own(total) / float(count))
    lowering.store(slope, own(product) * inverse * inverse / float(count))
    parts = (_channel(lowering, ref, shape) for ref in (level, slope, factor))
    one, other, factor = parts
    lowering.store(of_input, (grad - one - distance * other) * factor)


RULES = {
    "constant_pad_nd": _pad,
    "tandem::window_max": _window_max,
    "tandem::window_max_gradient": _window_max_gradient,
    "native_batch_norm": _batch_norm,
    "native_batch_norm_backward": _batch_norm_backward,
}
