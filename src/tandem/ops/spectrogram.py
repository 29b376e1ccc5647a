"""Sound as spectra over time."""

import torch
import torch.nn.functional as F

from tandem.ops.conv import conv


def short_time(x, length, step, size, *, window="hann"):
    """The magnitudes of the short-time Fourier transform: (..., samples) -> (..., frames, size // 2 + 1).

    length, step: of a frame in samples; size: of the transform, frames are filled up on both sides; window: "hann",
    "hamming", a tensor (length,) or None. Frames are centred: the sound is mirrored at its ends.
    """
    if isinstance(window, str):
        window = {"hann": torch.hann_window, "hamming": torch.hamming_window}[window](length, dtype=x.dtype)
    elif window is None:
        window = torch.ones(length, dtype=x.dtype)
    missing = size - length
    window = F.pad(window.to(x.device, x.dtype), (missing // 2, missing - missing // 2))
    flat = x.reshape(-1, 1, x.shape[-1])
    flat = F.pad(flat, (size // 2, size // 2), mode="reflect").squeeze(1)
    frames = flat.unfold(-1, size, step) * window
    return torch.fft.rfft(frames).abs().reshape(*x.shape[:-1], frames.shape[-2], size // 2 + 1)


def mel_weights(bins, spectrum, rate, low, high, *, dtype=torch.float32, device=None):
    """(spectrum, bins): triangles that are evenly spaced on the mel scale, ``1127 ln(1 + f / 700)``."""
    top = 1127.0 * torch.log1p(torch.tensor([low, high], dtype=torch.float64, device=device) / 700.0)
    steps = torch.arange(bins + 2, dtype=torch.float64, device=device) / (bins + 1)
    edges = top[0] + (top[1] - top[0]) * steps
    places = torch.arange(1, spectrum, dtype=torch.float64, device=device) * (rate / 2.0 / (spectrum - 1))
    places = (1127.0 * torch.log1p(places / 700.0)).unsqueeze(-1)
    rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    weights = torch.minimum(rising, falling).clamp_min(0)
    return F.pad(weights, (0, 0, 1, 0)).to(dtype)  # the mean of the sound has no part


def mel(spectra, weights, power):
    """Magnitudes (..., frames, spectrum), raised to a power, as mel bins: (..., bins, frames)."""
    return torch.matmul(spectra.pow(power), weights.to(spectra)).mT


def decibels(x, *, least=1e-10, reference=1.0, span=80.0):
    """``10 log10(x / reference)``, both at least `least`; not more than `span` below the greatest value."""
    y = 10.0 * torch.log10(x.clamp_min(least)) - 10.0 * torch.log10(x.new_tensor(max(abs(reference), least)))
    return torch.maximum(y, y.max() - span)


def transformed(x, kernel, step, padding="valid"):
    """Each channel of (B, samples, channels) convolved with a kernel (length, 1, bins): (B, frames, bins, channels)."""
    batch, samples, channels = x.shape
    flat = x.movedim(-1, 1).reshape(batch * channels, samples, 1)
    y = conv(flat, kernel, stride=step, padding=padding)
    return y.reshape(batch, channels, *y.shape[1:]).movedim(1, -1)


def described(real, imaginary, mode, epsilon=1e-7):
    """A transform's "real", "imag", "angle", "stft" (both, one after the other), "psd", "magnitude" or "log" (of it).

    real, imaginary: (B, frames, bins, channels); one that is not asked for may be None.
    """
    if mode in ("real", "imag"):
        return real if mode == "real" else imaginary
    if mode == "angle":
        return torch.atan2(imaginary, real)
    if mode == "stft":
        return torch.cat((real, imaginary), 2)
    power = real.square() + imaginary.square()
    if mode == "psd":  # what is left out, the other half of the spectrum, is counted: all but its ends twice
        return torch.cat((power[:, :, :1], 2 * power[:, :, 1:-1], power[:, :, -1:]), 2)
    magnitude = torch.sqrt(power)
    return magnitude if mode == "magnitude" else torch.log(magnitude.clamp_min(epsilon))
