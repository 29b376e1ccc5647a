"""Operators on graphs that are stored as csr matrices."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.sparse import RULES, unfit
from tandem.mxnet.operators.table import register
from tandem.ops import graphs
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


def _check(name, graph):
    if not isinstance(graph, Csr) or str(graph.values.dtype) != "torch.int64":
        given = f"{graph.values.dtype}" if isinstance(graph, Csr) else "a dense or row_sparse array"
        raise MXNetError(explain(f"{name} takes a csr matrix of edge numbers", expected="dtype int64", given=given))


RULES["_contrib_edge_id"] = _edge_id
RULES["_contrib_dgl_adjacency"] = _adjacency
RULES["_contrib_dgl_subgraph"] = _subgraph
