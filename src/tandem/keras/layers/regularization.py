"""Layers that are there for training only: dropout of every kind, noise, activity penalties."""

import numbers

from tandem.core.errors import explain
from tandem.keras import random as keras_random
from tandem.keras import regularizers
from tandem.keras.layers.arguments import standardize_data_format
from tandem.keras.layers.base import Layer
from tandem.keras.layers.input_spec import InputSpec
from tandem.ops import random


class _Random(Layer):
    """What layers that draw numbers share: the seed, and doing nothing outside training."""

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.supports_masking = True
        self.__dict__["built"] = True

    def _make_generator(self, needed):
        if needed:
            self.seed_generator = keras_random.SeedGenerator(self.seed)

    def _generator(self, inputs):
        return self.seed_generator.generator(inputs.device)

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`: the same."""
        return input_shape


def _rate(rate):
    if not isinstance(rate, numbers.Number) or not 0 <= rate <= 1:
        raise ValueError(
            f"Invalid value received for argument `rate`. Expected a float value between 0 and 1. Received: rate={rate}"
        )
    return rate


class Dropout(_Random):
    """In training each entry is 0 with probability `rate`, and the others are divided by ``1 - rate``.

    rate: in [0, 1]; noise_shape: sizes (1: along this axis entries share their fate; None: the input's size); seed: an
    integer repeats the numbers. Srivastava et al., 2014. Raises ValueError for a rate outside [0, 1].
    """

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.rate = _rate(rate)
        self.noise_shape = None if noise_shape is None else _noise_shape(noise_shape)
        self._make_generator(rate > 0)

    def call(self, inputs, training=False):
        """The inputs, thinned out in training."""
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, noise_shape=self.noise_shape, generator=self._generator(inputs))

    def get_config(self):
        """The arguments that make an equal layer."""
        noise_shape = self.noise_shape
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": noise_shape}


def _noise_shape(noise_shape):
    if not isinstance(noise_shape, (list, tuple)):
        raise ValueError(
            explain(
                "Invalid value received for argument `noise_shape`",
                expected="a tuple or list",
                given=f"noise_shape={noise_shape!r}",
            )
        )
    noise_shape = tuple(noise_shape)
    for size in noise_shape:
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(
                explain(
                    "Invalid value received for argument `noise_shape`",
                    expected="positive integers or None",
                    given=f"noise_shape={noise_shape}",
                )
            )
    return noise_shape


class _SpatialDropout(_Random):
    """In training whole channels are 0 with probability `rate`, and the others are divided by ``1 - rate``.

    rate: in [0, 1]; data_format: "channels_last" or "channels_first"; seed: an integer repeats the numbers.
    inputs: (batch, *space, channels). Tompson et al., 2015.
    """

    rank = None

    def __init__(self, rate, data_format=None, seed=None, name=None, dtype=None, **kwargs):
        super().__init__(seed, name=name, dtype=dtype, **kwargs)
        self.rate = _rate(rate)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self._make_generator(rate > 0)

    def call(self, inputs, training=False):
        """The inputs, thinned out in training."""
        if not training or self.rate == 0:
            return inputs
        space = (1,) * self.rank
        shape = (None, *space, None) if self.data_format == "channels_last" else (None, None, *space)
        return random.dropout(inputs, self.rate, noise_shape=shape, generator=self._generator(inputs))

    def get_config(self):
        """The arguments that make an equal layer."""
        config = {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype}
        return config if self.rank == 1 else {**config, "data_format": self.data_format}


class SpatialDropout1D(_SpatialDropout):
    __doc__ = _SpatialDropout.__doc__
    rank = 1

    def __init__(self, rate, seed=None, name=None, dtype=None, **kwargs):
        super().__init__(rate, "channels_last", seed, name, dtype, **kwargs)


class SpatialDropout2D(_SpatialDropout):
    __doc__ = _SpatialDropout.__doc__
    rank = 2


class SpatialDropout3D(_SpatialDropout):
    __doc__ = _SpatialDropout.__doc__
    rank = 3


class AlphaDropout(_Random):
    """Dropout for SELU: entries go to its negative limit, and mean and variance stay (Klambauer et al., 2017).

    rate: in [0, 1]; noise_shape: see `Dropout`; seed: an integer repeats the numbers.
    """

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.rate = _rate(rate)
        self.noise_shape = noise_shape
        self._make_generator(rate > 0)

    def call(self, inputs, training=False):
        """The inputs, thinned out in training."""
        if not training or self.rate == 0:
            return inputs
        generator = self._generator(inputs)
        return random.alpha_dropout(inputs, self.rate, noise_shape=self.noise_shape, generator=generator)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}


class GaussianDropout(_Random):
    """In training each entry is multiplied by a normal number of mean 1 and deviation ``sqrt(rate / (1 - rate))``."""

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.rate = _rate(rate)
        self._make_generator(rate > 0)

    def call(self, inputs, training=False):
        """The inputs, with noise in training."""
        if not training or self.rate == 0:
            return inputs
        return random.gaussian_dropout(inputs, self.rate, generator=self._generator(inputs))

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


class GaussianNoise(_Random):
    """In training a normal number of deviation `stddev` is added to each entry. Raises ValueError outside [0, 1]."""

    def __init__(self, stddev, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        if not 0 <= stddev <= 1:
            raise ValueError(
                "Invalid value received for argument `stddev`. Expected a float value between 0 and 1. "
                f"Received: stddev={stddev}"
            )
        self.stddev = stddev
        self._make_generator(stddev > 0)

    def call(self, inputs, training=False):
        """The inputs, with noise in training."""
        if not training or self.stddev == 0:
            return inputs
        return random.gaussian_noise(inputs, self.stddev, generator=self._generator(inputs))

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}


class ActivityRegularization(Layer):
    """Adds ``l1 * sum |x| + l2 * sum x^2`` of its input to the loss, and gives the input back."""

    def __init__(self, l1=0.0, l2=0.0, **kwargs):
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.supports_masking = True
        self.l1 = l1
        self.l2 = l2
        self.__dict__["built"] = True

    def call(self, inputs):
        """``inputs``."""
        return inputs

    def get_config(self):
        """The arguments that make an equal layer."""
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return {**config, "l1": self.l1, "l2": self.l2}
