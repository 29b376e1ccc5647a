"""Dispatch modes and meta kernels that start at once: torch imports its compiler for them, which takes a second."""

import importlib
import sys
import types
from contextlib import contextmanager

from torch.utils._python_dispatch import TorchDispatchMode

_COMPILER = "torch._dynamo"


class DispatchMode(TorchDispatchMode):
    """A dispatch mode that does not import torch's compiler."""

    @classmethod
    def _should_skip_dynamo(cls):
        return False


@contextmanager
def without_compiler():
    """Run a block in which torch may say "the compiler is to leave this function alone" without importing it.

    Torch's meta kernels say so on their first call. If the compiler is imported later on, it is told then.
    """
    if _COMPILER in sys.modules:
        yield
        return
    stand_in = _StandIn(_COMPILER)
    sys.modules[_COMPILER] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]


class _StandIn(types.ModuleType):
    """In the compiler's place as long as nobody asks for more than `disable`."""

    @property
    def disable(self):
        return _disable_later

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(_COMPILER) is self:
            del sys.modules[_COMPILER]
        return getattr(importlib.import_module(_COMPILER), name)


def _disable_later(function, recursive=True, wrapping=True):
    told = None

    def call(*args, **kwargs):
        nonlocal told
        compiler = sys.modules.get(_COMPILER)
        if told is None and compiler is not None and compiler.disable is not _disable_later:
            told = compiler.disable(function, recursive, wrapping=wrapping)
        return (told or function)(*args, **kwargs)

    return call
