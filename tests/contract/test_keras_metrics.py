"""Every metric: the real Keras's numbers over batches, states, configs, directions, and replay equal to eager."""

import inspect
import re

import numpy as np
import pytest
import torch

from oracles import real_keras
from tandem.engine.replay import Step
from tandem.keras import metrics

RNG = np.random.default_rng(0)
ARGUMENTS = {
    "IoU": {"num_classes": 3, "target_class_ids": [0, 2]},
    "MeanIoU": {"num_classes": 3},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [0, 1]},
    "OneHotMeanIoU": {"num_classes": 3},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.6},
    "TopKCategoricalAccuracy": {"k": 2},
    "SparseTopKCategoricalAccuracy": {"k": 2},
}
NAMES = [n for n in metrics.__all__ if n[0].isupper() and n not in ("Metric", "MeanMetricWrapper", "Mean", "Sum")]
LABELS = {"IoU", "MeanIoU"}
SPARSE = {"SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "SparseCategoricalCrossentropy"}
SAMPLE_BY_SAMPLE = {"BinaryIoU"}  # Keras takes no weight to a sample where predictions have two axes


def _batch(name, rows=7, classes=3):
    if name in LABELS:
        return RNG.integers(0, 3, (rows,)), RNG.integers(0, 3, (rows,))
    scores = RNG.random((rows, classes)).astype("float32")
    scores /= scores.sum(-1, keepdims=True)
    if name in SPARSE:
        return RNG.integers(0, classes, (rows,)), scores
    if name == "Accuracy":
        return RNG.integers(0, 2, (rows, classes)), RNG.integers(0, 2, (rows, classes))
    if "Error" in name or name in ("Poisson", "R2Score", "PearsonCorrelation", "ConcordanceCorrelation"):
        return RNG.random((rows, classes)).astype("float32"), scores
    return np.eye(classes, dtype="float32")[RNG.integers(0, classes, rows)], scores


def _weights(name, rows=7):
    return None if name in SAMPLE_BY_SAMPLE else RNG.random(rows).astype("float32")


def _run(metric, batches):
    for *batch, weights in batches:
        metric.update_state(*batch, **({} if weights is None else {"sample_weight": weights}))
    return np.asarray(metric.result())


@pytest.mark.oracle
@pytest.mark.parametrize("name", NAMES)
def test_equals_keras(name):
    real = getattr(real_keras().metrics, name)
    for weighted in (False, True):
        batches = [(*_batch(name, rows), _weights(name, rows) if weighted else None) for rows in (7, 4)]
        arguments = ARGUMENTS.get(name, {})
        got = _run(getattr(metrics, name)(**arguments), batches)
        wanted = _run(real(**arguments), batches)
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=3e-5, atol=3e-5)


SETTINGS = [
    ("Precision", {"thresholds": [0.2, 0.4]}),
    ("Precision", {"top_k": 1}),
    ("Recall", {"top_k": 2, "class_id": 1}),
    ("Recall", {"thresholds": 0.3, "class_id": 0}),
    ("AUC", {"curve": "PR", "num_thresholds": 7}),
    ("AUC", {"curve": "PRGAIN", "num_thresholds": 11}),
    ("AUC", {"summation_method": "majoring"}),
    ("AUC", {"summation_method": "minoring", "from_logits": True}),
    ("AUC", {"thresholds": [0.2, 0.7]}),
    ("AUC", {"multi_label": True, "label_weights": [1.0, 2.0, 0.5]}),
    ("AUC", {"multi_label": True, "num_labels": 3, "curve": "PR"}),
    ("TruePositives", {"thresholds": [0.1, 0.4]}),
    ("F1Score", {"average": "micro"}),
    ("F1Score", {"average": "macro", "threshold": 0.4}),
    ("F1Score", {"average": "weighted"}),
    ("FBetaScore", {"beta": 2.0}),
    ("R2Score", {"class_aggregation": None}),
    ("R2Score", {"class_aggregation": "variance_weighted_average", "num_regressors": 1}),
    ("BinaryAccuracy", {"threshold": 0.3}),
    ("BinaryIoU", {"target_class_ids": [1], "threshold": 0.4}),
    ("IoU", {"num_classes": 3, "target_class_ids": [0, 1], "ignore_class": 2}),
    ("SpecificityAtSensitivity", {"sensitivity": 0.5, "num_thresholds": 1}),
    ("SensitivityAtSpecificity", {"specificity": 0.7, "class_id": 1}),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}),
    ("CosineSimilarity", {"axis": 0}),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_settings(name, settings):
    weighted = name not in SAMPLE_BY_SAMPLE and settings.get("axis") != 0
    batches = [(*_batch(name), _weights(name) if weighted else None) for _ in range(3)]
    got = _run(getattr(metrics, name)(**settings), batches)
    np.testing.assert_allclose(
        got, _run(getattr(real_keras().metrics, name)(**settings), batches), rtol=3e-5, atol=3e-5
    )


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["Mean", "Sum"])
def test_mean_and_sum(name):
    for shape in ((), (6,), (6, 1), (6, 3), (6, 3, 4)):
        for weights in (None, (), (6,), (6, 1), (6, 3)):
            if weights is not None and len(weights) > len(shape):
                continue
            batches = [
                (
                    RNG.random(shape).astype("float32"),
                    None if weights is None else RNG.random(weights).astype("float32"),
                )
                for _ in range(2)
            ]
            if len(shape) > 1 and weights == (6,) and shape[1] != 1:
                continue  # Keras cannot
            try:
                wanted = _run(getattr(real_keras().metrics, name)(), batches)
            except RuntimeError:
                continue  # Keras's rules do not fit these shapes together
            got = _run(getattr(metrics, name)(), batches)
            np.testing.assert_allclose(got, wanted, rtol=2e-5, err_msg=f"{shape} {weights}")


@pytest.mark.oracle
@pytest.mark.parametrize(
    "name", ["MeanSquaredError", "BinaryAccuracy", "SparseCategoricalAccuracy", "RootMeanSquaredError"]
)
def test_masks_of_sequences(name):
    y_pred, mask = RNG.random((5, 3, 4)).astype("float32"), RNG.random((5, 3)) > 0.4
    y_true = RNG.integers(0, 4, (5, 3)) if name in SPARSE else (RNG.random((5, 3, 4)) > 0.5).astype("float32")
    weights = RNG.random((5, 3)).astype("float32")

    def run(kind, weights):
        tensor = torch.tensor(y_pred)
        tensor._keras_mask = torch.tensor(mask)
        return _run(kind(), [(y_true, tensor, weights)])

    for given in (None, weights):
        got = run(getattr(metrics, name), given)
        np.testing.assert_allclose(got, run(getattr(real_keras().metrics, name), given), rtol=2e-5)


def _plain(name):
    return re.sub(r"_\d+(?=/|$)", "", name)


@pytest.mark.oracle
@pytest.mark.parametrize("name", [*NAMES, "Mean", "Sum"])
def test_config_state_and_direction_equal_keras(name):
    arguments = ARGUMENTS.get(name, {})
    real, ours = getattr(real_keras().metrics, name)(**arguments), getattr(metrics, name)(**arguments)
    wanted, config = real.get_config(), ours.get_config()
    assert {**config, "name": _plain(config["name"])} == {**wanted, "name": _plain(wanted["name"])}
    assert [(_plain(v.path), tuple(v.shape), v.dtype) for v in ours.variables] == [
        (_plain(v.path), tuple(v.shape), v.dtype) for v in real.variables
    ]
    assert getattr(real, "_direction", None) == ours._direction
    assert list(inspect.signature(type(ours)).parameters) == list(inspect.signature(type(real)).parameters)
    again = metrics.deserialize(metrics.serialize(ours))
    assert type(again) is type(ours)
    assert again.get_config() == config


@pytest.mark.parametrize("name", NAMES)
def test_replay_equals_eager_and_reset_begins_again(name):
    arguments = ARGUMENTS.get(name, {})
    replayed, eager = (getattr(metrics, name)(**arguments) for _ in range(2))
    for metric in (replayed, eager):  # what is made at the first batch is not part of a step
        metric.update_state(*_batch(name))
        metric.reset_state()

    def run(y_true, y_pred):
        replayed.update_state(y_true, y_pred)

    step = Step(run)
    for _ in range(4):
        batch = [torch.tensor(array) for array in _batch(name)]
        step(*batch)
        eager.update_state(*batch)
        torch.testing.assert_close(replayed.result(), eager.result(), rtol=0, atol=0, equal_nan=True)
    assert step.programs
    replayed.reset_state()
    assert all(float(variable.tensor.abs().sum()) == 0 for variable in replayed.variables)


@pytest.mark.parametrize("name", ["Mean", "AUC", "F1Score", "R2Score", "MeanIoU"])
def test_stateless(name):
    arguments = ARGUMENTS.get(name, {})
    metric, other = (getattr(metrics, name)(**arguments) for _ in range(2))
    batch = _batch(name)[:1] if name == "Mean" else _batch(name)
    other.update_state(*batch)
    metric.update_state(*batch)
    metric.reset_state()
    state = metric.stateless_update_state(metric.stateless_reset_state(), *batch)
    torch.testing.assert_close(metric.stateless_result(state), other.result())
    assert all(float(variable.tensor.abs().sum()) == 0 for variable in metric.variables)
    with pytest.raises(ValueError, match="metric_variables"):
        metric.stateless_result(state[:-1])
