"""`RematScope` and `remat`: activations that the backward pass computes once more instead of keeping them."""

import functools
import threading

from tandem.core import recomputing
from tandem.core.errors import explain
from tandem.keras import tensors

_MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class _Scopes(threading.local):
    innermost = None


_scopes = _Scopes()


class RematScope:
    """A block in which layers are made that do not keep what their outputs were made of.

    mode: "full" for all of them; "activations" for their activation functions alone; "larger_than" for those with an
    output of more than `output_size_threshold` numbers; "list_of_layers" for those of `layer_names`; None for none.
    Raises ValueError for another mode. Chen et al., 2016.
    """

    def __init__(self, mode="full", output_size_threshold=1024, layer_names=None):
        if mode not in _MODES:
            raise ValueError(explain("Invalid mode of RematScope", expected=f"one of {_MODES}", given=repr(mode)))
        self.mode = mode
        self.output_size_threshold = output_size_threshold
        self.layer_names = list(layer_names or [])

    def __enter__(self):
        self._outer, _scopes.innermost = _scopes.innermost, self
        return self

    def __exit__(self, *exc_info):
        _scopes.innermost = self._outer


def current():
    """The innermost open `RematScope` of this thread, None where there is none or it asks for nothing."""
    scope = _scopes.innermost
    return None if scope is None or scope.mode is None else scope


def remat(f):
    """The function f, of whose results the backward pass keeps the arguments alone and calls f once more."""

    @functools.wraps(f)
    def wrapped(*args, **kwargs):
        args = [tensors.convert(value) if hasattr(value, "__array__") else value for value in args]
        return recomputing.recomputed(f, args, kwargs)

    return wrapped
