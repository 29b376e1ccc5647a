"""`keras.constraints`: what weights must satisfy after each update."""

from tandem.keras import saving
from tandem.keras.constraints.constraint import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from tandem.keras.families import identified

max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

_CLASSES = {
    "MaxNorm": MaxNorm,
    "MinMaxNorm": MinMaxNorm,
    "NonNeg": NonNeg,
    "UnitNorm": UnitNorm,
    "max_norm": MaxNorm,
    "min_max_norm": MinMaxNorm,
    "non_neg": NonNeg,
    "unit_norm": UnitNorm,
}
_ALIASES = {"maxnorm": "MaxNorm", "nonneg": "NonNeg", "unitnorm": "UnitNorm"}


def serialize(constraint):
    """The config of a constraint, as files hold it."""
    return saving.serialize_keras_object(constraint)


def deserialize(config, custom_objects=None):
    """The constraint that a config describes."""
    return saving.deserialize_keras_object(config, custom_objects=custom_objects, module_objects=_CLASSES)


def get(identifier):
    """A constraint from a name, a config, a class, a function of a tensor, or None.

    Raises ValueError for a name that is not known.
    """
    return None if identifier is None else identified(identifier, _CLASSES, "constraint", _ALIASES)


__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]


def __getattr__(name):
    from tandem.keras.missing import absent

    return absent("keras.constraints", name, __all__)
