"""Executors: replay, groups of contexts, monitors, shared arrays, loops and branches."""

import numpy as np
import pytest

import tandem.mxnet as mx

sym = mx.sym


def _dense():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc")
    return sym.LinearRegressionOutput(sym.Activation(net, act_type="tanh", name="act"), name="out")


def _filled(executor, seed=0):
    rng = np.random.RandomState(seed)
    for array in executor.arg_arrays:
        array[:] = rng.randn(*array.shape)
    return executor


def test_steps_are_replayed_and_give_what_eager_ones_give():
    net = _dense()
    replayed = _filled(net.simple_bind(mx.cpu(), data=(4, 5)))
    eager = _filled(net.simple_bind(mx.cpu(), data=(4, 5)))
    eager.set_monitor_callback(lambda name, array: None)  # a monitor sees every operator: nothing is replayed
    for seed in range(6):
        data = mx.nd.array(np.random.RandomState(seed).randn(4, 5))
        for executor in (replayed, eager):
            executor.forward(is_train=True, data=data)
            executor.backward()
            weight = executor.arg_dict["fc_weight"]
            weight[:] = weight - 0.1 * executor.grad_dict["fc_weight"]
    assert replayed._replay._joint and all(kind.recording is not None for kind in replayed._replay._joint.values())
    for name, grad in replayed.grad_dict.items():
        np.testing.assert_allclose(grad.asnumpy(), eager.grad_dict[name].asnumpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(replayed.outputs[0].asnumpy(), eager.outputs[0].asnumpy(), rtol=1e-5)


def test_gradients_are_written_added_or_left():
    a, b, c = sym.Variable("a"), sym.Variable("b"), sym.Variable("c")
    executor = sym.MakeLoss(a * b * c).simple_bind(mx.cpu(), grad_req={"a": "write", "b": "add"}, a=(2,), b=(2,))
    for array in executor.arg_arrays:
        array[:] = 2
    for step in range(1, 5):
        executor.forward(is_train=True)
        executor.backward()
        assert executor.grad_dict["a"].asnumpy().tolist() == [4, 4]
        assert executor.grad_dict["b"].asnumpy().tolist() == [4 * step] * 2
    assert executor.grad_dict["c"] is None


def test_a_second_backward_pass_works():
    x = sym.Variable("x")
    executor = (x * x).simple_bind(mx.cpu(), x=(2,))
    executor.arg_arrays[0][:] = 3
    executor.forward(is_train=True)
    for scale in (1, 2):
        executor.backward(mx.nd.ones(2) * scale)
        assert executor.grad_arrays[0].asnumpy().tolist() == [6 * scale] * 2


def test_outputs_that_were_taken_show_the_next_results():
    x = sym.Variable("x")
    executor = (x + 1).simple_bind(mx.cpu(), x=(2,))
    output = executor.outputs[0]
    executor.forward()
    executor.arg_arrays[0][:] = 5
    executor.forward()
    assert output.asnumpy().tolist() == [6, 6]


def test_an_output_that_is_an_argument_has_memory_of_its_own():
    x = sym.Variable("x")
    executor = sym.Group([x, x * 2]).simple_bind(mx.cpu(), x=(2,))
    executor.forward(is_train=True)
    executor.arg_arrays[0][:] = 5
    assert executor.outputs[0].asnumpy().tolist() == [0, 0]
    executor.backward([mx.nd.ones(2), mx.nd.ones(2)])
    assert executor.grad_arrays[0].asnumpy().tolist() == [3, 3]


def test_groups_of_nodes_have_their_contexts():
    with mx.AttrScope(ctx_group="one"):
        first = sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc1")
    with mx.AttrScope(ctx_group="two"):
        net = sym.FullyConnected(first, num_hidden=2, name="fc2")
    executor = net.simple_bind(mx.cpu(), data=(4, 5), group2ctx={"one": mx.cpu(1), "two": mx.cpu(2)})
    assert executor.arg_dict["fc1_weight"].context == mx.cpu(1)
    assert executor.grad_dict["fc2_weight"].context == mx.cpu(2)
    assert executor.forward()[0].context == mx.cpu(2)


def test_monitors_see_outputs_and_inputs():
    seen = []
    executor = _filled(_dense().simple_bind(mx.cpu(), data=(4, 5)))
    executor.set_monitor_callback(lambda name, array: seen.append((mx.base.py_str(name), array.shape)))
    executor.forward()
    assert seen == [("fc_output", (4, 3)), ("act_output", (4, 3)), ("out_output", (4, 3))]
    seen.clear()
    executor.set_monitor_callback(
        lambda name, array: seen.append((mx.base.py_str(name), array.shape)), monitor_all=True
    )
    executor.forward()
    # A variable has a name of its own beside that of the input.
    inputs = ["data", "fc_data", "fc_weight", "fc_weight", "fc_bias", "fc_bias"]
    assert [name for name, _ in seen[:7]] == [*inputs, "fc_output"]


def test_monitors_see_gradients_of_each_operator():
    x = sym.Variable("x")
    net = sym.MakeLoss(sym.broadcast_mul(x * 2, sym.Variable("w"), name="mul") + sym.square(x, name="square"))
    executor = net.simple_bind(mx.cpu(), x=(2, 3), w=(1, 3), grad_req={"x": "write"})
    executor.arg_dict["x"][:], executor.arg_dict["w"][:] = 3, 5
    seen = {}
    executor.set_monitor_callback(lambda name, array: seen.update({mx.base.py_str(name): array.asnumpy()}))
    executor.forward(is_train=True)
    executor.backward()
    assert (seen["mul_backward_output0"] == 5).all() and (seen["square_backward_output"] == 6).all()
    assert not seen["mul_backward_output1"].any()  # w does not learn
    assert (executor.grad_dict["x"].asnumpy() == 5 * 2 + 6).all()


def test_executors_share_arrays():
    net = _dense()
    first = net.simple_bind(mx.cpu(), data=(4, 5))
    names = ["fc_weight", "fc_bias"]
    second = net.simple_bind(mx.cpu(), data=(2, 5), shared_arg_names=names, shared_exec=first, shared_buffer={})
    first.arg_dict["fc_weight"][:] = 7
    assert (second.arg_dict["fc_weight"].asnumpy() == 7).all()
    smaller = first.reshape(data=(3, 5), out_label=(3, 3))
    first.arg_dict["fc_bias"][:] = 1
    assert (smaller.arg_dict["fc_bias"].asnumpy() == 1).all()
    assert smaller.forward()[0].shape == (3, 3)


def test_dropout_and_statistics_follow_the_mode():
    x = sym.Variable("x")
    executor = sym.Dropout(sym.BatchNorm(x, name="bn"), p=0.5).simple_bind(mx.cpu(), x=(64, 2))
    executor.arg_dict["x"][:] = np.random.RandomState(0).randn(64, 2)
    executor.aux_dict["bn_moving_var"][:] = 1
    zeros = [(executor.forward(is_train=True)[0].asnumpy() == 0).mean() for _ in range(5)]
    assert all(0.2 < share < 0.8 for share in zeros)
    assert len(set(zeros)) > 1
    assert (executor.aux_dict["bn_moving_mean"].asnumpy() == 0).all()
    executor.backward(mx.nd.ones((64, 2)))
    moved = executor.aux_dict["bn_moving_mean"].asnumpy().copy()
    assert (moved != 0).all()
    assert (executor.forward()[0].asnumpy() != 0).all()
    assert (executor.aux_dict["bn_moving_mean"].asnumpy() == moved).all()


@pytest.mark.parametrize("limit", [3, 10])
def test_while_loops_stop_and_branches_choose(limit):
    i, n = sym.Variable("i"), sym.Variable("n")
    outputs, (last, _) = sym.contrib.while_loop(
        lambda i, n: sym.sum(i) < limit, lambda i, n: (i * n, [i + 1, n]), [i, n], max_iterations=6
    )
    branch = sym.contrib.cond(sym.sum(i) < sym.sum(n), lambda: i * 10, lambda: n * 100)
    executor = sym.Group([outputs, last, branch]).simple_bind(mx.cpu(), i=(1,), n=(1,))
    executor.arg_dict["i"][:], executor.arg_dict["n"][:] = 1, 2
    found = executor.forward(is_train=True)
    steps = min(6, limit - 1)
    assert found[0].asnumpy().ravel().tolist() == [2.0 * (k + 1) for k in range(steps)] + [0] * (6 - steps)
    assert found[1].asscalar() == steps + 1
    assert found[2].asscalar() == 10
    executor.backward([mx.nd.ones((6, 1)), mx.nd.ones((1,)), mx.nd.ones((1,))])
    assert executor.grad_dict["i"].asscalar() == 2 * steps + 1 + 10
    assert executor.grad_dict["n"].asscalar() == sum(range(1, steps + 1))


def test_checkpoints(tmp_path):
    net = _dense()
    executor = _filled(net.simple_bind(mx.cpu(), data=(4, 5)))
    prefix = str(tmp_path / "model")
    weights = {name: executor.arg_dict[name] for name in ("fc_weight", "fc_bias")}
    mx.model.save_checkpoint(prefix, 3, net, weights, {})
    symbol, args, aux = mx.model.load_checkpoint(prefix, 3)
    assert symbol.tojson() == net.tojson()
    assert aux == {}
    assert (args["fc_weight"].asnumpy() == weights["fc_weight"].asnumpy()).all()


def test_a_symbol_trains_as_a_block():
    net = _dense().get_internals()["act_output"]
    block = mx.gluon.SymbolBlock(net, sym.Variable("data"))
    block.initialize()
    block.hybridize()
    data = mx.nd.array(np.random.RandomState(0).randn(4, 5))
    for _ in range(4):
        with mx.autograd.record():
            loss = (block(data) ** 2).sum()
        loss.backward()
    executor = net.bind(mx.cpu(), {"data": data, **{k: p.data() for k, p in block.collect_params().items()}})
    np.testing.assert_allclose(block(data).asnumpy(), executor.forward()[0].asnumpy(), rtol=1e-6)
    assert abs(block.params["fc_weight"].grad().asnumpy()).sum() > 0


def test_a_reshaped_executor_keeps_its_monitor():
    seen = []
    executor = _filled(_dense().simple_bind(mx.cpu(), data=(4, 5)))
    executor.set_monitor_callback(lambda name, array: seen.append((name, array.shape)))
    executor.reshape(data=(2, 5), out_label=(2, 3)).forward()
    assert seen == [(b"fc_output", (2, 3)), (b"act_output", (2, 3)), (b"out_output", (2, 3))]


def _recorded(executor):
    """The names of torch's calls in an executor's recording of a step; it made one, and one of a forward pass."""
    kinds = [*executor._replay._joint.values(), *executor._replay._kinds.values()]
    assert [kind.attempts for kind in kinds] == [1, 1]  # a graph does the same each time: one recording is enough
    assert executor._replay.programs
    return [call.func._opname for call in kinds[0].recording.calls]


def test_views_are_not_copied_inside_a_graph_and_graphs_are_recorded_once():
    parts = sym.SliceChannel(sym.Variable("x"), num_outputs=3, axis=1)
    y = sym.Reshape(sym.sigmoid(parts[0]) * parts[1] + parts[2], shape=(-1, 2))
    executor = _filled(sym.MakeLoss(sym.square(y)).simple_bind(mx.cpu(), x=(4, 12)))
    plain = _filled(sym.MakeLoss(sym.square(y)).simple_bind(mx.cpu(), x=(4, 12)))
    plain.set_monitor_callback(lambda name, array: None)
    for _ in range(3):
        for one in (executor, plain):
            one.forward(is_train=False)
            one.forward(is_train=True)
            one.backward()
    assert _recorded(executor).count("clone") == 1  # the output's
    np.testing.assert_allclose(executor.grad_arrays[0].asnumpy(), plain.grad_arrays[0].asnumpy(), rtol=1e-5)
    np.testing.assert_allclose(executor.outputs[0].asnumpy(), plain.outputs[0].asnumpy(), rtol=1e-5)


def test_an_output_that_is_a_view_of_another_has_memory_of_its_own():
    x = sym.Variable("x")
    y = x * 2
    executor = sym.Group([y, sym.Reshape(y, shape=(-1,)), sym.Flatten(x)]).simple_bind(mx.cpu(), x=(2, 3))
    for is_train in (False, True):
        first, second, third = executor.forward(is_train=is_train)
        second[:] = 5
        third[:] = 7
        assert first.asnumpy().tolist() == np.zeros((2, 3)).tolist() == executor.arg_arrays[0].asnumpy().tolist()


def test_operators_that_are_alike_are_looked_at_once(monkeypatch):
    from tandem.mxnet.symbol.inference import Facts

    cell, runs = mx.rnn.LSTMCell(4, prefix="l_"), []
    outputs, _ = cell.unroll(20, sym.Variable("x"), merge_outputs=True)
    one = Facts._run_on_meta
    monkeypatch.setattr(
        Facts, "_run_on_meta", staticmethod(lambda node, *kinds: runs.append(node) or one(node, *kinds))
    )
    assert outputs.infer_shape(x=(2, 20, 3))[1] == [(2, 20, 4)]
    assert len({node.name for node in runs}) == len(runs) < 20


def test_binding_an_unrolled_network_looks_at_each_operator_three_times(monkeypatch):
    from tandem.mxnet.symbol.inference import Facts

    looked, step = [], Facts._step
    monkeypatch.setattr(Facts, "_step", lambda self, node, *rest: looked.append(node) or step(self, node, *rest))
    cell = mx.rnn.LSTMCell(4, prefix="l_")
    embedded = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=7, output_dim=3, name="embed")
    outputs, _ = cell.unroll(5, inputs=embedded, merge_outputs=True)
    network = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(outputs, num_hidden=2, name="f"), name="softmax")
    executor = network.simple_bind(mx.cpu(), data=(6, 5), type_dict={"data": "float32"})
    assert executor.arg_dict["l_i2h_weight"].shape == (16, 3)
    assert executor.outputs[0].shape == (6, 2)
    operators = {id(node) for node in looked}
    # Forwards, backwards (the first states' batch comes from the steps that take them), and once in which all is known.
    assert len(looked) == 3 * len(operators)
