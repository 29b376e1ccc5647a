"""Reading images at points of a grid: spatial transformers. Jaderberg et al., 2015.

A grid is (N, 2, h, w), x and y of each point, -1 and 1 the centres of the outermost pixels.
"""

import torch
import torch.nn.functional as F


def sample_grid(data, grid):
    """The image between its pixels at the points of a grid, 0 outside: (N, C, h, w).

    data: (N, C, H, W); grid: (N, 2, h, w).
    """
    return F.grid_sample(data, grid.permute(0, 2, 3, 1), mode="bilinear", padding_mode="zeros", align_corners=True)


def _points(size, like):
    kind = {"dtype": like.dtype, "device": like.device}
    return (torch.arange(n, **kind) for n in size)


def affine_grid(matrix, size):
    """The points ``(x', y') = M (x, y, 1)``, (x, y) a grid over the whole image: (N, 2, h, w).

    matrix: (N, 6), the rows of M; size: (h, w), 2 at least each.
    """
    rows, columns = (
        points * (2 / (n - 1) if n > 1 else float("inf")) - 1 for points, n in zip(_points(size, matrix), size)
    )
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    points = torch.stack((x, y, torch.ones_like(x))).reshape(3, -1)
    return (matrix.reshape(-1, 2, 3) @ points).reshape(-1, 2, *size)


def flow_grid(flow):
    """The points that lie by a flow, in pixels, beside each pixel: (N, 2, h, w), x first."""
    size = flow.shape[2:]
    rows, columns = _points(size, flow)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    half = torch.tensor([(n - 1) / 2 for n in reversed(size)], dtype=flow.dtype, device=flow.device)
    return (flow + torch.stack((x, y))) / half[:, None, None] - 1
