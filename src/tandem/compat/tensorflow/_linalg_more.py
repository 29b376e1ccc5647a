"""More of `tf.linalg`: LU, bands and diagonals, roots and logarithms of matrices."""

from collections import namedtuple

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import _linalg as linalg
from tandem.compat.tensorflow import _math as math
from tandem.compat.tensorflow.lifted import lift
from tandem.compat.tensorflow.tensor import convert, convert_pair, ints, static, taker
from tandem.core.errors import explain
from tandem.keras import ops
from tandem.ops import factorizations

NAMES = linalg.NAMES
Lu = namedtuple("Lu", ["lu", "p"])
add = taker(NAMES)


_lu = lift(factorizations.lu_with_order, "LuWithOrder", 1, module=__name__)
_lu_parts = lift(factorizations.lu_parts, "LuParts", 1, module=__name__)
_diagonals = lift(factorizations.diagonals, "Diagonals", 1, module=__name__)
_with_diagonals = lift(factorizations.with_diagonals, "WithDiagonals", 2, module=__name__)
_tridiagonal = lift(factorizations.tridiagonal, "Tridiagonal", 3, module=__name__)
_root = lift(factorizations.square_root, "MatrixSquareRoot", 1, module=__name__)
_logarithm = lift(factorizations.logarithm, "MatrixLogarithm", 1, module=__name__)


@add
def lu(input, output_idx_type=dtypes.int32):
    """(L and U in one matrix, the order of the rows) with ``L U = input[order]``."""
    factors, order = _lu(convert(input))
    return Lu(factors, ops.cast(order, dtypes.as_dtype(output_idx_type).name))


def _ordered(x, order):
    return ops.take_along_axis(x, ops.cast(ops.expand_dims(order, -1), "int64"), axis=-2)


@add
def lu_reconstruct(lower_upper, perm, validate_args=False):
    """The matrix of which `lu` gave these."""
    lower, upper = _lu_parts(convert(lower_upper))
    return _ordered(ops.matmul(lower, upper), ops.argsort(convert(perm), axis=-1))


@add
def lu_solve(lower_upper, perm, rhs, validate_args=False):
    """The X with ``matrix X = rhs``, by what `lu` gave of the matrix."""
    lower, upper = _lu_parts(convert(lower_upper))
    found = ops.solve_triangular(lower, _ordered(convert(rhs), convert(perm)), lower=True)
    return ops.solve_triangular(upper, found, lower=False)


@add
def lu_matrix_inverse(lower_upper, perm, validate_args=False):
    """The inverse, by what `lu` gave of the matrix."""
    factors = convert(lower_upper)
    unit = ops.eye(factors.shape[-1], dtype=dtypes.as_dtype(factors.dtype).name)
    return lu_solve(factors, perm, ops.broadcast_to(unit, tuple(factors.shape)))


@add
def sqrtm(input):
    """The matrix whose square is the input."""
    return _root(convert(input))


@add
def logm(input):
    """The matrix whose exponential is the input (complex)."""
    return _logarithm(convert(input))


def _three(diagonals, form):
    """(upper, middle, lower) of a length."""
    if form == "sequence":
        upper, middle, lower = (convert(one) for one in diagonals)
        size = middle.shape[-1]
        if upper.shape[-1] == size - 1:
            flat = [(0, 0)] * (len(middle.shape) - 1)
            upper, lower = ops.pad(upper, [*flat, (0, 1)]), ops.pad(lower, [*flat, (1, 0)])
        return upper, middle, lower
    x = convert(diagonals)
    if form == "compact":
        return x[..., 0, :], x[..., 1, :], x[..., 2, :]
    if form != "matrix":
        raise ValueError(explain("Unknown diagonals_format", expected="compact, matrix, sequence", given=form))
    flat = [(0, 0)] * (len(x.shape) - 2)
    upper, lower = ops.diagonal(x, 1, -2, -1), ops.diagonal(x, -1, -2, -1)
    return ops.pad(upper, [*flat, (0, 1)]), ops.diagonal(x, 0, -2, -1), ops.pad(lower, [*flat, (1, 0)])


@add
def tridiagonal_solve(
    diagonals,
    rhs,
    diagonals_format="compact",
    transpose_rhs=False,
    conjugate_rhs=False,
    partial_pivoting=True,
    perturb_singular=False,
):
    """The X with ``matrix X = rhs`` of a matrix of three diagonals."""
    matrix = _tridiagonal(*_three(diagonals, diagonals_format))
    b = convert(rhs, None if hasattr(rhs, "dtype") else matrix.dtype)
    vector = len(b.shape) == len(matrix.shape) - 1
    b = ops.expand_dims(b, -1) if vector else math.turned(b, transpose_rhs, conjugate_rhs)
    found = ops.solve(matrix, b)
    return ops.squeeze(found, -1) if vector else found


@add
def tridiagonal_matmul(diagonals, rhs, diagonals_format="compact"):
    """The product of a matrix of three diagonals and another one."""
    return ops.matmul(_tridiagonal(*_three(diagonals, diagonals_format)), convert(rhs))


@add
def eigh_tridiagonal(alpha, beta, eigvals_only=True, select="a", select_range=None, tol=None):
    """The eigenvalues of symmetric matrices with `alpha` on the main diagonal and `beta` beside it (and vectors)."""
    if select != "a":
        raise NotImplementedError(
            explain("eigh_tridiagonal gives all eigenvalues", expected="'a'", given=f"select={select!r}")
        )
    alpha, beta = convert_pair(alpha, beta)
    flat = [(0, 0)] * (len(alpha.shape) - 1)
    matrix = _tridiagonal(ops.pad(beta, [*flat, (0, 1)]), alpha, ops.pad(beta, [*flat, (1, 0)]))
    values, vectors = ops.eigh(matrix)
    return values if eigvals_only else (values, vectors)


def _band(k):
    k = ints(k)
    return (k[0], k[0]) if len(k) == 1 else (k[0], k[1])


@add
def diag_part(input, k=0, padding_value=0, align="RIGHT_LEFT"):
    """The diagonals of matrices: one, or those of a band (lowest, highest) a row each."""
    low, high = _band(k)
    return _diagonals(convert(input), low, high, fill=static(padding_value), align=align)


@add
def set_diag(input, diagonal, k=0, align="RIGHT_LEFT"):
    """Matrices with other diagonals: one, or those of a band (lowest, highest)."""
    low, high = _band(k)
    return _with_diagonals(*convert_pair(input, diagonal), low, high, align=align)


@add
def diag(diagonal, k=0, num_rows=-1, num_cols=-1, padding_value=0, align="RIGHT_LEFT"):
    """Matrices with these diagonals, `padding_value` elsewhere, as small as they can be unless sizes are given."""
    x, (low, high) = convert(diagonal), _band(k)
    longest, rows, columns = x.shape[-1], ints(num_rows)[0], ints(num_cols)[0]
    least_rows, least_columns = longest - min(high, 0), longest + max(low, 0)
    if rows == -1 and columns == -1:
        rows = columns = max(least_rows, least_columns)
    rows = least_rows if rows == -1 else rows
    columns = least_columns if columns == -1 else columns
    batch = tuple(x.shape)[: -1 if low == high else -2]
    fill = convert(static(padding_value), dtypes.as_dtype(x.dtype))
    return _with_diagonals(ops.broadcast_to(fill, (*batch, rows, columns)), x, low, high, align=align)


@add
def banded_triangular_solve(bands, rhs, lower=True, adjoint=False):
    """The X with ``matrix X = rhs`` of a triangular matrix of which only diagonals beside the main one are given."""
    bands, rhs = convert_pair(bands, rhs)
    count, size = bands.shape[-2], bands.shape[-1]
    k = (1 - count, 0) if lower else (0, count - 1)
    matrix = diag(bands, k, size, size, align="RIGHT_RIGHT" if lower else "LEFT_LEFT")
    return NAMES["triangular_solve"](matrix, rhs, lower=lower, adjoint=adjoint)


@add
def lstsq(matrix, rhs, l2_regularizer=0.0, fast=True):
    """The X with the least ``|matrix X - rhs|² + l2_regularizer |X|²``."""
    a, b = convert_pair(matrix, rhs)
    if not l2_regularizer:
        return ops.matmul(ops.pinv(a), b)
    turned = math.turned(a, adjoint=True)
    unit = ops.eye(a.shape[-1], dtype=dtypes.as_dtype(a.dtype).name)
    return ops.solve(ops.add(ops.matmul(turned, a), ops.multiply(unit, l2_regularizer)), ops.matmul(turned, b))
