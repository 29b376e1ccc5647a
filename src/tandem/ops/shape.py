"""Rearranging: padding, cropping, repeating, joining, splitting, one-hot.

What is another look at the same memory (crop, split) is a view; the rest is one copy where torch has one call for it.
"""

import torch
import torch.nn.functional as F

# torch's own functions, by the names used here.
concat, stack, tile, reverse, roll = torch.cat, torch.stack, torch.tile, torch.flip, torch.roll
moveaxis, swapaxes, transpose = torch.movedim, torch.transpose, torch.permute
broadcast_to, broadcast_shapes, meshgrid = torch.broadcast_to, torch.broadcast_shapes, torch.meshgrid

PAD_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def _axis(axis, rank):
    if not -rank <= axis < rank:
        raise ValueError(f"There is no such axis. Expected: from {-rank} to {rank - 1}. Given: {axis}.")
    return axis % rank


def _pairs(amounts, rank, name):
    """(before, after) for each axis, out of such pairs, or out of one number or one pair for all."""
    if isinstance(amounts, int):
        amounts = ((amounts, amounts),) * rank
    elif len(amounts) == 2 and all(isinstance(amount, int) for amount in amounts):
        amounts = (tuple(amounts),) * rank
    if len(amounts) != rank or any(len(pair) != 2 for pair in amounts):
        raise ValueError(f"`{name}` does not fit the data. Expected: {rank} pairs, one to an axis. Given: {amounts}.")
    return [(int(before), int(after)) for before, after in amounts]


# --- padding and cropping --------------------------------------------------------------------------------------------


def pad(x, amounts, *, mode="constant", value=0.0):
    """`x` with entries added at both ends of its axes.

    amounts: (before, after) to an axis, not negative; one number or one pair stands for all axes. mode: "constant"
    (`value`), "edge" (the outermost entry), "reflect" (mirrored about it), "symmetric" (mirrored with it), "wrap" (from
    the other end). Raises ValueError for another mode, or where there are too few entries to mirror.
    """
    pairs = _pairs(amounts, x.ndim, "amounts")
    if min((amount for pair in pairs for amount in pair), default=0) < 0:
        raise ValueError(f"Padding adds entries. Expected: amounts of 0 or more. Given: {amounts}.")
    if mode == "constant":
        last = max((axis for axis, pair in enumerate(pairs) if any(pair)), default=None)
        if last is None:
            return x
        first = min(axis for axis, pair in enumerate(pairs) if any(pair))
        return F.pad(x, [amount for pair in reversed(pairs[first:]) for amount in pair], value=value)
    if mode not in PAD_MODES:
        raise ValueError(f"Unknown padding mode. Expected: one of {', '.join(PAD_MODES)}. Given: {mode!r}.")
    for axis, (before, after) in enumerate(pairs):
        n = x.shape[axis]
        if not (before or after):
            continue
        if not n:
            raise ValueError(f"An empty axis can be padded with a constant only. Given: {mode!r}, axis {axis}.")
        index = torch.arange(-before, n + after, device=x.device)
        if mode == "edge":
            index = index.clamp(0, n - 1)
        elif mode == "wrap":
            index = torch.remainder(index, n)
        elif mode == "symmetric":
            index = torch.remainder(index, 2 * n)
            index = torch.minimum(index, 2 * n - 1 - index)
        else:
            index = torch.remainder(index, max(2 * n - 2, 1))
            index = torch.minimum(index, (2 * n - 2 - index).abs())
        x = x.index_select(axis, index)
    return x


def crop(x, amounts):
    """`x` without the entries at both ends of its axes, as a view; amounts: as for `pad`.

    Raises ValueError where more is cut off than there is.
    """
    for axis, (before, after) in enumerate(_pairs(amounts, x.ndim, "amounts")):
        if before or after:
            if before < 0 or after < 0 or before + after > x.shape[axis]:
                raise ValueError(
                    f"This cannot be cut off axis {axis}. Expected: from 0 to {x.shape[axis]} entries in all. "
                    f"Given: {before} and {after}."
                )
            x = x.narrow(axis, before, x.shape[axis] - before - after)
    return x


def slice_axis(x, axis, begin, end, step=1):
    """``x[..., begin:end:step, ...]`` along one axis, a view where step is positive; bounds as Python has them."""
    axis = _axis(axis, x.ndim)
    if step > 0:
        return x[(slice(None),) * axis + (slice(begin, end, step),)]
    wanted = range(*slice(begin, end, step).indices(x.shape[axis]))
    if not wanted:
        return x.narrow(axis, 0, 0)
    least = x[(slice(None),) * axis + (slice(wanted[-1], wanted[0] + 1, -step),)]
    return least.flip(axis)


# --- repeating -------------------------------------------------------------------------------------------------------


def repeat(x, times, axis=None):
    """Each entry repeated in its place: (a, b) two times is (a, a, b, b). axis None: of the flattened data.

    times: a number, or one to an entry of the axis.
    """
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis = _axis(axis, x.ndim)
    if isinstance(times, int):
        wide = x.unsqueeze(axis + 1)
        return wide.expand(*x.shape[: axis + 1], times, *x.shape[axis + 1 :]).flatten(axis, axis + 1)
    times = [int(t) for t in times]
    if len(times) == 1:
        return repeat(x, times[0], axis)
    if len(times) != x.shape[axis]:
        raise ValueError(f"`times` does not fit. Expected: {x.shape[axis]} numbers. Given: {len(times)}.")
    counts = torch.tensor(times, device=x.device)
    return torch.repeat_interleave(x, counts, axis, output_size=sum(times))


def repeat_vector(x, times):
    """(N, ...) as a view (N, times, ...)."""
    return x.unsqueeze(1).expand(x.shape[0], times, *x.shape[1:])


def upsample(x, factors, *, layout="channels_last"):
    """Each spatial entry repeated `factors` times along its axis: "nearest" upsampling.

    x: (N, *spatial, C) or (N, C, *spatial); factors: an int or one to a spatial axis.
    """
    rank = x.ndim - 2
    factors = (factors,) * rank if isinstance(factors, int) else tuple(factors)
    if len(factors) != rank:
        raise ValueError(f"`factors` does not fit. Expected: one number or {rank} of them. Given: {factors}.")
    if not x.is_floating_point() or rank not in (2, 3):
        first = 1 if layout == "channels_last" else 2
        for axis, times in enumerate(factors, start=first):
            x = repeat(x, times, axis) if times != 1 else x
        return x
    x = x.permute(0, -1, *range(1, x.ndim - 1)) if layout == "channels_last" else x
    y = F.interpolate(x, [n * f for n, f in zip(x.shape[2:], factors)], mode="nearest")
    return y.permute(0, *range(2, y.ndim), 1) if layout == "channels_last" else y


# --- joining and splitting -------------------------------------------------------------------------------------------


def split(x, parts, axis=0):
    """`x` cut along an axis into views: a number of equal parts, or at the given positions (numpy's meaning).

    Raises ValueError where the parts would not be equal.
    """
    axis = _axis(axis, x.ndim)
    size = x.shape[axis]
    if isinstance(parts, int):
        if parts < 1 or size % parts:
            raise ValueError(f"The parts would not be equal. Expected: a divisor of {size}. Given: {parts}.")
        return x.split(size // parts, axis) if size else (x,) * parts
    return torch.tensor_split(x, tuple(int(p) for p in parts), axis)


def split_nearly_equal(x, count, axis=0):
    """So many parts along an axis, the first ones larger by one where they cannot be equal."""
    return torch.tensor_split(x, count, axis)


def depth_to_space(x, block, *, layout="channels_first"):
    """Channels as blocks of pixels: channel ``(i * block + j) * C + c`` gives pixel (i, j) of the block in channel c.

    x: (N, block^2 C, H, W) to (N, C, block H, block W), or with the channels last.
    """
    x = x if layout == "channels_first" else x.movedim(-1, 1)
    n, channels, height, width = x.shape
    if channels % (block * block):
        raise ValueError(
            f"The channels do not fill blocks. Expected: a multiple of {block * block}. Given: {channels}."
        )
    x = x.reshape(n, block, block, channels // (block * block), height, width).permute(0, 3, 4, 1, 5, 2)
    x = x.reshape(n, channels // (block * block), height * block, width * block)
    return x if layout == "channels_first" else x.movedim(1, -1)


def space_to_depth(x, block, *, layout="channels_first"):
    """Blocks of pixels as channels, the reverse of `depth_to_space`."""
    x = x if layout == "channels_first" else x.movedim(-1, 1)
    n, channels, height, width = x.shape
    if height % block or width % block:
        raise ValueError(f"The pixels do not fill blocks. Expected: multiples of {block}. Given: {height} x {width}.")
    x = x.reshape(n, channels, height // block, block, width // block, block).permute(0, 3, 5, 1, 2, 4)
    x = x.reshape(n, channels * block * block, height // block, width // block)
    return x if layout == "channels_first" else x.movedim(1, -1)


# --- choosing --------------------------------------------------------------------------------------------------------


def one_hot(x, depth, *, axis=-1, on=1.0, off=0.0, dtype=torch.float32):
    """Indices as vectors that are `on` at the index and `off` elsewhere; an index outside 0 .. depth-1 is nowhere.

    x: any shape, fractions cut off; the new axis of length `depth` is `axis` of the result.
    """
    x = x if not x.dtype.is_floating_point else x.long()
    axis = _axis(axis, x.ndim + 1)
    classes = torch.arange(depth, device=x.device).reshape(-1, *(1,) * (x.ndim - axis))
    hot = x.unsqueeze(axis) == classes
    if (on, off) == (1, 0):
        return hot.to(dtype)
    wanted = torch.full((), on, dtype=dtype, device=x.device)
    return torch.where(hot, wanted, torch.full((), off, dtype=dtype, device=x.device))


def where(condition, x, y):
    """x where the condition is not 0, else y. A condition of one axis chooses whole rows of x and y (MXNet)."""
    if condition.dtype is not torch.bool:
        condition = condition != 0
    rank = max(x.ndim if isinstance(x, torch.Tensor) else 0, y.ndim if isinstance(y, torch.Tensor) else 0)
    if condition.ndim == 1 and rank > 1:
        condition = condition.reshape(-1, *(1,) * (rank - 1))
    return torch.where(condition, x, y)
