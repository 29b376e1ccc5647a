"""`Metric` and its base: what is peculiar to it (tests/contract holds every metric to the real Keras's numbers)."""

import numpy as np
import pytest
import torch

from oracles import real_keras
from tandem import keras
from tandem.keras import metrics


class Largest(metrics.Metric):
    """The largest prediction so far, as the guides write a metric."""

    def __init__(self, name="largest", **kwargs):
        super().__init__(name=name, **kwargs)
        self.best = self.add_weight(shape=(), initializer="zeros", name="best")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.best.assign(torch.maximum(self.best.value, y_pred.max()))

    def result(self):
        return self.best.value


class Both(metrics.Metric):
    """A metric made of metrics, with two results."""

    def __init__(self):
        super().__init__(name="both")
        self.error, self.largest = metrics.MeanAbsoluteError(), Largest()

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.error.update_state(y_true, y_pred)
        self.largest.update_state(y_true, y_pred)

    def result(self):
        return {"error": self.error.result(), "top": self.largest.result()}


def test_metrics_of_ones_own():
    metric = Largest()
    metric.update_state(None, torch.tensor([1.0, 3.0]))
    metric.update_state(None, torch.tensor([2.0]))
    assert float(metric.result()) == 3.0
    metric.reset_state()
    assert float(metric(None, torch.tensor([0.5]))) == 0.5
    assert [variable.path for variable in metric.variables] == ["largest/best"]
    both = Both()
    assert len(both.variables) == 3
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[Largest(), both])
    x = np.random.default_rng(0).normal(size=(12, 2)).astype("float32")
    history = model.fit(x, x[:, :1], batch_size=4, epochs=4, verbose=0).history
    assert sorted(history) == ["error", "largest", "loss", "top"]
    scores = model.evaluate(x, x[:, :1], return_dict=True, verbose=0)
    assert scores["largest"] == scores["top"] == pytest.approx(max(0.0, model.predict(x, verbose=0).max()))


def test_a_function_is_a_metric():
    def gap(y_true, y_pred):
        return (y_true - y_pred).abs()

    metric = metrics.MeanMetricWrapper(gap)
    metric.update_state([[1.0], [2.0]], [[1.5], [4.0]], sample_weight=[1.0, 3.0])
    assert float(metric.result()) == pytest.approx((0.5 + 3 * 2) / 4)
    with keras.saving.custom_object_scope({"gap": gap}):
        again = metrics.deserialize(metrics.serialize(metric))
    assert float(again([[1.0]], [[3.0]])) == 2.0


@pytest.mark.parametrize("name", ["mse", "MSE", "mean_squared_error", "MeanSquaredError", metrics.MeanSquaredError])
def test_identifiers(name):
    assert type(metrics.get(name)) is metrics.MeanSquaredError


def test_unknown_identifiers():
    with pytest.raises(ValueError, match="Did you mean 'precision'"):
        metrics.get("precison")
    with pytest.raises(ValueError, match="identifier"):
        metrics.get(3)


def test_states_move_with_the_model():
    metric = metrics.Mean()
    metric.update_state([1.0, 3.0])
    assert float(metric.total) == 4.0
    assert not metric.total.trainable
    assert metric.dtype == "float32"
    assert metrics.Mean(dtype="float64").total.dtype == "float64"


def test_results_before_anything_was_added():
    for metric in (metrics.Mean(), metrics.AUC(), metrics.Precision(), metrics.F1Score(), metrics.R2Score()):
        assert float(metric.result()) == 0.0


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PrecisionAtRecall", 0.6),
        ("RecallAtPrecision", 0.3),
        ("SensitivityAtSpecificity", 0.6),
        ("SpecificityAtSensitivity", 0.6),
    ],
)
@pytest.mark.parametrize("number", [1, 2, 5])
def test_predictions_of_exactly_0_and_1(name, value, number):
    results = []
    for K in (keras, real_keras()):
        metric = getattr(K.metrics, name)(value, num_thresholds=number)
        metric.update_state(np.array([0, 1, 1, 0]), np.array([0.0, 1.0, 0.0, 1.0]))
        results.append((float(metric.result()), metric.thresholds))
    assert results[0] == results[1]


@pytest.mark.oracle
@pytest.mark.parametrize("options", [{}, {"multi_label": True}, {"multi_label": True, "label_weights": [0.2, 0.8]}])
def test_the_area_of_precision_over_recall(options):
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, (50, 2)), rng.random((50, 2)).astype("float32")
    areas = []
    for K in (keras, real_keras()):
        metric = K.metrics.AUC(num_thresholds=9, **options)
        metric.update_state(labels, scores)
        areas.append(float(metric.interpolate_pr_auc()))
    assert areas[0] == pytest.approx(areas[1], rel=1e-5)


def test_gradients_do_not_flow():
    weight = torch.tensor(2.0, requires_grad=True)
    metric = metrics.MeanSquaredError()
    metric.update_state(torch.zeros(3), weight * torch.ones(3))
    assert not metric.result().requires_grad


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.Precision(thresholds=[0.1, -1]), r"\[0, 1\].*-1"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds"),
        (lambda: metrics.AUC(curve="XY"), "curve"),
        (lambda: metrics.AUC(num_labels=3), "multi_label"),
        (lambda: metrics.F1Score(average="mean"), "average"),
        (lambda: metrics.FBetaScore(beta=0.0), "beta"),
        (lambda: metrics.F1Score()([0, 1], [0.5, 0.5]), "2D"),
        (lambda: metrics.R2Score(num_regressors=-1), "num_regressors"),
        (lambda: metrics.IoU(num_classes=2, target_class_ids=[2]), r"\[0, 2\)"),
        (lambda: metrics.MeanIoU(2)([0, 5], [0, 1]), "no class.*5"),
        (lambda: metrics.SensitivityAtSpecificity(1.5), "specificity"),
        (lambda: metrics.Precision()([[0, 1]], [[0.1, 0.2, 0.3]]), r"shape \(1, 3\).*\(1, 2\)"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_keras_2_wrote_the_name_first():
    class Old(metrics.Metric):
        def __init__(self):
            super().__init__(name="old")
            self.seen = self.add_weight("seen", shape=(2,), initializer="zeros")

    assert Old().seen.shape == (2,)
