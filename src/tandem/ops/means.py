"""Keras's running sums and means: a sample counts once, whatever number of values it has (compare `scores.mean_`).

State tensors are added to in place; nothing is read back.
"""

import torch

from tandem.ops import scores


def accumulate(total, value):
    """``total += value``, in place; value: a tensor or a number."""
    total.add_(value)


def with_mask(values, weights, mask):
    """The weights times the mask (0 or 1, of the leading axes of values), None where there is neither."""
    if mask is not None:
        mask = mask.to(values.dtype)
        weights = mask if weights is None else _fit(weights.to(values.dtype), mask) * mask
    if weights is not None and 1 < weights.dim() < values.dim():
        weights = weights.reshape(*weights.shape, *[1] * (values.dim() - weights.dim()))
    return weights


def add_mean(total, count, values, weights=None, mask=None):
    """``total += sum(w * v); count += sum(w)``, v the mean of each sample's values and w its mean weight (1 without).

    values: (batch, ...) or a scalar; weights: a number (of a scalar), or a tensor that fits the leading axes of values
    or broadcasts to them; mask: 0 or 1 likewise. ``total / count`` is the running weighted mean.
    """
    if isinstance(weights, (int, float)):
        scores.mean_of_(total, count, values.to(total.dtype), weights)
        return
    values = values.to(total.dtype)
    if weights is None and mask is None:
        samples = len(values) if values.dim() else 1
        # One addition: a sample's mean is its sum over the number of its values.
        total.add_(values.sum(), alpha=samples / max(values.numel(), 1))
        count.add_(samples)
        return
    values, weights = _samplewise(values, weights, mask)
    total.add_(values.sum())
    count.add_(weights.sum())


def _samplewise(values, weights, mask):
    """(weighted mean values, mean weights), one of each to a sample."""
    weights = with_mask(values, weights, mask).to(values.dtype)
    if weights.dim() == values.dim() + 1 and weights.shape[-1] == 1:
        if values.dim() == 1:
            values = values.unsqueeze(-1)
        else:
            weights = weights.squeeze(-1)
    elif values.dim() == weights.dim() + 1 and values.shape[-1] == 1 and weights.dim() > 1:
        values = values.squeeze(-1)
    if values.dim() > weights.dim():
        values = values.mean(tuple(range(weights.dim(), values.dim())))
    values = values * weights
    if values.dim() > 1:
        values = values.mean(tuple(range(1, values.dim())))
    if weights.dim() > 1:
        weights = weights.mean(tuple(range(1, weights.dim())))
    return values, weights


def _fit(weights, mask):
    if weights.dim() == mask.dim() + 1 and weights.shape[-1] == 1:
        return weights.squeeze(-1)
    if weights.dim() < mask.dim():
        return weights.reshape(*weights.shape, *[1] * (mask.dim() - weights.dim()))
    return weights


def root_mean(total, count):
    """``sqrt(total / count)``, 0 where the count is 0."""
    return torch.sqrt(scores.ratio(total, count))


def negated(value):
    """``-value``."""
    return -value
