"""Operators of `mx.np` that pick, put in and take away entries, and windows and grids."""

import functools

import torch

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators import shapes
from tandem.mxnet.operators.table import register
from tandem.ops import arrangement, indexing, sequences, typed


def _take(a, indices, *, axis, mode):
    """Entries along an axis; mode "raise" says where one is out of range, "clip" and "wrap" move it into the range."""
    # Indices from the end are refused too, by the kernel's own check of bounds.
    axis = shapes.checked_axis(axis, a.dim())
    return indexing.take(a, indices, axis, mode="strict" if mode == "raise" else mode)


register(
    "_npi_take",
    _take,
    ("a", "indices"),
    {"axis": a.integer(0), "mode": a.choice("clip", "raise", "wrap", default="clip")},
    same_dtype=False,
)


def _with_axes(function):
    """The function for arrays that have axes; an array without any is answered as it is where one is asked for."""

    @functools.wraps(function)
    def compute(arr, *arrays, axis, **attributes):
        return arr if arr.dim() == 0 and axis is not None else function(arr, *arrays, axis=axis, **attributes)

    return compute


def _flat(data, axis):
    return (data.reshape(-1), 0) if axis is None else (data, shapes.checked_axis(axis, data.dim()))


def _places(data, axis, start, stop, step, int_ind):
    """The places that a number or the parts of a slice mean."""
    if int_ind is not None:
        return int_ind
    return torch.tensor(list(range(*slice(start, stop, step).indices(data.shape[axis]))), dtype=torch.int64)


_SLICE = {
    "start": a.optional_integer(),
    "stop": a.optional_integer(),
    "step": a.optional_integer(),
    "int_ind": a.optional_integer(),
    "axis": a.optional_integer(),
}


@_with_axes
def _delete(arr, obj=None, *, start, stop, step, int_ind, axis):
    """arr without the entries of an axis (or of the flattened array) at some places."""
    arr, axis = _flat(arr, axis)
    return arrangement.without(arr, _places(arr, axis, start, stop, step, int_ind) if obj is None else obj, axis)


register("_npi_delete", _delete, ("arr", "obj"), _SLICE, optional=("obj",), same_dtype=False, aliases_input=True)


def _insert(arr, values, val, places, axis):
    if values is None:
        values = typed.constant(val, arr)
    return arrangement.inserted(arr, places, values, axis)


@_with_axes
def _insert_at(arr, values=None, *, val, start, stop, step, int_ind, axis):
    """arr with values put in before a place, or before each of a slice's places."""
    arr, axis = _flat(arr, axis)
    return _insert(arr, values, val, _places(arr, axis, start, stop, step, int_ind), axis)


@_with_axes
def _insert_before(arr, values=None, obj=None, *, val, start, stop, step, int_ind, axis):
    """arr with values put in before the places that an array numbers."""
    arr, axis = _flat(arr, axis)
    return _insert(arr, values, val, obj, axis)


def _valued(*names):
    return lambda attributes: ("arr", *(name for name in names if name != "values" or attributes["val"] is None))


for _name in ("scalar", "slice"):
    register(
        f"_npi_insert_{_name}",
        _insert_at,
        ("arr", "values"),
        {"val": a.optional_real(), **_SLICE},
        present=_valued("values"),
        same_dtype=False,
    )
register(
    "_npi_insert_tensor",
    _insert_before,
    ("arr", "values", "obj"),
    {"val": a.optional_real(), **_SLICE},
    present=_valued("values", "obj"),
    same_dtype=False,
)


def _mask_assign_scalar(data, mask, *, value, start_axis):
    """data with a number where a mask over its axes from `start_axis` on is true."""
    return indexing.masked(data, mask, value, start_axis)


def _mask_assign_tensor(data, mask, value, *, start_axis):
    """data with values, which broadcast, where a mask over its axes from `start_axis` on is true."""
    return indexing.masked(data, mask, value, start_axis)


for _name, _function, _inputs, _given in (
    ("scalar", _mask_assign_scalar, ("data", "mask"), {"value": a.real(a.REQUIRED)}),
    ("tensor", _mask_assign_tensor, ("data", "mask", "value"), {}),
):
    register(
        f"_npi_boolean_mask_assign_{_name}",
        _function,
        _inputs,
        {**_given, "start_axis": a.integer(0)},
        same_dtype=False,
    )


def _unique(data, *, return_index, return_inverse, return_counts, axis):
    """The different values (or entries of an axis) in order, and what else is asked for."""
    axis = axis if axis is None else shapes.checked_axis(axis, max(data.dim(), 1))
    values, *others = arrangement.unique(data, axis)
    wanted = (return_index, return_inverse, return_counts)
    return (values, *(other for other, is_wanted in zip(others, wanted) if is_wanted))


register(
    "_npi_unique",
    _unique,
    attributes={
        "return_index": a.flag(False),
        "return_inverse": a.flag(False),
        "return_counts": a.flag(False),
        "axis": a.optional_integer(),
    },
    differentiable=False,
)


def _diag_indices_from(data):
    """The indices of the main diagonal, a row to each axis."""
    if data.dim() < 2 or len(set(data.shape)) != 1:
        raise MXNetError(explain("All axes must have one length, and be two at least", given=tuple(data.shape)))
    return sequences.repeated_line(data.shape[0], data.dim(), data.device)


register("_npi_diag_indices_from", _diag_indices_from, differentiable=False)

# --- from nothing ----------------------------------------------------------------------------------------------------

_PLACE = {"ctx": a.text(""), "dtype": a.dtype("float32")}


def _window(coefficients):
    def make(*, M, dtype, device):
        return sequences.cosine_window(M, coefficients, dtype=dtype, device=device)

    make.__doc__ = "A window: a sum of cosines over M points, 0 or small at its ends."
    return make


for _name, _coefficients in (
    ("hanning", (0.5, -0.5)),
    ("hamming", (0.54, -0.46)),
    ("blackman", (0.42, -0.5, 0.08)),
):
    register(f"_npi_{_name}", _window(_coefficients), (), {"M": a.optional_integer(), **_PLACE}, creates=True)


def _indices(*, dimensions, dtype, device):
    """The coordinates of a grid."""
    return arrangement.indices(dimensions, dtype=dtype, device=device)


def _logspace(*, start, stop, num, endpoint, base, dtype, device):
    """``base ^ x`` for numbers x at equal distances from start to stop."""
    return sequences.powers(start, stop, num, base, endpoint=endpoint, dtype=dtype, device=device)


register(
    "_npi_indices", _indices, (), {"dimensions": a.sizes(), "dtype": a.dtype("int32"), "ctx": a.text("")}, creates=True
)
register(
    "_npi_logspace",
    _logspace,
    (),
    {
        "start": a.real(),
        "stop": a.real(),
        "num": a.integer(),
        "endpoint": a.flag(True),
        "base": a.real(10.0),
        **_PLACE,
    },
    creates=True,
)
