"""`mx.gluon`: blocks, layers, losses, training and data."""

import importlib

from tandem.mxnet.base import missing

# Public name -> (module that has it, name in it; None: the module itself).
_INDEX = {
    "Block": ("block", "Block"),
    "Constant": ("parameter", "Constant"),
    "DeferredInitializationError": ("parameter", "DeferredInitializationError"),
    "HybridBlock": ("block", "HybridBlock"),
    "Parameter": ("parameter", "Parameter"),
    "ParameterDict": ("parameter", "ParameterDict"),
    "SymbolBlock": ("symbol_block", "SymbolBlock"),
    "Trainer": ("trainer", "Trainer"),
    "block": ("block", None),
    "contrib": ("contrib", None),
    "data": ("data", None),
    "loss": ("loss", None),
    "model_zoo": ("model_zoo", None),
    "nn": ("nn", None),
    "parameter": ("parameter", None),
    "rnn": ("rnn", None),
    "tensor_types": ("parameter", "tensor_types"),
    "trainer": ("trainer", None),
    "utils": ("utils", None),
}

__all__ = [*_INDEX]


def __getattr__(name):
    try:
        module, attribute = _INDEX[name]
    except KeyError:
        raise missing(__name__, name, _INDEX) from None
    try:
        found = importlib.import_module(f"tandem.mxnet.gluon.{module}")
    except ModuleNotFoundError as error:
        if error.name != f"tandem.mxnet.gluon.{module}":
            raise
        raise missing(__name__, name, _INDEX) from None
    if attribute is not None:
        found = getattr(found, attribute)
    globals()[name] = found
    return found


def __dir__():
    return sorted([*globals(), *_INDEX])
