"""LAMB, whole and in its two phases, and other rules that scale a step by norms; see `updates` for what rules share.

You et al., 2019 (arXiv 1904.00962) and 2017 (arXiv 1708.03888).
"""

import torch

from tandem.ops import updates

__all__ = ["lamb", "lamb_directions", "lamb_steps", "lars_rates"]


def lamb(
    params,
    grads,
    means,
    variances,
    *,
    lr,
    mean_factor=None,
    variance_factor=None,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-7,
    weight_decay=0.0,
    lower=None,
    upper=None,
    rescale=None,
    clip=None,
):
    """LAMB: Adam's step ``r = cm m / (sqrt(cv v) + epsilon) + weight_decay p``, then ``p -= lr (|p| / |r|) r``.

    mean_factor, variance_factor: cm = 1 / (1 - b1^t), cv = 1 / (1 - b2^t), 0-d tensors; None is 1. lower, upper: bounds
    on ``|p|``. Where ``|p|`` or ``|r|`` is 0 the ratio is 1.
    """
    steps = lamb_directions(
        params,
        grads,
        means,
        variances,
        mean_factor=mean_factor,
        variance_factor=variance_factor,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
        rescale=rescale,
        clip=clip,
    )
    weights = torch.stack(torch._foreach_norm(params))
    lengths = torch.stack(torch._foreach_norm(steps))
    lamb_steps(params, steps, weights, lengths, lr=lr, lower=lower, upper=upper)


def lamb_directions(
    params,
    grads,
    means,
    variances,
    *,
    mean_factor=None,
    variance_factor=None,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-7,
    weight_decay=0.0,
    rescale=None,
    clip=None,
):
    """The first phase of `lamb`: moves m and v, and gives the list of r."""
    grads = updates.prepare(params, grads, rescale=rescale, clip=clip)
    torch._foreach_lerp_(means, grads, 1 - beta1)
    torch._foreach_lerp_(variances, torch._foreach_mul(grads, grads), 1 - beta2)
    if variance_factor is None:
        roots = torch._foreach_sqrt(variances)
    else:
        roots = torch._foreach_mul(variances, variance_factor)
        torch._foreach_sqrt_(roots)
    torch._foreach_add_(roots, epsilon)
    steps = torch._foreach_div(means, roots)
    if mean_factor is not None:
        torch._foreach_mul_(steps, mean_factor)
    if weight_decay:
        torch._foreach_add_(steps, params, alpha=weight_decay)
    return steps


def lamb_steps(params, steps, weights, lengths, *, lr, lower=None, upper=None):
    """The second phase of `lamb`: ``p -= lr (|p| / |r|) r``.

    weights, lengths: ``|p|`` and ``|r|`` of all, as one tensor each with one element to a parameter.
    """
    if lower is not None or upper is not None:
        weights = weights.clamp(lower, upper)
    ratios = torch.where((weights > 0) & (lengths > 0), weights / lengths, 1.0) * lr
    torch._foreach_addcmul_(params, steps, list(ratios.unbind()), value=-1.0)


def lars_rates(rates, weight_squares, grad_squares, decays, *, eta, epsilon, rescale=1.0):
    """``rate eta |p| / (|g| + decay |p| + epsilon)``, and the rate itself where ``|p|`` or ``|g|`` is 0.

    rates, weight_squares (``|p|^2``), grad_squares (``|g|^2``, before ``rescale``), decays: tensors of one shape.
    """
    weights, slopes = weight_squares.sqrt(), grad_squares.sqrt() * rescale
    scaled = rates * eta * weights / (slopes + decays * weights + epsilon)
    return torch.where((weights > 0) & (grad_squares > 0), scaled, rates)
