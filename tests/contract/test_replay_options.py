"""Replay equals eager for what is beside layers and losses: all options of all optimizers, penalties, constraints."""

import numpy as np
import pytest

from keras_replay import compare
from tandem import keras

L = keras.layers
ROWS = 12
OPTIMIZERS = [
    name for name in keras.optimizers.__all__ if name[0].isupper() and name not in ("Optimizer", "LossScaleOptimizer")
]
OPTIONS = {
    "one way": {"clipnorm": 0.1, "weight_decay": 0.01, "use_ema": True, "ema_momentum": 0.8},
    "another": {"global_clipnorm": 0.1, "gradient_accumulation_steps": 2, "loss_scale_factor": 4.0},
    "with a loss scale": {"clipnorm": 0.1, "gradient_accumulation_steps": 2},
    "a third": {"clipvalue": 0.05, "use_ema": True, "ema_overwrite_frequency": 2, "gradient_accumulation_steps": 3},
}
OWN = {
    "SGD": {"momentum": 0.9, "nesterov": True},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adam": {"amsgrad": True},
    "AdamW": {"amsgrad": True},
    "Ftrl": {"l1_regularization_strength": 0.001, "beta": 0.1},
}


def _x():
    return np.random.default_rng(5).normal(size=(ROWS, 6)).astype("float32")


def _y():
    return np.random.default_rng(6).normal(size=(ROWS, 3)).astype("float32")


def _model(**options):
    return lambda: keras.Sequential(
        [
            keras.Input((6,)),
            L.Dense(5, "tanh", **{key: make() for key, make in options.items()}),
            L.BatchNormalization(),
            L.Dense(3),
        ]
    )


def _phases(options):
    """How many programs the training step has: one to each combination of what it does."""
    steps, often = options.get("gradient_accumulation_steps", 1), options.get("ema_overwrite_frequency", 0)
    turns = range(steps * max(often, 1))
    return len({((n + 1) % steps == 0, often and (n // steps + 1) % often == 0) for n in turns})


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name, option):
    options, scaled = dict(OPTIONS[option]), option == "with a loss scale"

    def settings():
        optimizer = getattr(keras.optimizers, name)(learning_rate=0.02, **OWN.get(name, {}), **options)
        if scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=4.0, dynamic_growth_steps=2)
        return {"optimizer": optimizer, "loss": "mse"}

    programs = 1 if scaled else _phases(options)
    compare(_model(), _x(), _y(), settings, epochs=8, expected=(programs, 1, 1))


SCHEDULES = {
    "ExponentialDecay": (0.1, 3, 0.5),
    "PiecewiseConstantDecay": ([3, 7], [0.1, 0.05, 0.01]),
    "PolynomialDecay": (0.1, 6),
    "InverseTimeDecay": (0.1, 3, 0.5),
    "CosineDecay": (0.1, 6),
    "CosineDecayRestarts": (0.1, 4),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_of_updates_that_are_fewer_than_steps(name):
    def settings():
        rate = getattr(keras.optimizers.schedules, name)(*SCHEDULES[name])
        inner = keras.optimizers.Adam(rate, gradient_accumulation_steps=2)
        optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=4.0, dynamic_growth_steps=2)
        return {"optimizer": optimizer, "loss": "mse"}

    compare(_model(), _x(), _y(), settings, epochs=5)


REGULARIZERS = [name for name in keras.regularizers.__all__ if name[0].isupper() and name != "Regularizer"]
CONSTRAINTS = [name for name in keras.constraints.__all__ if name[0].isupper() and name != "Constraint"]


def _sgd():
    return {"optimizer": keras.optimizers.SGD(0.1), "loss": "mse"}


@pytest.mark.parametrize("name", REGULARIZERS)
def test_regularizer(name):
    def make():
        return getattr(keras.regularizers, name)()

    compare(_model(kernel_regularizer=make), _x(), _y(), _sgd)
    if name != "OrthogonalRegularizer":  # of matrices alone
        options = {"bias_regularizer": make, "activity_regularizer": make}
        compare(_model(**options), _x(), _y(), _sgd)


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraint(name):
    def make():
        return getattr(keras.constraints, name)()

    compare(_model(kernel_constraint=make), _x(), _y(), _sgd)
