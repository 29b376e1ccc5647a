"""Operators on graphs that are stored as csr matrices."""

import torch

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.sparse import RULES, unfit
from tandem.mxnet.operators.table import register
from tandem.ops import graphs
from tandem.ops.random import outside
from tandem.ops.sparse import Csr


def _only_csr(name, doc):
    """The function for dense arrays, of which there is none: raises MXNetError."""

    def refuse(*arrays, **attributes):
        raise unfit(name, arrays, "It takes a csr matrix.")

    refuse.__doc__ = doc
    return refuse


_FIXED = {"same_dtype": False, "differentiable": False}
register(
    "_contrib_edge_id",
    _only_csr("_contrib_edge_id", "The values of a csr matrix at (u, v), two arrays of one axis; -1 where none is."),
    ("data", "u", "v"),
    **_FIXED,
)
register(
    "_contrib_dgl_adjacency",
    _only_csr("_contrib_dgl_adjacency", "A csr matrix of int64 with 1 in the place of each stored value, of float32."),
    **_FIXED,
)
register(
    "_contrib_dgl_subgraph",
    _only_csr(
        "_contrib_dgl_subgraph",
        "For each array of vertices, in order, the csr matrix of the edges between them, numbered from 0; with"
        " return_mapping then also those with the numbers that they had.",
    ),
    ("graph",),
    {"num_args": a.integer(0), "return_mapping": a.flag()},
    variadic="num_args",
    **_FIXED,
)


_WALK = {
    "num_args": a.integer(0),
    "num_hops": a.integer(1),
    "num_neighbor": a.integer(2),
    "max_num_vertices": a.integer(100),
}
register(
    "_contrib_dgl_csr_neighbor_uniform_sample",
    _only_csr(
        "_contrib_dgl_csr_neighbor_uniform_sample",
        "For each array of seeds: the vertices that a random walk meets, its edges as a csr matrix, the vertices'"
        " distances from the seeds.",
    ),
    ("seed_arrays",),
    _WALK,
    variadic="num_args",
    **_FIXED,
)
register(
    "_contrib_dgl_csr_neighbor_non_uniform_sample",
    _only_csr(
        "_contrib_dgl_csr_neighbor_non_uniform_sample",
        "As the uniform sample, with the vertices' probabilities behind the graph, and among the results.",
    ),
    ("seed_arrays",),
    _WALK,
    variadic="num_args",
    **_FIXED,
)
register(
    "_contrib_dgl_graph_compact",
    _only_csr(
        "_contrib_dgl_graph_compact",
        "Sampled graphs without their empty rows and columns: first all graphs, then the vertices of each.",
    ),
    ("graph_data",),
    {"num_args": a.integer(0), "return_mapping": a.flag(), "graph_sizes": a.sizes()},
    variadic="num_args",
    **_FIXED,
)


def _edge_id(function, attributes, data, u, v):
    if not isinstance(data, Csr) or isinstance(u, Csr) or isinstance(v, Csr) or u.shape != v.shape or u.dim() != 1:
        raise unfit("_contrib_edge_id", [data, u, v], "It takes a csr matrix and two dense arrays of one axis.")
    return graphs.edge_numbers(data, u, v)


def _adjacency(function, attributes, data):
    _check("_contrib_dgl_adjacency", data)
    return graphs.adjacency(data)


def _subgraph(function, attributes, graph, *vertices):
    _check("_contrib_dgl_subgraph", graph)
    if any(isinstance(one, Csr) or one.dim() != 1 for one in vertices):
        raise unfit("_contrib_dgl_subgraph", [graph, *vertices], "Vertices are dense arrays of one axis.")
    pairs = [graphs.subgraph(graph, one) for one in vertices]
    anew, before = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return [*anew, *before] if attributes["return_mapping"] else anew


def _walks(name, attributes, graph, weights, seeds):
    """The vertices, edges and layers of each array of seeds, three lists."""
    _check(name, graph)
    most = attributes["max_num_vertices"]
    for one in seeds:
        if isinstance(one, Csr) or one.dim() != 1 or one.shape[0] > most or outside(one, 0, graph.shape[0] - 1):
            raise unfit(name, [graph, *seeds], f"Seeds are dense arrays of one axis with at most {most} vertices.")
    found = [
        graphs.neighbours(
            graph,
            one.to(torch.int64),
            hops=attributes["num_hops"],
            count=attributes["num_neighbor"],
            most=most,
            weights=weights,
        )
        for one in seeds
    ]
    return [list(part) for part in zip(*found)] or [[], [], []]


def _uniform_sample(function, attributes, graph, *seeds):
    vertices, edges, layers = _walks("_contrib_dgl_csr_neighbor_uniform_sample", attributes, graph, None, seeds)
    return [*vertices, *edges, *layers]


def _non_uniform_sample(function, attributes, graph, weights=None, *seeds):
    name = "_contrib_dgl_csr_neighbor_non_uniform_sample"
    if weights is None or isinstance(weights, Csr) or weights.dim() != 1:
        raise unfit(name, [graph], "A dense array with a probability to each vertex follows the graph.")
    vertices, edges, layers = _walks(name, attributes, graph, weights, seeds)
    return [*vertices, *edges, *(graphs.values_of(weights, one) for one in vertices), *layers]


def _compact(function, attributes, *data):
    name, count = "_contrib_dgl_graph_compact", len(data) // 2
    sizes = attributes["graph_sizes"]
    if len(data) != 2 * len(sizes):
        raise MXNetError(
            explain(f"{name} takes graphs and the vertices of each", expected=f"{len(sizes)} of each", given=len(data))
        )
    pairs = []
    for graph, vertices, size in zip(data[:count], data[count:], sizes):
        _check(name, graph)
        if isinstance(vertices, Csr) or vertices.dim() != 1 or not 0 <= size <= min(vertices.shape[0], graph.shape[0]):
            raise unfit(name, [graph, vertices], f"There are no {size} vertices.")
        pairs.append(graphs.compact(graph, vertices[:size].to(torch.int64)))
    anew, before = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return [*anew, *before] if attributes["return_mapping"] else anew


def _check(name, graph):
    if not isinstance(graph, Csr) or str(graph.values.dtype) != "torch.int64":
        given = f"{graph.values.dtype}" if isinstance(graph, Csr) else "a dense or row_sparse array"
        raise MXNetError(explain(f"{name} takes a csr matrix of edge numbers", expected="dtype int64", given=given))


RULES["_contrib_edge_id"] = _edge_id
RULES["_contrib_dgl_adjacency"] = _adjacency
RULES["_contrib_dgl_subgraph"] = _subgraph
RULES["_contrib_dgl_csr_neighbor_uniform_sample"] = _uniform_sample
RULES["_contrib_dgl_csr_neighbor_non_uniform_sample"] = _non_uniform_sample
RULES["_contrib_dgl_graph_compact"] = _compact
