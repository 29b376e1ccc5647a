"""Functions that somebody else wrote, with their gradients, as nodes of torch's graph."""

import torch

__all__ = ["differentiable"]


class _Node(torch.autograd.Function):
    @staticmethod
    def forward(ctx, forward, backward, *tensors):
        ctx.backward_of = backward
        results = forward()
        ctx.mark_non_differentiable(*(result for result in results if not result.is_floating_point()))
        return results

    @staticmethod
    def backward(ctx, *incoming):
        if torch.is_grad_enabled():
            # The gradients of the gradients would lack what `backward_of` computes: better none than wrong ones.
            raise RuntimeError("a function whose gradient is given as code can be differentiated only once")
        return None, None, *ctx.backward_of(incoming, ctx.needs_input_grad[2:])


def differentiable(forward, backward, tensors):
    """The results of ``forward()``, whose gradients with respect to `tensors` are ``backward(incoming, needed)``.

    forward: gives a tuple of new tensors; backward: gets a gradient to each of them and a flag to each of `tensors`,
    whether a gradient is needed, and gives a gradient (or None) to each.
    Raises RuntimeError where the gradients are to be differentiated again.
    """
    return _Node.apply(forward, backward, *tensors)
