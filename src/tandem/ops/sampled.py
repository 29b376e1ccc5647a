"""Classes sampled without repetition, and losses over the true classes and the sampled ones."""

import functools
import math

import torch
import torch.nn.functional as F

__all__ = ["distinct", "expected_when_distinct", "logits", "tries"]


def distinct(probabilities, count, *, generator=None):
    """`count` different numbers, as they come when drawing by `probabilities` and leaving out what came before.

    The largest of the logarithms with Gumbel noise are such a sample: Vieira, 2014. Nothing is read, so it is replayed.
    """
    noise = torch.empty_like(probabilities).exponential_(generator=generator)
    return torch.topk(probabilities / noise, count).indices


def expected_when_distinct(probabilities, draws):
    """How often numbers of such probabilities are expected in a sample of distinct ones that took so many draws."""
    return -torch.expm1(draws * torch.log1p(-probabilities))


@functools.lru_cache(maxsize=64)
def tries(kind, count, below):
    """How many draws give `count` different numbers on average. kind: "uniform" or "log_uniform"."""
    numbers = torch.arange(below, dtype=torch.float64)
    p = torch.log((numbers + 2) / (numbers + 1)) / math.log(below + 1)
    p = torch.full_like(p, 1 / below) if kind == "uniform" else p
    low, high = float(count), float(count) * 2
    while float(expected_when_distinct(p, high).sum()) < count - 0.5 * (count == below) and high < 1e12:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        enough = float(expected_when_distinct(p, middle).sum()) >= count - 0.5 * (count == below)
        low, high = (low, middle) if enough else (middle, high)
    return high


def logits(weights, biases, inputs, labels, chosen, expected, hits_out):
    """(logits of the true classes and the sampled ones, targets that sum to 1 over the true ones).

    weights: (classes, size); biases: (classes,); inputs: (batch, size); labels: (batch, true); chosen: (sampled,);
    expected: (how often the labels, and the chosen ones, are expected), whose logarithm is taken off; hits_out: whether
    a sampled class that is a true one counts as not sampled.
    """
    true = (inputs[:, None] * F.embedding(labels, weights)).sum(-1) + biases[labels]
    others = inputs @ F.embedding(chosen, weights).T + biases[chosen]
    if hits_out:
        hit = (labels[:, :, None] == chosen).any(1)
        others = others.masked_fill(hit, torch.finfo(others.dtype).min)
    true, others = (value - torch.log(count).to(value.dtype) for value, count in zip((true, others), expected))
    targets = torch.cat([torch.full_like(true, 1 / true.shape[1]), torch.zeros_like(others)], 1)
    return torch.cat([true, others], 1), targets
