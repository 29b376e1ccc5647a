"""Images read at other positions: coordinates, affine and projective maps, displacements; scaling along any axes."""

import math

import torch

from tandem.ops.image import to_dtype

MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def _folded(index, size, mode):
    """Whole numbers as places of an axis: outside it goes on as the mode says ("constant" is looked at elsewhere)."""
    if mode == "wrap":
        return torch.remainder(index, size)
    if mode == "mirror":  # d c b | a b c d | c b a
        index = torch.remainder(index, max(2 * size - 2, 1))
        return torch.minimum(index, (2 * size - 2 - index).abs())
    if mode == "reflect":  # d c b a | a b c d | d c b a
        index = torch.remainder(index, 2 * size)
        return torch.minimum(index, 2 * size - 1 - index)
    return index.clamp(0, size - 1)


def _corners(position, size, order, mode):
    """Pairs (place, weight) to read along one axis; a weight of 0 where "constant" has nothing, None for 1."""
    if order == 0:
        pairs = [(torch.round(position), None)]
    else:
        below = torch.floor(position)
        part = position - below
        pairs = [(below, 1 - part), (below + 1, part)]
    corners = []
    for index, weight in pairs:
        inside = ((index >= 0) & (index <= size - 1)) if mode == "constant" else None
        corners.append((_folded(index, size, mode).long(), weight, inside))
    return corners


def _read(x, sizes, positions, order, mode, fill):
    """x (N, places, C) with places of an array of `sizes`, read at positions (N or 1, axes, Q): (N, Q, C)."""
    count, _, channels = x.shape
    terms = [(None, None, None)]
    for axis, size in enumerate(sizes):
        longer = []
        for place, weight, inside in terms:
            for index, part, there in _corners(positions[:, axis], size, order, mode):
                whole = index if place is None else place * size + index
                factor = part if weight is None else weight if part is None else weight * part
                kept = there if inside is None else inside if there is None else inside & there
                longer.append((whole, factor, kept))
        terms = longer
    y = None
    for place, weight, inside in terms:
        index = place.unsqueeze(-1).expand(count, -1, channels)
        part = x.gather(1, index)
        if inside is not None:
            part = torch.where(inside.unsqueeze(-1), part, fill)
        if weight is not None:
            part = part * weight.unsqueeze(-1).to(x.dtype)
        y = part if y is None else y + part
    return y


def map_coordinates(x, coordinates, order, mode="constant", fill=0.0):
    """An array at given positions: ``y[...] = x[coordinates[0, ...], coordinates[1, ...], ...]``, between the entries.

    coordinates: (x.dim(), ...); order: 0 (the nearest, halves to even) or 1 (linear); mode: see `MODES`; "constant"
    blends with `fill` at the border.
    """
    work = x if x.is_floating_point() else x.float()
    coordinates = coordinates if coordinates.is_floating_point() else coordinates.to(work.dtype)
    positions = coordinates.reshape(1, coordinates.shape[0], -1)
    y = _read(work.reshape(1, -1, 1), tuple(x.shape), positions, order, mode, fill)
    return to_dtype(y.reshape(coordinates.shape[1:]), x.dtype)


def read_images(x, rows, columns, *, order=1, mode="constant", fill=0.0):
    """Images (N, H, W, C) at positions of their own, (N or 1, h, w) each: (N, h, w, C)."""
    count, height, width, channels = x.shape
    work = x if x.dtype in (torch.float32, torch.float64) else x.float()
    positions = torch.stack([rows, columns], 1).flatten(2)
    y = _read(work.reshape(count, -1, channels), (height, width), positions, order, mode, fill)
    return to_dtype(y.reshape(count, *rows.shape[-2:], channels), x.dtype)


def _grid(height, width, like):
    row = torch.arange(height, dtype=like.dtype, device=like.device)
    column = torch.arange(width, dtype=like.dtype, device=like.device)
    return row.reshape(1, -1, 1), column.reshape(1, 1, -1)


def affine(x, transform, *, order=1, mode="constant", fill=0.0):
    """Images read through maps: output (x, y) is input ``(a0 x + a1 y + a2, b0 x + b1 y + b2)``.

    x: (N, H, W, C); transform: (N or 1, 8), a0 a1 a2 b0 b1 b2 and two numbers that are not used, as in Keras.
    """
    row, column = _grid(x.shape[1], x.shape[2], transform)
    a = transform[:, :, None, None]
    columns = a[:, 0] * column + a[:, 1] * row + a[:, 2]
    rows = a[:, 3] * column + a[:, 4] * row + a[:, 5]
    return read_images(x, rows, columns, order=order, mode=mode, fill=fill)


def homography(start, end):
    """The projective maps with ``end -> start``: (N, 8) numbers h, ``x' = (h0 x + h1 y + h2) / (h6 x + h7 y + 1)``.

    start, end: (N, 4, 2) points (x, y).
    """
    x, y = end[..., 0], end[..., 1]
    u, v = start[..., 0], start[..., 1]
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    upper = torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], -1)
    lower = torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], -1)
    left = torch.cat([upper, lower], -2)
    return torch.linalg.solve(left, torch.cat([u, v], -1).unsqueeze(-1)).squeeze(-1)


def perspective(x, start, end, *, order=1, fill=0.0):
    """Images (N, H, W, C) pulled so that the points `start` come to lie at `end`; points: (N, 4, 2), (x, y)."""
    h = homography(start, end)[:, :, None, None]
    row, column = _grid(x.shape[1], x.shape[2], h)
    scale = h[:, 6] * column + h[:, 7] * row + 1
    columns = (h[:, 0] * column + h[:, 1] * row + h[:, 2]) / scale
    rows = (h[:, 3] * column + h[:, 4] * row + h[:, 5]) / scale
    return read_images(x, rows, columns, order=order, fill=fill)


def displaced(x, down, right, *, order=1, mode="reflect", fill=0.0):
    """Images (N, H, W, C) read at each pixel's position plus a displacement, (N, H, W) each way."""
    row, column = _grid(x.shape[1], x.shape[2], down)
    return read_images(x, row + down, column + right, order=order, mode=mode, fill=fill)


# --- scaling along axes ----------------------------------------------------------------------------------------------


def _cubic(t):
    near = ((1.5 * t - 2.5) * t) * t + 1
    far = ((-0.5 * t + 2.5) * t - 4) * t + 2
    return torch.where(t >= 2, 0.0, torch.where(t >= 1, far, near))


def _lanczos(radius):
    def kernel(t):
        y = radius * torch.sin(math.pi * t) * torch.sin(math.pi * t / radius)
        safe = torch.where(t > 1e-3, math.pi**2 * t**2, 1.0)
        return torch.where(t > radius, 0.0, torch.where(t > 1e-3, y / safe, 1.0))

    return kernel


_KERNELS = {"linear": lambda t: (1 - t).clamp_min(0), "cubic": _cubic, "lanczos3": _lanczos(3), "lanczos5": _lanczos(5)}


def scale_and_translate(x, shape, scale, translation, axes, method, antialias=True):
    """x along some axes scaled, then moved: output place o reads ``(o + 0.5 - translation) / scale - 0.5``.

    shape: of the result; scale, translation: a number to each of `axes`; method: "linear", "cubic", "lanczos3",
    "lanczos5"; antialias: where it shrinks, the kernel is wider. What lies outside is 0.
    """
    kernel = _KERNELS[method]
    y = x
    for place, axis in enumerate(axes):
        old, new = x.shape[axis], shape[axis]
        factor = 1.0 / scale[place]
        stretch = factor.clamp_min(1.0) if antialias else torch.ones_like(factor)
        out = torch.arange(new, dtype=x.dtype, device=x.device)
        centre = (out + 0.5) * factor - translation[place] * factor - 0.5
        taps = torch.arange(old, dtype=x.dtype, device=x.device)
        weights = kernel((centre.unsqueeze(1) - taps).abs() / stretch)
        total = weights.sum(1, keepdim=True)
        weights = torch.where(total.abs() > 1000 * torch.finfo(x.dtype).eps, weights / total, 0.0)
        inside = (centre >= -0.5) & (centre <= old - 0.5)
        weights = torch.where(inside.unsqueeze(1), weights, 0.0)
        y = torch.tensordot(y, weights, ([axis], [1])).movedim(-1, axis)
    return y
