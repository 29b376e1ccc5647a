"""Quantization: numbers as int8 or uint8 with a range, and the layers that MXNet runs on them.

A quantized array comes with two arrays of one element, the bounds of its range; outputs come in threes.
"""

import torch

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators import nn
from tandem.mxnet.operators.shapes import checked_axis
from tandem.mxnet.operators.table import register
from tandem.ops import conv, entropy, quantize

_TYPES = {"int8": torch.int8, "uint8": torch.uint8}
_FIELDS = {"same_dtype": False, "differentiable": False, "list_output": True}
_CALIBRATION = {"min_calib_range": a.optional_real(), "max_calib_range": a.optional_real()}


def _bounds(like, low, high):
    return tuple(torch.full((1,), bound, dtype=torch.float32, device=like.device) for bound in (low, high))


def _is_calibrated(low, high):
    return low is not None and high is not None


def _ranged(q, low, high):
    """int8 results have a symmetric range, uint8 ones that which was given."""
    if q.dtype is torch.uint8:
        return q, low.clone(), high.clone()
    end = quantize.largest(low, high)
    return q, -end, end


# --- into integers and back ------------------------------------------------------------------------------------------


def _quantize(data, min_range, max_range, *, out_type):
    """data as integers whose range is given by arrays."""
    end = quantize.largest(min_range, max_range)
    return _ranged(quantize.quantize(data, end, _TYPES[out_type]), min_range, max_range)


register(
    "_contrib_quantize",
    _quantize,
    ("data", "min_range", "max_range"),
    {"out_type": a.choice("int8", "uint8", default="uint8")},
    **_FIELDS,
)


def _chosen(out_type, low):
    """The type of results: "auto" is uint8 where the calibrated range has no negative numbers."""
    if out_type == "auto":
        return torch.uint8 if low is not None and low >= 0 else torch.int8
    return _TYPES[out_type]


def _quantize_v2(data, *, out_type, min_calib_range, max_calib_range):
    """data as integers whose range is calibrated, or else that of the data."""
    if data.dtype in _TYPES.values():
        raise MXNetError(explain("quantize_v2 takes floating point data", given=str(data.dtype)))
    if _is_calibrated(min_calib_range, max_calib_range):
        low, high = _bounds(data, min_calib_range, max_calib_range)
        dtype = _chosen(out_type, min_calib_range)
    else:
        low, high = (bound.reshape(1) for bound in data.aminmax())
        dtype = _chosen(out_type, None)
    return _ranged(quantize.quantize(data, quantize.largest(low, high), dtype, half_step=True), low, high)


_AUTO = {"out_type": a.choice("auto", "int8", "uint8", default="int8"), **_CALIBRATION}
register("_contrib_quantize_v2", _quantize_v2, attributes=_AUTO, **_FIELDS)


def _quantize_asym(data, *, min_calib_range, max_calib_range):
    """(data as uint8, scale, shift): ``data * scale + shift``, which takes the range to 0 … 255."""
    if not data.is_floating_point():
        raise MXNetError(explain("quantize_asym takes floating point data", given=str(data.dtype)))
    if _is_calibrated(min_calib_range, max_calib_range):
        low, high = _bounds(data, min_calib_range, max_calib_range)
    else:
        low, high = (bound.reshape(1) for bound in data.aminmax())
    return quantize.asymmetric(data, low, high)


register("_contrib_quantize_asym", _quantize_asym, attributes=_CALIBRATION, **_FIELDS)


def _dequantize(data, min_range, max_range, *, out_type):
    """The numbers that integers stand for."""
    if data.dtype not in _TYPES.values():
        raise MXNetError(explain("dequantize takes integers", expected="int8 or uint8", given=str(data.dtype)))
    return quantize.dequantize(data, quantize.largest(min_range, max_range))


register(
    "_contrib_dequantize",
    _dequantize,
    ("data", "min_range", "max_range"),
    {"out_type": a.choice("float32", default="float32")},
    same_dtype=False,
    differentiable=False,
)


def _requantize(data, min_range, max_range, *, out_type, min_calib_range, max_calib_range):
    """int32 results as 8-bit integers, in a calibrated range or else that of the data."""
    end = quantize.largest(min_range, max_range)
    if _is_calibrated(min_calib_range, max_calib_range):
        low, high = _bounds(data, min_calib_range, max_calib_range)
        dtype = _chosen(out_type, min_calib_range)
    else:
        low, high = quantize.int32_bounds(data, end)
        dtype = _chosen(out_type, None)
    return _ranged(quantize.requantize(data, end, quantize.largest(low, high), dtype), low, high)


register("_contrib_requantize", _requantize, ("data", "min_range", "max_range"), _AUTO, **_FIELDS)


def _calibrate_entropy(hist, hist_edges, *, num_quantized_bins):
    """(threshold, divergence): where to cut the range of a histogram."""
    found = entropy.threshold(hist, hist_edges, num_quantized_bins)
    return tuple(torch.full((1,), value, dtype=hist.dtype, device=hist.device) for value in found)


register(
    "_contrib_calibrate_entropy",
    _calibrate_entropy,
    ("hist", "hist_edges"),
    {"num_quantized_bins": a.integer(255)},
    **_FIELDS,
)

# --- layers ----------------------------------------------------------------------------------------------------------

_BOUNDS = ("min_data", "max_data", "min_weight", "max_weight")


def _layer_inputs(attributes):
    if attributes["no_bias"]:
        return ("data", "weight", *_BOUNDS)
    return ("data", "weight", "bias", *_BOUNDS, "min_bias", "max_bias")


def _ends(min_data, max_data, min_weight, max_weight):
    return quantize.largest(min_data, max_data), quantize.largest(min_weight, max_weight)


def _fully_connected(
    data, weight, bias=None, min_data=None, max_data=None, min_weight=None, max_weight=None, min_bias=None,
    max_bias=None, *, num_hidden, no_bias, flatten
):  # fmt: skip
    """A dense layer on integers, as int32."""
    data_end, weight_end = _ends(min_data, max_data, min_weight, max_weight)
    x = data.reshape(data.shape[0], -1) if flatten else data
    if tuple(weight.shape) != (num_hidden, x.shape[-1]):
        raise MXNetError(
            explain(
                "Shape inconsistent in quantized_fully_connected: weight",
                expected=(num_hidden, x.shape[-1]),
                given=tuple(weight.shape),
            )
        )
    if bias is not None:
        bias_end = quantize.largest(min_bias, max_bias)
        bias = quantize.bias_for(bias, bias_end, data_end, weight_end, data.dtype)
    end = quantize.product_range(data_end, weight_end, data.dtype)
    return quantize.dense(x, weight, bias), -end, end


_LAYER = ("data", "weight", "bias", *_BOUNDS, "min_bias", "max_bias")


register(
    "_contrib_quantized_fully_connected",
    _fully_connected,
    _LAYER,
    {"num_hidden": a.integer(), "no_bias": a.flag(False), "flatten": a.flag(True)},
    present=_layer_inputs,
    **_FIELDS,
)


def _convolution(
    data, weight, bias=None, min_data=None, max_data=None, min_weight=None, max_weight=None, min_bias=None,
    max_bias=None, *, kernel, stride, dilate, pad, num_filter, num_group, no_bias, **others
):  # fmt: skip
    """A convolution of integers, as int32; layout NCHW. The bias is added as it is, whatever its range, as in MXNet.

    The range is that of products of int8, as in MXNet: of uint8 it is twice as wide as it ought to be, and so are the
    numbers that networks give.
    """
    if others["layout"] not in (None, "NCHW", "NCW", "NCDHW"):
        raise MXNetError(explain("quantized_conv has channels first", expected="NCHW", given=others["layout"]))
    data_end, weight_end = _ends(min_data, max_data, min_weight, max_weight)
    y = conv.conv(
        data.double(),
        weight.double(),
        None if bias is None else bias.double(),
        stride=stride or 1,
        padding=pad or 0,
        dilation=dilate or 1,
        groups=num_group,
        layout="channels_first",
        weight_layout="oi_spatial",
    )
    end = quantize.product_range(data_end, weight_end)
    return y.to(torch.int32), -end, end


_CONVOLUTION = {**nn.CONVOLUTION, "layout": a.optional_choice("NCDHW", "NCHW", "NCW", "NDHWC", "NHWC")}
register("_contrib_quantized_conv", _convolution, _LAYER, _CONVOLUTION, present=_layer_inputs, **_FIELDS)


def _pooling(data, min_data, max_data, **attributes):
    """Pooling of integers: "max" or "avg"."""
    if attributes["pool_type"] not in ("max", "avg"):
        raise MXNetError(
            explain("quantized_pooling knows two kinds", expected="'max', 'avg'", given=attributes["pool_type"])
        )
    pooled = nn._pooling(data.float(), **attributes)
    return quantize.mean_of_windows(pooled, data.dtype), min_data.clone(), max_data.clone()


_DATA = ("data", "min_data", "max_data")
register("_contrib_quantized_pooling", _pooling, _DATA, nn._POOLING, **_FIELDS)


def _flatten(data, min_data, max_data):
    """data with all axes but the first as one."""
    return data.reshape(data.shape[0], -1).clone(), min_data.clone(), max_data.clone()


register("_contrib_quantized_flatten", _flatten, _DATA, **_FIELDS)


def _act(data, min_data, max_data, *, act_type):
    """The rectifier of integers."""
    if act_type != "relu":
        raise MXNetError(explain("quantized_act only supports relu", expected="'relu'", given=repr(act_type)))
    return data.clamp_min(0), min_data.clone(), max_data.clone()


_KINDS = a.choice("relu", "sigmoid", "softrelu", "softsign", "tanh")
register("_contrib_quantized_act", _act, _DATA, {"act_type": _KINDS}, **_FIELDS)


def _concat(*data, num_args, dim):
    """Arrays joined along an axis, in the widest of their ranges: first all data, then the bounds of each."""
    count = len(data) // 3
    tensors, bounds = data[:count], data[count:]
    lows, highs = torch.cat(bounds[::2]).amin(0, True), torch.cat(bounds[1::2]).amax(0, True)
    signed = any(tensor.dtype is torch.int8 for tensor in tensors)
    ends = [quantize.largest(low, high) for low, high in zip(bounds[::2], bounds[1::2])]
    dtype = torch.int8 if signed else torch.uint8
    axis = checked_axis(dim, tensors[0].dim())
    return quantize.concat(tensors, ends, quantize.largest(lows, highs), dtype, axis), lows, highs


register(
    "_contrib_quantized_concat",
    _concat,
    ("data",),
    {"num_args": a.integer(), "dim": a.integer(1)},
    variadic="",
    **_FIELDS,
)


def _add(lhs, rhs, lhs_min, lhs_max, rhs_min, rhs_max, *, min_calib_range, max_calib_range):
    """The sum, as int8 in a calibrated range or else as int32."""
    ends = quantize.largest(lhs_min, lhs_max), quantize.largest(rhs_min, rhs_max)
    if _is_calibrated(min_calib_range, max_calib_range):
        low, high = _bounds(lhs, min_calib_range, max_calib_range)
        return quantize.add(lhs, rhs, *ends, quantize.largest(low, high), torch.int8), low, high
    end = quantize.widest_sum(*ends)
    return quantize.add(lhs, rhs, *ends, end, torch.int32), -end, end


_PAIR = ("lhs", "rhs", "lhs_min", "lhs_max", "rhs_min", "rhs_max")
register("_contrib_quantized_elemwise_add", _add, _PAIR, _CALIBRATION, **_FIELDS)


def _mul(
    lhs, rhs, lhs_min, lhs_max, rhs_min, rhs_max, *, min_calib_range, max_calib_range, enable_float_output
):  # fmt: skip
    """The product, as int8 in a calibrated range, as float32, or else as int32."""
    if lhs.dtype is not torch.int8 or rhs.dtype is not torch.int8 or lhs.shape != rhs.shape:
        raise MXNetError(
            explain(
                "quantized_elemwise_mul takes two int8 arrays of one shape",
                given=f"{lhs.dtype} {tuple(lhs.shape)}, {rhs.dtype} {tuple(rhs.shape)}",
            )
        )
    ends = quantize.largest(lhs_min, lhs_max), quantize.largest(rhs_min, rhs_max)
    if enable_float_output:
        return (quantize.multiply(lhs, rhs, *ends),)
    if _is_calibrated(min_calib_range, max_calib_range):
        low, high = _bounds(lhs, min_calib_range, max_calib_range)
        return quantize.multiply(lhs, rhs, *ends, quantize.largest(low, high)), low, high
    end = quantize.product_range(*ends)
    return quantize.whole_product(lhs, rhs), -end, end


register(
    "_contrib_quantized_elemwise_mul",
    _mul,
    _PAIR,
    {**_CALIBRATION, "enable_float_output": a.flag(False)},
    same_dtype=False,
    differentiable=False,
)


def _batch_norm(
    data, gamma, beta, moving_mean, moving_var, min_data, max_data, *, eps, axis, min_calib_range, max_calib_range,
    **others
):  # fmt: skip
    """Batch normalisation with the moving statistics, as int8 in a calibrated range. fix_gamma changes nothing, as in
    MXNet."""
    if not _is_calibrated(min_calib_range, max_calib_range):
        raise MXNetError(explain("quantized_batch_norm needs min_calib_range and max_calib_range", given="None"))
    low, high = _bounds(data, min_calib_range, max_calib_range)
    y = quantize.batch_norm(
        data,
        gamma,
        beta,
        moving_mean,
        moving_var,
        quantize.largest(min_data, max_data),
        quantize.largest(low, high),
        axis=checked_axis(axis, data.dim()),
        epsilon=eps,
    )
    return y, low, high


register(
    "_contrib_quantized_batch_norm",
    _batch_norm,
    ("data", "gamma", "beta", "moving_mean", "moving_var", "min_data", "max_data"),
    {
        "eps": a.real(1e-3),
        "momentum": a.real(0.9),
        "fix_gamma": a.flag(True),
        "use_global_stats": a.flag(False),
        "output_mean_var": a.flag(False),
        "axis": a.integer(1),
        "cudnn_off": a.flag(False),
        **_CALIBRATION,
    },
    **_FIELDS,
)


def _embedding(data, weight, min_weight, max_weight, *, input_dim, output_dim, dtype, sparse_grad):
    """The rows of an int8 weight that data numbers."""
    if tuple(weight.shape) != (input_dim, output_dim):
        raise MXNetError(
            explain(
                "Shape inconsistent in quantized_embedding: weight",
                expected=(input_dim, output_dim),
                given=tuple(weight.shape),
            )
        )
    return weight[data.long().clamp(0, input_dim - 1)], min_weight.clone(), max_weight.clone()


register(
    "_contrib_quantized_embedding",
    _embedding,
    ("data", "weight", "min_weight", "max_weight"),
    {
        "input_dim": a.integer(),
        "output_dim": a.integer(),
        "dtype": a.dtype("float32"),
        "sparse_grad": a.flag(False),
    },
    **_FIELDS,
)
