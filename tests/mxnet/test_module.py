"""`mx.mod`: recordings that last, loops around modules of one's own, parameters that are shared, mistakes."""

import logging

import numpy as np
import pytest

import tandem.mxnet as mx

sym = mx.sym


def _net():
    x = sym.Activation(sym.FullyConnected(sym.Variable("data"), num_hidden=6, name="fc1"), act_type="tanh")
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=3, name="fc2"), name="softmax")


def _batch(rows, seed=0):
    random = np.random.RandomState(seed)
    return mx.io.DataBatch([mx.nd.array(random.randn(rows, 4))], [mx.nd.array(np.arange(rows) % 3)])


def _module(rows=6, **settings):
    module = mx.mod.Module(_net(), **settings)
    module.bind([("data", (rows, 4))], [("softmax_label", (rows,))])
    module.init_params(mx.init.Xavier())
    module.init_optimizer(optimizer_params={"learning_rate": 0.5, "momentum": 0.9})
    return module


def _step(module, batch):
    module.forward_backward(batch)
    module.update()


def _weights(module):
    return {name: array.asnumpy() for name, array in module.get_params()[0].items()}


def test_it_learns():
    mx.random.seed(1)
    np.random.seed(1)
    data = np.random.randn(120, 4).astype("float32")
    label = (data[:, 0] > 0).astype("float32") + (data[:, 1] > 0)
    module = mx.mod.Module(_net(), context=[mx.cpu(0), mx.cpu(1)])
    module.fit(
        mx.io.NDArrayIter(data, label, 20, shuffle=True),
        num_epoch=30,
        optimizer_params={"learning_rate": 0.5, "momentum": 0.9},
        initializer=mx.init.Xavier(),
    )
    ((name, accuracy),) = module.score(mx.io.NDArrayIter(data, label, 20), "acc")
    assert name == "accuracy" and accuracy > 0.9


def test_recordings_last_when_the_size_of_batches_changes():
    module = _module()
    kept = set()
    for step in range(12):
        _step(module, _batch((6, 6, 4)[step % 3], step))
        kept.add(id(module._exec_group.execs[0]))
    assert len(kept) == 2
    for executors in module._exec_group._kept.values():
        assert all(kind.recording is not None for kind in executors[0]._replay._joint.values())
    # The same as with a module that is bound to each size anew.
    one, other = _module(), _module()
    one.set_params(*other.get_params())
    for step in range(6):
        rows = (6, 4)[step % 2]
        _step(one, _batch(rows, step))
        other.reshape([("data", (rows, 4))], [("softmax_label", (rows,))])
        other._exec_group._kept.clear()
        _step(other, _batch(rows, step))
    for name, weight in _weights(one).items():
        np.testing.assert_allclose(weight, _weights(other)[name], rtol=1e-5, atol=1e-6)


def test_labels_that_are_not_given_follow_the_data():
    module = _module()
    with pytest.warns(UserWarning, match="label_shapes"):
        module.forward(mx.io.DataBatch([mx.nd.ones((9, 4))]), is_train=False)
    assert module.get_outputs()[0].shape == (9, 3)
    with pytest.raises(mx.MXNetError, match="fc1_weight"), pytest.warns(UserWarning, match="label_shapes"):
        module.forward(mx.io.DataBatch([mx.nd.ones((7, 5))]), is_train=False)
    module.forward(mx.io.DataBatch([mx.nd.ones((9, 4))]), is_train=False)  # it goes on where it was
    assert module.get_outputs()[0].shape == module.output_shapes[0][1] == (9, 3)


def test_a_bucketing_module_that_is_bound_anew_goes_on():
    module = mx.mod.BucketingModule(lambda key: (_net(), ("data",), ("softmax_label",)), default_bucket_key=1)
    batch = _batch(6)
    batch.bucket_key, shapes = 1, ([("data", (6, 4))], [("softmax_label", (6,))])
    batch.provide_data, batch.provide_label = shapes
    module.bind(*shapes)
    module.init_params(mx.init.Xavier())
    module.init_optimizer(optimizer_params={"learning_rate": 0.5, "momentum": 0.9})
    before = _weights(module)
    module.bind(*shapes, force_rebind=True)
    np.testing.assert_array_equal(_weights(module)["fc1_weight"], before["fc1_weight"])
    _step(module, batch)
    assert (_weights(module)["fc1_weight"] != before["fc1_weight"]).any()


def test_a_monitor_leaves_the_batches_between_its_intervals_alone():
    module = _module()
    monitor = mx.mon.Monitor(5, pattern="fc.*backward|softmax_output", sort=True)
    module.install_monitor(monitor)
    seen = []
    for step in range(10):
        monitor.tic()
        _step(module, _batch(6, step))
        seen.append([name for _, name, _ in monitor.toc()])
    names = [f"fc{layer}_backward_output{place}" for layer in (1, 2) for place in range(3)]
    assert seen[0] == seen[5] == [*names, "softmax_output"] and not any(seen[1:5] + seen[6:])
    assert all(kind.recording is not None for kind in module._exec_group.execs[0]._replay._joint.values())


class _Counted:
    """Batches of which each has to be asked for its label before the next one comes."""

    provide_data = provide_label = None

    def __init__(self, count):
        self.count, self.at, self.asked = count, 0, []

    def __iter__(self):
        self.at = 0
        return self

    def __next__(self):
        if self.at == self.count:
            raise StopIteration
        self.at += 1
        return _Asked(self, self.at)

    def reset(self):
        self.at = 0


class _Asked:
    def __init__(self, source, number):
        self.source, self.number = source, number

    @property
    def label(self):
        assert self.source.at == self.number
        self.source.asked.append(self.number)


def _note(name):
    def method(self, *args, **kwargs):
        self.calls.append(name)

    return method


class _Silent(mx.mod.BaseModule):
    """A module whose methods do nothing but count."""

    def __init__(self):
        super().__init__()
        self.calls = []

    bind, init_params, init_optimizer = _note("bind"), _note("init_params"), _note("init_optimizer")
    forward, backward, update = _note("forward"), _note("backward"), _note("update")
    update_metric = _note("update_metric")

    def get_params(self):
        return None, None


def test_fit_of_a_module_of_ones_own():
    module, batches, ended = _Silent(), _Counted(2), []
    module.fit(batches, num_epoch=2, epoch_end_callback=lambda *args: ended.append(args))
    assert batches.asked == [1, 2, 1, 2]
    step = ["forward", "backward", "update", "update_metric"]
    epoch = [*step, *step, "init_params"]  # set_params at its end
    assert module.calls == ["bind", "init_params", "init_optimizer", *epoch, *epoch]
    assert ended == [(0, None, None, None), (1, None, None, None)]


def test_what_callbacks_find():
    found = {"batch": [], "eval": [], "end": []}
    data = mx.io.NDArrayIter(np.ones((12, 4)), np.zeros(12), 6)
    module = mx.mod.Module(_net())
    module.fit(
        data,
        eval_data=mx.io.NDArrayIter(np.ones((6, 4)), np.zeros(6), 6),
        num_epoch=1,
        batch_end_callback=[lambda param: found["batch"].append((param.nbatch, param.locals["self"] is module))],
        eval_batch_end_callback=lambda param: found["eval"].append(param.nbatch),
        eval_end_callback=lambda param: found["end"].append((param.nbatch, param.epoch)),
    )
    assert found == {"batch": [(0, True), (1, True)], "eval": [0], "end": [(1, 0)]}


def test_modules_share_parameters_and_optimizer():
    first = _module()
    second = mx.mod.Module(_net())
    shapes = [("data", (2, 4))], [("softmax_label", (2,))]
    second.bind(*shapes, shared_module=first)
    assert second.params_initialized and second.optimizer_initialized
    before = _weights(first)
    _step(second, _batch(2))
    after = {name: array.asnumpy() for name, array in first._exec_group.execs[0].arg_dict.items() if "fc" in name}
    assert all((after[name] != before[name]).any() for name in before)
    with pytest.raises(AssertionError, match="shared_module"):
        mx.mod.Module(_net()).bind(*shapes, shared_module=mx.mod.Module(_net()))


def test_a_list_of_batches_is_one_to_each_context():
    module = _module(rows=4, context=[mx.cpu(0), mx.cpu(1)])
    pieces = [_batch(3, 1), _batch(3, 2)]
    module.forward(pieces, is_train=True)
    module.backward()
    assert module.data_shapes[0].shape == (6, 4)
    outputs = module.get_outputs()[0].asnumpy()
    metric = mx.metric.create("acc")
    module.update_metric(metric, [piece.label for piece in pieces], pre_sliced=True)
    labels = np.concatenate([piece.label[0].asnumpy() for piece in pieces])
    assert metric.get()[1] == pytest.approx((outputs.argmax(1) == labels).mean())


def test_older_scripts_slice_batches_themselves():
    from tandem.mxnet.executor_manager import _split_input_slice

    assert _split_input_slice(10, [1, 1, 1]) == [slice(0, 3), slice(3, 6), slice(6, 10)]
    assert _split_input_slice(10, [1, 3]) == [slice(0, 2), slice(2, 10)]
    with pytest.raises(ValueError, match="Too many slices"):
        _split_input_slice(2, [1, 1, 1])


def test_older_scripts_look_for_names_that_two_arguments_have():
    from tandem.mxnet.executor_manager import _check_arguments

    x, state = mx.sym.Variable("x"), mx.sym.Variable("m")
    _check_arguments(x + x)
    with pytest.raises(ValueError, match='duplicated argument name "x"'):
        _check_arguments(x + mx.sym.Variable("x"))
    with pytest.raises(ValueError, match='duplicated auxiliary param name "m"'):
        _check_arguments(mx.sym.BatchNorm(x, moving_mean=state, moving_var=mx.sym.Variable("m")))
    with pytest.raises(ValueError, match='duplicated argument name "x"'):
        with pytest.warns(DeprecationWarning, match="FeedForward"):
            mx.model.FeedForward(x + mx.sym.Variable("x"))._check_arguments()


def test_mistakes(caplog):
    module = mx.mod.Module(_net())
    with pytest.raises(AssertionError, match=r"bind\(\) before"):
        module.forward(_batch(6))
    with pytest.raises(AssertionError, match="call bind"):
        module.init_params()
    module = _module()
    with pytest.warns(UserWarning, match="already initialized"):
        module.init_params()
    caplog.set_level(logging.WARNING)
    module.bind([("data", (6, 4))], [("softmax_label", (6,))])
    module.init_optimizer()
    assert [record.getMessage() for record in caplog.records] == [
        "Already bound, ignoring bind()",
        "optimizer already initialized, ignoring...",
    ]
    with pytest.raises(AssertionError, match="epochs"):
        module.fit(mx.io.NDArrayIter(np.ones((6, 4)), np.zeros(6), 6))
    with pytest.raises(AssertionError, match="inputs_need_grad"):
        module.get_input_grads()
    with pytest.raises(ValueError, match="data_names"):
        mx.mod.Module(_net(), data_names=["x"])
    with pytest.warns(UserWarning, match="label_names"):
        mx.mod.Module(_net(), label_names=["x"])
    with pytest.warns(UserWarning, match="rescale_grad"):
        module.init_optimizer(optimizer=mx.optimizer.SGD(), force_init=True)
    with pytest.warns(UserWarning, match="sparse_row_id_fn"):
        module.prepare(_batch(6), sparse_row_id_fn=lambda batch: {})
    module = _module()
    module.bind([("data", (6, 4))], [("softmax_label", (6,))], for_training=False, force_rebind=True)
    module.forward(_batch(6))
    with pytest.raises(AssertionError, match="for_training"):
        module.backward()
