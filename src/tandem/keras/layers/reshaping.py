"""Layers that only move entries: other shapes, repeated, padded, cut, enlarged."""

import math

from tandem.core.errors import explain
from tandem.keras.layers.arguments import sizes, standardize_data_format
from tandem.keras.layers.base import Layer
from tandem.keras.layers.input_spec import InputSpec
from tandem.keras.symbolic import KerasTensor
from tandem.ops import image, shape


class Flatten(Layer):
    """All axes but the batch as one; channels_first inputs are first put in channels_last order.

    inputs: (batch, …). Returns (batch, product of the others).
    """

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)
        self._channels_first = self.data_format == "channels_first"

    def call(self, inputs):
        """The flattened inputs."""
        if self._channels_first and inputs.dim() > 1:
            inputs = inputs.movedim(1, -1)
        return inputs.reshape(inputs.shape[0], math.prod(inputs.shape[1:]))

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`."""
        rest = input_shape[1:]
        return (input_shape[0], None if None in rest else math.prod(rest))

    def compute_output_spec(self, inputs):
        """The shape and dtype of the output for a KerasTensor."""
        return KerasTensor(self.compute_output_shape(inputs.shape), _passed(self, inputs), name="spec")

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "data_format": self.data_format}


def _passed(layer, inputs):
    """The dtype that an input has inside a layer, where the layer only moves it."""
    from tandem.core.dtypes import is_float

    return layer.compute_dtype if is_float(inputs.dtype) else inputs.dtype


class Reshape(Layer):
    """The same entries in another shape.

    target_shape: without the batch; one size may be -1. Raises ValueError where the sizes do not fit.
    """

    def __init__(self, target_shape, **kwargs):
        super().__init__(**kwargs)
        target_shape = tuple(target_shape)
        if sum(size in (-1, None) for size in target_shape) > 1:
            raise ValueError(f"Only one dimension of `target_shape` may be -1. Received: target_shape={target_shape}")
        self.target_shape = target_shape
        self.__dict__["built"] = True

    def _check(self, shape):
        rest, wanted = tuple(shape[1:]), [size for size in self.target_shape if size not in (-1, None)]
        if None in rest:
            return
        total, known = math.prod(rest), math.prod(wanted)
        if (len(wanted) == len(self.target_shape) and total != known) or (known and total % known):
            raise ValueError(
                f"The total size of the tensor must be unchanged. Received: input_shape={rest}, "
                f"target_shape={self.target_shape} (layer '{self.name}')"
            )

    def call(self, inputs):
        """The reshaped inputs."""
        self._check(inputs.shape)
        return inputs.reshape(inputs.shape[0], *(-1 if size is None else size for size in self.target_shape))

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`."""
        self._check(input_shape)
        rest, target = tuple(input_shape[1:]), list(self.target_shape)
        for index, size in enumerate(target):
            if size in (-1, None):
                others = math.prod(other for other in target if other not in (-1, None))
                target[index] = None if None in rest else math.prod(rest) // max(others, 1)
        return (input_shape[0], *target)

    def compute_output_spec(self, inputs):
        """The shape and dtype of the output for a KerasTensor."""
        return KerasTensor(self.compute_output_shape(inputs.shape), _passed(self, inputs), name="spec")

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "target_shape": self.target_shape}


class Permute(Layer):
    """The axes behind the batch in another order.

    dims: for each axis of the output the axis of the input, from 1. Raises ValueError where it is no permutation.
    """

    def __init__(self, dims, **kwargs):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                "Invalid permutation argument `dims` for Permute Layer. The set of indices in `dims` must be "
                "consecutive "
                f"and start from 1. Received dims={dims}"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs):
        """The inputs with permuted axes."""
        return inputs.permute(0, *self.dims)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "dims": self.dims}


class RepeatVector(Layer):
    """Each vector `n` times: (batch, features) gives (batch, n, features)."""

    def __init__(self, n, **kwargs):
        super().__init__(**kwargs)
        self.n = n
        if not isinstance(n, int):
            raise TypeError(f"Expected an integer value for `n`, got {type(n)}.")
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs):
        """The repeated inputs."""
        return shape.repeat_vector(inputs, self.n)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "n": self.n}


def _pairs(value, rank, name):
    """(before, after) to an axis, from an integer, one to an axis, or the pairs themselves."""
    wrong = explain(
        f"The `{name}` argument is wrong",
        expected=f"an integer, {rank} integers, or {rank} pairs of integers, none negative",
        given=f"{name}={value!r}",
    )
    if isinstance(value, int):
        value = (value,) * rank
    elif rank == 1 and len(value) == 2 and all(isinstance(item, int) for item in value):
        value = (value,)
    if len(value) != rank:
        raise ValueError(wrong)
    pairs = []
    for item in value:
        pair = (item, item) if isinstance(item, int) else tuple(item)
        if len(pair) != 2 or not all(isinstance(size, int) and size >= 0 for size in pair):
            raise ValueError(wrong)
        pairs.append(pair)
    return tuple(pairs)


class _Spatial(Layer):
    """What layers over space share."""

    rank = None
    _fixed_format = None

    def _set_format(self, data_format):
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _first(self):
        return 1 if self.data_format == "channels_last" else 2


class _ZeroPadding(_Spatial):
    """Zeros around the entries.

    padding: an integer, one to an axis, or (before, after) to an axis; data_format: "channels_last" or
    "channels_first".
    """

    def __init__(self, padding=1, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.padding = _pairs(padding, self.rank, "padding")
        self._set_format(data_format)

    def call(self, inputs):
        """The padded inputs."""
        amounts = [(0, 0)] * inputs.dim()
        amounts[self._first : self._first + self.rank] = self.padding
        return shape.pad(inputs, amounts)

    def get_config(self):
        """The arguments that make an equal layer."""
        padding = self.padding[0] if self.rank == 1 else self.padding
        return {**super().get_config(), "padding": padding, "data_format": self.data_format}


class ZeroPadding1D(_ZeroPadding):
    __doc__ = _ZeroPadding.__doc__
    rank = 1


class ZeroPadding2D(_ZeroPadding):
    __doc__ = _ZeroPadding.__doc__
    rank = 2

    def __init__(self, padding=(1, 1), data_format=None, **kwargs):
        super().__init__(padding, data_format, **kwargs)


class ZeroPadding3D(_ZeroPadding):
    __doc__ = _ZeroPadding.__doc__
    rank = 3

    def __init__(self, padding=((1, 1), (1, 1), (1, 1)), data_format=None, **kwargs):
        super().__init__(padding, data_format, **kwargs)


class _Cropping(_Spatial):
    """The entries without some at the borders.

    cropping: an integer, one to an axis, or (before, after) to an axis; data_format: "channels_last" or
    "channels_first". Raises ValueError where nothing would be left.
    """

    def __init__(self, cropping=1, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.cropping = _pairs(cropping, self.rank, "cropping")
        self._set_format(data_format)

    def call(self, inputs):
        """The cut inputs."""
        key = [slice(None)] * inputs.dim()
        for axis, (before, after) in enumerate(self.cropping, self._first):
            size = inputs.shape[axis]
            if before + after >= size:
                raise ValueError(
                    explain(
                        f"Layer '{self.name}' would leave nothing of its input",
                        expected=f"more than {before + after} entries along axis {axis}",
                        given=f"inputs.shape={tuple(inputs.shape)}, cropping={self.cropping}",
                    )
                )
            key[axis] = slice(before, size - after)
        return inputs[tuple(key)]

    def get_config(self):
        """The arguments that make an equal layer."""
        cropping = self.cropping[0] if self.rank == 1 else self.cropping
        config = {**super().get_config(), "cropping": cropping}
        return config if self.rank == 1 else {**config, "data_format": self.data_format}


class Cropping1D(_Cropping):
    __doc__ = _Cropping.__doc__
    rank = 1

    def __init__(self, cropping=(1, 1), **kwargs):
        super().__init__(cropping, "channels_last", **kwargs)


class Cropping2D(_Cropping):
    __doc__ = _Cropping.__doc__
    rank = 2

    def __init__(self, cropping=((0, 0), (0, 0)), data_format=None, **kwargs):
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping):
    __doc__ = _Cropping.__doc__
    rank = 3

    def __init__(self, cropping=((1, 1), (1, 1), (1, 1)), data_format=None, **kwargs):
        super().__init__(cropping, data_format, **kwargs)


class UpSampling1D(_Spatial):
    """Each step `size` times: (batch, steps, features) gives (batch, steps * size, features)."""

    rank = 1

    def __init__(self, size=2, **kwargs):
        super().__init__(**kwargs)
        self.size = int(size)
        self._set_format("channels_last")

    def call(self, inputs):
        """The repeated steps."""
        return shape.upsample(inputs, self.size)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "size": self.size}


_INTERPOLATIONS = ("bicubic", "bilinear", "lanczos3", "lanczos5", "nearest")


class UpSampling2D(_Spatial):
    """Images enlarged by whole factors.

    size: an integer or one to an axis; data_format: "channels_last" or "channels_first"; interpolation: "nearest",
    "bilinear", "bicubic", "lanczos3" or "lanczos5".
    """

    rank = 2

    def __init__(self, size=(2, 2), data_format=None, interpolation="nearest", **kwargs):
        super().__init__(**kwargs)
        self._set_format(data_format)
        self.size = sizes(size, 2, "size")
        self.interpolation = str(interpolation).lower()
        if self.interpolation not in _INTERPOLATIONS:
            raise ValueError(
                explain("Unknown `interpolation`", expected=f"one of {_INTERPOLATIONS}", given=repr(interpolation))
            )

    def call(self, inputs):
        """The enlarged images."""
        if self.interpolation == "nearest":
            return shape.upsample(inputs, self.size, layout=self.data_format)
        spatial = inputs.shape[self._first : self._first + 2]
        target = tuple(size * factor for size, factor in zip(spatial, self.size))
        # Torch's bicubic kernel, which Keras's torch backend has.
        return image.resize(
            inputs, target, method=self.interpolation, cubic=-0.75, edge="replicate", layout=self.data_format
        )

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "size": self.size,
            "data_format": self.data_format,
            "interpolation": self.interpolation,
        }


class UpSampling3D(_Spatial):
    """Volumes enlarged by repeating entries.

    size: an integer or one to an axis; data_format: "channels_last" or "channels_first".
    """

    rank = 3

    def __init__(self, size=(2, 2, 2), data_format=None, **kwargs):
        super().__init__(**kwargs)
        self._set_format(data_format)
        self.size = sizes(size, 3, "size")

    def call(self, inputs):
        """The enlarged volumes."""
        return shape.upsample(inputs, self.size, layout=self.data_format)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "size": self.size, "data_format": self.data_format}
