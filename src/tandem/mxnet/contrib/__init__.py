"""`mx.contrib`: text, mixed precision, and what MXNet kept beside its main names."""

import importlib

from tandem.core.errors import explain
from tandem.mxnet.base import missing

# Public name -> module.
_INDEX = {
    "amp": "tandem.mxnet.contrib.amp",
    "autograd": "tandem.mxnet.contrib.autograd",
    "io": "tandem.mxnet.contrib.io",
    "nd": "tandem.mxnet.ndarray.contrib",
    "ndarray": "tandem.mxnet.ndarray.contrib",
    "onnx": "tandem.mxnet.contrib.onnx",
    "quant": "tandem.mxnet.contrib.quantization",
    "quantization": "tandem.mxnet.contrib.quantization",
    "svrg_optimization": "tandem.mxnet.contrib.svrg_optimization",
    "sym": "tandem.mxnet.symbol.contrib",
    "symbol": "tandem.mxnet.symbol.contrib",
    "tensorboard": "tandem.mxnet.contrib.tensorboard",
    "text": "tandem.mxnet.contrib.text",
}

__all__ = [*_INDEX]


def __getattr__(name):
    if name not in _INDEX:
        raise missing(__name__, name, _INDEX)
    path = _INDEX[name]
    try:
        found = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not path.startswith(error.name):
            raise
        raise AttributeError(explain(f"mx.contrib.{name} is not there yet"), name=name) from None
    globals()[name] = found
    return found


def __dir__():
    return sorted([*globals(), *_INDEX])
