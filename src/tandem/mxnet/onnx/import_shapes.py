"""From ONNX: arranging, taking and joining elements."""

import numpy as np

from tandem.mxnet.onnx.import_basics import dtype_of, lifted
from tandem.mxnet.onnx.reader import Size, array_of

FLOAT = 1  # ONNX's number of float32
_FAR = 1 << 31  # ends of slices from here on mean the end


def _reshape(op):
    sizes = list(op.attr["shape"]) if "shape" in op.attr else op.vector(1)
    op.only(sizes is not None, "its new shape is not known")
    op.only(0 not in sizes or not op.attr.get("allowzero"), "allowzero=1")
    open_sizes = [size for size in sizes if not isinstance(size, int)]
    if len(open_sizes) == 1 and -1 not in sizes:
        found = [size if isinstance(size, int) else -1 for size in sizes]
    else:
        labels = op.labels()
        found = []
        for place, size in enumerate(sizes):
            if isinstance(size, Size):  # the size at the same place of the data is 0, whatever it is
                size = 0 if place < len(labels) and size.label == labels[place] else None
            found.append(size)
        if found.count(None) == 1 and -1 not in found:
            found = [-1 if size is None else size for size in found]
    op.only(None not in found, "its new shape has several open sizes")
    return op.last("Reshape", op.symbol(), shape=tuple(found) or (1,))  # MXNet has no arrays without axes


def _flatten(op):
    axis = op.attr.get("axis", 1)
    axis += op.rank() if axis < 0 else 0
    if axis == 1:
        return op.last("Flatten", op.symbol())
    if axis == 0:
        return op.last("Reshape", op.symbol(), shape=(1, -1))
    shape = op.shape()
    op.only(shape is not None and None not in shape[:axis], "its sizes are not known")
    return op.last("Reshape", op.symbol(), shape=(int(np.prod(shape[:axis])), -1))


def _transpose(op):
    return op.last("transpose", op.symbol(), axes=tuple(op.attr.get("perm", ())))


def _squeeze(op):
    axes = op.numbers("axes", 1)
    if axes is not None and len(axes) == op.rank():  # MXNet has no arrays without axes
        return op.last("Reshape", op.symbol(), shape=(1,))
    return op.last("squeeze", op.symbol(), axis=tuple(axes) if axes else None)


def _unsqueeze(op):
    axes = op.numbers("axes", 1)
    rank = len(axes) + (op.rank() if min(axes) < 0 or len(axes) > 1 else 0)
    x = op.symbol()
    if op.shape() == ():  # which has an axis already
        return op.last("Reshape", x, shape=(1,) * len(axes))
    *before, final = sorted(axis + rank if axis < 0 else axis for axis in axes)
    for axis in before:
        x = op.add("expand_dims", x, axis=axis)
    return op.last("expand_dims", x, axis=final)


def _concat(op):
    return op.last("Concat", *op.symbols(), dim=op.attr.get("axis", 1))


def _split(op):
    axis, count = op.attr.get("axis", 0), len(op.node.output)
    lengths = op.numbers("split", 1)
    size = (op.shape() or (None,) * 64)[axis]
    if lengths is None and size is not None and size % count:
        step = -(-size // count)
        lengths = [step] * (size // step) + ([size % step] if size % step else [])
    if lengths is None or len(set(lengths)) == 1:
        return list(op.last("SliceChannel", op.symbol(), num_outputs=count, axis=axis))
    edges = np.cumsum([0, *lengths[:-1]])
    return list(op.last("_split_v2", op.symbol(), indices=tuple(int(edge) for edge in edges), axis=axis))


def _slice(op):
    if "starts" in op.attr:
        starts, ends = op.attr["starts"], op.attr["ends"]
        axes, steps = op.attr.get("axes"), None
    else:
        starts, ends, axes, steps = (
            [int(one) for one in op.needed(place, what).reshape(-1)] if op.has(place) else None
            for place, what in ((1, "starts"), (2, "ends"), (3, "axes"), (4, "steps"))
        )
    axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
    rank = op.rank() if min(axes) < 0 or any(step != 1 for step in steps) else max(axes) + 1
    begin, end, stride = [None] * rank, [None] * rank, [1] * rank
    for start, stop, axis, step in zip(starts, ends, axes, steps):
        stride[axis] = step
        begin[axis] = None if abs(start) >= _FAR else start
        end[axis] = None if abs(stop) >= _FAR else stop
        size = (op.shape() or (None,) * rank)[axis]
        if size is not None:  # beyond the ends is at them
            if begin[axis] is not None:
                begin[axis] = min(max(start, -size), size if step > 0 else size - 1)
            if end[axis] is not None and stop > size:
                end[axis] = None
            if end[axis] is not None and stop < -size:
                end[axis] = None if step < 0 else 0
    return op.last("slice", op.symbol(), begin=tuple(begin), end=tuple(end), step=tuple(stride))


def _gather(op):
    axis, index = op.attr.get("axis", 0), op.constant(1)
    if index is not None and index.ndim == 0:
        begin = int(index)
        part = op.add("slice_axis", op.symbol(), axis=axis, begin=begin, end="None" if begin == -1 else begin + 1)
        if op.shape() is not None and len(op.shape()) == 1:
            return part
        return op.last("squeeze", part, axis=axis)
    return op.last("take", op.symbol(0), op.symbol(1), axis=axis, mode="wrap")  # from the end, where below 0


def _gather_elements(op):
    axis = op.attr.get("axis", 0)
    shape = op.shape(1)
    op.only(shape is not None and shape[axis] == 1, "only one element to a row is translated")
    return op.last("pick", op.symbol(0), op.symbol(1), axis=axis, keepdims=True, mode="wrap")


def _gather_nd(op):
    rank, index = op.rank(1), op.symbol(1)
    if op.attr.get("batch_dims"):  # the first axis of both: its numbers go before the indices
        op.only(op.attr["batch_dims"] == 1, "several batch_dims")
        index = op.add("Cast", index, dtype="float32")
        first = op.add("slice_axis", index, axis=-1, begin=0, end=1)
        numbers = op.add("Reshape", op.add("_contrib_arange_like", index, axis=0), shape=(-1, *[1] * (rank - 1)))
        index = op.add("Concat", op.add("broadcast_like", numbers, first), index, dim=rank - 1)
    places = op.add("transpose", index, axes=(rank - 1, *range(rank - 1)))
    return op.last("gather_nd", op.symbol(0), places)


def _compress(op):
    op.only(op.attr.get("axis") == 0, "axes other than the first")
    return op.last("_contrib_boolean_mask", op.symbol(0), op.symbol(1), axis=0)


def _one_hot(op):
    off, on = (one.item() for one in op.needed(2, "values"))
    depth = int(op.needed(1, "depth").item())
    x = op.symbol()
    below = op.add("_lesser_scalar", x, scalar=0)  # which counts from the end
    x = op.add("elemwise_add", x, op.add("_mul_scalar", below, scalar=depth))
    dtype = dtype_of(op.element_type(2))
    axis = op.attr.get("axis", -1)
    rank = op.rank() + 1
    y = ("one_hot", x), {"depth": depth, "on_value": on, "off_value": off, "dtype": dtype}
    if axis in (-1, rank - 1):
        return op.last(*y[0], **y[1])
    order = list(range(rank - 1))
    order.insert(axis, rank - 1)
    return op.last("transpose", op.add(*y[0], **y[1]), axes=tuple(order))


def _tile(op):
    return op.last("tile", op.symbol(), reps=tuple(int(one) for one in op.needed(1, "repeats")))


def _expand(op):
    shape = op.vector(1)
    op.only(shape is not None and None not in shape, "its new shape is not known")
    rank = max(op.rank(), 1)
    if any(isinstance(size, Size) for size in shape):
        zeros = filled(op, shape, 0.0, "float32")
        x, zeros = lifted(op, [op.symbol(), zeros], [rank, len(shape)])
        return op.last("broadcast_add", x, op.add("Cast", zeros, dtype=dtype_of(op.element_type() or FLOAT)))
    x = lifted(op, [op.symbol()] * 2, [rank, len(shape)])[0]
    shape = [1] * (rank - len(shape)) + shape
    old = (1,) * (len(shape) - rank) + (op.shape() or (1,))
    # 1 keeps what is there, which MXNet writes as 0.
    return op.last("broadcast_to", x, shape=tuple(0 if new in (1, was) else new for new, was in zip(shape, old)))


def filled(op, sizes, value, dtype):
    """An array of one number, of sizes some of which are those of other values."""
    fixed = tuple(1 if isinstance(size, Size) else size for size in sizes)
    found = op.add("_full", shape=fixed, value=value, dtype=dtype)
    for place, size in enumerate(sizes):
        if isinstance(size, Size):
            rank = len(op.reader.shapes[size.value])
            other = [axis for axis in range(rank) if axis != size.axis]
            line = op.add("Cast", op.reader.symbol(size.value), dtype=dtype)
            for axis in other:
                line = op.add("slice_axis", line, axis=axis, begin=0, end=1)
            line = op.add("Reshape", line, shape=(*[1] * place, -1, *[1] * (len(sizes) - place - 1)))
            found = op.add("broadcast_add", found, op.add("zeros_like", line))
    return found


def _constant_of_shape(op):
    sizes = op.vector(0)
    op.only(sizes is not None and None not in sizes, "its shape is not known")
    value = op.attr.get("value")
    array = np.zeros(1, np.float32) if value is None else array_of(value)
    array = array.astype(np.int32) if array.dtype == np.bool_ else array
    return op.last("_copy", filled(op, sizes, array.item(), array.dtype.name))


def _pad(op):
    pads = op.numbers("pads", 1)
    mode = op.attr.get("mode", "constant")
    value = op.attr.get("value", 0.0)
    if op.has(2):
        value = op.needed(2, "value").item()
    op.only(not op.has(3), "axes")
    return padded(op, op.symbol(), pads, mode, value, last=True)


def padded(op, x, pads, mode="constant", value=0.0, last=False):
    """x with ONNX's pads (all beginnings, then all ends); MXNet pads arrays of 4 or 5 axes, from the third on."""
    add = op.last if last else op.add
    rank = len(pads) // 2
    width = list(zip(pads[:rank], pads[rank:]))
    op.only(min(pads) >= 0, "pads below 0")
    first = next((axis for axis, pair in enumerate(width) if any(pair)), rank)
    if first == rank:
        return add("_copy", x)
    front = max(4 - rank, 2 - first, 0)
    op.only(front + rank <= 5, "pads of the first axes of so many")
    flat = tuple(int(one) for pair in [(0, 0)] * front + width for one in pair)
    if not front:
        return add("Pad", x, mode=mode, pad_width=flat, constant_value=value)
    for _ in range(front):
        x = op.add("expand_dims", x, axis=0)
    x = op.add("Pad", x, mode=mode, pad_width=flat, constant_value=value)
    return add("squeeze", x, axis=tuple(range(front)))


def _depth_to_space(op):
    size = op.attr["blocksize"]
    if op.attr.get("mode", "DCR") == "DCR":
        return op.last("depth_to_space", op.symbol(), block_size=size)
    x = op.add("Reshape", op.symbol(), shape=(0, -4, -1, size * size, -2))
    x = op.add("Reshape", x, shape=(0, 0, -4, size, size, -2))
    x = op.add("transpose", x, axes=(0, 1, 4, 2, 5, 3))
    return op.last("Reshape", x, shape=(0, 0, -3, -3))


def _space_to_depth(op):
    op.only(op.attr.get("mode", "DCR") == "DCR", "mode 'CRD'")
    return op.last("space_to_depth", op.symbol(), block_size=op.attr["blocksize"])


def _size(op):
    return op.last("size_array", op.symbol())


def _reverse_sequence(op):
    time = op.attr.get("time_axis", 0)
    op.only({time, op.attr.get("batch_axis", 1)} == {0, 1}, "axes other than 0 and 1")
    x = op.symbol() if time == 0 else op.add("SwapAxis", op.symbol(), dim1=0, dim2=1)
    y = (op.last if time == 0 else op.add)("SequenceReverse", x, op.symbol(1), use_sequence_length=True)
    return y if time == 0 else op.last("SwapAxis", y, dim1=0, dim2=1)


def _random(operator, **names):
    def translate(op):
        given = {theirs: op.attr.get(ours, default) for theirs, (ours, default) in names.items()}
        shape = {"shape": tuple(op.attr["shape"])} if "shape" in op.attr else {}
        return op.last(operator, *op.symbols(), **shape, **given)

    return translate


_NORMAL = {"loc": ("mean", 0.0), "scale": ("scale", 1.0)}
_UNIFORM = {"low": ("low", 0.0), "high": ("high", 1.0)}

TABLE = {
    "Compress": _compress,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "OneHot": _one_hot,
    "Pad": _pad,
    "RandomNormal": _random("_random_normal", **_NORMAL),
    "RandomNormalLike": _random("_random_normal_like", **_NORMAL),
    "RandomUniform": _random("_random_uniform", **_UNIFORM),
    "RandomUniformLike": _random("_random_uniform_like", **_UNIFORM),
    "Reshape": _reshape,
    "ReverseSequence": _reverse_sequence,
    "Shape": lambda op: op.last("shape_array", op.symbol()),
    "Size": _size,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
