"""`mx.nd.sparse`: sparse storage, which is not there yet; the names raise when they are used."""

from tandem.mxnet import operators
from tandem.mxnet.base import missing, sparse_unsupported

_NAMES = ("BaseSparseNDArray", "CSRNDArray", "RowSparseNDArray", "array", "csr_matrix", "empty", "retain")
_NAMES += ("row_sparse_array", "zeros")


class BaseSparseNDArray:
    """The base of MXNet's sparse arrays: no array is one."""

    def __init__(self, *args, **kwargs):
        raise sparse_unsupported("row_sparse or csr")


class RowSparseNDArray(BaseSparseNDArray):
    """An array of which few rows are not zero: not there yet."""


class CSRNDArray(BaseSparseNDArray):
    """A matrix in compressed rows: not there yet."""


def __getattr__(name):
    if name not in _NAMES and name not in operators.names():
        raise missing("mxnet.ndarray.sparse", name, _NAMES)

    def unsupported(*args, **kwargs):
        raise sparse_unsupported("row_sparse or csr")

    unsupported.__name__ = name
    return unsupported


def __dir__():
    return sorted({*_NAMES})
