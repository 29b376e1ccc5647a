"""Picking, ordering, masking: the real frameworks' results, indices out of range, gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from tandem.ops import indexing

X = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
TIES = torch.tensor([[3.0, 1.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
STEPS = torch.arange(24.0).reshape(3, 2, 4)  # as (time, batch, ...) or (batch, time, ...)

# call in MXNet, ours
MXNET = [
    (
        "nd.Embedding(nd.array([0, 1, 5, -1, 1.7]), x, input_dim=2, output_dim=3)",
        lambda: indexing.embedding(torch.tensor([0, 1, 5, -1, 1.7]), X, mode="clip"),
    ),
    ("nd.take(x, nd.array([0, 5, -1, 1.7]))", lambda: indexing.take(X, torch.tensor([0, 5, -1, 1.7]), mode="clip")),
    (
        "nd.take(x, nd.array([[0, 5], [-1, -4]]), axis=1, mode='wrap')",
        lambda: indexing.take(X, torch.tensor([[0, 5], [-1, -4]]), 1, mode="wrap"),
    ),
    ("nd.pick(x, nd.array([-1, 1.9]), axis=1)", lambda: indexing.pick(X, torch.tensor([-1, 1.9]), 1)),
    (
        "nd.pick(x, nd.array([-1, 4]), axis=1, mode='wrap')",
        lambda: indexing.pick(X, torch.tensor([-1, 4]), mode="wrap"),
    ),
    (
        "nd.pick(x, nd.array([0, 1, 0]), axis=0, keepdims=True)",
        lambda: indexing.pick(X, torch.tensor([0, 1, 0]), 0, keepdims=True),
    ),
    ("nd.gather_nd(x, nd.array([[0, -1], [-1, 0]]))", lambda: indexing.gather_nd(X, torch.tensor([[0, -1], [-1, 0]]))),
    ("nd.gather_nd(x, nd.array([[0, 1, 1]]))", lambda: indexing.gather_nd(X, torch.tensor([[0.0, 1.0, 1.0]]))),
    (
        "nd.scatter_nd(nd.array([2, 3]), nd.array([[0, 1], [1, 1]]), shape=(2, 2))",
        lambda: indexing.scatter_nd(torch.tensor([2.0, 3.0]), torch.tensor([[0, 1], [1, 1]]), (2, 2)),
    ),
    ("nd.one_hot(nd.array([0, 2, -1, 5, 1.7]), 3)", lambda: indexing.one_hot(torch.tensor([0, 2, -1, 5, 1.7]), 3)),
    (
        "nd.one_hot(nd.array([[0], [2]]), 3, on_value=5, off_value=-1)",
        lambda: indexing.one_hot(torch.tensor([[0], [2]]), 3, on=5, off=-1),
    ),
    ("nd.topk(t, k=2, ret_typ='value')", lambda: indexing.topk(TIES, 2)[0]),
    ("nd.topk(t, k=2)", lambda: indexing.topk(TIES, 2)[1]),
    ("nd.topk(t, k=3, is_ascend=True)", lambda: indexing.topk(TIES, 3, largest=False)[1]),
    ("nd.topk(t, k=1, axis=0)", lambda: indexing.topk(TIES, 1, 0)[1]),
    ("nd.topk(t, k=3, axis=None)", lambda: indexing.topk(TIES, 3, None)[1]),
    ("nd.topk(t, k=2, ret_typ='mask')", lambda: indexing.topk_mask(TIES, 2)),
    ("nd.topk(t, k=3, axis=0 if False else None, ret_typ='mask')", lambda: indexing.topk_mask(TIES, 3, None)),
    ("nd.sort(t, is_ascend=False)", lambda: indexing.sort(TIES, ascending=False)),
    ("nd.sort(t, axis=None)", lambda: indexing.sort(TIES, None)),
    ("nd.argsort(t)", lambda: indexing.argsort(TIES)),
    ("nd.argsort(t, is_ascend=False, axis=0)", lambda: indexing.argsort(TIES, 0, ascending=False)),
    ("nd.contrib.boolean_mask(x, nd.array([0, 1]))", lambda: indexing.boolean_mask(X, torch.tensor([0, 1]))),
    (
        "nd.contrib.index_copy(x, nd.array([1]), nd.array([[7, 8, 9]]))",
        lambda: indexing.put_rows(X, torch.tensor([1]), torch.tensor([[7.0, 8.0, 9.0]])),
    ),
    ("nd.SequenceMask(s)", lambda: indexing.sequence_mask(STEPS)),
    (
        "nd.SequenceMask(s, nd.array([1.5, 3]), use_sequence_length=True, value=-1)",
        lambda: indexing.sequence_mask(STEPS, torch.tensor([1.5, 3]), value=-1.0),
    ),
    (
        "nd.SequenceMask(s, nd.array([1, 2, 0]), use_sequence_length=True, axis=1)",
        lambda: indexing.sequence_mask(STEPS, torch.tensor([1, 2, 0]), axis=1),
    ),
    ("nd.SequenceLast(s)", lambda: indexing.sequence_last(STEPS)),
    (
        "nd.SequenceLast(s, nd.array([1, 3]), use_sequence_length=True)",
        lambda: indexing.sequence_last(STEPS, torch.tensor([1, 3])),
    ),
    (
        "nd.SequenceLast(s, nd.array([1, 2, 1]), use_sequence_length=True, axis=1)",
        lambda: indexing.sequence_last(STEPS, torch.tensor([1, 2, 1]), axis=1),
    ),
    ("nd.SequenceReverse(s)", lambda: indexing.sequence_reverse(STEPS)),
    (
        "nd.SequenceReverse(s, nd.array([2, 3]), use_sequence_length=True)",
        lambda: indexing.sequence_reverse(STEPS, torch.tensor([2, 3])),
    ),
    ("nd.unravel_index(nd.array([5, 1]), shape=(2, 3))", lambda: indexing.unravel_index(torch.tensor([5, 1]), (2, 3))),
    (
        "nd.ravel_multi_index(nd.array([[1, 0], [2, 1]]), shape=(2, 3))",
        lambda: indexing.ravel_index(torch.tensor([[1, 0], [2, 1]]), (2, 3)),
    ),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("call", "ours"), MXNET, ids=[row[0] for row in MXNET])
def test_results_are_mxnets(call, ours):
    code = f"x, t, s = nd.array(x), nd.array(t), nd.array(s)\ny = {call}"
    expected = oracles.mxnet.run(code, returns=["y"], x=X, t=TIES, s=STEPS)["y"]
    np.testing.assert_array_equal(ours().numpy().reshape(expected.shape), expected)


@pytest.mark.oracle
def test_results_are_kerass():
    ops = oracles.real_keras().ops
    index = torch.tensor([[0, -1], [1, 1]])
    pairs = [
        (indexing.take(X, index, 1), ops.take(X, index, axis=1)),
        (indexing.take(X, index.abs(), None), ops.take(X, index.abs())),
        (indexing.take_along(X, index, 1), ops.take_along_axis(X, index, axis=1)),
        (indexing.one_hot(torch.tensor([0, 2, -1]), 3), ops.one_hot(torch.tensor([0, 2, -1]), 3)),
        (indexing.one_hot(index, 3, axis=0), ops.one_hot(index, 3, axis=0)),
        (indexing.one_hot(index, 3, axis=1), ops.one_hot(index, 3, axis=1)),
        (indexing.multi_hot(torch.tensor([[0, 2], [1, 1]]), 3), ops.multi_hot(torch.tensor([[0, 2], [1, 1]]), 3)),
        (indexing.multi_hot(torch.tensor([0, 2]), 3), ops.multi_hot(torch.tensor([0, 2]), 3)),
        (
            indexing.scatter_nd(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([[0, 0, 1]]), (3,), add=True),
            ops.scatter(torch.tensor([[0], [0], [1]]), torch.tensor([1.0, 2.0, 3.0]), (3,)),
        ),
    ]
    for got, expected in pairs:
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("index", [2, -1, 2**40])
def test_embedding_names_the_index_that_is_no_row(index):
    with pytest.raises(IndexError, match=f"expected 0 to 1, given {index}"):
        indexing.embedding(torch.tensor([[0, index]]), X)


def test_take_names_the_index_that_is_out_of_range():
    with pytest.raises(IndexError, match="expected -2 to 1, given -3, 2"):
        indexing.take(X, torch.tensor([2, 0, -3]))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: indexing.embedding(torch.tensor([0, 1, 1]), x),
        lambda x: indexing.take(x, torch.tensor([[0, 1], [1, 1]]), 1),
        lambda x: indexing.pick(x, torch.tensor([0, 2])),
        lambda x: indexing.gather_nd(x, torch.tensor([[0, 0], [1, 1]])),
        lambda x: indexing.scatter_nd(x[0], torch.tensor([[0, 2, 2]]), (4,), add=True),
        lambda x: indexing.topk(x, 2)[0],
        lambda x: indexing.sort(x, None),
        lambda x: indexing.sequence_mask(x, torch.tensor([1, 2, 0])),
        lambda x: indexing.sequence_last(x, torch.tensor([1, 2]), axis=1),
        lambda x: indexing.sequence_reverse(x, torch.tensor([1, 2]), axis=1),
        lambda x: indexing.put_rows(x, torch.tensor([1]), x[:1] * 2),
    ],
)
def test_gradients_by_differences(function):
    x = torch.tensor([[0.3, -1.0, 2.0], [0.7, 1.5, -0.4]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, x)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=10), st.integers(1, 10))
def test_topk_is_stable_and_sorted(values, k):
    x = torch.tensor(values, dtype=torch.float32)
    k = min(k, len(values))
    best, places = indexing.topk(x, k)
    expected = sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]
    assert places.tolist() == expected
    assert best.tolist() == [values[i] for i in expected]
    assert indexing.topk(x, k, stable=False)[0].tolist() == best.tolist()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_unravel_undoes_ravel(shape):
    places = torch.arange(int(np.prod(shape)))
    coordinates = indexing.unravel_index(places, shape)
    np.testing.assert_array_equal(coordinates.numpy(), np.array(np.unravel_index(places.numpy(), shape)))
    assert torch.equal(indexing.ravel_index(coordinates, shape), places)


def test_reversing_twice_is_nothing():
    length = torch.tensor([2, 4, 1])
    x = torch.arange(24.0).reshape(3, 4, 2)
    once = indexing.sequence_reverse(x, length, axis=1)
    assert torch.equal(indexing.sequence_reverse(once, length, axis=1), x)
    assert torch.equal(indexing.sequence_reverse(x.transpose(0, 1), length), once.transpose(0, 1))


def test_zero_steps():
    x = torch.tensor([[[0.0, 0.0], [0.0, 1.0], [2.0, 2.0]]])
    assert indexing.zero_steps(x, 2.0).tolist() == [[[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]


def test_shapes_on_meta():
    x, index = X.to("meta"), torch.tensor([[0, 1]]).to("meta")
    assert indexing.embedding(index, x).shape == (1, 2, 3)
    assert indexing.take(x, index, 1).shape == (2, 1, 2)
    assert indexing.one_hot(index, 5, axis=1).shape == (1, 5, 2)
    assert indexing.topk(x, 2)[0].shape == (2, 2)
