"""Functions of `mx.np` that pick, put in, take away and find entries."""

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.numpy.functions_base import NUMBERS, as_number, checked_array, row
from tandem.mxnet.numpy.multiarray import ndarray
from tandem.ops import arrangement, indexing

__all__ = [
    "delete",
    "diag_indices_from",
    "insert",
    "may_share_memory",
    "nonzero",
    "shares_memory",
    "take",
    "unique",
    "unravel_index",
]


def take(a, indices, axis=None, mode="raise", out=None):
    """Entries along an axis, or of the flattened array (None).

    mode: what an index outside of the range means: "raise", or "clip" to it or "wrap" around it.
    Raises NotImplementedError for another mode.
    """
    if mode not in ("wrap", "clip", "raise"):
        raise NotImplementedError(f"function take does not support mode '{mode}'")
    if axis is None:
        a, axis = row("_np_reshape")(a, -1), 0
    return row("_npi_take", "take")(a, indices, axis=axis, mode=mode, out=out)


def nonzero(a):
    """The indices of what is not 0, an array of int64 to each axis."""
    places = arrangement.nonzero(checked_array(a, "x")._tensor)
    return tuple(ndarray._wrap(one, a._ctx) for one in places)


def _slice_parts(obj):
    return {"start": obj.start, "stop": obj.stop, "step": obj.step}


def delete(arr, obj, axis=None):
    """The array without the entries of an axis (of the flattened array) that a number, slice or array names.

    Raises TypeError for another kind of obj.
    """
    checked_array(arr, "arr")
    if isinstance(obj, slice):
        return row("_npi_delete", "delete")(arr, axis=axis, **_slice_parts(obj))
    if isinstance(obj, (int, onp.integer)):
        return row("_npi_delete", "delete")(arr, int_ind=int(obj), axis=axis)
    if isinstance(obj, NDArray):
        return row("_npi_delete", "delete")(arr, obj, axis=axis)
    raise TypeError(explain(f"'obj' can not support type {type(obj)}", expected="an integer, a slice or an array"))


def insert(arr, obj, values, axis=None):
    """The array with values put in before the entries of an axis (of the flattened array) that obj names.

    obj: a number, slice or array; values: a number or an array that broadcasts.
    Raises TypeError for other kinds.
    """
    checked_array(arr, "arr")
    if not isinstance(values, (NDArray, *NUMBERS)):
        raise TypeError(explain(f"'values' can not support type {type(values)}", expected="a number or an array"))
    if isinstance(values, NDArray):
        arrays, options = [arr, values], {"axis": axis}
    else:
        arrays, options = [arr], {"val": float(as_number(values)), "axis": axis}
    if isinstance(obj, slice):
        return row("_npi_insert_slice", "insert")(*arrays, **_slice_parts(obj), **options)
    if isinstance(obj, (int, onp.integer)):
        return row("_npi_insert_scalar", "insert")(*arrays, int_ind=int(obj), **options)
    if isinstance(obj, NDArray):
        names = ("arr", "values", "obj") if len(arrays) == 2 else ("arr", "obj")
        return row("_npi_insert_tensor", "insert")(**dict(zip(names, [*arrays, obj])), **options)
    raise TypeError(explain(f"'obj' can not support type {type(obj)}", expected="an integer, a slice or an array"))


def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None):
    """The different values (or entries of an axis) in order; where asked, a tuple with int64 arrays behind them.

    return_index: where each is first; return_inverse: which of them each value is; return_counts: how often.
    """
    found = row("_npi_unique", "unique")(
        checked_array(ar),
        return_index=return_index,
        return_inverse=return_inverse,
        return_counts=return_counts,
        axis=axis,
    )
    return tuple(found) if isinstance(found, list) else found


def diag_indices_from(arr):
    """The indices of the main diagonal, an array to each axis.

    Raises ValueError where the axes differ in length, or are fewer than two.
    """
    if checked_array(arr).ndim < 2 or len(set(arr.shape)) != 1:
        raise ValueError(explain("All dimensions of input must be of equal length", given=arr.shape))
    found = row("_npi_diag_indices_from", "diag_indices_from")(arr)
    return tuple(found[place] for place in range(arr.ndim))


def unravel_index(indices, shape, order="C"):
    """The coordinates, an array to each axis, of places counted row by row in an array of the shape.

    Raises MXNetError for places that are no whole numbers, or outside of the shape.
    """
    if order != "C":
        raise NotImplementedError(explain("unravel_index() works in C order", expected="order='C'", given=repr(order)))
    if isinstance(indices, NUMBERS):
        return onp.unravel_index(indices, shape)
    places = checked_array(indices)._tensor.detach()
    total = 1
    for size in shape:
        total *= size
    if places.is_floating_point() or (places.numel() and not 0 <= int(places.min()) <= int(places.max()) < total):
        raise MXNetError(
            explain("unravel_index() takes whole numbers", expected=f"0 to {total - 1}", given=f"{indices!r}"[:200])
        )
    found = indexing.unravel_index(places, shape)
    return tuple(ndarray._wrap(found[place], indices._ctx) for place in range(len(shape)))


def shares_memory(a, b, max_work=None):
    """Whether two arrays lie in one piece of memory."""
    first, second = checked_array(a, "a")._tensor, checked_array(b, "b")._tensor
    if not first.numel() or not second.numel() or first.device != second.device:
        return False
    begin, other = first.data_ptr(), second.data_ptr()
    return begin < other + _extent(second) and other < begin + _extent(first)


def _extent(tensor):
    """The bytes from a tensor's first element to behind its last."""
    last = 0
    for size, stride in zip(tensor.shape, tensor.stride()):
        last += (size - 1) * stride
    return (last + 1) * tensor.element_size()


may_share_memory = shares_memory
