"""Keras 2's backend loops: `rnn`, `map_fn`, `foldl`, `foldr`."""

from tandem.core import arrays
from tandem.core.errors import explain
from tandem.keras import ops, tensors
from tandem.keras.legacy.k_nodes import apply
from tandem.ops import rnn_loop

_op = ops.NAMES


def rnn(
    step_function,
    inputs,
    initial_states,
    go_backwards=False,
    mask=None,
    constants=None,
    unroll=False,
    input_length=None,
    time_major=False,
    zero_output_for_mask=False,
    return_all_outputs=True,
):
    """Call ``output, states = step_function(x_t, states)`` for each step.

    inputs: (batch, steps, …), or a nest of them; initial_states: a list of (batch, …); mask: (batch, steps) or
    (batch, steps, 1), False where states stay and the output is the last one (zero with `zero_output_for_mask`);
    constants: values behind the states that each step sees; time_major: steps before batch.
    unroll, input_length: without effect on the numbers.
    Returns (the last output, all outputs (batch, steps, …) in the order in which they were computed, the states).
    """

    def run(inputs, states, constants, mask):
        inputs, states, constants, mask = arrays.map_tree(tensors.convert, (inputs, states, constants, mask))
        if not time_major:
            inputs = arrays.map_tree(lambda x: x.movedim(1, 0), inputs)
        if mask is not None:
            mask = _op["cast"](mask, "bool")
            mask = mask.squeeze(-1) if mask.dim() == 3 else mask
            mask = mask if time_major else mask.movedim(1, 0)
        if go_backwards:
            inputs = arrays.map_tree(lambda x: _op["flip"](x, axis=0), inputs)
            mask = None if mask is None else _op["flip"](mask, axis=0)

        def step(x, states):
            output, after = step_function(x, [*states, *constants])
            return output, list(after)

        masked = "zero" if zero_output_for_mask else "carry"
        outputs, states = rnn_loop.scan(step, inputs, list(states), mask=mask, masked_output=masked)
        last = arrays.map_tree(lambda x: x[-1], outputs)
        if not return_all_outputs:
            outputs = arrays.map_tree(lambda x: x[-1:], outputs)
        if not time_major:
            outputs = arrays.map_tree(lambda x: x.movedim(0, 1), outputs)
        return last, outputs, states

    return apply(run, inputs, list(initial_states), list(constants or []), mask)


def map_fn(fn, elems, name=None, dtype=None):
    """`fn` of each entry along the first axis, stacked."""

    def run(elems):
        parts = _entries(elems)
        results = [fn(part) for part in parts]
        stacked = arrays.map_tree(lambda *_: None, results[0]) if not results else _stack(results)
        return stacked if dtype is None else arrays.map_tree(lambda x: _op["cast"](x, dtype), stacked)

    return apply(run, elems)


def _entries(elems):
    leaves = arrays.leaves(elems)
    count = len(tensors.convert(leaves[0]))
    if not count:
        raise ValueError(explain("There are no entries to go through", given="a first axis of size 0"))
    return [arrays.map_tree(lambda x: tensors.convert(x)[i], elems) for i in range(count)]  # noqa: B023


def _stack(results):
    if isinstance(results[0], (list, tuple)):
        return type(results[0])(_stack(list(part)) for part in zip(*results, strict=True))
    return _op["stack"]([tensors.convert(one) for one in results])


def foldl(fn, elems, initializer=None, name=None):
    """``fn(…fn(fn(initializer, first), second)…, last)``; without an initializer it begins with the first entry."""
    return apply(lambda elems, initializer: _fold(fn, _entries(elems), initializer), elems, initializer)


def foldr(fn, elems, initializer=None, name=None):
    """`foldl` from the last entry to the first."""
    return apply(lambda elems, initializer: _fold(fn, _entries(elems)[::-1], initializer), elems, initializer)


def _fold(fn, entries, initializer):
    entries = list(entries)
    value = entries.pop(0) if initializer is None else initializer
    for entry in entries:
        value = fn(value, entry)
    return value
