"""The shapes of learned inputs: what MXNet infers backwards, from an operator's data to its weights."""

from tandem.core import params_from_data as table
from tandem.ops import rnn_stack


def _dense(data, a):
    return table.dense(data, a["num_hidden"], bias=not a["no_bias"], flatten=a["flatten"], weight_layout="oi")


def _conv(data, a):
    return table.conv(
        data,
        a["num_filter"],
        a["kernel"],
        bias=not a["no_bias"],
        groups=a["num_group"],
        channel_axis=_channel_axis(a.get("layout"), 1),
        weight_layout=_weight_layout(a.get("layout")),
    )


def _conv_transpose(data, a):
    return table.conv_transpose(
        data,
        a["num_filter"],
        a["kernel"],
        bias=not a["no_bias"],
        groups=a["num_group"],
        channel_axis=_channel_axis(a.get("layout"), 1),
        weight_layout=_weight_layout(a.get("layout")),
    )


def _batch_norm(data, a):
    return table.batch_norm(
        data, a["axis"], names={"scale": "gamma", "shift": "beta", "mean": "moving_mean", "variance": "moving_var"}
    )


def _channel_norm(axis_of):
    def shapes(data, a):
        return table.channel_norm(data, axis_of(a), names={"scale": "gamma", "shift": "beta"})

    return shapes


def _embedding(data, a):
    return table.embedding(a["input_dim"], a["output_dim"])


def _leaky(data, a):
    return {"gamma": (data[1],) if len(data) > 1 else (1,)} if a["act_type"] == "prelu" else {}


def _rnn(data, a):
    shapes = rnn_stack.weight_shapes(
        a["mode"],
        data[2],
        a["state_size"],
        layers=a["num_layers"],
        directions=2 if a["bidirectional"] else 1,
        projection=a["projection_size"],
    )
    return {"parameters": (rnn_stack.packed_size(shapes),)}


def _sync_batch_norm(data, a):
    return _batch_norm(data, {**a, "axis": 1})


SHAPES = {
    "FullyConnected": _dense,
    "Convolution": _conv,
    "Convolution_v1": _conv,
    "Deconvolution": _conv_transpose,
    "_contrib_DeformableConvolution": _conv,
    "_contrib_ModulatedDeformableConvolution": _conv,
    "BatchNorm": _batch_norm,
    "_contrib_SyncBatchNorm": _sync_batch_norm,
    "_contrib_BatchNormWithReLU": _batch_norm,
    "LayerNorm": _channel_norm(lambda a: a["axis"]),
    "InstanceNorm": _channel_norm(lambda a: 1),
    "GroupNorm": lambda data, a: {"gamma": (a["num_groups"],), "beta": (a["num_groups"],)},
    "_contrib_quantized_conv": _conv,
    "_contrib_quantized_fully_connected": _dense,
    "_contrib_quantized_embedding": _embedding,
    "Embedding": _embedding,
    "_contrib_SparseEmbedding": _embedding,
    "LeakyReLU": _leaky,
    "RNN": _rnn,
    "IdentityAttachKLSparseReg": lambda data, a: {"moving_avg": data[1:2]},
}


def shapes(operator, data, attributes):
    """Input name -> shape of the learned inputs of an operator.

    data: the shape of its first input; attributes: all of them, parsed.
    Raises ValueError where the data does not fit.
    """
    return SHAPES[operator](tuple(data), attributes)


def _channel_axis(layout, default):
    return layout.index("C") if layout else default


def _weight_layout(layout):
    """Where the channels stand in a kernel: MXNet's weights follow the data's layout (OIHW for NCHW, OHWI for NHWC)."""
    return "o_spatial_i" if layout and layout[-1] == "C" else "oi_spatial"
