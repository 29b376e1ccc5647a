"""ONNX for boxes: priors, decoding, suppression, pooling of regions."""

import numpy as np
import torch

from tandem.core.dtypes import numpy_dtype

_NEVER = float(np.finfo(np.float32).min)  # a score that no box has


def _column(call, x, place, count=None):
    """Numbers of each row of (batch, rows, columns): one, or `count` of them."""
    part = call.slice(x, [place], [place + (count or 1)], [2])
    return part if count else call.squeeze(part, 2)


def _rows(call, x, order):
    """x (batch, rows, ...) with each sample's rows in an order (batch, rows)."""
    return call.add("GatherND", x, call.unsqueeze(order, 2), batch_dims=1)


def _by_score(call, scores, alive, count, dtype=None):
    """The places of the `count` best, those that are not alive behind. dtype: of the scores, if not the data's."""
    key = call.add("Where", alive, scores, call.number(-np.inf, dtype))
    return call.add("TopK", key, call.ints(count), outputs=2, axis=1)[1]


def _halves(call, boxes):
    return call.add("Split", boxes, outputs=2, axis=-1)


def _to_center(call, boxes):
    first, last = _halves(call, boxes)
    middle = call.add("Mul", call.add("Add", first, last), call.number(0.5))
    return middle, call.add("Sub", last, first)


def _to_corner(call, middle, sides):
    half = call.add("Mul", sides, call.number(0.5))
    return call.add("Concat", call.add("Sub", middle, half), call.add("Add", middle, half), axis=-1)


def _kept(call, boxes, scores, alive, groups, threshold, count):
    """Which boxes (batch, rows, 4), corner form, no better one of their group overlaps by more than the threshold.

    Groups are told apart by moving their boxes, which rounds: an overlap that is the threshold may fall on either side.
    """
    if groups is not None:  # apart from each other by more than all boxes reach
        reach = call.add(
            "Sub", call.add("ReduceMax", boxes, axes=[1, 2], keepdims=1),
            call.add("ReduceMin", boxes, axes=[1, 2], keepdims=1),
        )  # fmt: skip
        reach = call.add("Add", reach, call.number(1))
        boxes = call.add("Add", boxes, call.add("Mul", call.unsqueeze(groups, 2), reach))
    scores = call.add("Where", alive, scores, call.number(-np.inf))
    chosen = call.add(
        "NonMaxSuppression", call.cast(boxes, torch.float32),
        call.cast(call.unsqueeze(scores, 1), torch.float32), call.ints(count),
        call.writer.constant(np.array([threshold], np.float32)), call.writer.constant(np.array([_NEVER], np.float32)),
    )  # fmt: skip
    places = call.add("Gather", chosen, call.ints(0, 2), axis=1)
    zeros = call.add("Expand", call.number(0, torch.float32), call.add("Shape", scores))
    ones = call.add("Expand", call.number(1, torch.float32), call.slice(call.add("Shape", chosen), [0], [1], [0]))
    return call.truth(call.add("ScatterND", zeros, places, ones))


def _box_nms(call):
    a, width = call.a, call.sizes(axes=[-2, -1])
    count, columns = width
    x = call.inputs[0] if call.rank() == 3 else call.reshape(call.inputs[0], -1, count, columns)
    alive = call.add("Greater", _column(call, x, a["score_index"]), call.number(a["valid_thresh"]))
    grouped = a["id_index"] >= 0
    if grouped:
        same = call.add("Equal", _column(call, x, a["id_index"]), call.number(a["background_id"]))
        alive = call.add("And", alive, call.add("Not", same))
    part = min(a["topk"], count) if a["topk"] > 0 else count
    if a["topk"] == 0:
        return call.add("Identity", call.inputs[0])
    order = _by_score(call, _column(call, x, a["score_index"]), alive, part)
    x, alive = _rows(call, x, order), _rows(call, alive, order)
    start = a["coord_start"]
    boxes, scores = _column(call, x, start, 4), _column(call, x, a["score_index"])
    corners = boxes if a["in_format"] == "corner" else _to_corner(call, *_halves(call, boxes))
    groups = _column(call, x, a["id_index"]) if grouped and not a["force_suppress"] else None
    keep = _kept(call, corners, scores, alive, groups, a["overlap_thresh"], part)
    if a["in_format"] != a["out_format"]:
        if a["out_format"] == "center":
            corners = call.add("Concat", *_to_center(call, boxes), axis=-1)
        parts = [_column(call, x, 0, start)] if start else []
        parts.append(corners)
        parts += [_column(call, x, start + 4, columns - start - 4)] if start + 4 < columns else []
        x = call.add("Concat", *parts, axis=2)
    order = _by_score(call, scores, keep, part)
    keep = call.unsqueeze(_rows(call, keep, order), 2)
    x = call.add("Where", keep, _rows(call, x, order), call.number(-1))
    if part < count:
        x = call.add("Pad", x, call.ints(0, 0, 0, 0, count - part, 0), call.number(-1))
    return x if call.rank() == 3 else call.add("Reshape", x, call.add("Shape", call.inputs[0]))


def _decoded(call, offsets, anchors, form, stds, clip=None):
    """Boxes, corner form, from their offsets (batch, rows, 4) to anchors of a form."""
    middle, sides = _to_center(call, anchors) if form == "corner" else _halves(call, anchors)
    scaled = call.add("Mul", offsets, call.writer.constant(np.array(stds, numpy_dtype(call.dtype()))))
    move, grow = _halves(call, scaled)
    if clip is not None:
        grow = call.add("Min", grow, call.number(clip))
    middle = call.add("Add", call.add("Mul", move, sides), middle)
    return _to_corner(call, middle, call.add("Mul", call.add("Exp", grow), sides))


def _box_decode(call):
    a = call.a
    clip = a["clip"] if a["clip"] > 0 else None
    return _decoded(call, *call.inputs, a["format"], [a[f"std{place}"] for place in range(4)], clip)


def _multibox_detection(call):
    a = call.a
    (count,) = call.sizes(axes=[2])
    real = call.slice(call.inputs[0], [1], [np.iinfo(np.int64).max], [1])
    scores = call.add("ReduceMax", real, axes=[1], keepdims=0)
    kinds = call.cast(call.add("ArgMax", real, axis=1, keepdims=0), call.dtype())
    found = call.add("GreaterOrEqual", scores, call.number(a["threshold"]))
    boxes = _decoded(call, call.reshape(call.inputs[1], 0, -1, 4), call.inputs[2], "corner", a["variances"])
    if a["clip"]:
        boxes = call.add("Clip", boxes, call.number(0), call.number(1))
    rows = call.add("Concat", call.unsqueeze(kinds, 2), call.unsqueeze(scores, 2), boxes, axis=2)
    rows = call.add("Where", call.unsqueeze(found, 2), rows, call.number(-1))
    # What was found to the front, in the anchors' order.
    steps = call.writer.constant(np.arange(count, 0, -1, dtype=np.float32))
    packed = _by_score(call, steps, found, count, torch.float32)
    suppressing = 0 < a["nms_threshold"] <= 1
    most = a["nms_topk"] if 0 < a["nms_topk"] < count else None
    if not suppressing:
        return _rows(call, rows, packed)
    rows, found = _rows(call, rows, packed), _rows(call, found, packed)
    order = _by_score(call, _column(call, rows, 1), found, count)
    part = found
    ordered = _rows(call, rows, order)
    if most is not None:
        best = call.writer.constant(np.arange(count) < most)
        part = call.add("And", found, best)
        ordered = call.add("Where", call.unsqueeze(part, 2), ordered, rows)
    groups = None if a["force_suppress"] else _column(call, ordered, 0)
    threshold = np.nextafter(np.float32(a["nms_threshold"]), np.float32(0))  # MXNet suppresses at the threshold, too
    boxes = _column(call, ordered, 2, 4)
    keep = _kept(call, boxes, _column(call, ordered, 1), part, groups, threshold, count)
    kinds = call.add("Where", keep, _column(call, ordered, 0), call.number(-1))
    return call.add("Concat", call.unsqueeze(kinds, 2), _column(call, ordered, 1, 5), axis=2)


def _box_iou(call):
    """Intersection over union of each box of the one with each of the other."""
    left, right = call.rank(0) - 1, call.rank(1) - 1
    boxes = [call.unsqueeze(call.inputs[0], *range(left, left + right)), call.inputs[1]]
    if call.a["format"] == "center":
        boxes = [_to_corner(call, *_halves(call, one)) for one in boxes]
    (first, last), (other_first, other_last) = (_halves(call, one) for one in boxes)
    zero = call.number(0)

    def area(first, last):
        return call.add("ReduceProd", call.add("Max", call.add("Sub", last, first), zero), axes=[-1], keepdims=0)

    both = area(call.add("Max", first, other_first), call.add("Min", last, other_last))
    total = call.add("Add", area(first, last), area(other_first, other_last))
    total = call.add("Sub", total, both)
    apart = call.add("LessOrEqual", total, zero)
    return call.add("Where", apart, zero, call.add("Div", both, call.add("Where", apart, call.number(1), total)))


# --- regions ---------------------------------------------------------------------------------------------------------


def _roi_pooling(call):
    return call.add(
        "MaxRoiPool", *call.inputs, pooled_shape=call.a["pooled_size"], spatial_scale=float(call.a["spatial_scale"])
    )


def _roi_align(call):
    a = call.a
    call.only(not a["position_sensitive"] and not a["aligned"], "position_sensitive and aligned are not in opset 13")
    size = a["pooled_size"]
    rois = call.slice(call.inputs[1], [1], [5], [1])
    image = call.squeeze(call.slice(call.inputs[1], [0], [1], [1]), 1)
    return call.add(
        "RoiAlign", call.inputs[0], rois, call.cast(image, torch.int64), output_height=size[0], output_width=size[1],
        sampling_ratio=max(a["sample_ratio"], 0), spatial_scale=float(a["spatial_scale"]),
    )  # fmt: skip


def _prior(call):
    return call.folded()[0]


TABLE = {
    "ROIPooling": _roi_pooling,
    "_contrib_MultiBoxDetection": _multibox_detection,
    "_contrib_MultiBoxPrior": _prior,
    "_contrib_ROIAlign": _roi_align,
    "_contrib_box_decode": _box_decode,
    "_contrib_box_iou": _box_iou,
    "_contrib_box_nms": _box_nms,
}
