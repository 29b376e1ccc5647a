"""Logarithms of probability densities (of continuous distributions) and of probabilities (of whole numbers).

Each function takes the samples and tensors of parameters that broadcast to them. Whole numbers have no gradient, the
parameters do.
"""

import math

import torch

__all__ = [
    "dirichlet",
    "exponential",
    "gamma",
    "generalized_negative_binomial",
    "negative_binomial",
    "normal",
    "poisson",
    "uniform",
]


def uniform(x, low, high):
    """``-log(high - low)``, outside of the bounds too."""
    return (-torch.log(high - low)).expand_as(x)


def normal(x, mean, stddev):
    """``-((x - mean) / stddev)^2 / 2 - log(stddev sqrt(2 pi))``."""
    return -0.5 * ((x - mean) / stddev).square() - torch.log(stddev * math.sqrt(2 * math.pi))


def gamma(x, alpha, rate):
    """``alpha log(rate) + (alpha - 1) log(x) - rate x - log(Gamma(alpha))``."""
    return alpha * torch.log(rate) + (alpha - 1) * torch.log(x) - rate * x - torch.lgamma(alpha)


def exponential(x, rate):
    """``log(rate) - rate x``."""
    return torch.log(rate) - rate * x


def poisson(x, rate):
    """``x log(rate) - rate - log(x!)``."""
    x = x.detach()
    return x * torch.log(rate) - rate - torch.lgamma(x + 1)


def negative_binomial(x, k, p):
    """``log(Gamma(x + k) / (x! Gamma(k))) + k log(p) + x log(1 - p)``: x failures before k successes."""
    x = x.detach()
    return torch.lgamma(x + k) - torch.lgamma(x + 1) - torch.lgamma(k) + k * torch.log(p) + x * torch.log(1 - p)


def generalized_negative_binomial(x, mean, alpha):
    """`negative_binomial` with ``k = 1 / alpha`` and ``p = 1 / (mean alpha + 1)``: mean and dispersion."""
    return negative_binomial(x, 1 / alpha, 1 / (mean * alpha + 1))


def dirichlet(x, alpha):
    """``sum((alpha - 1) log(x)) - sum(log Gamma(alpha)) + log Gamma(sum(alpha))`` over the last axis."""
    total = torch.lgamma(alpha.sum(-1)) - torch.lgamma(alpha).sum(-1)
    return ((alpha - 1) * torch.log(x)).sum(-1) + total
