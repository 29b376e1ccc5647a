"""Samplers: their distributions, seeds, shapes."""

import numpy as np
import pytest

import tandem.mxnet as mx
from tandem.engine.replay import EagerWarning
from tandem.mxnet import autograd, nd

COUNT = 200_000

# (draw, mean, variance)
DISTRIBUTIONS = {
    "uniform": (lambda: nd.random.uniform(-1, 3, shape=COUNT), 1, 16 / 12),
    "normal": (lambda: nd.random.normal(2, 3, shape=COUNT), 2, 9),
    "gamma": (lambda: nd.random.gamma(2, 3, shape=COUNT), 6, 18),
    "exponential": (lambda: nd.random.exponential(2, shape=COUNT), 2, 4),
    "exponential of a rate": (lambda: nd.random_exponential(lam=2, shape=(COUNT,)), 0.5, 0.25),
    "poisson": (lambda: nd.random.poisson(4, shape=COUNT), 4, 4),
    "negative_binomial": (lambda: nd.random.negative_binomial(3, 0.25, shape=COUNT), 9, 36),
    "generalized": (lambda: nd.random.generalized_negative_binomial(3, 0.5, shape=COUNT), 3, 3 + 0.5 * 9),
    "randint": (lambda: nd.random.randint(2, 6, shape=COUNT), 3.5, 15 / 12),
    "randn": (lambda: nd.random.randn(COUNT, loc=1, scale=2), 1, 4),
    "multinomial": (lambda: nd.random.multinomial(nd.array([0.2, 0, 0.8]), shape=COUNT), 1.6, 4 * 0.16),
    "like": (lambda: nd.random.normal_like(nd.zeros(COUNT), loc=1, scale=2), 1, 4),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_mean_and_variance(name):
    mx.random.seed(1)
    draw, mean, variance = DISTRIBUTIONS[name]
    values = draw().asnumpy().astype("float64")
    # Five standard errors of the mean; the variance's own spread depends on the tails.
    assert abs(values.mean() - mean) < 5 * (variance / COUNT) ** 0.5
    assert values.var() == pytest.approx(variance, rel=0.05)


def test_arrays_as_parameters_give_a_distribution_to_each_element():
    mx.random.seed(1)
    low, high = nd.array([0, 100]), nd.array([1, 101])
    x = nd.random.uniform(low, high, shape=(50, 2)).asnumpy()
    assert x.shape == (2, 50, 2)
    assert (x[0] < 1).all()
    assert ((x[1] >= 100) & (x[1] <= 101)).all()
    rates = nd.random.exponential(nd.array([1.0, 1000.0]), shape=2000).asnumpy().mean(axis=1)
    assert rates == pytest.approx([1, 1000], rel=0.15)


def test_seeds_repeat_the_numbers():
    draws = []
    for seed in (3, 3, 4):
        mx.random.seed(seed)
        draws.append((nd.random.uniform(shape=4).asnumpy(), nd.random.shuffle(nd.arange(20)).asnumpy()))
    assert all((a == b).all() for a, b in zip(draws[0], draws[1]))
    assert not (draws[0][0] == draws[2][0]).all()
    mx.random.seed(5, ctx=mx.cpu(0))
    first = nd.random.normal(shape=3).asnumpy()
    mx.random.seed(5, ctx=mx.cpu(0))
    assert (nd.random.normal(shape=3).asnumpy() == first).all()


def test_the_seed_leaves_numpy_alone():
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    mx.random.seed(9)
    assert np.random.rand() == expected


def test_seeds_are_integers():
    with pytest.raises(ValueError, match="seed_state must be int"):
        mx.random.seed("a")


def test_shuffle_keeps_the_rows():
    x = nd.array(np.arange(40).reshape(20, 2))
    y = nd.random.shuffle(x).asnumpy()
    assert sorted(map(tuple, y)) == sorted(map(tuple, x.asnumpy()))


def test_log_probabilities_of_draws_have_gradients():
    p = nd.array([0.25, 0.75])
    p.attach_grad()
    with autograd.record():
        draws, logs = nd.random.multinomial(p, shape=8, get_prob=True)
    logs.backward()
    ones = (draws.asnumpy() == 1).sum()
    assert p.grad.asnumpy() == pytest.approx([(8 - ones) / 0.25, ones / 0.75])


def test_dropout_follows_the_training_mode():
    mx.random.seed(1)
    x = nd.ones(10_000)
    assert (nd.Dropout(x, p=0.3).asnumpy() == 1).all()
    with autograd.train_mode():
        y = nd.Dropout(x, p=0.3).asnumpy()
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.02)
    assert y[y != 0] == pytest.approx(1 / 0.7, rel=1e-4)
    with autograd.record(train_mode=False):
        assert (nd.Dropout(x, p=0.3).asnumpy() == 1).all()
    assert (nd.Dropout(x, p=0.3, mode="always").asnumpy() == 0).any()
    with autograd.train_mode():
        rows = nd.Dropout(nd.ones((4, 50)), p=0.5, axes=(0,)).asnumpy()
    assert (rows == rows[0]).all()


@pytest.mark.parametrize(
    ("draw", "error"),
    [
        (lambda: nd.random.uniform(5, 1).asnumpy(), mx.MXNetError),
        (lambda: nd.random.normal(0, -1).wait_to_read(), mx.MXNetError),
        (lambda: nd.random.uniform("a"), ValueError),
        (lambda: nd.random.uniform(nd.ones(2), 5), AssertionError),
        (lambda: nd.random.uniform(dtype="int32"), mx.MXNetError),
        (lambda: nd.random.randint(5, 5), mx.MXNetError),
    ],
)
def test_wrong_parameters(draw, error):
    with pytest.raises(error):
        draw()


def test_rows_of_different_numbers_of_zipfs_distribution():
    mx.random.seed(1)
    numbers, tries = nd._internal._sample_unique_zipfian(1000, (20, 400))
    assert numbers.dtype == tries.dtype == np.int64
    assert all(len(set(row)) == 400 for row in numbers.asnumpy().tolist())
    assert numbers.asnumpy().min() >= 0 and numbers.asnumpy().max() < 1000
    assert tries.asnumpy().mean() == pytest.approx(1254, rel=0.03)  # of MXNet, over 30 rows
    symbol = mx.sym._internal._sample_unique_zipfian(range_max=5, shape=(2, 5))
    assert symbol.infer_shape()[1] == [(2, 5), (2,)]
    assert symbol.infer_type()[1] == [np.int64, np.int64]
    with pytest.warns(EagerWarning):  # how many draws there are depends on their values
        assert sorted(symbol.eval()[0].asnumpy()[1]) == [0, 1, 2, 3, 4]
    for shape in ((3,), (1, 6)):
        with pytest.raises(mx.MXNetError):
            nd._internal._sample_unique_zipfian(range_max=5, shape=shape)


@pytest.mark.parametrize("name", ["gamma", "negative_binomial", "generalized_negative_binomial"])
def test_half_precision(name):
    assert getattr(nd.random, name)(2, 0.5, shape=(4,), dtype="float16").dtype == np.float16


def test_an_argument_is_given_once():
    for call in (
        lambda: nd.relu(nd.ones(2), data=nd.ones(2)),
        lambda: nd.clip(nd.ones(2), 0, 1, a_min=0),
        lambda: mx.sym.relu(mx.sym.var("x"), data=mx.sym.var("y")),
    ):
        with pytest.raises(TypeError, match="multiple values"):
            call()
