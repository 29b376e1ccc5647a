"""Sequences and states as cells of other packages take them: MXNet's inner functions on those of `sequences`."""

from tandem.core.arrays import Array
from tandem.mxnet.base import _as_list
from tandem.mxnet.gluon.rnn import sequences
from tandem.mxnet.gluon.utils import namespace_of

__all__ = [
    "_as_list",
    "_cells_begin_state",
    "_cells_state_info",
    "_format_sequence",
    "_get_begin_state",
    "_mask_sequence_variable_length",
    "_reverse_sequences",
]


def _cells_state_info(cells, batch_size):
    """What the states of some cells look like."""
    return [info for cell in cells for info in cell.state_info(batch_size)]


def _cells_begin_state(cells, **kwargs):
    """The states of some cells before the first step."""
    return [state for cell in cells for state in cell.begin_state(**kwargs)]


def _get_begin_state(cell, F, begin_state, inputs, batch_size):
    """The states given, or a cell's zeros where the inputs live."""
    del F  # arrays say themselves where their operators are
    return sequences.begin_states(cell, begin_state, inputs if isinstance(inputs, Array) else inputs[0], batch_size)


def _format_sequence(length, inputs, layout, merge, in_layout=None):
    """(inputs, time axis, operators, batch size).

    inputs: an array in `in_layout` (None: `layout`), or a list of steps, becomes an array in `layout` where `merge` is
    True, a list where it is False, and stays what it is where it is None.
    Raises AssertionError for an unknown layout or another number of steps.
    """
    axis = layout.find("T")
    if not isinstance(inputs, Array):
        steps, _, batch_size = sequences.as_steps(length, inputs, layout)
        F = namespace_of(steps[0])
        return (sequences.as_merged(steps, axis) if merge else steps), axis, F, batch_size
    F, batch_size, given = namespace_of(inputs), inputs.shape[layout.find("N")], in_layout or layout
    if merge is False:
        inputs, _, _ = sequences.as_steps(length, inputs, given)
    elif given.find("T") != axis:
        inputs = inputs.swapaxes(axis, given.find("T"))
    return inputs, axis, F, batch_size


def _mask_sequence_variable_length(F, data, length, valid_length, time_axis, merge):
    """A sequence with zeros after the end of each sample, as an array where `merge`, else as a list of steps."""
    del F
    masked = sequences.mask(sequences.as_merged(data, time_axis), valid_length, time_axis)
    return masked if merge else sequences.take(masked, length, time_axis)


def _reverse_sequences(sequences_, unroll_step, valid_length=None):
    """A list of steps from the end of each sample to its beginning."""
    if valid_length is None:
        return list(reversed(sequences_))
    turned = sequences.reverse(sequences.as_merged(sequences_, 0), valid_length, 0)
    return sequences.take(turned, unroll_step, 0)
