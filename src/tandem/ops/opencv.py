"""Resizing, borders, affine maps as OpenCV computes them, bit for bit on 8-bit images: MXNet's image functions call it.

OpenCV resizes 8-bit images in whole numbers, with weights rounded to 1/2048; `image.resize` computes in floating point
and differs by one grey level here and there. Images are (H, W, C), batches (N, H, W, C). Where OpenCV is installed and
gives these same numbers, it resizes single images itself, in a hundredth of the time.
"""

import functools

import numpy as np
import torch

from tandem.ops.image import sample, to_dtype

BORDERS = ("constant", "replicate", "reflect", "wrap", "reflect_101")
INTERPOLATIONS = ("nearest", "linear", "cubic", "area", "lanczos4")

_BITS = 11  # of a whole-number weight
_ONE = 1 << _BITS
_BYTE = float(np.float32(1 / 255))


def _cubic(fraction):
    a = np.float32(-0.75)
    near, far = 1 - fraction, fraction + 1
    weights = [
        ((a * far - 5 * a) * far + 8 * a) * far - 4 * a,
        ((a + 2) * fraction - (a + 3)) * fraction * fraction + 1,
        ((a + 2) * near - (a + 3)) * near * near + 1,
    ]
    return np.stack([*weights, 1 - weights[0] - weights[1] - weights[2]])


def _lanczos4(fraction):
    """sin(d) sin(d / 4) / d^2 over eight taps, normalized; at whole positions, one tap."""
    distance = (fraction[None] + 3 - np.arange(8, dtype=np.float32)[:, None]).astype(np.float64)
    phase = -distance * np.pi / 4
    safe = np.where(phase == 0, 1, phase)
    weights = np.sin(4 * safe) * np.sin(safe) / safe**2
    weights = np.where(fraction < np.finfo(np.float32).eps, np.arange(8)[:, None] == 3, weights)
    return (weights / weights.sum(0)).astype(np.float32)


def _shares(old, new):
    """Taps of "area" where it shrinks: what part of each output pixel's extent an input pixel covers."""
    scale = old / new
    taps = []
    for out in range(new):
        begin, end = out * scale, (out + 1) * scale
        cell = min(scale, old - begin)
        last = min(int(np.floor(end)), old - 1)
        first = min(int(np.ceil(begin)), last)
        found = [(index, 1 / cell) for index in range(first, last)]
        if first - begin > 1e-3:
            found.insert(0, (first - 1, (first - begin) / cell))
        if end - last > 1e-3:
            found.append((last, min(end - last, 1.0, cell) / cell))
        taps.append(found)
    count = max(map(len, taps))
    taps = [found + [(found[-1][0], 0.0)] * (count - len(found)) for found in taps]
    table = np.array(taps)
    return table[:, :, 0].T.astype(np.int64), table[:, :, 1].T.astype(np.float32)


@functools.lru_cache(maxsize=64)
def _taps(old, new, interpolation, clip_weights):
    """What an output pixel takes of the input along one axis: indices and float32 weights, each (taps, new).

    clip_weights: along rows OpenCV sets the weight of a tap outside to 0; along columns it reads the last pixel twice.
    """
    scale = 1.0 / (new / old)
    out = np.arange(new)
    if interpolation == "nearest":
        return np.minimum(np.floor(out * scale), old - 1).astype(np.int64)[None], None
    if interpolation == "shares":
        return _shares(old, new)
    if interpolation == "area":  # where it does not shrink: linear, but flat inside the extent of a pixel
        below = np.floor(out * scale)
        fraction = ((out + 1) - (below + 1) * (new / old)).astype(np.float32)
        fraction = np.where(fraction <= 0, np.float32(0), fraction - np.floor(fraction))
    else:
        position = ((out + 0.5) * scale - 0.5).astype(np.float32)
        below = np.floor(position)
        fraction = (position - below).astype(np.float32)
    if interpolation in ("linear", "area"):
        if clip_weights:
            outside = (below < 0) | (below >= old - 1)
            fraction = np.where(outside, np.float32(0), fraction)
            below = below.clip(0, old - 1)
        weights = np.stack([1 - fraction, fraction])
    else:
        weights = (_cubic if interpolation == "cubic" else _lanczos4)(fraction)
    count = len(weights)
    index = below[None] + np.arange(1 - count // 2, count // 2 + 1)[:, None]
    return index.clip(0, old - 1).astype(np.int64), weights.astype(np.float32)


def _gathered(x, axis, index, weights, dtype=None):
    """``sum_k weights[k] * x[index[k]]`` along an axis, computed in `dtype`."""
    dtype = dtype or x.dtype
    shape = [-1 if place == axis else 1 for place in range(x.ndim)]
    index = torch.as_tensor(index, device=x.device)
    weights = torch.as_tensor(weights, device=x.device).to(dtype)
    total = x.index_select(axis, index[0]).to(dtype) * weights[0].reshape(shape)
    for tap in range(1, len(index)):
        # Not addcmul_, which rounds once where OpenCV rounds twice.
        total.add_(x.index_select(axis, index[tap]).to(dtype).mul_(weights[tap].reshape(shape)))
    return total


def _whole(weights):
    return np.rint(weights * _ONE).astype(np.int32)


def _rounded(y):
    return ((y + (1 << (2 * _BITS - 1))) >> (2 * _BITS)).clamp(0, 255).to(torch.uint8)


def _resize_bytes(x, size, interpolation):
    """8-bit images by whole-number weights."""
    (rows, row_weights), (columns, column_weights) = (
        _taps(old, new, interpolation, clip)
        for old, new, clip in ((x.shape[1], size[0], False), (x.shape[2], size[1], True))
    )
    y = _gathered(x, 2, columns, _whole(column_weights), torch.int32)
    if interpolation == "cubic":
        # Eight numbers of a row at a time are added in float32 and rounded half to even, what remains in whole numbers.
        line, count = y.reshape(*y.shape[:2], -1), y.shape[2] * y.shape[3] // 8 * 8
        wide = _gathered(line[..., :count], 1, rows, _whole(row_weights) / np.float32(_ONE**2), torch.float32).round()
        rest = _rounded(_gathered(line[..., count:], 1, rows, _whole(row_weights)))
        return torch.cat([wide.clamp(0, 255).to(torch.uint8), rest], -1).reshape(x.shape[0], *size, x.shape[3])
    if interpolation == "lanczos4":
        return _rounded(_gathered(y, 1, rows, _whole(row_weights)))
    # Two taps fit 16 bits: each product is cut to its upper half before they are added.
    y = y >> 4
    above, below = (
        y.index_select(1, torch.as_tensor(index, device=x.device))
        .mul_(torch.as_tensor(weight, device=x.device).reshape(-1, 1, 1))
        .bitwise_right_shift_(16)
        for index, weight in zip(rows, _whole(row_weights))
    )
    return above.add_(below).add_(2).bitwise_right_shift_(2).to(torch.uint8)


def resize(x, size, interpolation="linear"):
    """The image at another size.

    x: (H, W, C) or (N, H, W, C), uint8 or floating point (any dtype for "nearest"); size: (height, width);
    interpolation: one of `INTERPOLATIONS`, or its number. Returns x's dtype.
    Raises ValueError for an unknown interpolation, another dtype or another number of axes.
    """
    if not isinstance(interpolation, str) and 0 <= interpolation < len(INTERPOLATIONS):
        interpolation = INTERPOLATIONS[interpolation]
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"Unknown interpolation. Expected: one of {', '.join(INTERPOLATIONS)}, or 0 to 4. Given: {interpolation!r}."
        )
    if x.ndim not in (3, 4) or min(size) < 1 or 0 in x.shape[-3:-1]:
        raise ValueError(
            "This image cannot be resized. Expected: (H, W, C) or (N, H, W, C), and sizes greater than 0. "
            f"Given: shape {tuple(x.shape)}, size {tuple(size)}."
        )
    same = tuple(x.shape[-3:-1]) == tuple(size)
    if interpolation != "nearest" and not same and x.dtype not in (torch.uint8, torch.float32, torch.float64):
        raise ValueError(f"This dtype cannot be resized. Expected: uint8, float32 or float64. Given: {x.dtype}.")
    if same:
        return x.clone()
    if x.ndim == 4:
        return _resize(x, tuple(size), interpolation)
    if _is_bytes_at_hand(x) and _agrees(interpolation):
        return _resize_by_library(x, size, interpolation)
    return _resize(x.unsqueeze(0), tuple(size), interpolation).squeeze(0)


def _resize(x, size, interpolation):
    """A batch at another size."""
    old = tuple(x.shape[1:3])
    if interpolation == "nearest":
        for axis in (1, 2):
            index, _ = _taps(x.shape[axis], size[axis - 1], "nearest", False)
            x = x.index_select(axis, torch.as_tensor(index[0], device=x.device))
        return x
    halves = old == (2 * size[0], 2 * size[1])
    if (interpolation == "area" and old[0] >= size[0] and old[1] >= size[1]) or (interpolation == "linear" and halves):
        return _average(x, size, halves)
    if x.dtype == torch.uint8:
        return _resize_bytes(x, size, interpolation)
    for axis in (2, 1):
        x = _gathered(x, axis, *_taps(x.shape[axis], size[axis - 1], interpolation, axis == 2))
    return x


# --- OpenCV itself ----------------------------------------------------------------------------------------------------


@functools.cache
def library():
    """OpenCV, None where it is not installed. Loaded here, not in a worker process, where that could wait for ever."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2


def _is_bytes_at_hand(x):
    """Whether these are bytes in memory now: not while a recording, which sees torch's calls only, is made."""
    plain = type(x) is torch.Tensor and x.device.type == "cpu" and x.dtype == torch.uint8
    return plain and x.shape[-1] in (1, 3, 4) and not torch._C._len_torch_dispatch_stack()


def _resize_by_library(x, size, interpolation):
    y = library().resize(x.numpy(), (size[1], size[0]), interpolation=INTERPOLATIONS.index(interpolation))
    return torch.from_numpy(y.reshape(*size, x.shape[-1]))


@functools.cache
def _agrees(interpolation):
    """Whether the OpenCV that is installed gives MXNet's numbers: versions and processors differ ("cubic" does)."""
    if library() is None:
        return False
    chance = np.random.RandomState(0)
    for channels, old, new in [
        (3, (37, 53), (24, 31)),
        (1, (24, 31), (37, 53)),
        (3, (40, 64), (20, 32)),
        (4, (48, 36), (16, 12)),
        (3, (33, 80), (70, 45)),
        (3, (5, 3), (1, 9)),
    ]:
        x = torch.from_numpy(chance.randint(0, 256, (*old, channels), np.uint8))
        if not torch.equal(_resize_by_library(x, new, interpolation), _resize(x[None], new, interpolation)[0]):
            return False
    return True


def _average(x, size, halves):
    """The mean over the extent of each output pixel."""
    if halves and x.dtype == torch.uint8:
        y = x.int()
        y = y[:, 0::2] + y[:, 1::2]
        return ((y[:, :, 0::2] + y[:, :, 1::2] + 2) >> 2).to(torch.uint8)
    y, work = x, torch.float32 if x.dtype == torch.uint8 else x.dtype
    for axis in (2, 1):
        y = _gathered(y, axis, *_taps(y.shape[axis], size[axis - 1], "shares", False), work)
    return y.round().clamp(0, 255).to(torch.uint8) if x.dtype == torch.uint8 else y


def _border_index(size, before, after, mode):
    index = np.arange(-before, size + after)
    if mode == "replicate" or size == 1:
        return index.clip(0, size - 1)
    if mode == "wrap":
        return index % size
    period = 2 * size if mode == "reflect" else 2 * size - 2  # "reflect_101" has the outermost pixel once
    index = index % period
    return np.where(index >= size, period - 1 - index if mode == "reflect" else period - index, index)


def pad(x, widths, mode="constant", value=0.0):
    """The image with a border.

    x: (H, W, C); widths: (top, bottom, left, right); mode: one of `BORDERS`; value: what a constant border is made of,
    a number, or one to a channel (0 for channels that have none). Raises ValueError for an unknown mode.
    """
    if mode not in BORDERS:
        raise ValueError(f"Unknown border. Expected: one of {', '.join(BORDERS)}. Given: {mode!r}.")
    top, bottom, left, right = widths
    height, width, channels = x.shape
    if mode == "constant":
        y = torch.empty(height + top + bottom, width + left + right, channels, dtype=x.dtype, device=x.device)
        values = [value] * channels if isinstance(value, (int, float)) else [*value, *[0.0] * channels][:channels]
        y[:] = to_dtype(torch.tensor(values, dtype=torch.float64, device=x.device), x.dtype)
        y[top : top + height, left : left + width] = x
        return y
    for axis, size, before, after in ((0, height, top, bottom), (1, width, left, right)):
        index = torch.as_tensor(_border_index(size, before, after, mode), device=x.device)
        x = x.index_select(axis, index)
    return x


def warp_affine(x, matrix, size, *, order=1, fill_value=0.0):
    """The image drawn through an affine map: input position (column, row) appears at ``matrix @ (column, row, 1)``.

    x: (H, W, C), uint8; matrix: (2, 3) numbers, which can be inverted; size: (height, width) of the output; order: 0
    nearest, 1 linear; fill_value: what is where nothing is drawn. Positions are rounded to 1/32 pixel, as OpenCV does.
    """
    (a, b, c), (d, e, f) = np.asarray(matrix, np.float64)
    scale = 1 / (a * e - b * d)
    inverse = np.array([[e, -b, b * f - e * c], [-d, a, d * c - a * f]]) * scale
    ten, five = 1 << 10, 1 << 5
    steps = np.rint(inverse[:, 0, None] * np.arange(size[1]) * ten).astype(np.int64)
    starts = np.rint((inverse[:, 1, None] * np.arange(size[0]) + inverse[:, 2, None]) * ten).astype(np.int64)
    places = starts[:, :, None] + steps[:, None, :]
    places = (places + ten // 2) // ten if order == 0 else (places + five // 2) // five / five
    columns, rows = torch.as_tensor(places, dtype=torch.float64, device=x.device)
    y = sample(x.float(), rows, columns, order=order, fill_mode="grid-constant", fill_value=fill_value)
    return (y + 0.5).clamp(0, 255).to(torch.uint8)


def shift_hls(x, hue, lightness, saturation):
    """An image of bytes with numbers added to its hue (0 to 180), lightness and saturation (0 to 255), within these.

    x: (H, W, 3), red first, uint8. Both ways the values are rounded, as OpenCV does.
    """
    red, green, blue = (x.float() * _BYTE).unbind(-1)
    high, low = torch.maximum(torch.maximum(red, green), blue), torch.minimum(torch.minimum(red, green), blue)
    total, chroma = high + low, high - low
    grey = chroma <= np.finfo(np.float32).eps
    divisor = torch.where(grey, 1, chroma)
    sixths = torch.where(
        high == red,
        (green - blue) / divisor,
        torch.where(high == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    h = torch.where(grey, 0, torch.remainder(sixths, 6)) * 30
    s = torch.where(grey, 0, chroma / torch.where(total < 1, total, 2 - high - low).clamp(min=1e-30)) * 255
    most, added = (180, 255, 255), (hue, total.new_tensor(lightness), saturation)
    h, l, s = (
        (value.round().clamp(max=255) + more).clamp(0, top)
        for value, more, top in zip((h, total * 0.5 * 255, s), added, most)
    )
    sixths, l, s = h / 30, l * _BYTE, s * _BYTE
    upper = torch.where(l <= 0.5, l * (1 + s), l + s - l * s)
    lower = 2 * l - upper
    channels = []
    for shift in (2, 0, 4):  # where each colour rises, is highest for two sixths of the circle, and falls
        k = torch.remainder(sixths + shift, 6)
        channels.append(lower + (upper - lower) * torch.minimum(k, 4 - k).clamp(0, 1))
    return to_dtype(torch.stack(channels, -1) * 255, torch.uint8)
