"""Operators whose names begin with an underscore: what MXNet's own code calls."""

from tandem.mxnet import operators, views
from tandem.mxnet.base import open_module
from tandem.mxnet.ndarray.ndarray import NDArray

_table = views.Namespace(
    "mxnet.ndarray._internal", lambda: NDArray, {name: name for name in operators.OPERATORS if name.startswith("_")}
)


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir(globals())


open_module(__name__)
