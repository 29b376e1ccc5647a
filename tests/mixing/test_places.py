"""Every kind of layer in every kind of model: it trains, its weights are counted, nothing falls back to eager."""

import numpy as np
import pytest
import torch

import tandem.mxnet as mx
from mixing_models import CONTAINERS, GLUON, KERAS, as_gluon, as_keras, is_replayed, row
from tandem import keras
from tandem.mxnet import autograd, gluon, nd
from tandem.mxnet.gluon import nn, rnn

L = keras.layers


class Scaled(gluon.HybridBlock):
    """A user's HybridBlock: a child, a weight of its own with an unknown size, operators."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.child = nn.Dense(4, flatten=False)
            self.scale = self.params.get("scale", shape=(4,), init="ones")
            self.other = self.params.get("other", shape=(4, 0), allow_deferred_init=True)

    def hybrid_forward(self, F, x, scale, other):
        y = F.FullyConnected(x, other, no_bias=True, num_hidden=4, flatten=False)
        return F.broadcast_mul(F.relu(self.child(x)), scale) + F.tanh(y)


class Twice(gluon.Block):
    """A user's Block, with Python in between."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.one = nn.Dense(4, activation="tanh")
            self.two = nn.Dense(4)

    def forward(self, x):
        return nd.concat(*[layer(x) for layer in (self.one, self.two)], dim=1)


class Modern(gluon.HybridBlock):
    """A HybridBlock as MXNet 2 writes them: `forward` and `weight.data()`."""

    def __init__(self):
        super().__init__()
        self.weight = self.params.get("weight", shape=(6, 4), init=mx.init.Xavier())

    def forward(self, x):
        return nd.dot(x, self.weight.data()).tanh()


class LastStep(torch.nn.Module):
    """A torch LSTM, which answers tuples, as one tensor."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(3, 4, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0][:, -1]


def _last(units):
    lstm = rnn.LSTM(units, layout="NTC")
    return [lstm, nn.HybridLambda(lambda F, x: F.slice_axis(x, axis=1, begin=-1, end=None)), nn.Flatten()]


# name -> (inputs' shape, layers)
CASES = {
    "gluon Dense": ((6,), lambda: [nn.Dense(4, activation="relu")]),
    "gluon HybridSequential": ((6,), lambda: [row([nn.Dense(4), nn.BatchNorm(), nn.Dropout(0.1), nn.LayerNorm()])]),
    "gluon Conv2D": (
        (6, 6, 2),
        lambda: [L.Permute((3, 1, 2)), nn.Conv2D(4, 3, activation="relu"), nn.BatchNorm(), nn.MaxPool2D(), L.Flatten()],
    ),
    "gluon Conv2D NHWC": ((6, 6, 2), lambda: [nn.Conv2D(4, 3, layout="NHWC"), L.GlobalAveragePooling2D()]),
    "gluon LSTM": ((5, 3), lambda: _last(4)),
    "gluon Embedding": ((5,), lambda: [nn.Embedding(7, 3), L.Flatten()]),
    "user's HybridBlock": ((6,), lambda: [Scaled()]),
    "user's Block": ((6,), lambda: [Twice()]),
    "user's modern block": ((6,), lambda: [Modern()]),
    "keras Dense": ((6,), lambda: [L.Dense(4, activation="tanh"), nn.Dense(3)]),
    "keras Conv2D": ((6, 6, 2), lambda: [L.Conv2D(4, 3), L.BatchNormalization(), nn.Flatten()]),
    "keras LSTM": ((5, 3), lambda: [L.LSTM(4), nn.Dense(3)]),
    "keras Bidirectional": ((5, 3), lambda: [L.Bidirectional(L.GRU(2, return_sequences=True)), nn.Dense(3)]),
    "keras Sequential": ((6,), lambda: [keras.Sequential([L.Dense(5), L.BatchNormalization()]), nn.Dense(3)]),
    "keras Embedding": ((5,), lambda: [L.Embedding(7, 3), L.LSTM(4)]),
    "torch Linear": ((6,), lambda: [torch.nn.Linear(6, 4), torch.nn.Tanh()]),
    "torch LazyLinear": ((6,), lambda: [torch.nn.LazyLinear(4), torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.1)]),
    "torch Conv2d": (
        (6, 6, 2),
        lambda: [L.Permute((3, 1, 2)), torch.nn.LazyConv2d(4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten()],
    ),
    "torch LSTM": ((5, 3), lambda: [LastStep()]),
    "torch TransformerEncoderLayer": (
        (5, 4),
        lambda: [torch.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), L.Flatten()],
    ),
    "nested": (
        (6,),
        lambda: [
            row([keras.Sequential([nn.Dense(5), torch.nn.Tanh()]), torch.nn.Sequential(nn.Dense(4), L.Dense(3))]),
            keras.Sequential([row([L.Dense(4), nn.BatchNorm()])]),
        ],
    ),
}


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(11)
    mx.random.seed(11)


def _data(case):
    shape = CASES[case][0]
    rng = np.random.default_rng(2)
    x = rng.normal(size=(16, *shape)).astype("float32")
    if "Embedding" in case:
        x = rng.integers(0, 7, size=(16, *shape)).astype("float32")
    return x, (x.reshape(16, -1)[:, :3] > 0).astype("float32")


def _pieces(case):
    return [*CASES[case][1](), nn.Dense(3)]


def _shaped(container, case, monkeypatch):
    """The container of a case's layers."""
    shape = CASES[case][0]
    if container in ("functional", "sequential"):
        real = keras.Input
        monkeypatch.setattr("mixing_models.keras.Input", lambda given: real(shape))
    return CONTAINERS[container](_pieces(case))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("container", [*KERAS, "row", "hybridized", "torch"])
def test_fit(container, case, monkeypatch):
    if container in ("row", "hybridized") and case == "user's Block":
        pytest.skip("a Block cannot be in a HybridSequential")
    x, y = _data(case)
    model = as_keras(_shaped(container, case, monkeypatch))
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"])
    losses = model.fit(x, y, batch_size=4, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert is_replayed(model)
    assert len(model.evaluate(x, y, verbose=0)) == 2
    np.testing.assert_allclose(model.predict(x, verbose=0), model(x).detach(), atol=1e-5)
    held = {id(tensor) for tensor in model.parameters()}
    assert {id(weight.tensor) for weight in model.trainable_weights} == held
    assert len(model.weights) == len(held) + len(list(model.buffers()))
    assert model.count_params() == sum(weight.tensor.numel() for weight in model.weights)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("container", [*GLUON, "functional", "deferred"])
def test_trainer(container, case, monkeypatch, tmp_path):
    if container in ("row", "hybridized") and case == "user's Block":
        pytest.skip("a Block cannot be in a HybridSequential")
    x, y = (nd.array(values) for values in _data(case))
    net = as_gluon(_shaped(container, case, monkeypatch))
    if container in GLUON:
        net.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02})
    loss = gluon.loss.L2Loss()
    losses = []
    for _ in range(12):
        with autograd.record():
            value = loss(net(x), y)
        value.backward()
        trainer.step(len(x))
        losses.append(value.mean().asscalar())
    assert losses[-1] < losses[0]
    learned = [parameter for parameter in net.collect_params().values() if parameter.grad_req != "null"]
    assert {id(p.data()._tensor) for p in learned} == {id(tensor) for tensor in net.parameters()}
    if container == "hybridized":
        assert [kind.recording is not None for kind in net._replay._joint.values()] == [True]
    wanted = net(x).asnumpy()
    net.save_parameters(str(tmp_path / "net.params"))
    for parameter in net.collect_params().values():
        parameter.set_data(parameter.data() + 1)
    net.load_parameters(str(tmp_path / "net.params"))
    np.testing.assert_array_equal(net(x).asnumpy(), wanted)


def test_parameters_go_into_a_net_that_was_not_called_yet(tmp_path):
    def make():
        built = keras.Sequential([keras.Input((6,)), L.Dense(5), L.BatchNormalization()])
        net = row([built, torch.nn.Linear(5, 4), nn.Dense(3)])
        net.initialize()
        return net

    net, other, x = make(), make(), nd.ones((2, 6))
    wanted = net(x).asnumpy()
    net.save_parameters(str(tmp_path / "net.params"))
    other.load_parameters(str(tmp_path / "net.params"))
    np.testing.assert_array_equal(other(x).asnumpy(), wanted)


def test_a_torch_module_that_answers_a_tuple_in_a_functional_model():
    inputs = keras.Input((5, 3))
    outputs, (hidden, _) = L.TorchModuleWrapper(torch.nn.LSTM(3, 4, batch_first=True))(inputs)
    assert outputs.shape == (None, 5, 4)
    assert hidden.shape == (1, None, 4)
    model = keras.Model(inputs, L.Dense(3)(outputs[:, -1]))
    x, y = _data("torch LSTM")
    model.compile("adam", "mse")
    losses = model.fit(x, y, epochs=3, batch_size=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert is_replayed(model)


def test_a_block_with_two_inputs_and_two_outputs_in_a_functional_model():
    class Both(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            with self.name_scope():
                self.dense = nn.Dense(4)

        def hybrid_forward(self, F, x, y):
            return self.dense(F.concat(x, y, dim=1)), x - y

    first, second = keras.Input((3,)), keras.Input((3,))
    mixed, difference = Both()(first, second)
    assert (mixed.shape, difference.shape) == ((None, 4), (None, 3))
    model = keras.Model([first, second], [L.Dense(3, name="a")(mixed), L.Dense(3, name="b")(difference)])
    model.compile("sgd", "mse")
    x, y = _data("gluon Dense")
    model.fit([x[:, :3], x[:, 3:]], [y, y], batch_size=4, epochs=2, verbose=0)
    assert is_replayed(model)


def test_a_block_in_two_places_is_one_layer():
    block = nn.Dense(6)
    inputs = keras.Input((6,))
    model = keras.Model(inputs, L.Dense(3)(block(block(inputs))))
    assert len(model.weights) == 4
    x, y = _data("gluon Dense")
    reference = [torch.nn.Linear(6, 6), torch.nn.Linear(6, 3)]
    with torch.no_grad():
        reference[0].weight.copy_(block.weight.tensor)
        reference[0].bias.copy_(block.bias.tensor)
        reference[1].weight.copy_(model.weights[2].tensor.t())
        reference[1].bias.copy_(model.weights[3].tensor)
    model.compile(keras.optimizers.SGD(0.25), "mse")
    model.fit(x, y, batch_size=16, epochs=3, verbose=0)
    optimizer = torch.optim.SGD([p for layer in reference for p in layer.parameters()], 0.25)
    for _ in range(3):
        optimizer.zero_grad()
        z = reference[0](reference[0](torch.from_numpy(x)))
        torch.nn.functional.mse_loss(reference[1](z), torch.from_numpy(y)).backward()
        optimizer.step()
    torch.testing.assert_close(block.weight.tensor, reference[0].weight)
    other = keras.Sequential([keras.Input((6,)), block])
    assert other.weights[0].tensor is block.weight.tensor


def test_a_module_that_reads_values_runs_eagerly_and_says_so():
    class Reading(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(6, 3)

        def forward(self, x):
            return self.linear(x) * float(x.sum().item() > -1e9)

    x, y = _data("gluon Dense")
    inputs = keras.Input((6,))
    for model in (keras.Sequential([Reading()]), keras.Model(inputs, L.TorchModuleWrapper(Reading())(inputs))):
        model.compile("sgd", "mse")
        with pytest.warns(UserWarning, match=r"read into Python \(.*test_places\.py, line \d+\)"):
            losses = model.fit(x, y, epochs=3, verbose=0).history["loss"]
        assert losses[-1] < losses[0]
        assert model.output_shape[1:] == (3,)


def test_a_block_that_reads_values_in_a_functional_model():
    class Reading(gluon.Block):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(3)

        def forward(self, x):
            return self.dense(x) if x.sum().asscalar() > -1e9 else x

    inputs = keras.Input((6,))
    model = keras.Model(inputs, Reading()(inputs))
    assert model.output_shape == (None, 3)
    x, y = _data("gluon Dense")
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match=r"test_places\.py, line \d+"):
        model.fit(x, y, verbose=0)


def test_wrong_shapes_name_the_layer():
    inputs = keras.Input((5,))
    with pytest.raises(ValueError, match=r"'torch_module_wrapper.*Linear.*5"):
        L.TorchModuleWrapper(torch.nn.Linear(6, 3))(inputs)
    with pytest.raises(ValueError, match="torch_module"):
        keras.Sequential([keras.Input((5,)), torch.nn.Linear(6, 3)])
    net = row([torch.nn.Linear(6, 3)])
    with pytest.raises(RuntimeError, match="2x5 and 6x3"):
        net(nd.ones((2, 5)))


def test_what_is_no_layer_is_refused():
    with pytest.raises(ValueError, match=r"Only instances of `keras\.Layer`"):
        keras.Sequential([lambda x: x])
    with pytest.raises(ValueError, match="must"):
        nn.Sequential().add(lambda x: x)
    with pytest.raises(TypeError, match=r"expected|Expected"):
        L.TorchModuleWrapper("linear")
