"""The mathematics: pure functions on torch tensors, one family to a file, no classes, no state."""

import importlib

_FAMILIES = (
    "elementwise",
    "linalg",
    "reduce",
    "indexing",
    "losses",
    "scores",
    "updates",
    "updates_lamb",
    "updates_mxnet",
    "callbacks",
    "log_uniform",
    "densities",
    "graphs",
    "hawkes",
    "interleaved",
    "quantize",
    "sparseness",
    "spectra",
    "steps",
    "means",
    "matrix_updates",
    "init",
    "random",
    "conv",
    "pool",
    "norm",
    "rnn",
    "rnn_stack",
    "masks",
    "penalties",
    "image",
    "colour",
    "shape",
    "subscript",
    "typed",
    "heads",
    "matrices",
    "sequences",
    "columns",
    "counting",
    "boxes",
    "anchors",
    "roi",
    "sampled",
    "sampling",
    "deformable",
    "correlation",
    "promoted",
    "statistics",
    "arrangement",
    "decompositions",
    "distributions",
)

__all__ = [*_FAMILIES]


def __getattr__(name):
    if name in _FAMILIES:
        return importlib.import_module(f"tandem.ops.{name}")
    raise AttributeError(f"module 'tandem.ops' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_FAMILIES])
