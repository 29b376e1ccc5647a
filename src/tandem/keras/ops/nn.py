"""Neural networks: activations, pooling, convolution, normalisation, crossentropies, attention."""

from tandem.core.errors import Unsupported, explain
from tandem.keras import activations, config
from tandem.keras.ops.family import Family, axes, result_type, spec, storage_dtype, tensor, to_float
from tandem.ops import attention, columns, ctc_decoding, elementwise, indexing, losses, nn_rules, norm, pool
from tandem.ops import conv as convolutions

NAMES = Family("keras.src.ops.nn")

# Those that `keras.activations` has with the same parameters.
for _name in [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh_shrink",
    "threshold",
]:
    NAMES[_name] = getattr(activations, _name)


@NAMES.op("Relu")
def relu(x):
    """``max(x, 0)``."""
    return elementwise.relu(tensor(x))


@NAMES.op("Gelu")
def gelu(x, approximate=True):
    """``x P(X <= x)`` with X normal, or its approximation by tanh."""
    return elementwise.gelu(tensor(x), approximate)


def _softmax(function):
    def compute(x, axis=-1):
        x = tensor(x)
        if axis is None:
            return function(x.reshape(-1), -1).reshape(x.shape)
        return activations._over_axes(function, x, axes(axis))

    return compute


NAMES.add(
    "softmax", _softmax(elementwise.softmax), "Softmax"
).__doc__ = "``exp(x) / sum(exp(x))`` over an axis, several, or all (None)."
NAMES.add(
    "log_softmax", _softmax(elementwise.log_softmax), "LogSoftmax"
).__doc__ = "``x - log(sum(exp(x)))`` over an axis, several, or all (None)."


def _layout(data_format):
    return config.standardize_data_format(data_format)


def _pooling(kind):
    def compute(inputs, pool_size, strides=None, padding="valid", data_format=None):
        inputs = tensor(inputs)
        _check_rank(inputs)
        _check_padding(padding)
        return pool.pool(
            inputs, pool_size, kind=kind, stride=strides, padding=padding.lower(), layout=_layout(data_format)
        )

    return compute


def _check_rank(inputs):
    if inputs.dim() not in (3, 4, 5):
        raise ValueError(
            "Inputs must have ndim=3, 4 or 5, corresponding to 1D, 2D and 3D inputs. "
            f"Received input shape: {tuple(inputs.shape)}."
        )


def _check_padding(padding):
    if not isinstance(padding, str) or padding.lower() not in ("valid", "same"):
        raise ValueError(explain("Unknown padding", expected='"valid" or "same"', given=f"padding={padding!r}"))


NAMES.add("max_pool", _pooling("max"), "MaxPool").__doc__ = "The largest entry of each window of the spatial axes."
NAMES.add(
    "average_pool", _pooling("avg"), "AveragePool"
).__doc__ = "The mean of each window of the spatial axes, without what the padding adds."


def _adaptive(kind):
    def compute(inputs, output_size, data_format=None):
        inputs = tensor(inputs)
        _check_rank(inputs)
        return pool.adaptive_pool(inputs, output_size, kind, layout=_layout(data_format))

    return compute


NAMES.add(
    "adaptive_max_pool", _adaptive("max"), "AdaptiveMaxPool"
).__doc__ = "The largest entries of as many windows as the output has places."
NAMES.add(
    "adaptive_average_pool", _adaptive("avg"), "AdaptiveAveragePool"
).__doc__ = "The means of as many windows as the output has places."


def _operands(*xs):
    xs = [tensor(x) for x in xs]
    dtype = result_type(*xs)
    return [x.to(dtype) for x in xs]


@NAMES.op("Conv", 2)
def convolution(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """Convolution over one to three axes; kernel: (*window, channels / groups, filters)."""
    inputs, kernel = _operands(inputs, kernel)
    layout = _layout(data_format)
    channels = inputs.shape[-1] if layout == "channels_last" else inputs.shape[1]
    if channels % kernel.shape[-2]:
        raise ValueError(
            f"The number of input channels must be evenly divisible by kernel's in_channels. Received input "
            f"channels {channels} and kernel in_channels {kernel.shape[-2]}. "
        )
    groups = channels // kernel.shape[-2]
    return convolutions.conv(
        inputs, kernel, stride=strides, padding=padding, dilation=dilation_rate, groups=groups, layout=layout
    )


@NAMES.op("DepthwiseConv", 2)
def depthwise_conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """Convolution of each channel by itself; kernel: (*window, channels, multiplier)."""
    inputs, kernel = _operands(inputs, kernel)
    return convolutions.depthwise_conv(
        inputs, kernel, stride=strides, padding=padding, dilation=dilation_rate, layout=_layout(data_format)
    )


@NAMES.op("SeparableConv", 3)
def separable_conv(
    inputs, depthwise_kernel, pointwise_kernel, strides=1, padding="valid", data_format=None, dilation_rate=1
):
    """A depthwise convolution and one with a window of size 1 that mixes the channels."""
    inputs, depthwise_kernel, pointwise_kernel = _operands(inputs, depthwise_kernel, pointwise_kernel)
    return convolutions.separable_conv(
        inputs,
        depthwise_kernel,
        pointwise_kernel,
        stride=strides,
        padding=padding,
        dilation=dilation_rate,
        layout=_layout(data_format),
    )


@NAMES.op("ConvTranspose", 2)
def conv_transpose(inputs, kernel, strides=1, padding="valid", output_padding=None, data_format=None, dilation_rate=1):
    """Transposed convolution; kernel: (*window, filters, channels)."""
    inputs, kernel = _operands(inputs, kernel)
    return convolutions.conv_transpose(
        inputs,
        kernel,
        stride=strides,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation_rate,
        layout=_layout(data_format),
    )


NAMES["conv"] = NAMES.pop("convolution")
NAMES["conv"].__name__ = NAMES["conv"].__qualname__ = "conv"


def _dense(sparse):
    if sparse:
        raise ValueError("Unsupported value `sparse=True` with torch backend")


@NAMES.op("OneHot")
def one_hot(x, num_classes, axis=-1, dtype=None, sparse=False):
    """1 at the index, else 0, along a new axis; an index below 0 or from `num_classes` on gives zeros only."""
    _dense(sparse)
    return nn_rules.one_hot(tensor(x), num_classes, axis, storage_dtype(dtype))


@NAMES.op("MultiHot")
def multi_hot(inputs, num_classes=None, axis=-1, dtype=None, sparse=False, **kwargs):
    """1 at every index of a sample, else 0, in place of the last axis."""
    if num_classes is None:
        num_classes = kwargs.pop("num_tokens", None)
    if num_classes is None or kwargs:
        raise ValueError(
            explain("Argument `num_classes` must be specified", given=", ".join(kwargs) or f"num_classes={num_classes}")
        )
    _dense(sparse)
    return indexing.multi_hot(tensor(inputs), num_classes, axis=axis, dtype=storage_dtype(dtype))


@NAMES.op("Moments")
def moments(x, axes, keepdims=False, synchronized=False):
    """(mean, biased variance) over axes; float16 is computed in float32."""
    if synchronized:
        raise Unsupported("Argument synchronized=True is not supported with PyTorch.")
    return nn_rules.moments(tensor(x), tuple(axes) if isinstance(axes, (list, tuple)) else (axes,), keepdims)


@NAMES.op("BatchNorm", ("x", "mean", "variance", "offset", "scale"))
def batch_normalization(x, mean, variance, axis, offset=None, scale=None, epsilon=1e-3):
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset`` along an axis."""
    x, mean, variance = tensor(x), tensor(mean), tensor(variance)
    offset, scale = (None if one is None else tensor(one) for one in (offset, scale))
    return nn_rules.batch_normalization(x, mean, variance, axis, offset, scale, epsilon)


@NAMES.op("LayerNorm", ("x", "gamma", "beta"))
def layer_normalization(x, gamma=None, beta=None, axis=-1, epsilon=None, rms_scaling=False):
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta`` over axes of each sample.

    rms_scaling: ``x / sqrt(variance + epsilon) * gamma``.
    """
    x = tensor(x)
    gamma, beta = (None if one is None else tensor(one) for one in (gamma, beta))
    epsilon = config.epsilon() if epsilon is None else epsilon
    if rms_scaling:
        return nn_rules.variance_scaled(to_float(x), gamma, axes(axis), epsilon).to(x.dtype)
    return norm.layer_norm(to_float(x), gamma, beta, axes=axes(axis), epsilon=epsilon).to(x.dtype)


@NAMES.op("RMSNorm", 2)
def rms_normalization(x, scale=None, axis=-1, epsilon=None):
    """``x / sqrt(mean(x^2) + epsilon) * scale`` over axes of each sample."""
    x = tensor(x)
    epsilon = config.epsilon() if epsilon is None else epsilon
    scale = None if scale is None else tensor(scale)
    return norm.rms_norm(to_float(x), scale, axes=axes(axis), epsilon=epsilon).to(x.dtype)


@NAMES.op("Normalize")
def normalize(x, axis=-1, order=2, epsilon=None):
    """``x / max(norm, epsilon)`` with the `order`-norm over an axis."""
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"Argument `order` must be an int >= 1. Received: order={order}")
    return norm.normalize(
        to_float(tensor(x)), axes(axis), order=order, epsilon=config.epsilon() if epsilon is None else epsilon
    )


def _target_and_output(target, output):
    target, output = tensor(target), tensor(output)
    if target.shape != output.shape:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape. "
            f"Received: target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    return target.to(output.dtype), output


@NAMES.op("BinaryCrossentropy", 2)
def binary_crossentropy(target, output, from_logits=False):
    """``-t log(y) - (1 - t) log(1 - y)`` of probabilities or logits, element by element."""
    target, output = _target_and_output(target, output)
    return losses.binary_crossentropy(target, output, from_logits=from_logits, axis=())


@NAMES.op("CategoricalCrossentropy", 2)
def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """``-sum(t log(y))`` over the axis of the classes; probabilities are divided by their sum."""
    target, output = _target_and_output(target, output)
    if output.dim() < 1:
        raise ValueError(f"Arguments `target` and `output` must be at least rank 1. Received: {tuple(output.shape)}")
    return losses.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


@NAMES.op("SparseCategoricalCrossentropy", 2)
def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """``-log(y[t])`` with the numbers of the classes for targets."""
    target, output = tensor(target), tensor(output)
    if output.dim() < 1:
        raise ValueError(f"Argument `output` must be at least rank 1. Received: output.shape={tuple(output.shape)}")
    if target.dim() == output.dim() and target.shape[-1] == 1:
        target = target.squeeze(-1)
    rest = [size for place, size in enumerate(output.shape) if place != axis % output.dim()]
    if list(target.shape) != rest:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape up until the last dimension: "
            f"target.shape={tuple(target.shape)}, output.shape={tuple(output.shape)}"
        )
    return losses.sparse_categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def _ctc_spec(target, output, target_length, output_length, mask_index=0):
    return spec((output.shape[0],), output.dtype)


@NAMES.op("CTCLoss", 4, spec=_ctc_spec)
def ctc_loss(target, output, target_length, output_length, mask_index=0):
    """Connectionist temporal classification of logits (batch, time, classes): one loss to a sample."""
    target, output = tensor(target), tensor(output)
    if target.dim() != 2:
        raise ValueError(f"The rank of `target` must be 2. Received: target.shape={tuple(target.shape)}")
    if output.dim() != 3:
        raise ValueError(f"The rank of `output` must be 3. Received: output.shape={tuple(output.shape)}")
    return losses.ctc(
        target,
        output,
        target_length=tensor(target_length),
        output_length=tensor(output_length),
        blank=mask_index,
    )


def _decode_spec(
    inputs, sequence_lengths, strategy="greedy", beam_width=100, top_paths=1, merge_repeated=True, mask_index=0
):
    paths = top_paths if strategy == "beam_search" else 1
    return spec((paths, *inputs.shape[:2]), "int32"), spec((inputs.shape[0], paths), inputs.dtype)


@NAMES.op("CTCDecode", 2, spec=_decode_spec)
def ctc_decode(
    inputs, sequence_lengths, strategy="greedy", beam_width=100, top_paths=1, merge_repeated=True, mask_index=0
):
    """(the likeliest labels (paths, batch, time), -1 behind their end; their scores (batch, paths))."""
    inputs, lengths = to_float(tensor(inputs)), tensor(sequence_lengths)
    if strategy == "greedy":
        return ctc_decoding.greedy(inputs, lengths, merge_repeated=merge_repeated, blank=mask_index)
    if strategy == "beam_search":
        return ctc_decoding.beam_search(inputs, lengths, beams=beam_width, paths=top_paths, blank=mask_index)
    raise ValueError(f"Invalid strategy {strategy}. Supported values are 'greedy' and 'beam_search'.")


@NAMES.op("DotProductAttention", ("query", "key", "value", "bias", "mask", "scale"))
def dot_product_attention(
    query,
    key,
    value,
    bias=None,
    mask=None,
    scale=None,
    is_causal=False,
    flash_attention=None,
    attn_logits_soft_cap=None,
):
    """``softmax(q k^T scale + bias) v`` of (batch, time, heads, size); fewer heads of keys are shared."""
    query, key, value = _operands(query, key, value)
    if query.dim() != 4 or key.dim() != 4 or value.dim() != 4:
        raise ValueError(
            "`dot_product_attention` only supports 4D inputs. Received: "
            f"query.shape={tuple(query.shape)}, key.shape={tuple(key.shape)}, value.shape={tuple(value.shape)}."
        )
    if query.shape[2] % key.shape[2]:
        raise ValueError(
            explain("The heads do not fit", expected=f"a multiple of {key.shape[2]} heads", given=query.shape[2])
        )
    if flash_attention and (bias is not None or attn_logits_soft_cap is not None):
        raise RuntimeError("Flash attention cannot be used with a bias or a soft cap.")
    bias, mask = (None if one is None else tensor(one) for one in (bias, mask))
    options = {"bias": bias, "mask": mask, "scale": scale, "causal": is_causal}
    if attn_logits_soft_cap is not None:
        return nn_rules.capped_attention(query, key, value, cap=attn_logits_soft_cap, **options)
    return attention.dot_product_attention(query, key, value, **options)


@NAMES.op("PSNR", 2)
def psnr(x1, x2, max_val):
    """The ratio of the highest possible signal to the noise, in decibels: ``20 log10(max) - 10 log10(error)``."""
    x1, x2 = _operands(x1, x2)
    if x1.shape != x2.shape:
        raise ValueError(f"Input shapes {tuple(x1.shape)} and {tuple(x2.shape)} must match for PSNR calculation. ")
    return nn_rules.signal_to_noise(x1, x2, max_val)


@NAMES.op("Polar", 2, spec=lambda abs_, angle: spec(abs_.shape, "complex64"))
def polar(abs_, angle):
    """Complex numbers from absolute values and angles."""
    return nn_rules.polar(*(to_float(one) for one in _operands(abs_, angle)))


@NAMES.op("Unfold")
def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    """Windows of images (N, C, H, W) as columns: (N, C * window, places)."""
    return columns.from_image(tensor(x), kernel_size, stride=stride, dilation=dilation, padding=padding)


@NAMES.op("Fold")
def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The sum of overlapping windows: the transpose of `unfold`."""
    return columns.to_image(tensor(x), output_size, kernel_size, stride=stride, dilation=dilation, padding=padding)


@NAMES.op("DepthToSpace")
def depth_to_space(x, block_size, data_format="channels_last"):
    """Channels as blocks of pixels."""
    return nn_rules.depth_to_space(tensor(x), block_size, layout=_layout(data_format))


@NAMES.op("SpaceToDepth")
def space_to_depth(x, block_size, data_format="channels_last"):
    """Blocks of pixels as channels."""
    return nn_rules.space_to_depth(tensor(x), block_size, layout=_layout(data_format))


globals().update(NAMES)


def __dir__():
    return sorted(NAMES)
