"""Keras 1's and 2's spellings, mostly as tables of what maps to what."""

import importlib


def __getattr__(name):
    if name == "saving":
        return importlib.import_module("tandem.keras.legacy.saving")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
