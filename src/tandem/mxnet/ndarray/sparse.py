"""`mx.nd.sparse`: sparse arrays, the functions that make them, and the operators that take them."""

from tandem.mxnet import operators, views
from tandem.mxnet.base import open_module
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.ndarray.sparse_base import BaseSparseNDArray, CSRNDArray, RowSparseNDArray
from tandem.mxnet.ndarray.sparse_creation import array, csr_matrix, empty, row_sparse_array, zeros
from tandem.mxnet.ndarray.sparse_operators import add, divide, multiply, subtract

__all__ = [
    "BaseSparseNDArray",
    "CSRNDArray",
    "NDArray",
    "RowSparseNDArray",
    "add",
    "array",
    "csr_matrix",
    "divide",
    "empty",
    "multiply",
    "row_sparse_array",
    "subtract",
    "zeros",
]

_NAMES = """ElementWiseSum Embedding FullyConnected LinearRegressionOutput LogisticRegressionOutput MAERegressionOutput
abs adam_update add_n arccos arccosh arcsin arcsinh arctan arctanh broadcast_add broadcast_div broadcast_minus
broadcast_mul broadcast_plus broadcast_sub cast_storage cbrt ceil clip concat cos cosh degrees dot elemwise_add
elemwise_div elemwise_mul elemwise_sub exp expm1 fix floor ftrl_update gamma gammaln log log10 log1p log2 make_loss mean
negative norm radians relu rint round rsqrt sgd_mom_update sgd_update sigmoid sign sin sinh slice sqrt square
stop_gradient sum tan tanh trunc where zeros_like""".split()  # noqa: SIM905 (one name to a line would be a page)
_TABLE = {name: name for name in _NAMES if name in operators.OPERATORS}
_TABLE.update(retain="_sparse_retain", adagrad_update="_sparse_adagrad_update")
_table = views.Namespace("mxnet.ndarray.sparse", lambda: NDArray, _TABLE)


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir(dict.fromkeys(__all__))


open_module(__name__)
