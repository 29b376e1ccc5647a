"""Pooling of regions: features of a fixed size from boxes of any size.

Data are (N, C, H, W); a region is a row (image, left, top, right, bottom), in units of which `scale` make one pixel of
the features. No gradient flows to the regions. Means over sample points are weighted sums of pixels, each pixel with
all its channels: one embedding bag, whose memory does not grow with the number of samples.

Where a region names an image that is not there, its features are 0.
"""

import math

import torch
import torch.nn.functional as F

from tandem.ops.boxes import may_look


def _scaled(rois, scale):
    """(image, there, left, top, right, bottom): the coordinates in pixels of the features."""
    rois = torch.nan_to_num(rois.detach())
    return (rois[:, 0].long(), *(part * scale for part in rois[:, 1:5].unbind(1)))


def _images(image, count):
    """The image's number, made to exist, and whether it did."""
    return image.clamp(0, max(count - 1, 0)), (image >= 0) & (image < count)


def _most(counts):
    """The largest of some counts of samples. Without values (shapes alone are asked for) one is as good as any."""
    return 1 if counts.is_meta or not counts.numel() else max(int(counts.max()), 1)


def _bag(rows, index, weight, axes):
    """``sum_k weight[b, k] rows[index[b, k]]``, b in the first axes and k in the others: (*b, channels).

    Half precision is summed up in float32.
    """
    dtype = torch.float32 if rows.dtype in (torch.float16, torch.bfloat16) else rows.dtype
    bags = index.flatten(0, axes - 1).flatten(1)
    weights = weight.flatten(0, axes - 1).flatten(1).to(dtype)
    found = F.embedding_bag(bags, rows.to(dtype), per_sample_weights=weights, mode="sum").to(rows.dtype)
    return found.reshape(*index.shape[:axes], rows.shape[1])


def _pixels(data, groups=1):
    """(N, C, H, W) as rows of channels, one to each image, group and pixel; groups are neighbours in C."""
    n, channels, height, width = data.shape
    data = data.reshape(n, channels // groups, groups, height, width)
    return data.permute(0, 2, 3, 4, 1).reshape(-1, channels // groups)


def _unit(length, pixels):
    """Where samples of `roi_align` read along one axis: ((index, weight), (index, weight)). Up to a pixel outside the
    image the border counts, beyond there is nothing."""
    inside = (length >= -1) & (length <= pixels)
    length = torch.where(inside, length, 0).clamp(0, pixels - 1)
    below = length.floor()
    part = length - below
    below = below.long()
    weight = inside.to(length.dtype)
    return (below, (1 - part) * weight), ((below + 1).clamp_max(pixels - 1), part * weight)


def _corners(rows, columns, width):
    """Pixels and weights of points from what is read along each axis: both with a new last axis."""
    index = [r * width + c for r, _ in rows for c, _ in columns]
    weight = [a * b for _, a in rows for _, b in columns]
    return torch.stack(index, -1), torch.stack(weight, -1)


def _dense(taps, pixels):
    """What is read along one axis, pixel by pixel where that is less than sample by sample."""
    index, weight = taps[0]
    if 2 * index.shape[-1] <= pixels:
        return taps
    whole = weight.new_zeros(*weight.shape[:-1], pixels)
    for index, weight in taps:
        whole = whole.scatter_add(-1, index, weight)
    return [(torch.arange(pixels, device=whole.device).expand_as(whole), whole)]


# --- aligned means ---------------------------------------------------------------------------------------------------


def _axis(begin, length, bins, ratio, limit):
    """Sample positions along one axis, (R, bins, samples), and how much each counts, (R, 1, samples).

    A region far larger than the image has no more than `limit` samples, most of which lie outside.
    """
    size = length / bins
    counts = torch.full_like(size, ratio) if ratio > 0 else size.ceil().clamp(0, limit)
    most = ratio if ratio > 0 else _most(counts)
    step = torch.arange(most, dtype=size.dtype, device=size.device)
    at = torch.arange(bins, dtype=size.dtype, device=size.device)
    inner = (step + 0.5) * (size / counts.clamp_min(1)).unsqueeze(1)
    position = begin[:, None, None] + at[:, None] * size[:, None, None] + inner.unsqueeze(1)
    weight = (step < counts.unsqueeze(1)) / counts.clamp_min(1).unsqueeze(1)
    return position, weight.unsqueeze(1).to(size.dtype)


def roi_align(data, rois, size, scale, *, ratio=-1, by_position=False, aligned=False):
    """Means of samples, read between the pixels, over each of ``h * w`` bins of each region: (R, C, h, w).

    rois: (R, 5); ratio: a bin has ratio x ratio samples, or (up to 0) as many as it has pixels; aligned: centres of
    pixels lie half a pixel inside, and small regions stay small; by_position: each bin reads channels of its own,
    c * h * w + bin, and the result has C / (h * w) of them. He et al., 2017.
    """
    n, _, height, width = data.shape
    high, wide = size
    image, left, top, right, bottom = _scaled(rois, scale)
    image, there = _images(image, n)
    if aligned:
        left, top, right, bottom = left - 0.5, top - 0.5, right - 0.5, bottom - 0.5
    across, down = right - left, bottom - top
    if not aligned:
        across, down = across.clamp_min(1), down.clamp_min(1)
    y, y_weight = _axis(top, down, high, ratio, 4 * height + 16)
    x, x_weight = _axis(left, across, wide, ratio, 4 * width + 16)
    y_weight = y_weight * there[:, None, None]
    rows = _dense([(index, weight * y_weight) for index, weight in _unit(y, height)], height)
    columns = _dense([(index, weight * x_weight) for index, weight in _unit(x, width)], width)
    # (R, h, w, samples or pixels down, and across, and what is read at each)
    rows = [(i[:, :, None, :, None], w[:, :, None, :, None]) for i, w in rows]
    columns = [(i[:, None, :, None, :], w[:, None, :, None, :]) for i, w in columns]
    index, weight = _corners(rows, columns, width)
    groups = high * wide if by_position else 1
    first = image[:, None, None] * groups
    if by_position:
        first = first + torch.arange(groups, device=data.device).reshape(high, wide)
    index = index + (first * (height * width))[:, :, :, None, None, None]
    return _bag(_pixels(data, groups), index, weight, 3).permute(0, 3, 1, 2)


def rotated_roi_align(data, rois, size, scale, *, ratio=-1):
    """`roi_align` of rotated regions: rows (image, x, y of the centre, width, height, angle in degrees).

    rois: (R, 6). Ma et al., 2018. Returns (R, C, h, w).
    """
    n, _, height, width = data.shape
    high, wide = size
    image, x, y, across, down = _scaled(rois, scale)
    image, there = _images(image, n)
    angle = rois[:, 5].detach() * (math.pi / 180)
    across, down = across.clamp_min(1), down.clamp_min(1)
    v, v_weight = _axis(-down / 2, down, high, ratio, height + width + 64)
    u, u_weight = _axis(-across / 2, across, wide, ratio, height + width + 64)
    v, v_weight = v[:, :, None, :, None], (v_weight * there[:, None, None])[:, :, None, :, None]
    u, u_weight = u[:, None, :, None, :], u_weight[:, None, :, None, :]
    cos, sin = (part[:, None, None, None, None] for part in (torch.cos(angle), torch.sin(angle)))
    at_x = u * cos + v * sin + x[:, None, None, None, None]
    at_y = v * cos - u * sin + y[:, None, None, None, None]
    index, weight = _corners(_unit(at_y, height), _unit(at_x, width), width)
    weight = weight * (u_weight * v_weight).unsqueeze(-1)
    index = index + (image * (height * width))[:, None, None, None, None, None]
    return _bag(_pixels(data), index, weight, 3).permute(0, 3, 1, 2)


# --- means of whole pixels -------------------------------------------------------------------------------------------


def position_sensitive_pool(data, rois, size, scale, *, groups, channels):
    """Mean of the pixels of each of ``size * size`` bins, each bin from channels of its own: (R, channels, size, size).

    data: (N, channels * groups * groups, H, W): output channel c of a bin reads ``(c * groups + row) * groups +
    column``, row and column the bin's place in a grid of groups. Dai et al., 2016 (R-FCN).
    """
    n, _, height, width = data.shape
    rois = torch.nan_to_num(rois.detach())
    image, there = _images(rois[:, 0].long(), n)
    begin_x, begin_y = (_half_up(part) * scale for part in rois[:, 1:3].unbind(1))
    end_x, end_y = ((_half_up(part) + 1) * scale for part in rois[:, 3:5].unbind(1))
    at = torch.arange(size, dtype=rois.dtype, device=rois.device)

    def edges(begin, end, pixels):
        length = ((end - begin).clamp_min(0.1) / size).unsqueeze(1)
        begin = begin.unsqueeze(1)
        low, high = (at * length + begin).floor(), ((at + 1) * length + begin).ceil()
        return low.clamp(0, pixels).long(), high.clamp(0, pixels).long()

    top, bottom = edges(begin_y, end_y, height)
    left, right = edges(begin_x, end_x, width)
    # Sums of all pixels above and to the left, in double precision: a bin's sum is a sum of four of them.
    table = F.pad(data.double(), (1, 0, 1, 0)).cumsum(2).cumsum(3)
    cell = (torch.arange(size, device=data.device) * groups // size).clamp(0, groups - 1)
    group = cell[:, None] * groups + cell
    first = (image[:, None, None] * (groups * groups) + group) * ((height + 1) * (width + 1))
    across = width + 1
    index = torch.stack(
        [
            first + y[:, :, None] * across + x[:, None, :]
            for y, x in ((bottom, right), (top, right), (bottom, left), (top, left))
        ],
        -1,
    )
    empty = (bottom <= top)[:, :, None] | (right <= left)[:, None, :] | ~there[:, None, None]
    area = ((bottom - top)[:, :, None] * (right - left)[:, None, :]).double()
    share = torch.where(empty, 0, 1 / area.clamp_min(1))
    weight = share.unsqueeze(-1) * torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=share.dtype, device=share.device)
    return _bag(_pixels(table, groups * groups), index, weight, 3).permute(0, 3, 1, 2).to(data.dtype)


def _half_up(x):
    """To the nearest whole number, halves away from zero as C's round has it."""
    return torch.where(x < 0, (x - 0.5).ceil(), (x + 0.5).floor())


def deformable_position_sensitive_pool(
    data, rois, shifts, size, scale, *, groups, channels, parts=0, samples=1, deviation=0.0
):
    """Mean of samples x samples points of each bin that has moved, and how many points there were.

    Both are (R, channels, size, size). A bin moves by ``deviation * shifts`` of its region's size. data: as in
    `position_sensitive_pool`; shifts: (R, 2 K, parts, parts), (x, y) for each of K classes, which have
    channels / K channels each; or None. Gradients flow to data and shifts. Dai et al., 2017.
    """
    n, _, height, width = data.shape
    rois = torch.nan_to_num(rois.detach())
    image, there = _images(rois[:, 0].long(), n)
    left, top = (_half_up(part) * scale - 0.5 for part in rois[:, 1:3].unbind(1))
    right, bottom = ((_half_up(part) + 1) * scale - 0.5 for part in rois[:, 3:5].unbind(1))
    across, down = (right - left).clamp_min(0.1), (bottom - top).clamp_min(0.1)
    classes = 1 if shifts is None else shifts.shape[1] // 2
    at = torch.arange(size, device=data.device)
    begin_x = (at * (across / size).unsqueeze(1) + left.unsqueeze(1))[:, None, None, :]
    begin_y = (at * (down / size).unsqueeze(1) + top.unsqueeze(1))[:, None, :, None]
    if shifts is not None:
        parts = parts or size
        place = at * parts // size
        moved = shifts[:, :, place[:, None], place].unflatten(1, (classes, 2)) * deviation
        begin_x = begin_x + moved[:, :, 0] * across[:, None, None, None]
        begin_y = begin_y + moved[:, :, 1] * down[:, None, None, None]
    step = torch.arange(samples, dtype=rois.dtype, device=data.device)
    x = begin_x[..., None, None] + step * (across / (size * samples))[:, None, None, None, None, None]
    y = begin_y[..., None, None] + step[:, None] * (down / (size * samples))[:, None, None, None, None, None]
    shape = (len(rois), classes, size, size, samples, samples)
    x, y = x.expand(shape), y.expand(shape)
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)

    def unit(position, pixels):
        position = torch.where(inside, position, 0).clamp(0, pixels - 1)
        below, above = position.detach().floor(), position.detach().ceil()
        part = position - below
        return (below.long(), 1 - part), (above.long(), part)

    index, weight = _corners(unit(y, height), unit(x, width), width)
    cell = (at * groups // size).clamp(0, groups - 1)
    group = cell[:, None] * groups + cell
    kind = torch.arange(classes, device=data.device)[:, None, None] * (groups * groups)
    first = image[:, None, None, None] * (classes * groups * groups) + kind + group
    index = index + (first * (height * width))[..., None, None, None]
    number = inside.sum((-1, -2))
    share = (inside & there[:, None, None, None, None, None]) / number.clamp_min(1)[..., None, None]
    weight = weight * share.unsqueeze(-1).to(weight.dtype)
    each = channels // classes
    rows = data.reshape(n, classes, each, groups * groups, height, width).permute(0, 1, 3, 4, 5, 2).reshape(-1, each)
    found = _bag(rows, index, weight, 4).permute(0, 1, 4, 2, 3)
    number = number.unsqueeze(2).expand(-1, -1, each, -1, -1).to(data.dtype)
    return found.reshape(len(rois), channels, size, size), number.reshape(len(rois), channels, size, size)


# --- the largest value -----------------------------------------------------------------------------------------------


def _keys(data):
    """Whole numbers in the order of the data's values, of equal ones the first the largest: (N, H, W, C) int64. The
    lower 32 bits say which pixel it is."""
    n, channels, height, width = data.shape
    flat = data.permute(0, 2, 3, 1).reshape(n, height * width, channels)
    if flat.dtype == torch.float64:
        order = flat.sort(dim=1, stable=True)[1]
        # Equal values have one rank.
        ordered = flat.gather(1, order)
        fresh = F.pad((ordered[:, 1:] != ordered[:, :-1]).long(), (0, 0, 1, 0)).cumsum(1)
        high = torch.empty_like(order).scatter_(1, order, fresh)
    else:
        bits = (flat.float() + 0.0).contiguous().view(torch.int32)  # adding 0 makes both zeros one
        high = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()
    last = torch.arange(height * width, device=data.device).flip(0).unsqueeze(1)
    return ((high << 32) | last).reshape(n, height, width, channels)


def _window_best(keys, image, first_row, last_row, first_column, last_column, *, look):
    # A window of any size is covered by four, maybe overlapping, whose sides are powers of two; the largest keys of all
    # of those that fit into the image are made from those of half the side. look: read back which sides there are.
    def levels(first, last, most):
        length = (last - first).clamp(1, most)
        return sum(((length >= 2**power).long() for power in range(1, most.bit_length())), torch.zeros_like(length))

    _, height, width, channels = keys.shape
    shape = (len(image), first_row.shape[1], first_column.shape[1])
    row_level = levels(first_row, last_row, height).unsqueeze(2).expand(shape).reshape(-1)
    column_level = levels(first_column, last_column, width).unsqueeze(1).expand(shape).reshape(-1)
    rows = [edge.unsqueeze(2).expand(shape).reshape(-1) for edge in (first_row, last_row)]
    columns = [edge.unsqueeze(1).expand(shape).reshape(-1) for edge in (first_column, last_column)]
    image = image[:, None, None].expand(shape).reshape(-1)
    best = keys.new_zeros(len(image), channels)
    look = look and len(image) > 0
    for level in range(int(row_level.max()) + 1 if look else height.bit_length()):
        if level:
            half = 2 ** (level - 1)
            keys = torch.maximum(keys[:, :-half], keys[:, half:])
        table = keys
        for other in range(int(column_level.max()) + 1 if look else width.bit_length()):
            if other:
                half = 2 ** (other - 1)
                table = torch.maximum(table[:, :, :-half], table[:, :, half:])
            high, wide = table.shape[1:3]
            here = (row_level == level) & (column_level == other)
            bins = here.nonzero().squeeze(1) if look else slice(None)
            top, bottom = rows[0][bins].clamp_max(high - 1), (rows[1][bins] - 2**level).clamp(0, high - 1)
            left, right = columns[0][bins].clamp_max(wide - 1), (columns[1][bins] - 2**other).clamp(0, wide - 1)
            flat, found = table.reshape(-1, channels), None
            for row in (top, bottom):
                for column in (left, right):
                    part = flat.index_select(0, (image[bins] * high + row) * wide + column)
                    found = part if found is None else torch.maximum(found, part)
            if look:
                best[bins] = found
            else:
                best = torch.where(here.unsqueeze(1), found, best)
    return best


_LIBRARY = torch.library.Library("tandem", "FRAGMENT")
_LIBRARY.define(
    "window_best(Tensor keys, Tensor image, Tensor first_row, Tensor last_row, Tensor first_column, "
    "Tensor last_column) -> Tensor"
)
_LIBRARY.impl(
    "window_best", lambda keys, *edges: _window_best(keys, *edges, look=may_look(keys)), "CompositeExplicitAutograd"
)
_LIBRARY.impl(
    "window_best",
    lambda keys, image, rows, _, columns, __: keys.new_empty(
        image.shape[0] * rows.shape[1] * columns.shape[1], keys.shape[3]
    ),
    "Meta",
)


def roi_pool(data, rois, size, scale):
    """The largest value of each of ``h * w`` bins of each region, 0 where a bin is empty: (R, C, h, w).

    rois: (R, 5); corners are rounded to pixels, which belong to the region. Gradients go to the first of equal values.
    Girshick, 2015 (Fast R-CNN).
    """
    n, channels, height, width = data.shape
    high, wide = size
    image, *sides = _scaled(rois, scale)
    image, there = _images(image, n)
    left, top, right, bottom = (_half_up(side) for side in sides)

    def edges(begin, end, bins, pixels):
        length = ((end - begin + 1).clamp_min(1) / bins).unsqueeze(1)
        at = torch.arange(bins, dtype=length.dtype, device=length.device)
        begin = begin.unsqueeze(1)
        first, last = (at * length).floor() + begin, ((at + 1) * length).ceil() + begin
        return first.clamp(0, pixels).long(), last.clamp(0, pixels).long()

    rows, columns = edges(top, bottom, high, height), edges(left, right, wide, width)
    empty = (rows[1] <= rows[0])[:, :, None] | (columns[1] <= columns[0])[:, None, :] | ~there[:, None, None]
    best = torch.ops.tandem.window_best(_keys(data.detach()), image, *rows, *columns)
    pixel = height * width - 1 - (best & 0xFFFFFFFF)
    first = image[:, None] * (height * width)
    pixel = pixel.reshape(len(rois), high * wide, channels) + first.unsqueeze(2)
    # Pixels by their numbers, channels by theirs: data[image, channel, pixel].
    flat = data.permute(0, 2, 3, 1).reshape(-1, channels)
    values = flat.gather(0, pixel.reshape(-1, channels)).reshape(len(rois), high, wide, channels)
    return torch.where(empty.unsqueeze(3), 0, values).permute(0, 3, 1, 2)


# --- masks -----------------------------------------------------------------------------------------------------------


def mask_targets(rois, masks, matches, classes, size, *, count, ratio=2, aligned=False):
    """What a mask head learns: (targets, weights), both (B, N, count, h, w).

    The target of a region is its match's mask, cut out by `roi_align`, the same for all classes; the weight is 1 for
    the class of the region, else 0. rois: (B, N, 4), in pixels of the masks; masks: (B, M, H, W); matches, classes: (B,
    N). He et al., 2017 (Mask R-CNN).
    """
    batch, number = rois.shape[:2]
    each = masks.shape[1]
    first = torch.arange(batch, device=rois.device).unsqueeze(1) * each
    image = (matches.long() + first).to(rois.dtype)
    regions = torch.cat((image.unsqueeze(-1), rois), -1).reshape(-1, 5)
    found = roi_align(masks.reshape(-1, 1, *masks.shape[2:]), regions, size, 1.0, ratio=ratio, aligned=aligned)
    found = found.reshape(batch, number, 1, *size).expand(-1, -1, count, -1, -1)
    own = classes.unsqueeze(-1) == torch.arange(count, device=classes.device)
    return found.contiguous(), own.to(found.dtype)[..., None, None].expand_as(found).contiguous()
