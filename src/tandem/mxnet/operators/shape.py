"""Operators that change shapes, and that join, cut, repeat and reorder."""

import itertools

import torch

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators import shapes
from tandem.mxnet.operators.table import register
from tandem.ops import subscript

# --- the same elements in another shape ------------------------------------------------------------------------------


def _reshape(data, *, shape, reverse, target_shape, keep_highest):
    """The same elements in another shape; see `NDArray.reshape` for the codes.

    target_shape, keep_highest: the older form, in which one 0 is what remains.
    """
    if not shape:
        if not target_shape:
            raise MXNetError(explain("Reshape needs a shape", expected="shape=(...)", given="shape=()"))
        shape = tuple(-1 if size == 0 else size for size in target_shape)
        if keep_highest:
            shape = (data.shape[0], *shape[1:])
    return data.reshape(shapes.reshaped(tuple(data.shape), shape, reverse))


register(
    "Reshape",
    _reshape,
    attributes={
        "shape": a.sizes(()),
        "reverse": a.flag(False),
        "target_shape": a.sizes(()),
        "keep_highest": a.flag(False),
    },
    aliases=("reshape",),
    aliases_input=True,
)


def _reshape_like(lhs, rhs, *, lhs_begin, lhs_end, rhs_begin, rhs_end):
    """lhs in rhs's shape, or with its axes from begin to end replaced by those of rhs."""
    if lhs_begin is None and rhs_begin is None and lhs_end is None and rhs_end is None:
        return data_in_shape(lhs, tuple(rhs.shape))
    middle = tuple(rhs.shape)[slice(rhs_begin, rhs_end)]
    own = tuple(lhs.shape)
    begin, end, _ = slice(lhs_begin, lhs_end).indices(len(own))
    return data_in_shape(lhs, own[:begin] + middle + own[end:])


def data_in_shape(data, shape):
    """data in a shape without codes.

    Raises MXNetError where the sizes do not fit.
    """
    total = 1
    for size in shape:
        total *= size
    if total != data.numel():
        raise MXNetError(explain("Cannot reshape", expected=f"{data.numel()} elements", given=f"shape {shape}"))
    return data.reshape(shape)


register(
    "reshape_like",
    _reshape_like,
    ("lhs", "rhs"),
    {name: a.optional_integer() for name in ("lhs_begin", "lhs_end", "rhs_begin", "rhs_end")},
    aliases_input=True,
    same_dtype=False,
)


def _flatten(data):
    """(N, ...) as (N, the rest)."""
    return data.reshape(data.shape[0], -1) if data.numel() else data.flatten(1)


register("Flatten", _flatten, aliases=("flatten",), aliases_input=True)


def _expand_dims(data, *, axis):
    """A new axis of size 1."""
    if not -data.dim() - 1 <= axis <= data.dim():
        raise MXNetError(explain("No place for a new axis", expected=f"up to {data.dim()}", given=f"axis={axis}"))
    return data.unsqueeze(axis)


register("expand_dims", _expand_dims, attributes={"axis": a.integer()}, aliases_input=True)


def _squeeze(data, *, axis):
    """Without the axes of size 1, or without those given."""
    if axis is None:
        kept = [size for size in data.shape if size != 1]
    else:
        gone = {shapes.checked_axis(one, data.dim()) for one in axis}
        for one in gone:
            if data.shape[one] != 1:
                raise MXNetError(
                    explain("Cannot squeeze an axis that is not of size 1", expected=1, given=f"{data.shape[one]}")
                )
        kept = [size for place, size in enumerate(data.shape) if place not in gone]
    return data.reshape(kept)


register("squeeze", shapes.with_axis(_squeeze), attributes={"axis": a.optional_sizes()}, aliases_input=True)


def _transpose(data, *, axes):
    """The axes in another order, by default reversed."""
    axes = axes or tuple(range(data.dim() - 1, -1, -1))
    if sorted(shapes.checked_axis(axis, data.dim()) for axis in axes) != list(range(data.dim())):
        raise MXNetError(
            explain("transpose needs every axis once", expected=f"{data.dim()} axes", given=f"axes={axes}")
        )
    return data.permute(axes)


register("transpose", _transpose, attributes={"axes": a.sizes(())}, aliases_input=True)


def _swap_axes(data, *, dim1, dim2):
    """Two axes exchanged."""
    return data.transpose(shapes.checked_axis(dim1, data.dim()), shapes.checked_axis(dim2, data.dim()))


register(
    "SwapAxis",
    _swap_axes,
    attributes={"dim1": a.integer(0), "dim2": a.integer(0)},
    aliases=("swapaxes",),
    aliases_input=True,
)


def _shape_array(data):
    """The sizes, an array of int64."""
    return torch.tensor(data.shape, dtype=torch.int64, device=data.device)


def _size_array(data):
    """The number of elements, an array of int64."""
    return torch.tensor([data.numel()], dtype=torch.int64, device=data.device)


register("shape_array", _shape_array, differentiable=False)
register("size_array", _size_array, differentiable=False)

# --- broadcasting ----------------------------------------------------------------------------------------------------


def _broadcast(data, shape):
    for have, want in zip(data.shape, shape):
        if have not in (1, want):
            raise MXNetError(explain("Cannot broadcast", expected=tuple(shape), given=tuple(data.shape)))
    return data.expand(shape)


def _broadcast_to(data, *, shape):
    """data with sizes of 1 repeated to those of shape; zeros in it keep a size."""
    if len(shape) != data.dim():
        raise MXNetError(
            explain("broadcast_to needs a size to each axis", expected=f"{data.dim()} sizes", given=f"shape={shape}")
        )
    return _broadcast(data, [size or have for size, have in zip(shape, data.shape)])


register("broadcast_to", _broadcast_to, attributes={"shape": a.sizes(())}, aliases_input=True)


def _broadcast_axis(data, *, axis, size):
    """data with the given axes, of size 1, repeated to the given sizes."""
    wanted = list(data.shape)
    for one, length in zip(axis, size):
        one = shapes.checked_axis(one, data.dim())
        if data.shape[one] != 1:
            raise MXNetError(
                explain("Broadcasting axis must have size 1", expected=1, given=f"{data.shape[one]} on axis {one}")
            )
        wanted[one] = length
    return data.expand(wanted)


register(
    "broadcast_axis",
    _broadcast_axis,
    attributes={"axis": a.sizes(()), "size": a.sizes(())},
    aliases=("broadcast_axes",),
    aliases_input=True,
)


def _broadcast_like(lhs, rhs, *, lhs_axes, rhs_axes):
    """lhs with sizes of 1 repeated to rhs's; with axes, only those."""
    if lhs_axes is None:
        if lhs.dim() != rhs.dim():
            raise MXNetError(explain("Cannot broadcast", expected=tuple(rhs.shape), given=tuple(lhs.shape)))
        return _broadcast(lhs, rhs.shape)
    wanted = list(lhs.shape)
    for mine, other in zip(lhs_axes, rhs_axes or ()):
        wanted[mine] = rhs.shape[other]
    return _broadcast(lhs, wanted)


register(
    "broadcast_like",
    _broadcast_like,
    ("lhs", "rhs"),
    {"lhs_axes": a.optional_sizes(), "rhs_axes": a.optional_sizes()},
    aliases_input=True,
    same_dtype=False,
)

# --- cutting ---------------------------------------------------------------------------------------------------------


def _raw_slices(begin, end, step):
    return [slice(b, e, s) for b, e, s in zip(begin, end, step or (None,) * len(begin))]


def _slice(data, *, begin, end, step=()):
    """``data[begin[0]:end[0]:step[0], begin[1]:...]``."""
    if len(begin) > data.dim() or len(begin) != len(end):
        raise MXNetError(
            explain("slice needs as many ends as begins", expected=f"up to {data.dim()}", given=f"{begin}, {end}")
        )
    key = tuple(_raw_slices(begin, end, step)) + (slice(None),) * (data.dim() - len(begin))
    return subscript.get(data, key)


register(
    "slice",
    _slice,
    attributes={"begin": a.bounds(), "end": a.bounds(), "step": a.bounds(())},
    aliases=("crop",),
    aliases_input=True,
)


def _slice_axis(data, *, axis, begin, end):
    """``data[..., begin:end, ...]`` on one axis; None: to its end."""
    axis = shapes.checked_axis(axis, data.dim())
    size = data.shape[axis]
    first = begin + size if begin < 0 else begin
    last = size if end is None else end + size if end < 0 else end
    if not 0 <= first < last <= size:
        raise MXNetError(
            explain("slice_axis needs begin < end inside the axis", expected=f"0 to {size}", given=f"{begin} to {end}")
        )
    return data.narrow(axis, first, last - first)


register(
    "slice_axis",
    _slice_axis,
    attributes={"axis": a.integer(), "begin": a.integer(), "end": a.optional_integer(a.REQUIRED)},
    aliases_input=True,
)


def _slice_like(data, shape_like, *, axes):
    """The beginning of data, of shape_like's size on all axes or on those given."""
    places = [shapes.checked_axis(axis, data.dim()) for axis in axes] or range(min(data.dim(), shape_like.dim()))
    if not axes and data.dim() != shape_like.dim():
        raise MXNetError(explain("slice_like needs as many axes", expected=data.dim(), given=shape_like.dim()))
    for axis in places:
        if shape_like.shape[axis] > data.shape[axis]:
            raise MXNetError(
                explain("slice_like exceeds the data", expected=tuple(data.shape), given=tuple(shape_like.shape))
            )
        data = data.narrow(axis, 0, shape_like.shape[axis])
    return data


register(
    "slice_like",
    _slice_like,
    ("data", "shape_like"),
    {"axes": a.sizes(())},
    aliases_input=True,
    same_dtype=False,
)


def _split(data, *, num_outputs, axis, squeeze_axis):
    """Equal parts along an axis; squeeze_axis takes it away where they have size 1."""
    axis = shapes.checked_axis(axis, data.dim())
    size = data.shape[axis]
    if num_outputs < 1 or size % num_outputs:
        raise MXNetError(
            explain(
                "Cannot split into equal parts", expected=f"a divisor of {size}", given=f"num_outputs={num_outputs}"
            )
        )
    parts = data.split(size // num_outputs, axis)
    return tuple(_squeezed(part, axis) for part in parts) if squeeze_axis else parts


def _squeezed(part, axis):
    if part.shape[axis] != 1:
        raise MXNetError(explain("squeeze_axis needs parts of size 1", expected=1, given=part.shape[axis]))
    return part.squeeze(axis)


register(
    "SliceChannel",
    _split,
    attributes={"num_outputs": a.integer(), "axis": a.integer(1), "squeeze_axis": a.flag(False)},
    aliases=("split",),
    aliases_input=True,
)


def _split_v2(data, *, indices, axis, squeeze_axis, sections):
    """Parts along an axis: `sections` equal ones, or those that begin at the indices."""
    if sections:
        return _split(data, num_outputs=sections, axis=axis, squeeze_axis=squeeze_axis)
    axis = shapes.checked_axis(axis, data.dim())
    bounds = [*indices, data.shape[axis]]
    parts = tuple(
        subscript.get(data, (*[slice(None)] * axis, slice(first, last), *[slice(None)] * (data.dim() - axis - 1)))
        for first, last in itertools.pairwise(bounds)
    )
    return tuple(_squeezed(part, axis) for part in parts) if squeeze_axis else parts


register(
    "_split_v2",
    _split_v2,
    attributes={
        "indices": a.sizes(),
        "axis": a.integer(1),
        "squeeze_axis": a.flag(False),
        "sections": a.integer(0),
    },
    aliases_input=True,
)

# --- joining ---------------------------------------------------------------------------------------------------------


def _concat(*data, dim):
    """Arrays joined along an existing axis."""
    return torch.cat(data, shapes.checked_axis(dim, data[0].dim()))


_CONCAT = {"num_args": a.integer(0), "dim": a.integer(1)}
register("Concat", _concat, attributes=_CONCAT, aliases=("concat",), variadic="num_args")
register("_rnn_param_concat", _concat, attributes=_CONCAT, variadic="num_args")


def _stack(*data, axis):
    """Arrays of one shape joined along a new axis."""
    return torch.stack(data, axis)


register("stack", _stack, attributes={"axis": a.integer(0), "num_args": a.integer(0)}, variadic="num_args")
