"""`gluon.nn`: layers."""

import importlib

from tandem.mxnet.base import missing

_LAYERS = {
    "activations": ["Activation", "ELU", "GELU", "LeakyReLU", "PReLU", "SELU", "SiLU", "Swish"],
    "basic_layers": [
        "BatchNorm",
        "BatchNormReLU",
        "Concatenate",
        "Dense",
        "Dropout",
        "Embedding",
        "Flatten",
        "GroupNorm",
        "HybridConcatenate",
        "HybridLambda",
        "Identity",
        "InstanceNorm",
        "Lambda",
        "LayerNorm",
    ],
    "containers": ["HybridSequential", "Sequential"],
    "conv_layers": [
        "AvgPool1D",
        "AvgPool2D",
        "AvgPool3D",
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Conv3D",
        "Conv3DTranspose",
        "GlobalAvgPool1D",
        "GlobalAvgPool2D",
        "GlobalAvgPool3D",
        "GlobalMaxPool1D",
        "GlobalMaxPool2D",
        "GlobalMaxPool3D",
        "MaxPool1D",
        "MaxPool2D",
        "MaxPool3D",
        "ReflectionPad2D",
    ],
}

# Public name -> module that has it; None: it is that module.
_INDEX = {name: module for module, names in _LAYERS.items() for name in names}
_INDEX |= dict.fromkeys(("activations", "basic_layers", "conv_layers"))
_ELSEWHERE = {
    "Block": "tandem.mxnet.gluon.block",
    "HybridBlock": "tandem.mxnet.gluon.block",
    "SymbolBlock": "tandem.mxnet.gluon.block",
    # Not MXNet's, but written in listings that mix it with Keras.
    "GRU": "tandem.mxnet.gluon.extensions",
    "LSTM": "tandem.mxnet.gluon.extensions",
    "RNN": "tandem.mxnet.gluon.extensions",
}

__all__ = [*_INDEX, *_ELSEWHERE]


def __getattr__(name):
    if name in _ELSEWHERE:
        found = getattr(importlib.import_module(_ELSEWHERE[name]), name)
    elif name in _INDEX:
        found = importlib.import_module(f"{__name__}.{_INDEX[name] or name}")
        found = found if _INDEX[name] is None else getattr(found, name)
    else:
        raise missing(__name__, name, __all__)
    globals()[name] = found
    return found


def __dir__():
    return sorted([*globals(), *__all__])
