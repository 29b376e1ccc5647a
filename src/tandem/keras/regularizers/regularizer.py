"""Regularizers: penalties of weights and activities, added to the loss."""

import math

from tandem.core.errors import explain
from tandem.keras import tensors
from tandem.ops import penalties


class Regularizer:
    """A function of a tensor that gives a scalar penalty."""

    steers = True  # its attributes are read in each step (see `core.module.fingerprint`)

    def __call__(self, x):
        return 0.0

    def get_config(self):
        """The arguments that make an equal regularizer."""
        raise NotImplementedError(f"{type(self).__name__} does not implement get_config()")

    @classmethod
    def from_config(cls, config):
        """The regularizer that `get_config` describes."""
        return cls(**config)


def _factor(value, name):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(
            explain(f"Invalid value for argument {name}", expected="a non-negative float", given=f"{name}={value}")
        )
    return value


def _tensor(x):
    return x.value if hasattr(x, "__torch_function__") and hasattr(x, "assign") else tensors.convert(x)


class L1L2(Regularizer):
    """``l1 * sum |x| + l2 * sum x^2``."""

    def __init__(self, l1=0.0, l2=0.0):
        self.l1 = _factor(0.0 if l1 is None else l1, "l1")
        self.l2 = _factor(0.0 if l2 is None else l2, "l2")

    def __call__(self, x):
        x = _tensor(x)
        if self.l1 and self.l2:
            return penalties.l1(x, self.l1) + penalties.l2(x, self.l2)
        return penalties.l1(x, self.l1) if self.l1 else penalties.l2(x, self.l2)

    def get_config(self):
        """The arguments that make an equal regularizer."""
        return {"l1": float(self.l1), "l2": float(self.l2)}


class L1(Regularizer):
    """``l1 * sum |x|``."""

    def __init__(self, l1=0.01):
        self.l1 = _factor(0.01 if l1 is None else l1, "l1")

    def __call__(self, x):
        return penalties.l1(_tensor(x), self.l1)

    def get_config(self):
        """The arguments that make an equal regularizer."""
        return {"l1": float(self.l1)}


class L2(Regularizer):
    """``l2 * sum x^2``."""

    def __init__(self, l2=0.01):
        self.l2 = _factor(0.01 if l2 is None else l2, "l2")

    def __call__(self, x):
        return penalties.l2(_tensor(x), self.l2)

    def get_config(self):
        """The arguments that make an equal regularizer."""
        return {"l2": float(self.l2)}


class OrthogonalRegularizer(Regularizer):
    """Mean absolute cosine between the rows (or columns) of a matrix, times `factor`.

    mode: "rows" or "columns". Raises ValueError for tensors that are no matrices.
    """

    def __init__(self, factor=0.01, mode="rows"):
        self.factor = _factor(factor, "factor")
        if mode not in ("rows", "columns"):
            raise ValueError(
                explain("Invalid value for argument `mode`", expected="'rows' or 'columns'", given=f"mode={mode}")
            )
        self.mode = mode

    def __call__(self, x):
        x = _tensor(x)
        if x.dim() != 2:
            raise ValueError(
                f"Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={tuple(x.shape)}"
            )
        return penalties.orthogonal(x, self.factor, self.mode)

    def get_config(self):
        """The arguments that make an equal regularizer."""
        return {"factor": float(self.factor), "mode": self.mode}
