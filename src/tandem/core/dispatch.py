"""Dispatch modes and meta kernels that start at once and take little memory.

Torch's meta kernels are written for its compiler too: on their first call they import parts of it, and SymPy for sizes
that are formulas. That takes half a second and 40 MB. With sizes that are numbers nothing of it is used.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from contextlib import contextmanager

from torch.utils._python_dispatch import TorchDispatchMode

_COMPILER = "torch._dynamo"
_PACKAGES = ("sympy", _COMPILER)  # of the modules that are stood in for


class DispatchMode(TorchDispatchMode):
    """A dispatch mode that does not import torch's compiler."""

    @classmethod
    def _should_skip_dynamo(cls):
        return False


@contextmanager
def without_compiler():
    """Run a block in which torch computes shapes without importing its compiler or SymPy.

    What is imported for another reason meanwhile is the real thing.
    """
    absent = [name for name in _STAND_INS if name not in sys.modules]
    stand_ins = {name: _StandIn(name, _STAND_INS[name]) for name in absent}
    sys.modules.update(stand_ins)
    sys.meta_path.insert(0, _Already)
    try:
        yield
    finally:
        sys.meta_path.remove(_Already)
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


class _StandIn(types.ModuleType):
    """In a module's place as long as torch's shape code asks for what is `given`; for all else the module is imported.

    Whoever keeps it has the module all the same: it passes on what it is asked for.
    """

    def __init__(self, name, given):
        super().__init__(name)
        self.__dict__["_given"] = given

    def __getattr__(self, name):
        if name in self._given and _is_torch(sys._getframe(1)):
            return self._given[name]
        if name.startswith("__") and not (name in ("__path__", "__version__") and self.__name__ in _PACKAGES):
            raise AttributeError(name)  # `from … import` looks for a package's path
        own = self.__name__
        if sys.modules.get(own) is self:
            del sys.modules[own]
        return getattr(importlib.import_module(own), name)


class _Already(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a submodule that has come with its package: asked for `sympy.core`, Python looks at SymPy's path first,
    which imports SymPy with all of it, and would then import `sympy.core` a second time.
    """

    def __init__(self, module):
        self.module, self.spec = module, module.__spec__

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        """A module that is imported by now, or None."""
        module = sys.modules.get(fullname)
        if module is None or isinstance(module, _StandIn) or not fullname.startswith(_PACKAGES):
            return None
        return importlib.machinery.ModuleSpec(fullname, cls(module))

    def create_module(self, spec):
        """The module as it is."""
        return self.module

    def exec_module(self, module):
        """Nothing is run again."""
        module.__spec__ = self.spec


def _is_torch(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0] == "torch"


def _disable_later(function, recursive=True, wrapping=True):
    """What the compiler's `disable` is for: the compiler, if it is imported later on, is told then."""
    told = None

    def call(*args, **kwargs):
        nonlocal told
        compiler = sys.modules.get(_COMPILER)
        if told is None and compiler is not None and not isinstance(compiler, _StandIn):
            told = compiler.disable(function, recursive, wrapping=wrapping)
        return (told or function)(*args, **kwargs)

    return call


class _Formula:
    """No size is one here."""


def _equal(one, other):
    return one == other


def _known(value):
    return True


def _nested(value):
    return False


def _itself(value):
    return value


def _all(*values):
    return all(values)


def _any(*values):
    return any(values)


# What the shape code takes from each module, as it is for numbers.
_STAND_INS = {
    _COMPILER: {"disable": _disable_later},
    "sympy": {"Basic": _Formula},
    "torch.utils._sympy.functions": {"Max": max},
    "torch.fx.experimental.symbolic_shapes": {
        "expect_true": bool,
        "guard_or_false": bool,
        "guard_or_true": bool,
        "guard_size_oblivious": bool,
        "statically_known_true": bool,
        "has_guarding_hint": _known,
        "guarding_hint_or_throw": _itself,
        "is_nested_int": _nested,
        "sym_eq": _equal,
        "sym_and": _all,
        "sym_or": _any,
    },
}
