"""Functions that make arrays: from data, from nothing, from ranges."""

import numpy as np
import torch

from tandem.core.arrays import Array
from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet import util
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray, mxnet_dtype
from tandem.mxnet.ndarray.sparse_creation import array as sparse_array
from tandem.mxnet.ndarray.sparse_creation import is_scipy
from tandem.mxnet.views import parse_context
from tandem.ops import sequences

__all__ = [
    "arange",
    "array",
    "concatenate",
    "empty",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "histogram",
    "linspace",
    "moveaxis",
    "onehot_encode",
    "ones",
    "split_v2",
    "to_dlpack_for_read",
    "to_dlpack_for_write",
    "zeros",
]


def _place(ctx):
    ctx = contexts.current_context() if ctx is None else parse_context(ctx)
    return ctx, ctx.torch_device()


def _sizes(shape):
    return (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)


def _made(tensor, ctx, out=None):
    if out is None:
        return NDArray._wrap(tensor, ctx)
    if out.shape != tensor.shape:
        raise MXNetError(explain("out= has another shape", expected=tuple(tensor.shape), given=out.shape))
    out._assign(tensor)
    return out


def array(source_array, ctx=None, dtype=None):
    """An array with a copy of the data: an NDArray (keeps its dtype), a numpy array, a list or a number (float32).

    Raises TypeError for what is no array of numbers.
    """
    ctx, device = _place(ctx)
    if isinstance(source_array, Array):
        try:
            source = source_array._tensor.detach()
        except AttributeError:
            return sparse_array(source_array, ctx, dtype)
        wanted = source.dtype if dtype is None else mxnet_dtype(dtype)
        return NDArray._wrap(source.to(device=device, dtype=wanted, copy=True), ctx)
    if isinstance(source_array, torch.Tensor):
        source_array = source_array.detach().cpu().numpy()
    wanted = mxnet_dtype(dtype)
    if not isinstance(source_array, np.ndarray):
        if is_scipy(source_array):
            return sparse_array(source_array, ctx, dtype)
        if _holds_arrays(source_array):
            raise TypeError(
                explain(
                    "source_array must be array like object",
                    expected="numbers",
                    given="a list of NDArrays",
                    hint="mx.nd.stack(*arrays) makes one array of them.",
                )
            )
        try:
            source_array = np.array(source_array, dtype=None if source_array is not None else np.float32)
            if source_array.dtype.kind not in "biuf":
                source_array = source_array.astype(np.float32)
        except (TypeError, ValueError):
            raise TypeError(
                explain("source_array must be array like object", given=type(source_array).__name__)
            ) from None
    if source_array.dtype.kind not in "biuf":
        raise TypeError(explain("source_array must hold numbers", given=f"dtype {source_array.dtype}"))
    if source_array.dtype.kind == "u" and source_array.dtype.itemsize > 1:
        source_array = source_array.astype(np.int64)
    # A copy in C order; torch.tensor() would warn about arrays that cannot be written.
    tensor = torch.from_numpy(np.array(source_array, order="C", copy=True).reshape(source_array.shape))
    made = NDArray._wrap(tensor.to(device=device, dtype=wanted), ctx)
    if not tensor.dim():  # a number has no axes, whatever np_shape says; what operators make of it has one
        made._tensor = made._tensor.reshape(())
    return made


def _holds_arrays(value):
    return isinstance(value, (list, tuple)) and any(isinstance(item, Array) or _holds_arrays(item) for item in value)


def empty(shape, ctx=None, dtype=None, stype=None):
    """An array whose values are not set."""
    return _filled(torch.empty, shape, ctx, dtype, stype)


def zeros(shape, ctx=None, dtype=None, stype=None, **kwargs):
    """Zeros; the dtype is float32 unless given."""
    return _filled(torch.zeros, shape, ctx, dtype, stype, **kwargs)


def ones(shape, ctx=None, dtype=None, **kwargs):
    """Ones; the dtype is float32 unless given."""
    return _filled(torch.ones, shape, ctx, dtype, kwargs.pop("stype", None), **kwargs)


def _filled(maker, shape, ctx, dtype, stype, out=None, name=None):
    if stype not in (None, "default"):
        from tandem.mxnet.ndarray import sparse_creation

        if maker is torch.ones:
            raise MXNetError(explain("ones() makes dense arrays", given=f"stype={stype!r}"))
        return sparse_creation.zeros(stype, shape, ctx, dtype, **({} if out is None else {"out": out}))
    ctx, device = _place(ctx)
    sizes = _sizes(shape) if maker is torch.empty else _known(_sizes(shape))
    tensor = maker(sizes, dtype=mxnet_dtype(dtype), device=device)
    return _made(tensor, ctx, out)


def _known(sizes):
    """The sizes of an array to be filled: without np_shape, 0 and no sizes at all say that they are not known.

    Raises MXNetError then, and for negative ones.
    """
    unknown = any(size < 0 for size in sizes) or (not util.is_np_shape() and (not sizes or 0 in sizes))
    if unknown:
        raise MXNetError(
            explain(
                "An array of unknown shape cannot be filled",
                expected="sizes above 0 (of 0 and none only under mx.np_shape())",
                given=tuple(sizes),
            )
        )
    return sizes


def full(shape, val, ctx=None, dtype=np.float32, out=None):
    """One value everywhere."""
    ctx, device = _place(ctx)
    return _made(torch.full(_sizes(shape), val, dtype=mxnet_dtype(dtype), device=device), ctx, out)


def arange(start, stop=None, step=1.0, repeat=1, infer_range=None, ctx=None, dtype=np.float32):
    """``start, start + step, ...`` below `stop` (from 0 to `start` where `stop` is None), each `repeat` times."""
    if infer_range is not None:
        import warnings

        warnings.warn("`infer_range` argument has been deprecated", DeprecationWarning, stacklevel=2)
    ctx, device = _place(ctx)
    start, stop = (0, start) if stop is None else (start, stop)
    if step == 0 or (stop - start) / step < 0 or start == stop:
        raise MXNetError(explain("Invalid range", given=f"start={start}, stop={stop}, step={step}"))
    return NDArray._wrap(
        sequences.steps(start, stop, step, repeat=repeat, dtype=mxnet_dtype(dtype), device=device), ctx
    )


def linspace(start, stop, num, endpoint=True, ctx=None, dtype=np.float32):
    """`num` values from `start` to `stop`, the latter left out unless `endpoint`."""
    ctx, device = _place(ctx)
    tensor = sequences.spaced(start, stop, num, endpoint=endpoint, dtype=mxnet_dtype(dtype), device=device)
    return NDArray._wrap(tensor, ctx)


def eye(N, M=0, k=0, ctx=None, dtype=None, **kwargs):
    """Ones on the k-th diagonal of an (N, M) array (M 0: N)."""
    ctx, device = _place(ctx)
    tensor = sequences.diagonal_ones(N, M or N, k, dtype=mxnet_dtype(dtype), device=device)
    return _made(tensor, ctx, kwargs.get("out"))


def concatenate(arrays, axis=0, always_copy=True):
    """Arrays joined along an existing axis; one array alone is answered as it is unless `always_copy`."""
    from tandem.mxnet.ndarray import concat

    if len(arrays) == 1:
        return arrays[0].copy() if always_copy else arrays[0]
    return concat(*arrays, dim=axis)


def moveaxis(tensor, source, destination):
    """Axes moved to other places; the others keep their order.

    Raises ValueError for axes that are not there or not as many on both sides.
    """
    source = [source] if isinstance(source, int) else list(source)
    destination = [destination] if isinstance(destination, int) else list(destination)
    ndim = tensor.ndim
    for axes in (source, destination):
        if any(not -ndim <= axis < ndim for axis in axes):
            raise ValueError(explain("No such axis", expected=f"{-ndim} to {ndim - 1}", given=axes))
    source, destination = [axis % ndim for axis in source], [axis % ndim for axis in destination]
    if len(source) != len(destination):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    order = [axis for axis in range(ndim) if axis not in source]
    for place, axis in sorted(zip(destination, source)):
        order.insert(place, axis)
    return tensor.transpose(order)


def split_v2(ary, indices_or_sections, axis=0, squeeze_axis=False):
    """The array cut along an axis: into equal parts (an integer), or before given indices.

    Raises ValueError for what is neither, and where the parts would not be equal.
    """
    from tandem.mxnet.ndarray import _internal

    if isinstance(indices_or_sections, int):
        if ary.shape[axis] % indices_or_sections:
            raise ValueError(
                explain(
                    "array split does not result in an equal division",
                    expected=f"a divisor of {ary.shape[axis]}",
                    given=indices_or_sections,
                )
            )
        return _internal._split_v2(ary, (), axis, squeeze_axis, indices_or_sections)
    if isinstance(indices_or_sections, (tuple, set, list)):
        return _internal._split_v2(ary, (0, *indices_or_sections), axis, squeeze_axis)
    raise ValueError("indices_or_sections must either int or tuple of ints")


def histogram(a, bins=10, range=None):
    """Counts in `bins` (a number of equal ones over `range`, or their edges), and the edges.

    Raises ValueError where the bins are neither.
    """
    from tandem.mxnet.ndarray import _internal

    if isinstance(bins, NDArray):
        return _internal._histogram(a, bins)
    if isinstance(bins, int):
        if range is None:
            range = (float(a.min().asscalar()), float(a.max().asscalar()))
            counts, edges = _internal._histogram(a, bin_cnt=bins, range=range)
            return counts.astype("float32"), edges  # MXNet counts with NumPy here
        return _internal._histogram(a, bin_cnt=bins, range=range)
    raise ValueError("bins argument should be either an integer or an NDArray")


def onehot_encode(indices, out):
    """One-hot rows of the indices, into `out`."""
    from tandem.mxnet.ndarray import one_hot

    out[:] = one_hot(indices, depth=out.shape[1])
    return out


def from_numpy(ndarray, zero_copy=True):
    """An array of a numpy array's dtype; with `zero_copy` they share memory, and the numpy array becomes read-only.

    Raises ValueError where the memory is not in C order.
    """
    if not zero_copy:
        return array(ndarray, dtype=ndarray.dtype)
    if not ndarray.flags["C_CONTIGUOUS"]:
        raise ValueError("Only c-contiguous arrays are supported for zero-copy")
    tensor = torch.from_numpy(ndarray if ndarray.flags.writeable else ndarray.copy())
    ndarray.flags["WRITEABLE"] = False
    return NDArray._wrap(tensor)


def from_dlpack(dlpack):
    """An array that shares memory with a DLPack capsule, or with an object that gives one."""
    return NDArray._wrap(torch.from_dlpack(dlpack))


def to_dlpack_for_read(data):
    """A DLPack capsule that shares memory, for reading."""
    return data.to_dlpack_for_read()


def to_dlpack_for_write(data):
    """A DLPack capsule that shares memory, for writing."""
    return data.to_dlpack_for_write()
