"""Metrics of numbers, of losses, and of one's own functions."""

import numpy
import torch

from tandem.core.errors import explain
from tandem.mxnet.metric.base import EvalMetric, alias, as_list, check_label_shapes, pairs, register, tensor_of
from tandem.ops import elementwise, losses, scores
from tandem.ops.scores import correlation_


class _MeanOfBatches(EvalMetric):
    """The mean over batches of a mean over elements."""

    _has_global_stats = True

    def _value(self, label, pred):
        raise NotImplementedError

    def update(self, labels, preds):
        """Add a batch.

        Raises ValueError where labels and predictions do not broadcast.
        """
        for label, pred in pairs(labels, preds):
            # As in MXNet: vectors become columns, and what is left broadcasts.
            label = label.reshape(-1, 1) if label.dim() == 1 else label
            pred = pred.reshape(-1, 1) if pred.dim() == 1 else pred
            try:
                value = self._value(label, pred)
            except RuntimeError as error:
                given = f"labels of shape {tuple(label.shape)}, predictions of shape {tuple(pred.shape)}"
                raise ValueError(explain("Labels and predictions do not broadcast", given=given)) from error
            self._add(value, 1)


@register
class MAE(_MeanOfBatches):
    """The mean over batches of mean(|label − pred|)."""

    def __init__(self, name="mae", output_names=None, label_names=None):
        super().__init__(name, output_names=output_names, label_names=label_names)

    def _value(self, label, pred):
        return losses.mean_absolute_error(label, pred, axis=None, reduction="mean")


@register
class MSE(_MeanOfBatches):
    """The mean over batches of mean((label − pred)²)."""

    def __init__(self, name="mse", output_names=None, label_names=None):
        super().__init__(name, output_names=output_names, label_names=label_names)

    def _value(self, label, pred):
        return losses.mean_squared_error(label, pred, axis=None, reduction="mean")


@register
class RMSE(_MeanOfBatches):
    """The mean over batches of √mean((label − pred)²)."""

    def __init__(self, name="rmse", output_names=None, label_names=None):
        super().__init__(name, output_names=output_names, label_names=label_names)

    def _value(self, label, pred):
        return elementwise.sqrt(losses.mean_squared_error(label, pred, axis=None, reduction="mean"))


@register
@alias("pearsonr")
class PearsonCorrelation(EvalMetric):
    """Pearson's correlation.

    average: 'macro' (the mean of each batch's) or 'micro' (of all values together).
    """

    _has_global_stats = True

    def __init__(self, name="pearsonr", output_names=None, label_names=None, average="macro"):
        self.average = average
        super().__init__(name, output_names=output_names, label_names=label_names)

    def reset(self):
        """Begin anew."""
        super().reset()
        self.reset_micro()

    def reset_micro(self):
        """Begin the running moments of 'micro' anew."""
        self._moments = None

    def update(self, labels, preds):
        """Add a batch.

        Raises ValueError for labels of another shape.
        """
        for label, pred in pairs(labels, preds):
            check_label_shapes(label, pred, shape=True)
            if self.average == "macro":
                self._add(scores.pearson_correlation(label.reshape(-1).to(pred.dtype), pred.reshape(-1)), 1)
                continue
            if self._moments is None:
                self._moments = [torch.zeros(shape, dtype=torch.float64, device=pred.device) for shape in ((), 2, 3)]
            correlation_(*self._moments, label, pred)
            self._counts[0] += 1
            self._counts[1] += 1

    def update_variance(self, new_values, *aggregate):
        """(count, mean, sum of squared deviations) with some more values.

        new_values: a numpy array; aggregate: count, mean and sum of what came before. Welford 1962.
        """
        count, mean, squares = aggregate
        count += len(new_values)
        gaps = new_values - mean
        mean = mean + numpy.sum(gaps / count)
        return count, mean, squares + numpy.sum(gaps * (new_values - mean))

    def update_cov(self, label, pred):
        """Add the products of deviations from the running means of 'micro' to their sum."""
        if self._moments is None:
            raise AttributeError(explain("There are no running means yet", hint="Call update() with average='micro'."))
        scores.co_moment_(*self._moments[1:], tensor_of(label), tensor_of(pred))

    def get(self):
        """(name, value)."""
        if self.average == "macro" or self._moments is None:
            return super().get()
        return self.name, scores.correlation(self._moments[2]).item()


@register
class Loss(EvalMetric):
    """The mean of the predictions, which are losses."""

    _has_global_stats = True

    def __init__(self, name="loss", output_names=None, label_names=None):
        super().__init__(name, output_names=output_names, label_names=label_names)

    def update(self, _, preds):
        """Add a batch of losses."""
        for pred in map(tensor_of, as_list(preds)):
            self._add(pred, pred.numel())


@register
class Torch(Loss):
    """`Loss` under another name."""

    def __init__(self, name="torch", output_names=None, label_names=None):
        super().__init__(name, output_names=output_names, label_names=label_names)


@register
class Caffe(Loss):
    """`Loss` under another name."""

    def __init__(self, name="caffe", output_names=None, label_names=None):
        super().__init__(name, output_names=output_names, label_names=label_names)


@register
class CustomMetric(EvalMetric):
    """The mean of what a function of numpy arrays answers: a value, or (sum, number).

    feval: `feval(label, pred)`; allow_extra_outputs: whether there may be more predictions than labels.
    """

    _has_global_stats = True

    def __init__(self, feval, name=None, allow_extra_outputs=False, output_names=None, label_names=None):
        if name is None:
            name = feval.__name__
            name = f"custom({name})" if "<" in name else name
        super().__init__(
            name,
            feval=feval,
            allow_extra_outputs=allow_extra_outputs,
            output_names=output_names,
            label_names=label_names,
        )
        self._feval = feval
        self._allow_extra_outputs = allow_extra_outputs

    def update(self, labels, preds):
        """Add a batch."""
        labels, preds = as_list(labels), as_list(preds)
        if not self._allow_extra_outputs:
            check_label_shapes(labels, preds)
        for pred, label in zip(preds, labels):
            value = self._feval(tensor_of(label).cpu().numpy(), tensor_of(pred).cpu().numpy())
            total, count = value if isinstance(value, tuple) else (value, 1)
            for which in (0, 1):
                self._sums[which] += float(total)  # a float32 would round the sum of all batches
                self._counts[which] += count

    def get_config(self):
        """Raises NotImplementedError: a function cannot be written down."""
        raise NotImplementedError(explain("CustomMetric cannot be serialized"))


def np(numpy_feval, name=None, allow_extra_outputs=False):
    """A `CustomMetric` from a function of numpy arrays."""

    def feval(label, pred):
        return numpy_feval(label, pred)

    feval.__name__ = numpy_feval.__name__
    return CustomMetric(feval, name, allow_extra_outputs)
