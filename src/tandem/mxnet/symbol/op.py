"""`mx.sym.op`: the operators of the table under their own names."""

from tandem.mxnet import operators
from tandem.mxnet.base import open_module
from tandem.mxnet.symbol import namespaces

_table = namespaces.Namespace("mxnet.symbol.op", operators.names())


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir({})


open_module(__name__)
