"""Keras's spellings on Gluon's layers, as published listings have them, and the one warning."""

import warnings

import numpy as np
import pytest

import tandem.mxnet as mx
from tandem.core.errors import Unsupported
from tandem.mxnet import autograd, gluon, nd
from tandem.mxnet.gluon import extensions, nn
from tandem.ops import elementwise

TOLD = "This script uses what MXNet does not have"


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    monkeypatch.setattr(extensions, "_notes", {})
    monkeypatch.setattr(extensions, "_told", set())


def blobs(count=120, classes=3, size=4):
    rng = np.random.RandomState(0)
    labels = np.arange(count) % classes
    centres = rng.normal(0, 2, (classes, size))
    return (centres[labels] + rng.normal(0, 0.5, (count, size))).astype("float32"), labels


def test_input_shape_makes_the_net_read_channels_last():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, (3, 3), activation="relu", input_shape=(8, 8, 1)), nn.MaxPool2D((2, 2)), nn.BatchNorm())
    inner = nn.HybridSequential()
    inner.add(nn.Conv2D(5, 2), nn.AvgPool2D())
    net.add(inner, nn.Flatten(), nn.Dense(2))
    net.initialize(mx.init.Xavier())
    x = nd.array(np.random.RandomState(0).normal(0, 1, (2, 8, 8, 1)))
    assert net(x).shape == (2, 2)
    assert net[0].weight.shape == (4, 3, 3, 1)
    assert net[2].gamma.shape == (4,)
    assert inner[0].weight.shape == (5, 2, 2, 4)
    other = nn.HybridSequential()
    other.add(nn.Conv2D(4, 3, activation="relu"), nn.MaxPool2D(2), nn.BatchNorm(), nn.Conv2D(5, 2), nn.AvgPool2D())
    other.initialize()
    turned = nd.transpose(x, (0, 3, 1, 2))
    other(turned)
    for one, two in zip([*net[:3], *inner], other):
        for a, b in zip(one.collect_params().values(), two.collect_params().values()):
            b.set_data(nd.transpose(a.data(), (0, 3, 1, 2)) if len(a.shape) == 4 else a.data())
    np.testing.assert_allclose(
        net[:4](x).asnumpy(), other(turned).asnumpy().transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5
    )
    with pytest.warns(UserWarning, match=r"input_shape=\(8, 8, 1\) means images with the channels last"):
        extensions.tell()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.Conv1D(2, 3, input_shape=(8, 3)), (1, 8, 3)),
        (lambda: nn.Conv3D(2, 3, input_shape=(4, 4, 4, 3)), (1, 4, 4, 4, 3)),
        (lambda: nn.Conv2DTranspose(2, 3, input_shape=(4, 4, 3)), (1, 4, 4, 3)),
        (lambda: nn.MaxPool1D(2, input_shape=(8, 3)), (1, 8, 3)),
    ],
)
def test_input_shape_in_other_ranks(layer, shape):
    layer = layer()
    layer.initialize()
    assert layer(nd.ones(shape)).shape[-1] in (2, 3)


def test_input_shape_of_another_rank():
    with pytest.raises(ValueError, match="takes an input_shape of 3 sizes"):
        nn.Conv2D(2, 3, input_shape=(28, 28))


def test_dense_takes_it_too():
    net = nn.Sequential()
    net.add(nn.Dense(3, activation="relu", input_shape=(4,)), nn.Dense(2, input_dim=3))
    net.initialize()
    assert net(nd.ones((5, 4))).shape == (5, 2)


@pytest.mark.parametrize("name", sorted({*extensions._ACTIVATIONS, *extensions._ALONG_AXIS}))
@pytest.mark.filterwarnings(f"ignore:{TOLD}")
def test_every_activation_of_keras(name):
    layer = nn.Dense(4, activation=name, in_units=3)
    layer.initialize(mx.init.Xavier())
    x = nd.array(np.random.RandomState(0).normal(0, 1, (2, 3)))
    plain = nd.FullyConnected(x, layer.weight.data(), layer.bias.data(), num_hidden=4)
    function = {"swish": elementwise.silu, "hard_swish": elementwise.hard_silu}.get(name) or getattr(elementwise, name)
    np.testing.assert_allclose(layer(x).asnumpy(), function(plain._tensor).detach().numpy(), rtol=1e-6)
    assert repr(layer) == f"Dense(3 -> 4, Activation({name}))"


@pytest.mark.filterwarnings(f"ignore:{TOLD}")
def test_softmax_of_a_convolution_is_over_its_channels():
    for layout, axis in (("NCHW", 1), ("NHWC", 3)):
        layer = nn.Conv2D(3, 2, activation="softmax", layout=layout, in_channels=2)
        layer.initialize()
        y = layer(nd.ones((1, 2, 4, 4) if axis == 1 else (1, 4, 4, 2)))
        np.testing.assert_allclose(y.asnumpy().sum(axis), 1, rtol=1e-5)


@pytest.mark.filterwarnings(f"ignore:{TOLD}")
@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_does_not_take_the_softmax_twice(hybrid, weighted):
    net, plain = nn.HybridSequential(), nn.Dense(3, in_units=4)
    net.add(nn.Dense(3, in_units=4, activation="softmax"))
    net.initialize(mx.init.Xavier())
    plain.initialize()
    plain.weight.set_data(net[0].weight.data())
    if hybrid:
        net.hybridize()
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    x, y = nd.array(np.random.RandomState(0).normal(0, 1, (5, 4))), nd.array([0, 1, 2, 0, 1])
    weights = [nd.array([[1], [2], [3], [4], [5]])] if weighted else []
    for _ in range(4):
        grads = []
        for block in (net, plain):
            with autograd.record():
                value = loss(block(x), y, *weights)
            value.backward()
            grads.append([value.asnumpy(), *(p.grad().asnumpy() for p in block.collect_params().values())])
        for a, b in zip(*grads):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_softmax_that_the_user_took_is_taken_twice_as_in_mxnet():
    x = nd.array([[1.0, 2.0, 3.0]])
    loss = gluon.loss.SoftmaxCrossEntropyLoss()(nd.softmax(x), nd.array([2]))
    np.testing.assert_allclose(loss.asnumpy(), -np.log(nd.softmax(nd.softmax(x)).asnumpy()[:, 2]), rtol=1e-5)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_of_kerass_kind(kind):
    net = nn.Sequential()
    net.add(kind(5, return_sequences=True, input_shape=(6, 3)), kind(4), nn.Dense(2))
    net.initialize()
    x = nd.array(np.random.RandomState(0).normal(0, 1, (2, 6, 3)))
    assert net[0](x).shape == (2, 6, 5)
    assert net[:2](x).shape == (2, 4)
    assert net(x).shape == (2, 2)
    assert "l0_i2h_weight" in next(iter(net[0].params.keys()))
    with pytest.raises(Unsupported, match="fixed activations"):
        kind(3, activation="relu")


@pytest.mark.parametrize(("form", "activation"), [("numbers", "softmax"), ("one-hot", "softmax"), ("numbers", None)])
def test_fit_learns_classes(form, activation):
    mx.random.seed(0)
    np.random.seed(0)
    x, labels = blobs()
    net = nn.Sequential()
    net.add(nn.Dense(8, activation="relu"), nn.Dense(3, activation=activation))
    net.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
    y = np.eye(3)[labels] if form == "one-hot" else labels
    with pytest.warns(UserWarning, match=TOLD) as told:
        losses = [trainer.fit(x, y, batch_size=32) for _ in range(10)]
    assert len(told) == 1
    assert "trainer.fit() is one epoch" in str(told[0].message)
    assert told[0].filename == __file__
    assert losses[-1] < 0.3 * losses[0]
    assert (net(nd.array(x)).asnumpy().argmax(1) == labels).mean() > 0.95


@pytest.mark.filterwarnings(f"ignore:{TOLD}")
def test_fit_chooses_other_losses():
    x, labels = blobs(classes=2)
    for activation, units, y, kind in (
        ("sigmoid", 1, labels.astype("float32"), "binary cross entropy"),
        (None, 1, x[:, :1] * 2, "mean squared error"),
    ):
        net = nn.HybridSequential()
        net.add(nn.Dense(units, activation=activation))
        net.initialize()
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
        losses = [trainer.fit(nd.array(x), nd.array(y)) for _ in range(5)]
        assert losses[-1] < losses[0]
        assert any(kind in text for text in extensions._told)
        given = trainer.fit(x, y, loss=gluon.loss.L1Loss(), shuffle=False)
        assert given > 0


def test_fit_needs_the_net_and_rows_that_fit():
    net = nn.Dense(1, in_units=4)
    net.initialize()
    x, y = blobs()
    with pytest.raises(ValueError, match="needs the net"):
        gluon.Trainer(list(net.collect_params().values()), "sgd").fit(x, y)
    with pytest.raises(ValueError, match="one row to each sample"):
        gluon.Trainer(net.collect_params(), "sgd").fit(x, y[:5])


def test_backward_and_the_one_warning():
    net = nn.Dense(2, activation="softmax", in_units=3)
    net.initialize()
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            with autograd.record():
                value = loss(net(nd.ones((2, 3))), nd.array([0, 1]))
            trainer.backward(value)
            trainer.step(2)
        net(nd.ones((2, 3)))
    (message,) = {str(one.message) for one in told}
    assert message.startswith(TOLD)
    for part in ("activation='softmax'", "trainer.backward(loss)", "not once more softmax"):
        assert part in message


def test_plain_gluon_is_told_nothing():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(2, 3, activation="relu"), nn.Dense(2, activation="tanh"))
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with autograd.record():
        y = net(nd.ones((1, 1, 5, 5)))
    y.backward()
    trainer.step(1)
    assert not extensions._notes
