"""The gradient of a convolution's kernel as matrix products over windows of its input."""

import math

import torch

# The windows of so many bytes are gathered at a time: they stay in the processor's cache between copy and product.
_CHUNK_BYTES = 2 << 20

_LIBRARY = torch.library.Library("tandem", "FRAGMENT")
_ARGUMENTS = "Tensor grad, Tensor x, int[] kernel, int[] stride, int[] padding"


def kernel_gradient(grad, x, kernel, stride, padding):
    """``out[o, c, i, j] = sum of grad[n, o, h, w] * x[n, c, h * stride + i - padding, …]`` over n, h, w.

    grad: (N, O, H, W) and x: (N, C, H', W'), both with channels last in memory; kernel, stride, padding: two ints each.
    Returns (O, C, *kernel) with channels last in memory.
    """
    rows, channels = grad.shape[1], x.shape[1]
    out = grad.new_empty(rows, *kernel, channels).permute(0, 3, 1, 2)
    return kernel_gradient_out(grad, x, kernel, stride, padding, out=out)


def kernel_gradient_out(grad, x, kernel, stride, padding, *, out):
    """`kernel_gradient` into a given tensor of its form."""
    grad, x = grad.permute(0, 2, 3, 1), x.permute(0, 2, 3, 1)
    count, high, wide, rows = grad.shape
    _, height, width, channels = x.shape
    columns = math.prod(kernel) * channels
    images = max(1, min(count, _CHUNK_BYTES // (high * wide * columns * x.itemsize)))
    windows = x.new_empty(images, high, wide, *kernel, channels)
    padded = None
    if any(padding):
        padded = x.new_zeros(images, height + 2 * padding[0], width + 2 * padding[1], channels)
    result = out.permute(0, 2, 3, 1).view(rows, columns)
    for begin in range(0, count, images):
        size = min(images, count - begin)
        source = x[begin : begin + size]
        if padded is not None:
            inside = padded[:size, padding[0] : padding[0] + height, padding[1] : padding[1] + width]
            inside.copy_(source)
            source = padded[:size]
        n, h, w, c = source.stride()
        look = source.as_strided(
            (size, high, wide, *kernel, channels),
            (n, h * stride[0], w * stride[1], h, w, c),
            source.storage_offset(),
        )
        windows[:size].copy_(look)
        flat = windows[:size].view(-1, columns)
        arriving = grad[begin : begin + size].reshape(-1, rows).t()
        torch.addmm(result, arriving, flat, beta=1 if begin else 0, out=result)
    return out


_LIBRARY.define(f"kernel_gradient({_ARGUMENTS}) -> Tensor")
_LIBRARY.define(f"kernel_gradient.out({_ARGUMENTS}, *, Tensor(a!) out) -> Tensor(a!)")
_LIBRARY.impl("kernel_gradient", kernel_gradient, "CPU")
_LIBRARY.impl("kernel_gradient.out", kernel_gradient_out, "CPU")
