"""`mx.sym.np.linalg`: linear algebra on symbols of `mx.np` arrays."""

from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol import namespaces
from tandem.mxnet.symbol.numpy import _Symbol

_NAMES = ("cholesky", "det", "eig", "eigh", "eigvals", "eigvalsh", "inv", "slogdet", "solve", "svd", "tensorinv")
_TABLE = {name: f"_npi_{name}" for name in (*_NAMES, "tensorsolve", "pinv") if f"_npi_{name}" in OPERATORS}
_table = namespaces.Namespace("mxnet.symbol.numpy.linalg", _TABLE, lambda: _Symbol)


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir({})
