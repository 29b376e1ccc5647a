"""`keras.ops.image`."""

from tandem.keras.ops.family import Family

NAMES = Family("keras.src.ops.image")
