"""Counting values into bins."""

import torch


def histogram(x, edges):
    """How many values lie in each bin ``edges[i] <= x < edges[i + 1]``, the last edge included: int64 counts."""
    values, edges = x.reshape(-1).contiguous(), edges.to(x.dtype).contiguous()
    bins = edges.shape[0] - 1
    place = torch.bucketize(values, edges, right=True) - 1
    place = torch.where(values == edges[-1], bins - 1, place)
    inside = (place >= 0) & (place < bins)
    counts = torch.zeros(bins + 1, dtype=torch.int64, device=x.device)
    counts.index_add_(0, torch.where(inside, place, bins), torch.ones_like(place))
    return counts[:bins]


def bincount(x, weights=None, minlength=0):
    """How often each number from 0 on occurs in a vector of whole numbers, or the sums of their weights.

    The result, of x's dtype or the weights', has an entry for each number up to the largest, at least `minlength`.
    Raises TypeError for floating point numbers, ValueError for negative ones and for more than one axis.
    """
    if x.is_floating_point() or x.dtype is torch.bool:
        raise TypeError(f"bincount() counts whole numbers, got {x.dtype}")
    if x.dim() > 1:
        raise ValueError(f"bincount() counts in one axis, got {tuple(x.shape)}")
    x = x.reshape(-1)
    if x.numel() and int(x.min()) < 0:
        raise ValueError("bincount() counts numbers from 0 on, got a negative one")
    size = max(minlength, int(x.max()) + 1 if x.numel() else 0)
    if weights is None:
        return torch.bincount(x, minlength=size).to(x.dtype)
    sums = torch.zeros(size, dtype=weights.dtype, device=x.device)
    return sums.index_add(0, x.long(), weights)
