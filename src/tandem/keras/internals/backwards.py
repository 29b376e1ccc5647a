"""Slices with negative steps in a user's function: ``x[:, ::-1]``, which Keras 2's tensors had and torch's have not."""

import torch
from torch.overrides import TorchFunctionMode

from tandem.ops import array_index


class _Backwards(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.__getitem__:
            return array_index.get(*args)
        return func(*args, **(kwargs or {}))


def call(function, *args, **kwargs):
    """``function(*args, **kwargs)``, once more with such slices where torch has refused one."""
    try:
        return function(*args, **kwargs)
    except ValueError as error:
        if "step must be greater than zero" not in str(error):
            raise
    with _Backwards():
        return function(*args, **kwargs)
