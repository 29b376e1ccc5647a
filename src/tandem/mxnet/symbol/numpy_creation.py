"""Functions of `mx.sym.np` that make arrays."""

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet.symbol.numpy_symbol import apply, c_order, checked, dtype_text, refuse_out
from tandem.mxnet.symbol.symbol import Symbol

__all__ = [
    "arange",
    "blackman",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "hamming",
    "hanning",
    "identity",
    "indices",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def _make(name, operator, ctx, dtype, **attrs):
    return apply(operator, name, (), {**attrs, "dtype": dtype_text(dtype), "ctx": ctx})


def zeros(shape, dtype=onp.float32, order="C", ctx=None):
    """Zeros."""
    c_order("zeros", order)
    return _make("zeros", "_npi_zeros", ctx, dtype, shape=shape)


def ones(shape, dtype=onp.float32, order="C", ctx=None):
    """Ones."""
    c_order("ones", order)
    return _make("ones", "_npi_ones", ctx, dtype, shape=shape)


def full(shape, fill_value, dtype=None, order="C", ctx=None, out=None):
    """One number everywhere."""
    c_order("full", order)
    refuse_out("full", out)
    dtype = onp.bool_ if dtype is None and isinstance(fill_value, bool) else dtype or onp.float32
    return _make("full", "_npi_full", ctx, dtype, shape=shape, value=fill_value)


def full_like(a, fill_value, dtype=None, order="C", ctx=None, out=None):
    """One number everywhere, in the shape (and dtype) of a symbol."""
    c_order("full_like", order)
    refuse_out("full_like", out)
    attrs = {"fill_value": float(fill_value), "dtype": dtype_text(dtype), "ctx": ctx}
    return apply("_npi_full_like", "full_like", (checked(a),), attrs)


def zeros_like(a, dtype=None, order="C", ctx=None, out=None):
    """Zeros in the shape of a symbol."""
    return full_like(a, 0, dtype, order, ctx, out)


def ones_like(a, dtype=None, order="C", ctx=None, out=None):
    """Ones in the shape of a symbol."""
    return full_like(a, 1, dtype, order, ctx, out)


def empty_like(prototype, dtype=None, order="C", subok=False, shape=None):
    """An array in the shape of a symbol; it holds zeros.

    Raises NotImplementedError for another shape, and for subclasses.
    """
    if subok or shape is not None:
        raise NotImplementedError(
            explain("empty_like() of symbols keeps the shape", expected="subok=False, shape=None", given=f"{shape}")
        )
    return full_like(prototype, 0, dtype, order)


def arange(start, stop=None, step=1, dtype=None, ctx=None):
    """Numbers from start up to stop (not included; None: from 0 up to start)."""
    start, stop = (0, start) if stop is None else (start, stop)
    return _make("arange", "_npi_arange", ctx, dtype or onp.float32, start=start, stop=stop, step=step)


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, ctx=None):
    """So many numbers from start to stop at equal distances; retstep: (numbers, distance).

    Raises NotImplementedError for bounds that are no numbers, and another axis than 0.
    """
    if isinstance(start, (list, tuple, Symbol)) or isinstance(stop, (list, tuple, Symbol)) or axis != 0:
        raise NotImplementedError(explain("start and stop of linspace() are numbers, axis is 0", given=f"axis={axis}"))
    attrs = {"start": start, "stop": stop, "num": num, "endpoint": endpoint}
    made = _make("linspace", "_linspace", ctx, dtype, **attrs)
    if retstep:
        return made, (stop - start) / (num - 1 if endpoint else num)
    return made


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0, ctx=None):
    """``base`` to the power of `linspace`.

    Raises NotImplementedError for bounds that are no numbers, and another axis than 0.
    """
    if isinstance(start, (list, tuple, Symbol)) or isinstance(stop, (list, tuple, Symbol)) or axis != 0:
        raise NotImplementedError(explain("start and stop of logspace() are numbers, axis is 0", given=f"axis={axis}"))
    attrs = {"start": start, "stop": stop, "num": num, "endpoint": endpoint, "base": base}
    return _make("logspace", "_npi_logspace", ctx, dtype, **attrs)


def eye(N, M=None, k=0, dtype=onp.float32, **kwargs):
    """Ones on the k-th diagonal of an (N, M) matrix."""
    return _make("eye", "_npi_eye", kwargs.get("ctx"), dtype, N=N, M=M, k=k)


def identity(n, dtype=None, ctx=None):
    """The (n, n) matrix with ones on its diagonal."""
    return _make("identity", "_npi_identity", ctx, dtype or onp.float32, shape=(n, n))


def indices(dimensions, dtype=onp.int32, ctx=None):
    """The coordinates of an array of these sizes, along a new first axis."""
    return _make("indices", "_npi_indices", ctx, dtype, dimensions=tuple(dimensions))


def _window(name):
    def function(M, dtype=onp.float32, ctx=None):
        return _make(name, f"_npi_{name}", ctx, dtype, M=M)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {name} window of M points."
    return function


blackman, hamming, hanning = _window("blackman"), _window("hamming"), _window("hanning")
