"""Operators of object detection: boxes, their suppression and matching, anchors, proposals."""

from functools import partial

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import anchors, boxes


def _check(holds, wrong, expected, given):
    if not holds:
        raise MXNetError(explain(wrong, expected=expected, given=given))


def _shapes(*arrays):
    return ", ".join(str(tuple(array.shape)) for array in arrays)


def _floating(name, *arrays):
    _check(
        all(array.is_floating_point() for array in arrays),
        f"{name} takes floating point numbers",
        "float16, float32 or float64",
        ", ".join(str(array.dtype) for array in arrays),
    )


def _first_dim_any(count):
    return None if count < 0 else count


def _contrib(name, function, inputs, attributes=None, *, aliases=(), **fields):
    register(
        f"_contrib_{name}", function, inputs, attributes, aliases=[f"_contrib_{alias}" for alias in aliases], **fields
    )


_FORM = a.choice("center", "corner", default="corner")

# --- boxes -----------------------------------------------------------------------------------------------------------


def _box_iou(lhs, rhs, *, format):
    """Intersection over union of all boxes of lhs with all of rhs: (*a, 4) and (*b, 4) give (*a, *b).

    No gradient flows.
    """
    _floating("box_iou", lhs, rhs)
    for array in (lhs, rhs):
        _check(
            array.dim() >= 2 and array.shape[-1] == 4,
            "box_iou takes boxes",
            "2 axes or more, the last one of size 4",
            _shapes(lhs, rhs),
        )
    return boxes.without_gradient(partial(boxes.iou, form=format), lhs, rhs)


def _box_nms(
    data,
    *,
    overlap_thresh,
    valid_thresh,
    topk,
    coord_start,
    score_index,
    id_index,
    background_id,
    force_suppress,
    in_format,
    out_format,
):
    """Non-maximum suppression: the rows (boxes with scores) that stay, by falling score, then rows of -1.

    data: (..., N, K). A row goes where a better one of its class (of any class with force_suppress or without
    id_index) overlaps it more than overlap_thresh, where its score does not exceed valid_thresh, where its class is
    background_id, and behind the topk best. Gradients go back to where the rows came from.
    """
    _floating("box_nms", data)
    _check(data.dim() >= 2, "box_nms takes rows of numbers", "(..., N, K)", _shapes(data))
    width, end = data.shape[-1], coord_start + 4
    _check(
        coord_start >= 0 and end <= width,
        "The coordinates lie outside the rows",
        f"coord_start from 0 to {width - 4}",
        f"coord_start={coord_start}",
    )
    for name, index in (("score_index", score_index), ("id_index", id_index)):
        if name == "id_index" and index < 0:
            continue
        _check(
            0 <= index < width and not coord_start <= index < end,
            f"{name} does not fit the rows",
            f"0 to {width - 1}, and none of the coordinates {coord_start} to {end - 1}",
            f"{name}={index}",
        )
    if topk == 0:
        return data.clone()  # as MXNet does: nothing is sorted either
    return boxes.suppressed(
        data,
        threshold=overlap_thresh,
        valid=valid_thresh,
        most=_first_dim_any(topk),
        coordinates=coord_start,
        score=score_index,
        group=None if id_index < 0 else id_index,
        background=background_id,  # -1 too: a class of -1 is none
        across=force_suppress,
        form=in_format,
        result=out_format,
    )


def _box_encode(samples, matches, anchors, refs, means, stds):
    """Targets of box regression, and their mask: ``((x - ax) / aw - mean) / std``, the same for y, logarithms for the
    sides; 0 where samples is not 1.

    samples, matches: (B, N); anchors: (B, N, 4) and refs: (B, M, 4), corner form; means, stds: (4,).
    """
    _floating("box_encode", samples, matches, anchors, refs)
    _check(
        anchors.dim() == refs.dim() == 3
        and anchors.shape[-1] == refs.shape[-1] == 4
        and anchors.shape[:2] == samples.shape == matches.shape
        and means.shape == stds.shape == (4,),
        "The inputs of box_encode do not go together",
        "samples (B, N), matches (B, N), anchors (B, N, 4), refs (B, M, 4), means (4,), stds (4,)",
        _shapes(samples, matches, anchors, refs, means, stds),
    )
    return boxes.without_gradient(boxes.encode, samples, matches, anchors, refs, means, stds)


def _box_decode(data, anchors, *, std0, std1, std2, std3, clip, format):
    """Boxes (corner form) from the offsets that a network predicts: ``x = dx std aw + ax``, ``w = exp(dw std) aw``.

    data: (B, N, 4); anchors: (1, N, 4) of that format; clip: the largest ``dw std``, if above 0.
    """
    _floating("box_decode", data, anchors)
    _check(
        data.dim() == anchors.dim() == 3
        and data.shape[-1] == anchors.shape[-1] == 4
        and anchors.shape[0] == 1
        and data.shape[1] == anchors.shape[1],
        "The inputs of box_decode do not go together",
        "data (B, N, 4) and anchors (1, N, 4)",
        _shapes(data, anchors),
    )
    decode = partial(boxes.decode, stds=(std0, std1, std2, std3), clip=clip if clip > 0 else None, form=format)
    return boxes.without_gradient(decode, data, anchors)


def _bipartite_matching(data, *, is_ascend, threshold, topk):
    """Pairs of rows and columns, the best score first: the column of each row and the row of each column, -1 for none.

    data: (..., N, M); scores must exceed the threshold (is_ascend: stay below it).
    """
    _floating("bipartite_matching", data)
    _check(data.dim() >= 2, "bipartite_matching takes matrices of scores", "(..., N, M)", _shapes(data))
    # MXNet (1.9.1) stops when it has more than topk pairs.
    most = topk + 1 if topk > 0 else None
    match = partial(boxes.bipartite, threshold=threshold, ascending=is_ascend, most=most)
    return boxes.without_gradient(match, data)


_contrib("box_iou", _box_iou, ("lhs", "rhs"), {"format": _FORM})
_contrib(
    "box_nms",
    _box_nms,
    ("data",),
    {
        "overlap_thresh": a.single(0.5),
        "valid_thresh": a.single(0.0),
        "topk": a.integer(-1),
        "coord_start": a.integer(2),
        "score_index": a.integer(1),
        "id_index": a.integer(-1),
        "background_id": a.integer(-1),
        "force_suppress": a.flag(False),
        "in_format": _FORM,
        "out_format": _FORM,
    },
    aliases=("box_non_maximum_suppression",),
)
_contrib("box_encode", _box_encode, ("samples", "matches", "anchors", "refs", "means", "stds"))
_contrib(
    "box_decode",
    _box_decode,
    ("data", "anchors"),
    {
        **{f"std{index}": a.single(1.0) for index in range(4)},
        "clip": a.single(-1.0),
        "format": a.choice("center", "corner", default="center"),
    },
)
_contrib(
    "bipartite_matching",
    _bipartite_matching,
    ("data",),
    {"is_ascend": a.flag(False), "threshold": a.single(), "topk": a.integer(-1)},
)

# --- anchors ---------------------------------------------------------------------------------------------------------


def _single(name, *arrays):
    """MXNet computes these in float32 alone; float64 is welcome here."""
    _floating(name, *arrays)


def _multibox_prior(data, *, sizes, ratios, clip, steps, offsets):
    """Anchors for each place of data (N, C, H, W), as parts of the image: (1, H * W * A, 4), corner form.

    A place has all sizes with the first ratio, then the first size with the other ratios. steps, offsets: (y, x).
    """
    _single("MultiBoxPrior", data)
    _check(data.dim() >= 4, "MultiBoxPrior takes images", "(N, C, H, W)", _shapes(data))
    _check(
        len(sizes) > 0 and len(ratios) > 0,
        "Anchors need sizes and ratios",
        "one or more",
        f"sizes={sizes}, ratios={ratios}",
    )
    _check(len(steps) == 2 and len(offsets) == 2, "These are no steps and offsets", "(y, x)", f"{steps}, {offsets}")
    _check(steps[0] * steps[1] >= 0, "Both steps must be given", "both above 0, or both below", f"steps={steps}")
    height, width = data.shape[2:4]
    found = anchors.prior_boxes(
        height,
        width,
        sizes,
        ratios,
        clip=clip,
        steps=steps if steps[0] > 0 and steps[1] > 0 else None,
        offsets=offsets,
        like=data,
    )
    return found.unsqueeze(0)


def _prior(data, **attributes):
    return boxes.without_gradient(partial(_multibox_prior, **attributes), data)


_prior.__doc__ = _multibox_prior.__doc__

_VARIANCES = a.reals((0.1, 0.1, 0.2, 0.2))


def _check_variances(variances):
    _check(len(variances) == 4, "There are four variances", "4 numbers", f"variances={variances}")


def _multibox_target(
    anchor,
    label,
    cls_pred,
    *,
    overlap_threshold,
    ignore_label,
    negative_mining_ratio,
    negative_mining_thresh,
    minimum_negative_samples,
    variances,
):
    """What each anchor learns: offsets (B, 4 N), their mask (B, 4 N) and classes (B, N), 0 the background.

    anchor: (1, N, 4); label: (B, L, 5 or more) with rows (class, corners), ended by a class of -1; cls_pred: (B,
    classes, N). minimum_negative_samples: no effect in MXNet (1.9.1) either.
    """
    _single("MultiBoxTarget", anchor, label, cls_pred)
    _check_variances(variances)
    count = anchor.shape[1] if anchor.dim() == 3 else -1
    _check(
        count > 0
        and anchor.shape[0] == 1
        and anchor.shape[2] == 4
        and label.dim() == cls_pred.dim() == 3
        and label.shape[2] >= 5
        and cls_pred.shape[2] == count,
        "The inputs of MultiBoxTarget do not go together",
        "anchor (1, N, 4), label (B, L, 5 or more), cls_pred (B, classes, N)",
        _shapes(anchor, label, cls_pred),
    )
    targets = partial(
        anchors.training_targets,
        threshold=overlap_threshold,
        ignore=ignore_label,
        negative_ratio=negative_mining_ratio,
        negative_threshold=negative_mining_thresh,
        variances=variances,
    )
    return boxes.without_gradient(targets, anchor[0], label, cls_pred)


def _multibox_detection(
    cls_prob,
    loc_pred,
    anchor,
    *,
    clip,
    threshold,
    background_id,
    nms_threshold,
    force_suppress,
    variances,
    nms_topk,
):
    """What a detector found: rows (class, score, corners), (B, N, 6), by score; suppressed ones have class -1.

    cls_prob: (B, classes, N), class 0 the background (whatever background_id is, as in MXNet 1.9.1 on a CPU);
    loc_pred: (B, 4 N); anchor: (1, N, 4).
    """
    _single("MultiBoxDetection", cls_prob, loc_pred, anchor)
    _check_variances(variances)
    _check(
        cls_prob.dim() == anchor.dim() == 3
        and loc_pred.dim() == 2
        and anchor.shape == (1, cls_prob.shape[2], 4)
        and loc_pred.shape == (cls_prob.shape[0], 4 * cls_prob.shape[2]),
        "The inputs of MultiBoxDetection do not go together",
        "cls_prob (B, classes, N), loc_pred (B, 4 N), anchor (1, N, 4)",
        _shapes(cls_prob, loc_pred, anchor),
    )
    found = partial(
        anchors.detections,
        clip=clip,
        threshold=threshold,
        overlap=nms_threshold,
        across=force_suppress,
        variances=variances,
        most=nms_topk if nms_topk > 0 else None,
    )
    return boxes.without_gradient(found, cls_prob, loc_pred, anchor[0])


_contrib(
    "MultiBoxPrior",
    _prior,
    ("data",),
    {
        "sizes": a.reals((1.0,)),
        "ratios": a.reals((1.0,)),
        "clip": a.flag(False),
        "steps": a.reals((-1.0, -1.0)),
        "offsets": a.reals((0.5, 0.5)),
    },
)
_contrib(
    "MultiBoxTarget",
    _multibox_target,
    ("anchor", "label", "cls_pred"),
    {
        "overlap_threshold": a.single(0.5),
        "ignore_label": a.single(-1.0),
        "negative_mining_ratio": a.single(-1.0),
        "negative_mining_thresh": a.single(0.5),
        "minimum_negative_samples": a.integer(0),
        "variances": _VARIANCES,
    },
)
_contrib(
    "MultiBoxDetection",
    _multibox_detection,
    ("cls_prob", "loc_pred", "anchor"),
    {
        "clip": a.flag(True),
        "threshold": a.single(0.01),
        "background_id": a.integer(0),
        "nms_threshold": a.single(0.5),
        "force_suppress": a.flag(False),
        "variances": _VARIANCES,
        "nms_topk": a.integer(-1),
    },
)

# --- proposals -------------------------------------------------------------------------------------------------------


def _multi_proposal(
    cls_prob,
    bbox_pred,
    im_info,
    *,
    rpn_pre_nms_top_n,
    rpn_post_nms_top_n,
    threshold,
    rpn_min_size,
    scales,
    ratios,
    feature_stride,
    output_score,
    iou_loss,
):
    """Boxes that may hold an object: rows (image, corners), rpn_post_nms_top_n to an image, and their scores.

    cls_prob: (B, 2 A, H, W), the second half that of an object; bbox_pred: (B, 4 A, H, W); im_info: (B, 3), height,
    width and scale.
    """
    _single("Proposal", cls_prob, bbox_pred, im_info)
    count = len(scales) * len(ratios)
    batch, spatial = cls_prob.shape[0], tuple(cls_prob.shape[2:])
    _check(
        cls_prob.dim() == 4
        and tuple(cls_prob.shape) == (batch, 2 * count, *spatial)
        and tuple(bbox_pred.shape) == (batch, 4 * count, *spatial)
        and tuple(im_info.shape) == (batch, 3),
        "The inputs of Proposal do not go together",
        f"cls_prob (B, {2 * count}, H, W), bbox_pred (B, {4 * count}, H, W), im_info (B, 3)",
        _shapes(cls_prob, bbox_pred, im_info),
    )
    found = partial(
        anchors.proposals,
        before=rpn_pre_nms_top_n,
        after=rpn_post_nms_top_n,
        threshold=threshold,
        smallest=rpn_min_size,
        scales=scales,
        ratios=ratios,
        stride=feature_stride,
        sides=iou_loss,
    )
    return boxes.without_gradient(found, cls_prob, bbox_pred, im_info)


def _proposal(cls_prob, bbox_pred, im_info, **attributes):
    _check(cls_prob.shape[0] == 1, "Proposal takes one image", "B = 1; MultiProposal takes more", _shapes(cls_prob))
    return _multi_proposal(cls_prob, bbox_pred, im_info, **attributes)


_proposal.__doc__ = (_multi_proposal.__doc__ or "").replace("(B, ", "(1, ")

for _name, _function in (("Proposal", _proposal), ("MultiProposal", _multi_proposal)):
    _contrib(
        _name,
        _function,
        ("cls_prob", "bbox_pred", "im_info"),
        {
            "rpn_pre_nms_top_n": a.integer(6000),
            "rpn_post_nms_top_n": a.integer(300),
            "threshold": a.single(0.7),
            "rpn_min_size": a.integer(16),
            "scales": a.reals((4.0, 8.0, 16.0, 32.0)),
            "ratios": a.reals((0.5, 1.0, 2.0)),
            "feature_stride": a.integer(16),
            "output_score": a.flag(False),
            "iou_loss": a.flag(False),
        },
        visible=lambda attributes: 2 if attributes["output_score"] else 1,
    )
