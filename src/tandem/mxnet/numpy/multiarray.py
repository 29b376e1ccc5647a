"""`mx.np.ndarray`: MXNet's array with NumPy's behaviour.

It has arrays without dimensions, boolean masks, comparisons that give booleans, and mixed dtypes; numbers take the
array's dtype, so that integers stay integers, but division gives floats.
"""

import numpy as onp
import torch

from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NUMPY_TYPES, NDArray, mxnet_dtype
from tandem.mxnet.ndarray.reshaping import reshape_array
from tandem.mxnet.numpy import arithmetic, indexing, protocols
from tandem.ops import elementwise, linalg, reduce, typed
from tandem.ops import indexing as picks
from tandem.ops import shape as shapes


def call(name, function, like, *tensors):
    """`function(*tensors)` with gradients only while recording, as an array like `like`."""
    return ndarray._wrap(arithmetic.compute(name, function, *tensors), like._ctx)


def _tensor_of(value, name):
    """The tensor of an argument.

    Raises AssertionError where it is no array.
    """
    if not isinstance(value, NDArray):
        raise AssertionError(
            explain(f"Argument {name} must have NDArray type", expected="a mx.np.ndarray", given=repr(value)[:200])
        )
    return value._tensor


def _c_order(order, method):
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

    def __round__(self, ndigits=0):
        return self.round(ndigits or 0)

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
        _c_order(order, "copy")
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

    def reshape(self, *args, **kwargs):
        """A copy in another shape; one size may be -1. `reshape_view` shares the memory.

        Raises MXNetError where the sizes do not fit, TypeError for other arguments than sizes and `order`.
        """
        _c_order(kwargs.pop("order", "C"), "reshape")
        sizes = kwargs.pop("newshape", kwargs.pop("shape", args))
        if kwargs or (isinstance(sizes, tuple) and not sizes and sizes is args):
            raise TypeError(explain("reshape() takes sizes", expected="reshape(2, -1)", given=str(kwargs or "nothing")))
        if isinstance(sizes, tuple) and len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
            sizes = sizes[0]
        sizes = (sizes,) if hasattr(sizes, "__index__") else tuple(size.__index__() for size in sizes)
        return call("reshape", lambda x: typed.copied(x.reshape(sizes)), self, self._tensor)

    def reshape_view(self, *shape, **kwargs):
        """The same memory in another shape, with the codes of `mx.nd.NDArray.reshape`."""
        return reshape_array(self, shape, kwargs)

    @property
    def T(self):
        """The axes reversed, a copy."""
        return self.transpose()

    def transpose(self, *axes):
        """The axes in another order, by default reversed; a copy."""
        if len(axes) == 1 and isinstance(axes[0], (tuple, list)):
            axes = axes[0]
        order = tuple(axes) if axes and axes[0] is not None else tuple(range(self.ndim - 1, -1, -1))
        return call("transpose", lambda x: typed.copied(x.permute(order)), self, self._tensor)

    def swapaxes(self, axis1, axis2):
        """Two axes exchanged; a copy."""
        return call("swapaxes", lambda x: typed.copied(x.transpose(axis1, axis2)), self, self._tensor)

    def flatten(self, order="C"):
        """A copy in one dimension."""
        _c_order(order, "flatten")
        return call("flatten", lambda x: typed.copied(x.reshape(-1)), self, self._tensor)

    def squeeze(self, axis=None):
        """A copy without the axes of size 1, or without those given.

        Raises MXNetError where one of them has another size.
        """
        axes = range(self.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
        axes = {one % self.ndim for one in axes if axis is not None or self.shape[one] == 1}
        if any(self.shape[one] != 1 for one in axes):
            raise MXNetError(
                explain(
                    "cannot select an axis to squeeze out which has size not equal to one",
                    given=f"axis={axis}, shape {self.shape}",
                )
            )
        sizes = [size for place, size in enumerate(self.shape) if place not in axes]
        return call("squeeze", lambda x: typed.copied(x.reshape(sizes)), self, self._tensor)

    def broadcast_to(self, shape):
        """A copy, broadcast to a shape."""
        return call("broadcast_to", lambda x: typed.copied(x.expand(shape)), self, self._tensor)

    def repeat(self, repeats, axis=None):
        """Each element (or each entry of an axis) repeated in its place."""
        return call("repeat", lambda x: shapes.repeat(x, repeats, axis), self, self._tensor)

    def dot(self, b, out=None):
        """The product with another array, as numpy's `dot`."""
        other = _tensor_of(b, "b")
        return self._out(call("dot", lambda x, y: linalg.dot(x, y, rule="numpy"), self, self._tensor, other), out)

    def clip(self, min=None, max=None, out=None):
        """``min(max(x, min), max)``.

        Raises ValueError where both bounds are None.
        """
        if min is None and max is None:
            raise ValueError(explain("clip() needs a bound", expected="min, max or both"))
        return self._out(call("clip", lambda x: elementwise.clip(x, min, max), self, self._tensor), out)

    def round(self, decimals=0, out=None):
        """Nearest number with so many decimals, a half to the even one."""
        return self._out(call("round", lambda x: elementwise.round(x, decimals), self, self._tensor), out)

    def take(self, indices, axis=None, mode="raise"):
        """Entries along an axis (of the flattened array); mode "raise", "clip" or "wrap"."""
        places = _tensor_of(indices, "indices")
        return call("take", lambda x, i: picks.take(x, i, axis, mode=mode), self, self._tensor, places)

    def cumsum(self, axis=None, dtype=None, out=None):
        """Running sums along an axis, or of the flattened array."""
        wanted = self._kept(dtype)
        return self._out(call("cumsum", lambda x: reduce.cumsum(x, axis, dtype=wanted), self, self._tensor), out)

    def argmax(self, axis=None, out=None):
        """Where the largest value is (in the flattened array), int64."""
        return self._out(call("argmax", lambda x: reduce.argmax(x, axis), self, self._tensor), out)

    def argmin(self, axis=None, out=None):
        """Where the smallest value is (in the flattened array), int64."""
        return self._out(call("argmin", lambda x: reduce.argmin(x, axis), self, self._tensor), out)

    def argsort(self, axis=-1, kind=None, order=None):
        """The indices that put the array in order along an axis, int64; `kind` names an algorithm to NumPy only."""
        if order is not None:
            raise NotImplementedError(explain("There are no fields to order by", given=f"order={order!r}"))
        return call("argsort", lambda x: picks.argsort(x, axis), self, self._tensor)

    def sort(self, axis=-1, kind=None, order=None):
        """Not in MXNet 1.9.1, where it raises TypeError; `mx.np.sort` answers a sorted copy."""
        raise TypeError(
            explain("mx.np.ndarray.sort() is not there", given=f"axis={axis}, kind={kind}, order={order}")
            + " mx.np.sort(array) answers a sorted copy."
        )

    def nonzero(self):
        """The indices of what is not 0, an array to each dimension."""
        return tuple(ndarray._wrap(torch.from_numpy(places), self._ctx) for places in onp.nonzero(self.asnumpy()))

    def _out(self, result, out):
        if out is None:
            return result
        if out._tensor.shape != result._tensor.shape:
            raise MXNetError(explain("out= has another shape", expected=result.shape, given=out.shape))
        out._assign(result._tensor)
        return out

    def _reduced(self, name, function, out, **options):
        if options.get("axis") == () and "ddof" not in options:  # over no axes: the array itself
            return self._out(self.astype(options.get("dtype") or self.dtype), out)
        return self._out(call(name, lambda x: function(x, **options), self, self._tensor), out)

    def sum(self, axis=None, dtype=None, out=None, keepdims=False):
        """The sum."""
        dtype = self._kept(dtype)
        return self._reduced("sum", reduce.sum, out, axis=axis, keepdims=keepdims, dtype=dtype)

    def prod(self, axis=None, dtype=None, out=None, keepdims=False):
        """The product."""
        dtype = self._kept(dtype)
        return self._reduced("prod", reduce.prod, out, axis=axis, keepdims=keepdims, dtype=dtype)

    def _kept(self, dtype):
        if dtype is not None:
            return mxnet_dtype(dtype)
        return torch.int64 if self._tensor.dtype is torch.bool else self._tensor.dtype

    def mean(self, axis=None, dtype=None, out=None, keepdims=False):
        """The mean; of integers as float32."""
        dtype = None if dtype is None else mxnet_dtype(dtype)
        return self._reduced("mean", reduce.mean, out, axis=axis, keepdims=keepdims, dtype=dtype)

    def std(self, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
        """The standard deviation."""
        source = self if dtype is None else self.astype(dtype)
        return source._reduced("std", reduce.std, out, axis=axis, ddof=ddof, keepdims=keepdims)

    def var(self, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
        """The variance."""
        source = self if dtype is None else self.astype(dtype)
        return source._reduced("var", reduce.var, out, axis=axis, ddof=ddof, keepdims=keepdims)

    def max(self, axis=None, out=None, keepdims=False):
        """The largest value."""
        return self._reduced("max", reduce.max, out, axis=axis, keepdims=keepdims)

    def min(self, axis=None, out=None, keepdims=False):
        """The smallest value."""
        return self._reduced("min", reduce.min, out, axis=axis, keepdims=keepdims)

    def any(self, axis=None, out=None, keepdims=False):
        """Whether something is not 0."""
        return self._reduced("any", reduce.any, out, axis=axis, keepdims=keepdims)

    def all(self, axis=None, out=None, keepdims=False):
        """Whether nothing is 0."""
        return self._reduced("all", reduce.all, out, axis=axis, keepdims=keepdims)


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
