"""Pooling of any rank: a window's maximum, mean, sum or p-norm.

Channels-last data is seen through a permutation, as torch's channels_last memory format, and never copied: on a CPU the
pooling kernels are several times faster for it than for the contiguous format (benchmarks/memory_format.py).
"""

import torch
import torch.nn.functional as F

from tandem.ops.conv import channels_back, channels_to_front, conv_output_sizes, padding_pairs, per_axis

_MAX = {2: torch.max_pool2d, 3: torch.max_pool3d}
_AVERAGE = {2: F.avg_pool2d, 3: F.avg_pool3d}
_ADAPTIVE = {
    "avg": {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d},
    "max": {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d},
}
_KINDS = ("max", "avg", "sum", "lp")


def _check_kind(kind, kinds=_KINDS):
    if kind not in kinds:
        raise ValueError(f"Unknown kind of pooling. Expected: one of {', '.join(kinds)}. Given: {kind!r}.")


def _torch_size(size, window, stride, padding, ceil_mode):
    """How many windows torch makes: rounding up it still leaves out one that begins behind the data."""
    room = size + 2 * padding - window
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def _power(x, power):
    return x if power == 1 else x.square() if power == 2 else x**power


def _root(total, power):
    """The `power`-th root, odd ones of negative numbers too, with gradient 0 (and not NaN) at 0."""
    if power == 1:
        return total
    nothing = total == 0
    safe = total.masked_fill(nothing, 1)
    root = safe.sqrt() if power == 2 else safe.abs() ** (1 / power)
    if power % 2:
        root = root * safe.sign()
    return root.masked_fill(nothing, 0)


def pool(
    x,
    window,
    *,
    kind="max",
    stride=None,
    padding="valid",
    ceil_mode=False,
    count_padding=False,
    layout="channels_last",
    power=2,
):
    """Pooling over one, two or three axes: the max, avg, sum or lp (``(sum x**power) ** (1 / power)``) of each window.

    x: (N, *spatial, C) or (N, C, *spatial); window, stride: an int or one to an axis (stride None: the window).
    padding: "valid", "same" (TensorFlow's), ints or (before, after) pairs; it never wins a maximum, and it counts in a
    mean only where `count_padding` says so. ceil_mode: a last window that does not fit is cut off, not left out
    (MXNet's "full"). Equal maxima: the first in the window gets the gradient.
    Returns the output in the data's layout. Raises ValueError for arguments that do not fit.
    """
    _check_kind(kind)
    rank = x.ndim - 2
    if rank not in (1, 2, 3):
        raise ValueError(f"The data cannot be pooled. Expected: 3, 4 or 5 axes. Given: shape {tuple(x.shape)}.")
    window = per_axis(window, rank, "window")
    stride = window if stride is None else per_axis(stride, rank, "stride")
    # One axis is pooled as two of which the first has length 1.
    lifted = rank == 1
    if lifted:
        x = x.unsqueeze(1 if layout == "channels_last" else 2)
    x = channels_to_front(x, layout)
    sizes = tuple(x.shape[-rank:])
    pairs = padding_pairs(padding, sizes, window, stride, (1,) * rank)
    counts = conv_output_sizes(
        sizes, window, stride=stride, padding=padding if padding == "same" else pairs, ceil_mode=ceil_mode
    )
    if min(counts, default=1) < 1:
        raise ValueError(f"The window exceeds the padded data. Expected: at most {sizes} and {pairs}. Given: {window}.")
    if lifted:
        sizes, window, stride, pairs, counts = (1, *sizes), (1, *window), (1, *stride), ((0, 0), *pairs), (1, *counts)
    if kind == "lp":
        x = _power(x, power)
    y = _pool(x, sizes, window, stride, pairs, counts, kind, count_padding)
    if kind == "lp":
        y = _root(y, power)
    y = channels_back(y, layout)
    return y.squeeze(1 if layout == "channels_last" else 2) if lifted else y


def _pool(x, sizes, window, stride, pairs, counts, kind, count_padding):
    """`pool` of (N, C, *spatial) data, once it is known how many windows (`counts`) there are on each axis."""
    before = tuple(b for b, _ in pairs)
    # torch pads both ends alike, up to half a window, and takes no copy for it. Its windows begin where ours do, so
    # where it makes as many of them (perhaps rounding up) they hold the same data; what lies beyond the end counts for
    # nothing.
    fits = all(b <= k // 2 for b, k in zip(before, window))
    if kind == "avg" and count_padding:
        fits = fits and all(b == a for b, a in pairs)
    for ceil_mode in (False, True) if fits else ():
        made = tuple(_torch_size(n, k, s, b, ceil_mode) for n, k, s, b in zip(sizes, window, stride, before))
        if made == counts:
            if kind == "max":
                return _MAX[len(window)](x, window, stride, before, 1, ceil_mode)
            divisor = None if kind == "avg" else 1
            return _AVERAGE[len(window)](x, window, stride, before, ceil_mode, count_padding, divisor)
    # The end is filled up to where the last window ends.
    after = tuple(max((c - 1) * s + k - n - b, 0) for n, k, s, b, c in zip(sizes, window, stride, before, counts))
    amounts = [amount for pair in reversed(tuple(zip(before, after))) for amount in pair]
    if kind == "max":
        lowest = -float("inf") if x.is_floating_point() else torch.iinfo(x.dtype).min
        return _MAX[len(window)](F.pad(x, amounts, value=lowest), window, stride)
    total = _AVERAGE[len(window)](F.pad(x, amounts), window, stride, 0, False, True, 1)
    if kind != "avg":
        return total
    counted = x.new_ones((1, 1, *sizes))
    if count_padding:
        own = [amount for pair in reversed(pairs) for amount in pair]
        counted = F.pad(counted, own, value=1.0)
        amounts = [wanted - had for wanted, had in zip(amounts, own)]
    entries = _AVERAGE[len(window)](F.pad(counted, amounts), window, stride, 0, False, True, 1)
    return total / entries.clamp_min(1)


def global_pool(x, kind="avg", *, layout="channels_last", keepdims=False, power=2, tie="share"):
    """Pooling over all spatial axes at once: (N, C), or with 1 for each spatial axis where `keepdims`.

    x: (N, *spatial, C) or (N, C, *spatial); kind: max, avg, sum or lp. Integers are averaged as float32.
    tie: which of several equal maxima gets the gradient: "share" (each its part, Keras) or "first" (MXNet).
    """
    _check_kind(kind)
    axes = tuple(range(1, x.ndim - 1) if layout == "channels_last" else range(2, x.ndim))
    if kind == "max":
        if tie == "first" and len(axes) in (1, 2, 3):
            y = pool(x, [x.shape[axis] for axis in axes], kind="max", layout=layout)
            return y if keepdims else y.flatten(1)
        return x.amax(axes, keepdim=keepdims)
    if kind == "avg":
        return x.mean(axes, keepdim=keepdims, dtype=x.dtype if x.is_floating_point() else torch.float32)
    if kind == "sum":
        return x.sum(axes, keepdim=keepdims)
    return _root(_power(x, power).sum(axes, keepdim=keepdims), power)


def adaptive_pool(x, size, kind="avg", *, layout="channels_last"):
    """Pooling to a given output size: window i covers ``[floor(i * n / size), ceil((i + 1) * n / size))``.

    x: (N, *spatial, C) or (N, C, *spatial); size: an int or one to an axis; kind: max or avg.
    """
    _check_kind(kind, ("max", "avg"))
    rank = x.ndim - 2
    y = _ADAPTIVE[kind][rank](channels_to_front(x, layout), per_axis(size, rank, "size"))
    return channels_back(y, layout)
