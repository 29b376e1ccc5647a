"""Decompositions, solutions and norms of matrices and stacks of them, as NumPy has them."""

import math

import torch


def polynomial_at(coefficients, x):
    """``c_0 x^(n-1) + c_1 x^(n-2) + ... + c_(n-1)``; coefficients: a vector, from the highest power down.

    Raises ValueError where the coefficients are no vector.
    """
    if coefficients.dim() != 1:
        raise ValueError(f"coefficients are a vector, got {tuple(coefficients.shape)}")
    y = torch.zeros_like(x)
    for coefficient in coefficients.unbind():
        y = y * x + coefficient
    return y


def floating(*xs):
    """Arrays of one floating point dtype as they are; integers, and arrays of several dtypes, in float64."""
    dtype = xs[0].dtype
    if dtype.is_floating_point and all(x.dtype is dtype for x in xs):
        return xs
    return tuple(x.double() for x in xs)


def svd(a):
    """(u, values, v) with ``a = u diag(values) v``, values falling."""
    u, values, v = torch.linalg.svd(a, full_matrices=False)
    return u, values, v


def eigh(a, *, upper=False):
    """(values, vectors) of symmetric matrices, values rising; one triangle is read, the lower one unless `upper`."""
    (a,) = floating(a)
    values, vectors = torch.linalg.eigh(a, "U" if upper else "L")
    return values, vectors


def eig(a):
    """(values, vectors) of square matrices whose eigenvalues are real; integers in float64.

    Raises ValueError where eigenvalues are complex.
    """
    if a.dim() < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"eigenvalues are those of square matrices, got {tuple(a.shape)}")
    (a,) = floating(a)
    values, vectors = torch.linalg.eig(a)
    if bool((values.imag != 0).any()):
        raise ValueError("the eigenvalues are complex, for which there is no dtype")
    return values.real.contiguous(), vectors.real.contiguous()


def solve(a, b):
    """x with ``a x = b``: b is one vector (or a stack of them) where it has one axis less than a, else columns."""
    a, b = floating(a, b)
    if b.dim() >= a.dim() and a.shape[:-2] != b.shape[:-2]:  # torch would repeat one of the matrices
        raise ValueError(f"there is not a right side to each matrix: {tuple(a.shape)} and {tuple(b.shape)}")
    return torch.linalg.solve(a, b)


def pseudo_inverse(a, rcond):
    """The pseudo-inverse, singular values up to rcond times the largest counting as 0."""
    if a.numel() == 0:
        return torch.zeros_like(a.mT)
    u, values, v = torch.linalg.svd(a, full_matrices=False)
    large = values > values.amax(-1, keepdim=True) * rcond
    inverse = torch.where(large, 1 / torch.where(large, values, 1), 0.0)
    return (v.mT * inverse.unsqueeze(-2)) @ u.mT


def tensor_inverse(a, axes=2):
    """The inverse of a as a map from its axes from `axes` on to those before.

    Raises ValueError where the two do not have equally many elements.
    """
    if axes < 1:
        raise ValueError(f"an inverse needs an axis on either side, got {axes}")
    first, last = a.shape[:axes], a.shape[axes:]
    size = math.prod(first)
    if size != math.prod(last):
        raise ValueError(f"the axes {tuple(first)} and {tuple(last)} do not have equally many elements")
    return torch.linalg.inv(a.reshape(size, size)).reshape(*last, *first)


def tensor_solve(a, b, axes=()):
    """x with ``tensordot(a, x, x.dim()) = b``; axes: those of a that are moved to the end first."""
    order = [place for place in range(a.dim()) if place not in {axis % a.dim() for axis in axes}]
    a = a.permute((*order, *axes))
    sizes = a.shape[b.dim() :]
    size = math.prod(sizes)
    if b.numel() != size or a.numel() != size * size:
        raise ValueError(f"the system is not square: {tuple(a.shape)} for {tuple(b.shape)}")
    flat = a.reshape(size, size)
    return solve(flat, b.reshape(-1)).reshape(sizes)


def least_squares(a, b, rcond):
    """(x, residuals, rank, singular values of a): the x with the least ``|a x - b|``.

    a: (m, n); b: (m,) or (m, k). Singular values up to rcond times the largest count as 0; None: machine precision
    times the larger side. The residuals are empty where they say nothing (rank below n, or m <= n).
    """
    rows, columns = a.shape
    a, b = floating(a, b)
    if rcond is None:
        rcond = torch.finfo(a.dtype).eps * max(rows, columns)
    u, values, v = torch.linalg.svd(a, full_matrices=False)
    large = values > values[:1] * max(rcond, 0.0)  # the largest comes first
    right = b.reshape(rows, math.prod(b.shape[1:]))
    x = v.mT @ (torch.where(large, 1 / torch.where(large, values, 1), 0.0).unsqueeze(-1) * (u.mT @ right))
    rank = large.sum().to(torch.int32)
    residuals = ((a @ x - right) ** 2).sum(0)
    if int(rank) != columns or rows <= columns:
        residuals = residuals[:0]
    return x.reshape(columns, *b.shape[1:]), residuals, rank, values


def vector_norm(x, order=2.0, axis=None, keepdims=False):
    """``(sum |x|^order)^(1 / order)`` over axes (None: all); of integers cut to their dtype. The gradient at 0 is 0."""
    if not x.is_floating_point():
        return vector_norm(x.double(), order, axis, keepdims).to(x.dtype)
    return torch.linalg.vector_norm(x, order, axis, keepdims)


def matrix_norm(x, order="fro", axes=(-2, -1), keepdims=False):
    """A norm of the matrices in two axes: "fro", "nuc", 1, -1, 2, -2, inf, -inf."""
    if not x.is_floating_point():
        return matrix_norm(x.double(), order, axes, keepdims).to(x.dtype)
    if order == "fro":
        return torch.linalg.vector_norm(x, 2, axes, keepdims)
    if order in ("nuc", 2, -2):
        values = torch.linalg.svdvals(x.movedim(axes, (-2, -1)))
        y = values.sum(-1) if order == "nuc" else values.amax(-1) if order == 2 else values.amin(-1)
        for axis in sorted(axis % x.dim() for axis in axes) if keepdims else ():
            y = y.unsqueeze(axis)
        return y
    rows, columns = axes
    summed, chosen = (rows, columns) if abs(order) == 1 else (columns, rows)
    sums = x.abs().sum(summed, keepdim=True)
    y = sums.amax(chosen, keepdim=True) if order > 0 else sums.amin(chosen, keepdim=True)
    return y if keepdims else y.squeeze(axes)
