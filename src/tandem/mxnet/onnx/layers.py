"""ONNX for the layers of networks: convolutions, pooling, normalization, activations, softmax."""

import math

import numpy as np
import torch

from tandem.core.dtypes import numpy_dtype
from tandem.mxnet.onnx.graph import run
from tandem.mxnet.onnx.shapes import length_mask

# --- convolutions ----------------------------------------------------------------------------------------------------


def _window(call):
    """(kernel, strides, pads) of a layer, with what is left out filled in."""
    kernel = tuple(call.a["kernel"])
    rank = len(kernel)
    return kernel, tuple(call.a["stride"] or (1,) * rank), tuple(call.a["pad"] or (0,) * rank)


def _convolution(call):
    last = call.a["layout"] in ("NWC", "NHWC", "NDHWC")
    kernel, strides, pads = _window(call)
    x, weight, *bias = call.inputs
    if last:
        x, weight = _channels_first(call, x), _channels_first(call, weight)
    y = call.add(
        "Conv",
        x,
        weight,
        *bias,
        kernel_shape=kernel,
        strides=strides,
        pads=pads * 2,
        dilations=call.a["dilate"] or (1,) * len(kernel),
        group=call.a["num_group"],
    )
    return call.add("Transpose", y, perm=[0, *range(2, call.rank()), 1]) if last else y


def _channels_first(call, x):
    return call.add("Transpose", x, perm=[0, call.rank() - 1, *range(1, call.rank() - 1)])


def _only_channels_first(call):
    call.only(call.a["layout"] in (None, "NCW", "NCHW", "NCDHW"), f"layout={call.a['layout']!r}")


def _deconvolution(call):
    _only_channels_first(call)
    kernel, strides, pads = _window(call)
    dilate = tuple(call.a["dilate"] or (1,) * len(kernel))
    extra = tuple(call.a["adj"] or (0,) * len(kernel))
    target = tuple(call.a["target_shape"] or ())
    if any(target):  # the pads that give it
        sizes = call.sizes(axes=range(2, 2 + len(kernel)))
        over = [
            step * (size - 1) + 1 + hole * (width - 1) - wanted
            for step, size, hole, width, wanted in zip(strides, sizes, dilate, kernel, target)
        ]
        pads, extra = tuple((one + 1) // 2 for one in over), tuple(one % 2 for one in over)
    return call.add(
        "ConvTranspose",
        *call.inputs,
        kernel_shape=kernel,
        strides=strides,
        pads=pads * 2,
        dilations=dilate,
        output_padding=extra,
        group=call.a["num_group"],
    )


def _fully_connected(call):
    x, weight, *bias = call.inputs
    if call.a["flatten"] or call.rank() == 2:
        x = x if call.rank() == 2 else call.add("Flatten", x, axis=1)
        return call.add("Gemm", x, weight, *bias, transB=1)
    y = call.add("MatMul", x, call.add("Transpose", weight, perm=[1, 0]))
    return call.add("Add", y, *bias) if bias else y


# --- pooling ---------------------------------------------------------------------------------------------------------


def _pooling(call):
    kind, x = call.a["pool_type"], call.inputs[0]
    _only_channels_first(call)
    if call.a["global_pool"]:
        axes = range(2, call.rank())
        if kind == "sum":
            return call.add("ReduceSum", x, call.ints(*axes), keepdims=1)
        if kind == "lp":
            _only_even(call)
            return call.add("GlobalLpPool", x, p=call.a["p_value"])
        return call.add("GlobalMaxPool" if kind == "max" else "GlobalAveragePool", x)
    kernel, strides, pads = _window(call)
    call.only(call.a["pooling_convention"] in ("valid", "full"), f"pooling_convention={call.a['pooling_convention']!r}")
    ends, ceil = pads, 0
    if call.a["pooling_convention"] == "full":
        if None in call.shape()[2:]:
            call.only(kind == "max", "the averages at the border need known sizes")
            ceil = 1
        else:  # as far as the last window reaches
            sizes, out = call.sizes(axes=range(2, call.rank())), call.out_shape()[2:]
            ends = tuple(
                max(step * (count - 1) + width - size - pad, 0)
                for step, count, width, size, pad in zip(strides, out, kernel, sizes, pads)
            )
    window = {"kernel_shape": kernel, "strides": strides, "pads": (*pads, *ends)}
    if kind == "max":
        return call.add("MaxPool", x, ceil_mode=ceil, **window)
    if kind == "lp":
        _only_even(call)
        return call.add("LpPool", x, p=call.a["p_value"], **window)
    if kind == "avg" and (call.a["count_include_pad"] is not False) and ends == pads:
        return call.add("AveragePool", x, count_include_pad=1, **window)
    if kind == "avg" and call.a["count_include_pad"] is False:
        return call.add("AveragePool", x, count_include_pad=0, **window)
    sums = call.add("Mul", call.add("AveragePool", x, count_include_pad=1, **window), call.number(math.prod(kernel)))
    return sums if kind == "sum" else call.add("Mul", sums, call.writer.constant(_shares(call)))


def _only_even(call):
    call.only(call.a["p_value"] % 2 == 0, f"p_value={call.a['p_value']}: ONNX takes powers of sizes, MXNet of numbers")


def _shares(call):
    """What a sum over a window at each place is multiplied by: windows beyond the last pad count for less.

    The operator itself says it, by its average of ones and its sum of ones.
    """
    from tandem.mxnet.symbol.nodes import Node

    ones = np.ones((1, 1, *call.sizes(axes=range(2, call.rank()))), np.float32)
    parts = []
    for kind in ("avg", "sum"):
        twin = Node(call.node.row, call.node.name, {**call.node.parameters(), "pool_type": kind})
        parts.append(run(twin, [ones])[0])
    return np.divide(*parts).astype(numpy_dtype(call.dtype()))


def _adaptive_pooling(call):
    """Averages over parts of nearly equal size: a product with a matrix on either side."""
    wanted = call.a["output_size"] or (1,)
    wanted = wanted if len(wanted) == 2 else wanted * 2
    if wanted == (1, 1):
        return call.add("GlobalAveragePool", call.inputs[0])
    left, right = [_linear(call, size, axis) for axis, size in enumerate(call.sizes(axes=[2, 3]))]
    return call.add("MatMul", call.add("MatMul", left, call.inputs[0]), right)


def _linear(call, size, axis):
    """The matrix by which an operator that is linear along each axis, and leaves constants, acts on one.

    The operator itself says it, by what it makes of unit vectors: of (out, size) for the rows, (size, out) for columns.
    """
    other = call.sizes(axes=[3 - axis])[0]
    unit = np.eye(size, dtype=np.float32)
    planes = unit[:, None, :, None] if axis == 0 else unit[:, None, None, :]
    shape = (size, 1, size, other) if axis == 0 else (size, 1, other, size)
    others = [np.zeros(call.sizes(place), np.float32) for place in range(1, len(call.inputs))]
    answer = run(call.node, [np.broadcast_to(planes, shape), *others])[0][:, 0]
    matrix = answer[:, :, 0].T if axis == 0 else answer[:, 0, :]
    return call.writer.constant(matrix.astype(numpy_dtype(call.dtype())), f"{call.node.name}_matrix")


def _upsampling(call):
    scale = call.a["scale"]
    if call.a["sample_type"] == "bilinear":
        kernel, pad = 2 * scale - scale % 2, math.ceil((scale - 1) / 2)
        return call.add(
            "ConvTranspose", *call.inputs, kernel_shape=[kernel] * 2, strides=[scale] * 2, pads=[pad] * 4,
            group=call.a["num_filter"],
        )  # fmt: skip
    out = call.out_shape()
    parts = []
    for place, name in enumerate(call.inputs):
        factor = scale if place == 0 else out[2] // call.sizes(place, axes=[2])[0]
        scales = call.writer.constant(np.array([1, 1, factor, factor], np.float32))
        parts.append(
            call.add("Resize", name, None, scales, mode="nearest", nearest_mode="floor",
                     coordinate_transformation_mode="asymmetric")
        )  # fmt: skip
    if len(parts) == 1:
        return parts[0]
    return call.add("Sum", *parts) if call.a["multi_input_mode"] == "sum" else call.add("Concat", *parts, axis=1)


def _bilinear_resize(call):
    x, out = call.inputs[0], call.out_shape()
    call.only(out is not None and None not in out[2:], "the sizes of its result are not known")
    left, right = [_linear(call, size, axis) for axis, size in enumerate(call.sizes(axes=[2, 3]))]
    return call.add("MatMul", call.add("MatMul", left, x), right)


# --- normalization ---------------------------------------------------------------------------------------------------


def _batch_norm(call):
    x, gamma, beta, mean, variance = call.inputs
    axis = call.axis() if "axis" in call.a else 1
    call.only(axis != 0, "axis=0")
    if call.a["fix_gamma"]:
        gamma = _fixed_gamma(call, gamma)
    # In opset 13 all inputs have one dtype; MXNet keeps a float16 network's statistics in float32.
    gamma, beta, mean, variance = (
        name if call.dtype(place) is call.dtype() else call.cast(name, call.dtype())
        for place, name in enumerate((gamma, beta, mean, variance), 1)
    )
    order = list(range(call.rank()))
    order.insert(1, order.pop(axis))
    x = x if axis == 1 else call.add("Transpose", x, perm=order)
    y = call.add(
        "BatchNormalization", x, gamma, beta, mean, variance,
        epsilon=float(call.a["eps"]), momentum=float(call.a["momentum"]),
    )  # fmt: skip
    if axis != 1:
        y = call.add("Transpose", y, perm=list(np.argsort(order)))
    if not call.a["output_mean_var"]:
        return y
    deviation = call.add("Sqrt", call.add("Add", variance, call.number(call.a["eps"])))
    return [y, mean, call.add("Reciprocal", deviation)]


def _fixed_gamma(call, gamma):
    """Ones: in the weight's own place where nothing else reads that."""
    entry = call.node.inputs[1]
    ones = np.ones([size or 1 for size in call.sizes(1)], np.float32)
    readers = sum(one.node is entry.node for node in call.writer.facts.order for one in node.inputs)
    if entry.node.is_variable and readers == 1 and entry.node.name in call.writer.constants:
        call.writer.constants[entry.node.name] = ones.astype(call.writer.constants[entry.node.name].dtype)
        return gamma
    return call.writer.constant(ones)


def _batch_norm_relu(call):
    call.only(not call.a["output_mean_var"], "its statistics are not translated")
    return call.add("Relu", _batch_norm(call))


def _standardized(call, x, axes, epsilon):
    mean = call.add("ReduceMean", x, axes=axes, keepdims=1)
    centred = call.add("Sub", x, mean)
    variance = call.add("ReduceMean", call.add("Mul", centred, centred), axes=axes, keepdims=1)
    deviation = call.add("Sqrt", call.add("Add", variance, call.number(epsilon)))
    return call.add("Div", centred, deviation), mean, deviation


def _layer_norm(call):
    x, gamma, beta = call.inputs
    axis, rank = call.axis(), call.rank()
    y, mean, deviation = _standardized(call, x, [axis], call.a["eps"])
    if axis != rank - 1:
        sizes = [-1] + [1] * (rank - 1 - axis)
        gamma, beta = call.reshape(gamma, *sizes), call.reshape(beta, *sizes)
    y = call.add("Add", call.add("Mul", y, gamma), beta)
    return [y, mean, deviation] if call.a["output_mean_var"] else y


def _group_norm(call):
    call.only(not call.a["output_mean_var"], "its statistics are not translated")
    x, gamma, beta = call.inputs
    parts = call.reshape(x, 0, call.a["num_groups"], -1)
    y = _standardized(call, parts, [2], call.a["eps"])[0]
    y = call.add("Add", call.add("Mul", y, call.reshape(gamma, -1, 1)), call.reshape(beta, -1, 1))
    return call.add("Reshape", y, call.add("Shape", x))


def _instance_norm(call):
    return call.add("InstanceNormalization", *call.inputs, epsilon=float(call.a["eps"]))


def _l2_normalization(call):
    x, mode = call.inputs[0], call.a["mode"]
    axes = {"channel": [1], "spatial": range(2, call.rank()), "instance": range(1, call.rank())}[mode]
    total = call.add("ReduceSumSquare", x, axes=list(axes), keepdims=1)
    return call.add("Div", x, call.add("Sqrt", call.add("Add", total, call.number(call.a["eps"]))))


def _lrn(call):
    return call.add(
        "LRN", call.inputs[0], alpha=float(call.a["alpha"]), beta=float(call.a["beta"]), bias=float(call.a["knorm"]),
        size=call.a["nsize"],
    )  # fmt: skip


def _dropout(call):
    call.only(call.a["mode"] == "training", f"mode={call.a['mode']!r} drops in inference too")
    return call.add("Dropout", call.inputs[0], call.number(call.a["p"], torch.float32))


# --- activations -----------------------------------------------------------------------------------------------------

_ACTIVATIONS = {
    "relu": "Relu", "sigmoid": "Sigmoid", "softrelu": "Softplus", "softsign": "Softsign", "tanh": "Tanh",
}  # fmt: skip


def _activation(call):
    kind = call.a["act_type"]
    call.only(kind in _ACTIVATIONS, f"act_type={kind!r}")
    return call.add(_ACTIVATIONS[kind], call.inputs[0])


def _leaky_relu(call):
    x, kind, slope = call.inputs[0], call.a["act_type"], float(call.a["slope"])
    if kind == "leaky":
        return call.add("LeakyRelu", x, alpha=slope)
    if kind == "elu":
        return call.add("Elu", x, alpha=slope)
    if kind == "selu":
        return call.add("Selu", x)
    if kind == "rrelu":
        middle = (call.a["lower_bound"] + call.a["upper_bound"]) / 2
        slopes = call.add("Expand", call.number(0), call.add("Shape", x))
        return [call.add("LeakyRelu", x, alpha=middle), slopes]
    if kind == "gelu":
        bell = call.add("Add", call.add("Erf", call.add("Div", x, call.number(math.sqrt(2)))), call.number(1))
        return call.add("Mul", call.add("Mul", x, bell), call.number(0.5))
    slopes = call.get("gamma")
    if call.rank() > 2:
        slopes = call.reshape(slopes, -1, *[1] * (call.rank() - 2))
    return call.add("PRelu", x, slopes)


# --- softmax ---------------------------------------------------------------------------------------------------------


def _softmax(op_type, sign=1):
    def translate(call):
        x, axis = call.inputs[0], call.axis()
        if call.a["temperature"] is not None:
            x = call.add("Div", x, call.number(call.a["temperature"]))
        x = x if sign > 0 else call.add("Neg", x)
        mask = None
        if call.a["use_length"]:
            mask = length_mask(call, axis, [axis])
            x = call.add("Where", mask, x, call.number(-math.inf))
        y = call.add(op_type, x, axis=axis)
        y = call.add("Where", mask, y, call.number(0)) if mask else y
        return y if call.dtype() is call.out_dtype() else call.cast(y, call.out_dtype())

    return translate


def _softmax_output(call):
    x, rank = call.inputs[0], call.rank()
    if call.a["multi_output"]:
        return call.add("Softmax", x, axis=1)
    if call.a["preserve_shape"] or rank <= 2:
        return call.add("Softmax", x, axis=rank - 1)
    return _flat_softmax(call, x)


def _flat_softmax(call, x):
    """Over all axes but the first."""
    y = call.add("Softmax", call.add("Flatten", x, axis=1), axis=1)
    return call.add("Reshape", y, call.add("Shape", x))


def _softmax_activation(call):
    x = call.inputs[0]
    return call.add("Softmax", x, axis=1) if call.a["mode"] == "channel" or call.rank() == 2 else _flat_softmax(call, x)


TABLE = {
    "Activation": _activation,
    "BatchNorm": _batch_norm,
    "BatchNorm_v1": _batch_norm,
    "Convolution": _convolution,
    "Convolution_v1": _convolution,
    "Deconvolution": _deconvolution,
    "Dropout": _dropout,
    "FullyConnected": _fully_connected,
    "GroupNorm": _group_norm,
    "InstanceNorm": _instance_norm,
    "L2Normalization": _l2_normalization,
    "LRN": _lrn,
    "LayerNorm": _layer_norm,
    "LeakyReLU": _leaky_relu,
    "Pooling": _pooling,
    "SoftmaxActivation": _softmax_activation,
    "SoftmaxOutput": _softmax_output,
    "UpSampling": _upsampling,
    "_contrib_AdaptiveAvgPooling2D": _adaptive_pooling,
    "_contrib_BatchNormWithReLU": _batch_norm_relu,
    "_contrib_BilinearResize2D": _bilinear_resize,
    "_contrib_SyncBatchNorm": _batch_norm,
    "log_softmax": _softmax("LogSoftmax"),
    "softmax": _softmax("Softmax"),
    "softmin": _softmax("Softmax", sign=-1),
}
