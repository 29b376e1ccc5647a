"""`keras.mixed_precision`: the policies under their old names."""

from tandem.keras.config import dtype_policy, set_dtype_policy
from tandem.keras.dtype_policies import DTypePolicy

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy

__all__ = [
    "DTypePolicy",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]


def __getattr__(name):
    if name == "LossScaleOptimizer":
        from tandem.keras.optimizers import LossScaleOptimizer

        return LossScaleOptimizer
    from tandem.keras.missing import missing

    raise missing("keras.mixed_precision", name, __all__)
