"""Arrays whose values could not be computed: the error comes when somebody looks at the values, or waits for them.

MXNet queues its operators, so that what only the values show to be wrong, such as a negative deviation, is told by
`asnumpy()`, `wait_to_read()` or `waitall()`, and then once. Whatever is computed from such an array is one too.
"""

import weakref

import torch

from tandem.mxnet.base import MXNetError

__all__ = ["FailedTensor", "check", "check_all", "values"]

_pending = weakref.WeakSet()  # troubles that nobody has been told of, as long as an array has them

# What takes values out of a tensor, as opposed to making another tensor of it.
_READS = {
    torch.Tensor.numpy,
    torch.Tensor.tolist,
    torch.Tensor.item,
    torch.Tensor.__array__,
    torch.Tensor.__bool__,
    torch.Tensor.__float__,
    torch.Tensor.__int__,
    torch.Tensor.__index__,
    torch.Tensor.__repr__,
    torch.Tensor.__dlpack__,
}


class _Trouble:
    """An error that is still to be told, shared by all arrays that it concerns."""

    def __init__(self, message):
        self.message, self.told = message, False
        _pending.add(self)

    def tell(self):
        """Raise the error, unless it was raised before."""
        if not self.told:
            self.told = True
            _pending.discard(self)
            raise MXNetError(self.message)


class FailedTensor(torch.Tensor):
    """NaNs in the place of values that could not be computed."""

    trouble: _Trouble

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        found = []
        plain, named = _plain((args, kwargs or {}), found)
        trouble = next((one for one in found if not one.told), found[0])
        into_plain = bool(args) and isinstance(args[0], torch.Tensor) and not isinstance(args[0], cls)
        if func in _READS or (into_plain and func.__name__.endswith("_")):
            trouble.tell()
        return _failed(func(*plain, **named), trouble)


def _plain(tree, found):
    if isinstance(tree, FailedTensor):
        found.append(tree.trouble)
        with torch._C.DisableTorchFunctionSubclass():
            return tree.as_subclass(torch.Tensor)
    if isinstance(tree, (list, tuple)):
        return type(tree)(_plain(item, found) for item in tree) if not isinstance(tree, torch.Size) else tree
    if isinstance(tree, dict):
        return {key: _plain(item, found) for key, item in tree.items()}
    return tree


def _failed(tree, trouble):
    if isinstance(tree, torch.Tensor):
        with torch._C.DisableTorchFunctionSubclass():
            made = tree.as_subclass(FailedTensor)
        made.trouble = trouble
        return made
    if type(tree) in (list, tuple):
        return type(tree)(_failed(item, trouble) for item in tree)
    return tree


def values(shape, error, *, dtype, device):
    """A tensor in the place of what an operator could not compute; `error` is raised when its values are asked for."""
    return _failed(torch.full(tuple(shape), torch.nan, dtype=dtype, device=device), _Trouble(str(error)))


def check(tensor):
    """Raise the MXNetError that an array still has to tell, if there is one."""
    if type(tensor) is FailedTensor:
        tensor.trouble.tell()


def check_all():
    """Raise an MXNetError that some array still has to tell, if there is one; the others are forgotten."""
    troubles = list(_pending)
    _pending.clear()
    for trouble in troubles:
        trouble.tell()
