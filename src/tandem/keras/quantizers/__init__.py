"""`keras.quantizers`: weights and inputs as small integers or 8-bit floats."""

import inspect

from tandem.core.errors import explain, suggest
from tandem.core.naming import snake_case
from tandem.keras import saving
from tandem.keras.quantizers.configs import (
    AWQConfig,
    Float8QuantizationConfig,
    GPTQConfig,
    Int4QuantizationConfig,
    Int8QuantizationConfig,
    QuantizationConfig,
)
from tandem.keras.quantizers.functions import (
    abs_max_quantize,
    abs_max_quantize_grouped_with_zero_point,
    compute_float8_amax_history,
    compute_float8_scale,
    fake_quant_with_min_max_vars,
    pack_int4,
    quantize_and_dequantize,
    unpack_int4,
)
from tandem.keras.quantizers.quantizer import AbsMaxQuantizer, Quantizer

__all__ = [
    "AWQConfig",
    "AbsMaxQuantizer",
    "Float8QuantizationConfig",
    "GPTQConfig",
    "Int4QuantizationConfig",
    "Int8QuantizationConfig",
    "QuantizationConfig",
    "Quantizer",
    "abs_max_quantize",
    "abs_max_quantize_grouped_with_zero_point",
    "compute_float8_amax_history",
    "compute_float8_scale",
    "deserialize",
    "fake_quant_with_min_max_vars",
    "get",
    "pack_int4",
    "quantize_and_dequantize",
    "serialize",
    "unpack_int4",
]

_CLASSES = (
    AWQConfig,
    AbsMaxQuantizer,
    Float8QuantizationConfig,
    GPTQConfig,
    Int4QuantizationConfig,
    Int8QuantizationConfig,
    QuantizationConfig,
    Quantizer,
)
_BY_NAME = {name: kind for kind in _CLASSES for name in (kind.__name__, snake_case(kind.__name__))}


def serialize(initializer):
    """The config of a quantiser, as files hold it."""
    return saving.serialize_keras_object(initializer)


def deserialize(config, custom_objects=None):
    """The quantiser that a config describes."""
    if isinstance(config, dict) and config.get("class_name") in _BY_NAME and not config.get("registered_name"):
        with saving.CustomObjectScope(custom_objects):
            return _BY_NAME[config["class_name"]].from_config(config.get("config") or {})
    return saving.deserialize_keras_object(config, custom_objects)


def get(identifier, **kwargs):
    """The quantiser of a name, a config or an object; kwargs: arguments for a class that is given by name.

    Raises ValueError for anything else.
    """
    found = identifier
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        found = deserialize(identifier)
    elif isinstance(identifier, str):
        found = _BY_NAME.get(identifier)
    if not callable(found):
        raise ValueError(
            explain(
                f"Could not interpret quantizer identifier: {identifier}",
                expected="the name of a class, a config or a quantizer",
                given=repr(identifier),
                hint=suggest(identifier, _BY_NAME),
            )
        )
    return found(**kwargs) if inspect.isclass(found) else found
