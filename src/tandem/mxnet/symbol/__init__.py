"""`mx.sym`: graphs of operators that are built first and run later.

The functions of the operator table are made when they are first asked for; the others are listed here.
"""

import importlib

from tandem.mxnet import operators
from tandem.mxnet.base import open_module
from tandem.mxnet.symbol import arithmetic as _arithmetic
from tandem.mxnet.symbol import methods as _methods
from tandem.mxnet.symbol import namespaces as _namespaces
from tandem.mxnet.symbol.arithmetic import hypot, maximum, minimum, pow, power
from tandem.mxnet.symbol.creation import arange, eye, full, histogram, linspace, ones, split_v2, zeros
from tandem.mxnet.symbol.custom import Custom
from tandem.mxnet.symbol.symbol import Group, NotImplementedForSymbol, Symbol, Variable, load, load_json, var

_table = _namespaces.Namespace("mxnet.symbol", operators.names())
_MODULES = ("_internal", "contrib", "image", "linalg", "numpy", "numpy_extension", "op", "random", "sparse")
_SHORT = {"np": "numpy", "npx": "numpy_extension"}

__all__ = [
    "Custom",
    "Group",
    "NotImplementedForSymbol",
    "Symbol",
    "Variable",
    "arange",
    "eye",
    "full",
    "histogram",
    "hypot",
    "linspace",
    "load",
    "load_json",
    "maximum",
    "minimum",
    "ones",
    "pow",
    "power",
    "split_v2",
    "var",
    "zeros",
]

_arithmetic.attach()
_methods.attach()


def __getattr__(name):
    module = _SHORT.get(name, name)
    if module in _MODULES:
        return importlib.import_module(f"tandem.mxnet.symbol.{module}")
    return _table.get(name, globals())


def __dir__():
    return [*_table.dir(dict.fromkeys(__all__)), *_MODULES, *_SHORT]


open_module(__name__)
