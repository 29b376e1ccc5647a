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

FRONT_ENDS = {
    "keras": _KERAS,
    "tf_keras": _KERAS,
    "tensorflow.keras": _KERAS,
    "tensorflow.python.keras": _KERAS,
    "mxnet": _MXNET,
}

# What a package that holds nothing but a front end says of itself. Scripts compare TensorFlow's version with 2.
VERSIONS = {"tensorflow": "2.16.1"}

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
    "numpy.multiarray": "numpy",
    "optimizer.optimizer": "optimizer",
    "rnn.rnn_cell": "rnn",
    "symbol.symbol": "symbol",
}
