"""`mx.sym.npx`: the operators beside NumPy's on symbols of `mx.np` arrays."""

import importlib

from tandem.mxnet.numpy_extension.view import OPERATORS_OF
from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol import namespaces
from tandem.mxnet.symbol.numpy import _Symbol

_table = namespaces.Namespace(
    "mxnet.symbol.numpy_extension",
    {
        **{name: full for name, full in OPERATORS_OF.items() if full in OPERATORS},
        "constraint_check": "_npx_constraint_check",
    },
    lambda: _Symbol,
)


_MODULES = ("image", "random")


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"tandem.mxnet.symbol.npx_{name}")
    return _table.get(name, globals())


def __dir__():
    return sorted({*_table.names, *_MODULES})


class _F:
    """The namespace `F` of blocks called with such symbols: `mx.sym`'s names with results of that kind, F.np, F.npx."""

    def __getattr__(self, name):
        from tandem.mxnet import symbol

        if name in ("np", "numpy", "npx", "numpy_extension"):
            return getattr(symbol, name)
        if name not in symbol._table.names:
            return getattr(symbol, name)
        found = namespaces.Namespace("mxnet.symbol", symbol._table.names, lambda: _Symbol).get(name, {})
        self.__dict__[name] = found
        return found


F = _F()
