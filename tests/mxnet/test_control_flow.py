"""`contrib.foreach`, `while_loop` and `cond`, and the small functions beside them, against the real MXNet."""

import warnings

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import same_code, same_expressions
from tandem.mxnet import autograd, gluon, nd

_SETUP = """
C = nd.contrib
a, b, s = nd.arange(6).reshape((3, 2)), nd.ones((3, 2)), nd.zeros((2,))
one, zero = nd.ones((1,)), nd.zeros((1,))
inf = float("inf")
graph = nd.array([[1, 0, 0], [2, 0, 3], [0, 0, 4]]).tostype("csr")
special = nd.array([1.0, inf, -inf, float("nan")])
"""


@pytest.mark.oracle
def test_results_and_their_structure():
    same_expressions(
        """
        C.foreach(lambda d, s: (d + s, d + s), a, s)
        C.foreach(lambda d, s: ([d[0] + s[0], d[1]], [s[0] + d[0]]), [a, b], [s])
        C.foreach(lambda d, s: ((d[0] * 2, d[1]), s), (a, b), (s,))
        C.foreach(lambda d, s: (d * 2, []), a, [])
        C.foreach(lambda d, s: ([d[0], [d[1]]], s), [a, a], s)
        C.foreach(lambda d, s: (d[0], [s[0], [s[1][0] + d[0]]]), [a, a], [s, [s]])
        C.foreach(lambda d, s: ([], s + d), a, s)
        C.foreach(lambda d, s: (d + s, s), nd.arange(3), nd.ones(1))
        C.foreach(lambda d, s: (None, s), a, s)
        C.foreach(lambda d, s: (d, s), onp.ones(3), s)
        C.foreach(lambda d, s: (d, s), a, 3)
        C.foreach(lambda d, s: (d[0], s), [a, nd.ones((2, 2))], s)
        C.while_loop(lambda i, s: i <= 5, lambda i, s: ([i + s], [i + 1, s + i]), (zero, one), 6)
        C.while_loop(lambda i, s: i <= 5, lambda i, s: (i + s, (i + 1, s + i)), [zero, one], 3)
        C.while_loop(lambda i, s: i > 5, lambda i, s: (i + s, (i + 1, s + i)), [zero, one], 3)
        [x.shape for x in C.while_loop(lambda i: i <= 2, lambda i: (i, i + 1), zero, 5)]
        C.while_loop(lambda i: i <= 2, lambda i: (i, i + 1), zero, 5)[0][:3]
        C.while_loop(lambda i: i <= 2, lambda i: (None, i + 1), zero, 5)
        C.while_loop(lambda i, s: i < 3, lambda i, s: ([i, [s[0]]], [i + 1, [s[0] * 2]]), [one, [one]], 2)
        C.while_loop(lambda i: True, lambda i: (i, i + 1), zero, "3")
        C.while_loop(lambda i: i < 3, lambda i: (i, i + 1), nd.array([0], dtype="int32"), 4)[1]
        C.while_loop(lambda i: i <= 2, lambda i: (i, i + 1), zero)
        C.while_loop(lambda i: i <= 2, lambda i: (i, i + 1), zero, -1)
        C.while_loop(lambda: True, lambda: (one, []), [], 3)
        C.while_loop(lambda i: nd.ones(2), lambda i: (i, i + 1), zero, 3)
        C.while_loop(lambda i: i < 3, lambda i: (i, [i, i]), zero, 3)
        C.while_loop(lambda i: i.shape[0] < 3, lambda i: (i, nd.concat(i, i, dim=0)), one, 4)
        C.while_loop(lambda i: i < 3, lambda i: (i, i.astype("float64") + 1), one, 4)
        C.cond(one, lambda: one * 2, lambda: one * 3)
        C.cond(one < 0, lambda: one * 2, lambda: [one * 3, one])
        C.cond(True, lambda: (one, [one]), lambda: one)
        C.cond(nd.ones(2), lambda: one, lambda: one)
        C.cond(one, one, one)
        [C.isinf(special), C.isnan(special), C.isfinite(special)]
        [f(special.astype("float16")) for f in (C.isinf, C.isnan, C.isfinite)]
        [f(nd.array([1, 2], dtype="int32")) for f in (C.isinf, C.isnan, C.isfinite)]
        [(x.shape, x.dtype) for x in C.rand_zipfian(nd.array([3, 4]), 5, 10)]
        C.rand_zipfian(nd.array([3, 0, 9]), 40, 10)[1]
        C.rand_zipfian([3], 5, 10)
        C.edge_id(graph, nd.array([0, 0, 1, 1, 2]), nd.array([0, 1, 0, 2, 2]))
        C.edge_id(nd.zeros((2, 3)).tostype("csr"), nd.array([0]), nd.array([1]))
        C.edge_id(nd.ones((2, 3)), nd.array([0]), nd.array([1]))
        """,
        _SETUP,
    )


@pytest.mark.oracle
def test_gradients_reach_data_states_and_what_the_body_closes_over():
    same_code(
        """
        x, w, start = nd.arange(6).reshape((3, 2)), nd.array([2.0, 3.0]), nd.ones(2)
        for array in (x, w, start):
            array.attach_grad()
        grads = []
        with autograd.record():
            out, last = nd.contrib.foreach(lambda d, s: (d * w + s, s * w + d), x, start)
            y = (out * out).sum() + last.sum()
        y.backward()
        grads.append([array.grad for array in (x, w, start)])
        for most in (3, 5):
            with autograd.record():
                out, (i, last) = nd.contrib.while_loop(
                    lambda i, s: i < 3, lambda i, s: (s * w, (i + 1, s * w + x[0])), (nd.zeros(1), start), most)
                y = out[:3].sum() * 2 + last.sum()
            y.backward()
            grads.append([array.grad for array in (x, w, start)])
        for sign in (1, -1):
            with autograd.record():
                y = nd.contrib.cond(w.sum() * sign > 0, lambda: w * start, lambda: start * start)
            y.backward()
            grads.append([array.grad for array in (w, start)])
        with autograd.record():  # loops in loops
            out, _ = nd.contrib.foreach(
                lambda d, s: (nd.contrib.foreach(lambda e, t: (e * t, t + e), d, s[0])[1] * w, s), x, [nd.ones(1)])
        out.backward()
        grads.append([x.grad, w.grad])
        """,
        ["grads"],
    )


class _Loops(gluon.HybridBlock):
    """A recurrence by `foreach`, or by `while_loop`, whose weights' shapes follow from the data."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        with self.name_scope():
            self.inside, self.other = gluon.nn.Dense(3), gluon.nn.Dense(3)

    def hybrid_forward(self, F, x, start):
        if self.kind == "foreach":
            out, state = F.contrib.foreach(lambda d, s: [F.tanh(self.inside(d) + s)] * 2, x, start)
            return out.sum(axis=0) + state
        if self.kind == "while_loop":

            def step(i, s):
                return s, (i + 1, F.tanh(self.inside(s) + x[0, 0, 0]))

            out, _ = F.contrib.while_loop(lambda i, s: i < 3, step, (F.zeros((1,)), start), 4)
            return out[2]
        return F.contrib.cond(x.sum() > 0, lambda: self.inside(start), lambda: self.other(start) * 2)


@pytest.mark.parametrize("kind", ["foreach", "while_loop", "cond"])
def test_hybridized_blocks_compute_what_plain_ones_do(kind):
    rng = np.random.default_rng(0)
    data = [nd.array(rng.uniform(0, 1, (3, 2, 3)) * sign) for sign in (1, -1, 1, -1, 1)]
    start, results = nd.ones((2, 3)), []
    for hybridize in (False, True):
        net = _Loops(kind)
        net.initialize(mx.init.Constant(0.1))
        if hybridize:
            net.hybridize()
        found = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what depends on values runs eagerly, and says so
            for x in data:
                with autograd.record():
                    y = net(x, start)
                y.backward()
                found.append((y.asnumpy(), net.inside.weight.grad().asnumpy()))
        results.append(found)
    for plain, recorded in zip(*results):
        np.testing.assert_allclose(plain[0], recorded[0], rtol=1e-6)
        np.testing.assert_allclose(plain[1], recorded[1], rtol=1e-6)


@pytest.mark.parametrize("kind", ["foreach", "while_loop", "cond"])
def test_shapes_of_weights_inside_follow_without_values(kind):
    net = _Loops(kind)
    net.initialize()
    net.infer_shape(nd.ones((3, 2, 3)), nd.ones((2, 3)))
    assert net.inside.weight.shape == (3, 3)
    assert net.other.weight.shape == ((3, 3) if kind == "cond" else (3, 0))  # both branches are looked at


def test_rand_zipfian_draws_as_often_as_it_expects():
    mx.random.seed(7)
    sampled, expected, of_sampled = nd.contrib.rand_zipfian(nd.arange(10), 40000, 10)
    counts = np.bincount(sampled.asnumpy(), minlength=10)
    np.testing.assert_allclose(counts, expected.asnumpy(), atol=6 * np.sqrt(counts.max()))
    assert of_sampled[0].asscalar() == expected[int(sampled[0].asscalar())].asscalar()
