"""Boxes in images: the forms that they are written in, moves of the image that they follow, overlaps, regression.

Boxes are (..., 4). A form is a name such as "xyxy" (left, top, right, bottom), "yxyx", "xywh" (left, top, width,
height), "center_xywh", "center_yxhw"; "rel_" before it says that lengths are parts of the image's width and height.
"""

import math

import torch

FORMS = (
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "center_yxhw",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
    "rel_center_xywh",
)


def _join(*parts):
    return torch.stack(torch.broadcast_tensors(*parts), -1)


def _unscaled(value):
    """A size so that it broadcasts against one coordinate of (..., 4) boxes."""
    return value.squeeze(-1) if isinstance(value, torch.Tensor) and value.dim() > 2 else value


def to_corners(boxes, form, height=None, width=None):
    """Boxes of a form as left, top, right, bottom, in pixels."""
    a, b, c, d = boxes.unbind(-1)
    kind = form.removeprefix("rel_")
    if kind.startswith(("yx", "center_yx")):
        a, b, c, d = b, a, d, c
    if kind.startswith("center_"):
        a, b, c, d = a - c / 2, b - d / 2, a + c / 2, b + d / 2
    elif kind == "xywh":
        c, d = a + c, b + d
    if form.startswith("rel_"):
        width, height = _unscaled(width), _unscaled(height)
        a, b, c, d = a * width, b * height, c * width, d * height
    return _join(a, b, c, d)


def from_corners(boxes, form, height=None, width=None):
    """Boxes given as left, top, right, bottom in pixels, in another form."""
    a, b, c, d = boxes.unbind(-1)
    kind = form.removeprefix("rel_")
    if kind.startswith("center_"):
        wide, high = c - a, d - b
        a, b, c, d = a + wide / 2, b + high / 2, wide, high
    elif kind == "xywh":
        c, d = c - a, d - b
    if form.startswith("rel_"):
        width, height = _unscaled(width), _unscaled(height)
        a, b, c, d = a / width, b / height, c / width, d / height
    if kind.startswith(("yx", "center_yx")):
        a, b, c, d = b, a, d, c
    return _join(a, b, c, d)


def convert(boxes, source, target, height=None, width=None):
    """Boxes of the form `source` in the form `target`; height, width: of the image, where a form is relative.

    Raises ValueError for unknown forms and for relative ones without the image's size.
    """
    for name, form in (("source", source), ("target", target)):
        if form not in FORMS:
            raise ValueError(f"Unknown form of boxes. Expected: one of {', '.join(FORMS)}. Given: {name}={form!r}.")
    if source == target:
        return boxes
    if (source.startswith("rel_") or target.startswith("rel_")) and (height is None or width is None):
        raise ValueError(
            "convert_format() must receive `height` and `width` transforming between relative and absolute formats. "
            f"convert_format() received source=`{source}`, target=`{target}, but height={height} and width={width}."
        )
    return from_corners(to_corners(boxes, source, height, width), target, height, width)


def to_sides(left, top, right, bottom):
    """(height, width) of the box between two corners."""
    return bottom - top, right - left


def clip(boxes, height, width):
    """Corners (left, top, right, bottom) moved into an image of that size."""
    a, b, c, d = boxes.unbind(-1)
    return _join(a.clamp(0, width), b.clamp(0, height), c.clamp(0, width), d.clamp(0, height))


def without_empty(labels, boxes):
    """Labels, -1 where a box (corner form) has no area."""
    a, b, c, d = boxes.unbind(-1)
    return torch.where((c - a) * (d - b) > 0, labels, torch.full_like(labels, -1))


def shift(boxes, right, down):
    """Corners moved to the right and down."""
    a, b, c, d = boxes.unbind(-1)
    return _join(a + right, b + down, c + right, d + down)


def cut(boxes, left, top, right, bottom):
    """Corners as seen from (left, top), after moving them into the box from there to (right, bottom)."""
    a, b, c, d = boxes.unbind(-1)

    def inside(x, low, high):
        low, high = (v if isinstance(v, torch.Tensor) else x.new_tensor(v) for v in (low, high))
        return torch.minimum(torch.maximum(x, low), high) - low

    return _join(inside(a, left, right), inside(b, top, bottom), inside(c, left, right), inside(d, top, bottom))


def scale(boxes, across, down):
    """Corners times one number across and one down."""
    a, b, c, d = boxes.unbind(-1)
    return _join(a * across, b * down, c * across, d * down)


def is_padding(boxes):
    """Which boxes are all -1 or all 0: those that only fill up a batch."""
    return (boxes == -1).all(-1) | (boxes == 0).all(-1)


def blank(boxes, which):
    """Boxes, 0 where `which` (...,) is true."""
    return torch.where(which.unsqueeze(-1), torch.zeros_like(boxes), boxes)


def flip(boxes, which, *, across=False, down=False):
    """Corners as parts of the image, (N, M, 4), in the images that `which` (N,) names turned over."""
    a, b, c, d = boxes.unbind(-1)
    if across:
        a, c = 1 - c, 1 - a
    if down:
        b, d = 1 - d, 1 - b
    return torch.where(which.reshape(-1, *(1,) * (boxes.dim() - 1)), _join(a, b, c, d), boxes)


def around_moved(boxes, matrix):
    """The upright boxes around corners that were moved: (N, M, 4) by (N, 3, 3), ``(x, y, 1) -> (x', y', w)``."""
    a, b, c, d = boxes.unbind(-1)
    points = torch.stack((torch.stack((a, c, c, a), -1), torch.stack((b, b, d, d), -1)), -1)
    points = torch.cat((points, torch.ones_like(points[..., :1])), -1)
    moved = torch.einsum("bnky,bzy->bnkz", points, matrix.to(points.dtype))
    moved = moved[..., :2] / moved[..., 2:]
    return torch.cat((moved.amin(-2), moved.amax(-2)), -1)


def sheared(boxes, factors):
    """The boxes around corners (as parts of the image, (N, M, 4)) that were sheared by factors (N, 2), x then y."""
    a, b, c, d = boxes.unbind(-1)
    across, down = factors[:, :1].to(boxes.dtype), factors[:, 1:].to(boxes.dtype)
    rising = across < 0
    left = torch.where(rising, a - across * b, a - across * d)
    right = torch.where(rising, c - across * d, c - across * b)
    falling = down > 0
    top = torch.where(falling, b - down * right, b - down * left)
    bottom = torch.where(falling, d - down * left, d - down * right)
    return _join(left, top, right, bottom)


def mixed(boxes, order):
    """Each image's boxes (N, M, 4), and those of the image that `order` gives it: (N, 2 M, 4)."""
    return torch.cat((boxes, boxes.index_select(0, order)), 1)


def fit(x, count, value):
    """(N, M, ...) cut or filled up to (N, count, ...) with a value."""
    x = x[:, :count]
    missing = count - x.shape[1]
    return torch.cat((x, x.new_full((x.shape[0], missing, *x.shape[2:]), value)), 1) if missing else x


# --- overlaps --------------------------------------------------------------------------------------------------------


def iou(a, b, *, epsilon=1e-7):
    """Intersection over union of each of (..., N, 4) with each of (..., M, 4), corner form: (..., N, M)."""
    a, b = a.unsqueeze(-2), b.unsqueeze(-3)
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp_min(0).prod(-1)
    areas = [(x[..., 2:] - x[..., :2]).prod(-1) for x in (a, b)]
    return shared / (areas[0] + areas[1] - shared + epsilon)


def masked_iou(overlap, a, b, value):
    """Overlaps (..., N, M), `value` where a box has no coordinate above or at 0."""
    gone = (a.amax(-1) < 0).unsqueeze(-1) | (b.amax(-1) < 0).unsqueeze(-2)
    return torch.where(gone, torch.full_like(overlap, value), overlap)


def complete_iou(a, b, *, epsilon=1e-7):
    """The complete IoU of boxes side by side, (..., 4) in corner form: (...,). Zheng et al., 2020.

    The IoU, less the squared distance of the centres over that of the hull's corners, less ``v alpha`` with
    ``v = (4 / pi^2) (atan(w2 / h2) - atan(w1 / h1))^2`` and ``alpha = v / (v - iou + 1)``.
    """
    (w1, h1), (w2, h2) = (a[..., 2:] - a[..., :2]).unbind(-1), (b[..., 2:] - b[..., :2]).unbind(-1)
    h1, h2 = h1 + epsilon, h2 + epsilon
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp_min(0).prod(-1)
    overlap = shared / (w1 * h1 + w2 * h2 - shared + 2 * epsilon)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).square().sum(-1) + epsilon
    apart = ((a[..., :2] + a[..., 2:]) / 2 - (b[..., :2] + b[..., 2:]) / 2).square().sum(-1)
    v = (4 / math.pi**2) * (torch.atan(w2 / h2) - torch.atan(w1 / h1)).square()
    return overlap - (apart / hull + v * (v / (v - overlap + (1 + epsilon))))


# --- regression ------------------------------------------------------------------------------------------------------


def encode(anchors, boxes, variance=None, *, epsilon=1e-7):
    """``((c - ca) / sa, log(s / sa)) / variance`` with centres c and sizes s of boxes and anchors in center form."""
    size, wanted = anchors[..., 2:].clamp_min(epsilon), boxes[..., 2:].clamp_min(epsilon)
    y = torch.cat(((boxes[..., :2] - anchors[..., :2]) / size, torch.log(wanted / size)), -1)
    return y if variance is None else y / torch.as_tensor(variance, dtype=y.dtype, device=y.device)


def decode(anchors, offsets, variance=None):
    """The boxes, center form, that `encode` makes such offsets of."""
    if variance is not None:
        offsets = offsets * torch.as_tensor(variance, dtype=offsets.dtype, device=offsets.device)
    size = anchors[..., 2:]
    return torch.cat((offsets[..., :2] * size + anchors[..., :2], torch.exp(offsets[..., 2:]) * size), -1)
