"""Optimizer rules that only MXNet has, and its own version of one; see `updates` for what all rules share."""

import torch

from tandem.ops import updates

__all__ = ["nag"]


def nag(params, grads, velocities, *, lr, momentum, weight_decay=0.0, rescale=None, clip=None):
    """Nesterov's momentum as MXNet 1.9 stores it: ``p += momentum v - lr g`` with ``v = momentum v - lr g``.

    `updates.sgd` does the same but for weight decay: MXNet's kernel writes p before v, so that the decay in the v it
    keeps is that of the new p.
    """
    grads = updates.prepare(params, grads, rescale=rescale, clip=clip)
    if not weight_decay:
        updates.sgd(params, grads, velocities, lr=lr, momentum=momentum, nesterov=True)
        return
    steps = torch._foreach_mul(grads, lr)
    decay = lr * weight_decay
    torch._foreach_mul_(velocities, momentum)
    torch._foreach_sub_(velocities, steps)
    # p + momentum (v - decay p) - step - decay p, with v so far without decay.
    shrunk = torch._foreach_mul(params, 1 - decay * (1 + momentum))
    torch._foreach_add_(shrunk, velocities, alpha=momentum)
    torch._foreach_sub_(shrunk, steps)
    torch._foreach_copy_(params, shrunk)
    torch._foreach_addcmul_(velocities, params, [decay] * len(params), value=-1.0)
