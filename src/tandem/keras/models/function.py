"""`Function`: the graph between some symbolic values, without weights of its own."""

from tandem.core import arrays, graph
from tandem.keras import tree
from tandem.keras.models.functional import operations_of, ordered_nodes
from tandem.keras.models.model import shapes_of
from tandem.keras.symbolic import KerasTensor, Operation


class Function(Operation):
    """The operations between `inputs` and `outputs`, `KerasTensor`s or lists or dicts of them, as one.

    Raises ValueError where an output needs a value that is not among the inputs.
    """

    def __init__(self, inputs, outputs, name=None):
        super().__init__(name=name)
        self._inputs_struct, self._outputs_struct = inputs, outputs
        self._inputs, self._outputs = tree.flatten(inputs), tree.flatten(outputs)
        self._graph = graph.Graph(self._inputs, outputs)
        self._operations = operations_of(ordered_nodes(self._inputs, self._outputs)[0])

    @property
    def inputs(self):
        """The symbolic inputs, a list."""
        return list(self._inputs)

    @property
    def outputs(self):
        """The symbolic outputs, a list."""
        return list(self._outputs)

    @property
    def operations(self):
        """The operations, in the order in which they can be run."""
        return list(self._operations)

    def call(self, inputs):
        """Run the operations on values in the structure of the inputs."""
        return self._graph.run(tree.flatten(inputs))

    def compute_output_spec(self, inputs):
        """The shapes and dtypes of the outputs for KerasTensors."""
        given = tree.flatten(inputs)
        if [value.shape for value in given] != [value.shape for value in self._inputs]:
            return super().compute_output_spec(inputs)
        return arrays.map_tree(lambda leaf: KerasTensor(leaf.shape, leaf.dtype, name="spec"), self._outputs_struct)

    def compute_output_shape(self, input_shape):
        """The shapes of the outputs for inputs of `input_shape`."""
        shapes = [input_shape] if len(self._inputs) == 1 else input_shape
        specs = [
            KerasTensor(shape, value.dtype, name="spec") for shape, value in zip(shapes, self._inputs, strict=True)
        ]
        return shapes_of(graph.symbolics(super().compute_output_spec(specs)))
