"""Anchors: boxes laid out over a feature map, what a detector learns at them, and the boxes that it then finds.

Liu et al., 2016 (SSD) for the boxes of several sizes; Ren et al., 2015 (Faster R-CNN) for the proposals.
"""

import math

import torch

from tandem.ops import boxes as bx


def prior_boxes(height, width, sizes, ratios, *, clip=False, steps=None, offsets=(0.5, 0.5), like):
    """Anchors around the centre of each place of a feature map, in parts of the image: (height * width * A, 4).

    Corner form. The A boxes of a place: all sizes with the first ratio, then the first size with the other ratios. A
    box of size s and ratio r is ``s sqrt(r) height / width`` wide and ``s / sqrt(r)`` high. steps: (y, x), None for
    1 / height and 1 / width; offsets: (y, x) of the centre, in steps; clip: keep the boxes inside the image. like: a
    tensor of the dtype and on the device that the boxes shall have.
    """
    step_y, step_x = steps or (1.0 / height, 1.0 / width)
    kind = {"dtype": like.dtype, "device": like.device}
    y = (torch.arange(height, **kind) + offsets[0]) * step_y
    x = (torch.arange(width, **kind) + offsets[1]) * step_x
    shapes = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    roots = [(size, math.sqrt(ratio) if ratio >= 0 else math.nan) for size, ratio in shapes]
    half_width = torch.tensor([size * height / width * root / 2 for size, root in roots], **kind)
    half_height = torch.tensor([size / root / 2 if root else math.inf for size, root in roots], **kind)
    y, x = y[:, None, None], x[None, :, None]
    sides = (x - half_width, y - half_height, x + half_width, y + half_height)
    found = torch.stack(torch.broadcast_tensors(*sides), -1).reshape(-1, 4)
    return found.clamp(0, 1) if clip else found


# --- what is learned -------------------------------------------------------------------------------------------------


def _negatives(scores, taken, overlap, ratio, highest):
    """Which anchors without an object are trained as background: ``ratio`` times as many as are taken, those that the
    background's score is lowest for, of those which overlap less than `highest`."""
    count = taken.sum(1)
    wanted = torch.minimum((count.to(scores.dtype) * ratio).long(), scores.shape[2] - count)
    candidate = ~taken & (overlap < highest)
    background = torch.softmax(scores, 1)[:, 0]
    order = torch.where(candidate, background, math.inf).sort(dim=1, stable=True)[1]
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    return candidate & (rank < wanted.unsqueeze(1))


def training_targets(
    anchors,
    labels,
    scores,
    *,
    threshold=0.5,
    ignore=-1.0,
    negative_ratio=-1.0,
    negative_threshold=0.5,
    variances=(0.1, 0.1, 0.2, 0.2),
):
    """What each anchor learns: (offsets (B, 4 N), mask (B, 4 N), class (B, N)).

    Every object takes the anchor that overlaps it most (the best pair first); an anchor that is left takes the object
    that it overlaps most if that is more than the threshold. Its class is the object's plus 1, 0 is the background,
    and `ignore` is what is not trained: with ``negative_ratio > 0`` all but that many anchors for each one taken.

    anchors: (N, 4), corners; labels: (B, L, 5 or more), (class, left, top, right, bottom), the first class of -1 ends
    them; scores: (B, classes, N), before the softmax. A sample without objects is ignored.
    """
    batch, count = labels.shape[0], anchors.shape[0]
    if not labels.shape[1]:
        labels = labels.new_full((batch, 1, labels.shape[2]), -1)
    there = (labels[:, :, 0] != -1).to(torch.int8).cummin(1)[0].bool()  # (B, L)
    objects = labels[:, :, 1:5]
    overlap = bx.jaccard(objects.unsqueeze(2), anchors)  # (B, L, N)
    overlap = torch.where(there.unsqueeze(2), overlap, -1)
    own = bx.match(torch.where(overlap > 1e-6, overlap, -math.inf))  # (B, L)
    best, which = overlap.max(1)
    # A place behind the last anchor takes what objects without an anchor write.
    place = torch.where(own < 0, count, own)
    numbers = torch.arange(place.shape[1], device=place.device).expand_as(place)
    given = place.new_full((batch, count + 1), -1).scatter_(1, place, numbers)[:, :count]
    taken = given >= 0
    if threshold > 0:
        taken = taken | (best > threshold)
    which = torch.where(given >= 0, given, which)
    chosen = labels.gather(1, which.unsqueeze(-1).expand(-1, -1, labels.shape[2]))
    some = there[:, :1]
    taken = taken & some
    if negative_ratio > 0:
        background = _negatives(scores, taken, best, negative_ratio, negative_threshold) & some
    else:
        background = ~taken & some
    stds = torch.tensor(variances, dtype=anchors.dtype, device=anchors.device)
    moved = bx.offsets(bx.to_center(chosen[..., 1:5]), bx.to_center(anchors), stds=stds)
    mask = taken.unsqueeze(-1).expand(-1, -1, 4)
    classes = torch.where(taken, chosen[..., 0] + 1, torch.where(background, 0, ignore))
    return (
        torch.where(mask, moved, 0).reshape(batch, -1),
        mask.to(anchors.dtype).reshape(batch, -1),
        classes.to(anchors.dtype),
    )


# --- what is found ---------------------------------------------------------------------------------------------------


def detections(
    scores,
    offsets,
    anchors,
    *,
    clip=True,
    threshold=0.01,
    overlap=0.5,
    across=False,
    variances=(0.1, 0.1, 0.2, 0.2),
    most=None,
):
    """Rows (class, score, left, top, right, bottom), (B, N, 6), by score; a suppressed one has class -1, and behind
    the found ones rows are -1.

    scores: (B, classes, N), class 0 the background; offsets: (B, 4 N); anchors: (N, 4), corners. clip: to the image;
    threshold: scores below it find nothing; overlap: from this IoU on the lower score is suppressed (no suppression
    outside (0, 1]: rows then keep the anchors' order), across classes or (not `across`) within one; most: rows that
    take part in it, others are suppressed.
    """
    batch, _, count = scores.shape
    score, kind = scores[:, 1:].max(1)
    found = score >= threshold
    # Rows that MXNet moves to the front, in the anchors' order.
    packed = (~found).to(torch.int8).sort(dim=1, stable=True)[1]
    decoded = bx.decode(offsets.reshape(batch, count, 4), anchors.unsqueeze(0), variances, form="corner")
    decoded = decoded.clamp(0, 1) if clip else decoded
    rows = torch.cat((kind.to(scores.dtype).unsqueeze(-1), score.unsqueeze(-1), decoded), -1)
    rows = torch.where(found.unsqueeze(-1), rows, -1)
    rows, found = bx.take(rows, packed), found.gather(1, packed)
    if not 0 < overlap <= 1:
        return rows
    ordered = bx.take(rows, bx.by_score(rows[..., 1], found))
    part = found
    if most is not None:
        part = found & (torch.arange(count, device=found.device) < most)
        # MXNet (1.9.1) sorts the best ones only, and leaves what stood behind them where it was.
        ordered = torch.where(part.unsqueeze(-1), ordered, rows)
    sides = bx.to_sides(ordered[..., 2:]).unbind(-1)
    keep = bx.suppress(
        ordered[..., 2:],
        part,
        overlap,
        areas=sides[0] * sides[1],
        groups=None if across else ordered[..., 0],
        inclusive=True,
    )
    kinds = torch.where(keep, ordered[..., 0], -1)
    return torch.cat((kinds.unsqueeze(-1), ordered[..., 1:]), -1)


# --- proposals -------------------------------------------------------------------------------------------------------


def window_anchors(stride, ratios, scales):
    """Anchors (corners, in pixels) around the first stride x stride pixels: each ratio with each scale, (A, 4) list.

    Sides of a ratio are rounded to whole pixels before they are scaled, as Faster R-CNN's authors had it.
    """
    centre = (stride - 1) / 2
    found = []
    for ratio in ratios:
        width = math.floor(math.sqrt(math.floor(stride * stride / ratio)) + 0.5)
        height = math.floor(width * ratio + 0.5)
        for scale in scales:
            half_width, half_height = (width * scale - 1) / 2, (height * scale - 1) / 2
            found.append((centre - half_width, centre - half_height, centre + half_width, centre + half_height))
    return found


def _pixel_sides(rows):
    return (bx.to_sides(rows) + 1).unbind(-1)


def proposals(
    scores,
    offsets,
    images,
    *,
    before=6000,
    after=300,
    threshold=0.7,
    smallest=16,
    scales=(4.0, 8.0, 16.0, 32.0),
    ratios=(0.5, 1.0, 2.0),
    stride=16,
    sides=False,
):
    """Boxes that may hold an object, by score: (rows (B * after, 5), scores (B * after, 1)).

    A row is (image, left, top, right, bottom), in pixels that belong to the box. Anchors are moved, clipped to the
    image, and suppressed where they overlap a better one; those which are too small come last. Where fewer than
    `after` stay, the rows begin again from the first.

    scores: (B, 2 A, H, W), the second half that of an object; offsets: (B, 4 A, H, W); images: (B, 3), height, width
    and scale. before: how many take part in the suppression; smallest: side in pixels of the unscaled image; sides:
    offsets are added to the four sides, not to centre and size.
    """
    batch, channels, height, width = scores.shape
    kind = {"dtype": scores.dtype, "device": scores.device}
    base = torch.tensor(window_anchors(stride, ratios, scales), **kind)
    count = channels // 2
    x, y = torch.arange(width, **kind) * stride, torch.arange(height, **kind) * stride
    shift_y, shift_x = torch.meshgrid(y, x, indexing="ij")
    shift = torch.stack((shift_x, shift_y, shift_x, shift_y), -1)
    anchors = (shift.unsqueeze(2) + base).reshape(1, -1, 4)  # (1, H * W * A, 4)
    score = scores[:, count:].permute(0, 2, 3, 1).reshape(batch, -1)
    moved = offsets.reshape(batch, count, 4, height, width).permute(0, 3, 4, 1, 2).reshape(batch, -1, 4)
    if sides:
        found = anchors + moved
    else:
        across, down = _pixel_sides(anchors)
        centre_x, centre_y = anchors[..., 0] + (across - 1) / 2, anchors[..., 1] + (down - 1) / 2
        dx, dy, dw, dh = moved.unbind(-1)
        centre_x, centre_y = dx * across + centre_x, dy * down + centre_y
        half_x, half_y = (torch.exp(dw) * across - 1) / 2, (torch.exp(dh) * down - 1) / 2
        found = torch.stack((centre_x - half_x, centre_y - half_y, centre_x + half_x, centre_y + half_y), -1)
    image_height, image_width, scale = (part.unsqueeze(-1) for part in images[:, :3].unbind(-1))
    limit = torch.stack((image_width, image_height, image_width, image_height), -1) - 1
    found = torch.minimum(found, limit).clamp_min(0)
    # Places of the feature map that are padding beyond the image.
    row = torch.arange(height, device=scores.device).repeat_interleave(width * count, output_size=score.shape[1])
    column = (
        torch.arange(width, device=scores.device).repeat_interleave(count, output_size=width * count).repeat(height)
    )
    outside = (row >= (image_height / stride).long()) | (column >= (image_width / stride).long())
    score = torch.where(outside, -1, score)
    least = scale * smallest
    wide, high = _pixel_sides(found)
    small = (wide < least) | (high < least)
    grown = torch.cat((found[..., :2] - least.unsqueeze(-1) / 2, found[..., 2:] + least.unsqueeze(-1) / 2), -1)
    found = torch.where(small.unsqueeze(-1), grown, found)
    score = torch.where(small, -1, score)
    total = score.shape[1]
    before = min(before if before > 0 else total, total)
    score, order = score.sort(dim=1, descending=True, stable=True)
    found, score = bx.take(found, order[:, :before]), score[:, :before]
    wide, high = _pixel_sides(found)
    keep = bx.suppress(found, torch.ones_like(score, dtype=torch.bool), threshold, areas=wide * high, extra=1.0)
    front = (~keep).to(torch.int8).sort(dim=1, stable=True)[1]
    place = torch.arange(after, device=scores.device) % keep.sum(1, keepdim=True)
    chosen = front.gather(1, place)
    image = torch.arange(batch, **kind).reshape(-1, 1, 1).expand(-1, after, 1)
    rows = torch.cat((image, bx.take(found, chosen)), -1)
    return rows.reshape(-1, 5), score.gather(1, chosen).reshape(-1, 1)
