"""Looking up losses, metrics, optimizers and schedules by name or config, and writing their configs."""

import inspect

from tandem.core.errors import explain, suggest
from tandem.core.naming import snake_case
from tandem.keras.saving import registry, serialization


class Family:
    """The public names of one module: classes and functions, with their aliases.

    module: "keras.losses"; what: "loss", for messages; base: the class of the family's objects; classes, functions:
    lists; aliases: name -> class or function.
    """

    def __init__(self, module, what, base, classes=(), functions=(), aliases=None):
        self.module = module
        self.what = what
        self.base = base
        self.table = {function.__name__: function for function in functions}
        for kind in classes:
            self.table[kind.__name__] = kind
            self.table.setdefault(snake_case(kind.__name__), kind)
        self.table.update(aliases or {})
        self._own = set(classes) | set(functions)

    def find(self, name, custom_objects=None):
        """The class or function called `name`. Raises ValueError, with the nearest name, where there is none."""
        found = registry.get_registered_object(name, custom_objects, self.table)
        if found is None:
            found = {known.lower(): item for known, item in self.table.items()}.get(str(name).lower())
        if found is None:
            near = suggest(name, self.table)
            own = "A class or function of your own is found by its name within keras.saving.custom_object_scope."
            raise ValueError(
                explain(
                    f"Could not interpret {self.what} identifier: {name}",
                    expected=f"a name in {self.module}, an object of it or a function",
                    given=repr(name),
                    hint=f"{near} {own}" if near else own,
                )
            )
        return found

    def deserialize(self, config, custom_objects=None):
        """The object that a config or a name describes: an instance, or for a function's name the function."""
        if isinstance(config, str):
            return self.find(config, custom_objects)
        if not isinstance(config, dict) or "class_name" not in config:
            raise ValueError(
                explain(
                    f"Could not interpret the {self.what}",
                    expected="a name, or a config with 'class_name' and 'config'",
                    given=repr(config),
                )
            )
        name, inner = config["class_name"], config.get("config")
        if name in ("function", "builtin_function_or_method"):
            return self.find(inner, custom_objects)
        with registry.CustomObjectScope(custom_objects):
            kind = registry.get_registered_object(config.get("registered_name")) or self.find(name)
            return kind.from_config(inner or {})

    def serialize(self, item):
        """The config of an object of this family, or the name of one of its functions."""
        if inspect.isfunction(item) and item in self._own:
            return item.__name__
        config = serialization.serialize_keras_object(item)
        if type(item) in self._own:
            config["module"] = self.module
        return config

    def get(self, identifier):
        """The object that an identifier means: None, a name, a config, a class, an object or a function."""
        if identifier is None:
            return None
        if isinstance(identifier, (str, dict)):
            item = self.deserialize(identifier)
        else:
            item = identifier
        if inspect.isclass(item):
            item = item()
        if callable(item) or isinstance(item, self.base):
            return item
        raise ValueError(
            explain(
                f"Could not interpret the {self.what} identifier",
                expected=f"a name, a config, an object of keras.{self.base.__name__} or a function",
                given=repr(identifier),
            )
        )


def identified(identifier, choices, what, aliases=None, *, made=True):
    """What the identifier of an initializer, a regularizer, a constraint or an activation means.

    identifier: a name, a config, a class, an object or a function; choices: the names of Keras's own; aliases: further
    names of these; made: a class means an object of it. Raises ValueError for a name that is not known, and for what
    cannot be called.
    """
    found = identifier
    if isinstance(identifier, dict):
        found = serialization.deserialize_keras_object(identifier, module_objects=choices)
    elif isinstance(identifier, str):
        found = registry.resolve_name(identifier, choices, what, aliases)
    if made and inspect.isclass(found):
        found = found()
    if not callable(found):
        raise ValueError(f"Could not interpret {what} identifier: {identifier}")
    return found
