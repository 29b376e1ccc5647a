"""Which names a running script finds Tandem's front ends under."""

from typing import NamedTuple


class FrontEnd(NamedTuple):
    """One name that scripts import, and what they get."""

    framework: str  # as messages call it
    module: str  # today's module
    aliases: str = ""  # "module:dict" of other dotted paths below it, read when first needed
    private: str = ""  # "module:dict" of paths that are nobody's business, with what to write instead


_KERAS = FrontEnd("Keras", "tandem.keras", "tandem.keras.source_paths:ALIASES", "tandem.keras.source_paths:PRIVATE")
_MXNET = FrontEnd("MXNet", "tandem.mxnet", "tandem.compat.names:MXNET_ALIASES")

_TENSORFLOW = FrontEnd("TensorFlow", "tandem.compat.tensorflow", "tandem.compat.tensorflow.paths:ALIASES")

FRONT_ENDS = {
    "keras": _KERAS,
    "tf_keras": _KERAS,
    "tensorflow": _TENSORFLOW,
    "tensorflow.keras": _KERAS,
    "tensorflow.python.keras": _KERAS,
    "mxnet": _MXNET,
}

# Packages that stand on the real TensorFlow, and what there is in their place.
ABSENT = {
    "tensorflow_addons": "Keras itself has much of it: GroupNormalization, MultiHeadAttention, AdamW, GELU, F-scores.",
    "tensorflow_datasets": "Read the files with tf.data or keras.utils, or get data sets by keras.datasets.",
    "tensorflow_hub": "Models are in keras.applications; weights are read from .h5 and .keras files.",
    "tensorflow_io": "Files are read by tf.io, pillow, h5py and their like.",
    "tensorflow_probability": "torch.distributions has the distributions.",
    "tensorflow_text": "Texts are read by TextVectorization and tf.strings, or the tokenizers package.",
}

# Paths of MXNet 1.x's own files, which scripts import although the names are public one level up.
MXNET_ALIASES = {
    "contrib.amp": "contrib.amp amp",
    "gluon.contrib.estimator.estimator": "gluon.contrib.estimator",
    "gluon.data.dataloader": "gluon.data",
    "gluon.data.dataset": "gluon.data",
    "gluon.data.sampler": "gluon.data",
    "gluon.data.vision.datasets": "gluon.data.vision",
    "gluon.nn.activations": "gluon.nn",
    "gluon.nn.basic_layers": "gluon.nn",
    "gluon.nn.conv_layers": "gluon.nn",
    "gluon.rnn.rnn_cell": "gluon.rnn",
    "gluon.rnn.rnn_layer": "gluon.rnn",
    "image.image": "image",
    "io.io": "io",
    "kvstore.kvstore": "kvstore",
    "module.base_module": "module",
    "module.bucketing_module": "module",
    "module.module": "module",
    "module.sequential_module": "module",
    "ndarray.ndarray": "ndarray",
    "ndarray.numpy._internal": "numpy._internal",
    "ndarray.numpy._op": "numpy",
    "numpy.arrayprint": "numpy",
    "numpy.fallback_linalg": "numpy.linalg",
    "numpy.function_base": "numpy",
    "numpy.io": "numpy",
    "numpy.multiarray": "numpy",
    "numpy.stride_tricks": "numpy",
    "numpy.utils": "numpy",
    "optimizer.optimizer": "optimizer",
    "rnn.rnn_cell": "rnn",
    "symbol.numpy._internal": "symbol.numpy_internal",
    "symbol.numpy._op": "symbol.numpy",
    "symbol.numpy._symbol": "symbol.numpy",
    "symbol.symbol": "symbol",
}
