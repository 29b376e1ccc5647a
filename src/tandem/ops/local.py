"""Convolutions whose weights are not shared: every place has its own."""

import torch


def connect(x, weight, bias=None, *, window, stride, layout="channels_last"):
    """``y[p, o] = b[p, o] + sum_k w[p, k, o] x[p * stride + k]`` over one or two axes.

    x: (B, *space, channels), for layout "channels_first" (B, channels, *space); weight: (places, window * channels,
    filters), with a patch's entries in x's own order of axes; bias: (*places, filters); window, stride: one number to
    an axis. Returns (B, *places, filters), or (B, filters, *places).
    """
    rank = len(window)
    first = 1 if layout == "channels_last" else 2
    for axis, (size, step) in enumerate(zip(window, stride, strict=True), first):
        x = x.unfold(axis, size, step)
    # Now (B, *places, channels, *window), or (B, channels, *places, *window).
    places = x.shape[first : first + rank]
    if layout == "channels_last":
        patches = x.movedim(1 + rank, -1)
    else:
        patches = x.movedim(1, 1 + rank)
    patches = patches.reshape(x.shape[0], weight.shape[0], weight.shape[1])
    y = torch.einsum("bpk,pko->bpo", patches, weight).reshape(x.shape[0], *places, weight.shape[2])
    if bias is not None:
        y = y + bias
    return y if layout == "channels_last" else y.movedim(-1, 1)
