"""Entries at indices along an axis, or at points of several axes, sample by sample where asked."""

import torch


def take(x, indices, axis=0, batch_dims=0):
    """``x[b..., :, indices[b..., i...], :]``: entries along `axis`, the first `batch_dims` axes gone through together.

    indices: (batch..., i...), from 0; result: (batch..., axes of x before `axis`, i..., axes of x after it).
    """
    indices = indices.long()
    if not batch_dims:
        flat = torch.index_select(x, axis, indices.reshape(-1))
        return flat.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    axis += x.dim() if axis < 0 else 0
    batch = x.shape[:batch_dims]
    before, after = x.shape[batch_dims:axis], x.shape[axis + 1 :]
    flat = indices.reshape(*batch, *[1] * len(before), -1, *[1] * len(after))
    flat = flat.expand(*batch, *before, flat.shape[batch_dims + len(before)], *after)
    return torch.gather(x, axis, flat).reshape(*batch, *before, *indices.shape[batch_dims:], *after)


def take_nd(x, indices, batch_dims=0):
    """``x[b..., indices[b..., :]]``: the entries or blocks at points of the axes after the first `batch_dims`.

    indices: (batch..., n..., axes indexed); result: (batch..., n..., axes of x that are not indexed).
    """
    indices = indices.long()
    points = indices.unbind(-1)
    batch = []
    for axis in range(batch_dims):
        numbers = torch.arange(x.shape[axis], device=x.device)
        batch.append(numbers.reshape(-1, *[1] * (indices.dim() - 2 - axis)))
    return x[(*batch, *points)] if batch or points else x.expand(*indices.shape[:-1], *x.shape)
