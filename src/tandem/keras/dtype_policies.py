"""Dtype policies: what a layer stores its variables in, and what it computes in."""

from tandem.core import dtypes
from tandem.core.errors import Unsupported, explain, suggest
from tandem.keras import config

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
_global = None


class DTypePolicy:
    """A name that gives two dtypes: that of the variables and that of the computation.

    name: a dtype ("float32", "bfloat16", …: both are that) or "mixed_float16" / "mixed_bfloat16" (variables float32).
    Raises ValueError for another name.
    """

    def __init__(self, name=None):
        if name is None:
            name = dtype_policy_name()
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
        return isinstance(other, DTypePolicy) and self.name == other.name

    def __hash__(self):
        return hash(self.name)

    def __repr__(self):
        return f'<DTypePolicy "{self._name}">'


FloatDTypePolicy = DTypePolicy


class DTypePolicyMap:
    """Policies by the paths of layers; not supported yet."""

    def __init__(self, default_policy=None, policy_map=None):
        raise Unsupported("`DTypePolicyMap` is not supported yet. Give each layer its policy with `dtype=`.")


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
        return DTypePolicy(identifier)
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


def deserialize(config, custom_objects=None):
    """The policy that a config describes."""
    if isinstance(config, dict) and "class_name" in config and config["class_name"] == "DTypePolicy":
        return DTypePolicy(**config["config"])
    raise Unsupported(explain("This dtype policy is not supported", expected="a DTypePolicy", given=repr(config)))


def __getattr__(name):
    from tandem.keras.missing import absent

    return absent("keras.dtype_policies", name, globals())
