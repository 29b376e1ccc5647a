"""Blocks: parameters over several contexts, sharing, hooks, recording, files."""

import threading

import numpy as np
import pytest
import torch

import tandem.mxnet as mx
from tandem.core.errors import Unsupported
from tandem.mxnet import autograd, gluon, nd
from tandem.mxnet.gluon import nn

TWO = [mx.cpu(0), mx.cpu(1)]


def test_replicas_are_told_apart():
    net = nn.Dense(2, in_units=3)
    net.initialize(ctx=TWO)
    first, second = net.weight.list_data()
    assert (first.context, second.context) == tuple(TWO)
    np.testing.assert_array_equal(first.asnumpy(), second.asnumpy())
    second[:] = 0
    assert net(nd.ones((1, 3), ctx=TWO[1])).asnumpy().tolist() == [[0, 0]]
    assert net(nd.ones((1, 3), ctx=TWO[0])).asnumpy().any()
    assert net(nd.ones((1, 3), ctx=TWO[1])).context == TWO[1]
    with pytest.raises(RuntimeError, match=r"not initialized on context cpu\(2\)"):
        net(nd.ones((1, 3), ctx=mx.cpu(2)))


@pytest.mark.parametrize("hybrid", [False, True])
def test_replicas_have_their_own_gradients(hybrid):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, use_bias=False), nn.Dense(1, use_bias=False))
    net.initialize(mx.init.One(), ctx=TWO)
    if hybrid:
        net.hybridize()
    for _ in range(4):
        with autograd.record():
            outputs = [net(nd.ones((1, 3), ctx=ctx) * (number + 1)) for number, ctx in enumerate(TWO)]
        autograd.backward(outputs)
        assert [o.context for o in outputs] == TWO
        assert [g.asnumpy().tolist() for g in net[0].weight.list_grad()] == [[[1] * 3] * 2, [[2] * 3] * 2]


def test_new_arrays_in_a_forward_are_made_on_the_inputs_context():
    class Net(gluon.HybridBlock):
        def hybrid_forward(self, F, x):
            return F.zeros((2,))

    assert Net()(nd.ones((1,), ctx=mx.cpu(1))).context == mx.cpu(1)


def test_sharing():
    net = nn.HybridSequential()
    first = nn.Dense(3, in_units=3)
    net.add(first, nn.Dense(3, in_units=3, params=first.params))
    net.initialize()
    assert net[1].weight is net[0].weight
    assert len(list(net.parameters())) == 2
    with autograd.record():
        y = net(nd.ones((1, 3))).sum()
    y.backward()
    before = first.weight.data().asnumpy()
    gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1}).step(1)
    np.testing.assert_allclose(
        net[1].weight.data().asnumpy(), before - net[0].weight.grad().asnumpy(), rtol=1e-5, atol=1e-6
    )


def test_a_shared_parameter_is_written_once(tmp_path):
    def make():
        net = nn.Sequential()
        first = nn.Dense(3, in_units=3)
        net.add(first, nn.Dense(3, in_units=3, params=first.params))
        return net

    net, other = make(), make()
    net.initialize()
    path = str(tmp_path / "a.params")
    net.save_parameters(path, deduplicate=True)
    assert sorted(nd.load(path)) == ["1.bias", "1.weight"]
    other.load_parameters(path)
    np.testing.assert_array_equal(other[0].weight.data().asnumpy(), net[0].weight.data().asnumpy())


def test_grad_req_add_accumulates_until_zero_grad():
    net = nn.Dense(1, in_units=2, use_bias=False)
    net.initialize()
    net.collect_params().setattr("grad_req", "add")
    for _ in range(3):
        with autograd.record():
            y = net(nd.ones((1, 2)))
        y.backward()
    assert net.weight.grad().asnumpy().tolist() == [[3, 3]]
    net.collect_params().zero_grad()
    assert net.weight.grad().asnumpy().tolist() == [[0, 0]]


def test_frozen_parameters_are_not_trained():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.Dense(1, in_units=2))
    net.initialize()
    net[0].collect_params().setattr("grad_req", "null")
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1})
    before = net[0].weight.data().asnumpy(), net[1].weight.data().asnumpy()
    with autograd.record():
        y = net(nd.ones((1, 2)))
    y.backward()
    trainer.step(1)
    np.testing.assert_array_equal(net[0].weight.data().asnumpy(), before[0])
    assert (net[1].weight.data().asnumpy() != before[1]).any()


def test_hooks():
    net = nn.Dense(2, in_units=3)
    net.initialize()
    seen = []
    handle = net.register_forward_hook(
        lambda block, inputs, output: seen.append((block, inputs[0].shape, output.shape))
    )
    with net.register_forward_pre_hook(lambda block, inputs: seen.append(inputs[0].shape)):
        net(nd.ones((4, 3)))
    assert seen == [(4, 3), (net, (4, 3), (4, 2))]
    handle.detach()
    net(nd.ones((4, 3)))
    assert len(seen) == 2


def test_a_hooks_answer_does_not_matter():
    net = nn.Dense(2, in_units=3)
    net.initialize()
    wanted = net(nd.ones((1, 3))).asnumpy()
    net.register_forward_hook(lambda block, inputs, output: output * 0)
    np.testing.assert_array_equal(net(nd.ones((1, 3))).asnumpy(), wanted)


def test_apply_goes_from_the_leaves_up():
    net = nn.HybridSequential(prefix="a_")
    inner = nn.HybridSequential(prefix="b_")
    inner.add(nn.Flatten(prefix="c_"))
    net.add(inner, nn.Flatten(prefix="d_"))
    names = []
    assert net.apply(lambda block: names.append(block.name)) is net
    assert names == ["c", "b", "d", "a"]


def test_children_can_be_replaced_and_deleted():
    class Net(gluon.Block):
        def __init__(self):
            super().__init__()
            self.output = nn.Dense(2)
            self.none = None

        def forward(self, x):
            return self.output(x)

    net = Net()
    net.output = nn.Dense(5)
    net.none = nn.Dense(1)
    assert list(net._children) == ["output", "none"] == list(dict(net.named_children()))
    del net.none
    assert list(net._children) == ["output"] == list(dict(net.named_children()))
    net.initialize()
    assert net(nd.ones((1, 2))).shape == (1, 5)


def test_names_are_counted_per_thread():
    names = []

    def work():
        names.extend(nn.Dense(1).name for _ in range(2))

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert names == ["dense0", "dense1"] * 2


def test_batch_norm_keeps_its_statistics_in_float32():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.BatchNorm(in_channels=2))
    net.initialize()
    net.cast("float16")
    assert net[0].weight.data().dtype is np.float16
    assert net[1].running_var.data().dtype is np.float32


def test_a_forward_as_in_mxnet_2():
    class Net(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.weight = self.params.get("weight", shape=(0, 2), allow_deferred_init=True)

        def infer_shape(self, x):
            self.weight.shape = (x.shape[-1], 2)

        def forward(self, x):
            return nd.dot(x, self.weight.data())

    net = Net()
    net.initialize()
    net.infer_shape(nd.ones((3, 4)))
    net.weight._finish_deferred_init()
    assert net(nd.ones((3, 4))).shape == (3, 2)


def test_hybrid_forward_gets_parameters_and_further_arguments():
    class Net(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.scale = self.params.get_constant("scale", nd.array([2.0, 3.0]))

        def hybrid_forward(self, F, x, y=None, scale=None):
            assert F is nd
            return F.broadcast_mul(x, scale) if y is None else (x + y, [scale])

    net = Net()
    net.initialize()
    assert net(nd.ones((1, 2))).asnumpy().tolist() == [[2, 3]]
    total, (scale,) = net(nd.ones((1, 2)), nd.ones((1, 2)))
    assert total.asnumpy().tolist() == [[2, 2]]
    assert scale.asnumpy().tolist() == [2, 3]


def test_what_needs_symbols_says_so(tmp_path):
    net = nn.Dense(2, in_units=2)
    with pytest.raises(Unsupported):
        net.hybridize(backend="MKLDNN")
    with pytest.raises(RuntimeError, match="hybridize"):
        net.export(str(tmp_path / "a"))


def test_memory_does_not_grow():
    import gc
    import weakref

    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.BatchNorm(), nn.Dense(2))
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "adam")
    kept = []

    def step():
        with autograd.record():
            value = net(nd.ones((2, 3))).sum()
        value.backward()
        trainer.step(2)
        kept.append(weakref.ref(value))

    gc.disable()
    try:
        for _ in range(3):
            step()
        assert [one() for one in kept] == [None] * 3
    finally:
        gc.enable()


def test_a_blocks_own_call_counts_as_one_module_for_torch():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3), torch.nn.Linear(2, 1))
    net.initialize()
    host = torch.nn.Sequential(torch.nn.Linear(5, 3), net)
    host(torch.ones(2, 5)).sum().backward()
    assert all(p.grad is not None for p in host.parameters())
    assert len(host.state_dict()) == 6


def test_a_file_without_the_prefix_loads_where_attributes_share_some_of_its_names(tmp_path):
    class Scaled(gluon.HybridBlock):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                self.dense = nn.Dense(2, in_units=2)
                self.by = self.params.get("scale", shape=(2,), init=mx.init.One())
                self.shift = self.params.get("shift", shape=(2,), init=mx.init.One())

    source, path = Scaled(prefix="a_"), str(tmp_path / "a.params")
    source.initialize()
    source.collect_params().save(path, strip_prefix="a_")
    target = Scaled(prefix="b_")
    target.load_parameters(path)
    assert (target.dense.weight.data().asnumpy() == source.dense.weight.data().asnumpy()).all()


def test_hooks_on_operators_are_told_of_a_hybridized_block_s_graph():
    class Split(gluon.HybridBlock):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                self.dense = nn.Dense(4, activation="relu")

        def hybrid_forward(self, F, x):
            left, right = F.split(self.dense(x), num_outputs=2)
            return left, [right]

    def run(block):
        seen.clear()
        with autograd.record():
            left, (right,) = block(x)
            loss = left + 2 * right
        loss.backward()
        return left.asnumpy(), block.dense.weight.grad().asnumpy()

    seen, x = [], nd.array([[1.0, 2.0], [3.0, -4.0]])
    net = Split(prefix="s_")
    net.initialize(mx.init.Uniform(1))
    expected = run(net)
    net.register_op_hook(lambda *given: seen.append(given), monitor_all=True)
    assert all((a == b).all() for a, b in zip(run(net), expected)) and not seen
    net.hybridize()
    assert all(np.allclose(a, b) for a, b in zip(run(net), expected))
    names = [(mx.base.py_str(name), mx.base.py_str(operator)) for name, operator, _ in seen]
    dense, activation, split = "FullyConnected", "Activation", "SliceChannel"
    assert names[:4] == [(f"s_dense0_fwd_{part}", dense) for part in ("data", "weight", "bias", "output")]
    assert names[5:] == [
        ("s_dense0_relu_fwd_output", activation),
        *[(f"s_split0_{part}", split) for part in ("data", "output0", "output1")],
    ]
    assert (seen[-2][2].asnumpy() == expected[0]).all()


def test_a_block_without_a_graph_hands_hooks_on_operators_to_those_below():
    seen = []
    net = nn.Sequential()
    net.add(nn.Dense(2), nn.Dense(1))
    net.initialize()
    for child in net:
        child.hybridize()
    net.register_op_hook(lambda name, operator, array: seen.append((operator, array.shape)))
    net(nd.ones((3, 2)))
    assert seen == [(b"FullyConnected", (3, 2)), (b"FullyConnected", (3, 1))]
