"""Recurrent layers over whole sequences: plain, LSTM and GRU, with Keras's and with MXNet's weights.

    rnn               h' = act(W x + R h + b)
    lstm              i, f, g, o = W x + R h + b;  c' = gate(f) c + gate(i) act(g);  h' = gate(o) act(c')
    gru               z, r = gate(W x + R h + b);  n = act(W x + R (r h) + b);      h' = z h + (1 - z) n
    gru_reset_after   z, r = gate(W x + R h + b);  n = act(W x + b + r (R h + b')); h' = z h + (1 - z) n

There are four ways to compute them, all with the same result. Where a recorder watches that makes machine code, it is
"fused", one operator each way (see `rnn_fused`). For the others, milliseconds for a training step of the layer alone (a
sequence of 50 steps, 50 inputs, 50 units, batch 32, float32, two cores; in brackets 8 steps, 8 inputs, 8 units):

                                                        LSTM           GRU            rnn
    library: torch's own layer (oneDNN for the LSTM)    2.3 (0.45)     7.1 (0.93)     2.4 (0.39)
      recorded and replayed                             2.0 (0.29)     4.6 (0.38)     1.5 (0.14)
    steps: the hand-written gradients of rnn_steps      3.6 (0.64)     3.1 (0.63)     1.6 (0.39)
      recorded and replayed                             2.7 (0.20)     2.3 (0.18)     0.9 (0.10)
    loop: differentiable operations, for all else       10.4 (1.0)     10.8 (1.2)     3.7 (0.51)
      recorded and replayed                             9.7 (0.42)     9.4 (0.57)     2.5 (0.19)
"""

import functools

import torch

from tandem.ops import rnn_fused, rnn_loop, rnn_steps

_NAMES = {
    torch.tanh: "tanh",
    torch.nn.functional.tanh: "tanh",
    torch.sigmoid: "sigmoid",
    torch.nn.functional.sigmoid: "sigmoid",
    torch.relu: "relu",
    torch.nn.functional.relu: "relu",
}

# The hand-written LSTM takes 0.6 to 0.9 of the time of oneDNN's where batch * max(inputs, units) is above this, and 1.1
# to 1.5 below it (training on two cores); in recorded training of few steps, where a call's cost shows, 0.6 to 0.9.
_LIBRARY_LARGEST = 12288
_LIBRARY_SHORTEST = 13


def rnn(
    x,
    state,
    w_in,
    w_rec,
    b_in=None,
    b_rec=None,
    *,
    cell,
    activation="tanh",
    recurrent_activation="sigmoid",
    gates="zrh",
    weight_layout="io",
    layout="NTC",
    reverse=False,
    sequences=True,
    mask=None,
    masked_output="carry",
    dropout=None,
    recurrent_dropout=None,
    w_proj=None,
    cell_clip=None,
    method=None,
):
    """Run a recurrent cell over a sequence.

    x: (B, T, in), or (T, B, in) with layout "TNC"; state: None for zeros, or (h,), for the LSTM (h, c), of (B, u) each.
    cell: "rnn" (one gate), "lstm" (four, in the order i, f, g, o), "gru" or "gru_reset_after" (three, in the order that
        `gates` says: "zrh" as Keras has it, "rzh" as MXNet has it).
    w_in, w_rec: (in, n u) and (u, n u) for n gates with weight_layout "io" (Keras); (n u, in) and (n u, u) with "oi"
        (MXNet, torch). b_in, b_rec: (n u,) or None; they are added up except in the last gate of "gru_reset_after".
    w_proj: (p, u), the LSTM's output and state h are then ``w_proj h`` of p entries, and u in w_rec is p.
    cell_clip: (least, greatest) value of the LSTM's c, with True as a third entry where NaN becomes the greatest; or
    None.
    activation, recurrent_activation: act and gate in the formulas above; "tanh", "sigmoid", "relu", "linear",
        "hard_sigmoid" or a function. Names, and torch's functions behind them, are faster.
    reverse: from the last step to the first; the outputs stay in the order of time.
    mask: (B, T) like x's first axes, False where a step leaves the state as it is. The output there is the last one
        that was not masked, zero before the first of them (masked_output "carry"), or zero (masked_output "zero").
    dropout, recurrent_dropout: factors for x and for h that are the same for all steps, (B, in) and (B, u), or a list
        of one factor to a gate.
    sequences: False for the output of the step processed last instead of all of them.
    method: "library", "steps", "fused" or "loop", see above; None takes the fastest that can.
    Returns (outputs (B, T, u) or (T, B, u), or (B, u) for sequences=False; the last state as a tuple).
    Raises ValueError for shapes that do not fit, unknown names, and a method that cannot do what is asked.
    """
    _check(x, state, w_in, w_rec, cell, gates, weight_layout, layout, mask, masked_output, w_proj)
    x = x if layout == "TNC" else x.transpose(0, 1)
    mask = mask if mask is None or layout == "TNC" else mask.transpose(0, 1)
    units = w_rec.shape[1 if weight_layout == "io" else 0] // rnn_loop.BLOCKS[cell]
    given = state is not None
    if not given:
        state = (x.new_zeros(x.shape[1], units if w_proj is None else w_proj.shape[0]),)
        state += (x.new_zeros(x.shape[1], units),) if cell == "lstm" else ()
    activation = _NAMES.get(activation, activation)
    recurrent_activation = _NAMES.get(recurrent_activation, recurrent_activation)
    if dropout is not None and not isinstance(dropout, (list, tuple)):
        x, dropout = x * dropout, None
    plan = rnn_steps.Plan(cell, activation, recurrent_activation, gates == "zrh", reverse, sequences, weight_layout)
    weights = (w_in, w_rec, b_in, b_rec)
    dropped = (dropout, recurrent_dropout)
    method = _choose(method, plan, x, (*state, *weights), mask, dropped, w_proj is not None or cell_clip is not None)
    if method == "meta":
        outputs, state = x.new_empty(*x.shape[:2], state[0].shape[1]), tuple(map(torch.empty_like, state))
        outputs = outputs if sequences else outputs[0]
    elif method == "loop":
        outputs, state = _loop(
            plan, x, state, weights, mask, masked_output, *dropped, w_proj=w_proj, cell_clip=cell_clip
        )
    else:
        run = {"library": _library, "steps": _steps, "fused": _fused}[method]
        outputs, state = run(plan, x, state, weights, mask, *dropped)
        if mask is not None and (given or masked_output == "zero"):
            outputs = _masked(plan, outputs, mask, masked_output)
    return outputs.transpose(0, 1) if sequences and layout == "NTC" else outputs, state


def rnn_step(
    x,
    state,
    w_in,
    w_rec,
    b_in=None,
    b_rec=None,
    *,
    cell,
    activation="tanh",
    recurrent_activation="sigmoid",
    gates="zrh",
    weight_layout="io",
    dropout=None,
    recurrent_dropout=None,
    w_proj=None,
    cell_clip=None,
):
    """One step of a recurrent cell: x (B, in), the rest as in `rnn`. Returns (output (B, u), the new state)."""
    _check(x.unsqueeze(0), state, w_in, w_rec, cell, gates, weight_layout, "TNC", None, "carry", w_proj)
    a = rnn_loop.project(x, _oi(w_in, weight_layout), b_in, dropout, rnn_loop.BLOCKS[cell])
    state = rnn_loop.advance(
        a,
        tuple(state),
        _oi(w_rec, weight_layout),
        b_rec,
        cell=cell,
        act=_function(activation),
        gate=_function(recurrent_activation),
        update_first=gates == "zrh",
        dropout=recurrent_dropout,
        w_proj=w_proj,
        cell_clip=cell_clip,
    )
    return state[0], state


def length_mask(lengths, steps):
    """The mask of sequences of given lengths: ``mask[b, t] = t < lengths[b]``; lengths (B,) -> (B, steps) of bool."""
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


scan = rnn_loop.scan


# --- the three methods: x (T, B, in), state of (B, u), mask (T, B), outputs (T, B, u) ---------------------------------


def _oi(weight, layout):
    return weight.t() if layout == "io" else weight


def _function(activation):
    if callable(activation):
        return activation
    if activation not in rnn_loop.FUNCTIONS:
        known = ", ".join(rnn_loop.FUNCTIONS)
        raise ValueError(f"Unknown activation. Expected: a function or one of {known}. Given: {activation!r}.")
    return rnn_loop.FUNCTIONS[activation]


def _loop(plan, x, state, weights, mask, masked_output, dropout, recurrent_dropout, **special):
    w_in, w_rec, b_in, b_rec = weights
    step = functools.partial(
        rnn_loop.advance,
        w_rec=_oi(w_rec, plan.weight_layout),
        b_rec=b_rec,
        cell=plan.cell,
        act=_function(plan.activation),
        gate=_function(plan.recurrent_activation),
        update_first=plan.update_first,
        dropout=recurrent_dropout,
        **special,
    )

    def both(a, state):
        state = step(a, state)
        return state[0], state

    a = x
    if w_in is not None:
        a = rnn_loop.project(x, _oi(w_in, plan.weight_layout), b_in, dropout, rnn_loop.BLOCKS[plan.cell])
    return rnn_loop.scan(
        both,
        a,
        tuple(state),
        mask=mask,
        reverse=plan.reverse,
        masked_output=masked_output,
        sequences=plan.sequences,
    )


def _steps(plan, x, state, weights, mask, dropout, recurrent_dropout):
    w_in, w_rec, b_in, b_rec = weights
    blocks = rnn_loop.BLOCKS[plan.cell]
    if dropout is not None:
        x, w_in, b_in = rnn_loop.project(x, _oi(w_in, plan.weight_layout), b_in, dropout, blocks), None, None
    masked = None if mask is None else mask.logical_not().unsqueeze(1).to(x.dtype)
    dropped = recurrent_dropout
    if dropped is not None:
        several = isinstance(dropped, (list, tuple))
        dropped = torch.stack(list(dropped) if several else [dropped] * blocks).transpose(1, 2).contiguous()
    h, c = state[0].t(), state[1].t() if len(state) > 1 else None
    outputs, h, c = rnn_steps.Recurrence.apply(
        plan, functools.partial(_again, plan), x.transpose(1, 2), masked, dropped, h, c, w_in, w_rec, b_in, b_rec
    )
    # As the other methods lay it out: what draws random numbers after this (a dropout) fills memory in its order.
    state = (h.t().contiguous(),) if c is None else (h.t().contiguous(), c.t())
    return outputs.transpose(1, 2).contiguous() if plan.sequences else state[0], state


def _again(plan, x, masked, dropped, h, c, *weights):
    """What `rnn_steps.Recurrence` gives, by the loop."""
    state = (h.t(),) if c is None else (h.t(), c.t())
    mask = None if masked is None else masked[:, 0] == 0
    factors = None if dropped is None else dropped.transpose(1, 2).unbind(0)
    outputs, state = _loop(plan, x.transpose(1, 2), state, weights, mask, "carry", None, factors)
    if mask is not None and plan.sequences:
        # The loop gives zeros before the first step that is not masked, `Recurrence` the state.
        outputs = torch.where(_seen(plan, mask).unsqueeze(2), outputs, h.t())
    return outputs.transpose(1, 2) if plan.sequences else None, state[0].t(), state[1].t() if c is not None else None


def _fused(plan, x, state, weights, mask, dropout, recurrent_dropout):
    w_in, w_rec, b_in, b_rec = weights
    if dropout is not None:
        blocks = rnn_loop.BLOCKS[plan.cell]
        x, w_in, b_in = rnn_loop.project(x, _oi(w_in, plan.weight_layout), b_in, dropout, blocks), None, None
    return rnn_fused.run(plan, _again_fused, x, state, (w_in, w_rec, b_in, b_rec), mask)


def _again_fused(plan, x, mask, h, c, *weights):
    """What `rnn_fused.Fused` gives, by the loop."""
    outputs, state = _loop(plan, x, (h,) if c is None else (h, c), weights, mask, "carry", None, None)
    if mask is not None and plan.sequences:
        # The loop gives zeros before the first step that is not masked, `Fused` the state.
        outputs = torch.where(_seen(plan, mask).unsqueeze(2), outputs, h)
    return outputs if plan.sequences else None, state[0], state[1] if c is not None else None


def _library(plan, x, state, weights, mask, dropout, recurrent_dropout):
    w_in, w_rec, b_in, b_rec = weights
    weights = [_oi(w_in, plan.weight_layout), _oi(w_rec, plan.weight_layout)]
    biased = b_in is not None or b_rec is not None
    if biased:
        weights += [torch.zeros_like(other) if b is None else b for b, other in ((b_in, b_rec), (b_rec, b_in))]
    if plan.cell == "gru_reset_after" and plan.update_first:
        weights = [torch.cat([r, z, n]) for z, r, n in (w.chunk(3) for w in weights)]
    if x.is_cuda:
        weights = _one_buffer(weights)
    x = x.flip(0) if plan.reverse else x
    run = {
        "lstm": torch._VF.lstm,
        "gru_reset_after": torch._VF.gru,
        "rnn": torch._VF.rnn_relu if plan.activation == "relu" else torch._VF.rnn_tanh,
    }[plan.cell]
    first = [s.unsqueeze(0) for s in state]
    outputs, *last = run(
        x, first if plan.cell == "lstm" else first[0], weights, biased, 1, 0.0, torch.is_grad_enabled(), False, False
    )
    state = tuple(s[0] for s in last)
    if not plan.sequences:
        return state[0], state
    return outputs.flip(0) if plan.reverse else outputs, state


def _one_buffer(weights):
    """The same weights lying one behind the other, as cuDNN wants them."""
    buffer = torch.cat([w.reshape(-1) for w in weights])
    parts = buffer.split([w.numel() for w in weights])
    return [part.view(w.shape) for part, w in zip(parts, weights, strict=True)]


def _seen(plan, mask):
    """(T, B): whether a step that is not masked was processed up to here."""
    mask = mask.to(torch.int32)
    return (mask.flip(0).cumsum(0).flip(0) if plan.reverse else mask.cumsum(0)) > 0


def _masked(plan, outputs, mask, masked_output):
    if plan.sequences:
        kept = mask if masked_output == "zero" else _seen(plan, mask)
    else:
        kept = mask[0 if plan.reverse else -1] if masked_output == "zero" else mask.any(0)
    return outputs.masked_fill(kept.logical_not().unsqueeze(-1), 0)


# --- choosing and checking --------------------------------------------------------------------------------------------


def _choose(method, plan, x, tensors, mask, dropped, special):
    tracked = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, *tensors))
    if method is None and x.is_meta and not tracked:
        return "meta"
    plain, cell = all(factors is None for factors in dropped), plan.cell
    library = (
        plain
        and not special
        and mask is None
        and cell != "gru"
        and plan.recurrent_activation == "sigmoid"
        and plan.activation in (("tanh", "relu") if cell == "rnn" else ("tanh",))
    )
    steps = (
        not special
        and plan.activation in rnn_steps.ACTIVATIONS
        and plan.recurrent_activation in rnn_steps.ACTIVATIONS
        and (mask is None or cell == "rnn" or plan.recurrent_activation in rnn_steps.GATES)
        and not (torch.is_grad_enabled() and _is_tracked(dropped[1]))
        and x.is_floating_point()
        and not torch._C._are_functorch_transforms_active()
        and torch.autograd.forward_ad._current_level < 0
    )
    fused = steps and rnn_fused.can(x, dropped[1])
    if method is not None:
        possible = {"library": library, "steps": steps, "fused": fused, "loop": True}
        if not possible.get(method, False):
            raise ValueError(
                "This recurrence cannot be computed in the way asked for. Expected: method None or one of "
                f"{', '.join(repr(name) for name, can in possible.items() if can)}. Given: method={method!r}."
            )
        return method
    compiled = torch.compiler.is_compiling()
    if compiled and not isinstance(x.shape[0], int):
        return "loop"  # sequences of any length: torch unrolls its own layers while it traces
    code = fused and not compiled and rnn_fused.machine_code is not None
    code = code and rnn_fused.machine_code(cell, tensors[0].shape[1])
    if code and torch._C._len_torch_dispatch_stack() > 0:
        return "fused"
    if library and (x.is_cuda or _is_library_faster(cell, x, tensors, tracked)):
        return "library"
    if steps and not compiled:
        return "fused" if code else "steps"  # what is recorded gives the bits that this gives
    return "loop"


def _is_tracked(factors):
    if isinstance(factors, (list, tuple)):
        return any(map(_is_tracked, factors))
    return factors is not None and factors.requires_grad


def _is_library_faster(cell, x, tensors, tracked):
    if torch.compiler.is_compiling():
        return True
    steps, batch, inputs = x.shape
    if cell != "lstm" or x.device.type != "cpu" or x.dtype != torch.float32 or not torch.backends.mkldnn.enabled:
        return False
    recorded = torch._C._len_torch_dispatch_stack() > 0
    if recorded and tracked and steps < _LIBRARY_SHORTEST:
        return False
    return batch * max(inputs, tensors[0].shape[1]) <= _LIBRARY_LARGEST


def _check(x, state, w_in, w_rec, cell, gates, weight_layout, layout, mask, masked_output, w_proj):
    for name, value, known in (
        ("cell", cell, tuple(rnn_loop.BLOCKS)),
        ("gates", gates, ("zrh", "rzh")),
        ("weight_layout", weight_layout, ("io", "oi")),
        ("layout", layout, ("NTC", "TNC")),
        ("masked_output", masked_output, ("carry", "zero")),
    ):
        if value not in known:
            raise ValueError(f"Unknown `{name}`. Expected: one of {', '.join(known)}. Given: {value!r}.")
    blocks = rnn_loop.BLOCKS[cell]
    if x.dim() != 3 or x.shape[layout.index("T")] == 0:
        axes = "(batch, steps, inputs)" if layout == "NTC" else "(steps, batch, inputs)"
        raise ValueError(
            f"The sequence has the wrong shape. Expected: {axes} with one step or more. Given: {tuple(x.shape)}."
        )
    rows, total = w_rec.shape if weight_layout == "io" else reversed(w_rec.shape)
    units = total // blocks
    size = units if w_proj is None else w_proj.shape[0]
    if (rows, units * blocks) != (size, total):
        n = f"{blocks} * " if blocks > 1 else ""
        raise ValueError(
            f"`w_rec` has the wrong shape. Expected: {n}units by {'p' if w_proj is not None else 'units'} in layout "
            f"{weight_layout!r}. Given: {tuple(w_rec.shape)}."
        )
    expected = (x.shape[2], total) if weight_layout == "io" else (total, x.shape[2])
    if tuple(w_in.shape) != expected:
        raise ValueError(f"`w_in` does not fit the inputs. Expected: {expected}. Given: {tuple(w_in.shape)}.")
    if w_proj is not None and (cell != "lstm" or w_proj.shape[1] != units):
        raise ValueError(
            f"Only the LSTM is projected. Expected: cell 'lstm' and w_proj of (p, {units}). "
            f"Given: {cell!r} and {tuple(w_proj.shape)}."
        )
    batch = x.shape[layout.index("N")]
    if state is not None:
        wanted = [(batch, size), (batch, units)][: 2 if cell == "lstm" else 1]
        given = [tuple(s.shape) for s in state]
        if given != wanted:
            raise ValueError(f"The initial state has the wrong shape. Expected: {wanted}. Given: {given}.")
    if mask is not None and tuple(mask.shape) != tuple(x.shape[:2]):
        raise ValueError(
            f"The mask does not fit the sequence. Expected: {tuple(x.shape[:2])}. Given: {tuple(mask.shape)}."
        )
