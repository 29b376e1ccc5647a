"""Custom classes and functions by name: registration and `custom_object_scope`."""

import inspect
import threading

from tandem.core.errors import explain

_by_name = {}
_names = {}
_own = {}  # what Tandem itself registers: not among the objects of scripts


class _Scope(threading.local):
    def __init__(self):
        self.objects = {}


_scope = _Scope()


class CustomObjectScope:
    """Let names stand for your own classes and functions inside the block.

    custom_objects: a dict of name -> class or function.
    """

    def __init__(self, custom_objects):
        self.custom_objects = custom_objects or {}
        self._before = None

    def __enter__(self):
        self._before = _scope.objects
        _scope.objects = {**self._before, **self.custom_objects}
        return self

    def __exit__(self, *exc_info):
        _scope.objects = self._before


custom_object_scope = CustomObjectScope


def get_custom_objects():
    """The dict of everything that is registered: change it to register or forget by hand."""
    return _by_name


def register_keras_serializable(package="Custom", name=None):
    """A decorator that lets files name a class or function as `package>name`; the name is by default the object's own.

    Raises ValueError for a class without `get_config`.
    """

    def decorator(thing):
        registered = f"{package}>{name or thing.__name__}"
        if inspect.isclass(thing) and not hasattr(thing, "get_config"):
            raise ValueError("Cannot register a class that does not have a get_config() method.")
        _by_name[registered] = thing
        _names[thing] = registered
        return thing

    return decorator


def register_own(name):
    """A decorator that lets files name a class or function of Tandem's that Keras does not have as `name`."""

    def decorator(thing):
        _own[name], _names[thing] = thing, name
        return thing

    return decorator


def get_registered_name(obj):
    """The name that `obj` is registered under, or its own."""
    try:
        return _names.get(obj) or obj.__name__
    except TypeError:  # not hashable
        return obj.__name__


def is_registered(obj):
    """Whether `obj` was registered."""
    try:
        return obj in _names
    except TypeError:
        return False


def get_registered_object(name, custom_objects=None, module_objects=None):
    """The class or function of a name: from the scope, `custom_objects`, the registry, or `module_objects`; or None."""
    for place in (_scope.objects, custom_objects, _by_name, module_objects, _own):
        if place and name in place:
            return place[name]
    return None


def resolve_name(identifier, choices, what, aliases=None):
    """What `identifier`, a name, stands for: in `choices`, by an alias, or registered; raises ValueError otherwise."""
    from tandem.core.errors import suggest

    found = get_registered_object(identifier, module_objects=choices)
    if found is None and aliases and identifier in aliases:
        found = choices[aliases[identifier]]
    if found is None:
        raise ValueError(
            explain(
                f"Could not interpret {what} identifier: {identifier}",
                expected=f"a callable, a config, or the name of one of the {what}s",
                given=repr(identifier),
                hint=suggest(identifier, [*choices, *(aliases or ())]),
            )
        )
    return found
