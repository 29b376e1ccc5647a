"""Functions of `mx.np` that make arrays: float32 unless a dtype is given."""

import numpy as onp
import torch

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray, mxnet_dtype
from tandem.mxnet.numpy.functions_base import NUMBERS, as_number, checked_array, place, row, written
from tandem.mxnet.numpy.functions_shape import broadcast_to
from tandem.mxnet.numpy.multiarray import ndarray
from tandem.ops import sequences

__all__ = [
    "arange",
    "array",
    "blackman",
    "empty",
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


def _c_order(order):
    if order != "C":
        raise NotImplementedError(explain("Arrays are in C order", expected="order='C'", given=f"order={order!r}"))


def _sizes(shape):
    whole = (int, onp.integer)
    if isinstance(shape, ndarray) and shape.ndim == 0 and shape.dtype.kind in "iu":
        shape = shape.item()
    sizes = (shape,) if isinstance(shape, whole) else shape
    if not isinstance(sizes, (tuple, list)) or not all(isinstance(size, whole) and size >= 0 for size in sizes):
        raise MXNetError(explain("A shape is a tuple of sizes", expected="integers from 0 on", given=repr(shape)))
    return tuple(int(size) for size in sizes)


def _filled(maker, shape, dtype, order, ctx, *values):
    _c_order(order)
    ctx, device = place(ctx)
    return ndarray._wrap(maker(_sizes(shape), *values, dtype=mxnet_dtype(dtype), device=device), ctx)


def array(object, dtype=None, ctx=None):
    """A copy of data as an array: float32 from lists and numbers, arrays keep their dtype.

    Raises ValueError for a classic NDArray, TypeError for what is no array of numbers.
    """
    ctx, device = place(ctx)
    if isinstance(object, ndarray):
        source = object._tensor.detach()
        wanted = source.dtype if dtype is None else mxnet_dtype(dtype)
        return ndarray._wrap(source.to(device=device, dtype=wanted, copy=True), ctx)
    if isinstance(object, NDArray):
        raise ValueError(
            explain("mx.np.array() makes no array of an NDArray", hint="NDArray.as_np_ndarray() shares its memory.")
        )
    if dtype is None:
        dtype = object.dtype if isinstance(object, (onp.ndarray, onp.generic)) else "float32"
    try:
        values = onp.array(_plain(object))
        if values.dtype.kind == "c":
            raise TypeError("float() argument must be a string or a real number, not 'complex'")
        if values.dtype.kind not in "biuf":
            values = values.astype(onp.float32)
    except ValueError as error:
        raise TypeError(explain(str(error), expected="numbers in rows of one length")) from None
    tensor = torch.from_numpy(onp.array(values, order="C"))
    return ndarray._wrap(tensor.to(device=device, dtype=mxnet_dtype(dtype)), ctx)


def _plain(value):
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.asnumpy() if isinstance(value, NDArray) else value


def zeros(shape, dtype=None, order="C", ctx=None):
    """Zeros; float32 unless given."""
    return _filled(torch.zeros, shape, dtype, order, ctx)


def ones(shape, dtype=None, order="C", ctx=None):
    """Ones; float32 unless given."""
    return _filled(torch.ones, shape, dtype, order, ctx)


def empty(shape, dtype=None, order="C", ctx=None):
    """An array whose values are not set."""
    return _filled(torch.empty, shape, dtype, order, ctx)


def full(shape, fill_value, dtype=None, order="C", ctx=None, out=None):
    """One value everywhere, or an array broadcast; float32 (booleans: bool, an array its own) unless given."""
    if isinstance(fill_value, NDArray):
        source = fill_value if ctx is None else fill_value.as_in_ctx(ctx)
        source = source if dtype is None else source.astype(dtype)
        return written(broadcast_to(source, _sizes(shape)), out)
    if not isinstance(fill_value, NUMBERS):
        raise MXNetError(explain("fill_value is a number or an array", given=repr(fill_value)[:200]))
    if dtype is None and isinstance(fill_value, (bool, onp.bool_)):
        dtype = "bool"
    result = _filled(torch.full, shape, dtype, order, ctx, as_number(fill_value))
    if out is not None and (out.shape != result.shape or out.dtype != result.dtype):
        raise MXNetError(explain("out= does not fit", expected=f"{result.shape}", given=f"{out.shape}"))
    return written(result, out)


def _like(a, value, dtype, order, out):
    _c_order(order)
    checked_array(a, "a")
    wanted = a._tensor.dtype if dtype is None else mxnet_dtype(dtype)
    made = torch.full(a.shape, _number(value, "fill_value"), dtype=wanted, device=a._tensor.device)
    return written(ndarray._wrap(made, a._ctx), out)


def zeros_like(a, dtype=None, order="C", ctx=None, out=None):
    """Zeros in an array's shape and dtype (or another dtype), on its device."""
    return _moved(_like(a, 0, dtype, order, out), ctx)


def ones_like(a, dtype=None, order="C", ctx=None, out=None):
    """Ones in an array's shape and dtype (or another dtype), on its device."""
    return _moved(_like(a, 1, dtype, order, out), ctx)


def full_like(a, fill_value, dtype=None, order="C", ctx=None, out=None):
    """One value in an array's shape and dtype (or another dtype), on its device."""
    return _moved(_like(a, fill_value, dtype, order, out), ctx)


def _moved(array, ctx):
    return array if ctx is None else array.as_in_ctx(ctx)


def empty_like(prototype, dtype=None, order="C", subok=False, shape=None):
    """An array of another's shape and dtype whose values are not set.

    Raises NotImplementedError for another order or shape, and for subok.
    """
    for name, value, wanted in (("order", order, "C"), ("subok", subok, False), ("shape", shape, None)):
        if value != wanted:
            raise NotImplementedError(explain(f"empty_like() does not have {name}=", expected=wanted, given=value))
    return empty(checked_array(prototype, "prototype").shape, dtype or prototype.dtype, ctx=prototype.context)


def _number(value, name):
    if isinstance(value, ndarray) and value.size == 1:
        return value.item()
    if not isinstance(value, NUMBERS):
        raise MXNetError(explain(f"{name} is a number", given=repr(value)[:200]))
    return as_number(value)


def arange(start, stop=None, step=1, dtype=None, ctx=None):
    """``start, start + step, ...`` below stop (from 0 to start where stop is None); float32 unless given.

    Raises ZeroDivisionError for a step of 0.
    """
    if step == 0:
        raise ZeroDivisionError("step cannot be 0")
    ctx, device = place(ctx)
    step = 1 if step is None else _number(step, "step")
    if start is None and stop is None:
        stop = 0  # as in MXNet: nothing to count to
    start, stop = (0, start) if stop is None else (0 if start is None else start, stop)
    start, stop = _number(start, "start"), _number(stop, "stop")
    if not all(map(onp.isfinite, (start, stop, step))):
        raise MXNetError(explain("arange() counts between finite numbers", given=f"{start}, {stop}, {step}"))
    return ndarray._wrap(sequences.steps(start, stop, step, dtype=mxnet_dtype(dtype), device=device), ctx)


def _one_axis(start, stop, num, axis):
    if isinstance(start, (list, NDArray, onp.ndarray)) or isinstance(stop, (list, NDArray, onp.ndarray)):
        raise NotImplementedError(explain("start and stop are numbers", given=f"{start!r}, {stop!r}"[:200]))
    if axis != 0:
        raise NotImplementedError(explain("the function makes one axis", expected="axis=0", given=f"axis={axis}"))
    if isinstance(num, bool) or not isinstance(num, (int, onp.integer)) or num < 0:
        raise MXNetError(explain("num is how many numbers to make", expected="an integer from 0 on", given=num))


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, ctx=None):
    """`num` values from start to stop, the latter left out unless `endpoint`; with retstep also their distance."""
    _one_axis(start, stop, num, axis)
    ctx, device = place(ctx)
    values = sequences.spaced(start, stop, int(num), endpoint=endpoint, dtype=mxnet_dtype(dtype), device=device)
    made = ndarray._wrap(values, ctx)
    return (made, (stop - start) / max(num - bool(endpoint), 1)) if retstep else made


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0, ctx=None):
    """``base ^ x`` for `num` values x from start to stop, the latter left out unless `endpoint`."""
    _one_axis(start, stop, num, axis)
    ctx, _ = place(ctx)
    return row("_npi_logspace", "logspace")(
        start=start, stop=stop, num=num, endpoint=endpoint, base=base, ctx=ctx, dtype=dtype or "float32"
    )


def eye(N, M=None, k=0, dtype=None, **kwargs):
    """Ones on the k-th diagonal of an (N, M) array (M None: N); ctx= by name."""
    ctx = kwargs.pop("ctx", None)
    if kwargs:
        raise TypeError(f"eye() got an unexpected keyword argument '{next(iter(kwargs))}'")
    ctx, device = place(ctx)
    rows, columns = _sizes((N, N if M is None else M))
    return ndarray._wrap(sequences.diagonal_ones(rows, columns, k, dtype=mxnet_dtype(dtype), device=device), ctx)


def identity(n, dtype=None, ctx=None):
    """The (n, n) identity.

    Raises ValueError for a negative n, TypeError where it is no integer.
    """
    if not isinstance(n, (int, onp.integer)):
        raise TypeError(explain("Input 'n' should be an integer", given=repr(n)))
    if n < 0:
        raise ValueError(explain("Input 'n' cannot be negative", given=n))
    return eye(n, dtype=dtype, ctx=ctx)


def indices(dimensions, dtype=None, ctx=None):
    """The coordinates of a grid, (number of axes, *dimensions), in int32 unless given."""
    if not isinstance(dimensions, (tuple, list)):
        raise ValueError(explain("The dimensions must be sequence of ints", given=repr(dimensions)))
    ctx, _ = place(ctx)
    return row("_npi_indices", "indices")(dimensions=tuple(dimensions), ctx=ctx, dtype=dtype or "int32")


def _window(name, doc):
    def function(M, dtype=None, ctx=None):
        ctx, _ = place(ctx)
        return row(f"_npi_{name}", name)(M=M, ctx=ctx, dtype=dtype or "float32")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


hanning = _window("hanning", "``0.5 - 0.5 cos(2 pi i / (M - 1))`` for i below M.")
hamming = _window("hamming", "``0.54 - 0.46 cos(2 pi i / (M - 1))`` for i below M.")
blackman = _window("blackman", "``0.42 - 0.5 cos(2 pi i / (M - 1)) + 0.08 cos(4 pi i / (M - 1))`` for i below M.")
