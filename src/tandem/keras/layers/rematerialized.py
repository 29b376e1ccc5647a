"""The calls of layers that were made in a `RematScope`."""

import contextlib
import functools
import math

import torch

from tandem.core import arrays, graph, recomputing, scope
from tandem.keras import tensors, variables
from tandem.keras.internals import remat
from tandem.keras.internals.rebinding import calling
from tandem.keras.internals.scopes import StatelessScope
from tandem.keras.symbolic import KerasTensor


def prepare(layer, wanted):
    """Let `layer.call` be as a `RematScope` wants it."""
    # In the instance, so that other layers pay nothing.
    layer.__dict__["call"] = functools.partial(_call, layer, wanted)


def _call(layer, wanted, *args, **kwargs):
    call = type(layer).call.__get__(layer)
    if not torch.is_grad_enabled() or graph.on_meta() or not all(one.built for one in layer._flatten_layers()):
        return call(*args, **kwargs)
    if wanted.mode == "activations":
        return _with_lean_activation(layer, call, args, kwargs)
    if wanted.mode == "list_of_layers" and layer.name not in wanted.layer_names:
        return call(*args, **kwargs)
    if wanted.mode == "larger_than" and _size(layer, args, kwargs) <= wanted.output_size_threshold:
        return call(*args, **kwargs)
    leaves = arrays.leaves((args, kwargs))
    return recomputing.recomputed(
        functools.partial(calling, call),
        args,
        kwargs,
        again=_Surroundings(layer, leaves),
    )


def _with_lean_activation(layer, call, args, kwargs):
    activation = layer.__dict__.get("activation")
    if not callable(activation):
        return call(*args, **kwargs)
    layer.__dict__["activation"] = remat.remat(activation)
    try:
        return call(*args, **kwargs)
    finally:
        layer.__dict__["activation"] = activation


def _size(layer, args, kwargs):
    """How many numbers are in the largest output."""
    args, kwargs = arrays.map_tree(
        lambda leaf: KerasTensor(leaf.shape, leaf.dtype, name="spec") if isinstance(leaf, torch.Tensor) else leaf,
        (args, kwargs),
    )
    # Sizes are those of inference, where nothing is drawn.
    kwargs = {key: False if key == "training" else value for key, value in kwargs.items()}
    with scope.training(False), StatelessScope(collect_losses=True):
        outputs = layer.compute_output_spec(*args, **kwargs)
    return max((math.prod(value.shape) for value in graph.symbolics(outputs)), default=0)


class _Surroundings:
    """What held when a layer was called, to hold again when the backward pass calls it; what changes then is undone."""

    def __init__(self, layer, leaves):
        self._layer = layer
        self._training = scope.is_training()
        self._autocast = variables.autocast_dtype()
        self._masks = [(leaf, tensors.get_mask(leaf)) for leaf in leaves if isinstance(leaf, torch.Tensor)]
        # A layer that does not learn changes nothing.
        states = [one for one in layer.variables if not one.trainable] if layer.trainable else []
        self._states = [(one, one.tensor.detach().clone()) for one in states]

    @contextlib.contextmanager
    def __call__(self):
        from tandem.keras.layers.base import inside

        masks = [(leaf, tensors.get_mask(leaf)) for leaf, _ in self._masks]
        for leaf, mask in self._masks:
            tensors.set_mask(leaf, mask)
        try:
            with (
                scope.training(self._training),
                variables.autocast(self._autocast),
                inside(self._layer),
                StatelessScope(self._states, collect_losses=True),
            ):
                yield
        finally:
            for leaf, mask in masks:
                tensors.set_mask(leaf, mask)
