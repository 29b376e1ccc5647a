"""Cells that change what another cell does: zoneout and residual connections."""

from tandem.mxnet import symbol
from tandem.mxnet.rnn.base import BaseRNNCell, sequence
from tandem.mxnet.rnn.cells import BidirectionalCell, SequentialRNNCell
from tandem.mxnet.rnn.fused import FusedRNNCell
from tandem.mxnet.symbol import Symbol

__all__ = ["ModifierCell", "ResidualCell", "ZoneoutCell"]


class ModifierCell(BaseRNNCell):
    """Base of cells around a cell, whose parameters and states they have.

    base_cell: the cell, which is called through this one from now on.
    """

    def __init__(self, base_cell):
        super().__init__()
        base_cell._modified = True
        self.base_cell = base_cell

    @property
    def params(self):
        """The `RNNParams` of the cell inside."""
        self._own_params = False
        return self.base_cell.params

    @property
    def state_info(self):
        """Of the cell inside."""
        return self.base_cell.state_info

    def begin_state(self, init_sym=symbol.zeros, **kwargs):
        """The states before the first step.

        init_sym: makes a symbol, as `func` of `BaseRNNCell.begin_state`.
        """
        self.base_cell._modified = False
        try:
            return self.base_cell.begin_state(func=init_sym, **kwargs)
        finally:
            self.base_cell._modified = True

    def unpack_weights(self, args):
        """See `BaseRNNCell.unpack_weights`."""
        return self.base_cell.unpack_weights(args)

    def pack_weights(self, args):
        """See `BaseRNNCell.pack_weights`."""
        return self.base_cell.pack_weights(args)

    def _unroll_base(self, length, inputs, begin_state, layout, merge_outputs):
        self.base_cell._modified = False
        try:
            return self.base_cell.unroll(
                length, inputs=inputs, begin_state=begin_state, layout=layout, merge_outputs=merge_outputs
            )
        finally:
            self.base_cell._modified = True


class ZoneoutCell(ModifierCell):
    """In training an element of an output or state keeps its value of the step before with some probability.

    base_cell; zoneout_outputs, zoneout_states: the probabilities. Krueger et al., 2016.
    Raises AssertionError for cells that cannot be stepped.
    """

    def __init__(self, base_cell, zoneout_outputs=0.0, zoneout_states=0.0):
        if isinstance(base_cell, FusedRNNCell):
            raise AssertionError("FusedRNNCell doesn't support zoneout. Please unfuse first.")
        inner = base_cell._cells if isinstance(base_cell, SequentialRNNCell) else [base_cell]
        if any(isinstance(cell, BidirectionalCell) for cell in inner):
            raise AssertionError(
                "BidirectionalCell doesn't support zoneout since it doesn't support step. Please add ZoneoutCell to the"
                " cells underneath instead."
            )
        super().__init__(base_cell)
        self.zoneout_outputs = zoneout_outputs
        self.zoneout_states = zoneout_states

    def reset(self):
        """Forget the last output too."""
        super().reset()
        self.prev_output = None
        if hasattr(self, "base_cell"):
            self.base_cell.reset()

    @staticmethod
    def _mixed(share, new, old):
        """`new` with elements of `old` where dropout takes them: nowhere but in training."""
        kept = symbol.Dropout(symbol.ones_like(new), p=share)
        return symbol.where(kept, new, old)

    def __call__(self, inputs, states):
        """One step: (output, states)."""
        new, after = self.base_cell(inputs, states)
        before = symbol.zeros((0, 0)) if self.prev_output is None else self.prev_output
        output = self._mixed(self.zoneout_outputs, new, before) if self.zoneout_outputs != 0.0 else new
        if self.zoneout_states != 0.0:
            after = [self._mixed(self.zoneout_states, state, old) for state, old in zip(after, states)]
        self.prev_output = output
        return output, after


class ResidualCell(ModifierCell):
    """The output of a cell plus its input, which has the same shape. Wu et al., 2016.

    base_cell: the cell.
    """

    @staticmethod
    def _sum(output, inputs):
        return symbol.elemwise_add(output, inputs, name=f"{output.name}_plus_residual")

    def __call__(self, inputs, states):
        """One step: (output, states)."""
        output, states = self.base_cell(inputs, states)
        return self._sum(output, inputs), states

    def unroll(self, length, inputs, begin_state=None, layout="NTC", merge_outputs=None):
        """As `BaseRNNCell.unroll`."""
        self.reset()
        outputs, states = self._unroll_base(length, inputs, begin_state, layout, merge_outputs)
        merged = isinstance(outputs, Symbol) if merge_outputs is None else merge_outputs
        inputs, _ = sequence(length, inputs, layout, merged)
        if merged:
            return self._sum(outputs, inputs), states
        return [self._sum(output, step) for output, step in zip(outputs, inputs)], states
