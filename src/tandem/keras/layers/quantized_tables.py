"""Embeddings whose tables are small integers."""

from tandem.core import dtypes
from tandem.keras.layers.quantized import Quantized, group_size
from tandem.keras.quantizers.configs import QuantizationConfig, grouped
from tandem.keras.quantizers.quantizer import AbsMaxQuantizer
from tandem.ops import attention, indexing, linalg
from tandem.ops import quantizers as formulas

_INT4 = {"value_range": (-8, 7), "output_dtype": "int8"}


class QuantizedTable(Quantized):
    """The part of `Embedding`: a table (entries, size) with scales for each of its rows."""

    _matrix = "embeddings"
    _modes = {
        None: ("embeddings",),
        "int8": ("embeddings", "embeddings_scale"),
        "int4": ("embeddings", "embeddings_scale", "embeddings_zero", "g_idx"),
    }

    @property
    def embeddings(self):
        """The table: its variable; with an addition of low rank their sum; where it is packed, its integers."""
        if "embeddings" not in self.__dict__:
            raise AttributeError("You must build the layer before accessing `embeddings`.")
        if self.quantization_mode == "int4":
            return self._codes()
        variable, lora = self.__dict__["embeddings"], self._lora()
        plain = lora is None or self.quantization_mode is not None
        return variable if plain else formulas.adapted(variable.value, *lora)

    def quantized_build(self, embeddings_shape, mode, config=None):
        """Make the variables of a mode for a weight of a shape. Raises NotImplementedError for a mode that is none."""
        self._build_quantized(embeddings_shape, mode, config)

    def _matrix_shape(self):
        return (self.input_dim, self.output_dim)

    def _table_variables(self, name, rows, columns, size, axis):
        """The variables of a table of four bits: packed along `axis`, in groups along it."""
        shape = [rows, columns]
        shape[axis] = (shape[axis] + 1) // 2
        scales = (columns,) if axis == 0 else (rows,)
        if grouped(size):
            groups = -(-(rows, columns)[axis] // size)
            scales = (groups, columns) if axis == 0 else (rows, groups)
        self._stored(name, tuple(shape), dtype="int8")
        self._stored(f"{name}_scale", scales, "ones")
        return scales

    def _build_int8(self, shape, config):
        self._stored("embeddings", shape, dtype="int8")
        self._stored("embeddings_scale", (self.input_dim,), "ones")

    def _build_int4(self, shape, config):
        size = self.__dict__["_block_size"] = group_size(self, config)
        scales = self._table_variables("embeddings", *shape, size, 1)
        if grouped(size):
            self._stored("embeddings_zero", scales, dtype="int8")
            self._stored("g_idx", (self.output_dim,), dtype="float32")
            self.g_idx.assign(formulas.group_numbers(self.output_dim, size))

    def _in_codes(self, value, mode, config, axis):
        """(integers, scale, zero points or None) of a table whose scales go with the other axis than `axis`."""
        size = group_size(self, config) if mode == "int4" else -1
        if grouped(size):
            found = formulas.groups_of(value if axis == 0 else value.t(), size)
            return found if axis == 0 else tuple(one.t() for one in found)
        default = AbsMaxQuantizer(axis=axis, **(_INT4 if mode == "int4" else {}))
        quantizer = QuantizationConfig.weight_quantizer_or_default(config, default)
        codes, scale = quantizer(value, to_numpy=True)
        return codes, scale.squeeze(axis), None

    def _quantize_table(self, mode, config):
        tables = {name: axis for name, axis in (("embeddings", 1), ("reverse_embeddings", 0)) if name in self.__dict__}
        found = {}
        for name, axis in tables.items():
            found[name] = self._in_codes(self.__dict__[name].value.detach(), mode, config, axis)
            self._drop(name)
        self._build_quantized((self.input_dim, self.output_dim), mode, config)
        own = self.__dict__
        for name, (codes, scale, zero) in found.items():
            own[name].assign(formulas.packed(codes, tables[name]) if mode == "int4" else codes)
            own[f"{name}_scale"].assign(scale)
            if zero is not None:
                own[f"{name}_zero"].assign(zero)

    _quantize_int8 = _quantize_int4 = _quantize_table

    def _codes(self):
        return formulas.unpacked(self.__dict__["embeddings"].tensor, self.output_dim, -1)

    def _call_adapted(self, inputs, **options):
        if self.quantization_mode is not None:
            return self.quantized_call(inputs, **options)
        return indexing.embedding(inputs, formulas.adapted(self.__dict__["embeddings"].value, *self._lora()))

    def _rows(self, inputs, table):
        own, dtype = self.__dict__, dtypes.torch_dtype(self.compute_dtype)
        zero = own.get("embeddings_zero")
        rows = formulas.lookup(
            table,
            inputs,
            own["embeddings_scale"].value,
            None if zero is None else zero.tensor,
            None if zero is None else own["g_idx"].tensor,
            dtype,
        )
        lora = self._lora()
        return rows if lora is None else formulas.plus(rows, None, (indexing.embedding(inputs, lora[0]), *lora[1:]))

    def _call_int8(self, inputs, training=None):
        return self._rows(inputs, self.__dict__["embeddings"].tensor)

    def _call_int4(self, inputs, training=None):
        return self._rows(inputs, self._codes())

    def _merged(self):
        own, mode, lora = self.__dict__, self.quantization_mode, self._lora()
        if mode is None:
            return {"embeddings": formulas.adapted(own["embeddings"].value, *lora)}
        scale = own["embeddings_scale"].tensor
        if mode == "int8":
            floats = formulas.apart(own["embeddings"].tensor, scale.unsqueeze(-1), scale.dtype)
        elif "embeddings_zero" in own:
            zero = own["embeddings_zero"].tensor
            floats = formulas.dequantized(self._codes(), scale, zero, own["g_idx"].tensor, -1)
        else:
            floats = formulas.apart(self._codes(), scale.unsqueeze(-1), scale.dtype)
        codes, scale, zero = self._in_codes(formulas.adapted(floats, *lora), mode, None, 1)
        found = {"embeddings": formulas.packed(codes, -1) if mode == "int4" else codes, "embeddings_scale": scale}
        return found if zero is None else {**found, "embeddings_zero": zero}


class QuantizedReversible(QuantizedTable):
    """The part of `ReversibleEmbedding`: the way back is a product, with the same table or another one."""

    _modes = {
        None: (*QuantizedTable._modes[None], "reverse_embeddings"),
        "int8": (*QuantizedTable._modes["int8"], "reverse_embeddings", "reverse_embeddings_scale"),
        "int4": (
            *QuantizedTable._modes["int4"],
            "reverse_embeddings",
            "reverse_embeddings_scale",
            "reverse_embeddings_zero",
        ),
    }

    def _build_int8(self, shape, config):
        super()._build_int8(shape, config)
        self._take_quantizer(config)
        if not self.tie_weights:
            self._stored("reverse_embeddings", (self.output_dim, self.input_dim), dtype="int8")
            self._stored("reverse_embeddings_scale", (self.input_dim,), "ones")

    def _build_int4(self, shape, config):
        super()._build_int4(shape, config)
        self._take_quantizer(config)
        if not self.tie_weights:
            size = self._block_size
            scales = self._table_variables("reverse_embeddings", self.output_dim, self.input_dim, size, 0)
            if grouped(size):
                self._stored("reverse_embeddings_zero", scales)

    def _take_quantizer(self, config):
        self.__dict__["inputs_quantizer"] = QuantizationConfig.activation_quantizer_or_default(
            config, AbsMaxQuantizer(axis=-1)
        )

    def _call_adapted(self, inputs, reverse=False):
        if self.quantization_mode is not None:
            return self.quantized_call(inputs, reverse)
        if not reverse:
            return super()._call_adapted(inputs)
        if not self.tie_weights:
            return self._scores(inputs, self.__dict__["reverse_embeddings"].value)
        return self._scores(inputs, formulas.adapted(self.__dict__["embeddings"].value, *self._lora()).t())

    def _call_int8(self, inputs, reverse=False):
        own = self.__dict__
        if not reverse:
            return super()._call_int8(inputs)
        if self.tie_weights:
            return self._scores_of_codes(inputs, own["embeddings"].tensor.t(), own["embeddings_scale"].value)
        return self._scores_of_codes(inputs, own["reverse_embeddings"].tensor, own["reverse_embeddings_scale"].value)

    def _call_int4(self, inputs, reverse=False):
        own = self.__dict__
        if not reverse:
            return super()._call_int4(inputs)
        name = "embeddings" if self.tie_weights else "reverse_embeddings"
        codes = own[name].tensor.t() if self.tie_weights else own[name].tensor
        codes = formulas.unpacked(codes, self.output_dim, 0)
        scale, zero = own[f"{name}_scale"].value, own.get(f"{name}_zero")
        if zero is None:
            return self._scores_of_codes(inputs, codes, scale)
        scale, zero = (scale.t(), zero.tensor.t()) if self.tie_weights else (scale, zero.value)
        kernel = formulas.dequantized(codes, scale, zero, own["g_idx"].tensor, 0).to(scale.dtype)
        quantizer = own["inputs_quantizer"]
        if quantizer is None:
            return self._capped(linalg.matmul(inputs, kernel))
        x_codes, x_scale = quantizer(inputs.detach())
        return self._capped(formulas.product_of_rounded("...a,ab->...b", inputs, x_codes, x_scale, kernel))

    def _scores_of_codes(self, inputs, codes, scale):
        quantizer = self.__dict__["inputs_quantizer"]
        if quantizer is None:
            kernel = formulas.apart(codes, scale, scale.dtype)
            return self._capped(linalg.matmul(inputs, kernel))
        x_codes, x_scale = quantizer(inputs.detach())
        return self._capped(
            formulas.product_of_codes(
                "...a,ab->...b",
                inputs,
                x_codes,
                x_scale,
                codes,
                scale,
                lambda: formulas.apart(codes, scale, scale.dtype),
            )
        )

    def _capped(self, scores):
        return scores if self.logit_soft_cap is None else attention.soft_cap(scores, self.logit_soft_cap)
