"""Reducing the rows of segments."""

import torch

_REDUCE = {"sum": "sum", "prod": "prod", "max": "amax", "min": "amin"}


def reduce(x, ids, count=None, kind="sum"):
    """``y[s]``, the sum, prod, max or min of the rows i of x with ``ids[i] = s``: (count, *x.shape[1:]).

    count: by default one more than the largest id (which is read from the device). Rows whose id is no segment are left
    out. An empty segment has 0, 1, or the lowest or highest number of the dtype.
    """
    if count is None:
        count = int(ids.max()) + 1 if ids.numel() else 0
    ids = ids.long()
    if kind in ("max", "min"):
        wide = torch.finfo(x.dtype) if x.is_floating_point() else torch.iinfo(x.dtype)
        limits = (-torch.inf, torch.inf) if x.is_floating_point() else (wide.min, wide.max)
        start = limits[0] if kind == "max" else limits[1]
    else:
        start = 0 if kind == "sum" else 1
    # What belongs nowhere goes to a row behind the others.
    ids = torch.where((ids >= 0) & (ids < count), ids, count)
    shape = (count + 1, *x.shape[1:])
    y = torch.full(shape, start, dtype=x.dtype, device=x.device)
    if kind == "sum":
        return y.index_add(0, ids, x)[:count]
    index = ids.reshape(-1, *(1,) * (x.dim() - 1)).expand_as(x)
    return y.scatter_reduce(0, index, x, _REDUCE[kind], include_self=True)[:count]
