"""Quantising all layers of a model."""

import re

from tandem.core.errors import Unsupported, explain, warn
from tandem.keras.quantizers import configs


def quantize(model, mode=None, config=None, filters=None, type_check=True, **kwargs):
    """See `Model.quantize`."""
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments passed to {type(model).__name__}: {kwargs}")
    if filters is not None and not (isinstance(filters, (str, list, tuple)) or callable(filters)):
        raise ValueError(
            "The `filters` argument must be a regex string, a list of regex strings, or a callable. "
            f"Received: {type(filters)}"
        )
    config = configs.resolve(mode, config)
    structure = None
    if config.mode in ("gptq", "awq"):
        structure = _structure(model, config)
    for layer in model._flatten_layers():
        if is_wanted(layer, filters) and len(layer._flatten_layers()) == 1:
            try:
                layer.quantize(config.mode, type_check=type_check, config=config)
            except (NotImplementedError, Unsupported) as error:
                warn(str(error))
    if structure is not None:
        from tandem.keras.quantizers import calibration

        calibration.calibrate(config, structure, filters)


def is_wanted(layer, filters):
    """Whether the filters let a layer be quantised."""
    if filters is None:
        return True
    if callable(filters):
        return bool(filters(layer))
    patterns = [filters] if isinstance(filters, str) else filters
    return any(re.search(pattern, layer.name) for pattern in patterns)


def _structure(model, config):
    structure = config.quantization_layer_structure
    if structure is None:
        structure = model.get_quantization_layer_structure(config.mode)
    if structure is None:
        raise ValueError(
            explain(
                f"For mode={config.mode!r} it must be known in what order the layers come",
                expected="a dict of 'pre_block_layers' and 'sequential_blocks', in "
                "`config.quantization_layer_structure` or from `model.get_quantization_layer_structure(mode)`",
                given="None",
            )
        )
    if config.dataset is None or config.tokenizer is None:
        raise ValueError(
            f"{config.mode.upper()} quantization requires a dataset and a tokenizer. Please provide them in the "
            f"`{type(config).__name__}`."
        )
    return structure
