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


def states():
    """Where the global generators of torch, NumPy and Python stand: a tree of arrays and plain values.

    What is given does not change when the generators go on.
    """
    name, keys, place, has_gauss, gauss = np.random.get_state(legacy=True)
    found = {
        "torch": torch.get_rng_state().numpy(),
        "numpy": [name, keys, int(place), int(has_gauss), float(gauss)],
        "python": random.getstate(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found["cuda"] = [state.numpy() for state in torch.cuda.get_rng_state_all()]
    return found


def set_states(found):
    """Let the global generators go on from what `states` gave."""
    torch.set_rng_state(torch.from_numpy(np.array(found["torch"])))
    np.random.set_state(tuple(found["numpy"]))
    version, numbers, after = found["python"]
    random.setstate((version, tuple(numbers), after))
    if len(found.get("cuda", ())) == torch.cuda.device_count() > 0:
        torch.cuda.set_rng_state_all([torch.from_numpy(np.array(state)) for state in found["cuda"]])
