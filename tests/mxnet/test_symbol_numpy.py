"""`mx.sym.np` and what belongs to it, against the real MXNet: what a graph answers and how its nodes are called."""

import json

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import same_code

FUNCTIONS = """
np.exp(a)
np.exp(2.0)
np.add(a, b)
np.add(a, 2)
np.subtract(2, a)
np.maximum(a, 1.5)
np.lcm(a, b)
np.lcm(a, 3)
np.bitwise_and(a, b)
np.bitwise_xor(a, 3)
np.ldexp(a, b)
np.ldexp(2., a)
np.all(a, axis=1)
np.any(a)
np.amax(a, axis=0)
np.append(a, b, axis=0)
np.append(a, b)
np.arange(3)
np.arange(1, 7, 2)
np.arange(3, dtype='int32')
np.argmax(a)
np.argmax(a, axis=1)
np.argmin(a, 1)
np.argsort(a)
np.argsort(a, axis=0)
np.around(a, 1)
np.around(a)
np.array_split(a, (1, 2), axis=1)
np.array_split(a, 2, axis=1)
np.split(a, 2, axis=1)
np.hsplit(a, 2)
np.vsplit(a, 3)
np.average(a)
np.average(a, axis=1, weights=b)
np.average(a, returned=True)
np.blackman(5)
np.hamming(4)
np.hanning(4)
np.broadcast_to(a, (3, 2, 3))
np.clip(a, -0.5, 0.5)
np.clip(a, None, 0.5)
np.column_stack([a, b])
np.concatenate([a, b], axis=1)
np.concatenate([a, b], axis=None)
np.copy(a)
np.cumsum(a, axis=1)
np.cumsum(a)
np.diag(a)
np.diag_indices_from(np.matmul(a, np.transpose(a)))
np.diagflat(a)
np.diagonal(a)
np.diff(a)
np.diff(a, n=1, axis=0)
np.dot(a, np.transpose(b))
np.dsplit(np.expand_dims(a, 2), 1)
np.dstack([a, b])
np.ediff1d(a)
np.ediff1d(a, to_end=5, to_begin=1)
np.ediff1d(a, to_end=b)
np.einsum('ij, kj->ik', a, b)
np.expand_dims(a, 1)
np.eye(3)
np.eye(2, 3, k=1)
np.flip(a)
np.flip(a, axis=1)
np.fliplr(a)
np.flipud(a)
np.full((2, 3), 1.5)
np.full_like(a, 2)
np.histogram(a, bins=4, range=(-2, 2))
np.hsplit(a, 3)
np.hsplit(a, (1, ))
np.hstack([a, b])
np.hypot(a, b)
np.identity(3)
np.indices((2, 3))
np.inner(a, b)
np.isnan(a)
np.linspace(0, 1, 5)
np.linspace(0, 1, 5, endpoint=False)
np.logspace(0, 1, 5)
np.matmul(a, np.transpose(b))
np.mean(a)
np.mean(a, axis=1, keepdims=True)
np.mean(a, axis=1, dtype='float64')
np.moveaxis(a, 0, 1)
np.nan_to_num(a)
np.ones((2, 3))
np.ones_like(a)
np.outer(a, b)
np.pad(a, ((1, 1), (0, 2)), mode='edge')
np.percentile(a, 30)
np.percentile(a, 30, axis=1)
np.percentile(a, 30, axis=1, interpolation='lower', keepdims=True)
np.quantile(a, 0.3)
np.polyval(np.ravel(a), np.ravel(b))
np.prod(a, axis=1)
np.ravel(a)
np.repeat(a, 2, axis=1)
np.reshape(a, (3, 2))
np.reshape(a, (-1, ))
np.roll(a, 1)
np.roll(a, (1, 1), axis=(0, 1))
np.rot90(a)
np.rot90(a, 2, axes=(0, 1))
np.round(a, 1)
np.row_stack([a, b])
np.sort(a)
np.sort(a, axis=0)
np.split(a, 3, axis=1)
np.split(a, (1, 2), axis=1)
np.squeeze(np.expand_dims(a, 0))
np.stack([a, b], axis=1)
np.std(a)
np.std(a, axis=1, ddof=1)
np.var(a, axis=0, keepdims=True)
np.sum(a, axis=1)
np.sum(a)
np.swapaxes(a, 0, 1)
np.take(a, c, axis=1, mode='clip')
np.take(a, c, mode='clip')
np.take(a, c)
np.tensordot(a, b, axes=2)
np.tensordot(a, b, axes=((1, ), (1, )))
np.tensordot(a, np.transpose(b), 1)
np.tile(a, (2, 1))
np.tile(a, 2)
np.trace(a)
np.transpose(a)
np.transpose(a, (1, 0))
np.tril(a, 1)
np.vdot(a, b)
np.vsplit(a, 2)
np.vstack([a, b])
np.where(a, a, b)
np.where(a, a, 2.0)
np.where(a, 1.0, b)
np.where(a, 1.0, 2.0)
np.zeros((2, 3))
np.zeros((2, 3), dtype='int32')
np.zeros_like(a)
np.zeros_like(a, dtype='int32')
np.may_share_memory(a, b)
np.shares_memory(a, b)
np.linalg.norm(a)
np.linalg.norm(a, ord=1, axis=1)
np.linalg.norm(a, ord='fro')
np.linalg.norm(a, axis=1, keepdims=True)
np.linalg.norm(a, ord='nuc')
np.linalg.norm(a, ord=2, axis=(0, 1))
np.linalg.cholesky(np.matmul(a, np.transpose(a)))
np.linalg.inv(np.matmul(a, np.transpose(a)))
np.linalg.det(np.matmul(a, np.transpose(a)))
np.linalg.slogdet(np.matmul(a, np.transpose(a)))
np.linalg.solve(np.matmul(a, np.transpose(a)), b)
np.linalg.eigvalsh(np.matmul(a, np.transpose(a)))
np.linalg.eigvals(np.matmul(a, np.transpose(a)))
np.linalg.pinv(a)
np.linalg.tensorinv(np.matmul(a, np.transpose(a)), ind=1)
np.linalg.tensorsolve(np.matmul(a, np.transpose(a)), np.mean(b, axis=1))
"""

# Their numbers are torch's: shapes and dtypes are compared.
SAMPLERS = """
np.random.uniform(size=(2, 3))
np.random.uniform(0, a)
np.random.uniform(a, b, size=(4, 2, 3))
np.random.normal(size=(2, ))
np.random.normal(a, 1.0)
np.random.normal(a, b)
np.random.lognormal(size=(2, ))
np.random.randint(3, size=(2, ))
np.random.randint(0, 3, size=2)
np.random.beta(1., 2., size=(2, ))
np.random.gamma(2., size=(2, ))
np.random.gamma(a, 2.)
np.random.chisquare(2., size=(2, ))
np.random.exponential(size=(2, ))
np.random.gumbel(size=(2, ))
np.random.logistic(size=(2, ))
np.random.rayleigh(1., size=(2, ))
np.random.weibull(1., size=(2, ))
np.random.pareto(1., size=(2, ))
np.random.power(1., size=(2, ))
np.random.rand(2, 3)
np.random.choice(5, size=(3, ))
np.random.choice(5, size=(3, ), replace=False)
"""

# Runs in both.
EVALUATE = """
import json
onp = np

def outputs_of(text, values):
    np, a, b, c = mx.sym.np, *(mx.sym.var(name).as_np_ndarray() for name in "abc")
    with mx.name.NameManager():
        made = eval(text)
    if isinstance(made, float):
        return ["value", made]
    made = made if isinstance(made, mx.sym.Symbol) else mx.sym.Group(list(made))
    arrays = {name: mx.np.array(values[name]) for name in made.list_arguments()}
    found = [array.asnumpy() for array in made.bind(mx.cpu(), arrays).forward()]
    return [json.loads(made.tojson())["nodes"][-1]["name"], made.list_outputs(), *(
        [array.shape, array.dtype.name] if only_shapes else array for array in found)]

mx.npx.set_np()
try:
    outcomes = [outputs_of(text, whole if "bitwise" in text or "lcm" in text else values) for text in texts]
finally:
    mx.npx.reset_np()
"""


def _values(seed):
    rng = np.random.default_rng(seed)
    values = {"a": rng.normal(size=(2, 3)).astype("f"), "b": rng.normal(size=(2, 3)).astype("f")}
    values["c"] = np.array([0, 1, 2, 1], "int32")
    return values, {name: (array * 5).astype("int32") for name, array in values.items()}


@pytest.mark.parametrize("line", range(len(FUNCTIONS.split("\n")) // 40 + 1))
def test_functions_give_what_mxnet_gives(line):
    texts = [text for text in FUNCTIONS.split("\n") if text][line * 40 : (line + 1) * 40]
    values, whole = _values(line)
    same_code(EVALUATE, ["outcomes"], texts=texts, values=values, whole=whole, only_shapes=False, rtol=1e-3, atol=1e-4)


def test_samplers_draw_in_the_shapes_of_mxnet():
    texts = [text for text in SAMPLERS.split("\n") if text]
    values = {name: np.abs(value) for name, value in _values(0)[0].items()}
    same_code(EVALUATE, ["outcomes"], texts=texts, values=values, whole=values, only_shapes=True)


@pytest.fixture
def numpy_semantics():
    mx.npx.set_np()
    yield
    mx.npx.reset_np()


@pytest.mark.filterwarnings("ignore::tandem.engine.replay.EagerWarning")  # unique() reads values
@pytest.mark.usefixtures("numpy_semantics")
def test_what_mxnet_gets_wrong_is_numpys():
    np_, a = mx.sym.np, mx.sym.var("a").as_np_ndarray()
    value = np.arange(6, dtype="f").reshape(2, 3)
    for made, expected in (
        (np_.delete(a, 1, axis=1), np.delete(value, 1, axis=1)),
        (np_.delete(a, slice(0, 2), axis=1), np.delete(value, slice(0, 2), axis=1)),
        (np_.insert(a, 1, 2.0, axis=1), np.insert(value, 1, 2.0, axis=1)),
        (np_.pad(a, ((1, 1), (0, 2)), constant_values=3), np.pad(value, ((1, 1), (0, 2)), constant_values=3)),
        (np_.resize(a, (3, 3)), np.resize(value, (3, 3))),
        (np_.linalg.norm(a, ord=np.inf, axis=0), np.linalg.norm(value, ord=np.inf, axis=0)),
        (np_.unique(a), np.unique(value)),
    ):
        np.testing.assert_allclose(made.eval(a=mx.np.array(value))[0].asnumpy(), expected, rtol=1e-6)


@pytest.mark.usefixtures("numpy_semantics")
def test_graphs_with_norms_are_read_back():
    made = mx.sym.np.linalg.norm(mx.sym.var("a").as_np_ndarray(), axis=1)
    again = mx.sym.load_json(made.tojson())
    assert json.loads(again.tojson())["nodes"][-1]["op"] == "_npi_norm"
    values = mx.np.array([[3.0, 4.0]])
    assert again.eval(a=values)[0].asnumpy().tolist() == [5.0]


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (lambda s, a: s.exp(a, out=np.zeros(3)), TypeError),
        (lambda s, a: s.exp(a, where=True), TypeError),
        (lambda s, a: s.add(a, "x"), TypeError),
        (lambda s, a: s.clip(a, None, None), ValueError),
        (lambda s, a: s.sort(a, kind="heapsort"), NotImplementedError),
        (lambda s, a: s.linspace(a, 1), NotImplementedError),
        (lambda s, a: s.histogram(a), NotImplementedError),
        (lambda s, a: s.pad(a, ((1, 1),), mode="wrap"), ValueError),
        (lambda s, a: s.take(a, a, mode="nearest"), NotImplementedError),
        (lambda s, a: s.tensordot(a, a, axes=((0,), (0, 1))), ValueError),
        (lambda s, a: s.linalg.norm(a, ord="inner"), ValueError),
        (lambda s, a: s.linalg.eigh(a, UPLO="X"), ValueError),
        (lambda s, a: s.random.multivariate_normal(a, a, tol=1e-3), NotImplementedError),
        (lambda s, a: s.mean(3), AssertionError),
    ],
)
def test_what_symbols_cannot_do_raises(action, error):
    with pytest.raises(error):
        action(mx.sym.np, mx.sym.var("a").as_np_ndarray())


def test_classes_drawn_by_zipfs_law_have_expected_counts():
    same_code(
        """
        sampled, true, other = mx.sym.contrib.rand_zipfian(mx.sym.var("classes"), 5, 20)
        found = mx.sym.Group([sampled, true, other]).eval(classes=nd.array([0, 3, 19]))
        counts = found[1].asnumpy()
        shapes = [str(array.dtype) + str(array.shape) for array in found]
        """,
        ["counts", "shapes"],
    )


# Runs in both.
METHODS = """
import json
mx.npx.set_np()
try:
    outcomes = []
    for text in texts:
        a = mx.sym.var("a").as_np_ndarray()
        try:
            with mx.name.NameManager():
                made = eval(text)
            found = made.eval(a=mx.np.array(value))[0].asnumpy()
            outcomes.append([[node["op"] for node in json.loads(made.tojson())["nodes"]], found.shape, found])
        except Exception as error:
            outcomes.append(type(error).__name__)
finally:
    mx.npx.reset_np()
"""


def test_methods_and_indices_are_those_of_mxnet():
    texts = """
    a[0] | a[1:] | a[::-1] | a[:, 0] | a[0, 1:3] | a[0, 0, 0] | a[..., 1] | a[None] | a[1.0] | a[[0, 1]] | a[a]
    a.sum() | a.sum(axis=1) | a.mean(axis=1) | a.std(axis=0) | a.var() | a.cumsum(axis=1) | a.dot(a.reshape(4, 6))
    a.max() | a.min(axis=0) | a.argmax(axis=1) | a.clip(0, 3) | a.squeeze() | a.repeat(2) | a.swapaxes(0, 1)
    a.flatten() | a.prod() | a.argsort() | a.round() | a.argmin() | a.transpose(1, 0, 2) | a.T | a.reshape(-1) | -a
    2 % a | 2 - a | 1 + a | 2**a | a // 2 | a.exp() | a.norm() | a.topk() | a.split(2) | a + mx.sym.var("b")
    mx.sym.npx.relu(mx.sym.var("b")) | mx.sym.np.exp(mx.sym.var("b")) | mx.sym.np.sum(mx.sym.var("b"))
    """
    texts = [text.strip() for line in texts.strip().split("\n") for text in line.split("|")]
    value = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("f")
    same_code(METHODS, ["outcomes"], texts=texts, value=value, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("numpy_semantics")
def test_the_last_entry_is_there():
    value = np.arange(6, dtype="f").reshape(2, 3)
    made = mx.sym.var("a").as_np_ndarray()[-1]
    assert made.eval(a=mx.np.array(value))[0].asnumpy().tolist() == [3, 4, 5]


BEYOND_NUMPY = """
import json
mx.npx.set_np()
try:
    np, image, random = mx.sym.np, mx.sym.npx.image, mx.sym.npx.random
    p, q = (mx.sym.var(name).as_np_ndarray() for name in "pq")
    outcomes = []
    for text in texts:
        try:
            made = eval(text)
            tree = json.loads(made.tojson())
            given = {name: mx.np.array(values[name]) for name in made.list_arguments()}
            # Samples differ; where a parameter leaves nothing to chance they do not.
            found = made.bind(mx.cpu(), given).forward()[0].asnumpy().round(3)
            outcomes.append([[node["op"] for node in tree["nodes"]], tree["attrs"], found])
        except Exception as error:
            outcomes.append(type(error).__name__)
finally:
    mx.npx.reset_np()
"""


def test_samplers_and_images_are_those_of_npx():
    texts = """
    random.bernoulli(p) | random.bernoulli(1.0, size=(2, 3)) | random.bernoulli(0.0, size=3) | random.bernoulli()
    random.bernoulli(logit=q * 1000) | random.bernoulli(p, size=(4, 2), dtype="int32") | random.bernoulli(p, q)
    random.normal_n(q, 1e-6, (3,)) | random.normal_n(1.0, p * 1e-6) | random.uniform_n(q, q + 1e-6, batch_shape=(2, 2))
    random.normal_n(q, 1e-6, 3, "float64") | random.nothing | image.nothing | image.flip_left_right(q) | np.exp(q)
    """
    texts = [text.strip() for line in texts.strip().split("\n") for text in line.split("|")]
    values = {"p": np.array([0, 1], "f"), "q": np.array([[-1, 1], [2, -3]], "f")}
    same_code(BEYOND_NUMPY, ["outcomes"], texts=texts, values=values)
