"""F scores."""

import torch

from tandem.core.errors import explain
from tandem.keras import tensors
from tandem.keras.metrics.metric import Metric
from tandem.ops import scores

_AVERAGES = (None, "micro", "macro", "weighted")


class FBetaScore(Metric):
    """``(1 + beta^2) * precision * recall / (beta^2 * precision + recall)`` of each class.

    average: None (one score to a class), "micro", "macro" or "weighted" (by the number of samples); threshold: what is
    above it is called positive; None: the largest prediction of a sample. y_true is one-hot or multi-hot, (batch,
    classes).
    Raises ValueError for other averages, thresholds outside (0, 1], beta of 0 or less.
    """

    _direction = "up"

    def __init__(self, average=None, beta=1.0, threshold=None, name="fbeta_score", dtype=None):
        super().__init__(name=name, dtype=dtype)
        if average not in _AVERAGES:
            raise ValueError(explain("Invalid `average` argument value", expected=f"one of {_AVERAGES}", given=average))
        if not isinstance(beta, float):
            raise ValueError(explain("Invalid `beta` argument value", expected="a Python float", given=repr(beta)))
        if beta <= 0.0:
            raise ValueError(explain("Invalid `beta` argument value", expected="> 0", given=f"beta={beta}"))
        if threshold is not None:
            if not isinstance(threshold, float):
                raise ValueError(
                    explain("Invalid `threshold` argument value", expected="a Python float", given=repr(threshold))
                )
            if threshold > 1.0 or threshold <= 0.0:
                raise ValueError(
                    explain("Invalid `threshold` argument value", expected="0 < threshold <= 1", given=threshold)
                )
        self.average = average
        self.beta = beta
        self.threshold = threshold
        self.axis = None if average == "micro" else 0
        self._built = False

    def _build(self, y_true_shape, y_pred_shape):
        if len(y_pred_shape) != 2 or len(y_true_shape) != 2:
            raise ValueError(
                f"{type(self).__name__} expects 2D inputs with shape (batch_size, output_dim). Received input shapes: "
                f"y_pred.shape={tuple(y_pred_shape)} and y_true.shape={tuple(y_true_shape)}."
            )
        shape = () if self.average == "micro" else (y_pred_shape[-1],)
        for name in ("true_positives", "false_positives", "false_negatives", "intermediate_weights"):
            setattr(self, name, self.add_variable(shape, name=name))
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch."""
        y_pred = tensors.convert(y_pred, self._torch_dtype).detach()
        y_true = tensors.convert(y_true, self._torch_dtype, device=y_pred.device)
        if not self._built:
            self._build(y_true.shape, y_pred.shape)
        weights = None
        if sample_weight is not None:
            weights = tensors.convert(sample_weight, self._torch_dtype, device=y_pred.device)
        with torch.no_grad():
            counts = scores.class_counts(y_true, y_pred, threshold=self.threshold, weights=weights, axis=self.axis)
            states = (self.true_positives, self.false_positives, self.false_negatives, self.intermediate_weights)
            for state, count in zip(states, counts):
                scores.sum_(state.tensor, count) if state.tensor.dim() == 0 else state.assign_add(count)

    def result(self):
        """The score, or one for each class."""
        if not self._built:
            return tensors.convert(0.0)
        return scores.f_beta(
            self.true_positives.tensor,
            self.false_positives.tensor,
            self.false_negatives.tensor,
            beta=self.beta,
            average=self.average,
            positives=self.intermediate_weights.tensor,
        )

    def get_config(self):
        """The arguments that make an equal metric."""
        return super().get_config() | {"average": self.average, "beta": self.beta, "threshold": self.threshold}

    def reset_state(self):
        """Begin again."""
        if self._built:
            super().reset_state()


class F1Score(FBetaScore):
    """``2 * precision * recall / (precision + recall)`` of each class: `FBetaScore` with a beta of 1."""

    def __init__(self, average=None, threshold=None, name="f1_score", dtype=None):
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)

    def get_config(self):
        """The arguments that make an equal metric."""
        config = super().get_config()
        del config["beta"]
        return config
