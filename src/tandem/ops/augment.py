"""Images changed for training, geometry: maps, warps, flips, erased boxes, mixtures. Tones are in `tones`.

Images are batches, (N, H, W, C) or for layout "channels_first" (N, C, H, W). A map is (N, 8) numbers a0 a1 a2 b0 b1 b2
c0 c1: output pixel (x, y) reads ``((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k)`` with ``k = c0 x + c1 y + 1``.
"""

import torch

from tandem.ops import image, image_filters

_MODES = {"constant": "grid-constant", "wrap": "grid-wrap"}


def axes(layout):
    """(vertical axis, horizontal axis, channel axis), counted from the end."""
    return (-3, -2, -1) if layout == "channels_last" else (-2, -1, -3)


def warp(x, transform, *, interpolation="bilinear", fill_mode="constant", fill_value=0.0, layout="channels_last"):
    """The images read through maps; fill_mode: "constant", "nearest", "wrap", "mirror" or "reflect"."""
    down, across, _ = axes(layout)
    wide = torch.float64 if transform.dtype == torch.float64 else torch.float32
    a0, a1, a2, b0, b1, b2, c0, c1 = transform.to(wide).reshape(-1, 8, 1, 1).unbind(1)
    row = torch.arange(x.shape[down], dtype=wide, device=x.device).unsqueeze(-1)
    column = torch.arange(x.shape[across], dtype=wide, device=x.device)
    k = c0 * column + c1 * row + 1
    rows, columns = (b0 * column + b1 * row + b2) / k, (a0 * column + a1 * row + a2) / k
    return read(x, rows, columns, interpolation, fill_mode, fill_value, layout)


def read(x, rows, columns, interpolation="bilinear", fill_mode="constant", fill_value=0.0, layout="channels_last"):
    """The images at given positions, (N or 1, H, W)."""
    order = 0 if interpolation == "nearest" else 1
    if order == 0:  # halves go to the even pixel
        rows, columns = rows.round(), columns.round()
    mode = _MODES.get(fill_mode, fill_mode)
    rows, columns = (p.expand(x.shape[0], *p.shape[1:]) for p in (rows, columns))
    return image.sample(x, rows, columns, order=order, fill_mode=mode, fill_value=fill_value, layout=layout)


def _map(*rows):
    """Maps from columns a0, a1, …; each a number or (N,)."""
    like = next(value for value in rows if isinstance(value, torch.Tensor))
    columns = [v if isinstance(v, torch.Tensor) else torch.full_like(like, v) for v in rows]
    return torch.stack(torch.broadcast_tensors(*columns), -1)


def affine_matrix(size, *, angle, translate=(0.0, 0.0), scale=1.0, shear=(0.0, 0.0), centre=(0.5, 0.5), whole=False):
    """Maps which turn by angles (N,), shear, scale and move, about a centre given as parts of the image.

    size: (H, W); angle, shear: degrees; whole: as (N, 3, 3) matrices.
    """
    height, width = size
    angle = (
        torch.deg2rad(torch.as_tensor(angle, dtype=torch.float32))
        if not isinstance(angle, torch.Tensor)
        else torch.deg2rad(angle)
    )
    lean_x, lean_y = (torch.tan(torch.deg2rad(torch.as_tensor(s, dtype=angle.dtype))) for s in shear)
    cos, sin = torch.cos(angle), torch.sin(angle)
    across, down = centre[0] * (width - 1), centre[1] * (height - 1)
    a0, a1 = scale * (cos + lean_x * sin), scale * (lean_x * cos - sin)
    b0, b1 = scale * (lean_y * cos + sin), scale * (cos - lean_y * sin)
    a2 = translate[0] + across - across * a0 - down * a1
    b2 = translate[1] + down - across * b0 - down * b1
    maps = _map(a0, a1, a2, b0, b1, b2, 0.0, 0.0)
    return matrix_of(maps) if whole else maps


def matrix_of(maps):
    """Maps (N, 8) as matrices (N, 3, 3)."""
    return torch.cat((maps, torch.ones_like(maps[..., :1])), -1).reshape(*maps.shape[:-1], 3, 3)


def inverse(matrix):
    """The inverses of matrices (N, 3, 3), by cofactors."""
    a, b, c = matrix.unbind(-2)
    cofactors = torch.stack((torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)), -1)
    return cofactors / (a * torch.linalg.cross(b, c)).sum(-1, keepdim=True).unsqueeze(-1)


def forward_matrix(size, *, angle, translate, scale, shear, centre):
    """(N, 3, 3): where points go that are moved, sheared, turned by angles (N,) and scaled: ``c + L (p + t - c)``.

    size: (H, W); translate: (x, y), as parts of the width and height less one pixel; angle, shear (x, y): degrees;
    centre: c, as parts of the image; with a, x, y for the negative angle and shears ``L = scale [[d, -b], [-c, a']]``,
    ``a' = cos(a - y) / cos y``, ``c = -sin(a - y) / cos y``, ``b = a' tan x + sin a``, ``d = cos a - c tan x``.
    """
    height, width = size
    turn, lean_x, lean_y = (-torch.deg2rad(torch.as_tensor(v, dtype=torch.float32)) for v in (angle, *shear))
    a = torch.cos(turn - lean_y) / torch.cos(lean_y)
    c = -torch.sin(turn - lean_y) / torch.cos(lean_y)
    b, d = a * torch.tan(lean_x) + torch.sin(turn), torch.cos(turn) - c * torch.tan(lean_x)
    middle = centre[0] * (width - 1), centre[1] * (height - 1)
    across, down = (part * (count - 1) - m for part, count, m in zip(translate, (width, height), middle, strict=True))
    rows = []
    for left, right, m in ((d * scale, -b * scale, middle[0]), (-c * scale, a * scale, middle[1])):
        rows += [left, right, m + left * across + right * down]
    return matrix_of(_map(*rows, 0.0, 0.0))


def zoom_map(down, across, size):
    """Maps that zoom about the middle; down, across: (N, 1), what a pixel's step becomes; size: (H, W)."""
    down, across = down.reshape(-1).float(), across.reshape(-1).float()
    a2, b2 = (size[1] - 1) / 2 * (1 - across), (size[0] - 1) / 2 * (1 - down)
    return _map(across, 0.0, a2, 0.0, down, b2, 0.0, 0.0)


def shift_map(shifts):
    """Maps that move images to the right and down by (N, 2) pixels."""
    return _map(1.0, 0.0, -shifts[:, 0], 0.0, 1.0, -shifts[:, 1], 0.0, 0.0)


def shear_map(factors):
    """Maps that shear by (N, 2) pixels a pixel, across and down."""
    return _map(1.0, factors[:, 0], 0.0, factors[:, 1], 1.0, 0.0, 0.0, 0.0)


def moved(maps, x, y):
    """Where maps take a point: ((N, 1), (N, 1))."""
    a0, a1, a2, b0, b1, b2, c0, c1 = maps.split(1, -1)
    k = c0 * x + c1 * y + 1
    return (a0 * x + a1 * y + a2) / k, (b0 * x + b1 * y + b2) / k


def homography(start, end):
    """The maps that take end points to start points, four pairs of (x, y) each: (N, 4, 2) and (N, 4, 2) -> (N, 8)."""
    (x, y), (u, v) = end.float().unbind(-1), start.float().unbind(-1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    rows = torch.stack((x, y, one, zero, zero, zero, -u * x, -u * y), -1)
    columns = torch.stack((zero, zero, zero, x, y, one, -v * x, -v * y), -1)
    return torch.linalg.solve_ex(torch.cat((rows, columns), -2), torch.cat((u, v), -1))[0]


def choose(which, x, y):
    """x for the images that `which` (N,) names, y for the others."""
    return torch.where(which.reshape(-1, *(1,) * (max(x.dim(), y.dim()) - 1)), x, y)


def flip(x, which, *, across=False, down=False, layout="channels_last"):
    """The images that `which` (N,) names, turned over."""
    vertical, horizontal, _ = axes(layout)
    turned = [axis for axis, wanted in ((horizontal, across), (vertical, down)) if wanted]
    return choose(which, x.flip(turned), x) if turned else x


def cast(x, dtype):
    """x in a dtype; whole numbers are rounded and clamped to its range."""
    return image.to_dtype(x, dtype)


def corners(size, count, like):
    """(count, 4, 2): the corners of an image, (x, y), first the upper two."""
    right, bottom = size[1] - 1.0, size[0] - 1.0
    points = like.new_tensor([[0.0, 0.0], [right, 0.0], [0.0, bottom], [right, bottom]])
    return points.expand(count, 4, 2)


def displaced(points, parts):
    """``points (1 + parts)``."""
    return points + points * parts


# --- windows ---------------------------------------------------------------------------------------------------------


def spans(ratio, place, length):
    """(begin, end) of a part of a length, at a place from 0 (the beginning) to 1; each (N,)."""
    size = ratio * length
    begin = place * (length - size)
    return begin, begin + size


def window(across, down, shape, layout="channels_last"):
    """Which pixels lie in spans (begin, end), (N,) each: of bool, as large as a batch of that shape."""
    vertical, horizontal, _ = axes(layout)
    rank = 4

    def inside(span, axis):
        count = shape[axis]
        place = torch.arange(count, device=span[0].device, dtype=span[0].dtype)
        place = place.reshape(*(count if a == axis + rank else 1 for a in range(rank)))
        begin, end = (edge.reshape(-1, 1, 1, 1) for edge in span)
        return (place >= begin) & (place < end)

    both = inside(across, horizontal) & inside(down, vertical)
    return both.expand(both.shape[0], *shape[-3:])


def share(across, down, size):
    """The part of an image (H, W) that the window of two spans leaves: (N, 1, 1, 1)."""
    taken = (across[1] - across[0]) * (down[1] - down[0]) / (size[0] * size[1])
    return (1.0 - taken).reshape(-1, 1, 1, 1)


def root_of_rest(weight):
    """``sqrt(1 - weight)``."""
    return torch.sqrt(1.0 - weight)


def root(x):
    """``sqrt(x)``."""
    return torch.sqrt(x)


def paste(x, others, mask):
    """Others where the mask is true, x elsewhere."""
    return torch.where(mask, others.to(x.dtype) if isinstance(others, torch.Tensor) else others, x)


def take(x, order):
    """``x[order]``."""
    return x.index_select(0, order.long())


def blend(x, y, weight):
    """``weight x + (1 - weight) y``; weight: (N,) or more axes of 1."""
    weight = weight.reshape(-1, *(1,) * (max(x.dim(), y.dim()) - 1))
    return weight * x + (1.0 - weight) * y


def below(x, y):
    """``x < y``."""
    return x < y


def at_most(x, y):
    """``x <= y``."""
    return x <= y


def signed(x, coin):
    """x, negated where the coin (from 0 to 1) shows more than a half."""
    return torch.where(coin > 0.5, -x, x)


def weighted(parts, weights):
    """The sum of tensors times numbers (a tensor of as many)."""
    total = parts[0] * weights[0]
    for part, weight in zip(parts[1:], weights[1:].unbind(0)):
        total = total + part * weight
    return total


def where_index(index, number, x, y):
    """x where a tensor of one number equals `number`, else y."""
    return torch.where(index == number, x, y)


# --- elastic ---------------------------------------------------------------------------------------------------------


def blur(x, size, sigma, layout="channels_last"):
    """The images smoothed by a Gaussian kernel (`image_filters.gaussian_blur`)."""
    last = x if layout == "channels_last" else x.movedim(1, -1)
    last = image_filters.gaussian_blur(last, size, sigma)
    return last if layout == "channels_last" else last.movedim(-1, 1)


def elastic_fields(noise, size, sigma):
    """Displacements: noise (N, H, W, 2) times sigma, smoothed by a kernel of `size` pixels (odd)."""
    return blur(noise * sigma, (size, size), (sigma, sigma))


def elastic(x, fields, strength, *, interpolation, fill_mode, fill_value, layout="channels_last"):
    """The images with each pixel read where the fields (N, H, W, 2), times strength, move it. Simard et al., 2003."""
    vertical, horizontal, _ = axes(layout)
    row = torch.arange(x.shape[vertical], dtype=fields.dtype, device=x.device).unsqueeze(-1)
    column = torch.arange(x.shape[horizontal], dtype=fields.dtype, device=x.device)
    return read(
        x,
        row + strength * fields[..., 1],
        column + strength * fields[..., 0],
        interpolation,
        fill_mode,
        fill_value,
        layout,
    )


def odd_size(sigma):
    """A kernel's size for the largest sigma: ``int(6 sigma)``, made odd."""
    return int(6 * sigma) | 1


def dirichlet(gammas):
    """Gamma distributed numbers as parts of their sum."""
    return gammas / gammas.sum(-1, keepdim=True)
