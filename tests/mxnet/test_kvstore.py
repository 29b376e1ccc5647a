"""The store on one machine: sums over devices, an updater, kinds that are not there."""

import numpy as np
import pytest

import tandem.mxnet as mx
from tandem.core.errors import Unsupported
from tandem.mxnet import kvstore, nd


def test_sums_over_contexts_come_back_to_each():
    store = kvstore.create("device")
    contexts = [mx.cpu(0), mx.cpu(1)]
    store.init(0, nd.zeros((2,)))
    values = [nd.ones((2,), ctx=ctx) * (number + 1) for number, ctx in enumerate(contexts)]
    store.pushpull(0, values)
    assert [v.asnumpy().tolist() for v in values] == [[3, 3]] * 2
    assert [v.context for v in values] == contexts


def test_an_updater_of_ones_own():
    store = kvstore.create()
    seen = []

    def update(key, pushed, stored):
        seen.append(key)
        stored += pushed * 2

    store._set_updater(update)
    store.init(["3", "w"], [nd.ones(2), nd.ones(2)])
    store.push(["3", "w"], [nd.ones(2), [nd.ones(2)] * 3])
    out = [nd.zeros(2), nd.zeros(2)]
    store.pull(["3", "w"], out)
    assert seen == [3, "w"]
    assert [o.asnumpy().tolist() for o in out] == [[3, 3], [7, 7]]


def test_states_of_its_optimizer(tmp_path):
    path = str(tmp_path / "a.states")
    weights = []
    for load in (False, True):
        store = kvstore.create()
        store.set_optimizer(mx.optimizer.SGD(learning_rate=0.1, momentum=0.9))
        store.init(0, nd.ones(2))
        if load:
            store.load_optimizer_states(path)
        store.push(0, nd.ones(2))
        if not load:
            store.save_optimizer_states(path)
        out = nd.zeros(2)
        store.pull(0, out)
        weights.append(out.asnumpy())
    np.testing.assert_allclose(weights, [[0.9, 0.9], [0.81, 0.81]], rtol=1e-6)


def test_kinds_that_are_not_there():
    for name in ("dist_sync", "horovod"):
        with pytest.raises(Unsupported, match="several machines"):
            kvstore.create(name)
    with pytest.raises(mx.MXNetError, match="Did you mean 'device'"):
        kvstore.create("devise")
    with pytest.raises(Unsupported):
        kvstore.create().set_gradient_compression({"type": "2bit"})
    with pytest.raises(mx.MXNetError, match="Unknown capability"):
        kvstore.create().is_capable("flying")
    with pytest.raises(AssertionError, match="out="):
        kvstore.create().pull(0)


def test_a_store_of_ones_own():
    @kvstore.KVStoreBase.register
    class Mine(kvstore.KVStore):
        def __init__(self):
            super().__init__("mine")

    assert isinstance(kvstore.create("mine"), Mine)
    net = mx.gluon.nn.Dense(1, in_units=1)
    net.initialize(mx.init.One())
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1}, kvstore=Mine())
    with mx.autograd.record():
        y = net(nd.ones((1, 1)))
    y.backward()
    trainer.step(1)
    assert net.weight.data().asscalar() == 0
