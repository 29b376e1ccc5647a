"""LSTM cells whose products are convolutions."""

import torch

from tandem.ops.conv import conv


def step(gates, state, w_rec, *, act, gate, dropout=None, layout="channels_last"):
    """Take the cell one step on: ``c' = f c + i act(g)``, ``h' = o act(c')`` with i, f, g, o from gates + w_rec * h.

    gates: the inputs' part, (B, *space, 4 filters); state: (h, c), each (B, *space, filters); w_rec:
    (*window, filters, 4 filters), padded so that sizes stay; act, gate: functions; dropout: None or a factor for h;
    layout: "channels_first" has the channels before the space. Returns (h', c'). Shi et al., 2015.
    """
    h, c = state
    gates = gates + conv(h if dropout is None else h * dropout, w_rec, padding="same", layout=layout)
    i, f, g, o = gates.chunk(4, -1 if layout == "channels_last" else 1)
    c = gate(f) * c + gate(i) * act(g)
    return gate(o) * act(c), c


def scale(x, factor):
    """``x * factor``, or x where the factor is None."""
    return x if factor is None else x * factor


def zeros(gates, layout="channels_last"):
    """States of 0 for gates (B, *space, 4 filters), as `step` takes them."""
    axis = -1 if layout == "channels_last" else 1
    part = torch.zeros_like(gates.narrow(axis, 0, gates.shape[axis] // 4))
    return [part, torch.zeros_like(part)]
