"""Samplers of further distributions: each a function of exponentially or normally distributed numbers.

As in `tandem.ops.random`: ``shape``, the parameters (numbers, or tensors that broadcast to the shape), ``dtype``,
``device``. All are differentiable in tensor parameters.
"""

import torch

from tandem.ops import random


def _exponential(shape, dtype, device):
    """Numbers with density ``exp(-x)``: never 0, where logarithms end."""
    return torch.empty(
        tuple(shape), dtype=torch.float32 if dtype is torch.float16 else dtype, device=device
    ).exponential_()


def uniform(shape, low=0.0, high=1.0, *, dtype=None, device=None):
    """Numbers between low and high, whichever is the larger."""
    if not isinstance(low, torch.Tensor) and not isinstance(high, torch.Tensor) and high < low:
        low, high = high, low
    return random.uniform(shape, low, high, dtype=dtype, device=device)


def logistic(shape, loc=0.0, scale=1.0, *, dtype=None, device=None):
    """``loc + scale log(u / (1 - u))`` of uniform numbers u."""
    draw = _exponential(shape, dtype, device)
    return (loc + scale * (draw + torch.log(-torch.expm1(-draw)))).to(dtype)


def gumbel(shape, loc=0.0, scale=1.0, *, dtype=None, device=None):
    """``loc - scale log(-log(u))`` of uniform numbers u."""
    return (loc - scale * torch.log(_exponential(shape, dtype, device))).to(dtype)


def rayleigh(shape, scale=1.0, *, dtype=None, device=None):
    """The length of a vector of two normal numbers with deviation `scale`."""
    return (scale * torch.sqrt(2 * _exponential(shape, dtype, device))).to(dtype)


def weibull(shape, a, *, dtype=None, device=None):
    """``(-log(u))^(1 / a)`` of uniform numbers u."""
    return torch.pow(_exponential(shape, dtype, device), _reciprocal(a)).to(dtype)


def pareto(shape, a, *, dtype=None, device=None):
    """Pareto numbers of the second kind (Lomax): ``u^(-1 / a) - 1`` of uniform numbers u."""
    return torch.expm1(_exponential(shape, dtype, device) * _reciprocal(a)).to(dtype)


def power(shape, a, *, dtype=None, device=None):
    """Numbers between 0 and 1 with density ``a x^(a - 1)``: ``u^(1 / a)`` of uniform numbers u."""
    return torch.exp(-_exponential(shape, dtype, device) * _reciprocal(a)).to(dtype)


def lognormal(shape, mean=0.0, sigma=1.0, *, dtype=None, device=None):
    """``exp(x)`` of normal numbers x."""
    return torch.exp(random.normal(shape, mean, sigma, dtype=dtype, device=device))


def chisquare(shape, degrees, *, dtype=None, device=None):
    """The sum of the squares of so many normal numbers: ``2 gamma(degrees / 2)``."""
    return 2 * random.gamma(shape, degrees / 2, dtype=dtype, device=device)


def _reciprocal(a):
    if isinstance(a, torch.Tensor):
        return torch.reciprocal(a)
    return 1 / a if a else float("inf")


def choose(count, draws, probabilities=None, *, replace=True, device=None):
    """So many numbers below `count`, with equal or given probabilities (count,): int64.

    Without replacement: an exponential race, in which the smallest of ``e_i / p_i`` come first; those of
    probability 0 come last.
    """
    if probabilities is None:
        if replace:
            return torch.randint(0, count, (draws,), device=device)
        return torch.randperm(count, device=device)[:draws]
    if replace:
        return torch.multinomial(probabilities.double(), draws, replacement=True)
    race = torch.empty(count, dtype=torch.float64, device=device).exponential_() / probabilities.double()
    return race.argsort(stable=True)[:draws]


def multinomial_counts(shape, draws, probabilities):
    """How often each class occurs among so many draws: (*shape, classes) in int64; probabilities: (classes,).

    A chain of binomial numbers, each of what the classes before have left.
    """
    probabilities = probabilities.double()
    left = torch.full(tuple(shape), float(draws), dtype=torch.float64, device=probabilities.device)
    remaining = torch.ones((), dtype=torch.float64, device=probabilities.device)
    counts = []
    for place in range(probabilities.shape[0] - 1):
        share = (probabilities[place] / remaining.clamp_min(1e-300)).clamp(0, 1)
        count = torch.binomial(left, share.expand(left.shape).contiguous())
        counts.append(count)
        left, remaining = left - count, remaining - probabilities[place]
    return torch.stack([*counts, left], -1).long()


def multivariate_normal(shape, mean, covariance):
    """Vectors of normal numbers with a mean (..., k) and covariance (..., k, k): (*shape, ..., k)."""
    factor = torch.linalg.cholesky(covariance)
    batch = torch.broadcast_shapes(mean.shape[:-1], covariance.shape[:-2])
    draw = torch.randn(*shape, *batch, mean.shape[-1], dtype=mean.dtype, device=mean.device)
    return mean + (factor @ draw.unsqueeze(-1)).squeeze(-1)
