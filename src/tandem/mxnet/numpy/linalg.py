"""`mx.np.linalg`: norms, solutions and decompositions of matrices and stacks of them."""

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.numpy.fallback import computed_by_numpy
from tandem.mxnet.numpy.functions_base import checked_array, row
from tandem.mxnet.numpy.multiarray import call, ndarray
from tandem.ops import decompositions

__all__ = [
    "cholesky",
    "cond",
    "det",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
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

    Over one axis ord is a number p: ``(sum |x|^p)^(1/p)``, 0 counts what is not 0; over two "fro", "nuc", 1, -1, 2, -2,
    inf, -inf.
    """
    checked_array(x)
    if ord is None:
        axes = axis if axis is None or isinstance(axis, int) else tuple(axis)
        if isinstance(axes, tuple) and len(axes) > 2:
            raise MXNetError(explain("Improper number of dimensions to norm", given=f"axis={axis}"))
        return call("norm", lambda t: decompositions.vector_norm(t, 2.0, axes, keepdims), x, x._tensor)
    if isinstance(ord, str) and ord not in ("fro", "nuc"):
        if ord not in ("inf", "-inf"):
            raise MXNetError(explain("There is no such norm", expected="'fro', 'nuc' or a number", given=repr(ord)))
        ord = float(ord)
    if axis is None:
        axis = tuple(range(x.ndim))[-2:]
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    if len(axes) == 1:
        order = 2.0 if ord == "fro" else ord
        if isinstance(order, str):
            raise MXNetError(explain("A norm of vectors", expected="a number", given=repr(ord)))
        return call("norm", lambda t: decompositions.vector_norm(t, float(order), axes, keepdims), x, x._tensor)
    if len(axes) != 2 or axes[0] % x.ndim == axes[1] % x.ndim:
        raise MXNetError(explain("A norm has one axis, or two different ones", given=f"axis={axis}"))
    if ord not in ("fro", "nuc", 1, -1, 2, -2, onp.inf, -onp.inf):
        raise MXNetError(explain("There is no such norm of matrices", given=f"ord={ord!r}"))
    return call("norm", lambda t: decompositions.matrix_norm(t, ord, axes, keepdims), x, x._tensor)


def svd(a):
    """(ut, l, v) with ``a = ut diag(l) v``, l falling; of (..., m, n) matrices with m <= n."""
    return tuple(row("_npi_svd", "svd")(a))


def cholesky(a):
    """The lower triangular L with ``L L^T = a``."""
    return row("_npi_cholesky", "cholesky")(a)


def det(a):
    """The determinant."""
    return row("_npi_det", "det")(a)


def slogdet(a):
    """(sign, logarithm of the absolute value) of the determinant."""
    return row("_npi_slogdet", "slogdet")(a)


def inv(a):
    """The inverse."""
    return row("_npi_inv", "inv")(a)


def solve(a, b):
    """x with ``a x = b``."""
    return row("_npi_solve", "solve")(a, b)


def pinv(a, rcond=1e-15, hermitian=False):
    """The pseudo-inverse; singular values up to rcond (a number, or one to each matrix) times the largest are 0.

    Raises NotImplementedError for hermitian.
    """
    if hermitian:
        raise NotImplementedError(explain("pinv() has no way for symmetric matrices", expected="hermitian=False"))
    if isinstance(rcond, NDArray):
        return row("_npi_pinv", "pinv")(a, rcond, hermitian=False)
    return row("_npi_pinv_scalar_rcond", "pinv")(a, rcond=float(rcond), hermitian=False)


def _upper(UPLO):
    return "U" if str(UPLO).upper() == "U" else "L"


def eigh(a, UPLO="L"):
    """(eigenvalues, eigenvectors) of symmetric matrices, of which the lower ("L") or upper ("U") triangle is read."""
    return tuple(row("_npi_eigh", "eigh")(a, UPLO=_upper(UPLO)))


def eigvalsh(a, UPLO="L"):
    """The eigenvalues of symmetric matrices, rising."""
    return row("_npi_eigvalsh", "eigvalsh")(a, UPLO=_upper(UPLO))


def eig(a):
    """(eigenvalues, eigenvectors); without gradients.

    Raises MXNetError where they are complex.
    """
    return tuple(row("_npi_eig", "eig")(a))


def eigvals(a):
    """The eigenvalues; without gradients.

    Raises MXNetError where they are complex.
    """
    return row("_npi_eigvals", "eigvals")(a)


def tensorinv(a, ind=2):
    """The inverse of a as a map from its axes from `ind` on to those before."""
    return row("_npi_tensorinv", "tensorinv")(a, ind=ind)


def tensorsolve(a, b, axes=None):
    """x with ``tensordot(a, x, x.ndim) = b``; axes: those of a that are moved to the end first."""
    return row("_npi_tensorsolve", "tensorsolve")(a, b, a_axes=axes or ())


def lstsq(a, b, rcond="warn"):
    """(x, residuals, rank, singular values of a): the x with the least ``|a x - b|``.

    rcond: singular values up to it times the largest are 0; None: precision times the larger side; "warn": as -1,
    precision alone.
    """
    checked_array(a, "a")
    if a.ndim != 2 or checked_array(b, "b").ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise onp.linalg.LinAlgError(
            explain("lstsq() takes a matrix, and a vector or a matrix with as many rows", given=f"{a.shape}, {b.shape}")
        )
    if onp.float16 in (a.dtype, b.dtype):
        raise TypeError(explain("lstsq() has no way for float16", expected="float32, float64 or integers"))
    number = -1.0 if rcond == "warn" else rcond
    if isinstance(number, str):
        raise TypeError(explain("rcond is a number or None", given=repr(rcond)))
    found = decompositions.least_squares(a._tensor.detach(), b._tensor.detach(), number)
    x, residuals, rank, values = (ndarray._wrap(one, a._ctx) for one in found)
    return x, residuals, onp.int32(rank.item()), values


def _numpys(name, doc):
    def function(*args, **kwargs):
        return computed_by_numpy(f"linalg.{name}", getattr(onp.linalg, name), args, kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    function.__wrapped__ = getattr(onp.linalg, name)
    return function


cond = _numpys("cond", "The ratio of the largest to the smallest singular value; computed by NumPy.")
matrix_power = _numpys("matrix_power", "A square matrix to a whole power; computed by NumPy.")
matrix_rank = _numpys("matrix_rank", "How many singular values are not 0; computed by NumPy.")
multi_dot = _numpys("multi_dot", "The product of several matrices in the cheapest order; computed by NumPy.")
qr = _numpys("qr", "(q, r) with ``a = q r``; computed by NumPy.")
