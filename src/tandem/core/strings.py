"""Strings as arrays, and as tensors of code points.

No tensor holds strings. Where the engine moves data about, their code points travel, as a tensor of dtype uint32 with
an axis more than the strings have: NumPy's own form of them.
"""

import numpy as np
import torch


def texts(inputs, encoding="utf-8"):
    """Strings, bytes, nested lists and arrays of them, or their code points, as an array of `str` objects."""
    if isinstance(inputs, torch.Tensor) and inputs.dtype is torch.uint32:
        return from_code_points(inputs)
    if hasattr(inputs, "numpy") and not isinstance(inputs, torch.Tensor):
        inputs = inputs.numpy()
    found = np.asarray(inputs, dtype=object) if not isinstance(inputs, np.ndarray) else inputs
    flat = [item.decode(encoding) if isinstance(item, bytes) else str(item) for item in found.reshape(-1).tolist()]
    result = np.empty(len(flat), dtype=object)
    result[:] = flat
    return result.reshape(found.shape)


def code_points(strings):
    """A tensor (…, longest) of dtype uint32 for an array (…) of strings: their characters' numbers, then zeros."""
    plain = texts(strings).astype(np.str_)
    plain = plain.astype("<U1") if plain.dtype.itemsize == 0 else plain
    return torch.from_numpy(np.ascontiguousarray(plain)[..., None].view(np.uint32).copy())


def from_code_points(tensor):
    """The array of strings whose code points a tensor holds."""
    numbers = np.ascontiguousarray(tensor.detach().cpu().numpy())
    return numbers.view(f"<U{numbers.shape[-1]}")[..., 0].astype(object)


def is_text(value):
    """Whether a value is an array of strings, or a tensor of code points."""
    if isinstance(value, torch.Tensor):
        return value.dtype is torch.uint32
    return isinstance(value, np.ndarray) and (
        value.dtype.kind in "US"
        or (value.dtype == object and value.size > 0 and isinstance(value.flat[0], (str, bytes)))
    )


def holds_strings(inputs):
    """Whether a value is or holds strings."""
    if isinstance(inputs, (str, bytes)):
        return True
    if isinstance(inputs, (list, tuple)):
        return bool(inputs) and holds_strings(inputs[0])
    dtype = getattr(inputs, "dtype", None)
    return (
        dtype is torch.uint32
        or (isinstance(inputs, np.ndarray) and dtype.kind in "USO")
        or str(dtype).endswith("string'>")
    )


def is_list_of_strings(value):
    """Whether a value is nothing but (nested lists of) strings: one array, not several."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
        if isinstance(value, (str, bytes)):
            return True
    return False
