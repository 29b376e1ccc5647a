"""ONNX for matrix products and attention."""

import math


def _dot(call):
    """The last axis of the one with the first of the other; turned, its first with the other's last."""
    x, y = call.inputs
    left, right = call.rank(0), call.rank(1)
    if call.a["transpose_a"] and left > 1:
        x = call.add("Transpose", x, perm=[*range(1, left), 0])
    if call.a["transpose_b"] and right > 1:
        y = call.add("Transpose", y, perm=[right - 1, *range(right - 1)])
    if right > 2:
        shape = call.out_shape()
        call.only(shape is not None and None not in shape, "the sizes of its result are not known")
        inner = call.sizes(1, axes=[-1 if call.a["transpose_b"] else 0])[0]
        return call.reshape(call.add("MatMul", x, call.reshape(y, inner, -1)), *shape)
    product = call.add("MatMul", x, y)
    return call.reshape(product, 1) if left == right == 1 else product


def _product(call, x, y):
    if call.a["transpose_a"]:
        x = call.matmul_transposed(x, call.rank(0))
    if call.a["transpose_b"]:
        y = call.matmul_transposed(y, call.rank(1))
    return call.add("MatMul", x, y)


def _batch_dot(call):
    return _product(call, *call.inputs)


def _gemm2(call):
    inputs, back = _rows_beside_columns(call)
    product = _product(call, *inputs)
    return back(product if call.a["alpha"] == 1 else call.add("Mul", product, call.number(call.a["alpha"])))


def _gemm(call):
    inputs, back = _rows_beside_columns(call)
    product = call.add("Mul", _product(call, *inputs[:2]), call.number(call.a["alpha"]))
    return back(call.add("Add", product, call.add("Mul", inputs[2], call.number(call.a["beta"]))))


def _rows_beside_columns(call):
    """The inputs with their rows, which `axis` names, last but one; and the way back for a result."""
    axis, rank = call.axis(), call.rank()
    if axis == rank - 2:
        return call.inputs, lambda y: y
    order = [place for place in range(rank) if place != axis]
    order.insert(rank - 2, axis)
    turned = [call.add("Transpose", name, perm=order) for name in call.inputs]
    return turned, lambda y: call.add("Transpose", y, perm=[order.index(place) for place in range(rank)])


# --- attention on interleaved projections ----------------------------------------------------------------------------


def _heads(call, place, parts):
    """The projections that lie side by side in an input (time, batch, heads * parts * size), each as
    (batch, heads, time, size)."""
    x = call.reshape(call.inputs[place], 0, 0, call.a["heads"], parts, -1)
    split = [x] if parts == 1 else call.add("Split", x, outputs=parts, axis=3)
    return [call.add("Transpose", call.squeeze(part, 3), perm=[1, 2, 0, 3]) for part in split]


def _scores(call, queries, keys, size):
    """softmax's input: (batch * heads, time, time)."""
    queries = call.add("Div", queries, call.number(math.sqrt(size)))
    scores = call.add("MatMul", queries, call.matmul_transposed(keys, 4))
    sizes = (
        call.size(scores, 2, (None, None, call.shape(0)[0])),
        call.size(scores, 3, (None, None, None, call.shape(-1)[0])),
    )
    return call.reshape(scores, -1, *sizes)


def _weighted(call, attention, values):
    """The values weighted, as (time, batch, heads * size)."""
    attention = call.reshape(
        attention, -1, call.a["heads"], *[call.size(attention, place, call.shape(1)) for place in (1, 2)]
    )
    mixed = call.add("Transpose", call.add("MatMul", attention, values), perm=[2, 0, 1, 3])
    return call.reshape(mixed, 0, 0, -1)


def _self_scores(call):
    queries, keys, _ = _heads(call, 0, 3)
    return _scores(call, queries, keys, call.sizes(axes=[2])[0] // (3 * call.a["heads"]))


def _self_values(call):
    return _weighted(call, call.inputs[1], _heads(call, 0, 3)[2])


def _cross_scores(call):
    (queries,), (keys, _) = _heads(call, 0, 1), _heads(call, 1, 2)
    return _scores(call, queries, keys, call.sizes(axes=[2])[0] // call.a["heads"])


def _cross_values(call):
    return _weighted(call, call.inputs[1], _heads(call, 0, 2)[1])


TABLE = {
    "_contrib_interleaved_matmul_encdec_qk": _cross_scores,
    "_contrib_interleaved_matmul_encdec_valatt": _cross_values,
    "_contrib_interleaved_matmul_selfatt_qk": _self_scores,
    "_contrib_interleaved_matmul_selfatt_valatt": _self_values,
    "_linalg_gemm": _gemm,
    "_linalg_gemm2": _gemm2,
    "batch_dot": _batch_dot,
    "dot": _dot,
}
