"""Colours of images: jitter, grey, hue, lighting, standardisation, whitening.

Images and batches as in `image`. Integer images are computed in float32, clamped to their range and cut off (not
rounded), as MXNet does it.
"""

import math

import torch

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601

# Eigenvectors times eigenvalues of ImageNet's colours (Krizhevsky et al., 2012), one row to a channel.
PRINCIPAL = (
    (55.46 * -0.5675, 4.794 * 0.7192, 1.148 * 0.4009),
    (55.46 * -0.5808, 4.794 * -0.0045, 1.148 * -0.8140),
    (55.46 * -0.5836, 4.794 * -0.6948, 1.148 * 0.4203),
)
_TO_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.321), (0.211, -0.523, 0.311))
_FROM_YIQ = ((1.0, 0.956, 0.621), (1.0, -0.272, -0.647), (1.0, -1.107, 1.705))


def _work(x):
    return x if x.dtype.is_floating_point else x.float()


def _cut(y, dtype):
    """Computed values in the image's dtype: integers clamped to their range and cut off."""
    if dtype.is_floating_point:
        return y.to(dtype)
    limits = torch.iinfo(dtype)
    return y.clamp_(limits.min, limits.max).to(dtype)


def _per_image(value, x):
    """A number as it is; a tensor (N,) so that it broadcasts against the batch x."""
    if not isinstance(value, torch.Tensor) or value.ndim == 0:
        return value
    return value.to(device=x.device).reshape(-1, *(1,) * (x.ndim - 1))


def _channel_axis(layout):
    if layout not in ("channels_last", "channels_first"):
        raise ValueError(f"Unknown data layout. Expected: 'channels_last' or 'channels_first'. Given: {layout!r}.")
    return -1 if layout == "channels_last" else -3


def _mix(x, rows, axis):
    """Each output channel a weighted sum of the input's: ``y_i = sum_j rows[i][j] x_j``."""
    channels = x.unbind(axis)
    if len(channels) != len(rows[0]):
        raise ValueError(f"This is no colour image. Expected: {len(rows[0])} channels. Given: {len(channels)}.")
    mixed = []
    for row in rows:
        total = channels[0] * row[0]
        for channel, weight in zip(channels[1:], row[1:]):
            total = total + channel * weight
        mixed.append(total)
    return mixed[0].unsqueeze(axis) if len(mixed) == 1 else torch.stack(mixed, axis)


# --- jitter ----------------------------------------------------------------------------------------------------------


def adjust_brightness(x, factor):
    """``x * factor``; factor: a number, or a tensor (N,) with one to each image of a batch."""
    return _cut(_work(x) * _per_image(factor, x), x.dtype)


def adjust_contrast(x, factor, *, weights=LUMA, layout="channels_last"):
    """``x * factor + (1 - factor) * m`` with m the mean of each image's grey; factor as for `adjust_brightness`."""
    factor, y = _per_image(factor, x), _work(x)
    grey = _mix(y, (weights,), _channel_axis(layout)) if x.shape[_channel_axis(layout)] > 1 else y
    return _cut(y * factor + grey.mean((-3, -2, -1), keepdim=True) * (1 - factor), x.dtype)


def adjust_saturation(x, factor, *, weights=LUMA, layout="channels_last"):
    """``x * factor + (1 - factor) * grey``; weights: what grey takes of each channel."""
    factor, y = _per_image(factor, x), _work(x)
    return _cut(y * factor + _mix(y, (weights,), _channel_axis(layout)) * (1 - factor), x.dtype)


def adjust_hue(x, turns, *, layout="channels_last"):
    """The hue turned by a part of a full turn, lightness and saturation (HSL) kept; turns: a number or (N,)."""
    axis = _channel_axis(layout)
    red, green, blue = _work(x).unbind(axis)
    high, low = torch.maximum(torch.maximum(red, green), blue), torch.minimum(torch.minimum(red, green), blue)
    chroma = high - low
    divisor = torch.where(chroma == 0, 1, chroma)
    sixths = torch.where(
        high == red,
        (green - blue) / divisor,
        torch.where(high == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    if isinstance(turns, torch.Tensor) and turns.ndim:
        turns = turns.reshape(-1, 1, 1)
    sixths = sixths + turns * 6
    turned = []
    for channel in (
        5,
        3,
        1,
    ):  # each of the three is the highest over two sixths of the circle and falls off beside them
        k = torch.remainder(sixths + channel, 6)
        turned.append(high - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return _cut(torch.stack(turned, axis), x.dtype)


def rotate_hue(x, half_turns, *, layout="channels_last"):
    """The colours turned about the grey axis of YIQ by ``half_turns * pi``, as MXNet's HueJitterAug has it."""
    cos, sin = math.cos(half_turns * math.pi), math.sin(half_turns * math.pi)
    turn = ((1.0, 0.0, 0.0), (0.0, cos, -sin), (0.0, sin, cos))

    def product(a, b):
        return tuple(tuple(sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)) for i in range(3))

    rows = product(product(_FROM_YIQ, turn), _TO_YIQ)
    return _cut(_mix(_work(x), rows, _channel_axis(layout)), x.dtype)


def grayscale(x, *, weights=LUMA, channels=1, layout="channels_last"):
    """Grey, ``sum_c weights[c] x_c``, in one channel or repeated in several.

    MXNet's RandomGrayAug has the weights (0.21, 0.72, 0.07).
    """
    axis = _channel_axis(layout)
    grey = _cut(_mix(_work(x), (weights,), axis), x.dtype)
    return grey if channels == 1 else grey.repeat_interleave(channels, axis)


def adjust_lighting(x, alpha, *, layout="channels_last"):
    """PCA noise: ``x_c + sum_k eigenvector[c, k] * eigenvalue[k] * alpha[k]`` for images from 0 to 255.

    alpha: three numbers. Krizhevsky et al., 2012.
    """
    axis = _channel_axis(layout)
    channels = _work(x).unbind(axis)
    if len(channels) != 3:
        raise ValueError(f"This is no colour image. Expected: 3 channels. Given: {len(channels)}.")
    lit = [c + sum(p * a for p, a in zip(row, alpha)) for c, row in zip(channels, PRINCIPAL)]
    return _cut(torch.stack(lit, axis), x.dtype)


# --- Keras 2's ImageDataGenerator ------------------------------------------------------------------------------------


def channel_shift(x, intensity):
    """``clip(x + intensity, min, max)`` with each image's own least and greatest value; intensity: a number or (N,)."""
    low, high = x.amin((-3, -2, -1), keepdim=True), x.amax((-3, -2, -1), keepdim=True)
    return torch.minimum(torch.maximum(x + _per_image(intensity, x), low), high)


def brightness_shift(x, factor, *, scale=True, layout="channels_last"):
    """An image's brightness times `factor`, by way of 8-bit pixels as Keras 2 has it (it went through PIL).

    With `scale`, or where values leave 0 .. 255, an image is first stretched to 0 .. 255; then the pixels are cut to
    whole numbers, multiplied (but for a fourth channel, opacity), clamped and cut again. Without `scale` the stretching
    is undone. factor: a number or (N,), not negative. Returns float32.
    """
    x = x.float()
    low, high = x.amin((-3, -2, -1), keepdim=True), x.amax((-3, -2, -1), keepdim=True)
    outside = (low < 0) | (high > 255)
    y = x - low
    top = high - low
    y = y / torch.where(top == 0, 1, top) * 255
    if not scale:
        y = torch.where(outside, y, x)
    y = y.trunc()
    shifted = (y * _per_image(factor, x)).clamp(0, 255).trunc()
    axis = _channel_axis(layout)
    if x.shape[axis] == 4:
        shifted = torch.cat((shifted.narrow(axis, 0, 3), y.narrow(axis, 3, 1)), axis)
    y = shifted
    if not scale:
        y = torch.where(outside, y / 255 * (high - low) + low, y)
    return y


def standardize(x, mean=None, deviation=None, *, epsilon=1e-6, out=None):
    """``(x - mean) / (deviation + epsilon)``, both broadcast against x; None leaves a step out.

    out: a floating tensor of x's shape that the result is written into, in two sweeps over memory that is at hand.
    """
    if out is not None:
        out.copy_(x)
        if mean is not None:
            out.sub_(mean)
        return out if deviation is None else out.div_(deviation + epsilon)
    if mean is not None:
        x = x - mean
    return x if deviation is None else x / (deviation + epsilon)


def samplewise_standardize(x, *, center=True, scale=True, axes=(-3, -2, -1), epsilon=1e-6):
    """Each image less its own mean, and divided by its own deviation (over `axes`; biased) plus epsilon."""
    if center:
        x = x - x.mean(axes, keepdim=True)
    return x / (x.std(axes, correction=0, keepdim=True) + epsilon) if scale else x


def zca_matrix(x, *, epsilon=1e-6):
    """The whitening matrix (D, D) of n images with D values each: ``U diag(sqrt(n) / (s + epsilon)) U^T``.

    U and s: left singular vectors and singular values of the (D, n) matrix of the images, less their mean.
    """
    flat = x.reshape(x.shape[0], -1)
    u, s, _ = torch.linalg.svd(flat.T, full_matrices=False)
    return (u * (math.sqrt(flat.shape[0]) / (s + epsilon))) @ u.T


def whiten(x, matrix):
    """An image, or each of a batch, as a row of values times the matrix of `zca_matrix`."""
    rows = x.reshape(-1, matrix.shape[0])
    return (rows @ matrix).reshape(x.shape)


# --- MXNet's transforms ----------------------------------------------------------------------------------------------


def to_tensor(x):
    """(H, W, C) or (N, H, W, C) with values 0 .. 255 as (C, H, W) or (N, C, H, W), float32, divided by 255."""
    if x.ndim not in (3, 4):
        raise ValueError(f"This is no image. Expected: 3 axes, or 4 for a batch. Given: shape {tuple(x.shape)}.")
    y = x.movedim(-1, -3)
    if y.dtype == torch.float32:
        return (y / 255.0).contiguous()
    # Into its order and its dtype at once: fresh memory for a batch costs more than the arithmetic.
    return y.to(torch.float32, memory_format=torch.contiguous_format).div_(255.0)


def normalize(x, mean, deviation):
    """``(x - mean) / deviation`` for each channel of (C, H, W) or (N, C, H, W).

    mean, deviation: a number, or one to a channel; raises ValueError for another count.
    """
    for name, values in (("mean", mean), ("std", deviation)):
        if hasattr(values, "__len__") and len(values) not in (1, x.shape[-3]):
            raise ValueError(f"`{name}` does not fit. Expected: 1 or {x.shape[-3]} numbers. Given: {len(values)}.")
    mean, deviation = (torch.as_tensor(v, dtype=x.dtype, device=x.device).reshape(-1, 1, 1) for v in (mean, deviation))
    return (x - mean) / deviation


# --- other spaces ----------------------------------------------------------------------------------------------------

# Of (red, green, blue), one row to each: luma and two differences of colour, and the way back.
SPACES = {
    "rgb_to_yuv": (
        (0.299, -0.14714119, 0.61497538),
        (0.587, -0.28886916, -0.51496512),
        (0.114, 0.43601035, -0.10001026),
    ),
    "yuv_to_rgb": ((1.0, 1.0, 1.0), (0.0, -0.394642334, 2.03206185), (1.13988303, -0.58062185, 0.0)),
    "rgb_to_yiq": ((0.299, 0.59590059, 0.2115), (0.587, -0.27455667, -0.52273617), (0.114, -0.32134392, 0.31119955)),
    "yiq_to_rgb": ((1.0, 1.0, 1.0), (0.95598634, -0.27201283, -1.10674021), (0.6208248, -0.64720424, 1.70423049)),
}


def to_space(x, name):
    """Images (..., 3) in another space of colours, by one of `SPACES`."""
    return _mix(x, tuple(zip(*SPACES[name])), -1)
