"""`mx.optimizer`: the rules by which weights follow their gradients."""

import importlib

from tandem.mxnet.base import missing

_RULES = (
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "Adamax",
    "Ftrl",
    "LAMB",
    "NAG",
    "Nadam",
    "RMSProp",
    "SGD",
    "Signum",
    "Test",
    "ccSGD",
)

_RARE = ("DCASGD", "FTML", "LARS", "LBSGD", "SGLD")

# Public name -> module that has it; None: it is that module.
_INDEX = dict.fromkeys(_RULES, "rules") | dict.fromkeys(_RARE, "rare_rules")
_INDEX |= {
    "Optimizer": "optimizer",
    "Updater": "updater",
    "contrib": None,
    "create": "optimizer",
    "get_updater": "updater",
    "optimizer": None,
    "register": "optimizer",
}

__all__ = [*_INDEX]


def __getattr__(name):
    if name not in _INDEX:
        raise missing(__name__, name, _INDEX)
    found = importlib.import_module(f"{__name__}.{_INDEX[name] or name}")
    found = found if _INDEX[name] is None else getattr(found, name)
    globals()[name] = found
    return found


def __dir__():
    return sorted([*globals(), *_INDEX])
