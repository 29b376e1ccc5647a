"""What a layer class's `call` and `build` take, read once per class."""

import inspect

from tandem.core import arrays
from tandem.keras.layers.input_spec import InputSpec

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class CallFacts:
    """The parameters of a class's `call` that the call protocol asks for.

    names: positional parameters in order; has_training, has_mask: whether it takes `training`, `mask`;
    training_default: the default of `training`; masks: for a parameter `x`, whether `x_mask` is one too.
    """

    def __init__(self, cls):
        parameters = list(inspect.signature(cls.call).parameters.values())[1:]
        self.names = [parameter.name for parameter in parameters if parameter.kind in _POSITIONAL]
        everything = {parameter.name for parameter in parameters}
        self.all_names = everything
        self.any_keyword = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        self.has_training = "training" in everything
        self.training_index = self.names.index("training") if "training" in self.names else None
        self.has_mask = "mask" in everything
        self.mask_index = self.names.index("mask") if "mask" in self.names else None
        defaults = {parameter.name: parameter.default for parameter in parameters}
        default = defaults.get("training")
        self.training_default = None if default is inspect.Parameter.empty else default
        self.mask_names = {name for name in everything if name.endswith("_mask")}
        self.first = self.names[0] if self.names else None

    def first_of(self, kwargs):
        """The first argument of a call where it was given by name, or None."""
        return kwargs.get(self.first)

    def bind(self, args, kwargs):
        """The arguments by name, in order."""
        found = dict(zip(self.names, args))
        found.update(kwargs)
        return found


def build_arguments(build, shapes):
    """The keyword arguments for `build`, from `shapes`, a dict of call argument's name -> shape(s).

    A `build` of one parameter takes the first shape; one of several takes those that its `x_shape` names say.
    """
    parameters = [
        parameter.name
        for parameter in inspect.signature(build).parameters.values()
        if parameter.kind in (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY)
    ]
    if len(parameters) == 1:
        return {parameters[0]: next(iter(shapes.values()), None)}
    if not parameters:
        return {}
    for name in parameters:
        if not name.endswith("_shape"):
            raise ValueError(
                "For a `build()` method with more than one argument, all arguments should have a `_shape` suffix and "
                "match an argument from `call()`. E.g. `build(self, foo_shape, bar_shape)`. "
                f"Received `build()` argument `{name}`, which does not end in `_shape`."
            )
        if name.removesuffix("_shape") not in shapes and _required(build, name):
            raise ValueError(
                "For a `build()` method with more than one argument, all arguments should have a `_shape` suffix and "
                f"match an argument from `call()`. Received `build()` argument `{name}`, but `call()` was given "
                f"tensors only for {list(shapes)}."
            )
    return {name: shapes[name.removesuffix("_shape")] for name in parameters if name.removesuffix("_shape") in shapes}


def _required(function, name):
    return inspect.signature(function).parameters[name].default is inspect.Parameter.empty


def shape_tree(value):
    """The shapes of a tree of tensors or symbolic values, or None where it holds none."""
    if not any(hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in arrays.leaves(value)):
        return None
    return _map_shapes(value)


def _map_shapes(value):
    if isinstance(value, dict):
        return {key: _map_shapes(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_map_shapes(item) for item in value]
    return known_shape(value) if hasattr(value, "shape") else None


def spec_of_value(value):
    """The `InputSpec` of a value, for batches of any size; what has no shape stays itself."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return value
    return InputSpec(shape=(None, *known_shape(value)[1:]) if len(value.shape) else (), dtype=value.dtype)


def known_shape(value):
    """The shape of a value as a tuple; sizes that only stand in for unknown ones (see `core.graph`) are None."""
    from tandem.core import graph

    if graph.on_meta():
        return tuple(None if size in graph._TRIAL_SIZES else size for size in value.shape)
    return tuple(value.shape)


def shown(facts, explicit, kwargs, alone):
    """The keyword arguments that Keras's configs show of a call: with what it fills in where one tensor stands
    alone.
    """
    shown = dict(explicit)
    if alone:
        if facts.training_default is not None:
            shown["training"] = facts.training_default
        if facts.has_mask:
            shown["mask"] = kwargs.get("mask")
    return shown


def given_shape(kwargs):
    """The batch shape that Keras 1 and 2 gave to a model's first layer, taken out of `kwargs`."""
    batch = kwargs.pop("batch_size", None) if "input_shape" in kwargs or "input_dim" in kwargs else None
    if "batch_input_shape" in kwargs:
        return tuple(kwargs.pop("batch_input_shape"))
    if "input_shape" in kwargs:
        shape = kwargs.pop("input_shape")
        return None if shape is None else (batch, *((shape,) if isinstance(shape, int) else shape))
    if "input_dim" in kwargs:
        size = kwargs.pop("input_dim")
        return None if size is None else (batch, size)
    return None
