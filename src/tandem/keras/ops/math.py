"""Segments, largest entries, Fourier transforms and special functions."""

from tandem.core.errors import explain
from tandem.keras.ops.family import Family, spec, tensor, to_float, together
from tandem.ops import arithmetic, array_index, elementwise, fourier, matrices, segments

NAMES = Family("keras.src.ops.math")


def _segment(kind):
    def compute(data, segment_ids, num_segments=None, sorted=False):
        data, segment_ids = tensor(data), tensor(segment_ids)
        if segment_ids.dim() != 1:
            raise ValueError(
                f"Argument `segment_ids` should be an 1-D vector, got shape: {tuple(segment_ids.shape)}. Consider "
                "flattening it, and the data's first axes with it."
            )
        return segments.reduce(data, segment_ids, num_segments, kind)

    return compute


def _segment_spec(data, segment_ids, num_segments=None, sorted=False):
    return spec((num_segments, *data.shape[1:]), data.dtype)


for _name, _kind, _class in (
    ("segment_sum", "sum", "SegmentSum"),
    ("segment_prod", "prod", "SegmentProd"),
    ("segment_max", "max", "SegmentMax"),
    ("segment_min", "min", "SegmentMin"),
):
    NAMES.add(_name, _segment(_kind), _class, 2, spec=_segment_spec).__doc__ = (
        f"The {_kind} of the rows of each segment: row i of the data belongs to segment ``segment_ids[i]``; rows of "
        "segments that are none are left out."
    )


@NAMES.op("TopK")
def top_k(x, k, sorted=True):
    """(the k largest entries of the last axis, falling, their indices)."""
    return array_index.largest(tensor(x), k)


@NAMES.op("InTopK", 2)
def in_top_k(targets, predictions, k):
    """Whether each row's target is among the k largest predictions."""
    return array_index.in_largest(tensor(targets), tensor(predictions), k)


@NAMES.op("Logsumexp")
def logsumexp(x, axis=None, keepdims=False):
    """``log(sum(exp(x)))`` over axes."""
    return arithmetic.log_sum_exp(to_float(tensor(x)), axis, keepdims)


@NAMES.op("ExtractSequences")
def extract_sequences(x, sequence_length, sequence_stride):
    """Windows of the last axis, one each `sequence_stride` entries: (..., windows, sequence_length)."""
    return fourier.windows(tensor(x), sequence_length, sequence_stride)


def _complex(x):
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(
            "Input `x` should be a tuple of two tensors - real and imaginary. "
            f"Received: x={x if isinstance(x, (tuple, list)) else type(x)}"
        )
    real, imag = (tensor(part) for part in x)
    if real.shape != imag.shape:
        raise ValueError(
            explain(
                "The real and imaginary parts must have the same shape",
                given=f"{tuple(real.shape)} and {tuple(imag.shape)}",
            )
        )
    if not (real.is_floating_point() and imag.is_floating_point()):
        raise ValueError(f"At least one tensor in input `x` is not of type float. Received: x={x}.")
    return real, imag


@NAMES.op("FFT")
def fft(x):
    """The discrete Fourier transform along the last axis of (real, imaginary): again such a pair."""
    return fourier.transform(*_complex(x))


@NAMES.op("FFT2")
def fft2(x):
    """The discrete Fourier transform along the last two axes of (real, imaginary): again such a pair."""
    return fourier.transform2(*_complex(x))


@NAMES.op("IFFT2")
def ifft2(x):
    """The inverse of `fft2`."""
    return fourier.inverse2(*_complex(x))


@NAMES.op("RFFT")
def rfft(x, fft_length=None):
    """The Fourier transform of real numbers along the last axis: (real, imaginary) of the frequencies from 0 up."""
    return fourier.real(tensor(x), fft_length)


@NAMES.op("IRFFT")
def irfft(x, fft_length=None):
    """The inverse of `rfft`."""
    return fourier.inverse_real(*_complex(x), fft_length)


def _check_window(window, sequence_length, fft_length):
    if window is None:
        return None
    if isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise ValueError(
                f'If a string is passed to `window`, it must be one of `"hann"`, `"hamming"`. Received: window={window}'
            )
        return window
    window = tensor(window)
    if window.dim() != 1 or window.shape[0] != sequence_length:
        raise ValueError(
            f"The shape of `window` must be equal to [sequence_length]. Received: window shape={tuple(window.shape)}"
        )
    return window


@NAMES.op("STFT")
def stft(x, sequence_length, sequence_stride, fft_length, window="hann", center=True):
    """The Fourier transforms of windows of the last axis: (real, imaginary), each (..., windows, frequencies)."""
    x = tensor(x)
    if str(x.dtype) not in ("torch.float32", "torch.float64"):
        raise TypeError(f"Invalid input type. Expected `float32` or `float64`. Received: input type={x.dtype}")
    if fft_length < sequence_length:
        raise ValueError(
            "`fft_length` must equal or larger than `sequence_length`. "
            f"Received: sequence_length={sequence_length}, fft_length={fft_length}"
        )
    window = _check_window(window, sequence_length, fft_length)
    return fourier.short_time(x, sequence_length, sequence_stride, fft_length, window, center)


@NAMES.op("ISTFT")
def istft(x, sequence_length, sequence_stride, fft_length, length=None, window="hann", center=True):
    """The inverse of `stft`: overlapping windows added, divided by the sum of their squares."""
    real, imag = _complex(x)
    window = _check_window(window, sequence_length, fft_length)
    return fourier.inverse_short_time(real, imag, sequence_length, sequence_stride, fft_length, length, window, center)


def _special(function):
    return lambda x: function(to_float(tensor(x)))


for _name, _class, _function in (
    ("rsqrt", "Rsqrt", elementwise.rsqrt),
    ("erf", "Erf", elementwise.erf),
    ("erfc", "Erfc", elementwise.erfc),
    ("erfinv", "Erfinv", elementwise.erfinv),
):
    NAMES.add(_name, _special(_function), _class).__doc__ = f"`{_name}`, element by element."


@NAMES.op("Logdet")
def logdet(x):
    """The logarithm of the determinant of matrices; NaN where it is negative."""
    return matrices.log_determinant(tensor(x))


@NAMES.op("CDist", 2)
def cdist(x, y):
    """The Euclidean distances between the rows of x and those of y."""
    x, y = together(x, y)
    if x.dim() < 2 or y.dim() < 2:
        raise ValueError(f"`cdist` takes matrices. Received: shapes {tuple(x.shape)} and {tuple(y.shape)}")
    return matrices.distances(to_float(x), to_float(y))


@NAMES.op("ViewAsComplex", spec=lambda x: _complex_spec(x))
def view_as_complex(x):
    """Pairs (real, imaginary) in the last axis as complex numbers."""
    x = tensor(x)
    if x.dim() < 1 or x.shape[-1] != 2:
        raise ValueError(
            f"Last dimension of input must be size 2 (real and imaginary). Received shape: {tuple(x.shape)}"
        )
    return fourier.as_complex(x)


def _complex_spec(x):
    return spec(x.shape[:-1], "complex128" if x.dtype == "float64" else "complex64")


@NAMES.op("ViewAsReal", spec=lambda x: spec((*x.shape, 2), "float64" if x.dtype == "complex128" else "float32"))
def view_as_real(x):
    """Complex numbers as pairs (real, imaginary) in a new last axis."""
    return fourier.as_real(tensor(x))
