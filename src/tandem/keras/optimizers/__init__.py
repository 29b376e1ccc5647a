"""Optimizers: how gradients change weights."""

import importlib

from tandem.keras.families import Family
from tandem.keras.missing import absent
from tandem.keras.optimizers import schedules
from tandem.keras.optimizers.gradient import SGD, Adadelta, Adagrad, Ftrl, Lion, RMSprop
from tandem.keras.optimizers.loss_scale import LossScaleOptimizer
from tandem.keras.optimizers.moments import Adam, Adamax, AdamW, Lamb, Nadam
from tandem.keras.optimizers.optimizer import Optimizer
from tandem.keras.optimizers.whole import Adafactor, Muon, ScheduleFreeAdamW

_FAMILY = Family(
    "keras.optimizers",
    "optimizer",
    Optimizer,
    (
        SGD,
        RMSprop,
        Adagrad,
        Adadelta,
        Ftrl,
        Lion,
        Adam,
        AdamW,
        Adamax,
        Nadam,
        Lamb,
        Adafactor,
        Muon,
        ScheduleFreeAdamW,
        LossScaleOptimizer,
    ),
)


def serialize(optimizer):
    """The config of an optimizer."""
    return _FAMILY.serialize(optimizer)


def deserialize(config, custom_objects=None):
    """The optimizer that a config describes."""
    return _FAMILY.deserialize(config, custom_objects)


def get(identifier):
    """The optimizer that a name ("adam"), a config or an optimizer itself means. Raises ValueError for another
    thing.
    """
    return _FAMILY.get(identifier)


__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]


def __getattr__(name):
    if name == "legacy":
        return importlib.import_module("tandem.keras.optimizers.legacy")
    return absent("keras.optimizers", name, __all__)


def __dir__():
    return sorted(__all__)
