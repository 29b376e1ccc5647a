"""`mx.np.ndarray`: what is peculiar to it; its operators, methods and subscripts are compared in tests/oracle."""

import copy
import logging
import pickle

import numpy as onp
import pytest
import torch

import tandem.mxnet as mx
from tandem.mxnet import autograd, np, npx
from tandem.mxnet.base import MXNetError
from tandem.mxnet.numpy import protocols


@pytest.fixture(autouse=True)
def numpy_semantics():
    npx.set_np()
    yield
    npx.reset_np()


# --- subscripts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [0, slice(0, 2), (0, slice(1, 3)), Ellipsis, (), None, (0, 1)])
def test_subscripts_of_what_lies_together_share_memory(key):
    x = np.zeros((3, 4))
    x[key][...] = 1
    assert float(x.sum()) == onp.zeros((3, 4))[key].size


@pytest.mark.parametrize(
    "copied",
    [
        lambda x: x[:, 1:3],
        lambda x: x[::-1],
        lambda x: x[[0, 1]],
        lambda x: x[x > -1],
        lambda x: x.reshape(4, 3),
        lambda x: x.T,
        lambda x: x.copy(),
        lambda x: x.flatten(),
    ],
)
def test_everything_else_is_a_copy(copied):
    x = np.zeros((3, 4))
    copied(x)[...] = 1
    assert float(x.sum()) == 0


def test_shared_memory_between_the_two_kinds_of_arrays():
    x = np.zeros((2, 2))
    x.as_nd_ndarray()[0] = 1
    x.reshape_view(-1)[3] = 2
    onp.testing.assert_array_equal(x.asnumpy(), [[1, 1], [0, 2]])
    assert type(x.as_nd_ndarray()) is mx.nd.NDArray
    assert x.as_np_ndarray() is x


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_a_number_goes_where_a_mask_is_true(dtype):
    x, mask = np.zeros((3, 2), dtype=dtype), np.array([True, False, True], dtype=bool)
    x[mask] = 1.7
    expected = onp.zeros((3, 2), dtype)
    expected[mask.asnumpy()] = 1.7
    onp.testing.assert_array_equal(x.asnumpy(), expected)


def test_masks_fit_the_axes_that_they_stand_for():
    x = np.zeros((3, 2))
    with pytest.raises(IndexError, match=r"boolean mask.*Expected: \(3,\)"):
        x[np.array([True, False], dtype=bool)]


def test_classic_arrays_are_not_assigned():
    with pytest.raises(TypeError, match="as_np_ndarray"):
        np.zeros(2)[:] = mx.nd.ones(2)


def test_gradients_flow_through_subscripts_of_every_kind():
    x = np.arange(6).reshape(2, 3)
    x.attach_grad()
    with autograd.record():
        parts = [x[0], x[:, 1], x[[0, 0]], x[x > 3], x[np.array([1]), 2], x[None, ..., ::-1], x[0, 0]]
        loss = sum(part.sum() for part in parts)
    loss.backward()
    onp.testing.assert_array_equal(x.grad.asnumpy(), [[5, 5, 4], [1, 3, 3]])


def test_writing_while_recording_is_refused():
    x = np.ones((2, 3))
    x.attach_grad()
    with autograd.record():
        y = x * 2
        for write in (lambda: y.__setitem__(0, 1), lambda: y.__setitem__(x > 0, 1), lambda: y.__iadd__(1)):
            with pytest.raises(MXNetError, match="recorded"):
                write()


# --- Python's protocols ----------------------------------------------------------------------------------------------


def test_arrays_as_indices_hashes_and_formats():
    i = np.array([1, 2], dtype="int32")
    assert [10, 20, 30][i[1]] == 30
    assert f"{np.array(2.5):.2f}|{i}" == "2.50|[1 2]"
    with pytest.raises(NotImplementedError):
        hash(i)
    with pytest.raises(TypeError, match="scalar index"):
        range(np.array(1.0))
    with pytest.raises(TypeError, match="format_spec"):
        f"{i:d}"


def test_long_lines_of_a_repr_break_as_numpys_do():
    values = onp.arange(15, dtype="int32") * 1000
    assert repr(np.array(values)) == repr(values)
    assert repr(np.zeros((0, 3))) == "array([], shape=(0, 3))"
    assert repr(np.array([1], dtype="int64")) == "array([1], dtype=int64)"


@pytest.mark.parametrize("x", [onp.float32(3), onp.zeros((0, 3), "float32"), onp.array([True, False]), onp.arange(3)])
def test_copies_and_pickles_stay_what_they_are(x):
    x = np.array(x)
    for other in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), x.copy()):
        assert type(other) is np.ndarray
        assert (other.shape, other.dtype) == (x.shape, x.dtype)
        onp.testing.assert_array_equal(other.asnumpy(), x.asnumpy())


def test_dlpack_shares_memory_with_torch():
    x = np.zeros(3)
    torch.from_dlpack(x)[0] = 1
    assert float(x[0]) == 1
    shared = npx.from_dlpack(torch.ones(2))
    assert type(shared) is np.ndarray
    assert npx.from_dlpack(x.to_dlpack_for_read()).tolist() == [1, 0, 0]


# --- NumPy's functions -----------------------------------------------------------------------------------------------


def test_functions_and_ufuncs_of_numpy_record():
    x = np.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = onp.sum(onp.multiply(onp.exp(x), 2))
    y.backward()
    assert type(y) is np.ndarray
    onp.testing.assert_allclose(x.grad.asnumpy(), 2 * onp.exp([1, 2]), rtol=1e-6)


def test_what_mx_np_has_not_is_computed_by_numpy_and_says_so_once(caplog, monkeypatch):
    monkeypatch.setattr(protocols, "_told", set())
    x = np.array([3.0, 1.0, 2.0])
    with caplog.at_level(logging.WARNING):
        results = [onp.partition(x, 1) for _ in range(2)]
    assert [type(result) for result in results] == [np.ndarray] * 2
    assert len([record for record in caplog.records if "numpy.partition" in record.message]) == 1
    with autograd.record(), pytest.raises(ValueError, match="without gradients"):
        onp.partition(x, 1)


def test_arrays_of_both_libraries_do_not_mix():
    x = np.ones(2)
    with pytest.raises(TypeError):
        onp.concatenate([onp.ones(2), x])
    with pytest.raises(TypeError):
        onp.add.reduce(x)
    with pytest.raises(ValueError, match="omplex"):
        onp.fft.fft(x)


# --- gradients -------------------------------------------------------------------------------------------------------


def test_states_leave_a_graph_that_is_used_up():
    """Scripts of recurrent nets call `state.detach()` between batches and throw the answer away."""
    w = np.ones((2, 2))
    w.attach_grad()
    state = np.ones((1, 2))
    for _ in range(3):
        state.detach()
        with autograd.record():
            state = np.tanh(np.dot(state, w)) + 1
            loss = state.sum()
        loss.backward()
    assert bool((w.grad > 0).all())


def test_detach_leaves_a_whole_graph_alone():
    x = np.ones(2)
    x.attach_grad()
    with autograd.record():
        y = x * x
        y.detach()
        z = (y * 3).sum()
    z.backward()
    assert x.grad.tolist() == [6, 6]


def test_the_gradient_is_an_array_of_its_owners_kind():
    x = np.ones(2)
    x.attach_grad()
    assert isinstance(x.grad, np.ndarray)
    assert type(x.grad).__name__ == "ndarray"
    assert type(x.grad * 2) is np.ndarray
    with autograd.record():
        y = x * x
    y.backward()
    x.grad[:] *= 0.5
    assert x.grad.tolist() == [1, 1]
