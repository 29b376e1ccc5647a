"""Intersection over union of classes."""

import torch

from tandem.core import dtypes
from tandem.core.errors import explain
from tandem.keras import tensors
from tandem.keras.metrics.metric import Metric
from tandem.ops import means, reduce, scores


class _IoU(Metric):
    """A confusion matrix of classes."""

    def __init__(
        self, num_classes, name=None, dtype=None, ignore_class=None, sparse_y_true=True, sparse_y_pred=True, axis=-1
    ):
        super().__init__(name=name, dtype=dtype or "int32")
        self._direction = "up"
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_confusion_matrix = self.add_variable((num_classes, num_classes), name="total_confusion_matrix")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch of class numbers (or, as the arguments say, of one value to a class on `axis`); returns the
        confusion matrix.
        """
        y_pred = tensors.convert(y_pred).detach()
        y_true = tensors.convert(y_true, device=y_pred.device)
        with torch.no_grad():
            if not self.sparse_y_true:
                y_true = reduce.argmax(y_true, self.axis)
            if not self.sparse_y_pred:
                y_pred = reduce.argmax(y_pred, self.axis)
            weights = None
            if sample_weight is not None:
                weights = tensors.convert(sample_weight, device=y_pred.device)
                weights = self._one_to_a_label(weights, y_true)
            matrix = scores.confusion_matrix(
                y_true,
                y_pred,
                self.num_classes,
                weights=weights,
                ignore_class=self.ignore_class,
                dtype=dtypes.torch_dtype(self.dtype),
            )
            means.accumulate(self.total_confusion_matrix.tensor, matrix)
        return self.total_confusion_matrix.tensor

    @staticmethod
    def _one_to_a_label(weights, y_true):
        if weights.dim() > 1:
            return weights.reshape(-1)
        if weights.dim() and weights.shape[0] == y_true.shape[0] and y_true.dim() > 1:
            return weights.reshape(-1, *[1] * (y_true.dim() - 1)).expand(y_true.shape).reshape(-1)
        return weights

    def reset_state(self):
        """Begin again."""
        self.total_confusion_matrix.tensor.zero_()


class IoU(_IoU):
    """The mean over some classes of ``true positives / (true positives + false positives + false negatives)``.

    num_classes: of the labels, from 0; target_class_ids: the classes that count; ignore_class: a label that does not
    count; sparse_y_true, sparse_y_pred: whether they are class numbers, or one value to a class on `axis`.
    Raises ValueError for classes out of range.
    """

    def __init__(
        self,
        num_classes,
        target_class_ids,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_true=True,
        sparse_y_pred=True,
        axis=-1,
    ):
        super().__init__(num_classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)
        if max(target_class_ids) >= num_classes:
            raise ValueError(
                explain(
                    f"Target class id {max(target_class_ids)} is out of range, which is [0, {num_classes})",
                    given=f"target_class_ids={target_class_ids}",
                )
            )
        self.target_class_ids = list(target_class_ids)

    def result(self):
        """The mean over the classes."""
        return scores.intersection_over_union(self.total_confusion_matrix.tensor, self.target_class_ids)

    def get_config(self):
        """The arguments that make an equal metric."""
        return {
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "name": self.name,
            "dtype": self.dtype,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }


class BinaryIoU(IoU):
    """`IoU` of two classes, the predictions being positive from `threshold` on."""

    def __init__(self, target_class_ids=(0, 1), threshold=0.5, name=None, dtype=None):
        super().__init__(num_classes=2, target_class_ids=target_class_ids, name=name, dtype=dtype)
        self.threshold = threshold

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch of labels 0 and 1 and predictions from 0 to 1; returns the confusion matrix."""
        y_pred = tensors.convert(y_pred).detach()
        return super().update_state(y_true, y_pred >= self.threshold, sample_weight)

    def get_config(self):
        """The arguments that make an equal metric."""
        return {
            "target_class_ids": self.target_class_ids,
            "threshold": self.threshold,
            "name": self.name,
            "dtype": self.dtype,
        }


class MeanIoU(IoU):
    """`IoU` of all classes."""

    def __init__(
        self, num_classes, name=None, dtype=None, ignore_class=None, sparse_y_true=True, sparse_y_pred=True, axis=-1
    ):
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self):
        """The arguments that make an equal metric."""
        config = super().get_config()
        del config["target_class_ids"]
        return config


class OneHotIoU(IoU):
    """`IoU` of one-hot labels and one prediction to a class."""

    def __init__(
        self, num_classes, target_class_ids, name=None, dtype=None, ignore_class=None, sparse_y_pred=False, axis=-1
    ):
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self):
        """The arguments that make an equal metric."""
        config = super().get_config()
        del config["sparse_y_true"]
        return config


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` of one-hot labels and one prediction to a class."""

    def __init__(self, num_classes, name=None, dtype=None, ignore_class=None, sparse_y_pred=False, axis=-1):
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self):
        """The arguments that make an equal metric."""
        config = super().get_config()
        del config["sparse_y_true"]
        return config
