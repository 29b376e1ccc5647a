"""Random walks on graphs in csr matrices; those to all neighbours are compared in tests/oracle/test_mxnet_graphs.py."""

import numpy as np
import pytest

import tandem.mxnet as mx
from tandem.mxnet import nd

DENSE = (np.random.default_rng(0).random((30, 30)) < 0.5) * 1


def graph():
    starts = np.concatenate([[0], DENSE.sum(1).cumsum()])
    numbers = np.arange(1, DENSE.sum() + 1, dtype="int64")
    return nd.sparse.csr_matrix((numbers, np.nonzero(DENSE)[1], starts), shape=DENSE.shape, dtype="int64")


def test_a_walk_goes_along_edges_to_as_many_neighbours_as_wanted():
    mx.random.seed(0)
    whole = graph().asnumpy()
    seen = set()
    for _ in range(20):
        vertices, edges, layers = nd.contrib.dgl_csr_neighbor_uniform_sample(
            graph(), nd.array([3, 7], dtype="int64"), num_args=2, num_hops=2, num_neighbor=3, max_num_vertices=40
        )
        count = int(vertices[-1].asscalar())
        known = vertices.asnumpy()[:count]
        assert (np.diff(known) > 0).all() and {3, 7} <= set(known) and count <= 2 + 6 + 18
        for vertex, layer, row in zip(known, layers.asnumpy(), edges.asnumpy()):
            assert (row[row > 0] == whole[vertex][row > 0]).all()
            assert (row > 0).sum() == (3 if layer < 2 else 0)
            assert layer == 0 if vertex in (3, 7) else layer in (1, 2)
            assert set(np.nonzero(row)[0]) <= set(known)
        seen.add(tuple(known))
        anew, before = nd.contrib.dgl_graph_compact(edges, vertices, graph_sizes=count, return_mapping=True)
        assert (before.asnumpy() == edges.asnumpy()[:count][:, known]).all()
        assert anew.data.asnumpy().tolist() == list(range(len(before.data)))
    assert len(seen) > 10


def test_likely_neighbours_are_chosen_often():
    mx.random.seed(0)
    first, second, *others = np.nonzero(DENSE[0])[0]
    chances = np.full(30, 0.02, np.float32)
    chances[[first, second]] = 1.0, 0.0
    met = np.zeros(30)
    for _ in range(50):
        vertices, _, given, _ = nd.contrib.dgl_csr_neighbor_non_uniform_sample(
            graph(), nd.array(chances), nd.array([0], dtype="int64"), num_args=3, num_neighbor=3, max_num_vertices=9
        )
        known = vertices.asnumpy()[: int(vertices[-1].asscalar())]
        np.testing.assert_array_equal(given.asnumpy()[: len(known)], chances[known])
        met[known] += 1
    assert met[first] > 40 > met[others].max()
    assert met[second] == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda sample: sample(graph(), nd.array([40]), num_args=2),
        lambda sample: sample(graph(), nd.array([-1]), num_args=2),
        lambda sample: sample(graph(), nd.array([0, 1, 2]), num_args=2, max_num_vertices=2),
        lambda sample: sample(graph().astype("float32"), nd.array([0]), num_args=2),
        lambda sample: sample(nd.ones((2, 2)), nd.array([0]), num_args=2),
        lambda sample: nd.contrib.dgl_csr_neighbor_non_uniform_sample(graph(), num_args=1),
        lambda sample: nd.contrib.dgl_graph_compact(graph(), nd.arange(30), graph_sizes=(1, 2), return_mapping=False),
        lambda sample: nd.contrib.dgl_graph_compact(graph(), nd.arange(30), graph_sizes=31, return_mapping=False),
    ],
)
def test_wrong_graphs_and_seeds(call):
    with pytest.raises(mx.MXNetError):
        call(nd.contrib.dgl_csr_neighbor_uniform_sample)
