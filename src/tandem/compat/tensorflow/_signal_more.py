"""More of `tf.signal`: cosine transforms, inverse short-time transforms, transforms of two and three axes, windows."""

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import _signal as signal
from tandem.compat.tensorflow.lifted import lift
from tandem.compat.tensorflow.tensor import convert, ints, taker
from tandem.core.errors import explain
from tandem.keras import ops
from tandem.ops import cosine, special

NAMES = signal.NAMES
add = taker(NAMES)


# --- Fourier transforms ----------------------------------------------------------------------------------------------

_transforms = lift(special.transforms, "Transforms", 1, module=__name__)
_real = lift(special.real_transforms, "RealTransforms", 1, module=__name__)
_inverse_real = lift(special.inverse_real_transforms, "InverseRealTransforms", 1, module=__name__)


def _complex(name, axes, inverse):
    def compute(input):
        return _transforms(convert(input), axes, inverse)

    compute.__name__, compute.__doc__ = name, f"The Fourier transform of the last {axes} axes, or its inverse."
    add(compute)


def _of_real(name, axes, function):
    def compute(input_tensor, fft_length=None):
        lengths = None if fft_length is None else ints(fft_length)
        return function(convert(input_tensor), axes, lengths)

    compute.__name__, compute.__doc__ = name, f"The Fourier transform of {axes} axes of real numbers, or its inverse."
    add(compute)


for _inverse in (False, True):
    _complex("ifft3d" if _inverse else "fft3d", 3, _inverse)
    for _axes in (2, 3):
        _name, _function = ("irfft", _inverse_real) if _inverse else ("rfft", _real)
        _of_real(f"{_name}{_axes}d", _axes, _function)


def _shifted(name, half):
    def compute(x, axes=None):
        x = convert(x)
        axes = tuple(range(len(x.shape))) if axes is None else ints(axes)
        return ops.roll(x, tuple(half(x.shape[axis]) for axis in axes), axis=tuple(axes))

    compute.__name__, compute.__doc__ = name, "The frequency 0 moved to the middle, or back from there."
    add(compute)


_shifted("fftshift", lambda size: size // 2)
_shifted("ifftshift", lambda size: -(size // 2))


# --- windows ---------------------------------------------------------------------------------------------------------


@add
def kaiser_window(window_length, beta=12.0, dtype=dtypes.float32):
    """Kaiser's window."""
    return convert(np.kaiser(ints(window_length)[0], float(beta)), dtype)


@add
def kaiser_bessel_derived_window(window_length, beta=12.0, dtype=dtypes.float32):
    """The window of lapped transforms whose squares overlap to 1, of sums of Kaiser's."""
    sums = np.cumsum(np.kaiser(ints(window_length)[0] // 2 + 1, float(beta)))
    half = np.sqrt(sums[:-1] / sums[-1])
    return convert(np.concatenate([half, half[::-1]]), dtype)


@add
def vorbis_window(window_length, dtype=dtypes.float32):
    """Vorbis's window of lapped transforms."""
    size = ints(window_length)[0]
    return convert(np.sin(np.pi / 2 * np.sin(np.pi / size * (np.arange(size) + 0.5)) ** 2), dtype)


def inverse_stft_window_fn(frame_step, forward_window_fn=NAMES["hann_window"], name=None):
    """The window with which `inverse_stft` gives back what `stft` has been given."""
    step = ints(frame_step)[0]

    def window(frame_length, dtype=dtypes.float32):
        size = ints(frame_length)[0]
        forward = np.asarray(forward_window_fn(size, dtype=dtypes.float64))
        count = -(-size // step)
        squares = np.pad(forward**2, (0, count * step - size)).reshape(count, step).sum(0)
        return convert(forward / np.tile(squares, count)[:size], dtype)

    return window


NAMES["inverse_stft_window_fn"] = inverse_stft_window_fn


# --- transforms of pieces --------------------------------------------------------------------------------------------


@add
def inverse_stft(stfts, frame_length, frame_step, fft_length=None, window_fn=NAMES["hann_window"]):
    """The signal whose overlapping pieces have these Fourier transforms."""
    length = ints(frame_length)[0]
    fft_length = 2 ** max(length - 1, 1).bit_length() if fft_length is None else ints(fft_length)[0]
    pieces = NAMES["irfft"](stfts, [fft_length])[..., :length]
    if fft_length < length:
        pieces = ops.pad(pieces, ((0, 0),) * (len(pieces.shape) - 1) + ((0, length - fft_length),))
    if window_fn is not None:
        pieces = ops.multiply(pieces, window_fn(length, dtype=dtypes.as_dtype(pieces.dtype)))
    return NAMES["overlap_and_add"](pieces, frame_step)


_cosine = lift(cosine.transform, "CosineTransform", 1, module=__name__)
_fold = lift(cosine.fold, "FoldPieces", 1, module=__name__)
_unfold = lift(cosine.unfold, "UnfoldPieces", 1, module=__name__)


def _checked(kind, norm, axis):
    if kind not in (1, 2, 3, 4) or norm not in (None, "ortho") or axis != -1 or (kind == 1 and norm):
        raise ValueError(
            explain(
                "Such a cosine transform is not there",
                expected="type 1 to 4, axis -1, norm None or (but for type 1) 'ortho'",
                given=f"type={kind}, axis={axis}, norm={norm!r}",
            )
        )


@add
def dct(input, type=2, n=None, axis=-1, norm=None):
    """The discrete cosine transform of the last axis, of a type from 1 to 4."""
    _checked(type, norm, axis)
    return _cosine(convert(input), kind=type, norm=norm, count=None if n is None else int(n))


@add
def idct(input, type=2, n=None, axis=-1, norm=None):
    """The inverse of `dct`, which without `norm` is as many times too large as there are numbers, twice."""
    _checked(type, norm, axis)
    if n is not None:
        raise ValueError(explain("tf.signal.idct takes no length yet, as in TensorFlow", expected="n=None", given=n))
    return _cosine(convert(input), kind={1: 1, 2: 3, 3: 2, 4: 4}[type], norm=norm, count=None)


@add
def mdct(signals, frame_length, window_fn=vorbis_window, pad_end=False, norm=None):
    """The lapped cosine transform of pieces that overlap by half: (…, pieces, frame_length / 2)."""
    length = ints(frame_length)[0]
    if length % 4:
        raise ValueError(explain("frame_length must be a multiple of 4", given=length))
    pieces = NAMES["frame"](signals, length, length // 2, pad_end)
    if window_fn is not None:
        window = window_fn(length, dtype=dtypes.as_dtype(pieces.dtype))
        pieces = ops.multiply(pieces, window)
    else:
        pieces = ops.multiply(pieces, 0.5**0.5)
    return _cosine(_fold(pieces), kind=4, norm=norm)


@add
def inverse_mdct(mdcts, window_fn=vorbis_window, norm=None):
    """The signal whose pieces `mdct` has transformed."""
    x = convert(mdcts)
    half = x.shape[-1]
    halves = _cosine(x, kind=4, norm=norm)
    halves = halves if norm else ops.multiply(halves, 0.5 / half)
    pieces = _unfold(halves)
    window = 0.5**0.5 if window_fn is None else window_fn(2 * half, dtype=dtypes.as_dtype(pieces.dtype))
    return NAMES["overlap_and_add"](ops.multiply(pieces, window), half)


@add
def mfccs_from_log_mel_spectrograms(log_mel_spectrograms):
    """The cepstral coefficients of logarithmic mel spectra."""
    x = convert(log_mel_spectrograms)
    return ops.multiply(_cosine(x, kind=2), (2 * x.shape[-1]) ** -0.5)
