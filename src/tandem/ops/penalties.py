"""Penalties of weights (regularizers) and projections onto sets of weights (constraints)."""

import torch


def l1(x, factor):
    """``factor * sum |x|``."""
    return x.abs().sum() * factor


def l2(x, factor):
    """``factor * sum x^2``."""
    return x.square().sum() * factor


def orthogonal(x, factor, mode="rows"):
    """``factor * sum_{i<j} |<v_i, v_j>| / (n (n - 1) / 2)`` over the unit vectors of the rows (or columns) of a matrix.

    x: (rows, columns); mode: "rows" or "columns". The mean is over pairs; one vector alone has no penalty.
    """
    vectors = x if mode == "rows" else x.t()
    vectors = vectors * torch.rsqrt(vectors.square().sum(1, keepdim=True).clamp_min(1e-12))
    products = (vectors @ vectors.t()).fill_diagonal_(0.0)
    count = products.shape[0] * (products.shape[0] - 1)
    return products.abs().sum() * (factor / max(count, 1))


def _norm(x, axes):
    return x.square().sum(axes, keepdim=True).sqrt()


def max_norm(x, largest, axes, epsilon):
    """x, scaled down where its norm over `axes` exceeds `largest`: ``x * clip(|x|, 0, largest) / (epsilon + |x|)``."""
    norm = _norm(x, axes)
    return x * (norm.clamp(0, largest) / (norm + epsilon))


def min_max_norm(x, smallest, largest, rate, axes, epsilon):
    """x with its norm over `axes` drawn into [smallest, largest] by `rate` (1: wholly)."""
    norm = _norm(x, axes)
    wanted = norm.clamp(smallest, largest) * rate + norm * (1 - rate)
    return x * (wanted / (norm + epsilon))


def unit_norm(x, axes, epsilon):
    """``x / (epsilon + |x|)`` with the norm over `axes`."""
    return x / (_norm(x, axes) + epsilon)


def non_negative(x):
    """x, 0 where it is negative."""
    return x.clamp_min(0)
