"""Products and sums of matrices in compressed rows (`sparse.Csr`) and arrays of rows (`sparse.Rows`)."""

import math

import torch
import torch.nn.functional as F

from tandem.ops import reduce
from tandem.ops.sparse import Csr, Rows, dense, rows_of

__all__ = [
    "counted",
    "csr_dot",
    "csr_dot_rows",
    "csr_t_dot",
    "dense_square_sum",
    "dot_csr",
    "embedding_gradient",
    "row_counts",
    "square_sum",
    "square_sum_gradient",
    "total",
]


def csr_dot(array, x):
    """``array @ x``, dense. array: `Csr` (m, k); x: (k, n)."""
    return _bags(array.indices, array.indptr, array.values, x)


def _bags(indices, starts, weights, x):
    """For each i the sum of ``weights[j] x[indices[j]]`` over j from ``starts[i]`` up to ``starts[i + 1]``."""
    if x.is_floating_point():
        bags = F.embedding_bag(indices, x, starts, mode="sum", per_sample_weights=weights, include_last_offset=True)
        return bags if indices.numel() else torch.zeros_like(bags)
    counts = starts.diff()
    bag = torch.arange(counts.shape[0], device=counts.device).repeat_interleave(counts)
    out = torch.zeros((counts.shape[0], x.shape[1]), dtype=x.dtype, device=x.device)
    return out.index_add_(0, bag, weights.unsqueeze(1) * x.index_select(0, indices))


def csr_dot_rows(array, rows):
    """``array @ rows``, dense, from the stored rows only. rows: `Rows` (k, n)."""
    return csr_dot(*_only(array, rows))


def _only(array, rows):
    """The matrix without the columns that meet no stored row, numbered as these are stored; and the rows' values."""
    count = rows.indices.shape[0]
    if not count:
        none = array.indices[:0]
        starts = torch.zeros_like(array.indptr)
        return Csr(starts, none, array.values[:0], (array.shape[0], 1)), rows.values.new_zeros((1, rows.shape[1]))
    order = rows.indices.argsort()
    places = torch.searchsorted(rows.indices, array.indices, sorter=order).clamp(max=count - 1)
    places = order[places]
    met = rows.indices[places] == array.indices
    starts = torch.cat([met.new_zeros(1, dtype=torch.int64), met.cumsum(0)])[array.indptr]
    return Csr(starts, places[met], array.values[met], (array.shape[0], count)), rows.values


def csr_t_dot(array, x):
    """``array.T @ x`` as `Rows`: the rows whose columns the matrix has. array: `Csr` (k, m); x: (k, n), or `Rows`."""
    if isinstance(x, Rows):
        whole, count = x, x.indices.shape[0]
        rows = rows_of(array)
        if not count:
            none = torch.zeros((0, x.shape[1]), dtype=x.values.dtype, device=x.values.device)
            return Rows(array.indices[:0], none, (array.shape[1], x.shape[1]))
        places = torch.searchsorted(whole.indices, rows).clamp(max=count - 1)
        met = whole.indices[places] == rows
        entries, columns, values, x = places[met], array.indices[met], array.values[met], whole.values
    else:
        entries, columns, values = rows_of(array), array.indices, array.values
    order = columns.argsort(stable=True)
    kept, counts = columns[order].unique_consecutive(return_counts=True)
    starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    product = _bags(entries[order], starts, values[order], x)
    return Rows(kept, product, (array.shape[1], x.shape[1]))


def dot_csr(x, array, *, transpose=False):
    """``x @ array`` (transpose: ``x @ array.T``), dense. x: (m, k)."""
    if transpose:
        return csr_dot(array, x.t().contiguous()).t().contiguous()
    return dense(csr_t_dot(array, x.t().contiguous())).t().contiguous()


def embedding_gradient(indices, incoming, shape):
    """The gradient of a table of this shape whose rows the indices picked, as torch's sparse tensor.

    incoming: (*indices.shape, *shape[1:]), the picked rows' gradients. Rows picked several times are there as often.
    """
    index = indices.reshape(-1).to(torch.int64).clamp(0, shape[0] - 1)
    values = incoming.reshape(-1, *shape[1:])
    return torch.sparse_coo_tensor(index.unsqueeze(0), values, tuple(shape), check_invariants=False)


def total(array, *, axis=None, keepdims=False, mean=False):
    """The sum, or the mean, of all elements; of a `Csr` also over axis 0 or 1."""
    values = array.values
    count = math.prod(array.shape) if axis is None else array.shape[axis]
    if axis is None:
        out = values.sum().to(values.dtype)
        shape = (1,) * len(array.shape)
    else:
        out = torch.zeros(array.shape[1 - axis], dtype=values.dtype, device=values.device)
        out.index_add_(0, array.indices if axis == 0 else rows_of(array), values)
        shape = tuple(1 if one == axis else size for one, size in enumerate(array.shape))
    if mean:
        out = out / count
    return out.reshape(shape) if keepdims else out


def square_sum(rows, *, axis=None, keepdims=False):
    """The sum of squares of `Rows` (m, n), dense; over axis 1 with keepdims as `Rows` (m, 1)."""
    squares = rows.values.square()
    if axis == 1:
        sums = squares.sum(1, keepdim=True)
        found = Rows(rows.indices, sums, (rows.shape[0], 1))
        return found if keepdims else dense(found).squeeze(1)
    if axis == 0:
        return squares.sum(0, keepdim=keepdims)
    out = squares.sum()
    return out.reshape((1,) * len(rows.shape)) if keepdims else out


def square_sum_gradient(rows, incoming, axis=None):
    """The gradient of `square_sum` with respect to the stored rows, as `Rows`: ``2 x g`` with the sum's gradient g."""
    incoming = incoming.to_dense() if incoming.is_sparse else incoming
    if axis == 1:
        incoming = incoming.reshape(-1, 1).index_select(0, rows.indices)
    else:
        incoming = incoming.reshape(1, -1)
    return rows._replace(values=2 * rows.values * incoming)


def dense_square_sum(x, axes, keepdims=False, exclude=False):
    """The sum of squares over axes of a dense array."""
    return reduce.sum(x.square(), axes, keepdims, exclude=exclude and axes is not None, dtype=x.dtype)


def counted(x, axis=None):
    """How many elements of a dense array are not zero, all or along an axis."""
    return torch.count_nonzero(x) if axis is None else torch.count_nonzero(x, axis)


def row_counts(array):
    """How many elements each row of a `Csr` stores."""
    return array.indptr.diff()
