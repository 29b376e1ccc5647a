"""`mx.error`: MXNet's exception types and their registry."""

from tandem.mxnet.base import MXNetError

__all__ = ["InternalError", "MXNetError", "register"]

_TYPES = {}


def register(func_name=None, cls=None):
    """Register an exception class under its own or another name: `@register` or `register("Name", Class)`."""
    if callable(func_name):
        func_name, cls = func_name.__name__, func_name

    def put(kind):
        _TYPES[func_name or kind.__name__] = kind
        return kind

    return put(cls) if cls is not None else put


def get(name):
    """The class registered under a name; MXNetError where there is none."""
    return _TYPES.get(name, MXNetError)


@register
class InternalError(MXNetError):
    """What should not happen, whatever the arguments."""


for _kind in (ValueError, TypeError, AttributeError, IndexError, NotImplementedError):
    register(_kind.__name__, _kind)
