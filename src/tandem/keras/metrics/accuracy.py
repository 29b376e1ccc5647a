"""Accuracies: which predictions are right."""

from tandem.keras import tensors
from tandem.keras.metrics.metric import MeanMetricWrapper, same_ranks
from tandem.ops import scores


def accuracy(y_true, y_pred):
    """1 where y_true equals y_pred, element by element, else 0."""
    y_true, y_pred = same_ranks(y_true, y_pred)
    return scores.equal(y_true, y_pred)


def binary_accuracy(y_true, y_pred, threshold=0.5):
    """1 where ``(y_pred > threshold)`` equals y_true, else 0, element by element.

    threshold: 0 for logits; None is 0.5.
    """
    y_true, y_pred = same_ranks(y_true, y_pred)
    return scores.binary_matches(y_true, y_pred, 0.5 if threshold is None else threshold)


def categorical_accuracy(y_true, y_pred):
    """1 where the largest entry of y_true and of y_pred on the last axis are the same, else 0: one value to a
    sample.
    """
    y_pred = tensors.convert(y_pred)
    return scores.categorical_matches(tensors.convert(y_true, device=y_pred.device), y_pred)


def sparse_categorical_accuracy(y_true, y_pred):
    """1 where the largest entry of y_pred on the last axis is number y_true, else 0: one value to a sample."""
    y_pred = tensors.convert(y_pred)
    return scores.sparse_matches(tensors.convert(y_true, device=y_pred.device), y_pred)


def top_k_categorical_accuracy(y_true, y_pred, k=5):
    """1 where the largest entry of y_true is among the `k` largest of y_pred on the last axis, else 0."""
    y_pred = tensors.convert(y_pred)
    return scores.topk_matches(tensors.convert(y_true, device=y_pred.device).argmax(-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true, y_pred, k=5, from_sorted_ids=False):
    """1 where number y_true is among the `k` largest entries of y_pred on the last axis, else 0.

    from_sorted_ids: y_pred holds class numbers, the best first.
    """
    y_pred = tensors.convert(y_pred)
    y_true = tensors.convert(y_true, device=y_pred.device)
    if y_true.dim() == y_pred.dim():
        y_true = y_true.squeeze(-1)
    return scores.sorted_topk_matches(y_true, y_pred, k) if from_sorted_ids else scores.topk_matches(y_true, y_pred, k)


class Accuracy(MeanMetricWrapper):
    """The share of elements of y_pred that equal y_true."""

    _direction = "up"

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(accuracy, name=name, dtype=dtype)

    def get_config(self):
        """The arguments that make an equal metric."""
        return {"name": self.name, "dtype": self.dtype}


class BinaryAccuracy(MeanMetricWrapper):
    """The share of elements of y_pred on the right side of a threshold, which is 0 for logits."""

    _direction = "up"

    def __init__(self, name="binary_accuracy", dtype=None, threshold=0.5):
        super().__init__(binary_accuracy, name=name, dtype=dtype, threshold=threshold)
        self.threshold = threshold


class CategoricalAccuracy(Accuracy):
    """The share of samples whose likeliest class is the right one, given one-hot."""

    def __init__(self, name="categorical_accuracy", dtype=None):
        MeanMetricWrapper.__init__(self, categorical_accuracy, name=name, dtype=dtype)


class SparseCategoricalAccuracy(Accuracy):
    """The share of samples whose likeliest class is the right one, given by its number."""

    def __init__(self, name="sparse_categorical_accuracy", dtype=None):
        MeanMetricWrapper.__init__(self, sparse_categorical_accuracy, name=name, dtype=dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose right class, given one-hot, is among the `k` likeliest."""

    _direction = "up"

    def __init__(self, k=5, name="top_k_categorical_accuracy", dtype=None):
        super().__init__(top_k_categorical_accuracy, name=name, dtype=dtype, k=k)
        self.k = k


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose right class, given by its number, is among the `k` likeliest."""

    _direction = "up"

    def __init__(self, k=5, name="sparse_top_k_categorical_accuracy", dtype=None, from_sorted_ids=False):
        super().__init__(
            sparse_top_k_categorical_accuracy, name=name, dtype=dtype, k=k, from_sorted_ids=from_sorted_ids
        )
        self.k = k
        self.from_sorted_ids = from_sorted_ids

    def get_config(self):
        """The arguments that make an equal metric."""
        config = super().get_config()
        if not self.from_sorted_ids:
            del config["from_sorted_ids"]  # Keras writes no such key
        return config
