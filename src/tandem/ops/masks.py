"""Means and scores of which some entries are masked."""

import torch


def masked_mean(x, mask, axis=1, *, keepdims=False):
    """Mean over the steps that the mask keeps: ``sum(mask * x) / sum(mask)`` along `axis`.

    x: (N, L, C) with axis 1, or (N, C, L) with axis 2; mask: (N, L). Returns (N, C), with a 1 for the steps if
    `keepdims`.
    """
    weights = mask.to(x.dtype).unsqueeze(2 if axis == 1 else 1)
    return (x * weights).sum(axis, keepdim=keepdims) / weights.sum(axis, keepdim=keepdims)


def softmax(scores, mask, axes):
    """The softmax of scores over `axes`, of what the mask has; 0 for the others, also where the mask has nothing.

    mask: broadcasts to the scores.
    """
    mask = mask.to(torch.bool)
    y = without(scores, mask)
    axes = tuple(axis % y.dim() for axis in axes)
    rest = [axis for axis in range(y.dim()) if axis not in axes]
    flat = y.permute(*rest, *axes).flatten(len(rest))
    y = torch.softmax(flat, -1).reshape([scores.shape[axis] for axis in (*rest, *axes)])
    order = [*rest, *axes]
    return torch.where(mask, y.permute([order.index(axis) for axis in range(len(order))]), 0)


def without(scores, mask):
    """Scores with a number at the lower end of their dtype added where the mask is False: a softmax then gives 0."""
    lowest = -3e4 if scores.dtype == torch.float16 else -1e9
    return scores + (1.0 - mask.to(scores.dtype)) * lowest
