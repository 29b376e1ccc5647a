"""Categories as numbers: finding entries of a vocabulary, encoding their numbers, bins of numbers."""

import torch


def find(x, keys, places, *, oov_start=0, oov_count=1):
    """Where each number of x stands in a vocabulary: ``places[i]`` for ``keys[i] == x``, and for others bin
    ``oov_start + x mod oov_count``, -1 where oov_count is 0.

    x: whole numbers of any shape; keys: sorted; places: of keys' shape.
    """
    x = x.long()
    if not keys.numel():
        known, at = torch.zeros_like(x, dtype=torch.bool), torch.zeros_like(x)
    else:
        index = torch.searchsorted(keys, x).clamp_max(keys.numel() - 1)
        known, at = keys[index] == x, places[index]
    if not oov_count:
        return torch.where(known, at, -1)
    other = oov_start + (torch.remainder(x, oov_count) if oov_count > 1 else torch.zeros_like(x))
    return torch.where(known, at, other)


def pick(x, values, other):
    """``values[x]``, and `other` for numbers that it does not have."""
    x = x.long()
    inside = (x >= 0) & (x < values.numel())
    return torch.where(inside, values[torch.where(inside, x, 0)], other)


def encode(x, depth, mode, *, weights=None, count_weights=None, dtype=torch.int64):
    """Numbers below `depth` as rows of that length; negative numbers count for nothing.

    mode: "one_hot", (..., depth) for each number (a last axis of size 1 is dropped); "multi_hot", 1 for what is in the
    last axis; "count", how often; "tf_idf", how often, times weights (depth,). count_weights: of x's shape, added up in
    place of 1. Scalars count as one row.
    """
    x = x.long()
    if mode == "one_hot":
        x = x.squeeze(-1) if x.dim() > 1 and x.shape[-1] == 1 else x
        x = x.reshape(1) if x.dim() == 0 else x
        return _rows(x.unsqueeze(-1), depth, None).to(dtype)
    x = x.reshape(1) if x.dim() == 0 else x
    rows = _rows(x, depth, count_weights)
    if mode == "multi_hot":
        return (rows > 0).to(dtype)
    return (rows if weights is None else rows * weights).to(dtype)


def _rows(x, depth, weights):
    inside = (x >= 0) & (x < depth)
    value = inside.to(torch.float32)
    if weights is not None:
        value = value * weights.to(torch.float32)
    rows = torch.zeros(*x.shape[:-1], depth, device=x.device)
    return rows.scatter_add(-1, torch.where(inside, x, 0), value)


def bins(x, boundaries):
    """How many of the boundaries (sorted) are not above each number of x."""
    return torch.bucketize(x, boundaries, right=True)


def idf(documents, counts):
    """``log(1 + documents / (1 + counts))``: counts of the documents that have a word."""
    return torch.log(1 + documents / (1 + torch.as_tensor(counts, dtype=torch.float64)))
