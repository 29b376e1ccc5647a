"""Subscripts of `mx.np.ndarray`, with NumPy's masks, and what differs in assignment from `mx.nd`."""

import numpy as onp
import torch

from tandem.core import scope
from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray import indexing
from tandem.mxnet.ndarray.ndarray import NDArray, in_place_error
from tandem.ops import subscript

_scope = scope._current


def get_item(array, key):
    """`array[key]`: a view where the elements lie together in memory, else a copy."""
    kind = type(key)
    if kind is int or kind is slice:  # the commonest keys
        return indexing.get_item(array, key)
    if kind is tuple and not key:
        return array
    key, empty = _expanded(array, key)
    found = indexing.get_item(array, key)
    if empty is None:
        return found
    return found[:0] if empty else found.copy()


def set_item(array, key, value):
    """`array[key] = value`.

    Raises MXNetError where the shapes do not fit, or for an array of a recorded computation while recording; TypeError
    for a classic NDArray as the value.
    """
    if isinstance(value, NDArray) and not isinstance(value, _plain_kind(array)):
        raise TypeError(
            explain(
                "Cannot assign mx.nd.NDArray to mxnet.numpy.ndarray",
                expected="a mx.np.ndarray, a number, a list or an array of numpy's",
                hint="NDArray.as_np_ndarray() shares its memory.",
            )
        )
    if key is Ellipsis or (type(key) is tuple and not key):
        key = slice(None)  # all of it, which may be written while recording
    if _is_fill(array, key, value):
        if _scope.recording and array._tensor.requires_grad:
            raise in_place_error()
        target = array._tensor if _scope.recording else array._tensor.data
        subscript.fill_(target, key._tensor, value)
        return
    empty = False
    if type(key) is not int and type(key) is not slice:
        key, empty = _expanded(array, key)
    if empty:
        return
    try:
        indexing.set_item(array, key, value)
    except ValueError as error:
        if isinstance(error.__cause__, RuntimeError):
            raise MXNetError(str(error)) from error
        raise


def _plain_kind(array):
    return getattr(type(array), "_plain", type(array))


def _is_fill(array, key, value):
    """Whether a number goes wherever a mask is true, which needs no indices."""
    return (
        isinstance(key, NDArray)
        and key._tensor.dtype is torch.bool
        and type(value) in (int, float)
        and key._tensor.dim() > 0
        and key._tensor.shape == array._tensor.shape[: key._tensor.dim()]
    )


def _expanded(array, key):
    """A key without masks: the indices where they are true, None for True and False.

    Answers (key, whether nothing is picked because of a False: None without such a key).
    Raises IndexError for a mask of another shape than the axes that it stands for.
    """
    items, axis, empty = [], 0, None
    if type(key) is list and key and all(type(entry) is bool for entry in key):
        key = onp.array(key)
    for item in key if type(key) is tuple else (key,):
        mask = _mask(item)
        if mask is None:
            items.append(item)
            # Behind an ellipsis axes are counted from the end: what a mask there stands for is seen when it is used.
            axis = None if axis is None or item is Ellipsis else axis + (item is not None)
        elif mask.dim() == 0:
            items.append(None)
            empty = bool(empty) or not mask.item()
        else:
            _check_mask(array.shape, axis, tuple(mask.shape))
            items.extend(array._wrap(places) for places in subscript.where_true(mask))
            axis = None if axis is None else axis + mask.dim()
    return (items[0] if len(items) == 1 and type(items[0]) is not tuple else tuple(items)), empty


def _mask(item):
    """A part of a key as a tensor of booleans; None where it is no mask."""
    if isinstance(item, NDArray):
        return item._tensor if item._tensor.dtype is torch.bool else None
    if isinstance(item, (bool, onp.bool_)) or (isinstance(item, onp.ndarray) and item.dtype == bool):
        return torch.from_numpy(onp.array(item))
    return None


def _check_mask(shape, axis, mask):
    if axis is not None and shape[axis : axis + len(mask)] != mask:
        raise IndexError(
            explain(
                "A boolean mask must have the shape of the axes that it stands for",
                expected=str(shape[axis : axis + len(mask)]),
                given=str(mask),
            )
        )
