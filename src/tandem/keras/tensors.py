"""Values on their way into a layer: arrays and numbers become tensors, floating point tensors get the layer's dtype."""

import numpy as np
import torch

from tandem.core import devices, dtypes
from tandem.core.arrays import Array
from tandem.core.graph import Symbolic


def is_tensor(value):
    """Whether `value` is a torch tensor or a variable (not a symbolic one)."""
    return isinstance(value, torch.Tensor) or hasattr(value, "__torch_function__")


def convert(value, dtype=None, device=None):
    """`value` (number, list, NumPy array, variable, tensor) as a torch tensor.

    dtype: by default a tensor's or array's own; Python floats give `floatx`, integers int32, booleans bool.
    device: for values that are not tensors yet; by default the one that new variables live on.
    """
    if isinstance(value, torch.Tensor):
        return value if dtype is None else value.to(dtypes.torch_dtype(dtype))
    if isinstance(value, Array):
        return convert(value._tensor, dtype)
    if hasattr(value, "__torch_function__"):
        return convert(value.value, dtype)
    device = device or devices.default()
    if dtype is not None:
        dtype = dtypes.torch_dtype(dtype)
    if not isinstance(value, np.ndarray):
        if isinstance(value, (list, tuple)) and any(is_tensor(item) for item in value):
            return torch.stack([convert(item, dtype, device) for item in value])
        if dtype is None:
            dtype = _python_dtype(value)
        value = np.asarray(value)
    if value.dtype == object or value.dtype.kind in "US":
        raise TypeError(f"Cannot convert an array of dtype {value.dtype} to a tensor; expected numbers or booleans.")
    if not value.flags.writeable or not value.flags.c_contiguous:
        value = value.copy()  # torch shares the memory, and would warn that it can write to it
    return torch.as_tensor(value, dtype=dtype, device=device)


def _python_dtype(value):
    """The dtype of plain Python numbers (nested or not): Keras has `floatx` for floats and int32 for integers."""
    array = np.asarray(value)
    if hasattr(value, "dtype"):
        return None
    if array.dtype == np.float64:
        from tandem.keras import config

        return dtypes.torch_dtype(config.floatx())
    return torch.int32 if array.dtype == np.int64 else None


def convert_input(value, dtype):
    """One leaf of a layer's arguments: arrays become tensors, floating point ones of `dtype` (None leaves them)."""
    if isinstance(value, torch.Tensor):
        if dtype is not None and value.is_floating_point():
            dtype = dtypes.torch_dtype(dtype)
            if value.dtype is not dtype:
                return with_mask(value.to(dtype), value)
        return value
    if isinstance(value, np.ndarray):
        return convert_input(convert(value), dtype)
    if hasattr(value, "__torch_function__"):
        return convert_input(value.value, dtype)
    if hasattr(value, "__array__") and not isinstance(value, (Array, Symbolic)):
        return convert_input(convert(np.asarray(value)), dtype)
    return value


def with_mask(tensor, other):
    """`tensor` with the mask of `other`, if that has one."""
    mask = getattr(other, "_keras_mask", None)
    if mask is not None:
        tensor._keras_mask = mask
    return tensor


def get_mask(value):
    """The mask that travels with a tensor, or None."""
    return getattr(value, "_keras_mask", None)


def set_mask(value, mask):
    """Let `mask` travel with a tensor; where the kind of `value` takes none, it is lost, as in Keras."""
    try:
        value._keras_mask = mask
    except AttributeError:
        pass
