"""Replay under `fit` when things change on the way, and in models written in every way: still what eager gives."""

import gc
import tracemalloc

import numpy as np
import pytest
import torch

from keras_replay import compare, programs
from mixing_models import is_replayed, training_steps
from tandem import keras

L = keras.layers
ROWS = 12


def _x(*shape):
    return np.random.default_rng(5).normal(size=(ROWS, *(shape or (6,)))).astype("float32")


def _y(units=3):
    return np.random.default_rng(6).normal(size=(ROWS, units)).astype("float32")


def _model(*between, units=3, activation=None):
    return keras.Sequential([keras.Input((6,)), L.Dense(5, activation="tanh"), *between, L.Dense(units, activation)])


def _sgd(rate=0.1, loss="mse", **settings):
    return lambda: {"optimizer": keras.optimizers.SGD(rate), "loss": loss, **settings}


# --- what changes between steps -------------------------------------------------------------------------------------


def _drive(*changes, batch_size=4, **fit):
    """A training with a change after each `fit`."""

    def drive(model):
        histories = []
        for change in (None, *changes):
            if change is not None:
                change(model)
            history = model.fit(_x(), _y(), batch_size=batch_size, epochs=3, verbose=0, **fit).history
            histories += history["loss"]
        return {"loss": histories}

    return drive


def test_learning_rates_set_by_hand():
    def set_rate(model):
        model.optimizer.learning_rate = 0.02

    def assign_rate(model):
        model.optimizer.learning_rate.assign(0.3)

    compare(_model, _x(), _y(), _sgd(), drive=_drive(set_rate, assign_rate), expected=(1, 1, 1))


@pytest.mark.parametrize(
    "callback",
    [
        lambda: keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.7),
        lambda: keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=0, min_delta=10.0, cooldown=1),
    ],
)
def test_callbacks_that_change_the_learning_rate(callback):
    def drive(model):
        return model.fit(_x(), _y(), batch_size=4, epochs=6, verbose=0, callbacks=[callback()]).history

    model = compare(_model, _x(), _y(), _sgd(), drive=drive, expected=(1, 1, 1))
    assert float(model.optimizer.learning_rate) < 0.1


def test_freezing_a_layer_and_thawing_it():
    def freeze(model):
        model.layers[0].trainable = False

    def thaw(model):
        model.layers[0].trainable = True

    model = compare(_model, _x(), _y(), _sgd(), drive=_drive(freeze, thaw, freeze), expected=None)
    assert programs(model)[0] == 2


def test_batch_sizes():
    def drive(model):
        losses = []
        for size in (5, 4, 12, 5, 7):
            losses += model.fit(_x(), _y(), batch_size=size, epochs=3, verbose=0).history["loss"]
        return {"loss": losses}

    model = compare(_model, _x(), _y(), _sgd(), drive=drive, expected=None)
    assert programs(model)[0] == 5  # of 5, 4, 2, 12 and 7 rows


def test_weights_set_between_steps():
    class Setting(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            values = [0.9 * value for value in self.model.get_weights()]
            if batch == 0:
                self.model.set_weights(values)
            elif batch == 1:
                state = {key: 0.9 * value for key, value in self.model.state_dict().items()}
                self.model.load_state_dict(state)
            else:
                self.model.layers[0].kernel.assign(values[0])

    def drive(model):
        return model.fit(_x(), _y(), batch_size=3, epochs=4, verbose=0, callbacks=[Setting()]).history

    compare(_model, _x(), _y(), _sgd(), drive=drive, expected=(1, 1, 1))


def test_moving_to_another_dtype_between_trainings():
    model = compare(
        _model,
        _x(),
        _y(),
        _sgd(),
        drive=_drive(lambda model: model.double(), lambda model: model.float()),
        expected=None,
    )
    assert programs(model)[0] >= 2


def test_attributes_that_steer_a_call():
    class Scaled(L.Layer):
        def __init__(self):
            super().__init__()
            self.factor = 1.0

        def call(self, x):
            return x * self.factor

    def set_factor(model):
        model.layers[1].factor = 3.0

    def back(model):
        model.layers[1].factor = 1.0

    def make():
        return _model(Scaled())

    model = compare(make, _x(), _y(), _sgd(), drive=_drive(set_factor, back), expected=None)
    assert programs(model)[0] == 2


class Config:
    def __init__(self):
        self.factor = 1.0
        self.table = {"shift": 0.0}


class Steered(L.Layer):
    """A layer that reads numbers from everywhere."""

    def __init__(self):
        super().__init__()
        self.config = Config()
        self.table = {"shift": 0.0}
        self.numbers = [1.0]

    def call(self, x):
        return (x * self.config.factor + self.table["shift"]) * self.numbers[0] + self.config.table["shift"]


class CallableLoss:
    power = 1

    def __call__(self, y, p):
        return (y - p).abs().mean(-1) ** self.power


class WeightedLoss(keras.losses.Loss):
    def __init__(self):
        super().__init__()
        self.weight = 1.0

    def call(self, y, p):
        return self.weight * ((y - p) ** 2).mean(-1)


STEERING = {
    "a loss": (WeightedLoss, lambda model: setattr(model.loss, "weight", 0.25)),
    "a callable loss": (CallableLoss, lambda model: setattr(model.loss, "power", 2)),
    "an object in a layer": ("mse", lambda model: setattr(model.layers[1].config, "factor", 0.5)),
    "a dict in a layer": ("mse", lambda model: model.layers[1].table.__setitem__("shift", 0.5)),
    "a list in a layer": ("mse", lambda model: model.layers[1].numbers.__setitem__(0, 0.5)),
    "a dict in an object": ("mse", lambda model: model.layers[1].config.table.__setitem__("shift", 0.5)),
    "a regularizer": ("mse", lambda model: setattr(model.layers[0].kernel_regularizer, "l2", 0.1)),
    "a constraint": ("mse", lambda model: setattr(model.layers[0].kernel_constraint, "max_value", 0.1)),
    "a torch module": ("mse", lambda model: setattr(model.layers[2].module, "beta", 3.0)),
    "a metric": ("mse", lambda model: setattr(model.metrics[1].metrics[0], "threshold", 0.9)),
    "an optimizer": ("mse", lambda model: setattr(model.optimizer, "momentum", 0.1)),
}


@pytest.mark.parametrize("what", STEERING)
def test_numbers_that_steer_a_step_and_are_set_later(what):
    loss, change = STEERING[what]

    def make():
        first = L.Dense(
            5, kernel_regularizer=keras.regularizers.L2(0.01), kernel_constraint=keras.constraints.MaxNorm(1.0)
        )
        return keras.Sequential([keras.Input((6,)), first, Steered(), torch.nn.Softplus(), L.Dense(3)])

    def settings():
        metrics = [keras.metrics.BinaryAccuracy(threshold=0.2)]
        optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
        return {"optimizer": optimizer, "loss": loss if isinstance(loss, str) else loss(), "metrics": metrics}

    model = compare(make, _x(), _y(), settings, drive=_drive(change), expected=None)
    assert programs(model)[0] == 2


def test_a_model_that_was_compiled_again():
    def again(model):
        model.compile("adam", "mae", run_eagerly=model.run_eagerly)

    compare(_model, _x(), _y(), _sgd(), drive=_drive(again), expected=(1, 1, 1))


# --- what layers do -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, 7])
def test_dropouts(seed):
    def make():
        return _model(L.Dropout(0.4, seed=seed), L.GaussianNoise(0.1, seed=seed), L.GaussianDropout(0.2, seed=seed))

    compare(make, _x(), _y(), _sgd(), epochs=4)


def test_regularizers_constraints_and_activity():
    def make():
        return keras.Sequential(
            [
                keras.Input((6,)),
                L.Dense(5, kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02), kernel_constraint="max_norm"),
                L.Dense(4, bias_regularizer="l2", kernel_constraint=keras.constraints.UnitNorm(axis=0)),
                L.Dense(3, activity_regularizer="l1", kernel_regularizer=keras.regularizers.OrthogonalRegularizer()),
                L.ActivityRegularization(0.01, 0.01),
            ]
        )

    compare(make, _x(), _y(), _sgd())


def test_add_loss():
    class Penalty(L.Layer):
        def call(self, x):
            self.add_loss(0.1 * (x**2).mean())
            return x

    compare(lambda: _model(Penalty()), _x(), _y(), _sgd())


def test_masks():
    def make():
        inputs = keras.Input((5,), dtype="int32")
        x = L.Embedding(7, 4, mask_zero=True)(inputs)
        x = L.GRU(4, return_sequences=True)(x)
        return keras.Model(inputs, L.TimeDistributed(L.Dense(3))(x))

    tokens = np.random.default_rng(1).integers(0, 7, (ROWS, 5))
    compare(make, tokens, _y(15).reshape(ROWS, 5, 3), _sgd(metrics=["mae"]))


def test_a_stateful_network():
    class Reset(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.layers[0].reset_state()

    def make():
        return keras.Sequential([keras.Input(batch_shape=(4, 5, 3)), L.GRU(4, stateful=True), L.Dense(3)])

    def drive(model):
        return model.fit(
            _x(5, 3), _y(), batch_size=4, epochs=4, shuffle=False, verbose=0, callbacks=[Reset()]
        ).history  # fmt: skip

    compare(make, _x(5, 3), _y(), _sgd(), drive=drive)


def test_shared_and_nested_models():
    def make():
        inner = keras.Sequential([keras.Input((6,)), L.Dense(6, activation="relu"), L.BatchNormalization()])
        first, second = keras.Input((6,)), keras.Input((6,))
        return keras.Model([first, second], L.Dense(3)(L.concatenate([inner(first), inner(inner(second))])))

    compare(make, [_x(), _x() + 1], _y(), _sgd())


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64", "bfloat16"])
def test_policies(policy):
    def make():
        dense = L.Dense(5, activation="tanh", dtype=policy)
        return keras.Sequential(
            [keras.Input((6,)), dense, L.Dense(3, dtype=policy), L.Activation("linear", dtype="float32")]
        )

    compare(make, _x(), _y(), _sgd())


# --- what `fit` is given --------------------------------------------------------------------------------------------


def test_sample_and_class_weights():
    classes = np.arange(ROWS) % 3
    settings = _sgd(loss="sparse_categorical_crossentropy", weighted_metrics=["accuracy"], metrics=["accuracy"])
    weights = np.linspace(0, 2, ROWS).astype("float32")

    def make():
        return _model(activation="softmax")

    compare(make, _x(), classes, settings, class_weight={0: 0.5, 1: 2.0, 2: 1.0})
    compare(make, _x(), classes, settings, sample_weight=weights)
    compare(make, _x(), classes, settings, sample_weight=weights, class_weight={0: 0.5, 1: 2.0})


def test_several_inputs_and_outputs():
    def make():
        inputs = {"a": keras.Input((6,), name="a"), "b": keras.Input((2,), name="b")}
        x = L.Concatenate()([L.Dense(4)(inputs["a"]), inputs["b"]])
        outputs = {"p": L.Dense(3, name="p")(x), "q": L.Dense(1, activation="sigmoid", name="q")(x)}
        return keras.Model(inputs, outputs)

    def settings():
        return {
            "optimizer": "adam",
            "loss": {"p": "mse", "q": "binary_crossentropy"},
            "loss_weights": {"p": 0.3, "q": 2.0},
            "metrics": {"p": ["mae"], "q": ["accuracy", "auc"]},
        }

    x = {"a": _x(), "b": _x(2)}
    compare(make, x, {"p": _y(), "q": (_y(1) > 0).astype("float32")}, settings)


def test_validation_data_and_shuffling():
    compare(
        _model,
        _x(),
        _y(),
        _sgd(metrics=["mae"]),
        validation_data=(_x()[:7], _y()[:7]),
        epochs=4,
        expected=None,
        shuffle=True,
    )


@pytest.mark.parametrize("several", [2, 5])
def test_steps_per_execution(several):
    compare(_model, _x(), _y(), _sgd(steps_per_execution=several), batch_size=3, expected=None)


def test_single_batches():
    def drive(model):
        losses = [model.train_on_batch(_x(), _y())[0] for _ in range(5)]
        losses += [model.test_on_batch(_x(), _y())[0] for _ in range(5)]
        return {"loss": losses, "sum": [model.predict_on_batch(_x()).sum() for _ in range(4)]}

    compare(_model, _x(), _y(), _sgd(metrics=["mae"]), drive=drive, expected=None)


def test_a_generator():
    def batches():
        while True:
            for start in (0, 4, 8):
                yield _x()[start : start + 4], _y()[start : start + 4]

    def drive(model):
        return model.fit(batches(), steps_per_epoch=4, epochs=3, shuffle=False, verbose=0).history

    compare(_model, _x(), _y(), _sgd(), drive=drive)


# --- models that train in their own way -----------------------------------------------------------------------------


class ByHand(keras.Model):
    """Keras's idiom for the torch backend: zero_grad, backward, optimizer.apply."""

    def __init__(self):
        super().__init__()
        self.first = L.Dense(5, activation="tanh")
        self.drop = L.Dropout(0.2)
        self.last = L.Dense(3)
        self.tracker = keras.metrics.Mean(name="loss")

    def call(self, x, training=None):
        return self.last(self.drop(self.first(x), training=training))

    def train_step(self, data):
        x, y = data
        self.zero_grad()
        y_pred = self(x, training=True)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        loss.backward()
        trainable_weights = list(self.trainable_weights)
        gradients = [weight.value.grad for weight in trainable_weights]
        with torch.no_grad():
            self.optimizer.apply(gradients, trainable_weights)
        self.tracker.update_state(loss)
        for metric in self.metrics:
            if metric.name not in ("loss",):
                metric.update_state(y, y_pred)
        return {"loss": self.tracker.result(), **{m.name: m.result() for m in self.metrics if m.name != "loss"}}


class OwnLoss(keras.Model):
    """A loss of its own, and metrics that say something else."""

    def __init__(self):
        super().__init__()
        self.first = L.Dense(5, activation="tanh")
        self.last = L.Dense(3)

    def call(self, x):
        return self.last(self.first(x))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return (y - y_pred).abs().mean() + sum(self.losses)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return {**super().compute_metrics(x, y, y_pred, sample_weight), "largest": y_pred.max()}


class OwnTest(keras.Model):
    """Its own evaluation and prediction."""

    def __init__(self):
        super().__init__()
        self.last = L.Dense(3)

    def call(self, x):
        return self.last(x)

    def test_step(self, data):
        x, y = data
        return {"worst": (self(x) - y).abs().max()}

    def predict_step(self, data):
        x = data[0] if isinstance(data, tuple) else data
        return {"twice": 2 * self(x)}


@pytest.mark.parametrize("make", [ByHand, OwnLoss, OwnTest])
def test_subclasses(make):
    compare(make, _x(), _y(), _sgd(metrics=["mae"]), epochs=4)


def test_a_custom_metric_layer_and_optimizer():
    class Largest(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="largest")
            self.value = self.add_weight(name="value", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.value.assign(torch.maximum(self.value.value, y_pred.max()))

        def result(self):
            return self.value

    class Sign(keras.optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, learning_rate * torch.sign(gradient))

    class Counting(L.Layer):
        def build(self, shape):
            self.scale = self.add_weight((shape[-1],), "ones")
            self.count = self.add_weight((), "zeros", trainable=False)

        def call(self, x, training=False):
            if training:
                self.count.assign_add(1.0)
            return x * self.scale

    def settings():
        return {"optimizer": Sign(0.01), "loss": lambda y, p: ((y - p) ** 2).mean(), "metrics": [Largest()]}

    model = compare(lambda: _model(Counting()), _x(), _y(), settings)
    assert model.layers[1].count.numpy() == 9


# --- two models, and for a long time --------------------------------------------------------------------------------


def _gan(eager, rounds=12):
    """A generator and a discriminator that train in turn, `trainable` toggled as Keras's old examples do."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    generator = keras.Sequential([keras.Input((2,)), L.Dense(8, activation="relu"), L.Dense(6)])
    critic = keras.Sequential(
        [keras.Input((6,)), L.Dense(8), L.LeakyReLU(), L.Dropout(0.2), L.Dense(1, activation="sigmoid")]
    )
    critic.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", run_eagerly=eager)
    critic.trainable = False
    both = keras.Sequential([generator, critic])
    both.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", run_eagerly=eager)
    critic.trainable = True
    losses, real = [], _x()
    for number in range(rounds):
        noise = np.random.default_rng(number).normal(size=(ROWS, 2)).astype("float32")
        fake = generator.predict(noise, verbose=0)
        critic.trainable = True
        losses.append(critic.train_on_batch(real, np.ones((ROWS, 1))))
        losses.append(critic.train_on_batch(fake, np.zeros((ROWS, 1))))
        critic.trainable = False
        before = critic.get_weights()
        losses.append(both.train_on_batch(noise, np.ones((ROWS, 1))))
        assert all(np.array_equal(*pair) for pair in zip(before, critic.get_weights(), strict=True))
    return losses, [*generator.get_weights(), *critic.get_weights()], critic, both


def test_two_models_that_train_in_turn():
    wanted, weights, _, _ = _gan(eager=True)
    losses, found, critic, both = _gan(eager=False)
    assert losses == wanted
    for mine, theirs in zip(found, weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert all(len(step.programs) == 1 for model in (both, critic) for step in training_steps(model))
    kinds = [len(step._kinds) for model in (both, critic) for step in training_steps(model)]
    assert max(kinds) <= 2  # not one for each round; the very first call settles names


def test_memory_stays_flat():
    model = _model(L.BatchNormalization(), L.Dropout(0.2))
    model.compile("adam", "mse", metrics=["mae"])
    x, y = _x(), _y()

    def train(epochs):
        model.fit(x, y, batch_size=3, epochs=epochs, verbose=0)
        gc.collect()

    train(20)
    assert is_replayed(model)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        train(500)  # 2,000 steps
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 200_000  # a history of 500 epochs is 60 kB
