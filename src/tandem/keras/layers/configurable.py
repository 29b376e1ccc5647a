"""`get_config` and `from_config`: a layer's arguments as plain values."""

from tandem.core.errors import explain
from tandem.keras import saving
from tandem.keras.internals.init_arguments import arguments_of


class Configurable:
    """The part of `Layer` that describes it. A class that says nothing is described by the arguments of its
    `__init__`.
    """

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
        config = arguments_of(self, names=self._config_names_it)
        if "activity_regularizer" in config:
            config["activity_regularizer"] = saving.serialize_keras_object(self.activity_regularizer)
        return {**config, **self._base_config()}

    _config_names_it = True  # also where `__init__` was not given the name

    def _base_config(self):
        return {"trainable": self.trainable, "dtype": saving.serialize_keras_object(self.dtype_policy)}

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
