"""The log-uniform distribution of whole numbers, by which frequent classes (those of small numbers) are sampled."""

import math

import torch

__all__ = ["distinct", "expected_counts", "sample"]


def sample(count, below, *, dtype=torch.int64, device=None, generator=None):
    """`count` whole numbers from [0, below), k with probability ``log((k + 2) / (k + 1)) / log(below + 1)``."""
    draw = torch.empty(count, dtype=torch.float64, device=device).uniform_(generator=generator)
    # Rounding may reach `below` itself.
    return torch.special.expm1(draw * math.log(below + 1)).to(dtype).clamp_max(below - 1)


def distinct(count, below, *, device=None, generator=None):
    """(`count` different numbers in the order in which they came, how many draws that took, a tensor of one element).

    count may not exceed `below`. How many draws there are depends on their values.
    """
    draws = sample(2 * count, below, device=device, generator=generator)
    while True:
        numbers, which = torch.unique(draws, return_inverse=True)
        if len(numbers) >= count:
            break
        draws = torch.cat([draws, sample(len(draws), below, device=device, generator=generator)])
    places = torch.arange(len(draws), device=device)
    first = torch.full_like(numbers, len(draws)).scatter_reduce(0, which, places, "amin").sort().values[:count]
    return draws[first], first[-1:] + 1


def expected_counts(numbers, count, below):
    """How often each of `numbers` is expected among `count` samples, as float64."""
    numbers = numbers.to(torch.float64)
    return torch.log((numbers + 2) / (numbers + 1)) * (count / math.log(below + 1))
