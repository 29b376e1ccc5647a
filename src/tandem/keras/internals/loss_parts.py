"""The steps of a loss: its reduction, ranks that fit, weights and masks."""

from tandem.core.errors import explain
from tandem.keras.losses.loss import REDUCTIONS
from tandem.keras.ops.family import tensor
from tandem.ops import losses as rules


def standardize_reduction(reduction):
    """Raise ValueError for what is no reduction of a loss."""
    if reduction not in REDUCTIONS:
        raise ValueError(
            explain(
                "Invalid value for argument `reduction`",
                expected=f"one of {REDUCTIONS}",
                given=f"reduction={reduction}",
            )
        )


def squeeze_or_expand_to_same_rank(x1, x2, expand_rank_1=True):
    """Two values of one rank, where they differ by a last axis of size 1.

    expand_rank_1: a vector gets the axis, in place of the other value's losing it.
    """
    ranks = len(x1.shape), len(x2.shape)
    if ranks[0] == ranks[1]:
        return x1, x2
    if ranks[0] == ranks[1] + 1 and x1.shape[-1] == 1:
        if ranks[1] == 1 and expand_rank_1:
            return x1, tensor(x2).unsqueeze(-1)
        return tensor(x1).squeeze(-1), x2
    if ranks[1] == ranks[0] + 1 and x2.shape[-1] == 1:
        if ranks[0] == 1 and expand_rank_1:
            return tensor(x1).unsqueeze(-1), x2
        return x1, tensor(x2).squeeze(-1)
    return x1, x2


def reduce_values(values, sample_weight=None, reduction="sum_over_batch_size"):
    """The values of a loss, already weighted, reduced; sample_weight: what "mean_with_sample_weight" divides by."""
    values = tensor(values)
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        # The weights divide here without having to multiply.
        weights = rules.aligned(tensor(sample_weight, values.dtype), values).expand(values.shape)
        return rules.reduce(values, reduction="sum") / rules.reduce(weights, reduction="sum")
    return rules.reduce(values, reduction=reduction)


def reduce_weighted_values(values, sample_weight=None, mask=None, reduction="sum_over_batch_size", dtype=None):
    """The values of a loss times their weights, less masked ones, reduced."""
    standardize_reduction(reduction)
    values = tensor(values, dtype)
    weights = None if sample_weight is None else tensor(sample_weight, values.dtype)
    return rules.reduce(values, reduction=reduction, weights=weights, mask=None if mask is None else tensor(mask))
