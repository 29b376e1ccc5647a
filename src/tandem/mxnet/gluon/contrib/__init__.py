"""`gluon.contrib`: further layers."""

import importlib

from tandem.mxnet.base import missing

_MODULES = ("cnn", "data", "estimator", "nn", "rnn")

__all__ = ["cnn", "data", "estimator", "nn", "rnn"]


def __getattr__(name):
    if name not in _MODULES:
        raise missing(__name__, name, _MODULES)
    found = importlib.import_module(f"{__name__}.{name}")
    globals()[name] = found
    return found


def __dir__():
    return sorted([*globals(), *_MODULES])
