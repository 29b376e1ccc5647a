"""`mx.nd.NDArray`: MXNet's array around a torch tensor."""

import numpy as np
import torch

from tandem.core import scope
from tandem.core.arrays import Array
from tandem.core.dtypes import dtype_name, torch_dtype
from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet import failed, util
from tandem.mxnet.base import MXNetError, NotSupportedForSparseNDArray, mx_real_t, numeric_types  # noqa: F401
from tandem.mxnet.operators.attributes import CODES
from tandem.mxnet.paths import in_graph, with_one_axis

NUMPY_TYPES = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.float16: np.float16,
    torch.uint8: np.uint8,
    torch.int32: np.int32,
    torch.int8: np.int8,
    torch.int64: np.int64,
    torch.bool: np.bool_,
    # numpy has no bfloat16; MXNet 1.9 names it by this structure.
    torch.bfloat16: np.dtype([("bfloat16", np.uint16)]),
}

# MXNet's numbers of dtypes and of storages, in its files and symbols.
_DTYPE_NP_TO_MX = {None: -1, **{kind: CODES[dtype] for dtype, kind in NUMPY_TYPES.items()}}
_DTYPE_MX_TO_NP = {code: kind for kind, code in _DTYPE_NP_TO_MX.items()}
_STORAGE_TYPE_STR_TO_ID = {"undefined": -1, "default": 0, "row_sparse": 1, "csr": 2}

_scope = scope._current


def mxnet_dtype(dtype):
    """The torch dtype of what MXNet's code gives as dtype: a name, a numpy or Python type; None is float32.

    Raises TypeError for a dtype that MXNet does not have.
    """
    if dtype is None:
        return torch.float32
    if isinstance(dtype, torch.dtype):
        found = dtype
    elif dtype == "bfloat16" or dtype == NUMPY_TYPES[torch.bfloat16]:
        return torch.bfloat16
    else:
        try:
            found = torch_dtype(np.dtype(dtype).name)
        except (TypeError, ValueError):
            found = None
    if found not in NUMPY_TYPES:
        raise TypeError(
            explain(
                "No such dtype in MXNet",
                expected=", ".join(dtype_name(known) for known in NUMPY_TYPES),
                given=repr(dtype),
            )
        )
    return found


class SparseStorage(AttributeError, NotSupportedForSparseNDArray):
    """A sparse array was asked for the dense tensor that it does not have."""


class NDArray(Array):
    """An array on a device.

    Slices of leading dimensions and `reshape` share memory with their array; everything else is a copy.
    Made by `mx.nd.array`, `zeros`, ... and by operators.
    """

    __slots__ = ("__weakref__", "_ctx", "_grad")
    # Higher than numpy's arrays: `np_array + nd` asks the NDArray.
    __array_priority__ = 1000.0

    def __init__(self, handle, writable=True):
        if not isinstance(handle, NDArray) or not writable:
            raise TypeError(
                explain(
                    "NDArray(handle) takes a handle of MXNet's C library, which is not there",
                    given=type(handle).__name__,
                    hint="mx.nd.array(...) makes an array.",
                )
            )
        self._tensor, self._ctx = handle._tensor, handle._ctx

    @classmethod
    def _wrap(cls, tensor, ctx=None):
        if tensor.dim() == 0 and not util.is_np_shape():
            tensor = with_one_axis(tensor)
        array = cls.__new__(cls)
        array._tensor = tensor
        array._ctx = ctx
        return array

    # --- what it is ------------------------------------------------------------------------------------------------

    @property
    def shape(self):
        """The sizes, a tuple."""
        return tuple(self._tensor.shape)

    @property
    def ndim(self):
        """The number of dimensions."""
        return self._tensor.dim()

    @property
    def size(self):
        """The number of elements."""
        return self._tensor.numel()

    @property
    def dtype(self):
        """The dtype, as numpy's type."""
        return NUMPY_TYPES[self._tensor.dtype]

    @property
    def context(self):
        """The device."""
        return self._ctx or contexts.of_device(self._tensor.device)

    ctx = context

    @property
    def stype(self):
        """The storage type: 'default'; 'row_sparse' and 'csr' of sparse arrays."""
        return "default"

    @property
    def T(self):
        """The transpose, a copy."""
        return self.transpose()

    @property
    def handle(self):
        """The number that stands for the array (MXNet: the address of its C object)."""
        return id(self)

    @property
    def writable(self):
        """Always True."""
        return True

    def __repr__(self):
        shape = "x".join(str(size) for size in self.shape)
        return f"\n{self.asnumpy()!s}\n<{type(self).__name__} {shape} @{self.context}>"

    def __len__(self):
        return self._tensor.shape[0]

    def __hash__(self):
        return id(self) // 16

    def __bool__(self):
        size = self._tensor.numel()
        if size == 0:
            return False
        if size == 1:
            return bool(self._tensor.item())
        raise ValueError("The truth value of an NDArray with multiple elements is ambiguous.")

    __nonzero__ = __bool__

    def __float__(self):
        return float(self._item())

    def __int__(self):
        return int(self._item())

    def _item(self):
        if self._tensor.numel() != 1:
            raise TypeError(explain("Only arrays of size 1 are numbers", given=f"shape {self.shape}"))
        return self._tensor.item()

    def __iter__(self):
        for index in range(len(self)):
            yield self[index]

    # --- to and from numpy and other libraries -----------------------------------------------------------------------

    def asnumpy(self):
        """A numpy array with a copy of the values (bfloat16 as float32)."""
        tensor = self._tensor.detach()
        if tensor.dtype is torch.bfloat16:
            tensor = tensor.float()
        return tensor.cpu().numpy().copy() if tensor.device.type == "cpu" else tensor.cpu().numpy()

    def asscalar(self):
        """The one element, as numpy's scalar.

        Raises ValueError where there are more.
        """
        if self._tensor.numel() != 1:
            raise ValueError("The current array is not a scalar")
        return self.asnumpy().reshape(1)[0]

    def __array__(self, dtype=None, copy=None):
        values = self.asnumpy()
        return values if dtype is None else values.astype(dtype, copy=False)

    def __reduce__(self):
        return _unpickle, (type(self), self.asnumpy(), dtype_name(self._tensor.dtype), str(self.context))

    def __getstate__(self):
        return self.__reduce__()[1][1:]

    def __setstate__(self, state):
        rebuilt = _unpickle(NDArray, *state)
        self._tensor, self._ctx = rebuilt._tensor, rebuilt._ctx

    def __deepcopy__(self, memo):
        return self.copy()

    def __dlpack__(self, *args, **kwargs):
        return self._tensor.detach().__dlpack__(*args, **kwargs)

    def __dlpack_device__(self):
        return self._tensor.__dlpack_device__()

    def to_dlpack_for_read(self):
        """A DLPack capsule that shares memory, for reading."""
        return self._tensor.detach().__dlpack__()

    def to_dlpack_for_write(self):
        """A DLPack capsule that shares memory, for writing."""
        return self._tensor.detach().__dlpack__()

    def as_nd_ndarray(self):
        """The same memory as `mx.nd.NDArray`."""
        return self

    def as_np_ndarray(self):
        """The same memory as `mx.np.ndarray`."""
        from tandem.mxnet.numpy import ndarray

        return ndarray._wrap(self._tensor, self._ctx)

    def wait_to_read(self):
        """Wait until the values are there.

        Raises MXNetError where they could not be computed.
        """
        failed.check(self._tensor)
        if self._tensor.device.type == "cuda":
            torch.cuda.synchronize(self._tensor.device)

    wait_to_write = wait_to_read

    # --- copies ----------------------------------------------------------------------------------------------------

    def copy(self):
        """A copy on the same device."""
        return self.copyto(self.context)

    def copyto(self, other):
        """Copy into another array (which is answered), or to a context.

        Raises ValueError for what is neither.
        """
        if isinstance(other, NDArray):
            try:
                target = other._tensor
            except SparseStorage:
                other._assign(self._tensor)
                return other
            if other is self or target.data_ptr() == self._tensor.data_ptr() != 0:
                import warnings

                warnings.warn("You are attempting to copy an array to itself", RuntimeWarning, stacklevel=2)
                return other
            if target.shape != self._tensor.shape:
                raise MXNetError(
                    explain("copyto() needs an array of the same shape", expected=self.shape, given=other.shape)
                )
            other._assign(self._tensor)
            return other
        if isinstance(other, contexts.Context):
            with torch.set_grad_enabled(bool(_scope.recording)):
                result = self._tensor.to(other.torch_device(), copy=True)
            if _scope.recording and not result.requires_grad:
                result = in_graph(result, (self._tensor,), lambda path: path.to(other.torch_device(), copy=True))
            return type(self)._wrap(result, other)
        raise TypeError(explain("copyto() takes an NDArray or a Context", given=type(other).__name__))

    def as_in_context(self, context):
        """The array on a device: itself where it lives there, else a copy."""
        return self if self.context == context else self.copyto(context)

    as_in_ctx = as_in_context

    def astype(self, dtype, copy=True):
        """The array in another dtype; without `copy`, itself where it has that dtype."""
        wanted = mxnet_dtype(dtype)
        if not copy and wanted is self._tensor.dtype:
            return self
        return self.cast(dtype=wanted)

    def tostype(self, stype):
        """A copy of the array in a storage: 'default', 'row_sparse' or 'csr'.

        Raises ValueError where csr is wanted of what is no matrix.
        """
        from tandem.mxnet.ndarray.sparse_calls import cast_storage

        if stype == "csr" and self.ndim != 2:
            raise ValueError(
                explain("To convert to a CSR, the NDArray should be 2 Dimensional. Current shape is " + str(self.shape))
            )
        return cast_storage(self, stype=stype)

    def detach(self):
        """The same memory outside the recorded graph.

        Where a backward pass has used that graph up, the array itself leaves it too: it is a constant to MXNet.
        """
        tensor = self._tensor
        plain = tensor.detach()
        if tensor.grad_fn is not None:
            from tandem.mxnet.spent import is_spent

            if is_spent(tensor):
                self._tensor = plain
        return type(self)._wrap(plain, self._ctx)

    # --- gradients -------------------------------------------------------------------------------------------------

    def attach_grad(self, grad_req="write", stype=None):
        """Give the array a gradient: 'write' overwrites it in each backward pass, 'add' adds to it, 'null': none.

        stype: the gradient's storage: 'default', 'row_sparse' or 'csr' (None: the array's own).
        """
        from tandem.mxnet import gradients

        gradients.attach(self, grad_req, stype=stype)

    @property
    def grad(self):
        """The gradient as an array, zeros before any backward pass; None where none is attached."""
        try:
            return self._grad
        except AttributeError:
            return None

    @property
    def _fresh_grad(self):
        """Whether a backward pass has written the gradient since this was last set to False."""
        from tandem.mxnet import gradients

        hook = gradients.hook_of(self._tensor)
        return hook is not None and hook.fresh

    @_fresh_grad.setter
    def _fresh_grad(self, fresh):
        from tandem.mxnet import gradients

        hook = gradients.hook_of(self._tensor)
        if hook is not None:
            hook.fresh = bool(fresh)

    def backward(self, out_grad=None, retain_graph=False, train_mode=True):
        """Gradients of this array, weighted with `out_grad` (None: ones), with respect to what it came from."""
        from tandem.mxnet.autograd import backward

        backward(self, out_grad, retain_graph, train_mode)

    # --- shapes that share memory ------------------------------------------------------------------------------------

    def reshape(self, *shape, **kwargs):
        """The same memory in another shape; 0, -1, -2, -3 and -4 in it are MXNet's codes, `reverse` reads them from
        the right.

        Raises MXNetError where the sizes do not fit.
        """
        from tandem.mxnet.ndarray.reshaping import reshape_array

        return reshape_array(self, shape, kwargs)

    def broadcast_to(self, shape):
        """A copy, broadcast to a shape; zeros in it keep the size."""
        from tandem.mxnet.ndarray.reshaping import broadcast_array

        return broadcast_array(self, shape)

    def broadcast_like(self, other):
        """A copy, broadcast to another array's shape."""
        return self.broadcast_to(other.shape)

    # --- indexing --------------------------------------------------------------------------------------------------

    def __getitem__(self, key):
        from tandem.mxnet.ndarray.indexing import get_item

        return get_item(self, key)

    def __setitem__(self, key, value):
        from tandem.mxnet.ndarray.indexing import set_item

        set_item(self, key, value)

    def slice_assign(self, rhs, begin, end, step):
        """A copy with an array in the slice from `begin` to `end`."""
        from tandem.mxnet.ndarray import _internal

        return _internal._slice_assign(self, rhs, begin, end, step)

    def slice_assign_scalar(self, value, begin, end, step):
        """A copy with a number in the slice from `begin` to `end`."""
        from tandem.mxnet.ndarray import _internal

        return _internal._slice_assign_scalar(self, value, begin, end, step)

    def split_v2(self, *args, **kwargs):
        """The array cut along an axis; see `mx.nd.split_v2`."""
        from tandem.mxnet.ndarray.creation import split_v2

        return split_v2(self, *args, **kwargs)

    def _at(self, index):
        return self[int(index)]

    def _slice(self, start, stop):
        return self[start:stop]

    def _sync_copyfrom(self, source):
        """Fill with the values of a numpy array.

        Raises ValueError where the shapes differ.
        """
        source = np.ascontiguousarray(source)
        if source.shape != self.shape:
            raise ValueError(explain("The arrays' shapes differ", expected=str(self.shape), given=str(source.shape)))
        self._assign(torch.from_numpy(source))

    def _assign(self, value):
        """Write a tensor (broadcast and cast) into the memory.

        Raises MXNetError for an array of a recorded graph while recording.
        """
        tensor = self._tensor
        if _scope.recording:
            if tensor.requires_grad:
                raise in_place_error()
            tensor.copy_(value)
        else:
            # `.data`: what the recorded graph saved is read as it then is, as in MXNet, not refused.
            tensor.data.copy_(value)


def in_place_error():
    """The error for writing to an array of the graph while recording."""
    return MXNetError(
        explain(
            "Writing to an array that is part of a recorded computation",
            expected="operators that make new arrays (y = y + 1)",
            given="an in-place write (y += 1, y[:] = ..., out=y) inside autograd.record()",
            hint="Inplace operations (+=, -=, x[:]=, etc) are not supported when recording with autograd.",
        )
    )


def _unpickle(kind, values, dtype, ctx):
    from tandem.mxnet.views import parse_context

    context = parse_context(ctx)
    tensor = torch.from_numpy(values).to(torch_dtype(dtype))
    return kind._wrap(tensor.to(context.torch_device()), context)


def waitall():
    """Wait until everything computed so far is there.

    Raises MXNetError where something could not be computed, of which nobody was told.
    """
    failed.check_all()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
