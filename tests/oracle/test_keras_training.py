"""`fit` for five epochs from the same weights and order gives the real Keras's history and weights."""

import numpy as np
import pytest

from oracles import real_keras
from tandem import keras

pytestmark = pytest.mark.oracle

RNG = np.random.default_rng(0)
ROWS = 40
LABELS = RNG.integers(0, 3, (ROWS,))
DATA = {
    "perceptron": RNG.normal(size=(ROWS, 6)).astype("float32"),
    "cnn": RNG.normal(size=(ROWS, 8, 8, 2)).astype("float32"),
    "lstm": RNG.normal(size=(ROWS, 5, 4)).astype("float32"),
}


def _model(K, kind):
    L = K.layers
    layers = {
        "perceptron": lambda: [L.Dense(8, activation="tanh"), L.Dense(3, activation="softmax")],
        "cnn": lambda: [
            L.Conv2D(4, 3, padding="same", use_bias=False),
            L.BatchNormalization(),
            L.Activation("relu"),
            L.MaxPooling2D(),
            L.Flatten(),
            L.Dense(3, activation="softmax"),
        ],
        "lstm": lambda: [L.LSTM(5, return_sequences=True), L.LSTM(4), L.Dense(3, activation="softmax")],
    }[kind]()
    return K.Sequential([K.Input(DATA[kind].shape[1:]), *layers])


_weights = {}


def _fit(K, kind, optimizer, compiled=(), **fitted):
    model = _model(K, kind)
    if kind not in _weights:
        _weights[kind] = [weight.copy() for weight in model.get_weights()]
    model.set_weights(_weights[kind])
    model.compile(optimizer(K.optimizers), "sparse_categorical_crossentropy", metrics=["accuracy"], **dict(compiled))
    arguments = {"epochs": 5, "batch_size": 8, "shuffle": False, "verbose": 0} | fitted
    return model, model.fit(DATA[kind], LABELS, **arguments).history


def _same(kind, optimizer, tolerance=1e-4, **fitted):
    real, wanted = _fit(real_keras(), kind, optimizer, **fitted)
    ours, got = _fit(keras, kind, optimizer, **fitted)
    assert list(got) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(got[name], values, atol=tolerance, err_msg=name)
    slots = [tuple(variable.shape) for variable in real.optimizer.variables]
    assert [tuple(variable.shape) for variable in ours.optimizer.variables] == slots
    for mine, theirs in zip(ours.get_weights(), real.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-3)
    return ours


OPTIMIZERS = {
    "SGD": lambda o: o.SGD(0.1),
    "momentum": lambda o: o.SGD(0.05, momentum=0.9),
    "nesterov": lambda o: o.SGD(0.05, momentum=0.9, nesterov=True),
    "RMSprop": lambda o: o.RMSprop(0.005),
    "RMSprop momentum": lambda o: o.RMSprop(0.005, momentum=0.8, centered=True),
    "Adam": lambda o: o.Adam(0.01),
    "AMSGrad": lambda o: o.Adam(0.01, amsgrad=True),
    "AdamW": lambda o: o.AdamW(0.01, weight_decay=0.05),
    "Adagrad": lambda o: o.Adagrad(0.05),
    "Adadelta": lambda o: o.Adadelta(0.5),
    "Adamax": lambda o: o.Adamax(0.01),
    "Nadam": lambda o: o.Nadam(0.01),
    "Ftrl": lambda o: o.Ftrl(0.05, l1_regularization_strength=0.001, l2_regularization_strength=0.01, beta=0.1),
    "Lion": lambda o: o.Lion(0.002),
    "Lamb": lambda o: o.Lamb(0.01),
    "Adafactor": lambda o: o.Adafactor(0.05),
    "Muon": lambda o: o.Muon(0.02),
    "ScheduleFreeAdamW": lambda o: o.ScheduleFreeAdamW(0.01, warmup_steps=4, weight_decay=0.01),
}


@pytest.mark.parametrize("kind", list(DATA))
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_every_optimizer(name, kind):
    _same(kind, OPTIMIZERS[name])


SETTINGS = {
    "clipnorm": lambda o: o.SGD(0.5, clipnorm=0.05),
    "clipvalue": lambda o: o.SGD(0.5, clipvalue=0.01),
    "global_clipnorm": lambda o: o.Adam(0.05, global_clipnorm=0.1),
    "weight_decay": lambda o: o.SGD(0.05, weight_decay=0.1, momentum=0.9),
    "use_ema": lambda o: o.SGD(0.1, use_ema=True, ema_momentum=0.9),
    "ema_overwrite_frequency": lambda o: o.SGD(0.1, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3),
    "accumulation": lambda o: o.Adam(0.02, gradient_accumulation_steps=3, weight_decay=0.1, clipnorm=0.1),
    "accumulation and ema": lambda o: o.SGD(
        0.1, gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
    ),
    "loss_scale_factor": lambda o: o.SGD(0.1, loss_scale_factor=128.0),
    "LossScaleOptimizer": lambda o: o.LossScaleOptimizer(o.Adam(0.02), dynamic_growth_steps=3),
    "rate as a function": lambda o: o.SGD(lambda: 0.05),
    "ExponentialDecay": lambda o: o.SGD(o.schedules.ExponentialDecay(0.1, 5, 0.8, staircase=True)),
    "InverseTimeDecay": lambda o: o.SGD(o.schedules.InverseTimeDecay(0.1, 5, 0.8)),
    "PolynomialDecay": lambda o: o.SGD(o.schedules.PolynomialDecay(0.1, 6, 0.01, power=2.0, cycle=True)),
    "PiecewiseConstantDecay": lambda o: o.SGD(o.schedules.PiecewiseConstantDecay([3, 9], [0.1, 0.05, 0.01])),
    "CosineDecay": lambda o: o.SGD(o.schedules.CosineDecay(0.0, 15, 0.1, warmup_target=0.2, warmup_steps=5)),
    "CosineDecayRestarts": lambda o: o.SGD(o.schedules.CosineDecayRestarts(0.1, 4, m_mul=0.9, alpha=0.1)),
    "schedule and accumulation": lambda o: o.SGD(
        o.schedules.ExponentialDecay(0.1, 5, 0.8), gradient_accumulation_steps=2
    ),
}


@pytest.mark.parametrize("name", list(SETTINGS))
def test_every_setting_of_an_optimizer(name):
    _same("perceptron", SETTINGS[name])


WEIGHTS = RNG.random(ROWS).astype("float32")


@pytest.mark.parametrize(
    "fitted",
    [
        {"validation_split": 0.25},
        {"validation_data": (DATA["perceptron"][:13], LABELS[:13]), "validation_freq": 2, "batch_size": 7},
        {"validation_data": (DATA["perceptron"], LABELS, WEIGHTS), "validation_steps": 2, "validation_batch_size": 11},
        {"class_weight": {0: 2.0, 2: 0.5}},
        {"sample_weight": WEIGHTS, "validation_split": 0.5},
        {"steps_per_epoch": 3},
        {"initial_epoch": 2},
        {"batch_size": None},
    ],
    ids=lambda fitted: "-".join(fitted),
)
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_arguments_of_fit(fitted):
    _same("perceptron", OPTIMIZERS["momentum"], **fitted)


def test_callbacks_decide_as_in_keras():
    def run(K):
        callbacks = [
            K.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.05),
            K.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True),
        ]
        model, history = _fit(
            K, "perceptron", OPTIMIZERS["momentum"], epochs=20, validation_split=0.5, callbacks=callbacks
        )
        return model.get_weights(), history, callbacks[1].stopped_epoch

    weights, history, stopped = run(keras)
    real_weights, real_history, real_stopped = run(real_keras())
    assert stopped == real_stopped > 0
    assert list(history) == list(real_history)
    for name, values in real_history.items():
        np.testing.assert_allclose(history[name], values, atol=1e-4, err_msg=name)
    for mine, theirs in zip(weights, real_weights, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def _two_outputs(K):
    inputs = K.Input((6,))
    hidden = K.layers.Dense(4, activation="tanh", kernel_regularizer="l2")(inputs)
    model = K.Model(inputs, [K.layers.Dense(3, name="a")(hidden), K.layers.Dense(1, "sigmoid", name="b")(hidden)])
    if "two" not in _weights:
        _weights["two"] = [weight.copy() for weight in model.get_weights()]
    model.set_weights(_weights["two"])
    return model


@pytest.mark.parametrize(
    "compiled",
    [
        {"loss": "mse"},
        {"loss": ["mse", "binary_crossentropy"], "metrics": [["mae", "mse"], ["accuracy"]], "loss_weights": [0.5, 2]},
        {"loss": {"a": "mse", "b": "binary_crossentropy"}, "metrics": {"b": ["accuracy", "AUC"]}},
        {"loss": ["mse", "mse"], "metrics": ["mae", "mae"], "weighted_metrics": ["mae", "mae"], "weights": True},
        {"loss": {"a": ["mse", "mae"], "b": "mse"}},
        {"loss": "mse", "loss_weights": 2.0, "weights": True},
    ],
)
def test_several_outputs(compiled):
    compiled = dict(compiled)
    weights = WEIGHTS if compiled.pop("weights", False) else None
    targets = [RNG.normal(size=(ROWS, 3)).astype("float32"), (LABELS[:, None] > 0).astype("float32")]

    def run(K):
        model = _two_outputs(K)
        model.compile(K.optimizers.SGD(0.05), **compiled)
        fitted = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0, "sample_weight": weights}
        history = model.fit(DATA["perceptron"], targets, **fitted).history
        arguments = {"verbose": 0, "sample_weight": weights}
        scores = model.evaluate(DATA["perceptron"], targets, **arguments)
        return (
            history,
            scores,
            model.metrics_names,
            model.evaluate(DATA["perceptron"], targets, return_dict=True, **arguments),
        )

    (history, scores, names, as_dict), wanted = run(keras), run(real_keras())
    assert list(history) == list(wanted[0])
    for name, values in wanted[0].items():
        np.testing.assert_allclose(history[name], values, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(scores, wanted[1], atol=1e-4)
    assert names == wanted[2]
    assert list(as_dict) == list(wanted[3])


def test_evaluate_and_predict_in_batches():
    def run(K):
        model, _ = _fit(K, "lstm", OPTIMIZERS["Adam"])
        x = DATA["lstm"]
        return (
            model.evaluate(x, LABELS, batch_size=7, verbose=0),
            model.predict(x, batch_size=9, verbose=0),
            model.train_on_batch(x[:8], LABELS[:8]),
            model.test_on_batch(x[:8], LABELS[:8]),
            model.predict_on_batch(x[:3]),
        )

    for mine, theirs in zip(run(keras), run(real_keras()), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


TOKENS = RNG.integers(1, 9, (ROWS, 6))
TOKENS[np.arange(6)[None] >= RNG.integers(2, 7, (ROWS, 1))] = 0  # what comes after a sentence's end
TAGS = RNG.integers(0, 3, (ROWS, 6))


@pytest.mark.parametrize("kind", ["tags", "sentence", "stacked"])
def test_masks(kind):
    def run(K):
        L = K.layers
        layers = {
            "tags": lambda: [L.LSTM(5, return_sequences=True), L.Dense(3, activation="softmax")],
            "sentence": lambda: [L.Bidirectional(L.LSTM(5)), L.Dense(3, activation="softmax")],
            "stacked": lambda: [L.GRU(5, return_sequences=True), L.GRU(3), L.Dense(3, activation="softmax")],
        }[kind]()
        model = K.Sequential([K.Input((6,)), L.Embedding(9, 4, mask_zero=True), *layers])
        if kind not in _weights:
            _weights[kind] = [weight.copy() for weight in model.get_weights()]
        model.set_weights(_weights[kind])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        targets = TAGS if kind == "tags" else LABELS
        weights = RNG_WEIGHTS if kind == "tags" else None
        settings = {"epochs": 5, "batch_size": 16, "shuffle": False, "verbose": 0, "sample_weight": weights}
        return model.fit(TOKENS, targets, **settings).history

    history, wanted = run(keras), run(real_keras())
    for name, values in wanted.items():
        np.testing.assert_allclose(history[name], values, atol=1e-4, err_msg=name)


RNG_WEIGHTS = RNG.random((ROWS, 6)).astype("float32")
