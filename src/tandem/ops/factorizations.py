"""Decompositions, solutions and norms as `torch.linalg` has them, in the shapes that Keras gives."""

import warnings

import torch


def cholesky(a, upper=False):
    """L with ``a = L L^T``, or its transpose."""
    return torch.linalg.cholesky(a, upper=upper)


def cholesky_inverse(factor, upper=False):
    """The inverse of the matrix with this Cholesky factor."""
    return torch.cholesky_inverse(factor, upper)


def determinant(a):
    """The determinants."""
    return torch.linalg.det(a)


def sign_and_log(a):
    """(sign, logarithm of the absolute value) of the determinants."""
    sign, log = torch.linalg.slogdet(a)
    return sign, log


def eig(a):
    """(values, vectors), complex."""
    values, vectors = torch.linalg.eig(a)
    return values, vectors


def eigh(a):
    """(values rising, vectors) of symmetric matrices."""
    values, vectors = torch.linalg.eigh(a)
    return values, vectors


def exponential(a):
    """The exponential of square matrices: the sum of their powers over the factorials."""
    return torch.linalg.matrix_exp(a)


def inverse(a):
    """The inverses."""
    return torch.linalg.inv(a)


def lu(a):
    """(L and U in one matrix, pivots from 0)."""
    factors, pivots = torch.linalg.lu_factor(a)
    return factors, pivots - 1


def norm(x, ord=None, axis=None, keepdims=False):
    """A vector's norm over one axis, a matrix's over two."""
    return torch.linalg.norm(x, ord, axis, keepdims)


def qr(a, mode):
    """(Q, R)."""
    q, r = torch.linalg.qr(a, mode)
    return q, r


def solve(a, b):
    """x with ``a x = b``."""
    return torch.linalg.solve(a, b)


def solve_triangular(a, b, lower):
    """x with ``a x = b`` of a triangular a; b: columns, or one vector."""
    if b.dim() == a.dim() - 1:
        return torch.linalg.solve_triangular(a, b.unsqueeze(-1), upper=not lower).squeeze(-1)
    return torch.linalg.solve_triangular(a, b, upper=not lower)


def svd(a, full, vectors):
    """(U, values, V^T), or the values alone."""
    if not vectors:
        return torch.linalg.svdvals(a)
    u, values, v = torch.linalg.svd(a, full_matrices=full)
    return u, values, v


def least_squares(a, b, rcond=None):
    """x with the least ``|a x - b|``, of smallest norm."""
    limit = max(a.shape) * torch.finfo(a.dtype).eps if rcond is None else rcond
    x = torch.linalg.pinv(a, rtol=limit) @ (b if b.dim() == 2 else b.unsqueeze(1))
    return x if b.dim() == 2 else x.squeeze(1)


def rank(a, tol=None):
    """How many singular values are above `tol`: int32."""
    return (
        torch.linalg.matrix_rank(a, tol=tol).to(torch.int32)
        if tol is not None
        else (torch.linalg.matrix_rank(a).to(torch.int32))
    )


def pseudo_inverse(a, rcond=None):
    """The pseudo-inverse."""
    return torch.linalg.pinv(a) if rcond is None else torch.linalg.pinv(a, rtol=rcond)


def directional_derivative(function, primals, tangents, has_aux):
    """(values, derivatives along the tangents), with what else the function returns behind."""
    with warnings.catch_warnings():  # torch 2.13 warns of its own use of torch.jit when it loads its rules
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.func.jvp(function, primals, tangents, has_aux=has_aux)


def lu_with_order(a):
    """(L and U in one matrix, the order p of a's rows, int32) with ``a[p] = L U``."""
    order, lower, upper = torch.linalg.lu(a)
    factors = lower.tril(-1)[..., :, : a.shape[-1]] if lower.shape[-1] >= a.shape[-1] else lower.tril(-1)
    if factors.shape != a.shape:
        factors = torch.nn.functional.pad(factors, (0, a.shape[-1] - factors.shape[-1]))
    upper = torch.nn.functional.pad(upper, (0, 0, 0, a.shape[-2] - upper.shape[-2]))
    return factors + upper, order.abs().argmax(-2).to(torch.int32)


def lu_parts(factors):
    """(L, U) of both in one square matrix."""
    return factors.tril(-1) + torch.eye(factors.shape[-1], dtype=factors.dtype, device=factors.device), factors.triu()


def square_root(a):
    """The matrix whose square is `a`, by its eigenvalues; a must be diagonalisable, without negative eigenvalues."""
    return _of_eigenvalues(torch.sqrt, a)


def logarithm(a):
    """The matrix whose exponential is `a`, by its eigenvalues; a must be diagonalisable."""
    return _of_eigenvalues(torch.log, a)


def _of_eigenvalues(function, a):
    values, vectors = torch.linalg.eig(a)
    found = torch.linalg.solve(vectors, vectors * function(values).unsqueeze(-2), left=False)
    return found if a.is_complex() else found.real


def tridiagonal(upper, middle, lower):
    """Matrices of three diagonals of one length; the last number of `upper` and the first of `lower` are not used."""
    return (
        torch.diag_embed(middle)
        + torch.diag_embed(upper[..., :-1], offset=1)
        + torch.diag_embed(lower[..., 1:], offset=-1)
    )


def diagonals(x, low, high, fill=0.0, align="RIGHT_LEFT"):
    """The diagonals from `high` to `low` of matrices, one a row: (…, count, longest), filled up by `align`.

    align: where the shorter of those above and those below the main diagonal end ("RIGHT_LEFT": right, left).
    """
    rows, columns = x.shape[-2:]
    lengths = {k: min(rows + min(k, 0), columns - max(k, 0)) for k in range(low, high + 1)}
    longest = max(lengths.values())
    found = []
    for k in range(high, low - 1, -1):
        line, gap = torch.diagonal(x, k, -2, -1), longest - lengths[k]
        found.append(torch.nn.functional.pad(line, (gap, 0) if _to_right(k, align) else (0, gap), value=fill))
    return found[0] if low == high else torch.stack(found, -2)


def _to_right(k, align):
    above, below = align.split("_")
    return (above if k >= 0 else below) == "RIGHT"


def with_diagonals(x, lines, low, high, align="RIGHT_LEFT"):
    """Matrices of which the diagonals from `high` to `low` are those in `lines`, as `diagonals` gives them."""
    rows, columns = x.shape[-2:]
    found = x.clone()
    lines = lines.unsqueeze(-2) if low == high else lines
    for place, k in enumerate(range(high, low - 1, -1)):
        size = min(rows + min(k, 0), columns - max(k, 0))
        gap = lines.shape[-1] - size
        line = lines[..., place, gap:] if _to_right(k, align) else lines[..., place, :size]
        found = torch.diagonal_scatter(found, line.expand(torch.diagonal(found, k, -2, -1).shape), k, -2, -1)
    return found
