"""Convolutions over one to three axes."""

from tandem.core import graph
from tandem.core.errors import explain
from tandem.keras import activations, regularizers
from tandem.keras.layers.arguments import sizes, standardize_data_format, standardize_padding
from tandem.keras.layers.base import Layer
from tandem.keras.layers.input_spec import InputSpec
from tandem.keras.layers.weight_options import add_weight, serialized, set_weight_options
from tandem.ops import conv


class _BaseConv(Layer):
    """What all convolutions share: the arguments, their checks, the place of the channels."""

    rank = None
    _paddings = ("valid", "same")
    _weights = ("kernel", "bias")

    def _set_up(self, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, given):
        rank = self.rank
        self.kernel_size = sizes(kernel_size, rank, "kernel_size")
        self.strides = sizes(strides, rank, "strides")
        self.dilation_rate = sizes(dilation_rate, rank, "dilation_rate")
        self.padding = standardize_padding(padding, self._paddings)
        self.data_format = standardize_data_format(data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        set_weight_options(self, given)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "`strides > 1` not supported in conjunction with `dilation_rate > 1`. "
                f"Received: strides={self.strides} and dilation_rate={self.dilation_rate}"
            )
        self.input_spec = InputSpec(min_ndim=rank + 2)

    def _channels(self, input_shape):
        """The number of input channels, from now on required of every input."""
        axis = -1 if self.data_format == "channels_last" else 1
        if len(input_shape) != self.rank + 2:
            raise ValueError(
                explain(
                    f"The input of layer '{self.name}' has the wrong number of axes",
                    expected=f"{self.rank + 2} axes (batch, space, channels)",
                    given=f"input_shape={tuple(input_shape)}",
                )
            )
        channels = input_shape[axis]
        if channels is None:
            raise ValueError(
                explain(
                    f"The channels of the input of layer '{self.name}' must be known",
                    expected="a number",
                    given=f"input_shape={tuple(input_shape)}",
                )
            )
        self.input_spec = InputSpec(min_ndim=self.rank + 2, axes={axis: channels})
        return channels

    def _check_output_size(self, input_shape):
        """Raise ValueError where the window does not fit into the input."""
        first = 1 if self.data_format == "channels_last" else 2
        spatial = input_shape[first : first + self.rank]
        for size, window, dilation in zip(spatial, self.kernel_size, self.dilation_rate):
            if self.padding == "valid" and size is not None and (window - 1) * dilation + 1 > size:
                raise ValueError(
                    "Computed output size would be zero or negative. "
                    f"Received `inputs shape={tuple(input_shape)}`, `kernel_size={self.kernel_size}`, "
                    f"`dilation_rate={self.dilation_rate}`, `strides={self.strides}`, `padding={self.padding}` "
                    f"(layer '{self.name}')."
                )

    def _finish(self, outputs):
        return outputs if self.activation is activations.linear else self.activation(outputs)

    def _bias_value(self):
        return None if self.bias is None else self.bias.value

    def get_config(self):
        """The arguments that make an equal layer."""
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return {
            **config,
            **self._own_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **serialized(self, self._weights),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
        }

    def _own_config(self):
        return {}


class _Conv(_BaseConv):
    """Convolution: each output channel sums a window of all input channels of its group, weighted by its kernel.

    filters: output channels; kernel_size, strides, dilation_rate: an integer or one to an axis; padding: "valid"
    (none), "same" (output = input / stride, rounded up; an odd rest at the end), and for one axis "causal";
    data_format: "channels_last" (batch, *space, channels) or "channels_first"; groups: how many independent parts the
    channels fall into; the rest as in `Dense`. The kernel is (*kernel_size, channels / groups, filters).
    Raises ValueError for arguments that do not fit each other or the input.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        groups=1,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_up(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, locals())
        self.filters = _positive(filters, "filters")
        self.groups = _positive(groups, "groups")
        if self.filters % self.groups:
            raise ValueError(
                "The number of filters must be evenly divisible by the number of groups. "
                f"Received: groups={groups}, filters={filters}."
            )

    def build(self, input_shape):
        """Make the kernel and the bias for inputs with a known number of channels."""
        channels = self._channels(input_shape)
        if channels % self.groups:
            raise ValueError(
                "The number of input channels must be evenly divisible by the number of groups. "
                f"Received groups={self.groups}, but the input has {channels} channels "
                f"(full input shape is {tuple(input_shape)})."
            )
        self._check_output_size(input_shape)
        self.kernel = add_weight(self, "kernel", (*self.kernel_size, channels // self.groups, self.filters))
        if self.data_format == "channels_last":
            kernel = self.kernel.tensor
            with graph.off_meta():  # a layer's sublayers are built while its shapes are inferred
                kernel.data = conv.laid_out(kernel.data, "spatial_io")
        self.bias = add_weight(self, "bias", (self.filters,)) if self.use_bias else None

    def call(self, inputs):
        """The convolution, the bias, the activation."""
        if self.padding == "valid":
            self._check_output_size(inputs.shape)
        return self._finish(
            conv.conv(
                inputs,
                self.kernel.value,
                self._bias_value(),
                stride=self.strides,
                padding=self.padding,
                dilation=self.dilation_rate,
                groups=self.groups,
                layout=self.data_format,
            )
        )

    def _own_config(self):
        return {"filters": self.filters}

    def get_config(self):
        """The arguments that make an equal layer."""
        config = super().get_config()
        items = []
        for key, value in config.items():
            items.append((key, value))
            if key == "dilation_rate":
                items.append(("groups", self.groups))
        return dict(items)


class Conv1D(_Conv):
    __doc__ = _Conv.__doc__.replace("Convolution:", "Convolution over one axis:")
    rank = 1
    _paddings = ("valid", "same", "causal")


class Conv2D(_Conv):
    __doc__ = _Conv.__doc__.replace("Convolution:", "Convolution over two axes:")
    rank = 2


class Conv3D(_Conv):
    __doc__ = _Conv.__doc__.replace("Convolution:", "Convolution over three axes:")
    rank = 3


class _ConvTranspose(_BaseConv):
    """Transposed convolution: each input entry adds its kernel, scaled, to a window of the output.

    padding: "valid" (output = (input - 1) * stride + window) or "same" (output = input * stride); output_padding:
    entries added at the end, less than the stride; the rest as in `Conv2D`. The kernel is (*kernel_size, filters,
    channels). Raises ValueError for arguments that do not fit.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        output_padding=None,
        data_format=None,
        dilation_rate=1,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_up(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, locals())
        self.filters = _positive(filters, "filters")
        self.output_padding = None
        if output_padding is not None:
            self.output_padding = sizes(output_padding, self.rank, "output_padding", allow_zero=True)

    def build(self, input_shape):
        """Make the kernel and the bias for inputs with a known number of channels."""
        channels = self._channels(input_shape)
        self.kernel = add_weight(self, "kernel", (*self.kernel_size, self.filters, channels))
        self.bias = add_weight(self, "bias", (self.filters,)) if self.use_bias else None

    def call(self, inputs):
        """The transposed convolution, the bias, the activation."""
        return self._finish(
            conv.conv_transpose(
                inputs,
                self.kernel.value,
                self._bias_value(),
                stride=self.strides,
                padding=self.padding,
                output_padding=self.output_padding,
                dilation=self.dilation_rate,
                layout=self.data_format,
            )
        )

    def _own_config(self):
        return {"filters": self.filters}

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "output_padding": self.output_padding}


class Conv1DTranspose(_ConvTranspose):
    __doc__ = _ConvTranspose.__doc__.replace("convolution:", "convolution over one axis:")
    rank = 1


class Conv2DTranspose(_ConvTranspose):
    __doc__ = _ConvTranspose.__doc__.replace("convolution:", "convolution over two axes:")
    rank = 2


class Conv3DTranspose(_ConvTranspose):
    __doc__ = _ConvTranspose.__doc__.replace("convolution:", "convolution over three axes:")
    rank = 3

    def __init__(
        self, filters, kernel_size, strides=1, padding="valid", data_format=None, output_padding=None, **kwargs
    ):
        # Keras 3 has these two in another order here than in one and two dimensions.
        super().__init__(
            filters, kernel_size, strides, padding, output_padding=output_padding, data_format=data_format, **kwargs
        )


class _DepthwiseConv(_BaseConv):
    """Convolution of each channel by itself: output channel ``c * depth_multiplier + m``.

    depth_multiplier: output channels to an input channel; the rest as in `Conv2D`. The kernel is
    (*kernel_size, channels, depth_multiplier). Raises ValueError for arguments that do not fit.
    """

    _weights = ("depthwise", "bias")

    def __init__(
        self,
        kernel_size,
        strides=1,
        padding="valid",
        depth_multiplier=1,
        data_format=None,
        dilation_rate=1,
        activation=None,
        use_bias=True,
        depthwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        depthwise_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        depthwise_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_up(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, locals())
        self.depth_multiplier = _positive(depth_multiplier, "depth_multiplier")

    def build(self, input_shape):
        """Make the kernel and the bias for inputs with a known number of channels."""
        channels = self._channels(input_shape)
        self._check_output_size(input_shape)
        self.kernel = add_weight(self, "kernel", (*self.kernel_size, channels, self.depth_multiplier), of="depthwise")
        self.bias = add_weight(self, "bias", (channels * self.depth_multiplier,)) if self.use_bias else None

    def call(self, inputs):
        """The convolution, the bias, the activation."""
        return self._finish(
            conv.depthwise_conv(
                inputs,
                self.kernel.value,
                self._bias_value(),
                stride=self.strides,
                padding=self.padding,
                dilation=self.dilation_rate,
                layout=self.data_format,
            )
        )

    def _own_config(self):
        return {"depth_multiplier": self.depth_multiplier}


class DepthwiseConv1D(_DepthwiseConv):
    __doc__ = _DepthwiseConv.__doc__.replace("Convolution of", "Convolution over one axis of")
    rank = 1


class DepthwiseConv2D(_DepthwiseConv):
    __doc__ = _DepthwiseConv.__doc__.replace("Convolution of", "Convolution over two axes of")
    rank = 2


class _SeparableConv(_BaseConv):
    """A depthwise convolution, and after it one of window 1 that mixes the channels.

    filters: output channels; depth_multiplier: see `DepthwiseConv2D`; the rest as in `Conv2D`. The kernels are
    (*kernel_size, channels, depth_multiplier) and (1, …, 1, channels * depth_multiplier, filters).
    Raises ValueError for arguments that do not fit.
    """

    _weights = ("depthwise", "pointwise", "bias")

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        depth_multiplier=1,
        activation=None,
        use_bias=True,
        depthwise_initializer="glorot_uniform",
        pointwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        depthwise_regularizer=None,
        pointwise_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        depthwise_constraint=None,
        pointwise_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_up(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, locals())
        self.filters = _positive(filters, "filters")
        self.depth_multiplier = _positive(depth_multiplier, "depth_multiplier")

    def build(self, input_shape):
        """Make both kernels and the bias for inputs with a known number of channels."""
        channels = self._channels(input_shape)
        self._check_output_size(input_shape)
        for name, shape in (
            ("depthwise", (*self.kernel_size, channels, self.depth_multiplier)),
            ("pointwise", (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)),
        ):
            kernel = add_weight(self, f"{name}_kernel", shape, of=name)
            setattr(self, f"{name}_kernel", kernel)
        self.bias = add_weight(self, "bias", (self.filters,)) if self.use_bias else None

    def call(self, inputs):
        """Both convolutions, the bias, the activation."""
        return self._finish(
            conv.separable_conv(
                inputs,
                self.depthwise_kernel.value,
                self.pointwise_kernel.value,
                self._bias_value(),
                stride=self.strides,
                padding=self.padding,
                dilation=self.dilation_rate,
                layout=self.data_format,
            )
        )

    def _own_config(self):
        return {"filters": self.filters, "depth_multiplier": self.depth_multiplier}


class SeparableConv1D(_SeparableConv):
    __doc__ = _SeparableConv.__doc__.replace("convolution,", "convolution over one axis,")
    rank = 1


class SeparableConv2D(_SeparableConv):
    __doc__ = _SeparableConv.__doc__.replace("convolution,", "convolution over two axes,")
    rank = 2


def _positive(value, name):
    if not hasattr(value, "__index__") or value <= 0:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected a strictly positive value. Received {name}={value}."
        )
    return int(value)


Convolution1D = Conv1D
Convolution2D = Conv2D
Convolution3D = Conv3D
Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
SeparableConvolution1D = SeparableConv1D
