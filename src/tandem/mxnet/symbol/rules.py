"""What MXNet infers backwards besides the shapes of weights: labels, states, parts of concatenations, ..."""

import math

import torch


def _batch_from_output(facts, node, outputs, a):
    """FullyConnected: the batch of the data is that of the output."""
    data, output = facts.shape(node.inputs[0]), facts.shape(outputs[0])
    if data is None or output is None or not data or not output:
        return
    if a["flatten"]:
        facts.tell_shape(node.inputs[0], (output[0], *[None] * (len(data) - 1)), node)
    elif len(data) == len(output):
        facts.tell_shape(node.inputs[0], (*output[:-1], None), node)


def _fully_connected(facts, node, outputs, a):
    _batch_from_output(facts, node, outputs, a)
    data = facts.shape(node.inputs[0])
    if data is not None and data:
        lead = (data[0],) if a["flatten"] else data[:-1]
        facts.tell_shape(outputs[0], (*lead, a["num_hidden"]), node)


def _convolution(facts, node, outputs, a):
    """The batch of the data is that of the output; where windows move by 1, its sizes follow too."""
    data, output = facts.shape(node.inputs[0]), facts.shape(outputs[0])
    rank = len(a["kernel"])
    if data is None or output is None or len(output) != rank + 2 or len(data) != rank + 2:
        return
    found = [output[0], *[None] * (rank + 1)]
    first = 1 if a["layout"] and a["layout"].endswith("C") else 2
    stride, dilate, pad = a["stride"] or (1,) * rank, a["dilate"] or (1,) * rank, a["pad"] or (0,) * rank
    for place, size in enumerate(output[first : first + rank]):
        if stride[place] == 1 and size is not None:
            found[first + place] = size + dilate[place] * (a["kernel"][place] - 1) - 2 * pad[place]
    facts.tell_shape(node.inputs[0], found, node)


def _softmax_label(facts, node, outputs, a):
    data = facts.shape(node.inputs[0]) or facts.shape(outputs[0])
    facts.tell_shape(node.inputs[0], facts.shape(outputs[0]), node)
    if data is None:
        return
    label = node.inputs[1]
    if facts.shape(label) == data and None not in data:
        return  # probabilities
    if a["multi_output"]:
        if None not in data and facts.shape(label) is None:
            facts.tell_shape(label, (data[0], math.prod(data[2:])), node)
    elif facts.shape(label) is None and None not in data[:-1]:
        facts.tell_shape(label, data[:-1] if a["preserve_shape"] else data[:1], node)


def _regression_label(facts, node, outputs, a):
    data = facts.shape(node.inputs[0])
    if data is not None and None not in data and facts.shape(node.inputs[1]) is None:
        facts.tell_shape(node.inputs[1], data[:1] if len(data) == 2 and data[1] == 1 else data, node)


def _batch_label(facts, node, outputs, a):
    data = facts.shape(node.inputs[0])
    if data is not None and data and facts.shape(node.inputs[1]) is None and data[0] is not None:
        facts.tell_shape(node.inputs[1], data[:1], node)


def _rnn_states(facts, node, outputs, a):
    data = facts.shape(node.inputs[0])
    if data is None or len(data) != 3:
        return
    rows = a["num_layers"] * (2 if a["bidirectional"] else 1)
    sizes = {"state": a["projection_size"] or a["state_size"], "state_cell": a["state_size"]}
    for key, entry in zip(node.binding.taken, node.inputs):
        if key in sizes:
            facts.tell_shape(entry, (rows, data[1], sizes[key]), node)
        elif key == "sequence_length":
            facts.tell_shape(entry, (data[1],), node)


def _concat(facts, node, outputs, a):
    """All sizes but those along the axis are one."""
    values = [*node.inputs, *outputs]
    shape = next((facts.shape(value) for value in values if facts.shape(value) is not None), None)
    if shape is None or not shape:
        return
    axis = a["dim"] % len(shape)
    common = [None] * len(shape)
    for value in values:
        for place, size in enumerate(facts.shape(value) or ()):
            if place != axis and place < len(common) and size is not None:
                common[place] = size
    for value in values:
        facts.tell_shape(value, common, node)
    along = [(facts.shape(value) or common)[axis] for value in values]
    if along[-1] is not None and along[:-1].count(None) == 1:
        rest = along[-1] - sum(size for size in along[:-1] if size is not None)
        common[axis] = rest
        facts.tell_shape(node.inputs[along[:-1].index(None)], common, node)


def _slice_channel(facts, node, outputs, a):
    output = next((facts.shape(value) for value in outputs if facts.shape(value) is not None), None)
    if output is None or a["squeeze_axis"]:
        return
    axis = a["axis"] % len(output)
    size = output[axis]
    whole = None if size is None else size * a["num_outputs"]
    facts.tell_shape(node.inputs[0], (*output[:axis], whole, *output[axis + 1 :]), node)


def _transpose(facts, node, outputs, a):
    output = facts.shape(outputs[0])
    if output is None:
        return
    axes = a.get("axes") or tuple(reversed(range(len(output))))
    shape = [None] * len(output)
    for place, axis in enumerate(axes):
        shape[axis] = output[place]
    facts.tell_shape(node.inputs[0], shape, node)


def _swap(facts, node, outputs, a):
    output = facts.shape(outputs[0])
    if output is not None:
        shape = list(output)
        shape[a["dim1"]], shape[a["dim2"]] = shape[a["dim2"]], shape[a["dim1"]]
        facts.tell_shape(node.inputs[0], shape, node)


def _first_as_output(facts, node, outputs, a):
    facts.tell_shape(node.inputs[0], facts.shape(outputs[0]), node)


def _where(facts, node, outputs, a):
    for pair in ((node.inputs[1], node.inputs[2]), (node.inputs[2], node.inputs[1])):
        facts.tell_shape(pair[0], facts.shape(outputs[0]), node)
        facts.tell_shape(pair[0], facts.shape(pair[1]), node)


def _flattened(facts, node, outputs, a):
    """Reshape to one axis: a single unknown size of the data follows from the number of elements."""
    data, output = facts.shape(node.inputs[0]), facts.shape(outputs[0])
    if data is None or output is None or len(output) != 1 or None in output or data.count(None) != 1:
        return
    rest = math.prod(size for size in data if size is not None)
    if rest and output[0] % rest == 0:
        place = data.index(None)
        facts.tell_shape(node.inputs[0], (*data[:place], output[0] // rest, *data[place + 1 :]), node)


def _up_sampling(facts, node, outputs, a):
    """The kernel of bilinear interpolation by a factor: a channel to itself."""
    if a["sample_type"] == "bilinear" and len(node.inputs) == 2:
        size = 2 * a["scale"] - a["scale"] % 2
        facts.tell_shape(node.inputs[1], (a["num_filter"], 1, size, size), node)


SHAPES = {
    "UpSampling": _up_sampling,
    "Reshape": _flattened,
    "_rnn_param_concat": _concat,
    "Convolution": _convolution,
    "FullyConnected": _fully_connected,
    "SoftmaxOutput": _softmax_label,
    "LinearRegressionOutput": _regression_label,
    "LogisticRegressionOutput": _regression_label,
    "MAERegressionOutput": _regression_label,
    "SVMOutput": _batch_label,
    "softmax_cross_entropy": _batch_label,
    "RNN": _rnn_states,
    "Concat": _concat,
    "SliceChannel": _slice_channel,
    "transpose": _transpose,
    "_np_transpose": _transpose,
    "SwapAxis": _swap,
    "where": _where,
    **dict.fromkeys(
        ("Dropout", "BatchNorm", "LayerNorm", "InstanceNorm", "LRN", "L2Normalization", "LeakyReLU", "softmax")
        + ("MakeLoss", "SVMOutput"),
        _first_as_output,
    ),
}
SHAPES["SVMOutput"] = _batch_label


# --- dtypes ----------------------------------------------------------------------------------------------------------


def _norm_types(facts, node, outputs, a):
    """Batch normalisation keeps its parameters in float32 where the data is half precision."""
    facts._one_dtype([node.inputs[0], outputs[0]], node)
    dtype = facts.dtype(node.inputs[0])
    if dtype is not None:
        wide = torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
        for entry in [*node.inputs[1:], *outputs[1:]]:
            facts.tell_dtype(entry, wide, node)


def _embedding_types(facts, node, outputs, a):
    facts.tell_dtype(outputs[0], a["dtype"], node)
    facts.tell_dtype(node.inputs[1], a["dtype"], node)


def _data_and_output(facts, node, outputs, a):
    """The data's dtype is the output's; other inputs have their own."""
    facts._one_dtype([node.inputs[0], *outputs], node)


def _branches(facts, node, outputs, a):
    facts._one_dtype([*node.inputs[1:], *outputs], node)


DTYPES = {
    **dict.fromkeys(("BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU"), _norm_types),
    "Embedding": _embedding_types,
    **dict.fromkeys(
        ("take", "batch_take", "pick", "SequenceMask", "SequenceLast", "SequenceReverse", "gather_nd", "ROIPooling"),
        _data_and_output,
    ),
    "where": _branches,
}

# Operators whose inputs may differ in dtype although the table asks for one where arrays are given.
MIXED = frozenset(("Custom", "amp_multicast"))
# Operators that have inputs and whose `dtype` is that of the result.
TYPED = frozenset(("Cast", "amp_cast", "one_hot", "_npi_full_like", "argsort", "_npi_argsort"))
# Operators whose results' sizes depend on values.
BY_VALUES = frozenset(("_contrib_boolean_mask", "_npi_unique", "_npx_nonzero"))
