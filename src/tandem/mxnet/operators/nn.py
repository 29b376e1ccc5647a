"""Operators of neural networks: dense, convolution, pooling, activations, softmax."""

from tandem.core import scope
from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import conv, elementwise, heads, linalg, pool

_FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}
_LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}
_LAYOUTS = (*_FIRST.values(), *_LAST.values())


def _expect(name, array, shape, what):
    """Raise MXNetError where an array has another shape than the operator's parameters say."""
    if array is not None and tuple(array.shape) != tuple(shape):
        raise MXNetError(
            explain(f"Shape inconsistent in {name}: {what}", expected=tuple(shape), given=tuple(array.shape))
        )


def _without_bias(attributes):
    return ("data", "weight") if attributes["no_bias"] else ("data", "weight", "bias")


# --- dense -----------------------------------------------------------------------------------------------------------


def _fully_connected(data, weight, bias=None, *, num_hidden, no_bias=False, flatten=True):
    """``y = x W^T + b``, x the data, with flatten all but its first axis in one."""
    if flatten and data.dim() != 2:
        data = data.reshape(data.shape[0], -1)
    if weight.shape[0] != num_hidden or weight.shape[-1] != data.shape[-1] or weight.dim() != 2:
        _expect("FullyConnected", weight, (num_hidden, data.shape[-1]), "weight")
    if bias is not None and bias.shape[0] != num_hidden:
        _expect("FullyConnected", bias, (num_hidden,), "bias")
    return linalg.dense(data, weight, bias, weight_layout="oi")


register(
    "FullyConnected",
    _fully_connected,
    ("data", "weight", "bias"),
    {"num_hidden": a.integer(), "no_bias": a.flag(False), "flatten": a.flag(True)},
    present=_without_bias,
)

# --- convolution -----------------------------------------------------------------------------------------------------


def _layout(layout, rank, name):
    """The data's layout in the words of `ops`; None is MXNet's default, channels first."""
    first, last = _FIRST.get(rank), _LAST.get(rank)
    if layout is None or layout == first:
        return "channels_first"
    if layout == last:
        return "channels_last"
    raise MXNetError(
        explain(f"The layout of {name} does not fit its data", expected=f"{first} or {last}", given=layout)
    )


def _window(name, data, kernel, **given):
    """One value to each spatial axis of stride, dilate and pad, which may be empty; checks the kernel's rank."""
    rank = data.dim() - 2
    if len(kernel) != rank:
        raise MXNetError(
            explain(
                f"The kernel of {name} does not fit its data",
                expected=f"{rank} sizes for data of shape {tuple(data.shape)}",
                given=f"kernel={kernel}",
            )
        )
    for key, (value, default) in given.items():
        if value and len(value) != rank:
            raise MXNetError(explain(f"{key} of {name} does not fit the kernel", expected=rank, given=value))
        yield value or (default,) * rank


def _convolution(
    data,
    weight,
    bias=None,
    *,
    kernel,
    stride=(),
    dilate=(),
    pad=(),
    num_filter,
    num_group=1,
    workspace=1024,
    no_bias=False,
    cudnn_tune=None,
    cudnn_off=False,
    layout=None,
):
    """Convolution of one to three axes.

    data: (N, C, *spatial), weight: (num_filter, C / num_group, *kernel); or (N, *spatial, C) and (num_filter, *kernel,
    C / num_group) for layouts that end in C. workspace, cudnn_tune and cudnn_off choose nothing here: torch does.
    """
    stride, dilate, pad = _window("Convolution", data, kernel, stride=(stride, 1), dilate=(dilate, 1), pad=(pad, 0))
    place = _layout(layout, len(kernel), "Convolution")
    first = place == "channels_first"
    channels = (data.shape[1] if first else data.shape[-1]) // num_group
    wanted = (num_filter, channels, *kernel) if first else (num_filter, *kernel, channels)
    if weight.shape != wanted:
        _expect("Convolution", weight, wanted, "weight")
    return conv.conv(
        data,
        weight,
        bias,
        stride=stride,
        padding=pad,
        dilation=dilate,
        groups=num_group,
        layout=place,
        weight_layout="oi_spatial" if first else "o_spatial_i",
        free_layout=scope.current.recorder is not None,
    )


CONVOLUTION = {
    "kernel": a.sizes(),
    "stride": a.sizes(()),
    "dilate": a.sizes(()),
    "pad": a.sizes(()),
    "num_filter": a.integer(),
    "num_group": a.integer(1),
    "workspace": a.integer(1024),
    "no_bias": a.flag(False),
    "cudnn_tune": a.optional_choice("fastest", "limited_workspace", "off"),
    "cudnn_off": a.flag(False),
    "layout": a.optional_choice(*_LAYOUTS),
}
for _name in ("Convolution", "Convolution_v1"):
    register(_name, _convolution, ("data", "weight", "bias"), CONVOLUTION, present=_without_bias)


def _deconvolution(
    data,
    weight,
    bias=None,
    *,
    kernel,
    stride=(),
    dilate=(),
    pad=(),
    adj=(),
    target_shape=(),
    num_filter,
    num_group=1,
    workspace=512,
    no_bias=True,
    cudnn_tune=None,
    cudnn_off=False,
    layout=None,
):
    """Transposed convolution: the output has ``(n - 1) * stride + (kernel - 1) * dilate + 1 - 2 pad + adj`` entries.

    data: (N, C, *spatial); weight: (C, num_filter / num_group, *kernel). target_shape sets pad and adj.
    """
    stride, dilate, pad, adj = _window(
        "Deconvolution", data, kernel, stride=(stride, 1), dilate=(dilate, 1), pad=(pad, 0), adj=(adj, 0)
    )
    if any(extra >= step for extra, step in zip(adj, stride)) and not any(target_shape):
        raise MXNetError(explain("Deconvolution needs adj smaller than the stride", expected=f"< {stride}", given=adj))
    place = _layout(layout, len(kernel), "Deconvolution")
    first = place == "channels_first"
    channels = data.shape[1] if first else data.shape[-1]
    inner = num_filter // num_group
    wanted = (channels, inner, *kernel) if first else (channels, *kernel, inner)
    if weight.shape != wanted:
        _expect("Deconvolution", weight, wanted, "weight")
    if any(target_shape):
        sizes = data.shape[2:] if first else data.shape[1:-1]
        pad, adj = conv.transpose_padding_for_target(sizes, kernel, target=target_shape, stride=stride, dilation=dilate)
    return conv.conv_transpose(
        data,
        weight,
        bias,
        stride=stride,
        padding=pad,
        output_padding=adj,
        dilation=dilate,
        groups=num_group,
        layout=place,
        weight_layout="io_spatial" if first else "i_spatial_o",
    )


register(
    "Deconvolution",
    _deconvolution,
    ("data", "weight", "bias"),
    {
        **{key: CONVOLUTION[key] for key in ("kernel", "stride", "dilate", "pad")},
        "adj": a.sizes(()),
        "target_shape": a.sizes(()),
        "num_filter": a.integer(),
        "num_group": a.integer(1),
        "workspace": a.integer(512),
        "no_bias": a.flag(True),
        **{key: CONVOLUTION[key] for key in ("cudnn_tune", "cudnn_off", "layout")},
    },
    present=_without_bias,
)

# --- pooling ---------------------------------------------------------------------------------------------------------


def _pooling(
    data,
    *,
    kernel=(),
    pool_type="max",
    global_pool=False,
    cudnn_off=False,
    pooling_convention="valid",
    stride=(),
    pad=(),
    p_value=None,
    count_include_pad=None,
    layout=None,
):
    """Pooling over one to three axes: "max", "avg", "sum" or "lp" (with p_value) of each window, or of all.

    pooling_convention: "valid" leaves a last window out that does not fit, "full" cuts it off; "same" (max, one axis)
    gives ``ceil(size / stride)`` entries. count_include_pad: whether padding counts in a mean (None: it does).
    """
    if pool_type == "lp" and p_value is None:
        raise MXNetError(explain("Pooling with pool_type='lp' needs p_value", expected="1, 2 or 3", given="None"))
    place = _layout(layout, data.dim() - 2, "Pooling")
    power = {"power": p_value} if pool_type == "lp" else {}
    if global_pool:
        return pool.global_pool(data, pool_type, layout=place, keepdims=True, tie="first", **power)
    stride, pad = _window("Pooling", data, kernel, stride=(stride, 1), pad=(pad, 0))
    if pooling_convention == "same" and (pool_type != "max" or data.dim() != 3 or any(pad)):
        raise MXNetError(
            explain(
                "Pooling with pooling_convention='same' is for max pooling of one axis without pad",
                expected="data (batch, channel, x), pool_type='max', pad=(0,)",
                given=f"data {tuple(data.shape)}, pool_type={pool_type!r}, pad={pad}",
            )
        )
    if any(margin >= size for margin, size in zip(pad, kernel)):
        raise MXNetError(explain("Pooling needs a pad smaller than the kernel", expected=f"< {kernel}", given=pad))
    return pool.pool(
        data,
        kernel,
        kind=pool_type,
        stride=stride,
        padding="same" if pooling_convention == "same" else pad,
        ceil_mode=pooling_convention == "full",
        count_padding=count_include_pad is not False,
        layout=place,
        **power,
    )


_POOLING = {
    "kernel": a.sizes(()),
    "pool_type": a.choice("avg", "lp", "max", "sum", default="max"),
    "global_pool": a.flag(False),
    "cudnn_off": a.flag(False),
    "pooling_convention": a.choice("full", "same", "valid", default="valid"),
    "stride": a.sizes(()),
    "pad": a.sizes(()),
    "p_value": a.optional_integer(),
    "count_include_pad": a.optional_flag(),
    "layout": a.optional_choice(*_LAYOUTS),
}
register("Pooling", _pooling, attributes=_POOLING)
register(
    "Pooling_v1",
    _pooling,
    attributes={
        "kernel": a.sizes(()),
        "pool_type": a.choice("avg", "max", "sum", default="max"),
        "global_pool": a.flag(False),
        "pooling_convention": a.choice("full", "valid", default="valid"),
        "stride": a.sizes(()),
        "pad": a.sizes(()),
    },
)


def _adaptive_average(data, output_size):
    """Mean over windows that cut the data into output_size equal parts, one number for both axes or two (none: 1)."""
    size = output_size or (1, 1)
    size = size * 2 if len(size) == 1 else size
    return pool.adaptive_pool(data, size, "avg", layout="channels_first")


register("_contrib_AdaptiveAvgPooling2D", _adaptive_average, attributes={"output_size": a.optional_sizes()})

# --- activations -----------------------------------------------------------------------------------------------------

_ACTIVATIONS = {
    "relu": elementwise.relu,
    "sigmoid": elementwise.sigmoid,
    "softrelu": elementwise.softplus,
    "softsign": elementwise.softsign,
    "tanh": elementwise.tanh,
}


def _activation(data, act_type):
    """relu, sigmoid, softrelu (``log(1 + exp x)``), softsign or tanh."""
    return _ACTIVATIONS[act_type](data)


register("Activation", _activation, attributes={"act_type": a.choice(*_ACTIVATIONS)})


def _leaky_relu(data, gamma=None, *, act_type, slope, lower_bound, upper_bound, training):
    """Rectifiers that leak: leaky, elu, selu, gelu, prelu (slope gamma, to a channel) and rrelu (random slope).

    For rrelu the slopes are a second output.
    """
    if act_type == "leaky":
        return elementwise.leaky_relu(data, slope)
    if act_type == "elu":
        return elementwise.elu(data, slope)
    if act_type == "selu":
        return heads.selu_as_1_9(data)
    if act_type == "gelu":
        return elementwise.gelu(data)
    if act_type == "prelu":
        return elementwise.prelu(data, gamma, axis=1 if data.dim() > 1 else 0)
    return heads.rrelu_with_slopes(data, lower_bound, upper_bound, training=training)


register(
    "LeakyReLU",
    _leaky_relu,
    ("data", "gamma"),
    {
        "act_type": a.choice("elu", "gelu", "leaky", "prelu", "rrelu", "selu", default="leaky"),
        "slope": a.real(0.25),
        "lower_bound": a.real(0.125),
        "upper_bound": a.real(0.334),
    },
    present=lambda attributes: ("data", "gamma") if attributes["act_type"] == "prelu" else ("data",),
    modal=True,
    random=True,
)

# --- softmax ---------------------------------------------------------------------------------------------------------


def _checked(data, axis):
    if data.dim() == 0 and axis in (0, -1):
        return axis  # a number alone is its own axis
    if not -data.dim() <= axis < data.dim():
        raise MXNetError(explain("No such axis", expected=f"{-data.dim()} to {data.dim() - 1}", given=f"axis={axis}"))
    return axis


def _softmax(data, length=None, *, axis=-1, temperature=None, dtype=None, use_length=False):
    """``exp(x / temperature)``, normalised to sum 1 along axis; with length the entries from there on are 0."""
    axis = _checked(data, axis)
    if length is not None:
        rest = [size for place, size in enumerate(data.shape) if place != axis % data.dim()]
        if list(length.shape) != rest:
            raise MXNetError(explain("softmax() needs a length to each row", expected=rest, given=tuple(length.shape)))
    return elementwise.softmax(data, axis, temperature=temperature, length=length, dtype=dtype)


def _log_softmax(data, *, axis=-1, temperature=None, dtype=None, use_length=False):
    """The logarithm of `softmax`."""
    return elementwise.log_softmax(data, _checked(data, axis), temperature=temperature, dtype=dtype)


def _softmin(data, *, axis=-1, temperature=None, dtype=None, use_length=False):
    """`softmax` of the negated data."""
    return elementwise.softmin(data, _checked(data, axis), temperature=temperature, dtype=dtype)


_SOFTMAX = {
    "axis": a.integer(-1),
    "temperature": a.optional_real(),
    "dtype": a.optional_dtype(),
    "use_length": a.optional_flag(False),
}
register(
    "softmax",
    _softmax,
    ("data", "length"),
    _SOFTMAX,
    present=lambda attributes: ("data", "length") if attributes["use_length"] else ("data",),
    same_dtype=False,
)
register("log_softmax", _log_softmax, attributes=_SOFTMAX)
register("softmin", _softmin, attributes=_SOFTMAX)


def _softmax_activation(data, mode):
    """Softmax over the last axis ("instance", as MXNet's CPU kernel has it), or the channels (axis 1, "channel")."""
    return elementwise.softmax(data, 1 if mode == "channel" else -1)


register(
    "SoftmaxActivation", _softmax_activation, attributes={"mode": a.choice("channel", "instance", default="instance")}
)
