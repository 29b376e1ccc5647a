"""`mx.sym.npx.image`: the operators on images, on symbols of `mx.np` arrays."""

from tandem.mxnet import operators
from tandem.mxnet.symbol import namespaces
from tandem.mxnet.symbol.numpy_symbol import _Symbol

_table = namespaces.Namespace("mxnet.symbol.numpy_extension.image", operators.names("_image_"), lambda: _Symbol)


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir({})
