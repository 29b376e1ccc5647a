"""`x += y` in code for Keras gives the name another value: nobody else's tensor or array changes."""

import numpy as np
import pytest
import torch

from tandem import keras

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


class Centred(keras.layers.Layer):
    """Written where tensors do not change, as custom layers of Keras's examples are."""

    def call(self, inputs):
        inputs -= keras.ops.mean(inputs, axis=1, keepdims=True)
        inputs *= 2.0
        return inputs


def test_the_callers_array_and_tensor_stay():
    given, tensor = X.copy(), torch.tensor(X)
    Centred()(given)
    Centred()(tensor)
    np.testing.assert_array_equal(given, X)
    np.testing.assert_array_equal(tensor.numpy(), X)


@pytest.mark.parametrize("activation", ["linear", "sigmoid"])
def test_a_residual_connection_sees_what_the_layer_before_gave(activation):
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(4, activation=activation)(inputs)
    model = keras.Model(inputs, [hidden, Centred()(hidden)])
    for hidden, centred in (model.predict(X, verbose=0), model(X)):
        hidden, centred = keras.ops.convert_to_numpy(hidden), keras.ops.convert_to_numpy(centred)
        np.testing.assert_allclose(centred, 2 * (hidden - hidden.mean(1, keepdims=True)), atol=1e-6)
    model.compile("sgd", ["mse", "mse"])
    assert np.isfinite(model.fit(X, [X, X], epochs=2, verbose=0).history["loss"]).all()


def test_a_loss_may_normalise_what_it_judges():
    def loss(y_true, y_pred):
        y_pred /= keras.ops.sum(y_pred, axis=-1, keepdims=True)
        return -keras.ops.sum(y_true * keras.ops.log(y_pred), axis=-1)

    def total(y_true, y_pred):
        y_pred *= 0.0
        return keras.ops.sum(y_pred, axis=-1)

    def mean(y_true, y_pred):
        return keras.ops.mean(y_pred, axis=-1)

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, activation="softmax")])
    model.compile("sgd", loss, metrics=[total, mean])
    history = model.fit(X, np.eye(4)[[0, 1, 2, 3, 0, 1]], epochs=2, verbose=0).history
    np.testing.assert_allclose(history["total"], 0)
    np.testing.assert_allclose(history["mean"], 0.25, rtol=1e-6)


def test_torch_keeps_its_own_meaning_elsewhere():
    class Counts(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = torch.zeros(())

        def forward(self, x):
            calls = self.calls
            calls += 1
            return x

    module = Counts()
    keras.layers.TorchModuleWrapper(module)(torch.tensor(X))
    assert module.calls == 1
    tensor = torch.zeros(2)
    other = tensor
    other += 1
    assert tensor.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="broadcast"):
        other += torch.ones(3, 2)


def test_a_variables_numbers_that_were_read_stay():
    variable = keras.Variable(np.zeros(2, "float32"))
    read = [
        keras.ops.convert_to_numpy(variable),
        np.asarray(variable),
        variable.numpy(),
        keras.backend.get_value(variable),
    ]
    variable.assign_add(np.ones(2))
    for value in read:
        np.testing.assert_array_equal(value, 0)
