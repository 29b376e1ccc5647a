"""One step of each recurrent cell, and plain loops over steps that autograd can follow."""

import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_map

from tandem.ops.tracing import is_exporting

FUNCTIONS = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "hard_sigmoid": F.hardsigmoid,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}

# How many blocks of `units` rows the weights of a cell have.
BLOCKS = {"rnn": 1, "lstm": 4, "gru": 3, "gru_reset_after": 3}

# An exported program has the steps one by one up to so many; of more it would take minutes to make.
_UNROLLED = 32


def project(x, weight, bias, dropout, blocks):
    """``W x + b`` for all gates: x (..., in), weight (n u, in), bias (n u,) or None -> (..., n u).

    dropout: None, a factor that broadcasts to x, or a list of one such factor to a gate.
    """
    if dropout is None:
        return F.linear(x, weight, bias)
    if not isinstance(dropout, (list, tuple)):
        return F.linear(x * dropout, weight, bias)
    weights = weight.chunk(blocks)
    biases = [None] * blocks if bias is None else bias.chunk(blocks)
    return torch.cat([F.linear(x * d, w, b) for d, w, b in zip(dropout, weights, biases, strict=True)], -1)


def _within(c, least, greatest, no_nan=False):
    if no_nan:
        c = torch.where(c.isnan(), least if greatest is None else greatest, c)
    return c.clamp(least, greatest)


def advance(a, state, w_rec, b_rec, *, cell, act, gate, update_first, dropout=None, w_proj=None, cell_clip=None):
    """Take a cell one step on, from the inputs' part of its gates.

    a: (B, n u); state: (h,) or (h, c); w_rec: (n u, u); b_rec: (n u,) or None; act, gate: functions; dropout: as in
    `project`, for h; w_proj: (p, u) or None; cell_clip: (least, greatest) c, see `rnn`, or None. Returns the new
    state, whose first entry is also the output.
    """
    h = state[0]
    blocks = BLOCKS[cell]
    if cell == "rnn":
        return (act(a + project(h, w_rec, b_rec, dropout, blocks)),)
    if cell == "lstm":
        i, f, g, o = (a + project(h, w_rec, b_rec, dropout, blocks)).chunk(4, -1)
        c = gate(f) * state[1] + gate(i) * act(g)
        if cell_clip is not None:
            c = _within(c, *cell_clip)
        h = gate(o) * act(c)
        return (h if w_proj is None else F.linear(h, w_proj)), c
    split = 2 * h.shape[-1]
    if cell == "gru_reset_after":
        m = project(h, w_rec, b_rec, dropout, blocks)
        gates = gate(a[..., :split] + m[..., :split])
    else:
        several = isinstance(dropout, (list, tuple))
        b_gates, b_last = (None, None) if b_rec is None else (b_rec[:split], b_rec[split:])
        gates = gate(a[..., :split] + project(h, w_rec[:split], b_gates, dropout[:2] if several else dropout, 2))
    z, r = gates.chunk(2, -1) if update_first else reversed(gates.chunk(2, -1))
    if cell == "gru_reset_after":
        n = act(a[..., split:] + r * m[..., split:])
    else:
        n = act(a[..., split:] + project(r * h, w_rec[split:], b_last, dropout[2] if several else dropout, 1))
    return (z * h + (1 - z) * n,)


def scan(step, inputs, state, *, mask=None, reverse=False, masked_output="carry", sequences=True):
    """Call ``output, state = step(x_t, state)`` for each step of a sequence.

    inputs: a tree of tensors (T, B, ...); state: any tree of tensors (B, ...); mask: (T, B) of bool, False where the
    state stays as it is. There the output is that of the last step that was not masked, zero before the first
    (masked_output "carry"), or zero ("zero"). reverse: from the last step to the first; the outputs stay in the order
    of time. Returns (outputs (T, B, ...), state), or with sequences=False the output of the step processed last.
    """
    leaves = []
    tree_map(leaves.append, inputs)
    steps = leaves[0].shape[0]
    if torch.compiler.is_compiling() and (not isinstance(steps, int) or (steps > _UNROLLED and is_exporting())):
        return _scan_as_one(step, inputs, state, mask, reverse, masked_output, sequences)
    masks = None if mask is None else mask.unbind(0)
    outputs, output = [None] * steps, None
    for t in range(steps - 1, -1, -1) if reverse else range(steps):
        new, after = step(tree_map(lambda x: x[t], inputs), state)  # noqa: B023
        if masks is not None:
            if output is None or masked_output == "zero":
                output = tree_map(torch.zeros_like, new)
            new, after = _where(masks[t], new, output), _where(masks[t], after, state)
        output, state = new, after
        outputs[t] = output if sequences else None
    if not sequences:
        return output, state
    return tree_map(lambda *parts: torch.stack(parts), *outputs), state


def _scan_as_one(step, inputs, state, mask, reverse, masked_output, sequences):
    """`scan` where a program is traced whose sequences have any length, or a great one: the loop is one operator."""
    from torch._higher_order_ops.scan import scan as loop

    # The outputs' form, from a step that nothing takes up.
    output = tree_map(torch.zeros_like, step(tree_map(lambda x: x[0], inputs), state)[0])

    def advance_masked(carried, taken):
        before, state = carried
        x, mask = taken
        new, after = step(x, state)
        if mask is not None:
            other = tree_map(torch.zeros_like, new) if masked_output == "zero" else before
            new, after = _where(mask, new, other), _where(mask, after, state)
        # What is carried on and what is given must not be one tensor.
        return (tree_map(torch.clone, new), tree_map(torch.clone, after)), tree_map(torch.clone, new)

    if mask is None:

        def advance_all(carried, x):
            new, after = advance_masked(carried, (x, None))
            return new, after

        carried, outputs = loop(advance_all, (output, state), inputs, dim=0, reverse=reverse)
    else:
        carried, outputs = loop(advance_masked, (output, state), (inputs, mask), dim=0, reverse=reverse)
    return outputs if sequences else carried[0], carried[1]


def _where(mask, new, old):
    return tree_map(lambda a, b: torch.where(mask.reshape(-1, *[1] * (a.dim() - 1)), a, b), new, old)
