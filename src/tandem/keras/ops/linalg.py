"""Linear algebra: `keras.ops.linalg`."""

from tandem.keras.ops.family import Family, axes, spec, tensor, to_narrow_float, together
from tandem.ops import factorizations

NAMES = Family("keras.src.ops.linalg")


def _matrices(x, square=True):
    x = tensor(x)
    if x.dim() < 2:
        raise ValueError(f"Expected input to have rank >= 2. Received input with shape {tuple(x.shape)}.")
    if square and x.shape[-1] != x.shape[-2]:
        raise ValueError(f"Expected a square matrix. Received non-square input with shape {tuple(x.shape)}")
    return x


@NAMES.op("Cholesky")
def cholesky(x, upper=False):
    """The triangular L with ``x = L L^T`` (with `upper` its transpose). Raises ValueError where there is none."""
    try:
        return factorizations.cholesky(_matrices(x), upper)
    except RuntimeError as error:
        raise ValueError(f"Cholesky decomposition failed: {error}") from error


@NAMES.op("CholeskyInverse")
def cholesky_inverse(x, upper=False):
    """The inverse of the matrix whose Cholesky factor x is."""
    return factorizations.cholesky_inverse(_matrices(x), upper)


@NAMES.op("Det")
def det(x):
    """The determinants of matrices."""
    return factorizations.determinant(_matrices(x))


def _eig_spec(x):
    dtype = "complex128" if x.dtype == "float64" else "complex64"
    return spec(x.shape[:-1], dtype), spec(x.shape, dtype)


@NAMES.op("Eig", spec=_eig_spec)
def eig(x):
    """(eigenvalues, eigenvectors as columns) of square matrices, complex."""
    return factorizations.eig(_matrices(x))


@NAMES.op("Eigh")
def eigh(x):
    """(eigenvalues rising, eigenvectors as columns) of symmetric matrices."""
    return factorizations.eigh(_matrices(x))


@NAMES.op("Inv")
def inv(x):
    """The inverses of square matrices."""
    return factorizations.inverse(_matrices(x))


def _lu_spec(x):
    size = None if None in x.shape[-2:] else min(x.shape[-2:])
    return spec(x.shape, x.dtype), spec((*x.shape[:-2], size), "int32")


@NAMES.op("LuFactor", spec=_lu_spec)
def lu_factor(x):
    """(L and U in one matrix, the rows exchanged in turn, from 0)."""
    return factorizations.lu(_matrices(x, square=False))


@NAMES.op("Norm")
def norm(x, ord=None, axis=None, keepdims=False):
    """A norm over axes: of vectors (one axis), of matrices (two), or of the flattened x (ord and axis None)."""
    return factorizations.norm(to_narrow_float(tensor(x)), ord, axes(axis), keepdims)


@NAMES.op("Qr")
def qr(x, mode="reduced"):
    """(Q with orthonormal columns, R upper triangular) with ``x = Q R``; mode: "reduced" or "complete"."""
    if mode not in ("reduced", "complete"):
        raise ValueError(
            f"`mode` argument value not supported. Expected one of {{'reduced', 'complete'}}. Received: mode={mode}"
        )
    return factorizations.qr(_matrices(x, square=False), mode)


@NAMES.op("Solve", 2)
def solve(a, b):
    """The x with ``a x = b``."""
    a, b = together(_matrices(a), b)
    return factorizations.solve(a, b)


@NAMES.op("SolveTriangular", 2)
def solve_triangular(a, b, lower=False):
    """The x with ``a x = b`` for a triangular a."""
    a, b = together(_matrices(a), b)
    return factorizations.solve_triangular(a, b, lower)


@NAMES.op("SVD")
def svd(x, full_matrices=True, compute_uv=True):
    """(U, singular values falling, V^T) with ``x = U S V^T``, or the singular values alone."""
    return factorizations.svd(_matrices(x, square=False), full_matrices, compute_uv)


@NAMES.op("Lstsq", 2, spec=lambda a, b, rcond=None: spec((a.shape[1], *b.shape[1:]), a.dtype))
def lstsq(a, b, rcond=None):
    """The x with the least ``|a x - b|``, of smallest norm."""
    a, b = together(a, b)
    if a.dim() != 2 or b.dim() not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ValueError(
            f"Leading shapes do not match: a must be (m, n), b (m,) or (m, k). Received: {tuple(a.shape)}, "
            f"{tuple(b.shape)}"
        )
    return factorizations.least_squares(a, b, rcond)


@NAMES.op("MatrixRank", spec=lambda x, tol=None: spec(x.shape[:-2], "int32"))
def matrix_rank(x, tol=None):
    """How many singular values are larger than `tol`: int32."""
    return factorizations.rank(_matrices(x, square=False), tol)


@NAMES.op("Pinv", spec=lambda x, rcond=None: spec((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype))
def pinv(x, rcond=None):
    """The pseudo-inverse of matrices, singular values up to `rcond` times the largest counting as 0."""
    return factorizations.pseudo_inverse(_matrices(x, square=False), rcond)


@NAMES.plain
def jvp(fun, primals, tangents, has_aux=False):
    """(``fun(*primals)``, its derivative along the tangents), and what else `fun` returned where it has more."""
    primals = tuple(tensor(one) for one in primals)
    tangents = tuple(tensor(one) for one in tangents)
    return factorizations.directional_derivative(fun, primals, tangents, has_aux)


SLOGDET = Family()


@SLOGDET.op("Slogdet")
def slogdet(x):
    """(the sign, the logarithm of the absolute value) of the determinants of matrices."""
    return factorizations.sign_and_log(_matrices(x))


globals().update(NAMES)


def __dir__():
    return sorted(NAMES)
