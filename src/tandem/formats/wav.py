"""Sounds in WAV files: PCM of 16 bits, which is all that TensorFlow, and so Keras, reads."""

import io
import wave

import numpy as np

from tandem.core.errors import Unsupported, explain
from tandem.formats.limits import broken, named

_BYTES = 2  # to a sample


def read(file):
    """(samples, sampling rate): (time, channels), float32 in [-1, 1).

    file: a path or the bytes of a file. Raises FormatError for a damaged file, Unsupported for samples that are no PCM
    of 16 bits.
    """
    name = None if isinstance(file, bytes) else named(file)
    try:
        with wave.open(io.BytesIO(file) if isinstance(file, bytes) else str(file), "rb") as sound:
            channels, width, rate, count = sound.getparams()[:4]
            frames = sound.readframes(count)
    except (wave.Error, EOFError) as error:
        raise broken(name, "it cannot be read", "a WAV file of 16-bit PCM", error or "one that is cut off") from error
    if width != _BYTES:
        raise Unsupported(
            explain("A sound cannot be read", expected="16-bit PCM", given=f"{8 * width} bits in {name or 'the data'}")
        )
    wanted = count * channels * _BYTES
    if len(frames) != wanted:
        raise broken(name, "its samples are cut off", f"{wanted} bytes", f"{len(frames)} bytes")
    return np.frombuffer(frames, "<i2").reshape(-1, channels).astype("float32") / np.float32(32768), rate
