"""What layers and operations were made with: the configuration of a class that writes none."""

import inspect

_PLAIN = (str, int, float, bool, type(None))
_SERIALIZED = ("trainable", "dtype", "activity_regularizer")  # what `Layer` writes itself


def arguments_of(instance, names=True):
    """The arguments of an instance's `__init__` by name, defaults included, in the order of its signature.

    names: whether the instance's name comes first, where `__init__` takes one. Raises NotImplementedError for values
    that no configuration holds, and for ``*args``.
    """
    args, kwargs = instance._init_arguments
    parameters = list(inspect.signature(type(instance).__init__).parameters.values())[1:]
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(args) > len(positional):
        raise NotImplementedError(_advice(instance, "variadic positional arguments (e.g., `*args`)"))
    given = {**dict(zip(positional, args)), **kwargs}
    found = {p.name: given.pop(p.name, p.default) for p in parameters if p.name in given or p.default is not p.empty}
    found.update(given)
    if not all(_is_plain(value) for key, value in found.items() if key not in _SERIALIZED):
        raise NotImplementedError(_advice(instance, "non-serializable argument values"))
    if names and any(p.name == "name" or p.kind is p.VAR_KEYWORD for p in parameters):
        found = {"name": "", **found} | {"name": instance.name}
    return found


def _is_plain(value):
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    return type(value) in _PLAIN


def _advice(instance, what):
    name = type(instance).__name__
    return (
        f"Object {name} was created by passing {what} in `__init__()`, and therefore the object must override "
        "`get_config()` in order to be serializable. Please implement `get_config()`: call `super().get_config()` and "
        "add your own arguments to the dict."
    )
