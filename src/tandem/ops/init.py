"""First values of parameters.

Each function takes a shape and gives a new tensor of it; the random ones take ``dtype``, ``device`` and ``generator``
as in `tandem.ops.random`. How many inputs and outputs a unit has (the "fans") is counted in one place, `fans`.
"""

import math

import torch

from tandem.ops import random

# The deviation of a normal distribution with deviation 1 that is cut at 2.
_CUT = 0.87962566103423978


def fans(shape, layout="io_spatial", *, input_axes=None, output_axes=None):
    """(inputs, outputs) of one unit of a weight.

    layout "io_spatial": (*window, in, out), as Keras has it; "oi_spatial": (out, in, *window), as MXNet. Both count a
    window's positions: ``in * prod(window)``. A vector's fans are its length, a scalar's 1.
    input_axes, output_axes: the axes that are counted instead, as products of their sizes.
    """
    if input_axes is not None or output_axes is not None:
        return tuple(math.prod(shape[axis] for axis in axes or ()) for axes in (input_axes, output_axes))
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    if layout == "io_spatial":
        inputs, outputs, window = shape[-2], shape[-1], shape[:-2]
    else:
        inputs, outputs, window = shape[1], shape[0], shape[2:]
    return inputs * math.prod(window), outputs * math.prod(window)


def variance_scaling(
    shape,
    scale=1.0,
    mode="fan_in",
    distribution="truncated_normal",
    *,
    layout="io_spatial",
    input_axes=None,
    output_axes=None,
    dtype=None,
    device=None,
    generator=None,
):
    """Random numbers of variance ``scale / n``, n the inputs, outputs or their average, at least 1.

    mode: "fan_in", "fan_out", "fan_avg". distribution: "truncated_normal" (cut at two deviations, widened to keep the
    variance), "untruncated_normal", "uniform" (within ``sqrt(3 scale / n)``).
    Glorot (Glorot and Bengio, 2010): scale 1, fan_avg; He (He et al., 2015): 2, fan_in; LeCun (1998): 1, fan_in.
    MXNet's Xavier: scale is its magnitude, a third of it if uniform; "gaussian" is untruncated.
    """
    inputs, outputs = fans(shape, layout, input_axes=input_axes, output_axes=output_axes)
    count = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[mode]
    variance = scale / max(1.0, count)
    options = {"dtype": dtype, "device": device, "generator": generator}
    if distribution == "uniform":
        limit = math.sqrt(3 * variance)
        return random.uniform(shape, -limit, limit, **options)
    if distribution == "untruncated_normal":
        return random.normal(shape, 0.0, math.sqrt(variance), **options)
    return random.truncated_normal(shape, 0.0, math.sqrt(variance) / _CUT, **options)


def orthogonal(shape, gain=1.0, *, rows="last", distribution="normal", dtype=None, device=None, generator=None):
    """A random matrix with orthogonal rows or columns, whichever are fewer, times gain (Saxe et al., 2013).

    rows "last": the matrix is (everything before, last axis), as in Keras; "first": (first axis, everything after), as
    in MXNet. distribution: of the matrix that is made orthogonal, "normal" or "uniform".
    """
    height = shape[0] if rows == "first" else math.prod(shape[:-1])
    width = math.prod(shape) // height if height else 0
    tall = (max(height, width), min(height, width))
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    options = {"dtype": wide, "device": device, "generator": generator}
    if distribution == "uniform":
        matrix = random.uniform(tall, -1.0, 1.0, **options)
    else:
        matrix = random.normal(tall, **options)
    q, r = torch.linalg.qr(matrix)
    # QR leaves the signs to the library; with r's diagonal positive q is uniform over the orthogonal matrices.
    q = q * torch.sign(torch.diagonal(r))
    q = q if height >= width else q.t()
    return (gain * q).reshape(tuple(shape)).to(dtype or torch.get_default_dtype())


def identity(shape, gain=1.0, *, dtype=None, device=None):
    """``gain`` on the diagonal of a matrix, 0 beside it."""
    rows, columns = shape
    return torch.eye(rows, columns, dtype=dtype, device=device).mul_(gain)


def bilinear(shape, *, dtype=None, device=None):
    """The kernel of a transposed convolution that enlarges by bilinear interpolation: the same for all channels.

    shape: (..., height, width); as in MXNet both axes go by the width.
    """
    width = shape[-1]
    half = math.ceil(width / 2)
    centre = (2 * half - 1 - half % 2) / (2 * half)
    lines = [1 - (torch.arange(size, dtype=torch.float64) / half - centre).abs() for size in shape[-2:]]
    kernel = torch.outer(*lines).to(dtype=dtype or torch.get_default_dtype(), device=device)
    return kernel.expand(tuple(shape)).contiguous()


def gate_bias(shape, value=1.0, *, gate=1, gates=4, dtype=None, device=None):
    """0, and ``value`` in the part of one gate; the gates have equal parts, and the LSTM's forget gate is number 1."""
    bias = torch.zeros(tuple(shape), dtype=dtype, device=device)
    units = shape[0] // gates
    bias[gate * units : (gate + 1) * units] = value
    return bias


def stft_kernel(shape, side, *, window="hann", scaling="density", periodic=False, dtype=None, device=None):
    """The convolution kernel of the "real" or "imag" part of a short-time Fourier transform.

    shape: (frame length, 1, fft length // 2 + 1). ``window[n] * cos(2 pi k n / fft_length)``, or -sin.
    window: "hann", "hamming", an array or None; scaling: "density" divides it by ``sqrt(sum(window^2))``, "spectrum" by
    ``sum(window)``; periodic: the window goes on without its last value.
    """
    length, bins = shape[0], shape[2]
    if window is None:
        weights = torch.ones(length, dtype=torch.float64)
    elif isinstance(window, str):
        make = {"hann": torch.hann_window, "hamming": torch.hamming_window}[window]
        weights = make(length, periodic=periodic, dtype=torch.float64)
    else:
        weights = torch.as_tensor(window, dtype=torch.float64)
    if window is not None and scaling == "density":
        weights = weights / weights.square().sum().sqrt()
    elif window is not None and scaling == "spectrum":
        weights = weights / weights.sum().abs()
    angles = torch.outer(torch.arange(length), torch.arange(bins)).double() * (math.pi / max(bins - 1, 1))
    kernel = weights.unsqueeze(1) * (torch.cos(angles) if side == "real" else -torch.sin(angles))
    return kernel.unsqueeze(1).to(dtype=dtype or torch.get_default_dtype(), device=device)
