"""Tandem runs existing Keras and MXNet code on one PyTorch engine.

``from tandem import keras`` and ``import tandem.mxnet as mx`` are the two front ends; ``tandem run script.py`` puts
them under the names a script already uses.
"""

import importlib

__version__ = "0.1.0"

_FRONT_ENDS = ("keras", "mxnet")


def __getattr__(name):
    # Front ends are loaded when first asked for: `tandem --help` must not pay for torch.
    if name in _FRONT_ENDS:
        return importlib.import_module(f"tandem.{name}")
    raise AttributeError(f"module 'tandem' has no attribute {name!r}; it has {', '.join(_FRONT_ENDS)} and __version__")


def __dir__():
    return sorted([*globals(), *_FRONT_ENDS])
