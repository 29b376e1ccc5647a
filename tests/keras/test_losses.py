"""`Loss` and its base: what is peculiar to it (tests/contract holds every loss to the real Keras's numbers)."""

import numpy as np
import pytest
import torch

from tandem import keras
from tandem.core.arrays import Array
from tandem.keras import losses

T = np.array([[0.0, 1.0], [1.0, 0.0]], "float32")
P = np.array([[0.25, 0.75], [0.5, 0.5]], "float32")


class Own(losses.Loss):
    """A loss that looks at trees, as `add_loss` models of several outputs have."""

    def __init__(self, power=2, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def call(self, y_true, y_pred):
        return ((y_true["a"] - y_pred["a"]) ** self.power).mean(-1)

    def get_config(self):
        return super().get_config() | {"power": self.power}


def test_a_loss_of_ones_own():
    loss = Own()
    value = loss({"a": T}, {"a": P})
    assert float(value) == pytest.approx(((T - P) ** 2).mean())
    weighted = loss({"a": T}, {"a": P}, sample_weight=[1.0, 0.0])
    assert float(weighted) == pytest.approx(((T - P) ** 2).mean(-1)[0] / 2)
    assert loss.name == "own"
    with keras.saving.custom_object_scope({"Own": Own}):
        again = losses.deserialize(losses.serialize(Own(power=4, name="mine")))
    assert (again.power, again.name) == (4, "mine")
    with pytest.raises(NotImplementedError, match="Loss"):
        losses.Loss()(T, P)


def test_functions_of_ones_own_train():
    def gap(y_true, y_pred):
        return (y_true - y_pred).abs().mean(-1)

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", gap, metrics=[gap])
    history = model.fit(T, P, verbose=0).history
    assert history["loss"] == pytest.approx(history["gap"])


@pytest.mark.parametrize("name", ["mse", "MSE", "mean_squared_error", "MeanSquaredError", losses.MeanSquaredError])
def test_identifiers(name):
    loss = losses.get(name)
    value = loss(T, P)
    assert float(value.mean()) == pytest.approx(((T - P) ** 2).mean())
    assert losses.get(loss) is loss
    assert losses.get(None) is None


def test_unknown_identifiers():
    with pytest.raises(ValueError, match="Did you mean 'binary_crossentropy'"):
        losses.get("binary_crosentropy")
    with pytest.raises(ValueError, match="identifier"):
        losses.get(3)
    with pytest.raises(ValueError, match=r"reduction.*'sum'.*Did you mean 'sum'"):
        losses.MeanSquaredError(reduction="sums")


def test_what_a_loss_takes():
    plain = float(losses.MeanSquaredError()(T, P))
    for kind in (torch.tensor, lambda array: Array._wrap(torch.tensor(array)), keras.Variable, np.ndarray.tolist):
        assert losses.MeanSquaredError()(kind(T), kind(P)).item() == pytest.approx(plain)


def test_binary_targets_outside_their_range():
    with pytest.raises(ValueError, match=r"no probability.*from 0 to 1"):
        losses.BinaryCrossentropy()(T * 3, P)
    with pytest.raises(ValueError, match=r"shape \(2, 2\).*\(2, 1\)"):
        losses.binary_crossentropy(T[:, :1], P)


def test_one_class_is_a_mistake():
    with pytest.warns(SyntaxWarning, match="binary_crossentropy"):
        losses.categorical_crossentropy(T[:, :1], P[:, :1])


def test_weights_of_samples_and_of_steps():
    values = torch.rand(4, 3, 2)
    by_sample, by_step = torch.rand(4), torch.rand(4, 3)
    loss = losses.MeanSquaredError(reduction="none")
    plain = loss(torch.zeros(4, 3, 2), values)
    torch.testing.assert_close(loss(torch.zeros(4, 3, 2), values, by_sample), plain * by_sample[:, None])
    torch.testing.assert_close(loss(torch.zeros(4, 3, 2), values, by_step), plain * by_step)


def test_reductions_of_keras_2():
    reduction = losses.Reduction
    assert losses.MeanSquaredError(reduction=reduction.AUTO).reduction == "sum_over_batch_size"
    assert float(losses.MeanSquaredError(reduction=reduction.SUM)(T, P)) == pytest.approx(((T - P) ** 2).mean(-1).sum())
    reduction.validate("none")
    with pytest.raises(ValueError, match="Reduction"):
        reduction.validate("most")
