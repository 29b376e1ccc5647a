"""Keras 2's `keras.utils.metrics_utils` and `keras.utils.losses_utils`: what its metrics and losses are made of."""

import enum
import functools

import numpy as np

from tandem.core.errors import explain
from tandem.keras import ops, tensors
from tandem.keras.legacy.losses import Reduction
from tandem.ops import scores


class AUCCurve(enum.Enum):
    """The curves whose area `AUC` gives."""

    ROC = "ROC"
    PR = "PR"

    @staticmethod
    def from_str(key):
        """The curve with a name. Raises ValueError for others."""
        return _by_name(AUCCurve, key, "AUC curve")


class AUCSummationMethod(enum.Enum):
    """How `AUC` puts the area together."""

    INTERPOLATION = "interpolation"
    MAJORING = "majoring"
    MINORING = "minoring"

    @staticmethod
    def from_str(key):
        """The method with a name. Raises ValueError for others."""
        return _by_name(AUCSummationMethod, key, "AUC summation method")


def _by_name(kind, key, what):
    for member in kind:
        if key in (member.value, member.value.lower(), member.value.capitalize()):
            return member
    raise ValueError(f'Invalid {what} value: "{key}". Expected values are {[member.value for member in kind]}')


class ConfusionMatrix(enum.Enum):
    """The four counts of a confusion matrix."""

    TRUE_POSITIVES = "tp"
    FALSE_POSITIVES = "fp"
    TRUE_NEGATIVES = "tn"
    FALSE_NEGATIVES = "fn"


def assert_thresholds_range(thresholds):
    """Raise ValueError where a threshold is None or not between 0 and 1."""
    wrong = [value for value in thresholds if value is None or not 0 <= value <= 1] if thresholds is not None else []
    if wrong:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {wrong}")


def parse_init_thresholds(thresholds, default_threshold=0.5):
    """Thresholds as a list: those that were given, or the default."""
    found = default_threshold if thresholds is None else thresholds
    found = list(found) if isinstance(found, (list, tuple)) else [found]
    if thresholds is not None:
        assert_thresholds_range(found)
    return found


def filter_top_k(x, k):
    """x with -1e10 in place of all but the k largest values of each row."""
    x = tensors.convert(x)
    kept = scores.keep_largest(x, k)
    return ops.where(ops.isinf(kept), -1e10, kept)


def weighted_assign_add(label, pred, weights, var):
    """Add to the variable `var` how often both `label` and `pred` are true, weighted, along the second axis."""
    both = ops.cast(ops.logical_and(label, pred), var.dtype)
    if weights is not None:
        both = ops.multiply(both, ops.cast(weights, var.dtype))
    return var.assign_add(ops.sum(both, axis=1))


def update_confusion_matrix_variables(
    variables_to_update, y_true, y_pred, thresholds, top_k=None, class_id=None, sample_weight=None
):
    """Add the counts of a batch to variables.

    variables_to_update: {a `ConfusionMatrix`: variable (thresholds,)}; y_true, y_pred: (samples, …), predictions from 0
    to 1; thresholds: a number or a list; top_k: only the k largest predictions of a sample may be positive; class_id:
    look at this class only. Raises ValueError where no variable is given, and for other keys.
    """
    known = {key for key in variables_to_update or {} if key in list(ConfusionMatrix)}
    if variables_to_update is not None and not known:
        raise ValueError(
            explain(
                "Please provide at least one valid confusion matrix variable to update",
                expected=str(list(ConfusionMatrix)),
                given=str(list(variables_to_update)),
            )
        )
    y_pred, y_true = tensors.convert(y_pred, "float32"), tensors.convert(y_true, "float32")
    y_pred, y_true, *weights = squeeze_or_expand_dimensions(y_pred, y_true, sample_weight)
    if top_k is not None:
        y_pred = filter_top_k(y_pred, top_k)
    if class_id is not None:
        y_true, y_pred = y_true[..., class_id], y_pred[..., class_id]
    limits = tensors.convert(np.atleast_1d(np.asarray(thresholds, "float32")))
    weights = tensors.convert(weights[0]) if weights else None
    counts = scores.confusion(y_true, y_pred, limits, weights=weights)
    order = ("TRUE_POSITIVES", "FALSE_POSITIVES", "TRUE_NEGATIVES", "FALSE_NEGATIVES")
    for name, count in zip(order, counts):
        if ConfusionMatrix[name] in known:
            variables_to_update[ConfusionMatrix[name]].assign_add(count)


def result_wrapper(result_fn):
    """A metric's `result` which keeps what it gave last in `_call_result`."""

    @functools.wraps(result_fn)
    def decorated(metric_obj, *args):
        metric_obj._call_result = result_fn(*args)
        return metric_obj._call_result

    return decorated


def update_state_wrapper(update_state_fn):
    """A metric's `update_state` which takes the metric first: here nothing else is to be done around it."""

    @functools.wraps(update_state_fn)
    def decorated(metric_obj, *args, **kwargs):
        return update_state_fn(*args, **kwargs)

    return decorated


# --- losses_utils ----------------------------------------------------------------------------------------------------


def squeeze_or_expand_dimensions(y_pred, y_true=None, sample_weight=None):
    """(y_pred, y_true) or (y_pred, y_true, sample_weight) of ranks that go together.

    Where one of predictions and targets has a last axis of size 1 more than the other, it loses it; the weights lose
    their last axis or get one where they are one axis longer or shorter than the predictions.
    """
    y_pred = tensors.convert(y_pred)
    if y_true is not None:
        y_true = tensors.convert(y_true)
        if y_pred.ndim == y_true.ndim + 1 and y_pred.shape[-1] == 1:
            y_pred = ops.squeeze(y_pred, -1)
        elif y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
            y_true = ops.squeeze(y_true, -1)
    if sample_weight is None:
        return y_pred, y_true
    sample_weight = tensors.convert(sample_weight)
    if sample_weight.ndim and sample_weight.ndim == y_pred.ndim + 1:
        sample_weight = ops.squeeze(sample_weight, -1)
    elif sample_weight.ndim and sample_weight.ndim == y_pred.ndim - 1:
        sample_weight = ops.expand_dims(sample_weight, -1)
    return y_pred, y_true, sample_weight


def broadcast_weights(values, sample_weight):
    """Weights in the shape of the values: axes are added at their end, and those of size 1 repeated.

    Raises ValueError for shapes that do not fit.
    """
    values, sample_weight = tensors.convert(values), tensors.convert(sample_weight)
    while sample_weight.ndim < values.ndim:
        sample_weight = ops.expand_dims(sample_weight, -1)
    try:
        return ops.broadcast_to(sample_weight, tuple(values.shape))
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            explain(
                "Weights cannot be broadcast to values",
                expected=f"a shape that fits {tuple(values.shape)}",
                given=tuple(sample_weight.shape),
            )
        ) from error


def reduce_weighted_loss(weighted_losses, reduction=Reduction.SUM_OVER_BATCH_SIZE):
    """The values themselves ("none"), their sum ("sum") or their mean ("sum_over_batch_size")."""
    weighted_losses = tensors.convert(weighted_losses)
    if reduction == Reduction.NONE:
        return weighted_losses
    return ops.sum(weighted_losses) if reduction == Reduction.SUM else ops.mean(weighted_losses)


def compute_weighted_loss(losses, sample_weight=None, reduction=Reduction.SUM_OVER_BATCH_SIZE, name=None):
    """Losses times weights, reduced; whole numbers stay whole. name: of the graph's node, of which there is none."""
    Reduction.validate(reduction)
    losses = tensors.convert(losses)
    dtype = losses.dtype
    if not losses.is_floating_point():
        losses = ops.cast(losses, "float32")
    weights = ops.cast(1.0 if sample_weight is None else sample_weight, losses.dtype)
    losses, _, weights = squeeze_or_expand_dimensions(losses, None, weights)
    return ops.cast(reduce_weighted_loss(ops.multiply(losses, weights), reduction), dtype)
