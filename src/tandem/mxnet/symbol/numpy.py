"""`mx.sym.np`: NumPy's functions on symbols, from the operators behind `mx.np`."""

import importlib

from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol import (
    namespaces,
    numpy_creation,
    numpy_elementwise,
    numpy_methods,
    numpy_products,
    numpy_reduce,
    numpy_shapes,
)
from tandem.mxnet.symbol.numpy_symbol import _Symbol

numpy_methods.attach()

# The functions that are their operators, with the operators' own arguments.
_TABLE = {
    name: f"_np_{operator}"
    for name, operator in {
        **{
            name: name
            for name in ("all", "any", "copy", "diag", "diagflat", "diagonal", "dot", "max", "min", "moveaxis", "prod")
            + ("repeat", "reshape", "roll", "squeeze", "sum", "trace", "transpose")
            + ("atleast_1d", "atleast_2d", "atleast_3d")
        },
        "amax": "max",
        "amin": "min",
        "product": "prod",
        "sometrue": "any",
    }.items()
}
_TABLE["cumsum"] = "cumsum"
_MODULES = {"_internal": "numpy_internal", "linalg": "numpy_linalg", "random": "numpy_random"}
_table = namespaces.Namespace(
    "mxnet.symbol.numpy", {name: full for name, full in _TABLE.items() if full in OPERATORS}, lambda: _Symbol
)

_FUNCTIONS = dict(numpy_elementwise.FUNCTIONS)
for _module in (numpy_creation, numpy_products, numpy_reduce, numpy_shapes):
    _FUNCTIONS.update((name, getattr(_module, name)) for name in _module.__all__)


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"tandem.mxnet.symbol.{_MODULES[name]}")
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    return _table.get(name, globals())


def __dir__():
    return sorted({*_table.names, *_FUNCTIONS, *(name for name in _MODULES if not name.startswith("_"))})
