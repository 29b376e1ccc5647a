"""A `TorchDispatchMode` that starts at once."""

from torch.utils._python_dispatch import TorchDispatchMode


class DispatchMode(TorchDispatchMode):
    """A dispatch mode that does not import torch's compiler: that import alone takes about a second."""

    @classmethod
    def _should_skip_dynamo(cls):
        return False
