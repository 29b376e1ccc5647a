"""Reductions, small products, softmax and losses as loops."""

import math

from tandem.engine.native.formulas import LOSS_GRADIENTS, LOSSES
from tandem.engine.native.lowering import FLOATS, Unlowered
from tandem.engine.native.nests import Access, Expr, Statement, call

# A product of at most this many multiplications is cheaper in place than a call of the library. The library's kernels
# are better than these loops beyond it.
_LARGEST_PRODUCT = 20_000

# Rows' reductions and what is made of them (softmax, argmax) are the library's above this many elements.
_LARGEST_ROWS = 16_384


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
    if out.dtype not in FLOATS:
        raise Unlowered
    count = math.prod(self.size[d] for d in dims)
    total = lowering.temporary(out.size, out.dtype)
    lowering.reduce(total, lowering.load(self, self.size, out.dtype), self.size, dims)
    lowering.store(out, lowering.load(total, out.size) / float(count))


def _extreme(how):
    def lowered(lowering, self, dim=None):
        out = lowering.call.outputs[0]
        _small_rows(self)
        if out.dtype not in FLOATS:
            raise Unlowered
        lowering.reduce(out, lowering.load(self, self.size), self.size, _dims(dim, len(self.size)), how)

    return lowered


def _argmax(lowering, self, dim=None):
    out = lowering.call.outputs[0]
    _small_rows(self)
    if self.dtype not in FLOATS or (dim is None and len(self.size) != 1):
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
    if m * k * n > _LARGEST_PRODUCT or out.dtype not in FLOATS:
        raise Unlowered
    first = Expr("load", a.dtype, Access(a.storage, a.dtype, (a.stride[0], a.stride[1], 0), a.offset))
    second = Expr("load", b.dtype, Access(b.storage, b.dtype, (0, b.stride[0], b.stride[1]), b.offset))
    target = Access(out.storage, out.dtype, (out.stride[0], 0, out.stride[1]), out.offset)
    statement = Statement(target, Expr("mul", out.dtype, first, second), "product", (False, True, False), init)
    lowering.nest((m, k, n), statement)


def _mm(lowering, self, mat2):
    _product(lowering, self, mat2, lowering.call.outputs[0])


def _addmm(lowering, self, mat1, mat2, beta=1, alpha=1):
    out = lowering.call.outputs[0]
    if beta != 1 or alpha != 1:
        raise Unlowered
    access = lowering.access(self, out.size)
    init = Expr(
        "load",
        self.dtype,
        Access(access.storage, access.dtype, (access.strides[0], 0, access.strides[1]), access.offset),
    )
    _product(lowering, mat1, mat2, out, init)


# --- softmax ----------------------------------------------------------------------------------------------------------


def _softmax(log):
    def lowered(lowering, self, dim, half_to_float=False):
        _small_rows(self)
        out, shape = lowering.call.outputs[0], self.size
        if out.dtype not in FLOATS:
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
        if out.dtype not in FLOATS or input_dtype is not out.dtype:
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
        if target.size != self.size or out.dtype not in FLOATS:
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
        if target.size != self.size or out.dtype not in FLOATS:
            raise Unlowered
        value = formula(
            lowering.load(grad_output, shape, out.dtype),
            lowering.load(self, shape),
            lowering.load(target, shape, out.dtype),
        )
        if weight is not None:
            value = value * lowering.load(weight, shape, out.dtype)
        lowering.store(out, value / float(math.prod(shape)) if reduction == 1 else value)

    return lowered


RULES = {
    "sum": _sum,
    "mean": _mean,
    "amax": _extreme("max"),
    "amin": _extreme("min"),
    "argmax": _argmax,
    "dot": _dot,
    "mm": _mm,
    "addmm": _addmm,
    "_softmax": _softmax(log=False),
    "_log_softmax": _softmax(log=True),
    "_softmax_backward_data": _softmax_backward(log=False),
    "_log_softmax_backward_data": _softmax_backward(log=True),
    **{name: _loss(name) for name in LOSSES},
    **{name: _loss_gradient(name) for name in LOSS_GRADIENTS},
}
