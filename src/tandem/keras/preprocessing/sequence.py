"""`keras.preprocessing.sequence`."""

from tandem.keras.utils.sequence_utils import pad_sequences

__all__ = ["pad_sequences"]
