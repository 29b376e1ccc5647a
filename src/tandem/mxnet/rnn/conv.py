"""Cells made of symbols whose products of matrices are convolutions. Shi et al., 2015."""

import functools
import inspect

from tandem.core.errors import explain
from tandem.mxnet import symbol
from tandem.mxnet.rnn import steps
from tandem.mxnet.rnn.base import BaseRNNCell

__all__ = ["BaseConvRNNCell", "ConvGRUCell", "ConvLSTMCell", "ConvRNNCell"]

_LEAKY = functools.partial(symbol.LeakyReLU, act_type="leaky", slope=0.2)


class BaseConvRNNCell(BaseRNNCell):
    """What the cells share: a convolution of the input, and one of the state that keeps its size.

    input_shape: of the input with its batch axis, whose size does not matter; num_hidden: channels of the state;
    h2h_kernel, h2h_dilate: of the state's convolution, kernels being odd; i2h_kernel, i2h_stride, i2h_pad, i2h_dilate:
    of the input's; *_initializer: of the weights; activation: a name or a function; conv_layout: 'NCHW' or 'NHWC'.
    Raises AssertionError for even kernels of the state.
    """

    _states = 1

    def __init__(
        self,
        input_shape,
        num_hidden,
        h2h_kernel,
        h2h_dilate,
        i2h_kernel,
        i2h_stride,
        i2h_pad,
        i2h_dilate,
        i2h_weight_initializer,
        h2h_weight_initializer,
        i2h_bias_initializer,
        h2h_bias_initializer,
        activation,
        prefix="",
        params=None,
        conv_layout="NCHW",
    ):
        super().__init__(prefix=prefix, params=params)
        if not all(size % 2 for size in h2h_kernel):
            raise AssertionError(
                explain(
                    "Only odd kernels keep the size of the state",
                    expected="odd numbers",
                    given=f"h2h_kernel={h2h_kernel}",
                )
            )
        self._input_shape, self._num_hidden, self._activation = input_shape, num_hidden, activation
        self._conv_layout = conv_layout
        self._h2h_kernel, self._h2h_dilate = h2h_kernel, h2h_dilate
        self._h2h_pad = tuple(step * (size - 1) // 2 for size, step in zip(h2h_kernel, h2h_dilate))
        self._i2h_kernel, self._i2h_stride = i2h_kernel, i2h_stride
        self._i2h_pad, self._i2h_dilate = i2h_pad, i2h_dilate
        of_input = symbol.Convolution(symbol.Variable("data"), name="i2h", **self._settings_of_input(num_hidden))
        self._state_shape = (0, *of_input.infer_shape(data=input_shape)[1][0][1:])
        self._iW = self.params.get("i2h_weight", init=i2h_weight_initializer)
        self._hW = self.params.get("h2h_weight", init=h2h_weight_initializer)
        self._iB = self.params.get("i2h_bias", init=i2h_bias_initializer)
        self._hB = self.params.get("h2h_bias", init=h2h_bias_initializer)

    def _settings_of_input(self, rows):
        return {
            "num_filter": rows,
            "kernel": self._i2h_kernel,
            "stride": self._i2h_stride,
            "pad": self._i2h_pad,
            "dilate": self._i2h_dilate,
            "layout": self._conv_layout,
        }

    @property
    def _num_gates(self):
        return len(self._gate_names)

    @property
    def state_info(self):
        """The shape of the input's convolution with `num_hidden` channels, for each state."""
        return [{"shape": self._state_shape, "__layout__": self._conv_layout} for _ in range(self._states)]

    @property
    def _axis(self):
        """The axis of channels, where it is not the one that operators slice anyway."""
        axis = self._conv_layout.find("C")
        return None if axis == 1 else axis

    def _conv_forward(self, inputs, states, name):
        rows = self._num_hidden * self._num_gates
        i2h = symbol.Convolution(
            data=inputs, weight=self._iW, bias=self._iB, name=f"{name}i2h", **self._settings_of_input(rows)
        )
        h2h = symbol.Convolution(
            data=states[0],
            weight=self._hW,
            bias=self._hB,
            num_filter=rows,
            kernel=self._h2h_kernel,
            stride=(1, 1),
            pad=self._h2h_pad,
            dilate=self._h2h_dilate,
            layout=self._conv_layout,
            name=f"{name}h2h",
        )
        return i2h, h2h

    def _act(self, inputs, **name):
        return self._get_activation(inputs, self._activation, **name)


class _ConvRNN(BaseConvRNNCell):
    @property
    def _gate_names(self):
        return ("",)

    def __call__(self, inputs, states):
        """One step: (h', [h'])."""
        name = self._next_step()
        i2h, h2h = self._conv_forward(inputs, states, name)
        output = self._act(i2h + h2h, name=f"{name}out")
        return output, [output]


class _ConvLSTM(BaseConvRNNCell):
    _states = 2

    @property
    def _gate_names(self):
        return ["_i", "_f", "_c", "_o"]

    def __call__(self, inputs, states):
        """One step: (h', [h', c'])."""
        name = self._next_step()
        i2h, h2h = self._conv_forward(inputs, states, name)
        # MXNet writes this slice's axis down in any layout.
        output, memory = steps.lstm(i2h, h2h, states[1], name, self._act, self._conv_layout.find("C"))
        return output, [output, memory]


class _ConvGRU(BaseConvRNNCell):
    @property
    def _gate_names(self):
        return ["_r", "_z", "_o"]

    def __call__(self, inputs, states):
        """One step: (h', [h'])."""
        name = self._next_step()
        i2h, h2h = self._conv_forward(inputs, states, name)
        # MXNet slices the second axis in any layout and fails where that is not the channels'.
        output = steps.gru(i2h, h2h, states[0], name, self._act, self._axis)
        return output, [output]


def _cell_class(name, base, formula):
    """`ConvRNNCell`, `ConvLSTMCell`, `ConvGRUCell`: they differ in the prefix and the formula."""

    default_prefix = f"{name.removesuffix('Cell')}_"

    def __init__(
        self,
        input_shape,
        num_hidden,
        h2h_kernel=(3, 3),
        h2h_dilate=(1, 1),
        i2h_kernel=(3, 3),
        i2h_stride=(1, 1),
        i2h_pad=(1, 1),
        i2h_dilate=(1, 1),
        i2h_weight_initializer=None,
        h2h_weight_initializer=None,
        i2h_bias_initializer="zeros",
        h2h_bias_initializer="zeros",
        activation=_LEAKY,
        prefix=default_prefix,
        params=None,
        conv_layout="NCHW",
    ):
        base.__init__(
            self,
            input_shape,
            num_hidden,
            h2h_kernel,
            h2h_dilate,
            i2h_kernel,
            i2h_stride,
            i2h_pad,
            i2h_dilate,
            i2h_weight_initializer,
            h2h_weight_initializer,
            i2h_bias_initializer,
            h2h_bias_initializer,
            activation,
            prefix=prefix,
            params=params,
            conv_layout=conv_layout,
        )

    __init__.__qualname__ = f"{name}.__init__"
    doc = f"{formula}, * being a convolution.\n\n{inspect.getdoc(BaseConvRNNCell).split(chr(10) * 2, 1)[1]}"
    return type(name, (base,), {"__init__": __init__, "__doc__": doc, "__module__": __name__})


ConvRNNCell = _cell_class("ConvRNNCell", _ConvRNN, "h' = act(W*x + b + U*h + c)")
ConvLSTMCell = _cell_class(
    "ConvLSTMCell", _ConvLSTM, "c' = f∘c + i∘act(g), h' = o∘act(c'), with gates i, f, g, o from W*x + b + U*h + c"
)
ConvGRUCell = _cell_class(
    "ConvGRUCell", _ConvGRU, "h' = (1 − z)∘n + z∘h, n = act(W*x + b + r∘(U*h + c)), with gates r, z"
)
