"""Special functions of two numbers, and complex numbers of two real ones."""

import torch


def xlogy(x, y):
    """``x * log(y)``, 0 where x is 0."""
    return torch.xlogy(x, y)


def complex_of(real, imaginary):
    """Complex numbers of their real and imaginary parts."""
    return torch.complex(real, imaginary)


def _complex(x):
    return x if x.is_complex() else x.to(torch.complex64)


def fft(x):
    """The Fourier transform of the last axis."""
    return torch.fft.fft(_complex(x))


def ifft(x):
    """The inverse Fourier transform of the last axis."""
    return torch.fft.ifft(_complex(x))


def fft2d(x):
    """The Fourier transform of the last two axes."""
    return torch.fft.fft2(_complex(x))


def ifft2d(x):
    """The inverse Fourier transform of the last two axes."""
    return torch.fft.ifft2(_complex(x))


def rfft(x, length=None):
    """The first half, and the middle, of the Fourier transform of `length` real numbers."""
    return torch.fft.rfft(x, length)


def irfft(x, length=None):
    """The `length` real numbers of whose Fourier transform this is the first half."""
    return torch.fft.irfft(x, length)
