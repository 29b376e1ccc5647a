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
