"""`mx.nd.op`: the operators of `mx.nd` alone."""

from tandem.mxnet import operators, views
from tandem.mxnet.base import open_module
from tandem.mxnet.ndarray.ndarray import NDArray

_table = views.Namespace("mxnet.ndarray.op", lambda: NDArray, operators.names())


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir(globals())


open_module(__name__)
