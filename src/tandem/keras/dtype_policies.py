"""Dtype policies: what a layer stores its variables in, and what it computes in."""

import re
from collections.abc import MutableMapping

from tandem.core import dtypes
from tandem.core.errors import explain, suggest
from tandem.keras import config

QUANTIZATION_MODES = ("int8", "float8", "int4", "gptq", "awq")
_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
_global = None


class DTypePolicy:
    """A name that gives two dtypes: that of the variables and that of the computation.

    name: a dtype ("float32", "bfloat16", …: both are that) or "mixed_float16" / "mixed_bfloat16" (variables float32).
    Raises ValueError for another name.
    """

    def __init__(self, name=None):
        self._set_dtypes(dtype_policy_name() if name is None else name)

    def _set_dtypes(self, name):
        if name in _MIXED:
            self._compute_dtype, self._variable_dtype = _MIXED[name], "float32"
        else:
            try:
                self._compute_dtype = self._variable_dtype = dtypes.dtype_name(name)
            except (ValueError, TypeError):
                raise ValueError(
                    explain(
                        "Cannot convert the name of a dtype policy to dtypes",
                        expected="a dtype such as 'float32', or 'mixed_float16', 'mixed_bfloat16'",
                        given=f"name={name!r}",
                        hint=suggest(name, [*_MIXED, "float16", "bfloat16", "float32", "float64"]),
                    )
                ) from None
            name = self._compute_dtype
        self._name = name

    @property
    def name(self):
        """The policy's name."""
        return self._name

    @property
    def compute_dtype(self):
        """The name of the dtype that the layer computes in."""
        return self._compute_dtype

    @property
    def variable_dtype(self):
        """The name of the dtype that the layer's variables have."""
        return self._variable_dtype

    @property
    def quantization_mode(self):
        """None: the policy does not quantise."""
        return None

    def convert_input(self, x, autocast, dtype):
        """`x` as a tensor of `dtype`: arrays are converted, floating point tensors cast where `autocast` is set."""
        from tandem.keras import tensors

        return tensors.convert_input(x, dtype if autocast else None)

    def get_config(self):
        """The arguments that make an equal policy."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config):
        """The policy that `get_config` describes."""
        return cls(**config)

    def __eq__(self, other):
        same = isinstance(other, DTypePolicy) and self.name == other.name
        return same and self.get_config() == other.get_config()

    def __hash__(self):
        return hash(self.name)

    def __repr__(self):
        return f'<{type(self).__name__} "{self._name}">'


FloatDTypePolicy = DTypePolicy


class QuantizedDTypePolicy(DTypePolicy):
    """A mode of quantisation beside the two dtypes: "int8_from_float32", "int8_from_mixed_bfloat16", …

    mode: one of `QUANTIZATION_MODES`; source_name: the policy that says the dtypes, by default the global one.
    Raises ValueError for another mode, and for int8 with float16, which the products overflow.
    """

    def __init__(self, mode, source_name=None):
        source_name = dtype_policy_name() if source_name is None else source_name
        self._set_dtypes(source_name)
        if mode not in QUANTIZATION_MODES:
            raise ValueError(f"Invalid quantization mode. Expected one of {QUANTIZATION_MODES}. Received: mode={mode}")
        if self._compute_dtype == "float16" and mode == "int8":
            raise ValueError(f"Quantization mode='{mode}' doesn't work well with compute_dtype='float16'.")
        self._name = f"{mode}_from_{source_name}"
        self._source_name = source_name
        self._mode = mode

    @property
    def quantization_mode(self):
        """The mode's name."""
        return self._mode

    def get_config(self):
        """The arguments that make an equal policy."""
        return {"mode": self._mode, "source_name": self._source_name}


class QuantizedFloat8DTypePolicy(QuantizedDTypePolicy):
    """Training with 8-bit floats. amax_history_length: of how many calls the largest numbers are kept."""

    default_amax_history_length = 1024

    def __init__(self, mode, source_name=None, amax_history_length=1024):
        super().__init__(mode, source_name)
        if not isinstance(amax_history_length, int):
            raise TypeError(
                f"`amax_history_length` must be an integer. Received: amax_history_length={amax_history_length}"
            )
        self._amax_history_length = amax_history_length

    @property
    def amax_history_length(self):
        """Of how many calls the largest numbers are kept."""
        return self._amax_history_length

    def get_config(self):
        """The arguments that make an equal policy."""
        return {**super().get_config(), "amax_history_length": self.amax_history_length}


class _WithNumbers(QuantizedDTypePolicy):
    """A mode with numbers behind it, "int4/128" or "gptq/4/128"."""

    _form: tuple = ()  # the mode and the names of the numbers

    def __init__(self, mode, source_name=None):
        kind, *names = self._form
        spelled = "/".join([kind, *(f"<{name}>" for name in names)])
        parts = str(mode).split("/")
        if len(parts) != len(self._form) or parts[0] != kind:
            raise ValueError(f"Invalid mode for {type(self).__name__}. Expected format '{spelled}', but got '{mode}'.")
        try:
            numbers = [int(part) for part in parts[1:]]
        except ValueError:
            raise ValueError(
                f"Invalid mode for {type(self).__name__}. Expected format '{spelled}' with integers, but got '{mode}'."
            ) from None
        super().__init__(kind, source_name)
        self.mode = kind
        for name, number in zip(names, numbers):
            setattr(self, name, number)
        self._check(mode)
        self._name = f"{mode}_from_{self._source_name}"

    def _check(self, mode):
        size = self._form[-1]
        value = getattr(self, size)
        if value < -1 or value == 0:
            raise ValueError(
                f"Invalid {size} in mode. Supported values are -1 (no groups) or a positive integer, but got {value} "
                f"from '{mode}'."
            )

    def get_config(self):
        """The arguments that make an equal policy."""
        mode = "/".join([self.mode, *(str(getattr(self, name)) for name in self._form[1:])])
        return {**super().get_config(), "mode": mode}


class Int4DTypePolicy(_WithNumbers):
    """Weights of four bits: "int4/128_from_float32". The number is the block size, -1 for a scale to a channel."""

    _form = ("int4", "block_size")


class GPTQDTypePolicy(_WithNumbers):
    """Weights that GPTQ rounded: "gptq/4/128_from_float32". The numbers are bits (2, 3, 4, 8) and group size."""

    _form = ("gptq", "weight_bits", "group_size")
    _bits: tuple = (2, 3, 4, 8)

    def _check(self, mode):
        if self.weight_bits not in self._bits:
            raise ValueError(
                f"Invalid weight_bits in mode. Supported values are {', '.join(map(str, self._bits))}, but got "
                f"{self.weight_bits} from '{mode}'."
            )
        super()._check(mode)


class AWQDTypePolicy(GPTQDTypePolicy):
    """Weights that AWQ rounded: "awq/4/128_from_float32". The numbers are bits (4) and group size."""

    _form = ("awq", "weight_bits", "group_size")
    _bits = (4,)


class DTypePolicyMap(DTypePolicy, MutableMapping):
    """Policies by the paths of layers, and one for all others.

    default_policy: for paths that are not in the map, by default the global policy; policy_map: a dict of path, or
    regular expression for whole paths, -> policy. Looking up a path that several expressions fit raises ValueError.
    """

    def __init__(self, default_policy=None, policy_map=None):
        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError("`default_policy` cannot be a `DTypePolicyMap`.")
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(
                "If specified, `policy_map` must be a dict. "
                f"Received: policy_map={policy_map} of type {type(policy_map)}"
            )
        self._given = default_policy
        self._default_policy = get(default_policy)
        self._policy_map = policy_map or {}

    @property
    def name(self):
        """ "map_" and the name of the policy for all others."""
        return f"map_{self.default_policy.name}"

    @property
    def default_policy(self):
        """The policy for paths that are not in the map."""
        return self._default_policy

    @property
    def compute_dtype(self):
        """That of `default_policy`."""
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self):
        """That of `default_policy`."""
        return self.default_policy.variable_dtype

    @property
    def quantization_mode(self):
        """That of `default_policy`."""
        return self.default_policy.quantization_mode

    def __getitem__(self, key):
        if key in self._policy_map:
            return self._policy_map[key]
        fitting = [pattern for pattern in self._policy_map if re.fullmatch(pattern, key)]
        if len(fitting) > 1:
            raise ValueError(
                f"Path '{key}' matches multiple dtype policy specification keys: {fitting}. Please make sure each path "
                "only matches at most one dtype policy specification key in the DTypePolicyMap."
            )
        return self._policy_map[fitting[0]] if fitting else self.default_policy

    def __setitem__(self, key, policy):
        if key in self._policy_map:
            raise ValueError(
                f"{key} already exist in the DTypePolicyMap with value {self._policy_map[key]}. Please make sure to "
                "not use duplicated keys."
            )
        try:
            self._policy_map[key] = get(policy)
        except (ValueError, TypeError):
            raise ValueError(
                f"Cannot interpret the assigned value by `keras.dtype_policies.get`. Received: {policy} of type "
                f"{type(policy)}"
            ) from None

    def __delitem__(self, key):
        del self._policy_map[key]

    def __contains__(self, key):
        return key in self._policy_map

    def __len__(self):
        return len(self._policy_map)

    def __iter__(self):
        return iter(self._policy_map)

    def __eq__(self, other):
        return (
            isinstance(other, DTypePolicyMap)
            and self.default_policy == other.default_policy
            and self._policy_map == other._policy_map
        )

    __hash__ = object.__hash__

    def get_config(self):
        """The arguments that make an equal map. Without a `default_policy`, that of the reading session is meant."""
        from tandem.keras import saving

        return {"default_policy": self._given, "policy_map": saving.serialize_keras_object(self._policy_map)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The map that `get_config` describes."""
        from tandem.keras import saving

        inner = saving.deserialize_keras_object(config["policy_map"], custom_objects)
        return cls(**{**config, "policy_map": inner})

    def __repr__(self):
        mapping = [(key, policy.name) for key, policy in self._policy_map.items()]
        return f"<DTypePolicyMap default_policy={self.default_policy.name}, mapping={mapping}>"


def _by_name(name):
    """The policy of a name, of a quantised one by its parts."""
    if not name.startswith(QUANTIZATION_MODES):
        return DTypePolicy(name)
    mode, separator, source = name.partition("_from_")
    if not separator or "_from_" in source:
        raise ValueError(
            "Cannot convert `policy` into a valid pair (`mode`, `source_name`) to instantiate `QuantizedDTypePolicy`. "
            f"Received: policy={name}"
        )
    kinds = {"float8": QuantizedFloat8DTypePolicy, "gptq": GPTQDTypePolicy, "awq": AWQDTypePolicy}
    kind = kinds.get(mode.split("/")[0], Int4DTypePolicy if mode.startswith("int4/") else QuantizedDTypePolicy)
    return kind(mode, source)


def dtype_policy_name():
    """The name of the policy that new layers get."""
    return global_policy().name


def global_policy():
    """The policy that new layers get."""
    return _global or DTypePolicy(config.floatx())


def set_global_policy(policy):
    """Give new layers `policy` (a name or a `DTypePolicy`) from now on; None goes back to `floatx`."""
    global _global
    _global = None if policy is None else get(policy)


def get(identifier):
    """The policy of a name, a dtype, a config or a policy; None gives the global one."""
    if identifier is None:
        return global_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return _by_name(identifier)
    try:
        return DTypePolicy(dtypes.dtype_name(identifier))
    except (ValueError, TypeError):
        raise ValueError(
            explain(
                "Cannot interpret a dtype policy identifier", expected="a name or a DTypePolicy", given=repr(identifier)
            )
        ) from None


def serialize(dtype_policy):
    """The config of a policy, as files hold it."""
    from tandem.keras import saving

    return saving.serialize_keras_object(dtype_policy)


_CLASSES = (
    DTypePolicy,
    FloatDTypePolicy,
    QuantizedDTypePolicy,
    QuantizedFloat8DTypePolicy,
    Int4DTypePolicy,
    GPTQDTypePolicy,
    AWQDTypePolicy,
    DTypePolicyMap,
)


def deserialize(config, custom_objects=None):
    """The policy that a config describes. Raises ValueError for what describes none."""
    from tandem.keras import saving

    if isinstance(config, dict):
        by_name = {kind.__name__: kind for kind in _CLASSES}
        name = config.get("class_name")
        if name == "FloatDTypePolicy":
            return FloatDTypePolicy(**config["config"])
        if name in by_name and not config.get("registered_name"):
            return by_name[name].from_config(config["config"])
        policy = saving.deserialize_keras_object(config, custom_objects)
        if isinstance(policy, DTypePolicy):
            return policy
    raise ValueError(explain("The config describes no dtype policy", expected="a DTypePolicy's", given=repr(config)))


def __getattr__(name):
    from tandem.keras.missing import absent

    return absent("keras.dtype_policies", name, globals())
