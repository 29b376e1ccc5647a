"""Replay equals eager, under `fit`, for every registered layer, loss, metric and optimizer, to the last bit."""

import warnings

import numpy as np
import pytest

from contract.test_keras_layers import CASES
from keras_replay import compare
from tandem import keras

# What runs eagerly all the same, and why. Everything else must have programs and give no warning.
EAGER = {}

# What is close, not equal: an LSTM that runs eagerly is one call of a library, a recorded one many calls of our own.
CLOSE = {case.name for case in CASES if "LSTM" in case.name or "Bidirectional" in case.name}

# No gradient flows through them: they stand before everything that learns.
FLAT = ("Discretization", "ContrastLimitedAdaptiveHistogramEqualization")

# Texts and vocabularies are no tensors; AugMix reads its choice of chains; layers of other frameworks raise.
ELSEWHERE = {
    "AugMix", "FlaxLayer", "HashedCrossing", "Hashing", "IntegerLookup", "JaxLayer", "Pipeline", "StringLookup",
    "TFSMLayer", "TextVectorization",
}  # fmt: skip

ABSTRACT = {"Layer", "Wrapper", "InputLayer", "Input", "InputSpec"}
CELLS = {"GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"}


def _flat(tree):
    return [leaf for item in tree for leaf in _flat(item)] if isinstance(tree, (list, tuple)) else [tree]


class WithMask(keras.layers.Layer):
    """Gives its first input the second one as mask."""

    def call(self, inputs):
        return inputs[0] * 1.0

    def compute_mask(self, inputs, mask=None):
        return inputs[1]


def _model_of(case):
    """A model around a case's layer: dense layers in front of floating point inputs, so that gradients flow through."""
    layer = case.make(keras)
    given = [keras.Input(batch_shape=shape, dtype="int32" if case.high else "float32") for shape in case.shapes]
    bare = case.high or case.name.startswith(FLAT)
    values = [value if bare else keras.layers.Dense(value.shape[-1])(value) for value in given]
    if case.mask is not None:
        given.append(keras.Input(batch_shape=case.mask, dtype="bool"))
        values[0] = WithMask()([values[0], given[-1]])
    outputs = _flat(layer(*case.arguments(values), **case.options))
    heads = [keras.layers.Flatten()(value * 1.0) for value in outputs]  # without masks, which end here
    joined = heads[0] if len(heads) == 1 else keras.layers.Concatenate()(heads)
    return keras.Model(given, keras.layers.Dense(2)(joined))


def _data_of(case, batches=3):
    rng = np.random.default_rng(sum(map(ord, case.name)))
    parts = [case.inputs(rng) + ([case.draw_mask(rng)] if case.mask is not None else []) for _ in range(batches)]
    x = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return (x[0] if len(x) == 1 else x), rng.normal(size=(len(x[0]), 2)).astype("float32")


def _adam():
    return {"optimizer": keras.optimizers.Adam(0.01), "loss": "mse", "metrics": ["mae"]}


@pytest.mark.parametrize("case", [case for case in CASES if case.name not in EAGER], ids=lambda case: case.name)
def test_layer(case):
    x, y = _data_of(case)
    compare(
        lambda: _model_of(case), x, y, _adam, batch_size=case.shapes[0][0], tolerance=1e-5 if case.name in CLOSE else 0.0,  # noqa: E501
        shuffle=not getattr(case.make(keras), "stateful", False),
    )  # fmt: skip


def test_every_registered_layer_is_here():
    made = {type(layer).__name__ for case in CASES for layer in case.make(keras)._flatten_layers()}
    public = {getattr(keras.layers, name) for name in keras.layers.__all__ if name[0].isupper()}
    names = (
        {cls.__name__ for cls in public if isinstance(cls, type) and "legacy" not in cls.__module__}
        - ABSTRACT
        - CELLS
        - {"TorchModuleWrapper"}
        - ELSEWHERE
    )
    assert names <= made | {type(case.make(keras)).__name__ for case in CASES}


# --- losses ---------------------------------------------------------------------------------------------------------


LOSSES = [name for name in keras.losses.__all__ if name[0].isupper() and name != "Loss"]
METRICS = [name for name in keras.metrics.__all__ if name[0].isupper() and name != "Metric"]
OPTIMIZERS = [name for name in keras.optimizers.__all__ if name[0].isupper() and name != "Optimizer"]
ROWS = 12


def _x(*shape):
    return np.random.default_rng(5).normal(size=(ROWS, *(shape or (6,)))).astype("float32")


def _dense(units=3, activation=None):
    return lambda: keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(5, activation="tanh"), keras.layers.Dense(units, activation=activation)]
    )


def _targets(name):
    """(targets, activation of the output) for a loss or metric of this name."""
    rng = np.random.default_rng(6)
    classes = rng.integers(0, 3, ROWS)
    if name in ("SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy") or name.startswith("Sparse"):
        return classes, "softmax"
    if name in ("Circle", "IoU", "MeanIoU"):
        return classes, None
    if name.startswith(("Categorical", "TopK", "OneHot", "KL", "F1", "FBeta")):
        return np.eye(3, dtype="float32")[classes], "softmax"
    return (rng.random((ROWS, 3)) > 0.5).astype("float32"), "sigmoid"


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name):
    weights = np.linspace(0.2, 1.0, ROWS).astype("float32")
    if name == "CTC":
        y = np.tile(np.array([[1, 2, 0], [2, 1, 2], [1, 0, 0]]), (ROWS // 3, 1))
        x = _x(6, 4)
        make = lambda: keras.Sequential([keras.Input((6, 4)), keras.layers.Dense(4)])  # noqa: E731
    else:
        y, activation = _targets(name)
        x, make = _x(), _dense(activation=activation)
    if name == "Circle":
        make = lambda: keras.Sequential([*_dense(4)().layers, keras.layers.UnitNormalization()])  # noqa: E731

    def settings():
        return {"optimizer": keras.optimizers.SGD(0.02), "loss": getattr(keras.losses, name)()}

    compare(make, x, y, settings)
    if name not in ("Circle", "CTC"):
        compare(make, x, y, settings, sample_weight=weights)


# --- metrics --------------------------------------------------------------------------------------------------------

ARGUMENTS = {
    "IoU": {"num_classes": 3, "target_class_ids": [0, 2], "sparse_y_pred": False},
    "MeanIoU": {"num_classes": 3, "sparse_y_pred": False},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [0, 1]},
    "OneHotMeanIoU": {"num_classes": 3},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.6},
    "TopKCategoricalAccuracy": {"k": 2},
    "SparseTopKCategoricalAccuracy": {"k": 2},
    "MeanMetricWrapper": {"fn": keras.metrics.mean_absolute_error},
}
OF_VALUES = {"Mean", "Sum"}  # which take no targets: they stand inside a model, see below


@pytest.mark.parametrize("name", [name for name in METRICS if name not in OF_VALUES])
def test_metric(name):
    y, activation = _targets(name)
    make = _dense(activation=activation)

    def settings(key="metrics"):
        metric = getattr(keras.metrics, name)(**ARGUMENTS.get(name, {}))
        return {"optimizer": "sgd", "loss": None if "IoU" in name else "mse", key: [metric]}

    if "IoU" in name or name.startswith("Sparse"):
        one_hot = y if y.ndim > 1 else np.eye(3, dtype="float32")[y]

        def make_two():
            inputs = keras.Input((6,))
            outputs = keras.layers.Dense(3, activation="softmax")(inputs)
            return keras.Model(inputs, {"a": outputs, "b": outputs * 1.0})

        def settings(key="metrics"):
            metric = getattr(keras.metrics, name)(**ARGUMENTS.get(name, {}))
            return {"optimizer": "sgd", "loss": {"a": "mse"}, key: {"b": [metric]}}

        compare(make_two, _x(), {"a": one_hot, "b": y}, settings)
        return
    compare(make, _x(), y, settings)
    if name not in ("BinaryIoU",):
        weights = np.linspace(0.2, 1.0, ROWS).astype("float32")
        compare(make, _x(), y, lambda: settings("weighted_metrics"), sample_weight=weights)


@pytest.mark.parametrize("name", sorted(OF_VALUES))
def test_metric_inside_a_model(name):
    class Watched(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)
            self.seen = getattr(keras.metrics, name)(name="seen")

        def call(self, x):
            y = self.dense(x)
            self.seen.update_state(y)
            return y

    compare(Watched, _x(), _targets("mse")[0], _adam)


@pytest.mark.parametrize("name", ["accuracy", "acc", "crossentropy", "ce", "mse", "auc", "Precision"])
def test_metric_by_name(name):
    for kind in ("Sparse", "Categorical", "Binary"):
        y, activation = _targets(kind)
        if name in ("mse", "auc", "Precision") and kind == "Sparse":
            continue
        loss = {"Sparse": "sparse_categorical_crossentropy"}.get(kind, f"{kind.lower()}_crossentropy")
        compare(_dense(activation=activation), _x(), y, lambda: {"optimizer": "sgd", "loss": loss, "metrics": [name]})  # noqa: B023


# --- optimizers -----------------------------------------------------------------------------------------------------


def _make_optimizer(name, **options):
    if name == "LossScaleOptimizer":
        return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05), dynamic_growth_steps=2, **options)
    return getattr(keras.optimizers, name)(learning_rate=0.05, **options)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name):
    compare(_dense(), _x(), _targets("mse")[0], lambda: {"optimizer": _make_optimizer(name), "loss": "mse"})


OPTIONS = {
    "clipnorm": {"clipnorm": 0.01},
    "clipvalue": {"clipvalue": 0.01},
    "global_clipnorm": {"global_clipnorm": 0.01},
    "weight_decay": {"weight_decay": 0.1},
    "use_ema": {"use_ema": True, "ema_momentum": 0.8},
    "ema_overwrite": {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2},
    "accumulation": {"gradient_accumulation_steps": 2},
    "accumulation over epochs": {"gradient_accumulation_steps": 5},
    "loss_scale_factor": {"loss_scale_factor": 8.0},
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_optimizer_option(name, option):
    phases = {"ema_overwrite": 2, "accumulation": 2, "accumulation over epochs": 2}.get(option, 1)
    compare(
        _dense(), _x(), _targets("mse")[0], lambda: {"optimizer": _make_optimizer(name, **OPTIONS[option]), "loss": "mse"},  # noqa: E501
        expected=(phases, 1, 1), epochs=8,
    )  # fmt: skip


SCHEDULES = {
    "ExponentialDecay": lambda s: s.ExponentialDecay(0.1, 3, 0.5, staircase=True),
    "PiecewiseConstantDecay": lambda s: s.PiecewiseConstantDecay([3, 7], [0.1, 0.05, 0.01]),
    "PolynomialDecay": lambda s: s.PolynomialDecay(0.1, 6, power=2.0, cycle=True),
    "InverseTimeDecay": lambda s: s.InverseTimeDecay(0.1, 3, 0.5),
    "CosineDecay": lambda s: s.CosineDecay(0.01, 6, warmup_target=0.1, warmup_steps=3),
    "CosineDecayRestarts": lambda s: s.CosineDecayRestarts(0.1, 4),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name):
    def settings():
        rate = SCHEDULES[name](keras.optimizers.schedules)
        return {"optimizer": keras.optimizers.SGD(rate, momentum=0.5), "loss": "mse"}

    compare(_dense(), _x(), _targets("mse")[0], settings)


def test_every_schedule_is_here():
    public = {name for name in keras.optimizers.schedules.__all__ if name[0].isupper()} - {"LearningRateSchedule"}
    assert public == set(SCHEDULES)


def test_learning_rates_that_change_without_a_schedule():
    def by_function():
        values = iter(np.linspace(0.1, 0.01, 50).tolist())
        return {"optimizer": keras.optimizers.SGD(lambda: next(values)), "loss": "mse"}

    def by_decay():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return {"optimizer": keras.optimizers.SGD(lr=0.1, decay=0.1), "loss": "mse"}

    for settings in (by_function, by_decay):
        compare(_dense(), _x(), _targets("mse")[0], settings)
