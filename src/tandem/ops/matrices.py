"""Linear algebra on the last two axes: products with scaling, triangular ones, factorisations."""

import torch


def _t(a, transpose):
    return a.mT if transpose else a


def _rows_to(a, axis):
    """The axis of rows moved next to the last one."""
    return a if axis in (-2, a.dim() - 2) else a.movedim(axis, -2)


def gemm2(a, b, *, transpose_a=False, transpose_b=False, alpha=1.0, axis=-2):
    """``alpha * op(a) op(b)``; axis: where the rows are (the columns are last)."""
    y = torch.matmul(_t(_rows_to(a, axis), transpose_a), _t(_rows_to(b, axis), transpose_b))
    y = y if alpha == 1 else y * alpha
    return y if axis in (-2, a.dim() - 2) else y.movedim(-2, axis)


def gemm(a, b, c, *, transpose_a=False, transpose_b=False, alpha=1.0, beta=1.0, axis=-2):
    """``alpha * op(a) op(b) + beta * c``."""
    y = gemm2(a, b, transpose_a=transpose_a, transpose_b=transpose_b, alpha=alpha, axis=axis)
    return y + (c if beta == 1 else c * beta)


def syrk(a, *, transpose=False, alpha=1.0):
    """``alpha * a a^T``, transposed ``alpha * a^T a``."""
    y = torch.matmul(a.mT, a) if transpose else torch.matmul(a, a.mT)
    return y if alpha == 1 else y * alpha


def cholesky(a, *, lower=True):
    """The lower triangular L with ``L L^T = a``, or the upper triangular U with ``U^T U = a``."""
    return torch.linalg.cholesky(a, upper=not lower)


def inverse_from_cholesky(factor, *, lower=True):
    """The inverse of the matrix that a factor belongs to: ``(L L^T)^-1``, or ``(U^T U)^-1`` of an upper triangular
    one.
    """
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device).expand_as(factor)
    inverse = torch.linalg.solve_triangular(factor, identity, upper=not lower)
    return torch.matmul(inverse.mT, inverse) if lower else torch.matmul(inverse, inverse.mT)


def triangular_product(a, b, *, transpose=False, right=False, lower=True, alpha=1.0):
    """``alpha * op(a) b``, or ``alpha * b op(a)``, with the lower (or upper) triangle of a alone."""
    a = _t(torch.tril(a) if lower else torch.triu(a), transpose)
    y = torch.matmul(b, a) if right else torch.matmul(a, b)
    return y if alpha == 1 else y * alpha


def triangular_solve(a, b, *, transpose=False, right=False, lower=True, alpha=1.0):
    """x with ``op(a) x = alpha * b``, or ``x op(a) = alpha * b``, with the lower (or upper) triangle of a alone."""
    a = torch.tril(a) if lower else torch.triu(a)
    upper = not lower
    if transpose:
        a, upper = a.mT, not upper
    y = torch.linalg.solve_triangular(a, b, upper=upper, left=not right)
    return y if alpha == 1 else y * alpha


def lq(a):
    """(q, l) with ``a = l q``: rows of q orthonormal, l lower triangular."""
    q, r = torch.linalg.qr(a.mT)
    return q.mT, r.mT


def eigh(a):
    """(u, values) of a symmetric matrix with ``u^T diag(values) u = a``; the rows of u are the eigenvectors."""
    values, vectors = torch.linalg.eigh(a)
    return vectors.mT, values


def sum_log_diagonal(a):
    """Sum of the logarithms of the diagonal."""
    return torch.diagonal(a, dim1=-2, dim2=-1).log().sum(-1)


def diagonal(a, offset=0):
    """The offset-th diagonal of each matrix."""
    return torch.diagonal(a, offset, -2, -1).clone()


def from_diagonal(a, offset=0):
    """Matrices with the vectors on their offset-th diagonal and 0 elsewhere."""
    return torch.diag_embed(a, offset)


def _triangle(size, offset, lower, device):
    """Rows and columns of a triangle's entries: the lower one row by row, the upper one column by column."""
    if offset < 0 or (offset == 0 and lower):
        return torch.tril_indices(size, size, offset, device=device)
    return torch.tril_indices(size, size, -offset, device=device).flip(0)


def triangle(a, offset=0, *, lower=True):
    """The entries of each matrix on and below the offset-th diagonal, row by row (above it column by column).

    lower: which triangle; for offset < 0 it is the lower, for offset > 0 the upper one.
    """
    rows, columns = _triangle(a.shape[-1], offset, lower, a.device)
    return a[..., rows, columns]


def from_triangle(a, offset=0, *, lower=True):
    """Matrices with the entries of `triangle` in their places and 0 elsewhere."""
    side = round(((8 * a.shape[-1] + 1) ** 0.5 - 1) / 2) + abs(offset)
    rows, columns = _triangle(side, offset, lower, a.device)
    places = (rows * side + columns).expand(a.shape)
    return a.new_zeros((*a.shape[:-1], side * side)).scatter(-1, places, a).unflatten(-1, (side, side))


def inverse(a):
    """The inverse."""
    return torch.linalg.inv(a)


def determinant(a):
    """The determinant."""
    return torch.linalg.det(a)


def sign_and_log_determinant(a):
    """(sign, logarithm of the absolute value) of the determinant."""
    sign, value = torch.linalg.slogdet(a)
    return sign, value


def khatri_rao(*matrices):
    """The column-wise Kronecker product: (n, k) and (m, k) give (n m, k)."""
    y = matrices[0]
    for matrix in matrices[1:]:
        y = (y.unsqueeze(1) * matrix.unsqueeze(0)).reshape(-1, y.shape[1])
    return y


def kronecker(a, b):
    """The Kronecker product: every entry of a times the whole of b."""
    return torch.kron(a, b)


def cross(a, b, axis=-1):
    """The cross products of vectors of three numbers along an axis, the other axes broadcast."""
    return torch.linalg.cross(a, b, dim=axis)


def log_determinant(a):
    """``log(det a)``; NaN where the determinant is negative."""
    return torch.logdet(a)


def distances(a, b):
    """The Euclidean distances of the rows of a to the rows of b: (..., n, m)."""
    return torch.cdist(a, b)
