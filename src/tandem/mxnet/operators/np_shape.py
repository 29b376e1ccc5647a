"""Operators of `mx.np` that change shapes, and that join, cut, repeat and reorder."""

import torch

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators import shapes
from tandem.mxnet.operators.table import register
from tandem.ops import arrangement, matrices, shape, typed


def _axis(axis, x, extra=0):
    return shapes.checked_axis(axis, x.dim() + extra)


# --- the same elements in another shape ------------------------------------------------------------------------------


def reshaped(x, sizes):
    """The sizes of a reshape with NumPy's rules: one may be -1.

    Raises MXNetError where they do not fit.
    """
    known, unknown = 1, [place for place, size in enumerate(sizes) if size == -1]
    for size in sizes:
        known *= 1 if size == -1 else size
    fits = known != 0 and x.numel() % known == 0 if unknown else known == x.numel()
    if len(unknown) > 1 or not fits or any(size < -1 for size in sizes):
        raise MXNetError(
            explain("Cannot reshape", expected=f"sizes for {x.numel()} elements, one -1", given=f"newshape={sizes}")
        )
    return [x.numel() // known if size == -1 else size for size in sizes]


def _reshape(a, *, newshape, order):
    """The same elements in another shape."""
    return a.reshape(reshaped(a, newshape))


def _transpose(a, *, axes):
    """The axes in another order, by default reversed."""
    if axes is None or axes == ():
        return a.permute(tuple(range(a.dim() - 1, -1, -1)))
    if sorted(_axis(axis, a) for axis in axes) != list(range(a.dim())):
        raise MXNetError(explain("transpose needs every axis once", expected=f"{a.dim()} axes", given=f"axes={axes}"))
    return a.permute(axes)


def _squeeze(a, *, axis):
    """Without the axes of size 1, or without those given."""
    if a.dim() == 0 and axis in ((0,), (-1,)):
        return a
    gone = {place for place, size in enumerate(a.shape) if size == 1} if axis is None else {_axis(x, a) for x in axis}
    if any(a.shape[place] != 1 for place in gone):
        raise MXNetError(explain("Cannot squeeze an axis that is not of size 1", given=f"axis={axis}, {a.shape}"))
    return a.reshape([size for place, size in enumerate(a.shape) if place not in gone])


def _expand_dims(data, *, axis):
    """A new axis of size 1."""
    return data.unsqueeze(_axis(axis, data, 1))


def _moveaxis(a, *, source, destination):
    """Axes in other places."""
    if len(source) != len(destination):
        raise MXNetError(explain("moveaxis needs as many places as axes", given=f"{source} to {destination}"))
    return a.movedim([_axis(x, a) for x in source], [_axis(x, a) for x in destination])


def _swapaxes(data, *, dim1, dim2):
    """Two axes exchanged."""
    return data.transpose(_axis(dim1, data), _axis(dim2, data))


def _broadcast_to(array, *, shape):
    """The array with sizes of 1 repeated."""
    return array.expand(tuple(shape))


_OPTIONAL_AXES = {"axis": a.optional_sizes()}
register(
    "_np_reshape",
    _reshape,
    ("a",),
    {"newshape": a.sizes(), "order": a.choice("C", "F", default="C")},
    aliases_input=True,
)
register("_np_transpose", _transpose, ("a",), {"axes": a.optional_sizes()}, aliases_input=True)
register("_np_squeeze", _squeeze, ("a",), _OPTIONAL_AXES, aliases_input=True)
register("_npi_expand_dims", _expand_dims, attributes={"axis": a.integer()}, aliases_input=True)
register("_np_moveaxis", _moveaxis, ("a",), {"source": a.sizes(), "destination": a.sizes()}, aliases_input=True)
register("_npi_swapaxes", _swapaxes, attributes={"dim1": a.integer(0), "dim2": a.integer(0)}, aliases_input=True)
register("_npi_broadcast_to", _broadcast_to, ("array",), {"shape": a.sizes(())}, aliases_input=True)
register("_np_copy", typed.copied, ("a",))


def _each(function):
    """The function of one array, applied to each of several."""

    def compute(*arys, num_args=0):
        return tuple(map(function, arys))

    compute.__doc__ = function.__doc__
    return compute


for _name, _function in (
    ("1d", arrangement.at_least_one_axis),
    ("2d", arrangement.at_least_two_axes),
    ("3d", arrangement.at_least_three_axes),
):
    register(
        f"_np_atleast_{_name}",
        _each(_function),
        ("arys",),
        {"num_args": a.integer(0)},
        variadic="num_args",
        same_dtype=False,
        aliases_input=True,
    )

# --- joining ---------------------------------------------------------------------------------------------------------


def _concatenate(*data, axis):
    """Arrays joined along an existing axis, or flattened (None)."""
    if axis is None:
        return torch.cat([one.reshape(-1) for one in data])
    return torch.cat(data, _axis(axis, data[0]))


def _stack(*data, axis):
    """Arrays of one shape joined along a new axis."""
    return torch.stack(data, _axis(axis, data[0], 1))


_JOIN = {"num_args": a.integer(0), "dim": a.integer(1)}
# MXNet says that its parameter is "dim", and takes "axis".
register(
    "_npi_concatenate",
    _concatenate,
    attributes={"num_args": a.integer(0), "axis": a.optional_integer(0)},
    variadic="num_args",
)
register("_npi_stack", _stack, attributes={"axis": a.integer(0), "num_args": a.integer(0)}, variadic="num_args")


def _of_all(function):
    """The function of a tuple of arrays, with the arrays one by one."""

    def compute(*data, dim=1):
        return function(data)

    compute.__doc__ = function.__doc__
    return compute


for _name, _function, _has_dim in (
    ("hstack", arrangement.side_by_side, True),
    ("dstack", arrangement.in_depth, True),
    ("vstack", arrangement.on_top, False),
    ("column_stack", arrangement.as_columns, False),
):
    register(
        f"_npi_{_name}",
        _of_all(_function),
        attributes=_JOIN if _has_dim else {"num_args": a.integer(0)},
        variadic="num_args",
    )

# --- cutting ---------------------------------------------------------------------------------------------------------


def _split(data, *, indices, axis, squeeze_axis, sections):
    """Parts along an axis: `sections` of them, the first ones larger by one where need be, or from index to index."""
    axis = _axis(axis, data)
    if not sections and data.shape[axis] and any(index > data.shape[axis] for index in indices):
        raise MXNetError(explain("split() cuts inside the axis", expected=data.shape[axis], given=f"{indices}"))
    parts = shape.split_nearly_equal(data, sections, axis) if sections else shape.split(data, indices[1:], axis)
    return tuple(part.squeeze(axis) for part in parts) if squeeze_axis else tuple(parts)


def _hsplit(data, *, indices, axis, squeeze_axis, sections):
    """Parts along the second axis, of a vector along its only one, whatever `axis` says."""
    place = 1 if data.dim() > 1 else 0
    return _split(data, indices=indices, axis=place, squeeze_axis=squeeze_axis, sections=sections)


def _dsplit(data, *, indices, axis, squeeze_axis, sections):
    """Parts along the third axis, whatever `axis` says."""
    return _split(data, indices=indices, axis=2, squeeze_axis=squeeze_axis, sections=sections)


for _name, _function in (("split", _split), ("dsplit", _dsplit), ("hsplit", _hsplit)):
    register(
        f"_npi_{_name}",
        _function,
        attributes={
            "indices": a.sizes(),
            "axis": a.integer(1),
            "squeeze_axis": a.flag(False),
            "sections": a.integer(0),
        },
        aliases_input=True,
        list_output=True,
    )

# --- repeating and reordering ----------------------------------------------------------------------------------------


def _repeat(data, *, repeats, axis):
    """Each element (or each entry of an axis) repeated in its place."""
    return shape.repeat(data, repeats, axis if axis is None else _axis(axis, data))


def _tile(data, *, reps):
    """data repeated as a whole along its axes."""
    return shape.tile(data, reps)


def _flip(data, *, axis):
    """data with axes in reverse order."""
    return shape.reverse(data, [_axis(one, data) for one in (range(data.dim()) if axis is None else axis)])


def _roll(data, *, shift, axis):
    """data shifted along axes (or flattened), what falls off coming in at the other end."""
    if shift is None or (axis is None and len(shift) != 1):
        raise MXNetError(explain("roll() of the flattened array needs one shift", given=f"shift={shift}"))
    if axis is None:
        return shape.roll(data, shift[0])
    if len(shift) not in (1, len(axis)) or (len(axis) == 1 and len(shift) > 1):
        raise MXNetError(explain("roll() needs a shift to each axis", given=f"shift={shift}, axis={axis}"))
    return shape.roll(data, shift * (len(axis) // len(shift)), [_axis(one, data) for one in axis])


def _rot90(data, *, k, axes):
    """data turned k times by 90 degrees from the first axis towards the second."""
    if axes is None or len(axes) != 2 or data.dim() < 2 or _axis(axes[0], data) == _axis(axes[1], data):
        raise MXNetError(explain("rot90() turns in a plane", expected="two axes", given=f"axes={axes}"))
    return arrangement.turned(data, k, axes)


def _pad(data, *, pad_width, mode, constant_value, reflect_type):
    """data with entries added at both ends of its axes."""
    if reflect_type != "even":
        raise MXNetError(explain("pad() mirrors evenly", expected="reflect_type='even'", given=reflect_type))
    return arrangement.padded(data, pad_width, mode, constant_value)


register("_np_repeat", _repeat, attributes={"repeats": a.integer(), "axis": a.optional_integer()}, aliases_input=True)
register("_npi_tile", _tile, attributes={"reps": a.sizes()}, aliases_input=True)
register("_npi_flip", _flip, attributes={"axis": a.optional_sizes()}, aliases_input=True)
register("_np_roll", _roll, attributes={"shift": a.optional_sizes(), "axis": a.optional_sizes()}, aliases_input=True)
register("_npi_rot90", _rot90, attributes={"k": a.integer(1), "axes": a.optional_sizes()}, aliases_input=True)
register(
    "_npi_pad",
    _pad,
    attributes={
        "pad_width": a.pairs(),
        "mode": a.choice("constant", "edge", "maximum", "minimum", "reflect", "symmetric", default="constant"),
        "constant_value": a.real(0.0),
        "reflect_type": a.text("even"),
    },
    aliases_input=True,
)

# --- diagonals and triangles -----------------------------------------------------------------------------------------


def _diag(data, *, k):
    """The k-th diagonal of a matrix, or of a vector the matrix that has it there."""
    if data.dim() not in (1, 2):
        raise MXNetError(explain("diag() takes a vector or a matrix", given=tuple(data.shape)))
    return matrices.from_diagonal(data, k) if data.dim() == 1 else arrangement.diagonal(data, k)


def _diagflat(data, *, k):
    """The matrix with the flattened data on its k-th diagonal."""
    return matrices.from_diagonal(data.reshape(-1), k)


def _plane(data, axis1, axis2):
    first, second = _axis(axis1, data), _axis(axis2, data)
    if data.dim() < 2 or first == second:
        raise MXNetError(explain("A diagonal lies in a plane", expected="two axes", given=f"axes {axis1} and {axis2}"))
    return first, second


def _diagonal(data, *, offset, axis1, axis2):
    """The diagonals of the planes of two axes."""
    return arrangement.diagonal(data, offset, *_plane(data, axis1, axis2))


def _trace(data, *, offset, axis1, axis2):
    """The sums of the diagonals of the planes of two axes."""
    return arrangement.trace(data, offset, *_plane(data, axis1, axis2))


def _tril(data, *, k):
    """data with 0 above the k-th diagonal of its last two axes; a vector is every row of a matrix."""
    return arrangement.lower_triangle(data, k)


_PLANE = {"offset": a.integer(0), "axis1": a.integer(0), "axis2": a.integer(1)}
register("_np_diag", _diag, attributes={"k": a.integer(0)}, aliases_input=True)
register("_np_diagflat", _diagflat, attributes={"k": a.integer(0)}, aliases_input=True)
register("_np_diagonal", _diagonal, attributes=_PLANE, aliases_input=True)
register("_np_trace", _trace, attributes=_PLANE)
register("_npi_tril", _tril, attributes={"k": a.integer(0)})
