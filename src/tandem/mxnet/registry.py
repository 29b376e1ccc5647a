"""Registries of classes by lower-case name: register, alias and create functions for a base class (`mx.registry`)."""

import json
import warnings

from tandem.core.errors import explain, suggest

__all__ = ["get_alias_func", "get_create_func", "get_register_func", "get_registry"]

_REGISTRIES = {}


def get_registry(base_class):
    """A copy of the registry of `base_class`: name -> class."""
    return dict(_REGISTRIES.setdefault(base_class, {}))


def get_register_func(base_class, nickname):
    """A decorator that registers subclasses of `base_class` under their lower-case name.

    nickname: what such a class is called in messages ("optimizer").
    """
    registry = _REGISTRIES.setdefault(base_class, {})

    def register(klass, name=None):
        if not (isinstance(klass, type) and issubclass(klass, base_class)):
            raise AssertionError(
                explain(f"Only a subclass of {base_class.__name__} can be registered", given=repr(klass))
            )
        name = (klass.__name__ if name is None else name).lower()
        known = registry.get(name)
        if known is not None and known is not klass:
            warnings.warn(
                f"New {nickname} {klass.__module__}.{klass.__name__} registered with name {name} is overriding existing"
                f" {nickname} {known.__module__}.{known.__name__}",
                UserWarning,
                stacklevel=2,
            )
        registry[name] = klass
        return klass

    register.__doc__ = f"Register a subclass of {base_class.__name__} as an {nickname}."
    return register


def get_alias_func(base_class, nickname):
    """A decorator that registers subclasses of `base_class` under further names."""
    register = get_register_func(base_class, nickname)

    def alias(*aliases):
        def decorate(klass):
            for name in aliases:
                register(klass, name)
            return klass

        return decorate

    alias.__doc__ = f"Register a subclass of {base_class.__name__} under further names."
    return alias


def get_create_func(base_class, nickname):
    """A function that makes an instance from a registered name, a JSON string, or an instance (answered as it is)."""
    registry = _REGISTRIES.setdefault(base_class, {})

    def create(*args, **kwargs):
        if args:
            name, args = args[0], args[1:]
        elif nickname in kwargs:
            name = kwargs.pop(nickname)
        else:
            raise AssertionError(explain(f"Which {nickname}? None was named", expected=", ".join(sorted(registry))))
        if isinstance(name, base_class):
            if args or kwargs:
                raise AssertionError(
                    explain(
                        f"{nickname} is an instance already: it takes no further arguments", given=f"{args} {kwargs}"
                    )
                )
            return name
        if isinstance(name, dict):
            return create(**name)
        if not isinstance(name, str):
            raise AssertionError(
                explain(
                    f"{nickname} must be of string type",
                    expected=f"a name or a {base_class.__name__}",
                    given=repr(name),
                )
            )
        if name.startswith("["):
            name, kwargs = json.loads(name)
            return create(name, **kwargs)
        if name.startswith("{"):
            return create(**json.loads(name))
        if name.lower() not in registry:
            raise AssertionError(
                explain(
                    f"{name} is not registered. Please register with {nickname}.register first",
                    expected=", ".join(sorted(registry)),
                    given=repr(name),
                    hint=suggest(name, registry),
                )
            )
        return registry[name.lower()](*args, **kwargs)

    create.__doc__ = f"An {nickname} from its name, its JSON form, or as it is."
    return create
