"""Keras 2's backend functions of neural networks: convolutions, pooling, normalization, losses, CTC, random numbers."""

from tandem.core import devices, dtypes
from tandem.core.errors import explain
from tandem.keras import config, losses, ops, tensors
from tandem.keras import random as keras_random
from tandem.keras.config import standardize_data_format as normalize_data_format
from tandem.keras.legacy.k_nodes import apply
from tandem.keras.legacy.keywords import with_old_names
from tandem.ops import losses as loss_rules
from tandem.ops import random

_op = ops.NAMES


# --- convolutions ----------------------------------------------------------------------------------------------------
def _conv(x, kernel, strides, padding, data_format, dilation_rate):
    return _op["conv"](
        x,
        kernel,
        strides=strides,
        padding=padding,
        data_format=normalize_data_format(data_format),
        dilation_rate=dilation_rate,
    )


@with_old_names
def conv1d(x, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """The convolution of sequences with a kernel (size, in, out); padding "causal" looks back only."""
    data_format = normalize_data_format(data_format)
    if padding == "causal":
        step = dilation_rate[0] if isinstance(dilation_rate, (list, tuple)) else dilation_rate
        left = step * (kernel.shape[0] - 1)
        width = ((0, 0), (left, 0), (0, 0)) if data_format == "channels_last" else ((0, 0), (0, 0), (left, 0))
        x, padding = _op["pad"](x, width), "valid"
    return _conv(x, kernel, strides, padding, data_format, dilation_rate)


@with_old_names
def conv2d(x, kernel, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1)):
    """The convolution of images with a kernel (rows, columns, in, out)."""
    return _conv(x, kernel, strides, padding, data_format, dilation_rate)


@with_old_names
def conv3d(x, kernel, strides=(1, 1, 1), padding="valid", data_format=None, dilation_rate=(1, 1, 1)):
    """The convolution of volumes with a kernel (three sizes, in, out)."""
    return _conv(x, kernel, strides, padding, data_format, dilation_rate)


def _conv_transpose(x, kernel, output_shape, strides, padding, data_format, dilation_rate):
    data_format = normalize_data_format(data_format)
    rank = len(kernel.shape) - 2
    strides = (strides,) * rank if isinstance(strides, int) else tuple(strides)
    dilation = (dilation_rate,) * rank if isinstance(dilation_rate, int) else tuple(dilation_rate)
    wanted, given = tuple(output_shape), tuple(x.shape)
    wanted = wanted[1 : 1 + rank] if data_format == "channels_last" else wanted[2:]
    given = given[1 : 1 + rank] if data_format == "channels_last" else given[2:]
    extra = None
    if all(isinstance(size, int) for size in (*wanted, *given)):
        extra = []
        for size, old, kernel_size, stride, step in zip(wanted, given, tuple(kernel.shape), strides, dilation):
            span = (kernel_size - 1) * step + 1
            around = 2 * (span // 2) if padding == "same" else 0
            extra.append(size - ((old - 1) * stride + span - around))
        extra = tuple(extra)
    return _op["conv_transpose"](
        x,
        kernel,
        strides=strides,
        padding=padding,
        output_padding=extra,
        data_format=data_format,
        dilation_rate=dilation,
    )


@with_old_names
def conv2d_transpose(x, kernel, output_shape, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1)):
    """The transposed convolution of images, with a kernel (rows, columns, out, in), to images of `output_shape`."""
    return _conv_transpose(x, kernel, output_shape, strides, padding, data_format, dilation_rate)


@with_old_names
def conv3d_transpose(x, kernel, output_shape, strides=(1, 1, 1), padding="valid", data_format=None):
    """The transposed convolution of volumes, with a kernel (three sizes, out, in), to volumes of `output_shape`."""
    return _conv_transpose(x, kernel, output_shape, strides, padding, data_format, 1)


@with_old_names
def depthwise_conv2d(x, depthwise_kernel, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1)):
    """The convolution of each channel with kernels of its own (rows, columns, channels, multiplier)."""
    return _op["depthwise_conv"](
        x,
        depthwise_kernel,
        strides=strides,
        padding=padding,
        data_format=normalize_data_format(data_format),
        dilation_rate=dilation_rate,
    )


def _separable(x, depthwise_kernel, pointwise_kernel, strides, padding, data_format, dilation_rate):
    return _op["separable_conv"](
        x,
        depthwise_kernel,
        pointwise_kernel,
        strides=strides,
        padding=padding,
        data_format=normalize_data_format(data_format),
        dilation_rate=dilation_rate,
    )


@with_old_names
def separable_conv1d(
    x, depthwise_kernel, pointwise_kernel, strides=1, padding="valid", data_format=None, dilation_rate=1
):
    """A depthwise convolution of sequences and one over the channels."""
    return _separable(x, depthwise_kernel, pointwise_kernel, strides, padding, data_format, dilation_rate)


@with_old_names
def separable_conv2d(
    x, depthwise_kernel, pointwise_kernel, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1)
):
    """A depthwise convolution of images and one over the channels."""
    return _separable(x, depthwise_kernel, pointwise_kernel, strides, padding, data_format, dilation_rate)


def _pool(x, pool_size, strides, padding, data_format, pool_mode):
    if pool_mode not in ("max", "avg"):
        raise ValueError(explain("Invalid pooling mode", expected='"max" or "avg"', given=repr(pool_mode)))
    function = _op["max_pool" if pool_mode == "max" else "average_pool"]
    return function(x, pool_size, strides=strides, padding=padding, data_format=normalize_data_format(data_format))


@with_old_names
def pool2d(x, pool_size, strides=(1, 1), padding="valid", data_format=None, pool_mode="max"):
    """The greatest value ("max") or the mean ("avg") of each window of images."""
    return _pool(x, pool_size, strides, padding, data_format, pool_mode)


@with_old_names
def pool3d(x, pool_size, strides=(1, 1, 1), padding="valid", data_format=None, pool_mode="max"):
    """The greatest value ("max") or the mean ("avg") of each window of volumes."""
    return _pool(x, pool_size, strides, padding, data_format, pool_mode)


def bias_add(x, bias, data_format=None):
    """x and a bias: one to a channel (a vector), or of the shape of a sample."""
    data_format = normalize_data_format(data_format)
    rank, shape = len(x.shape), tuple(bias.shape)
    if len(shape) not in (1, rank - 1):
        raise ValueError(
            explain(
                "The bias does not fit",
                expected=f"a vector, or {rank - 1} axes",
                given=f"shapes {tuple(x.shape)} and {shape}",
            )
        )
    if len(shape) == 1:
        wanted = (1,) * (rank - 2)
        wanted = (1, *wanted, shape[0]) if data_format == "channels_last" or rank == 2 else (1, shape[0], *wanted)
    elif data_format == "channels_last":
        wanted = (1, *shape)
    else:
        wanted = (1, shape[-1], *shape[:-1])
    return _op["add"](x, _op["reshape"](bias, wanted))


def temporal_padding(x, padding=(1, 1)):
    """Sequences with zeros before and after their steps."""
    return _op["pad"](x, ((0, 0), tuple(padding), (0, 0)))


def _spatial_padding(x, padding, data_format):
    inside = tuple(map(tuple, padding))
    last = normalize_data_format(data_format) == "channels_last"
    return _op["pad"](x, ((0, 0), *inside, (0, 0)) if last else ((0, 0), (0, 0), *inside))


@with_old_names
def spatial_2d_padding(x, padding=((1, 1), (1, 1)), data_format=None):
    """Images with rows and columns of zeros around them."""
    return _spatial_padding(x, padding, data_format)


@with_old_names
def spatial_3d_padding(x, padding=((1, 1), (1, 1), (1, 1)), data_format=None):
    """Volumes with zeros around them."""
    return _spatial_padding(x, padding, data_format)


def _resize(x, factors, data_format, interpolation):
    from tandem.keras import layers

    kind = layers.UpSampling2D if len(factors) == 2 else layers.UpSampling3D
    options = {"interpolation": interpolation} if len(factors) == 2 else {}
    layer = kind(size=factors, data_format=normalize_data_format(data_format), **options)
    return layer(x)


@with_old_names
def resize_images(x, height_factor, width_factor, data_format, interpolation="nearest"):
    """Images so many times as high and wide."""
    return _resize(x, (height_factor, width_factor), data_format, interpolation)


@with_old_names
def resize_volumes(x, depth_factor, height_factor, width_factor, data_format):
    """Volumes so many times as deep, high and wide, by repeating."""
    return _resize(x, (depth_factor, height_factor, width_factor), data_format, None)


# --- normalization ---------------------------------------------------------------------------------------------------
def batch_normalization(x, mean, var, beta, gamma, axis=-1, epsilon=1e-3):
    """``gamma (x - mean) / sqrt(var + epsilon) + beta``."""
    flat = [None if one is None else _op["reshape"](one, (-1,)) for one in (mean, var, beta, gamma)]
    return _op["batch_normalization"](x, flat[0], flat[1], axis, offset=flat[2], scale=flat[3], epsilon=epsilon)


def normalize_batch_in_training(x, gamma, beta, reduction_axes, epsilon=1e-3):
    """(x normalised over some axes, the mean, the variance)."""
    axes = tuple(reduction_axes)
    kept = [axis for axis in range(len(x.shape)) if axis not in axes]
    mean, variance = _op["moments"](x, axes, keepdims=True)
    y = _op["multiply"](_op["subtract"](x, mean), _op["rsqrt"](_op["add"](variance, epsilon)))
    wide = tuple(x.shape[axis] if axis in kept else 1 for axis in range(len(x.shape)))
    if gamma is not None:
        y = _op["multiply"](y, _op["reshape"](gamma, wide))
    if beta is not None:
        y = _op["add"](y, _op["reshape"](beta, wide))
    variance = _op["squeeze"](variance, axis=axes)
    if sorted(axes) in ([0, 1, 2], [0, 2, 3]) and len(x.shape) == 4:
        # TensorFlow's kernel for images gives the variance divided by one less than the count.
        count = _op["prod"]([x.shape[axis] for axis in axes]) if None not in tuple(x.shape) else None
        if count is not None:
            variance = _op["multiply"](variance, _op["divide"](count, count - 1))
    return y, _op["squeeze"](mean, axis=axes), variance


# --- losses ----------------------------------------------------------------------------------------------------------
def binary_crossentropy(target, output, from_logits=False):
    """The binary crossentropy of each value."""
    return _op["binary_crossentropy"](target, output, from_logits=from_logits)


def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """The crossentropy of each row with one-hot targets."""
    return _op["categorical_crossentropy"](target, output, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1, ignore_class=None):
    """The crossentropy of each row with class numbers as targets. ignore_class: a number whose rows give 0."""
    if ignore_class is None:
        return _op["sparse_categorical_crossentropy"](target, output, from_logits=from_logits, axis=axis)
    return apply(
        lambda target, output: losses.sparse_categorical_crossentropy(
            target, output, from_logits=from_logits, ignore_class=ignore_class, axis=axis
        ),
        target,
        output,
    )


def binary_focal_crossentropy(target, output, apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False):
    """The focal binary crossentropy of each value."""

    def values(target, output):
        return loss_rules.binary_focal_crossentropy(
            tensors.convert(target),
            tensors.convert(output),
            balanced=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            axis=(),
        )

    return apply(values, target, output)


def categorical_focal_crossentropy(target, output, alpha=0.25, gamma=2.0, from_logits=False, axis=-1):
    """The focal crossentropy of each row with one-hot targets."""
    return apply(
        lambda target, output: losses.categorical_focal_crossentropy(
            target, output, alpha=alpha, gamma=gamma, from_logits=from_logits, axis=axis
        ),
        target,
        output,
    )


# --- CTC -------------------------------------------------------------------------------------------------------------
def ctc_batch_cost(y_true, y_pred, input_length, label_length):
    """The CTC loss of each sample, (batch, 1). The last class is the blank.

    y_true: (batch, labels); y_pred: probabilities (batch, steps, classes); the lengths: (batch, 1).
    """
    logits = _op["log"](_op["add"](y_pred, config.epsilon()))
    lengths = [_op["cast"](_op["reshape"](one, (-1,)), "int32") for one in (label_length, input_length)]
    loss = _op["ctc_loss"](
        _op["cast"](y_true, "int32"), logits, lengths[0], lengths[1], mask_index=tuple(y_pred.shape)[-1] - 1
    )
    return _op["expand_dims"](loss, 1)


def ctc_decode(y_pred, input_length, greedy=True, beam_width=100, top_paths=1):
    """(a list of the likeliest labels, each (batch, steps) with -1 behind the end; their log probabilities).

    y_pred: probabilities (batch, steps, classes), of which the last is the blank; input_length: (batch,).
    """
    logits = _op["log"](_op["add"](y_pred, config.epsilon()))
    labels, scores = _op["ctc_decode"](
        logits,
        _op["cast"](input_length, "int32"),
        strategy="greedy" if greedy else "beam_search",
        beam_width=beam_width,
        top_paths=top_paths,
        mask_index=tuple(y_pred.shape)[-1] - 1,
    )
    return [_op["cast"](labels[path], "int64") for path in range(1 if greedy else top_paths)], scores


# --- random numbers --------------------------------------------------------------------------------------------------
_generators = {}


def _generator(seed, device):
    """The generator for a seed: the same seed goes on where it stopped, as an operation of TensorFlow does."""
    if seed is None:
        return None
    if not getattr(seed, "is_seed_generator", False):
        seed = _generators.setdefault(int(seed), keras_random.SeedGenerator(int(seed)))
    return seed.generator(device)


def forget_seeds():
    """Let each seed begin anew."""
    _generators.clear()


def _drawn(function, shape, *parameters, dtype=None, seed=None):
    dtype = dtypes.torch_dtype(dtype or config.floatx())

    def draw(shape, *parameters):
        device = devices.default()
        sizes = tuple(int(size) for size in shape)
        return function(sizes, *parameters, dtype=dtype, device=device, generator=_generator(seed, device))

    return apply(draw, tuple(shape) if isinstance(shape, (list, tuple)) else shape, *parameters)


def random_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None, std=None):
    """Normally distributed numbers. std: Keras 1's name of `stddev`."""
    return _drawn(random.normal, shape, mean, stddev if std is None else std, dtype=dtype, seed=seed)


def random_uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None, low=None, high=None):
    """Numbers from [minval, maxval). low, high: Keras 1's names of the bounds."""
    low, high = minval if low is None else low, maxval if high is None else high
    if dtype is not None and not dtypes.is_float(dtypes.dtype_name(dtype)):
        return _drawn(random.randint, shape, low, high, dtype=dtype, seed=seed)
    return _drawn(random.uniform, shape, low, high, dtype=dtype, seed=seed)


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Normal numbers no further than two deviations from the mean."""
    return _drawn(random.truncated_normal, shape, mean, stddev, dtype=dtype, seed=seed)


def random_bernoulli(shape, p=0.0, dtype=None, seed=None):
    """1 with probability `p`, else 0."""
    return _drawn(random.bernoulli, shape, p, dtype=dtype, seed=seed)


random_binomial = random_bernoulli


def dropout(x, level, noise_shape=None, seed=None):
    """x with the part `level` of its values set to 0 and the others made as much greater; always, not in training
    alone.
    """
    return apply(
        lambda x: random.dropout(
            tensors.convert(x), level, noise_shape=noise_shape, generator=_generator(seed, tensors.convert(x).device)
        ),
        x,
    )
