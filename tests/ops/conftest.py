"""What the tests of the operators share."""

import pytest
from torch.utils._python_dispatch import TorchDispatchMode


class _Count(TorchDispatchMode):
    VIEWS = {
        "view",
        "detach",
        "expand",
        "t",
        "transpose",
        "permute",
        "unsqueeze",
        "squeeze",
        "alias",
        "select",
        "slice",
    }

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name not in self.VIEWS:
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def names_of_calls():
    """The kernels (views left out) that a function calls below autograd, by name."""

    def names(function):
        with _Count() as mode:
            function()
        return mode.names

    return names


@pytest.fixture
def count_calls():
    """How many kernels (views not counted) a function calls below autograd."""

    def count(function):
        with _Count() as mode:
            function()
        return len(mode.names)

    return count
