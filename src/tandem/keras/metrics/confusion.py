"""Metrics of counts at thresholds: true and false positives and negatives, precision, recall, areas under curves."""

import numpy as np
import torch

from tandem.core.errors import explain
from tandem.keras import config, tensors
from tandem.keras.losses.loss import same_rank
from tandem.keras.metrics.metric import Metric
from tandem.ops import elementwise, scores


class _Counts(Metric):
    """Weighted counts at thresholds: `_states` are (true positives, false positives, true negatives, false
    negatives).
    """

    class_id = None
    top_k = None
    _clip = False

    def _set_thresholds(self, values):
        """Keep the thresholds, as numbers and as a tensor that steps use."""
        self._thresholds = values
        self._threshold_tensor = tensors.convert(np.asarray(values, "float32"), self._torch_dtype)

    def _counts(self, y_true, y_pred, sample_weight, states, per_label=False):
        """Add a batch's counts to `states` (None: not wanted)."""
        y_pred = tensors.convert(y_pred).detach()
        y_pred = y_pred.to(self._torch_dtype)
        y_true = tensors.convert(y_true, device=y_pred.device)
        y_true, y_pred = same_rank(y_true, y_pred)
        if y_true.shape != y_pred.shape:
            raise ValueError(
                explain(
                    f"The targets of the metric '{self.name}' do not fit the predictions",
                    expected=f"y_true of shape {tuple(y_pred.shape)}, as y_pred",
                    given=f"y_true.shape={tuple(y_true.shape)}",
                )
            )
        weights = None
        if sample_weight is not None:
            weights = tensors.convert(sample_weight, self._torch_dtype, device=y_pred.device)
        if self.top_k is not None:
            y_pred = scores.keep_largest(y_pred, self.top_k)
        if self.class_id is not None:
            if not -y_pred.shape[-1] <= self.class_id < y_pred.shape[-1]:
                raise IndexError(
                    explain(
                        f"`class_id` of the metric '{self.name}' is no class",
                        expected=f"0 to {y_pred.shape[-1] - 1}",
                        given=f"class_id={self.class_id}",
                    )
                )
            y_true, y_pred = y_true[..., self.class_id], y_pred[..., self.class_id]
        if self._threshold_tensor.device != y_pred.device:
            self._threshold_tensor = self._threshold_tensor.to(y_pred.device)
        tensors_of_states = [None if state is None else state.tensor for state in states]
        with torch.no_grad():
            scores.confusion_(
                tensors_of_states,
                y_true,
                y_pred,
                self._threshold_tensor,
                weights=weights,
                per_label=per_label,
                clip=self._clip,
            )


def _thresholds(given, default):
    """The thresholds as a list. Raises ValueError for one outside [0, 1]."""
    values = [default] if given is None else [*given] if isinstance(given, (list, tuple, np.ndarray)) else [given]
    wrong = [value for value in values if value is None or not 0 <= value <= 1]
    if wrong:
        raise ValueError(explain("Threshold values must be in [0, 1]", given=wrong))
    return values


class _OneCount(_Counts):
    """One of the four counts."""

    _which = None

    def __init__(self, thresholds=None, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self._set_thresholds(_thresholds(thresholds, 0.5))
        self.accumulator = self.add_variable((len(self._thresholds),), name="accumulator")

    @property
    def thresholds(self):
        """The thresholds, a list."""
        return self._thresholds

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch: what is above a threshold is called positive."""
        states = [self.accumulator if number == self._which else None for number in range(4)]
        self._counts(y_true, y_pred, sample_weight, states)

    def result(self):
        """The count: a scalar for one threshold, else one for each."""
        return _first(self.accumulator.tensor, self._thresholds)

    def get_config(self):
        """The arguments that make an equal metric."""
        return super().get_config() | {"thresholds": self.init_thresholds}


def _first(values, thresholds):
    return values[0].clone() if len(thresholds) == 1 else values.clone()


class TruePositives(_OneCount):
    """The number of positives that are called positive; thresholds: 0.5 if None, a number or a list."""

    _which = 0


class FalsePositives(_OneCount):
    """The number of negatives that are called positive; thresholds: 0.5 if None, a number or a list."""

    _which = 1


class TrueNegatives(_OneCount):
    """The number of negatives that are called negative; thresholds: 0.5 if None, a number or a list."""

    _which = 2


class FalseNegatives(_OneCount):
    """The number of positives that are called negative; thresholds: 0.5 if None, a number or a list."""

    _which = 3


class _Ratio(_Counts):
    """True positives over them and one other count."""

    _direction = "up"
    _other = None  # (attribute, number of the count)

    def __init__(self, thresholds=None, top_k=None, class_id=None, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        # With `top_k` whatever is among the k largest is called positive: the rest is minus infinity.
        default = 0.5 if top_k is None else -np.inf
        self._set_thresholds([default] if thresholds is None else _thresholds(thresholds, 0.5))
        shape = (len(self._thresholds),)
        self.true_positives = self.add_variable(shape, name="true_positives")
        setattr(self, self._other[0], self.add_variable(shape, name=self._other[0]))

    @property
    def thresholds(self):
        """The thresholds, a list."""
        return self._thresholds

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch: what is above a threshold is called positive."""
        states = [self.true_positives, None, None, None]
        states[self._other[1]] = getattr(self, self._other[0])
        self._counts(y_true, y_pred, sample_weight, states)

    def result(self):
        """The ratio: a scalar for one threshold, else one for each."""
        other = getattr(self, self._other[0])
        return _first(scores.precision(self.true_positives.tensor, other.tensor), self._thresholds)

    def get_config(self):
        """The arguments that make an equal metric."""
        return super().get_config() | {
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


class Precision(_Ratio):
    """The share of what is called positive that is positive: ``tp / (tp + fp)``.

    thresholds: 0.5 if None, a number or a list; top_k: only the k largest predictions of a sample are called positive;
    class_id: only this class counts.
    """

    _other = ("false_positives", 1)


class Recall(_Ratio):
    """The share of the positives that is called positive: ``tp / (tp + fn)``; the arguments are those of
    `Precision`.
    """

    _other = ("false_negatives", 3)


class _Curve(_Counts):
    """All four counts at evenly spaced thresholds."""

    _clip = True

    def _make_states(self, shape):
        for name in ("true_positives", "false_positives", "true_negatives", "false_negatives"):
            setattr(self, name, self.add_variable(shape, name=name))

    @property
    def _states(self):
        return self.true_positives, self.false_positives, self.true_negatives, self.false_negatives

    @property
    def _tensors(self):
        return [state.tensor for state in self._states]


def _even_thresholds(number, beyond):
    """`number` thresholds, the outermost as far beyond 0 and 1."""
    inner = [(index + 1) / (number - 1) for index in range(number - 2)]
    return [0.0 - beyond, *inner, 1.0 + beyond]


class _AtConstraint(_Curve):
    """The best of one measure where another is at least some value."""

    _direction = "up"
    _constraint = None  # the name of the argument

    def __init__(self, value, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        if not 0 <= value <= 1:
            raise ValueError(
                f"Argument `{self._constraint}` must be in the range [0, 1]. Received: {self._constraint}={value}"
            )
        if num_thresholds <= 0:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 0. Received: num_thresholds={num_thresholds}"
            )
        self.value = value
        setattr(self, self._constraint, value)
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        self._set_thresholds([0.5] if num_thresholds == 1 else _even_thresholds(num_thresholds, 0.0))
        self._clip = num_thresholds > 1
        self._make_states((len(self._thresholds),))

    @property
    def thresholds(self):
        """The thresholds, a list."""
        return self._thresholds

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch."""
        self._counts(y_true, y_pred, sample_weight, self._states)

    def get_config(self):
        """The arguments that make an equal metric."""
        return super().get_config() | {
            "class_id": self.class_id,
            "num_thresholds": self.num_thresholds,
            self._constraint: getattr(self, self._constraint),
        }


class SensitivityAtSpecificity(_AtConstraint):
    """The best recall among the thresholds where ``tn / (tn + fp)`` is at least `specificity`."""

    _constraint = "specificity"

    def __init__(self, specificity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def result(self):
        """The best recall, 0 where no threshold will do."""
        tp, fp, tn, fn = self._tensors
        return scores.best_at(scores.recall(tp, fn), scores.recall(tn, fp), self.specificity)


class SpecificityAtSensitivity(_AtConstraint):
    """The best ``tn / (tn + fp)`` among the thresholds where the recall is at least `sensitivity`."""

    _constraint = "sensitivity"

    def __init__(self, sensitivity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def result(self):
        """The best specificity, 0 where no threshold will do."""
        tp, fp, tn, fn = self._tensors
        return scores.best_at(scores.recall(tn, fp), scores.recall(tp, fn), self.sensitivity)


class PrecisionAtRecall(_AtConstraint):
    """The best precision among the thresholds where the recall is at least `recall`."""

    _constraint = "recall"

    def __init__(self, recall, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def result(self):
        """The best precision, 0 where no threshold will do."""
        tp, fp, _, fn = self._tensors
        return scores.best_at(scores.precision(tp, fp), scores.recall(tp, fn), self.recall)


class RecallAtPrecision(_AtConstraint):
    """The best recall among the thresholds where the precision is at least `precision`."""

    _constraint = "precision"

    def __init__(self, precision, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def result(self):
        """The best recall, 0 where no threshold will do."""
        tp, fp, _, fn = self._tensors
        return scores.best_at(scores.recall(tp, fn), scores.precision(tp, fp), self.precision)


class AUC(_Curve):
    """The area under a curve through counts at thresholds.

    num_thresholds: evenly spaced from 0 to 1; curve: "ROC", "PR" or "PRGAIN"; summation_method: "interpolation",
    "minoring" or "majoring"; thresholds: in place of num_thresholds, without 0 and 1; multi_label: one area to a label,
    and their mean, weighted by label_weights; num_labels: how many, if it is to be known before the first batch;
    from_logits: predictions go through a sigmoid first.
    Raises ValueError for other curves, methods and numbers.
    """

    _direction = "up"
    _CURVES = ("PR", "ROC", "PRGAIN")
    _METHODS = ("interpolation", "majoring", "minoring")

    def __init__(
        self,
        num_thresholds=200,
        curve="ROC",
        summation_method="interpolation",
        name=None,
        dtype=None,
        thresholds=None,
        multi_label=False,
        num_labels=None,
        label_weights=None,
        from_logits=False,
    ):
        if curve not in self._CURVES:
            raise ValueError(f'Invalid AUC curve value: "{curve}". Expected values are {list(self._CURVES)}')
        if summation_method not in self._METHODS:
            raise ValueError(
                f'Invalid AUC summation method value: "{summation_method}". Expected values are {list(self._METHODS)}'
            )
        super().__init__(name=name, dtype=dtype)
        self._init_from_thresholds = thresholds is not None
        if thresholds is not None:
            inner = sorted(_thresholds(list(thresholds), 0.5))
            self._set_thresholds([-config.epsilon(), *inner, 1.0 + config.epsilon()])
        else:
            if num_thresholds <= 1:
                raise ValueError(
                    f"Argument `num_thresholds` must be an integer > 1. Received: num_thresholds={num_thresholds}"
                )
            self._set_thresholds(_even_thresholds(num_thresholds, config.epsilon()))
        self.num_thresholds = len(self._thresholds)
        self.curve = curve
        self.summation_method = summation_method
        self.multi_label = multi_label
        self.num_labels = num_labels
        self._from_logits = from_logits
        self.label_weights = None
        if label_weights is not None:
            self.label_weights = tensors.convert(np.asarray(label_weights, "float32"))
        self._built = False
        if multi_label:
            if num_labels:
                self._build((None, num_labels))
        else:
            if num_labels:
                raise ValueError("`num_labels` is needed only when `multi_label` is True.")
            self._build(None)

    @property
    def thresholds(self):
        """The thresholds, a list."""
        return self._thresholds

    def _build(self, shape):
        counts = (self.num_thresholds,)
        if self.multi_label:
            if len(shape) != 2:
                raise ValueError(
                    f"`y_pred` must have rank 2 when `multi_label=True`. Found rank {len(shape)}. Full shape: {shape}"
                )
            self.num_labels = shape[1]
            counts = (self.num_thresholds, shape[1])
        self._make_states(counts)
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch of labels, 0 or 1, and predictions from 0 to 1 (or logits)."""
        y_pred = tensors.convert(y_pred, self._torch_dtype).detach()
        if not self._built:
            self._build(tuple(y_pred.shape))
        if self._from_logits:
            y_pred = elementwise.sigmoid(y_pred)
        # Weights of the labels make the mean of the areas where there is one to a label; else each label's samples.
        self._counts(y_true, y_pred, sample_weight, self._states, per_label=self.multi_label)

    def result(self):
        """The area, 0 before the first batch."""
        return self._area(self.curve, self.summation_method) if self._built else tensors.convert(0.0)

    def interpolate_pr_auc(self):
        """The area under the curve of precision over recall, exact between the thresholds, whatever `curve` is."""
        return self._area("PR", "interpolation")

    def _area(self, curve, method):
        weights = self.label_weights
        return scores.auc(
            *self._tensors,
            curve=curve,
            method=method,
            label_weights=None if weights is None or not self.multi_label else weights.to(self.true_positives.device),
        )

    def get_config(self):
        """The arguments that make an equal metric."""
        weights = self.label_weights
        config = super().get_config() | {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if weights is None else weights.tolist(),
            "from_logits": self._from_logits,
        }
        if self._init_from_thresholds:
            config["thresholds"] = self._thresholds[1:-1]
        return config
