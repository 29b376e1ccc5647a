"""Boxes in images: forms, overlaps, offsets, suppression of doubles, matching.

A box is four numbers along the last axis, "corner" (left, top, right, bottom) or "center" (x, y, width, height), in any
unit. Nothing here reads values back to the host but `suppress` and `match`, which decide one box after the other: as
operators of their own they are one step of whoever records them.
"""

import math

import numpy as np
import torch

# So many boxes, in order of their scores, are compared with all later ones at a time.
_BLOCK = 128

FORMATS = ("corner", "center")


class _Still(torch.autograd.Function):
    @staticmethod
    def forward(ctx, function, *tensors):
        ctx.save_for_backward(*tensors)
        return function(*tensors)

    @staticmethod
    def backward(ctx, *grads):
        return None, *(torch.zeros_like(tensor) for tensor in ctx.saved_tensors)


def without_gradient(function, *tensors):
    """``function(*tensors)``, whose results are constant to whoever differentiates: all gradients are 0."""
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return _Still.apply(function, *tensors)
    return function(*tensors)


class _Beside(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, *others):
        ctx.save_for_backward(*others)
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return grad, *(torch.zeros_like(other) for other in ctx.saved_tensors)


def beside(x, *others):
    """x, whose differentiation gives the others a gradient of 0: what depends on x depends on them without slope."""
    if torch.is_grad_enabled() and any(other.requires_grad for other in others):
        return _Beside.apply(x, *others)
    return x


# --- forms -----------------------------------------------------------------------------------------------------------


def to_corner(boxes):
    """(x, y, width, height) as (left, top, right, bottom)."""
    x, y, width, height = boxes.unbind(-1)
    half_width, half_height = width / 2, height / 2
    return torch.stack((x - half_width, y - half_height, x + half_width, y + half_height), -1)


def to_center(boxes):
    """(left, top, right, bottom) as (x, y, width, height)."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack(((left + right) / 2, (top + bottom) / 2, right - left, bottom - top), -1)


def convert(boxes, source, target):
    """Boxes of the form `source` in the form `target`."""
    if source == target:
        return boxes
    return to_corner(boxes) if target == "corner" else to_center(boxes)


def area(boxes, form="corner"):
    """Width times height, 0 where one of them is negative."""
    if form == "corner":
        boxes = to_sides(boxes)
    else:
        boxes = boxes[..., 2:]
    width, height = boxes.unbind(-1)
    return torch.where((width < 0) | (height < 0), 0, width * height)


def to_sides(boxes):
    """(width, height) of boxes given by their corners."""
    return boxes[..., 2:] - boxes[..., :2]


def intersection(a, b):
    """The area that boxes share, corner form; a and b broadcast."""
    (left, top, right, bottom), (to_left, to_top, to_right, to_bottom) = a.unbind(-1), b.unbind(-1)
    width = torch.minimum(right, to_right) - torch.maximum(left, to_left)
    height = torch.minimum(bottom, to_bottom) - torch.maximum(top, to_top)
    return width.clamp_min(0) * height.clamp_min(0)


def iou(a, b, form="corner"):
    """Intersection over union of every box of a with every one of b, 0 where the union is empty.

    a: (*A, 4), b: (*B, 4). Returns (*A, *B). Everingham et al., 2010.
    """
    outer, inner = a.shape[:-1], b.shape[:-1]
    a, b = a.reshape(-1, 1, 4), b.reshape(1, -1, 4)
    areas = area(a, form), area(b, form)
    shared = intersection(convert(a, form, "corner"), convert(b, form, "corner"))
    union = areas[0] + areas[1] - shared
    return torch.where(union > 0, shared / union, 0).reshape(*outer, *inner)


def jaccard(a, b):
    """`iou` of boxes side by side, corner form: a and b broadcast. No box is taken for an empty one."""
    shared = intersection(a, b)
    (a_width, a_height), (b_width, b_height) = to_sides(a).unbind(-1), to_sides(b).unbind(-1)
    union = a_width * a_height + b_width * b_height - shared
    return torch.where(union > 0, shared / union, 0)


# --- offsets ---------------------------------------------------------------------------------------------------------


def offsets(boxes, anchors, means=0.0, stds=1.0):
    """What regression learns: ``((x - ax) / aw, (y - ay) / ah, log(w / aw), log(h / ah))``, less means, over stds.

    boxes, anchors: center form, broadcast; means, stds: numbers or of shape (4,). Girshick et al., 2014.
    """
    moved = (boxes[..., :2] - anchors[..., :2]) / anchors[..., 2:]
    grown = torch.log(boxes[..., 2:] / anchors[..., 2:])
    return (torch.cat((moved, grown), -1) - means) / stds


def encode(samples, matches, anchors, references, means, stds):
    """Targets of regression for anchors that match references: (targets, masks), both (B, N, 4), 0 where not positive.

    samples: (B, N), above 0.5 where positive; matches: (B, N), which reference; anchors: (B, N, 4) and references:
    (B, M, 4), corner form; means, stds: (4,).
    """
    index = matches.long().unsqueeze(-1).expand(-1, -1, 4)
    chosen = to_center(references.gather(1, index.clamp(0, max(references.shape[1] - 1, 0))))
    positive = (samples > 0.5).unsqueeze(-1).expand(-1, -1, 4)
    targets = offsets(chosen, to_center(anchors), means, stds)
    return torch.where(positive, targets, 0), positive.to(targets.dtype)


def decode(data, anchors, stds=(1.0, 1.0, 1.0, 1.0), *, clip=None, form="center"):
    """Boxes, corner form, from what `offsets` gives: ``x = dx s aw + ax``, ``w = exp(dw s) aw``.

    data: (B, N, 4); anchors: (1 or B, N, 4) of that form; clip: the largest ``dw s`` and ``dh s``.
    """
    anchors = convert(anchors, form, "center")
    x, y, width, height = anchors.unbind(-1)
    dx, dy, dw, dh = (part * std for part, std in zip(data.unbind(-1), stds))
    if clip is not None:
        dw, dh = dw.clamp_max(clip), dh.clamp_max(clip)
    x, y = dx * width + x, dy * height + y
    half_width, half_height = torch.exp(dw) * width / 2, torch.exp(dh) * height / 2
    return torch.stack((x - half_width, y - half_height, x + half_width, y + half_height), -1)


# --- suppression -----------------------------------------------------------------------------------------------------


def _over(some, others, threshold, inclusive, extra):
    """Whether each of some boxes overlaps each of the others more than the threshold: (..., K, M) of (..., K) and (...,
    M). Boxes are lists of left, top, right, bottom, area and, where it matters, group, each contiguous in memory."""
    left, top, right, bottom, area, *group = (part.unsqueeze(-1) for part in some)
    to_left, to_top, to_right, to_bottom, to_area, *to_group = (part.unsqueeze(-2) for part in others)
    width = torch.minimum(right, to_right).sub_(torch.maximum(left, to_left))
    height = torch.minimum(bottom, to_bottom).sub_(torch.maximum(top, to_top))
    if extra:
        width.add_(extra)
        height.add_(extra)
    shared = width.clamp_min_(0).mul_(height.clamp_min_(0))
    ratio = torch.add(area, to_area).sub_(shared)
    torch.div(shared, ratio, out=ratio)
    over = ratio >= threshold if inclusive else ratio > threshold
    return over.logical_and_(group[0] == to_group[0]) if group else over


def _parts(boxes, areas, groups):
    return [*(part.contiguous() for part in boxes.unbind(-1)), areas, *([] if groups is None else [groups])]


def _suppress_anywhere(boxes, areas, groups, alive, threshold, inclusive, extra):
    # As many steps as there are boxes, whatever their values: nothing is read back.
    keep, count = alive.clone(), boxes.shape[1]
    parts = _parts(boxes, areas, groups)
    for first in range(0, count, _BLOCK):
        last = min(first + _BLOCK, count)
        some, others = [part[:, first:last] for part in parts], [part[:, first:] for part in parts]
        over = _over(some, others, threshold, inclusive, extra)
        for row in range(last - first):
            keep[:, first + row + 1 :] &= ~(over[:, row, row + 1 :] & keep[:, first + row, None])
    return keep


def _suppress_looking(boxes, areas, groups, alive, threshold, inclusive, extra):
    # Only boxes that still stand are compared.
    keep, whole = torch.zeros_like(alive), _parts(boxes, areas, groups)
    for sample in range(boxes.shape[0]):
        index = alive[sample].nonzero().squeeze(1)
        parts = [part[sample, index] for part in whole]
        while index.numel():
            head, parts = [part[:_BLOCK] for part in parts], [part[_BLOCK:] for part in parts]
            over = _over(head, head, threshold, inclusive, extra).cpu().numpy()
            stands = np.ones(len(over), bool)
            for row in range(len(over)):
                if stands[row]:
                    stands[row + 1 :] &= ~over[row, row + 1 :]
            stands = torch.from_numpy(stands).to(keep.device)
            keep[sample, index[:_BLOCK][stands]] = True
            index = index[_BLOCK:]
            if index.numel():
                over = _over([part[stands] for part in head], parts, threshold, inclusive, extra)
                rest = (~over.any(0)).nonzero().squeeze(1)
                index, parts = index[rest], [part[rest] for part in parts]
    return keep


def may_look(tensor):
    """Whether values may be read back: on a CPU, and on a GPU unless what it does is being captured."""
    if tensor.device.type == "cuda":
        return not torch.cuda.is_current_stream_capturing()
    return tensor.device.type == "cpu"


def _suppress(boxes, *arguments):
    return (_suppress_looking if may_look(boxes) else _suppress_anywhere)(boxes, *arguments)


_LIBRARY = torch.library.Library("tandem", "FRAGMENT")
_LIBRARY.define(
    "suppress(Tensor boxes, Tensor areas, Tensor? groups, Tensor alive, float threshold, bool inclusive, float extra)"
    " -> Tensor"
)
_LIBRARY.impl("suppress", _suppress, "CompositeExplicitAutograd")
_LIBRARY.impl("suppress", lambda boxes, areas, groups, alive, *_: torch.empty_like(alive), "Meta")


def suppress(boxes, alive, threshold, *, areas=None, groups=None, inclusive=False, extra=0.0):
    """Which boxes stay, if each that stays removes the later ones whose IoU with it exceeds the threshold.

    boxes: (B, N, 4), corner form, in order of their scores; alive: (B, N), which of them take part; areas: (B, N), None
    for those of the corners; groups: (B, N), only boxes of one group remove each other; inclusive: remove from the
    threshold on; extra: what the sides of an intersection are longer than its corners are apart. Returns (B, N) bool.
    """
    if areas is None:
        areas = area(boxes)
    groups = None if groups is None else groups.detach()
    return torch.ops.tandem.suppress(boxes.detach(), areas.detach(), groups, alive, threshold, inclusive, extra)


def by_score(scores, alive):
    """The order of falling scores, first what is alive; the earlier of equals first: (B, N) indices."""
    return torch.where(alive, scores, float("-inf")).sort(dim=-1, descending=True, stable=True)[1]


def take(rows, order):
    """``rows[b, order[b]]``: rows (B, N, K), order (B, M)."""
    return rows.gather(1, order.unsqueeze(-1).expand(-1, -1, rows.shape[-1]))


def suppressed(
    data,
    *,
    threshold=0.5,
    valid=0.0,
    most=None,
    coordinates=2,
    score=1,
    group=None,
    background=-1,
    across=False,
    form="corner",
    result="corner",
):
    """Non-maximum suppression of rows that are boxes with scores: those that stay, by score, then rows of -1.

    data: (..., N, K), at `coordinates` four numbers of a box of that form, at `score` its score, at `group` its group
    (None: all are one). Out are scores up to `valid` and the group `background`; only the `most` best take part; boxes
    remove each other within their group, or `across` groups.
    Gradients go to where each row came from, as if boxes had kept their form. Returns data's shape.
    """
    rows = data.reshape(math.prod(data.shape[:-2]), *data.shape[-2:])
    scores = rows[..., score].detach()
    alive = scores > valid
    if group is not None:
        alive = alive & (rows[..., group] != background)
    order = by_score(scores, alive)
    count = rows.shape[1] if most is None else min(most, rows.shape[1])
    ordered = take(rows.detach(), order[:, :count])
    boxes = ordered[..., coordinates : coordinates + 4]
    keep = suppress(
        convert(boxes, form, "corner"),
        alive.gather(1, order[:, :count]),
        threshold,
        areas=area(boxes, form),
        groups=None if group is None or across else ordered[..., group],
    )
    # What stays moves to the front, in its order.
    front = keep.to(torch.int8).sort(dim=1, descending=True, stable=True)[1]
    place = order[:, :count].gather(1, front)
    kept = keep.gather(1, front).unsqueeze(-1)
    found = take(rows, place)
    if form != result:
        plain = found.detach()
        boxes = convert(plain[..., coordinates : coordinates + 4], form, result)
        other = torch.cat((plain[..., :coordinates], boxes, plain[..., coordinates + 4 :]), -1)
        found = other + (found - plain)
    found = torch.where(kept, found, -1)
    if count < rows.shape[1]:
        found = torch.cat((found, found.new_full((len(rows), rows.shape[1] - count, rows.shape[2]), -1)), 1)
    return found.reshape(data.shape)


# --- matching --------------------------------------------------------------------------------------------------------


def softly_suppressed(boxes, scores, most, *, threshold=0.5, lowest=-torch.inf, sigma=0.0):
    """(the numbers of at most `most` boxes (count, 4), the best first; their scores), others made smaller by each.

    ``score * exp(-iou² / (2 sigma))`` of those that overlap a chosen one; with sigma 0 those that overlap it more than
    `threshold` are left out. It reads the scores. Bodla, Singh, Chellappa and Davis, 2017.
    """
    low, high = torch.minimum(boxes[:, :2], boxes[:, 2:]), torch.maximum(boxes[:, :2], boxes[:, 2:])
    boxes, left = torch.cat([low, high], 1), scores.clone()
    found, values = [], []
    while len(found) < min(most, len(boxes)):
        best = int(left.argmax())
        if not left[best] > lowest or left[best] == -torch.inf:
            break
        found.append(best)
        values.append(left[best].clone())
        overlap = iou(boxes[best : best + 1], boxes)[0]
        smaller = torch.exp(overlap.square() / (-2 * sigma)) if sigma else (overlap <= threshold).to(left.dtype)
        left = torch.where(smaller > 0, left * smaller, -torch.inf)
        left[found] = -torch.inf
    numbers = torch.tensor(found, dtype=torch.int64, device=boxes.device)
    return numbers, torch.stack(values) if values else scores[:0]


def _match(scores):
    # The best pair of all is the best of its row and of its column; so is every pair that has to wait for no other.
    # All of these are taken at once, until nothing is left. Ties go to the first row, then to the first column.
    batch, columns, rows = scores.shape
    scores, look = scores.clone(), may_look(scores)
    lowest = float("-inf")
    found = torch.full((batch, columns), -1, dtype=torch.int64, device=scores.device)
    if not rows:
        return found
    own = torch.arange(columns, device=scores.device)
    for _ in range(min(rows, columns)):
        value, row = scores.max(2)
        rivals = scores.gather(2, row.unsqueeze(1).expand(-1, columns, -1))  # (B, columns, each column's best row)
        mutual = (rivals.argmax(1) == own) & (value > lowest)
        if look and not mutual.any():
            break
        found = torch.where(mutual, row, found)
        gone = torch.where(mutual, lowest, -lowest).to(scores.dtype).unsqueeze(1).expand(-1, columns, -1)
        scores.scatter_reduce_(2, row.unsqueeze(1).expand(-1, columns, -1), gone, "amin")
        scores.masked_fill_(mutual.unsqueeze(2), lowest)
    return found


_LIBRARY.define("match(Tensor scores) -> Tensor")
_LIBRARY.impl("match", _match, "CompositeExplicitAutograd")
_LIBRARY.impl("match", lambda scores: scores.new_empty(scores.shape[:2], dtype=torch.int64), "Meta")


def match(scores):
    """Pairs of columns and rows, the best pair first, then the best of what is left, and so on: greedy matching.

    scores: (B, columns, rows), -inf where a pair may not be. Returns (B, columns): the row of each column, or -1.
    """
    return torch.ops.tandem.match(scores.detach())


def bipartite(scores, threshold, *, ascending=False, most=None):
    """Greedy matching of rows and columns: (column of each row (..., N), row of each column (..., M)), -1 for none.

    scores: (..., N, M). Pairs must exceed the threshold, or (ascending: the smallest first) stay below it. most: no
    more pairs than that, the best ones.
    """
    flat = scores.reshape(math.prod(scores.shape[:-2]), *scores.shape[-2:]).transpose(1, 2)
    allowed = flat < threshold if ascending else flat > threshold
    flat = torch.where(allowed, -flat if ascending else flat, float("-inf"))
    rows = match(flat)
    columns = torch.arange(rows.shape[1], device=rows.device).expand_as(rows)
    count = scores.shape[-2]
    if most is not None:
        value = flat.gather(2, rows.clamp_min(0).unsqueeze(-1)).squeeze(-1) if count else rows.to(flat.dtype)
        # Equal scores: the first row.
        first = torch.where(rows < 0, count, rows).sort(dim=1, stable=True)[1]
        best = torch.where(rows < 0, float("-inf"), value).gather(1, first).sort(dim=1, descending=True, stable=True)[1]
        rank = torch.empty_like(rows).scatter_(1, first.gather(1, best), columns)
        rows = torch.where(rank < most, rows, -1)
    # A place behind the last row takes what columns without a row write.
    found = rows.new_full((len(rows), count + 1), -1).scatter_(1, torch.where(rows < 0, count, rows), columns)
    to_shape, dtype = scores.shape[:-2], scores.dtype
    return (
        found[:, :count].reshape(*to_shape, count).to(dtype),
        rows.reshape(*to_shape, scores.shape[-1]).to(dtype),
    )
