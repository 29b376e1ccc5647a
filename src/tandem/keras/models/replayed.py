"""`model(x)` outside training, replayed where all layers are Keras's own: no code of the user's runs inside."""

import types

import numpy as np
import torch

from tandem.core import arrays, graph
from tandem.core.module import Holder
from tandem.engine.calls import Calls, Look
from tandem.keras import tensors
from tandem.keras.layers.base import Layer
from tandem.keras.symbolic import Operation


class Replayed(Calls):
    """The calls of one model."""

    def look(self, module):
        """The variables, and whether the layers bring nothing that a replay would leave out."""
        return Look(module, module.variables, module.built and _is_ours(module))

    def plain(self, module, x, given):
        """What a layer's call is."""
        return Layer.forward(module, x) if given is None else Layer.forward(module, x, training=given)

    def convert(self, array, device):
        """As each layer converts its arguments, and a model moves them to where its weights are."""
        if device is not None and device.type == "cpu" and array.flags.writeable:
            return torch.from_numpy(array)
        return tensors.convert(array)

    def has_left(self, module):
        """Whether a layer has added a loss."""
        return any(layer._losses for layer in module._flatten_layers())


_NUMBERS = (bool, int, float, complex, str, bytes, type(None), np.generic, torch.dtype, torch.device, torch.Size)
_HELD = (torch.Tensor, torch.nn.Module, Holder, Operation)
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType)


def _is_ours(model):
    """Whether only Keras's own layers and operations run in a model, and do the same in each call."""
    for module in model.modules():
        kind = type(module)
        if (
            not isinstance(module, Layer)
            or not kind.__module__.startswith("tandem.keras.")
            or not kind.call.__module__.startswith("tandem.keras.")
            or kind._facts.training_default
            or module._mode
            or module.activity_regularizer is not None
            or getattr(module, "stateful", False)
            # Hooks are looked at in each call.
            or not all(_is_harmless(value) for name, value in vars(module).items() if not name.endswith("_hooks"))
            or not all(map(_is_own_node, getattr(module, "_nodes", None) or ()))
        ):
            return False
    return True


def _is_own_node(node):
    """Whether a node of a functional model is an operation of ours, on constants that stay as they are."""
    operation = node.operation
    kind = type(operation)
    constants = arrays.leaves((node.args, node.kwargs))
    if not isinstance(operation, Layer):
        if kind.__call__ is not Operation.__call__ or not kind.call.__module__.startswith("tandem.keras."):
            return False
        constants += arrays.leaves(list(vars(operation).get("_config", {}).values()))
    return all(isinstance(leaf, (graph.Symbolic, *_NUMBERS)) for leaf in constants)


def _is_harmless(value):
    """Whether an attribute of a layer brings no code of the user's, and nothing that changes unseen."""
    kind = type(value)
    if isinstance(value, (*_NUMBERS, *_HELD)):
        return True
    if isinstance(value, dict):
        return all(_is_harmless(item) for item in value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(_is_harmless(item) for item in value)
    if isinstance(value, _FUNCTIONS):
        kind = value
    elif isinstance(value, type):
        return value.__module__.startswith(("tandem.", "torch."))
    return (getattr(kind, "__module__", None) or "").startswith(("tandem.", "torch"))
