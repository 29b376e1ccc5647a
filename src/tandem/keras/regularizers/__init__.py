"""`keras.regularizers`: penalties of weights and activities."""

from tandem.keras import saving
from tandem.keras.families import identified
from tandem.keras.regularizers.regularizer import L1, L1L2, L2, OrthogonalRegularizer, Regularizer

l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer

_CLASSES = {
    "L1": L1,
    "L1L2": L1L2,
    "L2": L2,
    "OrthogonalRegularizer": OrthogonalRegularizer,
    "l1": L1,
    "l2": L2,
    "l1l2": L1L2,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def serialize(regularizer):
    """The config of a regularizer, as files hold it."""
    return saving.serialize_keras_object(regularizer)


def deserialize(config, custom_objects=None):
    """The regularizer that a config describes."""
    return saving.deserialize_keras_object(config, custom_objects=custom_objects, module_objects=_CLASSES)


def get(identifier):
    """A regularizer from a name, a config, a class, a function of a tensor, or None.

    Raises ValueError for a name that is not known.
    """
    return None if identifier is None else identified(identifier, _CLASSES, "regularizer")


__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]


def __getattr__(name):
    from tandem.keras.missing import absent

    return absent("keras.regularizers", name, __all__)
