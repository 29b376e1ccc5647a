"""Mean and variance of data that comes in batches, and numbers brought to another scale by them."""

import torch


def of(x, kept=()):
    """(mean, variance, count) of a batch over all axes but `kept`; variance is biased, count a number."""
    x = x.to(torch.float64 if x.dtype == torch.float64 else torch.float32)
    axes = [axis for axis in range(x.dim()) if axis not in kept]
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    if not axes:
        return x, torch.zeros_like(x), 1
    variance, mean = torch.var_mean(x, axes, correction=0)
    return mean, variance, count


def merge(a, b):
    """The (mean, variance, count) of two batches together; a may be None. Chan et al., 1979."""
    if a is None:
        return b
    total = a[2] + b[2]
    part = b[2] / total
    shift = b[0] - a[0]
    mean = a[0] + shift * part
    variance = a[1] * (1 - part) + b[1] * part + shift.square() * (part * (1 - part))
    return mean, variance, total


def normalize(x, mean, variance, epsilon=1e-7):
    """``(x - mean) / max(sqrt(variance), epsilon)``."""
    return (x - mean) / torch.sqrt(variance).clamp_min(epsilon)


def restore(x, mean, variance, epsilon=1e-7):
    """``mean + x * max(sqrt(variance), epsilon)``."""
    return mean + x * torch.sqrt(variance).clamp_min(epsilon)


def affine(x, scale, offset):
    """``x * scale + offset``."""
    return x * scale + offset
