"""How a layer is quantised: one class to a mode."""

from tandem.core.errors import explain
from tandem.keras import dtype_policies
from tandem.keras.quantizers.quantizer import AbsMaxQuantizer

# What stands for "the mode's own": no quantiser at all is a choice too.
_DEFAULT = "default"


class QuantizationConfig:
    """Base of the configs.

    weight_quantizer, activation_quantizer: what quantises weights and inputs; None for the weights means the mode's
    own, for the inputs that they stay as they are.
    """

    def __init__(self, weight_quantizer=None, activation_quantizer=None):
        self.weight_quantizer = weight_quantizer
        self.activation_quantizer = activation_quantizer

    @property
    def mode(self):
        """The mode's name. A subclass gives it."""
        raise NotImplementedError(
            "Subclasses must implement this property. Do not instantiate QuantizationConfig directly."
        )

    def get_config(self):
        """The arguments that make an equal config."""
        from tandem.keras import saving

        return {
            "weight_quantizer": saving.serialize_keras_object(self.weight_quantizer),
            "activation_quantizer": saving.serialize_keras_object(self.activation_quantizer),
        }

    @classmethod
    def from_config(cls, config):
        """The config that `get_config` describes."""
        from tandem.keras import saving

        config = dict(config)
        for key in ("weight_quantizer", "activation_quantizer"):
            if key in config:
                config[key] = saving.deserialize_keras_object(config[key])
        return cls(**config)

    @staticmethod
    def weight_quantizer_or_default(config, default):
        """A config's quantiser of weights, or `default` where there is no config or it has none."""
        found = None if config is None else config.weight_quantizer
        return default if found is None else found

    @staticmethod
    def activation_quantizer_or_default(config, default):
        """A config's quantiser of inputs, which may be None, or `default` where there is no config."""
        return default if config is None else config.activation_quantizer


def _check_integers(config, value_range=None):
    quantizer, name = config.weight_quantizer, type(config).__name__
    if quantizer is None:
        return
    if value_range is not None and tuple(quantizer.value_range) != value_range:
        raise ValueError(
            f"{name} requires a weight_quantizer with value_range={value_range}. "
            f"Received: value_range={quantizer.value_range}"
        )
    if quantizer.output_dtype != "int8":
        raise ValueError(
            f"{name} requires a weight_quantizer with output_dtype='int8'. "
            f"Received: output_dtype={quantizer.output_dtype}"
        )


class Int8QuantizationConfig(QuantizationConfig):
    """Weights of eight bits; inputs too, as they come, unless `activation_quantizer` is None."""

    def __init__(self, weight_quantizer=None, activation_quantizer=_DEFAULT):
        default = isinstance(activation_quantizer, str) and activation_quantizer == _DEFAULT
        super().__init__(weight_quantizer, AbsMaxQuantizer() if default else activation_quantizer)
        _check_integers(self)

    @property
    def mode(self):
        """ "int8"."""
        return "int8"


class Int4QuantizationConfig(QuantizationConfig):
    """Weights of four bits, two to a byte; inputs stay as they are unless there is an `activation_quantizer`.

    block_size: how many weights of a column share a scale and a zero point; None or -1 for a scale to a column.
    """

    def __init__(self, weight_quantizer=None, activation_quantizer=_DEFAULT, block_size=128):
        default = isinstance(activation_quantizer, str) and activation_quantizer == _DEFAULT
        super().__init__(weight_quantizer, None if default else activation_quantizer)
        if block_size is not None and block_size != -1 and block_size <= 0:
            raise ValueError(f"block_size must be None, -1, or a positive integer. Received: block_size={block_size}")
        self.block_size = block_size
        if grouped(block_size) and not (self.weight_quantizer is None and self.activation_quantizer is None):
            raise ValueError(
                "Int4 sub-channel quantization (block_size > 0) does not support custom quantizers. Either set "
                "block_size to None or -1 for per-channel quantization, or remove the custom quantizer arguments. "
                f"Received: block_size={block_size}"
            )
        _check_integers(self, (-8, 7))

    @property
    def mode(self):
        """ "int4"."""
        return "int4"

    def get_config(self):
        """The arguments that make an equal config."""
        return {**super().get_config(), "block_size": self.block_size}


def grouped(block_size):
    """Whether a block size is one, rather than None or -1 for none."""
    return block_size is not None and block_size > 0


class Float8QuantizationConfig(QuantizationConfig):
    """Training with products of 8-bit floats: inputs and weights in e4m3, gradients in e5m2.

    The numbers are rounded to what those types can tell apart; the products themselves are computed in the layer's
    compute dtype, as in Keras.
    """

    def __init__(self):
        super().__init__()

    @property
    def mode(self):
        """ "float8"."""
        return "float8"

    def get_config(self):
        """No arguments."""
        return {}


class _Calibrated(QuantizationConfig):
    """What the modes share that look at data."""

    _fields: tuple = ()

    def _check(self):
        for name in ("num_samples", "sequence_length"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be a positive integer. Received: {name}={getattr(self, name)}")
        if self.group_size < -1 or self.group_size == 0:
            raise ValueError(
                "Invalid group_size. Supported values are -1 (one group) or a positive integer, "
                f"but got {self.group_size}."
            )

    def get_config(self):
        """The arguments that make an equal config, without what is needed for calibrating alone: dataset, tokenizer
        and the layers of the structure.
        """
        fields = {name: getattr(self, name) for name in self._fields}
        return {"dataset": None, "tokenizer": None, **fields, "quantization_layer_structure": None}

    @classmethod
    def from_config(cls, config):
        """The config that `get_config` describes."""
        return cls(**config)

    def dtype_policy_string(self):
        """The mode as policies spell it: with bits and group size."""
        return f"{self.mode}/{self.weight_bits}/{self.group_size}"


class GPTQConfig(_Calibrated):
    """Weights of 2, 3, 4 or 8 bits, rounded one after the other so that later ones make up for earlier errors.

    dataset: texts or arrays of token ids; tokenizer: whose `tokenize` makes ids of texts; weight_bits; num_samples,
    sequence_length: of what is drawn from the dataset; per_channel: a scale to each output, not to all;
    hessian_damping: what is added to the diagonal, in parts of its mean; group_size: weights that share a scale, -1 for
    all of a channel; symmetric: 0 in the middle of the codes; activation_order: begin with the inputs that are largest;
    quantization_layer_structure: a dict of "pre_block_layers" and "sequential_blocks".
    Frantar et al., GPTQ: accurate post-training quantization for generative pre-trained transformers, 2022.
    """

    _fields = (
        "weight_bits",
        "num_samples",
        "per_channel",
        "sequence_length",
        "hessian_damping",
        "group_size",
        "symmetric",
        "activation_order",
    )

    def __init__(
        self,
        dataset,
        tokenizer,
        *,
        weight_bits=4,
        num_samples=128,
        per_channel=True,
        sequence_length=512,
        hessian_damping=0.01,
        group_size=128,
        symmetric=False,
        activation_order=False,
        quantization_layer_structure=None,
    ):
        super().__init__()
        if weight_bits not in (2, 3, 4, 8):
            raise ValueError(f"Unsupported weight_bits {weight_bits}. Supported values are 2, 3, 4, and 8.")
        if not 0 <= hessian_damping <= 1:
            raise ValueError(f"hessian_damping must be between 0 and 1. Received: hessian_damping={hessian_damping}")
        self.dataset = dataset
        self.tokenizer = tokenizer
        self.num_samples = num_samples
        self.per_channel = per_channel
        self.sequence_length = sequence_length
        self.hessian_damping = hessian_damping
        self.weight_bits = weight_bits
        self.group_size = group_size
        self.symmetric = symmetric
        self.activation_order = activation_order
        self.quantization_layer_structure = quantization_layer_structure
        self._check()

    @property
    def mode(self):
        """ "gptq"."""
        return "gptq"


class AWQConfig(_Calibrated):
    """Weights of four bits, scaled beforehand so that those which large inputs meet lose least.

    dataset, tokenizer, num_samples, sequence_length, group_size, quantization_layer_structure: as in `GPTQConfig`;
    num_grid_points: how many powers of the inputs' size are tried as scales.
    Lin et al., AWQ: activation-aware weight quantization for LLM compression and acceleration, 2023.
    """

    _fields = ("weight_bits", "num_samples", "sequence_length", "group_size", "num_grid_points")

    def __init__(
        self,
        dataset,
        tokenizer,
        *,
        weight_bits=4,
        num_samples=128,
        sequence_length=512,
        group_size=128,
        num_grid_points=20,
        quantization_layer_structure=None,
    ):
        super().__init__()
        if weight_bits != 4:
            raise ValueError(f"AWQ only supports 4-bit quantization. Received weight_bits={weight_bits}.")
        if num_grid_points <= 0:
            raise ValueError(f"num_grid_points must be a positive integer. Received: num_grid_points={num_grid_points}")
        self.dataset = dataset
        self.tokenizer = tokenizer
        self.weight_bits = weight_bits
        self.num_samples = num_samples
        self.sequence_length = sequence_length
        self.group_size = group_size
        self.num_grid_points = num_grid_points
        self.quantization_layer_structure = quantization_layer_structure
        self._check()

    @property
    def mode(self):
        """ "awq"."""
        return "awq"


_CONFIGS = {"int8": Int8QuantizationConfig, "int4": Int4QuantizationConfig, "float8": Float8QuantizationConfig}


def resolve(mode, config):
    """The config that `quantize(mode, config)` means. Raises ValueError where they say nothing, or contradict."""
    if isinstance(config, str):
        mode, config = config, None
    if mode is not None and mode not in dtype_policies.QUANTIZATION_MODES:
        raise ValueError(
            f"Invalid quantization mode. Expected one of {dtype_policies.QUANTIZATION_MODES}. Received: mode={mode}"
        )
    if config is None:
        if mode is None:
            raise ValueError("You must provide either `mode` or `config` to `quantize`.")
        if mode not in _CONFIGS:
            name = {"gptq": "GPTQConfig", "awq": "AWQConfig"}[mode]
            raise ValueError(
                f"For {mode.upper()}, you must pass a{'n' if mode == 'awq' else ''} `{name}` object in the `config` "
                "argument."
            )
        return _CONFIGS[mode]()
    if not isinstance(config, QuantizationConfig):
        raise ValueError(
            explain(
                "Argument `config` must be an instance of `QuantizationConfig`",
                given=f"config={config} (of type {type(config)})",
            )
        )
    if mode is not None and config.mode != mode:
        raise ValueError(f"Contradictory arguments: mode='{mode}' but config.mode='{config.mode}'")
    return config
