"""Dilation and erosion of images with kernels of numbers, pooling that says where, and blocks of space as samples."""

import torch

from tandem.ops.conv import per_axis, same_padding


def _windows(x, size, stride, dilation, padding, fill):
    """(samples, rows, columns, height, width, channels): what each window covers; outside is `fill`."""
    if padding == "same":
        pairs = [same_padding(x.shape[1 + n], size[n], stride[n], dilation[n]) for n in (0, 1)]
        widths = (0, 0, *pairs[1], *pairs[0])
        x = torch.nn.functional.pad(x, widths, value=fill)
    rows, columns = (
        torch.arange(0, x.shape[1 + n] - (size[n] - 1) * dilation[n], stride[n], device=x.device).unsqueeze(1)
        + torch.arange(size[n], device=x.device) * dilation[n]
        for n in (0, 1)
    )
    return x[:, rows[:, None, :, None], columns[None, :, None, :]]


def dilation(x, kernel, *, stride=1, padding="valid", dilation=1):
    """``y[i, j, c] = max over (u, v) of x[i + u, j + v, c] + kernel[u, v, c]``: (samples, rows, columns, channels).

    x: (samples, height, width, channels); kernel: (height, width, channels).
    """
    stride, dilation = per_axis(stride, 2), per_axis(dilation, 2)
    covered = _windows(x, tuple(kernel.shape[:2]), stride, dilation, padding, torch.finfo(x.dtype).min)
    return (covered + kernel).amax((3, 4))


def max_pool_with_places(x, size, stride, padding="valid", include_batch=False):
    """(the largest of each window, its place as a whole number: ``(row * width + column) * channels + channel``).

    x: (samples, height, width, channels); include_batch: the place counts the samples before, too.
    """
    size, stride = per_axis(size, 2), per_axis(stride, 2)
    samples, height, width, channels = x.shape
    lowest = -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    covered = _windows(x, size, stride, (1, 1), padding, lowest).flatten(3, 4)
    numbers = torch.arange(height * width * channels, device=x.device).reshape(1, height, width, channels)
    places = _windows(numbers, size, stride, (1, 1), padding, -1).flatten(3, 4).expand(covered.shape)
    values, at = covered.max(3)
    found = places.gather(3, at.unsqueeze(3)).squeeze(3)
    if include_batch:
        found = found + torch.arange(samples, device=x.device).reshape(-1, 1, 1, 1) * (height * width * channels)
    return values, found


def space_to_batch(x, blocks, pads):
    """Blocks of space as samples: (samples * blocks, size / block, …) of x padded by the pairs `pads`.

    x: (samples, *space, …); blocks: the size of a block along each axis of space.
    """
    rank, rest = len(blocks), x.dim() - 1 - len(blocks)
    widths = [0, 0] * rest + [one for pair in reversed(pads) for one in pair]
    x = torch.nn.functional.pad(x, widths) if any(widths) else x
    sizes = [part for size, block in zip(x.shape[1 : 1 + rank], blocks) for part in (size // block, block)]
    x = x.reshape(x.shape[0], *sizes, *x.shape[1 + rank :])
    inner = [2 + 2 * axis for axis in range(rank)]
    outer = [1 + 2 * axis for axis in range(rank)]
    x = x.permute(*inner, 0, *outer, *range(1 + 2 * rank, x.dim()))
    return x.flatten(0, rank)


def batch_to_space(x, blocks, crops):
    """`space_to_batch` the other way round; crops: how much is cut off at both ends of each axis of space."""
    rank = len(blocks)
    samples, rest = x.shape[0], list(x.shape[1:])
    count = samples
    for block in blocks:
        count //= block
    x = x.reshape(*blocks, count, *rest)
    order = [rank] + [one for axis in range(rank) for one in (rank + 1 + axis, axis)]
    x = x.permute(*order, *range(2 * rank + 1, x.dim()))
    x = x.reshape(count, *(size * block for size, block in zip(rest, blocks)), *rest[rank:])
    for axis, (before, after) in enumerate(crops):
        x = x.narrow(1 + axis, before, x.shape[1 + axis] - before - after)
    return x
