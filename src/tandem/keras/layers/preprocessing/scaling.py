"""Numbers brought to another scale: `Rescaling`, and `Normalization`, which learns mean and variance from data."""

import numpy as np
import torch

from tandem.core import graph
from tandem.core.dtypes import torch_dtype
from tandem.keras import saving, tensors
from tandem.keras.layers.preprocessing.batches import batches_of
from tandem.keras.layers.preprocessing.data_layer import DataLayer
from tandem.ops import augment, moments


class Rescaling(DataLayer):
    """``inputs * scale + offset``; scale, offset: numbers, or lists or arrays that broadcast to the inputs."""

    def __init__(self, scale, offset=0.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset
        self.supports_masking = True

    def call(self, inputs):
        """``inputs * scale + offset``."""
        inputs = tensors.convert(inputs)
        wanted = torch_dtype(self.compute_dtype)
        dtype = wanted if wanted.is_floating_point else torch.float32
        result = moments.affine(inputs.to(dtype), self._number(self.scale, dtype), self._number(self.offset, dtype))
        return augment.cast(result, wanted)

    @staticmethod
    def _number(value, dtype):
        return value if isinstance(value, (int, float)) else tensors.convert(value, dtype)

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`: the same."""
        return input_shape

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "scale": _plain(self.scale), "offset": _plain(self.offset)}

    @classmethod
    def from_config(cls, config):
        """The layer that `get_config` describes."""
        config = {
            key: saving.deserialize_keras_object(value) if key in ("scale", "offset") else value
            for key, value in config.items()
        }
        return super().from_config(config)


def _plain(value):
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return value.tolist() if isinstance(value, np.ndarray) else value


class Normalization(DataLayer):
    """``(inputs - mean) / sqrt(variance)``, with a mean and variance that are given or learned by `adapt`.

    axis: the axes that have means of their own, None for one mean of all; mean, variance: both or none of them; invert:
    the way back, ``inputs * sqrt(variance) + mean``. Raises ValueError where only one of both is given, or where their
    shapes do not fit.
    """

    def __init__(self, axis=-1, mean=None, variance=None, invert=False, **kwargs):
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        if (mean is None) != (variance is None):
            raise ValueError(
                "When setting values directly, both `mean` and `variance` must be set. "
                f"Received: mean={mean} and variance={variance}"
            )
        self.input_mean = None if mean is None else np.asarray(_plain(mean), "float32")
        self.input_variance = None if variance is None else np.asarray(_plain(variance), "float32")
        self._given = (mean, variance)
        if mean is not None and self.input_mean.shape != self.input_variance.shape:
            raise ValueError(
                "When setting values directly, `mean` and `variance` must have the same shape. Received: mean shape "
                f"{self.input_mean.shape} and variance shape {self.input_variance.shape}"
            )
        if mean is not None and self.input_mean.ndim > len(self.axis):
            raise ValueError(
                f"The rank of `mean` must be less than or equal to the number of axes ({len(self.axis)}). "
                f"Received: mean shape {self.input_mean.shape} for axis {self.axis}"
            )
        self.invert = invert
        self.supports_masking = True
        self._static = self._kept = None

    def build(self, input_shape):
        """Make the weights for inputs of `input_shape`, unless mean and variance are given."""
        if input_shape is None:
            return
        rank = len(input_shape)
        if any(axis < -rank or axis >= rank for axis in self.axis):
            raise ValueError(
                "All `axis` values must be in the range [-ndim, ndim). "
                f"Received inputs with ndim={rank}, while axis={self.axis}"
            )
        kept = tuple(sorted(axis % rank for axis in self.axis))
        for axis in kept:
            if input_shape[axis] is None:
                raise ValueError(
                    "All `axis` values to be kept must have a known shape. "
                    f"Received axis={self.axis}, inputs.shape={tuple(input_shape)}, with unknown axis at index {axis}"
                )
        self._kept = kept
        self._kept_sizes = tuple(input_shape[axis] for axis in kept)
        self._rank = rank
        self._broadcast_shape = [input_shape[axis] if axis in kept else 1 for axis in range(rank)]
        if self.input_mean is None:
            shape = tuple(input_shape[axis] for axis in kept)
            self.adapt_mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
            self.adapt_variance = self.add_weight(name="variance", shape=shape, initializer="ones", trainable=False)
            self.count = self.add_weight(name="count", shape=(), dtype="int32", initializer="zeros", trainable=False)
            return
        sizes = tuple(input_shape[axis] for axis in kept)
        mean, variance = (
            np.broadcast_to(value, sizes).reshape(self._broadcast_shape)
            for value in (self.input_mean, self.input_variance)
        )
        # Values, also where the layer is built while shapes are inferred.
        with graph.off_meta():
            self._static = [tensors.convert(np.array(value), "float32") for value in (mean, variance)]

    def adapt(self, data):
        """Set mean and variance to those of the data: an array, a dataset, or an iterable of batches.

        Raises ValueError for data without batches, or of another shape than the layer was built for.
        """
        total = None
        for batch in batches_of(data):
            shape = tuple(batch.shape)
            if not self.built:
                self.build((None, *shape[1:]) if 0 not in self.axis else shape)
            if len(shape) != self._rank or tuple(shape[axis] for axis in self._kept) != self._kept_sizes:
                raise ValueError(
                    f"The layer was built with input_shape={tuple(self._broadcast_shape)} (1 for axes that are "
                    "averaged), but adapt() is being called with data with an incompatible shape, "
                    f"data.shape={shape}"
                )
            total = moments.merge(total, moments.of(tensors.convert(batch), self._kept))
        if total is None:
            raise ValueError(
                "adapt() received an empty iterable (no batches). Expected at least one batch. Pass a non-empty "
                "iterable of arrays or tensors, e.g. layer.adapt([x]) or layer.adapt(list_of_batches)."
            )
        if self.input_mean is not None:
            raise ValueError(
                "Cannot `adapt` a Normalization layer that is initialized with static `mean` and `variance`."
            )
        mean, variance, _ = total
        self.adapt_mean.assign(mean.to(self.adapt_mean.tensor.dtype))
        self.adapt_variance.assign(variance.to(self.adapt_variance.tensor.dtype))

    def finalize_state(self):
        """Let the weights hold from now on, which they do: each call reads them."""

    @property
    def mean(self):
        """The mean, in a shape that fits the inputs; None before the layer is built."""
        return self._moment(0)

    @property
    def variance(self):
        """The variance, in a shape that fits the inputs; None before the layer is built."""
        return self._moment(1)

    def _moment(self, number):
        if self._kept is None:
            return None
        if self._static is not None:
            return self._static[number]
        return (self.adapt_mean, self.adapt_variance)[number].value.reshape(self._broadcast_shape)

    def call(self, inputs):
        """The normalized inputs."""
        dtype = torch_dtype(self.compute_dtype)
        inputs = tensors.convert(inputs).to(dtype)
        mean, variance = (value.to(inputs.device, dtype) for value in (self.mean, self.variance))
        return (moments.restore if self.invert else moments.normalize)(inputs, mean, variance)

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`: the same."""
        return input_shape

    def get_build_config(self):
        """The shape that the layer was built from."""
        return {"input_shape": self._build_shapes["input_shape"]} if self._build_shapes else None

    def get_config(self):
        """The arguments that make an equal layer."""
        mean, variance = self._given
        return {
            **super().get_config(),
            "axis": self.axis,
            "invert": self.invert,
            "mean": None if mean is None else np.asarray(_plain(mean)).tolist(),
            "variance": None if variance is None else np.asarray(_plain(variance)).tolist(),
        }
