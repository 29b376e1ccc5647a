"""The log-uniform distribution of whole numbers, by which frequent classes (those of small numbers) are sampled."""

import math

import torch

__all__ = ["expected_counts", "sample"]


def sample(count, below, *, dtype=torch.int64, device=None, generator=None):
    """`count` whole numbers from [0, below), k with probability ``log((k + 2) / (k + 1)) / log(below + 1)``."""
    draw = torch.empty(count, dtype=torch.float64, device=device).uniform_(generator=generator)
    # Rounding may reach `below` itself.
    return torch.special.expm1(draw * math.log(below + 1)).to(dtype).clamp_max(below - 1)


def expected_counts(numbers, count, below):
    """How often each of `numbers` is expected among `count` samples, as float64."""
    numbers = numbers.to(torch.float64)
    return torch.log((numbers + 2) / (numbers + 1)) * (count / math.log(below + 1))
