"""Means and scores of which some entries are masked."""

import torch


def masked_mean(x, mask, axis=1, *, keepdims=False):
    """Mean over the steps that the mask keeps: ``sum(mask * x) / sum(mask)`` along `axis`.

    x: (N, L, C) with axis 1, or (N, C, L) with axis 2; mask: (N, L). Returns (N, C), with a 1 for the steps if
    `keepdims`.
    """
    weights = mask.to(x.dtype).unsqueeze(2 if axis == 1 else 1)
    return (x * weights).sum(axis, keepdim=keepdims) / weights.sum(axis, keepdim=keepdims)


def without(scores, mask):
    """Scores with a number at the lower end of their dtype added where the mask is False: a softmax then gives 0."""
    lowest = -3e4 if scores.dtype == torch.float16 else -1e9
    return scores + (1.0 - mask.to(scores.dtype)) * lowest
