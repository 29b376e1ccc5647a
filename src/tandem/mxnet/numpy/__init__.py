"""`mx.np`: arrays with NumPy's behaviour, and what makes them.

The functions on arrays (`mx.np.exp`, `mx.np.concatenate`, ...), `mx.np.random` and `mx.np.linalg` are not there yet.
"""

import numpy as onp
import torch

from tandem.core.errors import Unsupported, explain
from tandem.mxnet import context as contexts
from tandem.mxnet.base import missing
from tandem.mxnet.ndarray.ndarray import NDArray, mxnet_dtype
from tandem.mxnet.numpy.multiarray import ndarray
from tandem.mxnet.views import parse_context
from tandem.ops import sequences

__all__ = [
    "arange",
    "array",
    "empty",
    "eye",
    "full",
    "full_like",
    "identity",
    "linspace",
    "ndarray",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]

pi, e, inf, nan, newaxis = onp.pi, onp.e, onp.inf, onp.nan, None
float16, float32, float64, bool_ = onp.float16, onp.float32, onp.float64, onp.bool_
int8, int32, int64, uint8 = onp.int8, onp.int32, onp.int64, onp.uint8


def _place(ctx):
    ctx = contexts.current_context() if ctx is None else parse_context(ctx)
    return ctx, ctx.torch_device()


def _filled(maker, shape, dtype, order, ctx, *values):
    if order != "C":
        raise NotImplementedError(explain("Arrays are in C order", expected="order='C'", given=f"order={order!r}"))
    ctx, device = _place(ctx)
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    return ndarray._wrap(maker(sizes, *values, dtype=mxnet_dtype(dtype), device=device), ctx)


def array(object, dtype=None, ctx=None):
    """A copy of data as an array: float32 from lists and numbers, arrays keep their dtype.

    Raises ValueError for a classic NDArray, TypeError for what is no array of numbers.
    """
    ctx, device = _place(ctx)
    if isinstance(object, ndarray):
        source = object._tensor.detach()
        wanted = source.dtype if dtype is None else mxnet_dtype(dtype)
        return ndarray._wrap(source.to(device=device, dtype=wanted, copy=True), ctx)
    if isinstance(object, NDArray):
        raise ValueError(
            explain("mx.np.array() makes no array of an NDArray", hint="NDArray.as_np_ndarray() shares its memory.")
        )
    if dtype is None:
        dtype = object.dtype if isinstance(object, onp.ndarray) else "float32"
    try:
        values = onp.array(_plain(object))
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
    """One value everywhere; float32 (booleans: bool) unless given."""
    if dtype is None and isinstance(fill_value, bool):
        dtype = "bool"
    result = _filled(torch.full, shape, dtype, order, ctx, fill_value)
    if out is None:
        return result
    out._assign(result._tensor)
    return out


def _like(a, value, dtype):
    wanted = a._tensor.dtype if dtype is None else mxnet_dtype(dtype)
    return ndarray._wrap(torch.full(a.shape, value, dtype=wanted, device=a._tensor.device), a._ctx)


def zeros_like(a, dtype=None):
    """Zeros in an array's shape and dtype."""
    return _like(a, 0, dtype)


def ones_like(a, dtype=None):
    """Ones in an array's shape and dtype."""
    return _like(a, 1, dtype)


def full_like(a, fill_value, dtype=None):
    """One value in an array's shape and dtype."""
    return _like(a, fill_value, dtype)


def arange(start, stop=None, step=1, dtype=None, ctx=None):
    """``start, start + step, ...`` below stop (from 0 to start where stop is None); float32 unless given."""
    ctx, device = _place(ctx)
    start, stop = (0, start) if stop is None else (start, stop)
    return ndarray._wrap(sequences.steps(start, stop, step, dtype=mxnet_dtype(dtype), device=device), ctx)


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, ctx=None):
    """`num` values from start to stop, the latter left out unless `endpoint`; with retstep also their distance."""
    if axis != 0:
        raise NotImplementedError(explain("linspace() makes one axis", expected="axis=0", given=f"axis={axis}"))
    ctx, device = _place(ctx)
    values = sequences.spaced(start, stop, num, endpoint=endpoint, dtype=mxnet_dtype(dtype), device=device)
    array = ndarray._wrap(values, ctx)
    return (array, (stop - start) / max(num - endpoint, 1)) if retstep else array


def eye(N, M=None, k=0, dtype=None, ctx=None):
    """Ones on the k-th diagonal of an (N, M) array (M None: N)."""
    ctx, device = _place(ctx)
    values = sequences.diagonal_ones(N, N if M is None else M, k, dtype=mxnet_dtype(dtype), device=device)
    return ndarray._wrap(values, ctx)


def identity(n, dtype=None, ctx=None):
    """The (n, n) identity."""
    return eye(n, dtype=dtype, ctx=ctx)


def __getattr__(name):
    if name.startswith("_") or not (hasattr(onp, name) or name in ("random", "linalg")):
        raise missing("mxnet.numpy", name, __all__)

    def unsupported(*args, **kwargs):
        raise Unsupported(
            explain(
                f"mx.np.{name} is not supported yet",
                expected="the methods of mx.np.ndarray, or mx.nd",
                hint="as_nd_ndarray() and as_np_ndarray() share memory between the two kinds of arrays.",
            )
        )

    unsupported.__name__ = unsupported.__qualname__ = name
    return unsupported


def __dir__():
    return sorted({*globals(), *__all__})
