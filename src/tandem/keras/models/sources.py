"""Where a symbolic value comes from."""

from tandem.keras.layers.core import InputLayer


def get_source_inputs(tensor):
    """The `Input`s that a KerasTensor depends on, each once, in the order in which they are met."""
    found, seen, stack = [], set(), [tensor]
    while stack:
        value = stack.pop()
        if id(value) in seen or value.node is None:
            continue
        seen.add(id(value))
        if isinstance(value.node.operation, InputLayer):
            found.append(value)
        stack.extend(reversed(value.node.inputs))
    return found
