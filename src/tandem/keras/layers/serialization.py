"""Layers as configs, and back."""

from tandem.core.errors import explain
from tandem.keras import saving
from tandem.keras.layers.base import Layer


def serialize(layer):
    """The config of a layer, as files hold it."""
    return saving.serialize_keras_object(layer)


def deserialize(config, custom_objects=None):
    """The layer that a config describes. Raises ValueError where it describes something else."""
    layer = saving.deserialize_keras_object(config, custom_objects=custom_objects)
    if not isinstance(layer, Layer):
        raise ValueError(explain("The config is not that of a layer", expected="a keras.Layer", given=repr(config)))
    return layer
