"""Logs of a batch, which are read back from the device only when somebody looks."""

import weakref

import numpy as np
import torch

from tandem.keras.variables import Variable


class LazyLogs(dict):
    """A dict of numbers that fetches its entries at the first look.

    fetch: a function that gives the entries. Whoever keeps such an object over the next step must call `settle` first:
    what it would fetch changes then.
    """

    __slots__ = ("__weakref__", "_fetch")

    def __init__(self, fetch):
        super().__init__()
        self._fetch = fetch

    def settle(self):
        """Fetch the entries now."""
        fetch, self._fetch = self._fetch, None
        if fetch is not None:
            dict.update(self, fetch())
        return self

    def __reduce__(self):
        return dict, (dict(self.settle()),)


def _looking(name):
    method = getattr(dict, name)

    def look(self, *args, **kwargs):
        if self._fetch is not None:
            self.settle()
        return method(self, *args, **kwargs)

    look.__name__ = name
    look.__doc__ = method.__doc__
    return look


for _name in (
    "__contains__",
    "__delitem__",
    "__eq__",
    "__getitem__",
    "__ior__",
    "__iter__",
    "__len__",
    "__ne__",
    "__or__",
    "__repr__",
    "__reversed__",
    "__ror__",
    "__setitem__",
    "clear",
    "copy",
    "get",
    "items",
    "keys",
    "pop",
    "popitem",
    "setdefault",
    "update",
    "values",
):
    setattr(LazyLogs, _name, _looking(_name))


class Kept:
    """Keeps the logs that a callback was given true after the next step, if it still has them then."""

    def __init__(self):
        self._last = None

    def give(self, fetch):
        """New logs."""
        logs = LazyLogs(fetch)
        self._last = weakref.ref(logs)
        return logs

    def before_step(self):
        """Fetch what would change, where somebody holds it."""
        if self._last is not None:
            logs = self._last()
            if logs is not None:
                logs.settle()
            self._last = None


def pythonify(logs):
    """Logs as plain numbers, sorted by name; a value of several entries becomes a NumPy array."""
    result = {}
    for name in sorted(logs):
        value = logs[name]
        if isinstance(value, dict):
            result.update(pythonify(value))
        else:
            result[name] = to_python(value)
    return result


def to_python(value):
    """A tensor or variable of one element as a float, another as a NumPy array; anything else as it is."""
    if isinstance(value, Variable):
        value = value.value
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        if value.numel() == 1 and value.dim() == 0:
            return float(value)
        return value.float().numpy().copy() if value.dtype is torch.bfloat16 else value.numpy().copy()
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return float(value)
    return value
