"""Where the module paths of Keras 1 and 2 are today.

`MODULE_ALIASES` maps an old dotted path below `keras` to today's dotted path below `tandem.keras` ("" is `tandem.keras`
itself). Where an old module held names that live in several modules now, they stand side by side, separated by
spaces, and are searched in that order. A path below an alias that has no line of its own is looked up below the first
of today's modules: `keras.api.layers` is `keras.layers`. `old_module` gives an old path as an object.
"""

import importlib
from types import ModuleType

MODULE_ALIASES = {
    # Keras 2.13 and later, and TensorFlow's copies
    "_api": "",
    "_api.v2": "",
    "_api.v2.keras": "",
    "api": "",
    "api._v1": "",
    "api._v1.keras": "",
    "api._v2": "",
    "api._v2.keras": "",
    # engine
    "engine": "layers models utils",
    "engine.base_layer": "layers utils",
    "engine.functional": "models layers",
    "engine.input_layer": "layers",
    "engine.input_spec": "layers",
    "engine.network": "models layers utils",
    "engine.saving": "models saving utils",
    "engine.sequential": "models layers",
    "engine.topology": "layers models utils",
    "engine.training": "models layers",
    "engine.base_layer_utils": "layers utils",
    "engine.keras_tensor": "",
    "engine.training_utils": "models utils",
    "engine.node": "layers",
    "legacy.layers": "layers",
    "legacy.models": "models",
    # layers
    "layers.activation": "layers",
    "layers.advanced_activations": "layers",
    "layers.attention": "layers",
    "layers.convolutional": "layers",
    "layers.convolutional_recurrent": "layers",
    "layers.core": "layers",
    "layers.cudnn_recurrent": "layers",
    "layers.dense_attention": "layers",
    "layers.embeddings": "layers",
    "layers.experimental": "layers",
    "layers.experimental.preprocessing": "layers",
    "layers.local": "layers",
    "layers.locally_connected": "layers",
    "layers.merge": "layers",
    "layers.merging": "layers",
    "layers.noise": "layers",
    "layers.normalization": "layers",
    "layers.normalization.batch_normalization": "layers",
    "layers.normalization.layer_normalization": "layers",
    "layers.normalization_v2": "layers",
    "layers.pooling": "layers",
    "layers.preprocessing": "layers",
    "layers.recurrent": "layers",
    "layers.recurrent_v2": "layers",
    "layers.regularization": "layers",
    "layers.reshaping": "layers",
    "layers.rnn": "layers",
    "layers.serialization": "layers",
    "layers.wrappers": "layers",
    # the rest
    "backend.common": "backend",
    "backend.experimental": "backend",
    "backend.load_backend": "backend",
    "backend.tensorflow_backend": "backend",
    "backend.theano_backend": "backend",
    "callbacks.callbacks": "callbacks",
    "callbacks.experimental": "callbacks",
    "callbacks.tensorboard_v1": "callbacks",
    "callbacks.tensorboard_v2": "callbacks",
    "callbacks_v1": "callbacks",
    "experimental": "optimizers.schedules models layers utils",
    "initializations": "initializers",
    "initializers.initializers_v1": "initializers",
    "initializers.initializers_v2": "initializers",
    "losses_utils": "losses",
    "metrics.experimental": "metrics",
    "mixed_precision.experimental": "mixed_precision",
    "models.experimental": "models",
    "objectives": "losses",
    "optimizer_v1": "optimizers",
    "optimizer_v2": "optimizers",
    "optimizer_v2.adam": "optimizers",
    "optimizer_v2.gradient_descent": "optimizers",
    "optimizer_v2.learning_rate_schedule": "optimizers.schedules",
    "optimizer_v2.rmsprop": "optimizers",
    "optimizers.experimental": "optimizers",
    "optimizers.learning_rate_schedule": "optimizers.schedules",
    "preprocessing.image_dataset": "preprocessing utils",
    "preprocessing.text_dataset": "preprocessing utils",
    "preprocessing.timeseries": "preprocessing.sequence utils",
    "saving.hdf5_format": "saving models",
    "saving.save": "saving models",
    "utils.all_utils": "utils",
    "utils.conv_utils": "utils",
    "utils.data_utils": "utils",
    "utils.generic_utils": "utils saving",
    "utils.io_utils": "utils",
    "utils.layer_utils": "utils",
    "utils.legacy": "legacy.saving",
    "utils.losses_utils": "losses utils",
    "utils.metrics_utils": "metrics utils",
    "utils.multi_gpu_utils": "utils",
    "utils.np_utils": "utils",
    "utils.test_utils": "utils",
    "utils.training_utils": "utils",
    "utils.vis_utils": "utils",
    "utils.visualize_util": "utils legacy.drawing",
}


class OldModule(ModuleType):
    """A module path of an older release: its names are looked up in today's modules, in order."""

    def __init__(self, name, sources):
        super().__init__(name, f"What `{name}` held in older releases.")
        self._sources = sources

    def __getattr__(self, name):
        if not name.startswith("__"):
            below = old_module(f"{self.__name__}.{name}")
            if below is not None:
                return below
            for source in self._sources:
                try:
                    return getattr(importlib.import_module(source), name)
                except (AttributeError, ModuleNotFoundError):
                    continue
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self):
        return sorted({name for source in self._sources for name in dir(importlib.import_module(source))})


class _Merge(OldModule):
    """`keras.layers.merge`, which was a function in Keras 1 and is a module in Keras 2."""

    def __call__(
        self,
        inputs,
        mode="sum",
        concat_axis=-1,
        dot_axes=-1,
        output_shape=None,
        output_mask=None,
        arguments=None,
        name=None,
    ):
        from tandem.keras.legacy.old_layers import merge

        return merge(inputs, mode, concat_axis, dot_axes, output_shape, output_mask, arguments, name)


_made = {}


def old_module(path):
    """The module at an old path ("keras.engine.topology"), or None."""
    rest = path.partition(".")[2]
    if rest not in MODULE_ALIASES:
        return None
    if rest not in _made:
        names = MODULE_ALIASES[rest].split() or [""]
        kind = _Merge if rest == "layers.merge" else OldModule
        _made[rest] = kind(path, [f"tandem.keras.{name}".rstrip(".") for name in names])
    return _made[rest]


def names_of(namespace):
    """A module's `__getattr__` that finds what old releases had at its path, in today's `namespace`."""

    def __getattr__(name):
        if not name.startswith("__"):
            found = getattr(importlib.import_module(f"tandem.keras.{namespace}"), name, None)
            if found is not None:
                return found
        raise AttributeError(f"module has no attribute {name!r}")

    return __getattr__
