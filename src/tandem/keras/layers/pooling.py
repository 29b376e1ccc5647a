"""Pooling over one to three axes: windows, whole images, windows that adapt to a size."""

from tandem.keras.layers.arguments import sizes, standardize_data_format, standardize_padding
from tandem.keras.layers.base import Layer
from tandem.keras.layers.input_spec import InputSpec
from tandem.ops import masks, pool


class _Pooling(Layer):
    """The {kind} of each window.

    pool_size, strides (default: pool_size): an integer or one to an axis; padding: "valid" or "same"; data_format:
    "channels_last" or "channels_first". inputs: (batch, *space, channels). Padding is never {what}.
    Raises ValueError for arguments that do not fit each other or the input.
    """

    rank = None
    kind = None

    def __init__(self, pool_size=2, strides=None, padding="valid", data_format=None, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.pool_size = sizes(pool_size, self.rank, "pool_size")
        self.strides = sizes(pool_size if strides is None else strides, self.rank, "strides")
        self.padding = standardize_padding(padding)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.__dict__["built"] = True

    def call(self, inputs):
        """The pooled inputs."""
        if self.padding == "valid":
            first = 1 if self.data_format == "channels_last" else 2
            if any(size < window for size, window in zip(inputs.shape[first:], self.pool_size)):
                raise ValueError(
                    "Computed output size would be zero or negative. "
                    f"Received: `inputs.shape={tuple(inputs.shape)}`, `pool_size={self.pool_size}`, "
                    f"`strides={self.strides}`, `padding={self.padding}` (layer '{self.name}')."
                )
        return pool.pool(
            inputs, self.pool_size, kind=self.kind, stride=self.strides, padding=self.padding, layout=self.data_format
        )

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }


class _MaxPooling(_Pooling):
    __doc__ = _Pooling.__doc__.format(kind="maximum", what="the maximum")
    kind = "max"


class _AveragePooling(_Pooling):
    __doc__ = _Pooling.__doc__.format(kind="mean", what="counted")
    kind = "avg"


class MaxPooling1D(_MaxPooling):
    __doc__ = _MaxPooling.__doc__
    rank = 1


class MaxPooling2D(_MaxPooling):
    __doc__ = _MaxPooling.__doc__
    rank = 2


class MaxPooling3D(_MaxPooling):
    __doc__ = _MaxPooling.__doc__
    rank = 3


class AveragePooling1D(_AveragePooling):
    __doc__ = _AveragePooling.__doc__
    rank = 1


class AveragePooling2D(_AveragePooling):
    __doc__ = _AveragePooling.__doc__
    rank = 2


class AveragePooling3D(_AveragePooling):
    __doc__ = _AveragePooling.__doc__
    rank = 3


class _GlobalPooling(Layer):
    """The {kind} over all of space.

    data_format: "channels_last" or "channels_first"; keepdims: whether the axes of space stay, with size 1.
    inputs: (batch, *space, channels). Returns (batch, channels).
    """

    rank = None
    kind = None

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.__dict__["built"] = True

    def call(self, inputs):
        """The pooled inputs."""
        return pool.global_pool(inputs, self.kind, layout=self.data_format, keepdims=self.keepdims)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}


class _GlobalMaxPooling(_GlobalPooling):
    __doc__ = _GlobalPooling.__doc__.format(kind="maximum")
    kind = "max"


class _GlobalAveragePooling(_GlobalPooling):
    __doc__ = _GlobalPooling.__doc__.format(kind="mean")
    kind = "avg"


class GlobalMaxPooling1D(_GlobalMaxPooling):
    __doc__ = _GlobalMaxPooling.__doc__
    rank = 1


class GlobalMaxPooling2D(_GlobalMaxPooling):
    __doc__ = _GlobalMaxPooling.__doc__
    rank = 2


class GlobalMaxPooling3D(_GlobalMaxPooling):
    __doc__ = _GlobalMaxPooling.__doc__
    rank = 3


class GlobalAveragePooling1D(_GlobalAveragePooling):
    """The mean over all steps; masked steps do not count.

    The arguments are those of `GlobalAveragePooling2D`. inputs: (batch, steps, channels). Returns (batch, channels).
    """

    rank = 1

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(data_format=data_format, keepdims=keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        """The mean, over the steps that the mask keeps."""
        if mask is None:
            return super().call(inputs)
        axis = 1 if self.data_format == "channels_last" else 2
        return masks.masked_mean(inputs, mask, axis, keepdims=self.keepdims)

    def compute_mask(self, inputs, mask=None):
        """None: there are no steps any more."""
        return


class GlobalAveragePooling2D(_GlobalAveragePooling):
    __doc__ = _GlobalAveragePooling.__doc__
    rank = 2


class GlobalAveragePooling3D(_GlobalAveragePooling):
    __doc__ = _GlobalAveragePooling.__doc__
    rank = 3


class _AdaptivePooling(Layer):
    """The {kind} of windows chosen so that the output has a given size.

    output_size: an integer or one to an axis; data_format: "channels_last" or "channels_first".
    inputs: (batch, *space, channels). Returns (batch, *output_size, channels).
    """

    rank = None
    kind = None

    def __init__(self, output_size, *, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.output_size = sizes(output_size, self.rank, "output_size")
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs):
        """The pooled inputs."""
        return pool.adaptive_pool(inputs, self.output_size, self.kind, layout=self.data_format)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "output_size": self.output_size, "data_format": self.data_format}


class _AdaptiveMaxPooling(_AdaptivePooling):
    __doc__ = _AdaptivePooling.__doc__.format(kind="maximum")
    kind = "max"


class _AdaptiveAveragePooling(_AdaptivePooling):
    __doc__ = _AdaptivePooling.__doc__.format(kind="mean")
    kind = "avg"


class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    __doc__ = _AdaptiveMaxPooling.__doc__
    rank = 1


class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    __doc__ = _AdaptiveMaxPooling.__doc__
    rank = 2


class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    __doc__ = _AdaptiveMaxPooling.__doc__
    rank = 3


class AdaptiveAveragePooling1D(_AdaptiveAveragePooling):
    __doc__ = _AdaptiveAveragePooling.__doc__
    rank = 1


class AdaptiveAveragePooling2D(_AdaptiveAveragePooling):
    __doc__ = _AdaptiveAveragePooling.__doc__
    rank = 2


class AdaptiveAveragePooling3D(_AdaptiveAveragePooling):
    __doc__ = _AdaptiveAveragePooling.__doc__
    rank = 3


MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
