"""Discrete cosine transforms of the types I to IV, and the lapped transform on the fourth."""

import math

import torch


def transform(x, kind=2, norm=None, count=None):
    """The discrete cosine transform of the last axis, as scipy scales it; norm: None, or "ortho".

    kind: 1 to 4; count: how many numbers are taken, of which zeros are appended where there are fewer. Of type II:
    ``y[k] = 2 sum over n of x[n] cos(pi k (2 n + 1) / (2 N))``. Ahmed, Natarajan and Rao, 1974.
    """
    if count is not None:
        x = x[..., :count]
        x = torch.nn.functional.pad(x, (0, count - x.shape[-1]))
    size = x.shape[-1]
    n = torch.arange(size, dtype=torch.float64, device=x.device)
    k = n.unsqueeze(1)
    if kind == 1:
        matrix = 2 * torch.cos(math.pi * k * n / (size - 1))
        matrix[:, 0], matrix[:, -1] = 1, 1 - 2 * (n % 2)
    elif kind == 2:
        matrix = 2 * torch.cos(math.pi * k * (2 * n + 1) / (2 * size))
    elif kind == 3:
        matrix = 2 * torch.cos(math.pi * (2 * k + 1) * n / (2 * size))
        matrix[:, 0] = 1
    else:
        matrix = 2 * torch.cos(math.pi * (2 * k + 1) * (2 * n + 1) / (4 * size))
    if norm is not None:
        matrix = matrix / math.sqrt(2 * size)
        if kind == 2:
            matrix[0] /= math.sqrt(2)
        elif kind == 3:
            matrix[:, 0] *= math.sqrt(2)
    return x @ matrix.T.to(x.dtype)


def fold(pieces):
    """Half of the numbers of each piece, whose type IV transform is the lapped transform of the pieces."""
    a, b, c, d = pieces.chunk(4, -1)
    return torch.cat([-c.flip(-1) - d, a - b.flip(-1)], -1)


def unfold(halves):
    """Twice the numbers: what `fold` has made of a piece, and its mirror images."""
    first, second = halves.chunk(2, -1)
    return torch.cat([second, -second.flip(-1), -first.flip(-1), -first], -1)
