"""ONNX for operators that take elements by their numbers."""

import numpy as np
import torch


def _whole(call, name):
    return call.cast(name, torch.int64)


def _within(call, indices, size, mode):
    """Indices brought into 0 .. size - 1: at the nearest end (clip), or counted around (wrap); raise: as they are."""
    number = call.ints(size) if not isinstance(size, str) else size
    number = call.squeeze(number, 0)
    if mode == "clip":
        zero = call.writer.constant(np.array(0, np.int64))
        last = call.add("Sub", number, call.writer.constant(np.array(1, np.int64)))
        return call.add("Min", call.add("Max", indices, zero), last)
    return call.add("Mod", indices, number) if mode == "wrap" else indices


def _take(call):
    x, axis = call.inputs[0], call.axis()
    indices = _within(call, _whole(call, call.inputs[1]), call.size(x, axis, call.shape()), call.a["mode"])
    return call.add("Gather", x, indices, axis=axis)


def _embedding(call):
    indices = _within(call, _whole(call, call.get("data")), call.a["input_dim"], "clip")
    return call.add("Gather", call.get("weight"), indices, axis=0)


def _pick(call):
    x, index = call.inputs
    axis = call.axis()
    index = _whole(call, index)
    if call.rank(1) < call.rank():
        index = call.unsqueeze(index, axis)
    index = _within(call, index, call.size(x, axis, call.shape()), call.a["mode"])
    found = call.add("GatherElements", x, index, axis=axis)
    return found if call.a["keepdims"] or call.rank() == 1 else call.squeeze(found, axis)


def _batch_take(call):
    index = call.unsqueeze(_whole(call, call.inputs[1]), 1)
    return call.squeeze(call.add("GatherElements", call.inputs[0], index, axis=1), 1)


def _places(call, name, rank):
    """Indices as ONNX has them: the coordinates along the last axis, not the first."""
    return call.add("Transpose", _whole(call, name), perm=[*range(1, rank), 0])


def _gather_nd(call):
    return call.add("GatherND", call.inputs[0], _places(call, call.inputs[1], call.rank(1)))


def _scatter_nd(call):
    places = _places(call, call.inputs[1], call.rank(1))
    zeros = call.add("Expand", call.number(0), call.ints(*call.a["shape"]))
    return call.add("ScatterND", zeros, places, call.inputs[0])


def _one_hot(call):
    """An index below 0 has no place in MXNet; in ONNX it counts from the end."""
    depth, dtype = call.a["depth"], call.a["dtype"]
    index = _whole(call, call.inputs[0])
    none = call.writer.constant(np.array(depth, np.int64))
    below = call.add("Less", index, call.writer.constant(np.array(0, np.int64)))
    index = call.add("Where", below, none, index)
    values = call.writer.constant(np.array([call.a["off_value"], call.a["on_value"]], np.float32))
    return call.cast(call.add("OneHot", index, none, values, axis=-1), dtype)


def _where(call):
    condition, x, y = call.inputs
    if call.rank() < call.rank(1):  # one truth to a row
        condition = call.unsqueeze(condition, *range(call.rank(), call.rank(1)))
    return call.add("Where", call.truth(condition), x, y)


def _boolean_mask(call):
    return call.add("Compress", call.inputs[0], call.truth(call.inputs[1]), axis=call.axis())


TABLE = {
    "Embedding": _embedding,
    "_contrib_SparseEmbedding": _embedding,
    "_contrib_boolean_mask": _boolean_mask,
    "batch_take": _batch_take,
    "gather_nd": _gather_nd,
    "one_hot": _one_hot,
    "pick": _pick,
    "scatter_nd": _scatter_nd,
    "take": _take,
    "where": _where,
}
