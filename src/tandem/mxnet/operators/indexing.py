"""Operators that pick, place and order elements."""

import torch

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators import shapes
from tandem.mxnet.operators.table import register
from tandem.ops import indexing, shape, subscript

_INDICES = {"same_dtype": False}

# --- picking ---------------------------------------------------------------------------------------------------------


def _take(data, indices, *, axis, mode):
    """Entries of data along an axis; indices out of range are clipped, wrapped, or raise."""
    mode = "strict" if mode == "raise" else mode
    return indexing.take(data, indices, shapes.checked_axis(axis, data.dim()), mode=mode)


register(
    "take",
    _take,
    ("a", "indices"),
    {"axis": a.integer(0), "mode": a.choice("clip", "raise", "wrap", default="clip")},
    **_INDICES,
)


def _batch_take(data, indices):
    """``data[i, indices[i]]``."""
    return indexing.pick(data, indices.reshape(data.shape[:-1]), -1)


register("batch_take", _batch_take, ("a", "indices"), **_INDICES)


def _pick(data, index, *, axis, keepdims, mode):
    """One element along axis for each position of the other axes."""
    if axis is None:
        raise MXNetError(explain("pick needs an axis", expected="an integer", given="axis=None"))
    axis = shapes.checked_axis(axis, data.dim())
    places = tuple(size for place, size in enumerate(data.shape) if place != axis)
    kept = tuple(1 if place == axis else size for place, size in enumerate(data.shape))
    if tuple(index.shape) not in (places, kept) and not (places == () and index.numel() == 1):
        raise MXNetError(explain("pick needs an index to each position", expected=places, given=tuple(index.shape)))
    return indexing.pick(data, index.reshape(kept), axis, keepdims=keepdims, mode=mode)


register(
    "pick",
    shapes.with_axis(_pick),
    ("data", "index"),
    {
        "axis": a.optional_integer(-1),
        "keepdims": a.flag(False),
        "mode": a.choice("clip", "wrap", default="clip"),
    },
    aliases=("choose_element_0index",),
    **_INDICES,
)


class _OutOfRange(MXNetError, IndexError):
    """What MXNet raises as IndexError, though most errors of operators are MXNetErrors."""


def _gather_nd(data, indices):
    """``data[indices[0], indices[1], ...]``."""
    try:
        return indexing.gather_nd(data, indices)
    except IndexError as error:
        raise _OutOfRange(explain(f"gather_nd: {error}", given=f"data of shape {tuple(data.shape)}")) from None


register("gather_nd", _gather_nd, ("data", "indices"), **_INDICES)


def _scatter_nd(data, indices, *, shape):
    """Zeros of a shape with data at ``[indices[0], indices[1], ...]``."""
    return indexing.scatter_nd(data, indices, shape)


register("scatter_nd", _scatter_nd, ("data", "indices"), {"shape": a.sizes()}, **_INDICES)


def _embedding(data, weight, *, input_dim, output_dim, dtype, sparse_grad):
    """The rows of weight that data numbers; numbers out of range are clipped."""
    if tuple(weight.shape) != (input_dim, output_dim):
        raise MXNetError(
            explain(
                "Shape inconsistent in Embedding: weight", expected=(input_dim, output_dim), given=tuple(weight.shape)
            )
        )
    if sparse_grad and weight.requires_grad:
        from tandem.engine import record
        from tandem.mxnet import gradients

        sparse_grad = gradients.wants_rows(weight)
        if sparse_grad:
            record.refuse("a row_sparse gradient has as many rows as were picked")
    return indexing.embedding(data.detach(), weight, mode="clip", sparse_gradient=sparse_grad)


register(
    "Embedding",
    _embedding,
    ("data", "weight"),
    {
        "input_dim": a.integer(),
        "output_dim": a.integer(),
        "dtype": a.dtype("float32"),
        "sparse_grad": a.flag(False),
    },
    **_INDICES,
)


def _where(condition, x, y):
    """x where the condition is not 0, else y; a condition of one axis chooses rows."""
    if x.shape != y.shape or condition.shape not in (x.shape, x.shape[:1]):
        raise MXNetError(
            explain(
                "where() chooses between arrays of one shape",
                expected=f"conditions of shape {tuple(x.shape)} or {tuple(x.shape[:1])}, and y like x",
                given=f"{tuple(condition.shape)}, {tuple(x.shape)}, {tuple(y.shape)}",
            )
        )
    return shape.where(condition, x, y)


register("where", _where, ("condition", "x", "y"), **_INDICES)


def _boolean_mask(data, index, *, axis):
    """The entries of data along its first axis where index is not 0."""
    if axis != 0:
        raise MXNetError(explain("boolean_mask works on the first axis", expected="axis=0", given=f"axis={axis}"))
    if tuple(index.shape) != tuple(data.shape[:1]):
        raise MXNetError(
            explain("boolean_mask needs a flag to each row", expected=tuple(data.shape[:1]), given=tuple(index.shape))
        )
    return indexing.boolean_mask(data, index, 0)


register("_contrib_boolean_mask", _boolean_mask, ("data", "index"), {"axis": a.integer(0)}, **_INDICES)


def _index_copy(old_tensor, index_vector, new_tensor):
    """old_tensor with the rows that the index numbers replaced by those of new_tensor."""
    return indexing.put_rows(old_tensor, index_vector, new_tensor)


register("_contrib_index_copy", _index_copy, ("old_tensor", "index_vector", "new_tensor"), **_INDICES)


def _index_array(data, *, axes):
    """The coordinates of each element (on the given axes), as int64 along a new last axis."""
    places = torch.arange(data.numel(), device=data.device).reshape(data.shape)
    coordinates = indexing.unravel_index(places, tuple(data.shape))
    kept = range(data.dim()) if axes is None else [shapes.checked_axis(axis, data.dim()) for axis in axes]
    return torch.stack([coordinates[axis] for axis in kept], -1)


register("_contrib_index_array", _index_array, attributes={"axes": a.optional_sizes()}, differentiable=False)


def _ravel(data, *, shape):
    """The places in an array of a shape of the coordinates in data's columns."""
    return indexing.ravel_index(data, shape)


def _unravel(data, *, shape):
    """The coordinates of places in an array of a shape, as columns."""
    return indexing.unravel_index(data, shape)


_SHAPE = {"shape": a.sizes(())}
register("_ravel_multi_index", _ravel, attributes=_SHAPE, aliases=("ravel_multi_index",), differentiable=False)
register("_unravel_index", _unravel, attributes=_SHAPE, aliases=("unravel_index",), differentiable=False)


def _fill_element(lhs, mhs, rhs):
    """lhs with ``lhs[i, rhs[i]] = mhs[i]``."""
    return indexing.set_picked(lhs, rhs, mhs)


register("fill_element_0index", _fill_element, ("lhs", "mhs", "rhs"), differentiable=False, **_INDICES)


def _places(data, begin, end, step):
    slices = [slice(b, e, s) for b, e, s in zip(begin, end, step or (None,) * len(begin))]
    return (*slices, *[slice(None)] * (data.dim() - len(slices)))


def _slice_assign(lhs, rhs, *, begin, end, step):
    """A copy of lhs with rhs in the slice from begin to end."""
    return subscript.put(lhs, _places(lhs, begin, end, step), rhs)


def _slice_assign_scalar(data, *, scalar, begin, end, step):
    """A copy of data with a number in the slice from begin to end."""
    return subscript.put(data, _places(data, begin, end, step), scalar)


_SLICE = {"begin": a.bounds(), "end": a.bounds(), "step": a.bounds(())}
register("_slice_assign", _slice_assign, ("lhs", "rhs"), _SLICE, aliases=("_crop_assign",))
register(
    "_slice_assign_scalar",
    _slice_assign_scalar,
    attributes={"scalar": a.real(0.0), **_SLICE},
    aliases=("_crop_assign_scalar",),
)


def _one_hot(indices, *, depth, on_value, off_value, dtype):
    """on_value at the index, else off_value, along a new last axis."""
    return indexing.one_hot(indices, depth, on=on_value, off=off_value, dtype=dtype)


_NUMBERS = {"on_value": a.real(1.0), "off_value": a.real(0.0), "dtype": a.dtype("float32")}
register("one_hot", _one_hot, ("indices",), {"depth": a.integer(), **_NUMBERS}, differentiable=False)


def _one_hot_rows(lhs, rhs):
    """One-hot rows of lhs in rhs's shape."""
    return indexing.one_hot(lhs, rhs.shape[1], dtype=rhs.dtype)


register("_onehot_encode", _one_hot_rows, ("lhs", "rhs"), differentiable=False, **_INDICES)

# --- ordering --------------------------------------------------------------------------------------------------------


def _along(data, axis):
    """data and the axis to order along; None flattens."""
    return (data.reshape(-1), 0) if axis is None else (data, shapes.checked_axis(axis, data.dim()))


def _topk(data, *, axis, k, ret_typ, is_ascend, dtype):
    """The k largest (or smallest) elements along axis: their indices, values, both, or a mask."""
    flat, place = _along(data, axis)
    size = flat.shape[place]
    if k > size:
        raise MXNetError(explain("topk has too few elements", expected=f"at most {size}", given=f"k={k}"))
    k = k if k > 0 else size
    if ret_typ == "mask":
        return (indexing.topk_mask(data.detach(), k, axis, largest=not is_ascend),)
    values, places = indexing.topk(flat, k, place, largest=not is_ascend)
    found = {"value": (values,), "indices": (places.to(dtype),), "both": (values, places.to(dtype))}
    return found[ret_typ]


register(
    "topk",
    _topk,
    attributes={
        "axis": a.optional_integer(-1),
        "k": a.integer(1),
        "ret_typ": a.choice("both", "indices", "mask", "value", default="indices"),
        "is_ascend": a.flag(False),
        "dtype": a.dtype("float32"),
    },
    aliases_input=True,
)


def _sort(data, *, axis, is_ascend):
    """data in order along axis."""
    flat, place = _along(data, axis)
    return indexing.sort(flat, place, ascending=is_ascend)


def _argsort(data, *, axis, is_ascend, dtype):
    """The indices that put data in order along axis."""
    flat, place = _along(data, axis)
    return indexing.argsort(flat, place, ascending=is_ascend, dtype=dtype)


register("sort", _sort, attributes={"axis": a.optional_integer(-1), "is_ascend": a.flag(True)})
register(
    "argsort",
    _argsort,
    attributes={"axis": a.optional_integer(-1), "is_ascend": a.flag(True), "dtype": a.dtype("float32")},
    differentiable=False,
)
