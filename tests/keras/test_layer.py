"""The layer protocol: building, tracking, masks, the training flag, losses, configs; and being a `torch.nn.Module`."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch

from tandem import keras
from tandem.core import scope
from tandem.core.module import Module

layers = keras.layers


class Scale(layers.Layer):
    """The usual custom layer: weights in `build`, its arguments as its config."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.seen = input_shape
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, inputs):
        return inputs * self.scale * self.factor


@keras.saving.register_keras_serializable(package="tests")
class Block(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first = layers.Dense(units)
        self.rest = [layers.Dense(units), layers.Dropout(0.5)]
        self.named = {"last": layers.Dense(1)}

    def call(self, inputs, training=None):
        x = self.first(inputs)
        for layer in self.rest:
            x = layer(x)
        return self.named["last"](x)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_a_custom_layer_is_built_from_its_first_input():
    layer = Scale(3.0)
    assert not layer.built
    assert layer.weights == []
    y = layer(np.ones((2, 4)))
    assert layer.built
    assert layer.seen == (2, 4)
    assert [(w.name, w.path, w.trainable) for w in layer.weights] == [
        ("scale", f"{layer.name}/scale", True),
        ("count", f"{layer.name}/count", False),
    ]
    assert y.dtype == torch.float32
    assert torch.equal(y, torch.full((2, 4), 3.0))
    assert list(layer.state_dict()) == ["scale", "count"]
    assert [name for name, _ in layer.named_parameters()] == ["scale"]
    assert [name for name, _ in layer.named_buffers()] == ["count"]


def test_a_custom_layer_in_a_functional_model():
    x = keras.Input((4,))
    layer = Scale()
    y = layer(x)
    assert y.shape == (None, 4)
    assert layer.seen == (None, 4)
    model = keras.Model(x, y)
    np.testing.assert_array_equal(model(np.ones((1, 4))).detach(), np.full((1, 4), 2.0))
    assert layer.input is x
    assert layer.output is y


def test_the_config_of_a_custom_layer_is_its_arguments():
    layer = Scale(factor=5.0, name="five")
    config = layer.get_config()
    assert config["factor"] == 5.0
    assert config["name"] == "five"
    again = Scale.from_config(config)
    assert again.factor == 5.0
    with pytest.raises(NotImplementedError, match=r"get_config"):
        Scale(factor=lambda x: x).get_config()
    with pytest.raises(TypeError, match=r"deserializing"):
        Scale.from_config({"nothing": 1})


def test_registered_layers_come_back_from_json():
    model = keras.Sequential([keras.Input((3,)), Block(4)])
    again = keras.models.model_from_json(model.to_json())
    assert isinstance(again.layers[0], Block)
    again.set_weights(model.get_weights())
    x = np.ones((2, 3))
    assert torch.equal(model(x), again(x))
    scaled = keras.Sequential([keras.Input((3,)), Scale()])
    with pytest.raises(TypeError, match=r"Could not locate class 'Scale'"):
        keras.models.model_from_json(scaled.to_json())
    assert keras.models.model_from_json(scaled.to_json(), custom_objects={"Scale": Scale}).built


def test_sublayers_in_lists_and_dicts_belong_to_the_layer():
    block = Block(4)
    block(torch.ones(2, 3))
    assert [w.path.split("/", 1)[1] for w in block.weights] == [
        f"{layer.name}/{name}"
        for layer in (block.first, block.rest[0], block.named["last"])
        for name in ("kernel", "bias")
    ]
    assert set(block.state_dict()) == {
        f"{part}.{name}" for part in ("first", "rest_0", "named_last") for name in ("kernel", "bias")
    }
    with pytest.raises(ValueError, match=r"already built"):
        block.rest.append(layers.Dense(1))
    with pytest.raises(ValueError, match=r"already built"):
        block.extra = layers.Dense(1)
    block.number = 3  # what is no state may still change


def test_attributes_can_be_replaced_before_building():
    block = Block(4)
    old = block.first
    block.first = layers.Dense(7)
    block.rest[1] = layers.Dense(5)
    assert old not in block._layers
    block(torch.ones(2, 3))
    assert block.first.kernel.shape == (3, 7)
    assert len(block.weights) == 8
    del block.first
    assert len(block.weights) == 6
    assert not any(name.startswith("first") for name in block.state_dict())


def test_weights_kept_in_lists():
    class Many(layers.Layer):
        def build(self, input_shape):
            self.all = [self.add_weight(shape=(2,), name=f"w{i}") for i in range(3)]
            self.add_weight(shape=(1,), name="nowhere")

        def call(self, inputs):
            return inputs + self.all[0]

    layer = Many()
    layer(torch.ones(1, 2))
    assert len(layer.weights) == 4
    assert len(list(layer.parameters())) == 4


def test_forgetting_super_init_says_so():
    class Forgetful(layers.Layer):
        def __init__(self):
            self.dense = layers.Dense(1)

    class Careless(layers.Layer):
        def __init__(self):
            self.number = 1

        def call(self, inputs):
            return inputs

    with pytest.raises((RuntimeError, AttributeError), match=r"super\(\)|__init__"):
        Forgetful()
    with pytest.raises((RuntimeError, AttributeError), match=r"super\(\)|__init__|attribute"):
        Careless()(torch.ones(1))


def test_build_takes_the_shapes_of_several_arguments():
    class Two(layers.Layer):
        def build(self, query_shape, value_shape):
            self.shapes = query_shape, value_shape

        def call(self, query, value):
            return query + value

    class Listed(layers.Layer):
        def build(self, input_shape):
            self.shapes = input_shape

        def call(self, inputs):
            return inputs[0] + inputs[1]

    two, listed = Two(), Listed()
    two(torch.ones(2, 3), value=torch.ones(1, 3))
    assert two.shapes == ((2, 3), (1, 3))
    listed([torch.ones(2, 3), torch.ones(1, 3)])
    assert listed.shapes == [(2, 3), (1, 3)]


class Mode(layers.Layer):
    def call(self, inputs, training=None):
        self.__dict__["seen"] = training
        return inputs


def test_the_training_flag_reaches_inner_layers():
    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.mode = Mode()

        def call(self, inputs):
            return self.mode(inputs)

    outer, x = Outer(), torch.ones(1)
    outer(x)
    assert outer.mode.seen is None
    outer(x, training=True)
    assert outer.mode.seen is True
    outer(x, training=False)
    assert outer.mode.seen is False
    with scope.training(True):
        outer(x)
    assert outer.mode.seen is True
    outer.train()
    outer(x)
    assert outer.mode.seen is True
    outer.eval()
    outer(x)
    assert outer.mode.seen is False
    outer(x, training=True)
    assert outer.mode.seen is True
    assert scope.is_training() is None


def test_dropout_follows_the_mode():
    layer, x = layers.Dropout(0.5), torch.ones(1000)
    assert torch.equal(layer(x), x)
    assert (layer(x, training=True) == 0).any()
    layer.train()
    assert (layer(x) == 0).any()
    assert torch.equal(layer(x, training=False), x)


def test_dropout_with_a_seed_repeats_its_numbers_and_goes_on():
    x = torch.ones(100)
    first, second = layers.Dropout(0.5, seed=3), layers.Dropout(0.5, seed=3)
    torch.manual_seed(0)
    a = [first(x, training=True) for _ in range(2)]
    torch.manual_seed(1)
    b = [second(x, training=True) for _ in range(2)]
    assert torch.equal(a[0], b[0])
    assert torch.equal(a[1], b[1])
    assert not torch.equal(a[0], a[1])


def test_masks_travel_and_end_where_a_layer_does_not_know_them():
    embedding = layers.Embedding(5, 3, mask_zero=True)
    x = embedding(np.array([[1, 0, 2]]))
    assert x._keras_mask.tolist() == [[True, False, True]]
    assert layers.Dense(2)(x)._keras_mask is x._keras_mask
    with pytest.warns(UserWarning, match=r"does not support masking"):
        y = layers.Conv1D(2, 1)(x)
    assert getattr(y, "_keras_mask", None) is None
    summed = layers.Add()([x, embedding(np.array([[0, 0, 1]]))])
    assert summed._keras_mask.tolist() == [[True, False, True]]
    joined = layers.Concatenate(axis=1)([x, x])
    assert joined._keras_mask.tolist() == [[True, False, True] * 2]


def test_masks_fill_the_arguments_that_ask_for_them():
    class Asks(layers.Layer):
        def call(self, query, value, query_mask=None, value_mask=None):
            self.__dict__["masks"] = query_mask, value_mask
            return query

    x = layers.Embedding(5, 3, mask_zero=True)(np.array([[1, 0]]))
    asks = Asks()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        asks(x, torch.ones(1, 2, 3))
    assert asks.masks[0].tolist() == [[True, False]]
    assert asks.masks[1] is None


def test_masks_inside_a_functional_model():
    x = keras.Input((None,), dtype="int32")
    h = layers.Embedding(6, 4, mask_zero=True)(x)
    model = keras.Model(x, layers.GlobalAveragePooling1D()(h))
    table = model.layers[1].get_weights()[0]
    found = model(np.array([[1, 2, 0, 0]])).detach().numpy()
    np.testing.assert_allclose(found, table[[1, 2]].mean(0, keepdims=True), rtol=1e-6)


def test_losses_are_those_of_the_last_call():
    class Penalised(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2, activity_regularizer="l2", kernel_regularizer=keras.regularizers.L1(0.1))

        def call(self, inputs):
            self.add_loss(inputs.sum())
            return self.dense(inputs)

    layer = Penalised()
    for _ in range(2):
        y = layer(torch.ones(4, 3))
    kernel = layer.dense.kernel.value
    wanted = [torch.tensor(12.0), 0.01 * (y**2).sum() / 4, 0.1 * kernel.abs().sum()]
    assert len(layer.losses) == 3
    for found, value in zip(layer.losses, wanted, strict=True):
        torch.testing.assert_close(found, value)
    layer.trainable = False
    assert len(layer.losses) == 2
    with pytest.raises(ValueError, match=r"add_loss"):
        layer.add_loss(3.0)


def test_trainable_sets_requires_grad_of_all_below():
    block = Block(2)
    block(torch.ones(1, 3))
    block.trainable = False
    assert block.trainable_weights == []
    assert len(block.non_trainable_weights) == 6
    assert not any(parameter.requires_grad for parameter in block.parameters())
    block.first.trainable = True
    assert block.first.kernel.value.requires_grad
    assert block.trainable_weights == []
    block.trainable = True
    assert all(parameter.requires_grad for parameter in block.parameters())


def test_batch_normalization_that_does_not_train_keeps_its_statistics():
    layer = layers.BatchNormalization()
    layer.trainable = False
    layer(torch.randn(8, 3), training=True)
    assert np.array_equal(layer.moving_mean, np.zeros(3))


def test_mixed_precision_computes_in_one_dtype_and_stores_in_another():
    layer = layers.Dense(2, dtype="mixed_bfloat16")
    y = layer(torch.ones(3, 4))
    assert y.dtype == torch.bfloat16
    assert layer.kernel.value.dtype == torch.float32
    y.sum().backward()
    assert layer.kernel.grad.dtype == torch.float32
    assert layer.dtype == "float32"
    assert layer.compute_dtype == "bfloat16"


def test_inputs_are_converted():
    layer = layers.Dense(2)
    assert layer(np.ones((2, 3))).dtype == torch.float32
    assert layer(torch.ones(2, 3, dtype=torch.float64)).dtype == torch.float32
    assert layer(keras.Variable(np.ones((2, 3), "float32"))).shape == (2, 2)
    with pytest.raises(ValueError, match=r"positional arguments"):
        layer([[1.0, 2.0, 3.0]])


# --- as a torch module ------------------------------------------------------------------------------------------------


def test_a_plain_torch_loop_trains_a_keras_model():
    torch.manual_seed(0)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(8, activation="tanh"), layers.Dense(1)])
    x = torch.randn(64, 3)
    y = x.sum(1, keepdim=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]


def test_hooks_see_every_call_of_an_inner_layer():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="inner"), layers.Dense(1)])
    seen = []
    handle = model.get_layer("inner").register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    model(torch.ones(4, 3))
    handle.remove()
    model(torch.ones(4, 3))
    assert seen == [(4, 2)]


def test_state_dict_round_trip_and_torch_utils():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.BatchNormalization()])
    other = keras.models.clone_model(model)
    other.load_state_dict(model.state_dict())
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model(torch.ones(2, 3)).sum().backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    vector = torch.nn.utils.parameters_to_vector(model.parameters())
    torch.nn.utils.vector_to_parameters(vector * 0, model.parameters())
    assert not model.layers[0].kernel.numpy().any()
    assert list(model.state_dict()) == list(other.state_dict())
    assert list(model.children()) == model.layers


def test_to_keeps_variables_in_step():
    layer = layers.BatchNormalization()
    layer.build((None, 3))
    layer.to(torch.float64)
    assert layer.moving_mean.value.dtype == torch.float64
    assert layer.gamma.value is dict(layer.named_parameters())["gamma"]
    assert layer.moving_mean.value is dict(layer.named_buffers())["moving_mean"]


def test_copies_have_weights_of_their_own():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), Block(2)])
    x = torch.ones(2, 3)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(x), model(x))
        other.layers[0].kernel.assign(np.zeros((3, 2)))
        assert other.layers[0].kernel.value is other.layers[0]._parameters["kernel"]
        assert model.layers[0].kernel.numpy().any()
        assert not other.layers[0].kernel.numpy().any()
        other.layers[0].to(torch.float64)
        assert other.layers[0].kernel.value.dtype == torch.float64
        assert model.layers[0].kernel.value.dtype == torch.float32


def test_a_call_changes_nothing_that_a_recorded_program_depends_on():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dropout(0.5), Block(2)])
    x = torch.ones(2, 3)
    model(x, training=True)
    before = Module.mutations
    model(x, training=True)
    model(x)
    assert Module.mutations == before


def test_set_weights_says_what_does_not_fit():
    layer = layers.Dense(2)
    layer.build((None, 3))
    with pytest.raises(ValueError, match=r"length 1.*expecting 2"):
        layer.set_weights([np.zeros((3, 2))])
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(2, 3\)"):
        layer.set_weights([np.zeros((2, 3)), np.zeros(2)])


def test_add_weight_in_the_old_order():
    class Old(layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight("kernel", shape=[int(input_shape[-1]), 2], initializer="zeros", trainable=True)
            super().build(input_shape)

        def call(self, x):
            return x @ self.w

    layer = Old()
    assert layer(torch.ones(1, 3)).shape == (1, 2)
    assert layer.w.name == "kernel"


def test_input_shape_begins_a_model():
    model = keras.Sequential([layers.Dense(2, input_shape=(3,)), layers.Dense(1)])
    assert model.built
    assert model.input_shape == (None, 3)
    assert keras.Sequential([layers.Dense(2, input_dim=4)]).layers[0]._input_shape_given == (None, 4)
    batch = keras.Sequential([layers.LSTM(2, batch_input_shape=(5, 4, 3), stateful=True), layers.Dense(1)])
    assert batch.input_shape == (5, 4, 3)


def test_a_layer_computes_its_constants_once():
    calls = []

    class Counting(keras.layers.MelSpectrogram):
        def linear_to_mel_weight_matrix(self, *args, **kwargs):
            calls.append(kwargs)
            return super().linear_to_mel_weight_matrix(*args, **kwargs)

    layer = Counting(fft_length=32, sequence_stride=16, num_mel_bins=4)
    model = keras.Sequential([keras.Input((64,)), layer, keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((6, 64)), np.zeros(6), batch_size=2, epochs=2, verbose=0)
    assert len(calls) == 1 and not layer.weights
