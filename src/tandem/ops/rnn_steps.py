"""Recurrences with hand-written gradients: few and large operations, none of which allocates inside the loop.

Everything is kept with features before the batch, (features, batch): each gate of a step is then one contiguous block,
which the pointwise kernels run through without a remainder to each row, and a product ``W @ h`` needs no transposition.
The inputs of all steps go through one batched product; the gradients of the weights come from one product over steps
and batch. All factors of a step's gradient that do not depend on what arrives from later steps are computed for many
steps at once, before the loop.

Blocks of the gates: LSTM i, f, g, o; GRU z, r, n; the GRU that resets after the product n, z, r, m, where m is the
recurrent part of n. Where the weights come with r before z, so do the blocks.
"""

from typing import NamedTuple

import torch

aten = torch.ops.aten

# Gradients are computed for as many steps at once as fit in this number of elements of one gate: enough to make large
# operations of them, few enough to stay in the processor's cache, and a bound for the memory that long sequences take.
_ELEMENTS = 1 << 17

# What takes a gate to its end whatever the recurrent part adds: sigmoid(1e9 + r) is exactly one.
_FAR = {torch.float16: 3e4}


class Plan(NamedTuple):
    """What a recurrence is, besides its tensors.

    States of T steps lie in a buffer of T + 1 blocks: step t finds its state in block ``t + back`` and leaves the new
    one in block ``t + 1 - back``, where back is 1 for a reversed recurrence and 0 for another.
    """

    cell: str  # "rnn", "lstm", "gru" or "gru_reset_after"
    activation: str
    recurrent_activation: str
    update_first: bool  # GRU: z before r
    reverse: bool
    sequences: bool
    weight_layout: str


# --- activations: in place, into a buffer, and the gradient from the result -------------------------------------------


def _linear(x, out):
    return x if x is out else out.copy_(x)


def _linear_gradient(grad, y, out):
    out.copy_(grad)


def _relu(x, out):
    return torch.clamp_min(x, 0, out=out)


def _relu_gradient(grad, y, out):
    aten.threshold_backward.grad_input(grad, y, 0, grad_input=out)


def _hard_sigmoid(x, out):
    return aten.hardsigmoid.out(x, out=out)


def _hard_sigmoid_gradient(grad, y, out):
    aten.hardtanh_backward.grad_input(grad, y, 0, 1, grad_input=out)
    out.mul_(1 / 6)


def _sigmoid(x, out):
    return torch.sigmoid(x, out=out)


def _sigmoid_gradient(grad, y, out):
    aten.sigmoid_backward.grad_input(grad, y, grad_input=out)


def _tanh(x, out):
    return torch.tanh(x, out=out)


def _tanh_gradient(grad, y, out):
    aten.tanh_backward.grad_input(grad, y, grad_input=out)


ACTIVATIONS = {
    "linear": (_linear, _linear_gradient),
    "relu": (_relu, _relu_gradient),
    "hard_sigmoid": (_hard_sigmoid, _hard_sigmoid_gradient),
    "sigmoid": (_sigmoid, _sigmoid_gradient),
    "tanh": (_tanh, _tanh_gradient),
}

# Those that reach 0 and 1, so that a masked step is one whose gates are shut.
GATES = ("hard_sigmoid", "sigmoid")


# --- forward ----------------------------------------------------------------------------------------------------------


def _order(start, stop, descending):
    return range(stop - 1, start - 1, -1) if descending else range(start, stop)


def _product(x, weight, bias):
    """``W x_t + b`` for all steps: x (T, in, B), weight (n, in), bias (n,) or None -> (T, n, B).

    Without a weight x is that already. The result is the caller's to write to.
    """
    if weight is None:
        return x.clone(memory_format=torch.contiguous_format) if bias is None else x + bias.unsqueeze(1)
    weights = weight.unsqueeze(0).expand(x.shape[0], -1, -1)
    if bias is None:
        return torch.bmm(weights, x)
    return torch.baddbmm(bias.view(1, -1, 1), weights, x)


def _one_bias(b_in, b_rec):
    return b_in if b_rec is None else b_rec if b_in is None else b_in + b_rec


def _recurrent(gates, weight, dropped, state):
    """The recurrent part of some gates: (their blocks step by step, a function that adds ``W (h * dropped)`` to one).

    gates: (T, k, u, B); weight: (k u, u); dropped: (k, u, B) or None.
    """
    if dropped is None:
        return gates.flatten(1, 2).unbind(0), lambda a, h: torch.addmm(a, weight, h, out=a)
    weight, scratch = weight.view(dropped.shape[0], -1, state.shape[0]), torch.empty_like(dropped)

    def add(a, h):
        torch.mul(h, dropped, out=scratch)
        torch.baddbmm(a, weight, scratch, out=a)

    return gates.unbind(0), add


def _states(plan, steps, state, keep):
    """A buffer for the states of all steps, the first in its place, and the list of its T + 1 blocks.

    Where nothing is kept all of them are the same block.
    """
    buffer = state.new_empty(steps + 1 if keep else 1, *state.shape)
    blocks = buffer.unbind(0) if keep else [buffer[0]] * (steps + 1)
    blocks[steps if plan.reverse else 0].copy_(state)
    return buffer, blocks


def _room(steps, like, keep):
    """A buffer for something of each step that the gradient needs, and the list of its T blocks."""
    buffer = like.new_empty(steps if keep else 1, *like.shape)
    return buffer, buffer.unbind(0) if keep else [buffer[0]] * steps


def _forward_rnn(plan, x, masked, dropped, w_in, w_rec, b_in, b_rec, state, cell, keep_states, keep):
    steps, back = x.shape[0], int(plan.reverse)
    act = ACTIVATIONS[plan.activation][0]
    gates = _product(x, w_in, _one_bias(b_in, b_rec))
    states, hs = _states(plan, steps, state, keep_states)
    rows, add = _recurrent(gates.unsqueeze(1), w_rec, dropped, state)
    blocks = gates.unbind(0)
    opened = None if masked is None else (masked == 0).unbind(0)
    for t in _order(0, steps, plan.reverse):
        a, h, out = blocks[t], hs[t + back], hs[t + 1 - back]
        add(rows[t], h)
        if opened is None:
            act(a, out)
        else:
            torch.where(opened[t], act(a, a), h, out=out)
    return states, None, ()


def _forward_lstm(plan, x, masked, dropped, w_in, w_rec, b_in, b_rec, state, cell, keep_states, keep):
    steps, back = x.shape[0], int(plan.reverse)
    act, gate = ACTIVATIONS[plan.activation][0], ACTIVATIONS[plan.recurrent_activation][0]
    gates = _product(x, w_in, _one_bias(b_in, b_rec)).view(steps, 4, *state.shape)
    if masked is not None:
        # Input and output gate shut, forget gate open: the cell is carried, and what is added to the state is zero.
        shut, far = masked != 0, _FAR.get(x.dtype, 1e9)
        gates.masked_fill_(shut.unsqueeze(1), -far)
        gates[:, 1].masked_fill_(shut, far)
        masked = masked.unbind(0)
    states, hs = _states(plan, steps, state, keep_states)
    cells, cs = _states(plan, steps, cell, keep)
    candidates, gs = _room(steps, state, keep)
    seen, ys = _room(steps, state, keep)
    rows, add = _recurrent(gates, w_rec, dropped, state)
    i, f, g, o = (gates[:, k].unbind(0) for k in range(4))
    for t in _order(0, steps, plan.reverse):
        a, h, out, c = rows[t], hs[t + back], hs[t + 1 - back], cs[t + 1 - back]
        add(a, h)
        act(g[t], gs[t])
        gate(a, a)  # the candidate's block too, which nobody reads again: one call costs less than two
        torch.mul(f[t], cs[t + back], out=c)
        c.addcmul_(i[t], gs[t])
        act(c, ys[t])
        if masked is None:
            torch.mul(o[t], ys[t], out=out)
        else:
            torch.mul(masked[t], h, out=out)
            out.addcmul_(o[t], ys[t])
    return states, cells, (gates, candidates, seen)


def _forward_gru(plan, x, masked, dropped, w_in, w_rec, b_in, b_rec, state, cell, keep_states, keep):
    steps, back, units = x.shape[0], int(plan.reverse), state.shape[0]
    act, gate = ACTIVATIONS[plan.activation][0], ACTIVATIONS[plan.recurrent_activation][0]
    gates = _product(x, w_in, _one_bias(b_in, b_rec)).view(steps, 3, *state.shape)
    at_z = 0 if plan.update_first else 1
    if masked is not None:
        gates[:, at_z].masked_fill_(masked != 0, _FAR.get(x.dtype, 1e9))
    states, hs = _states(plan, steps, state, keep_states)
    both, add = _recurrent(gates[:, :2], w_rec[: 2 * units], None if dropped is None else dropped[:2], state)
    last, add_last = _recurrent(gates[:, 2:], w_rec[2 * units :], None if dropped is None else dropped[2:], state)
    kept, reset = torch.empty_like(state), gates[:, 2].unbind(0)
    z, r = gates[:, at_z].unbind(0), gates[:, 1 - at_z].unbind(0)
    for t in _order(0, steps, plan.reverse):
        h, n = hs[t + back], reset[t]
        add(both[t], h)
        gate(both[t], both[t])
        torch.mul(r[t], h, out=kept)
        add_last(last[t], kept)
        act(n, n)
        torch.lerp(n, h, z[t], out=hs[t + 1 - back])
    return states, None, (gates,)


def _forward_gru_reset_after(plan, x, masked, dropped, w_in, w_rec, b_in, b_rec, state, cell, keep_states, keep):
    steps, back, units = x.shape[0], int(plan.reverse), state.shape[0]
    act, gate = ACTIVATIONS[plan.activation][0], ACTIVATIONS[plan.recurrent_activation][0]
    of_inputs = _product(x, w_in, b_in).view(steps, 3, *state.shape)
    gates = x.new_empty(steps, 4, *state.shape)
    gates[:, 0].copy_(of_inputs[:, 2])
    if b_rec is None:
        gates[:, 1:3].copy_(of_inputs[:, :2])
        gates[:, 3].zero_()
    else:
        b_rec = b_rec.view(3, units, 1)
        torch.add(of_inputs[:, :2], b_rec[:2], out=gates[:, 1:3])
        gates[:, 3].copy_(b_rec[2])
    at_z, at_r = (1, 2) if plan.update_first else (2, 1)
    if masked is not None:
        gates[:, at_z].masked_fill_(masked != 0, _FAR.get(x.dtype, 1e9))
    states, hs = _states(plan, steps, state, keep_states)
    rows, add = _recurrent(gates[:, 1:], w_rec, dropped, state)
    both, n, z, r, m = gates[:, 1:3].unbind(0), *(gates[:, k].unbind(0) for k in (0, at_z, at_r, 3))
    for t in _order(0, steps, plan.reverse):
        h = hs[t + back]
        add(rows[t], h)
        gate(both[t], both[t])
        candidate = n[t].addcmul_(r[t], m[t])
        act(candidate, candidate)
        torch.lerp(candidate, h, z[t], out=hs[t + 1 - back])
    return states, None, (gates,)


FORWARD = {
    "rnn": _forward_rnn,
    "lstm": _forward_lstm,
    "gru": _forward_gru,
    "gru_reset_after": _forward_gru_reset_after,
}


# --- gradients --------------------------------------------------------------------------------------------------------
#
# `d` (steps of a chunk, blocks, u, B) is filled with the factors of each step's gradient and then, step by step,
# multiplied in place by what arrives: it ends as the gradient of the gates before their activations. One more block
# than there are gates holds what a step passes on beside the recurrent product.
#
# earlier[t] is the gradient of the output of the step before t, or None; masked: as in `Recurrence`, of this chunk.
# flow: the gradients of the state and of the LSTM's cell after the step, and a block like the state to write to; each
# function returns the gates' gradients and the flow before the first of its steps.


def _each(tensor, count):
    """The first axis of a tensor as a list; `count` times None for None."""
    return [None] * count if tensor is None else tensor.unbind(0)


def _transposed(weight, dropped):
    """(n u, u) -> (u, n u), or with factors to each gate (n, u, u), each gate transposed."""
    if dropped is None:
        return weight.t().contiguous()
    return weight.view(dropped.shape[0], -1, dropped.shape[1]).transpose(1, 2).contiguous()


def _returning(gates, weight, dropped, blocks=slice(None)):
    """(gates' gradients step by step, a function for ``out = base + (W' d) * dropped``) for some gates.

    gates: (T, k, u, B); weight: all gates', from `_transposed`; dropped: all gates', or None; blocks: which gates.
    """
    if dropped is None:
        weight = weight.unflatten(1, (-1, gates.shape[2]))[:, blocks].flatten(1)

        def back(d, base, out):
            if base is None:
                torch.mm(weight, d, out=out)
            else:
                torch.addmm(base, weight, d, out=out)

        return gates.flatten(1, 2).unbind(0), back
    weight, dropped = weight[blocks], dropped[blocks]
    scratch = torch.empty_like(dropped)

    def back_dropped(d, base, out):
        torch.bmm(weight, d, out=scratch)
        scratch.mul_(dropped)
        torch.sum(scratch, 0, out=out)
        if base is not None:
            out.add_(base)

    return gates.unbind(0), back_dropped


def _backward_rnn(plan, start, stop, saved, d, earlier, masked, flow, weight, dropped):
    states, after = saved[0], int(not plan.reverse)
    state, cell, spare = flow
    if masked is None:
        d.fill_(1)
    else:
        d.copy_(masked.unsqueeze(1) == 0)
    ACTIVATIONS[plan.activation][1](d[:, 0], states[start + after : stop + after], d[:, 0])
    masks, blocks, (rows, back) = _each(masked, stop - start), d[:, 0].unbind(0), _returning(d, weight, dropped)
    for t in _order(start, stop, not plan.reverse):
        k = t - start
        blocks[k].mul_(state)
        back(rows[k], earlier[t], spare)
        if masked is not None:
            spare.addcmul_(masks[k], state)
        state, spare = spare, state
    return d, (state, cell, spare)


def _backward_lstm(plan, start, stop, saved, d, earlier, masked, flow, weight, dropped):
    _, cells, gates, candidates, seen = saved
    state, cell, spare = flow
    before = int(plan.reverse)
    act, gate = ACTIVATIONS[plan.activation][1], ACTIVATIONS[plan.recurrent_activation][1]
    i, f, _, o = gates[start:stop].unbind(1)
    g, y = candidates[start:stop], seen[start:stop]
    to_cell = torch.empty_like(y)
    act(o, y, to_cell)
    d[:, 0].copy_(f)
    gate(g, i, d[:, 1])
    gate(cells[start + before : stop + before], f, d[:, 2])
    act(i, g, d[:, 3])
    gate(y, o, d[:, 4])
    to_cell, by_cell, carried, by_state = to_cell.unbind(0), d[:, :4].unbind(0), d[:, 0].unbind(0), d[:, 4].unbind(0)
    masks, of_cell, (rows, back) = _each(masked, stop - start), cell, _returning(d[:, 1:], weight, dropped)
    for t in _order(start, stop, not plan.reverse):
        k = t - start
        of_cell.addcmul_(state, to_cell[k])
        by_state[k].mul_(state)
        by_cell[k].mul_(of_cell)
        of_cell = carried[k]
        back(rows[k], earlier[t], spare)
        if masked is not None:
            spare.addcmul_(masks[k], state)
        state, spare = spare, state
    cell.copy_(of_cell)
    return d[:, 1:], (state, cell, spare)


def _backward_gru(plan, start, stop, saved, d, earlier, masked, flow, weight, dropped):
    states, _, gates = saved
    state, cell, spare = flow
    before = int(plan.reverse)
    act, gate = ACTIVATIONS[plan.activation][1], ACTIVATIONS[plan.recurrent_activation][1]
    at_z = 0 if plan.update_first else 1
    h = states[start + before : stop + before]
    z, r, n = gates[start:stop, at_z], gates[start:stop, 1 - at_z], gates[start:stop, 2]
    to_reset = torch.empty_like(h)
    gate(h, r, to_reset)
    d[:, 1 - at_z].fill_(1)  # multiplied along with its neighbours, and then written
    d[:, 2].fill_(1).sub_(z)
    act(d[:, 2], n, d[:, 2])
    torch.sub(h, n, out=d[:, at_z])
    gate(d[:, at_z], z, d[:, at_z])
    d[:, 3].copy_(z)
    whole, resets, carried = d.unbind(0), d[:, 1 - at_z].unbind(0), d[:, 3].unbind(0)
    to_reset, opened = to_reset.unbind(0), r.unbind(0)
    both, back = _returning(d[:, :2], weight, dropped, slice(2))
    last, back_last = _returning(d[:, 2:3], weight, dropped, slice(2, 3))
    for t in _order(start, stop, not plan.reverse):
        k = t - start
        whole[k].mul_(state)
        back_last(last[k], None, spare)
        torch.mul(spare, to_reset[k], out=resets[k])
        carried[k].addcmul_(spare, opened[k])
        if earlier[t] is not None:
            carried[k].add_(earlier[t])
        back(both[k], carried[k], state)
    return d[:, :3], (state, cell, spare)


def _backward_gru_reset_after(plan, start, stop, saved, d, earlier, masked, flow, weight, dropped):
    states, _, gates = saved
    state, before = flow[0], int(plan.reverse)
    act, gate = ACTIVATIONS[plan.activation][1], ACTIVATIONS[plan.recurrent_activation][1]
    at_z, at_r = (1, 2) if plan.update_first else (2, 1)
    n, z, r, m = (gates[start:stop, k] for k in (0, at_z, at_r, 3))
    d[:, 3].fill_(1).sub_(z)
    act(d[:, 3], n, d[:, 0])
    torch.sub(states[start + before : stop + before], n, out=d[:, at_z])
    gate(d[:, at_z], z, d[:, at_z])
    torch.mul(d[:, 0], m, out=d[:, at_r])
    gate(d[:, at_r], r, d[:, at_r])
    torch.mul(d[:, 0], r, out=d[:, 3])
    d[:, 4].copy_(z)
    whole, carried, (rows, back) = d.unbind(0), d[:, 4].unbind(0), _returning(d[:, 1:4], weight, dropped)
    for t in _order(start, stop, not plan.reverse):
        k = t - start
        whole[k].mul_(state)
        if earlier[t] is not None:
            carried[k].add_(earlier[t])
        back(rows[k], carried[k], state)
    return d[:, :4], flow


# The function, and how many blocks it works on.
_BACKWARD = {
    "rnn": (_backward_rnn, 1),
    "lstm": (_backward_lstm, 5),
    "gru": (_backward_gru, 4),
    "gru_reset_after": (_backward_gru_reset_after, 5),
}


def back(plan, saved, arriving, masked, flow, weight, dropped, receive):
    """Go from the last step processed to the first; gives the gradients of the first state and the first cell.

    saved: what `FORWARD` gave; arriving: each output's gradient or None; flow: the gradients of the last state and the
    last cell, or None; weight: (n u, u). ``receive(start, stop, gates)`` gets the gates' gradients (T, blocks, u, B) of
    some steps, which hold until it returns.
    """
    steps, (units, batch) = len(arriving), saved[0].shape[1:]
    like = saved[0][0]
    earlier = [*arriving[1:], None] if plan.reverse else [None, *arriving[:-1]]
    last = arriving[0 if plan.reverse else -1]
    cell = _sum(None, flow[1], like) if plan.cell == "lstm" else None
    flow = _sum(last, flow[0], like), cell, torch.empty_like(like)
    backward, blocks = _BACKWARD[plan.cell]
    length = max(1, min(steps, _ELEMENTS // max(1, units * batch)))
    room = like.new_empty(length, blocks, units, batch)
    weight = _transposed(weight, dropped)
    starts = range(0, steps, length)
    for start in starts if plan.reverse else reversed(starts):
        stop = min(start + length, steps)
        shut = None if masked is None else masked[start:stop]
        gates, flow = backward(plan, start, stop, saved, room[: stop - start], earlier, shut, flow, weight, dropped)
        receive(start, stop, gates)
    return flow[:2]


def _flat(blocks):
    """(T, ..., B) -> (..., T * B), for sums over steps and batch in one product."""
    return blocks.movedim(0, -2).flatten(-2)


def _outer(plan, d, seen):
    d = d.flatten(0, -2)
    return torch.mm(seen, d.t()) if plan.weight_layout == "io" else torch.mm(d, seen.t())


def _weight_gradients(plan, gates, x, states, reset, dropped, needed):
    """The gradients of w_in, w_rec, b_in and b_rec over some steps; None where not needed.

    gates: (T, blocks, u, B), their gradients; x: (T, in, B); states: (T, u, B), before each step; reset: r of the GRU.
    """
    d, axis = _flat(gates), 1 if plan.weight_layout == "io" else 0
    after, units = plan.cell == "gru_reset_after", gates.shape[2]
    of_inputs, recurrent = (d[:3], d[1:]) if after else (d, d)
    d_in = _outer(plan, of_inputs, _flat(x)) if needed[0] else None
    if d_in is not None and after:
        d_in = torch.roll(d_in, -units, axis)
    d_rec = None
    if needed[1]:
        h = _flat(states)
        seen = [h, h, h * _flat(reset)] if plan.cell == "gru" else [h] * len(recurrent)
        if dropped is not None:
            steps = states.shape[0]
            parts = [
                (row, (part.view(len(part), steps, -1) * factor.unsqueeze(1)).flatten(1))
                for row, part, factor in zip(recurrent, seen, dropped, strict=True)
            ]
        elif plan.cell == "gru":
            parts = [(recurrent[:2], h), (recurrent[2:], seen[2])]
        else:
            parts = [(recurrent, h)]
        d_rec = [_outer(plan, row, part) for row, part in parts]
        d_rec = d_rec[0] if len(d_rec) == 1 else torch.cat(d_rec, axis)
    if not (needed[2] or needed[3]):
        return d_in, d_rec, None, None
    of_inputs = recurrent = d.sum(2).flatten()
    if after:
        of_inputs, recurrent = torch.roll(recurrent[: 3 * units], -units), recurrent[units:]
    elif needed[2] and needed[3]:
        recurrent = recurrent.clone()
    return d_in, d_rec, of_inputs if needed[2] else None, recurrent if needed[3] else None


def _oi(weight, layout):
    return weight.t() if layout == "io" and weight is not None else weight


class Recurrence(torch.autograd.Function):
    """(outputs (T, u, B) or None, last state (u, B), last cell (u, B) or None) of a whole sequence.

    again: a function that computes the same in differentiable operations, from the tensors that follow it here, for
    gradients of gradients. x: (T, in, B), or with w_in None the inputs' part of the gates, (T, n u, B); masked:
    (T, 1, B) in x's dtype, 1 where a step is masked, or None; dropped: factors (n, u, B) for the state that goes into
    each gate, or None; state, cell: (u, B); w_in, w_rec: in `plan.weight_layout`; b_in, b_rec: (n u,) or None. Masks
    need one of `GATES` as the recurrent activation.
    """

    @staticmethod
    def forward(ctx, plan, again, x, masked, dropped, state, cell, w_in, w_rec, b_in, b_rec):
        keep = any(ctx.needs_input_grad)
        keep_states = keep or plan.sequences
        weights = _oi(w_in, plan.weight_layout), _oi(w_rec, plan.weight_layout).contiguous(), b_in, b_rec
        states, cells, kept = FORWARD[plan.cell](plan, x, masked, dropped, *weights, state, cell, keep_states, keep)
        if keep:
            ctx.plan, ctx.again = plan, again
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(x, masked, dropped, state, cell, w_in, w_rec, b_in, b_rec, states, cells, *kept)
        steps, end = x.shape[0], 0 if plan.reverse else -1
        outputs = (states[:steps] if plan.reverse else states[1:]) if plan.sequences else None
        return outputs, states[end], None if cells is None else cells[end]

    @staticmethod
    def backward(ctx, d_outputs, d_state, d_cell):
        plan = ctx.plan
        found = ctx.saved_tensors  # once: rematerialisation allows no more
        tensors, saved = found[:9], found[9:]
        needed = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():
            return None, None, *differentiable(ctx.again, tensors, needed, (d_outputs, d_state, d_cell))
        x, masked, dropped, _, _, w_in, w_rec, _, _ = tensors
        steps, before = x.shape[0], int(plan.reverse)
        d_x, d_weights = x.new_empty(x.shape) if needed[0] else None, None

        def receive(start, stop, gates):
            nonlocal d_weights
            if d_x is not None:
                _input_gradient(plan, gates, _oi(w_in, plan.weight_layout), d_x[start:stop])
            if any(needed[5:]):
                reset = saved[2][start:stop, 1 if plan.update_first else 0] if plan.cell == "gru" else None
                h = saved[0][start + before : stop + before]
                more = _weight_gradients(plan, gates, x[start:stop], h, reset, dropped, needed[5:])
                d_weights = more if d_weights is None else _add(d_weights, more)

        arriving = [None] * steps if d_outputs is None else d_outputs.contiguous().unbind(0)
        weight = _oi(w_rec, plan.weight_layout)
        flow = back(plan, saved, arriving, masked, (d_state, d_cell), weight, dropped, receive)
        found = d_x, None, None, flow[0], flow[1], *(d_weights or (None,) * 4)
        return None, None, *(gradient if wanted else None for gradient, wanted in zip(found, needed, strict=True))


def _input_gradient(plan, gates, w_in, out):
    """From the gates' gradients (T, blocks, u, B) that of x, or of the inputs' part of the gates."""
    after = plan.cell == "gru_reset_after"
    if w_in is None:
        parts = [gates[:, 1:3], gates[:, :1]] if after else [gates]
        torch.cat(parts, 1, out=out.view(out.shape[0], -1, *gates.shape[2:]))
        return
    if after:
        gates, w_in = gates[:, :3], torch.roll(w_in, gates.shape[2], 0)
    torch.bmm(w_in.t().unsqueeze(0).expand(out.shape[0], -1, -1), gates.flatten(1, 2), out=out)


def _add(totals, more):
    return [total if part is None else total.add_(part) for total, part in zip(totals, more, strict=True)]


def _sum(one, other, like):
    """The sum of two gradients, each of which may be None, in a contiguous block of its own."""
    if one is None and other is None:
        return torch.zeros_like(like)
    if one is None or other is None:
        return (other if one is None else one).clone(memory_format=torch.contiguous_format)
    return other.contiguous() + one


def differentiable(again, inputs, needed, arriving):
    """The gradients of `inputs`, themselves differentiable, for the gradients that arrive at what `again` gives."""
    wanted = [i for i, need in enumerate(needed) if need]
    pairs = [(result, grad) for result, grad in zip(again(*inputs), arriving, strict=True) if grad is not None]
    found = torch.autograd.grad(
        [result for result, _ in pairs],
        [inputs[i] for i in wanted],
        [grad for _, grad in pairs],
        create_graph=True,
        allow_unused=True,
    )
    gradients = dict(zip(wanted, found, strict=True))
    return [gradients.get(i) for i in range(len(inputs))]
