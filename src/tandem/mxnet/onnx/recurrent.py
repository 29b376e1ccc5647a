"""ONNX for `RNN`: a layer of it is one LSTM, GRU or RNN of ONNX, with the weights apart and the gates in its order."""

import numpy as np
import torch

from tandem.ops import rnn_stack

# ONNX's operator, the places of its gates among MXNet's (LSTM: i, f, g, o and i, o, f, g; GRU: r, z, h and z, r, h).
_KINDS = {
    "lstm": ("LSTM", (0, 3, 1, 2), {}),
    "gru": ("GRU", (1, 0, 2), {"linear_before_reset": 1}),
    "rnn_tanh": ("RNN", (0,), {"activations": "Tanh"}),
    "rnn_relu": ("RNN", (0,), {"activations": "Relu"}),
}


def in_order(array, gates):
    """The blocks of rows, one to a gate, in another order."""
    return np.concatenate([np.split(array, len(gates))[gate] for gate in gates])


def _rnn(call):
    a = call.a
    mode, units, directions = a["mode"], a["state_size"], 2 if a["bidirectional"] else 1
    call.only(a["projection_size"] is None, "projection_size")
    call.only(a["lstm_state_clip_min"] is None, "lstm_state_clip_min")
    vector = call.value(1)
    call.only(vector is not None, "its weights are no parameters of the model")
    (inputs,) = call.sizes(axes=[2])
    shapes = rnn_stack.weight_shapes(mode, inputs, units, layers=a["num_layers"], directions=directions)
    weights = rnn_stack.unpack(torch.as_tensor(np.array(vector)), shapes)
    states = [call.get(key) for key in ("state", "state_cell") if call.place(key) is not None]
    lengths = call.get("sequence_length")
    lengths = call.cast(lengths, torch.int32) if lengths else None
    states = [_layers(call, place + 2, name, len(weights), directions) for place, name in enumerate(states)]
    x, ends = call.inputs[0], []
    for number, row in enumerate(weights):
        x, *last = _layer(call, x, row, [parts[number] for parts in states], lengths, number)
        ends.append(last)
    if not a["state_outputs"]:
        return [x]
    return [x, *[parts[0] if len(parts) == 1 else call.add("Concat", *parts, axis=0) for parts in zip(*ends)]]


def _layers(call, place, name, layers, directions):
    """The first state of each layer, (directions, batch, units); None for zeros."""
    if name is None:
        return [None] * layers
    shape, batch = call.shape(place), call.shape()[1]
    if shape[1] == 1 and batch != 1:  # one for the whole batch
        size = call.size(call.inputs[0], 1, (None, batch))
        parts = [call.ints(one) if not isinstance(one, str) else one for one in (1, size, 1)]
        name = call.add("Expand", name, call.add("Concat", *parts, axis=0))
    return [name] if layers == 1 else call.add("Split", name, outputs=layers, axis=0)


def _layer(call, x, row, states, lengths, number):
    """(outputs, last state, ...) of one layer in its directions."""
    op_type, gates, attributes = _KINDS[call.a["mode"]]
    attributes = dict(attributes)
    if "activations" in attributes:
        attributes["activations"] = [attributes["activations"]] * len(row)

    def stacked(what, parts):
        return call.writer.constant(np.stack(parts), f"{call.node.name}_l{number}_{what}")

    w_in = stacked("i2h_weight", [in_order(one.w_in.numpy(), gates) for one in row])
    w_rec = stacked("h2h_weight", [in_order(one.w_rec.numpy(), gates) for one in row])
    biases = [[in_order(bias.numpy(), gates) for bias in (one.b_in, one.b_rec)] for one in row]
    bias = stacked("bias", [np.concatenate(parts) for parts in biases])
    y, *last = call.add(
        op_type, x, w_in, w_rec, bias, lengths, *states,
        outputs=1 + len(states), hidden_size=call.a["state_size"],
        direction="bidirectional" if len(row) == 2 else "forward", **attributes,
    )  # fmt: skip
    if len(row) == 1:
        return call.squeeze(y, 1), *last
    return call.reshape(call.add("Transpose", y, perm=[0, 2, 1, 3]), 0, 0, -1), *last


def _parameters(call):
    """The vector of weights, which `RNN` takes apart; it stays where something else reads it."""
    return call.add("Concat", *call.inputs, axis=call.axis("dim"))


TABLE = {"RNN": _rnn, "_rnn_param_concat": _parameters}
