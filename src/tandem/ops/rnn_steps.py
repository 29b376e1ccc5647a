"""Recurrences with hand-written gradients: few and large operations, none of which allocates inside the loop.

Everything is kept with features before the batch, (features, batch): each gate of a step is then one contiguous block,
which the pointwise kernels run through without a remainder to each row, and a product ``W @ h`` needs no transposition.
The inputs of all steps go through one batched product; the gradients of the weights come from one product over steps
and batch. All factors of a step's gradient that do not depend on what arrives from later steps are computed for many
steps at once, before the loop.

Blocks of the gates: LSTM i, f, g, o; GRU n, z, r, m, where ``h' = z h + (1 - z) act(n + r m)`` and m is the recurrent
part of n (the second block is r and the third z where the weights come in that order).
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

    cell: str  # "rnn", "lstm" or "gru" (the one that resets after the product)
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
    "sigmoid": (_sigmoid, _sigmoid_gradient),
    "tanh": (_tanh, _tanh_gradient),
}


# --- forward ----------------------------------------------------------------------------------------------------------


def _order(start, stop, descending):
    return range(stop - 1, start - 1, -1) if descending else range(start, stop)


def _product(x, weight, bias):
    """``W x_t + b`` for all steps: x (T, in, B), weight (n, in), bias (n,) or None -> (T, n, B)."""
    weights = weight.unsqueeze(0).expand(x.shape[0], -1, -1)
    if bias is None:
        return torch.bmm(weights, x)
    return torch.baddbmm(bias.view(1, -1, 1), weights, x)


def _one_bias(b_in, b_rec):
    return b_in if b_rec is None else b_rec if b_in is None else b_in + b_rec


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


def _forward_rnn(plan, x, masked, w_in, w_rec, b_in, b_rec, state, cell, keep_states, keep):
    steps, back = x.shape[0], int(plan.reverse)
    act = ACTIVATIONS[plan.activation][0]
    gates = _product(x, w_in, _one_bias(b_in, b_rec)).unbind(0)
    states, hs = _states(plan, steps, state, keep_states)
    opened = None if masked is None else (masked == 0).unbind(0)
    for t in _order(0, steps, plan.reverse):
        a, h, out = gates[t], hs[t + back], hs[t + 1 - back]
        torch.addmm(a, w_rec, h, out=a)
        if opened is None:
            act(a, out)
        else:
            torch.where(opened[t], act(a, a), h, out=out)
    return states, None, ()


def _forward_lstm(plan, x, masked, w_in, w_rec, b_in, b_rec, state, cell, keep_states, keep):
    steps, back = x.shape[0], int(plan.reverse)
    act, gate = ACTIVATIONS[plan.activation][0], ACTIVATIONS[plan.recurrent_activation][0]
    gates = _product(x, w_in, _one_bias(b_in, b_rec))
    split = gates.view(steps, 4, *state.shape)
    if masked is not None:
        # Input and output gate shut, forget gate open: the cell is carried, and what is added to the state is zero.
        shut, far = masked != 0, _FAR.get(x.dtype, 1e9)
        gates.masked_fill_(shut, -far)
        split[:, 1].masked_fill_(shut.unsqueeze(1)[:, 0], far)
        masked = masked.unbind(0)
    states, hs = _states(plan, steps, state, keep_states)
    cells, cs = _states(plan, steps, cell, keep)
    candidates, gs = _room(steps, state, keep)
    seen, ys = _room(steps, state, keep)
    rows, (i, f, g, o) = gates.unbind(0), (split[:, k].unbind(0) for k in range(4))
    for t in _order(0, steps, plan.reverse):
        a, h, out, c = rows[t], hs[t + back], hs[t + 1 - back], cs[t + 1 - back]
        torch.addmm(a, w_rec, h, out=a)
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


def _forward_gru(plan, x, masked, w_in, w_rec, b_in, b_rec, state, cell, keep_states, keep):
    steps, back = x.shape[0], int(plan.reverse)
    units, batch = state.shape
    act, gate = ACTIVATIONS[plan.activation][0], ACTIVATIONS[plan.recurrent_activation][0]
    bias = None if b_in is None else torch.roll(b_in, units)
    if bias is not None and b_rec is not None:
        bias[units:].add_(b_rec[: 2 * units])
    gates = x.new_empty(steps, 4, units, batch)
    gates[:, :3].copy_(_product(x, torch.roll(w_in, units, 0), bias).view(steps, 3, units, batch))
    if b_rec is None:
        gates[:, 3].zero_()
    else:
        gates[:, 3].copy_(b_rec[2 * units :].unsqueeze(1))
    at_z, at_r = (1, 2) if plan.update_first else (2, 1)
    if masked is not None:
        gates[:, at_z].masked_fill_(masked != 0, _FAR.get(x.dtype, 1e9))
    states, hs = _states(plan, steps, state, keep_states)
    recurrent = gates[:, 1:].view(steps, 3 * units, batch).unbind(0)
    both, n, z, r, m = gates[:, 1:3].unbind(0), *(gates[:, k].unbind(0) for k in (0, at_z, at_r, 3))
    for t in _order(0, steps, plan.reverse):
        h = hs[t + back]
        torch.addmm(recurrent[t], w_rec, h, out=recurrent[t])
        gate(both[t], both[t])
        candidate = n[t].addcmul_(r[t], m[t])
        act(candidate, candidate)
        torch.lerp(candidate, h, z[t], out=hs[t + 1 - back])
    return states, None, (gates,)


_FORWARD = {"rnn": _forward_rnn, "lstm": _forward_lstm, "gru": _forward_gru}


# --- gradients --------------------------------------------------------------------------------------------------------
#
# `d` (steps of a chunk, blocks, u, B) is filled with the factors of each step's gradient and then, step by step,
# multiplied in place by what arrives: it ends as the gradient of the gates before their activations. One more block
# than there are gates holds what a step passes on beside the recurrent product.
#
# Lists over the steps: earlier[t] is the gradient of the output of the step before t (or None), masked[t] (1, B) is 1
# where the step is masked (or None). flow: the gradients of the state and of the LSTM's cell after the step, and a
# block like the state to write to; each function returns the flow before the first of its steps.


def _pass_on(weight, gates, earlier, masked, state, spare):
    """The gradient of the state before a step, and the block that has become free."""
    if earlier is None:
        torch.mm(weight, gates, out=spare)
    else:
        torch.addmm(earlier, weight, gates, out=spare)
    if masked is not None:
        spare.addcmul_(masked, state)
    return spare, state


def _backward_rnn(plan, start, stop, saved, d, earlier, masked, flow, weight):
    states, after = saved[0], int(not plan.reverse)
    state, cell, spare = flow
    d.fill_(1)
    for t in range(start, stop):
        if masked[t] is not None:
            d[t - start].sub_(masked[t])
    ACTIVATIONS[plan.activation][1](d[:, 0], states[start + after : stop + after], d[:, 0])
    rows = d[:, 0].unbind(0)
    for t in _order(start, stop, not plan.reverse):
        row = rows[t - start].mul_(state)
        state, spare = _pass_on(weight, row, earlier[t], masked[t], state, spare)
    return d, (state, cell, spare)


def _backward_lstm(plan, start, stop, saved, d, earlier, masked, flow, weight):
    _, cells, gates, candidates, seen = saved
    state, cell, spare = flow
    count, back, (_, _, units, batch) = stop - start, int(plan.reverse), d.shape
    act, gate = ACTIVATIONS[plan.activation][1], ACTIVATIONS[plan.recurrent_activation][1]
    i, f, _, o = gates[start:stop].view(count, 4, units, batch).unbind(1)
    g, y = candidates[start:stop], seen[start:stop]
    to_cell = torch.empty_like(y)
    act(o, y, to_cell)
    d[:, 0].copy_(f)
    gate(g, i, d[:, 1])
    gate(cells[start + back : stop + back], f, d[:, 2])
    act(i, g, d[:, 3])
    gate(y, o, d[:, 4])
    to_cell, by_cell, carried, by_state = to_cell.unbind(0), d[:, :4].unbind(0), d[:, 0].unbind(0), d[:, 4].unbind(0)
    rows = d.view(count, 5 * units, batch)[:, units:].unbind(0)
    of_cell = cell
    for t in _order(start, stop, not plan.reverse):
        k = t - start
        of_cell.addcmul_(state, to_cell[k])
        by_state[k].mul_(state)
        by_cell[k].mul_(of_cell)
        of_cell = carried[k]
        state, spare = _pass_on(weight, rows[k], earlier[t], masked[t], state, spare)
    cell.copy_(of_cell)
    return d[:, 1:], (state, cell, spare)


def _backward_gru(plan, start, stop, saved, d, earlier, masked, flow, weight):
    states, _, gates = saved
    state = flow[0]
    count, back, (_, _, units, batch) = stop - start, int(plan.reverse), d.shape
    act, gate = ACTIVATIONS[plan.activation][1], ACTIVATIONS[plan.recurrent_activation][1]
    at_z, at_r = (1, 2) if plan.update_first else (2, 1)
    n, z, r, m = (gates[start:stop, k] for k in (0, at_z, at_r, 3))
    d[:, 3].fill_(1).sub_(z)
    act(d[:, 3], n, d[:, 0])
    torch.sub(states[start + back : stop + back], n, out=d[:, at_z])
    gate(d[:, at_z], z, d[:, at_z])
    torch.mul(d[:, 0], m, out=d[:, at_r])
    gate(d[:, at_r], r, d[:, at_r])
    torch.mul(d[:, 0], r, out=d[:, 3])
    d[:, 4].copy_(z)
    whole, carried = d.unbind(0), d[:, 4].unbind(0)
    rows = d.view(count, 5 * units, batch)[:, units : 4 * units].unbind(0)
    for t in _order(start, stop, not plan.reverse):
        k = t - start
        whole[k].mul_(state)
        if earlier[t] is not None:
            carried[k].add_(earlier[t])
        torch.addmm(carried[k], weight, rows[k], out=state)
    return d[:, :4], flow


_BACKWARD = {"rnn": (_backward_rnn, 1), "lstm": (_backward_lstm, 5), "gru": (_backward_gru, 5)}


def _weight_products(plan, gates, x, states):
    """The factors (a, b) of the products that give the gradients of weights and biases over some steps.

    Inputs, ones and states stand below each other, so that the biases come with the weights.
    """
    count, blocks, units, batch = gates.shape
    inputs = x.shape[1]
    seen = gates.new_empty(inputs + 1 + units, count, batch)
    seen[:inputs].copy_(x.transpose(0, 1))
    seen[inputs].fill_(1)
    seen[inputs + 1 :].copy_(states.transpose(0, 1))
    seen = seen.view(-1, count * batch)
    gates = gates.permute(1, 2, 0, 3).reshape(blocks * units, count * batch)
    if plan.cell == "gru":
        pairs = [(seen[: inputs + 1], gates[: 3 * units]), (seen[inputs:], gates[units:])]
    else:
        pairs = [(seen, gates)]
    return [(a, b.t()) if plan.weight_layout == "io" else (b, a.t()) for a, b in pairs]


def _split_weights(plan, sums, inputs, units):
    """The gradients of w_in, w_rec (in their own layout), b_in and b_rec."""
    axis = 0 if plan.weight_layout == "io" else 1
    if plan.cell == "gru":
        first, second = torch.roll(sums[0], -units, 1 - axis), sums[1]
        parts = first.narrow(axis, 0, inputs), second.narrow(axis, 1, units)
        return *parts, first.select(axis, inputs), second.select(axis, 0)
    parts = sums[0].narrow(axis, 0, inputs), sums[0].narrow(axis, inputs + 1, units)
    bias = sums[0].select(axis, inputs)
    return *parts, bias, bias.clone()


def _oi(weight, layout):
    return weight.t() if layout == "io" else weight


class Recurrence(torch.autograd.Function):
    """(outputs (T, u, B) or None, last state (u, B), last cell (u, B) or None) of a whole sequence.

    again: a function that computes the same in differentiable operations, from the tensors that follow it here, for
    gradients of gradients. x: (T, in, B); masked: (T, 1, B) in x's dtype, 1 where a step is masked, or None; state,
    cell: (u, B); w_in, w_rec: in `plan.weight_layout`; b_in, b_rec: (n u,) or None. Masks need a sigmoid as the
    recurrent activation.
    """

    @staticmethod
    def forward(ctx, plan, again, x, masked, state, cell, w_in, w_rec, b_in, b_rec):
        keep = any(ctx.needs_input_grad)
        keep_states = keep or plan.sequences
        recurrent = _oi(w_rec, plan.weight_layout).contiguous()
        states, cells, kept = _FORWARD[plan.cell](
            plan, x, masked, _oi(w_in, plan.weight_layout), recurrent, b_in, b_rec, state, cell, keep_states, keep
        )
        if keep:
            ctx.plan, ctx.again = plan, again
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(x, masked, state, cell, w_in, w_rec, b_in, b_rec, states, cells, *kept)
        steps, end = x.shape[0], 0 if plan.reverse else -1
        outputs = (states[:steps] if plan.reverse else states[1:]) if plan.sequences else None
        return outputs, states[end], None if cells is None else cells[end]

    @staticmethod
    def backward(ctx, d_outputs, d_state, d_cell):
        plan = ctx.plan
        x, masked, state, cell, w_in, w_rec, b_in, b_rec, *saved = ctx.saved_tensors
        needed = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():
            inputs = (x, masked, state, cell, w_in, w_rec, b_in, b_rec)
            return None, None, *_differentiable(ctx.again, inputs, needed, (d_outputs, d_state, d_cell))
        (steps, inputs, batch), units, back = x.shape, state.shape[0], int(plan.reverse)
        arriving = [None] * steps if d_outputs is None else d_outputs.contiguous().unbind(0)
        earlier = [*arriving[1:], None] if plan.reverse else [None, *arriving[:-1]]
        last = arriving[0 if plan.reverse else -1]
        flow = (_sum(last, d_state, state), None if cell is None else _sum(None, d_cell, cell), torch.empty_like(state))
        masks = [None] * steps if masked is None else masked.unbind(0)
        backward, blocks = _BACKWARD[plan.cell]
        length = max(1, min(steps, _ELEMENTS // max(1, units * batch)))
        room = x.new_empty(length, blocks, units, batch)
        weight = _oi(w_rec, plan.weight_layout).t().contiguous()
        d_x, sums = x.new_empty(x.shape) if needed[0] else None, []
        w = _oi(w_in, plan.weight_layout)
        w = (torch.roll(w, units, 0) if plan.cell == "gru" and needed[0] else w).t().unsqueeze(0)
        starts = range(0, steps, length)
        for start in starts if plan.reverse else reversed(starts):
            stop = min(start + length, steps)
            d = room[: stop - start]
            gates, flow = backward(plan, start, stop, saved, d, earlier, masks, flow, weight)
            if any(needed[4:]):
                pairs = _weight_products(plan, gates, x[start:stop], saved[0][start + back : stop + back])
                sums = [total.addmm_(a, b) for total, (a, b) in zip(sums, pairs, strict=True)] or [
                    torch.mm(a, b) for a, b in pairs
                ]
            if d_x is not None:
                of_inputs = gates[:, :3] if plan.cell == "gru" else gates
                of_inputs = of_inputs.reshape(stop - start, -1, batch)
                torch.bmm(w.expand(stop - start, -1, -1), of_inputs, out=d_x[start:stop])
        d_weights = _split_weights(plan, sums, inputs, units) if sums else (None,) * 4
        found = d_x, None, flow[0], flow[1], *d_weights
        return None, None, *(gradient if wanted else None for gradient, wanted in zip(found, needed, strict=True))


def _sum(one, other, like):
    """The sum of two gradients, each of which may be None, in a contiguous block of its own."""
    if one is None and other is None:
        return torch.zeros_like(like)
    if one is None or other is None:
        return (other if one is None else one).clone(memory_format=torch.contiguous_format)
    return other.contiguous() + one


def _differentiable(again, inputs, needed, arriving):
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
