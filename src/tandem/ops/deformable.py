"""Convolutions whose windows are moved, point by point, by offsets that are learned."""

import torch

from tandem.ops.conv import per_axis


def _sharp(position, size):
    """What is read along one axis: pairs (index, weight). Outside of the first pixel's centre and of the last pixel
    there is nothing; behind the last pixel's centre that pixel counts alone."""
    inside = (position >= 0) & (position < size)
    position = torch.where(inside, position, 0)  # what is no number, too
    position = torch.where(position.detach() >= size - 1, position - (position - (size - 1)).detach(), position)
    below = position.detach().floor()
    part = position - below
    below = below.long()
    return (below, (1 - part) * inside), ((below + 1).clamp_max(size - 1), part * inside)


def _soft(position, size):
    """As `_sharp`, with zeros around the image, which it blends with."""
    position = torch.where((position > -1) & (position < size), position, -1)  # what is no number, too
    below = position.detach().floor()
    part = position - below
    found = []
    for index, weight in ((below, 1 - part), (below + 1, part)):
        found.append((index.clamp(0, size - 1).long(), weight * ((index >= 0) & (index < size))))
    return found


def _sample(data, rows, columns, edge):
    """Images at points between pixels: (G, C, H, W) at (G, P) gives (G, C, P).

    Where a position is a whole number its derivative is that to the right (downwards).
    """
    groups, channels, height, width = data.shape
    axes = edge(rows, height), edge(columns, width)
    flat = data.reshape(groups, channels, height * width)
    found = None
    for row, row_weight in axes[0]:
        for column, column_weight in axes[1]:
            index = (row * width + column).unsqueeze(1).expand(-1, channels, -1)
            value = flat.gather(2, index) * (row_weight * column_weight).unsqueeze(1)
            found = value if found is None else found + value
    return found


def deformable_conv(
    data, offset, weight, bias=None, *, mask=None, stride=1, padding=0, dilation=1, groups=1, offset_groups=1
):
    """``y[o, p] = b[o] + sum_{i, k} w[o, i, k] m[k, p] x[i, p * stride + k * dilation - padding + offset[k, p]]``.

    data: (N, C, H, W), read between its pixels, 0 outside (with a mask the border blends with it); offset: (N,
    offset_groups * kernel * 2, h, w), (row, column) for each point of the window; mask: (N, offset_groups * kernel, h,
    w) or None; weight: (out, C / groups, *kernel); bias: (out,). The channels divide into offset_groups, each with
    offsets of its own. Returns (N, out, h, w). Dai et al., 2017; with a mask Zhu et al., 2018.
    """
    n, channels, height, width = data.shape
    outputs, _, *kernel = weight.shape
    stride, padding, dilation = per_axis(stride, 2), per_axis(padding, 2), per_axis(dilation, 2)
    points, (high, wide) = kernel[0] * kernel[1], offset.shape[2:]
    kind = {"dtype": offset.dtype, "device": offset.device}
    start = [torch.arange(size, **kind) * s - p for size, s, p in zip((high, wide), stride, padding)]
    window = [torch.arange(size, **kind) * d for size, d in zip(kernel, dilation)]
    moved = offset.reshape(n * offset_groups, *kernel, 2, high, wide)
    rows = moved[:, :, :, 0] + window[0][:, None, None, None] + start[0][:, None]
    columns = moved[:, :, :, 1] + window[1][:, None, None] + start[1]
    images = data.reshape(n * offset_groups, channels // offset_groups, height, width)
    # MXNet (1.9.1) reads differently at the border, with a mask and without.
    edge = _sharp if mask is None else _soft
    found = _sample(images, rows.reshape(len(images), -1), columns.reshape(len(images), -1), edge)
    found = found.reshape(n, offset_groups, channels // offset_groups, points, high * wide)
    if mask is not None:
        found = found * mask.reshape(n, offset_groups, 1, points, high * wide)
    found = found.reshape(n, groups, channels // groups * points, high * wide)
    result = torch.matmul(weight.reshape(groups, outputs // groups, -1), found)
    result = result.reshape(n, outputs, high, wide)
    return result if bias is None else result + bias.reshape(-1, 1, 1)
