"""What scripts written for TensorFlow find under `tensorflow` while `tandem run` runs them.

`tf.keras` is Tandem's Keras; the functions around it (`tf.reduce_mean`, `tf.nn`, `tf.data`, `tf.GradientTape` and so
on) are thin over `keras.ops`, and take the symbolic values of functional models as those do. `dir(tf)` lists them.
"""

import importlib

from tandem.compat.tensorflow import index, keras_side
from tandem.compat.tensorflow.index import NAMESPACES, TOP

__version__ = index.VERSION
_NAMES = sorted([*TOP, *NAMESPACES, *index.KERAS, "keras"])

keras_side.install()


def __getattr__(name):
    if name == "keras":
        return importlib.import_module("tandem.keras")
    if name in index.KERAS:
        return importlib.import_module(f"tandem.keras.{name}")
    if name == "__all__":
        return _NAMES
    if name in TOP:
        return TOP[name]
    if name in NAMESPACES:
        return NAMESPACES[name]
    return index.missing("tensorflow", name, _NAMES)


def __dir__():
    return [*_NAMES, "__version__"]
