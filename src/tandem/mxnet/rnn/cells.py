"""Cells made of symbols: plain, LSTM and GRU recurrences, stacks, and both directions."""

from tandem.core.errors import explain
from tandem.mxnet import symbol
from tandem.mxnet.initializer import LSTMBias
from tandem.mxnet.rnn import steps
from tandem.mxnet.rnn.base import BaseRNNCell, sequence
from tandem.mxnet.symbol import Symbol

__all__ = ["BidirectionalCell", "DropoutCell", "GRUCell", "LSTMCell", "RNNCell", "SequentialRNNCell"]


class _DenseCell(BaseRNNCell):
    """What the cells share that multiply inputs and states with matrices."""

    _states = 1

    def __init__(self, num_hidden, prefix, params, bias=None):
        super().__init__(prefix=prefix, params=params)
        self._num_hidden = num_hidden
        self._iW = self.params.get("i2h_weight")
        self._iB = self.params.get("i2h_bias", **({} if bias is None else {"init": bias}))
        self._hW = self.params.get("h2h_weight")
        self._hB = self.params.get("h2h_bias")

    @property
    def state_info(self):
        """(0, num_hidden), "NC", for each state."""
        return [{"shape": (0, self._num_hidden), "__layout__": "NC"} for _ in range(self._states)]

    def _preactivations(self, inputs, state, name):
        rows = self._num_hidden * len(self._gate_names)
        return (
            symbol.FullyConnected(inputs, self._iW, self._iB, num_hidden=rows, name=f"{name}i2h"),
            symbol.FullyConnected(state, self._hW, self._hB, num_hidden=rows, name=f"{name}h2h"),
        )


class RNNCell(_DenseCell):
    """h' = act(W·x + b + U·h + c).

    num_hidden: units; activation: a name or a function of a symbol; prefix, params: see `BaseRNNCell`.
    """

    def __init__(self, num_hidden, activation="tanh", prefix="rnn_", params=None):
        super().__init__(num_hidden, prefix, params)
        self._activation = activation

    @property
    def _gate_names(self):
        return ("",)

    def __call__(self, inputs, states):
        """One step: (h', [h'])."""
        name = self._next_step()
        of_input, of_state = self._preactivations(inputs, states[0], name)
        output = self._get_activation(of_input + of_state, self._activation, name=f"{name}out")
        return output, [output]


class LSTMCell(_DenseCell):
    """c' = f∘c + i∘g, h' = o∘tanh(c'), with gates i, f, g, o from W·x + b + U·h + c. Hochreiter, Schmidhuber, 1997.

    num_hidden: units; forget_bias: what the bias of f begins with; prefix, params: see `BaseRNNCell`.
    """

    _states = 2

    def __init__(self, num_hidden, prefix="lstm_", params=None, forget_bias=1.0):
        super().__init__(num_hidden, prefix, params, LSTMBias(forget_bias=forget_bias))

    @property
    def _gate_names(self):
        return ["_i", "_f", "_c", "_o"]

    def __call__(self, inputs, states):
        """One step: (h', [h', c'])."""
        name = self._next_step()
        of_input, of_state = self._preactivations(inputs, states[0], name)
        output, memory = steps.lstm(of_input, of_state, states[1], name, _tanh)
        return output, [output, memory]


class GRUCell(_DenseCell):
    """h' = (1 − z)∘n + z∘h, n = tanh(W·x + b + r∘(U·h + c)), with gates r, z. Cho et al., 2014, in cuDNN's form.

    num_hidden: units; prefix, params: see `BaseRNNCell`.
    """

    def __init__(self, num_hidden, prefix="gru_", params=None):
        super().__init__(num_hidden, prefix, params)

    @property
    def _gate_names(self):
        return ["_r", "_z", "_o"]

    def __call__(self, inputs, states):
        """One step: (h', [h'])."""
        name = self._next_step()
        of_input, of_state = self._preactivations(inputs, states[0], f"{name}_")
        output = steps.gru(of_input, of_state, states[0], name, _tanh)
        return output, [output]


def _tanh(inputs, **name):
    return symbol.Activation(inputs, act_type="tanh", **name)


class DropoutCell(BaseRNNCell):
    """Dropout of the input, without states; for `SequentialRNNCell`.

    dropout: the share of elements that become 0 in training. Raises AssertionError for what is no number.
    """

    def __init__(self, dropout, prefix="dropout_", params=None):
        super().__init__(prefix, params)
        if not isinstance(dropout, (int, float)):
            raise AssertionError(explain("dropout probability must be a number", given=repr(dropout)))
        self.dropout = dropout

    @property
    def state_info(self):
        """No state."""
        return []

    def __call__(self, inputs, states):
        """One step: (the input with dropout, states)."""
        return (symbol.Dropout(data=inputs, p=self.dropout) if self.dropout > 0 else inputs), states

    def unroll(self, length, inputs, begin_state=None, layout="NTC", merge_outputs=None):
        """As `BaseRNNCell.unroll`; one symbol for all steps stays one."""
        self.reset()
        inputs, _ = sequence(length, inputs, layout, merge_outputs)
        if isinstance(inputs, Symbol):
            return self(inputs, [])
        return super().unroll(length, inputs, begin_state, layout, merge_outputs)


class _Composite(BaseRNNCell):
    """What the cells share that are made of cells."""

    def __init__(self, prefix, params):
        super().__init__(prefix=prefix, params=params)
        self._override_cell_params = params is not None
        self._cells = []

    def _take(self, cell):
        self._cells.append(cell)
        if self._override_cell_params:
            if not cell._own_params:
                raise AssertionError(
                    explain(f"Either specify params for {type(self).__name__} or child cells, not both")
                )
            cell.params._params.update(self.params._params)
        self.params._params.update(cell.params._params)

    @property
    def state_info(self):
        """Those of the cells, one after another."""
        return [info for cell in self._cells for info in cell.state_info]

    def begin_state(self, **kwargs):
        """Those of the cells, one after another; kwargs: see `BaseRNNCell.begin_state`."""
        if self._modified:
            return super().begin_state(**kwargs)  # which says that this cannot be
        return [state for cell in self._cells for state in cell.begin_state(**kwargs)]

    def unpack_weights(self, args):
        """See `BaseRNNCell.unpack_weights`."""
        for cell in self._cells:
            args = cell.unpack_weights(args)
        return args

    def pack_weights(self, args):
        """See `BaseRNNCell.pack_weights`."""
        for cell in self._cells:
            args = cell.pack_weights(args)
        return args

    def _shared_out(self, states):
        """The states of each cell."""
        at = 0
        for cell in self._cells:
            count = len(cell.state_info)
            yield cell, states[at : at + count]
            at += count


class SequentialRNNCell(_Composite):
    """Cells upon each other, added with `add`.

    params: an `RNNParams` from which all cells take their variables.
    """

    def __init__(self, params=None):
        super().__init__("", params)

    def add(self, cell):
        """Put a cell on top.

        Raises AssertionError where both this cell and that one were given parameters.
        """
        self._take(cell)

    def __call__(self, inputs, states):
        """One step of each cell: (output of the last one, all states)."""
        self._counter += 1
        after = []
        for cell, given in self._shared_out(states):
            if isinstance(cell, BidirectionalCell):
                raise AssertionError(
                    explain("A BidirectionalCell cannot be stepped", hint="Unroll the stack that has it.")
                )
            inputs, given = cell(inputs, given)
            after.extend(given)
        return inputs, after

    def unroll(self, length, inputs, begin_state=None, layout="NTC", merge_outputs=None):
        """As `BaseRNNCell.unroll`; one cell after another is unrolled over all steps."""
        self.reset()
        states = self.begin_state() if begin_state is None else begin_state
        after = []
        for place, (cell, given) in enumerate(self._shared_out(states)):
            merge = merge_outputs if place == len(self._cells) - 1 else None
            inputs, given = cell.unroll(length, inputs, begin_state=given, layout=layout, merge_outputs=merge)
            after.extend(given)
        return inputs, after


class BidirectionalCell(_Composite):
    """One cell from the beginning to the end and one from the end to the beginning; their outputs side by side.

    l_cell, r_cell: the two; output_prefix: what the outputs' names begin with.
    """

    def __init__(self, l_cell, r_cell, params=None, output_prefix="bi_"):
        super().__init__("", params)
        self._output_prefix = output_prefix
        if self._override_cell_params:
            for cell in (l_cell, r_cell):
                if not cell._own_params:
                    raise AssertionError(
                        explain("Either specify params for BidirectionalCell or child cells, not both")
                    )
        self._take(l_cell)
        self._take(r_cell)

    def __call__(self, inputs, states):
        """Raises NotImplementedError: it needs the whole sequence."""
        raise NotImplementedError("Bidirectional cannot be stepped. Please use unroll")

    def unroll(self, length, inputs, begin_state=None, layout="NTC", merge_outputs=None):
        """As `BaseRNNCell.unroll`."""
        self.reset()
        given, axis = sequence(length, inputs, layout, False)
        states = self.begin_state() if begin_state is None else begin_state
        (left, of_left), (right, of_right) = self._shared_out(states)
        forth, after_left = left.unroll(length, given, begin_state=of_left, layout=layout, merge_outputs=merge_outputs)
        back, after_right = right.unroll(
            length, list(reversed(given)), begin_state=of_right, layout=layout, merge_outputs=merge_outputs
        )
        if merge_outputs is None:
            merge_outputs = isinstance(forth, Symbol) and isinstance(back, Symbol)
            forth, _ = sequence(None if merge_outputs else length, forth, layout, merge_outputs)
            back, _ = sequence(None if merge_outputs else length, back, layout, merge_outputs)
        if merge_outputs:
            back = symbol.reverse(back, axis=axis)
            outputs = symbol.Concat(forth, back, dim=2, name=f"{self._output_prefix}out")
        else:
            outputs = [
                symbol.Concat(there, again, dim=1, name=f"{self._output_prefix}t{step}")
                for step, (there, again) in enumerate(zip(forth, reversed(back)))
            ]
        return outputs, [after_left, after_right]
