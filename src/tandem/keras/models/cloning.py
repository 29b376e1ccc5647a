"""Models from models, from configs, from JSON."""

import json

from tandem.core import arrays, graph
from tandem.core.errors import warn
from tandem.keras import saving, tree
from tandem.keras.layers.core import Input, InputLayer, Lambda
from tandem.keras.models.functional import Functional
from tandem.keras.models.sequential import Sequential


def clone_model(model, input_tensors=None, clone_function=None, call_function=None, recursive=False, **kwargs):
    """A model with new layers (and new weights) made like those of `model`, and compiled as it is.

    input_tensors: KerasTensors to begin from; clone_function(layer): what stands in for each layer (by default one made
    from its config); call_function(layer, *args, **kwargs): how a functional model's new layers are called; recursive:
    whether the layers of models inside go through `clone_function` as well.
    Raises ValueError for a subclassed model with `clone_function` or `input_tensors`.
    """
    if kwargs:
        raise ValueError(f"Unknown arguments of clone_model: {', '.join(kwargs)}")

    def clone(layer):
        if recursive and isinstance(layer, (Functional, Sequential)):
            return clone_model(layer, clone_function=clone_function, call_function=call_function, recursive=True)
        return (clone_function or _copy)(layer)

    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError("`call_function` argument is not supported with Sequential models.")
        new = Sequential(name=model.name, trainable=model.trainable)
        layers = model.layers
        if input_tensors is not None:
            (tensor,) = arrays.leaves(input_tensors)
            new.add(Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.node.operation.name), rebuild=False)
        elif model._layers and isinstance(model._layers[0], InputLayer):
            new.add(_copy(model._layers[0]), rebuild=False)
        for layer in layers:
            new.add(clone(layer), rebuild=False)
        new._maybe_rebuild()
        return _compiled_like(model, new)
    if isinstance(model, Functional):
        return _compiled_like(model, _clone_functional(model, input_tensors, clone, call_function))
    if clone_function is not None or input_tensors is not None:
        raise ValueError(
            "Arguments `clone_function` and `input_tensors` are only supported for Sequential models or Functional "
            f"models. Received model of type '{type(model).__name__}'."
        )
    return type(model).from_config(model.get_config())


def _compiled_like(model, new):
    if model.compiled:
        try:
            new.compile_from_config(model.get_compile_config())
        except (TypeError, ValueError) as error:
            _not_compiled(error)
    return new


def _not_compiled(error):
    """Say that a model stays uncompiled: Keras 1 and 2 never compiled it, Keras 3 fails where it cannot."""
    warn(f"The model is not compiled: {error}")


def _copy(layer):
    if type(layer) is not Lambda:
        return type(layer).from_config(layer.get_config())
    # The function itself: its code alone would lack what it refers to.
    functions = {"function": layer.function, "output_shape": layer._output_shape, "mask": layer.mask}
    return Lambda(**super(Lambda, layer).get_config(), **functions, arguments=layer.arguments)


def _clone_functional(model, input_tensors, clone, call_function):
    if input_tensors is None:
        inputs = arrays.map_tree(
            lambda value: Input(batch_shape=value.shape, dtype=value.dtype, name=value.name), model._inputs_struct
        )
    else:
        leaves = tree.flatten(input_tensors)
        wanted = len(tree.flatten(model._inputs_struct))
        if len(leaves) != wanted:
            raise ValueError(
                "`input_tensors` must have the same structure as model.input "
                f"({wanted} tensors). Received: {len(leaves)}, input_tensors={input_tensors}"
            )
        leaves = iter(leaves)
        inputs = tree.map_structure(lambda value: next(leaves), model._inputs_struct)
    copies = {}

    def call(node, args, kwargs):
        operation = node.operation
        if id(operation) not in copies:
            copies[id(operation)] = clone(operation)
        new = copies[id(operation)]
        return call_function(new, *args, **kwargs) if call_function else new(*args, **kwargs)

    whole = graph.Graph(model._inputs, [model._outputs_struct, list(model._ancillary)])
    outputs, losses = whole.run(tree.flatten(inputs), call)
    new = type(model)(inputs, outputs, name=model.name)
    for value in losses:
        new._add_ancillary(value)
    return new


def model_from_json(json_string, custom_objects=None):
    """The model that `Model.to_json` described."""
    return model_from_config(json.loads(json_string), custom_objects)


def model_from_config(config, custom_objects=None):
    """The model that a config, as a dict, describes: of Keras 3, or as Keras 1 and 2 wrote it."""
    from tandem.keras.legacy import configs

    if configs.is_legacy(config):
        with saving.CustomObjectScope(custom_objects):
            config = configs.modern(config, str(config.get("keras_version", "2")))
    training = config.get("compile_config")
    model = saving.deserialize_keras_object({**config, "compile_config": None}, custom_objects=custom_objects)
    if training and hasattr(model, "compile_from_config"):
        try:
            with saving.CustomObjectScope(custom_objects):
                model.compile_from_config(training)
        except (TypeError, ValueError) as error:
            _not_compiled(error)
    return model
