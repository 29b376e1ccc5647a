"""The base of layers that prepare data, inside of a model or before it."""

from tandem.keras import tensors
from tandem.keras.layers.base import Layer


class DataLayer(Layer):
    """A layer that also takes arrays, lists and dicts."""

    _allow_non_tensor_positional_args = True

    def convert_weight(self, weight):
        """A weight as a tensor, to compute with."""
        return tensors.convert(weight)
