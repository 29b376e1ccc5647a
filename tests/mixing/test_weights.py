"""What each front end says of the weights of a mixture, and freezing them in each one's way."""

import numpy as np
import pytest
import torch

from mixing_models import CONTAINERS, GLUON, KERAS, WAYS, Pieces, as_gluon, as_keras, data, functional, row
from tandem import keras
from tandem.mxnet import autograd, nd


@pytest.fixture(autouse=True)
def float64():
    keras.utils.clear_session()
    keras.config.set_floatx("float64")
    keras.utils.set_random_seed(5)
    yield
    keras.config.set_floatx("float32")


X, Y = data()
# The order of `Pieces.learned`, by piece.
LEARNED = {"first": [0, 1], "block": [2, 3, 4, 5], "module": [6, 7, 8, 9], "norm": [10, 11], "last": [12, 13]}


def _make(container):
    pieces = Pieces()
    model = CONTAINERS[container](pieces.all()).eval()
    model(torch.from_numpy(X))
    return model, pieces


# --- freezing ---


def _by_trainable(model, pieces, name, learns):
    """Keras's way: the layer that stands for the piece."""
    layers = [as_keras(model)] if model in (pieces.first, pieces.norm) else model._flatten_layers()
    piece = getattr(pieces, name)
    (layer,) = [layer for layer in layers if layer is piece or getattr(layer, "module", None) is piece]
    layer.trainable = learns


def _by_requires_grad(model, pieces, name, learns):
    """Torch's way."""
    getattr(pieces, name).requires_grad_(learns)


def _by_grad_req(model, pieces, name, learns):
    """Gluon's way."""
    wanted = {id(tensor) for tensor in getattr(pieces, name).parameters()}
    for parameter in as_gluon(model).collect_params().values():
        if id(parameter.data()._tensor) in wanted:
            parameter.grad_req = "write" if learns else "null"


FREEZINGS = [
    *((container, _by_trainable) for container in ("functional", "subclassed")),
    *((container, _by_requires_grad) for container in ("functional", "hybridized", "torch")),
    *((container, _by_grad_req) for container in ("row", "hybridized", "functional")),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("names", [("first", "module"), ("block", "norm", "last")])
@pytest.mark.parametrize(("container", "freeze"), FREEZINGS)
def test_what_is_frozen_stays_and_the_rest_learns(container, freeze, names, way):
    model, pieces = _make(container)
    frozen = [number for name in names for number in LEARNED[name]]
    for learns in (False, True, False):
        for name in names:
            freeze(model, pieces, name, learns)
        before = [tensor.detach().clone() for tensor in pieces.learned()]
        WAYS[way](model, X, Y, 0.125, 4)
        changed = [not torch.equal(*pair) for pair in zip(before, pieces.learned(), strict=True)]
        # A bias in front of a normalisation learns next to nothing, and may learn nothing.
        changed[3] = changed[7] = changed[2] and changed[6]
        wanted = [learns or number not in frozen for number in range(14)]
        wanted[3] = wanted[7] = wanted[2] and wanted[6]
        assert changed == wanted


def test_all_front_ends_see_what_one_of_them_froze():
    model, pieces = _make("functional")
    net = as_gluon(model)

    def seen():
        by_keras = {id(weight.tensor) for weight in model.trainable_weights}
        by_torch = {id(tensor) for tensor in model.parameters() if tensor.requires_grad}
        by_gluon = {id(p.data()._tensor) for p in net.collect_params().values() if p.grad_req != "null"}
        assert by_keras == by_torch == by_gluon
        return len(by_keras)

    assert seen() == 14
    pieces.block.collect_params().setattr("grad_req", "null")
    assert seen() == 10
    pieces.module.requires_grad_(False)
    assert seen() == 6
    pieces.first.trainable = False
    assert seen() == 4
    model.requires_grad_(True)
    assert seen() == 14
    model.trainable = False
    assert seen() == 0


def test_frozen_batch_normalisation():
    """Keras's runs in inference where its `trainable` is False; torch's learns statistics all the same, and Gluon's, as
    in MXNet, where something is learned before it.
    """
    model, pieces = _make("functional")
    for layer in model.layers[:-1]:
        layer.trainable = False
    before = [mean.clone() for mean in pieces.means()]
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert [torch.equal(*pair) for pair in zip(before, pieces.means(), strict=True)] == [True, False, True]


# --- Keras's word ---


@pytest.mark.parametrize("container", KERAS)
def test_get_weights_and_set_weights(container):
    model, _ = _make(container)
    other, _ = _make(container)
    weights = model.get_weights()
    assert [w.shape for w in weights] == [w.shape for w in model.weights]
    other.set_weights(weights)
    np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))
    for layer, theirs in zip(model.layers, other.layers, strict=True):
        assert layer.count_params() == theirs.count_params()
        for one, another in zip(layer.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(one, another)
    with pytest.raises(ValueError, match="weight list of length 2"):
        other.set_weights(weights[:2])


@pytest.mark.parametrize("container", KERAS)
def test_the_order_of_weights(container):
    """Layer by layer, in each what learns first, in the module's own order, whether it was deferred or not."""
    model, _ = _make(container)
    block = ["0.weight", "0.bias", "1.gamma", "1.beta", "1.running_mean", "1.running_var"]
    module = ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"]
    norm = ["gamma", "beta", "moving_mean", "moving_variance"]
    names = [["kernel", "bias"], block, module, norm, ["weight", "bias"]]
    found = [[weight.name for weight in layer.weights] for layer in model.layers if layer.weights]
    expected = [list(part) for part in names]
    if container == "subclassed":  # attributes come before what is in lists
        found.sort(key=lambda part: expected.index(part))
    assert found == expected
    learned = [weight.name for weight in model.trainable_weights]
    assert len(learned) == 14
    assert not any("running" in name or "moving" in name or "num_" in name for name in learned)
    assert len(model.non_trainable_weights) == 7
    built = functional(Pieces(built=True).all())
    assert [[w.name for w in layer.weights] for layer in built.layers[1:]] == expected


def test_summary_has_a_line_for_each_foreign_layer():
    model, _ = _make("functional")
    lines = []
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    for kind, shape, count in (
        ("Dense", "(None, 5)", 35),
        ("TorchModuleWrapper", "(None, 4)", 40),
        ("TorchModuleWrapper", "(None, 4)", 37),
        ("BatchNormalization", "(None, 4)", 16),
        ("TorchModuleWrapper", "(None, 3)", 15),
    ):
        assert any(shape in line and f" {count} " in line for line in text.splitlines()), text
        assert kind in text
    assert "Total params: 143" in text
    assert "Trainable params: 118" in text
    assert "Non-trainable params: 25" in text


def test_configs_say_what_cannot_be_in_them():
    model, _ = _make("functional")
    with pytest.raises(NotImplementedError, match="has no config"):
        model.to_json()


def test_get_layer_and_features_from_the_middle():
    model, pieces = _make("functional")
    layer = model.get_layer(index=2)
    assert layer.module is pieces.block
    features = keras.Model(model.input, layer.output)
    wanted = pieces.block(pieces.first(torch.from_numpy(X)))
    np.testing.assert_allclose(features.predict(X, verbose=0), wanted.detach().numpy())
    assert features.weights[2] is model.weights[2]


# --- Gluon's word ---


@pytest.mark.parametrize("container", GLUON)
def test_collect_params(container):
    model, pieces = _make(container)
    params = model.collect_params()
    assert len(params.keys()) == 21
    assert all(name == parameter.name for name, parameter in params.items())
    learned = [parameter for parameter in params.values() if parameter.grad_req != "null"]
    assert len(learned) == 14
    some = model.collect_params(".*(running_mean|moving_mean)")
    assert {id(p.data()._tensor) for p in some.values()} == {id(mean) for mean in pieces.means()}
    kernel = next(p for p in params.values() if p.name.endswith("kernel"))
    kernel.set_data(nd.zeros(kernel.shape, dtype="float64"))
    assert not pieces.first.kernel.numpy().any()
    kernel.data()[:] = 2
    assert (pieces.first.get_weights()[0] == 2).all()


def test_a_scalar_weight_of_a_torch_module():
    class Temperature(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

        def forward(self, x):
            return x * self.scale

    module = Temperature()
    net = row([module])
    net.initialize()
    WAYS["trainer"](net, X[:, :3], Y, 0.25, 16, epochs=1)
    reference = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.mse_loss(torch.from_numpy(X[:, :3]) * reference, torch.from_numpy(Y)).backward()
    torch.testing.assert_close(module.scale.detach(), (reference - 0.25 * reference.grad).detach())
    (parameter,) = net.collect_params().values()
    assert parameter.shape == (1,)
    parameter.set_data(nd.array([5.0], dtype="float64"))
    assert module.scale == 5


def test_gradients_of_all_kinds_are_seen_by_gluon():
    model, _ = _make("row")
    for request in ("write", "add"):
        model.collect_params().setattr("grad_req", request)
        for _ in range(2):
            with autograd.record(train_mode=False):
                loss = model(nd.array(X, dtype="float64")).sum()
            loss.backward()
        parameters = [p for p in model.collect_params().values() if p.grad_req != "null"]
        assert len(parameters) == 14
        if request == "write":
            once = [p.grad().asnumpy() for p in parameters]
        else:
            for parameter, grad in zip(parameters, once, strict=True):
                np.testing.assert_allclose(parameter.grad().asnumpy(), 2 * grad)
                parameter.zero_grad()
                assert not parameter.grad().asnumpy().any()
