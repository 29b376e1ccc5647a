"""`compile`, `fit`, `evaluate`, `predict`: what they promise beyond the real Keras's numbers (tests/oracle has
those).
"""

import warnings

import numpy as np
import pytest
import torch

from tandem import keras
from tandem.keras import layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 4)).astype("float32")
Y = RNG.integers(0, 3, 24)
ONE_HOT = np.eye(3, dtype="float32")[Y]


def _model(loss="sparse_categorical_crossentropy", units=3, activation="softmax", optimizer="sgd", **compiled):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(5, "tanh"), layers.Dense(units, activation)])
    model.compile(optimizer, loss, **compiled)
    return model


# --- what is checked -------------------------------------------------------------------------------------------------


def test_nan_in_inputs_warns_once():
    x = X.copy()
    x[3, 2] = np.nan
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _model().fit(x, Y, epochs=3, batch_size=8, verbose=0)
    assert sum("input contains NaN" in str(w.message) for w in caught) == 1
    assert sum("loss is NaN at the end of epoch 1" in str(w.message) for w in caught) == 1


@pytest.mark.parametrize("wrong", [3, -1, 255])
def test_labels_that_are_no_class_are_an_error(wrong):
    y = Y.copy()
    y[5] = wrong

    def batches():
        while True:
            yield X[:8], y[:8]

    message = f"no class.*from 0 to 2.*{wrong}"
    for train in (
        lambda model: model.fit(X, y, verbose=0),
        lambda model: model.fit(X, y.astype("float32")[:, None], verbose=0),
        lambda model: model.fit(batches(), steps_per_epoch=6, verbose=0, shuffle=False),
        lambda model: model.fit(X, Y, validation_data=(X, y), verbose=0),
        lambda model: model.train_on_batch(X, y),
        lambda model: model.evaluate(X, y, verbose=0),
    ):
        with pytest.raises(ValueError, match=message):
            train(_model())


def test_labels_may_be_ignored():
    y = np.where(Y == 2, 255, Y)
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=255)
    history = _model(loss).fit(X, y, verbose=0).history
    assert np.isfinite(history["loss"][0])


def test_one_unit_and_class_numbers():
    with pytest.raises(ValueError, match="binary_crossentropy"):
        _model(units=1, activation="sigmoid").fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    ("compiled", "message"),
    [
        ({"loss": "mean_square_error"}, "mean_squared_error"),
        ({"optimizer": "adamm"}, "adam"),
        ({"loss": 3}, "loss identifier"),
    ],
)
def test_unknown_names_get_a_suggestion(compiled, message):
    with pytest.raises(ValueError, match=message):
        _model(**compiled)


def test_unknown_metrics_get_a_suggestion():
    with pytest.raises(ValueError, match="Did you mean 'accuracy'"):
        _model(metrics=["acuracy"]).fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match=r"metrics=\['accuracy'\]"):
        _model(metrics="accuracy")


def test_wrong_shapes_name_the_layer():
    with pytest.raises(ValueError, match=r"'dense.*value 4.*shape \(.*, 7\)"):
        _model().fit(np.zeros((6, 7), "float32"), np.zeros(6, int), verbose=0)
    with pytest.raises(ValueError, match=r"\(8, 3\).*\(8, 2\)|shape.*3.*2"):
        _model("categorical_crossentropy").fit(X[:8], np.zeros((8, 2), "float32"), verbose=0)


def test_the_numbers_of_rows_must_agree():
    with pytest.raises(ValueError, match=r"cardinality.*\n'x' sizes: 24\n'y' sizes: 3"):
        _model().fit(X, Y[:3], verbose=0)


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_compile_comes_first(method):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="call `compile\\(\\)`"):
        getattr(model, method)(X, Y)
    assert model.predict(X, verbose=0).shape == (24, 1)


def test_arguments_that_fit_does_not_have():
    with pytest.raises(TypeError, match="epoch"):
        _model().fit(X, Y, epoch=3)
    with pytest.raises(ValueError, match="validation_split"):
        _model().fit(X, Y, validation_split=0.999, verbose=0)
    with pytest.raises(ValueError, match="batch_size"):
        _model().fit(X, Y, batch_size=0, verbose=0)
    with pytest.raises(ValueError, match="validation_freq"):
        _model().fit(X, Y, validation_data=(X, Y), validation_freq=0, verbose=0)


def test_a_loss_that_does_not_reach_the_weights():
    with pytest.raises(ValueError, match="does not depend on the weights"):
        _model(lambda y_true, y_pred: y_pred.detach().mean()).fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="No loss"):
        _model(None).fit(X, Y, verbose=0)


# --- record and replay -----------------------------------------------------------------------------------------------


class Counting(keras.Model):
    """A model that counts how often Python runs its step."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
        self.__dict__["runs"] = 0

    def call(self, x):
        self.__dict__["runs"] += 1
        return self.dense(x)


def test_steps_are_recorded_and_replayed():
    model = Counting()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, batch_size=4, epochs=5, verbose=0)
    assert model.runs <= 5  # of 30 steps
    runs = model.runs
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    assert model.runs == runs
    for _ in range(3):
        model.fit(X, Y, batch_size=4, verbose=0, validation_data=(X, Y))
    assert model.runs <= runs + 3  # the evaluation's
    eager = Counting()
    eager.compile("adam", "mse", run_eagerly=True)
    eager.fit(X, Y, batch_size=4, epochs=5, verbose=0)
    assert eager.runs >= 30


def test_nothing_is_read_back_in_a_step(monkeypatch):
    model = _model(metrics=["accuracy"])
    model.fit(X, Y, batch_size=4, verbose=0)
    reads = []
    real = torch.Tensor.__float__
    monkeypatch.setattr(torch.Tensor, "__float__", lambda self: reads.append(1) or real(self))
    model.fit(X, Y, batch_size=4, epochs=3, verbose=0)
    assert len(reads) == 6  # the loss and the accuracy of each epoch


def test_what_changes_between_steps_is_seen():
    rates = iter([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5])
    model = _model(optimizer=keras.optimizers.SGD(lambda: next(rates)))
    before = model.get_weights()
    model.fit(X, Y, batch_size=4, verbose=0, shuffle=False)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    model.fit(X[:8], Y[:8], batch_size=4, verbose=0, shuffle=False)
    assert any((weight != old).any() for weight, old in zip(model.get_weights(), before, strict=True))


def test_settings_of_the_optimizer_may_be_changed_between_fits():
    def two_fits(eagerly):
        model = _model(optimizer=keras.optimizers.SGD(0.5), run_eagerly=eagerly)
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False)
        model.optimizer.clipnorm = 0.01
        model.optimizer.learning_rate = 0.25
        return model.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False).history["loss"]

    assert two_fits(False) == two_fits(True)


def test_freezing_a_layer_between_fits():
    model = _model(optimizer=keras.optimizers.SGD(0.5))
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    model.layers[0].trainable = False
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    kept = model.layers[0].kernel.numpy()
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), kept)


@pytest.mark.parametrize("name", ["dropout", "batch norm"])
def test_replay_equals_eager(name):
    def run(eagerly):
        keras.utils.set_random_seed(1)
        middle = layers.Dropout(0.5, seed=3) if name == "dropout" else layers.BatchNormalization()
        model = keras.Sequential([keras.Input((4,)), layers.Dense(6, "relu"), middle, layers.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=eagerly)
        history = model.fit(X, Y, batch_size=5, epochs=4, verbose=0, validation_split=0.25)
        return history.history, model.get_weights()

    (history, weights), (eager_history, eager_weights) = run(False), run(True)
    assert history == eager_history
    for weight, eager in zip(weights, eager_weights, strict=True):
        np.testing.assert_array_equal(weight, eager)


# --- steps of the user's own -----------------------------------------------------------------------------------------


class OwnStep(keras.Model):
    """A training step as the guides write it for the torch backend."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
        self.mean = keras.metrics.Mean(name="mean_loss")

    def call(self, x, training=False):
        return self.dense(x)

    def train_step(self, data):
        x, y = data
        self.zero_grad()
        loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        loss.backward()
        weights = list(self.trainable_weights)
        gradients = [weight.value.grad for weight in weights]
        with torch.no_grad():
            self.optimizer.apply(gradients, weights)
        self.mean.update_state(loss)
        return {"batch": loss, "mean": self.mean.result()}

    @property
    def metrics(self):
        return [self.mean]


def test_an_own_train_step_gives_the_logs():
    def run(eagerly):
        keras.utils.set_random_seed(0)
        model = OwnStep()
        model.compile(keras.optimizers.SGD(0.05), "mse", run_eagerly=eagerly)
        return model.fit(X, Y.astype("float32")[:, None], batch_size=8, epochs=3, verbose=0, shuffle=False).history

    history = run(False)
    assert list(history) == ["batch", "mean"]
    assert history["mean"][0] > history["mean"][-1]
    for name, values in run(True).items():
        np.testing.assert_allclose(history[name], values, rtol=1e-6)


def test_an_own_loss_and_own_metrics():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return super().compute_loss(x, y, y_pred, sample_weight) * 0.0 + 2.0 * y_pred.mean() ** 2

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return {**super().compute_metrics(x, y, y_pred, sample_weight), "seven": torch.full((), 7.0)}

    model = Model()
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y.astype("float32")[:, None], batch_size=8, epochs=2, verbose=0).history
    assert list(history) == ["loss", "mae", "seven"]
    assert history["seven"] == [7.0, 7.0]


def test_losses_of_layers_and_metrics_of_layers_count():
    class Layer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.seen = keras.metrics.Mean(name="seen")

        def call(self, x):
            self.add_loss(x.mean() * 0.0 + 3.0)
            self.seen.update_state(x.mean())
            return x

    model = keras.Sequential([keras.Input((4,)), Layer(), layers.Dense(1, kernel_regularizer="l2")])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    history = model.fit(X, Y, batch_size=8, epochs=2, verbose=0).history
    penalty = 0.01 * float((model.layers[1].kernel.numpy() ** 2).sum())
    plain = float(((model.predict(X, verbose=0)[:, 0] - Y) ** 2).mean())
    np.testing.assert_allclose(history["loss"], plain + penalty + 3.0, rtol=1e-5)
    np.testing.assert_allclose(history["seen"], X.mean(), atol=1e-6)


def test_several_steps_between_callbacks():
    seen = []
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    one, several = _model(), _model(steps_per_execution=4)
    one.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False)
    several.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False, callbacks=[callback])
    assert seen == [3, 5, 3, 5]
    for a, b in zip(one.get_weights(), several.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# --- results ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "activation", "targets", "kind"),
    [
        (1, "sigmoid", (Y > 0).astype("float32"), "BinaryAccuracy"),
        (1, "sigmoid", (Y > 0).astype("float32")[:, None], "BinaryAccuracy"),
        (3, "softmax", Y, "SparseCategoricalAccuracy"),
        (3, "softmax", Y[:, None], "SparseCategoricalAccuracy"),
        (3, "softmax", ONE_HOT, "CategoricalAccuracy"),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_follows_the_shapes(units, activation, targets, kind, name):
    loss = {1: "binary_crossentropy", 3: "sparse_categorical_crossentropy"}[units]
    model = _model("categorical_crossentropy" if targets is ONE_HOT else loss, units, activation, metrics=[name])
    history = model.fit(X, targets, verbose=0).history
    assert type(model._compile_metrics.metrics[0]).__name__ == kind
    scores = model.predict(X, verbose=0)
    right = scores.argmax(-1) == Y if units == 3 else (scores[:, 0] > 0.5) == (Y > 0)
    assert model.evaluate(X, targets, verbose=0)[1] == pytest.approx(right.mean())
    assert list(history) == sorted(["loss", name])


def test_outputs_keep_their_structure():
    inputs = {"a": keras.Input((4,), name="a"), "b": keras.Input((2,), name="b")}
    joined = layers.Concatenate()([inputs["a"], inputs["b"]])
    outputs = {"one": layers.Dense(2)(joined), "two": [layers.Dense(1)(joined), layers.Flatten()(joined)]}
    model = keras.Model(inputs, outputs)
    result = model.predict({"a": X, "b": X[:, :2]}, batch_size=7, verbose=0)
    assert result["one"].shape == (24, 2)
    assert isinstance(result["one"], np.ndarray)
    assert [part.shape for part in result["two"]] == [(24, 1), (24, 6)]
    np.testing.assert_allclose(result["two"][1], np.concatenate([X, X[:, :2]], 1))
    single = model.predict({"a": X[:1], "b": X[:1, :2]}, verbose=0)
    np.testing.assert_allclose(single["one"], result["one"][:1], rtol=1e-5)


def test_mixed_float16_scales_the_loss():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = _model()
    finally:
        keras.config.set_dtype_policy("float32")
    assert type(model.optimizer).__name__ == "LossScaleOptimizer"
    history = model.fit(X, Y, batch_size=8, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


def test_model_on_another_dtype_and_a_second_fit_goes_on():
    model = _model(metrics=["accuracy"])
    first = model.fit(X, Y, epochs=3, verbose=0).history["loss"]
    second = model.fit(X, Y, initial_epoch=3, epochs=5, verbose=0)
    assert second.epoch == [3, 4]
    assert second.history["loss"][0] < first[0]
    assert model.history is second


def test_the_same_seed_gives_the_same_run():
    def run():
        return _model(optimizer="adam").fit(X, Y, batch_size=5, epochs=3, verbose=0).history["loss"]

    assert run() == run()


def test_compile_config_round_trip():
    model = _model(optimizer=keras.optimizers.Adam(0.01), metrics=["accuracy"], loss_weights=[0.5])
    config = model.get_compile_config()
    other = keras.Sequential([keras.Input((4,)), layers.Dense(3, "softmax")])
    other.compile_from_config(config)
    assert other.optimizer.get_config() == model.optimizer.get_config()
    assert len(other.optimizer.variables) == 2 + 2 * 2
    other.fit(X, Y, verbose=0)
    assert other.metrics_names == ["loss", "compile_metrics"]


def test_a_module_of_torch_trains_in_a_model():
    model = keras.Sequential([keras.Input((4,)), torch.nn.Linear(4, 3), layers.Activation("softmax")])
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    history = model.fit(X, Y, batch_size=8, epochs=4, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (["mse", None, None], "a"),
        ([None, "mse", None], "b"),
        (["mse", None, "mae"], ["a", "c"]),
        ({"a": "mse", "c": "mae"}, {"a": "a", "c": "c"}),
        ({"c": "mae", "a": "mse"}, ["a", None, "c"]),
    ],
)
def test_targets_of_the_outputs_with_a_loss_are_enough(loss, targets):
    x = np.ones((8, 3), "float32")
    given = {"a": np.ones((8, 2)), "b": np.zeros((8, 1)), "c": np.full((8, 1), 2.0)}

    def history(y):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((3,))
        outputs = [keras.layers.Dense(units, name=name)(inputs) for units, name in ((2, "a"), (1, "b"), (1, "c"))]
        model = keras.Model(inputs, outputs)
        model.compile("sgd", loss=loss)
        return model.fit(x, y, epochs=4, batch_size=4, shuffle=False, verbose=0).history

    few = keras.tree.map_structure(given.get, targets)
    assert history(few) == history(list(given.values()))


def test_targets_must_fit_the_losses():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [keras.layers.Dense(1, name=name)(inputs) for name in "abc"])
    model.compile("sgd", loss=["mse", None, "mae"])
    with pytest.raises(ValueError, match="does not have the structure of the model's outputs"):
        model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
