"""Sequential, functional and subclassed models; nesting; copies; what is not built yet."""

import copy
import pickle

import numpy as np
import pytest
import torch

from oracles import real_keras
from tandem import keras

layers = keras.layers


def _names(model):
    return [layer.name for layer in model.layers]


# --- Sequential -------------------------------------------------------------------------------------------------------


def test_a_deferred_model_is_built_by_its_first_call():
    model = keras.Sequential([layers.Dense(3, activation="relu"), layers.Dense(1)])
    assert model.weights == []
    with pytest.raises(AttributeError, match=r"input_shape"):
        _ = model.input_shape
    assert model(np.ones((2, 4))).shape == (2, 1)
    assert [w.shape for w in model.weights] == [(4, 3), (3,), (3, 1), (1,)]
    assert model(np.ones((7, 4))).shape == (7, 1)


def test_add_and_pop():
    model = keras.Sequential()
    model.add(keras.Input((4,)))
    model.add(layers.Dense(3))
    model.add(layers.Dense(2))
    assert model.output_shape == (None, 2)
    first = model.layers[0].kernel
    popped = model.pop()
    assert popped.units == 2
    assert model.output_shape == (None, 3)
    model.add(layers.Dense(5))
    assert model.output_shape == (None, 5)
    assert model.layers[0].kernel is first
    assert model(np.ones((1, 4))).shape == (1, 5)
    with pytest.raises(ValueError, match=r"unique names"):
        model.add(layers.Dense(1, name=model.layers[0].name))
    with pytest.raises(ValueError, match=r"keras\.Layer"):
        model.add("dense")


def test_a_model_begins_with_a_model():
    base = keras.Sequential([keras.Input((6,)), layers.Dense(4)], name="base")
    model = keras.Sequential([base, layers.Dense(2)])
    assert model.built
    assert model.input_shape == (None, 6)
    base.trainable = False
    assert len(model.trainable_weights) == 2
    assert model(np.ones((3, 6))).shape == (3, 2)


def test_an_embedding_in_mixed_precision_keeps_its_indices():
    model = keras.Sequential([layers.Embedding(1000, 2, input_shape=(3,), dtype="mixed_bfloat16")])
    assert model.layers[0]._input_shape_given == (None, 3)
    indices = np.array([[257, 511, 999]])
    wanted = model.layers[0](indices)
    assert torch.equal(model(indices), wanted)
    assert model(indices).dtype == torch.bfloat16


def test_wrong_inputs_are_named():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="first")], name="net")
    with pytest.raises(ValueError, match=r"net.*\(None, 4\).*\(2, 5\)|axis -1.*value 4"):
        model(np.ones((2, 5)))
    with pytest.raises(ValueError, match=r"min_ndim=4"):
        keras.Sequential([keras.Input((4,)), layers.Conv2D(3, 3)])


# --- functional -------------------------------------------------------------------------------------------------------


def test_inputs_by_list_tuple_dict_and_name():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    listed = keras.Model([a, b], layers.Subtract()([a, b]))
    named = keras.Model({"x": a, "y": b}, {"difference": layers.Subtract()([a, b])})
    one, two = torch.ones(1, 2), torch.full((1, 2), 3.0)
    for inputs in ([one, two], (one, two), {"a": one, "b": two}):
        assert listed(inputs).tolist() == [[-2.0, -2.0]]
    assert named({"y": two, "x": one})["difference"].tolist() == [[-2.0, -2.0]]
    with pytest.raises(ValueError, match='Missing data for input "y"'):
        named({"x": one})
    with pytest.raises(ValueError, match=r"expects 2 input"):
        listed([one, two, one])


def test_optional_inputs():
    class Maybe(layers.Layer):
        def call(self, x, y=None):
            return x if y is None else x + y

    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b", optional=True)
    model = keras.Model([a, b], Maybe()(a, b))
    x = torch.ones(1, 2)
    assert model([x, None]).tolist() == [[1.0, 1.0]]
    assert model([x, x]).tolist() == [[2.0, 2.0]]


def test_ranks_and_dtypes_are_adjusted():
    a = keras.Input((3, 1))
    model = keras.Model(a, a * 2)
    assert model(np.ones((5, 3))).shape == (5, 3, 1)
    b = keras.Input((3,))
    doubled = keras.Model(b, b * 2)
    assert doubled(np.ones((5, 3, 1), "int64")).dtype == torch.float32
    with pytest.raises(ValueError, match=r"shape"):
        doubled(np.ones(3))


def test_a_part_of_a_model_shares_its_layers():
    x = keras.Input((4,))
    h = layers.Dense(3, name="hidden")(x)
    model = keras.Model(x, layers.Dense(1)(h))
    encoder = keras.Model(model.input, model.get_layer("hidden").output)
    decoder = keras.Model(h, model.output)
    data = torch.randn(2, 4)
    torch.testing.assert_close(decoder(encoder(data)), model(data))
    assert encoder.get_layer("hidden") is model.get_layer("hidden")
    model.get_layer("hidden").kernel.assign(np.zeros((4, 3)))
    assert not encoder(data).detach().numpy().any()


def test_a_layer_used_twice_has_one_set_of_weights():
    shared = layers.Dense(2)
    a, b = keras.Input((3,)), keras.Input((3,))
    model = keras.Model([a, b], layers.Add()([shared(a), shared(b)]))
    assert len(model.weights) == 2
    x = torch.randn(2, 3)
    model([x, x]).sum().backward()
    torch.testing.assert_close(shared.kernel.grad, 2 * x.sum(0)[:, None].expand(3, 2))


def test_several_outputs_and_states():
    x = keras.Input((5, 3))
    sequence, h, c = layers.LSTM(2, return_sequences=True, return_state=True)(x)
    model = keras.Model(x, {"sequence": sequence, "states": [h, c]})
    found = model(np.ones((4, 5, 3)))
    assert found["sequence"].shape == (4, 5, 2)
    assert [state.shape for state in found["states"]] == [(4, 2), (4, 2)]


def test_operators_and_slices_on_symbolic_values():
    x, y = keras.Input((4,)), keras.Input((4,), dtype="int32")
    data, whole = torch.tensor([[1.0, -2.0, 3.0, 0.5]]), torch.tensor([[1, 2, 3, 4]], dtype=torch.int32)
    cases = [
        (x + 1, data + 1),
        (2 - x, 2 - data),
        (x * x, data * data),
        (3 / (x + 5), 3 / (data + 5)),
        (x**2, data**2),
        (-x, -data),
        (abs(x), abs(data)),
        (x > 0, data > 0),
        (x[:, 1:3], data[:, 1:3]),
        (x[:, None, 0], data[:, None, 0]),
        (x + np.ones(4, "float32"), data + 1),
        (x @ keras.Variable(np.ones((4, 2), "float32")), data @ torch.ones(4, 2)),
        (x.reshape((-1, 2, 2)), data.reshape(-1, 2, 2)),
        (y // 2, whole // 2),
        (y % 2, whole % 2),
        (y * 1.5, whole * 1.5),
        (round(x * 3), torch.round(data * 3)),
    ]
    for symbolic, wanted in cases:
        model = keras.Model([x, y], symbolic)
        found = model([data, whole])
        torch.testing.assert_close(found, wanted)
        assert symbolic.shape == (None, *wanted.shape[1:])
        assert symbolic.dtype == str(wanted.dtype).removeprefix("torch.")
    assert (x == x) is True
    assert len({x, y, x}) == 2
    for wrong in (lambda: bool(x), lambda: list(x), lambda: float(x), lambda: np.array(x)):
        with pytest.raises((TypeError, ValueError, NotImplementedError)):
            wrong()


def test_the_training_flag_of_a_node_gives_way_to_that_of_the_call():
    x = keras.Input((1000,))
    model = keras.Model(x, layers.Dropout(0.5)(x, training=True))
    data = torch.ones(1, 1000)
    assert (model(data) == 0).any()
    assert not (model(data, training=False) == 0).any()
    frozen = keras.Model(x, layers.Dropout(0.5)(x, training=False))
    assert not (frozen(data) == 0).any()
    assert (frozen(data, training=True) == 0).any()


def test_a_deep_model_can_be_built_run_copied_and_pickled():
    x = inputs = keras.Input((2,))
    for _ in range(400):
        x = layers.Activation("relu")(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    data = torch.ones(1, 2)
    wanted = model(data)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(data), wanted)
        assert _names(other) == _names(model)
        other.layers[-1].kernel.assign(np.zeros((2, 1)))
    assert torch.equal(model(data), wanted)


def test_copies_keep_masks_sharing_and_nesting():
    x = keras.Input((None,), dtype="int32")
    h = layers.Embedding(6, 4, mask_zero=True)(x)
    inner = keras.Sequential([layers.LSTM(3, return_sequences=True), layers.GRU(2)])
    dense = layers.Dense(2)
    model = keras.Model(x, dense(dense(inner(h))))
    data = np.array([[1, 2, 0], [3, 0, 0]])
    other = copy.deepcopy(model)
    torch.testing.assert_close(other(data), model(data))
    assert len(other.weights) == len(model.weights)
    assert other.to_json() == model.to_json()
    part = keras.Model(other.input, other.layers[1].output)
    assert part(data).shape == (2, 3, 4)


def test_a_compiled_and_trained_model_can_be_copied():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("adam", "mse")
    x, y = np.ones((8, 3)), np.ones((8, 1))
    model.fit(x, y, verbose=0)
    other = copy.deepcopy(model)
    before = other.get_weights()[0].copy()
    model.fit(x, y, epochs=3, verbose=0)
    np.testing.assert_array_equal(other.get_weights()[0], before)
    other.fit(x, y, verbose=0)
    assert (other.get_weights()[0] != before).any()


# --- subclasses -------------------------------------------------------------------------------------------------------


class Net(keras.Model):
    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(units, activation="relu")
        self.dropout = layers.Dropout(0.5)
        self.out = layers.Dense(1)

    def call(self, inputs, training=None):
        return self.out(self.dropout(self.hidden(inputs), training=training))


def test_a_subclassed_model_is_built_by_calling_or_by_a_shape():
    called, shaped = Net(), Net()
    called(np.ones((2, 3)))
    shaped.build((None, 3))
    for model in (called, shaped):
        assert model.built
        assert [w.path.split("/", 1)[1].split("/")[1] for w in model.weights] == ["kernel", "bias"] * 2
        assert model.count_params() == 3 * 4 + 4 + 4 + 1
    assert called.weights[0].path == f"{called.name}/{called.hidden.name}/kernel"
    assert shaped.weights[0].path == f"{shaped.name}/{shaped.hidden.name}/kernel"


def test_a_subclassed_model_inside_a_functional_one():
    x = keras.Input((3,))
    net = Net()
    model = keras.Model(x, net(x) * 2.0)
    assert model.output_shape == (None, 1)
    data = np.ones((2, 3))
    torch.testing.assert_close(model(data), net(data) * 2)
    assert net in model.layers


def test_a_subclass_that_is_functional():
    class Custom(keras.Model):
        def train_step(self, data):
            raise NotImplementedError("custom")

    x = keras.Input((3,))
    model = Custom(x, layers.Dense(2)(x), name="custom")
    assert isinstance(model, keras.models.Functional)
    assert isinstance(model, Custom)
    assert model.output_shape == (None, 2)
    assert model(np.ones((1, 3))).shape == (1, 2)

    class Fixed(keras.Model):
        def __init__(self, units):
            inputs = keras.Input((3,))
            super().__init__(inputs=inputs, outputs=layers.Dense(units)(inputs))
            self.units = units

    assert Fixed(5)(np.ones((1, 3))).shape == (1, 5)


def test_layers_and_get_layer():
    net = Net()
    assert net.layers == [net.hidden, net.dropout, net.out]
    assert net.get_layer(index=1) is net.dropout
    with pytest.raises(ValueError, match=r"No such layer: hiden"):
        net.get_layer("hiden")
    with pytest.raises(AttributeError, match=r"reserved"):
        net.layers = []


def test_losses_of_inner_layers_are_collected():
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(1, kernel_regularizer="l2", activity_regularizer="l1")(x))
    model(np.ones((2, 3)))
    model(np.ones((2, 3)))
    assert len(model.losses) == 2


def test_freezing_and_thawing():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.BatchNormalization()])
    model.trainable = False
    assert model.trainable_variables == []
    assert not any(w.value.requires_grad for w in model.weights)
    model.trainable = True
    assert len(model.trainable_variables) == 4
    assert not model.layers[1].moving_mean.value.requires_grad


@pytest.mark.oracle
def test_a_list_of_one_output_gives_the_value_itself():
    def kinds(keras):
        x = keras.Input((3,))
        y = keras.layers.Dense(2)(x)
        found = []
        for outputs in ([y], (y,), {"b": [y]}, [{"b": y}]):
            model = keras.Model(x, outputs)
            found.append(
                [type(model(np.ones((2, 3)))).__name__, type(model.predict(np.ones((2, 3)), verbose=0)).__name__]
            )
            found[-1].append(type(model(keras.Input((3,)))).__name__)  # a list stays one there
        return found

    assert kinds(keras) == kinds(real_keras())


def test_a_clone_is_compiled_as_its_model_is():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    assert not keras.models.clone_model(model).compiled
    model.compile(keras.optimizers.Adam(0.5), "mse", metrics=["mae"])
    for one in (model, keras.Model(model.inputs, model.outputs)):
        one.compile(keras.optimizers.Adam(0.5), "mse", metrics=["mae"])
        clone = keras.models.clone_model(one)
        assert clone.compiled and clone.loss == "mse" and clone.optimizer is not one.optimizer
        assert float(clone.optimizer.learning_rate) == 0.5
