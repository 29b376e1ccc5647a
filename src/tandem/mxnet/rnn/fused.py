"""`FusedRNNCell`: layers of recurrences as one operator with one vector of weights."""

import warnings

from tandem.core.errors import explain
from tandem.mxnet import ndarray, symbol
from tandem.mxnet.initializer import FusedRNN
from tandem.mxnet.rnn.base import BaseRNNCell, sequence
from tandem.mxnet.rnn.cells import (
    BidirectionalCell,
    DropoutCell,
    GRUCell,
    LSTMCell,
    RNNCell,
    SequentialRNNCell,
)
from tandem.ops import rnn_stack

__all__ = ["FusedRNNCell"]

_GATES = {
    "rnn_relu": ("",),
    "rnn_tanh": ("",),
    "lstm": ["_i", "_f", "_c", "_o"],
    "gru": ["_r", "_z", "_o"],
}


class FusedRNNCell(BaseRNNCell):
    """Layers of plain, LSTM or GRU recurrences as one operator `RNN`, which is unrolled and not stepped.

    num_hidden: units; num_layers; mode: 'rnn_relu', 'rnn_tanh', 'lstm' or 'gru'; bidirectional: in both directions;
    dropout: between layers; get_next_state: answer the states after the last step too; forget_bias: what the bias of
    an LSTM's forget gate begins with; prefix: None for "{mode}_"; params: see `BaseRNNCell`.
    """

    def __init__(
        self,
        num_hidden,
        num_layers=1,
        mode="lstm",
        bidirectional=False,
        dropout=0.0,
        get_next_state=False,
        forget_bias=1.0,
        prefix=None,
        params=None,
    ):
        super().__init__(prefix=f"{mode}_" if prefix is None else prefix, params=params)
        self._num_hidden, self._num_layers, self._mode = num_hidden, num_layers, mode
        self._bidirectional, self._dropout, self._get_next_state = bidirectional, dropout, get_next_state
        self._directions = ["l", "r"] if bidirectional else ["l"]
        initial = FusedRNN(None, num_hidden, num_layers, mode, bidirectional, forget_bias)
        self._parameter = self.params.get("parameters", init=initial)

    @property
    def state_info(self):
        """(layers * directions, 0, num_hidden), "LNC", for each state."""
        shape = (len(self._directions) * self._num_layers, 0, self._num_hidden)
        return [{"shape": shape, "__layout__": "LNC"} for _ in range(1 + (self._mode == "lstm"))]

    @property
    def _gate_names(self):
        return _GATES[self._mode]

    @property
    def _num_gates(self):
        return len(self._gate_names)

    def _places(self, size):
        """(name, shape) of each gate's matrices and biases in the order of the vector; size: of that vector."""
        units, directions = self._num_hidden, len(self._directions)
        inputs = rnn_stack.inputs_for(self._mode, size, units, layers=self._num_layers, directions=directions)
        shapes = rnn_stack.weight_shapes(self._mode, inputs, units, layers=self._num_layers, directions=directions)
        for kind in ("weight", "bias"):
            for layer, row in enumerate(shapes):
                for direction, weights in zip(self._directions, row):
                    columns = {"i2h": weights.w_in[1:], "h2h": weights.w_rec[1:]}
                    for group, width in columns.items():
                        for gate in self._gate_names:
                            name = f"{self._prefix}{direction}{layer}_{group}{gate}_{kind}"
                            yield name, (units, *width) if kind == "weight" else (units,)

    def unpack_weights(self, args):
        """A dict of arrays in which each gate of each layer has a matrix and a vector of its own.

        args: name -> array, as training has them. Raises ValueError for a vector of an impossible size.
        """
        args = dict(args)
        packed = args.pop(self._parameter.name)
        at = 0
        for name, shape in self._places(packed.size):
            size = shape[0] * shape[1] if len(shape) == 2 else shape[0]
            args[name] = packed[at : at + size].reshape(shape).copy()
            at += size
        return args

    def pack_weights(self, args):
        """The inverse of `unpack_weights`."""
        args = dict(args)
        first = args[f"{self._prefix}l0_i2h{self._gate_names[0]}_weight"]
        size = rnn_stack.packed_size(
            rnn_stack.weight_shapes(
                self._mode,
                first.shape[1],
                self._num_hidden,
                layers=self._num_layers,
                directions=len(self._directions),
            )
        )
        parts = [args.pop(name).reshape((-1,)) for name, _ in self._places(size)]
        args[self._parameter.name] = ndarray.concatenate(parts)
        return args

    def __call__(self, inputs, states):
        """Raises NotImplementedError: the operator takes whole sequences."""
        raise NotImplementedError("FusedRNNCell cannot be stepped. Please use unroll")

    def unroll(self, length, inputs, begin_state=None, layout="NTC", merge_outputs=None):
        """As `BaseRNNCell.unroll`; the states are an empty list without `get_next_state`.

        Raises AssertionError where the axis of time is neither the first nor the second.
        """
        self.reset()
        inputs, axis = sequence(length, inputs, layout, True)
        if axis == 1:
            warnings.warn("NTC layout detected. Consider using TNC for FusedRNNCell for faster speed", stacklevel=2)
            inputs = symbol.swapaxes(inputs, dim1=0, dim2=1)
        elif axis != 0:
            raise AssertionError(explain(f"Unsupported layout {layout}", expected="NTC or TNC", given=layout))
        states = self.begin_state() if begin_state is None else begin_state
        given = dict(zip(("state", "state_cell"), states)) if self._mode == "lstm" else {"state": states[0]}
        rnn = symbol.RNN(
            data=inputs,
            parameters=self._parameter,
            state_size=self._num_hidden,
            num_layers=self._num_layers,
            bidirectional=self._bidirectional,
            p=self._dropout,
            state_outputs=self._get_next_state,
            mode=self._mode,
            name=f"{self._prefix}rnn",
            **given,
            **({"__layout__": "LNC"} if self._get_next_state else {}),
        )
        outputs, after = (rnn[0], list(rnn)[1:]) if self._get_next_state else (rnn, [])
        if axis == 1:
            outputs = symbol.swapaxes(outputs, dim1=0, dim2=1)
        return sequence(length, outputs, layout, merge_outputs)[0], after

    def unfuse(self):
        """The same layers as a `SequentialRNNCell` of cells that can be stepped; `unpack_weights` of this cell and
        `pack_weights` of that one carry weights over."""
        make = {
            "rnn_relu": lambda prefix: RNNCell(self._num_hidden, activation="relu", prefix=prefix),
            "rnn_tanh": lambda prefix: RNNCell(self._num_hidden, activation="tanh", prefix=prefix),
            "lstm": lambda prefix: LSTMCell(self._num_hidden, prefix=prefix),
            "gru": lambda prefix: GRUCell(self._num_hidden, prefix=prefix),
        }[self._mode]
        stack = SequentialRNNCell()
        for layer in range(self._num_layers):
            cells = [make(f"{self._prefix}{direction}{layer}_") for direction in self._directions]
            if self._bidirectional:
                stack.add(BidirectionalCell(*cells, output_prefix=f"{self._prefix}bi_l{layer}_"))
            else:
                stack.add(cells[0])
            if self._dropout > 0 and layer != self._num_layers - 1:
                stack.add(DropoutCell(self._dropout, prefix=f"{self._prefix}_dropout{layer}_"))
        return stack
