"""Fourier transforms of rows whose complex numbers lie interleaved, and count sketches."""

import torch

__all__ = ["count_sketch", "fft", "ifft"]


def fft(x):
    """The discrete Fourier transform along the last axis: (..., d) to (..., 2 d), real and imaginary parts in turn."""
    return torch.view_as_real(torch.fft.fft(x)).flatten(-2)


def ifft(x):
    """The real part of the inverse transform, times its length d: (..., 2 d), parts in turn, to (..., d)."""
    size = x.shape[-1] // 2
    return torch.fft.ifft(torch.view_as_complex(x.reshape(*x.shape[:-1], size, 2).contiguous())).real * size


def count_sketch(x, places, signs, size):
    """``y_j = sum of signs_i x_i`` over the i with ``places_i = j``: (rows, d) to (rows, size).

    places, signs: d whole numbers below size, and d signs. Charikar, Chen and Farach-Colton, 2002.
    """
    y = x.new_zeros(x.shape[0], size)
    return y.index_add(1, places.reshape(-1).long(), x * signs.reshape(-1))
