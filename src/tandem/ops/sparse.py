"""Arrays of which few elements are stored: `Rows`, some rows of an array, and `Csr`, a matrix in compressed rows.

What is not stored is zero. How many elements a result stores depends on values, and so none of this can be replayed.
"""

from typing import NamedTuple

import torch

__all__ = [
    "Csr",
    "Rows",
    "all_rows",
    "broadcast_csr",
    "cast",
    "check",
    "combine",
    "concat_csr",
    "csr_from_coordinates",
    "csr_from_dense",
    "csr_of_columns",
    "dense",
    "distinct",
    "from_gradient",
    "kept_gradient",
    "lazily",
    "mapped",
    "picked_rows",
    "retained",
    "rows_from_dense",
    "rows_of",
    "sample",
    "slice_csr",
    "sum_rows",
    "take_csr",
    "take_rows",
    "to_gradient",
    "zeros",
]


class Rows(NamedTuple):
    """``dense[indices] = values``, all else zero.

    indices: (n,) of int64, rising; values: (n, *shape[1:]); shape: of the dense array.
    """

    indices: torch.Tensor
    values: torch.Tensor
    shape: tuple


class Csr(NamedTuple):
    """Row i has ``values[indptr[i]:indptr[i + 1]]`` in the columns ``indices[...]``.

    indptr: (rows + 1,), indices: (n,) of int64; values: (n,); shape: (rows, columns).
    """

    indptr: torch.Tensor
    indices: torch.Tensor
    values: torch.Tensor
    shape: tuple


# --- to and from dense arrays -----------------------------------------------------------------------------------------


def zeros(kind, shape, *, dtype, device):
    """An array of `kind` (Rows or Csr) that stores nothing."""
    none = torch.zeros(0, dtype=torch.int64, device=device)
    if kind is Rows:
        return Rows(none, torch.zeros((0, *shape[1:]), dtype=dtype, device=device), tuple(shape))
    starts = torch.zeros(shape[0] + 1, dtype=torch.int64, device=device)
    return Csr(starts, none, torch.zeros(0, dtype=dtype, device=device), tuple(shape))


def all_rows(shape, value, *, dtype, device):
    """`Rows` that store every row, filled with one value."""
    values = torch.full(tuple(shape), value, dtype=dtype, device=device)
    return Rows(torch.arange(shape[0], device=device), values, tuple(shape))


def dense(array):
    """The dense array; elements stored twice are added."""
    values = array.values
    out = torch.zeros(array.shape, dtype=values.dtype, device=values.device)
    if isinstance(array, Rows):
        return out.index_add_(0, array.indices, values)
    out.view(-1).index_add_(0, _keys(array), values)
    return out


def rows_from_dense(x):
    """The rows of x that are not all zero."""
    flat = x.reshape(x.shape[0], -1) if x.numel() else x.new_zeros((x.shape[0], 1))
    indices = (flat != 0).any(1).nonzero().squeeze(1)
    return Rows(indices, x.index_select(0, indices), tuple(x.shape))


def csr_from_dense(x):
    """The elements of a matrix that are not zero."""
    rows, columns = (x != 0).nonzero(as_tuple=True)
    return Csr(_starts(rows, x.shape[0]), columns, x[rows, columns], tuple(x.shape))


def csr_from_coordinates(rows, columns, values, shape):
    """The matrix with values at (rows, columns), in any order; values at one place are added."""
    keys, inverse = (rows * shape[1] + columns).unique(return_inverse=True)
    summed = torch.zeros(keys.shape[0], dtype=values.dtype, device=values.device).index_add_(0, inverse, values)
    return Csr(_starts(keys // max(shape[1], 1), shape[0]), keys % max(shape[1], 1), summed, tuple(shape))


def csr_of_columns(x, columns):
    """Some columns of a dense matrix, in any order, as `Csr` that stores each element of them, zeros too."""
    columns = columns.unique()
    rows, count = x.shape[0], columns.shape[0]
    starts = torch.arange(rows + 1, device=x.device) * count
    return Csr(starts, columns.repeat(rows), x.index_select(1, columns).reshape(-1), tuple(x.shape))


def rows_of(array):
    """The row of each stored element of a `Csr`."""
    counts = array.indptr.diff()
    return torch.arange(counts.shape[0], device=counts.device).repeat_interleave(counts)


def _keys(array):
    """A number to each stored element of a `Csr`, by which they are ordered as in the dense array."""
    return rows_of(array) * array.shape[1] + array.indices


def _starts(rows, count):
    """Where each row begins, from the rows of the elements in order."""
    starts = torch.zeros(count + 1, dtype=torch.int64, device=rows.device)
    starts[1:] = torch.bincount(rows, minlength=count).cumsum(0) if rows.numel() else 0
    return starts


def to_gradient(array):
    """Rows as torch's sparse tensor, which its engine takes for a gradient."""
    return torch.sparse_coo_tensor(array.indices.unsqueeze(0), array.values, array.shape, check_invariants=False)


def from_gradient(gradient, kind=Rows):
    """A gradient, dense or torch's sparse tensor, as an array of `kind`; dense ones lose what is zero."""
    if not gradient.is_sparse:
        return rows_from_dense(gradient) if kind is Rows else csr_from_dense(gradient)
    if kind is not Rows:
        return csr_from_dense(gradient.to_dense())
    gradient = gradient.coalesce()
    return Rows(gradient.indices().squeeze(0), gradient.values(), tuple(gradient.shape))


def sample(array, x):
    """A dense array at the places that `array` stores, as an array of its kind."""
    if isinstance(array, Rows):
        return array._replace(values=x.index_select(0, array.indices))
    return array._replace(values=x.reshape(-1)[_keys(array)])


# --- what is wrong with one -------------------------------------------------------------------------------------------


def check(array, full=True):
    """None, or what is wrong: "shape", "indptr" or "indices". full: also look at every number."""
    indices, values = array.indices, array.values
    if indices.dim() != 1 or values.shape[:1] != indices.shape:
        return "shape"
    count = indices.shape[0]
    if isinstance(array, Rows):
        if count > array.shape[0] or values.shape[1:] != torch.Size(array.shape[1:]):
            return "shape"
        return "indices" if full and count and not _rises(indices, array.shape[0]) else None
    starts, (rows, columns) = array.indptr, array.shape
    if starts.shape != (rows + 1,) or values.dim() != 1:
        return "shape"
    if starts[0] != 0 or starts[-1] != count or (full and bool((starts.diff() < 0).any())):
        return "indptr"
    if not full or not count:
        return None
    same = rows_of(array)
    rising = (indices.diff() > 0) | (same.diff() > 0)
    inside = (indices >= 0) & (indices < columns)
    return None if bool(rising.all() & inside.all()) else "indices"


def _rises(indices, limit):
    return bool((indices.diff() > 0).all() & (indices[0] >= 0) & (indices[-1] < limit))


# --- element by element -----------------------------------------------------------------------------------------------


def mapped(function, array):
    """``function`` of each stored element, for functions that leave 0 at 0."""
    return array._replace(values=function(array.values))


def cast(array, dtype, device=None):
    """The array in another dtype, on another device (None: where it is), in memory of its own."""
    tensors = {
        name: part.to(device=device, dtype=dtype if name == "values" else part.dtype, copy=True)
        for name, part in array._asdict().items()
        if isinstance(part, torch.Tensor)
    }
    return array._replace(**tensors)


def combine(function, a, b):
    """``function(a, b)`` of two arrays of one kind, for functions with ``f(0, 0) = 0``.

    Of `Rows`, what either stores is stored; of `Csr`, what is not zero.
    """
    if isinstance(a, Rows):
        keys, places = _merged(a.indices, b.indices)
        values = function(_spread(a.values, places[0], keys), _spread(b.values, places[1], keys))
        return Rows(keys, values, a.shape)
    keys, places = _merged(_keys(a), _keys(b))
    values = function(_spread(a.values, places[0], keys), _spread(b.values, places[1], keys))
    kept = values != 0
    keys, values = keys[kept], values[kept]
    columns = max(a.shape[1], 1)
    return Csr(_starts(keys // columns, a.shape[0]), keys % columns, values, a.shape)


def _merged(ours, theirs):
    keys, inverse = torch.cat([ours, theirs]).unique(return_inverse=True)
    return keys, (inverse[: ours.shape[0]], inverse[ours.shape[0] :])


def _spread(values, places, keys):
    out = torch.zeros((keys.shape[0], *values.shape[1:]), dtype=values.dtype, device=values.device)
    return out.index_add_(0, places, values)


def broadcast_csr(function, array, x):
    """``function(array, x)`` at the stored places, x (dense) being broadcast to the matrix.

    x: (m, n), (1, n), (m, 1), (n,) or (1,). Zeros stay zero whatever x is there.
    """
    if x.dim() < 2:
        x = x.reshape(1, -1)
    rows = rows_of(array) if x.shape[0] > 1 else torch.zeros_like(array.indices)
    columns = array.indices if x.shape[1] > 1 else torch.zeros_like(array.indices)
    return array._replace(values=function(array.values, x[rows, columns]))


def sum_rows(arrays):
    """The sum of some `Rows`, which stores what any of them does."""
    indices = torch.cat([array.indices for array in arrays])
    keys, inverse = indices.unique(return_inverse=True)
    return Rows(keys, _spread(torch.cat([array.values for array in arrays]), inverse, keys), arrays[0].shape)


# --- picking and joining ----------------------------------------------------------------------------------------------


def take_rows(array, wanted):
    """`Rows` with exactly the rows that are wanted, in that order; those that are not stored are zero."""
    wanted = wanted.reshape(-1).to(torch.int64)
    count = array.indices.shape[0]
    if not count:
        return Rows(wanted, array.values.new_zeros((wanted.shape[0], *array.shape[1:])), array.shape)
    # Where all rows are stored, in order, they are found without looking for them.
    places = wanted.clamp(0, count - 1)
    there = array.indices[places] == wanted
    if count != array.shape[0] or not bool(there.all()):
        order = array.indices.argsort()
        places = order[torch.searchsorted(array.indices, wanted, sorter=order).clamp(max=count - 1)]
        there = array.indices[places] == wanted
    values = array.values[places]
    mask = there.reshape(-1, *([1] * (values.dim() - 1)))
    return Rows(wanted, torch.where(mask, values, torch.zeros_like(values)), array.shape)


def retained(x, wanted):
    """A dense array in which all rows but those that are wanted are zero."""
    kept = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
    kept[wanted.reshape(-1).to(torch.int64)] = True
    return torch.where(kept.reshape(-1, *([1] * (x.dim() - 1))), x, torch.zeros_like(x))


def distinct(numbers):
    """The different row numbers of an array of any shape and dtype, in order."""
    return numbers.reshape(-1).to(torch.int64).unique()


def kept_gradient(gradient, wanted):
    """The rows of a gradient, dense or torch's sparse tensor, that are wanted, as `Rows` in order."""
    wanted = distinct(wanted)
    if gradient.is_sparse:
        return take_rows(from_gradient(gradient), wanted)
    return Rows(wanted, gradient.index_select(0, wanted), tuple(gradient.shape))


def picked_rows(array, indices):
    """The dense rows that indices of any shape number, cut to those there are: (*indices.shape, *shape[1:])."""
    index = indices.to(torch.int64).clamp(0, array.shape[0] - 1)
    return take_rows(array, index).values.reshape(*indices.shape, *array.shape[1:])


def take_csr(array, wanted, *, mode="clip"):
    """The rows of a `Csr` that are wanted. mode: of numbers out of range, "clip" or "wrap"."""
    wanted = wanted.reshape(-1).to(torch.int64)
    rows = array.shape[0]
    wanted = wanted % rows if mode == "wrap" else wanted.clamp(0, rows - 1)
    counts = array.indptr.diff()[wanted]
    starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    within = torch.arange(int(starts[-1]), device=starts.device) - starts[:-1].repeat_interleave(counts)
    places = array.indptr[wanted].repeat_interleave(counts) + within
    return Csr(starts, array.indices[places], array.values[places], (wanted.shape[0], array.shape[1]))


def slice_csr(array, rows, columns=None):
    """``array[rows[0]:rows[1], columns[0]:columns[1]]`` (columns None: all), in memory of its own."""
    first, last = rows
    starts = array.indptr[first : last + 1]
    low, high = int(starts[0]), int(starts[-1])
    part = Csr(
        starts - low, array.indices[low:high].clone(), array.values[low:high].clone(), (last - first, array.shape[1])
    )
    if columns is None:
        return part
    first, last = columns
    kept = (part.indices >= first) & (part.indices < last)
    counts = _starts(rows_of(part)[kept], part.shape[0])
    return Csr(counts, part.indices[kept] - first, part.values[kept], (part.shape[0], last - first))


def concat_csr(arrays):
    """Matrices of as many columns one below the other."""
    starts, ends = [arrays[0].indptr], arrays[0].indptr[-1]
    for array in arrays[1:]:
        starts.append(array.indptr[1:] + ends)
        ends = ends + array.indptr[-1]
    return Csr(
        torch.cat(starts),
        torch.cat([array.indices for array in arrays]),
        torch.cat([array.values for array in arrays]),
        (sum(array.shape[0] for array in arrays), arrays[0].shape[1]),
    )


# --- updates ----------------------------------------------------------------------------------------------------------


def lazily(rule, weight, gradient, *states):
    """Have `rule(weight, gradient, *states)` change, in place, only the rows that the gradient (`Rows`) stores.

    weight, states: dense tensors. The other rows are as if there had been no step: no decay, no momentum.
    """
    indices = gradient.indices
    parts = [tensor.index_select(0, indices) for tensor in (weight, *states)]
    rule(parts[0], gradient.values, *parts[1:])
    for tensor, part in zip((weight, *states), parts):
        tensor.index_copy_(0, indices, part)
