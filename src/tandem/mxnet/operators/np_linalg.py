"""Operators of `mx.np` and `mx.np.linalg` that multiply, solve and decompose."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import decompositions, linalg, matrices

# --- products --------------------------------------------------------------------------------------------------------


def _dot(a, b):
    """The sum of products over the last axis of a and the last but one of b."""
    return linalg.dot(a, b, rule="numpy")


def _matmul(a, b):
    """The matrix product of the last two axes, the others broadcast."""
    if 0 in (a.dim(), b.dim()):
        raise MXNetError(explain("matmul takes vectors, matrices and stacks of them", given="an array without axes"))
    return linalg.matmul(a, b)


def _tensordot(a, b, *, a_axes_summed, b_axes_summed):
    """The sum of products over pairs of axes."""
    return linalg.tensordot(a, b, (list(a_axes_summed), list(b_axes_summed)))


def _tensordot_last(a, b, *, axes):
    """The sum of products over the last axes of a and the first of b."""
    if not 0 <= axes <= min(a.dim(), b.dim()):
        raise MXNetError(explain("tensordot sums over axes that both have", given=f"axes={axes}"))
    return linalg.tensordot(a, b, axes)


def _einsum(*data, subscripts, optimize):
    """Einstein summation."""
    return linalg.einsum(subscripts, *data)


register("_np_dot", _dot, ("a", "b"))
register("_npi_matmul", _matmul, ("a", "b"))
register("_npi_tensordot", _tensordot, ("a", "b"), {"a_axes_summed": a.sizes(), "b_axes_summed": a.sizes()})
register("_npi_tensordot_int_axes", _tensordot_last, ("a", "b"), {"axes": a.integer()})
register(
    "_npi_einsum",
    _einsum,
    attributes={"num_args": a.integer(0), "subscripts": a.text(""), "optimize": a.integer(0)},
    variadic="num_args",
    aliases_input=True,
)
register("_npi_polyval", decompositions.polynomial_at, ("p", "x"))

# --- matrices --------------------------------------------------------------------------------------------------------


def _square(function, whole=False):
    """The function for stacks of square matrices of floating point numbers, where `whole` of integers too."""

    def compute(A, **options):
        if A.dim() < 2 or A.shape[-1] != A.shape[-2]:
            raise MXNetError(explain("The operator is for square matrices", given=tuple(A.shape)))
        if not whole and not A.is_floating_point():
            raise MXNetError(explain("The operator is for floating point numbers", given=str(A.dtype)))
        return function(A, **options)

    compute.__doc__ = function.__doc__
    return compute


def _svd(A):
    """(U, singular values, V) with ``A = U diag(values) V``."""
    if A.dim() < 2:
        raise MXNetError(explain("svd() is for matrices", given=tuple(A.shape)))
    return decompositions.svd(A)


def _eigh(A, *, UPLO):
    """(eigenvalues, eigenvectors) of symmetric matrices, of which one triangle is read."""
    return decompositions.eigh(A, upper=UPLO == "U")


def _eigvalsh(A, *, UPLO):
    """The eigenvalues of symmetric matrices, of which one triangle is read."""
    return decompositions.eigh(A, upper=UPLO == "U")[0]


def _eig(A):
    """(eigenvalues, eigenvectors); they must be real."""
    return decompositions.eig(A)


def _eigvals(A):
    """The eigenvalues; they must be real."""
    return decompositions.eig(A)[0]


for _name, _function in (
    ("det", matrices.determinant),
    ("inv", matrices.inverse),
    ("cholesky", matrices.cholesky),
    ("slogdet", matrices.sign_and_log_determinant),
):
    register(f"_npi_{_name}", _square(_function), ("A",))
register("_npi_svd", _svd, ("A",))
for _name, _function in (("eigh", _eigh), ("eigvalsh", _eigvalsh)):
    register(f"_npi_{_name}", _square(_function, True), ("A",), {"UPLO": a.choice("L", "U", default="L")})
register("_npi_eig", _eig, ("A",), differentiable=False)
register("_npi_eigvals", _eigvals, ("A",), differentiable=False)


def _solve(A, B):
    """x with ``A x = B``."""
    return decompositions.solve(A, B)


def _pinv(A, rcond, *, hermitian):
    """The pseudo-inverse, singular values up to rcond times the largest counting as 0."""
    _not_hermitian(hermitian)
    return decompositions.pseudo_inverse(A, rcond.unsqueeze(-1))


def _pinv_number(A, *, rcond, hermitian):
    """The pseudo-inverse, singular values up to rcond times the largest counting as 0."""
    _not_hermitian(hermitian)
    return decompositions.pseudo_inverse(A, rcond)


def _not_hermitian(hermitian):
    if hermitian:
        raise MXNetError(explain("pinv() has no way of its own for symmetric matrices", expected="hermitian=False"))


def _tensorinv(a, *, ind):
    """The inverse of a as a map from its axes from `ind` on to those before."""
    return decompositions.tensor_inverse(a, ind)


def _tensorsolve(a, b, *, a_axes):
    """x with ``tensordot(a, x, x.ndim) = b``."""
    return decompositions.tensor_solve(a, b, a_axes)


register("_npi_solve", _solve, ("A", "B"), same_dtype=False)
register("_npi_pinv", _pinv, ("A", "rcond"), {"hermitian": a.flag(False)})
register(
    "_npi_pinv_scalar_rcond",
    _pinv_number,
    ("A",),
    {"rcond": a.real(1.0000000000000001e-15), "hermitian": a.flag(False)},
)
register("_npi_tensorinv", _tensorinv, ("a",), {"ind": a.integer(2)})
register("_npi_tensorsolve", _tensorsolve, ("a", "b"), {"a_axes": a.sizes(())}, same_dtype=False)
