"""Initializers that draw no numbers: zeros, ones, a constant, the identity, a Fourier basis."""

import torch

from tandem.core import dtypes
from tandem.core.errors import explain
from tandem.keras import config, tensors
from tandem.keras.initializers.initializer import Initializer
from tandem.ops import init


def _dtype(dtype):
    return dtypes.torch_dtype(dtype or config.floatx())


class Constant(Initializer):
    """Every element has `value` (a number, or an array that has the shape or broadcasts to it)."""

    def __init__(self, value=0.0):
        self.value = value

    def __call__(self, shape, dtype=None):
        value = tensors.convert(self.value, _dtype(dtype))
        return value.expand(tuple(shape)).clone()

    def get_config(self):
        """The arguments that make an equal initializer."""
        from tandem.keras import saving

        return {"value": saving.serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config):
        """The initializer that `get_config` describes."""
        from tandem.keras import saving

        return cls(saving.deserialize_keras_object(config["value"]))


class Zeros(Initializer):
    """Every element is 0."""

    def __call__(self, shape, dtype=None):
        return torch.zeros(tuple(shape), dtype=_dtype(dtype))


class Ones(Initializer):
    """Every element is 1."""

    def __call__(self, shape, dtype=None):
        return torch.ones(tuple(shape), dtype=_dtype(dtype))


class Identity(Initializer):
    """The identity matrix times `gain`. Raises ValueError where the shape is not that of a matrix."""

    def __init__(self, gain=1.0):
        self.gain = gain

    def __call__(self, shape, dtype=None):
        if len(shape) != 2:
            raise ValueError(
                explain(
                    "The identity initializer only makes matrices",
                    expected="a shape of rank 2",
                    given=f"shape={tuple(shape)} of rank {len(shape)}",
                )
            )
        return init.identity(tuple(shape), gain=self.gain, dtype=_dtype(dtype))

    def get_config(self):
        """The arguments that make an equal initializer."""
        return {"gain": self.gain}


class STFT(Initializer):
    """The kernel of a convolution that gives the real or imaginary part of a short-time Fourier transform.

    The shape is (frame length, 1, fft length // 2 + 1). side: "real" or "imag"; window: "hann", "hamming", an array, or
    None; scaling: "density", "spectrum" or None; periodic: whether the window is periodic.
    """

    def __init__(self, side="real", window="hann", scaling="density", periodic=False):
        if side not in ("real", "imag"):
            raise ValueError(explain("Invalid `side`", expected="'real' or 'imag'", given=f"side={side!r}"))
        if scaling not in ("density", "spectrum", None):
            raise ValueError(
                explain("Invalid `scaling`", expected="'density', 'spectrum' or None", given=f"scaling={scaling!r}")
            )
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = periodic

    def __call__(self, shape, dtype=None):
        return init.stft_kernel(
            tuple(shape),
            self.side,
            window=self.window,
            scaling=self.scaling,
            periodic=self.periodic,
            dtype=_dtype(dtype),
        )

    def get_config(self):
        """The arguments that make an equal initializer."""
        return {"side": self.side, "window": self.window, "periodic": self.periodic, "scaling": self.scaling}
