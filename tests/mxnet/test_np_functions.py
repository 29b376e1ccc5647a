"""`mx.np`: what no table of expressions shows: random numbers, free signs, gradients the oracle lacks, modes."""

import numpy as onp
import pytest

import tandem.mxnet as mx
from tandem.mxnet import autograd, np


@pytest.fixture(autouse=True)
def numpy_semantics():
    mx.npx.set_np()
    mx.random.seed(7)
    yield
    mx.npx.reset_np()


COUNT = 200_000

# Distribution -> (call, mean, standard deviation).
DISTRIBUTIONS = {
    "uniform": (lambda: np.random.uniform(-1, 3, COUNT), 1, 4 / 12**0.5),
    "uniform, turned round": (lambda: np.random.uniform(3, -1, COUNT), 1, 4 / 12**0.5),
    "normal": (lambda: np.random.normal(2, 3, COUNT), 2, 3),
    "lognormal": (lambda: np.random.lognormal(0.5, 0.4, COUNT), 1.78604, 0.74396),
    "logistic": (lambda: np.random.logistic(1, 2, COUNT), 1, 2 * onp.pi / 3**0.5),
    "gumbel": (lambda: np.random.gumbel(1, 2, COUNT), 1 + 2 * 0.577216, 2 * onp.pi / 6**0.5),
    "exponential": (lambda: np.random.exponential(2, COUNT), 2, 2),
    "rayleigh": (lambda: np.random.rayleigh(2, COUNT), 2 * (onp.pi / 2) ** 0.5, 2 * (2 - onp.pi / 2) ** 0.5),
    "weibull": (lambda: np.random.weibull(2, COUNT), 0.886227, 0.463251),
    "pareto": (lambda: np.random.pareto(5, COUNT), 0.25, 0.322749),
    "power": (lambda: np.random.power(3, COUNT), 0.75, 0.193649),
    "gamma": (lambda: np.random.gamma(3, 2, COUNT), 6, 2 * 3**0.5),
    "beta": (lambda: np.random.beta(2, 3, COUNT), 0.4, 0.2),
    "chisquare": (lambda: np.random.chisquare(3, COUNT), 3, 6**0.5),
    "randint": (lambda: np.random.randint(0, 10, COUNT), 4.5, 8.25**0.5),
    "rand": (lambda: np.random.rand(COUNT), 0.5, 1 / 12**0.5),
    "randn": (lambda: np.random.randn(COUNT), 0, 1),
    "choice": (lambda: np.random.choice(3, COUNT, p=np.array([0.5, 0.2, 0.3])), 0.8, 0.76**0.5),
    "multinomial": (lambda: np.random.multinomial(8, [0.25, 0.25, 0.5], COUNT // 10)[:, 2], 4, 2**0.5),
    "multivariate normal": (
        lambda: np.random.multivariate_normal(np.array([1.0, 2.0]), np.array([[4.0, 1], [1, 2]]), COUNT)[:, 0],
        1,
        2,
    ),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_mean_and_deviation(name):
    draw, mean, deviation = DISTRIBUTIONS[name]
    values = draw().asnumpy().astype("float64")
    assert onp.isfinite(values).all()
    assert abs(values.mean() - mean) < 0.02 * deviation
    assert abs(values.std() / deviation - 1) < 0.03


def test_a_seed_gives_the_same_numbers_again():
    def draw():
        return [
            np.random.normal(size=4),
            np.random.gamma(2.0, size=4),
            np.random.choice(9, 4),
            np.random.gumbel(size=2),
        ]

    mx.random.seed(3)
    first = draw()
    mx.random.seed(3)
    assert all((a.asnumpy() == b.asnumpy()).all() for a, b in zip(first, draw()))
    assert (draw()[0].asnumpy() != first[0].asnumpy()).any()


def test_gradients_flow_to_the_parameters_of_a_distribution():
    loc, scale = np.array([0.0, 1.0, 2.0]), np.array([[1.0], [2.0]])
    loc.attach_grad()
    scale.attach_grad()
    for sampler in (np.random.normal, np.random.logistic, np.random.gumbel):
        with autograd.record():
            y = sampler(loc, scale, (4, 2, 3))
        y.backward()
        assert loc.grad.asnumpy().tolist() == [8, 8, 8]
        shift = ((y - loc) / scale).sum(axis=(0, 2)).asnumpy()
        onp.testing.assert_allclose(scale.grad.asnumpy()[:, 0], shift, rtol=1e-4, atol=1e-4)
    for sampler in (np.random.exponential, np.random.rayleigh):
        with autograd.record():
            y = sampler(scale, (2, 5))
        y.backward()
        onp.testing.assert_allclose(scale.grad.asnumpy(), (y / scale).sum(1, keepdims=True).asnumpy(), rtol=1e-4)


def test_choice_without_replacement_and_shuffle_keep_every_entry():
    assert sorted(np.random.choice(6, 6, replace=False).tolist()) == list(range(6))
    drawn = np.random.choice(5, 3, replace=False, p=np.array([0.0, 0.4, 0.0, 0.3, 0.3]))
    assert sorted(drawn.tolist()) == [1, 3, 4]
    x = np.arange(10).reshape(5, 2)
    np.random.shuffle(x)
    assert sorted(x.tolist()) == np.arange(10).reshape(5, 2).tolist()


def test_decompositions_put_together_again():
    a = np.random.normal(size=(2, 3, 5))
    u, values, v = np.linalg.svd(a)
    onp.testing.assert_allclose(np.matmul(u * np.expand_dims(values, 1), v).asnumpy(), a.asnumpy(), atol=1e-5)
    b = np.matmul(a, a.transpose(0, 2, 1))
    values, vectors = np.linalg.eigh(b)
    again = np.matmul(vectors * np.expand_dims(values, 1), vectors.transpose(0, 2, 1))
    onp.testing.assert_allclose(again.asnumpy(), b.asnumpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: np.where(x > 1.5, x, 0.0), [0, 1, 1]),
        (lambda x: np.where(x > 1.5, 0.0, x), [1, 0, 0]),
        (lambda x: np.rot90(np.stack([x, x * 0]))[0], [0, 0, 1]),
        (lambda x: np.atleast_2d(x) * 2, [2, 2, 2]),
        (lambda x: np.delete(x, 1), [1, 0, 1]),
        (lambda x: np.insert(x, 1, x[0]), [2, 1, 1]),
        (lambda x: np.var(x), [-2 / 3, 0, 2 / 3]),
        (lambda x: np.resize(x, (4,)), [2, 1, 1]),
        (lambda x: np.pad(x, ((1, 2),), "edge"), [2, 1, 3]),
    ],
)
def test_gradients_where_mxnet_has_wrong_ones_or_none(function, expected):
    x = np.array([1.0, 2.0, 3.0])
    x.attach_grad()
    with autograd.record():
        y = function(x)
    y.backward()
    onp.testing.assert_allclose(x.grad.asnumpy(), expected, atol=1e-6)


def test_what_numpy_computes_has_no_gradients_and_says_so():
    x = np.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        with pytest.raises(ValueError, match="without gradients"):
            np.cov(x)
        assert np.allclose(x, x)
        assert np.ndim(x * 2) == 1
    assert type(np.polyadd([1], [2])) is onp.ndarray


def test_results_keep_the_context_of_their_arrays():
    x = np.array([1.0, 2.0], ctx=mx.cpu(1))
    for y in (np.exp(x), np.add(x, 1), np.sum(x), np.zeros_like(x), np.cov(x.reshape(1, 2)), np.random.normal(x, 1)):
        assert y.context == mx.cpu(1)
    assert np.random.uniform(size=2, ctx=mx.cpu(1)).context == mx.cpu(1)


def test_out_is_written_and_answered():
    x, out = np.array([1.0, 4.0]), np.zeros(2)
    for call in (
        lambda: np.sqrt(x, out=out),
        lambda: np.cumsum(x, out=out),
        lambda: np.random.normal(0, 1, 2, out=out),
    ):
        assert call() is out
    with pytest.raises(mx.MXNetError, match="out="):
        np.sum(x, out=out)


def test_names_that_mxnet_does_not_have():
    with pytest.raises(AttributeError, match="no attribute 'fft'"):
        _ = np.fft
    with pytest.raises(RuntimeError, match="NEP 32"):
        np.npv(0.1, [1, 2])
    assert {"exp", "linalg", "random", "pi", "polyfit"} <= set(dir(np))


@pytest.mark.parametrize(
    "expression",
    """
    np.logical_and(x, y)
    np.logical_or(x, 0)
    np.logical_xor(1, y)
    np.floor_divide(x, y)
    np.floor_divide(x, 2)
    np.fmod(x, y)
    np.fmax(x, y)
    np.fmin(1.5, y)
    np.gcd(i, 6)
    np.left_shift(i, 2)
    np.right_shift(i, i)
    np.logaddexp(x, y)
    np.kron(x, y)
    np.cross(x, y)
    np.triu(x, 1)
    np.tri(3, 4, 1)
    np.tril_indices(3, -1, 4)
    np.triu_indices(3, 1)
    np.cumprod(x, 0)
    np.median(x, 1)
    np.median(x)
    np.nansum(n, 0)
    np.nanmean(n, (0, 1), keepdims=True)
    """.strip().split("\n"),
)
def test_names_of_later_versions_as_numpy_has_them(expression):
    random = onp.random.RandomState(1)
    x, y = random.uniform(-2, 2, (2, 3)).astype("float32"), random.uniform(1, 2, (2, 3)).astype("float32")
    n, i = x.copy(), onp.array([[4, 9, 6]])
    n[0, 0] = onp.nan
    names = {"x": x, "y": y, "n": n, "i": i}
    there = eval(expression.strip(), {"np": onp, **names})
    here = eval(expression.strip(), {"np": np, **{key: np.array(value) for key, value in names.items()}})
    for mine, theirs in zip(here, there) if isinstance(there, tuple) else [(here, there)]:
        onp.testing.assert_allclose(mine.asnumpy(), theirs, rtol=1e-5, atol=1e-6)
        assert mine.dtype.kind == theirs.dtype.kind
