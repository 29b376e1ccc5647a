"""Recurrent cells whose products of matrices are convolutions. Source: Shi et al. 2015."""

import inspect

from tandem.core.errors import explain
from tandem.mxnet.gluon.rnn import sequences
from tandem.mxnet.gluon.rnn.rnn_cell import HybridRecurrentCell

__all__ = [
    "Conv1DGRUCell",
    "Conv1DLSTMCell",
    "Conv1DRNNCell",
    "Conv2DGRUCell",
    "Conv2DLSTMCell",
    "Conv2DRNNCell",
    "Conv3DGRUCell",
    "Conv3DLSTMCell",
    "Conv3DRNNCell",
]

_LAYOUTS = {1: "NCW", 2: "NCHW", 3: "NCDHW"}


def _sizes(name, value, rank):
    sizes = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(sizes) != rank:
        raise AssertionError(
            explain(
                f"For {rank}D convolution, the convolution settings can only be either int or list/tuple of length"
                f" {rank}",
                given=f"{name}={value}",
            )
        )
    return sizes


class _ConvCell(HybridRecurrentCell):
    """What the cells share: a convolution of the input, and one of the state that keeps its size."""

    _rank = 1
    _gates = 1
    _states = 1

    def __init__(
        self,
        input_shape,
        hidden_channels,
        i2h_kernel,
        h2h_kernel,
        i2h_pad,
        i2h_dilate,
        h2h_dilate,
        i2h_weight_initializer,
        h2h_weight_initializer,
        i2h_bias_initializer,
        h2h_bias_initializer,
        conv_layout,
        activation,
        prefix=None,
        params=None,
    ):
        super().__init__(prefix=prefix, params=params)
        rank = self._rank
        self._hidden_channels, self._input_shape = hidden_channels, tuple(input_shape)
        self._conv_layout, self._activation = conv_layout, activation
        kernel, pad = _sizes("i2h_kernel", i2h_kernel, rank), _sizes("i2h_pad", i2h_pad, rank)
        dilate = _sizes("i2h_dilate", i2h_dilate, rank)
        state_kernel = _sizes("h2h_kernel", h2h_kernel, rank)
        state_dilate = _sizes("h2h_dilate", h2h_dilate, rank)
        if not all(size % 2 for size in state_kernel):
            raise AssertionError(
                explain(
                    "Only odd sizes keep the size of the state",
                    expected="odd numbers",
                    given=f"h2h_kernel={h2h_kernel}",
                )
            )
        state_pad = tuple(step * (size - 1) // 2 for size, step in zip(state_kernel, state_dilate))
        self._of_input = {"kernel": kernel, "pad": pad, "dilate": dilate}
        self._of_state = {"kernel": state_kernel, "pad": state_pad, "dilate": state_dilate}
        for settings in (self._of_input, self._of_state):
            settings.update(stride=(1,) * rank, num_filter=self._gates * hidden_channels, layout=conv_layout)
        self._channel_axis = conv_layout.find("C")
        last = self._channel_axis == rank + 1
        self._in_channels = self._input_shape[self._channel_axis - 1]
        sizes = self._input_shape[:-1] if last else self._input_shape[1:]
        sizes = tuple(s + 2 * p - d * (k - 1) for s, k, p, d in zip(sizes, kernel, pad, dilate))
        self._state_shape = (*sizes, hidden_channels) if last else (hidden_channels, *sizes)

        rows = self._gates * hidden_channels

        def weight(channels, kernel):
            return (rows, *kernel, channels) if last else (rows, channels, *kernel)

        for name, shape, init in (
            ("i2h_weight", weight(self._in_channels, kernel), i2h_weight_initializer),
            ("h2h_weight", weight(hidden_channels, state_kernel), h2h_weight_initializer),
            ("i2h_bias", (rows,), i2h_bias_initializer),
            ("h2h_bias", (rows,), h2h_bias_initializer),
        ):
            setattr(self, name, self.params.get(name, shape=shape, init=init, allow_deferred_init=True))

    def state_info(self, batch_size=0):
        """One array with the channels and sizes of the state, for each state."""
        info = {"shape": (batch_size, *self._state_shape), "__layout__": self._conv_layout}
        return [dict(info) for _ in range(self._states)]

    def _preactivations(self, F, inputs, state, i2h_weight, h2h_weight, i2h_bias, h2h_bias):
        return (
            F.Convolution(inputs, i2h_weight, i2h_bias, **self._of_input),
            F.Convolution(state, h2h_weight, h2h_bias, **self._of_state),
        )

    def _split(self, F, array):
        return F.SliceChannel(array, num_outputs=self._gates, axis=self._channel_axis)

    def _act(self, F, array):
        return sequences.activate(F, array, self._activation)

    def __repr__(self):
        rows = self.i2h_weight.shape[0]
        return f"{type(self).__name__}({self._in_channels} -> {rows}, {self._activation}, {self._conv_layout})"


class _ConvRNN(_ConvCell):
    def _alias(self):
        return "conv_rnn"

    def hybrid_forward(self, F, inputs, states, i2h_weight, h2h_weight, i2h_bias, h2h_bias):
        """One step: (h', [h'])."""
        of_input, of_state = self._preactivations(F, inputs, states[0], i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        output = self._act(F, of_input + of_state)
        return output, [output]


class _ConvLSTM(_ConvCell):
    _gates = 4
    _states = 2

    def _alias(self):
        return "conv_lstm"

    def hybrid_forward(self, F, inputs, states, i2h_weight, h2h_weight, i2h_bias, h2h_bias):
        """One step: (h', [h', c'])."""
        of_input, of_state = self._preactivations(F, inputs, states[0], i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        i, f, g, o = self._split(F, of_input + of_state)
        memory = F.sigmoid(f) * states[1] + F.sigmoid(i) * self._act(F, g)
        output = F.sigmoid(o) * self._act(F, memory)
        return output, [output, memory]


class _ConvGRU(_ConvCell):
    _gates = 3

    def _alias(self):
        return "conv_gru"

    def hybrid_forward(self, F, inputs, states, i2h_weight, h2h_weight, i2h_bias, h2h_bias):
        """One step: (h', [h'])."""
        before = states[0]
        of_input, of_state = self._preactivations(F, inputs, before, i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        i2h_r, i2h_z, i2h_n = self._split(F, of_input)
        h2h_r, h2h_z, h2h_n = self._split(F, of_state)
        reset, keep = F.sigmoid(i2h_r + h2h_r), F.sigmoid(i2h_z + h2h_z)
        new = self._act(F, i2h_n + reset * h2h_n)
        output = (1 - keep) * new + keep * before
        return output, [output]


_FORMULAS = {
    _ConvRNN: "h' = act(W*x + b + U*h + c), * being a convolution",
    _ConvLSTM: (
        "c' = f∘c + i∘act(g), h' = o∘act(c'), with gates i, f, g, o from W*x + b + U*h + c, * being a convolution"
    ),
    _ConvGRU: "h' = (1 − z)∘n + z∘h, n = act(W*x + b + r∘(U*h + c)), with gates r, z, * being a convolution",
}


def _cell_class(name, base, rank):
    """`Conv1DRNNCell` ... `Conv3DGRUCell`: they differ in rank, defaults and formula."""
    ones, zeros, layout = (1,) * rank, (0,) * rank, _LAYOUTS[rank]

    def __init__(
        self,
        input_shape,
        hidden_channels,
        i2h_kernel,
        h2h_kernel,
        i2h_pad=zeros,
        i2h_dilate=ones,
        h2h_dilate=ones,
        i2h_weight_initializer=None,
        h2h_weight_initializer=None,
        i2h_bias_initializer="zeros",
        h2h_bias_initializer="zeros",
        conv_layout=layout,
        activation="tanh",
        prefix=None,
        params=None,
    ):
        base.__init__(
            self,
            input_shape,
            hidden_channels,
            i2h_kernel,
            h2h_kernel,
            i2h_pad,
            i2h_dilate,
            h2h_dilate,
            i2h_weight_initializer,
            h2h_weight_initializer,
            i2h_bias_initializer,
            h2h_bias_initializer,
            conv_layout,
            activation,
            prefix=prefix,
            params=params,
        )

    __init__.__qualname__ = f"{name}.__init__"
    doc = f"""{_FORMULAS[base]}.

    input_shape: of one sample, without the batch, in the layout's order; hidden_channels; i2h_kernel, h2h_kernel: sizes
    of the kernels of inputs and states, those of states odd; i2h_pad, i2h_dilate, h2h_dilate; *_initializer;
    conv_layout: {layout!r} or with the channels last; activation: a name or a function.
    Raises AssertionError for even kernels of states or another number of sizes.
    """
    fields = {"__init__": __init__, "__doc__": inspect.cleandoc(doc), "_rank": rank, "__module__": __name__}
    return type(name, (base,), fields)


Conv1DRNNCell = _cell_class("Conv1DRNNCell", _ConvRNN, 1)
Conv2DRNNCell = _cell_class("Conv2DRNNCell", _ConvRNN, 2)
Conv3DRNNCell = _cell_class("Conv3DRNNCell", _ConvRNN, 3)
Conv1DLSTMCell = _cell_class("Conv1DLSTMCell", _ConvLSTM, 1)
Conv2DLSTMCell = _cell_class("Conv2DLSTMCell", _ConvLSTM, 2)
Conv3DLSTMCell = _cell_class("Conv3DLSTMCell", _ConvLSTM, 3)
Conv1DGRUCell = _cell_class("Conv1DGRUCell", _ConvGRU, 1)
Conv2DGRUCell = _cell_class("Conv2DGRUCell", _ConvGRU, 2)
Conv3DGRUCell = _cell_class("Conv3DGRUCell", _ConvGRU, 3)
