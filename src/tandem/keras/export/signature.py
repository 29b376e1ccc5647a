"""What an exported model takes: shapes, dtypes and names of its inputs."""

from tandem.core import arrays, dtypes
from tandem.core.errors import explain
from tandem.engine.exported import Slot
from tandem.keras import tensors
from tandem.keras.layers.input_spec import InputSpec
from tandem.keras.models.functional import Functional
from tandem.keras.models.model import Model
from tandem.keras.models.sequential import Sequential
from tandem.keras.symbolic import KerasTensor


def of(model, given=None):
    """The positional arguments of a model's call, as a tuple of trees of `Slot`s with names.

    given: what the user says they are: `InputSpec`s, `KerasTensor`s, tensors or arrays, or lists, tuples and dicts of
    them, one to each argument. Raises ValueError where it does not say enough, TypeError for anything else.
    """
    if not isinstance(model, Model):
        raise TypeError(explain("The model must be a `keras.Model`", given=f"model={model!r} of type {type(model)}"))
    if given is None:
        given = _of_model(model)
    elif isinstance(given, dict) or not isinstance(given, (list, tuple)):
        given = [given]
    functional = _functional(model)
    if functional is not None and len(given) == len(functional._inputs) > 1:
        given = [_like(functional._inputs_struct, list(given))]
    return named(given)


def named(given):
    """A tuple of trees of `Slot`s from what a user gave: those that have no name become "input_0", "input_1", …"""
    slots = arrays.map_tree(_slot, tuple(given))
    number = iter(range(len(arrays.leaves(slots))))
    return arrays.map_tree(lambda slot: Slot(slot.shape, slot.dtype, _name(slot.name, next(number))), slots)


def _name(name, number):
    return f"input_{number}" if name is None else name


def _functional(model):
    if isinstance(model, Functional):
        return model
    return model._functional if isinstance(model, Sequential) else None


def _like(structure, values):
    """The values in a structure of as many leaves."""
    values = iter(values)
    return arrays.map_tree(lambda _: next(values), structure)


def _of_model(model):
    if not model.built:
        raise ValueError("The model provided has not yet been built. It must be built before export.")
    functional = _functional(model)
    if functional is not None:
        return [functional._inputs_struct]
    called = model.__dict__.get("_first_call")
    if called:
        values = {name: value for name, value in called.items() if name not in ("training", "mask")}
        if not all(isinstance(leaf, InputSpec) for leaf in arrays.leaves(values)):
            raise ValueError(
                explain("The model was called with what is no tensor", given=values, hint="Give an `input_signature`.")
            )
        return list(values.values())
    shapes = model._build_shapes
    if not shapes:
        raise ValueError("The model provided has never called. It must be called at least once before export.")
    return [_specs(shape, model.input_dtype) for shape in shapes.values()]


def _specs(shapes, dtype):
    """The specs of the shapes that a model was built from, for batches of any size."""
    if isinstance(shapes, dict):
        return {key: _specs(shape, dtype) for key, shape in shapes.items()}
    if all(size is None or isinstance(size, int) for size in shapes):
        return InputSpec(shape=(None, *shapes[1:]), dtype=dtype)
    return type(shapes)(_specs(shape, dtype) for shape in shapes)


def _slot(value):
    if isinstance(value, InputSpec):
        if value.shape is None or value.dtype is None:
            raise ValueError(f"The `shape` and `dtype` must be provided. Received: x={value}")
        return Slot(value.shape, dtypes.torch_dtype(value.dtype), value.name)
    if isinstance(value, KerasTensor):
        return Slot((None, *value.shape[1:]), dtypes.torch_dtype(value.dtype), value.name)
    if tensors.is_tensor(value) or hasattr(value, "__array__"):
        value = tensors.convert(value)
        return Slot((None, *value.shape[1:]), value.dtype)
    raise TypeError(
        f"Unsupported x={value} of the type ({type(value)}). Supported types are: `keras.InputSpec`, "
        "`keras.KerasTensor` and tensors or arrays."
    )
