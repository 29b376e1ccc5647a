"""Layers around layers: one step at a time, both directions."""

import copy

from tandem.core import arrays, graph
from tandem.core.errors import explain
from tandem.keras import saving
from tandem.keras.layers.base import Layer
from tandem.keras.layers.recurrent import RNN
from tandem.keras.legacy.layer_methods import with_states
from tandem.keras.legacy.modules import names_of
from tandem.keras.symbolic import KerasTensor
from tandem.ops import shape


class Wrapper(Layer):
    """Base of layers around another layer. Raises ValueError for what is no layer."""

    def __init__(self, layer, **kwargs):
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Please initialize `{type(self).__name__}` layer with a `keras.layers.Layer` instance. "
                f"Received: {layer}"
            )
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape=None):
        """Build the layer inside."""
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.__dict__["built"] = True

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "layer": saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The layer that `get_config` describes."""
        config = dict(config)
        config["layer"] = saving.deserialize_keras_object(config["layer"], custom_objects)
        return super().from_config(config)


# Layers of ours that treat each sample by itself: all steps can go through them at once, as one larger batch.
_PER_SAMPLE = {
    "core": ("Activation", "Dense", "Embedding", "Identity", "Masking"),
    "convolution": None,
    "pooling": None,
    "reshaping": None,
    "activation": None,
    "merging": ("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"),
    "normalization": ("GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"),
}


def _per_sample(layer):
    """Whether a layer, and all inside it, treats each sample by itself, for all we know."""
    for part in layer._flatten_layers():
        room, _, family = type(part).__module__.rpartition(".")
        name = type(part).__name__
        if room == "tandem.keras.models" and name in ("Functional", "Sequential"):
            continue
        if family == "core" and name == "InputLayer":
            continue
        if room != "tandem.keras.layers" or family not in _PER_SAMPLE:
            return False
        if _PER_SAMPLE[family] is not None and name not in _PER_SAMPLE[family]:
            return False
    return True


class TimeDistributed(Wrapper):
    """A layer applied to each step of a sequence, with the same weights.

    layer: a layer of inputs (batch, …). inputs: (batch, steps, …). Raises ValueError for inputs without steps.
    """

    def __init__(self, layer, **kwargs):
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        """Build the layer inside for one step."""
        if not isinstance(input_shape, (list, tuple)) or len(input_shape) < 3:
            raise ValueError(
                "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions, "
                f"received: {input_shape}"
            )
        super().build((input_shape[0], *input_shape[2:]))

    def call(self, inputs, training=None, mask=None):
        """The layer's outputs for all steps."""
        facts = self.layer._facts
        flags = {"training": training} if facts.has_training else {}
        masked = mask is not None and facts.has_mask
        batch, steps = inputs.shape[:2]
        if mask is not None and tuple(mask.shape[:2]) != (batch, steps):
            raise ValueError(
                "`TimeDistributed` Layer should be passed a `mask` of shape "
                f"({batch}, {steps}, ...), received: mask.shape={tuple(mask.shape)}"
            )
        if not masked and not self.layer._metrics and _per_sample(self.layer):
            outputs = self.layer(inputs.flatten(0, 1), **flags)
            return arrays.map_tree(lambda output: output.unflatten(0, (batch, steps)), outputs)
        found = []
        for index in range(steps):
            kwargs = {**flags, "mask": mask[:, index]} if masked else flags
            found.append(self.layer(inputs[:, index], **kwargs))
        if isinstance(found[0], (list, tuple)):
            return type(found[0])(shape.stack(parts, 1) for parts in zip(*found))
        return shape.stack(found, 1)

    def compute_output_shape(self, input_shape):
        """The shapes of the outputs for inputs of `input_shape`."""
        inner = self.layer.compute_output_shape((input_shape[0], *input_shape[2:]))
        return (inner[0], input_shape[1], *inner[1:])

    def compute_output_spec(self, inputs, training=None, mask=None):
        """The shapes and dtypes of the outputs for a KerasTensor."""
        step = KerasTensor((inputs.shape[0], *inputs.shape[2:]), inputs.dtype, name="spec")
        inner = self.layer.compute_output_spec(step)

        def spec(leaf):
            return KerasTensor((leaf.shape[0], inputs.shape[1], *leaf.shape[1:]), leaf.dtype, name="spec")

        return arrays.map_tree(spec, inner)


_MODES = ("sum", "mul", "ave", "concat", None)


class Bidirectional(Layer):
    """A recurrent layer run in both directions.

    layer: an `RNN` or a layer like one; merge_mode: how both outputs are joined: "concat", "sum", "mul", "ave" or
    None (a list of both); weights: of both layers, in one list; backward_layer: in place of a copy of `layer` that goes
    backwards. With `return_state` the last states of both follow the output.
    Raises ValueError for another mode, and for two layers that do not mirror each other.
    """

    forward_layer: Layer
    backward_layer: Layer
    _initial_weights: list | None

    def __init__(self, layer, merge_mode="concat", weights=None, backward_layer=None, **kwargs):
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Please initialize `Bidirectional` layer with a `keras.layers.Layer` instance. Received: {layer}"
            )
        if backward_layer is not None and not isinstance(backward_layer, Layer):
            raise ValueError(
                "`backward_layer` need to be a `keras.layers.Layer` instance. "
                f"Received: backward_layer={backward_layer}"
            )
        if merge_mode not in _MODES:
            raise ValueError(
                f"Invalid merge mode. Received: {merge_mode}. "
                'Merge mode should be one of {"sum", "mul", "ave", "concat", None}'
            )
        if not hasattr(layer, "go_backwards"):
            raise ValueError(
                explain(
                    "`Bidirectional` wraps recurrent layers",
                    expected="a layer with `go_backwards`, `return_sequences` and `return_state`",
                    given=repr(layer),
                )
            )
        super().__init__(**kwargs)
        config = saving.serialize_keras_object(layer)
        config["config"] = {**config["config"], "name": _renamed("forward", layer)}
        config.pop("build_config", None)
        self.forward_layer = _same(layer, config)
        if backward_layer is None:
            config = copy.deepcopy(config)
            config["config"]["go_backwards"] = not layer.go_backwards
            config["config"]["name"] = _renamed("backward", layer)
            self.backward_layer = _same(layer, config)
        else:
            self.backward_layer = backward_layer
        self._check_mirror()
        # Outputs of both directions are joined step by step: a masked step gives zeros in both.
        for one in (self.forward_layer, self.backward_layer):
            if hasattr(one, "zero_output_for_mask"):
                one.zero_output_for_mask = layer.return_sequences
        self.merge_mode = merge_mode
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec
        self._initial_weights = weights

    def _check_mirror(self):
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                "Forward layer and backward layer should have different `go_backwards` value. "
                f"Received: forward_layer.go_backwards {forward.go_backwards}, "
                f"backward_layer.go_backwards={backward.go_backwards}"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            left, right = getattr(forward, name, None), getattr(backward, name, None)
            if left != right:
                raise ValueError(
                    "Forward layer and backward layer are expected to have the same value for attribute "
                    f'"{name}", got "{left}" for forward layer and "{right}" for backward layer'
                )

    @property
    def layer(self):
        """The layer that goes forwards."""
        return self.forward_layer

    def build(self, sequences_shape, initial_state_shape=None):
        """Build both layers."""
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)

    def __call__(self, sequences, *args, **kwargs):
        if type(sequences) is list:
            sequences, kwargs = with_states(sequences, kwargs)
        return super().__call__(sequences, *args, **kwargs)

    def call(self, sequences, initial_state=None, mask=None, training=None):
        """The joined outputs, and with `return_state` the last states of both layers."""
        flags = {} if training is None else {"training": training}
        forward_flags, backward_flags = dict(flags), dict(flags)
        if mask is not None:
            forward_flags["mask"] = backward_flags["mask"] = mask
        if initial_state is not None:
            half = len(initial_state) // 2
            forward_flags["initial_state"] = initial_state[:half]
            backward_flags["initial_state"] = initial_state[half:]
        first = _without_empty(self.forward_layer, forward_flags)(sequences, **forward_flags)
        second = _without_empty(self.backward_layer, backward_flags)(sequences, **backward_flags)
        states = ()
        if self.return_state:
            states = (*first[1:], *second[1:])
            first, second = first[0], second[0]
        if self.return_sequences:
            second = shape.reverse(second, [1])
        outputs = self._merge(first, second)
        if self.return_state:
            return (outputs, *states) if self.merge_mode is not None else (*outputs, *states)
        return outputs

    def _merge(self, first, second):
        if self.merge_mode == "concat":
            return shape.concat([first, second], -1)
        if self.merge_mode == "sum":
            return first + second
        if self.merge_mode == "ave":
            return (first + second) / 2
        if self.merge_mode == "mul":
            return first * second
        return first, second

    def reset_states(self):
        """Set the states of both layers to zero."""
        self.reset_state()

    def reset_state(self):
        """Set the states of both layers to zero. Raises AttributeError where they keep none."""
        if not self.stateful:
            raise AttributeError("Layer must be stateful.")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    @property
    def states(self):
        """The states of both layers, a list; None where they keep none."""
        if self.forward_layer.states and self.backward_layer.states:
            return [*self.forward_layer.states, *self.backward_layer.states]
        return None

    def compute_mask(self, sequences, mask=None):
        """The mask of the steps where all outputs are returned."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        output = mask if self.return_sequences else None
        if self.merge_mode is None:
            output = [output, output]
        if self.return_state and isinstance(self.forward_layer, RNN):
            states = [None] * (2 * len(self.forward_layer.state_size))
            return [*output, *states] if isinstance(output, list) else [output, *states]
        return output

    def compute_output_spec(self, sequences, initial_state=None, mask=None, training=None):
        """The shapes and dtypes of the outputs for a KerasTensor."""
        spec = self.forward_layer.compute_output_spec(sequences)
        output, states = (spec[0], spec[1:]) if self.return_state else (spec, ())
        if self.merge_mode == "concat":
            output = KerasTensor((*output.shape[:-1], output.shape[-1] * 2), output.dtype, name="spec")
        if self.merge_mode is None:
            output = (output, _again(output))
            return (*output, *states, *map(_again, states)) if self.return_state else output
        return (output, *states, *map(_again, states)) if self.return_state else output

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        """The shapes of the outputs for inputs of `sequences_shape`."""
        spec = self.compute_output_spec(KerasTensor(sequences_shape, self.compute_dtype, name="spec"))
        return arrays.map_tree(lambda leaf: leaf.shape if isinstance(leaf, graph.Symbolic) else leaf, spec)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": saving.serialize_keras_object(self.forward_layer),
            "backward_layer": saving.serialize_keras_object(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The layer that `get_config` describes."""
        config = dict(config)
        for name in ("layer", "backward_layer"):
            if config.get(name) is not None:
                config[name] = saving.deserialize_keras_object(config[name], custom_objects)
        return super().from_config(config)


def _renamed(direction, layer):
    name = layer.name.removeprefix("forward_")
    return f"{direction}_{name}"


def _same(layer, config):
    """A new layer of the class of `layer`, which may be the caller's own, from a config."""
    return saving.deserialize_keras_object(config, custom_objects={type(layer).__name__: type(layer)})


def _without_empty(layer, flags):
    """The layer; flags that its `call` does not take are dropped."""
    for name in list(flags):
        if name not in layer._facts.all_names and not layer._facts.any_keyword:
            del flags[name]
    return layer


def _again(spec):
    return KerasTensor(spec.shape, spec.dtype, name="spec")


__getattr__ = names_of("layers")  # Keras 2 had more at this path
