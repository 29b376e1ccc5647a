"""Random shapes, arrays and matrices, and numpy's counterparts of operators."""

import random as rnd

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet import ndarray
from tandem.mxnet.test_utils.sparse_arrays import rand_sparse_ndarray
from tandem.mxnet.test_utils.tolerances import default_dtype


def random_arrays(*shapes):
    """Arrays of standard normal numbers in the default dtype: one for one shape, else a list."""
    arrays = [np.array(np.random.randn(*shape), dtype=default_dtype()) for shape in shapes]
    return arrays[0] if len(arrays) == 1 else arrays


def random_uniform_arrays(*shapes, **kwargs):
    """A list of arrays of numbers evenly between low (0) and high (1) in dtype (the default one)."""
    low, high, dtype = kwargs.pop("low", 0.0), kwargs.pop("high", 1.0), kwargs.pop("dtype", default_dtype())
    if kwargs:
        raise TypeError(
            explain("random_uniform_arrays() got an unexpected argument", expected="low, high, dtype", given=[*kwargs])
        )
    return [np.random.uniform(low, high, size=shape).astype(dtype) for shape in shapes]


def random_sample(population, k):
    """`k` different elements of a list, in a random order.

    Raises AssertionError where there are fewer.
    """
    if not 0 <= k <= len(population):
        raise AssertionError(explain("The sample is larger than the population", expected=len(population), given=k))
    chosen = population[:]
    rnd.shuffle(chosen)
    return chosen[:k]


def rand_shape_nd(num_dim, dim=10, allow_zero_size=False):
    """A random shape of `num_dim` sizes from 1 (or 0, with allow_zero_size) to `dim`."""
    return tuple(np.random.randint(0 if allow_zero_size else 1, dim + 1, size=num_dim))


def rand_shape_2d(dim0=10, dim1=10, allow_zero_size=False):
    """A random shape (up to dim0, up to dim1)."""
    low = 0 if allow_zero_size else 1
    return rnd.randint(low, dim0), rnd.randint(low, dim1)


def rand_shape_3d(dim0=10, dim1=10, dim2=10, allow_zero_size=False):
    """A random shape (up to dim0, up to dim1, up to dim2)."""
    low = 0 if allow_zero_size else 1
    return rnd.randint(low, dim0), rnd.randint(low, dim1), rnd.randint(low, dim2)


def rand_coord_2d(x_low, x_high, y_low, y_high):
    """A random place (x, y) with x_low <= x < x_high and y_low <= y < y_high."""
    return np.random.randint(x_low, x_high, dtype=np.int64), np.random.randint(y_low, y_high, dtype=np.int64)


def rand_ndarray(
    shape,
    stype="default",
    density=None,
    dtype=None,
    modifier_func=None,
    shuffle_csr_indices=False,
    distribution=None,
    ctx=None,
):
    """A random array: dense with standard normal numbers, or sparse as `rand_sparse_ndarray` makes it.

    stype: 'default', 'row_sparse', 'csr'; density (of sparse arrays; random where None); dtype: float32 where None;
    ctx: the current context where None.
    """
    if stype == "default":
        ctx = contexts.current_context() if ctx is None else ctx
        return ndarray.array(random_arrays(shape), dtype=default_dtype() if dtype is None else dtype, ctx=ctx)
    return rand_sparse_ndarray(
        shape,
        stype,
        density=density,
        dtype=dtype,
        modifier_func=modifier_func,
        shuffle_csr_indices=shuffle_csr_indices,
        distribution=distribution,
        ctx=ctx,
    )[0]


def assign_each(the_input, function):
    """An array with ``function(element)`` in each place; a copy where the function is None."""
    if function is None:
        return np.array(the_input)
    return np.reshape([function(element) for element in np.ravel(the_input)], np.shape(the_input))


def assign_each2(input1, input2, function):
    """An array with ``function(element1, element2)`` in each place; a copy of the first where the function is None.

    Raises AssertionError for different shapes.
    """
    if function is None:
        return np.array(input1)
    if np.shape(input1) != np.shape(input2):
        raise AssertionError(explain("Both inputs have one shape", given=f"{np.shape(input1)}, {np.shape(input2)}"))
    pairs = zip(np.ravel(input1), np.ravel(input2))
    return np.reshape([function(one, other) for one, other in pairs], np.shape(input1))


def np_reduce(dat, axis, keepdims, numpy_reduce_func):
    """What numpy's reduction (np.sum, np.max …) makes of an array over one axis, several, or all (None)."""
    if isinstance(axis, int):
        axis = [axis]
    axes = range(dat.ndim) if axis is None else axis
    axes = sorted({one % dat.ndim for one in axes}, reverse=True)
    result = dat
    for one in axes:
        result = numpy_reduce_func(result, axis=one)
    return result.reshape([1 if one in axes else size for one, size in enumerate(dat.shape)]) if keepdims else result


def collapse_sum_like(a, shape):
    """Sum an array over what was broadcast to make it from `shape`: the gradient of broadcasting.

    Raises AssertionError where `shape` does not broadcast to the array's.
    """
    ahead = np.ndim(a) - len(shape)
    if ahead < 0:
        raise AssertionError(explain("The shape has more dimensions than the array", expected=np.ndim(a), given=shape))
    axes = list(range(ahead))
    for axis, size in enumerate(shape, ahead):
        if size != a.shape[axis]:
            if size != 1:
                raise AssertionError(explain("The shape does not broadcast to the array's", given=(shape, a.shape)))
            axes.append(axis)
    return a.sum(axis=tuple(axes)).reshape(shape) if axes else a


def create_2d_tensor(rows, columns, dtype=np.int64):
    """An NDArray (rows, columns) whose rows hold their numbers."""
    return ndarray.arange(0, rows, dtype=dtype).reshape((rows, 1)).broadcast_to((rows, columns))


def create_vector(size, dtype=np.int64):
    """The NDArray 0, 1, …, size - 1."""
    return ndarray.arange(0, size, dtype=dtype)


def get_identity_mat(size):
    """The identity matrix as an NDArray."""
    return ndarray.array(np.identity(size))


def get_identity_mat_batch(size):
    """Two identity matrices as one NDArray (2, size, size)."""
    return ndarray.array(np.stack([np.identity(size)] * 2))


def new_orthonormal_matrix_2d(n):
    """A random orthonormal matrix."""
    return np.linalg.qr(np.random.randn(n, n))[0]


def new_matrix_with_real_eigvals_2d(n):
    """A random matrix whose eigenvalues are real and apart from each other."""
    basis, values = np.random.randn(n, n), _eigenvalues(n)
    return (basis * values).dot(np.linalg.inv(basis))


def new_sym_matrix_with_real_eigvals_2d(n):
    """A random symmetric matrix whose eigenvalues are apart from each other."""
    basis = new_orthonormal_matrix_2d(n)
    matrix = (basis * _eigenvalues(n)).dot(basis.T)
    return (matrix + matrix.T) / 2


def _eigenvalues(n):
    return np.cumsum(np.random.uniform(1.0, 2.0, n)) * np.random.choice([-1.0, 1.0], n)


def _many(one, shape):
    matrices = [one(shape[-1]) for _ in range(int(np.prod(shape[:-2])))]
    return np.array(matrices).reshape(shape)


def new_matrix_with_real_eigvals_nd(shape):
    """Random square matrices with real eigenvalues, apart from each other, in an array of a shape."""
    return _many(new_matrix_with_real_eigvals_2d, shape)


def new_sym_matrix_with_real_eigvals_nd(shape):
    """Random symmetric matrices with eigenvalues apart from each other, in an array of a shape."""
    return _many(new_sym_matrix_with_real_eigvals_2d, shape)
