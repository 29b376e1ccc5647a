"""`mx.kvstore` over two processes. Numbers in comparisons are those of MXNet 1.9.1 with two workers and a server."""

import os
import subprocess
import sys

import numpy as np
import pytest
from tests.processes import free_port, together

import tandem.mxnet as mx
from tandem.mxnet import kvstore, nd


def _arrays(kind):
    store = kvstore.create(kind)
    rank, out, found = store.rank, nd.zeros(3), []

    def look():
        found.append(out.asnumpy().tolist())

    store.init("a", nd.ones(3) * (rank + 1))
    store.pull("a", out)
    look()
    store.push("a", nd.ones(3) * (rank + 1))
    store.pull("a", out)
    look()
    store.push("a", [nd.ones(3, ctx=mx.cpu(device)) * (rank + 1) for device in range(2)])
    store.pull("a", out)
    look()
    store.pushpull("a", nd.ones(3) * (rank + 1), out=out)
    look()
    store.broadcast("b", nd.ones(3) * (rank + 5), out=out)
    look()
    store._barrier()
    with pytest.raises(mx.MXNetError, match="duplicate init"):
        store.init("a", out)
    return (store.type, store.rank, store.num_workers), found


@pytest.mark.parametrize("kind", ["dist_sync", "dist_device_sync", "DIST_ASYNC"])
def test_what_is_pushed_is_summed_over_workers(kind):
    for rank, (facts, found) in enumerate(together(_arrays, kind)):
        assert facts == (kind.lower(), rank, 2)
        assert found == [[1.0] * 3, [3.0] * 3, [6.0] * 3, [3.0] * 3, [5.0] * 3]


def _compressed():
    store = kvstore.create("dist_sync")
    store.set_gradient_compression({"type": "2bit", "threshold": 0.5})
    store.init("a", nd.zeros(5))
    found = []
    for devices in (1, 1, 1, 2, 2):
        store.push("a", [nd.array([0.2, 0.6, -0.3, -1.2, 0.5]) * (store.rank + 1)] * devices)
        out = nd.zeros(5)
        store.pull("a", out)
        found.append(out.asnumpy().tolist())
    return found


def test_compressed_pushes():
    assert together(_compressed) == [
        [[0, 1, -0.5, -1, 1], [0.5, 1, -1, -1, 1], [1, 1, -0.5, -1, 1], [1, 1, -1, -1, 1], [0.5, 1, -1, -1, 1]]
    ] * 2  # fmt: skip


def _rows():
    store = kvstore.create("dist_sync")
    store.init("s", (nd.ones((4, 2)) * (1 + 7 * store.rank)).tostype("row_sparse"))
    store.set_optimizer(mx.optimizer.SGD(learning_rate=1.0))
    values = nd.ones((2, 2)) * (store.rank + 1)
    store.push("s", nd.sparse.row_sparse_array((values, [store.rank, 2]), shape=(4, 2)))
    out = nd.sparse.zeros("row_sparse", (4, 2))
    store.row_sparse_pull("s", out=out, row_ids=nd.array([0, 1, 2, 3]))
    with pytest.raises(mx.MXNetError, match="csr"):
        store.init("c", nd.ones((2, 2)).tostype("csr"))
    return out.asnumpy().tolist()


def test_rows_of_all_workers():
    assert together(_rows) == [[[0.0] * 2, [-1.0] * 2, [-2.0] * 2, [1.0] * 2]] * 2


def _many_keys():
    store = kvstore.create("dist_sync")
    rank, found = store.rank, []
    kinds = {"3": ((2, 3), "float32"), "99": ((1200, 11), "float32"), "h": ((2, 3), "float16")}
    dense = list(kinds)
    store.init(dense, [nd.ones(shape, dtype=dtype) for shape, dtype in kinds.values()])
    sparse = ["9", "11"]
    store.init(sparse, [nd.ones((2, 3)).tostype("row_sparse")] * 2)
    store.init("empty", nd.sparse.zeros("row_sparse", (2, 3)))
    store.set_optimizer(mx.optimizer.create("test", rescale_grad=2))
    for _ in range(3):
        values = [nd.ones(shape, dtype=dtype) * (rank + 1) for shape, dtype in kinds.values()]
        store.push(dense, values)
    for key, (shape, dtype) in kinds.items():
        out = nd.zeros(shape, dtype=dtype)
        store.pull(key, out)
        assert out.dtype == np.dtype(dtype)
        found.append((out.min().asscalar(), out.max().asscalar()))
    own = nd.sparse.row_sparse_array((nd.ones((1, 3)) * (rank + 1), [rank]), shape=(2, 3))
    outs, every = [nd.sparse.zeros("row_sparse", (2, 3)) for _ in sparse], nd.array([0, 1])
    store.push(sparse, [own, own])
    store.row_sparse_pull(sparse, outs, row_ids=[every, every])
    found += [out.asnumpy().tolist() for out in outs]
    store.push("empty", own if rank else nd.sparse.zeros("row_sparse", (2, 3)))
    store.row_sparse_pull("empty", outs[0], row_ids=every)
    return [*found, outs[0].asnumpy().tolist()]


@pytest.mark.filterwarnings("ignore:Accumulating with float16")
def test_lists_of_keys_of_every_kind():
    rows = [[3.0] * 3, [5.0] * 3]
    assert together(_many_keys) == [[(19, 19), (19, 19), (19, 19), rows, rows, [[0.0] * 3, [4.0] * 3]]] * 2


def _data():
    random = np.random.default_rng(3)
    return random.normal(size=(12, 5)).astype("float32"), random.normal(size=(12, 2)).astype("float32")


def _trained(kind, path, update_on_kvstore=None, contexts=1, steps=4):
    x, y = _data()
    store = kind if kind is None else kvstore.create(kind)
    rank, workers = (0, 1) if store is None else (store.rank, store.num_workers)
    contexts = [mx.cpu(number) for number in range(contexts)]
    mx.random.seed(1)  # as in MXNet the first worker's weights come to the others with the first step, after its pass
    net = mx.gluon.nn.HybridSequential()
    net.add(mx.gluon.nn.Dense(4, in_units=5, activation="tanh"), mx.gluon.nn.Dense(2, in_units=4))
    net.initialize(mx.init.Xavier(), ctx=contexts)
    net.hybridize()
    arguments = {"learning_rate": 0.1, "momentum": 0.9}
    trainer = mx.gluon.Trainer(
        net.collect_params(), "sgd", arguments, kvstore=store, update_on_kvstore=update_on_kvstore
    )
    loss = mx.gluon.loss.L2Loss()
    for number in range(steps):
        if number == 2:
            trainer.save_states(path)
            trainer.load_states(path)
        losses = []
        xs = mx.gluon.utils.split_and_load(nd.array(x[rank::workers]), contexts)
        ys = mx.gluon.utils.split_and_load(nd.array(y[rank::workers]), contexts)
        with mx.autograd.record():
            losses = [loss(net(one), target) for one, target in zip(xs, ys)]
        for one in losses:
            one.backward()
        trainer.step(len(x))
    return [parameter.data(contexts[-1]).asnumpy() for parameter in net.collect_params().values()]


@pytest.mark.parametrize(("update", "contexts"), [(True, 1), (False, 1), (None, 3)])
def test_two_workers_learn_what_one_learns(tmp_path, update, contexts):
    (expected,) = together(_trained, None, str(tmp_path / "one"), count=1)
    for weights in together(_trained, "dist_sync", str(tmp_path / "two"), update, contexts):
        for found, wanted in zip(weights, expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def _module(kind):
    x, y = _data()
    store = kind if kind is None else kvstore.create(kind)
    rank, workers = (0, 1) if store is None else (store.rank, store.num_workers)
    data = mx.io.NDArrayIter(x[rank::workers], y[rank::workers], 6 // workers, label_name="out_label")
    out = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc")
    module = mx.mod.Module(mx.sym.LinearRegressionOutput(out, name="out"), label_names=["out_label"])
    mx.random.seed(2)
    arguments = (("learning_rate", 0.1), ("momentum", 0.9))
    module.fit(data, num_epoch=3, kvstore=store, optimizer_params=arguments, initializer=mx.init.Xavier())
    return [array.asnumpy() for array in module.get_params()[0].values()]


def test_modules_of_two_workers_learn_what_one_learns():
    (expected,) = together(_module, None, count=1)
    for weights in together(_module, "dist_sync"):
        for found, wanted in zip(weights, expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def _refusals():
    net = mx.gluon.nn.Dense(1, in_units=1)
    net.initialize()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", kvstore="dist_async", update_on_kvstore=False)
    with pytest.raises(ValueError, match="update_on_kvstore=True when training in async mode"):
        trainer.step(1)


def test_an_asynchronous_store_updates():
    together(_refusals)


WORKER = """
import mxnet as mx
store = mx.kv.create("dist_sync")
out = mx.nd.zeros(1)
store.init(0, out)
store.push(0, mx.nd.ones(1))
store.pull(0, out)
print(store.num_workers, out.asscalar())
"""


@pytest.mark.slow
def test_processes_of_mxnets_launcher(tmp_path):
    """A scheduler, a server and two workers that have no numbers: all end by themselves."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    gone = {"RANK", "WORLD_SIZE"}
    shared = {
        **{name: value for name, value in os.environ.items() if name not in gone},
        "DMLC_NUM_WORKER": "2",
        "DMLC_NUM_SERVER": "1",
        "DMLC_PS_ROOT_URI": "127.0.0.1",
        "DMLC_PS_ROOT_PORT": str(free_port()),
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tandem", "run", str(script)],
            env={**shared, "DMLC_ROLE": role},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for role in ("scheduler", "server", "worker", "worker")
    ]
    try:
        ended = [process.communicate(timeout=100) for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * 4, ended
    assert [out for out, _ in ended] == ["", "", "2 2.0\n", "2 2.0\n"]
