"""Optimizer rules that look at a parameter as a whole: Adafactor, Muon; and the schedule-free AdamW.

As in `updates`: lists of tensors, in place, nothing read back; what changes from step to step is a 0-d tensor.
"""

import torch


def adafactor(
    param,
    grad,
    rows,
    columns,
    squares,
    *,
    lr,
    step,
    beta2_decay=-0.8,
    epsilon1=1e-30,
    epsilon2=1e-3,
    clip=1.0,
    relative,
):
    """Adafactor (Shazeer and Stern, 2018, arXiv 1804.04235) of one parameter.

    rows, columns: running means of squared gradients over the last and the last but one axis, None for a vector, for
    which squares is the running mean itself; else squares receives ``rows columns^T / mean(rows)``. step: t, 0-d float
    tensor; ``beta2 = 1 - t^beta2_decay``. relative: the rate is at most ``1 / sqrt(t)``. The step is
    ``max(epsilon2, rms(p)) * min(rate, 1/sqrt(t)) * u / max(1, rms(u) / clip)`` with ``u = g / sqrt(squares)``.
    """
    slowing = torch.rsqrt(step)
    rate = torch.minimum(lr, slowing) if relative else lr
    size = torch.minimum(rate, slowing) * _rms(param).clamp(min=epsilon2)
    new = torch.pow(step, beta2_decay)  # 1 - beta2
    energy = grad * grad + epsilon1
    if rows is None:
        squares.lerp_(energy, new)
    else:
        rows.lerp_(energy.mean(-1), new)
        columns.lerp_(energy.mean(-2), new)
        shares = rows / rows.mean(-1, keepdim=True)
        torch.mul(shares.unsqueeze(-1), columns.unsqueeze(-2), out=squares)
    update = grad * torch.rsqrt(squares)
    param.sub_(update * (size / (_rms(update) / clip).clamp(min=1.0)))


def _rms(x):
    return torch.sqrt(torch.mean(x * x))


def muon(params, grads, momentums, *, lr, momentum=0.95, nesterov=True, steps=5, coefficients, rms_rate=0.2):
    """Muon (Jordan, 2024): momentum, made orthogonal by `orthogonalize`, of matrices.

    ``m = momentum m + g; p -= lr s O(m)``, with nesterov ``O(g + momentum m)``; s is ``rms_rate sqrt(max(rows,
    columns))``, or 1 where rms_rate is None.
    """
    torch._foreach_mul_(momentums, momentum)
    torch._foreach_add_(momentums, grads)
    directions = torch._foreach_add(grads, momentums, alpha=momentum) if nesterov else momentums
    for param, direction in zip(params, directions):
        rows, columns = param.shape
        scale = 1.0 if rms_rate is None else rms_rate * max(rows, columns) ** 0.5
        param.sub_(orthogonalize(direction, steps, coefficients) * (lr * scale))


def orthogonalize(x, steps=5, coefficients=(3.4445, -4.775, 2.0315)):
    """A matrix with the singular vectors of x and singular values near 1, by Newton and Schulz's iteration.

    ``x = a x + (b A + c A A) x`` with ``A = x x^T``, beginning with ``x / |x|``.
    """
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = x.t() if tall else x
    x = x / (torch.linalg.vector_norm(x) + 1e-7)
    for _ in range(steps):
        square = x @ x.t()
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.t() if tall else x


def schedule_free(params, grads, fast, squares, *, lr, step, beta2=0.999, epsilon=1e-8, warmup=0):
    """Schedule-free AdamW as Keras has it: a fast sequence z, and the parameters as its mean.

    ``v += (1-b2)(g^2 - v); z -= lr min(1, t / warmup) g / (sqrt(v / (1 - b2^t)) + epsilon); p += (z - p) / t``.
    step: t, 0-d float tensor. Defazio et al., 2024 (arXiv 2405.15682).
    """
    torch._foreach_lerp_(squares, torch._foreach_mul(grads, grads), 1 - beta2)
    roots = torch._foreach_div(squares, 1.0 - torch.pow(beta2, step))
    torch._foreach_sqrt_(roots)
    torch._foreach_add_(roots, epsilon)
    if warmup:
        lr = lr * (step / float(warmup)).clamp(max=1.0)
    torch._foreach_addcmul_(fast, torch._foreach_div(grads, roots), [lr] * len(params), value=-1.0)
    torch._foreach_lerp_(params, fast, [1.0 / step] * len(params))
