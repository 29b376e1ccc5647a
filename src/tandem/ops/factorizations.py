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
