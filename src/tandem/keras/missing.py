"""What a public namespace says of a name that it does not have."""

from inspect import Signature

from tandem.core.errors import Unsupported, suggest

_NOTHING = Signature()  # what is not there takes no arguments


def missing(namespace, name, names):
    """The AttributeError for `name`: that it is not there, the nearest name, how to see what is supported."""
    parts = [f"module {namespace!r} has no attribute {name!r}.", suggest(name, names)]
    if not name.startswith("__"):
        parts.append(f"`dir({namespace})` lists what Tandem supports.")
    return AttributeError(" ".join(part for part in parts if part))


def absent(namespace, name, names):
    """What Keras 1 or 2 had under a name; else what stands for a name that Keras has and Tandem does not yet: it can be
    imported, and raises when it is used.

    Raises AttributeError for a name that Keras does not have either.
    """
    from tandem.keras.legacy import modules
    from tandem.keras.legacy.names import old_name
    from tandem.keras.public_names import CLASSES, OTHERS

    old = old_name(namespace, name)
    if old is None:
        old = modules.old_module(f"{namespace}.{name}")
    if old is not None:
        return old
    explanation = f"`{namespace}.{name}` is not supported yet. `dir({namespace})` lists what Tandem supports."
    if name in CLASSES.get(namespace, "").split():
        attributes = {"__module__": namespace, "__doc__": explanation, "_explanation": explanation}
        return _Absent(name, (), {**attributes, "__signature__": _NOTHING})
    if name in OTHERS.get(namespace, "").split():
        return _function(namespace, name, explanation)
    raise missing(namespace, name, names)


class _Absent(type):
    """The class of classes that are not there yet: making an instance of one, or of a subclass, raises Unsupported."""

    def __call__(cls, *args, **kwargs):
        raise Unsupported(cls._explanation)


def _function(namespace, name, explanation):
    def absent_function(*args):
        raise Unsupported(explanation)

    absent_function.__name__ = absent_function.__qualname__ = name
    absent_function.__module__ = namespace
    absent_function.__doc__ = explanation
    absent_function.__signature__ = _NOTHING
    return absent_function
