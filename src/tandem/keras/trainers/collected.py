"""Outputs of batches, put together as NumPy arrays."""

import numpy as np
import torch

from tandem.core import arrays
from tandem.engine import feeding
from tandem.keras.trainers.outputs import flatten


class Collected:
    """Outputs of batches, put together along the rows; where their number is known, into one piece of memory."""

    def __init__(self, rows):
        self.rows = rows
        self.at = 0
        self.structure = None
        self.parts = None

    def add(self, outputs):
        """Take a batch's outputs, which will not hold."""
        leaves = [arrays.unwrap(leaf) for _, leaf in flatten(outputs)]
        if self.parts is None:
            self.structure = outputs
            self.parts = [self._room(leaf) for leaf in leaves]
        size = 0
        for part, leaf in zip(self.parts, leaves):
            if isinstance(leaf, np.ndarray):
                part.append(leaf)
            elif isinstance(part, list):
                part.append(leaf.detach().to("cpu", copy=True))
            else:
                size = len(leaf)
                part[self.at : self.at + size].copy_(leaf.detach())
        self.at += size

    def _room(self, leaf):
        if self.rows is None or leaf.ndim == 0 or isinstance(leaf, np.ndarray):
            return []
        return torch.empty((self.rows, *leaf.shape[1:]), dtype=leaf.dtype)

    def result(self):
        """All outputs as NumPy arrays, in the structure of one batch's."""
        if self.parts is None:
            raise ValueError("There is no batch to predict for.")
        whole = iter([_joined(part) if isinstance(part, list) else part[: self.at] for part in self.parts])
        return arrays.map_tree(lambda _: _as_numpy(next(whole)), self.structure)


def _joined(parts):
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else feeding.join(parts)


def _as_numpy(tensor):
    if isinstance(tensor, np.ndarray):
        return tensor  # of strings
    tensor = tensor.detach().cpu()
    return tensor.float().numpy() if tensor.dtype is torch.bfloat16 else tensor.numpy()
