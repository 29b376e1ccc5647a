"""Recurrences in which everything recurrent is one operator, for whoever has machine code for it.

The inputs' part of all gates is one product before the operator, the gradients of the weights are one product each
after its gradient: what is between them needs no other step than its own and the one before. The two operators are
``tandem::recurrence`` and ``tandem::recurrence_backward``. As torch calls them they are computed by `rnn_steps`; who
records them may put something faster in their place.

Everything is time first and features last, (T, B, ...). Blocks of the gates: LSTM i, f, g, o; GRUs z, r, n; where the
weights come with r before z, so do the blocks. `recurrence` takes the inputs' part of the gates and leaves there, if
told to keep it, what the gates let through (nothing for the plain cell, whose states say it). It gives

    states   (T + 1, B, u), before the first step and after each; or (1, B, u), the last alone
    extra    LSTM: the cells, like the states; GRU: r h (T, B, u); GRU that resets after the product: the recurrent
             part of n (T, B, u); where nothing is kept the last cell (1, B, u), or nothing: (0,)

and `recurrence_backward` gives the gradients of the gates before their activations, (T, B, k u), of the first state and
of the first cell. The k blocks are those of the gates, but for the GRU that resets after the product n, z, r, m, where
m is the recurrent part of n.
"""

import functools

import torch

from tandem.ops import rnn_loop, rnn_steps

# (cell, units) -> whether what is being recorded may become machine code. The engine puts a function here that knows.
machine_code = None

# Blocks of the gates' gradients.
BLOCKS = {**rnn_loop.BLOCKS, "gru_reset_after": 4}

_LIBRARY = torch.library.Library("tandem", "DEF")
_OPTIONS = "str kind, str activation, str recurrent_activation, bool update_first, bool reverse, str weight_layout"
_LIBRARY.define(
    "recurrence(Tensor(a!) gates, Tensor state, Tensor? cell, Tensor w_rec, Tensor? b_rec, Tensor? mask, "
    f"{_OPTIONS}, bool keep_states, bool keep) -> (Tensor, Tensor)"
)
_LIBRARY.define(
    "recurrence_backward(Tensor gates, Tensor states, Tensor extra, Tensor w_rec, Tensor? mask, Tensor? d_outputs, "
    f"Tensor? d_state, Tensor? d_cell, {_OPTIONS}) -> (Tensor, Tensor, Tensor)"
)


def _across(tensor):
    """(T, B, n) <-> (T, n, B), (B, n) <-> (n, B): `rnn_steps` has features before the batch."""
    return None if tensor is None else tensor.transpose(-1, -2)


def _turned(tensor):
    return _across(tensor).contiguous()


def _masked(mask, dtype):
    return None if mask is None else mask.logical_not().unsqueeze(1).to(dtype)


def _split(gates, units):
    """(T, B, n u) -> (T, n, u, B)."""
    return gates.unflatten(2, (-1, units)).movedim(1, -1)


def _joined(blocks):
    """(T, n, u, B) -> (T, B, n u)."""
    return blocks.movedim(-1, 1).flatten(2)


def _rows(weight, layout):
    return (weight.t() if layout == "io" else weight).contiguous()


def _recurrence(gates, state, cell, w_rec, b_rec, mask, *options):
    *options, keep_states, keep = options
    plan = rnn_steps.Plan(*options[:5], keep_states, options[5])
    weight, first = _rows(w_rec, plan.weight_layout), _turned(state)
    forward = rnn_steps.FORWARD[plan.cell]
    masked, last = _masked(mask, gates.dtype), None if cell is None else _turned(cell)
    states, cells, kept = forward(
        plan, _across(gates), masked, None, None, weight, None, b_rec, first, last, keep_states, keep
    )
    extra = gates.new_empty(0) if cells is None else _turned(cells)
    if keep:
        units = state.shape[1]
        view = gates.unflatten(2, (-1, units))
        if plan.cell == "lstm":
            gates.copy_(_joined(kept[0]))
            view[:, :, 2].copy_(_across(kept[1]))
        elif plan.cell == "gru":
            gates.copy_(_joined(kept[0]))
            extra = view[:, :, 1 if plan.update_first else 0] * _before(plan, _across(states))
        elif plan.cell == "gru_reset_after":
            gates.copy_(_joined(torch.roll(kept[0][:, :3], -1, 1)))
            extra = _turned(kept[0][:, 3])
    return _turned(states), extra


def _before(plan, states):
    return states[1:] if plan.reverse else states[:-1]


def _after(plan, states):
    return states[:-1] if plan.reverse else states[1:]


def _recurrence_on_meta(gates, state, cell, w_rec, b_rec, mask, *options):
    kind, keep_states, keep = options[0], *options[-2:]
    steps = gates.shape[0]
    states = gates.new_empty(steps + 1 if keep_states else 1, *state.shape)
    if kind == "lstm":
        return states, gates.new_empty(steps + 1 if keep else 1, *state.shape)
    return states, gates.new_empty((steps, *state.shape) if keep and kind != "rnn" else 0)


def _recurrence_backward(gates, states, extra, w_rec, mask, d_outputs, d_state, d_cell, *options):
    plan = rnn_steps.Plan(*options[:5], True, options[5])
    units, kind = states.shape[2], plan.cell
    blocks = _split(gates, units).contiguous() if kind != "rnn" else None
    saved = [_turned(states), None]
    if kind == "lstm":
        cells = _turned(extra)
        candidates, seen = blocks[:, 2].contiguous(), torch.empty_like(cells[1:])
        rnn_steps.ACTIVATIONS[plan.activation][0](_after(plan, cells), seen)
        saved = [saved[0], cells, blocks, candidates, seen]
    elif kind == "gru":
        saved.append(blocks)
    elif kind == "gru_reset_after":
        saved.append(torch.cat([torch.roll(blocks, 1, 1), _turned(extra).unsqueeze(1)], 1))
    steps, batch = gates.shape[:2]
    arriving = [None] * steps if d_outputs is None else _turned(d_outputs).unbind(0)
    d = gates.new_empty(steps, batch, units * BLOCKS[kind])

    def receive(start, stop, gates):
        d[start:stop].copy_(_joined(gates))

    flow = [None if one is None else _turned(one) for one in (d_state, d_cell)]
    weight = _rows(w_rec, plan.weight_layout)
    state, cell = rnn_steps.back(plan, saved, arriving, _masked(mask, gates.dtype), flow, weight, None, receive)
    return d, _turned(state), gates.new_empty(0) if cell is None else _turned(cell)


def _recurrence_backward_on_meta(gates, states, extra, w_rec, mask, d_outputs, d_state, d_cell, kind, *options):
    steps, batch, _ = gates.shape
    units = states.shape[2]
    return (
        gates.new_empty(steps, batch, units * BLOCKS[kind]),
        gates.new_empty(batch, units),
        gates.new_empty(*((batch, units) if kind == "lstm" else (0,))),
    )


_LIBRARY.impl("recurrence", _recurrence, "CompositeExplicitAutograd")
_LIBRARY.impl("recurrence", _recurrence_on_meta, "Meta")
_LIBRARY.impl("recurrence_backward", _recurrence_backward, "CompositeExplicitAutograd")
_LIBRARY.impl("recurrence_backward", _recurrence_backward_on_meta, "Meta")


def _oi(weight, layout):
    return weight.t() if layout == "io" else weight


class Fused(torch.autograd.Function):
    """(outputs (T, B, u) or None, last state (B, u), last cell (B, u) or None) of a whole sequence.

    again: a function that computes the same in differentiable operations, from the tensors that follow it here, for
    gradients of gradients. x: (T, B, in), dense, or with w_in None the inputs' part of the gates, (T, B, n u); mask:
    (T, B), False where a step is masked, or None; state, cell: (B, u); w_in, w_rec: in `plan.weight_layout`; b_in and
    b_rec: (n u,) or None. Masks need one of `rnn_steps.GATES` as the recurrent activation.
    """

    @staticmethod
    def forward(ctx, plan, again, x, mask, state, cell, w_in, w_rec, b_in, b_rec):
        keep = any(ctx.needs_input_grad)
        steps, batch = x.shape[:2]
        after = plan.cell == "gru_reset_after"
        bias = b_in if after or b_rec is None else b_rec if b_in is None else b_in + b_rec
        if w_in is None:
            gates = x.clone() if bias is None else x + bias
        else:
            weight = _oi(w_in, plan.weight_layout).t()
            rows = x.view(steps * batch, -1)
            gates = torch.mm(rows, weight) if bias is None else torch.addmm(bias, rows, weight)
            gates = gates.view(steps, batch, -1)
        options = (*plan[:5], plan.weight_layout)
        states, extra = torch.ops.tandem.recurrence(
            gates, state, cell, w_rec, b_rec if after else None, mask, *options, keep or plan.sequences, keep
        )
        if keep:
            ctx.plan, ctx.again = plan, again
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(x, mask, state, cell, w_in, w_rec, b_in, b_rec, gates, states, extra)
        end = 0 if plan.reverse else -1
        outputs = _after(plan, states) if plan.sequences else None
        return outputs, states[end], None if cell is None else extra[end]

    @staticmethod
    def backward(ctx, d_outputs, d_state, d_cell):
        plan = ctx.plan
        *tensors, gates, states, extra = ctx.saved_tensors  # once: rematerialisation allows no more
        needed = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():
            found = rnn_steps.differentiable(ctx.again, tensors, needed, (d_outputs, d_state, d_cell))
            return None, None, *found
        x, mask, _, _, w_in, w_rec, _, _ = tensors
        arriving = [None if one is None else _with_dense_rows(one) for one in (d_outputs, d_state, d_cell)]
        d, d_first, d_first_cell = torch.ops.tandem.recurrence_backward(
            gates, states, extra, w_rec, mask, *arriving, *plan[:5], plan.weight_layout
        )
        found = _gradients(plan, d, x, _before(plan, states), extra, w_in, needed)
        found = found[0], None, d_first, d_first_cell, *found[1:]
        return None, None, *(gradient if wanted else None for gradient, wanted in zip(found, needed, strict=True))


def _with_dense_rows(tensor):
    return tensor if tensor.stride(-1) == 1 and 0 not in tensor.stride() else tensor.contiguous()


def _gradients(plan, d, x, h, extra, w_in, needed):
    """The gradients of x, w_in, w_rec, b_in and b_rec from those of the gates, (T, B, k u); None where not needed."""
    d, h, units, axis = d.flatten(0, 1), h.flatten(0, 1), h.shape[2], 1 if plan.weight_layout == "io" else 0
    of_inputs, recurrent = d, d
    turn = functools.partial(torch.roll, shifts=-units)  # n, z, r -> z, r, n
    if plan.cell == "gru_reset_after":
        of_inputs, recurrent = d[:, : 3 * units], d[:, units:]
    else:
        turn = _as_it_is
    d_x = d_in = d_rec = d_bias = d_rec_bias = None
    if needed[0] and w_in is None:
        d_x = turn(of_inputs, dims=1).view(x.shape)
    elif needed[0]:
        w_in = _oi(w_in, plan.weight_layout)
        d_x = torch.mm(of_inputs, w_in if turn is _as_it_is else torch.roll(w_in, units, 0)).view(x.shape)
    if needed[4]:
        d_in = turn(_outer(plan, of_inputs, x.flatten(0, 1)), dims=axis)
    if needed[5] and plan.cell == "gru":
        last = _outer(plan, d[:, 2 * units :], extra.flatten(0, 1))
        d_rec = torch.cat([_outer(plan, d[:, : 2 * units], h), last], axis)
    elif needed[5]:
        d_rec = _outer(plan, recurrent, h)
    if needed[6]:
        d_bias = turn(of_inputs.sum(0), dims=0)
    if needed[7]:
        d_rec_bias = recurrent.sum(0) if recurrent is not of_inputs or d_bias is None else d_bias.clone()
    return d_x, d_in, d_rec, d_bias, d_rec_bias


def _as_it_is(tensor, dims):
    return tensor


def _outer(plan, d, seen):
    return torch.mm(seen.t(), d) if plan.weight_layout == "io" else torch.mm(d.t(), seen)


def can(x, recurrent_dropout):
    """Whether machine code could compute this, as far as the tensors go; `rnn_steps` must be able to as well."""
    return (
        recurrent_dropout is None
        and x.dtype is torch.float32
        and x.device.type == "cpu"
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
    )


def run(plan, again, x, state, weights, mask):
    """(outputs, last state as a tuple) as `Fused` computes them: x (T, B, in), state of (B, u), mask (T, B) or None."""
    cell = state[1] if len(state) > 1 else None
    again = functools.partial(again, plan)
    outputs, h, c = Fused.apply(plan, again, x.contiguous(), mask, state[0], cell, *weights)
    return outputs if plan.sequences else h, (h,) if c is None else (h, c)
