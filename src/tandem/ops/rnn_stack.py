"""Layers of recurrences upon each other, in one or both directions, and MXNet's one vector that holds their weights."""

from typing import NamedTuple

import torch

from tandem.ops import rnn

MODES = {
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru_reset_after", "gates": "rzh"},
    "rnn_tanh": {"cell": "rnn", "activation": "tanh"},
    "rnn_relu": {"cell": "rnn", "activation": "relu"},
}
_BLOCKS = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


class Weights(NamedTuple):
    """The weights of one layer in one direction: (n u, in), (n u, p), (n u,), (n u,) and, for a projection, (p, u)."""

    w_in: object
    w_rec: object
    b_in: object
    b_rec: object
    w_proj: object = None


def weight_shapes(mode, inputs, units, *, layers=1, directions=1, projection=None):
    """The shapes of all weights: for each layer a list with one `Weights` of shapes to a direction.

    mode: "lstm", "gru", "rnn_tanh" or "rnn_relu"; inputs, units: sizes; projection: None or the size of the LSTM's
    projected state. A layer after the first takes the outputs of all directions. Raises ValueError for other modes.
    """
    if mode not in MODES:
        raise ValueError(f"Unknown kind of recurrence. Expected: one of {', '.join(MODES)}. Given: {mode!r}.")
    if projection is not None and mode != "lstm":
        raise ValueError(f"Only the LSTM is projected. Expected: mode 'lstm'. Given: {mode!r}.")
    rows, size = _BLOCKS[mode] * units, units if projection is None else projection
    shapes = []
    for layer in range(layers):
        wide = inputs if layer == 0 else size * directions
        last = None if projection is None else (projection, units)
        shapes.append([Weights((rows, wide), (rows, size), (rows,), (rows,), last)] * directions)
    return shapes


def _in_order(weights):
    """(layer, direction, field) of all weights in the order of MXNet's vector: all matrices, then all biases."""
    for fields in (("w_in", "w_rec", "w_proj"), ("b_in", "b_rec")):
        for layer, row in enumerate(weights):
            for direction, entry in enumerate(row):
                for field in fields:
                    if getattr(entry, field) is not None:
                        yield layer, direction, field


def packed_size(shapes):
    """How long MXNet's vector is that holds weights of these shapes (see `weight_shapes`)."""
    return sum(
        torch.Size(getattr(shapes[layer][direction], field)).numel() for layer, direction, field in _in_order(shapes)
    )


def inputs_for(mode, size, units, *, layers=1, directions=1):
    """How many inputs the first layer has where MXNet's vector has `size` numbers (see `weight_shapes`).

    Raises ValueError for a size that no number of inputs gives.
    """
    without = packed_size(weight_shapes(mode, 0, units, layers=layers, directions=directions))
    inputs, rest = divmod(size - without, directions * _BLOCKS[mode] * units)
    if rest or inputs < 1:
        raise ValueError(
            "The vector of weights has a length that no number of inputs gives. "
            f"Expected: {without} and a multiple of {directions * _BLOCKS[mode] * units}. Given: {size}."
        )
    return inputs


def unpack(vector, shapes):
    """The weights in MXNet's vector, as views of it, in lists like `shapes`; raises ValueError for another length."""
    order = list(_in_order(shapes))
    wanted = [getattr(shapes[layer][direction], field) for layer, direction, field in order]
    sizes = [torch.Size(shape).numel() for shape in wanted]
    if vector.dim() != 1 or vector.shape[0] != sum(sizes):
        raise ValueError(
            "The vector of weights has another length than the layers need. "
            f"Expected: ({sum(sizes)},). Given: {tuple(vector.shape)}."
        )
    found = [[{} for _ in row] for row in shapes]
    for (layer, direction, field), part, shape in zip(order, vector.split(sizes), wanted, strict=True):
        found[layer][direction][field] = part.view(shape)
    return [[Weights(**entry) for entry in row] for row in found]


def pack(weights):
    """MXNet's vector of weights given as in `unpack`."""
    parts = [getattr(weights[layer][direction], field) for layer, direction, field in _in_order(weights)]
    return torch.cat([part.reshape(-1) for part in parts])


def cell_clip(least, greatest, no_nan=False):
    """The bounds of an LSTM's c as `stacked` takes them: numbers or None; no_nan: whether NaN becomes a bound."""
    return None if least is None and greatest is None else (least, greatest, no_nan)


def stacked(
    x,
    state,
    weights,
    *,
    mode,
    layout="TNC",
    mask=None,
    masked_output="zero",
    between=None,
    cell_clip=None,
):
    """Layers of recurrences; each takes the outputs of the one before, of both directions next to each other.

    x: (T, B, in), or (B, T, in) with layout "NTC"; state: None for zeros, or (h,), for the LSTM (h, c), each
    (layers * directions, B, u), forward before backward in each layer; weights: a list of layers, each a list of one or
    two `Weights` (forward, backward); mask, masked_output: as in `rnn`; between: a function for the outputs of each
    layer but the last (dropout); cell_clip: as in `rnn`.
    Returns (outputs (T, B, directions * u) or (B, T, directions * u), state as it came).
    """
    options = {**MODES[mode], "weight_layout": "oi", "layout": layout, "mask": mask, "masked_output": masked_output}
    ends = []
    for index, row in enumerate(weights):
        outputs = []
        for direction, entry in enumerate(row):
            number = index * len(row) + direction
            first = None if state is None else tuple(s[number] for s in state)
            *parts, w_proj = entry
            y, end = rnn.rnn(x, first, *parts, w_proj=w_proj, reverse=direction == 1, cell_clip=cell_clip, **options)
            outputs.append(y)
            ends.append(end)
        x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1)
        if between is not None and index < len(weights) - 1:
            x = between(x)
    return x, tuple(torch.stack(parts) for parts in zip(*ends, strict=True))
