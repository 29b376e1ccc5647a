"""Automatic names: `NameManager` counts ("dense0", "dense1"), `Prefix` puts a prefix before each (`mx.name`)."""

import threading

__all__ = ["NameManager", "Prefix"]


class NameManager:
    """Gives names to what has none: the hint and a number, counted per hint; `with NameManager():` counts anew."""

    def __init__(self):
        self._counter = {}
        self._before = []

    def get(self, name, hint):
        """`name` where there is one, else "{hint}{number}"."""
        if name:
            return name
        number = self._counter.get(hint, 0)
        self._counter[hint] = number + 1
        return f"{hint}{number}"

    def __enter__(self):
        self._before.append(current())
        _threads.manager = self
        return self

    def __exit__(self, ptype, value, trace):
        _threads.manager = self._before.pop()


class Prefix(NameManager):
    """A manager that puts a prefix before every name, given or made."""

    def __init__(self, prefix):
        super().__init__()
        self._prefix = prefix

    def get(self, name, hint):
        """The prefix and the name."""
        return self._prefix + super().get(name, hint)


class _Threads(threading.local):
    def __init__(self):
        self.manager = NameManager()


_threads = _Threads()


def current():
    """The manager of this thread."""
    return _threads.manager
