"""`mx.engine`: how many operators MXNet's engine puts together; torch runs them as they come, the size is only kept."""

import threading

__all__ = ["bulk", "set_bulk_size"]


class _Size(threading.local):
    value = 0


_size = _Size()


def set_bulk_size(size):
    """Set how many operators are put together; answers what was set before."""
    before, _size.value = _size.value, int(size)
    return before


class bulk:
    """`with bulk(size):` sets the size for a block."""

    def __init__(self, size):
        self._size = size

    def __enter__(self):
        self._before = set_bulk_size(self._size)
        return self

    def __exit__(self, *exception):
        set_bulk_size(self._before)
