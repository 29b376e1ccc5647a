"""LSTM with a projected output, and dropout that drops the same elements in all steps."""

from tandem.core import graph
from tandem.core.errors import explain
from tandem.mxnet.gluon.rnn import sequences
from tandem.mxnet.gluon.rnn.rnn_cell import BidirectionalCell, HybridRecurrentCell, ModifierCell
from tandem.mxnet.gluon.rnn.sequences import as_merged, as_steps, begin_states, final_form

__all__ = ["LSTMPCell", "VariationalDropoutCell"]


class LSTMPCell(HybridRecurrentCell):
    """c' = f∘c + i∘g, r' = P·(o∘tanh(c')), with gates i, f, g, o from W·x + b + U·r + c.

    hidden_size: of c; projection_size: of r, the output; *_initializer; input_size: from the first input where 0.
    The states are r and c. Source: Sak et al. 2014.
    """

    def __init__(
        self,
        hidden_size,
        projection_size,
        i2h_weight_initializer=None,
        h2h_weight_initializer=None,
        h2r_weight_initializer=None,
        i2h_bias_initializer="zeros",
        h2h_bias_initializer="zeros",
        input_size=0,
        prefix=None,
        params=None,
    ):
        super().__init__(prefix=prefix, params=params)
        self._hidden_size, self._input_size, self._projection_size = hidden_size, input_size, projection_size
        rows = 4 * hidden_size
        for name, shape, init in (
            ("i2h_weight", (rows, input_size), i2h_weight_initializer),
            ("h2h_weight", (rows, projection_size), h2h_weight_initializer),
            ("h2r_weight", (projection_size, hidden_size), h2r_weight_initializer),
            ("i2h_bias", (rows,), i2h_bias_initializer),
            ("h2h_bias", (rows,), h2h_bias_initializer),
        ):
            setattr(self, name, self.params.get(name, shape=shape, init=init, allow_deferred_init=True))

    def state_info(self, batch_size=0):
        """The projected output (batch, projection_size) and the memory (batch, hidden_size)."""
        sizes = (self._projection_size, self._hidden_size)
        return [{"shape": (batch_size, size), "__layout__": "NC"} for size in sizes]

    def _alias(self):
        return "lstmp"

    def _shapes_from_data(self, inputs, states):
        return {"i2h_weight": (self.i2h_weight.shape[0], inputs.shape[-1])}

    def hybrid_forward(self, F, inputs, states, i2h_weight, h2h_weight, h2r_weight, i2h_bias, h2h_bias):
        """One step: (r', [r', c'])."""
        rows = 4 * self._hidden_size
        of_input = F.FullyConnected(inputs, i2h_weight, i2h_bias, num_hidden=rows)
        of_state = F.FullyConnected(states[0], h2h_weight, h2h_bias, num_hidden=rows)
        i, f, g, o = F.SliceChannel(of_input + of_state, num_outputs=4)
        memory = F.sigmoid(f) * states[1] + F.sigmoid(i) * F.tanh(g)
        hidden = F.sigmoid(o) * F.tanh(memory)
        output = F.FullyConnected(hidden, h2r_weight, num_hidden=self._projection_size, no_bias=True)
        return output, [output, memory]

    def __repr__(self):
        rows, inner = self.i2h_weight.shape
        return f"{type(self).__name__}({inner or None} -> {rows} -> {self._projection_size})"


class _Masks:
    """The masks of a sequence; an object, so that new ones are no change of the cell."""

    inputs = states = outputs = None


class VariationalDropoutCell(ModifierCell):
    """Dropout of inputs, of the first state and of outputs, with masks that hold until `reset`.

    base_cell; drop_inputs, drop_states, drop_outputs: the probabilities. Source: Gal and Ghahramani 2016.
    Raises AssertionError for dropout of a bidirectional cell's states.
    """

    def __init__(self, base_cell, drop_inputs=0.0, drop_states=0.0, drop_outputs=0.0):
        if drop_states and isinstance(base_cell, BidirectionalCell):
            raise AssertionError(
                explain(
                    "BidirectionalCell doesn't support variational state dropout",
                    hint="Please add VariationalDropoutCell to the cells underneath instead.",
                )
            )
        super().__init__(base_cell)
        self.drop_inputs, self.drop_states, self.drop_outputs = drop_inputs, drop_states, drop_outputs
        self._masks = _Masks()

    def _alias(self):
        return "vardrop"

    @property
    def drop_inputs_mask(self):
        """What inputs are multiplied with: None before the first step."""
        return self._masks.inputs

    @property
    def drop_states_mask(self):
        """What the first state is multiplied with: None before the first step."""
        return self._masks.states

    @property
    def drop_outputs_mask(self):
        """What outputs are multiplied with: None before the first step."""
        return self._masks.outputs

    def reset(self):
        """Forget the masks."""
        super().reset()
        if "_masks" in self.__dict__:
            masks = self._masks
            masks.inputs = masks.states = masks.outputs = None

    def hybridize(self, active=True, **kwargs):
        """Record the cell that is modified; a mask that outlives a call cannot be part of a recording of one step."""
        super().hybridize(active, **kwargs)
        self.__dict__["_active"] = False

    def _dropped(self, F, which, probability, array):
        if not probability:
            return array
        mask = getattr(self._masks, which)
        if mask is None:
            mask = F.Dropout(F.ones_like(array), p=probability)
            if not graph.on_meta():
                setattr(self._masks, which, mask)
        return array * mask

    def hybrid_forward(self, F, inputs, states):
        """One step: (output, states)."""
        if self.drop_states:
            states = [self._dropped(F, "states", self.drop_states, states[0]), *states[1:]]
        output, after = self.base_cell(self._dropped(F, "inputs", self.drop_inputs, inputs), states)
        return self._dropped(F, "outputs", self.drop_outputs, output), after

    def __repr__(self):
        return f"{type(self).__name__}(p_out = {self.drop_outputs}, p_state = {self.drop_states})"

    def unroll(self, length, inputs, begin_state=None, layout="NTC", merge_outputs=None, valid_length=None):
        """All steps; as `RecurrentCell.unroll`, but that the outputs are merged where states are not dropped."""
        if self.drop_states:
            return super().unroll(length, inputs, begin_state, layout, merge_outputs, valid_length)
        self.reset()
        steps, axis, batch_size = as_steps(length, inputs, layout)
        states = begin_states(self, begin_state, steps[0], batch_size)
        merged = _drop_all_steps(as_merged(steps, axis), self.drop_inputs, axis)
        self.base_cell.__dict__["_modified"] = False
        try:
            outputs, states = self.base_cell.unroll(
                length, merged, states, layout, merge_outputs=True, valid_length=valid_length
            )
        finally:
            self.base_cell.__dict__["_modified"] = True
        outputs = _drop_all_steps(outputs, self.drop_outputs, axis)
        return final_form(outputs, len(steps), axis, True if merge_outputs is None else merge_outputs), states


def _drop_all_steps(merged, probability, axis):
    """Dropout of an array, the same elements in each step."""
    if not probability:
        return merged
    return sequences.namespace_of(merged).Dropout(merged, p=probability, axes=(axis,))
