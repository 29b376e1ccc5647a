"""`Sequential`: layers one after the other."""

import torch

from tandem.core import arrays, strings
from tandem.core.errors import explain
from tandem.keras import naming, saving
from tandem.keras.layers.base import Layer
from tandem.keras.layers.core import InputLayer
from tandem.keras.layers.signature import known_shape
from tandem.keras.models.functional import Functional, compatible
from tandem.keras.models.model import Model, key_of
from tandem.keras.symbolic import KerasTensor


class Sequential(Model):
    """A model whose layers follow one another.

    layers: a list of layers (or `keras.Input`s at its beginning, or plain torch modules); trainable: whether its
    weights learn. Where neither an `Input` nor a layer's `input_shape` says the input's shape, the first call does.
    """

    _functional: Functional | None
    _rematerializes = False
    _plain_stack: list

    def __new__(cls, *args, **kwargs):
        return Layer.__new__(cls, *args, **kwargs)

    def __init__(self, layers=None, trainable=True, name=None):
        Layer.__init__(self, trainable=trainable, name=name)
        from tandem.keras.trainers.trainer import Trainer

        Trainer.__init__(self)
        self.__dict__["_functional"] = None
        self.__dict__["supports_masking"] = True
        if layers:
            if not isinstance(layers, (list, tuple)):
                layers = [layers]
            for layer in layers:
                self.add(layer, rebuild=False)
            self._maybe_rebuild()

    # --- changing the stack ----------------------------------------------------------------------------------------
    def add(self, layer, rebuild=True):
        """Put a layer at the end. Raises ValueError for what is no layer, and for a name that is taken."""
        if not self._layers:
            shape = getattr(layer, "_input_shape_given", None)
            if shape is not None and not isinstance(layer, InputLayer):
                self.add(InputLayer(batch_shape=shape, dtype=_input_dtype(layer)), rebuild=False)
        if isinstance(layer, KerasTensor) and layer.node is not None and isinstance(layer.node.operation, InputLayer):
            layer = layer.node.operation
        if isinstance(layer, torch.nn.Module) and not isinstance(layer, Layer):
            layer = self._as_layer(layer)
        if not isinstance(layer, Layer):
            raise ValueError(
                "Only instances of `keras.Layer` can be added to a Sequential model. "
                f"Received: {layer} (of type {type(layer)})"
            )
        if any(layer.name == other.name for other in self._layers):
            raise ValueError(
                "All layers added to a Sequential model should have unique names. "
                f"Name '{layer.name}' is already the name of a layer in this model. "
                "Update the `name` argument to pass a unique name."
            )
        if isinstance(layer, InputLayer) and self._layers and isinstance(self._layers[0], InputLayer):
            raise ValueError(
                f"Sequential model '{self.name}' has already been configured to use input shape "
                f"{self._layers[0].batch_shape}. You cannot add a different Input layer to it."
            )
        self._layers.append(layer)
        if not isinstance(layer, InputLayer):
            self._modules[key_of(layer, self._modules)] = layer
        self._changed()
        if rebuild:
            self._maybe_rebuild()

    def pop(self, rebuild=True):
        """Take the last layer off and return it. Raises IndexError where there is none."""
        layer = self._layers.pop()
        self.__dict__.pop("_chain", None)
        for key in [key for key, module in self._modules.items() if module is layer]:
            del self._modules[key]
        self._changed()
        if rebuild:
            self._maybe_rebuild()
        return layer

    def _changed(self):
        own = self.__dict__
        own["built"] = False
        own["_functional"] = None
        own.pop("_settled", None)
        self._count_mutation()

    def _maybe_rebuild(self):
        if len(self._layers) > 1 and isinstance(self._layers[0], InputLayer):
            self.build(self._layers[0].batch_shape)
        elif len(self._layers) > 1 and isinstance(self._layers[0], Model):
            shape = getattr(self._layers[0], "input_shape", None)
            if isinstance(shape, tuple):
                self.build(shape)
        if self._layers and _several_inputs(self._layers[0]):
            self._build_on(list(self._layers[0].inputs), 0)

    # --- building and calling --------------------------------------------------------------------------------------
    def build(self, input_shape=None):
        """Make all weights for inputs of `input_shape`, with the batch's size in front (None for any)."""
        if not isinstance(input_shape, (tuple, list)) or (
            input_shape and not all(size is None or isinstance(size, int) for size in input_shape)
        ):
            return
        if not self._layers:
            raise ValueError(
                f"Sequential model {self.name} cannot be built because it has no layers. Call `model.add(layer)`."
            )
        first = self._layers[0]
        if isinstance(first, InputLayer):
            if not compatible(first.batch_shape, input_shape):
                raise ValueError(
                    f"Sequential model '{self.name}' has already been configured to use input shape "
                    f"{first.batch_shape}. You cannot build it with input_shape {tuple(input_shape)}"
                )
        else:
            dtype = _input_dtype(first)
            first = InputLayer(batch_shape=tuple(input_shape), dtype=dtype)
            self._layers.insert(0, first)
        self._build_on(first.output, 1)

    def _build_on(self, inputs, done):
        # A layer that was added at the end goes on from what the others gave.
        x, done = self.__dict__.get("_chain") or (inputs, done)
        try:
            for layer in self._layers[done:]:
                x = layer(x)
        except NotImplementedError:  # a layer that only runs on values: the first call builds it
            return
        own = self.__dict__
        own["_chain"] = (x, len(self._layers))
        # Keras's inner model takes an automatic name: those of models made later count on from it.
        naming.auto_name("Functional")
        own["_functional"] = Functional(inputs, x, name=self.name)
        own["_plain_stack"] = [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    def __getstate__(self):
        state = super().__getstate__()
        state.pop("_chain", None)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if self._functional is not None:
            self.__dict__["_chain"] = (self._functional.output, len(self._layers))

    def _maybe_build(self, args, kwargs):
        inputs = args[0] if args else kwargs.get("inputs")
        if not self._layers:
            self.build((None,))
        leaves = arrays.leaves(inputs)
        if len(leaves) == 1 and strings.is_text(leaves[0]):
            shape = (None, *leaves[0].shape[1:-1])
            if not isinstance(self._layers[0], InputLayer):
                self._layers.insert(0, InputLayer(batch_shape=shape, dtype="string"))
            self.build(shape)
        elif len(leaves) == 1 and hasattr(leaves[0], "shape"):
            self.build(known_shape(leaves[0]))
        self.__dict__["built"] = True

    def call(self, inputs, training=None, mask=None, **kwargs):
        """Run the layers on one tensor."""
        if self._functional is None:
            stack = [layer for layer in self._layers if not isinstance(layer, InputLayer)]
            x = inputs
        else:
            stack = self._plain_stack
            # What does not fit is said by the layer that it does not fit.
            x = self._functional._standardize(inputs, check=False)
            x = x[0] if len(x) == 1 else list(x)
        if mask is not None:
            from tandem.keras import tensors

            tensors.set_mask(x, mask)
        for layer in stack:
            x = layer(x)
        return x

    def compute_output_spec(self, inputs, training=None, mask=None):
        """The shape and dtype of the output for a KerasTensor."""
        if self._functional is not None:
            return self._functional.compute_output_spec(inputs)
        return self._infer((inputs,), {})

    def _outputs_for(self, x):
        known = self._functional is not None and type(self).call is Sequential.call
        found = self._functional._known_outputs(x) if known else None
        return super()._outputs_for(x) if found is None else found

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`."""
        if self._functional is not None:
            return self._functional.compute_output_shape(input_shape)
        shape = input_shape
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    # --- structure -------------------------------------------------------------------------------------------------
    @property
    def layers(self):
        """The layers, without the one that stands for the input."""
        layers = self._layers
        return list(layers[1:] if layers and isinstance(layers[0], InputLayer) else layers)

    @layers.setter
    def layers(self, value):
        raise AttributeError(
            "`Sequential.layers` attribute is reserved and should not be used. Use `add()` and `pop()`."
        )

    def _of_functional(self, name):
        if self._functional is None:
            raise AttributeError(
                f"Sequential model '{self.name}' has no defined {name} yet: give it an `Input`, or call it on "
                f"data first."
            )
        return getattr(self._functional, name)

    @property
    def input_shape(self):
        """The shape of the input."""
        return self._of_functional("input_shape")

    @property
    def output_shape(self):
        """The shape of the output."""
        return self._of_functional("output_shape")

    @property
    def inputs(self):
        """The symbolic inputs, a list of one."""
        return self._of_functional("inputs")

    @property
    def outputs(self):
        """The symbolic outputs, a list of one."""
        return self._of_functional("outputs")

    @property
    def input(self):
        """The symbolic input."""
        return self._of_functional("input")

    @property
    def output(self):
        """The symbolic output."""
        return self._of_functional("output")

    @property
    def input_names(self):
        """The name of the input."""
        return self._of_functional("input_names")

    @property
    def output_names(self):
        """The name of the layer that makes the output."""
        return self._of_functional("output_names")

    @property
    def input_dtype(self):
        """The name of the input's dtype."""
        layers = self._layers
        return layers[0].dtype if layers and isinstance(layers[0], InputLayer) else super().input_dtype

    # --- configs ---------------------------------------------------------------------------------------------------
    def get_config(self):
        """The layers' configs."""
        config = {"name": self.name, **self._base_config()}
        config["layers"] = [saving.serialize_keras_object(layer) for layer in self._layers]
        if self._functional is not None and isinstance(self._layers[0], InputLayer):
            config["build_input_shape"] = self._layers[0].batch_shape
        return config

    def get_build_config(self):
        """The shape that the model was built from."""
        known = self._functional is not None and isinstance(self._layers[0], InputLayer)
        return {"input_shape": self._layers[0].batch_shape} if known else None

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model that `get_config` describes."""
        model = cls(name=config.get("name"), trainable=config.get("trainable", True))
        for item in config["layers"]:
            model.add(saving.deserialize_keras_object(item, custom_objects), rebuild=False)
        model._maybe_rebuild()
        shape = config.get("build_input_shape")
        if model._functional is None and shape:
            model.build(tuple(shape))
            model.__dict__["built"] = model._functional is not None
        return model

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _several_inputs(layer):
    """Whether a model begins with the inputs of another one, of which there are several: Keras 1's `Merge`."""
    return isinstance(layer, Model) and isinstance(getattr(layer, "input_shape", None), list)


def _input_dtype(layer):
    """The dtype of the input that a model beginning with `layer` takes."""
    if isinstance(layer, (Functional, Sequential)):
        inputs = getattr(layer, "_inputs", None) or (layer._functional._inputs if layer._functional else None)
        if inputs:
            return inputs[0].dtype
    if not isinstance(layer, Layer):
        raise ValueError(explain("Not a layer", expected="a keras.Layer", given=repr(layer)))
    # A layer that takes integers as they are gets them in a dtype that holds them.
    return layer.variable_dtype if layer._cast_to is None else layer.compute_dtype
