"""Windows of an image as columns of a matrix, and back."""

import torch.nn.functional as F


def from_image(x, window, *, stride=1, dilation=1, padding=0):
    """(N, C, H, W) as (N, C * window, places): column p holds the window at place p."""
    return F.unfold(x, window, dilation, padding, stride)


def to_image(x, size, window, *, stride=1, dilation=1, padding=0):
    """The sum of overlapping windows: the transpose of `from_image`; size: (H, W)."""
    return F.fold(x, size, window, dilation, padding, stride)
