"""Dense, Embedding, Activation, Lambda, Masking, Identity, and the layer that stands for an input."""

import inspect
import types
import weakref

from tandem.core import arrays, dtypes, graph
from tandem.core.errors import Unsupported, explain
from tandem.keras import activations, config, ops, saving
from tandem.keras.internals import backwards
from tandem.keras.layers.base import Layer
from tandem.keras.layers.input_spec import InputSpec
from tandem.keras.layers.quantized_kernels import QuantizedKernel
from tandem.keras.layers.quantized_tables import QuantizedTable
from tandem.keras.layers.weight_options import add_weight, serialized, set_weight_options
from tandem.keras.legacy.modules import names_of
from tandem.keras.saving import python_code
from tandem.keras.symbolic import KerasTensor, standardize_shape
from tandem.ops import indexing, linalg


class Dense(QuantizedKernel, Layer):
    """Fully connected: ``activation(inputs @ kernel + bias)`` over the last axis.

    units: size of the output's last axis; activation: a name or function; use_bias: whether a bias is added; the
    initializers, regularizers and constraints of kernel (in, units) and bias (units,); lora_rank, lora_alpha: of an
    addition to the kernel that learns in its place, see `enable_lora` (Keras 3.15 overlooks the second);
    quantization_config: how the layer is quantised where its dtype policy says that it is.
    inputs: (batch, …, in). Returns (batch, …, units). Raises ValueError for `units` that is no positive integer.
    """

    _quantizable = True

    def __init__(
        self,
        units,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        lora_rank=None,
        lora_alpha=None,
        quantization_config=None,
        **kwargs,
    ):
        if not hasattr(units, "__index__") or units <= 0:
            raise ValueError(
                f"Received an invalid value for `units`, expected a positive integer. Received: units={units}"
            )
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_options(lora_rank, lora_alpha, quantization_config)
        self.units = int(units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        set_weight_options(self, locals())
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape):
        """Make the kernel and the bias for inputs whose last axis has a known size."""
        size = input_shape[-1]
        mode = self.quantization_mode
        if mode is not None:
            self.quantized_build((size, self.units), mode, self.quantization_config)
        if mode in (None, "float8"):
            self.kernel = add_weight(self, "kernel", (size, self.units))
        self.bias = None
        if self.use_bias:
            self.bias = add_weight(self, "bias", (self.units,))
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})
        if self.lora_rank:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def call(self, inputs, training=None):
        """``activation(inputs @ kernel + bias)``."""
        if self._adapted:
            return self._call_adapted(inputs, training)
        kernel = self.__dict__["kernel"].value
        outputs = linalg.dense(inputs, kernel, None if self.bias is None else self.bias.value)
        return outputs if self.activation is activations.linear else self.activation(outputs)

    def _product(self, inputs, kernel):
        return linalg.dense(inputs, kernel)

    # Any number of axes may stand in front, so that scales have the last one alone.
    def _to_outputs(self, scale, which):
        return scale if which == 0 else scale.flatten()

    def _to_kernel(self, scale):
        return scale

    def _summed(self):
        return (-1,), (0,)

    def _equation(self):
        return "...a,ab->...b"

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **serialized(self, ("kernel", "bias")),
            **self._get_options(),
        }


class Embedding(QuantizedTable, Layer):
    """Rows of a table: ``embeddings[inputs]``.

    input_dim: rows of the table; output_dim: their length; mask_zero: whether the entry 0 is padding, which masks;
    weights: the table's values; lora_rank, lora_alpha, quantization_config: as in `Dense`.
    inputs: integers in [0, input_dim), any shape. Returns (*shape, output_dim).
    """

    _quantizable = True

    def __init__(
        self,
        input_dim,
        output_dim,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero=False,
        weights=None,
        lora_rank=None,
        lora_alpha=None,
        quantization_config=None,
        **kwargs,
    ):
        for name, value in (("input_dim", input_dim), ("output_dim", output_dim)):
            if not hasattr(value, "__index__") or value <= 0:
                raise ValueError(
                    f"`{name}` must be a positive integer. Received: {name}={value} (of type {type(value).__name__})."
                )
        super().__init__(**kwargs)
        self._set_options(lora_rank, lora_alpha, quantization_config)
        self.input_dim = int(input_dim)
        self.output_dim = int(output_dim)
        set_weight_options(self, locals())
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        # Integers pass as they are.
        self.__dict__["_cast_to"] = None
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) and hasattr(weights[0], "shape") else [weights])

    def build(self, input_shape=None):
        """Make the table."""
        if self.built:
            return
        mode = self.quantization_mode
        if mode is not None:
            self.quantized_build((self.input_dim, self.output_dim), mode, self.quantization_config)
        else:
            self.embeddings = add_weight(self, "embeddings", (self.input_dim, self.output_dim))
        if self.lora_rank:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def call(self, inputs):
        """The rows that `inputs` number."""
        if self._adapted:
            return self._call_adapted(inputs)
        return indexing.embedding(inputs, self.__dict__["embeddings"].value)

    def compute_mask(self, inputs, mask=None):
        """False where the entry is 0, with `mask_zero`."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": saving.serialize_keras_object(self.embeddings_initializer),
            "embeddings_regularizer": saving.serialize_keras_object(self.embeddings_regularizer),
            "activity_regularizer": saving.serialize_keras_object(self.activity_regularizer),
            "embeddings_constraint": saving.serialize_keras_object(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            **self._get_options(),
        }


class Activation(Layer):
    """An activation function, by name or as a function, as a layer."""

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.activation = activations.get(activation)
        self.__dict__["built"] = True

    def call(self, inputs):
        """``activation(inputs)``."""
        return self.activation(inputs)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


class Identity(Layer):
    """Gives its input back."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.__dict__["built"] = True

    def call(self, inputs):
        """``inputs``."""
        return inputs

    def get_config(self):
        """The arguments that make an equal layer."""
        return super().get_config()


class Masking(Layer):
    """Mask the steps all of whose features equal `mask_value`, and set them to 0.

    inputs: (batch, steps, features). The mask, (batch, steps), travels with the output.
    """

    def __init__(self, mask_value=0.0, **kwargs):
        super().__init__(**kwargs)
        if isinstance(mask_value, dict):
            mask_value = saving.deserialize_keras_object(mask_value)
        self.mask_value = mask_value
        self.supports_masking = True
        self.__dict__["built"] = True

    def compute_mask(self, inputs, mask=None):
        """True for steps with a feature that differs from `mask_value`."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs):
        """The inputs, 0 where they are masked."""
        return indexing.zero_steps(inputs, self.mask_value)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "mask_value": self.mask_value}


def _of_function(function):
    """The config of what a `Lambda` layer calls, or of the shape that it has in place of a function."""
    if isinstance(function, types.FunctionType) and function.__name__ == "<lambda>":
        return python_code.serialize(function, in_layer=True)
    return saving.serialize_keras_object(function)


class Lambda(Layer):
    """A function as a layer.

    function: of (inputs, **arguments), and of `mask`, `training` where it takes them; output_shape: the output's shape
    without the batch, or a function of the input's shape, for where it cannot be found by running `function`; mask: the
    output's mask, or a function of (inputs, mask); arguments: a dict of further keyword arguments.
    """

    def __init__(self, function, output_shape=None, mask=None, arguments=None, **kwargs):
        super().__init__(**kwargs)
        self.arguments = arguments or {}
        self.function = function
        if mask is not None:
            self.supports_masking = True
        else:
            self.supports_masking = False
        self.mask = mask
        self._output_shape = output_shape
        for given in (function, output_shape, mask):
            if inspect.isfunction(given):
                _functions[given.__name__] = given
        accepted = inspect.signature(function).parameters if _has_signature(function) else {}
        self.__dict__["_takes"] = [name for name in ("mask", "training") if name in accepted]

    def call(self, inputs, mask=None, training=None):
        """``function(inputs, **arguments)``."""
        arguments = dict(self.arguments)
        if "mask" in self._takes:
            arguments["mask"] = mask
        if "training" in self._takes:
            arguments["training"] = training
        return backwards.call(self.function, inputs, **arguments)

    def compute_mask(self, inputs, mask=None):
        """What the argument `mask` says."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def compute_output_spec(self, *args, **kwargs):
        """The shapes of the outputs: from `output_shape` where it was given, else by running the function."""
        if self._output_shape is None:
            return self._infer(args, kwargs)
        return arrays.map_tree(
            lambda leaf: leaf, self._spec_from_shape(args[0] if args else kwargs.get("inputs"), self._output_shape)
        )

    def _spec_from_shape(self, inputs, wanted):
        if callable(wanted):
            shape = wanted(arrays.map_tree(lambda leaf: leaf.shape, inputs))
            return KerasTensor(shape, self.compute_dtype, name="spec")
        first = graph.symbolics(inputs)[0]
        batch = first.shape[0] if first.shape else None
        return KerasTensor((batch, *standardize_shape(wanted)), self.compute_dtype, name="spec")

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`."""
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        return (input_shape[0], *self._output_shape)

    def get_config(self):
        """The arguments that make an equal layer. A Python lambda is there as its code."""
        config = {**super().get_config(), "function": _of_function(self.function)}
        if self._output_shape is not None:
            config["output_shape"] = _of_function(self._output_shape)
        if self.mask is not None:
            config["mask"] = _of_function(self.mask)
        return {**config, "arguments": saving.serialize_keras_object(self.arguments)}

    @classmethod
    def from_config(cls, config, custom_objects=None, safe_mode=None):
        """The layer that `get_config` describes.

        A function that a `Lambda` of this process has is found by its name: Keras 2's files held its code.
        """
        safe = not _unsafe() if safe_mode is None else safe_mode
        config = dict(config)
        for name in ("function", "output_shape", "mask", "arguments"):
            if isinstance(config.get(name), dict):
                known = (
                    _functions.get(config[name].get("config")) if config[name].get("class_name") == "function" else None
                )
                if known is not None and saving.get_registered_object(known.__name__, custom_objects) is None:
                    custom_objects = {**(custom_objects or {}), known.__name__: known}
                config[name] = saving.deserialize_keras_object(config[name], custom_objects, safe_mode=safe)
        return super().from_config(config)


# By name, as long as they live: those that `Lambda` layers of this process compute.
_functions = weakref.WeakValueDictionary()


def _unsafe():
    return config.is_unsafe_deserialization_enabled()


def _has_signature(function):
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        return False
    return True


class InputLayer(Layer):
    """Stands for an input of a model.

    shape: without the batch; batch_size: None for any; dtype: by default `floatx`; batch_shape: in place of the first
    two; input_tensor: a KerasTensor to use; optional: whether the input may be None. Raises ValueError where neither
    shape is given, or both are; Unsupported for sparse and ragged inputs.
    """

    def __init__(
        self,
        shape=None,
        batch_size=None,
        dtype=None,
        sparse=None,
        ragged=None,
        batch_shape=None,
        input_tensor=None,
        optional=False,
        name=None,
        **kwargs,
    ):
        if sparse or ragged:
            raise Unsupported("Sparse and ragged inputs are not supported by the torch backend.")
        if "input_shape" in kwargs and shape is None:
            shape = kwargs.pop("input_shape")
        if "batch_input_shape" in kwargs and batch_shape is None:
            batch_shape = kwargs.pop("batch_input_shape")
        if input_tensor is not None:
            if not isinstance(input_tensor, KerasTensor):
                raise ValueError(
                    explain("Argument `input_tensor` must be a KerasTensor", given=f"input_tensor={input_tensor!r}")
                )
            dtype, batch_shape = dtype or input_tensor.dtype, input_tensor.shape
        elif shape is not None and batch_shape is not None:
            raise ValueError("You cannot pass both `shape` and `batch_shape` at the same time.")
        elif batch_size is not None and batch_shape is not None:
            raise ValueError("You cannot pass both `batch_size` and `batch_shape` at the same time.")
        elif shape is None and batch_shape is None:
            raise ValueError("You must pass a `shape` argument.")
        super().__init__(name=name, **kwargs)
        if batch_shape is None:
            batch_shape = (batch_size, *standardize_shape(shape))
        self.batch_shape = standardize_shape(batch_shape)
        self._dtype = dtypes.dtype_name(dtype or config.floatx())
        self.optional = bool(optional)
        self.__dict__["built"] = True
        node = graph.Node(self, (), {})
        node.number = 0
        node.outputs = input_tensor
        if input_tensor is None:
            node.outputs = KerasTensor(self.batch_shape, self._dtype, name=name, node=node)
        self._inbound_nodes.append(node)

    def call(self):
        """An input has no computation."""
        raise NotImplementedError("An InputLayer is not called: it stands for a value that is fed.")

    @property
    def input(self):
        """The symbolic value itself, as in Keras 2: `K.function([model.layers[0].input], …)`."""
        return self.output

    @property
    def batch_size(self):
        """The first size of the shape, None for any."""
        return self.batch_shape[0]

    @property
    def dtype(self):
        """The name of the input's dtype."""
        return self._dtype

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }


def Input(
    shape=None,
    batch_size=None,
    dtype=None,
    sparse=None,
    ragged=None,
    batch_shape=None,
    name=None,
    tensor=None,
    optional=False,
):
    """A symbolic input of a model, a `KerasTensor`. The arguments are those of `InputLayer`."""
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        name=name,
        input_tensor=tensor,
        optional=optional,
    )
    return layer.output


__getattr__ = names_of("layers")  # Keras 2 had more at this path
