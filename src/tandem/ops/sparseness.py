"""A penalty on units that are active too often, which is seen in gradients only."""

import torch

__all__ = ["attach"]


class _Attached(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, average, target, penalty, momentum):
        ctx.save_for_backward(x)
        ctx.average, ctx.options = average, (target, penalty, momentum)
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        (x,), average = ctx.saved_tensors, ctx.average
        target, penalty, momentum = ctx.options
        rows = x.detach().reshape(x.shape[0], average.shape[0], -1).sum(2).mean(0)
        average.mul_(momentum).add_(rows, alpha=1 - momentum)
        slope = penalty * ((1 - target) / (1 - average) - target / average)
        return grad + slope.reshape(1, -1, *[1] * (x.dim() - 2)), None, None, None, None


def attach(x, average, *, target, penalty, momentum):
    """``y = x``, whose gradient has ``penalty ((1 - target) / (1 - a) - target / a)`` added to each unit's.

    x: (rows, units), between 0 and 1; average: (units,), a: ``momentum a + (1 - momentum) mean(x)``, which each
    backward pass moves. That is the gradient of ``penalty KL(target || a)``.
    """
    return _Attached.apply(x, average, target, penalty, momentum)
