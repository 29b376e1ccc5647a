"""Products of arrays and the linear algebra of `nd.linalg`."""

from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators import shapes
from tandem.mxnet.operators.table import register
from tandem.ops import linalg, matrices

_PRODUCT = {
    "transpose_a": a.flag(False),
    "transpose_b": a.flag(False),
    "forward_stype": a.optional_choice("csr", "default", "row_sparse"),
}


def _dot(lhs, rhs, *, transpose_a, transpose_b, forward_stype):
    """Sum of products over lhs's last (transposed: first) axis and rhs's first (transposed: last).

    forward_stype: the storage of a product with a sparse array; that of dense ones is dense.
    """
    return linalg.dot(lhs, rhs, transpose_a=transpose_a, transpose_b=transpose_b)


def _batch_dot(lhs, rhs, *, transpose_a, transpose_b, forward_stype):
    """The matrix product of each pair in two batches; they are dense, and so is it whatever forward_stype says."""
    return linalg.batch_dot(lhs, rhs, transpose_a=transpose_a, transpose_b=transpose_b)


register("dot", shapes.with_axis(_dot), ("lhs", "rhs"), _PRODUCT)
register("batch_dot", _batch_dot, ("lhs", "rhs"), _PRODUCT)
register("khatri_rao", matrices.khatri_rao, ("args",), variadic="num_args")

_SIDES = {"transpose": a.flag(False), "rightside": a.flag(False), "lower": a.flag(True), "alpha": a.real(1.0)}


def _trmm(A, B, *, transpose, rightside, lower, alpha):
    """The product with a triangular matrix."""
    return matrices.triangular_product(A, B, transpose=transpose, right=rightside, lower=lower, alpha=alpha)


def _trsm(A, B, *, transpose, rightside, lower, alpha):
    """The solution of a triangular system."""
    return matrices.triangular_solve(A, B, transpose=transpose, right=rightside, lower=lower, alpha=alpha)


_OFFSET = {"offset": a.integer(0)}
_TRIANGLE = {"offset": a.integer(0), "lower": a.flag(True)}
_GEMM2 = {
    "transpose_a": a.flag(False),
    "transpose_b": a.flag(False),
    "alpha": a.real(1.0),
    "axis": a.integer(-2),
}
_GEMM = {key: _GEMM2[key] for key in ("transpose_a", "transpose_b", "alpha")}
_GEMM = {**_GEMM, "beta": a.real(1.0), "axis": a.integer(-2)}

for _name, _function, _inputs, _attributes in (
    ("gemm", matrices.gemm, ("A", "B", "C"), _GEMM),
    ("gemm2", matrices.gemm2, ("A", "B"), _GEMM2),
    ("syrk", matrices.syrk, ("A",), {"transpose": a.flag(False), "alpha": a.real(1.0)}),
    ("potrf", matrices.cholesky, ("A",), {"lower": a.flag(True)}),
    ("potri", matrices.inverse_from_cholesky, ("A",), {"lower": a.flag(True)}),
    ("trmm", _trmm, ("A", "B"), _SIDES),
    ("trsm", _trsm, ("A", "B"), _SIDES),
    ("gelqf", matrices.lq, ("A",), {}),
    ("syevd", matrices.eigh, ("A",), {}),
    ("sumlogdiag", shapes.with_axis(matrices.sum_log_diagonal), ("A",), {}),
    ("extractdiag", matrices.diagonal, ("A",), _OFFSET),
    ("makediag", matrices.from_diagonal, ("A",), _OFFSET),
    ("extracttrian", matrices.triangle, ("A",), _TRIANGLE),
    ("maketrian", matrices.from_triangle, ("A",), _TRIANGLE),
    ("inverse", matrices.inverse, ("A",), {}),
    ("det", matrices.determinant, ("A",), {}),
    ("slogdet", matrices.sign_and_log_determinant, ("A",), {}),
):
    _aliases = () if _name == "syevd" else (f"linalg_{_name}",)
    register(f"_linalg_{_name}", _function, _inputs, _attributes, aliases=_aliases)
