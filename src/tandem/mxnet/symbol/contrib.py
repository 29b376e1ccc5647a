"""`mx.sym.contrib`: operators outside the core, and loops and branches."""

from tandem.mxnet import operators
from tandem.mxnet.symbol import namespaces
from tandem.mxnet.symbol.control_flow import cond, foreach, while_loop

__all__ = ["cond", "foreach", "while_loop"]

_table = namespaces.Namespace("mxnet.symbol.contrib", operators.names("_contrib_"))


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir(dict.fromkeys(__all__))
