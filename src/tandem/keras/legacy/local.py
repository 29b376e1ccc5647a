"""Keras 2's `LocallyConnected1D` and `LocallyConnected2D`: convolutions whose weights are not shared."""

from tandem.core.errors import explain
from tandem.keras import activations, regularizers
from tandem.keras.layers.arguments import sizes, standardize_data_format, standardize_padding
from tandem.keras.layers.base import Layer
from tandem.keras.layers.input_spec import InputSpec
from tandem.keras.layers.weight_options import add_weight, serialized, set_weight_options
from tandem.ops import conv, local


class _LocallyConnected(Layer):
    """A convolution with weights of its own at every place.

    filters: channels of the output; kernel_size, strides: one number, or one to an axis; padding: "valid"; data_format:
    "channels_last" or "channels_first"; activation, use_bias; the initializers, regularizers and constraints of kernel
    and bias; implementation: 1, 2 or 3, which give the same numbers. inputs: (batch, *space, channels) of a known size.
    Raises ValueError for another padding, and for inputs whose size is not known.
    """

    rank = None

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        implementation=1,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = filters
        self.kernel_size = sizes(kernel_size, self.rank, "kernel_size")
        self.strides = sizes(strides, self.rank, "strides")
        self.padding = standardize_padding(padding)
        if self.padding != "valid":
            raise ValueError(
                f"Invalid border mode for {type(self).__name__} (only 'valid' is supported). Received: {padding}"
            )
        if implementation not in (1, 2, 3):
            raise ValueError(f"Unrecognized implementation mode: {implementation}.")
        self.data_format = standardize_data_format(data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        set_weight_options(self, locals())
        self.implementation = implementation
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _parts(self, input_shape):
        """(channels, spatial sizes of the output) for inputs of a shape."""
        first = self.data_format == "channels_first"
        space = input_shape[2:] if first else input_shape[1:-1]
        channels = input_shape[1 if first else -1]
        if None in space or channels is None:
            raise ValueError(
                explain(
                    f"The size of the inputs of {type(self).__name__} must be known: every place has its own weights",
                    expected="numbers for all axes but the batch",
                    given=f"input_shape={tuple(input_shape)}",
                )
            )
        return channels, conv.conv_output_sizes(tuple(space), self.kernel_size, stride=self.strides)

    def build(self, input_shape):
        """Make the kernel and the bias."""
        channels, places = self._parts(input_shape)
        count, patch = 1, channels
        for size in places:
            count *= size
        for size in self.kernel_size:
            patch *= size
        self.kernel = add_weight(self, "kernel", (count, patch, self.filters))
        self.bias = None
        if self.use_bias:
            self.bias = add_weight(self, "bias", (*places, self.filters))
        axis = 1 if self.data_format == "channels_first" else -1
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})

    def call(self, inputs):
        """The output at every place."""
        outputs = local.connect(
            inputs,
            self.kernel.value,
            None if self.bias is None else self.bias.value,
            window=self.kernel_size,
            stride=self.strides,
            layout=self.data_format,
        )
        return outputs if self.activation is activations.linear else self.activation(outputs)

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`."""
        _, places = self._parts(input_shape)
        if self.data_format == "channels_first":
            return (input_shape[0], self.filters, *places)
        return (input_shape[0], *places, self.filters)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **serialized(self, ("kernel", "bias")),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "implementation": self.implementation,
        }


class LocallyConnected1D(_LocallyConnected):
    __doc__ = _LocallyConnected.__doc__
    rank = 1


class LocallyConnected2D(_LocallyConnected):
    __doc__ = _LocallyConnected.__doc__
    rank = 2
