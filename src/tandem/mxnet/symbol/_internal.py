"""`mx.sym._internal`: the operators of the table that are not for users."""

from tandem.mxnet.base import open_module
from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol import namespaces

_table = namespaces.Namespace("mxnet.symbol._internal", {name: name for name in OPERATORS if name.startswith("_")})


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir({})


open_module(__name__)
