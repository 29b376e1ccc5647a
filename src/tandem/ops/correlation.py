"""Comparing two feature maps at displaced places. Dosovitskiy et al., 2015 (FlowNet)."""

import torch
import torch.nn.functional as F


def correlation(a, b, *, kernel=1, reach=1, stride=1, step=1, padding=0, product=True):
    """Mean over channels and a window of ``a(p) b(p + d)``, or of ``|a(p) - b(p + d)|``: (N, D * D, h, w).

    a, b: (N, C, H, W), first padded by zeros. p moves by `stride`; the displacements d are the multiples of `step` up
    to `reach` in both directions, row by row. kernel: the window's size, odd.
    """
    channels = a.shape[1]
    a, b = (F.pad(x, (padding,) * 4) for x in (a, b))
    high, wide = a.shape[2] - 2 * reach, a.shape[3] - 2 * reach
    radius = reach // step
    here = a[:, :, reach : reach + high, reach : reach + wide].unsqueeze(3)
    first = reach - radius * step
    count = 2 * radius + 1
    found = []
    for row in range(count):
        strip = b[:, :, first + row * step :][:, :, :high, first : first + (count - 1) * step + wide]
        there = strip.unfold(3, wide, step)  # (N, C, high, count, wide)
        if product:
            part = (here * there).sum(1)
        else:
            apart = here - there
            # The slope at 0 is that to the right.
            part = torch.where(apart >= 0, apart, -apart).sum(1)
        found.append(part.transpose(1, 2))
    found = torch.cat(found, 1)
    return F.avg_pool2d(found, kernel, stride) / channels
