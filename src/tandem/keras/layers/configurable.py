"""`get_config` and `from_config`: a layer's arguments as plain values."""

import inspect

from tandem.core.errors import explain
from tandem.keras import saving

_PLAIN = (str, int, float, bool, type(None))


class Configurable:
    """The part of `Layer` that describes it. A class that says nothing is described by the arguments of its
    `__init__`.
    """

    def __new__(cls, *args, **kwargs):
        instance = super().__new__(cls)
        instance.__dict__["_init_arguments"] = (args, kwargs)
        return instance

    def get_config(self):
        """The arguments that make an equal layer.

        Called by a subclass's own `get_config` it gives those of `Layer`; where a subclass has none, all arguments of
        `__init__`, if they are plain values. Raises NotImplementedError where they are not.
        """
        if type(self).get_config is not Configurable.get_config:
            config = {"name": self.name, **self._base_config()}
            if self.activity_regularizer is not None:
                config["activity_regularizer"] = saving.serialize_keras_object(self.activity_regularizer)
            return config
        return {**self._init_config(), **self._base_config()}

    def _base_config(self):
        return {"trainable": self.trainable, "dtype": saving.serialize_keras_object(self.dtype_policy)}

    def _init_config(self):
        args, kwargs = self._init_arguments
        parameters = list(inspect.signature(type(self).__init__).parameters.values())[1:]
        if args and any(p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL) for p in parameters):
            positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
            if len(args) > len(positional):
                raise NotImplementedError(_advice(self, "variadic positional arguments (e.g., `*args`)"))
        config = {p.name: p.default for p in parameters if p.default is not p.empty}
        config.update(zip([p.name for p in parameters], args))
        config.update(kwargs)
        config = {key: value for key, value in config.items() if key not in ("trainable", "dtype")}
        if "activity_regularizer" in config:
            config["activity_regularizer"] = saving.serialize_keras_object(self.activity_regularizer)
        elif not all(_is_plain(value) for value in config.values()):
            raise NotImplementedError(_advice(self, "non-serializable argument values"))
        return config

    @classmethod
    def from_config(cls, config):
        """The layer that `get_config` describes. Raises TypeError where the arguments do not fit."""
        config = dict(config)
        if isinstance(config.get("dtype"), dict):
            config["dtype"] = saving.deserialize_keras_object(config["dtype"])
        if isinstance(config.get("activity_regularizer"), dict):
            config["activity_regularizer"] = saving.deserialize_keras_object(config["activity_regularizer"])
        try:
            return cls(**config)
        except (TypeError, ValueError) as error:
            if "keyword argument" not in str(error):
                raise
            raise TypeError(
                explain(f"Error when deserializing class '{cls.__name__}': {error}", given=f"config={config}")
            ) from error


def _is_plain(value):
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    return type(value) in _PLAIN


def _advice(layer, what):
    name = type(layer).__name__
    return (
        f"Object {name} was created by passing {what} in `__init__()`, and therefore the object must override "
        "`get_config()` in order to be serializable. Please implement `get_config()`: call `super().get_config()` and "
        "add your own arguments to the dict."
    )
