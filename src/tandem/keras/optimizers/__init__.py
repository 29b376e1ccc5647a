"""Optimizers: how gradients change weights."""

from tandem.keras.families import Family
from tandem.keras.optimizers import schedules
from tandem.keras.optimizers.gradient import SGD, Adadelta, Adagrad, Ftrl, Lion, RMSprop
from tandem.keras.optimizers.moments import Adam, Adamax, AdamW, Lamb, Nadam
from tandem.keras.optimizers.optimizer import Optimizer

_FAMILY = Family(
    "keras.optimizers",
    "optimizer",
    Optimizer,
    (SGD, RMSprop, Adagrad, Adadelta, Ftrl, Lion, Adam, AdamW, Adamax, Nadam, Lamb),
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
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]
