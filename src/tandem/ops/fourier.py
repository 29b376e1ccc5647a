"""Fourier transforms of pairs (real part, imaginary part), and of windows of a signal."""

import torch
import torch.nn.functional as F


def _parts(y):
    return y.real, y.imag


def as_complex(x):
    """Pairs in the last axis as complex numbers."""
    x = x if x.dtype in (torch.float16, torch.float32, torch.float64) else x.float()
    return torch.view_as_complex(x.contiguous())


def as_real(x):
    """Complex numbers as pairs in a new last axis."""
    return torch.view_as_real(x) if x.is_complex() else torch.stack([x, torch.zeros_like(x)], -1)


def transform(real, imag):
    """The transform along the last axis."""
    return _parts(torch.fft.fft(torch.complex(real, imag)))


def transform2(real, imag):
    """The transform along the last two axes."""
    return _parts(torch.fft.fft2(torch.complex(real, imag)))


def inverse2(real, imag):
    """The inverse of `transform2`."""
    return _parts(torch.fft.ifft2(torch.complex(real, imag)))


def real(x, length=None):
    """The transform of real numbers along the last axis, frequencies from 0 up; cut or filled with 0 to `length`."""
    return _parts(torch.fft.rfft(x, length))


def inverse_real(real, imag, length=None):
    """The inverse of `real`."""
    return torch.fft.irfft(torch.complex(real, imag), length)


def windows(x, length, stride):
    """Windows of the last axis: (..., windows, length)."""
    return x.unfold(-1, length, stride)


def _window(window, length, fft_length, like):
    """A window of `length` points in the middle of `fft_length`, or None."""
    if window is None:
        return None
    if isinstance(window, str):
        make = {"hann": torch.hann_window, "hamming": torch.hamming_window}[window]
        window = make(length, dtype=like.dtype, device=like.device)
    before = (fft_length - length) // 2
    return F.pad(window.to(like.dtype), (before, fft_length - length - before))


def short_time(x, length, stride, fft_length, window, center):
    """The transforms of windows of `fft_length` entries, each times a window of `length` points in its middle.

    center: the signal is mirrored at both ends, so that window i has its middle at ``i * stride``. Returns (real,
    imaginary), each (..., windows, fft_length // 2 + 1).
    """
    shape = x.shape
    y = x.reshape(-1, shape[-1])
    if center:
        y = F.pad(y, (fft_length // 2, fft_length // 2), mode="reflect")
    y = y.reshape(*shape[:-1], y.shape[-1]).unfold(-1, fft_length, stride)
    taper = _window(window, length, fft_length, x)
    return _parts(torch.fft.rfft(y if taper is None else y * taper))


def inverse_short_time(real, imag, length, stride, fft_length, wanted, window, center):
    """The signal (..., entries) of which `short_time` gave the transforms, cut to the `wanted` length.

    Without a window overlapping parts are added and not divided, as in Keras.
    Griffin and Lim, 1984.
    """
    frames = torch.fft.irfft(torch.complex(real, imag), fft_length)
    taper = _window(window, length, fft_length, frames)
    if taper is not None:
        frames = frames * taper
    lead, count = frames.shape[:-2], frames.shape[-2]
    total = fft_length + stride * (count - 1)
    fold = {"output_size": (1, total), "kernel_size": (1, fft_length), "stride": (1, stride)}
    y = F.fold(frames.reshape(-1, count, fft_length).mT, **fold).reshape(*lead, total)
    if taper is not None:
        weight = taper.square().reshape(1, -1, 1).expand(1, fft_length, count)
        weight = F.fold(weight, **fold).reshape(total)
        y = y / torch.where(weight > 1e-11, weight, 1)
    start = fft_length // 2 if center else 0
    if wanted is not None:
        end = start + wanted
    else:
        end = total - (fft_length // 2 if center else 0)
    y = y[..., start:end]
    return F.pad(y, (0, end - start - y.shape[-1])) if wanted is not None and y.shape[-1] < wanted else y
