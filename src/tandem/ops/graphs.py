"""Graphs whose edges are the stored entries of a matrix in compressed rows."""

import torch

__all__ = ["edge_values"]


def edge_values(starts, columns, values, width, sources, targets):
    """The value of the edge from each of `sources` to each of `targets`; -1 where there is no such edge.

    starts: (rows + 1,), where each row begins among the entries; columns, values: (entries,); width: the number of
    columns; sources, targets: whole numbers, (edges,).
    """
    rows = torch.arange(starts.shape[0] - 1, device=starts.device).repeat_interleave(starts.diff())
    places, order = (rows * width + columns).sort()
    wanted = sources.long() * width + targets.long()
    if not places.numel():
        return values.new_full(wanted.shape, -1)
    found = torch.searchsorted(places, wanted).clamp_max(places.numel() - 1)
    return torch.where(places[found] == wanted, values[order][found], -1)
