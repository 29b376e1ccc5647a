"""`tf.sparse`."""

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import _math as math
from tandem.compat.tensorflow.sparse_tensors import SparseTensor, from_dense, picked, to_dense
from tandem.compat.tensorflow.tensor import adopt, convert, ints
from tandem.core.errors import explain
from tandem.keras import ops


def _flat(places, sizes):
    return np.ravel_multi_index(tuple(places.T), sizes) if places.shape[1] else np.zeros(len(places), "int64")


def _places(flat, sizes):
    if not len(sizes):
        return np.zeros((len(flat), 0), "int64")
    return np.stack(np.unravel_index(flat, sizes), -1).astype("int64").reshape(len(flat), len(sizes))


def reorder(sp_input, name=None):
    """The same values, their places in order."""
    order = np.argsort(_flat(sp_input.places, sp_input.sizes), kind="stable")
    return SparseTensor(sp_input.places[order], picked(sp_input.values, order), sp_input.sizes)


def _merged(places, values, sizes, reduce="sum"):
    """Values that have a place together as one."""
    flat, owners = np.unique(_flat(places, sizes), return_inverse=True)
    values = math.NAMES[f"unsorted_segment_{reduce}"](values, convert(owners.astype("int64")), len(flat))
    return SparseTensor(_places(flat, sizes), values, sizes)


def add(a, b, threshold=0):
    """The sum: sparse where both are; values of it that are not above `threshold` are left out."""
    if not isinstance(a, SparseTensor) or not isinstance(b, SparseTensor):
        return math.NAMES["add"](to_dense(a), to_dense(b))
    return _together(a, b, "sum", threshold)


def _together(a, b, reduce, threshold=0):
    if a.sizes != b.sizes:
        raise ValueError(explain("Sparse tensors of two shapes", given=f"{a.shape} and {b.shape}"))
    values = ops.concatenate([a.values, b.values])
    found = _merged(np.concatenate([a.places, b.places]), values, a.sizes, reduce)
    if not threshold:
        return found
    return retain(found, np.abs(np.asarray(found.values)) > float(threshold))


def _extreme(name, choose):
    def compute(sp_a, sp_b, name=None):
        zero = ops.zeros_like
        keys = [set(_flat(one.places, one.sizes).tolist()) for one in (sp_a, sp_b)]
        both = np.array(sorted(keys[0] | keys[1]), "int64")
        places = _places(both, sp_a.sizes)
        key = tuple(convert(column) for column in places.T)
        first, second = (to_dense(reorder(one))[key] if len(both) else zero(one.values) for one in (sp_a, sp_b))
        return SparseTensor(places, choose(first, second), sp_a.sizes)

    compute.__name__, compute.__doc__ = name, f"The {name} of two sparse tensors, where one has a value."
    return compute


def retain(sp_input, to_retain):
    """The values of which a mask says so."""
    kept = np.flatnonzero(np.asarray(to_retain))
    return SparseTensor(sp_input.places[kept], picked(sp_input.values, kept), sp_input.sizes)


def sparse_dense_matmul(sp_a, b, adjoint_a=False, adjoint_b=False, name=None):
    """The product of a sparse and a whole matrix (either may come first)."""
    if not isinstance(sp_a, SparseTensor):
        a, sp = convert(sp_a), b
        a = math.turned(a, adjoint=adjoint_a)
        turned = sparse_dense_matmul(sp, ops.swapaxes(a, -1, -2), adjoint_a=not adjoint_b)
        return adopt(ops.swapaxes(turned, -1, -2))
    if isinstance(b, SparseTensor):
        b = to_dense(b)
    b = math.turned(convert(b), adjoint=adjoint_b)
    rows, columns = sp_a.places.T[::-1] if adjoint_a else sp_a.places.T
    sizes = sp_a.sizes[::-1] if adjoint_a else sp_a.sizes
    if sizes[1] != b.shape[0]:
        raise ValueError(explain("The matrices do not fit", given=f"{sizes} and {tuple(b.shape)}"))
    parts = ops.multiply(ops.expand_dims(sp_a.values, -1), ops.take(b, convert(columns.copy()), axis=0))
    return math.NAMES["unsorted_segment_sum"](parts, convert(rows.copy()), sizes[0])


def _reduced(name, reduce, dense):
    def compute(sp_input, axis=None, keepdims=False, output_is_sparse=False, name=None, reduction_axes=None):
        axis = reduction_axes if axis is None else axis
        rank = len(sp_input.sizes)
        axes = tuple(range(rank)) if axis is None else tuple(one % rank for one in ints(axis))
        kept = [one for one in range(rank) if one not in axes]
        sizes = [sp_input.sizes[one] for one in kept]
        found = _merged(sp_input.places[:, kept], sp_input.values, sizes, reduce)
        if keepdims:
            places = np.zeros((len(found.places), rank), "int64")
            places[:, kept] = found.places
            found = SparseTensor(places, found.values, [1 if n in axes else sp_input.sizes[n] for n in range(rank)])
        if output_is_sparse:
            return found
        if not found.sizes:
            return found.values[0] if len(found.places) else dense(found.values)
        return to_dense(found)

    compute.__name__, compute.__doc__ = name, f"`{name}` of the values along some axes."
    return compute


def reshape(sp_input, shape, name=None):
    """The same values in another shape."""
    sizes, count = list(ints(shape)), int(np.prod(sp_input.sizes))
    if -1 in sizes:
        rest = int(np.prod([one for one in sizes if one != -1]))
        sizes[sizes.index(-1)] = count // max(rest, 1)
    if int(np.prod(sizes)) != count:
        raise ValueError(explain("A shape has another number of elements", expected=count, given=sizes))
    return SparseTensor(_places(_flat(sp_input.places, sp_input.sizes), sizes), sp_input.values, sizes)


def transpose(sp_input, perm=None, name=None):
    """The axes in another order, by default the reverse."""
    perm = list(range(len(sp_input.sizes)))[::-1] if perm is None else list(ints(perm))
    return reorder(SparseTensor(sp_input.places[:, perm], sp_input.values, [sp_input.sizes[one] for one in perm]))


def expand_dims(sp_input, axis=None, name=None):
    """A new axis of size 1."""
    axis = -1 if axis is None else int(axis)
    axis %= len(sp_input.sizes) + 1
    places = np.insert(sp_input.places, axis, 0, axis=1)
    return SparseTensor(places, sp_input.values, [*sp_input.sizes[:axis], 1, *sp_input.sizes[axis:]])


def _end_to_end(parts):
    """Values one after the other."""
    from tandem.compat.tensorflow import arrays

    return arrays.NAMES["concat"](parts, 0)


def concat(axis, sp_inputs, expand_nonconcat_dims=False, name=None):
    """One after the other along an axis."""
    axis %= len(sp_inputs[0].sizes)
    places, start = [], 0
    for one in sp_inputs:
        moved = one.places.copy()
        moved[:, axis] += start
        places.append(moved)
        start += one.sizes[axis]
    sizes = np.max([one.sizes for one in sp_inputs], 0).tolist()
    others = [[size for n, size in enumerate(one.sizes) if n != axis] for one in sp_inputs]
    if not expand_nonconcat_dims and any(one != others[0] for one in others):
        raise ValueError(explain("The other axes differ", given=[one.sizes for one in sp_inputs]))
    sizes[axis] = start
    return reorder(SparseTensor(np.concatenate(places), _end_to_end([one.values for one in sp_inputs]), sizes))


def slice_(sp_input, start, size, name=None):
    """The block that begins at `start`."""
    start, size = ints(start), ints(size)
    ends = [min(a + b, whole) for a, b, whole in zip(start, size, sp_input.sizes, strict=True)]
    kept = ((sp_input.places >= start) & (sp_input.places < ends)).all(1)
    rows = np.flatnonzero(kept)
    sizes = [max(end - a, 0) for a, end in zip(start, ends, strict=True)]
    return SparseTensor(sp_input.places[rows] - np.asarray(start), picked(sp_input.values, rows), sizes)


def split(sp_input=None, num_split=None, axis=None, name=None):
    """Into so many parts along an axis, the first ones one longer where it does not divide."""
    size, count = sp_input.sizes[axis], int(num_split)
    lengths = [size // count + (number < size % count) for number in range(count)]
    found, at = [], 0
    for length in lengths:
        start, sizes = [0] * len(sp_input.sizes), list(sp_input.sizes)
        start[axis], sizes[axis] = at, length
        found.append(slice_(sp_input, start, sizes))
        at += length
    return found


def softmax(sp_input, name=None):
    """The softmax of the values of each row of the last axis."""
    owners = np.unique(_flat(sp_input.places[:, :-1], sp_input.sizes[:-1]), return_inverse=True)[1]
    count = int(owners.max(initial=-1)) + 1
    ids = convert(owners.astype("int64"))
    top = ops.take(math.NAMES["unsorted_segment_max"](sp_input.values, ids, count), ids)
    shares = ops.exp(ops.subtract(sp_input.values, top))
    total = ops.take(math.NAMES["unsorted_segment_sum"](shares, ids, count), ids)
    return sp_input.with_values(ops.divide(shares, total))


def fill_empty_rows(sp_input, default_value, name=None):
    """(the matrix with a value in the first column of each row that had none, which rows these are)."""
    empty = np.ones(sp_input.sizes[0], bool)
    empty[sp_input.places[:, 0]] = False
    rows = np.flatnonzero(empty)
    extra = np.zeros((len(rows), len(sp_input.sizes)), "int64")
    extra[:, 0] = rows
    fill = convert([_item(default_value)] * len(rows), sp_input.dtype) if len(rows) else None
    values = sp_input.values if fill is None else _end_to_end([sp_input.values, fill])
    found = SparseTensor(np.concatenate([sp_input.places, extra]), values, sp_input.sizes)
    return reorder(found), convert(empty)


def _item(value):
    return value.numpy() if hasattr(value, "numpy") else value


def eye(num_rows, num_columns=None, dtype=dtypes.float32, name=None):
    """The unit matrix."""
    rows = int(num_rows)
    columns = rows if num_columns is None else int(num_columns)
    count = min(rows, columns)
    ones = ops.ones((count,), dtype=dtypes.as_dtype(dtype).name)
    return SparseTensor(np.repeat(np.arange(count)[:, None], 2, 1), ones, [rows, columns])


def map_values(op, *args, **kwargs):
    """A function of the values: the same places of what it gives."""
    first = next(one for one in (*args, *kwargs.values()) if isinstance(one, SparseTensor))
    args = [one.values if isinstance(one, SparseTensor) else one for one in args]
    kwargs = {name: one.values if isinstance(one, SparseTensor) else one for name, one in kwargs.items()}
    return first.with_values(op(*args, **kwargs))


def mask(a, mask_indices, name=None):
    """Rows of `IndexedSlices` without some."""
    kept = np.flatnonzero(~np.isin(np.asarray(a.indices), np.asarray(mask_indices)))
    from tandem.compat.tensorflow.variables import IndexedSlices

    return IndexedSlices(picked(a.values, kept), picked(a.indices, kept), a.dense_shape)


def to_indicator(sp_input, vocab_size, name=None):
    """Whether each number is among the values of a row: (rows, vocab_size), bool."""
    sizes = [*sp_input.sizes[:-1], int(vocab_size)]
    found = np.zeros(sizes, bool)
    found[(*sp_input.places[:, :-1].T, np.asarray(sp_input.values))] = True
    return convert(found)


def reset_shape(sp_input, new_shape=None):
    """The same values in a larger shape, or in the smallest."""
    sizes = (sp_input.places.max(0) + 1).tolist() if new_shape is None else ints(new_shape)
    if any(new <= place for new, place in zip(sizes, sp_input.places.max(0, initial=-1), strict=True)):
        raise ValueError(explain("The shape does not hold all values", given=sizes))
    return SparseTensor(sp_input.indices, sp_input.values, sizes)


def _cross(inputs, number_of):
    columns = [to_lists(one) for one in inputs]
    rows = []
    for parts in zip(*columns, strict=True):
        found = [()]
        for part in parts:
            found = [(*before, one) for before in found for one in part]
        rows.append([number_of(one) for one in found])
    return rows


def to_lists(value):
    """The rows of a matrix, whole or sparse, as lists."""
    if isinstance(value, SparseTensor):
        rows = [[] for _ in range(value.sizes[0])]
        values = value.values.tolist()
        for place, one in zip(value.places, values, strict=True):
            rows[place[0]].append(one)
        return rows
    return convert(value).tolist()


def _from_lists(rows, kind):
    places = [[row, at] for row, values in enumerate(rows) for at in range(len(values))]
    flat = [one for row in rows for one in row]
    values = convert(flat, kind) if flat else convert(np.zeros(0, kind.as_numpy_dtype), None)
    longest = max((len(row) for row in rows), default=0)
    return SparseTensor(np.array(places, "int64").reshape(-1, 2), values, [len(rows), longest])


def cross(inputs, name=None, separator=None):
    """All combinations of the values of each row, as text with a separator ("_X_") between."""
    between = b"_X_" if separator is None else separator.encode()
    text = lambda parts: between.join(one if isinstance(one, bytes) else str(one).encode() for one in parts)  # noqa: E731
    return _from_lists(_cross(inputs, text), dtypes.string)


def bincount(values, weights=None, axis=0, minlength=None, maxlength=None, binary_output=False, name=None):
    """How often each number comes (axis=0: in all, -1: in each row), sparse."""
    rows = [np.asarray(convert(values).tolist()).reshape(-1).tolist()] if axis == 0 else to_lists(values)
    given = None if weights is None else [convert(weights).tolist()] if axis == 0 else to_lists(weights)
    whole = values.dtype if isinstance(values, SparseTensor) else convert(values).dtype
    kind = dtypes.as_dtype(whole if weights is None else convert(weights).dtype)
    places, counts, widest = [], [], 0
    for number, row in enumerate(rows):
        found = {}
        for at, value in enumerate(row):
            if maxlength is None or value < int(maxlength):
                found[value] = 1 if binary_output else found.get(value, 0) + (1 if given is None else given[number][at])
        widest = max(widest, max(found, default=-1) + 1)
        for value in sorted(found):
            places.append([value] if axis == 0 else [number, value])
            counts.append(found[value])
    widest = max(widest, 0 if minlength is None else int(minlength))
    sizes = [widest] if axis == 0 else [len(rows), widest]
    return SparseTensor(np.array(places, "int64").reshape(-1, len(sizes)), convert(counts, kind), sizes)


def _segment(name):
    def compute(data, indices, segment_ids, num_segments=None, name=None):
        ids, data = convert(segment_ids), convert(data)
        rows = ops.take(data, convert(indices), axis=0)
        count = int(ops.max(ids)) + 1 if num_segments is None else int(num_segments)
        return math.NAMES[f"unsorted_segment_{kind}"](rows, ids, count)

    kind = name.removeprefix("segment_")
    compute.__name__, compute.__doc__ = name, "The rows of some numbers, those of each segment together."
    return compute


NAMES = {
    "SparseTensor": SparseTensor,
    "add": add,
    "bincount": bincount,
    "concat": concat,
    "cross": cross,
    "expand_dims": expand_dims,
    "eye": eye,
    "fill_empty_rows": fill_empty_rows,
    "from_dense": from_dense,
    "map_values": map_values,
    "mask": mask,
    "maximum": _extreme("maximum", ops.maximum),
    "minimum": _extreme("minimum", ops.minimum),
    "reduce_max": _reduced("reduce_max", "max", lambda values: convert(0, values.dtype)),
    "reduce_sum": _reduced("reduce_sum", "sum", lambda values: convert(0, values.dtype)),
    "reorder": reorder,
    "reset_shape": reset_shape,
    "reshape": reshape,
    "retain": retain,
    "segment_mean": _segment("segment_mean"),
    "segment_sqrt_n": _segment("segment_sqrt_n"),
    "segment_sum": _segment("segment_sum"),
    "slice": slice_,
    "softmax": softmax,
    "sparse_dense_matmul": sparse_dense_matmul,
    "split": split,
    "to_dense": to_dense,
    "to_indicator": to_indicator,
    "transpose": transpose,
}
