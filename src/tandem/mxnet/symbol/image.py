"""`mx.sym.image`: the operators of the table that begin with `_image_`."""

from tandem.mxnet import operators
from tandem.mxnet.base import open_module
from tandem.mxnet.symbol import namespaces

_table = namespaces.Namespace("mxnet.symbol.image", operators.names("_image_"))


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir({})


open_module(__name__)
