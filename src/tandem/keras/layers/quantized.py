"""Layers whose weights may be small integers, or learn by additions of low rank: the part that all of them share."""

import torch

from tandem.core.errors import explain
from tandem.core.module import Module
from tandem.keras import dtype_policies, initializers
from tandem.keras.quantizers import configs


def group_size(layer, config, name="block_size"):
    """How many weights share a scale, from a config or else from the layer's policy; -1 where all of a channel do."""
    for source in (config, layer._policy):
        size = getattr(source, name, None)
        if size is not None:
            return size
    return -1


class Quantized:
    """The part of a layer that quantises one matrix of its weights, `_matrix`, and adapts it.

    A subclass says which modes it has (`_modes`: mode -> the names of the variables in files, in order), how a mode
    builds and computes (`_build_int8`, `_call_int8`, …), and what the integers stand for (`_merged`).
    """

    _matrix = "kernel"  # the name of the weight
    _modes: dict = {}
    _adapted = False  # whether a call is any other than the plain one
    lora_enabled = False
    lora_rank = lora_alpha = None
    quantization_config = None
    _is_quantized = False

    def _set_options(self, lora_rank, lora_alpha, quantization_config):
        own = self.__dict__
        own["lora_rank"] = lora_rank
        own["lora_alpha"] = lora_alpha if lora_alpha is not None else lora_rank
        own["quantization_config"] = quantization_config

    def _get_options(self):
        """The part of `get_config`."""
        from tandem.keras import saving

        config = {"quantization_config": saving.serialize_keras_object(self.quantization_config)}
        return {**config, "lora_rank": self.lora_rank, "lora_alpha": self.lora_alpha} if self.lora_rank else config

    @classmethod
    def from_config(cls, config):
        """The layer that `get_config` describes."""
        from tandem.keras import saving

        inner = saving.deserialize_keras_object(config.get("quantization_config"))
        if inner is None:
            return super().from_config(config)
        return super().from_config({**config, "quantization_config": inner})

    @property
    def variable_serialization_spec(self):
        """Of each mode, the names of the variables in the order in which files have them."""
        return {mode: list(names) for mode, names in self._modes.items()}

    # --- building --------------------------------------------------------------------------------------------------
    def _variable(self, attribute, name=None, **arguments):
        """Make a variable and keep it under a name."""
        setattr(self, attribute, self.add_weight(name=name or attribute, **arguments))

    def _stored(self, attribute, shape, initializer="zeros", dtype=None, name=None):
        """Make a variable that is not learned."""
        self._variable(attribute, name, shape=shape, initializer=initializer, dtype=dtype, trainable=False)

    def _plain_matrix(self):
        """The variable of the weight."""
        return self.__dict__[self._matrix]

    def _drop(self, name):
        variable = self.__dict__[name]
        Module.__delattr__(self, name)
        self._untrack(variable)

    def _build_quantized(self, shape, mode, config=None):
        if mode not in self._modes or mode is None:
            raise self._no_mode(mode)
        getattr(self, f"_build_{mode}")(tuple(shape), config)
        self.__dict__["_is_quantized"] = self.__dict__["_adapted"] = True

    def _no_mode(self, mode):
        modes = tuple(one for one in self._modes if one is not None)
        return NotImplementedError(
            f"Invalid quantization mode. Expected one of {modes}. Received: quantization_mode={mode}"
        )

    def _float8_variables(self):
        length = getattr(
            self._policy,
            "amax_history_length",
            dtype_policies.QuantizedFloat8DTypePolicy.default_amax_history_length,
        )
        for what in ("inputs", "kernel", "outputs_grad"):
            for name, shape, start in ((f"{what}_scale", (), "ones"), (f"{what}_amax_history", (length,), "zeros")):
                self._variable(
                    name, shape=shape, initializer=start, dtype="float32", autocast=False, overwrite_with_gradient=True
                )

    # --- calling ---------------------------------------------------------------------------------------------------
    def quantized_call(self, *args, **kwargs):
        """The call of the mode that the layer is quantised in."""
        mode = self.quantization_mode
        if mode is None:
            raise self._no_mode(mode)
        return getattr(self, f"_call_{mode}")(*args, **kwargs)

    # --- quantising ------------------------------------------------------------------------------------------------
    def quantize(self, mode=None, type_check=True, config=None):
        """Turn the weight into what a mode stores, for good.

        mode: "int8", "int4", "float8", "gptq" or "awq", as far as the layer has it; the last two only prepare the
        layer: `Model.quantize` brings it the data. config: a `keras.quantizers.QuantizationConfig`, by default the
        mode's own; type_check: refuse subclasses, which may compute otherwise. Integers are multiplied as integers on
        processors, and on GPUs for sizes that their kernels take; elsewhere, and for float8 everywhere, the arithmetic
        is emulated in floating point with the same results.
        Raises ValueError for another mode and where the layer is not built or quantised already,
        NotImplementedError for a mode that the layer does not have.
        """
        config = configs.resolve(mode, config)
        mode = config.mode
        self._check_quantizable(mode)
        if type_check and type(self).__dict__.get("_quantizable") is not True:
            raise NotImplementedError(f"Layer {type(self).__name__} does not have a `quantize` method implemented.")
        if mode not in self._modes:
            raise self._no_mode(mode)
        own = self.__dict__
        own["quantization_config"] = config
        own["_locked"] = False
        try:
            getattr(self, f"_quantize_{mode}", self._quantize_in_place)(mode, config)
            own["_is_quantized"] = own["_adapted"] = True
            if self._policy.quantization_mode is None:
                self.dtype_policy = dtype_policies.get(f"{self._mode_text(mode, config)}_from_{self._policy.name}")
        finally:
            own["_locked"] = True
            own.pop("_settled", None)
            self._count_mutation()

    def _quantize_in_place(self, mode, config):
        """For modes that only add variables."""
        self._build_quantized(self._plain_matrix().shape, mode, config)

    def _mode_text(self, mode, config):
        if mode == "int4":
            return f"int4/{group_size(self, config)}"
        return config.dtype_policy_string() if mode in ("gptq", "awq") else mode

    def _check_quantizable(self, mode):
        if not self.built:
            raise ValueError(
                f"Cannot quantize a layer that isn't yet built. Layer '{self.name}' (of type "
                f"'{type(self).__name__}') is not built yet."
            )
        if self._is_quantized:
            raise ValueError(
                f"Layer '{self.name}' is already quantized with dtype_policy='{self._policy.name}'. "
                f"Received: mode={mode}"
            )
        if mode == "int8" and self.compute_dtype == "float16":
            raise ValueError(
                f"Quantization mode='{mode}' doesn't work well with compute_dtype='float16'. Consider loading "
                "model/layer with another dtype policy such as 'mixed_bfloat16' or 'mixed_float16' before calling "
                "`quantize()`."
            )

    # --- additions of low rank -------------------------------------------------------------------------------------
    def enable_lora(self, rank, lora_alpha=None, a_initializer="he_uniform", b_initializer="zeros"):
        """Let ``alpha / rank * a @ b`` be added to the weight, and learn a and b in its place.

        rank: columns of a and rows of b; lora_alpha: by default the rank; the initializers of a and b.
        Raises ValueError where the layer is not built, has a constraint or is adapted already, NotImplementedError
        where GPTQ or float8 hold the weight.
        Hu et al., LoRA: low-rank adaptation of large language models, 2021.
        """
        if getattr(self, f"{self._matrix}_constraint"):
            raise ValueError(
                f"Lora is incompatible with constraints. In order to enable lora on this layer, remove the "
                f"`{self._matrix}_constraint` argument."
            )
        if not self.built and not self.__dict__.get("_building"):
            raise ValueError("Cannot enable lora on a layer that isn't yet built.")
        if self.lora_enabled:
            raise ValueError("lora is already enabled. This can only be done once per layer.")
        if self.quantization_mode in ("gptq", "float8"):
            raise NotImplementedError(
                explain("Lora is not supported with this quantization", given=f"mode={self.quantization_mode}")
            )
        own = self.__dict__
        locked, own["_locked"] = own["_locked"], False
        *before, last = self._matrix_shape()
        learned = {"dtype": "float32", "regularizer": getattr(self, f"{self._matrix}_regularizer")}
        a, b = (f"lora_{self._matrix}_{part}" for part in "ab")
        self._variable(a, shape=(*before, rank), initializer=initializers.get(a_initializer), **learned)
        self._variable(b, shape=(rank, last), initializer=initializers.get(b_initializer), **learned)
        variable = own.get(self._matrix)
        if variable is not None:
            variable.trainable = False
        own["_locked"] = locked
        own["lora_enabled"] = own["_adapted"] = True
        own["lora_rank"] = rank
        own["lora_alpha"] = lora_alpha if lora_alpha is not None else rank
        own.pop("_settled", None)
        self._count_mutation()

    def _lora(self):
        """(a, b, their factor), or None."""
        if not self.lora_enabled:
            return None
        a, b = (self.__dict__[f"lora_{self._matrix}_{part}"].value for part in "ab")
        return a, b, self.lora_alpha / self.lora_rank

    # --- files -----------------------------------------------------------------------------------------------------
    def save_own_variables(self, store):
        """Put the variables into `store`, in the order that the mode has; additions of low rank are added up."""
        if not self.built:
            return
        if not self._adapted and self.quantization_mode is None:
            super().save_own_variables(store)
            return
        values = self._merged() if self.lora_enabled else {}
        for index, name in enumerate(self._names_in_files()):
            store[str(index)] = values.get(name, self.__dict__[name])

    def load_own_variables(self, store):
        """Set the variables from `store`; additions of low rank begin at nothing again."""
        if not self.built or (not self._adapted and self.quantization_mode is None):
            super().load_own_variables(store)
            return
        names = self._names_in_files()
        if len(store) != len(names):
            raise ValueError(
                explain(
                    f"Layer '{self.name}' was given {len(store)} variables to load",
                    expected=f"{len(names)} variables: {names}",
                    given=list(store.keys()),
                )
            )
        for index, name in enumerate(names):
            self.__dict__[name].assign(store[str(index)])
        if self.lora_enabled:
            a, b = (self.__dict__[f"lora_{self._matrix}_{part}"] for part in "ab")
            for variable in (a, b):
                variable.assign(torch.zeros_like(variable.tensor))

    def _names_in_files(self):
        """The variables that the mode has here: a bias, zero points and groups may be missing."""
        mode = self.quantization_mode
        if mode not in self._modes:
            raise self._no_mode(mode)
        return [name for name in self._modes[mode] if self.__dict__.get(name) is not None]
