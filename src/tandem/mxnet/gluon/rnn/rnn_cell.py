"""Cells: one step of a recurrent network, and cells that modify or combine others."""

from tandem.core.errors import explain
from tandem.mxnet.gluon.block import Block, HybridBlock
from tandem.mxnet.gluon.rnn import sequences
from tandem.mxnet.gluon.rnn.counting import Counting
from tandem.mxnet.gluon.rnn.formats import *  # noqa: F403 (MXNet's inner functions, which others import)
from tandem.mxnet.gluon.rnn.sequences import as_merged, as_steps, begin_states, final_form, take, zeros
from tandem.mxnet.gluon.utils import namespace_of

__all__ = [
    "BidirectionalCell",
    "DropoutCell",
    "GRUCell",
    "HybridRecurrentCell",
    "HybridSequentialRNNCell",
    "LSTMCell",
    "ModifierCell",
    "RNNCell",
    "RecurrentCell",
    "ResidualCell",
    "SequentialRNNCell",
    "ZoneoutCell",
]


class RecurrentCell(Counting, Block):
    """Base of cells: `output, states = cell(inputs, states)` is one step.

    A subclass overrides `state_info` and `forward`.
    """

    def __init__(self, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)
        self._modified = False
        self.reset()

    def reset(self):
        """Forget what a sequence left behind, before another one."""
        self._count_anew()
        for cell in self._children.values():
            if hasattr(cell, "reset"):
                cell.reset()

    def state_info(self, batch_size=0):
        """A list of dicts with the 'shape' and '__layout__' of each state."""
        raise NotImplementedError(explain(f"{type(self).__name__} has no state_info()"))

    def begin_state(self, batch_size=0, func=None, **kwargs):
        """The states before the first step, a list.

        batch_size; func: makes an array from shape= and the further keyword arguments, `mx.nd.zeros` where None.
        Raises AssertionError for a cell that another one modifies.
        """
        if self._modified:
            raise AssertionError(
                explain(
                    "After applying modifier cells (e.g. ZoneoutCell) the base cell cannot be called directly",
                    hint="Call the modifier cell instead.",
                )
            )
        func = zeros if func is None else func
        return [self._make_state(func, {**(info or {}), **kwargs}) for info in self.state_info(batch_size)]

    def forward(self, inputs, states):
        """One step: (output, states); to be written in the subclass."""
        raise NotImplementedError(explain(f"{type(self).__name__} has no forward()"))

    def unroll(self, length, inputs, begin_state=None, layout="NTC", merge_outputs=None, valid_length=None):
        """All steps of a sequence: (outputs, states after the last step).

        length: number of steps; inputs: one array in `layout` ('NTC' or 'TNC') or a list with one (batch, features)
        array a step; begin_state: zeros where None; merge_outputs: answer one array (True) or a list (False or None);
        valid_length: (batch,) steps of each sequence: outputs after them are 0, states those of the last one (then
        the outputs are merged unless merge_outputs is False).
        Raises AssertionError for another layout or number of steps.
        """
        self.reset()
        steps, axis, batch_size = as_steps(length, inputs, layout)
        states = begin_states(self, begin_state, steps[0], batch_size)
        outputs, all_states = [], []
        for step in steps:
            output, states = self(step, states)
            outputs.append(output)
            all_states.append(states)
        if valid_length is not None:
            states = sequences.last_valid(all_states, valid_length)
            outputs = sequences.mask(as_merged(outputs, axis), valid_length, axis)
            merge_outputs = True if merge_outputs is None else merge_outputs
        return final_form(outputs, length, axis, merge_outputs), states


class HybridRecurrentCell(RecurrentCell, HybridBlock):
    """Base of cells whose step is a `hybrid_forward(F, inputs, states, **params)`."""

    def __init__(self, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)

    def forward(self, inputs, states):
        """One step: (output, states)."""
        self._count_step()
        return HybridBlock.forward(self, inputs, states)

    def hybrid_forward(self, F, x, *args, **kwargs):
        """One step: (output, states)."""
        raise NotImplementedError(explain(f"{type(self).__name__} has no hybrid_forward()"))


class _GatedCell(HybridRecurrentCell):
    """Cells with weights of inputs (i2h) and of states (h2h) for some gates."""

    _gates = 1
    _states = 1

    def __init__(
        self,
        hidden_size,
        i2h_weight_initializer,
        h2h_weight_initializer,
        i2h_bias_initializer,
        h2h_bias_initializer,
        input_size,
        prefix,
        params,
    ):
        super().__init__(prefix=prefix, params=params)
        self._hidden_size = hidden_size
        self._input_size = input_size
        rows = self._gates * hidden_size
        for name, shape, init in (
            ("i2h_weight", (rows, input_size), i2h_weight_initializer),
            ("h2h_weight", (rows, hidden_size), h2h_weight_initializer),
            ("i2h_bias", (rows,), i2h_bias_initializer),
            ("h2h_bias", (rows,), h2h_bias_initializer),
        ):
            setattr(self, name, self.params.get(name, shape=shape, init=init, allow_deferred_init=True))

    def state_info(self, batch_size=0):
        """One (batch, hidden_size) array for each state."""
        return [{"shape": (batch_size, self._hidden_size), "__layout__": "NC"} for _ in range(self._states)]

    def _shapes_from_data(self, inputs, states):
        return {"i2h_weight": (self.i2h_weight.shape[0], inputs.shape[-1])}

    def _preactivations(self, F, inputs, state, i2h_weight, h2h_weight, i2h_bias, h2h_bias):
        rows = self._gates * self._hidden_size
        return (
            F.FullyConnected(inputs, i2h_weight, i2h_bias, num_hidden=rows),
            F.FullyConnected(state, h2h_weight, h2h_bias, num_hidden=rows),
        )

    def __repr__(self):
        shape = self.i2h_weight.shape
        return f"{type(self).__name__}({shape[1] or None} -> {shape[0]})"


class RNNCell(_GatedCell):
    """h' = act(W·x + b + U·h + c).

    hidden_size; activation: 'tanh', 'relu', ... or a function; *_initializer; input_size: from the first input where 0.
    """

    def __init__(
        self,
        hidden_size,
        activation="tanh",
        i2h_weight_initializer=None,
        h2h_weight_initializer=None,
        i2h_bias_initializer="zeros",
        h2h_bias_initializer="zeros",
        input_size=0,
        prefix=None,
        params=None,
    ):
        super().__init__(
            hidden_size,
            i2h_weight_initializer,
            h2h_weight_initializer,
            i2h_bias_initializer,
            h2h_bias_initializer,
            input_size,
            prefix,
            params,
        )
        self._activation = activation

    def _alias(self):
        return "rnn"

    def __repr__(self):
        return f"{super().__repr__()[:-1]}, {self._activation})"

    def hybrid_forward(self, F, inputs, states, i2h_weight, h2h_weight, i2h_bias, h2h_bias):
        """One step: (output, [output])."""
        of_input, of_state = self._preactivations(F, inputs, states[0], i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        output = sequences.activate(F, of_input + of_state, self._activation)
        return output, [output]


class LSTMCell(_GatedCell):
    """c' = f∘c + i∘g, h' = o∘act(c'), with gates i, f, g, o from W·x + b + U·h + c.

    hidden_size; *_initializer; input_size: from the first input where 0; activation: of g and c'; recurrent_activation:
    of i, f and o. Source: Hochreiter & Schmidhuber 1997, Gers et al. 2000.
    """

    _gates = 4
    _states = 2

    def __init__(
        self,
        hidden_size,
        i2h_weight_initializer=None,
        h2h_weight_initializer=None,
        i2h_bias_initializer="zeros",
        h2h_bias_initializer="zeros",
        input_size=0,
        prefix=None,
        params=None,
        activation="tanh",
        recurrent_activation="sigmoid",
    ):
        super().__init__(
            hidden_size,
            i2h_weight_initializer,
            h2h_weight_initializer,
            i2h_bias_initializer,
            h2h_bias_initializer,
            input_size,
            prefix,
            params,
        )
        self._activation = activation
        self._recurrent_activation = recurrent_activation

    def _alias(self):
        return "lstm"

    def hybrid_forward(self, F, inputs, states, i2h_weight, h2h_weight, i2h_bias, h2h_bias):
        """One step: (h', [h', c'])."""
        of_input, of_state = self._preactivations(F, inputs, states[0], i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        gate, act = self._recurrent_activation, self._activation
        i, f, g, o = F.SliceChannel(of_input + of_state, num_outputs=4)
        update = sequences.activate(F, i, gate) * sequences.activate(F, g, act)
        memory = sequences.activate(F, f, gate) * states[1] + update
        output = sequences.activate(F, o, gate) * sequences.activate(F, memory, act)
        return output, [output, memory]


class GRUCell(_GatedCell):
    """h' = (1 − z)∘n + z∘h, n = tanh(W·x + b + r∘(U·h + c)), with gates r, z.

    hidden_size; *_initializer; input_size: from the first input where 0. Source: Cho et al. 2014 (with cuDNN's reset).
    """

    _gates = 3

    def __init__(
        self,
        hidden_size,
        i2h_weight_initializer=None,
        h2h_weight_initializer=None,
        i2h_bias_initializer="zeros",
        h2h_bias_initializer="zeros",
        input_size=0,
        prefix=None,
        params=None,
    ):
        super().__init__(
            hidden_size,
            i2h_weight_initializer,
            h2h_weight_initializer,
            i2h_bias_initializer,
            h2h_bias_initializer,
            input_size,
            prefix,
            params,
        )

    def _alias(self):
        return "gru"

    def hybrid_forward(self, F, inputs, states, i2h_weight, h2h_weight, i2h_bias, h2h_bias):
        """One step: (h', [h'])."""
        before = states[0]
        of_input, of_state = self._preactivations(F, inputs, before, i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        i2h_r, i2h_z, i2h_n = F.SliceChannel(of_input, num_outputs=3)
        h2h_r, h2h_z, h2h_n = F.SliceChannel(of_state, num_outputs=3)
        reset, keep = F.sigmoid(i2h_r + h2h_r), F.sigmoid(i2h_z + h2h_z)
        new = F.tanh(i2h_n + reset * h2h_n)
        output = new + keep * (before - new)
        return output, [output]


class _CellRow:
    """What `SequentialRNNCell` and `HybridSequentialRNNCell` share: cells on top of each other."""

    def add(self, cell):
        """Put a cell on top."""
        self.register_child(cell)

    def state_info(self, batch_size=0):
        """The states of all cells, the lowest first."""
        return [info for cell in self._children.values() for info in cell.state_info(batch_size)]

    def begin_state(self, **kwargs):
        """The states of all cells before the first step."""
        if self._modified:
            raise AssertionError(explain("After applying modifier cells the base cell cannot be called directly"))
        return [state for cell in self._children.values() for state in cell.begin_state(**kwargs)]

    def _step(self, inputs, states):
        self._count_step()
        after, at = [], 0
        for cell in self._children.values():
            _no_bidirectional(cell)
            count = len(cell.state_info())
            inputs, state = cell(inputs, states[at : at + count])
            at += count
            after.extend(state)
        return inputs, after

    def unroll(self, length, inputs, begin_state=None, layout="NTC", merge_outputs=None, valid_length=None):
        """All steps, cell by cell; as `RecurrentCell.unroll`."""
        self.reset()
        steps, _, batch_size = as_steps(length, inputs, layout)
        begin = begin_states(self, begin_state, steps[0], batch_size)
        after, at, last = [], 0, len(self._children) - 1
        for number, cell in enumerate(self._children.values()):
            count = len(cell.state_info())
            inputs, states = cell.unroll(
                length,
                inputs,
                begin_state=begin[at : at + count],
                layout=layout,
                merge_outputs=merge_outputs if number == last else None,
                valid_length=valid_length,
            )
            at += count
            after.extend(states)
        return inputs, after

    def __repr__(self):
        lines = "\n".join(
            f"({key}): {repr(cell).replace(chr(10), chr(10) + '  ')}" for key, cell in self._children.items()
        )
        return f"{type(self).__name__}(\n{lines}\n)"

    def __getitem__(self, i):
        return list(self._children.values())[i]

    def __len__(self):
        return len(self._children)


class SequentialRNNCell(_CellRow, RecurrentCell):
    """Cells on top of each other: each one's output is the next one's input."""

    def __init__(self, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)

    def forward(self, inputs, states):
        """One step of all cells: (output, states)."""
        return self._step(inputs, states)

    def hybrid_forward(self, F, inputs, states):
        """Raises NotImplementedError: the row is no HybridBlock; `HybridSequentialRNNCell` is."""
        raise NotImplementedError(explain("SequentialRNNCell is no HybridBlock", hint="Use HybridSequentialRNNCell."))


class HybridSequentialRNNCell(_CellRow, HybridRecurrentCell):
    """Cells on top of each other, as one HybridBlock."""

    def __init__(self, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)

    def hybrid_forward(self, F, inputs, states):
        """One step of all cells: (output, states)."""
        return self._step(inputs, states)


class DropoutCell(HybridRecurrentCell):
    """Dropout of the inputs, as a cell without states.

    rate: probability of 0; axes: axes along which elements go together.
    """

    def __init__(self, rate, axes=(), prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)
        if not isinstance(rate, (int, float)):
            raise AssertionError(explain("rate must be a number", given=repr(rate)))
        self._rate = rate
        self._axes = axes

    def __repr__(self):
        return f"{type(self).__name__}(rate={self._rate}, axes={self._axes})"

    def state_info(self, batch_size=0):
        """No states."""
        return []

    def _alias(self):
        return "dropout"

    def hybrid_forward(self, F, inputs, states):
        """dropout(inputs), states."""
        if self._rate > 0:
            inputs = F.Dropout(inputs, p=self._rate, axes=self._axes)
        return inputs, states

    def unroll(self, length, inputs, begin_state=None, layout="NTC", merge_outputs=None, valid_length=None):
        """All steps at once, in the form in which the inputs came."""
        self.reset()
        if isinstance(inputs, (list, tuple)):
            merge_outputs = bool(merge_outputs)
            return super().unroll(length, inputs, begin_state, layout, merge_outputs, valid_length=None)
        outputs, states = self(inputs, [])
        merge_outputs = True if merge_outputs is None else merge_outputs
        return final_form(outputs, length, layout.find("T"), merge_outputs), states


class ModifierCell(HybridRecurrentCell):
    """Base of cells that change what another one does; the other one's parameters are theirs.

    base_cell: the other one, which can no longer be called by itself.
    """

    def __init__(self, base_cell):
        if base_cell._modified:
            raise AssertionError(
                explain(f"Cell {base_cell.name} is already modified. One cell cannot be modified twice")
            )
        base_cell._modified = True
        super().__init__(prefix=base_cell.prefix + self._alias(), params=None)
        self.base_cell = base_cell

    @property
    def params(self):
        """The parameters of the cell that is modified."""
        return self._children["base_cell"].params if "base_cell" in self.__dict__.get("_children", ()) else self._params

    def state_info(self, batch_size=0):
        """The states of the cell that is modified."""
        return self.base_cell.state_info(batch_size)

    def begin_state(self, func=None, **kwargs):
        """The states before the first step."""
        if self._modified:
            raise AssertionError(explain("After applying modifier cells the base cell cannot be called directly"))
        # Not as an attribute is set: to a recording that would be a change of the cell.
        fields = self.base_cell.__dict__
        fields["_modified"] = False
        try:
            return self.base_cell.begin_state(func=func, **kwargs)
        finally:
            fields["_modified"] = True

    def __repr__(self):
        return f"{type(self).__name__}({self.base_cell})"


class _LastOutput:
    """Where a cell keeps the output of its last step; an object, so that a new output is no change of the cell."""

    array = None


class ZoneoutCell(ModifierCell):
    """In training, keeps elements of the last step's output and states with some probability.

    base_cell; zoneout_outputs, zoneout_states: the probabilities. Source: Krueger et al. 2017.
    Raises AssertionError for a bidirectional cell.
    """

    def __init__(self, base_cell, zoneout_outputs=0.0, zoneout_states=0.0):
        if isinstance(base_cell, BidirectionalCell):
            raise AssertionError(
                explain(
                    "BidirectionalCell doesn't support zoneout since it doesn't support step",
                    hint="Please add ZoneoutCell to the cells underneath instead.",
                )
            )
        super().__init__(base_cell)
        self.zoneout_outputs = zoneout_outputs
        self.zoneout_states = zoneout_states
        self._last = _LastOutput()

    def __repr__(self):
        return f"{type(self).__name__}(p_out={self.zoneout_outputs}, p_state={self.zoneout_states}, {self.base_cell})"

    def _alias(self):
        return "zoneout"

    def reset(self):
        """Forget the last output."""
        super().reset()
        if "_last" in self.__dict__:
            self._last.array = None

    def hybrid_forward(self, F, inputs, states):
        """One step: (output, states)."""
        outputs, after = self.base_cell(inputs, states)

        def mixed(probability, new, old):
            return F.where(F.Dropout(F.ones_like(new), p=probability), new, old)

        before = F.zeros_like(outputs) if self._last.array is None else self._last.array
        if self.zoneout_outputs:
            outputs = mixed(self.zoneout_outputs, outputs, before)
        if self.zoneout_states:
            after = [mixed(self.zoneout_states, new, old) for new, old in zip(after, states)]
        self._last.array = outputs
        return outputs, after


class ResidualCell(ModifierCell):
    """Adds the inputs to the outputs. Source: Wu et al. 2016."""

    def _alias(self):
        return "residualcell"

    def hybrid_forward(self, F, inputs, states):
        """One step: (output + inputs, states)."""
        output, states = self.base_cell(inputs, states)
        return output + inputs, states

    def unroll(self, length, inputs, begin_state=None, layout="NTC", merge_outputs=None, valid_length=None):
        """All steps; as `RecurrentCell.unroll`."""
        self.reset()
        self.base_cell.__dict__["_modified"] = False
        try:
            outputs, states = self.base_cell.unroll(length, inputs, begin_state, layout, merge_outputs, valid_length)
        finally:
            self.base_cell.__dict__["_modified"] = True
        axis = layout.find("T")
        if isinstance(outputs, list):
            steps, _, _ = as_steps(length, inputs, layout)
            if valid_length is not None:
                steps = take(sequences.mask(as_merged(steps, axis), valid_length, axis), length, axis)
            return [output + step for output, step in zip(outputs, steps)], states
        inputs = as_merged(inputs, axis)
        if valid_length is not None:
            inputs = sequences.mask(inputs, valid_length, axis)
        return outputs + inputs, states


class BidirectionalCell(HybridRecurrentCell):
    """One cell over the sequence and another over its reverse, their outputs side by side; `unroll` only.

    l_cell, r_cell: the two; output_prefix: what MXNet's symbols of the outputs are called.
    """

    def __init__(self, l_cell, r_cell, output_prefix="bi_"):
        super().__init__(prefix="", params=None)
        self.register_child(l_cell, "l_cell")
        self.register_child(r_cell, "r_cell")
        self._output_prefix = output_prefix

    def __call__(self, inputs, states):
        raise NotImplementedError(explain("Bidirectional cannot be stepped", hint="Please use unroll."))

    def __repr__(self):
        return f"{type(self).__name__}(forward={self._children['l_cell']}, backward={self._children['r_cell']})"

    def state_info(self, batch_size=0):
        """The states of both cells, the forward one's first."""
        return [info for cell in self._children.values() for info in cell.state_info(batch_size)]

    def begin_state(self, **kwargs):
        """The states of both cells before the first step."""
        if self._modified:
            raise AssertionError(explain("After applying modifier cells the base cell cannot be called directly"))
        return [state for cell in self._children.values() for state in cell.begin_state(**kwargs)]

    def unroll(self, length, inputs, begin_state=None, layout="NTC", merge_outputs=None, valid_length=None):
        """All steps in both directions; as `RecurrentCell.unroll`."""
        self.reset()
        steps, axis, batch_size = as_steps(length, inputs, layout)
        begin = begin_states(self, begin_state, steps[0], batch_size)
        forward, backward = self._children.values()
        count = len(forward.state_info())
        merged_input = as_merged(steps, axis)
        there, states = forward.unroll(length, merged_input, begin[:count], layout, True, valid_length)
        turned = sequences.reverse(merged_input, valid_length, axis)
        back, more_states = backward.unroll(length, turned, begin[count:], layout, True, valid_length)
        back = sequences.reverse(back, valid_length, axis)
        outputs = namespace_of(there).concat(there, back, dim=2)
        if merge_outputs is None:
            merge_outputs = valid_length is not None
        return final_form(outputs, length, axis, merge_outputs), [*states, *more_states]


def _no_bidirectional(cell):
    if isinstance(cell, BidirectionalCell):
        raise AssertionError(explain("A BidirectionalCell cannot be stepped", hint="Please use unroll."))
