"""Ranges between tensors, windows and matrices of powers, as Keras makes them."""

import math

import torch

from tandem.ops import sequences


def steps(start, stop, step, dtype, device):
    """``start, start + step, ...`` below stop."""
    return torch.arange(start, stop, step, dtype=dtype, device=device)


def diagonal(rows, columns, offset, dtype, device):
    """A matrix with ones on a diagonal."""
    return sequences.diagonal_ones(rows, columns, offset, dtype=dtype, device=device)


def triangle(rows, columns, offset, dtype, device):
    """A matrix with ones on and below a diagonal."""
    return sequences.triangle_of_ones(rows, columns, offset, dtype=dtype, device=device)


def spaced(start, stop, count, endpoint, dtype, axis=0):
    """(`count` values at equal distances from start to stop along a new axis, the distance).

    start, stop: tensors of floats that broadcast.
    """
    start, stop = torch.broadcast_tensors(start, stop)
    parts = count - 1 if endpoint else count
    step = (stop - start) / parts if parts > 0 else (stop - start) * math.nan
    place = torch.arange(count, dtype=start.dtype, device=start.device).reshape(-1, *(1,) * start.dim())
    values = start + place * step if parts > 0 else start + place * (stop - start)
    if endpoint and count > 1:
        values = torch.where(place == count - 1, stop, values)
    return values.to(dtype).movedim(0, axis), step


def powers(start, stop, count, endpoint, base, dtype, axis=0):
    """`base` to the power of `spaced` values."""
    return torch.pow(base, spaced(start, stop, count, endpoint, start.dtype, axis)[0]).to(dtype)


def ratios(start, stop, count, endpoint, dtype, axis=0):
    """`count` values of equal ratios from start to stop, both of one sign."""
    sign = torch.sign(start)
    logs = [torch.log10(value.double() * sign) for value in (start, stop)]
    values = torch.pow(10.0, spaced(*logs, count, endpoint, torch.float64, axis)[0])
    return (values * (sign if sign.dim() == 0 else sign.unsqueeze(axis))).to(dtype)


_COSINES = {"hanning": (0.5, -0.5), "hamming": (0.54, -0.46), "blackman": (0.42, -0.5, 0.08)}


def window(kind, count, dtype, device, beta=0.0):
    """A window of `count` points: "hanning", "hamming", "blackman", "bartlett" or "kaiser" (of the shape beta)."""
    if kind in _COSINES:
        return sequences.cosine_window(count, _COSINES[kind], dtype=dtype, device=device)
    if kind == "bartlett":
        return torch.bartlett_window(count, periodic=False, dtype=dtype, device=device)
    return torch.kaiser_window(count, periodic=False, beta=beta, dtype=dtype, device=device)


def vander(x, columns=None, increasing=False):
    """``y[i, j] = x[i] ^ j``, the powers falling unless `increasing`; as many columns as rows by default."""
    power = torch.arange(x.shape[0] if columns is None else columns, device=x.device)
    wide = x if x.is_floating_point() or x.is_complex() else x.to(torch.int64)
    return torch.pow(wide.unsqueeze(-1), power if increasing else power.flip(0)).to(x.dtype)
