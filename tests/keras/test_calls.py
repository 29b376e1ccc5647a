"""`model(x)` outside training is replayed where that makes no difference: here is what would."""

import copy
import threading

import numpy as np
import pytest
import torch

from tandem import keras
from tandem.core import scope
from tandem.keras.layers.base import Layer

layers = keras.layers


def _x(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape, dtype="float32"))


def _mlp():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, activation="relu"), layers.BatchNormalization(), layers.Dense(3)]
    )


def _programs(model):
    """How many kinds of calls of the model are replayed."""
    replayed = model._training.replayed
    return sum(len(kind.step.programs) for kind in replayed._kinds.values()) if replayed else 0


def _warm(model, x, calls=6, **kwargs):
    """A model whose calls with `x` are replayed."""
    for _ in range(calls):
        model(x, **kwargs)
    assert _programs(model) == 1
    return model


def _is_replayed(y):
    return type(y.grad_fn).__name__ == "_LaterBackward"


def _eager(model, x, **kwargs):
    """What the model gives as it is written."""
    return Layer.forward(model, x, **kwargs)


# --- numbers ---------------------------------------------------------------------------------------------------------


def _functional():
    keras.utils.set_random_seed(1)
    a = keras.Input((6,))
    b = layers.Dense(4, activation="tanh")(a)
    return keras.Model(a, layers.LayerNormalization()(layers.Concatenate()([a * 2.0, b])))


def _convolutional():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(2, activation="softmax"),
        ]
    )


def _recurrent():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((5, 3)), layers.LSTM(4, return_sequences=True), layers.GRU(3)])


def _nested():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((6,)), _mlp(), layers.Dense(2)])


def _half():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((6,)), layers.Dense(4, dtype="mixed_bfloat16"), layers.Dense(2)])


MODELS = {
    "mlp": (_mlp, (6,)),
    "functional": (_functional, (6,)),
    "convolutional": (_convolutional, (6, 6, 1)),
    "recurrent": (_recurrent, (5, 3)),
    "nested": (_nested, (6,)),
    "mixed precision": (_half, (6,)),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["torch", "numpy", "double"])
def test_a_replayed_call_equals_the_eager_one(name, kind):
    """Outputs, their gradient, dtype and strides, call after call; no result changes after it was given."""
    make, shape = MODELS[name]
    model = make()
    change = {"torch": lambda x: x, "numpy": torch.Tensor.numpy, "double": torch.Tensor.double}[kind]
    kept = []
    for seed in range(6):
        x = change(_x(2, *shape, seed=seed))
        y, wanted = model(x), _eager(model, x)
        torch.testing.assert_close(y, wanted, rtol=1e-6, atol=1e-6)
        assert y.stride() == wanted.stride()
        assert y.requires_grad == wanted.requires_grad
        kept.append((y, wanted))
    assert _programs(model) == 1
    weights = [variable.tensor for variable in model.trainable_variables]
    for y, wanted in kept:
        torch.testing.assert_close(y, wanted, rtol=1e-6, atol=1e-6)
        found = torch.autograd.grad(y.square().sum(), weights)
        expected = torch.autograd.grad(wanted.square().sum(), weights)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_several_inputs_and_outputs_keep_their_structure():
    """Lists and dicts go in, a dict comes out."""
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    both = layers.Concatenate()([a, layers.Dense(2)(b)])
    model = keras.Model({"a": a, "b": b}, {"one": layers.Dense(1)(both), "few": [both, layers.Softmax()(both)]})
    for seed in range(6):
        x = {"a": _x(2, 3, seed=seed), "b": _x(2, 2, seed=seed).numpy()}
        y, wanted = model(x), _eager(model, x)
        assert list(y) == ["one", "few"]
        assert type(y["few"]) is list
        torch.testing.assert_close(y, wanted)
    assert _programs(model) == 1
    (y["one"].sum() + y["few"][1].square().sum()).backward()
    found = [variable.tensor.grad.clone() for variable in model.trainable_variables]
    model.zero_grad()
    (wanted["one"].sum() + wanted["few"][1].square().sum()).backward()
    torch.testing.assert_close(found, [variable.tensor.grad for variable in model.trainable_variables])


def test_modes_of_torch():
    """Without gradients, and in inference mode, results are what they are in a plain call."""
    model, x = _mlp(), _x(1, 6)
    with torch.no_grad():
        _warm(model, x)
        y = model(x)
    assert not y.requires_grad
    with torch.inference_mode():
        y = model(x)
        assert y.is_inference()
        torch.testing.assert_close(y, _eager(model, x))
    with torch.autocast("cpu", torch.bfloat16):
        assert model(x).dtype is _eager(model, x).dtype


# --- what changes between calls --------------------------------------------------------------------------------------


def _assign(model):
    model.layers[0].set_weights([np.full((6, 5), 0.5), np.ones(5)])


def _in_place(model):
    with torch.no_grad():
        model.layers[0].kernel.tensor.mul_(-2)


def _data(model):
    model.layers[0].kernel.tensor.data = torch.ones(6, 5)


def _add(model):
    model.add(layers.Dense(2, kernel_initializer="ones"))


def _pop(model):
    model.pop()


def _activation(model):
    model.layers[0].activation = keras.activations.get("sigmoid")


def _statistics(model):
    model(_x(8, 6), training=True)


def _double(model):
    model.double()


def _own_activation(model):
    model.layers[0].activation = lambda value: value * 3


CHANGES = [_assign, _in_place, _data, _add, _pop, _activation, _statistics, _double, _own_activation]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_calls_counts_at_once(change):
    """Weights set or replaced, layers added, taken off or edited, statistics moved, another dtype."""
    model, x = _mlp(), _x(2, 6)
    _warm(model, x)
    before = model(x).detach()
    change(model)
    for _ in range(6):
        y = model(x)
        torch.testing.assert_close(y, _eager(model, x))
    assert y.shape != before.shape or not torch.allclose(y.to(before.dtype), before) or y.dtype != before.dtype


def test_training_flags():
    """An argument, a scope, `train()` and `eval()` decide as in a plain call."""
    keras.utils.set_random_seed(0)
    model, x = keras.Sequential([keras.Input((50,)), layers.Dropout(0.5), layers.Dense(50)]), torch.ones(1, 50)
    plain = _eager(model, x)
    _warm(model, x)

    def drops(**kwargs):
        return not torch.equal(model(x, **kwargs), plain)

    assert not drops()
    assert drops(training=True)
    with scope.training(True):
        assert drops()
        assert not drops(training=False)
    model.train()
    assert all(drops() for _ in range(6))
    model.eval()
    assert not any(drops() for _ in range(6))
    model.layers[0].train()
    assert all(drops() for _ in range(6))


def test_frozen_layers_get_no_gradient():
    """Freezing one layer, and all of them, after the calls are replayed."""
    model, x = _mlp(), _x(2, 6)
    _warm(model, x)
    model.layers[0].trainable = False
    for _ in range(6):
        y = model(x)
    assert _is_replayed(y)
    y.sum().backward()
    assert model.layers[0].kernel.tensor.grad is None
    assert model.layers[-1].kernel.tensor.grad is not None
    model.trainable = False
    assert not any(model(x).requires_grad for _ in range(6))


# --- gradients -------------------------------------------------------------------------------------------------------


def test_who_asks_for_a_gradient_gets_the_ordinary_graph_from_then_on():
    """One call is computed twice, no more."""
    model, x = _mlp(), _x(2, 6)
    _warm(model, x)
    y = model(x)
    assert _is_replayed(y)
    y.sum().backward()
    assert not _is_replayed(model(x))
    assert model(x).requires_grad


def test_second_derivatives():
    """A gradient of a gradient, through a replayed call."""
    model, x = _mlp(), _x(2, 6)
    _warm(model, x)
    weight = model.layers[-1].kernel.tensor

    def twice(y):
        (first,) = torch.autograd.grad(y.square().sum(), weight, create_graph=True)
        return torch.autograd.grad(first.square().sum(), weight)[0]

    y = model(x)
    assert _is_replayed(y)
    torch.testing.assert_close(twice(y), twice(_eager(model, x)))


def test_gradients_for_inputs():
    """Inputs that need a gradient take the ordinary way."""
    model, x = _mlp(), _x(2, 6).requires_grad_()
    for _ in range(6):
        y = model(x)
    assert _programs(model) == 0
    (found,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(found, torch.autograd.grad(_eager(model, x).sum(), x)[0])


def test_hooks_of_weights_are_called_once():
    """Also where the gradient runs the call again."""
    model, x, seen = _mlp(), _x(2, 6), []
    _warm(model, x)
    model.layers[0].kernel.tensor.register_hook(lambda grad: seen.append(grad.clone()))
    y = model(x)
    assert _is_replayed(y)
    y.square().sum().backward()
    assert len(seen) == 1
    torch.testing.assert_close(seen[0], model.layers[0].kernel.tensor.grad)


def test_what_changed_between_a_call_and_its_gradient():
    """A weight or an input changed in place is an error, as in any graph; freezing does not matter; an edit is said."""
    model, x = _mlp(), _x(2, 6)
    _warm(model, x)
    y, other = model(x), model(x.clone())
    assert _is_replayed(y)
    with torch.no_grad():
        x.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    model.layers[0].trainable = False
    other.sum().backward()
    first, last = model.layers[0].kernel.tensor, model.layers[-1].kernel.tensor
    assert first.grad is None  # torch adds nothing to what is frozen by then
    assert not first.requires_grad
    assert last.grad is not None

    model = _mlp()
    _warm(model, x)
    y = model(x)
    model.layers[0].activation = keras.activations.get("tanh")
    with pytest.raises(RuntimeError, match="changed since"):
        y.sum().backward()


def test_an_array_may_be_filled_anew_before_the_gradient_is_asked_for():
    """The call keeps its own copy."""
    model, x = _mlp(), _x(2, 6).numpy()
    _warm(model, x)
    wanted = _eager(model, torch.from_numpy(x.copy()))
    y = model(x)
    assert _is_replayed(y)
    x[:] = 0
    weight = model.layers[0].kernel.tensor
    torch.testing.assert_close(
        torch.autograd.grad(y.sum(), weight), torch.autograd.grad(wanted.sum(), weight), rtol=1e-5, atol=1e-6
    )


# --- what is not replayed --------------------------------------------------------------------------------------------


class _Counts(layers.Layer):
    """Counts its calls in Python."""

    calls = 0

    def call(self, x):
        """What it gets."""
        type(self).calls += 1
        return x * 1.0


class _Own(keras.Model):
    """A model of the user's."""

    def __init__(self):
        super().__init__()
        self.dense, self.calls = layers.Dense(2), []

    def call(self, x):
        """One layer, noted."""
        self.__dict__["seen"] = self.__dict__.get("seen", 0) + 1
        return self.dense(x)


def test_code_of_the_users_runs_in_every_call():
    """Layers, models, functions and operations that are not Keras's own."""
    count = []
    makes = {
        "layer": lambda: keras.Sequential([keras.Input((3,)), _Counts()]),
        "function": lambda: keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: count.append(1) or x + 1)]),
        "activation": lambda: keras.Sequential(
            [keras.Input((3,)), layers.Dense(2, activation=lambda x: count.append(1) or x + 1)]
        ),
    }
    for make in makes.values():
        model = make()
        count.clear()
        _Counts.calls = 0
        for _ in range(6):
            model(_x(1, 3))
        assert len(count) + _Counts.calls == 6
    model = _Own()
    model(_x(1, 3))
    before = model.seen
    for _ in range(6):
        model(_x(1, 3))
    assert model.seen == before + 6


def test_hooks_are_called_in_every_call():
    """A layer's, the model's and those of every module; when they are gone, calls are replayed again."""
    model, x, seen = _mlp(), _x(1, 6), []
    _warm(model, x)
    places = [model.layers[0].register_forward_hook, model.layers[1].register_forward_pre_hook]
    places += [model.register_forward_hook, torch.nn.modules.module.register_module_forward_hook]
    for place in places:
        handle = place(lambda *args: seen.append(1))
        seen.clear()
        model(x)
        once = len(seen)
        model(x)
        assert len(seen) == 2 * once >= 2
        handle.remove()
    for _ in range(6):
        y = model(x)
    assert _is_replayed(y)


def test_states_masks_and_random_numbers():
    """A stateful layer, a mask that comes out, an output that is the input: all as in a plain call."""
    model = keras.Sequential([keras.Input(batch_shape=(1, 3, 2)), layers.LSTM(2, stateful=True)])
    x = _x(1, 3, 2)
    first = [model(x).detach() for _ in range(6)]
    model.reset_states()
    for wanted in first:
        torch.testing.assert_close(_eager(model, x), wanted)
    masked = keras.Sequential([keras.Input((4,)), layers.Embedding(5, 3, mask_zero=True)])
    numbers = torch.tensor([[1, 2, 0, 0]])
    for _ in range(6):
        assert masked(numbers)._keras_mask.tolist() == [[True, True, False, False]]
    same = keras.Sequential([keras.Input((3,)), layers.Dropout(0.5)])
    for _ in range(6):
        assert same(x[0]) is x[0] or same(x[0]).data_ptr() == x[0].data_ptr()


def test_losses_of_a_call_are_there():
    """A penalty of the output is in `losses` after each call."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, activity_regularizer="l2")])
    for seed in range(6):
        model(_x(1, 2, seed=seed))
        assert len(model.losses) == 1


def test_run_eagerly_and_errors():
    """`run_eagerly` holds for calls too, and a wrong input is refused as ever."""
    model, x = _mlp(), _x(1, 6)
    model.run_eagerly = True
    for _ in range(6):
        model(x)
    assert _programs(model) == 0
    table = keras.Sequential([keras.Input((2,), dtype="int32"), layers.Embedding(4, 2)])
    _warm(table, torch.tensor([[1, 2]]))
    with pytest.raises(IndexError):
        table(torch.tensor([[1, 9]]))
    with pytest.raises(ValueError, match="incompatible"):
        _warm(_mlp(), x)(_x(1, 3))


def test_large_inputs_and_many_shapes_are_not_replayed():
    """A program keeps its buffers: there are few, and small ones."""
    model = keras.Sequential([keras.Input((None,)), layers.Activation("relu")])
    with torch.no_grad():
        for size in range(1, 12):
            for _ in range(5):
                assert model(torch.ones(1, size)).shape == (1, size)
        assert _programs(model) == 8
        other = keras.Sequential([keras.Input((1024,)), layers.Activation("relu")])
        for _ in range(5):
            other(torch.ones(1025, 1024))
        assert _programs(other) == 0


def test_copies_and_threads():
    """A copy has programs of its own; threads do not get each other's numbers."""
    model, x = _mlp(), _x(1, 6)
    _warm(model, x)
    twin = copy.deepcopy(model)
    _assign(twin)
    torch.testing.assert_close(twin(x), _eager(twin, x))
    wrong = []

    def work(seed):
        mine = _x(1, 6, seed=seed)
        wanted, long = _eager(model, mine).detach(), model.predict(mine, verbose=0)
        for _ in range(100):
            if not torch.allclose(model(mine), wanted, atol=1e-6):
                wrong.append(seed)
            if not np.allclose(model.predict(mine, verbose=0), long, atol=1e-6):
                wrong.append(-seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_memory_is_given_back():
    """Calls, predictions and steps in a loop leave no tensor behind."""
    import gc

    model, x = _mlp(), _x(1, 6)
    model.compile("sgd", "mse")
    y = np.zeros((1, 3), "float32")

    def loop():
        for _ in range(20):
            model(x)
            model.predict(x, verbose=0)
            model.predict_on_batch(x)
            model.train_on_batch(x, y)
            model.test_on_batch(x, y)
        gc.collect()
        return sum(issubclass(type(found), torch.Tensor) for found in gc.get_objects())

    loop()
    assert loop() == loop()


def test_a_layer_that_reads_values_finds_its_shape_on_zeros_and_leaves_nothing_behind():
    class Tiled(keras.layers.Layer):
        def build(self, shape):
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x):
            self.calls.assign_add(1.0)
            times = keras.ops.concatenate([keras.ops.convert_to_tensor([1]), keras.ops.convert_to_tensor([2])], 0)
            return keras.ops.tile(x, times)

    inputs = keras.Input((3,))
    layer = Tiled()
    outputs = layer(inputs)
    assert outputs.shape == (None, 6)
    assert float(layer.calls) == 0
    model = keras.Model(inputs, outputs)
    assert model.predict(np.arange(6.0).reshape(2, 3), verbose=0).tolist() == [[0, 1, 2] * 2, [3, 4, 5] * 2]
