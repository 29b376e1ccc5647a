"""Trainer: gradients that are stale, states in files, several contexts, many parameters in few calls."""

import numpy as np
import pytest
import torch

import tandem.mxnet as mx
from tandem.mxnet import autograd, gluon, nd
from tandem.mxnet.gluon import nn
from tandem.ops import updates


def net_of(*units, **options):
    net = nn.HybridSequential()
    for size, inputs in zip(units[1:], units):
        net.add(nn.Dense(size, in_units=inputs))
    net.initialize(mx.init.Xavier(), **options)
    return net


def backward(net, x=None):
    with autograd.record():
        y = net(nd.ones((2, net[0].weight.shape[1])) if x is None else x).sum()
    y.backward()


def values(net):
    return [p.data().asnumpy() for p in net.collect_params().values()]


def test_a_gradient_that_is_not_new_is_an_error():
    net = net_of(3, 2)
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    backward(net)
    trainer.step(1)
    with pytest.raises(UserWarning, match="has not been updated by backward since last `step`"):
        trainer.step(1)
    before = values(net)
    trainer.step(1, ignore_stale_grad=True)
    for a, b in zip(values(net), before):
        np.testing.assert_array_equal(a, b)


def test_ignore_stale_grad_trains_what_was_reached():
    net = net_of(3, 2, 2)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1})
    before = values(net)
    backward(net[:1])
    trainer.step(1, ignore_stale_grad=True)
    changed = [bool((a != b).any()) for a, b in zip(values(net), before)]
    assert changed == [True, True, False, False]


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "nadam", "rmsprop"])
def test_states_go_on_after_loading(optimizer, tmp_path):
    path = str(tmp_path / "a.states")

    def settings():
        schedule = mx.lr_scheduler.FactorScheduler(2, 0.5, base_lr=0.1)
        return {"lr_scheduler": schedule, "wd": 0.01, **({"momentum": 0.9} if optimizer == "sgd" else {})}

    def run(steps, net, trainer):
        for _ in range(steps):
            backward(net)
            trainer.step(2)

    net = net_of(3, 2)
    trainer = gluon.Trainer(net.collect_params(), optimizer, settings())
    run(3, net, trainer)
    trainer.save_states(path)
    net.save_parameters(str(tmp_path / "a.params"))
    run(3, net, trainer)

    other = net_of(3, 2)
    other.load_parameters(str(tmp_path / "a.params"))
    again = gluon.Trainer(other.collect_params(), optimizer, settings())
    again.load_states(path)
    assert again.optimizer.num_update == 3
    run(3, other, again)
    for a, b in zip(values(other), values(net)):
        np.testing.assert_array_equal(a, b)


def test_states_with_half_precision(tmp_path):
    net = net_of(3, 2)
    net.cast("float16")
    trainer = gluon.Trainer(net.collect_params(), "adam", {"multi_precision": True})
    with autograd.record():
        y = net(nd.ones((2, 3), dtype="float16")).sum()
    y.backward()
    trainer.step(2)
    trainer.save_states(str(tmp_path / "a"))
    other = gluon.Trainer(net.collect_params(), "adam", {"multi_precision": True})
    other.load_states(str(tmp_path / "a"))
    master, (mean, _) = other._updaters[0].states[1]
    assert master.dtype is np.float32
    assert mean.asnumpy().any()


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04K\x01.", b"hello", b"\xff" * 64, b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "]
)
def test_files_that_hold_no_states_are_refused(data, tmp_path):
    path = tmp_path / "a.states"
    path.write_bytes(data)
    trainer = gluon.Trainer(net_of(3, 2).collect_params(), "adam")
    with pytest.raises(ValueError, match="pickle" if data[:1] == b"\x80" else "no optimizer states"):
        trainer.load_states(str(path))


def test_a_truncated_states_file_is_refused_wherever_it_ends(tmp_path):
    net = net_of(3, 2)
    trainer = gluon.Trainer(net.collect_params(), "adam")
    backward(net)
    trainer.step(1)
    path = tmp_path / "a.states"
    trainer.save_states(str(path))
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="no optimizer states"):
            trainer.load_states(str(path))


@pytest.mark.parametrize(("kvstore", "on_store"), [("device", None), ("local", True), ("device", False)])
def test_replicas_stay_together(kvstore, on_store):
    contexts = [mx.cpu(0), mx.cpu(1)]
    net, single = net_of(3, 4, 2, ctx=contexts), net_of(3, 4, 2)
    for a, b in zip(single.collect_params().values(), net.collect_params().values()):
        a.set_data(b.data(mx.cpu(0)))
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1}, kvstore, update_on_kvstore=on_store)
    alone = gluon.Trainer(single.collect_params(), "adam", {"learning_rate": 0.1})
    rng = np.random.RandomState(0)
    for _ in range(3):
        data = rng.uniform(-1, 1, (4, 3))
        with autograd.record():
            parts = [(net(x) ** 2).sum() for x in gluon.utils.split_and_load(data, contexts)]
            whole = (single(nd.array(data)) ** 2).sum()
        autograd.backward(parts)
        whole.backward()
        trainer.step(4)
        alone.step(4)
    for a, b in zip(net.collect_params().values(), single.collect_params().values()):
        for replica in a.list_data():
            np.testing.assert_allclose(replica.asnumpy(), b.data().asnumpy(), rtol=1e-4, atol=1e-5)


def test_new_values_reach_the_store():
    net = nn.Dense(1, in_units=2, use_bias=False)
    net.initialize(mx.init.One(), ctx=[mx.cpu(0), mx.cpu(1)])
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0})
    for value in (1, 5):
        net.weight.set_data(nd.ones((1, 2)) * value)
        with autograd.record():
            outs = [net(nd.ones((1, 2), ctx=ctx)) for ctx in (mx.cpu(0), mx.cpu(1))]
        autograd.backward(outs)
        trainer.step(2)
        assert trainer._update_on_kvstore is True
        assert [data.asnumpy().tolist() for data in net.weight.list_data()] == [[[value - 1] * 2]] * 2


def test_a_derived_trainer_sums_gradients_its_own_way():
    class Doubling(gluon.Trainer):
        def _allreduce_grads(self):
            for parameter in self._params:
                for grad in parameter.list_grad():
                    grad[:] *= 2

    net = net_of(2, 1)
    before = net[0].weight.data().asnumpy()
    trainer = Doubling(net.collect_params(), "sgd", {"learning_rate": 0.5}, kvstore=None)
    backward(net)
    trainer.step(2)
    np.testing.assert_allclose(net[0].weight.data().asnumpy(), before - 1, rtol=1e-6)
    backward(net)
    trainer.allreduce_grads()
    trainer.update(2)
    np.testing.assert_allclose(net[0].weight.data().asnumpy(), before - 2, rtol=1e-6, atol=1e-6)


def test_all_parameters_are_updated_in_one_call(monkeypatch):
    calls = []
    adam = updates.adam
    monkeypatch.setattr(
        updates, "adam", lambda params, *args, **kw: (calls.append(len(params)), adam(params, *args, **kw))
    )
    net = net_of(3, 4, 5, 2)
    trainer = gluon.Trainer(net.collect_params(), "adam")
    backward(net)
    trainer.step(1)
    net[0].weight.lr_mult = 0.5
    backward(net)
    trainer.step(1)
    assert calls == [6, 5, 1] or calls == [6, 1, 5]


def test_what_changes_from_step_to_step_stays_in_its_tensor():
    net = net_of(3, 2)
    trainer = gluon.Trainer(net.collect_params(), "adam")
    addresses = set()
    for size in (4, 4, 3):
        backward(net)
        trainer.step(size)
        addresses.add(tuple(sorted(known[0].data_ptr() for known in trainer.optimizer._scalars.values())))
    assert len(addresses) == 1


def test_nothing_is_read_back(monkeypatch):
    net = net_of(3, 4, 2)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"clip_gradient": 1.0, "wd": 0.1})
    metric = mx.metric.CompositeEvalMetric([mx.metric.Accuracy(), mx.metric.CrossEntropy(), mx.metric.Loss()])
    loss = gluon.loss.SoftmaxCrossEntropyLoss()

    def step():
        with autograd.record():
            output = net(nd.ones((4, 3)))
            value = loss(output, nd.array([0, 1, 0, 1]))
        value.backward()
        trainer.step(4)
        metric.metrics[0].update([nd.array([0, 1, 0, 1])], [output])
        metric.metrics[1].update([nd.array([0, 1, 0, 1])], [nd.softmax(output)])
        metric.metrics[2].update(None, [value])

    step()

    def refuse(*args, **kwargs):
        raise AssertionError("a tensor was read back")

    for name in ("item", "tolist", "numpy", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    step()
    monkeypatch.undo()
    assert metric.get()[1][0] == 0.5


def test_training_learns():
    rng = np.random.RandomState(0)
    x = rng.normal(0, 1, (200, 2)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("float32")
    mx.random.seed(0)
    net = nn.HybridSequential()
    net.add(nn.Dense(16, activation="relu"), nn.Dense(2))
    net.initialize(mx.init.Xavier())
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
    loss, data, labels = gluon.loss.SoftmaxCrossEntropyLoss(), nd.array(x), nd.array(y)
    for _ in range(150):
        with autograd.record():
            value = loss(net(data), labels)
        value.backward()
        trainer.step(len(x))
    accuracy = mx.metric.Accuracy()
    accuracy.update([labels], [net(data)])
    assert accuracy.get()[1] > 0.95


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_label_that_is_no_class_counts_as_the_nearest(hybrid):
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    loss.hybridize(hybrid)
    pred = nd.array([[1, 2, 4], [3, 1, 0]])
    np.testing.assert_array_equal(loss(pred, nd.array([3, -1])).asnumpy(), loss(pred, nd.array([2, 0])).asnumpy())
    assert loss(pred, nd.array([0, -1]), nd.array([[1], [0]])).asnumpy()[1] == 0


def test_a_step_before_the_shapes_are_known_is_an_error():
    net = gluon.nn.Dense(2)
    net.initialize()
    with pytest.raises(gluon.parameter.DeferredInitializationError):
        gluon.Trainer(net.collect_params(), "sgd").step(1)


def test_whole_numbers_are_not_trained():
    parameter = gluon.Parameter("steps", shape=(2,), dtype="int32")
    parameter.initialize(mx.init.One())
    trainer = gluon.Trainer({"steps": parameter}, "sgd")
    trainer.step(1)
    assert parameter.grad().dtype == np.int32 and parameter.grad().asnumpy().tolist() == [0, 0]
    assert parameter.data().asnumpy().tolist() == [1, 1]


class _Picks(gluon.nn.HybridBlock):
    """Answers beside its values the places of the largest, which have no gradient."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.dense = gluon.nn.Dense(3, in_units=3)

    def hybrid_forward(self, F, x):
        h = self.dense(x)
        place = F.argmax(h, axis=1)
        return h * F.one_hot(place, 3) + F.ones_like(h) * (h > 0), place


@pytest.mark.parametrize("hybrid", [False, True])
def test_outputs_without_a_gradient_give_zeros(hybrid):
    net = _Picks()
    net.initialize()
    net.hybridize(hybrid)
    x = nd.array(np.random.default_rng(0).standard_normal((4, 3)))
    for _ in range(3):
        with autograd.record():
            y, _ = net(x)
        y.backward()
        assert np.abs(net.dense.weight.grad().asnumpy()).max() > 0
    with autograd.record():
        _, place = net(x)
    place.backward()
    assert not net.dense.weight.grad().asnumpy().any()
