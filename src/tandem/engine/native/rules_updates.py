"""Optimizers' fused kernels as loops."""

import math

import torch

from tandem.engine.native.lowering import FLOATS, Unlowered, together
from tandem.engine.native.nests import Expr, call, constant, where
from tandem.engine.record import Ref

# An optimizer's fused kernel is the library's above this many parameters.
_LARGEST_UPDATE = 65_536


# --- optimizers -------------------------------------------------------------------------------------------------------


def _small_update(params):
    if sum(math.prod(p.size) for p in params) > _LARGEST_UPDATE or any(p.dtype not in FLOATS for p in params):
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
        lowering.nests = together(lowering.nests)

    return lowered


def _fused_sgd(
    lowering,
    self,
    grads,
    momentum_buffer_list,
    weight_decay,
    momentum,
    lr,
    dampening,
    nesterov,
    maximize,
    is_first_step,
    grad_scale=None,
    found_inf=None,
):
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
    lowering.nests = together(lowering.nests)


RULES = {
    "_fused_adam": _fused_adam(decoupled=False),
    "_fused_adamw": _fused_adam(decoupled=True),
    "_fused_sgd": _fused_sgd,
}
