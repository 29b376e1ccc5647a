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
