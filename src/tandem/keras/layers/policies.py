"""The dtype policy of a layer."""

from tandem.core import dtypes
from tandem.core.errors import explain
from tandem.keras import dtype_policies


class Policies:
    """The part of `Layer` that says in which dtypes it stores and computes."""

    @property
    def dtype_policy(self):
        """The policy: what variables are stored in, and what is computed in."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value):
        own = self.__dict__
        policy, before = dtype_policies.get(value), own.get("_dtype_policy")
        if isinstance(before, dtype_policies.DTypePolicyMap) and own.get("_path"):
            if own["_path"] in before:
                del before[own["_path"]]
            before[own["_path"]] = policy
        else:
            own["_dtype_policy"] = policy
        self._take_policy()
        mode = policy.quantization_mode
        if mode is not None and own.get("built") and not getattr(self, "_is_quantized", False):
            self.quantize(mode, config=_config_of(mode, policy))

    def _check_is_quantized(self):
        """Raise NotImplementedError where the policy says a mode that the layer does not have."""
        if not getattr(self, "_is_quantized", False):
            self.quantized_call()

    def _take_policy(self):
        """Take note of the policy, of a map the one for this layer's path."""
        own = self.__dict__
        policy = own["_dtype_policy"]
        if isinstance(policy, dtype_policies.DTypePolicyMap) and own.get("_path"):
            policy = policy[own["_path"]]
        own["_policy"] = policy
        compute = dtypes.torch_dtype(policy.compute_dtype)
        own["_cast_to"] = compute if self.autocast and compute.is_floating_point else None
        own["_autocast_to"] = compute if self.autocast and policy.compute_dtype != policy.variable_dtype else None

    @property
    def dtype(self):
        """The name of the dtype of the variables."""
        return self._policy.variable_dtype

    @property
    def variable_dtype(self):
        """The name of the dtype of the variables."""
        return self._policy.variable_dtype

    @property
    def compute_dtype(self):
        """The name of the dtype of the computation."""
        return self._policy.compute_dtype

    @property
    def input_dtype(self):
        """The name of the dtype that floating point inputs are cast to."""
        return self._policy.compute_dtype

    @property
    def quantization_mode(self):
        """The mode that the layer is quantised in, or None."""
        return self._policy.quantization_mode


def _config_of(mode, policy):
    """The config that makes a layer what its policy says."""
    from tandem.keras.quantizers.configs import Int4QuantizationConfig

    if mode in ("gptq", "awq"):
        raise ValueError(
            explain(
                f"Setting the `dtype_policy` to {policy.name!r} does not quantise: {mode.upper()} needs data",
                expected=f"`quantize({mode!r}, config=...)` of the model",
                given=f"dtype_policy={policy.name!r}",
            )
        )
    return Int4QuantizationConfig(block_size=getattr(policy, "block_size", -1)) if mode == "int4" else None
