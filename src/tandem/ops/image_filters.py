"""Filters of images (N, H, W, C): blur, edges, structural similarity, patches; colour spaces."""

import torch
import torch.nn.functional as F

from tandem.ops import conv


def _bell(size, sigma, like):
    """A normal density at `size` points about the middle, summing to 1; sigma: a number or a tensor."""
    place = torch.arange(size, dtype=like.dtype, device=like.device) - (size - 1) / 2
    values = torch.exp(-0.5 * (place / sigma).square())
    return (values / values.sum()).to(like.dtype)


def _each_channel(x, kernel, padding):
    """Every channel of x (N, H, W, C) filtered by one kernel (h, w)."""
    window = kernel.reshape(*kernel.shape, 1, 1).expand(*kernel.shape, x.shape[-1], 1)
    return conv.depthwise_conv(x, window, padding=padding)


def gaussian_blur(x, size, sigma):
    """The images with a normal density for a kernel, zeros around them.

    size: of the kernel, (down, across); sigma: its widths, numbers or tensors, (across, down): Keras 3 has them in this
    order on all of its back ends, though its documentation says the other one.
    """
    y = x.movedim(-1, 1).flatten(0, 1).unsqueeze(1)
    y = F.conv2d(y, _bell(size[0], sigma[1], x).reshape(1, 1, -1, 1), padding="same")
    y = F.conv2d(y, _bell(size[1], sigma[0], x).reshape(1, 1, 1, -1), padding="same")
    return y.reshape(x.shape[0], x.shape[3], *x.shape[1:3]).movedim(1, -1)


def sobel(x):
    """The derivatives down and to the right, (N, H, W, C, 2), zeros around the images."""
    down = torch.tensor([[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]], dtype=x.dtype, device=x.device)
    return torch.stack([_each_channel(x, down, "same"), _each_channel(x, down.T, "same")], -1)


def similarity(a, b, highest, size, sigma, k1, k2):
    """The mean structural similarity of images, (N,) (Wang et al., 2004)."""
    luminance, contrast = _similarities(a, b, highest, size, sigma, k1, k2)
    return (luminance * contrast).mean(tuple(range(1, a.dim())))


def similarity_at_scales(a, b, highest, factors, size, sigma, k1, k2):
    """The product of the similarities at as many scales as there are powers, (N,) (Wang et al., 2003).

    Each scale is half as large as the one before; of all but the last only contrast and structure count. The means are
    taken of each channel, and cut off at 0.
    """
    found = []
    for number, factor in enumerate(factors):
        if number:
            pads = (0, 0, 0, a.shape[2] % 2, 0, a.shape[1] % 2)
            a, b = (
                _halved(F.pad(x.movedim(-1, 1), pads[2:], "replicate") if any(pads) else x.movedim(-1, 1))
                for x in (a, b)
            )
        luminance, contrast = _similarities(a, b, highest, size, sigma, k1, k2)
        last = number == len(factors) - 1
        value = (luminance * contrast if last else contrast).mean((1, 2)).clamp_min(0)
        found.append(value**factor)
    return torch.stack(found, -1).prod(-1).mean(-1)


def _halved(x):
    return F.avg_pool2d(x, 2).movedim(1, -1)


def _similarities(a, b, highest, size, sigma, k1, k2):
    """(the similarity of means, that of contrast and structure) at each place."""
    bell = _bell(size, sigma, a)
    kernel = torch.outer(bell, bell)
    c1, c2 = (k1 * highest) ** 2, (k2 * highest) ** 2
    mean_a, mean_b = _each_channel(a, kernel, "valid"), _each_channel(b, kernel, "valid")
    squares = _each_channel(a * a, kernel, "valid") + _each_channel(b * b, kernel, "valid")
    products = _each_channel(a * b, kernel, "valid")
    both = mean_a * mean_b
    means = mean_a.square() + mean_b.square()
    return (2 * both + c1) / (means + c1), (2 * (products - both) + c2) / (squares - means + c2)


def patches(x, size, stride, dilation, padding):
    """Windows of images (N, *spatial, C) in place of the channels: (N, *places, window * C), row by row.

    padding: "valid" or "same" (zeros).
    """
    channels = x.shape[-1]
    window = 1
    for one in size:
        window *= one
    work = x if x.is_floating_point() else x.float()
    kernel = torch.eye(window * channels, dtype=work.dtype, device=x.device)
    kernel = kernel.reshape(*size, channels, window * channels)
    return conv.conv(work, kernel, stride=stride, padding=padding, dilation=dilation).to(x.dtype)


def scaled(x, factor):
    """The two channels of x (N, H, W, 2), each times a factor."""
    return tuple((x * factor).unbind(-1))
