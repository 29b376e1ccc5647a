"""ONNX for operators that arrange elements anew: shapes, parts, joins, orders."""

import itertools

import numpy as np
import torch

from tandem.mxnet.onnx.graph import element_type

_FAR = np.iinfo(np.int64).max  # ONNX's end of a slice that goes to the end


def _reshape(call):
    x, shape = call.inputs[0], call.a["shape"]
    if not call.a["reverse"] and shape and all(size >= -1 for size in shape):
        return call.reshape(x, *shape)
    found = call.out_shape()
    if found is not None and list(found).count(None) <= 1:
        return call.reshape(x, *[-1 if size is None else size for size in found])
    call.only(shape and not call.a["reverse"], "the new shape is not known")
    return call.reshape(x, *_coded(call, x, shape))


def _coded(call, x, codes):
    """The sizes that MXNet's codes stand for: 0 the same, -2 all that are left, -3 two as one, -4 one as two."""
    old, sizes, place, left = call.shape(), [], 0, list(codes)
    while left:
        code = left.pop(0)
        if code == -2:
            sizes += [call.size(x, one, old) for one in range(place, len(old))]
            place = len(old)
        elif code == -3:
            sizes.append(call.product(call.size(x, place, old), call.size(x, place + 1, old)))
            place += 2
        elif code == -4:
            first, second = left.pop(0), left.pop(0)
            if -1 in (first, second):
                total = call.size(x, place, old)
                known = second if first == -1 else first
                other = total // known if not isinstance(total, str) else call.add("Div", total, call.ints(known))
                first, second = (other, second) if first == -1 else (first, other)
            sizes += [first, second]
            place += 1
        else:
            sizes.append(call.size(x, place, old) if code == 0 else code)
            place += 1
    return sizes


def _like(call):
    """`reshape_like`: some of the sizes of another array."""
    x, other = call.inputs
    rank, others = call.rank(0), call.rank(1)
    found = call.out_shape()
    if found is not None and None not in found:
        return call.reshape(x, *found)
    begin, end = _range(call.a["lhs_begin"], call.a["lhs_end"], rank)
    first, last = _range(call.a["rhs_begin"], call.a["rhs_end"], others)
    sizes = [call.size(x, place, call.shape(0)) for place in range(begin)]
    sizes += [call.size(other, place, call.shape(1)) for place in range(first, last)]
    sizes += [call.size(x, place, call.shape(0)) for place in range(end, rank)]
    return call.reshape(x, *sizes)


def _range(begin, end, rank):
    begin, end = 0 if begin is None else begin, rank if end is None else end
    return begin % rank if begin < 0 else begin, end % rank if end < 0 else end


def _flatten(call):
    return call.add("Flatten", call.inputs[0], axis=1)


def _expand_dims(call):
    return call.unsqueeze(call.inputs[0], call.axis(extra=1))


def _squeeze(call):
    axis, shape = call.a["axis"], call.shape()
    if axis is None:
        axes = [place for place, size in enumerate(call.sizes()) if size == 1]
    else:
        axes = [one % len(shape) for one in ((axis,) if isinstance(axis, int) else axis)]
    if len(axes) == len(shape):  # MXNet has no arrays without axes
        axes = axes[1:]
    return call.squeeze(call.inputs[0], *axes) if axes else call.add("Identity", call.inputs[0])


def _transpose(call):
    axes = call.a["axes"] or range(call.rank())[::-1]
    return call.add("Transpose", call.inputs[0], perm=[axis % call.rank() for axis in axes])


def _swap(call):
    order = list(range(call.rank()))
    first, second = call.axis("dim1"), call.axis("dim2")
    order[first], order[second] = second, first
    return call.add("Transpose", call.inputs[0], perm=order)


# --- parts -----------------------------------------------------------------------------------------------------------


def _slice(call):
    begin, end = call.a["begin"], call.a["end"]
    steps = [step or 1 for step in call.a["step"] or ()] or [1] * len(begin)
    starts, ends = [], []
    for first, last, step in zip(begin, end, steps):
        starts.append(first if first is not None else 0 if step > 0 else _FAR)
        ends.append(last if last is not None else _FAR if step > 0 else -_FAR)
    return call.slice(call.inputs[0], starts, ends, range(len(begin)), steps)


def _slice_axis(call):
    end = call.a["end"]
    return call.slice(call.inputs[0], [call.a["begin"]], [_FAR if end is None else end], [call.axis()])


def _slice_like(call):
    x, like = call.inputs
    rank = call.rank()
    axes = sorted(axis % rank for axis in call.a["axes"]) or list(range(min(rank, call.rank(1))))
    shape = call.shape(1)
    if all(shape[axis] is not None for axis in axes):
        return call.slice(x, [0] * len(axes), [shape[axis] for axis in axes], axes)
    ends = call.add("Gather", call.add("Shape", like), call.ints(*axes), axis=0)
    return call.add("Slice", x, call.ints(*[0] * len(axes)), ends, call.ints(*axes))


def _crop(call):
    """`Crop`: a window of the last two axes, of given sizes or another array's."""
    height, width = call.sizes(axes=[2, 3])
    rows, columns = call.sizes(1, axes=[2, 3]) if len(call.inputs) == 2 else call.a["h_w"]
    top, left = call.a["offset"]
    if call.a["center_crop"]:
        top, left = (height - rows) // 2, (width - columns) // 2
    return call.slice(call.inputs[0], [top, left], [top + rows, left + columns], [2, 3])


def _split(call):
    count, axis = call.a["num_outputs"], call.axis()
    parts = call.add("Split", call.inputs[0], outputs=count, axis=axis) if count > 1 else (call.inputs[0],)
    return [call.squeeze(part, axis) for part in parts] if call.a["squeeze_axis"] else list(parts)


def _split_at(call):
    axis = call.axis()
    (size,) = call.sizes(axes=[axis])
    if call.a["sections"]:
        count = call.a["sections"]
        lengths = [size // count] * count
    else:
        edges = [*call.a["indices"], size]
        edges = edges if edges[0] == 0 else [0, *edges]
        lengths = [last - first for first, last in itertools.pairwise(edges)]
    if len(lengths) == 1:
        parts = [call.inputs[0]]
    else:
        parts = call.add("Split", call.inputs[0], call.ints(*lengths), outputs=len(lengths), axis=axis)
    return [call.squeeze(part, axis) for part in parts] if call.a["squeeze_axis"] else list(parts)


# --- joins and copies ------------------------------------------------------------------------------------------------


def _concat(call):
    return call.add("Concat", *call.inputs, axis=call.axis("dim"))


def _stack(call):
    axis = call.axis(extra=1)
    return call.add("Concat", *[call.unsqueeze(name, axis) for name in call.inputs], axis=axis)


def _tile(call):
    x, reps, rank = call.inputs[0], tuple(call.a["reps"]), call.rank()
    if len(reps) > rank:
        x = call.unsqueeze(x, *range(len(reps) - rank))
    reps = (1,) * (rank - len(reps)) + reps
    return call.add("Tile", x, call.ints(*reps))


def _repeat(call):
    """Each element so many times: along an axis of its own after `axis`, which then joins it."""
    x, count, axis = call.inputs[0], call.a["repeats"], call.a["axis"]
    if axis is None:
        x, axis, rank = call.reshape(x, -1), 0, 1
        sizes = [-1]
    else:
        axis, rank = call.axis(), call.rank()
        shape = call.shape()
        sizes = [call.size(x, place, shape) for place in range(rank)]
        sizes[axis] = call.product(sizes[axis], count)
    reps = [1] * (rank + 1)
    reps[axis + 1] = count
    return call.reshape(call.add("Tile", call.unsqueeze(x, axis + 1), call.ints(*reps)), *sizes)


def _pad(call):
    width, mode = call.a["pad_width"], call.a["mode"]
    pads = call.ints(*width[::2], *width[1::2])
    value = call.number(call.a["constant_value"]) if mode == "constant" else None
    return call.add("Pad", call.inputs[0], pads, value, mode=mode)


def _reverse(call):
    rank, axis = call.rank(), call.a["axis"]
    axes = [one % rank for one in ((axis,) if isinstance(axis, int) else axis)]
    return call.slice(call.inputs[0], [-1] * len(axes), [-_FAR] * len(axes), axes, [-1] * len(axes))


def _broadcast_to(call):
    shape = [size or 1 for size in call.a["shape"]]  # 0: as it is, which ONNX writes as 1
    return call.add("Expand", call.inputs[0], call.ints(*shape))


def _broadcast_axis(call):
    axes, sizes = call.a["axis"], call.a["size"]
    axes = (axes,) if isinstance(axes, int) else axes
    sizes = (sizes,) if isinstance(sizes, int) else sizes
    shape = [1] * call.rank()
    for axis, size in zip(axes, sizes):
        shape[axis] = size
    return call.add("Expand", call.inputs[0], call.ints(*shape))


def _broadcast_like(call):
    x, like = call.inputs
    if call.a["lhs_axes"] is None:
        return call.add("Expand", x, call.add("Shape", like))
    shape = [1] * call.rank()
    for axis, other in zip(call.a["lhs_axes"], call.a["rhs_axes"]):
        shape[axis] = call.size(like, other % call.rank(1), call.shape(1))
    parts = [call.ints(size) if not isinstance(size, str) else size for size in shape]
    return call.add("Expand", x, call.add("Concat", *parts, axis=0))


def _depth_to_space(call):
    return call.add("DepthToSpace", call.inputs[0], blocksize=call.a["block_size"], mode="DCR")


def _space_to_depth(call):
    return call.add("SpaceToDepth", call.inputs[0], blocksize=call.a["block_size"])


def _shape_array(call):
    return call.add("Shape", call.inputs[0])


def _size_array(call):
    return call.reshape(call.add("Size", call.inputs[0]), 1)


def _diagonal(call):
    """The diagonal of a matrix, or a matrix of a diagonal: by a constant mask."""
    call.only(call.rank() <= 2, "only matrices and vectors are translated")
    k = call.a["k"]
    if call.rank() == 1:
        (size,) = call.sizes()
        total = size + abs(k)
        rows = np.arange(size) + max(-k, 0)
        places = np.stack([rows, rows + k], axis=-1)
        zeros = call.add(
            "Cast", call.writer.constant(np.zeros((total, total), np.float32)), to=element_type(call.dtype())
        )
        return call.add("ScatterND", zeros, call.writer.constant(places.astype(np.int64)), call.inputs[0])
    height, width = call.sizes()
    rows = np.arange(max(-k, 0), min(height, width - k))
    places = call.writer.constant(np.stack([rows, rows + k], axis=-1).astype(np.int64))
    return call.add("GatherND", call.inputs[0], places)


# --- sequences (time, batch, ...) ------------------------------------------------------------------------------------


def length_mask(call, axis, missing):
    """Which places along an axis lie below the lengths, the second input, which lack some axes of the first."""
    (size,) = call.sizes(axes=[axis])
    sizes = [1] * call.rank()
    sizes[axis] = size
    steps = call.writer.constant(np.arange(size, dtype=np.int64).reshape(sizes))
    return call.add("Less", steps, call.unsqueeze(call.cast(call.inputs[1], torch.int64), *missing))


def _sequence_mask(call):
    x = call.inputs[0]
    if not call.a["use_sequence_length"]:
        return call.add("Identity", x)
    axis = call.axis()
    batch = 1 - axis
    mask = length_mask(call, axis, [place for place in range(call.rank()) if place != batch])
    return call.add("Where", mask, x, call.number(call.a["value"]))


def _sequence_reverse(call):
    if not call.a["use_sequence_length"]:
        return call.slice(call.inputs[0], [-1], [-_FAR], [call.a["axis"]], [-1])
    lengths = call.cast(call.inputs[1], torch.int64)
    axis = call.axis()
    return call.add("ReverseSequence", call.inputs[0], lengths, time_axis=axis, batch_axis=1 - axis)


def _sequence_last(call):
    x, axis = call.inputs[0], call.axis()
    if not call.a["use_sequence_length"]:
        return call.add("Gather", x, call.writer.constant(np.array(-1, np.int64)), axis=axis)
    if axis == 0:
        x = call.add("Transpose", x, perm=[1, 0, *range(2, call.rank())])
    last = call.add("Sub", call.cast(call.inputs[1], torch.int64), call.ints(1))
    return call.add("GatherND", x, call.unsqueeze(last, 1), batch_dims=1)


TABLE = {
    "Concat": _concat,
    "Crop": _crop,
    "Flatten": _flatten,
    "Pad": _pad,
    "Reshape": _reshape,
    "SequenceLast": _sequence_last,
    "SequenceMask": _sequence_mask,
    "SequenceReverse": _sequence_reverse,
    "SliceChannel": _split,
    "SwapAxis": _swap,
    "_split_v2": _split_at,
    "broadcast_axis": _broadcast_axis,
    "broadcast_like": _broadcast_like,
    "broadcast_to": _broadcast_to,
    "depth_to_space": _depth_to_space,
    "diag": _diagonal,
    "expand_dims": _expand_dims,
    "repeat": _repeat,
    "reshape_like": _like,
    "reverse": _reverse,
    "shape_array": _shape_array,
    "size_array": _size_array,
    "slice": _slice,
    "slice_axis": _slice_axis,
    "slice_like": _slice_like,
    "space_to_depth": _space_to_depth,
    "squeeze": _squeeze,
    "stack": _stack,
    "tile": _tile,
    "transpose": _transpose,
}
