"""Random row_sparse and csr arrays."""

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.ndarray import sparse
from tandem.mxnet.test_utils.tolerances import default_dtype


def _check_csr(num_rows, num_cols, density):
    if num_rows <= 0 or num_cols <= 0:
        raise ValueError(
            explain("num_rows or num_cols should be greater than 0", given=f"{num_rows} rows, {num_cols} columns")
        )
    if not 0 <= density <= 1:
        raise ValueError(explain("density has to be between 0 and 1", given=density))


def shuffle_csr_column_indices(csr):
    """Put the column numbers of each row of a csr array (one with indptr and indices in numpy) in a random order."""
    for start, stop in zip(csr.indptr[:-1], csr.indptr[1:]):
        csr.indices[start:stop] = np.random.permutation(csr.indices[start:stop])


class _Rows:
    """A csr matrix in numpy."""

    def __init__(self, mask, values):
        self.indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
        self.indices = np.nonzero(mask)[1].astype(np.int64)
        self.data = values


def _to_csr(rows, shape, dtype):
    return sparse.csr_matrix((rows.data, rows.indices, rows.indptr), shape=shape, dtype=dtype)


def _get_uniform_dataset_csr(num_rows, num_cols, density=0.1, dtype=None, data_init=None, shuffle_csr_indices=False):
    """A csr array with entries at random places; `data_init` in all of them where it is given."""
    _check_csr(num_rows, num_cols, density)
    count = round(num_rows * num_cols * density)
    mask = np.zeros(num_rows * num_cols, bool)
    mask[np.random.permutation(mask.size)[:count]] = True
    values = np.random.rand(count) if data_init is None else np.full(count, data_init)
    rows = _Rows(mask.reshape(num_rows, num_cols), values)
    if shuffle_csr_indices:
        shuffle_csr_column_indices(rows)
    return _to_csr(rows, (num_rows, num_cols), dtype)


def _get_powerlaw_dataset_csr(num_rows, num_cols, density=0.1, dtype=None):
    """A csr array with one entry in each row, and in the first rows 2, 4, 8, … as long as entries are left."""
    _check_csr(num_rows, num_cols, density)
    left = int(num_rows * num_cols * density) - num_rows
    if left < 0:
        raise ValueError(
            explain(
                "The density is too small for one entry in each row",
                expected=f"at least {1 / num_cols}",
                given=f"{density} for the shape {(num_rows, num_cols)}",
            )
        )
    mask = np.zeros((num_rows, num_cols), bool)
    mask[:, 0] = True
    width = 2
    for row in range(num_rows):
        more = min(min(width, num_cols) - 1, left)
        mask[row, 1 : 1 + more] = True
        left -= more
        width *= 2
    if left > 0:
        raise ValueError(
            explain("The density is too large for rows that double", given=f"{density} for {(num_rows, num_cols)}")
        )
    values = 1 + np.random.uniform(0.001, 2, int(mask.sum()))
    return _to_csr(_Rows(mask, values), (num_rows, num_cols), dtype)


def _modified(values, modifier_func):
    if modifier_func is None:
        return values
    return np.reshape([modifier_func(value) for value in np.ravel(values)], np.shape(values)).astype(values.dtype)


def rand_sparse_ndarray(
    shape,
    stype,
    density=None,
    dtype=None,
    distribution=None,
    data_init=None,
    rsp_indices=None,
    modifier_func=None,
    shuffle_csr_indices=False,
    ctx=None,
):
    """A random sparse array and what it is made of.

    shape; stype: 'row_sparse' gives (array, (values, row numbers)), 'csr' gives (array, (indptr, indices, data));
    density: the share of rows or of elements, random where None; distribution: 'uniform' or, for csr, 'powerlaw';
    data_init: the value of all entries; rsp_indices: which rows there are; modifier_func: applied to each entry;
    shuffle_csr_indices: column numbers of a row in a random order.
    Raises AssertionError for another storage type or distribution.
    """
    density = np.random.rand() if density is None else density
    dtype = default_dtype() if dtype is None else dtype
    distribution = "uniform" if distribution is None else distribution
    if stype == "row_sparse":
        if distribution != "uniform":
            raise AssertionError(
                explain("Distribution not supported for row_sparse", expected="'uniform'", given=repr(distribution))
            )
        if rsp_indices is None:
            indices = np.nonzero(np.random.rand(shape[0]) < density)[0]
        else:
            indices = np.asarray(rsp_indices)
            if len(indices) > shape[0]:
                raise AssertionError(explain("More rows than there are", expected=shape[0], given=len(indices)))
        rest = tuple(shape[1:])
        values = np.random.rand(len(indices), *rest).astype(dtype)
        if data_init is not None:
            values.fill(data_init)
        values = _modified(values, modifier_func)
        made = sparse.row_sparse_array((values, indices), shape=tuple(shape), dtype=dtype, ctx=ctx)
        return made, (values, indices)
    if stype == "csr":
        if len(shape) != 2:
            raise AssertionError(explain("A csr array has two dimensions", given=tuple(shape)))
        if distribution == "uniform":
            made = _get_uniform_dataset_csr(*shape, density, dtype, data_init, shuffle_csr_indices)
        elif distribution == "powerlaw":
            made = _get_powerlaw_dataset_csr(*shape, density, dtype)
        else:
            raise AssertionError(
                explain("Distribution not supported", expected="'uniform', 'powerlaw'", given=repr(distribution))
            )
        if modifier_func is not None:
            values = _modified(made.data.asnumpy(), modifier_func)
            made = sparse.csr_matrix((values, made.indices, made.indptr), shape=tuple(shape), dtype=dtype)
        if ctx is not None:
            made = made.as_in_context(ctx)
        return made, (made.indptr, made.indices, made.data)
    raise AssertionError(explain("unknown storage type", expected="'row_sparse', 'csr'", given=repr(stype)))


def create_sparse_array(
    shape,
    stype,
    data_init=None,
    rsp_indices=None,
    dtype=None,
    modifier_func=None,
    density=0.5,
    shuffle_csr_indices=False,
):
    """A random sparse array; the arguments as those of `rand_sparse_ndarray`."""
    if stype not in ("row_sparse", "csr"):
        raise AssertionError(explain("Unknown storage type", expected="'row_sparse', 'csr'", given=repr(stype)))
    if stype == "row_sparse" and rsp_indices is not None:
        density = len(rsp_indices) / shape[0]
    return rand_sparse_ndarray(
        shape,
        stype,
        density=density,
        data_init=data_init,
        rsp_indices=rsp_indices,
        dtype=dtype,
        modifier_func=modifier_func,
        shuffle_csr_indices=shuffle_csr_indices,
    )[0]


def create_sparse_array_zd(
    shape, stype, density, data_init=None, rsp_indices=None, dtype=None, modifier_func=None, shuffle_csr_indices=False
):
    """`create_sparse_array`, whose row_sparse arrays may have no rows (density 0)."""
    if stype == "row_sparse" and density == 0.0:
        rsp_indices = []
    elif stype == "row_sparse" and rsp_indices is not None and len(rsp_indices) > shape[0]:
        raise AssertionError(explain("More rows than there are", expected=shape[0], given=len(rsp_indices)))
    return create_sparse_array(
        shape,
        stype,
        data_init=data_init,
        rsp_indices=rsp_indices,
        dtype=dtype,
        modifier_func=modifier_func,
        density=density,
        shuffle_csr_indices=shuffle_csr_indices,
    )
