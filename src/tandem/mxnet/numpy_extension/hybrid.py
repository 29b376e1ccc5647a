"""The namespace `F` of blocks on `mx.np` arrays: `mx.nd`'s names with results of that kind, and F.np, F.npx.

MXNet refuses its classic operators on NumPy's arrays; here both kinds of names work, so that a layer is written once.
"""

import types

from tandem.core.arrays import map_tree
from tandem.mxnet import ndarray as classic
from tandem.mxnet import views
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.numpy.multiarray import ndarray
from tandem.mxnet.operators.table import OPERATORS


class _View:
    """A module of `mx.nd` whose functions answer `mx.np.ndarray`."""

    def __init__(self, module, rows):
        self._module, self._rows = module, rows
        self.__name__ = module.__name__

    def __getattr__(self, name):
        found = getattr(self._module, name)
        if self._rows and name in OPERATORS and name not in classic.__all__:
            found = views.function_of(OPERATORS[name], ndarray, name)
        elif isinstance(found, types.ModuleType) and found.__name__.startswith(classic.__name__):
            found = _View(found, False)
        elif isinstance(found, types.FunctionType):
            found = _converted(found)
        self.__dict__[name] = found
        return found

    def __dir__(self):
        return dir(self._module)


def _converted(function):
    def call(*args, **kwargs):
        return map_tree(as_numpy, function(*args, **kwargs))

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__ = function.__doc__
    return call


def as_numpy(leaf):
    """A classic array as one of `mx.np`, around the same memory; anything else as it is."""
    return ndarray._wrap(leaf._tensor, leaf._ctx) if type(leaf) is NDArray else leaf


F = _View(classic, True)
