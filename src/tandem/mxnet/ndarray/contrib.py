"""`mx.nd.contrib`: operators outside the core."""

from tandem.mxnet import operators, views
from tandem.mxnet.ndarray.ndarray import NDArray

_table = views.Namespace("mxnet.ndarray.contrib", lambda: NDArray, operators.names("_contrib_"))


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir(globals())
