"""Images changed for training, tones and colours: as Keras 3 has them. MXNet's and Keras 2's are in `colour`.

Images are batches of floats, (N, H, W, C) or for layout "channels_first" (N, C, H, W); factors are (N,).
"""

import torch
import torch.nn.functional as F

from tandem.ops.colour import _mix

GREY = (0.2989, 0.5870, 0.1140)


def _axis(layout):
    return -1 if layout == "channels_last" else -3


def _each(value, x):
    return value.to(x.dtype).reshape(-1, *(1,) * (x.dim() - 1))


def rescale(x, source, target):
    """Values from one range (low, high) to another."""
    if tuple(source) == tuple(target):
        return x
    return (x - source[0]) / (source[1] - source[0]) * (target[1] - target[0]) + target[0]


def clip(x, value_range):
    """Values moved into a range."""
    return x.clamp(value_range[0], value_range[1])


def add(x, amount):
    """``x + amount``."""
    return x + amount.to(x.dtype)


def spread(x, factor, layout="channels_last"):
    """``(x - m) * factor + m`` with m the mean of each channel of each image."""
    space = (-3, -2) if layout == "channels_last" else (-2, -1)
    mean = x.mean(space, keepdim=True)
    return (x - mean) * factor.to(x.dtype) + mean


def grey(x, layout="channels_last"):
    """The images' grey, in one channel."""
    axis = _axis(layout)
    return x if x.shape[axis] == 1 else _mix(x, (GREY,), axis)


def toward_grey(x, factor, layout="channels_last"):
    """``x + factor * (grey - x)``."""
    return x + _each(factor, x) * (grey(x, layout) - x)


def rgb_to_hsv(x, layout="channels_last"):
    """Hue (a part of a turn), saturation and value of RGB. Smith, 1978."""
    axis = _axis(layout)
    red, green, blue = x.unbind(axis)
    high, low = x.amax(axis), x.amin(axis)
    chroma = high - low
    divisor = torch.where(chroma == 0, 1, chroma)
    sixths = torch.where(
        high == red,
        (green - blue) / divisor,
        torch.where(high == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    hue = torch.where(chroma == 0, 0, torch.remainder(sixths / 6, 1))
    return torch.stack((hue, torch.where(high > 0, chroma / torch.where(high > 0, high, 1), 0), high), axis)


def hsv_to_rgb(x, layout="channels_last"):
    """RGB of hue, saturation and value."""
    axis = _axis(layout)
    hue, saturation, value = x.unbind(axis)
    mixed = []
    for channel in (5, 3, 1):
        k = torch.remainder(hue * 6 + channel, 6)
        mixed.append(value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(mixed, axis)


def turn_hue(x, factor, layout="channels_last"):
    """Images from 0 to 1 with their hue turned by parts of a turn (N,)."""
    axis = _axis(layout)
    hue, saturation, value = rgb_to_hsv(x, layout).unbind(axis)
    hue = hue + factor.to(x.dtype).reshape(-1, 1, 1)
    hue = torch.where(hue > 1, hue - 1, hue)
    hue = torch.where(hue < 0, hue + 1, hue)
    return hsv_to_rgb(torch.stack((hue, saturation, value), axis), layout).clamp(0, 1)


def scale_saturation(x, factor, value_range, layout="channels_last"):
    """The images with their saturation times a factor, clipped to a range."""
    axis = _axis(layout)
    hue, saturation, value = rgb_to_hsv(x, layout).unbind(axis)
    saturation = clip(saturation * factor.to(x.dtype).reshape(-1, 1, 1), value_range)
    return hsv_to_rgb(torch.stack((hue, saturation, value), axis), layout)


def odds(x, epsilon=1e-7):
    """``x / (1 - x + epsilon)``."""
    return x / (1 - x + epsilon)


def sharpen(x, factor, layout="channels_last"):
    """``x + (1 - 2 factor) * (smooth - x)``: smooth is the mean over 3 x 3 pixels, the middle one counted 5 times."""
    y = x.movedim(-1, 1) if layout == "channels_last" else x
    n, channels, height, width = y.shape
    kernel = torch.full((3, 3), 1 / 13, dtype=y.dtype, device=y.device)
    kernel[1, 1] = 5 / 13
    smooth = F.conv2d(y.reshape(n * channels, 1, height, width), kernel.reshape(1, 1, 3, 3), padding=1)
    y = y + (1 - 2 * _each(factor, y)) * (smooth.reshape(n, channels, height, width) - y)
    return y.movedim(1, -1) if layout == "channels_last" else y


def posterize(x, lost):
    """Images from 0 to 255 without their last `lost` (N,) bits."""
    step = torch.exp2(lost.to(torch.float32)).reshape(-1, *(1,) * (x.dim() - 1))
    return (torch.floor(x.to(torch.float32).trunc() / step) * step).to(x.dtype)


def bits_lost(kept):
    """``8 - kept``, as bytes."""
    return (8 - kept).to(torch.uint8)


def solarize(x, additions, thresholds):
    """Images from 0 to 255, made lighter, and inverted where they are not below the thresholds."""
    y = (x + additions.to(x.dtype)).clamp(0, 255)
    return torch.where(y < thresholds.to(x.dtype), y, 255 - y)


def complement(x, top):
    """``top - x``."""
    return top - x


def stretch(x, space=(1, 2)):
    """Images stretched to 0 .. 255 over the two axes `space`; what is the same everywhere stays."""
    low, high = x.amin(space, keepdim=True), x.amax(space, keepdim=True)
    factor = 255.0 / torch.where(high > low, high - low, 1)
    return torch.where(high > low, (x * factor - low * factor).clamp(0, 255), x)


def equalize(x, bins=256, layout="channels_last"):
    """Images from 0 to 255 with each channel's histogram (of the whole batch) made even."""
    channels = x.movedim(_axis(layout), 0)
    flat = channels.reshape(channels.shape[0], -1).to(torch.float32)
    place = (flat * (bins - 1) / 255).to(torch.int64).clamp(0, bins - 1)
    counts = torch.zeros(flat.shape[0], bins, device=x.device).scatter_add_(1, place, torch.ones_like(flat))
    total = counts.cumsum(1)
    least = torch.where(total > 0, total, float("inf")).amin(1, keepdim=True)
    room = total[:, -1:] - least
    table = ((total - least) * 255 / torch.where(room == 0, 1, room)).round().clamp(0, 255)
    index = (flat / 255 * (bins - 1)).clamp(0, bins - 1).to(torch.int64)
    even = torch.where((counts > 0).sum(1, keepdim=True) <= 1, flat, table.gather(1, index))
    return even.reshape(channels.shape).movedim(0, _axis(layout)).to(x.dtype)


def clahe(x, limit=4.0, grid=(8, 8)):
    """Images (N, H, W, C) from 0 to 255, equalized by tiles whose histograms are cut off at a limit; between the
    tiles' middles their tables are mixed. Pizer et al., 1987.

    limit: how often a value may be met, as a multiple of the mean; grid: tiles down and across.
    """
    n, height, width, channels = x.shape
    (rows, columns), size = grid, (-(-height // grid[0]), -(-width // grid[1]))
    y = _mirrored(x.to(torch.float32), size[0] * rows, size[1] * columns)
    values = y.clamp(0, 255).to(torch.int64)
    tiles = values.reshape(n, rows, size[0], columns, size[1], channels).permute(0, 1, 3, 5, 2, 4)
    tiles = tiles.reshape(n, rows, columns, channels, size[0] * size[1])
    counts = torch.zeros(*tiles.shape[:-1], 256, device=x.device)
    counts = counts.scatter_add_(-1, tiles, torch.ones_like(tiles, dtype=counts.dtype))
    if limit > 0:
        cut = counts.clamp_max(int(limit * (size[0] * size[1]) / 256))
        counts = cut + (counts - cut).sum(-1, keepdim=True) / 256
    total = counts.cumsum(-1)
    least = total.amin(-1, keepdim=True)
    room = size[0] * size[1] - least
    table = ((total - least) * 255 / torch.where(room == 0, 1, room)).clamp(0, 255)

    def between(count, tile, tiles):
        place = (torch.arange(count, dtype=torch.float32, device=x.device) - tile / 2) / tile
        low = torch.floor(place)
        return low.long().clamp(0, tiles - 1), (low.long() + 1).clamp(0, tiles - 1), place - low

    top, bottom, down = between(size[0] * rows, size[0], rows)
    left, right, across = between(size[1] * columns, size[1], columns)
    across = across.reshape(1, 1, -1, 1)
    image_index = torch.arange(n, device=x.device).reshape(-1, 1, 1, 1)
    channel = torch.arange(channels, device=x.device)

    def at(row, column):
        return table[image_index, row.reshape(1, -1, 1, 1), column.reshape(1, 1, -1, 1), channel, values]

    upper = at(top, left) * (1 - across) + at(top, right) * across
    lower = at(bottom, left) * (1 - across) + at(bottom, right) * across
    down = down.reshape(1, -1, 1, 1)
    return (upper * (1 - down) + lower * down)[:, :height, :width]


def _mirrored(x, height, width):
    """Images filled up to a size at their lower and right ends, mirrored at the edge."""
    for axis, wanted in ((1, height), (2, width)):
        size = x.shape[axis]
        if wanted > size:
            place = torch.arange(wanted, device=x.device) % (2 * size)
            x = x.index_select(axis, torch.where(place < size, place, 2 * size - 1 - place))
    return x
