"""`mx.sym.np.linalg`: linear algebra on symbols of `mx.np` arrays."""

from tandem.core.errors import explain
from tandem.mxnet.symbol.numpy_symbol import NUMBERS, apply

__all__ = [
    "cholesky",
    "det",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "norm",
    "pinv",
    "slogdet",
    "solve",
    "svd",
    "tensorinv",
    "tensorsolve",
]


def __dir__():
    return list(__all__)


def norm(x, ord=None, axis=None, keepdims=False):
    """A norm: without ord the root of the sum of squares, over all axes or those given.

    Over one axis ord is a number p: ``(sum |x|^p)^(1/p)``; over two "fro", "nuc", 1, -1, 2, -2.
    Raises ValueError for what is no norm.
    """
    axes = (axis,) if isinstance(axis, int) else axis if axis is None else tuple(axis)
    if axes is not None and len(axes) > 2:
        raise ValueError(explain("Improper number of dimensions to norm", expected="one axis or two", given=f"{axis}"))
    if isinstance(ord, str) and ord not in ("fro", "nuc", "inf", "-inf"):
        raise ValueError(explain("There is no such norm", expected="'fro', 'nuc' or a number", given=repr(ord)))
    # The flag says what `ord` is, as in MXNet: nothing, a number over one axis or over two, 'fro', 'nuc'.
    if ord is None:
        flag, order = (1 if axes is not None and len(axes) == 1 else -2), 2
    elif ord in ("fro", "nuc"):
        flag, order = (1 if ord == "fro" else 2), 2
    else:
        flag, order = (0 if ord == 2 and (axes is None or len(axes) == 2) else -1), float(ord)
        order = int(order) if order.is_integer() else order
    attrs = {"ord": order, "axis": "None" if axes is None else axes, "keepdims": keepdims, "flag": flag}
    return apply("_npi_norm", "norm", (x,), attrs)


def svd(a):
    """[ut, l, v] with ``a = ut diag(l) v``, l falling."""
    return list(apply("_npi_svd", "svd", (a,)))


def cholesky(a):
    """The lower triangular L with ``L L^T = a``."""
    return apply("_npi_cholesky", "cholesky", (a,))


def det(a):
    """The determinant."""
    return apply("_npi_det", "det", (a,))


def slogdet(a):
    """[sign, logarithm of the absolute value] of the determinant."""
    return list(apply("_npi_slogdet", "slogdet", (a,)))


def inv(a):
    """The inverse."""
    return apply("_npi_inv", "inv", (a,))


def pinv(a, rcond=1e-15, hermitian=False):
    """The pseudo-inverse; singular values below rcond times the largest count as 0.

    Raises NotImplementedError for hermitian matrices.
    """
    if hermitian is True:
        raise NotImplementedError(explain("pinv() knows no hermitian matrices", expected="hermitian=False", given=True))
    if isinstance(rcond, NUMBERS):
        return apply("_npi_pinv_scalar_rcond", "pinv_scalar_rcond", (a,), {"rcond": rcond, "hermitian": hermitian})
    return apply("_npi_pinv", "pinv", (a, rcond), {"hermitian": hermitian})


def solve(a, b):
    """x with ``a x = b``."""
    return apply("_npi_solve", "solve", (a, b))


def tensorinv(a, ind=2):
    """The inverse of a for `tensordot` over its first `ind` axes."""
    return apply("_npi_tensorinv", "tensorinv", (a,), {"ind": ind})


def tensorsolve(a, b, axes=None):
    """x with ``tensordot(a, x, x.ndim) = b``; axes: those of a that go to the end."""
    return apply("_npi_tensorsolve", "tensorsolve", (a, b), {"a_axes": axes})


def eigvals(a):
    """The eigenvalues."""
    return apply("_npi_eigvals", "eigvals", (a,))


def _triangle(UPLO):
    if UPLO not in ("L", "U"):
        raise ValueError(explain("UPLO names a triangle", expected="'L' or 'U'", given=repr(UPLO)))
    return {"UPLO": UPLO}


def eigvalsh(a, UPLO="L"):
    """The eigenvalues of a symmetric matrix, rising, from one of its triangles."""
    return apply("_npi_eigvalsh", "eigvalsh", (a,), _triangle(UPLO))


def eig(a):
    """[eigenvalues, eigenvectors as columns]."""
    return list(apply("_npi_eig", "eig", (a,)))


def eigh(a, UPLO="L"):
    """[eigenvalues, rising, eigenvectors as columns] of a symmetric matrix, from one of its triangles."""
    return list(apply("_npi_eigh", "eigh", (a,), _triangle(UPLO)))
