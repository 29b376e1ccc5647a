"""Picking, ordering, searching."""

import torch

from tandem.keras.ops.family import Family, common, result_type, spec, tensor
from tandem.keras.symbolic import any_symbolic
from tandem.ops import array_index, indexing

NAMES = Family()
_INT32 = torch.int32


@NAMES.op("GetItem", 2)
def get_item(x, key):
    """``x[key]``."""
    return array_index.get(tensor(x), key)


@NAMES.op("Take", 2)
def take(x, indices, axis=None):
    """The entries of x along an axis (None: of the flattened x) that the indices number, negative ones from the end."""
    return array_index.take(tensor(x), tensor(indices), axis)


@NAMES.op("TakeAlongAxis", 2)
def take_along_axis(x, indices, axis=None):
    """``y[i, j] = x[i, indices[i, j]]`` along axis 1, and so on."""
    return indexing.take_along(tensor(x), tensor(indices), axis)


@NAMES.op("Argsort")
def argsort(x, axis=-1):
    """The indices that sort x along an axis (None: the flattened x): int32."""
    x, axis = (tensor(x).reshape(-1), -1) if axis is None else (tensor(x), axis)
    return array_index.argsort(x, axis).to(_INT32)


@NAMES.op("Sort")
def sort(x, axis=-1):
    """x in rising order along an axis (None: the flattened x)."""
    x, axis = (tensor(x).reshape(-1), -1) if axis is None else (tensor(x), axis)
    return array_index.sort(x, axis)


@NAMES.op("Argpartition")
def argpartition(x, kth, axis=-1):
    """Indices after which the kth smallest entry is in its place, smaller ones before, larger ones behind: int32."""
    return array_index.argpartition(tensor(x), kth, axis).to(_INT32)


def _nonzero_spec(x):
    return tuple(spec((None,), "int32") for _ in x.shape)


def _nonzero_rows(x):
    return tuple(array_index.nonzero(tensor(x)).to(_INT32).unbind(0))


_rows = NAMES.add("nonzero", _nonzero_rows, "Nonzero", spec=_nonzero_spec)


@NAMES.plain
def nonzero(x):
    """Where x is not 0: a row of indices to each axis (of a symbolic value, as in Keras, a tuple of rows)."""
    return _rows(x) if any_symbolic(x) else array_index.nonzero(tensor(x)).to(_INT32)


nonzero.operation = _rows.operation


@NAMES.op("SearchSorted", 2)
def searchsorted(sorted_sequence, values, side="left"):
    """Where each value belongs in a rising vector, before ("left") or behind ("right") equal ones: int32."""
    sequence = tensor(sorted_sequence)
    if sequence.dim() != 1:
        raise ValueError(
            "`searchsorted` only supports 1-D sorted sequences; `keras.ops.vectorized_map` extends it. "
            f"Received: sorted_sequence.shape={tuple(sequence.shape)}"
        )
    if side not in ("left", "right"):
        raise ValueError(f"`side` must be 'left' or 'right'. Received: side={side}")
    values = tensor(values)
    dtype = common(sequence.dtype, values.dtype)
    return array_index.search(sequence.to(dtype), values.to(dtype), side).to(_INT32)


@NAMES.op("Digitize", 2)
def digitize(x, bins):
    """The number of the bin that each value lies in: how many edges are not above it. int32."""
    edges, x = tensor(bins), tensor(x)
    if edges.dim() != 1:
        raise ValueError(f"`bins` must be a 1D array. Received: bins={bins} of shape {tuple(edges.shape)}")
    dtype = common(edges.dtype, x.dtype)
    return array_index.search(edges.to(dtype), x.to(dtype), "right").to(_INT32)


@NAMES.op("UnravelIndex")
def unravel_index(indices, shape):
    """The places in an array of a shape that indices into the flattened array name: a tuple of tensors."""
    if None in shape:
        raise ValueError(f"`shape` argument cannot contain `None`. Received: shape={shape}")
    indices = tensor(indices)
    return tuple(indexing.unravel_index(indices, tuple(shape)).to(result_type(indices)).unbind(0))


def _unique_spec(
    x, sorted=True, return_index=False, return_inverse=False, return_counts=False, axis=None, size=None, fill_value=None
):
    rank = len(x.shape)
    shape = (size,) if axis is None else [size if i == axis % rank else d for i, d in enumerate(x.shape)]
    count = 1
    for one in x.shape:
        count = None if count is None or one is None else count * one
    found = [spec(shape, x.dtype)]
    found += [spec((size,), "int32")] * return_index
    if return_inverse:
        found.append(spec(x.shape if axis is None else (x.shape[axis],), "int32"))
    found += [spec((size,), "int32")] * return_counts
    return found[0] if len(found) == 1 else tuple(spec(one.shape, one.dtype) for one in found)


@NAMES.op("Unique", spec=_unique_spec)
def unique(
    x, sorted=True, return_index=False, return_inverse=False, return_counts=False, axis=None, size=None, fill_value=None
):
    """The different values (or entries of an axis) of x in order; where each is first, which each is, how often.

    size: how many to give, by cutting off or filling up with `fill_value` (by default the smallest).
    """
    x = tensor(x)
    values, index, inverse, counts = array_index.unique(x, axis)
    place = 0 if axis is None else axis
    if size is not None:
        values = array_index.resized(values, size, place, fill_value)
        index, counts = array_index.resized(index, size, 0, 0), array_index.resized(counts, size, 0, 0)
    found = [values]
    if return_index:
        found.append(index)
    if return_inverse:
        found.append(inverse.reshape(x.shape if axis is None else (-1,)))
    if return_counts:
        found.append(counts)
    return found[0] if len(found) == 1 else tuple(found)


@NAMES.op("Size", spec=lambda x: spec((), "int32"))
def size(x):
    """The number of elements, a tensor."""
    x = tensor(x)
    return torch.full((), x.numel(), dtype=torch.int64, device=x.device)


@NAMES.plain
def ndim(x):
    """The number of axes."""
    return len(x.shape) if hasattr(x, "shape") else tensor(x).dim()
