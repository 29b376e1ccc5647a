"""Seeds: one global seed, and generators that are derived from it."""

import random

import numpy as np
import torch

_MODULUS = 2**63 - 1


def set_global(seed, *, python=True, numpy=True):
    """Seed torch and, unless told otherwise, Python's and NumPy's global generators.

    seed: an integer; any size, reduced to what each generator takes.
    """
    seed = int(seed)
    if python:
        random.seed(seed)
    if numpy:
        np.random.seed(seed % 2**32)
    torch.manual_seed(seed % _MODULUS)


def generator(seed, device="cpu"):
    """A torch generator of its own, seeded with `seed`; None (torch's global one) where `seed` is None."""
    if seed is None:
        return None
    return torch.Generator(device=device).manual_seed(int(seed) % _MODULUS)
