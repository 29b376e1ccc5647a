"""ATen calls as loops over formulas."""

import inspect
import itertools
import math

import torch
from torch.utils._pytree import tree_unflatten

from tandem.engine.native.formulas import COMPARISONS, FORMULAS, LOSS_GRADIENTS, LOSSES
from tandem.engine.native.nests import DTYPES, Access, Expr, Nest, Statement, call, cast, constant, where
from tandem.engine.record import Ref

_FLOATS = (torch.float32, torch.float64)

# A product of at most this many multiplications is cheaper in place than a call of the library. The library's kernels
# are better than these loops beyond it.
_LARGEST_PRODUCT = 20_000

# Rows' reductions and what is made of them (softmax, argmax) are the library's above this many elements.
_LARGEST_ROWS = 16_384

# An optimizer's fused kernel is the library's above this many parameters.
_LARGEST_UPDATE = 65_536


class Unlowered(Exception):
    """A call that is left to the library."""


class Lowering:
    """The nests of one call. `temporary(shape, dtype)` gives a new place for what is computed on the way."""

    def __init__(self, recorded, bound, temporary):
        self.call = recorded
        self.bound = bound
        self.temporary = temporary
        self.nests = []

    @staticmethod
    def access(ref, shape):
        """A tensor's elements in loops over a shape that it is broadcast to."""
        if ref.dtype not in DTYPES:
            raise Unlowered
        missing = len(shape) - len(ref.size)
        if missing < 0:
            raise Unlowered
        strides = [0] * missing
        for size, stride, extent in zip(ref.size, ref.stride, shape[missing:]):
            if size != extent and size != 1:
                raise Unlowered
            strides.append(stride if size != 1 else 0)
        return Access(ref.storage, ref.dtype, tuple(strides), ref.offset)

    def load(self, ref, shape, dtype=None):
        """A tensor's element as a formula, converted to a dtype."""
        loaded = Expr("load", ref.dtype, self.access(ref, shape))
        return loaded if dtype is None else cast(loaded, dtype)

    def store(self, out, expr, shape=None):
        """One element of `out` for each round of loops over its shape."""
        shape = tuple(out.size) if shape is None else shape
        self._nest(shape, Statement(self.access(out, shape), cast(expr, out.dtype)))

    def reduce(self, out, expr, shape, dims, how="sum", narrow=False):
        """`out` gets a reduction of a formula over some dimensions of the loops' shape.

        narrow: a sum's terms keep their own dtype, and only what is added up of many of them has that of `out`.
        """
        dims = {dim % len(shape) for dim in dims} if shape else set()
        kept = [dim for dim in range(len(shape)) if dim not in dims]
        if len(out.size) == len(shape):
            sizes, places = [out.size[dim] for dim in kept], {dim: out.stride[dim] for dim in kept}
        elif len(out.size) == len(kept):
            sizes, places = list(out.size), dict(zip(kept, out.stride))
        else:
            raise Unlowered
        if sizes != [shape[dim] for dim in kept]:
            raise Unlowered
        strides = tuple(places.get(dim, 0) if shape[dim] != 1 else 0 for dim in range(len(shape)))
        target = Access(out.storage, out.dtype, strides, out.offset)
        if how != "argmax" and not narrow:
            expr = cast(expr, out.dtype)
        reduced = tuple(dim in dims for dim in range(len(shape)))
        self._nest(tuple(shape), Statement(target, expr, how, reduced))

    def _nest(self, shape, statement):
        if math.prod(shape) == 0 or statement.target.dtype not in DTYPES:
            raise Unlowered
        if not statement.reduced:
            statement.reduced = (False,) * len(shape)
        self.nests.append(Nest(shape, [statement], [self.call]))


def lower(recorded, bound, temporary):
    """The nests of a recorded call, or None where it is left to the library.

    bound: its arguments in the order of its schema.
    """
    name = recorded.func._schema.name.removeprefix("aten::")
    base = name[:-1] if name.endswith("_") else name
    if recorded.func._schema.returns and None in recorded.outputs and base != "native_batch_norm_backward":
        return None
    named = {a.name: value for a, value in zip(recorded.func._schema.arguments, bound)}
    lowering = Lowering(recorded, named, temporary)
    if any(ref.dtype not in DTYPES for ref in recorded.tensors() + recorded.results()):
        return None
    if any(name in named for name in ("out", "grad_input")) and "out" in recorded.func._overloadname:
        return None
    try:
        if base in _SPECIAL:
            _SPECIAL[base](lowering, **_wanted(_SPECIAL[base], named, 1))
        elif base.startswith("_foreach_"):
            _foreach(lowering, base.removeprefix("_foreach_"), named, in_place=name.endswith("_"))
        elif base in FORMULAS or base in COMPARISONS:
            _elementwise(lowering, base, named, named["self"] if name.endswith("_") else recorded.outputs[0])
        else:
            return None
    except Unlowered:
        return None
    return lowering.nests


def _wanted(function, named, skip=0):
    parameters = list(inspect.signature(function).parameters)[skip:]
    return {name: named[name] for name in parameters if name in named}


_REFUSED = {"rounding_mode", "layout"}


def _elementwise(lowering, base, named, out):
    formula = FORMULAS.get(base) or COMPARISONS[base]
    if not isinstance(out, Ref) or any(named.get(name) is not None for name in _REFUSED & named.keys()):
        raise Unlowered
    shape = tuple(out.size)
    arguments = _wanted(formula, named)
    dtype = out.dtype
    if base in COMPARISONS:
        dtype = _common_dtype(arguments["self"], arguments["other"])
    elif base not in _ANY_DTYPE and dtype not in _FLOATS and base not in _EXACT:
        raise Unlowered
    arguments = {
        name: lowering.load(value, shape, None if base in _ANY_DTYPE else dtype) if isinstance(value, Ref) else value
        for name, value in arguments.items()
    }
    if base == "where":
        arguments["self"], arguments["other"] = (constant(arguments[name], dtype) for name in ("self", "other"))
    if base == "masked_fill":
        arguments["self"] = cast(arguments["self"], dtype)
    first = next(iter(arguments.values()))
    if not isinstance(first, Expr):
        if not isinstance(first, (int, float)):
            raise Unlowered
        arguments[next(iter(arguments))] = constant(first, dtype)
    for value in arguments.values():
        if isinstance(value, (list, tuple, complex)):
            raise Unlowered
    lowering.store(out, formula(**arguments))


# Operators that keep their arguments' dtypes, and those that are right for whole numbers and bools too.
_ANY_DTYPE = {"where", "masked_fill", "logical_not", "logical_and", "logical_or", "copy", "_to_copy", "clone"}
_EXACT = {"add", "sub", "mul", "fill", "zero", "neg"}


def _common_dtype(first, second):
    def stand_in(value):
        return torch.empty(value.size, dtype=value.dtype, device="meta") if isinstance(value, Ref) else value

    dtype = torch.result_type(stand_in(first), stand_in(second))
    if dtype not in DTYPES:
        raise Unlowered
    return dtype


def _foreach(lowering, base, named, in_place):
    if base not in FORMULAS:
        raise Unlowered
    lists = {name: value for name, value in named.items() if isinstance(value, (list, tuple))}
    count = len(named["self"])
    renamed = {"tensors1": "end", "weights": "weight", "exponent": "exponent", "scalars": _SCALARS.get(base), "scalar": _SCALARS.get(base)}
    for index in range(count):
        one = {}
        for name, value in named.items():
            name = renamed.get(name, name) or name
            one[name] = value[index] if name in lists or isinstance(value, (list, tuple)) else value
        out = named["self"][index] if in_place else lowering.call.outputs[index]
        _elementwise(lowering, base, one, out)


# What the formula calls the number, or the list of numbers, that a foreach operator takes.
_SCALARS = {
    "add": "other",
    "sub": "other",
    "mul": "other",
    "div": "other",
    "clamp_min": "min",
    "clamp_max": "max",
    "maximum": "other",
    "minimum": "other",
    "addcmul": "value",
    "addcdiv": "value",
}


# --- reductions -------------------------------------------------------------------------------------------------------


def _dims(dim, rank):
    if dim is None or (isinstance(dim, (list, tuple)) and not dim):
        return list(range(rank))
    return [dim] if isinstance(dim, int) else list(dim)


def _sum(lowering, self, dim=None):
    out = lowering.call.outputs[0]
    lowering.reduce(out, lowering.load(self, self.size, out.dtype), self.size, _dims(dim, len(self.size)))


def _mean(lowering, self, dim=None):
    out = lowering.call.outputs[0]
    dims = _dims(dim, len(self.size))
    if out.dtype not in _FLOATS:
        raise Unlowered
    count = math.prod(self.size[d] for d in dims)
    total = lowering.temporary(out.size, out.dtype)
    lowering.reduce(total, lowering.load(self, self.size, out.dtype), self.size, dims)
    lowering.store(out, lowering.load(total, out.size) / float(count))


def _extreme(how):
    def lowered(lowering, self, dim=None):
        out = lowering.call.outputs[0]
        _small_rows(self)
        if out.dtype not in _FLOATS:
            raise Unlowered
        lowering.reduce(out, lowering.load(self, self.size), self.size, _dims(dim, len(self.size)), how)

    return lowered


def _argmax(lowering, self, dim=None):
    out = lowering.call.outputs[0]
    _small_rows(self)
    if self.dtype not in _FLOATS or (dim is None and len(self.size) != 1):
        raise Unlowered
    lowering.reduce(out, lowering.load(self, self.size), self.size, _dims(dim, len(self.size)), "argmax")


def _small_rows(ref):
    if math.prod(ref.size) > _LARGEST_ROWS or not ref.size:
        raise Unlowered


def _dot(lowering, self, tensor):
    _small_rows(self)
    out = lowering.call.outputs[0]
    lowering.reduce(out, lowering.load(self, self.size) * lowering.load(tensor, self.size), self.size, [0])


# --- products ---------------------------------------------------------------------------------------------------------


def _product(lowering, a, b, out, init=None):
    """out (m, n) = init + a (m, k) b (k, n), in loops over m, k, n."""
    (m, k), n = a.size, b.size[1]
    if m * k * n > _LARGEST_PRODUCT or out.dtype not in _FLOATS:
        raise Unlowered
    first = Expr("load", a.dtype, Access(a.storage, a.dtype, (a.stride[0], a.stride[1], 0), a.offset))
    second = Expr("load", b.dtype, Access(b.storage, b.dtype, (0, b.stride[0], b.stride[1]), b.offset))
    target = Access(out.storage, out.dtype, (out.stride[0], 0, out.stride[1]), out.offset)
    statement = Statement(target, Expr("mul", out.dtype, first, second), "product", (False, True, False), init)
    lowering._nest((m, k, n), statement)


def _mm(lowering, self, mat2):
    _product(lowering, self, mat2, lowering.call.outputs[0])


def _addmm(lowering, self, mat1, mat2, beta=1, alpha=1):
    out = lowering.call.outputs[0]
    if beta != 1 or alpha != 1:
        raise Unlowered
    access = lowering.access(self, out.size)
    init = Expr("load", self.dtype, Access(access.storage, access.dtype, (access.strides[0], 0, access.strides[1]), access.offset))
    _product(lowering, mat1, mat2, out, init)


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
                slab = _part(out, [*begins[:dim], begin, *begins[dim + 1 :]], [*extents[:dim], width, *extents[dim + 1 :]])
                lowering.store(slab, constant(value, out.dtype))
        begins[dim], extents[dim] = target[dim], size[dim]
    inside = _part(out, begins, extents)
    lowering.store(inside, lowering.load(_part(self, source, size), inside.size))


# --- windows ----------------------------------------------------------------------------------------------------------


def _places(lowering, ref, window, shape):
    """(its place in the window, the access) of each element of a window, in loops over the windows."""
    for place in itertools.product(*map(range, window)):
        steps = (1, 1, *window)
        strides = tuple(stride * step if extent != 1 else 0 for stride, step, extent in zip(ref.stride, steps, shape))
        offset = ref.offset + sum(at * stride for at, stride in zip(place, ref.stride[2:]))
        yield place, Access(ref.storage, ref.dtype, strides, offset)


def _window_max(lowering, x, window):
    out, largest = lowering.call.outputs[0], None
    for _, access in _places(lowering, x, window, out.size):
        value = Expr("load", x.dtype, access)
        largest = value if largest is None else where(_beats(value, largest), value, largest)
    lowering.store(out, largest)


def _beats(value, largest):
    return Expr("or", torch.bool, value > largest, value.compare("ne", value))


def _window_max_gradient(lowering, grad, x, window, relu):
    out, shape = lowering.call.outputs[0], tuple(grad.size)
    number, largest = None, None
    for index, (_, access) in enumerate(_places(lowering, x, window, shape)):
        value = Expr("load", x.dtype, access)
        if largest is None:
            largest, number = value, constant(0, torch.int32)
        else:
            better = _beats(value, largest)
            largest, number = where(better, value, largest), where(better, constant(index, torch.int32), number)
    arriving = lowering.load(grad, shape)
    if relu:
        arriving = where(largest <= 0.0, constant(0.0, grad.dtype), arriving)
    for index, (_, access) in enumerate(_places(lowering, out, window, shape)):
        here = number.compare("eq", constant(index, torch.int32))
        lowering._nest(shape, Statement(access, where(here, arriving, constant(0.0, out.dtype))))
    lowering.nests = _together(lowering.nests)
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


# --- softmax ----------------------------------------------------------------------------------------------------------


def _softmax(log):
    def lowered(lowering, self, dim, half_to_float=False):
        _small_rows(self)
        out, shape = lowering.call.outputs[0], self.size
        if out.dtype not in _FLOATS:
            raise Unlowered
        kept = tuple(1 if d == dim % len(shape) else n for d, n in enumerate(shape))
        largest, total = lowering.temporary(kept, out.dtype), lowering.temporary(kept, out.dtype)
        lowering.reduce(largest, lowering.load(self, shape), shape, [dim], "max")
        shifted = lowering.load(self, shape) - lowering.load(largest, shape)
        if log:
            lowering.reduce(total, call("exp", shifted), shape, [dim])
            lowering.store(out, shifted - call("log", lowering.load(total, shape)))
        else:
            lowering.store(out, call("exp", shifted))
            lowering.reduce(total, lowering.load(out, shape), shape, [dim])
            lowering.store(out, lowering.load(out, shape) / lowering.load(total, shape))

    return lowered


def _softmax_backward(log):
    def lowered(lowering, grad_output, output, dim, input_dtype=None):
        _small_rows(output)
        out, shape = lowering.call.outputs[0], output.size
        if out.dtype not in _FLOATS or input_dtype is not out.dtype:
            raise Unlowered
        kept = tuple(1 if d == dim % len(shape) else n for d, n in enumerate(shape))
        total = lowering.temporary(kept, out.dtype)
        grad, y = lowering.load(grad_output, shape), lowering.load(output, shape)
        lowering.reduce(total, grad if log else grad * y, shape, [dim])
        total = lowering.load(total, shape)
        lowering.store(out, grad - call("exp", y) * total if log else (grad - total) * y)

    return lowered


# --- losses -----------------------------------------------------------------------------------------------------------


def _loss(name):
    formula = LOSSES[name]

    def lowered(lowering, self, target, weight=None, reduction=1):
        out, shape = lowering.call.outputs[0], tuple(self.size)
        if target.size != self.size or out.dtype not in _FLOATS:
            raise Unlowered
        value = formula(lowering.load(self, shape), lowering.load(target, shape, self.dtype))
        if weight is not None:
            value = value * lowering.load(weight, shape, self.dtype)
        if reduction == 0:
            lowering.store(out, value)
            return
        total = out if reduction == 2 else lowering.temporary((), out.dtype)
        lowering.reduce(total, value, shape, range(len(shape)))
        if reduction == 1:
            lowering.store(out, lowering.load(total, ()) / float(math.prod(shape)))

    return lowered


def _loss_gradient(name):
    formula = LOSS_GRADIENTS[name]

    def lowered(lowering, grad_output, self, target, weight=None, reduction=1):
        out, shape = lowering.call.outputs[0], tuple(self.size)
        if target.size != self.size or out.dtype not in _FLOATS:
            raise Unlowered
        value = formula(
            lowering.load(grad_output, shape, out.dtype), lowering.load(self, shape), lowering.load(target, shape, out.dtype)
        )
        if weight is not None:
            value = value * lowering.load(weight, shape, out.dtype)
        lowering.store(out, value / float(math.prod(shape)) if reduction == 1 else value)

    return lowered


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
    lowering.nests = _together(lowering.nests)
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


# --- optimizers -------------------------------------------------------------------------------------------------------


def _small_update(params):
    if sum(math.prod(p.size) for p in params) > _LARGEST_UPDATE or any(p.dtype not in _FLOATS for p in params):
        raise Unlowered


def _number(lowering, value, shape, dtype):
    return lowering.load(value, shape, dtype) if isinstance(value, Ref) else constant(value, dtype)


def _fused_adam(decoupled):
    def lowered(
        lowering, self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, lr, beta1, beta2, weight_decay, eps,
        amsgrad, maximize, grad_scale=None, found_inf=None,
    ):  # fmt: skip
        _small_update(self)
        if grad_scale is not None or found_inf is not None:
            raise Unlowered
        shared = {}
        for index, param in enumerate(self):
            dtype, step = param.dtype, state_steps[index]
            key = (step, dtype)
            if key not in shared:
                # In double, as in the library: 1 - beta ** step is what is left of two numbers that are almost equal.
                rate, root = lowering.temporary((), dtype), lowering.temporary((), dtype)
                count = lowering.load(step, (), torch.float64)
                first = 1.0 - Expr("pow", torch.float64, constant(beta1, torch.float64), count)
                second = 1.0 - Expr("pow", torch.float64, constant(beta2, torch.float64), count)
                lowering.store(rate, _number(lowering, lr, (), torch.float64) / first)
                lowering.store(root, call("sqrt", second))
                shared[key] = rate, root
            rate, root = (lowering.load(ref, param.size) for ref in shared[key])
            p, grad = lowering.load(param, param.size), lowering.load(grads[index], param.size)
            grad = -grad if maximize else grad
            if weight_decay and decoupled:
                p = p - p * (_number(lowering, lr, param.size, dtype) * weight_decay)
            elif weight_decay:
                grad = grad + p * weight_decay
            m, v = lowering.load(exp_avgs[index], param.size), lowering.load(exp_avg_sqs[index], param.size)
            m = m + (grad - m) * (1 - beta1)
            v = v * beta2 + grad * (1 - beta2) * grad
            lowering.store(exp_avgs[index], m)
            lowering.store(exp_avg_sqs[index], v)
            if amsgrad:
                old = lowering.load(max_exp_avg_sqs[index], param.size)
                v = where(old < v, v, old)
                lowering.store(max_exp_avg_sqs[index], v)
            lowering.store(param, p - rate * m / (call("sqrt", v) / root + eps))
        lowering.nests = _together(lowering.nests)

    return lowered


def _fused_sgd(
    lowering, self, grads, momentum_buffer_list, weight_decay, momentum, lr, dampening, nesterov, maximize, is_first_step,
    grad_scale=None, found_inf=None,
):  # fmt: skip
    _small_update(self)
    if grad_scale is not None or found_inf is not None:
        raise Unlowered
    for index, param in enumerate(self):
        shape = param.size
        p, grad = lowering.load(param, shape), lowering.load(grads[index], shape)
        grad = -grad if maximize else grad
        if weight_decay:
            grad = grad + p * weight_decay
        if momentum:
            buffer = momentum_buffer_list[index]
            v = grad if is_first_step else lowering.load(buffer, shape) * momentum + grad * (1 - dampening)
            lowering.store(buffer, v)
            grad = grad + v * momentum if nesterov else v
        lowering.store(param, p - grad * _number(lowering, lr, shape, param.dtype))
    lowering.nests = _together(lowering.nests)


def _together(nests):
    """Statements of one shape that follow each other, in one nest: they share formulas, which must be computed once."""
    joined = []
    for nest in nests:
        if joined and joined[-1].extents == nest.extents and nest.extents:
            joined[-1].statements += nest.statements
        else:
            joined.append(nest)
    return joined


_SPECIAL = {
    "sum": _sum,
    "mean": _mean,
    "amax": _extreme("max"),
    "amin": _extreme("min"),
    "argmax": _argmax,
    "constant_pad_nd": _pad,
    "tandem::window_max": _window_max,
    "tandem::window_max_gradient": _window_max_gradient,
    "dot": _dot,
    "mm": _mm,
    "addmm": _addmm,
    "_softmax": _softmax(log=False),
    "_log_softmax": _softmax(log=True),
    "_softmax_backward_data": _softmax_backward(log=False),
    "_log_softmax_backward_data": _softmax_backward(log=True),
    **{name: _loss(name) for name in LOSSES},
    **{name: _loss_gradient(name) for name in LOSS_GRADIENTS},
    "native_batch_norm": _batch_norm,
    "native_batch_norm_backward": _batch_norm_backward,
    "_fused_adam": _fused_adam(decoupled=False),
    "_fused_adamw": _fused_adam(decoupled=True),
    "_fused_sgd": _fused_sgd,
}

