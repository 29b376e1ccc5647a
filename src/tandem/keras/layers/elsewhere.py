"""Layers around other frameworks' functions, which say why they are not there."""

from tandem.core.errors import Unsupported
from tandem.keras.layers.base import Layer


class JaxLayer(Layer):
    """Raises Unsupported: a function of JAX cannot run, and cannot be differentiated, on PyTorch's tensors."""

    _reason = (
        "it wraps a function of JAX, which cannot run on PyTorch's tensors nor be differentiated by PyTorch. Write the "
        "function with `keras.ops`, or wrap a `torch.nn.Module` in `keras.layers.TorchModuleWrapper`"
    )

    def __init__(self, *args, **kwargs):
        raise Unsupported(f"`keras.layers.{type(self).__name__}` is not supported: {self._reason}.")


class FlaxLayer(JaxLayer):
    """Raises Unsupported: a module of Flax runs on JAX."""


class TFSMLayer(JaxLayer):
    """Raises Unsupported: what is in a SavedModel is a graph of TensorFlow."""

    _reason = (
        "it runs a TensorFlow SavedModel, whose graph only TensorFlow can run. Load the model that it was saved from "
        "(`.keras`, `.h5`), or convert it to ONNX"
    )
