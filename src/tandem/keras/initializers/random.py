"""Initializers that draw numbers."""

from tandem.core import dtypes
from tandem.core.errors import explain
from tandem.keras import config
from tandem.keras.initializers.initializer import RandomInitializer
from tandem.ops import init
from tandem.ops import random as draws


def _dtype(dtype):
    return dtypes.torch_dtype(dtype or config.floatx())


class RandomNormal(RandomInitializer):
    """Numbers from a normal distribution. mean, stddev: its parameters; seed: see `RandomInitializer`."""

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape, dtype=None):
        return draws.normal(tuple(shape), self.mean, self.stddev, dtype=_dtype(dtype), generator=self._generator())

    def get_config(self):
        """The arguments that make an equal initializer."""
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomNormal):
    """Numbers from a normal distribution, those beyond two standard deviations drawn again."""

    def __call__(self, shape, dtype=None):
        return draws.truncated_normal(
            tuple(shape), self.mean, self.stddev, dtype=_dtype(dtype), generator=self._generator()
        )


class RandomUniform(RandomInitializer):
    """Numbers from [minval, maxval). seed: see `RandomInitializer`."""

    def __init__(self, minval=-0.05, maxval=0.05, seed=None):
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape, dtype=None):
        return draws.uniform(tuple(shape), self.minval, self.maxval, dtype=_dtype(dtype), generator=self._generator())

    def get_config(self):
        """The arguments that make an equal initializer."""
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


class VarianceScaling(RandomInitializer):
    """Numbers whose variance is ``scale / n``, n being how many inputs, outputs, or both on average, a unit has.

    scale: positive; mode: "fan_in", "fan_out" or "fan_avg"; distribution: "truncated_normal" ("normal" is the same),
    "untruncated_normal" or "uniform"; seed: see `RandomInitializer`; input_axes, output_axes: which axes of "
    "the shape are
    inputs and outputs, where it is not that of a dense or convolution kernel.
    Raises ValueError for other values.
    """

    def __init__(
        self,
        scale=1.0,
        mode="fan_in",
        distribution="truncated_normal",
        seed=None,
        input_axes=None,
        output_axes=None,
    ):
        if scale <= 0.0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={scale}")
        if mode not in _MODES:
            raise ValueError(explain(f"Invalid `mode` argument: {mode}", expected=f"one of {_MODES}", given=repr(mode)))
        distribution = str(distribution).lower()
        if distribution == "normal":
            distribution = "truncated_normal"
        if distribution not in _DISTRIBUTIONS:
            raise ValueError(
                explain(
                    f"Invalid `distribution` argument: {distribution}",
                    expected=f"one of {_DISTRIBUTIONS}",
                    given=repr(distribution),
                )
            )
        super().__init__(seed)
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes

    def __call__(self, shape, dtype=None):
        return init.variance_scaling(
            tuple(shape),
            scale=self.scale,
            mode=self.mode,
            distribution=self.distribution,
            input_axes=self.input_axes,
            output_axes=self.output_axes,
            dtype=_dtype(dtype),
            generator=self._generator(),
        )

    def get_config(self):
        """The arguments that make an equal initializer."""
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _Named(VarianceScaling):
    """A `VarianceScaling` with a fixed rule."""

    _rule = (1.0, "fan_in", "uniform")

    def __init__(self, seed=None, input_axes=None, output_axes=None):
        super().__init__(*self._rule, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def get_config(self):
        """The arguments that make an equal initializer."""
        config = super().get_config()
        return {key: config[key] for key in ("seed", "input_axes", "output_axes")}


class GlorotUniform(_Named):
    """Uniform on ±sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""

    _rule = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Named):
    """Truncated normal with variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010)."""

    _rule = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Named):
    """Uniform on ±sqrt(6 / fan_in) (He et al. 2015)."""

    _rule = (2.0, "fan_in", "uniform")


class HeNormal(_Named):
    """Truncated normal with variance 2 / fan_in (He et al. 2015)."""

    _rule = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Named):
    """Uniform on ±sqrt(3 / fan_in) (LeCun et al. 1998)."""

    _rule = (1.0, "fan_in", "uniform")


class LecunNormal(_Named):
    """Truncated normal with variance 1 / fan_in (LeCun et al. 1998)."""

    _rule = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """A matrix with orthonormal rows or columns, times `gain` (Saxe et al. 2014).

    A shape of more than two axes is taken as (product of all but the last, last). Raises ValueError for fewer than two.
    """

    def __init__(self, gain=1.0, seed=None):
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape, dtype=None):
        if len(shape) < 2:
            raise ValueError(
                explain(
                    "The tensor to initialize must be at least two-dimensional",
                    expected="a shape of rank 2 or more",
                    given=f"shape={tuple(shape)} of rank {len(shape)}",
                )
            )
        return init.orthogonal(tuple(shape), gain=self.gain, dtype=_dtype(dtype), generator=self._generator())

    def get_config(self):
        """The arguments that make an equal initializer."""
        return {**super().get_config(), "gain": self.gain}
