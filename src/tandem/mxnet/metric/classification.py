"""Metrics of classes."""

import math

import numpy
import torch

from tandem.core.errors import explain
from tandem.mxnet.metric.base import EvalMetric, alias, check_length, pairs, register
from tandem.ops import scores
from tandem.ops.scores import sum_


@register
@alias("acc")
class Accuracy(EvalMetric):
    """The share of predictions that are the label: class numbers, or scores whose largest along `axis` counts."""

    _has_global_stats = True

    def __init__(self, axis=1, name="accuracy", output_names=None, label_names=None):
        super().__init__(name, axis=axis, output_names=output_names, label_names=label_names)
        self.axis = axis

    def update(self, labels, preds):
        """Add a batch."""
        for label, pred in pairs(labels, preds):
            label = label.to(torch.int32)
            if pred.shape == label.shape:
                matches = scores.equal(label, pred.to(torch.int32))
            else:
                sizes = list(pred.shape)
                del sizes[self.axis % len(sizes)]
                if label.numel() != math.prod(sizes):
                    check_length(label.reshape(-1), pred.new_empty(sizes).reshape(-1))
                if list(label.shape) != sizes:
                    label = label.reshape(sizes)
                matches = scores.sparse_matches(label, pred, axis=self.axis, dtype=None)
            self._add(matches, matches.numel())


@register
@alias("top_k_accuracy", "top_k_acc")
class TopKAccuracy(EvalMetric):
    """The share of samples whose label is among the `top_k` highest scores.

    Raises AssertionError for top_k ≤ 1.
    """

    _has_global_stats = True

    def __init__(self, top_k=1, name="top_k_accuracy", output_names=None, label_names=None):
        super().__init__(name, top_k=top_k, output_names=output_names, label_names=label_names)
        self.top_k = top_k
        if top_k <= 1:
            raise AssertionError(explain("Please use Accuracy if top_k is no more than 1", given=f"top_k={top_k}"))
        self.name += f"_{top_k}"

    def update(self, labels, preds):
        """Add a batch."""
        for label, pred in pairs(labels, preds):
            if pred.dim() > 2:
                raise AssertionError(
                    explain("Predictions should be no more than 2 dims", given=f"shape {tuple(pred.shape)}")
                )
            label = label.to(torch.int32).reshape(-1)
            check_length(label, pred)
            if pred.dim() == 1:
                matches = scores.equal(label, pred.to(torch.int32))
            else:
                matches = scores.topk_matches(label, pred, min(self.top_k, pred.shape[1]))
            self._add(matches, matches.numel())


class _BinaryScore(EvalMetric):
    """Scores of the counts of two classes, per batch ('macro') or of all batches together ('micro')."""

    _has_global_stats = True

    def __init__(self, name, output_names, label_names, average):
        self.average = average
        super().__init__(name=name, output_names=output_names, label_names=label_names)

    def reset(self):
        """Begin anew."""
        super().reset()
        self._recent, self._tables = {}, [numpy.zeros(4), numpy.zeros(4)]

    def reset_local(self):
        """Begin anew, but keep what `get_global` tells."""
        super().reset_local()
        self._tables[0] = numpy.zeros(4)

    def update(self, labels, preds):
        """Add a batch.

        Raises ValueError for more than two classes.
        """
        for label, pred in pairs(labels, preds):
            predicted = pred.argmax(1) if pred.dim() > 1 else pred
            label = label.to(torch.int32).reshape(-1)
            check_length(label, pred)
            if label.device.type == "cpu" and len(set(label.tolist())) > 2:
                raise ValueError(
                    explain(
                        f"{type(self).__name__} currently only supports binary classification",
                        expected="labels of two classes",
                        given=f"labels {sorted(set(label.tolist()))[:5]}",
                    )
                )
            counts = scores.binary_counts(label, predicted.to(torch.int32).reshape(-1), dtype=torch.float64)
            if self.average == "macro":
                self._add(self._score(*counts), 1)
            else:
                if label.device not in self._recent:
                    self._recent[label.device] = [
                        torch.zeros((), dtype=torch.float64, device=label.device) for _ in range(4)
                    ]
                for total, count in zip(self._recent[label.device], counts):
                    sum_(total, count)

    def _pull(self):
        super()._pull()
        if not self._recent:
            return
        recent, self._recent = self._recent, {}
        for totals in recent.values():
            values = torch.stack(totals).cpu().numpy()
            for which in (0, 1):
                self._tables[which] = self._tables[which] + values
        for which, table in enumerate(self._tables):
            count = int(table.sum())
            self._counts[which] = count
            self._sums[which] = self._score(*torch.from_numpy(table)).item() * count


@register
class F1(_BinaryScore):
    """2·precision·recall / (precision + recall) of class 1.

    average: 'macro' (the mean of each batch's) or 'micro' (of all counts together).
    """

    def __init__(self, name="f1", output_names=None, label_names=None, average="macro"):
        super().__init__(name, output_names, label_names, average)

    def _score(self, tp, fp, tn, fn):
        return scores.f_beta(tp, fp, fn)


@register
class MCC(_BinaryScore):
    """Matthews' correlation coefficient of two classes.

    average: 'macro' (the mean of each batch's) or 'micro' (of all counts together).
    """

    def __init__(self, name="mcc", output_names=None, label_names=None, average="macro"):
        super().__init__(name, output_names, label_names, average)

    def _score(self, tp, fp, tn, fn):
        return scores.matthews(tp, fp, tn, fn)


class _LogLoss(EvalMetric):
    """Means of −log p[label]."""

    _has_global_stats = True

    _guard = "add"

    def _count(self, label, pred, **options):
        label = label.to(torch.int32).reshape(-1)
        if label.numel() != pred.numel() // pred.shape[-1]:
            raise AssertionError(
                explain("shape mismatch", expected=f"{pred.numel() // pred.shape[-1]} labels", given=tuple(label.shape))
            )
        total, number = scores.log_loss(label, pred, guard=self._guard, **options)
        self._add(total, number)


@register
@alias("ce")
class CrossEntropy(_LogLoss):
    """−mean(log(p[label] + eps)); predictions are probabilities."""

    def __init__(self, eps=1e-12, name="cross-entropy", output_names=None, label_names=None):
        super().__init__(name, eps=eps, output_names=output_names, label_names=label_names)
        self.eps = eps

    def update(self, labels, preds):
        """Add a batch."""
        for label, pred in pairs(labels, preds):
            self._count(label, pred, epsilon=self.eps)


@register
@alias("nll_loss")
class NegativeLogLikelihood(_LogLoss):
    """−mean(log(p[label] + eps)); predictions are probabilities."""

    def __init__(self, eps=1e-12, name="nll-loss", output_names=None, label_names=None):
        super().__init__(name, eps=eps, output_names=output_names, label_names=label_names)
        self.eps = eps

    def update(self, labels, preds):
        """Add a batch."""
        for label, pred in pairs(labels, preds):
            self._count(label, pred, epsilon=self.eps)


@register
class Perplexity(_LogLoss):
    """exp(−mean(log p[label])).

    ignore_label: a label that does not count, or None; axis: of the classes: the last one.
    """

    _guard = "max"

    def __init__(self, ignore_label, axis=-1, name="perplexity", output_names=None, label_names=None):
        super().__init__(name, ignore_label=ignore_label, output_names=output_names, label_names=label_names)
        self.ignore_label = ignore_label
        self.axis = axis

    def update(self, labels, preds):
        """Add a batch."""
        if len(labels) != len(preds):
            raise AssertionError(
                explain("As many labels as predictions", expected=f"{len(preds)} labels", given=len(labels))
            )
        for label, pred in pairs(labels, preds):
            self._count(label, pred.movedim(self.axis, -1), epsilon=1e-10, ignore_label=self.ignore_label)

    def _result(self, total, count):
        return math.exp(total / count)


@register
class PCC(EvalMetric):
    """Matthews' correlation coefficient of any number of classes, of all batches together."""

    _has_global_stats = True

    def __init__(self, name="pcc", output_names=None, label_names=None, has_global_stats=True):
        super().__init__(
            name=name, output_names=output_names, label_names=label_names, has_global_stats=has_global_stats
        )

    def reset(self):
        """Begin anew."""
        super().reset()
        self._matrices = [None, None]

    def reset_local(self):
        """Begin anew, but keep what `get_global` tells."""
        super().reset_local()
        self._matrices[0] = None

    def update(self, labels, preds):
        """Add a batch."""
        for label, pred in pairs(labels, preds):
            label = label.to(torch.int32).reshape(-1)
            # How many classes there are may grow: this one metric looks at each batch.
            predicted = pred.argmax(1).reshape(-1) if pred.dim() > 1 else pred.reshape(-1).to(torch.int32)
            check_length(label, predicted)
            known = 0 if self._matrices[1] is None else self._matrices[1].shape[0]
            classes = max(known, int(label.max()) + 1, int(predicted.max()) + 1)
            batch = scores.confusion_matrix(predicted, label, classes, dtype=torch.float64).cpu().numpy()
            self._matrices = [_grown(matrix, classes) + batch for matrix in self._matrices]
        for which in (0, 1):
            self._counts[which] += 1
            score = scores.matrix_correlation(torch.from_numpy(self._matrices[which])).item()
            self._sums[which] = (0.0 if math.isnan(score) else score) * self._counts[which]


def _grown(matrix, classes):
    new = numpy.zeros((classes, classes))
    if matrix is not None:
        new[: matrix.shape[0], : matrix.shape[1]] = matrix
    return new
