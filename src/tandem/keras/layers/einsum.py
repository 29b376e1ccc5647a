"""Dense layers whose product is written as an Einstein summation."""

import re

from tandem.core.errors import Unsupported, explain
from tandem.keras import activations, regularizers
from tandem.keras.layers.base import Layer
from tandem.keras.layers.input_spec import InputSpec
from tandem.keras.layers.quantized_kernels import QuantizedKernel, full_letters
from tandem.keras.layers.weight_options import add_weight, serialized, set_weight_options
from tandem.ops import attention


class EinsumDense(QuantizedKernel, Layer):
    """``activation(einsum(equation, inputs, kernel) + bias)``.

    equation: such as "abc,cd->abd", or with an ellipsis for axes at one end, "...x,xy->...y"; output_shape: of the
    output without the batch, None for sizes that the input gives; bias_axes: the letters of the output's axes that
    the bias has; the initializers, regularizers and constraints of kernel and bias; lora_rank, lora_alpha,
    quantization_config: as in `Dense`. Raises ValueError for an equation
    that is none of these, and for letters or sizes that do not fit each other.
    """

    _quantizable = True

    def __init__(
        self,
        equation,
        output_shape,
        activation=None,
        bias_axes=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        lora_rank=None,
        lora_alpha=None,
        gptq_unpacked_column_size=None,
        quantization_config=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if gptq_unpacked_column_size is not None:
            raise Unsupported(
                explain(
                    "The size of GPTQ's columns follows from the kernel",
                    expected="None",
                    given=f"gptq_unpacked_column_size={gptq_unpacked_column_size}",
                )
            )
        self._set_options(lora_rank, lora_alpha, quantization_config)
        self.equation = equation
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.bias_axes = bias_axes
        self.activation = activations.get(activation)
        set_weight_options(self, locals())
        self.supports_masking = False

    def build(self, input_shape):
        """Make the kernel and the bias."""
        kernel, bias, _, axes = _shapes(self.equation, self.bias_axes, input_shape, self.partial_output_shape)
        self.input_spec = InputSpec(ndim=len(input_shape))
        mode = self.quantization_mode
        if mode is not None:
            self.quantized_build(kernel, mode, self.quantization_config)
        if mode in (None, "float8"):
            self.kernel = add_weight(self, "kernel", kernel, initializer=_counting(self.kernel_initializer, *axes))
        self.bias = None
        if bias is not None:
            self.bias = add_weight(self, "bias", bias)
        if self.lora_rank:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def call(self, inputs, training=None):
        """``activation(einsum(equation, inputs, kernel) + bias)``."""
        if self._adapted:
            return self._call_adapted(inputs, training)
        bias = None if self.bias is None else self.bias.value
        outputs = attention.einsum_dense(self.equation, inputs, self.__dict__["kernel"].value, bias)
        return outputs if self.activation is activations.linear else self.activation(outputs)

    _zero_name = "zero_point"

    def _product(self, inputs, kernel):
        return attention.einsum_dense(self.equation, inputs, kernel)

    def _letters(self):
        return full_letters(_parts(self.equation), self.input_spec.ndim)

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`."""
        return _shapes(self.equation, self.bias_axes, input_shape, self.partial_output_shape)[2]

    def get_config(self):
        """The arguments that make an equal layer."""
        weights = serialized(self, ("kernel", "bias"))
        return {
            **super().get_config(),
            "output_shape": self.partial_output_shape,
            "equation": self.equation,
            "activation": activations.serialize(self.activation),
            "bias_axes": self.bias_axes,
            **{key: value for key, value in weights.items() if not key.endswith("_constraint")},
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            **{key: value for key, value in weights.items() if key.endswith("_constraint")},
            **self._get_options(),
        }


def _counting(initializer, summed, kept):
    """The initializer with the equation's input and output axes, where it looks at axes at all and has none."""
    if not hasattr(initializer, "input_axes") or initializer.input_axes is not None or initializer.output_axes:
        return initializer
    return type(initializer).from_config(
        {**initializer.get_config(), "input_axes": list(summed), "output_axes": list(kept)}
    )


def _parts(equation):
    """(letters of the input, of the kernel, of the output, where an ellipsis stands: None, "left" or "right")."""
    letters = re.match(r"^([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]+)$", equation)
    left = re.match(r"^\.\.\.([a-zA-Z]+),([a-zA-Z]+)->\.\.\.([a-zA-Z]+)$", equation)
    right = re.match(r"^([a-zA-Z]+)\.\.\.,([a-zA-Z]+)->([a-zA-Z]+)\.\.\.$", equation)
    for found, ellipsis in ((letters, None), (left, "left"), (right, "right")):
        if found:
            return (*found.groups(), ellipsis)
    raise ValueError(
        f"Invalid einsum equation '{equation}'. Equations must be in the form [X],[Y]->[Z], ...[X],[Y]->...[Z], or "
        "[X]...,[Y]->[Z]...."
    )


def _shapes(equation, bias_axes, input_shape, output_shape):
    """(kernel's shape, bias's or None, output's, the kernel's axes that are summed over and those that are kept)."""
    of_input, of_kernel, of_output, ellipsis = _parts(equation)
    input_shape = tuple(input_shape)
    others = len(input_shape) - len(of_input)
    if others < 0 or (others and ellipsis is None):
        raise ValueError(
            explain(
                f"The input does not fit the equation {equation!r}",
                expected=f"{len(of_input)} axes{'' if ellipsis is None else ' or more'}",
                given=f"input_shape={input_shape}",
            )
        )
    if ellipsis == "right":
        sizes = dict(zip(of_input, input_shape))
        elided = input_shape[len(of_input) :]
        full = (input_shape[0], *output_shape)[: len(of_output)]
    else:
        sizes = dict(zip(of_input, input_shape[others:]))
        elided = input_shape[:others]
        full = (input_shape[0], *output_shape)[-len(of_output) :] if ellipsis else (input_shape[0], *output_shape)
    wanted = dict(zip(of_output, full))
    for letter, size in sizes.items():
        if wanted.get(letter) is not None and size is not None and wanted[letter] != size:
            raise ValueError(
                f"Input shape and output shape do not match at shared dimension '{letter}'. Input shape is {size}, "
                f"and output shape is {wanted[letter]}."
            )
    for letter in of_output:
        if letter not in of_input and letter not in of_kernel:
            raise ValueError(
                f"Dimension '{letter}' was specified in the output '{of_output}' but has no corresponding dim in the "
                f"input spec '{of_input}' or weight spec '{of_kernel}'"
            )
    for letter in of_kernel:
        if letter not in sizes and letter not in wanted:
            raise ValueError(
                f"Weight dimension '{letter}' did not have a match in either the input spec '{of_input}' or the "
                f"output spec '{of_output}'. For this layer, the weight must be fully specified."
            )
    kernel = tuple(sizes[letter] if letter in sizes else wanted[letter] for letter in of_kernel)
    named = [sizes[letter] if wanted.get(letter) is None else wanted[letter] for letter in of_output]
    output = (*named, *elided) if ellipsis == "right" else (*elided, *named)
    bias = None
    if bias_axes:
        for letter in bias_axes:
            if letter not in of_output:
                raise ValueError(
                    f"Bias dimension '{letter}' was requested, but is not part of the output spec '{of_output}'"
                )
        first = min(of_output.index(letter) for letter in bias_axes)
        bias = tuple(size if letter in bias_axes else 1 for letter, size in list(zip(of_output, named))[first:])
        if ellipsis == "right":
            bias = (*bias, *(1,) * len(elided))
    summed = [axis for axis, letter in enumerate(of_kernel) if letter in of_input and letter not in of_output]
    kept = [axis for axis, letter in enumerate(of_kernel) if letter in of_output]
    return kernel, bias, output, (summed, kept)
