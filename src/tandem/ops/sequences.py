"""Ranges, evenly spaced numbers, diagonals of ones."""

import math

import torch


def steps(start, stop, step=1.0, *, repeat=1, dtype=torch.float32, device=None):
    """``start, start + step, ...`` below stop (above it for a negative step), each `repeat` times.

    How many there are follows from the numbers as they are given; the values of an integer dtype have start and step
    cut to whole numbers, as MXNet has it.
    """
    count = max(math.ceil((stop - start) / step), 0)
    if not dtype.is_floating_point:
        start, step = int(start), int(step)
    values = (torch.arange(count, dtype=torch.float64, device=device) * step + start).to(dtype)
    return values.repeat_interleave(repeat) if repeat != 1 else values


def spaced(start, stop, count, *, endpoint=True, dtype=torch.float32, device=None):
    """`count` numbers at equal distances from start to stop, which is left out unless `endpoint`."""
    if not endpoint:
        stop = start + (stop - start) * (count - 1) / count if count else start
    return torch.linspace(start, stop, count, dtype=torch.float64, device=device).to(dtype)


def diagonal_ones(rows, columns, offset=0, *, dtype=torch.float32, device=None):
    """A (rows, columns) matrix with ones where ``column - row == offset``."""
    row = torch.arange(rows, device=device).unsqueeze(1)
    column = torch.arange(columns, device=device)
    return (column - row == offset).to(dtype)


def line(x, start=0.0, step=1.0):
    """``start + step * x``."""
    return x * step + start


def powers(start, stop, count, base=10.0, *, endpoint=True, dtype=torch.float32, device=None):
    """``base ^ x`` for `count` numbers x at equal distances from start to stop."""
    return torch.pow(base, spaced(start, stop, count, endpoint=endpoint, dtype=torch.float64, device=device)).to(dtype)


def cosine_window(count, coefficients, *, dtype=torch.float32, device=None):
    """``sum_k c_k cos(2 pi k i / (count - 1))`` for i from 0 to count - 1; one point has the value 1, none is empty."""
    if count <= 1:
        return torch.ones(max(count, 0), dtype=dtype, device=device)
    angle = torch.arange(count, dtype=torch.float64, device=device) * (2 * math.pi / (count - 1))
    return sum(c * torch.cos(k * angle) for k, c in enumerate(coefficients)).to(dtype)


def repeated_line(count, times, device=None):
    """0, 1, ... count - 1 in each of so many rows."""
    return torch.arange(count, device=device).expand(times, -1).contiguous()


def triangle_of_ones(rows, columns, offset=0, *, dtype=torch.float32, device=None):
    """A (rows, columns) matrix with ones where ``column - row <= offset``."""
    row = torch.arange(rows, device=device).unsqueeze(1)
    return (torch.arange(columns, device=device) - row <= offset).to(dtype)


def triangle_indices(rows, columns, offset=0, *, lower=True, device=None):
    """The rows and the columns of what lies on and below (else: above) the offset-th diagonal: (2, entries)."""
    return (torch.tril_indices if lower else torch.triu_indices)(rows, columns, offset, device=device)
