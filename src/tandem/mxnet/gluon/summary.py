"""The table that `Block.summary` prints."""

import math
import sys

from tandem.core import arrays
from tandem.core.arrays import Array
from tandem.core.errors import explain

_WIDTH = 80
_ROW = "{:>20}  {:>42} {:>15}"


def _shapes(values):
    return ", ".join(str(leaf.shape) if isinstance(leaf, Array) else str(leaf) for leaf in arrays.leaves(values))


def print_summary(block, inputs):
    """Run the block on some inputs and print a row for each layer in the order in which they answered."""
    from tandem.mxnet.gluon import nn

    rows, handles = [("Input", _shapes(inputs), 0)], []
    seen, totals = set(), {"all": 0, "trained": 0, "shared": 0}

    def count(layer):
        sizes = 0
        for parameter in layer.params.values():
            size = math.prod(parameter.shape)
            sizes += size
            totals["trained"] += 0 if parameter.grad_req == "null" else size
            if parameter in seen:
                totals["shared"] += size
            seen.add(parameter)
        totals["all"] += sizes
        return sizes

    def register(layer):
        if getattr(layer, "_active", False):
            raise AssertionError(explain(f'"{layer.name}" must not be hybridized to print summary'))
        if not isinstance(layer, (nn.Sequential, nn.HybridSequential)):
            handles.append(layer.register_forward_hook(hook))

    def hook(layer, _, outputs):
        rows.append((f"{_kind(layer)}-{len(rows)}", _shapes(outputs), count(layer)))

    block.apply(register)
    try:
        block(*inputs)
    finally:
        for handle in handles:
            handle.detach()
    unique = sum(math.prod(parameter.shape) for parameter in {id(p): p for p in _all(block)}.values())
    lines = [
        "-" * _WIDTH,
        _ROW.format("Layer (type)", "Output Shape", "Param #"),
        "=" * _WIDTH,
        *(_ROW.format(*row) for row in rows),
        "=" * _WIDTH,
        "Parameters in forward computation graph, duplicate included",
        f"   Total params: {totals['all']}",
        f"   Trainable params: {totals['trained']}",
        f"   Non-trainable params: {totals['all'] - totals['trained']}",
        f"Shared params in forward computation graph: {totals['shared']}",
        f"Unique parameters in model: {unique}",
        "-" * _WIDTH,
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _kind(layer):
    return type(getattr(layer, "_foreign", layer)).__name__


def _all(block):
    return block.collect_params().values()
