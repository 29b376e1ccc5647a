"""`keras.utils.bounding_boxes`: boxes from one form to another, clipped, moved, compared, encoded for regression."""

from tandem.keras import tensors
from tandem.ops import augment, box_forms

__all__ = [
    "affine_transform",
    "clip_to_image_size",
    "compute_ciou",
    "compute_iou",
    "convert_format",
    "crop",
    "decode_deltas_to_boxes",
    "encode_box_to_deltas",
    "pad",
]


def _size(image_shape):
    return (None, None) if image_shape is None else tuple(image_shape)[:2]


def convert_format(boxes, source, target, height=None, width=None, dtype="float32"):
    """Boxes of the form `source` in the form `target`.

    boxes: (…, 4), or a dict with "boxes"; source, target: "xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", or
    one with "rel_" before it, which takes the image's height and width. Raises ValueError for unknown forms.
    """
    if isinstance(boxes, dict):
        return {**boxes, "boxes": convert_format(boxes["boxes"], source, target, height, width, dtype)}
    boxes = tensors.convert(boxes, dtype)
    if boxes.shape[-1] != 4:
        raise ValueError(f"Expected `boxes` to be a tensor of shape (..., 4). Received: boxes.shape={boxes.shape}")
    return box_forms.convert(boxes, source.lower(), target.lower(), height, width)


def clip_to_image_size(bounding_boxes, height=None, width=None, bounding_box_format="xyxy"):
    """Boxes moved into the image; labels of what has no area left are -1.

    bounding_boxes: a dict with "boxes" (…, 4) and perhaps "labels". Raises NotImplementedError for forms other than
    "xyxy" and "rel_xyxy".
    """
    if bounding_box_format not in ("xyxy", "rel_xyxy"):
        raise NotImplementedError(f"Only 'xyxy' and 'rel_xyxy' are supported. Given: {bounding_box_format!r}.")
    if bounding_box_format == "xyxy" and (height is None or width is None):
        raise ValueError("`height` and `width` must be set if `format='xyxy'`.")
    if bounding_box_format == "rel_xyxy":
        height = width = 1.0
    boxes = box_forms.clip(tensors.convert(bounding_boxes["boxes"]), height, width)
    found = {**bounding_boxes, "boxes": boxes}
    if bounding_boxes.get("labels") is not None:
        found["labels"] = box_forms.without_empty(tensors.convert(bounding_boxes["labels"]), boxes)
    return found


def _only_corners(bounding_box_format):
    if bounding_box_format != "xyxy":
        raise NotImplementedError(f"Only 'xyxy' is supported. Given: {bounding_box_format!r}.")


def affine_transform(
    boxes,
    angle,
    translate_x,
    translate_y,
    scale,
    shear_x,
    shear_y,
    height,
    width,
    center_x=None,
    center_y=None,
    bounding_box_format="xyxy",
):
    """The upright boxes around boxes (N, M, 4) that are moved, sheared, turned and scaled; parameters: (N,).

    translate_x, translate_y: parts of the width and height less one pixel; angle, shear_x, shear_y: degrees; center_x,
    center_y: parts of the image, the middle by default.
    """
    _only_corners(bounding_box_format)
    matrix = augment.forward_matrix(
        (height, width),
        angle=angle,
        translate=(translate_x, translate_y),
        scale=scale,
        shear=(shear_x, shear_y),
        centre=(0.5 if center_x is None else center_x, 0.5 if center_y is None else center_y),
    )
    return box_forms.around_moved(tensors.convert(boxes, "float32"), matrix)


def crop(boxes, top, left, height, width, bounding_box_format="xyxy"):
    """Boxes as seen in a part of the image."""
    _only_corners(bounding_box_format)
    return box_forms.clip(box_forms.shift(tensors.convert(boxes), -left, -top), height, width)


def pad(boxes, top, left, height=None, width=None, bounding_box_format="xyxy"):
    """Boxes in an image with rows put on top of it and columns before it."""
    _only_corners(bounding_box_format)
    return box_forms.shift(tensors.convert(boxes), left, top)


def compute_iou(boxes1, boxes2, bounding_box_format, use_masking=False, mask_val=-1, image_shape=None):
    """Intersection over union of each of boxes1 (…, N, 4) with each of boxes2 (…, M, 4).

    use_masking: boxes of negative numbers only give `mask_val`; image_shape: (height, width, channels), for relative
    forms. Raises ValueError for other ranks than 2 and 3.
    """
    boxes1, boxes2 = tensors.convert(boxes1), tensors.convert(boxes2)
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if boxes.ndim not in (2, 3):
            raise ValueError(
                f"compute_iou() expects {name} to be batched, or to be unbatched. "
                f"Received len(boxes1.shape)={boxes1.ndim}, len(boxes2.shape)={boxes2.ndim}. "
                f"Expected either len({name}.shape)=2 AND or len({name}.shape)=3."
            )
    _needs_shape(bounding_box_format, image_shape)
    height, width = _size(image_shape)
    a, b = (convert_format(boxes, bounding_box_format, "xyxy", height, width) for boxes in (boxes1, boxes2))
    overlap = box_forms.iou(a, b)
    return box_forms.masked_iou(overlap, a, b, mask_val) if use_masking else overlap


def compute_ciou(boxes1, boxes2, bounding_box_format, image_shape=None):
    """The complete IoU of boxes side by side, (…, 4): (…,)."""
    _needs_shape(bounding_box_format, image_shape)
    height, width = _size(image_shape)
    a, b = (convert_format(boxes, bounding_box_format, "xyxy", height, width) for boxes in (boxes1, boxes2))
    return box_forms.complete_iou(a, b)


def _needs_shape(form, image_shape):
    if "rel" in form and image_shape is None:
        raise ValueError(
            "When using relative bounding box formats (e.g. `rel_yxyx`) the `image_shape` argument must be provided."
            f"Received `image_shape`: {image_shape}"
        )


def _check_encoding(name, form, variance):
    if form not in ("center_xywh", "center_yxhw"):
        raise ValueError(f"`{name}` should be one of 'center_xywh' or 'center_yxhw', got {form}")
    if variance is not None and len(variance) != 4:
        raise ValueError(f"`variance` must be length 4, got {variance}")


def encode_box_to_deltas(
    anchors, boxes, anchor_format, box_format, encoding_format="center_yxhw", variance=None, image_shape=None
):
    """What regression from anchors to boxes learns: distances of centres and logarithms of sizes, over `variance`."""
    _check_encoding("encoding_format", encoding_format, variance)
    height, width = _size(image_shape)
    anchors = convert_format(anchors, anchor_format, encoding_format, height, width)
    return box_forms.encode(anchors, convert_format(boxes, box_format, encoding_format, height, width), variance)


def decode_deltas_to_boxes(
    anchors, boxes_delta, anchor_format, box_format, encoded_format="center_yxhw", variance=None, image_shape=None
):
    """The boxes of what `encode_box_to_deltas` gives; anchors and deltas may be dicts of levels."""
    _check_encoding("encoded_format", encoded_format, variance)
    if isinstance(anchors, dict) and isinstance(boxes_delta, dict):
        rest = (anchor_format, box_format, encoded_format, variance, image_shape)
        return {level: decode_deltas_to_boxes(anchors[level], boxes_delta[level], *rest) for level in anchors}
    height, width = _size(image_shape)
    anchors = convert_format(anchors, anchor_format, encoded_format, height, width)
    boxes = box_forms.decode(anchors, tensors.convert(boxes_delta, "float32"), variance)
    return convert_format(boxes, encoded_format, box_format, height, width)
