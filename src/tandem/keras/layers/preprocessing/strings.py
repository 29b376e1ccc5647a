"""The base of layers that take strings, as Python and NumPy have them: no tensor holds strings."""

from tandem.core import arrays, graph
from tandem.keras.layers.base import Layer
from tandem.keras.symbolic import KerasTensor


class TextLayer(Layer):
    """Base of layers that take strings or whole numbers, and so convert their arguments themselves."""

    _allow_non_tensor_positional_args = True
    _output = "int64"  # of the values, and
    _symbolic_output = "int64"  # of a symbolic call: Keras has the dtype of floats there where the values are counts

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
        return KerasTensor(self.compute_output_shape(inputs.shape), self._symbolic_output, name="spec")
