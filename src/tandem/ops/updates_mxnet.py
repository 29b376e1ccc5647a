"""Optimizer rules that only MXNet has, and its own version of one; see `updates` for what all rules share."""

import torch

from tandem.ops import updates

__all__ = ["adamw", "dcasgd", "ftml", "group_adagrad", "langevin", "lars", "nag", "sgd_of_tensors"]


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


def ftml(
    params,
    grads,
    scales,
    variances,
    shifted,
    *,
    rate,
    variance_factor,
    beta1=0.6,
    beta2=0.999,
    epsilon=1e-8,
    weight_decay=0.0,
    rescale=None,
    clip=None,
):
    """Follow the moving leader: ``v += (1-b2)(g^2 - v); d' = (sqrt(cv v) + epsilon) / rate``, and with s = d' - b1 d
    ``z = b1 z + (1-b1) g - s p; p = -z / d'``.

    scales: d; variances: v; shifted: z. rate: ``lr / (1 - b1^t)``; variance_factor: cv = ``1 / (1 - b2^t)``, 0-d
    tensors. Weight decay is inside the clip. Zheng and Kwok, 2017.
    """
    grads = updates.prepare(params, grads, rescale=rescale, clip=clip, weight_decay=weight_decay, decay="inside")
    torch._foreach_lerp_(variances, torch._foreach_mul(grads, grads), 1 - beta2)
    now = torch._foreach_mul(variances, variance_factor)
    torch._foreach_sqrt_(now)
    torch._foreach_add_(now, epsilon)
    torch._foreach_div_(now, rate)
    gaps = torch._foreach_add(now, scales, alpha=-beta1)
    torch._foreach_mul_(shifted, beta1)
    torch._foreach_add_(shifted, grads, alpha=1 - beta1)
    torch._foreach_addcmul_(shifted, gaps, params, value=-1.0)
    torch._foreach_copy_(scales, now)
    torch._foreach_copy_(params, torch._foreach_neg(torch._foreach_div(shifted, now)))


def dcasgd(
    params, grads, before, velocities=None, *, lr, delay=0.04, momentum=0.0, weight_decay=0.0, rescale=None, clip=None
):
    """Gradient descent for delayed gradients: ``s = lr (g + weight_decay p + delay g^2 (p - b)); p -= s``.

    before: b, which becomes the p before; velocities: with momentum ``v = momentum v - s; p += v`` instead.
    Zheng et al., 2017 (arXiv 1609.08326).
    """
    grads = updates.prepare(params, grads, rescale=rescale, clip=clip)
    steps = torch._foreach_sub(params, before)
    torch._foreach_mul_(steps, torch._foreach_mul(grads, grads))
    torch._foreach_mul_(steps, delay)
    torch._foreach_add_(steps, grads)
    if weight_decay:
        torch._foreach_add_(steps, params, alpha=weight_decay)
    torch._foreach_mul_(steps, lr)
    torch._foreach_copy_(before, params)
    if velocities is None:
        torch._foreach_sub_(params, steps)
        return
    torch._foreach_mul_(velocities, momentum)
    torch._foreach_sub_(velocities, steps)
    torch._foreach_add_(params, velocities)


def langevin(params, grads, *, lr, weight_decay=0.0, rescale=None, clip=None, generator=None):
    """Stochastic gradient Langevin dynamics: ``p += -lr / 2 (g + weight_decay p) + n``, n normal with variance lr.

    Welling and Teh, 2011.
    """
    grads = updates.prepare(params, grads, rescale=rescale, clip=clip, weight_decay=weight_decay)
    noise = [torch.empty_like(p).normal_(generator=generator) for p in params]
    torch._foreach_addcmul_(params, grads, [lr] * len(params), value=-0.5)
    torch._foreach_addcmul_(params, noise, [lr.sqrt()] * len(params))


def group_adagrad(params, grads, squares, *, lr, epsilon=1e-5, rescale=None, clip=None):
    """Adagrad with one sum for each row: ``s += mean(g^2); p -= lr g / sqrt(s + epsilon)``; squares: (rows, 1, ...)."""
    grads = updates.prepare(params, grads, rescale=rescale, clip=clip)
    means = [g.square().mean(tuple(range(1, g.dim())), keepdim=True) for g in grads]
    torch._foreach_add_(squares, means)
    steps = torch._foreach_add(squares, epsilon)
    torch._foreach_rsqrt_(steps)
    for p, g, step in zip(params, grads, steps):
        p.addcmul_(g, step * lr, value=-1.0)


def lars(
    params, grads, velocities=None, *, lr, momentum, eta=0.001, epsilon=0.0, weight_decay=0.0, rescale=None, clip=None
):
    """Gradient descent whose rate for each weight is ``lr eta |p| / (|g| + weight_decay |p| + epsilon)``.

    Where ``|p|`` or ``|g|`` is 0 the rate is lr. momentum: a 0-d tensor. You et al., 2017 (arXiv 1708.03888).
    """
    weights, slopes = torch.stack(torch._foreach_norm(params)), torch.stack(torch._foreach_norm(grads))
    if rescale is not None:
        slopes = slopes * rescale
    ratios = eta * weights / (slopes + weight_decay * weights + epsilon)
    rates = list((torch.where((weights > 0) & (slopes > 0), ratios, 1.0) * lr).unbind())
    grads = updates.prepare(params, grads, rescale=rescale, clip=clip, weight_decay=weight_decay)
    if velocities is None:
        torch._foreach_addcmul_(params, grads, rates, value=-1.0)
        return
    torch._foreach_mul_(velocities, momentum)
    torch._foreach_addcmul_(velocities, grads, rates, value=-1.0)
    torch._foreach_add_(params, velocities)


def adamw(
    params,
    grads,
    means,
    variances,
    *,
    lr,
    eta,
    scale,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
    weight_decay=0.0,
    clip=None,
):
    """Adam with decoupled decay: ``p -= eta (lr m / (sqrt(v) + epsilon) + weight_decay p)``, m and v of ``scale g``.

    scale: a 0-d tensor; where it is 0, infinite or NaN (a loss scale that overflowed) nothing changes. Loshchilov and
    Hutter, 2017 (arXiv 1711.05101).
    """
    usable = scale.isfinite() & (scale != 0)
    for p, g, m, v in zip(params, grads, means, variances):
        g = g.to(m.dtype) * scale
        if clip is not None:
            g = g.clamp(-clip, clip)
        mean, variance = torch.lerp(m, g, 1 - beta1), torch.lerp(v, g * g, 1 - beta2)
        step = eta * (lr * mean / (variance.sqrt() + epsilon) + weight_decay * p)
        for target, value in ((m, mean), (v, variance), (p, p - step)):
            target.copy_(torch.where(usable, value, target))


def sgd_of_tensors(params, grads, velocities=None, *, rates, decays, momentum=0.0, rescale=None, clip=None):
    """Gradient descent whose learning rate and weight decay are tensors, an element of each to a weight."""
    grads = updates.prepare(params, grads, rescale=rescale, clip=clip)
    grads = torch._foreach_addcmul(grads, params, [decay.to(p.dtype) for p, decay in zip(params, decays.unbind())])
    for number, (p, g, rate) in enumerate(zip(params, grads, rates.unbind())):
        velocity = None if velocities is None else [velocities[number]]
        updates.sgd([p], [g], velocity, lr=rate.to(p.dtype), momentum=momentum)
