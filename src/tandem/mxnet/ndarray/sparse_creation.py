"""Making sparse arrays: `csr_matrix`, `row_sparse_array`, `array`, `zeros`, `empty`."""

import numpy as np
import torch

from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray, mxnet_dtype
from tandem.mxnet.ndarray.sparse_base import BaseSparseNDArray, CSRNDArray, RowSparseNDArray, array_of
from tandem.mxnet.views import parse_context
from tandem.ops import sparse

__all__ = ["array", "csr_matrix", "empty", "is_scipy", "row_sparse_array", "zeros"]

_KINDS = {"csr": sparse.Csr, "row_sparse": sparse.Rows}
_INTEGERS = (int, np.integer)


def _place(ctx):
    ctx = contexts.current_context() if ctx is None else parse_context(ctx)
    return ctx, ctx.torch_device()


def is_scipy(value, form="csr"):
    """Whether a value is one of SciPy's sparse matrices (form None: in any form), without importing SciPy."""
    if not type(value).__module__.startswith("scipy.sparse"):
        return False
    return form is None or getattr(value, "format", None) == form


def _dtype_of(source, dtype):
    """The dtype given, else that of an array (numpy's, an NDArray), else float32."""
    if dtype is not None:
        return mxnet_dtype(dtype)
    own = getattr(source, "dtype", None)
    return torch.float32 if own is None else mxnet_dtype(own)


def _values(source, dtype, device):
    """Numbers as a tensor, copied."""
    if isinstance(source, NDArray):
        return source._tensor.detach().to(device=device, dtype=dtype, copy=True)
    try:
        values = np.array(source)
    except (TypeError, ValueError):
        values = None
    if values is None or values.dtype.kind not in "biuf":
        raise TypeError(explain("source_array must be array like object", given=type(source).__name__))
    return torch.from_numpy(values).to(device=device, dtype=dtype)


def _indices(source, device):
    """Row or column numbers as a tensor; an empty list has no dtype of its own."""
    return _values([] if source is None else source, torch.int64, device)


def _checked_shape(shape, length=None):
    shape = (shape,) if isinstance(shape, _INTEGERS) else tuple(shape)
    if length is not None and len(shape) != length:
        raise ValueError(explain("invalid shape", expected=f"{length} sizes", given=shape))
    return tuple(int(size) for size in shape)


def _same_shape(found, shape):
    if shape is not None and tuple(shape) != tuple(found):
        raise ValueError(explain(f"Shape mismatch detected. {tuple(found)} v.s. {tuple(shape)}"))


def csr_matrix(arg1, shape=None, ctx=None, dtype=None):
    """A matrix in compressed rows.

    arg1: a dense array of two axes (list, numpy array, NDArray); a CSRNDArray or scipy.sparse.csr_matrix; (M, N), an
    empty matrix; (data, indices, indptr), its parts; or (data, (row, col)), values at places.
    shape: where it cannot be told from arg1; dtype: arg1's where it is an array, else float32.
    Raises ValueError for other tuples or where the shape contradicts.
    """
    ctx, device = _place(ctx)
    if not isinstance(arg1, tuple):
        return _csr_of_matrix(arg1, shape, ctx, device, dtype)
    if len(arg1) == 2 and isinstance(arg1[1], (tuple, list)) and not isinstance(arg1[0], _INTEGERS):
        return _csr_of_coordinates(arg1, shape, ctx, device, dtype)
    if len(arg1) == 2:
        _same_shape(arg1, shape)
        return zeros("csr", _checked_shape(arg1, 2), ctx, dtype)
    if len(arg1) != 3:
        raise ValueError(f"Unexpected length of input tuple: {len(arg1)}")
    data, indices, indptr = arg1
    values = _values(data, _dtype_of(data, dtype), device)
    columns, starts = _indices(indices, device), _indices(indptr, device)
    if shape is None:
        if not columns.numel():
            raise ValueError(explain("invalid shape", expected="shape=(rows, columns) where nothing is stored"))
        shape = (starts.shape[0] - 1, int(columns.max()) + 1)
    shape = _checked_shape(shape)
    if starts.dim() != 1 or columns.dim() != 1 or values.dim() != 1 or len(shape) != 2:
        raise ValueError(
            explain(
                "invalid shape",
                expected="data, indices and indptr of one axis, shape of two sizes",
                given=f"{tuple(values.shape)}, {tuple(columns.shape)}, {tuple(starts.shape)} and {shape}",
            )
        )
    return array_of(sparse.Csr(starts, columns, values, shape), ctx)


def _csr_of_matrix(source, shape, ctx, device, dtype):
    if isinstance(source, CSRNDArray) or is_scipy(source):
        _same_shape(source.shape, shape)
        return array(source, ctx, dtype)
    if isinstance(source, RowSparseNDArray):
        raise ValueError(f"Unexpected input type: {type(source).__name__}")
    if is_scipy(source, None):
        raise TypeError(explain("source_array must be array like object", given=type(source).__name__))
    values = _values(source, _dtype_of(source, dtype), device)
    if values.dim() != 2:
        raise ValueError(
            "To convert to a CSR, the NDArray should be 2 Dimensional. Current shape is " + str(tuple(values.shape))
        )
    _same_shape(values.shape, shape)
    return array_of(sparse.csr_from_dense(values), ctx)


def _csr_of_coordinates(arg1, shape, ctx, device, dtype):
    data, places = arg1
    if len(places) != 2:
        raise ValueError(explain("Places are (row, col)", given=f"{len(places)} arrays"))
    rows, columns = (_indices(place, device).reshape(-1) for place in places)
    if dtype is None and not hasattr(data, "dtype"):
        data = np.array(data)  # whole numbers stay whole here, as SciPy has it
    values = _values(data, _dtype_of(data, dtype), device).reshape(-1)
    if shape is None:
        if not rows.numel():
            raise ValueError(explain("cannot infer dimensions from zero sized index arrays"))
        shape = (int(rows.max()) + 1, int(columns.max()) + 1)
    shape = _checked_shape(shape, 2)
    if not rows.shape == columns.shape == values.shape:
        raise ValueError(
            explain(
                "row, column, and data array must all be the same length", given=[len(rows), len(columns), len(values)]
            )
        )
    for name, index, size in (("row", rows, shape[0]), ("column", columns, shape[1])):
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= size):
            raise ValueError(explain(f"{name} index exceeds matrix dimensions", expected=f"0 to {size - 1}"))
    return array_of(sparse.csr_from_coordinates(rows, columns, values, shape), ctx)


def row_sparse_array(arg1, shape=None, ctx=None, dtype=None):
    """An array of which some rows are stored.

    arg1: a dense array (list, numpy array, NDArray); a RowSparseNDArray; (D0, D1, ..), an empty one; or (data,
    indices), rows and their numbers.
    shape: where it cannot be told from arg1; dtype: arg1's where it is an array, else float32.
    Raises ValueError where shapes contradict.
    """
    ctx, device = _place(ctx)
    if not isinstance(arg1, tuple):
        if isinstance(arg1, RowSparseNDArray):
            _same_shape(arg1.shape, shape)
            return array(arg1, ctx, dtype)
        if isinstance(arg1, CSRNDArray):
            raise ValueError(f"Unexpected input type: {type(arg1).__name__}")
        if is_scipy(arg1, None):
            raise TypeError(explain("source_array must be array like object", given=type(arg1).__name__))
        values = _values(arg1, _dtype_of(arg1, dtype), device)
        if not values.dim():
            raise MXNetError(explain("A row_sparse array has an axis or more", given=repr(arg1)))
        _same_shape(values.shape, shape)
        return array_of(sparse.rows_from_dense(values), ctx)
    if len(arg1) < 2:
        raise ValueError(f"Unexpected length of input tuple: {len(arg1)}")
    if len(arg1) > 2 or all(isinstance(one, _INTEGERS) for one in arg1):
        _same_shape(arg1, shape)
        return zeros("row_sparse", _checked_shape(arg1), ctx, dtype)
    data, numbers = arg1
    values = _values(data, _dtype_of(data, dtype), device)
    indices = _indices(numbers, device)
    if shape is None:
        if not indices.numel():
            raise ValueError(explain("invalid shape", expected="shape=(...) where nothing is stored"))
        shape = (int(indices.max()) + 1, *values.shape[1:])
    shape = _checked_shape(shape)
    if values.dim() != len(shape) or indices.dim() != 1 or (not values.numel() and values.shape[0]):
        raise ValueError(
            explain(
                "invalid shape",
                expected=f"data of {len(shape)} axes and indices of one",
                given=f"{tuple(values.shape)} and {tuple(indices.shape)}",
            )
        )
    if values.shape[0] != indices.shape[0] or values.shape[1:] != torch.Size(shape[1:]):
        raise MXNetError(
            explain(
                "The rows do not fit",
                expected=f"data of shape ({indices.shape[0]}, *{shape[1:]})",
                given=tuple(values.shape),
            )
        )
    return array_of(sparse.Rows(indices, values, shape), ctx)


def array(source_array, ctx=None, dtype=None):
    """A sparse array with a copy of another: a sparse NDArray or scipy.sparse.csr_matrix.

    Raises ValueError for what is dense, AssertionError for a dense NDArray.
    """
    if isinstance(source_array, NDArray):
        if not isinstance(source_array, BaseSparseNDArray):
            raise AssertionError("Please use `tostype` to create RowSparseNDArray or CSRNDArray from an NDArray")
        ctx, device = _place(ctx)
        wanted = _dtype_of(source_array, dtype)
        return array_of(sparse.cast(source_array._held, wanted, device), ctx)
    if is_scipy(source_array):
        source = source_array.copy()
        source.sum_duplicates()
        wanted = source.dtype if dtype is None else dtype
        return csr_matrix((source.data, source.indices, source.indptr), shape=source.shape, ctx=ctx, dtype=wanted)
    if isinstance(source_array, (np.ndarray, np.generic)):
        raise ValueError(
            explain("Please use mx.nd.array to create an NDArray with source_array of type ", given=type(source_array))
        )
    raise ValueError(explain("Unexpected source_array type", given=type(source_array)))


def zeros(stype, shape, ctx=None, dtype=None, **kwargs):
    """An array of the given storage, 'csr', 'row_sparse' or 'default', of zeros.

    Raises ValueError for another storage.
    """
    if stype == "default":
        from tandem.mxnet.ndarray.creation import zeros as dense_zeros

        return dense_zeros(shape, ctx=ctx, dtype=dtype, **kwargs)
    if stype not in _KINDS:
        raise ValueError(explain("unknown storage type" + str(stype), expected="'default', 'csr' or 'row_sparse'"))
    ctx, device = _place(ctx)
    shape = _checked_shape(shape)
    parts = sparse.zeros(_KINDS[stype], shape, dtype=mxnet_dtype(dtype), device=device)
    out = kwargs.get("out")
    if out is None:
        return array_of(parts, ctx)
    out._assign(parts)
    return out


def empty(stype, shape, ctx=None, dtype=None):
    """A sparse array that stores nothing.

    Raises Exception for a storage that is not sparse.
    """
    if stype not in _KINDS:
        raise Exception(explain(f"unknown stype : {stype}", expected="'csr' or 'row_sparse'"))
    return zeros(stype, shape, ctx, dtype)
