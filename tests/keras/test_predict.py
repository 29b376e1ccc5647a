"""Prediction of one batch, and calls of a model: quick ways give what the long ways give."""

import numpy as np
import pytest
import torch

from tandem import keras

layers = keras.layers


def _mlp(**kwargs):
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, activation="relu"), layers.BatchNormalization(), layers.Dense(3)], **kwargs
    )


def _two_of_each():
    a, b = keras.Input((6,), name="a"), keras.Input((4,), name="b")
    both = layers.Concatenate()([layers.Dense(5)(a), b])
    return keras.Model([a, b], {"sum": layers.Dense(1)(both), "all": layers.Softmax()(both)})


def _x(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype="float32")


def _equal(first, second):
    if isinstance(first, dict):
        assert list(first) == list(second)
        first, second = list(first.values()), list(second.values())
    if isinstance(first, (list, tuple)):
        assert type(first) is type(second)
        assert len(first) == len(second)
        for one, other in zip(first, second):
            _equal(one, other)
        return
    assert type(first) is type(second) is np.ndarray
    assert first.dtype == second.dtype
    assert first.flags.c_contiguous == second.flags.c_contiguous
    np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-7)


def _read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


KINDS = {
    "float32": lambda x: x,
    "float64": lambda x: x.astype("float64"),
    "integers": lambda x: (x * 9).astype("int16"),
    "columns first": np.asfortranarray,
    "reversed": lambda x: x[::-1],
    "read only": _read_only,
    "torch": torch.from_numpy,
    "torch double": lambda x: torch.from_numpy(x).double(),
    "a list of one": lambda x: [x],
    "rows of numbers": lambda x: x.tolist(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_batch_is_predicted_as_with_callbacks(kind):
    """With callbacks (an empty list) `predict` takes the long way: both give the same, again and again."""
    model = _mlp()
    for seed in range(4):
        x = KINDS[kind](_x(3, 6, seed=seed))
        _equal(model.predict(x, verbose=0), model.predict(x, verbose=0, callbacks=[]))
        if kind != "rows of numbers":
            _equal(model.predict_on_batch(x), model.predict(x, verbose=0, callbacks=[]))


def test_several_inputs_and_outputs():
    """Lists, tuples and dicts of inputs; the outputs keep their structure."""
    model = _two_of_each()
    for seed in range(4):
        a, b = _x(2, 6, seed=seed), _x(2, 4, seed=seed)
        wanted = model.predict([a, b], verbose=0, callbacks=[])
        for given in ([a, b], (a, b), {"a": a, "b": b}, {"b": torch.from_numpy(b), "a": a}):
            _equal(model.predict(given, verbose=0), wanted)


def test_results_are_the_callers():
    """A result stays as it is when the model is asked again, and the data stay as they are when it is changed."""
    model = keras.Sequential([keras.Input((4,)), layers.Activation("linear")])
    x = _x(2, 4)
    kept = []
    for seed in range(4):
        given = _x(2, 4, seed=seed)
        result = model.predict(given, verbose=0)
        np.testing.assert_array_equal(result, given)
        kept.append((result, given.copy()))
    for result, given in kept:
        np.testing.assert_array_equal(result, given)
    result = model.predict(x, verbose=0)
    result[:] = 7
    np.testing.assert_array_equal(x, _x(2, 4))


def test_more_rows_than_a_batch_and_wrong_data_take_the_long_way():
    """Only what is one batch is one: the rest is cut, or refused, by an epoch's machinery."""
    seen = []

    class Told(keras.Model):
        """Notes the rows of each batch."""

        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            """One layer."""
            return self.dense(x)

        def predict_step(self, data):
            """Note, then predict."""
            seen.append(len(data))
            return super().predict_step(data)

    model = Told()
    model.compile(run_eagerly=True)
    model.predict(_x(1, 3), verbose=0)
    seen.clear()
    assert model.predict(_x(40, 3), verbose=0).shape == (40, 1)
    assert model.predict(_x(5, 3), batch_size=2, verbose=0).shape == (5, 1)
    assert model.predict(_x(5, 3), batch_size=5, verbose=0).shape == (5, 1)
    assert seen == [32, 8, 2, 2, 1, 5]
    with pytest.raises(ValueError, match="batch_size"):
        model.predict(_x(5, 3), batch_size=0, verbose=0)
    with pytest.raises(ValueError, match="ambiguous"):
        model.predict([_x(5, 3), _x(4, 3)], verbose=0)
    with pytest.raises(ValueError, match="numbers or booleans"):
        model.predict(np.array([["a", "b", "c"]]), verbose=0)


def test_a_scalar_output_is_a_row_in_predict_only():
    """As in the long way, where outputs of batches are joined."""

    class Total(keras.Model):
        """One number to a batch."""

        def call(self, x):
            """The sum of everything."""
            return x.sum()

    model = Total()
    x = np.ones((2, 3), "float32")
    model.predict(x, verbose=0)
    assert model.predict(x, verbose=0).shape == model.predict(x, verbose=0, callbacks=[]).shape == (1,)
    assert model.predict_on_batch(x).shape == ()


def test_own_steps_and_functions_are_called():
    """What a subclass has in place of `predict_step` and `make_predict_function` is what is called."""

    class Own(keras.Sequential):
        """Twice the outputs, plus one."""

        def predict_step(self, data):
            """Twice."""
            return super().predict_step(data) * 2

        def make_predict_function(self, force=False):
            """Plus one."""
            function = super().make_predict_function(force)
            return lambda iterator: function(iterator) + 1

    model = Own([keras.Input((2,)), layers.Dense(1, kernel_initializer="ones")])
    for _ in range(4):
        _equal(model.predict(np.ones((1, 2)), verbose=0), np.array([[5.0]], "float32"))


def test_steps_on_batches_see_what_changed_in_between():
    """New weights, a new optimizer, a frozen layer and a new loss all count in the next step."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss="mse", metrics=["mae"])
    x, y = np.ones((2, 3), "float32"), np.ones((2, 1), "float32")
    for _ in range(4):
        model.layers[0].set_weights([np.zeros((3, 1)), np.zeros(1)])
        assert model.train_on_batch(x, y) == [1.0, 1.0]
        np.testing.assert_allclose(model.layers[0].get_weights()[1], [1.0])
    model.layers[0].trainable = False
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss="mse")
    before = model.predict_on_batch(x)
    with pytest.warns(UserWarning, match="trainable"):
        model.train_on_batch(x, y)
    _equal(model.predict_on_batch(x), before)
    model.layers[0].trainable = True
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mae")
    assert model.test_on_batch(x, y) == model.train_on_batch(x, y) == pytest.approx(3.0)
    assert model.test_on_batch(x, y * 4, sample_weight=np.array([0.0, 2.0])) == pytest.approx(0.0)
