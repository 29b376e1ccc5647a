"""Objects that quantise: a rule with its settings."""

from tandem.keras.quantizers.functions import EPSILON, abs_max_quantize


class Quantizer:
    """Base of quantisers: a subclass's call gives integers of `output_dtype` and their scale. This one gives x back."""

    def __init__(self, output_dtype="int8"):
        self.output_dtype = output_dtype

    def __call__(self, x):
        return x

    @classmethod
    def from_config(cls, config):
        """The quantiser that `get_config` describes."""
        return cls(**config)

    def get_config(self):
        """The arguments that make an equal quantiser. A subclass gives it."""
        raise NotImplementedError(f"{self} does not implement get_config()")


class AbsMaxQuantizer(Quantizer):
    """``round(x * scale)``, where the largest absolute value becomes the end of `value_range`; see `abs_max_quantize`.

    axis: over which the largest is looked for, where the call does not say. Raises ValueError for a range that int8
    cannot hold.
    """

    def __init__(self, axis=None, value_range=(-127, 127), epsilon=EPSILON, output_dtype="int8"):
        super().__init__(output_dtype)
        self.axis = None if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.value_range = tuple(value_range)
        self.epsilon = epsilon
        if output_dtype == "int8" and (value_range[0] < -128 or value_range[1] > 127):
            raise ValueError(
                "Quantizer with output_dtype='int8' requires value_range to be within the interval [-128, 127]. "
                f"Received: value_range={value_range}"
            )

    def __call__(self, x, axis=None, to_numpy=False):
        """(integers, scale)."""
        axis = self.axis if axis is None else axis
        axis = -1 if axis is None else axis
        return abs_max_quantize(x, axis, self.value_range, self.output_dtype, self.epsilon, to_numpy)

    def get_config(self):
        """The arguments that make an equal quantiser."""
        config = {"value_range": self.value_range, "epsilon": self.epsilon, "output_dtype": self.output_dtype}
        return config if self.axis is None else {**config, "axis": self.axis}
