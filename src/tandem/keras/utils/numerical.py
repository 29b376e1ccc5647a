"""One-hot labels, unit vectors, seeds, the session."""

import gc

import numpy as np
import torch

from tandem.core import seeds
from tandem.core.errors import explain
from tandem.keras import naming
from tandem.ops import indexing


def to_categorical(x, num_classes=None):
    """Class numbers as one-hot vectors.

    x: integers from 0 (an array, list or tensor; a last axis of size 1 is dropped); num_classes: by default the largest
    number and one. Returns float64 (float32 for a tensor), (*shape, num_classes).
    Raises ValueError for labels outside the classes.
    """
    if isinstance(x, torch.Tensor):
        if num_classes is None:
            num_classes = int(x.max()) + 1
        x = x.squeeze(-1) if x.dim() > 1 and x.shape[-1] == 1 else x
        return indexing.one_hot(x.long(), num_classes)
    labels = np.asarray(x).astype("int64")
    shape = labels.shape[:-1] if labels.ndim > 1 and labels.shape[-1] == 1 else labels.shape
    labels = labels.reshape(-1)
    if num_classes is None:
        num_classes = int(labels.max()) + 1
    if labels.size and (labels.max() >= num_classes or labels.min() < 0):
        raise ValueError(
            explain(
                "A label is outside the classes",
                expected=f"integers from 0 to {num_classes - 1}",
                given=f"labels from {labels.min()} to {labels.max()}, num_classes={num_classes}",
            )
        )
    categorical = np.zeros((labels.size, num_classes))
    categorical[np.arange(labels.size), labels] = 1
    return categorical.reshape(*shape, num_classes)


def normalize(x, axis=-1, order=2):
    """x divided by its norm of `order` along `axis`; what is 0 stays 0. A NumPy array, or a tensor for a tensor."""
    if isinstance(x, torch.Tensor):
        from tandem.ops import norm

        return norm.normalize(x, axis, order=order)
    norm = np.atleast_1d(np.linalg.norm(x, order, axis))
    norm[norm == 0] = 1
    return np.asarray(x) / np.expand_dims(norm, axis)


def set_random_seed(seed):
    """Seed Python's, NumPy's and torch's generators. Raises ValueError for what is no integer in [0, 2**32)."""
    if not isinstance(seed, (int, np.integer)):
        raise ValueError(f"Expected `seed` argument to be an integer. Received: seed={seed} (of type {type(seed)})")
    if not 0 <= seed < 2**32:
        raise ValueError(explain("Seed must be between 0 and 2**32 - 1", given=f"seed={seed}"))
    seeds.set_global(int(seed))


def clear_session(free_memory=True):
    """Begin the automatic names again; free_memory: also let Python collect what is no longer used."""
    from tandem.keras import dtype_policies

    naming.reset()
    dtype_policies.set_global_policy(None)
    if free_memory:
        gc.collect()
