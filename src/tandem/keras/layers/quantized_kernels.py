"""Dense layers on integers and 8-bit floats."""

import math
import string

import torch

from tandem.core import dtypes
from tandem.core.errors import explain
from tandem.keras import activations
from tandem.keras.layers.quantized import Quantized, group_size
from tandem.keras.quantizers.configs import QuantizationConfig, grouped
from tandem.keras.quantizers.quantizer import AbsMaxQuantizer
from tandem.ops import quantizers as formulas


class QuantizedKernel(Quantized):
    """The part of `Dense` and `EinsumDense`: a kernel, summed over some of its axes. A subclass gives `_letters`, the
    letters of the inputs', the kernel's and the outputs' axes, and `_product(inputs, kernel)`.
    """

    _modes = {
        None: ("kernel", "bias"),
        "int8": ("kernel", "bias", "kernel_scale"),
        "int4": ("kernel", "bias", "kernel_scale", "kernel_zero", "g_idx"),
        "float8": (
            "kernel",
            "bias",
            "inputs_scale",
            "inputs_amax_history",
            "kernel_scale",
            "kernel_amax_history",
            "outputs_grad_scale",
            "outputs_grad_amax_history",
        ),
        "gptq": ("bias", "quantized_kernel", "kernel_scale", "kernel_zero", "g_idx"),
        "awq": ("bias", "quantized_kernel", "kernel_scale", "kernel_zero", "awq_scales", "g_idx"),
    }
    _zero_name = "kernel_zero"

    @property
    def is_calibrated(self):
        """Whether GPTQ's or AWQ's integers are there, or to be loaded, and the kernel itself is not."""
        return "quantized_kernel" in self.__dict__ and "kernel" not in self.__dict__

    @property
    def kernel(self):
        """The kernel: its variable; with an addition of low rank their sum; where it is packed, its integers."""
        if not self.built and "kernel" not in self.__dict__:
            raise AttributeError("You must build the layer before accessing `kernel`.")
        mode = self.quantization_mode
        if mode == "int4":
            return self._codes()
        if mode in ("gptq", "awq") and self.is_calibrated:
            return self._calibrated_codes()
        variable, lora = self.__dict__["kernel"], self._lora()
        return variable if lora is None or mode is not None else formulas.adapted(variable.value, *lora)

    # `Model.quantize` of Keras, and code that looks at it, knows the two modes apart.
    @property
    def is_gptq_calibrated(self):
        """Whether the layer computes with what GPTQ made of its kernel."""
        return self.is_calibrated and self.quantization_mode == "gptq"

    @property
    def is_awq_calibrated(self):
        """Whether the layer computes with what AWQ made of its kernel."""
        return self.is_calibrated and self.quantization_mode == "awq"

    def quantized_build(self, kernel_shape, mode, config=None):
        """Make the variables of a mode for a weight of a shape. Raises NotImplementedError for a mode that is none."""
        self._build_quantized(kernel_shape, mode, config)

    # --- shapes ----------------------------------------------------------------------------------------------------
    def _equation(self):
        left, right, out = self._letters()
        return f"{left},{right}->{out}"

    def _summed(self):
        """(the inputs' axes that are summed over, the kernel's)."""
        left, right, out = self._letters()
        return tuple(
            tuple(axis for axis, letter in enumerate(letters) if letter not in out) for letters in (left, right)
        )

    def _matrix_shape(self):
        shape = self.__dict__.get("_kernel_shape")
        return shape if shape is not None else self.__dict__["kernel"].shape

    def _flat(self, shape):
        """The kernel as (what is summed over, what is kept)."""
        summed = self._summed()[1]
        rows = math.prod(size for axis, size in enumerate(shape) if axis in summed)
        return rows, math.prod(shape) // rows

    def _to_outputs(self, scale, which):
        """A scale with size 1 on summed axes, of the inputs (which=0) or the kernel (1), in the outputs' axes."""
        letters, out = self._letters()[which], self._letters()[2]
        order = [letters.index(letter) for letter in out if letter in letters]
        scale = scale.flatten() if not order else scale.squeeze([a for a, x in enumerate(letters) if x not in out])
        kept = [letter for letter in letters if letter in out]
        scale = scale.permute([kept.index(letter) for letter in out if letter in letters]) if order else scale
        for axis, letter in enumerate(out):
            if letter not in letters:
                scale = scale.unsqueeze(axis)
        return scale

    def _to_kernel(self, scale):
        """A kernel's scale in the outputs' axes, with the kernel's axes."""
        _, letters, out = self._letters()
        scale = scale.squeeze([axis for axis, letter in enumerate(out) if letter not in letters])
        kept = [letter for letter in out if letter in letters]
        scale = scale.permute([kept.index(letter) for letter in letters if letter in out])
        for axis, letter in enumerate(letters):
            if letter not in out:
                scale = scale.unsqueeze(axis)
        return scale

    # --- int8 ------------------------------------------------------------------------------------------------------
    def _build_int8(self, shape, config):
        self.__dict__["_kernel_shape"] = shape
        self.__dict__["inputs_quantizer"] = QuantizationConfig.activation_quantizer_or_default(
            config, AbsMaxQuantizer()
        )
        summed = self._summed()[1]
        sizes = torch.empty([1 if axis in summed else size for axis, size in enumerate(shape)], device="meta")
        self._stored("kernel", shape, dtype="int8")
        self._stored("kernel_scale", tuple(self._to_outputs(sizes, 1).shape), "ones")

    def _quantize_int8(self, mode, config):
        axes = self._summed()[1]
        quantizer = QuantizationConfig.weight_quantizer_or_default(config, AbsMaxQuantizer(axis=axes))
        value = self.__dict__["kernel"].value
        codes, scale = quantizer(value.detach(), to_numpy=True)
        self._drop("kernel")
        self._build_quantized(value.shape, mode, config)
        self.__dict__["kernel"].assign(codes)
        self.kernel_scale.assign(self._to_outputs(scale, 1))

    def _call_int8(self, inputs, training=None):
        own = self.__dict__
        codes, scale = own["kernel"].tensor, own["kernel_scale"].value
        quantizer = own["inputs_quantizer"]
        if quantizer is None:
            outputs = self._product(inputs, self._floats_int8(codes, scale))
        else:
            x_codes, x_scale = quantizer(inputs.detach(), axis=self._summed()[0])
            outputs = formulas.product_of_codes(
                self._equation(),
                inputs,
                x_codes,
                self._to_outputs(x_scale, 0),
                codes,
                scale,
                lambda: self._floats_int8(codes, scale),
            )
        return self._finish(inputs, outputs)

    def _floats_int8(self, codes, scale):
        return formulas.apart(codes, self._to_kernel(scale), scale.dtype)

    # --- int4 ------------------------------------------------------------------------------------------------------
    def _build_int4(self, shape, config):
        own = self.__dict__
        own["_kernel_shape"] = shape
        own["inputs_quantizer"] = QuantizationConfig.activation_quantizer_or_default(config, None)
        rows, columns = self._flat(shape)
        size = own["_block_size"] = group_size(self, config)
        scales = (-(-rows // size), columns) if grouped(size) else (columns,)
        self._stored("kernel", (rows, (columns + 1) // 2), dtype="int8")
        self._stored("kernel_scale", scales, "ones")
        if grouped(size):
            self._stored("kernel_zero", scales, dtype="int8")
            self._stored("g_idx", (rows,), dtype="float32")
            self.g_idx.assign(formulas.group_numbers(rows, size))

    def _quantize_int4(self, mode, config):
        value = self.__dict__["kernel"].value.detach()
        quantizer = QuantizationConfig.weight_quantizer_or_default(
            config, AbsMaxQuantizer(axis=0, value_range=(-8, 7), output_dtype="int8")
        )
        size = group_size(self, config)
        shape, flat = tuple(value.shape), value.reshape(self._flat(value.shape))
        zero = None
        if grouped(size):
            codes, scale, zero = formulas.groups_of(flat, size)
        else:
            codes, scale = quantizer(flat, to_numpy=True)
            scale = scale.squeeze(0)
        self._drop("kernel")
        self._build_quantized(shape, mode, config)
        self.__dict__["kernel"].assign(formulas.packed(codes, -1))
        self.kernel_scale.assign(scale)
        if zero is not None:
            self.kernel_zero.assign(zero)

    def _codes(self):
        """The kernel's integers of four bits, (rows, columns)."""
        return formulas.unpacked(self.__dict__["kernel"].tensor, self._flat(self._kernel_shape)[1], -1)

    def _floats_int4(self):
        own = self.__dict__
        scale = own["kernel_scale"].value
        if grouped(self._block_size):
            kernel = formulas.dequantized(self._codes(), scale, own["kernel_zero"].tensor, own["g_idx"].tensor, 0)
        else:
            kernel = formulas.apart(self._codes(), scale, scale.dtype)
        return kernel.reshape(self._kernel_shape)

    def _call_int4(self, inputs, training=None):
        kernel, quantizer = self._floats_int4(), self.__dict__["inputs_quantizer"]
        if quantizer is None or grouped(self._block_size):
            outputs = self._product(inputs, kernel)
        else:
            x_codes, x_scale = quantizer(inputs.detach(), axis=self._summed()[0])
            outputs = formulas.product_of_rounded(
                self._equation(), inputs, x_codes, self._to_outputs(x_scale, 0), kernel
            )
        return self._finish(inputs, outputs)

    # --- float8 ----------------------------------------------------------------------------------------------------
    def _build_float8(self, shape, config):
        self._float8_variables()

    def _call_float8(self, inputs, training=None):
        if self.lora_enabled:
            raise NotImplementedError("Currently, float8 doesn't support LoRA")
        own = self.__dict__
        training = bool(self.is_training(training))
        dtype = dtypes.torch_dtype(self.compute_dtype)

        def rounded(x, what, **options):
            scale, history = own[f"{what}_scale"].tensor, own[f"{what}_amax_history"].tensor
            return formulas.watched(x, scale, history, dtype, training=training, **options)

        outputs = self._product(rounded(inputs, "inputs"), rounded(own["kernel"].value, "kernel"))
        outputs = rounded(outputs, "outputs_grad", of_gradient=True)
        bias = None if self.bias is None else self.bias.value
        if bias is not None and dtype is torch.float32:
            bias = bias.to(torch.bfloat16).to(dtype)
        return self._activated(formulas.plus(outputs, bias))

    # --- GPTQ and AWQ ----------------------------------------------------------------------------------------------
    def _rows_and_columns(self, shape):
        """The kernel as the matrix that is rounded: of three axes the longest stands alone, as in attention."""
        if len(shape) == 2:
            return tuple(shape)
        if len(shape) == 3:
            first = list(shape).index(max(shape)) == 0
            return (shape[0], shape[1] * shape[2]) if first else (shape[0] * shape[1], shape[2])
        raise ValueError(
            explain("Only kernels of two or three axes are rounded by GPTQ and AWQ", given=f"kernel shape {shape}")
        )

    def _build_calibrated(self, shape, config):
        own = self.__dict__
        own["_kernel_shape"] = shape
        rows, columns = own["_rounded_shape"] = self._rows_and_columns(shape)
        bits = own["_bits"] = group_size(self, config, "weight_bits")
        size = group_size(self, config, "group_size")
        groups = 1 if size == -1 else -(-rows // size)
        codes = ((columns + 1) // 2 if bits == 4 else columns, rows)
        self._stored("quantized_kernel", codes, dtype="uint8", name="kernel")
        self._stored("kernel_scale", (columns, groups), "ones")
        self._stored("kernel_zero", (columns, groups), dtype="uint8", name=self._zero_name)

    def _build_gptq(self, shape, config):
        self._build_calibrated(shape, config)
        self._stored("g_idx", (self._rounded_shape[0],), dtype="float32")

    def _build_awq(self, shape, config):
        self._build_calibrated(shape, config)
        self._stored("awq_scales", (self._rounded_shape[0],), "ones")
        self._stored("g_idx", (self._rounded_shape[0],), dtype="float32")

    def _calibrated_codes(self):
        codes = self.__dict__["quantized_kernel"].tensor
        return formulas.unpacked(codes, self._rounded_shape[1], 0, torch.uint8) if self._bits == 4 else codes

    def _call_gptq(self, inputs, training=None):
        own = self.__dict__
        if not self.is_calibrated:
            kernel = own["kernel"].value
        else:
            kernel = formulas.dequantized(
                self._calibrated_codes(), own["kernel_scale"].value, own["kernel_zero"].tensor, own["g_idx"].tensor
            ).t()
            if "awq_scales" in own:
                kernel = formulas.apart(kernel, own["awq_scales"].value.unsqueeze(-1), kernel.dtype)
            kernel = kernel.reshape(self._kernel_shape)
        return self._finish(inputs, self._product(inputs, kernel))

    _call_awq = _call_gptq

    def take_calibrated(self, codes, scale, zero, groups, scales=None):
        """Compute from now on with what GPTQ or AWQ made of the kernel, which is given up.

        codes: (columns, rows), as numbers from 0; scale, zero: (columns, groups); groups: the group of each row;
        scales: of AWQ, what each row was multiplied by.
        """
        own = self.__dict__
        codes = codes.to(torch.uint8)
        own["_locked"] = False
        if "kernel" in own:
            self._drop("kernel")
        own["_locked"] = True
        own["quantized_kernel"].assign(formulas.packed(codes, 0) if self._bits == 4 else codes)
        own["kernel_scale"].assign(scale)
        own["kernel_zero"].assign(zero)
        own["g_idx"].assign(groups)
        if scales is not None:
            own["awq_scales"].assign(scales)
        self._count_mutation()

    # --- what all share --------------------------------------------------------------------------------------------
    def _call_adapted(self, inputs, training=None):
        """The call where anything about it is special."""
        if self.quantization_mode is not None:
            return self.quantized_call(inputs, training)
        kernel = formulas.adapted(self.__dict__["kernel"].value, *self._lora())
        bias = None if self.bias is None else self.bias.value
        return self._activated(formulas.plus(self._product(inputs, kernel), bias))

    def _finish(self, inputs, outputs):
        lora = self._lora()
        if lora is not None:
            a, b, factor = lora
            lora = self._product(inputs, a), b, factor
        return self._activated(formulas.plus(outputs, None if self.bias is None else self.bias.value, lora))

    def _activated(self, outputs):
        return outputs if self.activation is activations.linear else self.activation(outputs)

    def _merged(self):
        """What is stored where an addition of low rank is added up: name -> value."""
        mode, lora = self.quantization_mode, self._lora()
        own = self.__dict__
        if mode is None:
            return {"kernel": formulas.adapted(own["kernel"].value, *lora)}
        if mode == "int8":
            floats = self._floats_int8(own["kernel"].tensor, own["kernel_scale"].tensor)
            codes, scale = formulas.abs_max(formulas.adapted(floats, *lora), self._summed()[1])
            return {"kernel": codes, "kernel_scale": self._to_outputs(scale, 1)}
        if mode == "int4":
            flat = formulas.adapted(self._floats_int4(), *lora).reshape(self._flat(self._kernel_shape))
            if grouped(self._block_size):
                codes, scale, zero = formulas.groups_of(flat, self._block_size)
                found = {"kernel_scale": scale, "kernel_zero": zero}
            else:
                codes, scale = formulas.abs_max(flat, 0, (-8, 7))
                found = {"kernel_scale": scale.squeeze(0)}
            return {"kernel": formulas.packed(codes, -1), **found}
        return {}


def full_letters(parts, rank):
    """The letters of an equation with those of an ellipsis written out, for inputs of a rank. parts: as `_parts`."""
    left, right, out, ellipsis = parts
    free = [letter for letter in string.ascii_letters if letter not in left + right + out]
    elided = "".join(free[: rank - len(left)])
    if ellipsis == "left":
        return elided + left, right, elided + out
    return left + elided, right, out + elided
