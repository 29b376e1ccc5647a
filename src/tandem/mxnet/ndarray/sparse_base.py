"""`BaseSparseNDArray`, `CSRNDArray`, `RowSparseNDArray`: arrays of which only some elements are stored.

What they store is an `ops.sparse.Csr` or `Rows`. What autograd knows of them is a carrier: a tensor of their shape that
takes no memory, and whose gradient, dense or torch's sparse tensor, is that with respect to all elements.
"""

import numpy as np
import torch
from torch.utils.weak import TensorWeakRef

from tandem.core import scope
from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet.base import MXNetError, NotSupportedForSparseNDArray
from tandem.mxnet.ndarray.ndarray import (
    NUMPY_TYPES,
    NDArray,
    SparseStorage,
    dtype_name,
    in_place_error,
    mxnet_dtype,
    torch_dtype,
)
from tandem.ops import sparse

__all__ = ["BaseSparseNDArray", "CSRNDArray", "RowSparseNDArray", "SparseStorage", "array_of", "parts_of"]

_scope = scope._current
_NUMBERS = (float, int, np.generic)


class BaseSparseNDArray(NDArray):
    """The base of sparse arrays. Operators that know no better compute with `tostype('default')` of them."""

    stype = ""
    _kind = None
    _parts = None
    _leaf = None  # of a gradient: the tensor whose `.grad` it is
    _made = None  # of a gradient: (a weak reference to it, its version, the parts made of it)
    _graph = None  # the carrier

    def __init__(self, handle, writable=True):
        if not isinstance(handle, BaseSparseNDArray) or not writable or self._kind not in (None, handle._kind):
            raise TypeError(
                explain(
                    f"{type(self).__name__}(handle) takes another sparse array of its storage",
                    given=type(handle).__name__,
                    hint="mx.nd.sparse.csr_matrix(...) and row_sparse_array(...) make arrays.",
                )
            )
        self.stype, self._kind = handle.stype, handle._kind
        self._parts, self._leaf, self._graph, self._ctx = handle._parts, handle._leaf, handle._graph, handle._ctx

    @property
    def _tensor(self):
        raise SparseStorage(
            explain(
                f"What was called takes no {self.stype} arrays",
                expected="an array of stype 'default'",
                given=f"{type(self).__name__} {self._held.shape}",
                hint="x.tostype('default') gives one.",
            )
        )

    # --- what it holds ---------------------------------------------------------------------------------------------

    @property
    def _held(self):
        """The parts: an `ops.sparse.Csr` or `Rows`."""
        leaf = self._leaf
        if leaf is None:
            return self._parts
        if leaf.grad is None:
            return sparse.zeros(self._kind, leaf.shape, dtype=leaf.dtype, device=leaf.device)
        grad, made = leaf.grad, self._made
        if made is None or made[0]() is not grad or made[1] != grad._version:  # what was made stays until that changes
            made = self._made = (TensorWeakRef(grad), grad._version, sparse.from_gradient(grad, self._kind))
        return made[2]

    def _hold(self, parts):
        """Take other parts in place of those that are there."""
        if _scope.recording and self._graph is not None and self._graph.requires_grad:
            raise in_place_error()
        if self._leaf is None:
            self._parts = parts
        else:
            # Kept as torch's sparse tensor: a backward pass that adds to it finds it there.
            grad = sparse.to_gradient(parts) if self._kind is sparse.Rows else sparse.dense(parts)
            self._leaf.grad, self._made = grad, (TensorWeakRef(grad), grad._version, parts)

    def _follow(self, leaf):
        """Be the gradient of a tensor from now on."""
        parts, self._leaf, self._made = self._parts, leaf, None
        leaf.grad = None
        if parts is not None and parts.values.shape[0]:
            self._hold(parts)

    def _carrier(self):
        """The tensor that stands for this array in torch's graph."""
        if self._graph is None:
            held = self._held
            one = torch.empty((), dtype=held.values.dtype, device=held.values.device)
            self._graph = one.expand(held.shape)
        return self._graph

    def _assign(self, value):
        """Write a dense tensor, or parts, into this array."""
        held = self._held
        if isinstance(value, torch.Tensor):
            if tuple(value.shape) != tuple(held.shape):
                raise MXNetError(explain("The arrays' shapes differ", expected=held.shape, given=tuple(value.shape)))
            value = value.detach()
            value = sparse.from_gradient(value, self._kind)
        if type(value) is not self._kind:
            raise TypeError(explain(f"copyto does not support destination NDArray stype {self.stype}"))
        if value.shape != held.shape:
            raise MXNetError(explain("The arrays' shapes differ", expected=held.shape, given=value.shape))
        self._hold(sparse.cast(value, held.values.dtype, held.values.device))

    def _dense(self):
        """A dense tensor of the same values, without gradient."""
        return sparse.dense(self._held)

    @classmethod
    def _wrap(cls, tensor, ctx=None):
        return NDArray._wrap(tensor, ctx)  # a tensor is dense

    # --- what it is ------------------------------------------------------------------------------------------------

    @property
    def shape(self):
        """The sizes, a tuple."""
        return tuple(self._held.shape)

    @property
    def ndim(self):
        """The number of dimensions."""
        return len(self._held.shape)

    @property
    def size(self):
        """Not there, as in MXNet: raises NotImplementedError."""
        raise NotImplementedError(explain("A sparse array has no size", hint="x.data.size counts what is stored."))

    @property
    def dtype(self):
        """The dtype of the values, as numpy's type."""
        return NUMPY_TYPES[self._held.values.dtype]

    @property
    def context(self):
        """The device."""
        return self._ctx or contexts.of_device(self._held.values.device)

    ctx = context

    @property
    def data(self):
        """A copy of the stored values."""
        return NDArray._wrap(self._held.values.detach().clone(), self._ctx)

    @property
    def indices(self):
        """A copy of the stored values' columns (csr) or rows (row_sparse)."""
        return NDArray._wrap(self._held.indices.clone(), self._ctx)

    @property
    def _num_aux(self):
        return len(self._aux_types)

    @property
    def _aux_types(self):
        return [np.int64] * (2 if self._kind is sparse.Csr else 1)

    def _aux_type(self, i):
        return self._aux_types[i]

    def _aux_data(self, i):
        held = self._held
        return NDArray._wrap((held[0] if i == 0 else held.indices).clone(), self._ctx)

    def _data(self):
        return self.data

    def __repr__(self):
        shape = "x".join(str(size) for size in self.shape)
        return f"\n<{type(self).__name__} {shape} @{self.context}>"

    def __len__(self):
        return self.shape[0]

    def __bool__(self):
        raise ValueError("The truth value of an NDArray with multiple elements is ambiguous.")

    __nonzero__ = __bool__

    def __iter__(self):
        for index in range(len(self)):
            yield self[index]

    # --- to and from numpy -----------------------------------------------------------------------------------------

    def asnumpy(self):
        """A dense numpy array of the same values."""
        return NDArray._wrap(self._dense(), self._ctx).asnumpy()

    def _item(self):
        return NDArray._wrap(self._dense(), self._ctx)._item()

    def asscalar(self):
        """Not there, as in MXNet: raises NotImplementedError."""
        return self.size

    def __reduce__(self):
        held = self._held
        arrays = [part.detach().cpu().numpy() for part in held[:-1]]
        return _unpickle, (type(self), arrays, held.shape, dtype_name(held.values.dtype), str(self.context))

    def __setstate__(self, state):
        rebuilt = _unpickle(type(self), *state)
        self._parts, self._ctx = rebuilt._parts, rebuilt._ctx

    def check_format(self, full_check=True):
        """Look whether the parts fit together; full_check: and whether each index is in its place.

        Raises MXNetError where they do not.
        """
        wrong = sparse.check(self._held, full_check)
        if wrong is not None:
            expected = {
                "shape": "as many values as indices",
                "indptr": "IndPtr that begins with 0, does not fall and ends with the number of values",
                "indices": "Indices that rise, from 0 to below the size",
            }
            raise MXNetError(
                explain(
                    f"The {wrong} of this {self.stype} NDArray is wrong", expected=expected[wrong], given=repr(self)
                )
            )

    # --- copies ----------------------------------------------------------------------------------------------------

    def copy(self):
        """A copy on the same device."""
        return self.copyto(self.context)

    def copyto(self, other):
        """Copy into another array of this storage or a dense one (which is answered), or to a context.

        Raises TypeError for another storage.
        """
        if isinstance(other, contexts.Context):
            from tandem.mxnet.ndarray.sparse_calls import copied

            return copied(self, other)
        if not isinstance(other, NDArray):
            raise TypeError(explain("copyto does not support type", given=str(type(other))))
        if other is self:
            import warnings

            warnings.warn("You are attempting to copy an array to itself", RuntimeWarning, stacklevel=2)
            return other
        if other.stype not in (self.stype, "default"):
            raise TypeError(explain(f"copyto does not support destination NDArray stype {other.stype}"))
        if other.shape != self.shape:
            raise MXNetError(
                explain("copyto() needs an array of the same shape", expected=self.shape, given=other.shape)
            )
        other._assign(self._dense() if other.stype == "default" else self._held)
        return other

    def astype(self, dtype, copy=True):
        """The array in another dtype; without `copy`, itself where it has that dtype."""
        wanted = mxnet_dtype(dtype)
        held = self._held
        if not copy and wanted is held.values.dtype:
            return self
        return array_of(sparse.cast(held, wanted), self._ctx)

    def tostype(self, stype):
        """A copy in a storage: 'default' or its own.

        Raises ValueError for the other sparse one, MXNetError for an unknown one.
        """
        from tandem.mxnet.ndarray.sparse_calls import cast_storage

        if stype != self.stype and stype in ("csr", "row_sparse"):
            raise ValueError(explain(f"cast_storage from {self.stype} to {stype} is not supported"))
        return cast_storage(self, stype=stype)

    def detach(self):
        """The same parts outside the recorded graph."""
        return array_of(self._held, self._ctx)

    def as_nd_ndarray(self):
        """The array itself."""
        return self

    def as_np_ndarray(self):
        """Not there: raises ValueError."""
        raise ValueError(explain(f"cannot convert ndarray of stype {self.stype} to numpy ndarray"))

    def reshape(self, *shape, **kwargs):
        """Not there: raises NotSupportedForSparseNDArray."""
        raise _unsupported("reshape")

    def _at(self, index):
        raise _unsupported('_at (namely operator "[idx]")')

    def _slice(self, start, stop):
        raise _unsupported("_slice")

    def wait_to_read(self):
        """Wait until the values are there."""
        NDArray._wrap(self._held.values).wait_to_read()

    wait_to_write = wait_to_read

    def broadcast_to(self, shape):
        """A dense copy, broadcast to a shape."""
        return self.tostype("default").broadcast_to(shape)

    def _sync_copyfrom(self, source):
        self._assign(torch.from_numpy(np.array(source)))

    # --- gradients -------------------------------------------------------------------------------------------------

    @property
    def _fresh_grad(self):
        """Whether a backward pass has written the gradient since this was last set to False."""
        from tandem.mxnet import gradients

        hook = gradients.hook_of(self._carrier())
        return hook is not None and hook.fresh

    @_fresh_grad.setter
    def _fresh_grad(self, fresh):
        from tandem.mxnet import gradients

        hook = gradients.hook_of(self._carrier())
        if hook is not None:
            hook.fresh = bool(fresh)

    # --- assignment ------------------------------------------------------------------------------------------------

    def _set_all(self, key, value):
        if not isinstance(key, slice):
            raise self._key_error(explain(f"{type(self).__name__} only supports [:] for assignment", given=repr(key)))
        if (key.start, key.stop, key.step) != (None, None, None):
            raise ValueError(
                explain(f"Assignment with slice for {type(self).__name__} is not implemented yet.", given=repr(key))
            )
        if isinstance(value, NDArray):
            if value is not self:
                value.copyto(self)
        elif isinstance(value, _NUMBERS):
            if self._kind is sparse.Csr:
                raise ValueError(
                    explain("Assigning numeric types to CSRNDArray is not implemented yet.", given=repr(value))
                )
            held = self._held
            self._hold(sparse.all_rows(held.shape, value, dtype=held.values.dtype, device=held.values.device))
        elif isinstance(value, (np.ndarray, np.generic)):
            value = torch.from_numpy(np.array(value))
            if tuple(value.shape) != self.shape:
                raise MXNetError(explain("The arrays' shapes differ", expected=self.shape, given=tuple(value.shape)))
            self._assign(value)
        else:
            raise TypeError(
                explain("What is assigned is no array", expected="an NDArray, numpy array or number", given=type(value))
            )


class CSRNDArray(BaseSparseNDArray):
    """A matrix in compressed rows: row i has ``data[indptr[i]:indptr[i + 1]]`` in the columns ``indices[...]``."""

    stype = "csr"
    _kind = sparse.Csr
    _key_error = Exception

    @property
    def indptr(self):
        """A copy of where each row's values begin, (rows + 1,)."""
        return NDArray._wrap(self._held.indptr.clone(), self._ctx)

    def asscipy(self):
        """A copy as `scipy.sparse.csr_matrix`."""
        import scipy.sparse

        parts = (self.data.asnumpy(), self.indices.asnumpy(), self.indptr.asnumpy())
        return scipy.sparse.csr_matrix(parts, shape=self.shape, dtype=self.dtype)

    def __getitem__(self, key):
        from tandem.mxnet.ndarray import sparse_calls

        if isinstance(key, (int, np.integer)):
            key = int(key)
            key = slice(None, None) if key == -1 and self.shape[0] == 1 else slice(key, key + 1 or None)
        if isinstance(key, tuple):
            raise ValueError("Multi-dimension indexing is not supported")
        if not isinstance(key, slice):
            raise ValueError(explain(f"Undefined behaviour for {key!r}", expected="an integer or a slice of rows"))
        if key.step not in (None, 1):
            raise ValueError("CSRNDArray only supports continuous slicing on axis 0")
        if key.start is None and key.stop is None:
            return self
        return sparse_calls.slice_rows(self, key.start or 0, key.stop or None)  # to MXNet an end of 0 is none

    def __setitem__(self, key, value):
        self._set_all(key, value)


class RowSparseNDArray(BaseSparseNDArray):
    """An array of which some rows are stored: ``dense[indices] = data``."""

    stype = "row_sparse"
    _kind = sparse.Rows
    _key_error = TypeError

    def __getitem__(self, key):
        if isinstance(key, slice) and (key.start, key.stop, key.step) == (None, None, None):
            return self
        raise Exception(
            explain("RowSparseNDArray only supports [:] for __getitem__", given=repr(key), hint="retain() picks rows.")
        )

    def __setitem__(self, key, value):
        self._set_all(key, value)

    def _take_rows(self, source, wanted):
        """Hold rows of another row_sparse array and no others. It is no computation, so that it may be done while
        recording: what was computed from this array keeps the rows that it had.

        wanted: an array of row numbers; each row is taken once, in order.
        """
        parts = sparse.take_rows(source._held, sparse.distinct(wanted._tensor.to(source._held.values.device)))
        held = self._held
        self._parts = sparse.cast(parts, held.values.dtype, held.values.device)

    def retain(self, *args, **kwargs):
        """The rows of the given numbers only; see `mx.nd.sparse.retain`."""
        from tandem.mxnet.ndarray import array, sparse_calls

        if args and not isinstance(args[0], NDArray):
            args = (array(args[0], ctx=self.context, dtype="int64"), *args[1:])
        return sparse_calls.retain(self, *args, **kwargs)


def _unsupported(name):
    return NotSupportedForSparseNDArray(
        explain(f"Function {name} is not supported for SparseNDArray and only available in NDArray")
    )


_CLASSES = {sparse.Csr: CSRNDArray, sparse.Rows: RowSparseNDArray}


def array_of(parts, ctx=None):
    """An array around an `ops.sparse.Csr` or `Rows`."""
    kind = _CLASSES[type(parts)]
    array = kind.__new__(kind)
    array._parts, array._ctx = parts, ctx
    return array


def empty_of(stype, like, ctx):
    """A sparse array of a tensor's shape that stores nothing."""
    kind = sparse.Csr if stype == "csr" else sparse.Rows
    return array_of(sparse.zeros(kind, like.shape, dtype=like.dtype, device=like.device), ctx)


def parts_of(array):
    """What an operator computes with: the parts of a sparse array, else the tensor."""
    return array._held if isinstance(array, BaseSparseNDArray) else array._tensor


def _unpickle(kind, arrays, shape, dtype, ctx):
    from tandem.mxnet.views import parse_context

    context = parse_context(ctx)
    *indices, values = [torch.from_numpy(array).to(context.torch_device()) for array in arrays]
    if kind is RowSparseNDArray or len(indices) == 1:
        return array_of(sparse.Rows(indices[0], values.to(torch_dtype(dtype)), tuple(shape)), context)
    return array_of(sparse.Csr(*indices, values.to(torch_dtype(dtype)), tuple(shape)), context)
