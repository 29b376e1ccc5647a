"""Subscripts of arrays: what a key means to MXNet, when the result shares memory, and assignment."""

import numpy as np
import torch

from tandem.core import scope
from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray, SparseStorage, in_place_error
from tandem.mxnet.paths import in_graph
from tandem.ops import subscript

_scope = scope._current


def get_item(array, key):
    """`array[key]`: a view where the elements lie together in memory, else a copy."""
    tensor = array._tensor
    if not tensor.dim() and isinstance(key, (slice, tuple)) and key in (slice(None), ()):
        return array  # all of it, which MXNet does not ask an axis for
    if _scope.recording or not torch.is_grad_enabled():
        result = _read(array, tensor, key)
        if _scope.recording and not result.requires_grad:
            result = in_graph(result, (tensor,), lambda path: _read(NDArray._wrap(path), path, key))
    else:
        with torch.no_grad():
            result = _read(array, tensor, key)
    return array._wrap(result, array._ctx)


def _read(array, tensor, key):
    if type(key) is int:  # the commonest key
        size = tensor.shape[0] if tensor.dim() else 0
        if not -size <= key < size:
            raise IndexError(f"index {key} is out of bounds for axis 0 with size {size}")
        return _rows(array, tensor)[key]
    items, advanced = normalize(key, tuple(tensor.shape), tensor.device)
    if advanced:
        return subscript.get(tensor, items)
    if lies_together(items, tensor.shape):
        return _rows(array, tensor)[items]
    result = subscript.get(tensor, items)
    return result.clone(memory_format=torch.contiguous_format) if result._is_view() else result


def _rows(array, tensor):
    """The array's tensor with its elements in C order: a slice of it can then be a view, as of MXNet's arrays."""
    if not tensor.is_contiguous():
        tensor = array._tensor = tensor.contiguous()
    return tensor


def lies_together(items, shape):
    """Whether a basic key picks elements that lie together in C order."""
    axis, whole = len(shape), True  # whole: all of the dimensions behind this one is taken
    for item in reversed(items):
        if item is None:
            continue
        axis -= 1
        size, count, step = shape[axis], 1, 1
        if isinstance(item, slice):
            start, stop, step = item.indices(size)
            count = len(range(start, stop, step))
        if count == 0 or (not whole and count != 1):
            return False
        if whole and not (count == size and (step == 1 or (size == 1 and step > 0))):
            if step < 0 or (count > 1 and step != 1):
                return False
            whole = False
    return True


def normalize(key, shape, device):
    """A key as a tuple with one entry to a dimension: an int, a slice, a tensor of indices, or None for a new one.

    Answers (tuple, whether there are tensors). Boolean arrays are indices 0 and 1, as in `mx.nd`.
    Raises IndexError for too many or too large indices, ValueError for what is no index.
    """
    if not isinstance(key, tuple):
        key = (key,)
    taken = sum(1 for item in key if item is not None and item is not Ellipsis)
    if taken > len(shape):
        raise IndexError(f"too many indices ({taken}) for array with {len(shape)} dimensions")
    ellipses = sum(1 for item in key if item is Ellipsis)
    if ellipses > 1:
        raise IndexError("Cannot use more than one ellipsis (`...`) for indexing")
    fill = [slice(None)] * (len(shape) - taken)
    items, axis, advanced = [], 0, False
    for item in key if ellipses else (*key, Ellipsis):
        if item is Ellipsis:
            items.extend(fill)
            axis += len(fill)
        elif item is None:
            items.append(None)
        else:
            item = _entry(item, shape[axis], axis, device)
            advanced = advanced or isinstance(item, torch.Tensor)
            items.append(item)
            axis += 1
    if advanced:  # numpy: an integer beside arrays is an array of one
        items = [torch.tensor([item], device=device) if type(item) is int else item for item in items]
    return tuple(items), advanced


def _entry(item, size, axis, device):
    if isinstance(item, slice):
        if item.step == 0:
            raise ValueError("slice step cannot be zero")
        return item
    if isinstance(item, (int, np.integer)):
        if not -size <= item < size:
            raise IndexError(f"index {item} is out of bounds for axis {axis} with size {size}")
        return int(item)
    if isinstance(item, NDArray):
        return item._tensor.detach().to(device=device, dtype=torch.int64)
    if isinstance(item, (list, tuple, range, np.ndarray)):
        values = np.asarray(item if isinstance(item, np.ndarray) else [_plain(entry) for entry in item])
        if values.ndim == 0 and values.dtype.kind in "biuf":
            return _entry(int(values), size, axis, device)
        if values.dtype.kind in "biuf":
            return torch.from_numpy(values.astype(np.int64)).to(device)
    raise ValueError(
        explain(
            f"NDArray does not support slicing with key {item!r} of type {type(item)}",
            expected="integers, slices, None, ..., lists or arrays of integers",
        )
    )


def _plain(entry):
    return entry.asnumpy() if isinstance(entry, NDArray) else entry


def _value(value, array):
    """What is assigned, as a tensor or a number."""
    if isinstance(value, NDArray):
        try:
            value = value._tensor
        except SparseStorage:
            raise TypeError(
                explain(
                    f"{type(array)} does not support assignment with a {value.stype} array",
                    expected="a dense array",
                    given=repr(value),
                    hint="x[:] = value.tostype('default'), or value.copyto(x).",
                )
            ) from None
        return value if value.device == array._tensor.device else value.to(array._tensor.device)
    if isinstance(value, (int, float, np.generic)):
        return value if isinstance(value, (int, float)) else value.item()
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, (list, tuple)):
        value = [_plain(item) for item in value]
    try:
        values = np.asarray(value, dtype=np.float32 if value is None else None)
        if values.dtype.kind not in "biuf":
            values = values.astype(np.float32)
        return torch.from_numpy(np.ascontiguousarray(values).reshape(values.shape)).to(array._tensor.device)
    except (TypeError, ValueError):
        raise TypeError(
            explain(
                f"{type(array)} does not support assignment with non-array-like object {value!r} of type {type(value)}"
            )
        ) from None


def set_item(array, key, value):
    """`array[key] = value`.

    Raises MXNetError for an array of a recorded computation while recording, ValueError where the shapes do not fit.
    """
    tensor = array._tensor
    whole = type(key) is slice and key == slice(None)
    items = (slice(None),) * tensor.dim() if whole else normalize(key, tuple(tensor.shape), tensor.device)[0]
    value = _value(value, array)
    if _scope.recording:
        tracked = isinstance(value, torch.Tensor) and value.requires_grad
        if tensor.requires_grad or (tracked and not whole):
            raise in_place_error()
        target = tensor
    else:
        target = tensor.data  # see NDArray._assign
    if isinstance(value, torch.Tensor):
        value = value if _scope.recording else value.detach()
    try:
        if whole and not isinstance(value, torch.Tensor):
            target.fill_(value)
        else:
            subscript.put_(target, items, value)
    except (RuntimeError, TypeError) as error:
        if isinstance(error, MXNetError) or not isinstance(value, torch.Tensor):
            raise
        raise ValueError(
            explain(
                "operands could not be broadcast together: the value does not fit the place it is assigned to",
                expected=f"a shape that broadcasts to what {key!r} picks from {array.shape}",
                given=f"a value of shape {tuple(value.shape)}",
            )
        ) from error
