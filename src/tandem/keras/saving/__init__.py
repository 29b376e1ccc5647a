"""`keras.saving`: objects by name, as configs, in files."""

import importlib

from tandem.keras.saving.registry import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from tandem.keras.saving.serialization import deserialize_keras_object, serialize_keras_object

_LATER = {
    "KerasFileEditor": "file_editor",
    "load_model": "files",
    "load_weights": "files",
    "save_model": "files",
    "save_weights": "files",
}

__all__ = [
    "CustomObjectScope",
    "KerasFileEditor",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]


def __getattr__(name):
    if name in _LATER:
        value = getattr(importlib.import_module(f"tandem.keras.saving.{_LATER[name]}"), name)
        globals()[name] = value
        return value
    from tandem.keras.missing import absent

    return absent("keras.saving", name, globals())
