"""Strings on their way into a layer, which takes them as Python and NumPy have them: no tensor holds strings."""

import numpy as np
import torch

from tandem.core import arrays, graph
from tandem.keras.layers.base import Layer
from tandem.keras.symbolic import KerasTensor


def texts(inputs, encoding="utf-8"):
    """Strings, bytes, or nested lists and arrays of them, as an array of `str` objects."""
    if hasattr(inputs, "numpy") and not isinstance(inputs, torch.Tensor):
        inputs = inputs.numpy()
    found = np.asarray(inputs, dtype=object) if not isinstance(inputs, np.ndarray) else inputs
    flat = [item.decode(encoding) if isinstance(item, bytes) else str(item) for item in found.reshape(-1).tolist()]
    result = np.empty(len(flat), dtype=object)
    result[:] = flat
    return result.reshape(found.shape)


def holds_strings(inputs):
    """Whether a value is or holds strings."""
    if isinstance(inputs, (str, bytes)):
        return True
    if isinstance(inputs, (list, tuple)):
        return bool(inputs) and holds_strings(inputs[0])
    dtype = getattr(inputs, "dtype", None)
    return (isinstance(inputs, np.ndarray) and dtype.kind in "USO") or str(dtype).endswith("string'>")


class TextLayer(Layer):
    """Base of layers that take strings or whole numbers, and so convert their arguments themselves."""

    _allow_non_tensor_positional_args = True
    _output = "int64"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.__dict__["_cast_to"] = None
        self.__dict__["built"] = True

    def forward(self, *args, **kwargs):
        """What `layer(…)` does: `call`, with the arguments as they are."""
        if any(isinstance(leaf, graph.Symbolic) for leaf in arrays.leaves((args, kwargs))):
            return self._symbolic(args, kwargs)
        return self.call(*args, **kwargs)

    def compute_output_spec(self, inputs, *args, **kwargs):
        """The shape and dtype of the output for a KerasTensor."""
        return KerasTensor(self.compute_output_shape(inputs.shape), self._output, name="spec")
