"""Errors that only values show are told when somebody waits for the values, and once, as in the real MXNet."""

import gc

import pytest

import tandem.mxnet as mx
from mxnet_parity import same_code
from tandem.mxnet import autograd, gluon, nd

_ATTEMPT = """
def attempt(function):
    try:
        function()
        return "fine"
    except Exception as error:
        return type(error).__name__

random = mx.nd.random
bad = lambda: random.normal(0, -1, (2, 2))
"""


@pytest.mark.oracle
@pytest.mark.parametrize(
    "steps",
    [
        "x = bad(); results = [attempt(f) for f in (x.asnumpy, x.asnumpy, nd.waitall)]",
        "x = bad(); y = nd.dot(x, x) + 1; results = [attempt(y.wait_to_read), attempt(nd.waitall)]",
        "x = bad(); results = [attempt(f) for f in (nd.waitall, nd.waitall)]",
        "a, b = bad().copyto(mx.cpu(0)); results = [attempt(a.asnumpy), attempt(b.asnumpy)]",
        "results = [attempt(lambda: random.uniform(1, 0, (2,)))]; attempt(nd.waitall)",
        "results = [attempt(lambda: random.gamma(-1, 1, (2,)).asnumpy())]; attempt(nd.waitall)",
        "results = [attempt(lambda: str(bad())), attempt(lambda: bool(random.poisson(-1, (1,))))]",
        "x = nd.ones((2, 2)); results = [attempt(lambda: x.__setitem__(slice(None), bad()) or x.asnumpy())]",
        "results = [attempt(lambda: random.normal_like(nd.ones(2), scale=-1).asnumpy()), attempt(nd.waitall)]",
    ],
)
def test_when_it_is_told(steps):
    same_code(_ATTEMPT + steps, ["results"])


def test_a_model_computes_on_and_the_result_tells():
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(4, activation="tanh"), gluon.nn.Dropout(0.5), gluon.nn.BatchNorm(), gluon.nn.Dense(3))
    net.initialize()
    y = net(nd.random.normal(10, -10, (3, 10)))
    assert y.shape == (3, 3)
    with pytest.raises(mx.MXNetError, match="scale > 0"):
        y.wait_to_read()


def test_gradients_are_not_computed_from_it():
    w = nd.ones((2, 2))
    w.attach_grad()
    with autograd.record():
        loss = (w * nd.random.normal(0, -1, (2, 2))).sum()
    with pytest.raises(mx.MXNetError, match="scale > 0"):
        loss.backward()


def test_what_nobody_holds_any_longer_tells_nothing():
    nd.random.normal(0, -1, (2, 2))
    gc.collect()
    nd.waitall()
