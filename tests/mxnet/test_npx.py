"""`mx.npx`: what is peculiar to it; its operators are compared in tests/oracle/test_mxnet_npx.py."""

import numpy as onp
import pytest

import tandem.mxnet as mx
from tandem.core.errors import Unsupported
from tandem.mxnet import autograd, np, npx
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators.shapes import reshaped_numpy


@pytest.fixture(autouse=True)
def numpy_semantics():
    npx.set_np()
    yield
    npx.reset_np()


def test_operators_take_and_give_numpys_arrays():
    assert type(npx.relu(np.ones(2))) is np.ndarray
    for call in (lambda: npx.relu(mx.nd.ones(2)), lambda: npx.softmax(np.ones(2), length=mx.nd.ones(2))):
        with pytest.raises(TypeError, match="as_np_ndarray"):
            call()


def test_every_name_that_is_listed_is_there():
    for module in (npx, npx.image, npx.random, mx.nd.npx):
        for name in dir(module):
            assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="soft_max"):
        npx.soft_max  # noqa: B018


def test_what_is_not_there_yet_says_so():
    from tandem.mxnet.numpy_extension import view

    with pytest.raises(Unsupported, match=r"npx\.telepathy"):
        view.function("npx", {"telepathy": "_npx_telepathy"}, "telepathy")(np.ones(1))


@pytest.mark.parametrize(
    ("target", "reverse", "why"),
    [
        ((-1, -1), False, "only one size"),
        ((-3, -4), False, "drops a size of 1"),
        ((2, -7), False, "no code -7"),
        ((-6, 5, 2, -4), False, "does not split"),
        ((-6, -1, -1, -4), False, "one -1 only"),
        ((-4, -6, 2), False, "0 are left"),
        ((-5, -5, -5), False, "2 dimensions, 0 are left"),
        ((-2, -6, 3), False, "two sizes behind"),
        ((7, -1), False, "do not fit"),
    ],
)
def test_sizes_that_do_not_fit_say_why(target, reverse, why):
    with pytest.raises(MXNetError, match=why):
        reshaped_numpy((2, 3, 4, 5), target, reverse)


def test_reshape_records():
    x = np.arange(24).reshape(2, 3, 4)
    x.attach_grad()
    with autograd.record():
        y = (npx.reshape(x, (-5, -6, 2, 2)) * 2).sum()
    y.backward()
    assert (x.grad == 2).all()


def test_files_keep_shapes_and_kinds(tmp_path):
    arrays = {"scalar": np.array(2.0), "empty": np.zeros((0, 3)), "bool": np.array([True], dtype=bool)}
    for data in (arrays, list(arrays.values())):
        npx.save(str(tmp_path / "arrays"), data)
        found = npx.load(str(tmp_path / "arrays"))
        found = found if isinstance(found, list) else [found[name] for name in arrays]
        for one, array in zip(found, arrays.values(), strict=True):
            assert type(one) is np.ndarray
            assert (one.shape, one.dtype) == (array.shape, array.dtype)
            assert one.tolist() == array.tolist()
    with pytest.raises(ValueError, match="list of ndarrays"):
        npx.save(str(tmp_path / "arrays"), 3)
    with pytest.raises(TypeError, match="Only accepts"):
        npx.save(str(tmp_path / "arrays"), [mx.nd.ones(1)])
    with pytest.raises(MXNetError, match="nothing"):
        npx.load(str(tmp_path / "nothing"))


def test_constraints_are_checked():
    assert bool(npx.constraint_check(np.array([True, True], dtype=bool), "never seen"))
    with pytest.raises(ValueError, match="positive"):
        npx.constraint_check(np.array([1.0, -1.0]) > 0, "all must be positive")
    with pytest.raises(MXNetError, match="bools"):
        npx.constraint_check(np.ones(2), "message")


# --- random numbers --------------------------------------------------------------------------------------------------


def test_bernoulli_draws_with_the_probability():
    npx.random.seed(1)
    draws = npx.random.bernoulli(prob=np.array([0.2, 0.9]), size=(20000, 2))
    onp.testing.assert_allclose(draws.mean(axis=0).asnumpy(), [0.2, 0.9], atol=0.02)
    logits = npx.random.bernoulli(logit=1.0, size=20000, dtype="int32")
    assert logits.dtype == onp.int32
    onp.testing.assert_allclose(logits.astype("float32").mean().item(), 1 / (1 + onp.exp(-1)), atol=0.02)
    out = np.zeros(3)
    assert npx.random.bernoulli(prob=1.0, size=3, out=out) is out
    assert out.tolist() == [1, 1, 1]


def test_batches_of_uniform_and_normal_numbers():
    npx.random.seed(1)
    uniform = npx.random.uniform_n(np.array([[0.0], [10.0]]), np.array([1.0, 20.0]), batch_shape=5000)
    assert uniform.shape == (5000, 2, 2)
    onp.testing.assert_allclose(uniform.mean(axis=0).asnumpy(), [[0.5, 10], [5.5, 15]], rtol=0.05)
    normal = npx.random.normal_n(np.array([0.0, 3.0]), 2.0, batch_shape=(100, 100))
    onp.testing.assert_allclose(normal.mean(axis=(0, 1)).asnumpy(), [0, 3], atol=0.1)
    onp.testing.assert_allclose(normal.std(axis=(0, 1)).asnumpy(), [2, 2], rtol=0.05)
    with pytest.raises(MXNetError, match="broadcast"):
        npx.random.uniform_n(np.ones(2), np.ones(3))
    with pytest.raises(MXNetError, match="float16, float32 or float64"):
        npx.random.normal_n(dtype="int32")


def test_normal_numbers_are_differentiable_in_their_parameters():
    loc, scale = np.ones(3), np.ones(3)
    loc.attach_grad()
    scale.attach_grad()
    with autograd.record():
        draws = npx.random.normal_n(loc, scale, 4)
        total = draws.sum()
    total.backward()
    assert loc.grad.tolist() == [4, 4, 4]
    onp.testing.assert_allclose(scale.grad.asnumpy(), (draws - 1).sum(axis=0).asnumpy(), rtol=1e-4)


def test_a_seed_makes_draws_reproducible():
    npx.random.seed(5)
    first = npx.random.normal_n(batch_shape=4)
    npx.random.seed(5)
    assert first.tolist() == npx.random.normal_n(batch_shape=4).tolist()


# --- MXNet 2.0's -----------------------------------------------------------------------------------------------------


def test_masked_softmax():
    x, mask = np.array([[1.0, 2, 3], [1, 1, 1]]), np.array([[1, 1, 0], [0, 0, 0]])
    y = npx.masked_softmax(x, mask.astype(bool), temperature=2.0)
    expected = onp.exp([0.5, 1.0]) / onp.exp([0.5, 1.0]).sum()
    onp.testing.assert_allclose(y.asnumpy(), [[*expected, 0], [0, 0, 0]], rtol=1e-6)
    logs = npx.masked_log_softmax(x, mask)
    onp.testing.assert_allclose(onp.exp(logs.asnumpy()), npx.masked_softmax(x, mask).asnumpy(), rtol=1e-6)


def test_updates_at_indices():
    x, places = np.zeros((2, 3)), np.array([[0, 0, 1], [1, 1, 2]])
    x.attach_grad()
    values = np.array([1.0, 2, 3])
    values.attach_grad()
    with autograd.record():
        y = npx.index_add(x, places, values)
        total = (y * y).sum()
    total.backward()
    assert y.tolist() == [[0, 3, 0], [0, 0, 3]]
    assert values.grad.tolist() == [6, 6, 6]
    assert npx.index_update(x, places[:, 1:], values[1:]).tolist() == [[0, 2, 0], [0, 0, 3]]
