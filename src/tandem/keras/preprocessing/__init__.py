"""`keras.preprocessing`: Keras 2's helpers for images, sequences and text; datasets out of folders."""

import importlib

from tandem.keras.missing import absent
from tandem.keras.utils.datasets import (
    image_dataset_from_directory,
    text_dataset_from_directory,
    timeseries_dataset_from_array,
)

_MODULES = ("image", "sequence", "text")

__all__ = [
    *_MODULES,
    "image_dataset_from_directory",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"tandem.keras.preprocessing.{name}")
    return absent("keras.preprocessing", name, __all__)


def __dir__():
    return sorted(__all__)
