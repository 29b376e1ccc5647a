"""Geometry of images: sampling, affine maps, resizing, cropping, flips. Colours are in `colour`.

An image is (H, W, C), a batch (N, H, W, C), for layout "channels_first" (C, H, W) and (N, C, H, W). Positions are pixel
centres, (row, column), counted from 0. Integer images are computed in float32, rounded and clamped to their range.
"""

import torch
import torch.nn.functional as F

FILL_MODES = ("nearest", "constant", "reflect", "wrap", "mirror", "grid-constant", "grid-wrap")
METHODS = (
    "nearest",
    "nearest_floor",
    "bilinear",
    "bicubic",
    "lanczos3",
    "lanczos4",
    "lanczos5",
    "area",
    "gaussian",
    "mitchellcubic",
)


def _to_batch(x, layout):
    """`x` as a (N, H, W, C) view; raises ValueError where it is no image."""
    if x.ndim not in (3, 4):
        raise ValueError(f"This is no image. Expected: 3 axes, or 4 for a batch. Given: shape {tuple(x.shape)}.")
    if layout not in ("channels_last", "channels_first"):
        raise ValueError(f"Unknown data layout. Expected: 'channels_last' or 'channels_first'. Given: {layout!r}.")
    if layout == "channels_first":
        x = x.movedim(-3, -1)
    return x if x.ndim == 4 else x.unsqueeze(0)


def _from_batch(y, rank, layout):
    if layout == "channels_first":
        y = y.movedim(-1, -3)
    return y if rank == 4 else y.squeeze(0)


def to_dtype(y, dtype):
    """Computed values in an image's dtype: for integers rounded half to even and clamped to the dtype's range."""
    if dtype.is_floating_point or y.dtype == dtype:
        return y.to(dtype)
    limits = torch.iinfo(dtype)
    return y.round().clamp(limits.min, limits.max).to(dtype)


# --- sampling --------------------------------------------------------------------------------------------------------


def _corners(position, size, order, mode):
    """What is read along one axis: pairs (index, weight), and where anything is (None: everywhere).

    The modes are scipy.ndimage's (1.6 and later). "wrap" has the period ``size - 1``: its first and last entry count as
    one. "constant" does not blend with the constant, "grid-constant" does.
    """
    last = size - 1
    inside = None
    if mode == "constant":
        inside = (position >= 0) & (position <= last)
    elif mode == "reflect":  # d c b a | a b c d | d c b a
        position = torch.remainder(position, 2 * size)
        position = torch.where(position >= size, 2 * size - 1 - position, position)
    elif mode == "mirror" and last:  # d c b | a b c d | c b a
        turn = torch.remainder(position, 2 * last)
        back = (turn >= size) | ((turn > last) & (position < 0))
        position = torch.where(back, 2 * last - turn, turn)
        if order == 0:  # just behind the last entry scipy rounds first and turns back then
            position = torch.floor(position + 0.5)
        position = torch.where(position > last, 2 * last - position, position)
    elif mode == "wrap" and last:
        wrapped = torch.remainder(position, last)
        wrapped = torch.where((wrapped == 0) & (position < 0), last, wrapped)
        position = torch.where((position < 0) | (position > last), wrapped, position)
    if not mode.startswith("grid-"):
        position = position.clamp(0, last)
    if order == 0:
        below = torch.floor(position + 0.5)
        weights = [(below, None)]
    else:
        below = torch.floor(position)
        fraction = position - below
        weights = [(below, 1 - fraction), (below + 1, fraction)]
    corners = []
    for index, weight in weights:
        if mode == "grid-constant":
            there = (index >= 0) & (index <= last)
            weight = there.to(position.dtype) if weight is None else weight * there
        index = torch.remainder(index, size) if mode == "grid-wrap" else index.clamp(0, last)
        corners.append((index.long(), weight))
    return corners, inside


def sample(x, rows, columns, *, order=1, fill_mode="nearest", fill_value=0.0, layout="channels_last"):
    """The image at given positions, by the nearest pixel (order 0) or linear between four (order 1).

    x: an image or a batch; rows, columns: (h, w), or (N, h, w) with positions of each image's own; use float64 where
    the positions must not move. fill_mode: what is outside; see `FILL_MODES`. Returns (h, w, C) or (N, h, w, C).
    Raises ValueError for an unknown order or fill mode.
    """
    if order not in (0, 1):
        raise ValueError(f"This interpolation is not there. Expected: order 0 (nearest) or 1 (linear). Given: {order}.")
    if fill_mode not in FILL_MODES:
        raise ValueError(f"Unknown fill mode. Expected: one of {', '.join(FILL_MODES)}. Given: {fill_mode!r}.")
    rank, dtype = x.ndim, x.dtype
    x = _to_batch(x, layout)
    n, height, width, channels = x.shape
    work = dtype if dtype.is_floating_point else torch.float32
    row_corners, row_inside = _corners(rows, height, order, fill_mode)
    column_corners, column_inside = _corners(columns, width, order, fill_mode)
    pixels = x.reshape(n * height * width, channels).to(work)
    first = 0
    if n > 1:
        first = torch.arange(n, device=x.device).reshape(n, 1, 1) * (height * width)
    shape = (n, *torch.broadcast_shapes(rows.shape, columns.shape)[-2:], channels)
    y = None
    for r, row_weight in row_corners:
        for c, column_weight in column_corners:
            index = (r * width + c + first).expand(shape[:3])
            part = pixels.index_select(0, index.reshape(-1)).reshape(shape)
            if row_weight is not None:
                part = part * (row_weight * column_weight).to(work).unsqueeze(-1)
            y = part if y is None else y + part
    if row_inside is not None:
        y = torch.where((row_inside & column_inside).unsqueeze(-1), y, fill_value)
    elif fill_mode == "grid-constant" and fill_value:
        covered = sum(a for _, a in row_corners) * sum(b for _, b in column_corners)
        y = y + ((1 - covered) * fill_value).to(work).unsqueeze(-1)
    return _from_batch(to_dtype(y, dtype), rank, layout)


def affine_matrix(size, *, theta=0.0, tx=0.0, ty=0.0, shear=0.0, zx=1.0, zy=1.0, swap=False):
    """The map of `affine_transform` which rotates, shifts, shears and zooms about the centre: (2, 3), or (N, 2, 3).

    Output position p (row, column) reads ``R T S Z (p - c) + c``, with c half the size less a half, R the rotation by
    theta, T the shift by (tx, ty) pixels, S the shear and Z = diag(zx, zy): tx and zx are vertical (as in Keras 2.0).
    size: (H, W); angles in degrees; each parameter a number, or a sequence or tensor of N of them. float64.
    swap: the map for (column, row) so made is used for (row, column), the centre included (Keras 2.2.5 and later).
    """
    theta, tx, ty, shear, zx, zy = (
        torch.as_tensor(value, dtype=torch.float64) for value in (theta, tx, ty, shear, zx, zy)
    )
    theta, shear = torch.deg2rad(theta), torch.deg2rad(shear)
    cos, sin = torch.cos(theta), torch.sin(theta)
    lean, squeeze = torch.sin(shear), torch.cos(shear)
    rows = []
    centre = [n / 2 - 0.5 for n in size]
    for a, b, c in ((cos, -sin, centre[0]), (sin, cos, centre[1])):
        down, right = a * zx, (b * squeeze - a * lean) * zy
        shift = a * tx + b * ty + c - (down * centre[0] + right * centre[1])
        entries = (right, down, shift) if swap else (down, right, shift)
        rows.append(torch.stack(torch.broadcast_tensors(*entries), -1))
    return torch.stack(rows[::-1] if swap else rows, -2)


def affine_transform(x, matrix, *, order=1, fill_mode="nearest", fill_value=0.0, layout="channels_last"):
    """The image read through an affine map: ``y[p] = x[M p + t]`` with ``matrix = [M | t]``.

    x: an image or a batch; matrix: (2, 3), or (N, 2, 3) with one to each image of the batch; the rest as `sample`.
    The numbers are scipy.ndimage.affine_transform's of that order and mode, channel by channel.
    """
    spatial = (-3, -2) if layout == "channels_last" else (-2, -1)
    row = torch.arange(x.shape[spatial[0]], dtype=torch.float64, device=x.device).unsqueeze(-1)
    column = torch.arange(x.shape[spatial[1]], dtype=torch.float64, device=x.device)
    m = matrix.to(device=x.device, dtype=torch.float64)[..., None, None]
    # Added up in scipy's order: "constant" looks for positions just outside.
    rows, columns = (m[..., i, 2, :, :] + m[..., i, 0, :, :] * row + m[..., i, 1, :, :] * column for i in (0, 1))
    return sample(x, rows, columns, order=order, fill_mode=fill_mode, fill_value=fill_value, layout=layout)


def crop_and_resize(x, boxes, box_index, size, *, method="bilinear", fill_value=0.0, layout="channels_last"):
    """Boxes cut out of a batch of images and brought to one size: (boxes, h, w, C) in float32 at least.

    boxes: (B, 4) of (top, left, bottom, right) as parts of the image's height and width (0 and 1 are the centres of the
    outermost pixels; a box may be reversed, or reach outside, where `fill_value` is); box_index: (B,), which image.
    method: "bilinear" or "nearest". TensorFlow's tf.image.crop_and_resize.
    """
    if method not in ("bilinear", "nearest"):
        raise ValueError(f"Unknown interpolation. Expected: 'bilinear' or 'nearest'. Given: {method!r}.")
    spatial = (1, 2) if layout == "channels_last" else (2, 3)
    positions = []
    for axis, n in enumerate(size):
        extent = x.shape[spatial[axis]] - 1
        begin, end = boxes[:, axis, None], boxes[:, axis + 2, None]
        if n > 1:
            step = torch.arange(n, dtype=boxes.dtype, device=boxes.device) / (n - 1)
            positions.append((begin + (end - begin) * step) * extent)
        else:
            positions.append((begin + end) * (0.5 * extent))
    x = x.index_select(0, box_index.long())
    x = x if x.dtype in (torch.float32, torch.float64) else x.float()
    rows, columns = torch.broadcast_tensors(positions[0].unsqueeze(-1), positions[1].unsqueeze(-2))
    order = 1 if method == "bilinear" else 0
    return sample(x, rows, columns, order=order, fill_mode="constant", fill_value=fill_value, layout=layout)


# --- resizing --------------------------------------------------------------------------------------------------------


def _lanczos(radius):
    return lambda t: torch.where(t < radius, torch.sinc(t) * torch.sinc(t / radius), 0)


def _cubic(a):
    def kernel(t):
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = ((t - 5) * t + 8) * t * a - 4 * a
        return torch.where(t <= 1, near, torch.where(t < 2, far, 0))

    return kernel


def _mitchell(t):
    """Mitchell's and Netravali's cubic kernel with B = C = 1/3 (1988)."""
    near = (7 / 6 * t - 2) * t * t + 8 / 9
    far = ((-7 / 18 * t + 2) * t - 10 / 3) * t + 16 / 9
    return torch.where(t <= 1, near, torch.where(t < 2, far, 0))


_KERNELS = {  # method: (its reach in pixels, the kernel)
    "bilinear": (1, lambda t: (1 - t).clamp_min(0)),
    "gaussian": (1.5, lambda t: torch.where(t < 1.5, torch.exp(-2 * t * t), 0)),
    "mitchellcubic": (2, _mitchell),
}


def _resize_weights(old, new, method, antialias, cubic, edge, like, steps=None):
    """The (new, old) matrix whose rows say what an output pixel takes of the input's, along one axis."""
    scale = old / new
    out = torch.arange(new, dtype=torch.float64, device=like.device).unsqueeze(1)
    pixel = torch.arange(old, dtype=torch.float64, device=like.device)
    if method == "area":
        weights = (torch.minimum((out + 1) * scale, pixel + 1) - torch.maximum(out * scale, pixel)).clamp_min(0)
        return (weights / weights.sum(1, keepdim=True)).to(like.dtype)
    if method == "bicubic":
        radius, kernel = 2, _cubic(cubic)
    else:
        radius, kernel = _KERNELS.get(method) or (int(method[-1]), _lanczos(int(method[-1])))
    stretch = max(scale, 1.0) if antialias else 1.0
    centre = (out + 0.5) * scale - 0.5
    if steps is not None:
        centre = torch.floor(centre) + torch.round((centre - torch.floor(centre)) * steps) / steps
    if edge == "replicate" and not antialias:  # taps outside read the outermost pixel
        tap = torch.floor(centre) + torch.arange(1 - radius, radius + 1, dtype=torch.float64, device=like.device)
        part = kernel((tap - centre).abs())
        part = part / part.sum(1, keepdim=True)
        weights = ((tap.clamp(0, old - 1).unsqueeze(2) == pixel) * part.unsqueeze(2)).sum(1)
    else:
        weights = kernel((pixel - centre).abs() / stretch)
        total = weights.sum(1, keepdim=True)
        weights = weights / torch.where(total.abs() > 1e-6, total, 1)
    return weights.to(like.dtype)


def resize(
    x,
    size,
    *,
    method="bilinear",
    antialias=False,
    align_corners=False,
    cubic=-0.5,
    edge="renormalize",
    steps=None,
    layout="channels_last",
):
    """The image at another size, half-pixel centres: output pixel i lies at ``(i + 0.5) * old / new - 0.5``.

    x: an image or a batch; size: (H, W). method: see `METHODS`; "nearest_floor" takes pixel ``floor(i * old / new)``
    (OpenCV), "area" the mean over the pixel's extent. antialias: where it shrinks, the kernel is widened by as much.
    align_corners: the outermost pixels' centres stay where they are (bilinear and bicubic only). cubic: the bicubic
    kernel's coefficient, -0.5 (TensorFlow, JAX, PIL) or -0.75 (torch, OpenCV). edge: "renormalize" leaves out what the
    kernel would read outside, "replicate" reads the outermost pixel (torch, OpenCV).
    steps: into how many steps between two pixels the kernel's places are rounded, None for none. Returns x's dtype.
    Raises ValueError for what is unknown.
    """
    if method not in METHODS:
        raise ValueError(f"Unknown interpolation. Expected: one of {', '.join(METHODS)}. Given: {method!r}.")
    if align_corners and (antialias or method not in ("bilinear", "bicubic")):
        raise ValueError(
            f"align_corners does not go with this interpolation. Expected: bilinear or bicubic without antialias. "
            f"Given: {method!r}, antialias={antialias}."
        )
    rank, dtype = x.ndim, x.dtype
    y = _to_batch(x, layout).movedim(-1, 1)
    if tuple(y.shape[2:]) == tuple(size):
        return x
    if method.startswith("nearest"):
        mode = "nearest-exact" if method == "nearest" else "nearest"
        if not dtype.is_floating_point and dtype != torch.uint8:
            wide = y.double()  # exact for all but the largest of 64 bits
            return _from_batch(F.interpolate(wide, size, mode=mode).to(dtype).movedim(1, -1), rank, layout)
        return _from_batch(F.interpolate(y, size, mode=mode).movedim(1, -1), rank, layout)
    y = y if dtype in (torch.float32, torch.float64) else y.float()  # torch's antialias does not take halves
    # torch's antialiased bicubic kernel has the coefficient -0.5 and leaves out what is outside, its plain one has
    # -0.75 and replicates.
    cubic_fits = cubic == -0.5 and edge == "renormalize" if antialias else cubic == -0.75 and edge == "replicate"
    if method == "bilinear" or (method == "bicubic" and (cubic_fits or align_corners)):
        y = F.interpolate(y, size, mode=method, antialias=antialias, align_corners=align_corners)
    else:
        for axis, n in ((2, size[0]), (3, size[1])):
            if y.shape[axis] != n:
                weights = _resize_weights(y.shape[axis], n, method, antialias, cubic, edge, y, steps)
                y = torch.tensordot(y, weights, ([axis], [1])).movedim(-1, axis)
    return _from_batch(to_dtype(y, dtype).movedim(1, -1), rank, layout)


def crop_box_for(size, target):
    """The largest box in the middle of `size` with the proportions of `target`: (top, left, height, width), ints."""
    (height, width), (wanted_height, wanted_width) = size, target
    crop_height = max(min(height, int(width * wanted_height / wanted_width)), 1)
    crop_width = max(min(width, int(height * wanted_width / wanted_height)), 1)
    return int((height - crop_height) / 2), int((width - crop_width) / 2), crop_height, crop_width


def padding_for(size, target):
    """What brings `size` to the proportions of `target`: ((top, bottom), (left, right)), all ints."""
    (height, width), (wanted_height, wanted_width) = size, target
    pad_height = max(height, int(width * wanted_height / wanted_width))
    pad_width = max(width, int(height * wanted_width / wanted_height))
    top, left = int((pad_height - height) / 2), int((pad_width - width) / 2)
    return (top, pad_height - height - top), (left, pad_width - width - left)


# --- cropping and flipping -------------------------------------------------------------------------------------------


def crop(x, top, left, height, width, *, layout="channels_last"):
    """The box of an image or of each image of a batch, as a view; raises ValueError where it reaches outside."""
    axis = -3 if layout == "channels_last" else -2
    if top < 0 or left < 0 or top + height > x.shape[axis] or left + width > x.shape[axis + 1]:
        raise ValueError(
            f"The box reaches outside the image. Expected: within {x.shape[axis]} x {x.shape[axis + 1]}. "
            f"Given: {height} x {width} at ({top}, {left})."
        )
    return x.narrow(axis, top, height).narrow(axis + 1, left, width)


def flip(x, axis, which=None):
    """The image reversed along an axis; which: None, or (N,) bools that say which ones of a batch."""
    y = x.flip(axis)
    if which is None:
        return y
    return torch.where(which.reshape(-1, *(1,) * (x.ndim - 1)), y, x)


def rotate(x, degrees, *, zoom_in=False, zoom_out=False, layout="channels_first"):
    """The image turned counter-clockwise about its centre, linear between pixels, zeros outside (MXNet's imrotate).

    x: an image or a batch, float; degrees: a number or a tensor (N,). zoom_in: until no zeros show; zoom_out: until all
    of the image does. Raises ValueError where both are asked for.
    """
    if zoom_in and zoom_out:
        raise ValueError("The image cannot be zoomed both ways. Expected: zoom_in or zoom_out. Given: both.")
    rank = x.ndim
    y = _to_batch(x, layout)
    height, width = y.shape[1:3]
    angle = torch.deg2rad(torch.as_tensor(degrees, dtype=y.dtype, device=y.device)).reshape(-1, 1, 1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rise, run = (height - 1) / 2, (width - 1) / 2
    down = (torch.arange(height, dtype=y.dtype, device=y.device) - rise).unsqueeze(-1)
    right = torch.arange(width, dtype=y.dtype, device=y.device) - run
    rows, columns = down * cos + right * sin, right * cos - down * sin
    if zoom_in or zoom_out:
        reach = cos.abs() + max(width / height, height / width) * sin.abs()
        rows, columns = (rows * reach, columns * reach) if zoom_out else (rows / reach, columns / reach)
    y = sample(y, rows + rise, columns + run, fill_mode="grid-constant")
    return _from_batch(y, rank, layout)
