"""Functions of `mx.np` that multiply arrays, and polynomials."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.numpy.functions_base import checked_array, row

__all__ = ["dot", "einsum", "inner", "matmul", "outer", "polyval", "tensordot", "vdot"]


def dot(a, b, out=None):
    """The sum of products over the last axis of a and the last but one of b; an array without axes multiplies."""
    return row("_np_dot", "dot")(a, b, out=out)


def matmul(a, b, out=None, **kwargs):
    """The matrix product of the last two axes, the others broadcast; vectors as rows and columns."""
    if kwargs:
        raise TypeError(f"matmul() got an unexpected keyword argument '{next(iter(kwargs))}'")
    return row("_npi_matmul", "matmul")(a, b, out=out)


def tensordot(a, b, axes=2):
    """The sum of products over the last `axes` axes of a and first of b, or over a pair of (lists of) axes.

    Raises ValueError where the two lists differ in length, MXNetError where something is no array.
    """
    for value in (a, b):
        if not isinstance(value, NDArray):
            raise MXNetError(explain("tensordot() takes two arrays", given=type(value).__name__))
    if isinstance(axes, int):
        return row("_npi_tensordot_int_axes", "tensordot")(a, b, axes)
    if len(axes) != 2:
        raise ValueError(explain("Axes must consist of two arrays", given=f"axes={axes}"))
    first, second = ((side,) if isinstance(side, int) else tuple(side) for side in axes)
    if len(first) != len(second):
        raise ValueError(explain("Axes length mismatch", given=f"axes={axes}"))
    return row("_npi_tensordot", "tensordot")(a, b, first, second)


def inner(a, b):
    """The sum of products over the last axis of both."""
    for value in (a, b):
        if not isinstance(value, NDArray):
            raise MXNetError(explain("inner() takes two arrays", given=type(value).__name__))
    if 0 in (a.ndim, b.ndim):
        return dot(a, b)
    return tensordot(a, b, [-1, -1])


def outer(a, b):
    """``y[i, j] = a[i] b[j]`` over the flattened a and b."""
    return tensordot(a.flatten(), b.flatten(), 0)


def vdot(a, b):
    """The sum of products of the flattened a and b."""
    return tensordot(a.flatten(), b.flatten(), 1)


def einsum(*operands, **kwargs):
    """Einstein summation: ``einsum("ij,jk->ik", a, b)``; the optimize= and out= of NumPy."""
    subscripts, *arrays = operands
    optimize, out = kwargs.pop("optimize", False), kwargs.pop("out", None)
    if kwargs:
        raise TypeError(f"einsum() got an unexpected keyword argument '{next(iter(kwargs))}'")
    if not isinstance(subscripts, str):
        checked_array(next((one for one in operands if not isinstance(one, NDArray)), subscripts), "of einsum")
        raise MXNetError(explain("einsum() takes subscripts first", given=type(subscripts).__name__))
    return row("_npi_einsum", "einsum")(*arrays, subscripts=subscripts, optimize=int(bool(optimize)), out=out)


def polyval(p, x):
    """``p[0] x^(n-1) + ... + p[n-1]``.

    Raises TypeError where something is no array, ValueError where p is no vector.
    """
    if not isinstance(p, NDArray) or not isinstance(x, NDArray):
        raise TypeError(explain("type not supported", expected="two arrays", given=f"{type(p)}, {type(x)}"))
    if p.ndim != 1:
        raise ValueError(explain("p is a vector of coefficients", given=f"shape {p.shape}"))
    return row("_npi_polyval", "polyval")(p, x)
