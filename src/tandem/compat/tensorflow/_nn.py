"""`tf.nn`: activations, convolutions, pooling, losses, normalisation."""

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import _math as math
from tandem.compat.tensorflow.sparse_tensors import SparseTensor, to_dense
from tandem.compat.tensorflow.tensor import convert, convert_pair, ints, public, static, taker
from tandem.core.errors import explain
from tandem.keras import ops, random

NAMES = {
    name: math.NAMES[name]
    for name in [
        "l2_normalize",
        "log_sigmoid",
        "sigmoid",
        "softplus",
        "softsign",
        "tanh",
        "top_k",
        "in_top_k",
        "zero_fraction",
    ]
}
add = taker(NAMES)


# --- activations -----------------------------------------------------------------------------------------------------


def _one(name, function):
    def compute(features=None, **kwargs):
        return function(convert(kwargs.pop("x", features) if kwargs else features))

    compute.__name__, compute.__doc__ = name, f"The activation `{name}`."
    add(compute)


for _name, _function in {"relu": ops.relu, "relu6": ops.relu6, "elu": ops.elu, "selu": ops.selu}.items():
    _one(_name, _function)


@add
def leaky_relu(features, alpha=0.2):
    """x where it is positive, else alpha * x."""
    return ops.leaky_relu(convert(features), negative_slope=static(alpha))


@add
def gelu(features, approximate=False):
    """x times the probability that a normal number is below it."""
    return ops.gelu(convert(features), approximate=approximate)


@add
def silu(features, beta=1.0):
    """``x * sigmoid(beta * x)``."""
    x = convert(features)
    return ops.multiply(x, ops.sigmoid(ops.multiply(x, beta)))


NAMES["swish"] = NAMES["silu"]


@add
def crelu(features, axis=-1):
    """``relu`` of x and of -x, side by side."""
    x = convert(features)
    return ops.relu(ops.concatenate([x, ops.negative(x)], axis=axis))


def _over_axis(name, function):
    def compute(logits, axis=None, dim=None):
        axis = dim if axis is None else axis
        return function(convert(logits), axis=-1 if axis is None else ints(axis)[0])

    compute.__name__, compute.__doc__ = name, f"`{name}` along an axis, the last if not given."
    add(compute)


_over_axis("softmax", ops.softmax)
_over_axis("log_softmax", ops.log_softmax)


@add
def dropout(x, rate=None, noise_shape=None, seed=None, keep_prob=None):
    """``x / (1 - rate)`` or 0, with the probability `rate`."""
    if keep_prob is not None:
        rate = 1.0 - keep_prob
    if rate is None or not 0 <= static(rate) < 1:
        raise ValueError(explain("`rate` of dropout is wrong", expected="a number from 0 to below 1", given=rate))
    shape = None if noise_shape is None else ints(noise_shape)
    return random.dropout(convert(x), static(rate), noise_shape=shape, seed=seed) if static(rate) else convert(x)


# --- convolutions and pooling ----------------------------------------------------------------------------------------

_LAYOUTS = {"NHWC": "channels_last", "NCHW": "channels_first", "NWC": "channels_last", "NCW": "channels_first"}
_LAYOUTS.update(NDHWC="channels_last", NCDHW="channels_first")


def _layout(data_format):
    if data_format is None:
        return "channels_last"
    if data_format not in _LAYOUTS:
        raise ValueError(explain("Unknown data_format", expected=list(_LAYOUTS), given=data_format))
    return _LAYOUTS[data_format]


def _spatial(values, rank, layout, name):
    """Strides or sizes as given (one number, one to each axis of space, or one to each axis) by axis of space."""
    values = ints(1 if values is None else values)
    if len(values) == 1:
        return values * rank
    if len(values) == rank:
        return values
    if len(values) == rank + 2:
        inner = values[1:-1] if layout == "channels_last" else values[2:]
        outer = (values[0], values[-1] if layout == "channels_last" else values[1])
        if outer == (1, 1):
            return inner
    raise ValueError(explain(f"`{name}` is wrong", expected=f"1, {rank} or {rank + 2} numbers", given=values))


def _padded(x, padding, rank, layout):
    """(the input, "same" or "valid"), the input padded where pads are given for each axis."""
    if isinstance(padding, str):
        if padding.upper() not in ("SAME", "VALID"):
            raise ValueError(explain("Unknown padding", expected="SAME, VALID or pairs", given=padding))
        return x, padding.lower()
    return ops.pad(x, tuple(tuple(pair) for pair in static(padding))), "valid"


def _conv(name, rank):
    def compute(
        input,
        filters=None,
        strides=1,
        padding="VALID",
        data_format=None,
        dilations=None,
        filter=None,
        use_cudnn_on_gpu=True,
        stride=None,
    ):
        layout = _layout(data_format)
        x, filters = convert_pair(input, filter if filters is None else filters)
        x, pad = _padded(x, padding, rank, layout)
        return ops.conv(
            x,
            filters,
            strides=_spatial(strides if stride is None else stride, rank, layout, "strides"),
            padding=pad,
            data_format=layout,
            dilation_rate=_spatial(dilations, rank, layout, "dilations"),
        )

    compute.__name__, compute.__doc__ = name, "The convolution with filters (space, channels in, channels out)."
    add(compute)


for _rank in (1, 2, 3):
    _conv(f"conv{_rank}d", _rank)


@add
def convolution(input, filters, strides=None, padding="VALID", data_format=None, dilations=None):
    """The convolution of as many axes of space as the input has."""
    rank = len(convert(input).shape) - 2
    return NAMES[f"conv{rank}d"](input, filters, strides or 1, padding, data_format, dilations)


@add
def depthwise_conv2d(input, filter, strides, padding, data_format=None, dilations=None):
    """Each channel with filters of its own: (height, width, channels, filters to a channel)."""
    layout = _layout(data_format)
    x, filter = convert_pair(input, filter)
    x, pad = _padded(x, padding, 2, layout)
    return ops.depthwise_conv(
        x,
        filter,
        strides=_spatial(strides, 2, layout, "strides"),
        padding=pad,
        data_format=layout,
        dilation_rate=_spatial(dilations, 2, layout, "dilations"),
    )


@add
def separable_conv2d(input, depthwise_filter, pointwise_filter, strides, padding, data_format=None, dilations=None):
    """`depthwise_conv2d`, then a mixture of the channels."""
    between = NAMES["depthwise_conv2d"](input, depthwise_filter, strides, padding, data_format, dilations)
    return NAMES["conv2d"](between, pointwise_filter, 1, "VALID", data_format)


def _conv_transpose(name, rank):
    def compute(input, filters, output_shape, strides, padding="SAME", data_format=None, dilations=None):
        layout = _layout(data_format)
        x, filters = convert_pair(input, filters)
        steps = _spatial(strides, rank, layout, "strides")
        holes = _spatial(dilations, rank, layout, "dilations")
        found = ops.conv_transpose(x, filters, strides=steps, padding="valid", data_format=layout, dilation_rate=holes)
        shape = ints(output_shape)
        if len(shape) == rank:
            shape = (None, *shape, None) if layout == "channels_last" else (None, None, *shape)
        first = 1 if layout == "channels_last" else 2
        sizes = [(size - 1) * hole + 1 for size, hole in zip(tuple(filters.shape), holes)]
        for axis, step, size in zip(range(first, first + rank), steps, sizes):
            found = _cut(found, x, axis, step, size, shape[axis], padding.lower())
        return found

    compute.__name__ = name
    compute.__doc__ = """What a convolution's gradient does: filters are (space, channels out, channels in).

    Raises ValueError where the output has another shape than `output_shape`.
    """
    add(compute)


def _cut(found, x, axis, step, size, wanted, pad):
    """What the convolution of an image of `output_shape` had padded is cut off; what it had not reached is 0."""
    reach = (x.shape[axis] - 1) * step + size
    if -(-(wanted if pad == "same" else wanted - size + 1) // step) != x.shape[axis]:
        raise ValueError(
            explain(
                "`output_shape` does not fit the input",
                expected=f"what gives {x.shape[axis]} places at strides of {step}",
                given=f"{wanted} along axis {axis}",
            )
        )
    before = max(reach - wanted, 0) // 2 if pad == "same" else 0
    rank = len(x.shape)
    key = [slice(None)] * rank
    key[axis] = slice(before, before + wanted)
    found = found[tuple(key)]
    if found.shape[axis] < wanted:
        widths = [(0, 0)] * rank
        widths[axis] = (0, wanted - found.shape[axis])
        found = ops.pad(found, widths)
    return found


for _rank in (1, 2, 3):
    _conv_transpose(f"conv{_rank}d_transpose", _rank)


@add
def conv_transpose(input, filters, output_shape, strides, padding="SAME", data_format=None, dilations=None):
    """The transposed convolution of as many axes of space as the input has."""
    rank = len(convert(input).shape) - 2
    return NAMES[f"conv{rank}d_transpose"](input, filters, output_shape, strides, padding, data_format, dilations)


def _pool(name, rank, function):
    def compute(input=None, ksize=2, strides=None, padding="VALID", data_format=None, value=None):
        layout = _layout(data_format)
        x = convert(value if input is None else input)
        x, pad = _padded(x, padding, rank, layout) if isinstance(padding, str) else _pool_padded(x, padding, name)
        return function(
            x,
            _spatial(ksize, rank, layout, "ksize"),
            _spatial(ksize if strides is None else strides, rank, layout, "strides"),
            pad,
            data_format=layout,
        )

    compute.__name__, compute.__doc__ = name, "Pooling of windows of `ksize`, `strides` apart."
    add(compute)


def _pool_padded(x, padding, name):
    if not name.startswith("max"):
        raise NotImplementedError(f"tf.nn.{name} takes the paddings SAME and VALID. Received: padding={padding}")
    return ops.pad(x, tuple(tuple(pair) for pair in static(padding)), constant_values=float("-inf")), "valid"


for _rank in (1, 2, 3):
    _pool(f"max_pool{_rank}d", _rank, ops.max_pool)
    _pool(f"avg_pool{_rank}d", _rank, ops.average_pool)
NAMES["max_pool"], NAMES["avg_pool"] = NAMES["max_pool2d"], NAMES["avg_pool2d"]


@add
def bias_add(value, bias, data_format=None):
    """The bias of each channel added."""
    value, bias = convert_pair(value, bias)
    if data_format is not None and data_format.startswith("NC"):
        bias = ops.reshape(bias, (-1, *[1] * (len(value.shape) - 2)))
    return ops.add(value, bias)


def _blocks(name, function):
    def compute(input, block_size, data_format="NHWC"):
        return function(convert(input), block_size, data_format=_layout(data_format))

    compute.__name__, compute.__doc__ = name, "Blocks of places as channels, or the other way round."
    add(compute)


_blocks("depth_to_space", ops.depth_to_space)
_blocks("space_to_depth", ops.space_to_depth)


# --- losses ----------------------------------------------------------------------------------------------------------


@add
def sigmoid_cross_entropy_with_logits(labels=None, logits=None):
    """``max(z, 0) - z * y + log(1 + exp(-|z|))`` of each element."""
    logits, labels = convert_pair(logits, labels)
    rest = ops.log1p(ops.exp(ops.negative(ops.absolute(logits))))
    return ops.add(ops.subtract(ops.relu(logits), ops.multiply(logits, labels)), rest)


@add
def weighted_cross_entropy_with_logits(labels, logits, pos_weight):
    """`sigmoid_cross_entropy_with_logits` with the term of positive labels times `pos_weight`."""
    logits, labels = convert_pair(logits, labels)
    weight = ops.add(1, ops.multiply(ops.subtract(pos_weight, 1), labels))
    rest = ops.add(ops.log1p(ops.exp(ops.negative(ops.absolute(logits)))), ops.relu(ops.negative(logits)))
    return ops.add(ops.multiply(ops.subtract(1, labels), logits), ops.multiply(weight, rest))


@add
def softmax_cross_entropy_with_logits(labels, logits, axis=-1, dim=None):
    """``-sum(labels * log_softmax(logits))`` along an axis."""
    logits, labels = convert_pair(logits, labels)
    axis = axis if dim is None else dim
    labels = ops.cast(labels, dtypes.as_dtype(logits.dtype).name)
    return ops.negative(ops.sum(ops.multiply(labels, ops.log_softmax(logits, axis=axis)), axis=axis))


NAMES["softmax_cross_entropy_with_logits_v2"] = NAMES["softmax_cross_entropy_with_logits"]


@add
def sparse_softmax_cross_entropy_with_logits(labels, logits):
    """``-log_softmax(logits)`` at the class number."""
    labels = convert(labels)
    return ops.sparse_categorical_crossentropy(labels, convert(logits), from_logits=True)


@add
def l2_loss(t):
    """Half of the sum of squares."""
    return ops.divide(ops.sum(ops.square(convert(t))), 2)


@add
def log_poisson_loss(targets, log_input, compute_full_loss=False):
    """``exp(log_input) - targets * log_input``. Raises NotImplementedError for the full loss."""
    if compute_full_loss:
        raise NotImplementedError("tf.nn.log_poisson_loss(compute_full_loss=True) is not there.")
    log_input, targets = convert_pair(log_input, targets)
    return ops.subtract(ops.exp(log_input), ops.multiply(targets, log_input))


@add
def ctc_loss(
    labels,
    logits,
    label_length,
    logit_length,
    logits_time_major=True,
    unique=None,
    blank_index=None,
):
    """The CTC loss of each sample. labels: sparse, or rows with their lengths; logits: (time, samples, classes), or
    samples first."""
    if isinstance(labels, SparseTensor):
        label_length = np.bincount(labels.places[:, 0], minlength=labels.sizes[0]).astype("int32")
        labels = to_dense(labels)
    logits = convert(logits)
    if logits_time_major:
        logits = ops.transpose(logits, (1, 0, 2))
    blank = 0 if blank_index is None else blank_index
    blank = blank + logits.shape[-1] if blank < 0 else blank
    return ops.ctc_loss(convert(labels), logits, convert(label_length), convert(logit_length), mask_index=blank)


# --- normalisation and the rest --------------------------------------------------------------------------------------


@add
def moments(x, axes, shift=None, keepdims=False, keep_dims=None):
    """(mean, variance) along some axes."""
    return ops.moments(convert(x), ints(axes), keepdims=bool(keep_dims if keep_dims is not None else keepdims))


@add
def batch_normalization(x, mean, variance, offset, scale, variance_epsilon):
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset``, broadcast."""
    x = convert(x)
    factor = ops.rsqrt(ops.add(convert(variance), variance_epsilon))
    factor = factor if scale is None else ops.multiply(factor, convert(scale))
    found = ops.multiply(ops.subtract(x, convert(mean)), factor)
    return found if offset is None else ops.add(found, convert(offset))


@add
def local_response_normalization(input, depth_radius=5, bias=1.0, alpha=1.0, beta=0.5):
    """``x / (bias + alpha * sum of squares of near channels) ** beta``."""
    x = convert(input)
    width, channels = depth_radius, x.shape[-1]
    squares = ops.pad(ops.square(x), ((0, 0),) * (len(x.shape) - 1) + ((width, width),))
    total = squares[..., 0:channels]
    for shift in range(1, 2 * width + 1):
        total = ops.add(total, squares[..., shift : shift + channels])
    return ops.divide(x, ops.power(ops.add(ops.multiply(total, alpha), bias), beta))


NAMES["lrn"] = NAMES["local_response_normalization"]


@add
def embedding_lookup(params, ids, partition_strategy=None, max_norm=None):
    """The rows of `params` at the numbers `ids`."""
    if isinstance(params, (list, tuple)):
        if len(params) != 1:
            raise NotImplementedError("tf.nn.embedding_lookup takes one table, not several parts of one.")
        params = params[0]
    if max_norm is not None:
        raise NotImplementedError("tf.nn.embedding_lookup: `max_norm` is not there.")
    return ops.take(convert(params), convert(ids), axis=0)


@add
def normalize_moments(counts, mean_ss, variance_ss, shift):
    """(mean, variance) of sums."""
    mean = ops.divide(convert(mean_ss), counts)
    variance = ops.subtract(ops.divide(convert(variance_ss), counts), ops.square(mean))
    return (mean if shift is None else ops.add(mean, shift)), variance


@add
def scale_regularization_loss(regularization_loss):
    """The loss divided by the number of replicas, which is 1."""
    return convert(regularization_loss)


@add
def compute_average_loss(per_example_loss, sample_weight=None, global_batch_size=None):
    """The sum of the losses divided by the size of the whole batch."""
    loss = convert(per_example_loss)
    if sample_weight is not None:
        loss = ops.multiply(loss, convert(sample_weight))
    count = int(np.prod(tuple(loss.shape)[:1])) if global_batch_size is None else static(global_batch_size)
    return ops.divide(ops.sum(loss), count)


NAMES["pool"] = public(
    lambda input, window_shape, pooling_type, strides=None, padding="VALID", data_format=None: NAMES[
        f"{pooling_type.lower()}_pool{len(ints(window_shape))}d"
    ](input, window_shape, strides, padding, data_format)
)
