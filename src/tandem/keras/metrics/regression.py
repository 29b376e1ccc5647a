"""Metrics of regression that are not losses: R2 and correlations."""

import torch

from tandem.core.errors import explain
from tandem.keras import tensors
from tandem.keras.metrics.metric import MeanMetricWrapper, Metric, same_ranks
from tandem.ops import means, scores

_AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


class R2Score(Metric):
    """The explained part of the variance: ``1 - sum((y_true - y_pred)^2) / sum((y_true - mean)^2)`` of each column.

    class_aggregation: of the columns: None, "uniform_average" or "variance_weighted_average"; num_regressors: for the
    adjusted score. y_true and y_pred are (batch, columns). Raises ValueError for other aggregations and shapes.
    """

    _direction = "up"

    def __init__(self, class_aggregation="uniform_average", num_regressors=0, name="r2_score", dtype=None):
        super().__init__(name=name, dtype=dtype)
        if class_aggregation not in _AGGREGATIONS:
            raise ValueError(
                explain(
                    "Invalid value for argument `class_aggregation`",
                    expected=f"one of {_AGGREGATIONS}",
                    given=f"class_aggregation={class_aggregation}",
                )
            )
        if num_regressors < 0:
            raise ValueError(
                explain(
                    "Invalid value for argument `num_regressors`",
                    expected="a value >= 0",
                    given=f"num_regressors={num_regressors}",
                )
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable((), name="num_samples")
        self._built = False

    def _build(self, y_true_shape, y_pred_shape):
        if len(y_pred_shape) != 2 or len(y_true_shape) != 2:
            raise ValueError(
                "R2Score expects 2D inputs with shape (batch_size, output_dim). Received input shapes: "
                f"y_pred.shape={tuple(y_pred_shape)} and y_true.shape={tuple(y_true_shape)}."
            )
        if y_pred_shape[-1] is None or y_true_shape[-1] is None:
            raise ValueError("R2Score expects the number of columns to be known.")
        size = (y_pred_shape[-1],)
        self.squared_sum = self.add_variable(size, name="squared_sum")
        self.sum = self.add_variable(size, name="sum")
        self.total_mse = self.add_variable(size, name="residual")
        self.count = self.add_variable(size, name="count")
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch."""
        y_pred = tensors.convert(y_pred, self._torch_dtype).detach()
        y_true, y_pred = same_ranks(tensors.convert(y_true, self._torch_dtype, device=y_pred.device), y_pred)
        if not self._built:
            self._build(y_true.shape, y_pred.shape)
        weights = None
        if sample_weight is not None:
            weights = tensors.convert(sample_weight, self._torch_dtype, device=y_pred.device)
        states = [state.tensor for state in (self.squared_sum, self.sum, self.total_mse, self.count)]
        with torch.no_grad():
            scores.r2_(*states, y_true, y_pred, weights)
            # Keras counts every element, not every row.
            means.accumulate(self.num_samples.tensor, y_true.numel())

    def result(self):
        """The score, or one for each column."""
        if not self._built:
            return tensors.convert(0.0)
        return scores.r2(
            self.squared_sum.tensor,
            self.sum.tensor,
            self.total_mse.tensor,
            self.count.tensor,
            average=self.class_aggregation,
            samples=self.num_samples.tensor,
            regressors=self.num_regressors,
        )

    def get_config(self):
        """The arguments that make an equal metric."""
        return super().get_config() | {
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        }


def pearson_correlation(y_true, y_pred, axis=-1):
    """The correlation of y_true and y_pred along `axis`: one value to a sample. Raises ValueError for other shapes."""
    y_true, y_pred = _for_correlation(y_true, y_pred, axis)
    return scores.pearson_correlation(y_true, y_pred, axis)


def concordance_correlation(y_true, y_pred, axis=-1):
    """``2 cov(t, y) / (var(t) + var(y) + (mean(t) - mean(y))^2)`` along `axis` (Lin, 1989): one value to a sample."""
    y_true, y_pred = _for_correlation(y_true, y_pred, axis)
    return scores.concordance_correlation(y_true, y_pred, axis)


def _for_correlation(y_true, y_pred, axis):
    y_pred = tensors.convert(y_pred)
    y_true, y_pred = same_ranks(tensors.convert(y_true, device=y_pred.device), y_pred)
    y_true = y_true.to(y_pred.dtype)
    if y_true.shape != y_pred.shape:
        raise ValueError(explain("y_true and y_pred differ", expected=tuple(y_pred.shape), given=tuple(y_true.shape)))
    return y_true, y_pred


class PearsonCorrelation(MeanMetricWrapper):
    """The mean of the samples' correlations of y_true and y_pred along `axis`."""

    _direction = "up"

    def __init__(self, name="pearson_correlation", dtype=None, axis=-1):
        super().__init__(pearson_correlation, name=name, dtype=dtype, axis=axis)
        self.axis = axis


class ConcordanceCorrelation(MeanMetricWrapper):
    """The mean of the samples' concordance correlations of y_true and y_pred along `axis` (Lin, 1989)."""

    _direction = "up"

    def __init__(self, name="concordance_correlation", dtype=None, axis=-1):
        super().__init__(concordance_correlation, name=name, dtype=dtype, axis=axis)
        self.axis = axis
