"""The operator table: every operator of MXNet that is there, one family to a file."""

from tandem.mxnet.operators import (
    creation,
    custom,
    elementwise,
    heads,
    image,
    indexing,
    linalg,
    nn,
    norm,
    random,
    rearrange,
    reduce,
    rnn,
    shape,
    updates,
)
from tandem.mxnet.operators.table import OPERATORS, Operator, lookup, register

__all__ = [
    "OPERATORS",
    "Operator",
    "creation",
    "custom",
    "elementwise",
    "heads",
    "image",
    "indexing",
    "linalg",
    "lookup",
    "names",
    "nn",
    "norm",
    "random",
    "rearrange",
    "reduce",
    "register",
    "rnn",
    "shape",
    "updates",
]


def names(prefix=""):
    """Public name -> operator name, for the operators of a prefix ("_contrib_"), or without one for those of `nd`."""
    if not prefix:
        return {name: name for name in OPERATORS if not name.startswith("_")}
    return {name[len(prefix) :]: name for name in OPERATORS if name.startswith(prefix)}
