"""From ONNX: layers of networks."""

import numpy as np

from tandem.mxnet.onnx.import_basics import dtype_of
from tandem.mxnet.onnx.import_shapes import FLOAT, padded
from tandem.mxnet.onnx.recurrent import in_order

_SMALLEST = float(np.finfo(np.float32).tiny)
_LOWEST = float(np.finfo(np.float32).min)


def _window(op, kernel, value=0.0):
    """(x, pads of both sides): asymmetric pads become an operator of their own."""
    pads = list(op.attr.get("pads", [0] * 2 * len(kernel)))
    rank, x = len(kernel), op.symbol()
    kind = op.attr.get("auto_pad", "NOTSET")
    if kind in ("SAME_UPPER", "SAME_LOWER"):
        shape = op.shape()
        op.only(shape is not None and None not in shape[2:], f"auto_pad={kind} of open sizes")
        strides = op.attr.get("strides", [1] * rank)
        dilations = op.attr.get("dilations", [1] * rank)
        total = [
            max((-(-size // step) - 1) * step + (width - 1) * hole + 1 - size, 0)
            for size, step, width, hole in zip(shape[2:], strides, kernel, dilations)
        ]
        less, more = [one // 2 for one in total], [one - one // 2 for one in total]
        pads = less + more if kind == "SAME_UPPER" else more + less
    if pads[:rank] == pads[rank:]:
        return x, tuple(pads[:rank])
    begin, end = [0, 0, *pads[:rank]], [0, 0, *pads[rank:]]
    return padded(op, x, begin + end, value=value), (0,) * rank


def _convolution(op):
    shape = op.shape(1)
    op.only(shape is not None and None not in shape, "the shape of its weight is not known")
    kernel = tuple(op.attr.get("kernel_shape", shape[2:]))
    x, pad = _window(op, kernel)
    return op.last(
        "Convolution", x, *op.symbols()[1:], kernel=kernel, pad=pad, num_filter=shape[0],
        num_group=op.attr.get("group", 1), no_bias=len(op) < 3, **_steps(op),
    )  # fmt: skip


def _steps(op):
    found = {"stride": op.attr.get("strides"), "dilate": op.attr.get("dilations")}
    return {key: tuple(value) for key, value in found.items() if value is not None}


def _deconvolution(op):
    shape = op.shape(1)
    op.only(shape is not None and None not in shape, "the shape of its weight is not known")
    op.only(op.attr.get("auto_pad", "NOTSET") == "NOTSET" and "output_shape" not in op.attr, "auto_pad or output_shape")
    kernel = tuple(op.attr.get("kernel_shape", shape[2:]))
    rank, group = len(kernel), op.attr.get("group", 1)
    pads = list(op.attr.get("pads", [0] * 2 * rank))
    # What is cut from the ends beyond the beginnings grows back by `adj`, or goes.
    adj = [one + first - last for one, first, last in zip(
        op.attr.get("output_padding", [0] * rank), pads[:rank], pads[rank:])]  # fmt: skip
    op.only(min(adj) >= 0, "pads of the ends above those of the beginnings")
    return op.last(
        "Deconvolution", *op.symbols(), kernel=kernel, pad=tuple(pads[:rank]), adj=tuple(adj),
        num_filter=shape[1] * group, num_group=group, no_bias=len(op) < 3, **_steps(op),
    )  # fmt: skip


def _pooling(kind):
    def translate(op):
        kernel = tuple(op.attr["kernel_shape"])
        op.only(set(op.attr.get("dilations", [1])) == {1}, "dilations")
        counted = bool(op.attr.get("count_include_pad"))
        pads = op.attr.get("pads", [0] * 2 * len(kernel))
        even = list(pads[: len(kernel)]) == list(pads[len(kernel) :])
        op.only(kind != "avg" or counted or (even and op.attr.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")),
                "averages of uneven pads that do not count")  # fmt: skip
        x, pad = _window(op, kernel, _LOWEST if kind == "max" else 0.0)
        given = {"count_include_pad": counted} if kind == "avg" else {}
        if kind == "lp":
            given["p_value"], x = op.attr.get("p", 2), op.add("abs", x)  # which MXNet's powers are not
        ceil = bool(op.attr.get("ceil_mode"))
        y = op.last(
            "Pooling", x, kernel=kernel, pool_type=kind, pad=pad,
            stride=tuple(op.attr.get("strides", (1,) * len(kernel))),
            pooling_convention="full" if ceil else "valid", **given,
        )  # fmt: skip
        sizes = (op.out_shape() or ())[2:]
        if not ceil or None in sizes:
            return y
        # ONNX leaves out a last window that lies in the pad alone.
        return op.add("slice", y, begin=(None,) * (2 + len(sizes)), end=(None, None, *sizes))

    return translate


def _global_pooling(kind):
    def translate(op):
        given = {"p_value": op.attr.get("p", 2)} if kind == "lp" else {}
        x = op.add("abs", op.symbol()) if kind == "lp" else op.symbol()
        return op.last("Pooling", x, global_pool=True, pool_type=kind, kernel=(1,) * (op.rank() - 2), **given)

    return translate


# --- normalization ---------------------------------------------------------------------------------------------------


def _batch_norm(op):
    op.only(not op.attr.get("training_mode"), "training_mode=1")
    x, gamma, beta = op.symbol(0), op.symbol(1), op.symbol(2)
    states = []
    for place in (3, 4):
        name, known = op.node.input[place], op.constant(place)
        states.append(op.symbol(place) if known is None else op.reader.parameter(name, known, state=True))
    return op.last(
        "BatchNorm", x, gamma, beta, *states, eps=op.attr.get("epsilon", 1e-5),
        momentum=op.attr.get("momentum", 0.9), fix_gamma=False,
    )  # fmt: skip


def _instance_norm(op):
    return op.last("InstanceNorm", *op.symbols(), eps=op.attr.get("epsilon", 1e-5))


def _layer_norm(op):
    axis, rank, x = op.attr.get("axis", -1), op.rank(), op.symbol()
    axis += rank if axis < 0 else 0
    gamma, beta = op.symbol(1), op.symbol(2) if op.has(2) else op.add("zeros_like", op.symbol(1))
    epsilon = op.attr.get("epsilon", 1e-5)
    if axis == rank - 1:
        return op.last("LayerNorm", x, gamma, beta, eps=epsilon)
    flat = op.add("Reshape", x, shape=(*[0] * axis, -1))
    gamma, beta = (op.add("Reshape", one, shape=(-1,)) for one in (gamma, beta))
    return op.last("reshape_like", op.add("LayerNorm", flat, gamma, beta, eps=epsilon), x)


def _lrn(op):
    return op.last(
        "LRN", op.symbol(), alpha=op.attr.get("alpha", 1e-4), beta=op.attr.get("beta", 0.75),
        knorm=op.attr.get("bias", 1.0), nsize=op.attr["size"],
    )  # fmt: skip


def _lp_normalization(op):
    axis, order = op.attr.get("axis", -1), op.attr.get("p", 2)
    size = op.add("norm", op.symbol(), ord=order, axis=(axis,), keepdims=True)
    return op.last("broadcast_div", op.symbol(), op.add("_maximum_scalar", size, scalar=_SMALLEST))


def _dropout(op):
    ratio, training = op.constant(1), op.constant(2)
    mode = "always" if training is not None and training.item() else "training"
    return op.last("Dropout", op.symbol(), p=op.attr.get("ratio", 0.5 if ratio is None else ratio.item()), mode=mode)


# --- activations -----------------------------------------------------------------------------------------------------


def _leaky(kind, default=None):
    def translate(op):
        slope = {"slope": op.attr.get("alpha", default)} if default is not None else {}
        return op.last("LeakyReLU", op.symbol(), act_type=kind, **slope)

    return translate


def _prelu(op):
    slopes = op.shape(1)
    op.only(slopes is not None and None not in slopes, "the shape of its slopes is not known")
    rank = op.rank()
    channels = [size for size in slopes if size != 1]
    one_axis = not channels or (len(channels) == 1 and len(slopes) - slopes.index(channels[0]) == rank - 1)
    op.only(one_axis, "slopes that are not those of channels")
    slope = op.symbol(1) if len(slopes) == 1 else op.add("Reshape", op.symbol(1), shape=(-1,))
    return op.last("LeakyReLU", op.symbol(), slope, act_type="prelu")


def _selu(op):
    ordinary = abs(op.attr.get("alpha", 1.67326) - 1.67326) < 1e-4 and abs(op.attr.get("gamma", 1.0507) - 1.0507) < 1e-4
    op.only(ordinary, "its own alpha and gamma")
    return op.last("LeakyReLU", op.symbol(), act_type="selu")


def _gelu(op):
    op.only(op.attr.get("approximate", "none") == "none", "approximate")
    return op.last("LeakyReLU", op.symbol(), act_type="gelu")


def _hard_sigmoid(op):
    return op.last("hard_sigmoid", op.symbol(), alpha=op.attr.get("alpha", 0.2), beta=op.attr.get("beta", 0.5))


def _hard_swish(op):
    return op.last("elemwise_mul", op.symbol(), op.add("hard_sigmoid", op.symbol(), alpha=1 / 6, beta=0.5))


def _thresholded(op):
    above = op.add("_greater_scalar", op.symbol(), scalar=op.attr.get("alpha", 1.0))
    return op.last("elemwise_mul", op.symbol(), above)


def _swish(op):
    gate = op.add("sigmoid", op.add("_mul_scalar", op.symbol(), scalar=op.attr.get("alpha", 1.0)))
    return op.last("elemwise_mul", op.symbol(), gate)


def _celu(op):
    alpha = op.attr.get("alpha", 1.0)
    below = op.add("expm1", op.add("_div_scalar", op.add("_minimum_scalar", op.symbol(), scalar=0.0), scalar=alpha))
    return op.last("elemwise_add", op.add("relu", op.symbol()), op.add("_mul_scalar", below, scalar=alpha))


def _softplus(op):
    return op.last("Activation", op.symbol(), act_type="softrelu")


def _mish(op):
    curve = op.add("tanh", op.add("Activation", op.symbol(), act_type="softrelu"))
    return op.last("elemwise_mul", op.symbol(), curve)


def _softmax(operator):
    def translate(op):
        if op.opset >= 13:
            return op.last(operator, op.symbol(), axis=op.attr.get("axis", -1))
        axis = op.attr.get("axis", 1)
        rank = op.rank() if op.shape() is not None else None
        if rank is None or axis in (-1, rank - 1):
            return op.last(operator, op.symbol(), axis=axis)
        # Before opset 13 it is over all axes from this one on.
        axis += rank if axis < 0 else 0
        x = op.symbol()
        flat = op.add("Reshape", x, shape=(*[0] * axis, -1))
        return op.last("reshape_like", op.add(operator, flat, axis=-1), x)

    return translate


# --- sizes of images -------------------------------------------------------------------------------------------------


def _resize(op):
    """`Resize` and `Upsample`: by whole numbers to the nearest pixel, or bilinear."""
    old = op.node.op_type == "Upsample"
    scales = op.attr.get("scales")
    places = {"scales": 1} if old or op.opset < 11 else {"scales": 2, "sizes": 3}
    if scales is None and op.has(places["scales"]):
        scales = op.needed(places["scales"], "scales").reshape(-1).tolist()
    shape, out = op.shape(), op.out_shape()
    if not scales:
        sizes = op.needed(places["sizes"], "sizes").reshape(-1).tolist()
        op.only(shape is not None and None not in shape[2:], "sizes of open ones")
        scales = [1, 1, *[new / size for new, size in zip(sizes[2:], shape[2:])]]
        out = tuple(sizes)
    op.only(len(scales) == 4 and list(scales[:2]) == [1, 1], "anything but images (batch, channels, height, width)")
    mode = op.attr.get("mode", "nearest")
    where = op.attr.get("coordinate_transformation_mode", "asymmetric" if old or op.opset < 11 else "half_pixel")
    if mode == "nearest":
        whole = scales[2] == scales[3] and scales[2] == int(scales[2])
        rounded = op.attr.get("nearest_mode", "floor" if old or op.opset < 11 else "round_prefer_floor")
        good = (where == "asymmetric" and rounded == "floor") or (where == "half_pixel" and rounded.startswith("round"))
        op.only(whole and good, "nearest pixels by other than one whole number")
        return op.last("UpSampling", op.symbol(), scale=int(scales[2]), sample_type="nearest", num_args=1)
    op.only(mode == "linear" and where in ("align_corners", "half_pixel", "pytorch_half_pixel"), f"{mode}, {where}")
    op.only(out is not None and None not in out[2:], "open sizes")
    return op.last(
        "_contrib_BilinearResize2D", op.symbol(), height=out[2], width=out[3], align_corners=where == "align_corners"
    )


def _roi_pooling(op):
    return op.last(
        "ROIPooling", *op.symbols(), pooled_size=tuple(op.attr["pooled_shape"]),
        spatial_scale=op.attr.get("spatial_scale", 1.0),
    )  # fmt: skip


def _roi_align(op):
    op.only(op.attr.get("mode", "avg") == "avg", "mode 'max'")
    where = op.attr.get("coordinate_transformation_mode", "half_pixel" if op.opset >= 16 else "output_half_pixel")
    number = op.add("Cast", op.symbol(2), dtype=dtype_of(op.element_type(1) or FLOAT))
    image = op.add("expand_dims", number, axis=1)
    return op.last(
        "_contrib_ROIAlign", op.symbol(), op.add("Concat", image, op.symbol(1), dim=1),
        pooled_size=(op.attr.get("output_height", 1), op.attr.get("output_width", 1)),
        spatial_scale=op.attr.get("spatial_scale", 1.0), sample_ratio=op.attr.get("sampling_ratio", 0) or -1,
        aligned=where == "half_pixel",
    )  # fmt: skip


# --- recurrent layers ------------------------------------------------------------------------------------------------

# The places of MXNet's gates among ONNX's, and the functions that are the ordinary ones.
_KINDS = {
    "LSTM": ("lstm", (0, 2, 3, 1), ["Sigmoid", "Tanh", "Tanh"]),
    "GRU": ("gru", (1, 0, 2), ["Sigmoid", "Tanh"]),
    "RNN": ("rnn_tanh", (0,), ["Tanh"]),
}


def _recurrent(op):
    mode, gates, ordinary = _KINDS[op.node.op_type]
    direction = op.attr.get("direction", "forward")
    directions = 2 if direction == "bidirectional" else 1
    functions = [one.lower() for one in op.attr.get("activations", ordinary * directions)]
    if mode == "rnn_tanh" and set(functions) == {"relu"}:
        mode, ordinary = "rnn_relu", ["Relu"]
    op.only(functions == [one.lower() for one in ordinary] * directions, f"activations {functions}")
    op.only("clip" not in op.attr and not op.attr.get("layout") and not op.has(7), "clip, layout or peepholes")
    op.only(mode != "gru" or op.attr.get("linear_before_reset"), "linear_before_reset=0")
    w_in, w_rec = op.needed(1, "weight"), op.needed(2, "recurrent weight")
    units = w_rec.shape[-1]
    bias = op.needed(3, "bias") if op.has(3) else np.zeros((directions, 2 * len(gates) * units), w_in.dtype)
    parts = [in_order(one, gates).reshape(-1) for pair in zip(w_in, w_rec) for one in pair]
    parts += [in_order(half, gates) for one in bias for half in np.split(one, 2)]
    vector = op.reader.parameter(f"{op.name}_parameters", np.concatenate(parts))
    x, lengths = op.symbol(0), op.symbol(4) if op.has(4) else None
    op.only(direction != "reverse" or lengths is None, "lengths of reversed sequences")
    if direction == "reverse":
        x = op.add("reverse", x, axis=0)
    states = [op.symbol(place) if op.has(place) else _zeros(op, x, directions, units) for place in (5, 6)]
    states = states if mode == "lstm" else states[:1]
    given = [x, vector, *states] + ([lengths] if lengths is not None else [])
    if lengths is not None and mode != "lstm":
        given.insert(3, None)  # which other kinds do not have
    y, *last = op.last(
        "RNN", *given, state_size=units, num_layers=1, mode=mode, bidirectional=directions == 2, state_outputs=True,
        use_sequence_length=lengths is not None,
    )  # fmt: skip
    if direction == "reverse":
        y = op.add("reverse", y, axis=0)
    if directions == 1:
        return [op.add("expand_dims", y, axis=1), *last]
    y = op.add("Reshape", y, shape=(0, 0, -4, 2, units))
    return [op.add("transpose", y, axes=(0, 2, 1, 3)), *last]


def _zeros(op, x, directions, units):
    """A first state for the batch of x (time, batch, inputs), whatever its size."""
    one = op.add("slice", op.add("zeros_like", x), begin=(0, None, 0), end=(1, None, 1))
    return op.add("broadcast_axis", one, axis=(0, 2), size=(directions, units))


TABLE = {
    "AveragePool": _pooling("avg"),
    "BatchNormalization": _batch_norm,
    "Celu": _celu,
    "Conv": _convolution,
    "ConvTranspose": _deconvolution,
    "Dropout": _dropout,
    "Elu": _leaky("elu", 1.0),
    "GRU": _recurrent,
    "Gelu": _gelu,
    "GlobalAveragePool": _global_pooling("avg"),
    "GlobalLpPool": _global_pooling("lp"),
    "GlobalMaxPool": _global_pooling("max"),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "InstanceNormalization": _instance_norm,
    "LRN": _lrn,
    "LSTM": _recurrent,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _leaky("leaky", 0.01),
    "LogSoftmax": _softmax("log_softmax"),
    "LpNormalization": _lp_normalization,
    "LpPool": _pooling("lp"),
    "MaxPool": _pooling("max"),
    "MaxRoiPool": _roi_pooling,
    "Mish": _mish,
    "PRelu": _prelu,
    "RNN": _recurrent,
    "Resize": _resize,
    "RoiAlign": _roi_align,
    "Selu": _selu,
    "Softmax": _softmax("softmax"),
    "Softplus": _softplus,
    "Swish": _swish,
    "ThresholdedRelu": _thresholded,
    "Upsample": _resize,
}
