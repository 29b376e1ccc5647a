"""`tf.linalg`."""

from tandem.compat.tensorflow import _math as math
from tandem.compat.tensorflow import lifted
from tandem.compat.tensorflow.results import Qr
from tandem.compat.tensorflow.tensor import convert, convert_pair, ints, static, taker
from tandem.keras import ops

NAMES = {
    name: math.NAMES[name]
    for name in ["matmul", "matvec", "einsum", "tensordot", "cross", "l2_normalize", "global_norm"]
}
add = taker(NAMES)


@add
def norm(tensor, ord="euclidean", axis=None, keepdims=None, keep_dims=None):
    """A norm along some axes; "euclidean" of all elements if no axis is given."""
    x = convert(tensor)
    keepdims = bool(keepdims or keep_dims)
    axis = static(axis)
    axis = tuple(axis) if isinstance(axis, list) else axis
    if ord in ("euclidean", "fro", 2) and not (ord == 2 and isinstance(axis, tuple)):
        return ops.sqrt(ops.sum(ops.square(ops.absolute(x)), axis=axis, keepdims=keepdims))
    if axis is None:
        found = ops.norm(ops.reshape(x, (-1,)), ord=ord)
        return ops.reshape(found, (1,) * len(x.shape)) if keepdims else found
    return ops.norm(x, ord=ord, axis=axis, keepdims=keepdims)


@add
def normalize(tensor, ord="euclidean", axis=None):
    """(the tensor divided by its norm along some axes, the norm)."""
    size = norm(tensor, ord, axis, keepdims=True)
    return ops.divide(convert(tensor), size), size


def _one(name, function, doc):
    def compute(input):
        return function(convert(input))

    compute.__name__, compute.__doc__ = name, doc
    add(compute)


_one("cholesky", ops.cholesky, "The lower triangle L with ``L L' = x``.")
_one("det", ops.det, "The determinant.")
_one("eigh", ops.eigh, "(eigenvalues, eigenvectors) of symmetric matrices.")
_one("eig", ops.eig, "(eigenvalues, eigenvectors).")
_one("trace", lambda x: ops.trace(x, axis1=-2, axis2=-1), "The sum of the diagonal.")
_one("slogdet", ops.slogdet, "(sign, logarithm of the size) of the determinant.")
_one("logdet", ops.logdet, "The logarithm of the determinant.")
_one("tensor_diag_part", ops.diagonal, "The diagonal.")
_one("tensor_diag", ops.diag, "A matrix with a diagonal.")
_one("matrix_transpose", lambda x: ops.swapaxes(x, -1, -2), "Matrices with rows and columns changed.")
_one("adjoint", lambda x: math.turned(x, adjoint=True), "The conjugates of transposed matrices.")
_one("eigvalsh", lambda x: ops.eigh(x)[0], "The eigenvalues of symmetric matrices.")
_one("eigvals", lambda x: ops.eig(x)[0], "The eigenvalues.")


@add
def inv(input, adjoint=False):
    """The inverse."""
    found = ops.inv(convert(input))
    return math.turned(found, adjoint=True) if adjoint else found


@add
def pinv(a, rcond=None, validate_args=False):
    """The pseudo-inverse."""
    return ops.pinv(convert(a), rcond=rcond)


@add
def band_part(input, num_lower, num_upper):
    """Matrices of which only a band is kept: so many diagonals below and above the main one, negative for all."""
    x, low, high = convert(input), ints(num_lower)[0], ints(num_upper)[0]
    x = x if high < 0 else ops.tril(x, high)
    return x if low < 0 else ops.triu(x, -low)


@add
def solve(matrix, rhs, adjoint=False):
    """The X with ``matrix X = rhs``."""
    a, b = convert_pair(matrix, rhs)
    return ops.solve(math.turned(a, adjoint=True) if adjoint else a, b)


@add
def triangular_solve(matrix, rhs, lower=True, adjoint=False):
    """The X with ``matrix X = rhs`` for a triangular matrix."""
    a, b = convert_pair(matrix, rhs)
    if adjoint:
        return ops.solve_triangular(math.turned(a, adjoint=True), b, lower=not lower)
    return ops.solve_triangular(a, b, lower=lower)


@add
def cholesky_solve(chol, rhs):
    """The X with ``chol chol' X = rhs``."""
    a, b = convert_pair(chol, rhs)
    return ops.solve_triangular(ops.swapaxes(a, -1, -2), ops.solve_triangular(a, b, lower=True), lower=False)


@add
def qr(input, full_matrices=False):
    """(orthogonal, upper triangular) with the product `input`."""
    return Qr(*ops.qr(convert(input), mode="complete" if full_matrices else "reduced"))


@add
def svd(tensor, full_matrices=False, compute_uv=True):
    """(singular values, left vectors, right vectors), or the values alone."""
    if not compute_uv:
        return ops.svd(convert(tensor), full_matrices=full_matrices, compute_uv=False)
    u, s, vh = ops.svd(convert(tensor), full_matrices=full_matrices)
    return s, u, math.turned(vh, adjoint=True)


@add
def expm(input):
    """The matrix exponential."""
    return lifted.matrix_exponential(convert(input))


@add
def matrix_rank(a, tol=None):
    """The rank."""
    return ops.matrix_rank(convert(a), tol=tol)


@add
def eye(num_rows, num_columns=None, batch_shape=None, dtype="float32"):
    """The unit matrix."""
    from tandem.compat.tensorflow import arrays

    return arrays.NAMES["eye"](num_rows, num_columns, batch_shape, dtype)


# What TensorFlow has in `tf` itself.
IN_TF = ["norm", "eye"]
