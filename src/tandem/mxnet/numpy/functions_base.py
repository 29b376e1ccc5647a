"""What the functions of `mx.np` are made of: rows of the operator table that answer `mx.np.ndarray`."""

import functools

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet.ndarray.ndarray import NDArray, mxnet_dtype
from tandem.mxnet.numpy.multiarray import ndarray
from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.views import function_of, parse_context

NUMBERS = (int, float, bool, onp.generic)


@functools.cache
def row(name, public=None):
    """The function of an operator, with the operator's own arguments; it answers `mx.np.ndarray`."""
    function = function_of(OPERATORS[name], ndarray, public, scalars=True)
    function.__module__ = "mxnet.numpy"
    return function


def place(ctx):
    """The context, by default the current one, and torch's device of it."""
    ctx = contexts.current_context() if ctx is None else parse_context(ctx)
    return ctx, ctx.torch_device()


def dtype_given(dtype):
    """torch's dtype, or None where there is none."""
    return None if dtype is None else mxnet_dtype(dtype)


def checked_array(value, name="data"):
    """The array itself.

    Raises AssertionError, as MXNet does, where it is none.
    """
    if not isinstance(value, NDArray):
        raise AssertionError(
            explain(
                f"Argument {name} must have NDArray type",
                expected="a mx.np.ndarray",
                given=f"{type(value).__name__} {value!r}"[:200],
                hint="mx.np.array(...) makes one.",
            )
        )
    return value


def written(result, out):
    """The result, or `out` with the result written into it."""
    if out is None:
        return result
    if not isinstance(out, NDArray):
        raise TypeError(explain("out= takes a mx.np.ndarray", given=type(out).__name__))
    out._assign(result._tensor)
    return out


def as_number(value):
    """A Python number from a number of Python or NumPy."""
    return value.item() if isinstance(value, onp.generic) else value
