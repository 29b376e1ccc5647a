"""`RNN`: layers of recurrences with one vector of weights."""

from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import random, rnn, rnn_stack


def _rnn(
    data,
    parameters,
    state,
    state_cell=None,
    sequence_length=None,
    *,
    state_size,
    num_layers,
    bidirectional,
    mode,
    p,
    state_outputs,
    projection_size,
    lstm_state_clip_min,
    lstm_state_clip_max,
    lstm_state_clip_nan,
    use_sequence_length,
    training,
):
    """Layers of plain, LSTM or GRU recurrences over data (T, N, C), with dropout p between layers in training.

    parameters: all matrices (layer by layer, direction by direction, input before recurrent), then all biases; gates in
    the order i, f, c, o (LSTM), r, z, n (GRU). state, state_cell: (layers * directions, N, state_size).
    state_outputs: answer the last states too; lstm_state_clip_min, lstm_state_clip_max: bounds of c, which MXNet 1.9.1
    has on a GPU and does not look at on a CPU; lstm_state_clip_nan: whether NaN becomes the upper one.
    """
    shapes = rnn_stack.weight_shapes(
        mode,
        data.shape[2],
        state_size,
        layers=num_layers,
        directions=2 if bidirectional else 1,
        projection=projection_size,
    )
    clip = rnn_stack.cell_clip(lstm_state_clip_min, lstm_state_clip_max, lstm_state_clip_nan)
    mask = None if sequence_length is None else rnn.length_mask(sequence_length, data.shape[0]).transpose(0, 1)
    between = (lambda outputs: random.dropout(outputs, p)) if training and p > 0 else None
    batch = data.shape[1]
    given = [part.expand(part.shape[0], batch, part.shape[2]) for part in (state, state_cell) if part is not None]
    outputs, states = rnn_stack.stacked(
        data,
        tuple(given),
        rnn_stack.unpack(parameters, shapes),
        mode=mode,
        mask=mask,
        between=between,
        cell_clip=clip,
    )
    return (outputs, *states) if state_outputs else (outputs,)


def _inputs(attributes):
    names = ["data", "parameters", "state"]
    names += ["state_cell"] * (attributes["mode"] == "lstm")
    return (*names, *["sequence_length"] * attributes["use_sequence_length"])


register(
    "RNN",
    _rnn,
    ("data", "parameters", "state", "state_cell", "sequence_length"),
    {
        "state_size": a.integer(),
        "num_layers": a.integer(),
        "bidirectional": a.flag(False),
        "mode": a.choice("gru", "lstm", "rnn_relu", "rnn_tanh"),
        "p": a.real(0.0),
        "state_outputs": a.flag(False),
        "projection_size": a.optional_integer(),
        "lstm_state_clip_min": a.optional_real(),
        "lstm_state_clip_max": a.optional_real(),
        "lstm_state_clip_nan": a.flag(False),
        "use_sequence_length": a.flag(False),
    },
    present=_inputs,
    modal=True,
    random=True,
    same_dtype=False,
)
