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
    assert seen == [3, b"w"]  # as MXNet hands names on
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


def test_kinds_that_are_not_there(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "DMLC_NUM_WORKER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Unsupported, match="horovod"):
        kvstore.create("horovod")
    with pytest.raises(mx.MXNetError, match="tandem run --nproc"):
        kvstore.create("dist_sync")
    monkeypatch.setenv("DMLC_NUM_WORKER", "2")
    with pytest.raises(mx.MXNetError, match="DMLC_PS_ROOT_PORT"):
        kvstore.create("dist_sync")
    with pytest.raises(mx.MXNetError, match="Did you mean 'device'"):
        kvstore.create("devise")
    with pytest.raises(TypeError, match="name must be a string"):
        kvstore.create(None)
    with pytest.raises(ValueError, match="Unknown capability"):
        kvstore.create().is_capable("flying")
    with pytest.raises(AssertionError, match="out="):
        kvstore.create().pull(0)


PUSHED = [0.2, 0.6, -0.3, -1.2, 0.5]
# What MXNet 1.9.1 gives, for one device and for the second with twice the values.
TWO_BITS = {
    1: [[0, 0.5, 0, -0.5, 0.5], [0, 0.5, -0.5, -0.5, 0.5], [0.5, 0.5, 0, -0.5, 0.5]],
    2: [[0, 1, -0.5, -1, 1], [0.5, 1, -1, -1, 1], [1, 1, -0.5, -1, 1]],
}


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("threshold", [{"threshold": 0.5}, {"threshold": "0.5", "more": 1}, {}])
def test_two_bits_to_a_gradient(devices, threshold):
    store = kvstore.create("device")
    store.set_gradient_compression({"type": "2bit", **threshold})
    store.init("a", nd.zeros(5))
    out = nd.zeros(5)
    for expected in TWO_BITS[devices]:
        store.push("a", [nd.array(PUSHED, ctx=mx.cpu(number)) * (number + 1) for number in range(devices)])
        store.pull("a", out)
        assert out.asnumpy().tolist() == expected


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ("2bit", AssertionError, "a dict"),
        ({}, mx.MXNetError, "Required parameter type"),
        ({"type": "1bit"}, mx.MXNetError, "Unknown type for gradient compression 1bit.*Did you mean '2bit'"),
        ({"type": "2bit", "threshold": 0}, mx.MXNetError, "greater than 0"),
        ({"type": "2bit", "threshold": "much"}, mx.MXNetError, "greater than 0"),
    ],
)
def test_wrong_compression(parameters, error, message):
    with pytest.raises(error, match=message):
        kvstore.create("device").set_gradient_compression(parameters)


def test_no_compression_where_nothing_is_sent():
    with pytest.raises(Exception, match="not supported for this type of kvstore"):
        kvstore.create("local").set_gradient_compression({"type": "2bit"})
    store = kvstore.create("device")
    store.set_gradient_compression({"type": "2bit"})
    store.init("a", nd.zeros((2, 2)).tostype("row_sparse"))
    with pytest.raises(mx.MXNetError, match="dense arrays"):
        store.push("a", nd.ones((2, 2)).tostype("row_sparse"))


def test_a_trainer_that_compresses():
    """The weights that MXNet 1.9.1 gets."""
    contexts = [mx.cpu(0), mx.cpu(1)]
    net = mx.gluon.nn.Dense(1, in_units=2, use_bias=False)
    net.initialize(mx.init.One(), ctx=contexts)
    settings = {"compression_params": {"type": "2bit", "threshold": 0.5}}
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0}, **settings)
    for expected in ([1, 0], [0, -1], [0, -2]):
        with mx.autograd.record():
            ys = [net(nd.array([[0.3, 0.9]], ctx=ctx)) for ctx in contexts]
        for y in ys:
            y.backward()
        trainer.step(1)
        for ctx in contexts:
            assert net.weight.data(ctx).asnumpy().tolist() == [expected]


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


def test_the_register_of_stores():
    class Plain(kvstore.KVStoreBase):
        """A store that can only sum."""

        def broadcast(self, key, value, out, priority=0):
            for array in out:
                array[:] = value

        def pushpull(self, key, value, out=None, priority=0):
            total = sum(value[1:], value[0])
            for array in value if out is None else out:
                array[:] = total

        @staticmethod
        def is_capable(capability):
            return False

    kvstore.KVStoreBase.register(Plain)
    with pytest.warns(UserWarning, match="overriding existing kvstore"):
        kvstore.KVStoreBase.register(Plain)
    for lacking in ("type", "rank", "num_workers"):
        with pytest.raises(NotImplementedError, match=lacking):
            getattr(Plain(), lacking)
    net = mx.gluon.nn.Dense(1, in_units=1, use_bias=False)
    net.initialize(mx.init.One(), ctx=[mx.cpu(0), mx.cpu(1)])
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1}, kvstore="plain")
    with mx.autograd.record():
        ys = [net(nd.ones((1, 1), ctx=mx.cpu(number)) * (number + 1)) for number in range(2)]
    for y in ys:
        y.backward()
    trainer.step(1)
    assert [array.asscalar() for array in net.weight.list_data()] == [-2, -2]


def test_the_store_that_keeps_nothing():
    store = kvstore.create("teststore")
    assert (store.type, store.rank, store.num_workers) == ("teststore", 0, 1)
    assert not store.is_capable("optimizer")
    with pytest.raises(ValueError, match="Unknown capability"):
        store.is_capable("flying")
    outs = [nd.empty(2, ctx=mx.cpu(number)) for number in range(3)]
    store.broadcast("a", nd.ones(2) * 2, outs[0])
    assert outs[0].asnumpy().tolist() == [2, 2]
    store.broadcast(["a", "b"], [nd.ones(2), nd.ones(2) * 5], [outs[:2], outs[2]])
    assert [out.asnumpy().tolist() for out in outs] == [[1, 1], [1, 1], [5, 5]]
    store.broadcast("a", nd.ones(2), outs)
    store.pushpull("a", outs)  # into themselves
    assert [out.asnumpy().tolist() for out in outs] == [[3, 3]] * 3
    store.pushpull("a", nd.ones(2), outs)
    store.pushpull("a", outs, out=outs[0])
    assert [out.asnumpy().tolist() for out in outs] == [[3, 3], [1, 1], [1, 1]]
    for method, argument in (("set_optimizer", mx.optimizer.SGD()), ("save_optimizer_states", "a")):
        with pytest.raises(NotImplementedError, match=method):
            getattr(store, method)(argument)


def test_arrays_of_another_shape_do_not_broadcast():
    store = kvstore.create()
    store.init("a", nd.ones(3))
    for call in (lambda: store.pull("a", out=nd.zeros((2, 3))), lambda: store.push("a", nd.ones(1))):
        with pytest.raises(mx.MXNetError, match="another shape"):
            call()
    with pytest.raises(AssertionError, match="takes arrays"):
        store.push("a", "x")


def test_a_server_has_nothing_to_do():
    server = kvstore.KVStoreServer(kvstore.create())
    assert server.run() is None
    assert server.kvstore.type == "local"
