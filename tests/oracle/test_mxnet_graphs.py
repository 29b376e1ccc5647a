"""Graphs in csr matrices against the real MXNet."""

import pytest

from mxnet_parity import same_code

pytestmark = pytest.mark.oracle

_GRAPH = """
def parts(arrays):
    arrays = arrays if isinstance(arrays, (list, tuple)) else [arrays]
    return [[a.stype, a.shape, a.indptr.asnumpy(), a.indices.asnumpy(), a.data.asnumpy()] for a in arrays]
whole = lambda *numbers: nd.array(numbers, dtype="int64")
columns = np.array([1, 2, 3, 4, 0, 2, 3, 0, 1, 3, 4, 1, 2, 4, 0], dtype="int64")
graph = nd.sparse.csr_matrix((np.arange(1, 16, dtype="int64"), columns, np.array([0, 4, 7, 11, 14, 15])), shape=(5, 5))
"""


def test_edges():
    same_code(
        _GRAPH
        + """
floats = nd.sparse.csr_matrix(([1.0, 2.0, 3.0], [1, 2, 0], [0, 2, 3, 3]), shape=(3, 3))
found = [nd.contrib.edge_id(floats, nd.array([0, 0, 1, 1, 2]), nd.array([1, 0, 0, 2, 2])),
         nd.contrib.edge_id(graph, whole(0, 4, 4, 3), whole(4, 0, 4, 1)),
         nd.contrib.edge_id(nd.sparse.zeros("csr", (2, 2)), nd.array([0]), nd.array([1]))]
""",
        "found",
    )


def test_adjacency_and_subgraphs():
    same_code(
        _GRAPH
        + """
found = [parts(nd.contrib.dgl_adjacency(graph)),
         parts(nd.contrib.dgl_subgraph(graph, whole(0, 1, 3), return_mapping=True)),
         parts(nd.contrib.dgl_subgraph(graph, whole(0, 1, 3), whole(2, 4), num_args=3, return_mapping=True)),
         parts(nd.contrib.dgl_subgraph(graph, whole(1, 2, 4), return_mapping=False))]
for wrong in (lambda: nd.contrib.dgl_adjacency(graph.astype("float32")),
              lambda: nd.contrib.edge_id(nd.ones((2, 2)), nd.array([0]), nd.array([1]))):
    try:
        wrong()
        found.append("nothing")
    except mx.MXNetError:
        found.append("MXNetError")
""",
        "found",
    )


def test_walks_to_all_neighbours():
    same_code(
        _GRAPH
        + """
def walk(seeds, hops, most, sample=nd.contrib.dgl_csr_neighbor_uniform_sample, weights=()):
    # What lies behind the vertices that were found is not set in MXNet's arrays.
    vertices, edges, *others = sample(graph, *weights, seeds, num_args=2 + len(weights), num_hops=hops,
                                      num_neighbor=9, max_num_vertices=most)
    count = int(vertices[-1].asscalar())
    rows = edges.indptr.asnumpy()
    return (count, vertices[:count], edges.shape, rows, edges.indices, edges.data, [one[:count] for one in others],
            vertices.shape, [one.shape for one in others])

chances = nd.array([0.1, 0.5, 0.2, 0.9, 0.3])
found = [walk(whole(0), 1, 8), walk(whole(4), 1, 8), walk(whole(4), 2, 8), walk(whole(4), 9, 8),
         walk(whole(3, 3), 1, 6), walk(whole(0), 1, 3), walk(whole(4, 1), 1, 4), walk(whole(0, 1, 2, 3, 4), 1, 5),
         walk(whole(4), 2, 8, nd.contrib.dgl_csr_neighbor_non_uniform_sample, [chances])]
several = nd.contrib.dgl_csr_neighbor_uniform_sample(graph, whole(0), whole(4), num_args=3, num_hops=1, num_neighbor=9,
                                                     max_num_vertices=6)
kinds = [(one.stype, one.shape) for one in several]
vertices, edges, _ = nd.contrib.dgl_csr_neighbor_uniform_sample(graph, whole(4, 1), num_args=2, num_hops=1,
                                                                num_neighbor=9, max_num_vertices=9)
count = int(vertices[-1].asscalar())
compact = parts(nd.contrib.dgl_graph_compact(edges, vertices, graph_sizes=count, return_mapping=False))
""",
        ["found", "kinds", "compact"],
    )
