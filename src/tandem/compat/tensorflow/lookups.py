"""`tf.lookup`'s tables in memory, and `tf.audio`'s WAV files."""

import io
import wave
from collections import namedtuple

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow._errors import InvalidArgumentError
from tandem.compat.tensorflow._strings import StringTensor, as_strings
from tandem.compat.tensorflow.tensor import convert
from tandem.core.errors import Unsupported
from tandem.formats import wav
from tandem.formats.limits import FormatError

Audio = namedtuple("DecodeWav", ["audio", "sample_rate"])


class KeyValueTensorInitializer:
    """The keys and values of a table."""

    def __init__(self, keys, values, key_dtype=None, value_dtype=None, name=None):
        self.keys, self.values = convert(keys, key_dtype), convert(values, value_dtype)


def _plain(tensor):
    return tensor.array.reshape(-1).tolist() if isinstance(tensor, StringTensor) else tensor.reshape(-1).tolist()


class StaticHashTable:
    """A table from keys to values; what it does not have is `default_value`."""

    def __init__(self, initializer, default_value, name=None, experimental_is_anonymous=False):
        self.key_dtype = dtypes.as_dtype(initializer.keys.dtype)
        self.value_dtype = dtypes.as_dtype(initializer.values.dtype)
        self._default = _plain(convert(default_value, self.value_dtype))[0]
        self._table = dict(zip(_plain(initializer.keys), _plain(initializer.values), strict=True))

    def lookup(self, keys, name=None):
        """The values of keys, in their shape."""
        keys = convert(keys, None if hasattr(keys, "dtype") else self.key_dtype)
        found = [self._table.get(key, self._default) for key in _plain(keys)]
        shape = tuple(keys.shape)
        if self.value_dtype == "string":
            array = np.empty(len(found), object)
            array[:] = found
            return StringTensor(array.reshape(shape))
        return convert(np.asarray(found, self.value_dtype.as_numpy_dtype).reshape(shape))

    __getitem__ = lookup

    def size(self, name=None):
        """The number of keys, int64."""
        return convert(np.int64(len(self._table)))


def decode_wav(contents, desired_channels=-1, desired_samples=-1, name=None):
    """A WAV file's bytes of 16 bits as (numbers in [-1, 1) of shape (samples, channels), samples to a second).

    desired_channels, desired_samples: what is cut off, or filled up with zeros; -1 for as many as there are.
    Raises InvalidArgumentError for what is no such file.
    """
    try:
        samples, rate = wav.read(as_strings(contents).numpy())
    except (FormatError, Unsupported) as error:
        raise InvalidArgumentError(str(error)) from None
    for axis, wanted in enumerate((desired_samples, desired_channels)):
        if wanted >= 0:
            missing = [(0, 0), (0, 0)]
            missing[axis] = (0, max(wanted - samples.shape[axis], 0))
            samples = np.pad(np.take(samples, range(min(wanted, samples.shape[axis])), axis), missing)
    return Audio(convert(samples), convert(rate))


def encode_wav(audio, sample_rate, name=None):
    """Numbers in [-1, 1] of shape (samples, channels) as the bytes of a WAV file of 16 bits."""
    samples = np.asarray(convert(audio))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((samples.shape[1], 2, int(sample_rate), 0, "NONE", ""))
        file.writeframes(np.clip(np.round(samples * 32767), -32768, 32767).astype("<i2").tobytes())
    return as_strings(out.getvalue())


TABLES = {"KeyValueTensorInitializer": KeyValueTensorInitializer, "StaticHashTable": StaticHashTable}
AUDIO = {"decode_wav": decode_wav, "encode_wav": encode_wav}
