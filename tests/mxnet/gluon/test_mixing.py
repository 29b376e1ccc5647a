"""Gluon blocks as torch modules, inside graphs of Keras's kind, and torch modules inside Gluon."""

import copy
import pickle

import numpy as np
import pytest
import torch

import tandem.mxnet as mx
from tandem.core import graph, scope
from tandem.mxnet import autograd, gluon, nd
from tandem.mxnet.gluon import nn, rnn


def small():
    net = nn.HybridSequential()
    net.add(nn.Dense(5, activation="relu"), nn.BatchNorm(), nn.Dense(2))
    return net


def arrays(*shape):
    return np.cos(np.arange(np.prod(shape)).reshape(shape)).astype("float32")


# --- a block is a torch module --------------------------------------------------------------------


def test_torch_tensors_in_torch_tensors_out():
    net = small()
    net.initialize()
    x = torch.from_numpy(arrays(4, 3))
    out = net(x)
    assert isinstance(out, torch.Tensor)
    assert out.requires_grad
    np.testing.assert_allclose(out.detach().numpy(), net(nd.array(x.numpy())).asnumpy(), rtol=1e-5)
    with torch.no_grad():
        assert not net(x).requires_grad


def test_a_torch_loop_trains_it():
    torch.manual_seed(0)
    net = small()
    net.initialize()
    x, y = torch.randn(16, 3), torch.randint(0, 2, (16,))
    net(x)
    optimizer = torch.optim.SGD(net.parameters(), 0.5)
    net.train()
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_torch_accumulates_gradients_and_mxnet_overwrites_them():
    net = nn.Dense(2, in_units=3)
    net.initialize()
    x = torch.ones(1, 3)
    for _ in range(2):
        net(x).sum().backward()
    assert net.weight.grad().asnumpy().tolist() == [[2.0] * 3] * 2
    for _ in range(2):
        with autograd.record():
            y = net(nd.ones((1, 3))).sum()
        y.backward()
    assert net.weight.grad().asnumpy().tolist() == [[1.0] * 3] * 2


def test_mode_is_torchs_for_torch_tensors():
    net = nn.Dropout(0.5)
    x = torch.ones(200)
    assert (net(x) == 1).all()
    net.train()
    assert (net(x) == 0).any()
    net.eval()
    assert (net(x) == 1).all()


def test_state_dict_round_trip_into_a_net_that_has_no_shapes_yet():
    net, other = small(), small()
    net.initialize()
    x = torch.from_numpy(arrays(4, 3))
    net(x)
    state = net.state_dict()
    assert set(state) == {
        "0.weight", "0.bias", "1.gamma", "1.beta", "1.running_mean", "1.running_var", "2.weight", "2.bias"
    }  # fmt: skip
    other.load_state_dict(state)
    assert torch.equal(net(x), other(x))
    assert [p.shape for p in other.parameters()] == [p.shape for p in net.parameters()]


def test_parameters_of_torch_are_those_of_gluon():
    net = small()
    net.initialize()
    net(torch.ones(1, 3))
    gluons = [p.data()._tensor for p in net.collect_params().values() if p.grad_req != "null"]
    assert {id(t) for t in gluons} == {id(p) for p in net.parameters()}
    assert {name for name, _ in net.named_buffers()} == {"1.running_mean", "1.running_var"}
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    assert norm == 0
    vector = torch.nn.utils.parameters_to_vector(net.parameters())
    torch.nn.utils.vector_to_parameters(vector * 2, net.parameters())
    np.testing.assert_allclose(net[0].weight.data().asnumpy().ravel(), 2 * vector[:15].detach().numpy())


def test_to_another_dtype_is_seen_by_gluon():
    net = small()
    net.initialize()
    net(torch.ones(1, 3))
    net.to(torch.float64)
    assert net[0].weight.dtype == "float64"
    assert net[0].weight.data().dtype is np.float64
    with autograd.record():
        y = net(nd.ones((2, 3), dtype="float64"))
    y.backward()
    assert net[0].weight.grad().dtype is np.float64


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_independent(copier):
    net = small()
    net.initialize()
    x = nd.array(arrays(4, 3))
    before = net(x).asnumpy()
    other = copier(net)
    np.testing.assert_array_equal(other(x).asnumpy(), before)
    trainer = gluon.Trainer(other.collect_params(), "sgd", {"learning_rate": 1.0})
    with autograd.record():
        y = other(x).sum()
    y.backward()
    trainer.step(1)
    np.testing.assert_array_equal(net(x).asnumpy(), before)
    assert abs(other(x).asnumpy() - before).max() > 1e-3
    assert list(other.state_dict()) == list(net.state_dict())


def test_parameters_that_are_no_attributes_belong_to_it_too():
    class Net(gluon.Block):
        def __init__(self):
            super().__init__()
            self.params.get("w", shape=(2,), init="ones")

        def forward(self, x):
            return x * self.params.get("w").data()

    net = Net()
    net.initialize()
    assert net(nd.ones(2)).asnumpy().tolist() == [1, 1]
    assert list(net.collect_params().keys()) == [net.prefix + "w"]


# --- a block in a graph ---------------------------------------------------------------------------


def test_a_symbolic_value_makes_a_node_and_the_weights():
    net = small()
    value = net(graph.Symbolic((None, 3)))
    assert value.shape == (None, 2)
    assert net[0].weight.shape == (5, 3)
    assert net[0].weight.data().asnumpy().any()
    lstm = rnn.LSTM(4, layout="NTC")
    assert lstm(graph.Symbolic((None, 6, 3))).shape == (None, 6, 4)
    conv = nn.Conv2D(4, 3, layout="NHWC")
    assert conv(graph.Symbolic((None, 8, 8, 1))).shape == (None, 6, 6, 4)


def test_a_graph_with_a_block_runs_on_tensors():
    net = small()
    given = graph.Symbolic((None, 3))
    run = graph.Graph([given], net(given)).run
    x = torch.from_numpy(arrays(4, 3))
    np.testing.assert_allclose(run([x]).detach().numpy(), net(nd.array(x.numpy())).asnumpy(), rtol=1e-5)


def test_a_users_block_with_unknown_shapes_in_a_graph():
    class Net(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            with self.name_scope():
                self.w = self.params.get("w", shape=(4, 0), allow_deferred_init=True)
                self.inner = nn.Dense(2)

        def hybrid_forward(self, F, x, w):
            return self.inner(F.relu(F.FullyConnected(x, w, no_bias=True, num_hidden=4)))

    net = Net()
    assert net(graph.Symbolic((None, 7))).shape == (None, 2)
    assert net.w.shape == (4, 7)
    other = Net()
    other.initialize()
    assert other(nd.ones((2, 5))).shape == (2, 2)
    third = Net()
    third.infer_shape(nd.ones((2, 6)))
    assert (third.w.shape, third.inner.weight.shape) == ((4, 6), (2, 4))


# --- torch modules inside Gluon -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nn.Sequential, nn.HybridSequential])
def test_torch_modules_in_a_row(kind):
    torch.manual_seed(0)
    net = kind()
    net.add(nn.Dense(6, activation="relu"), torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4), nn.Dense(2))
    net.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    x, y = nd.array(arrays(16, 3)), nd.array(np.arange(16) % 2)
    linear = net[1]._foreign
    before = linear.weight.detach().clone()
    values = []
    for _ in range(20):
        with autograd.record():
            value = loss(net(x), y).mean()
        value.backward()
        trainer.step(1)
        values.append(value.asscalar())
    assert values[-1] < values[0]
    assert not torch.equal(linear.weight, before)
    assert net[2]._foreign.num_batches_tracked == 20
    assert {"1.weight", "2.running_mean", "3.bias"} <= set(net.state_dict())
    assert len(net.collect_params().keys()) == 2 + 2 + 5 + 2
    assert len(list(net.parameters())) == 2 + 2 + 2 + 2


def test_a_torch_module_as_attribute():
    class Net(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 2, 3)
            self.out = nn.Dense(2)

        def hybrid_forward(self, F, x):
            return self.out(F.relu(self.conv(x)))

    net = Net()
    net.initialize()
    assert net(nd.ones((2, 1, 5, 5))).shape == (2, 2)
    assert net(torch.ones(2, 1, 5, 5)).shape == (2, 2)
    assert net.conv.kernel_size == (3, 3)
    assert "conv.weight" in net.state_dict()
    np.testing.assert_array_equal(net.conv.weight.detach().numpy(), net.state_dict()["conv.weight"].numpy())


def test_parameters_that_come_with_the_first_call_are_trained():
    net = nn.HybridSequential()
    net.add(torch.nn.LazyLinear(4), nn.Dense(1))
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    assert len(trainer._params) == 2
    for _ in range(2):
        with autograd.record():
            y = net(nd.ones((2, 3))).sum()
        y.backward()
        before = net[0]._foreign.weight.detach().clone()
        trainer.step(2)
        assert not torch.equal(net[0]._foreign.weight, before)
    assert len(trainer._params) == 4


def test_a_torch_module_saves_and_loads(tmp_path):
    def make():
        net = nn.Sequential()
        net.add(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), nn.Dense(2, in_units=4))
        return net

    net, other = make(), make()
    net.initialize()
    other.initialize()
    x = nd.array(arrays(4, 3))
    net.save_parameters(str(tmp_path / "a.params"))
    other.load_parameters(str(tmp_path / "a.params"))
    np.testing.assert_array_equal(net(x).asnumpy(), other(x).asnumpy())


def test_grad_req_add_on_a_torch_module():
    net = nn.Sequential()
    net.add(torch.nn.Linear(2, 1, bias=False))
    net.collect_params().setattr("grad_req", "add")
    for _ in range(2):
        with autograd.record():
            y = net(nd.ones((1, 2)))
        y.backward()
    (parameter,) = net.collect_params().values()
    assert parameter.grad().asnumpy().tolist() == [[2, 2]]


def test_scopes_are_left_as_they_were():
    net = small()
    net.initialize()
    net(torch.ones(2, 3))
    assert scope.is_recording() is None
    assert scope.is_training() is None
