"""Directed graphs as `sparse.Csr`: the edge from u to v is stored in row u and column v, its value is its number."""

import torch

from tandem.ops import sampled
from tandem.ops.sparse import Csr, _keys, _starts, rows_of, take_csr

__all__ = ["adjacency", "compact", "edge_numbers", "neighbours", "subgraph", "values_of"]


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
    return _renumbered(take_csr(graph, vertices), numbers, count)


def _renumbered(part, numbers, count):
    """(new, old): rows of a graph with other numbers of columns, without those of number -1."""
    columns = numbers[part.indices]
    inside = columns >= 0
    columns, values = columns[inside], part.values[inside]
    starts = _starts(rows_of(part)[inside], count)
    anew = torch.arange(values.shape[0], device=values.device).to(values.dtype)
    return Csr(starts, columns, anew, (count, count)), Csr(starts, columns, values, (count, count))


def neighbours(graph, seeds, *, hops, count, most, weights=None, generator=None):
    """(vertices, edges, layers) that a walk from the seeds meets which goes to at most `count` neighbours of each.

    Each vertex nearer than `hops` edges to the seeds (n,) sends the walk to neighbours drawn without repetition,
    uniformly or by their weights (vertices of the graph,), until `most` vertices are known. vertices: (most + 1,),
    sorted, then zeros, and at the end how many there are; edges: (most, the graph's columns), a row to each vertex;
    layers: (most,), the edges between a vertex and the seeds. Which and how many depends on values.
    """
    starts = graph.indptr.tolist()
    layers = dict.fromkeys(seeds.tolist(), 0)
    queue, taken = list(layers), {}
    for vertex in queue:  # which grows
        if len(layers) >= most:
            break
        if layers[vertex] >= hops:
            continue
        places = torch.arange(starts[vertex], starts[vertex + 1], device=graph.indices.device)
        if len(places) > count:
            chances = torch.ones(len(places), device=places.device)
            if weights is not None:
                chances = weights[graph.indices[places]]
            places = places[sampled.distinct(chances, count, generator=generator)].sort().values
        taken[vertex] = places
        for other in graph.indices[places].tolist():
            if other not in layers and len(layers) < most:
                layers[other] = layers[vertex] + 1
                queue.append(other)
    known = sorted(layers)
    filling = [0] * (most - len(known))
    none = torch.zeros(0, dtype=torch.int64, device=graph.indices.device)
    rows = [taken.get(vertex, none) for vertex in known]
    places = torch.cat([none, *rows])
    lengths = torch.tensor([0, *map(len, rows), *filling], device=places.device)
    edges = Csr(lengths.cumsum(0), graph.indices[places], graph.values[places], (most, graph.shape[1]))
    integers = {"dtype": torch.int64, "device": places.device}
    vertices = torch.tensor([*known, *filling, len(known)], **integers)
    return vertices, edges, torch.tensor([*(layers[vertex] for vertex in known), *filling], **integers)


def compact(graph, vertices):
    """(new, old): the first rows of a graph, one to each of the vertices (n,), with these as its columns: (n, n).

    new: edges numbered anew; old: with their values. Edges to other vertices are left out.
    """
    count = vertices.shape[0]
    rows = torch.arange(count, device=vertices.device)
    numbers = torch.full((graph.shape[1],), -1, dtype=torch.int64, device=vertices.device)
    numbers[vertices] = rows
    return _renumbered(take_csr(graph, rows), numbers, count)


def values_of(values, vertices):
    """The values of sampled vertices as `neighbours` gives them, zeros where there are none."""
    known = int(vertices[-1])
    found = values.new_zeros(vertices.shape[0] - 1)
    found[:known] = values[vertices[:known]]
    return found
