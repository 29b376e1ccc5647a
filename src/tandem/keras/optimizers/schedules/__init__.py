"""Learning rate schedules."""

from tandem.keras.families import Family
from tandem.keras.missing import absent
from tandem.keras.optimizers.schedules.schedule import (
    BUILT_IN,
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

_FAMILY = Family("keras.optimizers.schedules", "learning rate schedule", LearningRateSchedule, BUILT_IN)


def serialize(learning_rate_schedule):
    """The config of a schedule."""
    return _FAMILY.serialize(learning_rate_schedule)


def deserialize(config, custom_objects=None):
    """The schedule that a config describes."""
    return _FAMILY.deserialize(config, custom_objects)


__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]


def __getattr__(name):
    return absent("keras.optimizers.schedules", name, __all__)


def __dir__():
    return sorted(__all__)
