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


def modified_bessel(x, order, scaled=False):
    """The modified Bessel function of the first kind of order 0 or 1; scaled: times ``exp(-|x|)``."""
    return getattr(torch.special, f"i{order}{'e' if scaled else ''}")(x)


def modified_bessel_second(x, order, scaled=False):
    """The modified Bessel function of the second kind of order 0 or 1; scaled: times ``exp(x)``."""
    return getattr(torch.special, f"{'scaled_' if scaled else ''}modified_bessel_k{order}")(x)


def bessel(x, kind, order):
    """The Bessel function of the first ("j") or second ("y") kind of order 0 or 1."""
    return getattr(torch.special, f"bessel_{kind}{order}")(x)


def normal_quantile(x):
    """The number below which a normal number is with the probability x."""
    return torch.special.ndtri(x)


def inverse_erfc(x):
    """The y with ``erfc(y) = x``."""
    return torch.special.ndtri(x / 2) * -(0.5**0.5)


def lower_gamma(a, x):
    """The regularised lower incomplete gamma function ``P(a, x)``."""
    return torch.special.gammainc(a, x)


def upper_gamma(a, x):
    """The regularised upper incomplete gamma function ``Q(a, x)``."""
    return torch.special.gammaincc(a, x)


def zeta(x, q):
    """Hurwitz's zeta function, the sum of ``(q + k) ** -x``."""
    return torch.special.zeta(x, q)


def polygamma(a, x):
    """The derivative of order a + 1 of the logarithm of the gamma function; a: whole numbers, of x's dtype."""
    sign = torch.where(a % 2 == 0, -1.0, 1.0).to(x.dtype)
    found = sign * torch.exp(torch.lgamma(a + 1)) * torch.special.zeta(a + 1, x)
    return torch.where(a == 0, torch.digamma(x), found)


def xlog1py(x, y):
    """``x * log(1 + y)``, 0 where x is 0."""
    return torch.special.xlog1py(x, y)


def next_after(x, y):
    """The next number of the dtype from x towards y."""
    return torch.nextafter(x, y)


def log_beta(x):
    """The logarithm of the beta function of the numbers of the last axis: sum of lgamma less lgamma of the sum."""
    return torch.lgamma(x).sum(-1) - torch.lgamma(x.sum(-1))


def incomplete_beta(a, b, x, steps=200):
    """The regularised incomplete beta function ``I_x(a, b)``, by its continued fraction (Lentz, 1976)."""
    kind = x.dtype
    a, b, x = torch.broadcast_tensors(a.double(), b.double(), x.double())
    # The fraction converges where x is below its mean; elsewhere I_x(a, b) = 1 - I_{1-x}(b, a).
    swap = x > (a + 1) / (a + b + 2)
    a, b, x = torch.where(swap, b, a), torch.where(swap, a, b), torch.where(swap, 1 - x, x)
    tiny = 1e-300
    c, d = torch.ones_like(x), 1 / _away(1 - (a + b) * x / (a + 1), tiny)
    found = d
    for m in range(1, steps):
        for top in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away(1 + top * d, tiny)
            c = _away(1 + top / c, tiny)
            found = found * d * c
    front = torch.exp(
        torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b) + torch.xlogy(a, x) + torch.special.xlog1py(b, -x)
    )
    found = front * found / a
    return torch.where(swap, 1 - found, found).to(kind)


def _away(x, tiny):
    return torch.where(x.abs() < tiny, tiny, x)


def running_logsumexp(x, axis):
    """The logarithm of the sum of the exponentials so far along an axis."""
    return torch.logcumsumexp(x, axis)


def transforms(x, axes, inverse=False):
    """The Fourier transform of the last `axes` axes, complex."""
    over = tuple(range(-axes, 0))
    return torch.fft.ifftn(_complex(x), dim=over) if inverse else torch.fft.fftn(_complex(x), dim=over)


def real_transforms(x, axes, lengths=None):
    """The first half of the Fourier transform of the last `axes` axes of real numbers, cut or filled to `lengths`."""
    return torch.fft.rfftn(x, lengths, tuple(range(-axes, 0)))


def inverse_real_transforms(x, axes, lengths=None):
    """The real numbers, of sizes `lengths`, of whose Fourier transform this is the first half."""
    return torch.fft.irfftn(x, lengths, tuple(range(-axes, 0)))
