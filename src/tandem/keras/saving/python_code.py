"""Python lambdas in configs. They are written as Keras writes them, and never run from a file.

A lambda whose code this process has itself made is found again: in the script that made a model, `safe_mode=False`
loads it with the script's own function.
"""

import base64
import marshal
import threading
import weakref

from tandem.core.errors import Unsupported, explain, warn
from tandem.keras import config as settings
from tandem.keras.saving import registry

_known = weakref.WeakValueDictionary()  # code as files hold it -> a function of this process


class _Here(threading.local):
    safe_mode = None


_here = _Here()


class SafeModeScope:
    """Inside the block, `safe_mode` holds for everything that is deserialized."""

    def __init__(self, safe_mode=True):
        self.safe_mode = safe_mode

    def __enter__(self):
        self._before, _here.safe_mode = _here.safe_mode, self.safe_mode
        return self

    def __exit__(self, *exc_info):
        _here.safe_mode = self._before


def safe_mode():
    """What the innermost `SafeModeScope` says, or None."""
    return _here.safe_mode


def _code(function):
    return base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii")


def serialize(function, in_layer=False):
    """The config of a lambda: its code, default arguments and closure, which Keras can run.

    in_layer: in the form that a `Lambda` layer has for its functions, which is another one.
    """
    warn(
        "The object being serialized includes a `lambda`. Only Keras itself can load it again from a file, with "
        "`safe_mode=False` and the same version of Python. Give a named function and register it with "
        "`@keras.saving.register_keras_serializable()`."
    )
    found = parts(function)
    return {"class_name": "__lambda__", "config": found if in_layer else {"value": list(found.values())}}


def parts(function):
    """The code, default arguments and closure of a function as plain values; it is found again while it lives."""
    code = _code(function)
    _known[code] = function
    closure = function.__closure__
    cells = None if closure is None else [cell.cell_contents for cell in closure]
    plain = cells if cells is None or all(isinstance(cell, (int, float, str, bool)) for cell in cells) else None
    return {"code": code, "defaults": function.__defaults__, "closure": plain}


def deserialize(inner, safe):
    """The function of this process whose code a config holds. Raises ValueError where that is not asked for, and
    Unsupported where there is none: code that a file brings is not run.
    """
    if safe and not settings.is_unsafe_deserialization_enabled():
        raise ValueError(
            "Requested the deserialization of a Python lambda. This carries a potential risk of arbitrary code "
            "execution and thus it is disallowed by default. If the script that loads the model also makes it, pass "
            "`safe_mode=False` to the loading function, or call `keras.config.enable_unsafe_deserialization()`. "
            f"{_ADVICE}"
        )
    code = inner.get("code", inner.get("value")) if isinstance(inner, dict) else None
    code = code[0] if isinstance(code, (list, tuple)) and code else code
    found = _known.get(code) if isinstance(code, str) else None
    if found is None:
        raise Unsupported(
            explain("Python code that a file brings (a lambda) is not run", given="bytecode", hint=_ADVICE)
        )
    return found


def with_given_function(config):
    """The config of a `Lambda` layer, with the function that `custom_objects` has under the layer's name."""
    given = registry.get_registered_object(str(config.get("name")))
    if not callable(given) or not _is_code(config.get("function")):
        return config
    # The shape and the mask that code stands for are found by running the function.
    return {key: value for key, value in config.items() if not _is_code(value)} | {"function": given}


def _is_code(value):
    return isinstance(value, dict) and value.get("class_name") == "__lambda__"


_ADVICE = (
    "Give the function yourself: `custom_objects={'<name of the Lambda layer>': function}` when loading, or build the "
    "model again in Python and call `model.load_weights(path)`, which needs no code from the file."
)
