"""Layers that Keras 1 and 2 had and Keras 3 has under another name, or no more."""

from tandem.core.errors import Unsupported, explain, warn
from tandem.keras import activations, ops
from tandem.keras import layers as today
from tandem.keras.layers import Conv1D, Conv2DTranspose, Layer
from tandem.keras.layers.conv_lstm import ConvLSTMCell
from tandem.keras.legacy.convolutional import Convolution2D
from tandem.keras.legacy.layers import KERNEL_SIZES, modernize, one_by_one
from tandem.keras.saving.registry import register_own

GRU, LSTM, RNN = today.GRU, today.LSTM, today.RNN
Recurrent = RNN
_op = ops.NAMES


@register_own("keras2>SyncBatchNormalization")
class SyncBatchNormalization(today.BatchNormalization):
    """`BatchNormalization` with one set of statistics over all processes: `synchronized=True`, as Keras 3 writes it."""

    def __init__(self, axis=-1, momentum=0.99, epsilon=0.001, **kwargs):
        super().__init__(axis, momentum, epsilon, **{**kwargs, "synchronized": True})


class CuDNNLSTM(LSTM):
    """Keras 2's LSTM of the GPU library: `LSTM` with its default activations, which uses it too."""

    def __init__(self, units, **kwargs):
        _refuse("CuDNNLSTM", kwargs)
        super().__init__(units, **kwargs)


class CuDNNGRU(GRU):
    """Keras 2's GRU of the GPU library: `GRU` with its default activations and `reset_after`, which uses it too."""

    def __init__(self, units, **kwargs):
        _refuse("CuDNNGRU", kwargs)
        super().__init__(units, **{**kwargs, "reset_after": True})


def _refuse(name, kwargs):
    warn(f"Write layers.{name[5:]} for layers.{name}: it uses the same kernels.", DeprecationWarning)
    for argument in ("activation", "recurrent_activation", "dropout", "recurrent_dropout", "use_bias"):
        # Only what `get_config` of the layer it stands for shows.
        harmless = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}.get(argument, 0.0)
        if kwargs.get(argument, harmless) not in (harmless, 0):
            raise TypeError(explain(f"{name} has no argument {argument!r}", given=kwargs[argument]))


class AbstractRNNCell(Layer):
    """What a cell of one's own for `RNN` begins with: it gives `state_size`, `output_size` and `call`."""

    def call(self, inputs, states):
        """(output, states) for one step."""
        raise NotImplementedError("A cell's `call(inputs, states)` gives (output, states).")

    @property
    def state_size(self):
        """The size of the state, or those of several in a list."""
        raise NotImplementedError("A cell gives its `state_size`.")

    @property
    def output_size(self):
        """The size of the output."""
        raise NotImplementedError("A cell gives its `output_size`.")

    def get_initial_state(self, inputs=None, batch_size=None, dtype=None):
        """Zeros of the sizes of the states."""
        batch = batch_size if inputs is None else inputs.shape[0]
        sizes = self.state_size if isinstance(self.state_size, (list, tuple)) else [self.state_size]
        return [_op["zeros"]((batch, size), dtype=dtype or self.compute_dtype) for size in sizes]


class ConvLSTM2DCell(ConvLSTMCell):
    """The cell of `ConvLSTM2D`."""

    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(2, filters, kernel_size, **kwargs)


ConvRNN2D = ConvRecurrent2D = today.ConvLSTM2D.__mro__[1]


@register_own("keras2>ThresholdedReLU")
class ThresholdedReLU(Layer):
    """x where it is greater than `theta`, else 0."""

    def __init__(self, theta=1.0, **kwargs):
        super().__init__(**kwargs)
        if theta is None or theta < 0:
            raise ValueError(explain("Theta of ThresholdedReLU must be at least 0", given=f"theta={theta}"))
        self.supports_masking = True
        self.theta = float(theta)

    def call(self, inputs):
        """The inputs above the threshold."""
        return activations.threshold(inputs, self.theta, 0)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "theta": self.theta}


class _Keras1Dense(Layer):
    """What Keras 1's layers of matrices share: their arguments."""

    def __init__(
        self,
        init="glorot_uniform",
        activation=None,
        weights=None,
        W_regularizer=None,
        b_regularizer=None,
        activity_regularizer=None,
        W_constraint=None,
        b_constraint=None,
        bias=True,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.init, self.activation, self.bias = init, activations.get(activation), bias
        self.initial_weights = weights
        self.options = {"regularizer": W_regularizer, "constraint": W_constraint}
        self.bias_options = {"regularizer": b_regularizer, "constraint": b_constraint}

    def _after_build(self):
        if self.initial_weights is not None:
            self.set_weights(self.initial_weights)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "init": self.init,
            "activation": activations.serialize(self.activation),
            "W_regularizer": self.options["regularizer"],
            "W_constraint": self.options["constraint"],
            "b_regularizer": self.bias_options["regularizer"],
            "b_constraint": self.bias_options["constraint"],
            "bias": self.bias,
        }


@register_own("keras1>Highway")
class Highway(_Keras1Dense):
    """``t * activation(x W + b) + (1 - t) * x`` with ``t = sigmoid(x W_carry + b_carry)``, b_carry beginning at -2.

    Srivastava, Greff and Schmidhuber, 2015.
    """

    def build(self, input_shape):
        """Make the two matrices and their biases."""
        size = input_shape[-1]
        self.W = self.add_weight((size, size), self.init, name="W", **self.options)
        self.W_carry = self.add_weight((size, size), self.init, name="W_carry")
        if self.bias:
            self.b = self.add_weight((size,), "zeros", name="b", **self.bias_options)
            self.b_carry = self.add_weight((size,), today_constant(-2.0), name="b_carry")
        self._after_build()

    def call(self, inputs):
        """The mixture."""
        gate, new = _op["matmul"](inputs, self.W_carry), _op["matmul"](inputs, self.W)
        if self.bias:
            gate, new = _op["add"](gate, self.b_carry), _op["add"](new, self.b)
        gate = _op["sigmoid"](gate)
        kept = _op["multiply"](_op["subtract"](1.0, gate), inputs)
        return _op["add"](_op["multiply"](gate, self.activation(new)), kept)


def today_constant(value):
    """The initializer that gives `value`."""
    from tandem.keras import initializers

    return initializers.Constant(value)


@register_own("keras1>MaxoutDense")
class MaxoutDense(_Keras1Dense):
    """The greatest of `nb_feature` linear maps to `output_dim` values. Goodfellow et al., 2013."""

    def __init__(self, output_dim, nb_feature=4, **kwargs):
        super().__init__(**kwargs)
        self.output_dim, self.nb_feature = output_dim, nb_feature

    def build(self, input_shape):
        """Make the matrices (nb_feature, in, output_dim) and their biases."""
        self.W = self.add_weight(
            (self.nb_feature, input_shape[-1], self.output_dim), self.init, name="W", **self.options
        )
        if self.bias:
            self.b = self.add_weight((self.nb_feature, self.output_dim), "zeros", name="b", **self.bias_options)
        self._after_build()

    def call(self, inputs):
        """The greatest values, (batch, output_dim)."""
        outputs = _op["einsum"]("bi,kio->bko", inputs, self.W)
        if self.bias:
            outputs = _op["add"](outputs, self.b)
        return _op["max"](outputs, axis=1)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "output_dim": self.output_dim, "nb_feature": self.nb_feature}


class TimeDistributedDense(today.Dense):
    """Keras 1's `Dense` of sequences, which `Dense` itself does: takes `input_length` and `input_dim` as well."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **modernize("TimeDistributedDense", kwargs))


# --- convolutions ----------------------------------------------------------------------------------------------------
class AtrousConvolution2D(Convolution2D):
    """Keras 1's dilated convolution of images: `Conv2D(dilation_rate=…)`."""


class AtrousConvolution1D(Conv1D):
    """Keras 1's dilated convolution of sequences: `Conv1D(dilation_rate=…)`."""


AtrousConv1D, AtrousConv2D = AtrousConvolution1D, AtrousConvolution2D


class Deconvolution2D(Conv2DTranspose):
    """Keras 1's transposed convolution (nb_filter, nb_row, nb_col, output_shape); takes today's arguments as well.

    Raises ValueError where `output_shape` is not what the other arguments give.
    """

    def __init__(self, *args, **kwargs):
        wanted = kwargs.pop("output_shape", None)
        if wanted is None and len(args) > 3 and isinstance(args[3], (list, tuple)):
            args, wanted = (*args[:3], *args[4:]), args[3]
        args, kwargs = one_by_one(KERNEL_SIZES["Conv2DTranspose"], args, kwargs)
        super().__init__(*args, **kwargs)
        self.wanted_shape = None if wanted is None else tuple(wanted)

    def build(self, input_shape):
        """Make the weights, and see that the output has the shape that was asked for."""
        super().build(input_shape)
        if self.wanted_shape is not None:
            given = tuple(super().compute_output_shape(input_shape))
            if given[1:] != self.wanted_shape[1:]:
                raise ValueError(
                    explain(
                        "`output_shape` does not go with the other arguments",
                        expected=given,
                        given=self.wanted_shape,
                        hint="Give Conv2DTranspose `output_padding`.",
                    )
                )


Deconv2D = Deconvolution2D
Deconv3D = Deconvolution3D = today.Conv3DTranspose


# --- merging ---------------------------------------------------------------------------------------------------------
_MODES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum"}


def _merging(mode, concat_axis, dot_axes, output_shape, output_mask, arguments, name):
    """Today's layer for a mode of Keras 1."""
    if mode in _MODES:
        return getattr(today, _MODES[mode])(name=name)
    if mode == "concat":
        return today.Concatenate(axis=concat_axis, name=name)
    if mode in ("dot", "cos"):
        return today.Dot(axes=dot_axes, normalize=mode == "cos", name=name)
    if callable(mode):
        if isinstance(output_shape, tuple):
            output_shape = output_shape[1:] if output_shape and output_shape[0] is None else output_shape
        return today.Lambda(mode, output_shape=output_shape, mask=output_mask, arguments=arguments, name=name)
    raise ValueError(
        explain("Invalid merge mode", expected="sum, mul, concat, ave, cos, dot, max or a function", given=repr(mode))
    )


def merge(
    inputs,
    mode="sum",
    concat_axis=-1,
    dot_axes=-1,
    output_shape=None,
    output_mask=None,
    arguments=None,
    name=None,
):
    """Keras 1's way to put tensors together; write `layers.add`, `multiply`, `concatenate`, `average`, `maximum`, `dot`
    or a `Lambda`.
    """
    warn("Write layers.add, multiply, concatenate, … for layers.merge(mode=…).", DeprecationWarning)
    return _merging(mode, concat_axis, dot_axes, output_shape, output_mask, arguments, name)(inputs)


class Merge:
    """Keras 1's layer of the modes of `merge`, on the outputs of some models or layers: gives today's layer or model.

    layers: models, whose inputs become those of the result; without them, a layer that is called on a list.
    """

    def __new__(
        cls,
        layers=None,
        mode="sum",
        concat_axis=-1,
        dot_axes=-1,
        output_shape=None,
        output_mask=None,
        arguments=None,
        node_indices=None,
        tensor_indices=None,
        name=None,
    ):
        if node_indices or tensor_indices:
            raise Unsupported("Merge takes the first output of each layer: call `merge` on tensors for others.")
        warn("Write layers.add, multiply, concatenate, … for layers.Merge.", DeprecationWarning)
        layer = _merging(mode, concat_axis, dot_axes, output_shape, output_mask, arguments, name)
        if not layers:
            return layer
        from tandem.keras.models import Model

        inputs = []
        for one in layers:
            own = one.input if isinstance(one.input, (list, tuple)) else [one.input]
            inputs += [value for value in own if not any(value is other for other in inputs)]
        return Model(inputs, layer([one.output for one in layers]))


def enable_v2_dtype_behavior():
    """Does nothing: layers cast their inputs, as from TensorFlow 2 on."""


def disable_v2_dtype_behavior():
    """Raises Unsupported: layers cast their inputs."""
    raise Unsupported("Layers cast their inputs to their dtype; give a layer `autocast=False` where it must not.")
