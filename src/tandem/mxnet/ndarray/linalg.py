"""`mx.nd.linalg`: linear algebra on the last two axes."""

from tandem.mxnet import operators, views
from tandem.mxnet.base import open_module
from tandem.mxnet.ndarray.ndarray import NDArray

_table = views.Namespace("mxnet.ndarray.linalg", lambda: NDArray, operators.names("_linalg_"))


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir(globals())


open_module(__name__)
