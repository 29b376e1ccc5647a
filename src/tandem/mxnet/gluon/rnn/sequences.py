"""Sequences as cells take them: one array or a list of steps, with or without lengths."""

from tandem.core.arrays import Array
from tandem.core.errors import explain
from tandem.mxnet import ndarray, util
from tandem.mxnet.gluon.utils import namespace_of


def as_steps(length, inputs, layout):
    """(list of (batch, features) arrays, time axis, batch size) of a sequence.

    Raises AssertionError for another layout or number of steps.
    """
    if "T" not in layout or "N" not in layout:
        raise AssertionError(explain("Unknown layout", expected="'NTC' or 'TNC'", given=repr(layout)))
    axis = layout.find("T")
    batch_axis = layout.find("N")
    if isinstance(inputs, Array):
        if length is not None and inputs.shape[axis] != length:
            raise _wrong_length(length, inputs.shape[axis])
        return take(inputs, inputs.shape[axis], axis), axis, inputs.shape[batch_axis]
    if _is_symbol(inputs) and len(inputs) == 1:
        if length is None:
            raise AssertionError(explain("A symbol does not tell how many steps it has", expected="length=..."))
        return take(inputs, length, axis), axis, 0
    inputs = list(inputs)
    if length is not None and len(inputs) != length:
        raise _wrong_length(length, len(inputs))
    return inputs, axis, 0 if _is_symbol(inputs[0]) else inputs[0].shape[0]


def _is_symbol(value):
    return hasattr(value, "list_outputs")


def _wrong_length(length, given):
    return AssertionError(
        explain("The sequence has another number of steps", expected=f"length={length}", given=f"{given} steps")
    )


def take(merged, length, axis):
    """The steps of an array, as a list."""
    F = namespace_of(merged)
    if _is_symbol(merged):  # inference does not know how many steps there are
        return list(F.split(merged, axis=axis, num_outputs=length, squeeze_axis=1))
    return [F.squeeze(F.slice_axis(merged, axis=axis, begin=step, end=step + 1), axis=axis) for step in range(length)]


def as_merged(steps, axis):
    """One array from a list of steps."""
    return steps if isinstance(steps, Array) or _is_symbol(steps) else namespace_of(steps[0]).stack(*steps, axis=axis)


def final_form(outputs, length, axis, merge):
    """Outputs as one array where `merge` is True, as a list where it is False, else as they are."""
    if merge:
        return as_merged(outputs, axis)
    if merge is False and (isinstance(outputs, Array) or _is_symbol(outputs)):
        return take(outputs, length, axis)
    return outputs


def zeros(shape, ctx=None, dtype=None):
    """Zeros of the kind of array that Gluon makes: `mx.np.ndarray` under np_array."""
    if not util.is_np_array():
        return ndarray.zeros(shape, ctx, dtype)
    from tandem.mxnet.numpy import zeros as numpy_zeros

    return numpy_zeros(shape, dtype=dtype, ctx=ctx)


def begin_states(cell, begin_state, first, batch_size):
    """The states given, or zeros where the first step lives."""
    if begin_state is not None:
        return begin_state
    if _is_symbol(first):
        return cell.begin_state(batch_size=0, func=namespace_of(first).zeros)
    return cell.begin_state(batch_size=batch_size, ctx=first.context, dtype=first.dtype)


def mask(merged, valid_length, axis):
    """An array with zeros after the end of each sequence."""
    F = namespace_of(merged)
    return F.SequenceMask(merged, sequence_length=valid_length, use_sequence_length=True, axis=axis)


def last_valid(all_states, valid_length):
    """Each state as it was at the end of each sequence."""
    F = namespace_of(all_states[0][0])
    return [
        F.SequenceLast(F.stack(*states, axis=0), sequence_length=valid_length, use_sequence_length=True, axis=0)
        for states in zip(*all_states)
    ]


def reverse(merged, valid_length, axis):
    """Each sequence from its end to its beginning."""
    if valid_length is None:
        return namespace_of(merged).flip(merged, axis=axis)
    turned = merged.swapaxes(0, axis) if axis else merged
    turned = namespace_of(turned).SequenceReverse(turned, sequence_length=valid_length, use_sequence_length=True)
    return turned.swapaxes(0, axis) if axis else turned


def activate(F, inputs, activation, **kwargs):
    """An activation by name, or a function or block, of an array; kwargs: of the operator, as its `name`."""
    if callable(activation):
        return activation(inputs, **kwargs)
    if activation == "tanh":
        return F.tanh(inputs, **kwargs)
    if activation == "sigmoid":
        return F.sigmoid(inputs, **kwargs)
    return F.Activation(inputs, act_type=activation, **kwargs)
