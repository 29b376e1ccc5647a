"""`mx.np.ndarray`: MXNet's array with NumPy's behaviour.

It has arrays without dimensions, boolean masks, comparisons that give booleans, and mixed dtypes; numbers take the
array's dtype, so that integers stay integers, but division gives floats.
"""

import numpy as onp
import torch

from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet.ndarray.ndarray import NUMPY_TYPES, NDArray, mxnet_dtype
from tandem.mxnet.ndarray.reshaping import reshape_array
from tandem.mxnet.numpy import arithmetic, indexing, protocols


def call(name, function, like, *tensors):
    """`function(*tensors)` with gradients only while recording, as an array like `like`."""
    return ndarray._wrap(arithmetic.compute(name, function, *tensors), like._ctx)


def c_order(order, method):
    """Raises NotImplementedError for another order than C."""
    if order != "C":
        raise NotImplementedError(explain(f"{method}() works in C order", expected="order='C'", given=repr(order)))


class ndarray(NDArray):
    """An array with NumPy's behaviour. Made by `mx.np.array`, `zeros`, ... and `NDArray.as_np_ndarray`."""

    @classmethod
    def _wrap(cls, tensor, ctx=None):
        array = cls.__new__(cls)
        array._tensor, array._ctx = tensor, ctx
        return array

    @property
    def dtype(self):
        """The dtype."""
        return onp.dtype(NUMPY_TYPES[self._tensor.dtype])

    def __repr__(self):
        values = self.asnumpy()
        text = onp.array2string(values, separator=", ", prefix="array(", suffix=")")
        if values.size == 0 and values.shape != (0,):
            text = f"[], shape={values.shape}"
        hidden = self._tensor.dtype in (torch.float32, torch.bool)
        kept = text if hidden else _with_dtype(text, str(self.dtype))
        return f"array({kept})" if self.context.device_type == "cpu" else f"array({kept}, ctx={self.context})"

    def __str__(self):
        text = str(self.asnumpy())
        context = self.context
        return text if context.device_type == "cpu" or self._tensor.dim() == 0 else f"{text} @{context}"

    def __format__(self, spec):
        if self._tensor.dim() == 0:
            return format(self.item(), spec)
        if not spec:
            return str(self)
        raise TypeError(explain("Cannot format mxnet.numpy.ndarray with format_spec", given=f"{spec!r}"))

    def __len__(self):
        if self._tensor.dim() == 0:
            raise TypeError("len() of unsized object")
        return self._tensor.shape[0]

    def __iter__(self):
        if self._tensor.dim() == 0:
            return iter(())  # as in MXNet, where the first subscript ends it
        return (self[index] for index in range(self._tensor.shape[0]))

    def __hash__(self):
        raise NotImplementedError(explain("Arrays of mx.np have no hash", hint="id(array) tells arrays apart."))

    def __index__(self):
        if self._tensor.dim() != 0 or self._tensor.is_floating_point():
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(self._tensor.item())

    def _item(self):
        if self._tensor.numel() != 1:
            raise TypeError("only size-1 arrays can be converted to Python scalars")
        return self._tensor.item()

    def __getitem__(self, key):
        return indexing.get_item(self, key)

    def __setitem__(self, key, value):
        indexing.set_item(self, key, value)

    __array_function__ = protocols.array_function
    __array_ufunc__ = protocols.array_ufunc

    def item(self, *args):
        """One element as a Python scalar, as numpy's `item` has it."""
        return self.asnumpy().item(*args)

    def tolist(self):
        """The values as nested lists."""
        return self._tensor.detach().tolist()

    def as_np_ndarray(self):
        """The array itself."""
        return self

    def as_nd_ndarray(self):
        """The same memory as `mx.nd.NDArray`."""
        return NDArray._wrap(self._tensor, self._ctx)

    def attach_grad(self, grad_req="write"):
        """Give the array a gradient: 'write' overwrites it in each backward pass, 'add' adds to it, 'null': none."""
        super().attach_grad(grad_req)

    def copy(self, order="C"):
        """A copy on the same device."""
        c_order(order, "copy")
        return self.copyto(self.context)

    def as_in_ctx(self, ctx):
        """The array on a device: itself where it lives there, else a copy."""
        return self.as_in_context(ctx)

    def copyto(self, other):
        """Copy into another array (which is answered), or to a context.

        Raises TypeError for what is neither.
        """
        if not isinstance(other, (ndarray, contexts.Context)):
            raise TypeError(
                explain("copyto() takes a mx.np.ndarray or a Context", given=f"{type(other)}, {other!r}"[:200])
            )
        return super().copyto(other)

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        """The array in another dtype; without `copy`, itself where it has that dtype.

        Raises ValueError for another order, casting or subok than the default ones.
        """
        if order not in ("K", "C") or casting != "unsafe" or not subok:
            raise ValueError(
                explain("astype() converts in C order, unsafely", given=f"order={order!r}, casting={casting!r}")
            )
        wanted = mxnet_dtype(dtype)
        if not copy and wanted is self._tensor.dtype:
            return self
        return call("astype", lambda x: x.to(wanted, copy=True), self, self._tensor)

    def reshape_view(self, *shape, **kwargs):
        """The same memory in another shape, with the codes of `mx.nd.NDArray.reshape`."""
        return reshape_array(self, shape, kwargs)

    def sort(self, axis=-1, kind=None, order=None):
        """Not in MXNet 1.9.1, where it raises TypeError; `mx.np.sort` answers a sorted copy."""
        raise TypeError(
            explain("mx.np.ndarray.sort() is not there", given=f"axis={axis}, kind={kind}, order={order}")
            + " mx.np.sort(array) answers a sorted copy."
        )


# What NDArray has as methods and NumPy's arrays do not: asking for it says so.
_ABSENT = """
    abs arccos arccosh arcsin arcsinh arctan arctanh argmax_channel asscalar broadcast_axes broadcast_like cast cbrt
    ceil cos cosh degrees depth_to_space diag exp expand_dims expm1 fix flip floor log log10 log1p log2
    log_softmax nanprod nansum negative norm one_hot ones_like pad pick radians rcbrt reciprocal relu
    reshape_like rint rsqrt shape_array sigmoid sign sin sinh size_array slice slice_axis slice_like softmax
    softmin space_to_depth split split_v2 sqrt square tan tanh tile topk tostype trunc wait_to_write zeros_like
"""


def _absent(name):
    def method(self, *args, **kwargs):
        raise AttributeError(
            explain(
                f"mxnet.numpy.ndarray object has no attribute {name!r}",
                hint=f"as_nd_ndarray().{name} is the method of the classic array, mx.np and mx.npx have functions.",
            )
        )

    method.__name__ = name
    method.__doc__ = f"Arrays of `mx.np` have no `{name}`: raises AttributeError."
    return method


for _name in _ABSENT.split():
    setattr(ndarray, _name, _absent(_name))


def _with_dtype(text, name):
    """The inside of an array's repr with its dtype, on a line of its own where the last one is full."""
    width = onp.get_printoptions()["linewidth"]
    last = len(f"array({text},") - (f"array({text},".rfind("\n") + 1)
    # NumPy leaves its default dtypes out; MXNet puts them behind without looking at the line's length.
    fits = name in ("int64", "float64") or last + len(f" dtype={name})") <= width
    return f"{text}, dtype={name}" if fits else f"{text},\n      dtype={name}"


arithmetic.attach(ndarray)
