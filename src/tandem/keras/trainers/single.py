"""One batch that is given whole: its tensors, and its outputs as NumPy arrays, without what an epoch needs."""

import numpy as np
import torch

from tandem.core import arrays, dtypes
from tandem.keras import config
from tandem.keras.trainers import sources

_LEAVES = (np.ndarray, torch.Tensor)
_FLOATX = {name: dtypes.numpy_dtype(name) for name in ("float32", "float64")}


def tensor(value):
    """An array as `sources.tensor` gives it; what can be taken as it stands takes no detour."""
    if (
        type(value) is np.ndarray
        and value.dtype == _FLOATX.get(config.floatx())
        and value.flags.c_contiguous
        and value.flags.writeable
    ):
        return torch.from_numpy(value)
    return sources.tensor(value)


def batch(parts, device):
    """What a method of one batch got, (x, y, sample_weight), as a step takes it on `device` (None: where it is)."""

    def take(value):
        found = tensor(value)
        return found if device is None or found.device == device else found.to(device)

    return sources.pack(*(sources.map_arrays(take, part) for part in parts))


def only_batch(x, batch_size, device):
    """Data in memory that make one batch of at most `batch_size` rows, as a step takes them.

    x: an array, or a list, tuple or dict of arrays. None for anything else, and for more rows: an epoch's machinery
    takes those, and says what is wrong with them.
    """
    if batch_size is None:
        batch_size = 32
    elif type(batch_size) is not int:
        return None
    kind = type(x)
    if kind is np.ndarray or kind is torch.Tensor:
        leaves = (x,)
    elif kind is list or kind is tuple:
        leaves = x
    elif kind is dict:
        leaves = x.values()
    else:
        return None
    rows = None
    for leaf in leaves:
        if type(leaf) not in _LEAVES or leaf.ndim == 0 or rows not in (None, len(leaf)):
            return None
        if type(leaf) is np.ndarray and leaf.dtype.kind not in "fiub":
            return None
        rows = len(leaf)
    if rows is None or not 0 < rows <= batch_size:
        return None
    return batch((x,), device)


def to_numpy(outputs, scalars=True):
    """A tree of outputs as NumPy arrays of their own.

    scalars: whether a single number stays one; else it becomes a row, as where the outputs of batches are joined.
    """
    if type(outputs) is torch.Tensor and (scalars or outputs.dim()):
        return _as_numpy(outputs)

    def convert(leaf):
        if isinstance(leaf, np.ndarray):
            return leaf  # of strings
        leaf = arrays.unwrap(leaf)
        return _as_numpy(leaf if scalars or leaf.dim() else leaf.reshape(1))

    return arrays.map_tree(convert, outputs)


def _as_numpy(value):
    if value.is_cuda or value.requires_grad:
        value = value.detach().cpu()
    # The tensor may be a step's own, or the caller's input: the array must not be either.
    return np.array((value.float() if value.dtype is torch.bfloat16 else value).numpy(), order="C")
