"""`keras.legacy.saving`: objects as Keras 2's configs, by class and config alone."""

import inspect

from tandem.core.errors import explain
from tandem.keras.legacy import configs
from tandem.keras.saving import registry
from tandem.keras.saving.serialization import deserialize_keras_object as _deserialize
from tandem.keras.saving.serialization import find_class


def serialize_keras_object(instance):
    """{"class_name", "config"} of an object with `get_config`, or the name of a function.

    Raises ValueError for what is neither.
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        config = {}
        for key, value in instance.get_config().items():
            if not isinstance(value, str) and (hasattr(value, "get_config") or hasattr(value, "__name__")):
                value = serialize_keras_object(value)
            config[key] = value
        return {"class_name": registry.get_registered_name(type(instance)), "config": config}
    if hasattr(instance, "__name__"):
        return registry.get_registered_name(instance)
    raise ValueError(f"Cannot serialize {instance} because it doesn't implement `get_config()`.")


def deserialize_keras_object(identifier, module_objects=None, custom_objects=None, printable_module_name="object"):
    """What a config of Keras 2's, or a name, describes.

    identifier: {"class_name", "config"}, the name of a class (an object of it is made) or of a function, None, or a
    function itself; module_objects, custom_objects: dicts of name -> class or function; printable_module_name: what it
    is, in messages. Raises ValueError for a name that is not known, and for a dict that is no config.
    """
    if identifier is None or inspect.isfunction(identifier):
        return identifier
    if not isinstance(identifier, (dict, str)):
        raise ValueError(f"Could not interpret serialized {printable_module_name}: {identifier}")
    with registry.CustomObjectScope(custom_objects):
        if isinstance(identifier, dict):
            if "class_name" not in identifier or "config" not in identifier:
                raise ValueError(
                    explain("Improper config format", expected="'class_name' and 'config'", given=repr(identifier))
                )
            name = identifier["class_name"]
            config = configs.modern(identifier, "3")
            kind = registry.get_registered_object(name, module_objects=module_objects)
            if kind is None:
                try:
                    kind = find_class(None, config["class_name"], config["class_name"], config)
                except TypeError:
                    raise _unknown(printable_module_name, name) from None
            return _deserialize(config, module_objects={config["class_name"]: kind})
        found = registry.get_registered_object(identifier, module_objects=module_objects)
        if found is None:
            raise _unknown(printable_module_name, identifier)
        return found() if isinstance(found, type) else found


def _unknown(what, name):
    return ValueError(
        f"Unknown {what}: {name!r}. Please ensure you are using a `keras.utils.custom_object_scope` and that this "
        "object "
        "is included in the scope."
    )
