"""`tf.signal`: Fourier transforms, frames, windows."""

import numpy as np
import torch

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import lifted
from tandem.compat.tensorflow.tensor import convert, ints, taker
from tandem.core.errors import explain
from tandem.keras import ops

NAMES = {}
add = taker(NAMES)


for _name in ("fft", "ifft", "fft2d", "ifft2d"):
    add(getattr(lifted, _name), _name)


@add
def rfft(input_tensor, fft_length=None):
    """The Fourier transform of real numbers, the first half."""
    return lifted.rfft(convert(input_tensor), None if fft_length is None else ints(fft_length)[0])


@add
def irfft(input_tensor, fft_length=None):
    """The real numbers of which `rfft` has made this."""
    return lifted.irfft(convert(input_tensor), None if fft_length is None else ints(fft_length)[0])


def _window(name, function):
    def compute(window_length, periodic=True, dtype=dtypes.float32):
        length = ints(window_length)[0]
        # A periodic window is the longer symmetric one without its last value; TensorFlow leaves odd ones symmetric.
        longer = periodic and length % 2 == 0
        values = function(length + 1)[:length] if longer else function(length)
        return convert(values, dtype)

    compute.__name__, compute.__doc__ = name, "A window, which ends before it begins again where it is periodic."
    add(compute)


_window("hann_window", np.hanning)
_window("hamming_window", np.hamming)


@add
def frame(signal, frame_length, frame_step, pad_end=False, pad_value=0, axis=-1):
    """Pieces of a signal that overlap, along its last axis: (…, pieces, length)."""
    x = convert(signal)
    if axis not in (-1, len(x.shape) - 1):
        raise NotImplementedError(explain("tf.signal.frame cuts the last axis", given=f"axis={axis}"))
    size, length, step = x.shape[-1], ints(frame_length)[0], ints(frame_step)[0]
    if pad_end:
        missing = max((-(-size // step) - 1) * step + length - size, 0)
        x = ops.pad(x, ((0, 0),) * (len(x.shape) - 1) + ((0, missing),), constant_values=pad_value)
    return ops.extract_sequences(x, length, step)


@add
def stft(signals, frame_length, frame_step, fft_length=None, window_fn=NAMES["hann_window"], pad_end=False):
    """The Fourier transforms of pieces that overlap: (…, pieces, frequencies)."""
    length = ints(frame_length)[0]
    pieces = frame(signals, length, frame_step, pad_end)
    if window_fn is not None:
        pieces = ops.multiply(pieces, window_fn(length, dtype=dtypes.as_dtype(pieces.dtype)))
    # The least power of two that holds a piece.
    return rfft(pieces, 2 ** max(length - 1, 1).bit_length() if fft_length is None else fft_length)


@add
def overlap_and_add(signal, frame_step):
    """The sum of pieces that overlap: what `frame` has cut."""
    x, step = convert(signal), ints(frame_step)[0]
    pieces, length = x.shape[-2], x.shape[-1]
    places = np.arange(pieces)[:, None] * step + np.arange(length)
    total = (pieces - 1) * step + length
    flat = ops.reshape(x, (-1, pieces * length))
    found = ops.segment_sum(ops.transpose(flat), convert(places.reshape(-1)), total)
    return ops.reshape(ops.transpose(found), (*tuple(x.shape)[:-2], total))


@add
def linear_to_mel_weight_matrix(
    num_mel_bins=20,
    num_spectrogram_bins=129,
    sample_rate=8000,
    lower_edge_hertz=125.0,
    upper_edge_hertz=3800.0,
    dtype=dtypes.float32,
):
    """The matrix from frequencies to bands of the mel scale: (frequencies, bands)."""
    from tandem.ops.spectrogram import mel_weights

    edges = float(lower_edge_hertz), float(upper_edge_hertz)
    found = mel_weights(num_mel_bins, num_spectrogram_bins, sample_rate, *edges, dtype=torch.float64)
    return convert(found, dtype)
