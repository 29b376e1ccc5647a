"""`keras.preprocessing`: Keras 2's helpers for images, sequences and text."""

import importlib

from tandem.keras.missing import absent

_MODULES = ("image", "sequence", "text")

__all__ = [*_MODULES]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"tandem.keras.preprocessing.{name}")
    return absent("keras.preprocessing", name, _MODULES)


def __dir__():
    return sorted(_MODULES)
