"""Constraints: what an optimizer does to a weight after each update."""

from tandem.keras import config, tensors
from tandem.ops import penalties


class Constraint:
    """A function of a tensor that gives the nearest allowed one."""

    steers = True  # its attributes are read in each step (see `core.module.fingerprint`)

    def __call__(self, w):
        return tensors.convert(w)

    def get_config(self):
        """The arguments that make an equal constraint."""
        return {}

    @classmethod
    def from_config(cls, config):
        """The constraint that `get_config` describes."""
        return cls(**config)


class MaxNorm(Constraint):
    """Norms over `axis` are at most `max_value`."""

    def __init__(self, max_value=2, axis=0):
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w):
        return penalties.max_norm(tensors.convert(w), self.max_value, self.axis, config.epsilon())

    def get_config(self):
        """The arguments that make an equal constraint."""
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """No element is negative."""

    def __call__(self, w):
        return penalties.non_negative(tensors.convert(w))


class UnitNorm(Constraint):
    """Norms over `axis` are 1."""

    def __init__(self, axis=0):
        self.axis = axis

    def __call__(self, w):
        return penalties.unit_norm(tensors.convert(w), self.axis, config.epsilon())

    def get_config(self):
        """The arguments that make an equal constraint."""
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Norms over `axis` lie between `min_value` and `max_value`; `rate` says how far each update goes there."""

    def __init__(self, min_value=0.0, max_value=1.0, rate=1.0, axis=0):
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w):
        return penalties.min_max_norm(
            tensors.convert(w), self.min_value, self.max_value, self.rate, self.axis, config.epsilon()
        )

    def get_config(self):
        """The arguments that make an equal constraint."""
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}
