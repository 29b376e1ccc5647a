"""`tf.ragged`, and what functions of `tf` do with ragged tensors."""

import numpy as np
import torch

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow.ragged_rows import RaggedTensor, from_dense, nested, paired, rows_of
from tandem.compat.tensorflow.tensor import adopt, convert
from tandem.core.errors import explain
from tandem.keras import ops


def constant(pylist, dtype=None, ragged_rank=None, inner_shape=None, name=None, row_splits_dtype=None):
    """Nested lists as a ragged tensor; ragged_rank: how many axes are ragged, the others are of one length."""
    pylist = pylist.tolist() if isinstance(pylist, np.ndarray) else pylist
    if ragged_rank is None and inner_shape is not None:
        depth, inner = 0, pylist
        while isinstance(inner, (list, tuple)):
            depth, inner = depth + 1, inner[0] if inner else None
        ragged_rank = depth - 1 - len(tuple(inner_shape))
    if ragged_rank == 0 or not isinstance(pylist, (list, tuple)):
        return convert(pylist, dtype)
    if not any(isinstance(one, (list, tuple, np.ndarray)) for one in pylist):
        if pylist:
            return convert(pylist, dtype)
        pylist = []
        return convert(np.zeros(0, dtypes.as_dtype(dtype or dtypes.float32).as_numpy_dtype))
    rows = [one.tolist() if isinstance(one, np.ndarray) else one for one in pylist]
    return nested(rows, None if dtype is None else dtypes.as_dtype(dtype), ragged_rank)


def range_(starts, limits=None, deltas=1, dtype=None, name=None, row_splits_dtype=None):
    """The numbers from each start to before each limit, a row each."""
    starts, limits = (np.zeros_like(np.asarray(starts)), starts) if limits is None else (starts, limits)
    trio = np.broadcast_arrays(*(np.asarray(convert(one)) for one in (starts, limits, deltas)))
    rows = [np.arange(*one) for one in zip(*(part.reshape(-1) for part in trio))]
    kind = dtypes.as_dtype(dtype or dtypes.as_dtype(np.result_type(*trio)))
    return nested([row.astype(kind.as_numpy_dtype).tolist() for row in rows], kind, 1)


def _as_ragged(value, depth=1):
    if isinstance(value, RaggedTensor):
        return value
    value = convert(value)
    return from_dense(value, min(depth, len(value.shape) - 1))


def stack(values, axis=0, name=None):
    """Values of which some have rows of different lengths, or which differ in length, as one ragged tensor."""
    parts = [one if isinstance(one, RaggedTensor) else convert(one) for one in values]
    rank = len(parts[0].shape)
    if axis < 0:
        axis += rank + 1
    if axis:
        parts = [_as_ragged(one) for one in parts]
        if axis == 1:
            places = np.arange(len(parts) * len(parts[0])).reshape(len(parts), -1).T.reshape(-1)
            return RaggedTensor(concat(parts, 0).take(places), np.arange(len(parts[0]) + 1) * len(parts))
        return parts[0].with_values(_stack([one.values for one in parts], axis - 1))
    splits = np.concatenate([[0], np.cumsum([len(one) for one in parts])])
    return RaggedTensor(concat(parts, 0) if rank > 1 else _joined(parts), splits)


def _stack(parts, axis):
    from tandem.compat.tensorflow import arrays

    return arrays.NAMES["stack"](parts, axis)


def _joined(parts):
    from tandem.compat.tensorflow import arrays

    return arrays.NAMES["concat"](parts, 0)


def concat(values, axis):
    """One after the other along an axis."""
    depth = max((one.ragged_rank for one in values if isinstance(one, RaggedTensor)), default=1)
    parts = [_as_ragged(one, depth) for one in values]
    axis = axis % parts[0].ndim
    if axis == 0:
        splits = np.concatenate([[0], np.cumsum(np.concatenate([one.lengths for one in parts]))])
        inner = [one.values for one in parts]
        ragged = any(isinstance(one, RaggedTensor) for one in inner)
        return RaggedTensor(concat(inner, 0) if ragged else _joined(inner), splits)
    if axis == 1:
        if len({len(one) for one in parts}) > 1:
            raise ValueError(explain("Ragged tensors of different numbers of rows", given=[len(one) for one in parts]))
        places = np.arange(len(parts) * len(parts[0])).reshape(len(parts), -1).T.reshape(-1)
        rows = concat(parts, 0).take(places)
        return RaggedTensor(rows.values, rows.splits[:: len(parts)])
    inner = [one.values for one in parts]
    ragged = any(isinstance(one, RaggedTensor) for one in inner)
    from tandem.compat.tensorflow import arrays

    return parts[0].with_values(concat(inner, axis - 1) if ragged else arrays.NAMES["concat"](inner, axis - 1))


def tile(input, multiples):
    """The rows, and what is in them, so many times."""
    rows, inner, *rest = multiples
    if any(one != 1 for one in rest):
        input = input.with_values(_tile(input.values, [1, *rest]))
    if inner != 1:
        input = concat([input] * inner, 1)
    return input if rows == 1 else concat([input] * rows, 0)


def _tile(values, multiples):
    from tandem.compat.tensorflow import arrays

    return arrays.NAMES["tile"](values, multiples)


def gather(params, indices, axis=0):
    """Rows of ragged tensors by numbers, and rows of a tensor by ragged numbers."""
    if isinstance(indices, RaggedTensor):
        return indices.with_values(gather(params, indices.values, axis))
    if not isinstance(params, RaggedTensor):
        from tandem.compat.tensorflow import arrays

        return arrays.NAMES["gather"](params, indices, axis=axis)
    if axis:
        raise NotImplementedError(explain("Ragged tensors are gathered along axis 0", given=f"axis={axis}"))
    indices = np.asarray(convert(indices))
    if not indices.ndim:
        return params[int(indices)]
    found = params.take(indices)
    for size in reversed(indices.shape[1:]):
        found = RaggedTensor(found, np.arange(len(found) // max(size, 1) + 1) * size)
    return found


def where(condition, x, y):
    """x where the condition holds, else y, of ragged tensors of the same rows."""
    from tandem.compat.tensorflow import arrays

    shaped = next(one for one in (condition, x, y) if isinstance(one, RaggedTensor))
    both = [paired(lambda a, b: b, shaped, one) if one is not shaped else one for one in (condition, x, y)]
    return shaped.with_flat_values(arrays.NAMES["where"](*(one.flat_values for one in both)))


def boolean_mask(data, mask, name=None):
    """The entries where the mask is true, in the rows that they are in."""
    if not isinstance(mask, RaggedTensor):
        mask = convert(mask)
        if len(mask.shape) == 1:
            places = np.flatnonzero(np.asarray(mask))
            return data.take(places) if isinstance(data, RaggedTensor) else rows_of(convert(data), places)
        mask = from_dense(mask)
    data = _as_ragged(data)
    if not np.array_equal(data.splits, mask.splits):
        raise ValueError(explain("The mask has other rows", expected=data.lengths, given=mask.lengths))
    if isinstance(mask.values, RaggedTensor):
        return data.with_values(boolean_mask(data.values, mask.values))
    kept = np.asarray(mask.values)
    count = np.bincount(data.owners[kept], minlength=len(data))
    splits = np.concatenate([[0], np.cumsum(count)])
    return RaggedTensor(rows_of(data.values, np.flatnonzero(kept)), splits)


def map_flat_values(op, *args, **kwargs):
    """A function of the innermost values: the same rows of what it gives."""
    from tandem.core import arrays as trees

    shaped = [one for one in (*args, *kwargs.values()) if isinstance(one, RaggedTensor)]
    if not shaped:
        return op(*args, **kwargs)
    args, kwargs = trees.map_tree(lambda one: one.flat_values if isinstance(one, RaggedTensor) else one, (args, kwargs))
    return shaped[0].with_flat_values(op(*args, **kwargs))


def row_splits_to_segment_ids(splits, name=None, out_type=None):
    """The row of each value."""
    splits = np.asarray(convert(splits))
    return convert(np.repeat(np.arange(len(splits) - 1), np.diff(splits)), out_type or dtypes.int64)


def segment_ids_to_row_splits(segment_ids, num_segments=None, out_type=None, name=None):
    """Where each row begins and the last one ends."""
    ids = np.asarray(convert(segment_ids))
    counts = np.bincount(ids, minlength=0 if num_segments is None else int(num_segments))
    return convert(np.concatenate([[0], np.cumsum(counts)]), out_type or dtypes.int64)


def stack_dynamic_partitions(data, partitions, num_partitions, name=None):
    """The rows of each partition's number, in their order."""
    data, numbers = convert(data), np.asarray(convert(partitions)).reshape(-1)
    order = np.argsort(numbers, kind="stable")
    counts = np.bincount(numbers, minlength=int(num_partitions))
    return RaggedTensor(rows_of(data, order), np.concatenate([[0], np.cumsum(counts)]))


# --- reductions ------------------------------------------------------------------------------------------------------


def _segments(name, values, ids, count):
    """The values of each segment together."""
    from tandem.compat.tensorflow import _math as math

    ids = convert(np.asarray(ids, "int64"))
    if name in ("reduce_any", "reduce_all"):
        kind = {"reduce_any": "max", "reduce_all": "min"}[name]
        whole = ops.cast(values, "int32")
        found = math.NAMES[f"unsorted_segment_{kind}"](whole, ids, count)
        return ops.greater(ops.clip(found, 0, 1) if kind == "max" else ops.minimum(found, 1), 0)
    kind = name.removeprefix("reduce_")
    if kind == "mean":
        values = values if values.dtype.is_floating_point else ops.cast(values, "float64")
        total = math.NAMES["unsorted_segment_sum"](values, ids, count)
        ones = math.NAMES["unsorted_segment_sum"](ops.ones_like(ids, dtype=str(total.dtype)[6:]), ids, count)
        return ops.divide(total, ops.reshape(ones, (-1, *[1] * (len(values.shape) - 1))))
    if kind in ("variance", "std"):
        mean = _segments("reduce_mean", values, ids, count)
        square = _segments("reduce_mean", ops.square(values), ids, count)
        found = ops.subtract(square, ops.square(mean))
        return ops.sqrt(found) if kind == "std" else found
    return math.NAMES[f"unsorted_segment_{kind}"](values, ids, count)


def reduced(name, ragged, axis, keepdims):
    """A reduction along some axes, or all."""
    from tandem.compat.tensorflow import _math as math

    function = math.NAMES[name]
    if axis is None:
        return function(ragged.flat_values)
    if isinstance(axis, tuple):
        found = ragged
        for one in sorted((one % ragged.ndim for one in axis), reverse=True):
            found = function(found, axis=one, keepdims=keepdims)
        return found
    axis %= ragged.ndim
    if axis > 1:
        return ragged.with_values(function(ragged.values, axis=axis - 1, keepdims=keepdims))
    if isinstance(ragged.values, RaggedTensor):
        if axis == 0:
            raise NotImplementedError(explain("Rows of ragged rows are reduced along axis 1 or more", given="axis=0"))
        rows = [function(row, axis=0) for row in ragged]
        return stack(rows)
    ids, count = (ragged.owners, len(ragged)) if axis else (ragged.columns, int(ragged.lengths.max(initial=0)))
    found = adopt(_segments(name, ragged.values, ids, count))
    return ops.expand_dims(found, axis) if keepdims else found


def rebuilt(ragged, function):
    """A function of each row, of which it changes no length (`reverse`, `cumsum`)."""
    parts = [function(row) for row in ragged]
    return RaggedTensor(_joined(parts) if parts else ragged.values, ragged.splits)


def is_ragged(*values):
    """Whether one of some values is ragged."""
    return any(type(one) is RaggedTensor for one in values)


def expand_dims(input, axis):
    """A new axis of size 1."""
    axis %= input.ndim + 1
    if axis == 0:
        return RaggedTensor(input, [0, len(input)], len(input))
    if axis == 1:
        return RaggedTensor(input, np.arange(len(input) + 1), 1)
    from tandem.compat.tensorflow import arrays

    return input.with_values(arrays.NAMES["expand_dims"](input.values, axis - 1))


def squeeze(input, axis):
    """Without axes of size 1."""
    if axis[0] % input.ndim == 0 and len(input) == 1:
        return input.values
    from tandem.compat.tensorflow import arrays

    return input.with_values(arrays.NAMES["squeeze"](input.values, [one % input.ndim - 1 for one in axis]))


def matmul(a, b):
    """Ragged matrices times a matrix."""
    if isinstance(a, RaggedTensor) and not isinstance(b, RaggedTensor) and isinstance(a.values, torch.Tensor):
        return a.with_values(ops.matmul(a.values, convert(b)))
    raise NotImplementedError(explain("A ragged tensor is multiplied with a matrix", given=f"{a!r:.60}, {b!r:.60}"))


NAMES = {
    "boolean_mask": boolean_mask,
    "constant": constant,
    "map_flat_values": map_flat_values,
    "range": range_,
    "row_splits_to_segment_ids": row_splits_to_segment_ids,
    "segment_ids_to_row_splits": segment_ids_to_row_splits,
    "stack": stack,
    "stack_dynamic_partitions": stack_dynamic_partitions,
}
