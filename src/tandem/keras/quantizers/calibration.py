"""Quantising with data: GPTQ and AWQ, block by block."""

import contextlib
import math

import numpy as np
import torch

from tandem.core import scope
from tandem.core.errors import explain
from tandem.keras import tensors
from tandem.keras.layers import Dense, EinsumDense
from tandem.keras.quantizers.models import is_wanted
from tandem.keras.utils import Progbar
from tandem.ops import calibrated


def calibrate(config, structure, filters):
    """Quantise the layers of the blocks of a structure, each with the inputs that the blocks before give it.

    structure: a dict of "pre_block_layers", which are applied to token ids one after the other, and
    "sequential_blocks", each of which takes what the one before gives. Raises ValueError where there is no block.
    """
    blocks = structure.get("sequential_blocks", [])
    if not blocks:
        raise ValueError(
            explain("There is nothing to quantise", expected="layers under 'sequential_blocks'", given=structure)
        )
    with torch.no_grad(), scope.eagerly(), scope.training(False):
        values = [tensors.convert(sample) for sample in samples(config)]
        for layer in structure.get("pre_block_layers", []):
            values = [layer(value) for value in values]
        progress = Progbar(target=len(blocks))
        for number, block in enumerate(blocks):
            layers = [layer for layer in block._flatten_layers() if _waits(layer, config.mode, filters)]
            with _watching(layers, config.mode) as seen:
                for value in values:
                    block(value)
            for layer in layers:
                _quantize(layer, config, seen[id(layer)])
            if number < len(blocks) - 1:
                values = [block(value) for value in values]
            progress.update(number + 1)


def _waits(layer, mode, filters):
    """Whether a layer has been prepared for a mode and waits for data."""
    ready = isinstance(layer, (Dense, EinsumDense)) and layer.quantization_mode == mode and not layer.is_calibrated
    return ready and is_wanted(layer, filters)


@contextlib.contextmanager
def _watching(layers, mode):
    """What is known of the inputs of some layers, by their ids, from their calls inside the block."""
    seen = {id(layer): (None, 0) for layer in layers}

    def watch(layer, args):
        rows = tensors.convert(args[0]).reshape(-1, layer._rounded_shape[0])
        before, count = seen[id(layer)]
        after = calibrated.hessian(rows, before, count) if mode == "gptq" else calibrated.largest_inputs(rows, before)
        seen[id(layer)] = (after, count + rows.shape[0])

    hooks = [layer.register_forward_pre_hook(watch) for layer in layers]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _quantize(layer, config, seen):
    known, count = seen
    if not count:
        raise ValueError(
            explain(
                f"Layer '{layer.name}' was never called, so nothing is known of its inputs",
                expected="blocks that call all of their layers",
                hint="`filters` can leave it out.",
            )
        )
    weights = layer.kernel.value.detach().reshape(layer._rounded_shape).t().to(torch.float32)
    if config.mode == "awq":
        found = calibrated.awq(weights, known, size=config.group_size, points=config.num_grid_points)
        layer.take_calibrated(*found)
        return
    found = calibrated.gptq(
        weights,
        known,
        bits=config.weight_bits,
        size=config.group_size,
        symmetric=config.symmetric,
        per_channel=config.per_channel,
        damping=config.hessian_damping,
        largest_first=config.activation_order,
    )
    layer.take_calibrated(*found)


def samples(config):
    """Token ids (samples, 1, steps) from the dataset of a config: windows at equal distances of all of it, in a row.

    Raises TypeError for a dataset that is no list or the like, ValueError for an empty one.
    """
    dataset, steps, count = config.dataset, config.sequence_length, config.num_samples
    if not hasattr(dataset, "__iter__") or isinstance(dataset, (str, bytes)):
        raise TypeError(
            "The `dataset` argument must be an iterable (e.g., a list of strings, a generator, or a NumPy array). "
            f"Got type: {type(dataset).__name__}. Please pass the loaded dataset directly."
        )
    parts = [config.tokenizer.tokenize(part) if isinstance(part, str) else part for part in dataset]
    if not parts:
        raise ValueError("Provided dataset is empty.")
    ids = np.concatenate([np.asarray(tensors.convert(part).cpu()).reshape(-1).astype("int32") for part in parts])
    if not ids.size:
        raise ValueError(explain("The dataset has no tokens", expected="at least one", given=f"{len(parts)} entries"))
    ids = np.tile(ids, math.ceil(max(count * steps, 1) / ids.size))
    last = ids.size - steps
    stride = max(1, (last + 1) // count)
    starts = np.arange(count) * stride % (last + 1)
    return np.lib.stride_tricks.sliding_window_view(ids, steps)[starts][:, None, :].astype("int32")
