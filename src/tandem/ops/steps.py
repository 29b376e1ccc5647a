"""What surrounds an optimizer's rule in a training step: counting, accumulated gradients, averages, loss scale,
schedules.

All of it works on tensors in place and reads nothing back. A schedule takes the number of steps as a 0-d tensor and
gives the learning rate as a 0-d float32 tensor.
"""

import math

import torch


def count(counter):
    """``counter += 1``, in place."""
    counter.add_(1)


def quotient(counter, number):
    """``floor(counter / number)``."""
    return torch.div(counter, number, rounding_mode="floor")


def clear(tensors):
    """Set each tensor to 0."""
    torch._foreach_zero_(tensors)


def rescale(tensors, factor):
    """``factor * t`` of each; factor: a number or a 0-d tensor."""
    return torch._foreach_mul(tensors, factor)


def mean_with(sums, grads, number):
    """``(sum + g) / number`` of each: the mean gradient of ``number`` batches, the last of them not yet in the sums."""
    means = torch._foreach_add(sums, grads)
    torch._foreach_div_(means, float(number))
    return means


def moving_average(averages, params, momentum, steps):
    """``average = momentum * average + (1 - momentum) * p``, and ``average = p`` in the first step (``steps`` is 0)."""
    weight = torch.where(steps == 0, 1.0, 1.0 - momentum)
    torch._foreach_lerp_(averages, params, [weight.to(p.dtype) for p in params])


def swap(first, second):
    """Exchange the values of two lists of tensors."""
    kept = torch._foreach_clone(first) if hasattr(torch, "_foreach_clone") else [tensor.clone() for tensor in first]
    torch._foreach_copy_(first, second)
    torch._foreach_copy_(second, kept)


def all_finite(grads):
    """Whether no element of any gradient is NaN or infinite: a 0-d bool tensor."""
    return torch.stack(torch._foreach_norm(grads, float("inf"))).sum().isfinite()


def adjust_loss_scale(scale, counter, finite, growth_steps):
    """Halve the scale after a step with a gradient that was not finite; double it after ``growth_steps`` good ones.

    scale: 0-d float tensor, counter: 0-d integer tensor of good steps since the last change; both in place.
    Micikevicius et al., 2017 (arXiv 1710.03740).
    """
    good = torch.where(finite, counter + 1, 0)
    grown = good >= growth_steps
    scale.copy_(torch.where(finite, torch.where(grown, scale * 2.0, scale), scale * 0.5))
    counter.copy_(torch.where(grown, 0, good))


def choose(condition, targets, before):
    """Put the values ``before`` back into each target, unless ``condition`` (a 0-d bool tensor) holds."""
    for target, old in zip(targets, before):
        target.copy_(torch.where(condition, target, old))


def phase(count, accumulate, often):
    """(update, overwrite): two 0-d bool tensors for the step that comes after ``count`` steps.

    ``update = (count + 1) mod accumulate == 0``; ``overwrite = (floor(count / accumulate) + 1) mod often == 0``, and
    None where ``often`` is 0.
    """
    update = (count + 1) % accumulate == 0
    return update, (quotient(count, accumulate) + 1) % often == 0 if often else None


def gather(sums, grads, clear):
    """``sum = 0`` where ``clear`` (a 0-d bool tensor) holds, else ``sum += g``, for each sum in place."""
    torch._foreach_add_(sums, grads)
    for total in sums:
        total.masked_fill_(clear, 0)


def put(condition, targets, values):
    """``target = value`` for each, in place, where ``condition`` (a 0-d bool tensor) holds."""
    for target, value in zip(targets, values):
        target.copy_(torch.where(condition, value, target))


def inverse_time_rate(rate, steps, decay):
    """``rate / (1 + decay * steps)``: Keras 2's `decay`."""
    return rate / (steps.to(rate.dtype) * decay + 1.0)


def exponential_decay(steps, initial, decay_steps, decay_rate, staircase=False):
    """``initial * decay_rate ^ (steps / decay_steps)``, the exponent rounded down with ``staircase``."""
    exponent = steps.to(torch.float32) / float(decay_steps)
    if staircase:
        exponent = exponent.floor()
    return initial * torch.pow(float(decay_rate), exponent)


def inverse_time_decay(steps, initial, decay_steps, decay_rate, staircase=False):
    """``initial / (1 + decay_rate * steps / decay_steps)``, the quotient rounded down with ``staircase``."""
    turns = steps.to(torch.float32) / float(decay_steps)
    if staircase:
        turns = turns.floor()
    return initial / (turns * float(decay_rate) + 1.0)


def polynomial_decay(steps, initial, decay_steps, end, power=1.0, cycle=False):
    """``(initial - end) * (1 - s / decay_steps) ^ power + end`` with ``s = min(steps, decay_steps)``.

    cycle: begin again after each ``decay_steps``, over the least multiple of them that the steps have not passed.
    """
    steps = steps.to(torch.float32)
    if cycle:
        turns = torch.where(steps == 0, 1.0, (steps / float(decay_steps)).ceil())
        fraction = steps / (turns * float(decay_steps))
    else:
        fraction = steps.clamp(max=float(decay_steps)) / float(decay_steps)
    return (initial - end) * torch.pow(1.0 - fraction, float(power)) + end


def piecewise_constant(steps, boundaries, values):
    """``values[k]``, k the number of boundaries that the steps have passed (a boundary itself belongs below)."""
    steps = steps.to(torch.float32)
    rate = torch.full((), float(values[0]), device=steps.device)
    for boundary, value in zip(boundaries, values[1:]):
        rate = torch.where(steps > float(boundary), float(value), rate)
    return rate


def cosine_decay(steps, initial, decay_steps, alpha=0.0, warmup_target=None, warmup_steps=0):
    """Half a cosine from ``initial`` (or, after a warm-up, ``warmup_target``) to ``alpha`` times that.

    warmup_target, warmup_steps: rise in a straight line from ``initial`` first. Loshchilov and Hutter, 2016
    (arXiv 1608.03983).
    """
    steps = steps.to(torch.float32)
    top = initial if warmup_target is None else warmup_target
    down = steps if warmup_target is None else steps - float(warmup_steps)
    cosine = 0.5 * (1.0 + torch.cos(math.pi * down.clamp(max=float(decay_steps)) / float(decay_steps)))
    rate = top * ((1.0 - alpha) * cosine + alpha)
    if warmup_target is None:
        return rate
    up = (warmup_target - initial) * (steps / float(warmup_steps)) + initial
    return torch.where(steps < float(warmup_steps), up, rate) if warmup_steps else rate


def cosine_restarts(steps, initial, first_steps, t_mul=2.0, m_mul=1.0, alpha=0.0):
    """`cosine_decay` that begins again: period i is ``first_steps * t_mul^i`` long and starts at ``initial *
    m_mul^i``.
    """
    done = steps.to(torch.float32) / float(first_steps)
    if t_mul == 1.0:
        period = done.floor()
        fraction = done - period
    else:
        # Computed in double precision: at a restart the logarithm must not fall short of a whole number.
        exact = done.to(torch.float64)
        period = (torch.log(1.0 - exact * (1.0 - t_mul)) / math.log(t_mul)).add(1e-9).floor()
        start = (1.0 - torch.pow(float(t_mul), period)) / (1.0 - t_mul)
        fraction = ((exact - start) / torch.pow(float(t_mul), period)).to(torch.float32)
        period = period.to(torch.float32)
    cosine = 0.5 * torch.pow(float(m_mul), period) * (1.0 + torch.cos(math.pi * fraction))
    return initial * ((1.0 - alpha) * cosine + alpha)


def scaled(rate, factor):
    """``rate * factor`` in the dtype of the rate."""
    return rate * factor.to(rate.dtype)


def moment_factors(steps, beta1, beta2):
    """``1 / (1 - beta1^t)`` and ``1 / (1 - beta2^t)`` of the step t that comes after ``steps`` steps."""
    number = steps.to(torch.float32) + 1.0
    return 1.0 / (1.0 - torch.pow(beta1, number)), 1.0 / (1.0 - torch.pow(beta2, number))


def scale(value, factor):
    """``value * factor``."""
    return value * factor


def add(a, b):
    """``a + b``."""
    return a + b


def total(value):
    """The sum of all elements, a scalar."""
    return value.sum() if value.dim() else value


def number(steps, dtype):
    """The number of the step that comes after ``steps`` steps, as a floating point tensor."""
    return steps.to(dtype) + 1.0


def inverse(value):
    """``1 / value``."""
    return 1.0 / value


def ascend(weights, grads, distance):
    """Move the weights by ``distance * grad / norm of all gradients``, in place; gives the moves."""
    norm = torch.stack(torch._foreach_norm(grads)).norm()
    moves = torch._foreach_mul(grads, distance / (norm + 1e-12))
    with torch.no_grad():
        torch._foreach_add_(weights, moves)
    return moves


def descend(weights, moves):
    """Take back the moves of `ascend`, in place."""
    with torch.no_grad():
        torch._foreach_sub_(weights, moves)
