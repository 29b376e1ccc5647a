"""Directed graphs as `sparse.Csr`: the edge from u to v is stored in row u and column v, its value is its number."""

import torch

from tandem.ops.sparse import Csr, _keys, _starts, rows_of, take_csr

__all__ = ["adjacency", "edge_numbers", "subgraph"]


def edge_numbers(graph, sources, targets):
    """The values of the edges from sources to targets (both (n,)), -1 where there is no edge."""
    wanted = sources.to(torch.int64) * graph.shape[1] + targets.to(torch.int64)
    keys, order = _keys(graph).sort()
    if not keys.numel():
        return torch.full(wanted.shape, -1, dtype=graph.values.dtype, device=wanted.device)
    places = torch.searchsorted(keys, wanted).clamp(max=keys.shape[0] - 1)
    found = graph.values[order[places]]
    return torch.where(keys[places] == wanted, found, torch.full_like(found, -1))


def adjacency(graph):
    """The graph with the value 1, of float32, at each edge."""
    return graph._replace(values=torch.ones(graph.values.shape, dtype=torch.float32, device=graph.values.device))


def subgraph(graph, vertices):
    """(new, old): the graph of some vertices (n,) and the edges between them, (n, n), numbered anew and as before."""
    vertices = vertices.to(torch.int64)
    count = vertices.shape[0]
    numbers = torch.full((graph.shape[1],), -1, dtype=torch.int64, device=vertices.device)
    numbers[vertices] = torch.arange(count, device=vertices.device)
    part = take_csr(graph, vertices)
    columns = numbers[part.indices]
    inside = columns >= 0
    columns, values = columns[inside], part.values[inside]
    starts = _starts(rows_of(part)[inside], count)
    anew = torch.arange(values.shape[0], device=values.device).to(values.dtype)
    return Csr(starts, columns, anew, (count, count)), Csr(starts, columns, values, (count, count))
