"""`Loss`: from targets and predictions to one number; ranks, weights, masks and reduction are the same for all."""

import numpy as np
import torch

from tandem.core import arrays, dtypes
from tandem.core.errors import explain, suggest
from tandem.engine.distributed import shards
from tandem.keras import config, dtype_policies, tensors
from tandem.keras.internals.rebinding import calling
from tandem.keras.legacy.k_nodes import apply
from tandem.keras.symbolic import any_symbolic
from tandem.ops import losses as rules

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss:
    """A loss: `call(y_true, y_pred)` gives one value to a sample, the object's own call weights and reduces them.

    name: shown in messages; reduction: "sum_over_batch_size" (or "mean": the mean of all values), "sum",
    "mean_with_sample_weight" (divided by the sum of the weights) or "none"; dtype: of the computation, by default
    `floatx`. Raises ValueError for another reduction.
    """

    def __init__(self, name=None, reduction="sum_over_batch_size", dtype=None):
        self.name = name or _auto_name(type(self).__name__)
        if reduction == "auto":  # Keras 2
            reduction = "sum_over_batch_size"
        if reduction not in REDUCTIONS:
            raise ValueError(
                explain(
                    "Invalid value for argument `reduction`",
                    expected=f"one of {REDUCTIONS}",
                    given=f"reduction={reduction!r}",
                    hint=suggest(reduction, REDUCTIONS),
                )
            )
        self.reduction = reduction
        self._dtype_policy = dtype_policies.get(dtype if dtype is not None else config.floatx())
        self._dtype = self._dtype_policy.compute_dtype
        self._torch_dtype = dtypes.torch_dtype(self._dtype)

    @property
    def dtype(self):
        """The name of the dtype that the loss computes in."""
        return self._dtype

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The reduced loss.

        y_true, y_pred: tensors (or trees of them, where `call` takes trees); sample_weight: one weight to a sample or
        to a value of the loss. A mask that travels with y_pred leaves values out.
        """
        if any_symbolic((y_true, y_pred)):
            return apply(self, y_true, y_pred, sample_weight)
        mask = tensors.get_mask(y_pred)
        y_true = map_values(self._target, y_true)
        y_pred = map_values(self._prediction, y_pred)
        if sample_weight is None and mask is None:
            total = self._mean(y_true, y_pred)
            if total is not None:
                return total
        values = tensors.convert(calling(self.call, y_true, y_pred), self._torch_dtype)
        own = tensors.get_mask(values)
        if own is not None:
            mask = own if mask is None else mask & own
        if sample_weight is not None:
            sample_weight = tensors.convert(sample_weight, self._torch_dtype, device=values.device)
            if values.dim() < 2 and sample_weight.dim() == 2 and sample_weight.shape[-1] == 1:
                values = values.reshape(-1, 1)  # Keras keeps the weights' axis, which shows without a reduction
        return rules.reduce(values, reduction=self.reduction, weights=sample_weight, mask=mask, share=shards.current())

    def _mean(self, y_true, y_pred):
        """The mean of all values in one call, where there is such a call; else None."""
        return

    def _prediction(self, value):
        return tensors.convert(value, self._torch_dtype)

    def _target(self, value):
        # Whole numbers stay whole: class numbers need no way through floating point.
        value = tensors.convert(value)
        return value.to(self._torch_dtype) if value.is_floating_point() else value

    def call(self, y_true, y_pred):
        """One value to a sample."""
        raise NotImplementedError(f"{type(self).__name__} must define `call(self, y_true, y_pred)`.")

    def get_config(self):
        """The arguments that make an equal loss."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config):
        """The loss that `get_config` describes."""
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A loss made of a function of (y_true, y_pred); further arguments are passed to it."""

    def __init__(self, fn, reduction="sum_over_batch_size", name=None, dtype=None, **kwargs):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true, y_pred):
        """The function's values."""
        return self.fn(*same_rank_trees(y_true, y_pred), **self._fn_kwargs)

    def _mean(self, y_true, y_pred):
        whole = getattr(self.fn, "mean", None)
        if whole is None or self.reduction not in ("sum_over_batch_size", "mean"):
            return None
        return whole(*same_rank_trees(y_true, y_pred), **self._fn_kwargs)

    def get_config(self):
        """The arguments that make an equal loss."""
        from tandem.keras import losses

        config = super().get_config()
        if type(self) is LossFunctionWrapper:
            config["fn"] = losses.serialize(self.fn)
        return config | self._fn_kwargs

    @classmethod
    def from_config(cls, config):
        """The loss that `get_config` describes."""
        from tandem.keras import losses

        if "fn" in config:
            config = config | {"fn": losses.get(config["fn"])}
        return cls(**config)

    def __repr__(self):
        return f"<LossFunctionWrapper({self.fn}, kwargs={self._fn_kwargs})>"


def map_values(function, value):
    """A tree with `function` applied to each leaf; a list of numbers is one leaf."""
    if isinstance(value, (list, tuple)) and is_numbers(value):
        return function(value)
    return arrays.map_tree(function, value)


def is_numbers(value):
    """Whether a list is nothing but (nested lists of) numbers: one array, not several."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (int, float, bool, np.number, np.bool_)) and not isinstance(value, (list, tuple))


def same_rank(y_true, y_pred):
    """Targets and predictions of one rank: where one has an axis of size 1 more, it is dropped, or the other gets
    it.
    """
    of_true, of_pred = y_true.dim(), y_pred.dim()
    if of_true == of_pred:
        return y_true, y_pred
    if of_true == of_pred + 1 and y_true.shape[-1] == 1:
        if of_pred == 1:
            return y_true, y_pred.unsqueeze(-1)
        return y_true.squeeze(-1), y_pred
    if of_pred == of_true + 1 and y_pred.shape[-1] == 1:
        if of_true == 1:
            return y_true.unsqueeze(-1), y_pred
        return y_true, y_pred.squeeze(-1)
    return y_true, y_pred


def same_rank_trees(y_true, y_pred):
    """`same_rank` leaf by leaf, where both are trees of one structure."""
    if isinstance(y_true, torch.Tensor) and isinstance(y_pred, torch.Tensor):
        return same_rank(y_true, y_pred)
    pairs = [same_rank(t, p) for t, p in zip(arrays.leaves(y_true), arrays.leaves(y_pred))]
    trues, preds = iter([t for t, _ in pairs]), iter([p for _, p in pairs])
    return arrays.map_tree(lambda _: next(trues), y_true), arrays.map_tree(lambda _: next(preds), y_pred)


def _auto_name(class_name):
    from tandem.keras import naming

    return naming.auto_name(class_name)
