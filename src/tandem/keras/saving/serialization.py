"""Objects to plain dictionaries and back, in the form in which Keras 3's files hold them."""

import inspect
import operator
import types

import numpy as np
import torch

from tandem.core.dtypes import dtype_name
from tandem.core.errors import explain
from tandem.keras.public_names import CLASSES
from tandem.keras.saving import python_code, registry, sharing

# Where our rooms below keras/ are public under another name.
_PUBLIC = {"dtype_policies": "keras", "models": "keras", "random": "keras.random"}


def serialize_keras_object(obj):
    """A structure of plain values that describes `obj`.

    Layers, losses, … become {"module", "class_name", "config", "registered_name"}; functions their names; arrays,
    tensors, slices, bytes and lambdas small dictionaries. Raises TypeError for what has no `get_config`.
    """
    from tandem.keras.symbolic import KerasTensor

    if obj is None or (isinstance(obj, (str, bool, int, float)) and not isinstance(obj, np.generic)):
        return obj
    if isinstance(obj, (list, tuple)):
        if hasattr(obj, "_fields"):
            return type(obj)(*(serialize_keras_object(item) for item in obj))
        items = [serialize_keras_object(item) for item in obj]
        return tuple(items) if isinstance(obj, tuple) else items
    if isinstance(obj, dict):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        parts = {part: serialize_keras_object(getattr(obj, part)) for part in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, KerasTensor):
        history = None
        if obj.node is not None:
            operation, node_index, tensor_index = obj._keras_history
            history = [operation.name, node_index, tensor_index]
        return {
            "class_name": "__keras_tensor__",
            "config": {"shape": obj.shape, "dtype": obj.dtype, "keras_history": history},
        }
    if isinstance(obj, torch.Tensor):
        value = {"value": obj.detach().cpu().tolist(), "dtype": dtype_name(obj.dtype)}
        return {"class_name": "__tensor__", "config": value}
    if isinstance(obj, (np.ndarray, np.generic)):
        if obj.ndim == 0:
            return obj.item()
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": obj.dtype.name}}
    if isinstance(obj, types.FunctionType) and obj.__name__ == "<lambda>":
        return python_code.serialize(obj)
    return _serialize_instance(obj)


def _serialize_instance(obj):
    kind = type(obj)
    if isinstance(obj, (types.FunctionType, types.BuiltinFunctionType)):
        return {
            "module": "builtins",
            "class_name": kind.__name__,
            "config": registry.get_registered_name(obj),
            "registered_name": kind.__name__,
        }
    if not hasattr(obj, "get_config") or inspect.isclass(obj):
        raise TypeError(
            f"Cannot serialize object {obj} of type {kind}. To be serializable, a class must implement the "
            "`get_config()` method."
        )
    module, registered = _home(kind)
    result = {
        "module": module,
        "class_name": kind.__name__,
        "config": serialize_dict(obj.get_config()),
        "registered_name": registered,
    }
    if hasattr(obj, "get_build_config"):
        build_config = obj.get_build_config()
        if build_config is not None:
            result["build_config"] = serialize_dict(build_config)
    if hasattr(obj, "get_compile_config"):
        result["compile_config"] = serialize_dict(obj.get_compile_config() or {})
    sharing.note_saved(obj, result)
    return result


def _home(kind):
    """(public module, registered name) of a class: ours are public and not registered, others by their own name."""
    module = getattr(kind, "_keras_module", None)
    if module is not None and "_keras_module" in kind.__dict__:
        return module, kind.__name__
    outside = None if kind.__module__ in ("__main__", "builtins") else kind.__module__
    if registry.is_registered(kind):
        return outside, registry.get_registered_name(kind)
    if kind.__module__.startswith("keras.src."):
        return kind.__module__, kind.__name__
    if kind.__module__.startswith("tandem.keras."):
        room = kind.__module__.split(".")[2]
        if "optimizers.schedules" in kind.__module__:
            return "keras.optimizers.schedules", None
        home = _PUBLIC.get(room, f"keras.{room}")
        # What a room's main class is beside, such as quantised policies, is public in the room alone.
        return (f"keras.{room}" if home == "keras" and kind.__name__ not in CLASSES[home].split() else home), None
    return outside, kind.__name__


def serialize_dict(config):
    """A dict with each value serialized."""
    return {key: serialize_keras_object(value) for key, value in config.items()}


def deserialize_keras_object(config, custom_objects=None, safe_mode=True, **kwargs):
    """The object that a structure made by `serialize_keras_object` describes.

    custom_objects: a dict of name -> class or function for what is not Keras's own; safe_mode: refuse Python code.
    Raises TypeError for a class that is not known, ValueError for one that a module of Keras's lacks: names in a file
    are never imported.
    """
    outer = python_code.safe_mode()
    safe_mode = safe_mode if outer is None else outer
    module_objects = kwargs.pop("module_objects", None)
    if kwargs:
        raise TypeError(explain("Unknown arguments of deserialize_keras_object", given=", ".join(kwargs)))
    if config is None or isinstance(config, (bool, int, float)):
        return config
    if isinstance(config, str):
        found = registry.get_registered_object(config, custom_objects, module_objects)
        return config if found is None else found
    if isinstance(config, (list, tuple)):
        items = [deserialize_keras_object(item, custom_objects, safe_mode) for item in config]
        return tuple(items) if isinstance(config, tuple) else items
    if not isinstance(config, dict):
        raise TypeError(f"Could not parse config: {config}")
    if "class_name" not in config or "config" not in config:
        return {
            key: deserialize_keras_object(value, custom_objects, safe_mode, module_objects=module_objects)
            for key, value in config.items()
        }
    with registry.CustomObjectScope(custom_objects):
        special = _SPECIAL.get(config["class_name"])
        if special is not None:
            return special(config["config"] or {}, safe_mode)
        return _make(config, safe_mode, module_objects)


_SPECIAL = {
    "__bytes__": lambda inner, safe: inner["value"].encode("utf-8"),
    "__slice__": lambda inner, safe: slice(inner["start"], inner["stop"], inner["step"]),
    "__ellipsis__": lambda inner, safe: Ellipsis,
    "__tensor__": lambda inner, safe: torch.tensor(inner["value"], dtype=getattr(torch, dtype_name(inner["dtype"]))),
    "__numpy__": lambda inner, safe: np.array(inner["value"], dtype=inner["dtype"]),
    "__lambda__": python_code.deserialize,
}


def _make(config, safe_mode, module_objects):
    class_name, inner = config["class_name"], config["config"] or {}
    module, registered = config.get("module"), config.get("registered_name", class_name)
    if class_name in ("function", "builtin_function_or_method"):
        return _find_function(inner, config)
    if isinstance(inner, dict) and sharing.loaded(config) is not None:
        return sharing.loaded(config)
    if class_name == "Lambda" and isinstance(inner, dict):
        inner = python_code.with_given_function(inner)
    kind = find_class(module, registered, class_name, config, module_objects)
    if not hasattr(kind, "from_config"):
        raise TypeError(f"Unable to reconstruct an instance of '{class_name}' because it has no `from_config()`.")
    parameters = {}
    if safe_mode is False and "safe_mode" in inspect.signature(kind.from_config).parameters:
        parameters["safe_mode"] = safe_mode
    try:
        with python_code.SafeModeScope(safe_mode):
            instance = kind.from_config(inner, **parameters)
    except TypeError as error:
        raise TypeError(
            f"{kind} could not be deserialized properly. Please ensure that components that are Python object "
            f"instances "
            f"(layers, models, etc.) returned by `get_config()` are explicitly deserialized in the model's "
            f"`from_config()` method.\n\nconfig={config}.\n\nException encountered: {error}"
        ) from error
    if config.get("build_config") and hasattr(instance, "build_from_config"):
        instance.build_from_config(config["build_config"])
        if hasattr(instance, "built"):
            instance.built = True
    if config.get("compile_config") and hasattr(instance, "compile_from_config"):
        instance.compile_from_config(config["compile_config"])
    sharing.note_loaded(config, instance)
    return instance


_ROOMS = (
    "layers",
    "models",
    "applications",
    "initializers",
    "regularizers",
    "constraints",
    "losses",
    "metrics",
    "optimizers",
    "optimizers.schedules",
    "dtype_policies",
    "quantizers",
    "random",
    "utils",
    "distillation",
)
_TOPS = [[], *([room.split(".")[0]] for room in _ROOMS), ["activations"], ["ops"], ["callbacks"]]
_FUNCTION_ROOMS = ("activations", "losses", "metrics", "ops")


def _public(room, name):
    from tandem import keras

    if name.startswith("_"):
        return None
    try:
        return operator.attrgetter(f"{room}.{name}")(keras)
    except AttributeError:
        return None


def find_class(module, registered, class_name, config, module_objects=None):
    """The class that a config names: registered, given by the caller, or one of Keras's public ones.

    Raises ValueError for a module of Keras's that has no such class, and TypeError where there is none elsewhere.
    """
    found = registry.get_registered_object(registered, module_objects=module_objects)
    if found is None and registered != class_name:
        found = registry.get_registered_object(class_name, module_objects=module_objects)
    if found is not None:
        return found
    if module in (None, "builtins") or module.split(".")[0] in ("keras", "tf_keras", "tensorflow"):
        if (module or "").startswith(("keras.src.ops", "keras.src.activations", "keras.src.quantizers")):
            from tandem.keras import ops

            found = ops.operation_class(class_name)
            if found is not None:
                return found
        parts = (module or "").split(".")
        if parts[-1] == "feature_space" and class_name in ("Cross", "Feature", "TFDConcat", "TFDIdentity"):
            from tandem.keras.utils import feature_space

            return getattr(feature_space, class_name)
        for room in sorted(_ROOMS, key=lambda room: room.split(".")[-1] not in parts):
            found = _public(room, class_name)
            if inspect.isclass(found):
                return found
        if parts[0] == "keras" and class_name.isidentifier() and (parts[1:2] == ["src"] or parts[1:2] in _TOPS):
            raise ValueError(
                f"Could not deserialize '{module}.{class_name}': Keras has no such class. If it is your own, decorate "
                f"it with `@keras.saving.register_keras_serializable()`. Full object config: {config}"
            )
    raise TypeError(
        f"Could not locate class '{class_name}'. Make sure custom classes and functions are decorated with "
        "`@keras.saving.register_keras_serializable()`. If they are already decorated, make sure they are all imported "
        f"so that the decorator is run before trying to load them. Full object config: {config}"
    )


def _find_function(name, config):
    found = registry.get_registered_object(name)
    if found is not None:
        return found
    for room in _FUNCTION_ROOMS:
        found = _public(room, str(name))
        if callable(found) and not inspect.isclass(found):
            return found
    raise TypeError(
        f"Could not locate function '{name}'. Make sure custom classes and functions are decorated with "
        f"`@keras.saving.register_keras_serializable()`. Full object config: {config}"
    )
