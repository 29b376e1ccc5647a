"""`mx.sym.np._internal`: the operators behind `mx.sym.np` under their own names, with their own arguments."""

from tandem.mxnet.numpy._internal import NAMES
from tandem.mxnet.symbol import namespaces
from tandem.mxnet.symbol.numpy_symbol import _Symbol

_table = namespaces.Namespace("mxnet.symbol.numpy._internal", NAMES, lambda: _Symbol)


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir({})
