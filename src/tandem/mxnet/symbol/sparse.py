"""`mx.sym.sparse`: operators that MXNet has for sparse arrays; symbols are run on dense ones."""

from tandem.mxnet.base import open_module
from tandem.mxnet.ndarray.sparse import _TABLE
from tandem.mxnet.symbol import creation, namespaces
from tandem.mxnet.symbol.symbol import Symbol

__all__ = ["Symbol", "zeros"]

_table = namespaces.Namespace("mxnet.symbol.sparse", _TABLE)
zeros = creation.zeros


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir(dict.fromkeys(__all__))


open_module(__name__)
