"""What MXNet infers backwards besides the shapes of weights: labels, states, parts of concatenations, ..."""

import math

import torch

from tandem.mxnet.operators.elementwise import MIXED_PRECISION


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
    _alike((node.inputs[0], outputs[0]), facts, node)
    data, label = facts.shape(node.inputs[0]), facts.shape(node.inputs[1])
    if data is None or not data or label == data:  # probabilities
        return
    if a["multi_output"]:
        if None not in data and label is None:
            facts.tell_shape(node.inputs[1], (data[0], math.prod(data[2:])), node)
        return
    expected = data[:-1] if a["preserve_shape"] else data[:1]
    if label is None or len(label) == len(expected):
        facts.tell_shape(node.inputs[1], expected, node)


def _regression_label(facts, node, outputs, a):
    data = facts.shape(node.inputs[0])
    if data is not None and None not in data and facts.shape(node.inputs[1]) is None:
        facts.tell_shape(node.inputs[1], data[:1] if len(data) == 2 and data[1] == 1 else data, node)


def _batch_label(facts, node, outputs, a):
    data, label = facts.shape(node.inputs[0]), facts.shape(node.inputs[1])
    if data is not None and data and (label is None or len(label) == 1):
        facts.tell_shape(node.inputs[1], data[:1], node)


def _svm_label(facts, node, outputs, a):
    _alike((node.inputs[0], outputs[0]), facts, node)
    _batch_label(facts, node, outputs, a)


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
    _alike((outputs[0], *outputs), facts, node)
    output = facts.shape(outputs[0])
    if output is None:
        return
    if a["squeeze_axis"]:
        axis = a["axis"] % (len(output) + 1)
        facts.tell_shape(node.inputs[0], (*output[:axis], a["num_outputs"], *output[axis:]), node)
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


def _where(facts, node, outputs, a):
    """Both branches are as the result is, once it is known whether the condition chooses elements or rows."""
    condition = facts.shape(node.inputs[0])
    if condition is None or None in condition:
        return
    for pair in ((node.inputs[1], node.inputs[2]), (node.inputs[2], node.inputs[1])):
        facts.tell_shape(pair[0], facts.shape(outputs[0]), node)
        facts.tell_shape(pair[0], facts.shape(pair[1]), node)


def _reshape(facts, node, outputs, a):
    """A single unknown size of the data follows from the number of the result's elements."""
    target = a.get("shape") or ()
    if target and min(target) > 0:
        facts.tell_shape(outputs[0], target, node)
    data, output = facts.shape(node.inputs[0]), facts.shape(outputs[0])
    if data is None or output is None or None in output or data.count(None) != 1:
        return
    whole, rest = math.prod(output), math.prod(size for size in data if size is not None)
    if rest and whole % rest == 0:
        place = data.index(None)
        facts.tell_shape(node.inputs[0], (*data[:place], whole // rest, *data[place + 1 :]), node)


def _alike(values, facts, node):
    """All of these have one shape."""
    for value in values[1:]:
        facts.tell_shape(values[0], facts.shape(value), node)
    for value in values[1:]:
        facts.tell_shape(value, facts.shape(values[0]), node)


def _broadcast(facts, node, outputs, a):
    """The greater of two sizes; one that is not known may be 1, but only if the other one says the result's."""
    pair = [facts.shape(entry) for entry in node.inputs]
    if None in pair:
        return
    rank = max(map(len, pair))
    left, right = ([1] * (rank - len(shape)) + list(shape) for shape in pair)
    found = []
    for sizes in zip(left, right):
        known = [size for size in sizes if size not in (None, 1)]
        if len(known) == 2 and known[0] != known[1]:
            return  # running it says what is wrong
        found.append(known[0] if known else None if None in sizes else 1)
    facts.tell_shape(outputs[0], found, node)


def _sampled(facts, node, outputs, a):
    """Samplers whose parameters are arrays: a sample of the given shape to each element."""
    _alike(node.inputs, facts, node)
    parameters, output = facts.shape(node.inputs[0]), facts.shape(outputs[0])
    sample = a["shape"] or ()
    if parameters is not None:
        facts.tell_shape(outputs[0], (*parameters, *sample), node)
    elif output is not None and len(output) > len(sample):
        facts.tell_shape(node.inputs[0], output[: len(output) - len(sample)], node)


def _sequence(facts, node, outputs, a):
    """The lengths of sequences: one to each of the batch."""
    data = facts.shape(node.inputs[0])
    if data is not None and len(node.inputs) == 2 and len(data) > 1:
        facts.tell_shape(node.inputs[1], (data[1 - a["axis"]],), node)
    if data is not None and node.row.name != "SequenceLast":
        facts.tell_shape(outputs[0], data, node)


def _without_axis(place):
    """An input that has the data's shape without the axis: chosen places, lengths."""

    def rule(facts, node, outputs, a):
        data = facts.shape(node.inputs[0])
        if data is None or len(node.inputs) <= place:
            return
        axis, known = a.get("axis"), facts.shape(node.inputs[place])
        if known is not None and len(known) != len(data) - 1:
            return
        if axis is not None and not a.get("keepdims") and -len(data) <= axis < len(data):
            axis %= len(data)
            facts.tell_shape(node.inputs[place], (*data[:axis], *data[axis + 1 :]), node)

    return rule


def _masked_softmax(facts, node, outputs, a):
    _alike((node.inputs[0], outputs[0]), facts, node)
    _without_axis(1)(facts, node, outputs, a)


def _stack(facts, node, outputs, a):
    output = facts.shape(outputs[0])
    if output is not None:
        axis = a["axis"] % len(output)
        facts.tell_shape(node.inputs[0], (*output[:axis], *output[axis + 1 :]), node)
    _alike(node.inputs, facts, node)


def _expanded(facts, node, outputs, a):
    output = facts.shape(outputs[0])
    if output:
        axis = a["axis"] % len(output)
        facts.tell_shape(node.inputs[0], (*output[:axis], *output[axis + 1 :]), node)


def _cumulated(facts, node, outputs, a):
    if a["axis"] is not None:
        _alike((node.inputs[0], outputs[0]), facts, node)


def _gemm(facts, node, outputs, a):
    """What is added has the product's shape."""
    left, right = (facts.shape(entry) for entry in node.inputs[:2])
    if left is None or right is None or len(left) < 2 or len(left) != len(right):
        return
    place, last = a["axis"] % len(left), len(left) - 1
    found = list(left)
    found[place] = left[last if a["transpose_a"] else place]
    found[last] = right[place if a["transpose_b"] else last]
    facts.tell_shape(outputs[0], found, node)
    _alike((outputs[0], node.inputs[2]), facts, node)


def _as_first(facts, node, outputs, a):
    """The result has the first input's shape, whatever the others are."""
    _alike((node.inputs[0], outputs[0]), facts, node)


def _split(facts, node, outputs, a):
    """The sizes that splitting leaves alone."""
    output = next((facts.shape(value) for value in outputs if facts.shape(value) is not None), None)
    if output is not None and not a.get("squeeze_axis"):
        axis = a["axis"] % len(output)
        facts.tell_shape(node.inputs[0], (*output[:axis], None, *output[axis + 1 :]), node)


def _proposal(facts, node, outputs, a):
    """Two scores, four corners to an anchor; height, width and scale to an image."""
    scores = facts.shape(node.inputs[0])
    if scores is not None and len(scores) == 4 and scores[1] is not None:
        facts.tell_shape(node.inputs[1], (scores[0], 2 * scores[1], *scores[2:]), node)
        facts.tell_shape(node.inputs[2], (scores[0], 3), node)


def _bounds(facts, node, outputs, a):
    """Ranges of quantized arrays have one number."""
    if node.row.name.endswith(("quantize", "quantize_v2", "_act")):
        _alike((node.inputs[0], outputs[0]), facts, node)
    for entry in _ranges(node):
        facts.tell_shape(entry, (1,), node)
    if len(outputs) == 3:
        for entry in outputs[1:]:
            facts.tell_shape(entry, (1,), node)


def _ranges(node):
    """The inputs of an operator on quantized arrays that say a range."""
    if node.row.variadic is not None:
        return node.inputs[node.binding.attributes.get(node.row.variadic) or len(node.inputs) // 3 :]
    taken = zip(node.binding.taken, node.inputs)
    return [entry for key, entry in taken if key.startswith(("min_", "max_", "lhs_m", "rhs_m"))]


def _up_sampling(facts, node, outputs, a):
    """The kernel of bilinear interpolation by a factor: a channel to itself."""
    if a["sample_type"] == "bilinear" and len(node.inputs) == 2:
        size = 2 * a["scale"] - a["scale"] % 2
        facts.tell_shape(node.inputs[1], (a["num_filter"], 1, size, size), node)


SHAPES = {
    "UpSampling": _up_sampling,
    "Reshape": _reshape,
    "_split_v2": _split,
    "stack": _stack,
    "_contrib_Proposal": _proposal,
    "_contrib_MultiProposal": _proposal,
    "expand_dims": _expanded,
    "_linalg_gemm": _gemm,
    "cumsum": _cumulated,
    "pick": _without_axis(1),
    "_slice_assign": _as_first,
    "_scatter_set_nd": _as_first,
    **dict.fromkeys(("SequenceMask", "SequenceReverse", "SequenceLast"), _sequence),
    **dict.fromkeys(
        (
            f"_sample_{name}"
            for name in ("uniform", "normal", "gamma", "exponential", "poisson", "negative_binomial")
            + ("generalized_negative_binomial",)
        ),
        _sampled,
    ),
    **dict.fromkeys(
        (
            f"broadcast_{name}"
            for name in ("add", "sub", "mul", "div", "mod", "power", "maximum", "minimum", "hypot", "equal")
            + ("not_equal", "greater", "greater_equal", "lesser", "lesser_equal", "logical_and", "logical_or")
            + ("logical_xor",)
        ),
        _broadcast,
    ),
    **dict.fromkeys(
        ("_npi_add", "_npi_subtract", "_npi_multiply", "_npi_true_divide", "_npi_power", "_npi_maximum")
        + ("_npi_minimum", "_npi_mod", "_npi_hypot", "_npi_arctan2", "_npi_copysign"),
        _broadcast,
    ),
    "_rnn_param_concat": _concat,
    "Convolution": _convolution,
    "FullyConnected": _fully_connected,
    "SoftmaxOutput": _softmax_label,
    "LinearRegressionOutput": _regression_label,
    "LogisticRegressionOutput": _regression_label,
    "MAERegressionOutput": _regression_label,
    "SVMOutput": _svm_label,
    "softmax_cross_entropy": _batch_label,
    "RNN": _rnn_states,
    "Concat": _concat,
    "SliceChannel": _slice_channel,
    "transpose": _transpose,
    "_np_transpose": _transpose,
    "SwapAxis": _swap,
    "where": _where,
    **dict.fromkeys(
        ("Dropout", "BatchNorm", "LayerNorm", "InstanceNorm", "LRN", "L2Normalization", "LeakyReLU", "MakeLoss"),
        _as_first,
    ),
    "softmax": _masked_softmax,
    **dict.fromkeys(
        ("_contrib_quantize", "_contrib_quantize_v2", "_contrib_dequantize", "_contrib_requantize")
        + tuple(
            f"_contrib_quantized_{name}"
            for name in ("act", "batch_norm", "concat", "conv", "elemwise_add", "embedding", "flatten", "pooling")
            + ("fully_connected",)
        ),
        _bounds,
    ),
}


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


def _of_number(facts, node, outputs, a):
    # A number that is not said to be whole makes float64 of integers, a whole one int64 of bools.
    data = facts.dtype(node.inputs[0])
    if data is torch.bool:
        facts.tell_dtype(outputs[0], torch.int64 if a["is_int"] else torch.float64, node)
    elif a["is_int"] or data is None or data.is_floating_point:
        facts._one_dtype([*node.inputs, *outputs], node)
    else:
        facts.tell_dtype(outputs[0], torch.float64, node)


def _sampled_types(facts, node, outputs, a):
    facts._one_dtype(node.inputs, node)
    wanted = a["dtype"]
    if isinstance(wanted, torch.dtype):
        facts.tell_dtype(outputs[0], wanted, node)
    elif facts.dtype(node.inputs[0]) is not None and facts.dtype(outputs[0]) is None:
        facts.tell_dtype(outputs[0], torch.float32, node)


def _always(*dtypes):
    """Outputs whose dtypes do not depend on anything."""

    def rule(facts, node, outputs, a):
        for output, dtype in zip(outputs, dtypes):
            facts.tell_dtype(output, dtype, node)

    return rule


def _mixed_types(facts, node, outputs, a):
    """A cast of mixed precision leaves other dtypes than its own as they are."""
    data = facts.dtype(node.inputs[0])
    facts.tell_dtype(outputs[0], a["dtype"] if data is None or data in MIXED_PRECISION else data, node)


def _sequence_types(facts, node, outputs, a):
    facts._one_dtype([*node.inputs, *outputs], node)


DTYPES = {
    **dict.fromkeys((name for name, rule in SHAPES.items() if rule is _sampled), _sampled_types),
    **dict.fromkeys(
        (
            f"_npi_{name}_scalar"
            for name in ("add", "subtract", "rsubtract", "multiply", "mod", "rmod", "power", "rpower", "maximum")
            + ("minimum", "hypot", "arctan2", "rarctan2", "copysign", "rcopysign", "ldexp", "rldexp")
        ),
        _of_number,
    ),
    **dict.fromkeys(("shape_array", "size_array", "_contrib_index_array"), _always(torch.int64)),
    **dict.fromkeys(("all_finite", "multi_all_finite"), _always(torch.float32)),
    "_contrib_allclose": _always(torch.uint8),
    "amp_cast": _mixed_types,
    "_sample_unique_zipfian": _always(torch.int64, torch.int64),
    **dict.fromkeys(("SequenceMask", "SequenceLast", "SequenceReverse"), _sequence_types),
    **dict.fromkeys(("BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU"), _norm_types),
    "Embedding": _embedding_types,
    **dict.fromkeys(
        ("take", "batch_take", "pick", "gather_nd", "scatter_nd", "ROIPooling", "softmax", "cast_storage")
        + ("_linalg_potrf", "_linalg_potri", "_contrib_boolean_mask", "CTCLoss"),
        _data_and_output,
    ),
    "where": _branches,
}

# Operators whose inputs may differ in dtype although the table asks for one where arrays are given.
MIXED = frozenset(("Custom", "amp_multicast"))
# Operators that have inputs and whose `dtype` is that of the result.
TYPED = frozenset(("Cast", "cumsum", "one_hot", "_npi_full_like", "argsort", "_npi_argsort"))
# Operators for which a size that is not known may be 1, which makes a difference.
WHOLE = frozenset(("squeeze", "_np_squeeze"))
# Operators whose results' sizes depend on values.
BY_VALUES = frozenset(("_contrib_boolean_mask", "_npi_unique", "_npx_nonzero"))


_ASSUMED = {
    "_npx_constraint_check": torch.bool,
    "_npi_bincount": torch.int64,
    **dict.fromkeys(
        ("_npi_bitwise_and", "_npi_bitwise_or", "_npi_bitwise_xor", "_npi_bitwise_not", "_npi_lcm", "_npi_lcm_scalar")
        + ("_npi_bitwise_and_scalar", "_npi_bitwise_or_scalar", "_npi_bitwise_xor_scalar"),
        torch.int64,
    ),
}


def assumed_dtypes(node):
    """What stands in for unknown dtypes of inputs where only shapes are wanted: whole numbers where others fail."""
    name, count = node.row.name, len(node.inputs)
    if name in _ASSUMED:
        return [_ASSUMED[name]] * count
    if not name.startswith("_contrib_quantized_") and name not in ("_contrib_dequantize", "_contrib_requantize"):
        return [torch.float32] * count
    quantized = torch.int32 if name == "_contrib_requantize" else torch.int8
    ranges = {id(entry) for entry in _ranges(node)}
    learned = ("gamma", "beta", "moving_mean", "moving_var")
    keys = node.binding.taken if node.row.variadic is None else [""] * count
    return [
        torch.float32 if id(entry) in ranges or key in learned else quantized for key, entry in zip(keys, node.inputs)
    ]
