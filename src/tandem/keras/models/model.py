"""`Model`: a layer that trains."""

import json
import re

import torch

from tandem.core import arrays
from tandem.core.errors import suggest
from tandem.core.naming import snake_case
from tandem.keras import naming, saving
from tandem.keras.layers.base import Layer
from tandem.keras.layers.ownership import free_key
from tandem.keras.layers.signature import spec_of_value
from tandem.keras.models.replayed import Replayed
from tandem.keras.trainers import sources
from tandem.keras.trainers.trainer import Trainer


def _is_functional(args, kwargs):
    if {"input", "output"} <= kwargs.keys():  # Keras 1's names
        return True
    return len(args) == 2 or (len(args) == 1 and "outputs" in kwargs) or ("inputs" in kwargs and "outputs" in kwargs)


# The dtypes of strings: their code points', and their own.
_OF_TEXT = (torch.uint32, "uint32", "string")


class Model(Trainer, Layer):
    """A layer with `compile`, `fit`, `evaluate`, `predict` and `summary`.

    ``Model(inputs, outputs)`` is the functional model between some `KerasTensor`s; a subclass gives `call` instead, and
    makes its layers in `__init__`.
    """

    _config_names_it = False

    def __new__(cls, *args, **kwargs):
        if cls is Model and _is_functional(args, kwargs):
            from tandem.keras.models.functional import Functional

            return Functional.__new__(Functional, *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args, **kwargs):
        from tandem.keras.models.functional import Functional

        if _is_functional(args, kwargs) and not isinstance(self, Functional):
            _inject(type(self), Functional)
            Functional.__init__(self, *args, **kwargs)
            return
        Layer.__init__(self, *args, **kwargs)
        Trainer.__init__(self)

    # --- layers ----------------------------------------------------------------------------------------------------
    @property
    def layers(self):
        """The layers that the model is made of, not those inside them."""
        return self._flatten_layers(include_self=False, recursive=False)

    @layers.setter
    def layers(self, value):
        raise AttributeError("`Model.layers` attribute is reserved and should not be used. Please use another name.")

    def get_layer(self, name=None, index=None):
        """The layer of a name, or at an index of `layers`. Raises ValueError where there is none."""
        if (name is None) == (index is None):
            raise ValueError(
                "Provide either a layer name or layer index at `get_layer`."
                if name is None
                else f"Provide only a layer name or a layer index. Received: index={index}, name={name}."
            )
        layers = self.layers
        if index is not None:
            if index >= len(layers):
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has {len(layers)} layers."
                )
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in layers]
        raise ValueError(f"No such layer: {name}. Existing layers are: {names}. {suggest(name, names)}".rstrip())

    @property
    def stateful(self):
        """Whether a layer keeps its state from batch to batch."""
        return any(getattr(layer, "stateful", False) for layer in self._flatten_layers(include_self=False))

    def reset_states(self):
        """Set the states of all layers that keep one to their beginning."""
        for layer in self._flatten_layers(include_self=False):
            for method in ("reset_state", "reset_states"):
                if getattr(layer, "stateful", False) and hasattr(layer, method):
                    getattr(layer, method)()
                    break

    def _remember_first_call(self, given):
        # What an export takes where nothing else says it, and what tells `build` of text.
        self.__dict__["_first_call"] = {name: arrays.map_tree(spec_of_value, value) for name, value in given.items()}

    def build(self, input_shape):
        """Make the weights of the layers that `call` uses, by following it for inputs of `input_shape`."""
        from tandem.keras.layers.structures import spec_of

        if any(getattr(leaf, "dtype", None) in _OF_TEXT for leaf in arrays.leaves(self.__dict__.get("_first_call"))):
            return  # the call that this comes before has text, and says itself what the layers are built for
        with naming.name_scope(self.name, caller=self):
            try:
                self._infer((spec_of(input_shape, self.compute_dtype, symbolic=True),), {})
            except Exception:  # what needs more than a shape is built by the first call
                return

    # --- calling ---------------------------------------------------------------------------------------------------
    def call(self, *args, **kwargs):
        """The computation, on tensors. A subclass gives it."""
        raise NotImplementedError(f"Model {type(self).__name__} does not have a `call()` method implemented.")

    def forward(self, *args, **kwargs):
        """What `model(…)` does; see `Layer.forward`. Outside training it is replayed where that makes no difference."""
        if len(args) == 1 and (not kwargs or (len(kwargs) == 1 and kwargs.get("training", True) in (None, False))):
            state = self._training
            if state.replayed is None:
                state.replayed = Replayed()
            if not state.run_eagerly:
                outputs = state.replayed.call(self, args[0], kwargs.get("training"))
                if outputs is not None:
                    return outputs
        return super().forward(*args, **kwargs)

    def _converted(self, args, kwargs):
        if args and sources.has_strings(args[0]):
            args = (sources.map_arrays(sources.tensor, args[0]), *args[1:])
        return super()._converted(args, kwargs)

    def compute_mask(self, inputs, previous_mask):
        """None: the layers inside let their masks travel with their outputs."""
        return

    compute_mask.makes_none = True

    # --- showing ---------------------------------------------------------------------------------------------------
    def summary(
        self,
        line_length=None,
        positions=None,
        print_fn=None,
        expand_nested=False,
        show_trainable=False,
        layer_range=None,
    ):
        """Print a table of the layers: names, output shapes, numbers of parameters.

        line_length: characters; positions: where columns end, relative or absolute; print_fn: what each line is given
        to; expand_nested: show the layers of models inside; show_trainable: a column of what learns; layer_range: names
        (regular expressions) of the first and last layer to show.
        """
        from tandem.keras.models import summary

        summary.print_summary(
            self,
            line_length=line_length,
            positions=positions,
            print_fn=print_fn,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
            layer_range=layer_range,
        )

    # --- configs ---------------------------------------------------------------------------------------------------
    def to_json(self, **kwargs):
        """The model's architecture as JSON. kwargs: of `json.dumps`."""
        return json.dumps(saving.serialize_keras_object(self), **kwargs)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model that `get_config` describes."""
        from tandem.keras.models.functional import Functional

        if {"layers", "input_layers", "output_layers"} <= set(config) and (
            cls in (Functional, Model) or issubclass(cls, Functional)
        ):
            from tandem.keras.models.graph_config import functional_from_config

            return functional_from_config(Functional if cls is Model else cls, config, custom_objects)
        with saving.CustomObjectScope(custom_objects):
            return super().from_config(config)

    def build_from_config(self, config):
        """Build from the shapes that `get_build_config` gave."""
        if config and config.get("input_shape") is not None:
            super().build_from_config(config)

    # --- files -----------------------------------------------------------------------------------------------------
    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Write the whole model to a file; see `keras.saving.save_model`."""
        saving.save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath, overwrite=True, max_shard_size=None, **kwargs):
        """Write the weights to a file; see `keras.saving.save_weights`."""
        saving.save_weights(self, filepath, overwrite=overwrite, max_shard_size=max_shard_size, **kwargs)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Read the weights from a file; see `keras.saving.load_weights`."""
        saving.load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def get_state_tree(self, value_format="backend_tensor"):
        """The values of all variables as nested dicts, by the parts of their paths.

        value_format: "backend_tensor" or "numpy_array". Raises ValueError where two variables have one path.
        """
        from tandem.keras.saving import state_tree

        return state_tree.get(self, value_format)

    def set_state_tree(self, state_tree):
        """Set variables from nested dicts such as `get_state_tree` gives: paths that it lacks are passed over."""
        from tandem.keras.saving import state_tree as trees

        trees.assign(self, state_tree)

    # --- quantising ------------------------------------------------------------------------------------------------
    def quantize(self, mode=None, config=None, filters=None, **kwargs):
        """Quantise the layers that can be, `Dense`, `EinsumDense`, `Embedding` and `ReversibleEmbedding`, for good.

        mode: "int8", "int4", "float8", "gptq" or "awq"; config: a `keras.quantizers.QuantizationConfig`, by default the
        mode's own; filters: a regular expression, or several, of which one is to be found in a layer's name, or a
        function of a layer: others are left out; type_check: False for subclasses of these layers too. "gptq" and "awq"
        look at data: their config brings it, and it or `get_quantization_layer_structure` says in what order the layers
        come. Layers that cannot be quantised are named in warnings.
        Raises ValueError for another mode, and for contradictions.
        """
        from tandem.keras.quantizers import models

        models.quantize(self, mode, config, filters, **kwargs)

    def get_quantization_layer_structure(self, mode=None):
        """What "gptq" and "awq" look at, in order: None, or in a subclass a dict of "pre_block_layers" and
        "sequential_blocks", lists of layers.
        """
        return

    def export(self, filepath, format="tf_saved_model", verbose=None, input_signature=None, **kwargs):
        """Write the model's inference to a file that needs neither Keras nor Tandem: `format` "onnx" or "torch".

        filepath: of the file, for "torch" ending in ".pt2"; verbose: whether a line says where it is; input_signature:
        shapes and dtypes of the inputs, where they are not those that the model was built from; kwargs: opset_version
        of "onnx"; dynamic_shapes and others of `torch.export.export`, of "torch". See `keras.export`.
        """
        from tandem.keras.export.files import export

        export(self, filepath, format, verbose, input_signature, **kwargs)


def _inject(cls, functional):
    """Make a subclass of `Model` whose `__init__` was given inputs and outputs a functional model."""
    if Model in cls.__bases__:
        cls.__bases__ = tuple(functional if base is Model else base for base in cls.__bases__)
        return
    for base in cls.__bases__:
        if issubclass(base, Model):
            _inject(base, functional)


def key_of(layer, taken):
    """What a layer in a model is called in `state_dict`, in torch's registry of modules with the keys `taken`.

    That is its name. A name that was made up counts through the session, so that the next model of this form would
    have others: there it is the class's name, numbered within the model, as in Keras's files.
    """
    kind = type(getattr(layer, "module", layer)).__name__
    for made_up in (snake_case(type(layer).__name__), kind.lower()):
        if re.fullmatch(rf"{made_up}(_?\d+)?", layer.name):
            return free_key(made_up, taken)
    return free_key(layer.name, taken)


def shapes_of(values):
    """The shape of one symbolic value, or those of several in a list."""
    shapes = [value.shape for value in values]
    return shapes[0] if len(shapes) == 1 else shapes
