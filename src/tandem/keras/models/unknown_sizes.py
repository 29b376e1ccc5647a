"""Shapes of a functional model's outputs for inputs of which less is known than the model was built with."""

from tandem.core import arrays, graph
from tandem.keras.symbolic import KerasTensor


def less_is_known(given, wanted):
    """Whether a size that some inputs (KerasTensors) do not say is one that the model's own say."""
    return any(
        len(a.shape) == len(b.shape) and any(x is None and y is not None for x, y in zip(a.shape, b.shape))
        for a, b in zip(given, wanted)
    )


def outputs_for(model_graph, given):
    """The outputs, as KerasTensors of no graph, for such inputs: from operation to operation, since each has its own
    idea of what must be known.
    """
    return model_graph.run(given, _spec)


def _spec(node, args, kwargs):
    """The outputs of one operation. Where it needs sizes that are not known, they are those that it was built with,
    taken from the last axes on until they do.
    """
    built = iter(graph.symbolics(node.args, node.kwargs))
    shapes = {id(value): next(built).shape for value in graph.symbolics(args, kwargs)}

    def with_last(count):
        def fill(leaf):
            if not isinstance(leaf, graph.Symbolic):
                return leaf
            old = shapes[id(leaf)]
            first = len(leaf.shape) - count
            if len(old) != len(leaf.shape):
                return leaf
            sizes = [a if a is not None or axis < first else b for axis, (a, b) in enumerate(zip(leaf.shape, old))]
            return KerasTensor(sizes, leaf.dtype, name="spec")

        return arrays.map_tree(fill, (args, kwargs))

    for count in range(max((len(shape) for shape in shapes.values()), default=0) + 1):
        known_args, known_kwargs = with_last(count)
        try:
            return node.operation.compute_output_spec(*known_args, **known_kwargs)
        except (TypeError, ValueError, RuntimeError) as error:
            last = error
    raise last
