"""Functional models as plain dictionaries, and back."""

from tandem.core import arrays, graph
from tandem.keras import saving
from tandem.keras.layers.base import Layer
from tandem.keras.legacy.graph_losses import AddLoss, AddMetric
from tandem.keras.models.functional import shown_kwargs
from tandem.keras.symbolic import KerasTensor


def functional_config(model):
    """Operations in order, each with its config and the nodes by which it is used in this model."""
    nodes = {}
    for node in model._nodes:
        nodes.setdefault(id(node.operation), []).append(node)
    for own in nodes.values():
        own.sort(key=lambda node: node.number)
    index = {id(node): number for own in nodes.values() for number, node in enumerate(own)}

    def plain(value):
        if isinstance(value, KerasTensor):
            where = [value.node.operation.name, index[id(value.node)], value.index]
            return {
                "class_name": "__keras_tensor__",
                "config": {"shape": value.shape, "dtype": value.dtype, "keras_history": where},
            }
        return saving.serialize_keras_object(value)

    def serialize(tree):
        if isinstance(tree, tuple):
            return tuple(serialize(item) for item in tree)
        if isinstance(tree, list):
            return [serialize(item) for item in tree]
        if isinstance(tree, dict):
            return {key: serialize(item) for key, item in tree.items()}
        return plain(tree)

    layers = []
    for operation in model.operations:
        config = saving.serialize_keras_object(operation)
        config["name"] = operation.name
        config["inbound_nodes"] = [
            {"args": serialize(tuple(node.args)), "kwargs": serialize(dict(shown_kwargs(node)))}
            for node in nodes[id(operation)]
            if node.inputs
        ]
        layers.append(config)

    def ends(tree):
        return arrays.map_tree(lambda value: [value.node.operation.name, index[id(value.node)], value.index], tree)

    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": ends(model._inputs_struct),
        "output_layers": ends(model._outputs_struct),
    }


def functional_from_config(cls, config, custom_objects=None):
    """The functional model that `functional_config` describes."""
    operations, waiting = {}, []
    for item in config["layers"]:
        item = dict(item)
        inbound = item.pop("inbound_nodes", [])
        name = item.pop("name", None)
        operation = saving.deserialize_keras_object(item, custom_objects)
        operations[name or operation.name] = operation
        waiting += [(name or operation.name, number, node) for number, node in enumerate(inbound)]
    values = {}
    for name, operation in operations.items():
        if operation._inbound_nodes and not any(name == other for other, _, _ in waiting):
            _remember(values, name, 0, operation._inbound_nodes[0].outputs)
    while waiting:
        left = []
        for name, number, node in waiting:
            if number and (name, number - 1, 0) not in values:
                left.append((name, number, node))
                continue
            try:
                args, kwargs = _fill((node["args"], node["kwargs"]), values)
            except KeyError:
                left.append((name, number, node))
                continue
            _remember(values, name, number, _call(operations[name], args, kwargs))
        if len(left) == len(waiting):
            raise ValueError(
                f"The model's config is not a graph that can be run: {[name for name, _, _ in left]} lack inputs."
            )
        waiting = left
    inputs = _ends(config["input_layers"], values)
    outputs = _ends(config["output_layers"], values)
    kwargs = {"trainable": config["trainable"]} if config.get("trainable") is not None else {}
    model = cls(inputs, outputs, name=config.get("name"))
    if kwargs.get("trainable") is False:
        model.trainable = False
    # What adds losses and metrics need not lie on the way to an output.
    for (name, _, _), value in values.items():
        if isinstance(operations[name], (AddLoss, AddMetric)) and not any(value is one for one in model.outputs):
            model._add_ancillary(value)
    return model


def _call(operation, args, kwargs):
    if not isinstance(operation, Layer):
        if type(operation).__name__ == "GetItem" and isinstance(args[1], list):
            args = (args[0], tuple(args[1]))  # JSON has no tuples
        return operation(*args, **kwargs)
    asked = {name: value for name, value in kwargs.items() if value is not None or not name.endswith("mask")}
    if "training" in asked and asked["training"] == operation._facts.training_default:
        del asked["training"]  # Keras shows the default too: it says nothing
    outputs = operation(*args, **asked)
    values = graph.symbolics(outputs)
    if values:
        values[0].node.shown_kwargs = {**values[0].node.kwargs, **kwargs}
    return outputs


def _remember(values, name, number, outputs):
    for index, value in enumerate(graph.symbolics(outputs)):
        values[name, number, index] = value


def _fill(tree, values):
    """Arguments with the symbolic values that they stand for. Raises KeyError where one is not made yet."""
    if isinstance(tree, dict):
        if tree.get("class_name") == "__keras_tensor__":
            name, node, index = tree["config"]["keras_history"]
            return values[name, node, index]
        if "class_name" in tree and "config" in tree:
            return saving.deserialize_keras_object(tree)
        return {key: _fill(value, values) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_fill(item, values) for item in tree)
    return tree


def _ends(tree, values):
    if isinstance(tree, (list, tuple)) and len(tree) == 3 and isinstance(tree[0], str):
        return values[tuple(tree)]
    if isinstance(tree, dict):
        return {key: _ends(value, values) for key, value in tree.items()}
    return [_ends(item, values) for item in tree]
