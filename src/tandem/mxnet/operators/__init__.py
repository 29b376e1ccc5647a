"""The operator table: every operator of MXNet that is there, one family to a file."""

from tandem.mxnet.operators import (
    contrib,
    creation,
    custom,
    detection,
    elementwise,
    heads,
    image,
    indexing,
    linalg,
    nn,
    norm,
    np_elementwise,
    np_extension,
    np_indexing,
    np_linalg,
    np_reduce,
    np_shape,
    pdf,
    random,
    rearrange,
    reduce,
    rnn,
    shape,
    sparse,
    sparse_updates,
    updates,
    updates_more,
    vision,
)
from tandem.mxnet.operators.table import OPERATORS, Operator, lookup, register

__all__ = [
    "OPERATORS",
    "Operator",
    "contrib",
    "creation",
    "custom",
    "detection",
    "elementwise",
    "heads",
    "image",
    "indexing",
    "linalg",
    "lookup",
    "names",
    "nn",
    "norm",
    "np_elementwise",
    "np_extension",
    "np_indexing",
    "np_linalg",
    "np_reduce",
    "np_shape",
    "pdf",
    "random",
    "rearrange",
    "reduce",
    "register",
    "rnn",
    "shape",
    "sparse",
    "sparse_updates",
    "updates",
    "updates_more",
    "vision",
]


def names(prefix=""):
    """Public name -> operator name, for the operators of a prefix ("_contrib_"), or without one for those of `nd`."""
    if not prefix:
        return {name: name for name in OPERATORS if not name.startswith("_")}
    return {name[len(prefix) :]: name for name in OPERATORS if name.startswith(prefix)}
