"""Functions that MXNet's `mx.np` has from 2.0 on, as NumPy has them, with gradients."""

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet.ndarray.ndarray import NDArray, mxnet_dtype
from tandem.mxnet.numpy.functions_base import NUMBERS, as_number, checked_array, place, written
from tandem.mxnet.numpy.multiarray import call, ndarray
from tandem.ops import arrangement, elementwise, matrices, promoted, reduce, sequences, statistics

__all__ = [
    "cross",
    "cumprod",
    "kron",
    "median",
    "nanmean",
    "nansum",
    "tri",
    "tril_indices",
    "triu",
    "triu_indices",
]


def _binary(name, function, doc):
    compute, of_numbers = promoted.paired(function), getattr(onp, name)

    def operator(x1, x2, out=None):
        if isinstance(x1, NUMBERS) and isinstance(x2, NUMBERS):
            return of_numbers(x1, x2)
        for value in (x1, x2):
            if not isinstance(value, (NDArray, *NUMBERS)):
                raise TypeError(explain(f"type {type(value)} not supported", expected="a mx.np.ndarray or a number"))
        like = x1 if isinstance(x1, NDArray) else x2
        operands = (value._tensor if isinstance(value, NDArray) else as_number(value) for value in (x1, x2))
        return written(call(name, compute, like, *operands), out)

    operator.__name__ = operator.__qualname__ = name
    operator.__doc__ = doc
    return operator


for _name, _function, _doc in (
    ("logical_and", elementwise.logical_and, "Whether both are not 0."),
    ("logical_or", elementwise.logical_or, "Whether one is not 0."),
    ("logical_xor", elementwise.logical_xor, "Whether exactly one is not 0."),
    ("floor_divide", elementwise.floor_divide, "``floor(x1 / x2)``."),
    ("fmod", elementwise.fmod, "What remains of x1 divided by x2, with x1's sign."),
    ("fmax", elementwise.fmax, "The larger of x1 and x2, of NaN the other one."),
    ("fmin", elementwise.fmin, "The smaller of x1 and x2, of NaN the other one."),
    ("gcd", elementwise.gcd, "The greatest common divisor."),
    ("logaddexp", elementwise.logaddexp, "``log(exp(x1) + exp(x2))``."),
    ("left_shift", elementwise.bitwise_left_shift, "The bits of x1 shifted to the left x2 times."),
    ("right_shift", elementwise.bitwise_right_shift, "The bits of x1 shifted to the right x2 times."),
):
    globals()[_name] = _binary(_name, _function, _doc)
    __all__.append(_name)


def kron(a, b):
    """The Kronecker product: every entry of a times the whole of b."""
    return call("kron", matrices.kronecker, checked_array(a, "a"), a._tensor, checked_array(b, "b")._tensor)


def cross(a, b, axis=-1):
    """The cross products of vectors of three numbers along an axis."""
    return call(
        "cross",
        lambda x, y: matrices.cross(x, y, axis),
        checked_array(a, "a"),
        a._tensor,
        checked_array(b, "b")._tensor,
    )


def triu(m, k=0):
    """The array with 0 below the k-th diagonal of its last two axes; a vector is every row of a matrix."""
    return call("triu", lambda x: arrangement.upper_triangle(x, k), checked_array(m), m._tensor)


def tri(N, M=None, k=0, dtype=None, ctx=None):
    """Ones on and below the k-th diagonal of an (N, M) matrix."""
    ctx, device = place(ctx)
    made = sequences.triangle_of_ones(N, N if M is None else M, k, dtype=mxnet_dtype(dtype), device=device)
    return ndarray._wrap(made, ctx)


def _triangle_indices(places, ctx):
    return tuple(ndarray._wrap(one, ctx) for one in places)


def tril_indices(n, k=0, m=None, ctx=None):
    """The indices of what lies on and below the k-th diagonal of an (n, m) matrix, an array to each axis."""
    ctx, device = place(ctx)
    return _triangle_indices(sequences.triangle_indices(n, n if m is None else m, k, device=device), ctx)


def triu_indices(n, k=0, m=None, ctx=None):
    """The indices of what lies on and above the k-th diagonal of an (n, m) matrix, an array to each axis."""
    ctx, device = place(ctx)
    return _triangle_indices(sequences.triangle_indices(n, n if m is None else m, k, lower=False, device=device), ctx)


def cumprod(a, axis=None, dtype=None, out=None):
    """Running products along an axis, or of the flattened array."""
    wanted = checked_array(a, "a")._tensor.dtype if dtype is None else mxnet_dtype(dtype)
    return written(call("cumprod", lambda x: reduce.cumprod(x, axis, dtype=wanted), a, a._tensor), out)


def _axes(axis):
    return axis if axis is None else (axis,) if isinstance(axis, (int, onp.integer)) else tuple(axis)


def median(a, axis=None, out=None, overwrite_input=None, keepdims=False):
    """The middle value, or the mean of both middle ones."""
    if overwrite_input:
        raise NotImplementedError(explain("median() does not overwrite its input", expected="overwrite_input=None"))
    axes = _axes(axis)
    if axes is not None:
        axes = tuple(one % checked_array(a, "a").ndim for one in axes)
    result = call("median", lambda x: statistics.percentile(x, 50, axes, keepdims), checked_array(a, "a"), a._tensor)
    return written(result, out)


def nansum(a, axis=None, dtype=None, out=None, keepdims=False):
    """The sum of what is not NaN."""
    wanted = checked_array(a, "a")._tensor.dtype if dtype is None else mxnet_dtype(dtype)
    result = call("nansum", lambda x: reduce.nansum(x, _axes(axis), keepdims, dtype=wanted), a, a._tensor)
    return written(result, out)


def nanmean(a, axis=None, out=None, keepdims=False):
    """The mean of what is not NaN."""
    result = call("nanmean", lambda x: reduce.nanmean(x, _axes(axis), keepdims), checked_array(a, "a"), a._tensor)
    return written(result, out)
