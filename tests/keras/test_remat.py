"""`RematScope` and `remat`: what is computed twice, and that numbers, states and random draws are as without."""

import contextlib

import numpy as np
import pytest
import torch

from tandem import keras
from tandem.engine.replay import Step

L = keras.layers


class Counted(L.Layer):
    """Counts its calls, and has an inner layer, a state and a loss."""

    calls = 0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = L.Dense(4, activation="tanh")
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")

    def call(self, x, training=None):
        Counted.calls += 1
        if training:
            self.seen.assign_add(1.0)
        x = self.inner(x) * (1.0 + self.seen)
        self.add_loss(keras.ops.mean(x))
        return x


def _counts(scope, name=None):
    """(calls in the forward pass, calls after the backward pass, the gradient of the inputs)."""
    with scope:
        layer = Counted(name=name)
    layer.build((None, 4))
    layer(np.ones((1, 4), "float32"))
    layer.inner.set_weights([np.full((4, 4), 0.1), np.zeros(4)])
    x = torch.arange(12.0).reshape(3, 4).requires_grad_(True)
    Counted.calls = 0
    y = layer(x, training=True)
    forward = Counted.calls
    y.sum().backward()
    assert float(layer.seen) == 1
    assert len(layer.losses) == 1
    return forward, Counted.calls, x.grad


def test_which_layers_are_computed_twice():
    plain = _counts(contextlib.nullcontext())
    assert plain[:2] == (1, 1)
    for arguments, name, twice in (
        (("full",), None, True),
        (("activations",), None, False),
        (("list_of_layers", 0, ["this"]), "this", True),
        (("list_of_layers", 0, ["this"]), "that", False),
        ((None,), None, False),
    ):
        found = _counts(keras.RematScope(*arguments), name)
        assert found[:2] == (1, 1 + twice), arguments
        torch.testing.assert_close(found[2], plain[2])


@pytest.mark.parametrize(("threshold", "twice"), [(11, True), (12, False)])
def test_larger_than(threshold, twice):
    forward, after, _ = _counts(keras.RematScope("larger_than", output_size_threshold=threshold))
    assert after - forward == twice


def test_scopes_are_nested_and_checked():
    with keras.RematScope("full"):
        assert _counts(keras.RematScope(None))[:2] == (1, 1)
        assert _counts(keras.RematScope("list_of_layers", layer_names=["other"]), "this")[:2] == (1, 1)
        assert _counts(contextlib.nullcontext())[:2] == (1, 2)
    with pytest.raises(ValueError, match="Invalid mode"):
        keras.RematScope("some")
    assert _counts(contextlib.nullcontext())[:2] == (1, 1)


def test_a_function():
    calls = []

    def sine(x, times=1.0):
        calls.append(times)
        return keras.ops.sin(x) * times

    x = torch.ones(3, requires_grad=True)
    keras.remat(sine)(x, times=3.0).sum().backward()
    assert calls == [3.0, 3.0]
    torch.testing.assert_close(x.grad, 3 * torch.cos(torch.ones(3)))
    assert keras.remat(sine)(np.ones(2, "float32")).shape == (2,)


def _model(mode, rate):
    with contextlib.nullcontext() if mode == "none" else keras.RematScope(mode, output_size_threshold=30):
        i = keras.Input((6, 4))
        x = L.Dense(4, activation="relu")(i)
        x = L.MultiHeadAttention(2, 3, dropout=rate, seed=3)(x, x)
        x = L.Dropout(rate, seed=5)(L.BatchNormalization()(x))
        x = L.GRU(4)(L.Conv1D(4, 2, padding="same", activation="gelu")(x))
        return keras.Model(i, L.Dense(2)(x))


@pytest.mark.filterwarnings("error:The training step runs eagerly")
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("mode", ["full", "activations", "larger_than"])
def test_training_is_as_without(mode, rate):
    rng = np.random.default_rng(0)
    x, y = rng.random((24, 6, 4)).astype("float32"), rng.random((24, 2)).astype("float32")
    weights, found = None, []
    for this, eager in (("none", False), (mode, False), (mode, True)):
        model = _model(this, rate)
        weights = weights or [np.abs(rng.normal(size=w.shape)) * 0.3 for w in model.weights]
        model.set_weights(weights)
        model.compile("sgd", "mse", run_eagerly=eager)
        history = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]
        found.append([np.array(history), *model.get_weights()])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_recorded_step_computes_twice_too():
    """The program of a step has the second computation in it, and needs less memory for it."""
    sizes = {}
    for mode in (None, "full"):
        with keras.RematScope(mode):
            layers = [keras.Sequential([L.Dense(16, activation="tanh") for _ in range(4)]) for _ in range(3)]

            class Block(L.Layer):
                def __init__(self, inner):
                    super().__init__()
                    self.inner = inner

                def call(self, x):
                    return self.inner(x)

            model = keras.Sequential([keras.Input((16,)), *map(Block, layers), L.Dense(1)])
        parameters = [variable.tensor for variable in model.trainable_variables]

        def step(x, model=model, parameters=parameters):
            return torch.autograd.grad((model(x) ** 2).sum(), parameters)

        recorded, x = Step(step), torch.rand(4096, 16)
        for _ in range(4):
            grads = recorded(x)
        for a, b in zip(grads, step(x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)
        sizes[mode] = recorded.explain()
    lines = {mode: text.count("addmm") for mode, text in sizes.items()}
    assert lines["full"] > lines[None]


def test_copies_and_files_keep_the_numbers(tmp_path):
    with keras.RematScope("full"):
        model = keras.Sequential([keras.Input((4,)), L.Dense(3, activation="relu"), L.Dense(2)])
    x = np.random.default_rng(0).random((5, 4)).astype("float32")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("seed", [None, 4])
def test_a_graph_that_is_kept_draws_the_same_numbers_each_time(seed):
    with keras.RematScope("full"):
        layer = L.Dropout(0.5, seed=seed)
    x = torch.ones(50, requires_grad=True)
    y = layer(x, training=True)
    following = torch.rand(1)
    for _ in range(2):
        x.grad = None
        y.sum().backward(retain_graph=True)
        assert torch.equal(x.grad, y.detach())
    assert not torch.equal(torch.rand(1), following)


@pytest.mark.parametrize("mode", [None, "full"])
def test_what_is_drawn_in_place_and_by_no_seed(mode):
    class Noisy(L.Layer):
        def call(self, x):
            return x * torch.empty_like(x).normal_() + torch.rand_like(x) * x.sin()

    found = []
    for this in (None, mode):
        with keras.RematScope(this):
            layer = Noisy()
        torch.manual_seed(0)
        x = torch.linspace(0, 1, 9).requires_grad_()
        y = layer(x)
        y.square().sum().backward()
        found.append((y.detach(), x.grad, torch.rand(2)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
