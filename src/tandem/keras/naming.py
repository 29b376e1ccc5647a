"""Automatic names (dense, dense_1, …) and the paths of variables (model/dense/kernel)."""

import threading

from tandem.core.errors import explain
from tandem.core.naming import Counter, snake_case

_names = Counter()


class _Scopes(threading.local):
    def __init__(self):
        self.stack = []  # (name, caller) of each scope that is open in this thread


_scopes = _Scopes()


def uniquify(name):
    """`name` the first time in a session, then `name_1`, `name_2`, …"""
    number = _names.next(name)
    return f"{name}_{number}" if number else name


def auto_name(prefix):
    """A name that no object of this session has had: the snake-case form of `prefix`, numbered."""
    return uniquify(snake_case(prefix))


def get_uid(prefix=""):
    """The next number for `prefix`: 1, 2, …, from the count that names have."""
    return _names.next(prefix) + 1


def reset():
    """Begin to count again."""
    _names.reset()


class name_scope:
    """Put `name` in front of the paths of variables that are made inside the block.

    caller: the object that opens the scope; with `deduplicate` a caller that opens it again inside itself adds nothing.
    override_parent: the path to begin with, in place of the scopes that are open.
    """

    def __init__(self, name, caller=None, deduplicate=True, override_parent=None):
        if not isinstance(name, str) or "/" in name:
            raise ValueError(
                explain("A scope's name is wrong", expected="a string without '/'", given=f"name={name!r}")
            )
        self.name = name
        self.caller = caller
        self.deduplicate = deduplicate
        self.override_parent = override_parent
        self._before = None

    def __enter__(self):
        self._before = stack = _scopes.stack
        if self.override_parent is not None:
            stack = [(part, None) for part in self.override_parent.split("/") if part]
        if not (self.deduplicate and self.caller is not None and stack and stack[-1][1] is self.caller):
            stack = [*stack, (self.name, self.caller)]
        _scopes.stack = stack
        return self

    def __exit__(self, *exc_info):
        _scopes.stack = self._before


def current_path():
    """The names of the open scopes joined by "/"; "" outside any."""
    return "/".join(name for name, _ in _scopes.stack)


def push(layer):
    """Open the scope of a layer that is being called; returns what `pop` takes to close it."""
    before = _scopes.stack
    if not (before and before[-1][1] is layer):
        _scopes.stack = [*before, (layer.name, layer)]
    return before


def pop(before):
    """Close what `push` opened."""
    _scopes.stack = before


def object_name(value):
    """The name of a loss or metric in logs: its own, or that of the function or class in snake case."""
    name = getattr(value, "name", None)
    return name if isinstance(name, str) else snake_case(getattr(value, "__name__", type(value).__name__))
