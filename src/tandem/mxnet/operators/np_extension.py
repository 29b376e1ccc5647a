"""Operators that `mx.npx` has and `mx.nd` has not."""

import torch

from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.shapes import reshaped_numpy
from tandem.mxnet.operators.table import Operator, register
from tandem.ops import elementwise, indexing, reduce


def _reshape(a, *, newshape, reverse, order):
    """The array in another shape; see `shapes.reshaped_numpy`.

    Raises ValueError for another order than C.
    """
    if order != "C":
        raise ValueError(f"reshape works in C order, not in {order}")
    return a.reshape(reshaped_numpy(a.shape, newshape, reverse))


def _nonzero(x):
    """The places of what is not 0, one to a row: (places, dimensions), int64."""
    return indexing.places(x.reshape(1) if x.dim() == 0 else x)


def _constraint_check(input, *, msg):
    """Whether all is true.

    Raises TypeError for anything but bools.
    """
    if input.dtype is not torch.bool:
        raise TypeError("a constraint is an array of bools")
    return reduce.all(input)


def _masked_softmax(data, mask, *, axis, temperature):
    """softmax(data / temperature) over what the mask has true along an axis, 0 elsewhere."""
    return elementwise.masked_softmax(data, mask, axis, temperature=temperature)


def _masked_log_softmax(data, mask, *, axis, temperature):
    """log_softmax(data / temperature) over what the mask has true along an axis, -inf elsewhere."""
    return elementwise.masked_log_softmax(data, mask, axis, temperature=temperature)


def _index_add(a, ind, val):
    """a with val added at the indices."""
    return indexing.index_add(a, ind, val)


def _index_update(a, ind, val):
    """a with val at the indices."""
    return indexing.index_update(a, ind, val)


register(
    "_npx_reshape",
    _reshape,
    ("a",),
    {"newshape": a.sizes(), "reverse": a.flag(False), "order": a.text("C")},
    aliases_input=True,
)
register("_npx_nonzero", _nonzero, ("x",), differentiable=False)
register(
    "_npx_constraint_check",
    _constraint_check,
    ("input",),
    {"msg": a.text("Constraint violated.")},
    differentiable=False,
)

# MXNet 2.0's, which are no operators of 1.9.1 and so have no place in its table.
_SOFTMAX = {"axis": a.integer(-1), "temperature": a.optional_real(None)}
LATER = {
    row.name: row
    for row in (
        Operator("masked_softmax", _masked_softmax, ("data", "mask"), _SOFTMAX, same_dtype=False),
        Operator("masked_log_softmax", _masked_log_softmax, ("data", "mask"), _SOFTMAX, same_dtype=False),
        Operator("index_add", _index_add, ("a", "ind", "val"), same_dtype=False),
        Operator("index_update", _index_update, ("a", "ind", "val"), same_dtype=False),
    )
}
