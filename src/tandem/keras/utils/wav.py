"""Sounds in `.wav` files."""

import wave

import numpy as np

from tandem.core.errors import Unsupported, explain


def read_wav(path):
    """(samples, sampling rate): the samples of a file, (time, channels), as 32-bit floating point from -1 to 1.

    Raises Unsupported for what is not 16-bit PCM, which is all that TensorFlow, and so Keras, reads.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except wave.Error as error:
        raise Unsupported(
            explain("A sound file cannot be read", expected="16-bit PCM", given=f"{path}: {error}")
        ) from error
    if width != 2:
        raise Unsupported(
            explain("A sound file cannot be read", expected="16-bit PCM", given=f"{8 * width} bits in {path}")
        )
    samples = np.frombuffer(frames, "<i2").reshape(-1, channels)
    return samples.astype("float32") / np.float32(32768), rate
