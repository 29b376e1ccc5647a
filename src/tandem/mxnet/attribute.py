"""`mx.AttrScope`: attributes that everything made inside a `with` gets."""

import threading

from tandem.core.errors import explain

__all__ = ["AttrScope", "current"]


class _Current(threading.local):
    def __init__(self):
        self.scopes = []


_current = _Current()


class AttrScope:
    """Attributes, strings by name, for what is made inside `with AttrScope(...)`; inner scopes win over outer ones.

    Raises ValueError for a value that is no string.
    """

    def __init__(self, **kwargs):
        for name, value in kwargs.items():
            if not isinstance(value, str):
                raise ValueError(explain("Attributes need to be string", given=f"{name}={value!r}"))
        self._attr = kwargs

    def get(self, attr):
        """The attributes of this scope with those of `attr` (a dict or None) over them."""
        return {**self._attr, **(attr or {})} if self._attr else (attr or {})

    def __enter__(self):
        merged = AttrScope(**{**current()._attr, **self._attr})
        _current.scopes.append(merged)
        return self

    def __exit__(self, ptype, value, trace):
        _current.scopes.pop()


_NONE = AttrScope()


def current():
    """The scope of the innermost `with`, with what it takes over from outer ones."""
    return _current.scopes[-1] if _current.scopes else _NONE
