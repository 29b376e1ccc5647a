"""Convolutions of any rank, and their transposes.

Layouts. Data: "channels_last" (N, *spatial, C) or "channels_first" (N, C, *spatial). Weights are named by the order of
their axes, "spatial" standing for all window axes, i for input and o for output channels: "spatial_io" (Keras),
"oi_spatial" (MXNet, torch), "o_spatial_i" (MXNet's NHWC); for the transpose "spatial_oi" (Keras), "io_spatial" (MXNet).

Channels-last data is never copied: seen through a permutation it is torch's channels_last memory format, which is the
faster one on a CPU (benchmarks/memory_format.py).
"""

import functools

import torch
import torch.nn.functional as F

_CONV = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
_CONV_TRANSPOSE = {1: torch.conv_transpose1d, 2: torch.conv_transpose2d, 3: torch.conv_transpose3d}


# --- geometry --------------------------------------------------------------------------------------------------------


def per_axis(value, rank, name="argument"):
    """An int, or a sequence of `rank` of them, as a tuple of `rank` ints; raises ValueError for any other length."""
    if isinstance(value, int) or not hasattr(value, "__len__"):
        return (int(value),) * rank
    if len(value) != rank:
        raise ValueError(f"`{name}` does not fit the data. Expected: one number or {rank} of them. Given: {value}.")
    return tuple(int(v) for v in value)


def same_padding(size, window, stride=1, dilation=1):
    """What "same" adds before and after one axis, so that the output has ``ceil(size / stride)`` entries.

    TensorFlow's rule: the total depends on size and stride, and the odd one out goes to the end.
    """
    total = max((-(-size // stride) - 1) * stride + (window - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def padding_pairs(padding, sizes, window, stride, dilation):
    """Any way of giving a padding as one (before, after) to a spatial axis.

    padding: "valid", "same", "causal" (all of it before; one spatial axis only), an int, a sequence of ints or of
    pairs, one to an axis. sizes, window, stride, dilation: one int to an axis each.
    Raises ValueError for anything else.
    """
    rank = len(window)
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * rank
        if padding == "same":
            return tuple(map(same_padding, sizes, window, stride, dilation))
        if padding == "causal" and rank == 1:
            return (((window[0] - 1) * dilation[0], 0),)
        only = " (which needs data with one spatial axis)" if padding == "causal" else ""
        raise ValueError(
            f"Unknown padding{only}. Expected: 'valid', 'same', 'causal', ints or pairs of ints. Given: {padding!r}."
        )
    if hasattr(padding, "__len__") and len(padding) == rank and all(hasattr(pair, "__len__") for pair in padding):
        return tuple((int(before), int(after)) for before, after in padding)
    return tuple((p, p) for p in per_axis(padding, rank, "padding"))


def conv_output_sizes(sizes, window, *, stride=1, padding="valid", dilation=1, ceil_mode=False):
    """Spatial sizes of a convolution's or a pooling's output: ``(size + pads - reach) // stride + 1`` to an axis.

    sizes: spatial sizes of the input, None where unknown (then None in the answer). ceil_mode: round up instead.
    A value below 1 says that the window exceeds the padded input.
    """
    rank = len(sizes)
    window, stride = per_axis(window, rank, "window"), per_axis(stride, rank, "stride")
    dilation = per_axis(dilation, rank, "dilation")
    pairs = padding_pairs(padding, [size or 0 for size in sizes], window, stride, dilation)
    if padding == "same":
        return tuple(None if n is None else -(-n // s) for n, s in zip(sizes, stride))
    answer = []
    for n, k, s, d, (before, after) in zip(sizes, window, stride, dilation, pairs):
        room = None if n is None else n + before + after - (k - 1) * d - 1
        answer.append(None if room is None else (-(-room // s) if ceil_mode else room // s) + 1)
    return tuple(answer)


def conv_transpose_output_sizes(sizes, window, *, stride=1, padding="valid", output_padding=None, dilation=1):
    """Spatial sizes of a transposed convolution's output; sizes: of the input, None where unknown."""
    rank = len(sizes)
    window, stride = per_axis(window, rank, "window"), per_axis(stride, rank, "stride")
    dilation = per_axis(dilation, rank, "dilation")
    crops = transpose_crops(padding, window, stride, dilation, output_padding)
    return tuple(
        None if n is None else (n - 1) * s + (k - 1) * d + 1 - before - after
        for n, k, s, d, (before, after) in zip(sizes, window, stride, dilation, crops)
    )


def transpose_crops(padding, window, stride, dilation, output_padding=None):
    """How much of the full transposed convolution is cut off before and after each axis; negative adds zeros.

    The full one has ``(size - 1) * stride + reach`` entries with ``reach = (window - 1) * dilation + 1``.
    "valid" cuts nothing and "same" leaves ``size * stride``, the odd one out cut from the end; with `output_padding`
    "same" cuts ``reach // 2`` on both sides and then adds that many entries at the end. A window shorter than the
    stride is filled up to it. Ints and pairs cut just that, less `output_padding` at the end.
    """
    rank = len(window)
    extra = (None,) * rank if output_padding is None else per_axis(output_padding, rank, "output_padding")
    if not isinstance(padding, str):
        pairs = padding_pairs(padding, None, window, stride, dilation)
        return tuple((before, after - (e or 0)) for (before, after), e in zip(pairs, extra))
    crops = []
    for k, s, d, e in zip(window, stride, dilation, extra):
        reach = (k - 1) * d + 1
        if padding == "valid":
            crops.append((0, min(reach - s, 0) if e is None else -e))
        elif padding == "same":
            total = reach - s if e is None else 2 * (reach // 2) - e
            before = max(total // 2, 0)
            crops.append((before, total - before))
        else:
            raise ValueError(f"Unknown padding. Expected: 'valid', 'same', ints or pairs of ints. Given: {padding!r}.")
    return tuple(crops)


def transpose_padding_for_target(sizes, window, *, target, stride=1, dilation=1):
    """The (padding, output_padding) with which a transposed convolution gives the spatial sizes `target`.

    MXNet's rule: with ``total = (size - 1) * stride + reach - target`` it is ``(total + 1) // 2`` and ``total % 2``.
    Raises ValueError where the target exceeds what there is, or the second would reach the stride.
    """
    rank = len(sizes)
    window, stride = per_axis(window, rank, "window"), per_axis(stride, rank, "stride")
    dilation, target = per_axis(dilation, rank, "dilation"), per_axis(target, rank, "target")
    padding, extra = [], []
    for n, k, s, d, t in zip(sizes, window, stride, dilation, target):
        full = (n - 1) * s + (k - 1) * d + 1
        if t > full or (full - t) % 2 >= s:
            raise ValueError(
                f"The target shape cannot be reached. Expected: at most {full}"
                f"{', and as even or odd as that' if s == 1 else ''}. Given: {t}."
            )
        padding.append((full - t + 1) // 2)
        extra.append((full - t) % 2)
    return tuple(padding), tuple(extra)


@functools.lru_cache(maxsize=256)
def _axes(layout, rank, first, second):
    """The permutation which brings a weight of that layout to (first, second, *spatial); None where it is there."""
    at, position = {}, 0
    for token in layout.split("_"):
        for name in (token,) if token == "spatial" else token:
            at[name] = position
            position += rank if name == "spatial" else 1
    if sorted(at) != ["i", "o", "spatial"]:
        raise ValueError(
            f"Unknown weight layout. Expected: 'spatial', 'i' and 'o' in some order, as in 'spatial_io'. "
            f"Given: {layout!r}."
        )
    axes = (at[first], at[second], *range(at["spatial"], at["spatial"] + rank))
    return None if axes == tuple(range(rank + 2)) else axes


def channels_to_front(x, layout):
    """`x` as a (N, C, *spatial) view; raises ValueError for an unknown data layout."""
    if layout == "channels_first":
        return x
    if layout == "channels_last":
        return x.permute(0, -1, *range(1, x.ndim - 1))
    raise ValueError(f"Unknown data layout. Expected: 'channels_last' or 'channels_first'. Given: {layout!r}.")


def channels_back(y, layout):
    """A (N, C, *spatial) tensor as a view in that layout."""
    return y if layout == "channels_first" else y.permute(0, *range(2, y.ndim), 1)


def _prepare(x, weight, layout, weight_layout, first, second, named):
    """The data as (N, C, *spatial), the weight as (first, second, *spatial) and each of `named` one to an axis."""
    rank = x.ndim - 2
    if rank not in _CONV or weight.ndim != x.ndim:
        raise ValueError(
            f"Data and weight do not go together. Expected: both with 3, 4 or 5 axes. "
            f"Given: {tuple(x.shape)} and {tuple(weight.shape)}."
        )
    axes = _axes(weight_layout, rank, first, second)
    named = [per_axis(value, rank, name) for name, value in named.items()]
    # One spatial axis, channels last: only with a unit axis in front of it is there a channels_last memory format.
    lifted = rank == 1 and layout == "channels_last"
    if lifted:
        x = x.unsqueeze(1)
    x = channels_to_front(x, layout)
    weight = weight if axes is None else weight.permute(axes)
    return x, weight, lifted, named


def _turned(x):
    """(N, C, H, W) data as it is or, where its convolution is quicker so, with the channels last in memory.

    What follows keeps them so: a network is turned round at its first convolution and where it ends.
    """
    if x.ndim != 4 or x.device.type != "cpu" or x.dtype not in (torch.float32, torch.bfloat16):
        return x
    if x.shape[1] == 1:  # the same memory; only the strides say which axis is the last
        return x.reshape(x.shape[0], *x.shape[2:], 1).permute(0, 3, 1, 2)
    return x.contiguous(memory_format=torch.channels_last)


def laid_out(weight, layout):
    """`weight` with the same axes, in memory as channels-last convolutions read it: output, space, input channels.

    Its gradient comes laid out so too: neither is turned round in each step.
    """
    rank = weight.ndim - 2
    first, second, *space = _axes(layout, rank, "o", "i") or range(weight.ndim)
    order = [first, *space, second]
    back = [order.index(axis) for axis in range(weight.ndim)]
    return weight.permute(order).contiguous().permute(back)


# --- convolution -----------------------------------------------------------------------------------------------------


def conv(
    x,
    weight,
    bias=None,
    *,
    stride=1,
    padding="valid",
    dilation=1,
    groups=1,
    layout="channels_last",
    weight_layout="spatial_io",
    free_layout=False,
):
    """Convolution over one to three axes: ``y[o, p] = b[o] + sum_{i, k} w[o, i, k] x[i, p * stride + k * dilation]``.

    x: (N, *spatial, C) or (N, C, *spatial); weight: see the module, with C / groups input channels; bias: (out,).
    stride, dilation: an int or one to an axis. padding: "valid", "same" (TensorFlow's, which may be one more at the
    end), "causal" (one axis only), ints or (before, after) pairs. free_layout: the output may lie in memory as is
    quickest to compute. Returns the output in the data's layout.
    Raises ValueError for arguments that do not fit the rank.
    """
    x, weight, lifted, (stride, dilation) = _prepare(
        x, weight, layout, weight_layout, "o", "i", {"stride": stride, "dilation": dilation}
    )
    if free_layout and layout == "channels_first":
        x = _turned(x)
    pairs = padding_pairs(padding, x.shape[-len(stride) :], weight.shape[2:], stride, dilation)
    if lifted:
        weight, stride, dilation, pairs = weight.unsqueeze(2), (1, *stride), (1, *dilation), ((0, 0), *pairs)
    # What both ends have in common the convolution itself pads without a copy.
    common = tuple(min(pair) if min(pair) > 0 else 0 for pair in pairs)
    if any(before != after for before, after in pairs):
        rest = [(before - c, after - c) for (before, after), c in zip(pairs, common)]
        x = F.pad(x, [amount for pair in reversed(rest) for amount in pair])
    y = _CONV[x.ndim - 2](x, weight, bias, stride, common, dilation, groups)
    y = channels_back(y, layout)
    return y.squeeze(1) if lifted else y


def depthwise_conv(x, weight, bias=None, *, stride=1, padding="valid", dilation=1, layout="channels_last"):
    """Convolution of each channel by itself, `multiplier` times: output channel ``c * multiplier + m``.

    x: (N, *spatial, C) or (N, C, *spatial); weight: (*window, C, multiplier); bias: (C * multiplier,).
    The rest as `conv`.
    """
    channels, multiplier = weight.shape[-2:]
    weight = weight.reshape(*weight.shape[:-2], 1, channels * multiplier)
    return conv(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=channels, layout=layout)


def separable_conv(
    x, depthwise, pointwise, bias=None, *, stride=1, padding="valid", dilation=1, layout="channels_last"
):
    """A depthwise convolution and a 1x1 one after it, which mixes the channels.

    depthwise: (*window, C, multiplier); pointwise: (1, ..., 1, C * multiplier, out); bias: (out,); the rest as `conv`.
    """
    y = depthwise_conv(x, depthwise, stride=stride, padding=padding, dilation=dilation, layout=layout)
    return conv(y, pointwise, bias, layout=layout)


def conv_transpose(
    x,
    weight,
    bias=None,
    *,
    stride=1,
    padding="valid",
    output_padding=None,
    dilation=1,
    groups=1,
    layout="channels_last",
    weight_layout="spatial_oi",
):
    """Transposed convolution, the gradient of `conv` by its input: each entry of x adds its copy of the window.

    x: (N, *spatial, C) or (N, C, *spatial); weight: see the module, with out / groups output channels; bias: (out,).
    padding: "valid", "same", or ints or pairs: how much of the full result is cut off; see `transpose_crops`, which
    also says what `output_padding` does (Keras's with a name, MXNet's `adj` with numbers).
    Returns the output in the data's layout. Raises ValueError for arguments that do not fit the rank.
    """
    x, weight, lifted, (stride, dilation) = _prepare(
        x, weight, layout, weight_layout, "i", "o", {"stride": stride, "dilation": dilation}
    )
    crops = transpose_crops(padding, weight.shape[2:], stride, dilation, output_padding)
    if lifted:
        weight, stride, dilation, crops = weight.unsqueeze(2), (1, *stride), (1, *dilation), ((0, 0), *crops)
    # An odd one out at the end is what torch has no argument for. A zero in front of the window shifts the result by
    # one, so that both ends lose the same, and nothing need be cut off the result (a copy in the backward pass).
    shift = [
        before >= 0 and after - before == 1 and s > d == 1 for (before, after), s, d in zip(crops, stride, dilation)
    ]
    if any(shift):
        weight = F.pad(weight, [amount for moved in reversed(shift) for amount in (int(moved), 0)])
        crops = tuple((before + moved, after) for (before, after), moved in zip(crops, shift))
    # torch adds at the end what `extra` says, but less than a stride (or dilation) and never less than nothing.
    extra = tuple(before - after for before, after in crops)
    function = _CONV_TRANSPOSE[x.ndim - 2]
    if all(before >= 0 and e < max(s, d) for (before, _), e, s, d in zip(crops, extra, stride, dilation)):
        cut = tuple(before for before, _ in crops)
        y = function(x, weight, bias, stride, cut, tuple(max(e, 0) for e in extra), groups, dilation)
        for axis, e in enumerate(extra, start=2):
            if e < 0:
                y = y.narrow(axis, 0, y.shape[axis] + e)
    else:
        y = function(x, weight, None, stride, 0, 0, groups, dilation)
        y = F.pad(y, [-amount for pair in reversed(crops) for amount in pair])
        if bias is not None:
            y = y + bias.reshape(-1, *(1,) * len(stride))
    y = channels_back(y, layout)
    return y.squeeze(1) if lifted else y
