"""ConvLSTM: an LSTM over sequences of images whose products are convolutions."""

import torch

from tandem.core import dtypes
from tandem.keras import activations
from tandem.keras import random as keras_random
from tandem.keras.layers.arguments import sizes, standardize_data_format, standardize_padding
from tandem.keras.layers.base import Layer
from tandem.keras.layers.input_spec import InputSpec
from tandem.keras.layers.recurrent import OfBuiltInCell, through
from tandem.keras.layers.weight_options import add_weight, serialized, set_weight_options
from tandem.ops import conv, conv_lstm, random, rnn


class ConvLSTMCell(Layer):
    """One step of a `ConvLSTM1D`, `ConvLSTM2D` or `ConvLSTM3D`, whose arguments these are; rank: how many axes."""

    def __init__(
        self,
        rank,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.rank = rank
        self.filters = filters
        self.kernel_size = sizes(kernel_size, rank, "kernel_size")
        self.strides = sizes(strides, rank, "strides", allow_zero=True)
        self.padding = standardize_padding(padding)
        self.data_format = standardize_data_format(data_format)
        self.dilation_rate = sizes(dilation_rate, rank, "dilation_rate")
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.unit_forget_bias = unit_forget_bias
        set_weight_options(self, locals())
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.seed = seed
        self.seed_generator = keras_random.SeedGenerator(seed)
        self.input_spec = InputSpec(ndim=rank + 2)
        self.state_size = [filters, filters]
        self.output_size = filters
        self.__dict__["_state_shape"] = None

    def build(self, input_shape):
        """Make the kernels and the bias for inputs (batch, *space, channels)."""
        first = self.data_format == "channels_first"
        channels = input_shape[1 if first else -1]
        if channels is None:
            raise ValueError(
                f"The channel dimension of the inputs should be defined. Received: input_shape={tuple(input_shape)}"
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, shape=(None, *input_shape[1:]))
        kernel, recurrent = ((*self.kernel_size, inputs, 4 * self.filters) for inputs in (channels, self.filters))
        self.kernel = add_weight(self, "kernel", kernel)
        self.recurrent_kernel = add_weight(self, "recurrent_kernel", recurrent, of="recurrent")
        self.bias = None
        if self.use_bias:
            first = self._first_bias if self.unit_forget_bias else None
            self.bias = add_weight(self, "bias", (4 * self.filters,), initializer=first)

    def _first_bias(self, shape, dtype=None):
        first, rest = (self.bias_initializer((count * self.filters,), dtype) for count in (1, 2))
        return torch.cat([first, torch.ones_like(first), rest])

    # --- computing -------------------------------------------------------------------------------------------------
    def reset_dropout_mask(self):
        """Draw new dropout factors for the next sequence: nothing is kept between calls."""

    reset_masks = reset_recurrent_dropout_mask = reset_dropout_mask

    def factors(self, x, gates, training):
        """The dropout factors for inputs and states, of which each sample has one, or None."""
        generator = self.seed_generator.generator(x.device)
        factor = recurrent = None
        if training and self.dropout:
            factor = random.dropout(torch.ones_like(x), self.dropout, generator=generator)
        if training and self.recurrent_dropout:
            ones = torch.ones_like(conv_lstm.zeros(gates, self.data_format)[0])
            recurrent = random.dropout(ones, self.recurrent_dropout, generator=generator)
        return factor, recurrent

    def gates(self, inputs):
        """The inputs' part of the gates."""
        return conv.conv(
            inputs,
            self.kernel.value,
            None if self.bias is None else self.bias.value,
            stride=self.strides,
            padding=self.padding,
            dilation=self.dilation_rate,
            layout=self.data_format,
        )

    def advance(self, gates, states, dropout=None):
        """The next states, from the inputs' part of the gates."""
        return conv_lstm.step(
            gates,
            states,
            self.recurrent_kernel.value,
            act=self.activation,
            gate=self.recurrent_activation,
            dropout=dropout,
            layout=self.data_format,
        )

    def call(self, inputs, states, training=False):
        """One step: inputs (batch, *space, channels), states [h, c]. Returns (output, new states)."""
        gates = self.gates(inputs)
        factor, recurrent = self.factors(inputs, gates, training)
        if factor is not None:
            gates = self.gates(conv_lstm.scale(inputs, factor))
        h, c = self.advance(gates, states, recurrent)
        return h, [h, c]

    def spatial(self, input_shape):
        """The output's shape, the batch left out, for inputs (batch, *space, channels)."""
        first = self.data_format == "channels_first"
        space = input_shape[2:] if first else input_shape[1:-1]
        found = []
        for axis, size in enumerate(space):
            options = {"stride": self.strides[axis], "padding": self.padding, "dilation": self.dilation_rate[axis]}
            window = (self.kernel_size[axis],)
            found.append(None if size is None else conv.conv_output_sizes((size,), window, **options)[0])
        return (self.filters, *found) if first else (*found, self.filters)

    def compute_output_shape(self, inputs_shape, states_shape=None):
        """The shapes of the output and of the states."""
        output = (inputs_shape[0], *self.spatial(inputs_shape))
        return output, [output, output]

    def get_config(self):
        """The arguments that make an equal cell, but for its rank, which the layer's class says."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "use_bias": self.use_bias,
            "unit_forget_bias": self.unit_forget_bias,
            **serialized(self, ("kernel", "recurrent", "bias")),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }


class _ConvLSTM(OfBuiltInCell):
    """An LSTM over sequences of images: its products are convolutions (Shi et al., 2015).

    filters: channels of the output; kernel_size, strides, padding, dilation_rate: of the convolution of the inputs
    (that of the states keeps their size); activation: of the cell; recurrent_activation: of the gates;
    unit_forget_bias: the forget gate's bias begins at 1; dropout, recurrent_dropout: parts of inputs and states that
    are dropped in training; seed: of dropout; the rest as in `RNN` and `Conv2D`.
    inputs: (batch, steps, *space, channels), for data_format "channels_first" (batch, steps, channels, *space).
    """

    _cell_class = ConvLSTMCell
    _cell_name = "conv_lstm_cell"
    rank = None

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        **kwargs,
    ):
        self._make(locals(), rank=self.rank)
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def _make_states(self, sequences_shape):
        self.__dict__["_state_shape"] = self.cell.spatial((sequences_shape[0], *sequences_shape[2:]))
        super()._make_states(sequences_shape)

    def get_initial_state(self, batch_size):
        """Zeros for both states of a layer that was built for images of a known size."""
        zeros = torch.zeros((batch_size, *self._state_shape), dtype=dtypes.torch_dtype(self.compute_dtype))
        return [zeros, zeros.clone()]

    def _sequence(self, sequences, state, mask, training):
        cell, steps = self.cell, sequences.shape[1]
        factor = None
        if training and (cell.dropout or cell.recurrent_dropout):
            factor, recurrent = cell.factors(sequences[:, 0], cell.gates(sequences[:, 0]), training)
            sequences = conv_lstm.scale(sequences, None if factor is None else factor.unsqueeze(1))
        else:
            recurrent = None
        gates = cell.gates(sequences.flatten(0, 1)).unflatten(0, (-1, steps)).transpose(0, 1)

        def step(gates, states):
            h, c = cell.advance(gates, states, recurrent)
            return h, [h, c]

        outputs, states = rnn.scan(
            step,
            gates,
            conv_lstm.zeros(gates[0], cell.data_format) if state is None else state,
            mask=None if mask is None else mask.transpose(0, 1),
            reverse=self.go_backwards,
            masked_output="zero" if self.zero_output_for_mask else "carry",
            sequences=self.return_sequences,
        )
        return outputs.transpose(0, 1) if self.return_sequences else outputs, states

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        """The shapes of the outputs for inputs of `sequences_shape`."""
        batch, steps = sequences_shape[:2]
        space = self.cell.spatial((batch, *sequences_shape[2:]))
        output = (batch, steps, *space) if self.return_sequences else (batch, *space)
        return (output, (batch, *space), (batch, *space)) if self.return_state else output

    filters = through("filters")
    kernel_size = through("kernel_size")
    strides = through("strides")
    padding = through("padding")
    data_format = through("data_format")
    dilation_rate = through("dilation_rate")
    recurrent_activation = through("recurrent_activation")
    unit_forget_bias = through("unit_forget_bias")

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The layer that `get_config` describes."""
        return super().from_config({key: value for key, value in config.items() if key != "unroll"}, custom_objects)


class ConvLSTM1D(_ConvLSTM):
    __doc__ = _ConvLSTM.__doc__
    rank = 1


class ConvLSTM2D(_ConvLSTM):
    __doc__ = _ConvLSTM.__doc__
    rank = 2


class ConvLSTM3D(_ConvLSTM):
    __doc__ = _ConvLSTM.__doc__
    rank = 3
