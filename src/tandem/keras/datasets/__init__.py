"""`keras.datasets`: data sets that are downloaded once, each in a module of its own."""

import importlib

from tandem.keras.missing import absent

_MODULES = (
    "boston_housing",
    "california_housing",
    "cifar10",
    "cifar100",
    "fashion_mnist",
    "imdb",
    "mnist",
    "reuters",
)

__all__ = [*_MODULES]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"tandem.keras.datasets.{name}")
    return absent("keras.datasets", name, _MODULES)


def __dir__():
    return sorted(_MODULES)
