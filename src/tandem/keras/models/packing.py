"""A functional model's graph as a flat list: what is copied and pickled in its place.

Values and nodes refer to one another in chains as long as the model is deep, which Python's copying follows by
recursion; a list has no such depth.
"""

from tandem.core import arrays, graph
from tandem.keras.models.functional import shown_inputs, shown_kwargs
from tandem.keras.symbolic import KerasTensor


class Reference:
    """Stands for a value: output `index` of the node `node` of the list."""

    def __init__(self, node, index):
        self.node = node
        self.index = index


def pack(inputs, outputs):
    """(list of nodes, inputs, outputs): nodes in an order in which each follows those that it needs."""
    places, packed = {}, []

    def refer(leaf):
        return Reference(*places[id(leaf)]) if isinstance(leaf, graph.Symbolic) else leaf

    for node in _sorted(inputs, outputs):
        values = graph.symbolics(node.outputs)
        entry = {
            "operation": node.operation,
            "arguments": arrays.map_tree(refer, (node.args, node.kwargs, shown_kwargs(node))),
            "values": [(value.shape, value.dtype, value.name) for value in values],
        }
        places.update({id(value): (len(packed), index) for index, value in enumerate(values)})
        entry["outputs"] = arrays.map_tree(refer, node.outputs)
        packed.append(entry)
    return packed, arrays.map_tree(refer, inputs), arrays.map_tree(refer, outputs)


def _sorted(inputs, outputs):
    order, done = [], set()
    stack = [(value.node, False) for value in reversed(graph.symbolics(inputs, outputs))]
    while stack:
        node, leave = stack.pop()
        if id(node) in done:
            continue
        if leave:
            done.add(id(node))
            order.append(node)
            continue
        stack.append((node, True))
        stack.extend((value.node, False) for value in reversed(shown_inputs(node)) if id(value.node) not in done)
    return order


def unpack(packed, inputs, outputs):
    """The inputs and outputs of a new graph over the operations of a packed one."""
    values = []

    def resolve(leaf):
        return values[leaf.node][leaf.index] if isinstance(leaf, Reference) else leaf

    for entry in packed:
        args, kwargs, shown = arrays.map_tree(resolve, entry["arguments"])
        operation = entry["operation"]
        node = graph.Node(operation, args, kwargs)
        node.shown_kwargs = shown
        node.number = len(operation._inbound_nodes)
        operation._inbound_nodes.append(node)
        values.append(
            [
                KerasTensor(shape, dtype, name=name, node=node, index=index)
                for index, (shape, dtype, name) in enumerate(entry["values"])
            ]
        )
        node.outputs = arrays.map_tree(resolve, entry["outputs"])
    return arrays.map_tree(resolve, inputs), arrays.map_tree(resolve, outputs)
