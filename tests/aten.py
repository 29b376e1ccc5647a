"""For tests of tensor functions: fixed random tensors, comparing, and which ATen calls a function makes."""

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode


class _Calls(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.split(".")[0]
        if not func.is_view and name != "_unsafe_view":
            self.names.append(name)
        return func(*args, **(kwargs or {}))


def calls(function, *args, **kwargs):
    """The names of the ATen calls that are more than another look at the same memory."""
    with _Calls() as mode:
        function(*args, **kwargs)
    return mode.names


def randn(*shape, dtype=torch.float32, grad=False):
    """Normal numbers, the same at each call with this shape."""
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, dtype=dtype, generator=generator).requires_grad_(grad)


def close(ours, theirs, tolerance=2e-5):
    """Same shape, and equal numbers within the tolerance, relative and absolute; `theirs` may come from anywhere."""
    if not isinstance(theirs, torch.Tensor):
        theirs = torch.from_numpy(np.array(theirs))
    torch.testing.assert_close(
        ours.detach().contiguous(), theirs.detach(), rtol=tolerance, atol=tolerance, check_dtype=False, equal_nan=True
    )
