"""`mx.np.ndarray`: MXNet's array with NumPy's behaviour.

It has arrays without dimensions, boolean masks, comparisons that give booleans, and mixed dtypes; numbers take the
array's dtype, so that integers stay integers, but division gives floats.
"""

import numpy as onp
import torch

from tandem.core import scope
from tandem.core.dtypes import dtype_name
from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray import indexing
from tandem.mxnet.ndarray.ndarray import NUMPY_TYPES, NDArray, in_place_error, mxnet_dtype
from tandem.mxnet.views import operator_error
from tandem.ops import elementwise, linalg, reduce, typed
from tandem.ops import indexing as picks
from tandem.ops import shape as shapes

_scope = scope._current
_NUMBERS = (float, int, onp.generic)


def call(name, function, like, *tensors):
    """`function(*tensors)` with gradients only while recording, as an array like `like`."""
    try:
        with torch.set_grad_enabled(bool(_scope.recording) and torch.is_grad_enabled()):
            result = function(*tensors)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        given = [tensor for tensor in tensors if isinstance(tensor, torch.Tensor)]
        raise operator_error(name, given, {}, error) from error
    return ndarray._wrap(result, like._ctx)


def _operand(value):
    if isinstance(value, ndarray):
        return value._tensor
    if isinstance(value, _NUMBERS):
        return value.item() if isinstance(value, onp.generic) else value
    raise TypeError(
        explain(
            f"type {type(value)} not supported in arithmetic with a mx.np.ndarray",
            expected="a mx.np.ndarray or a number",
            hint="mx.np.array(...) makes an array; NDArray.as_np_ndarray() shares memory.",
        )
    )


def _promoted(a, b):
    """Both operands in the wider dtype of the two."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and a.dtype is not b.dtype:
        dtype = torch.promote_types(a.dtype, b.dtype)
        return a.to(dtype), b.to(dtype)
    return a, b


def _floating(value):
    return value.float() if isinstance(value, torch.Tensor) and not value.is_floating_point() else value


def _divide(a, b):
    return typed.divide(*map(_floating, _promoted(a, b)))


def _mixed(function):
    return lambda a, b: function(*_promoted(a, b))


def _compared(function):
    return lambda a, b: function(*_promoted(a, b)).bool()


def _operator(name, function, reflected=False):
    def method(self, other):
        other = _operand(other)
        return (
            call(name, function, self, other, self._tensor)
            if reflected
            else call(name, function, self, self._tensor, other)
        )

    return method


def _in_place(name, function):
    def method(self, other):
        value = _operand(other)
        tracked = self._tensor.requires_grad or (isinstance(value, torch.Tensor) and value.requires_grad)
        if _scope.recording and tracked:
            raise in_place_error()
        result = call(name, function, self, self._tensor, value)._tensor
        if result.dtype is not self._tensor.dtype:
            raise MXNetError(
                explain(
                    f"The result of {name} does not fit the array it is to be written to",
                    expected=dtype_name(self._tensor.dtype),
                    given=dtype_name(result.dtype),
                )
            )
        self._assign(result)
        return self

    return method


def _masks_as_indices(key):
    """A key with boolean arrays replaced by the indices where they are true."""
    items = []
    for item in key if isinstance(key, tuple) else (key,):
        if isinstance(item, list) and item and all(isinstance(entry, bool) for entry in item):
            item = onp.array(item)
        if isinstance(item, NDArray) and item._tensor.dtype is torch.bool:
            item = item.asnumpy()
        if isinstance(item, onp.ndarray) and item.dtype == bool:
            items.extend(onp.nonzero(item))
        else:
            items.append(item)
    return items[0] if len(items) == 1 else tuple(items)


class ndarray(NDArray):
    """An array with NumPy's behaviour. Made by `mx.np.array`, `zeros`, ... and `NDArray.as_np_ndarray`."""

    __slots__ = ()

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
        values = onp.array2string(self.asnumpy(), separator=", ", prefix="array(")
        hidden = self._tensor.dtype in (torch.float32, torch.bool)
        return f"array({values})" if hidden else f"array({values}, dtype={self.dtype})"

    def __str__(self):
        return str(self.asnumpy())

    def __len__(self):
        if self._tensor.dim() == 0:
            raise TypeError("len() of unsized object")
        return self._tensor.shape[0]

    def _item(self):
        if self._tensor.numel() != 1:
            raise TypeError("only size-1 arrays can be converted to Python scalars")
        return self._tensor.item()

    def __getitem__(self, key):
        key = _masks_as_indices(key)
        if isinstance(key, tuple) and not key:
            return self
        return indexing.get_item(self, key)

    def __setitem__(self, key, value):
        indexing.set_item(self, _masks_as_indices(key), value)

    def __iter__(self):
        return (self[index] for index in range(len(self)))

    def __matmul__(self, other):
        return call("matmul", linalg.matmul, self, self._tensor, _operand(other))

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
        """The same memory in another shape; one size may be -1.

        Raises MXNetError where the sizes do not fit.
        """
        order = kwargs.pop("order", "C")
        sizes = kwargs.pop("newshape", kwargs.pop("shape", args))
        if kwargs or order != "C":
            raise TypeError(explain("reshape() takes sizes, in C order", given=f"order={order!r}, {kwargs}"))
        if len(sizes) == 1 and not isinstance(sizes[0], int):
            sizes = sizes[0]
        if not self._tensor.is_contiguous():
            self._tensor = self._tensor.contiguous()
        return call("reshape", lambda x: x.view(tuple(sizes)), self, self._tensor)

    reshape_view = reshape

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
        if order != "C":
            raise NotImplementedError(explain("flatten() works in C order", given=f"order={order!r}"))
        return call("flatten", lambda x: typed.copied(x.reshape(-1)), self, self._tensor)

    def squeeze(self, axis=None):
        """A copy without the axes of size 1, or without those given.

        Raises ValueError where one of them has another size.
        """
        axes = range(self.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
        axes = {one % self.ndim for one in axes if axis is not None or self.shape[one] == 1}
        if any(self.shape[one] != 1 for one in axes):
            raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
        sizes = [size for place, size in enumerate(self.shape) if place not in axes]
        return call("squeeze", lambda x: typed.copied(x.reshape(sizes)), self, self._tensor)

    def broadcast_to(self, shape):
        """A copy, broadcast to a shape."""
        return call("broadcast_to", lambda x: typed.copied(x.expand(shape)), self, self._tensor)

    def repeat(self, repeats, axis=None):
        """Each element (or each entry of an axis) repeated in its place."""
        return call("repeat", lambda x: shapes.repeat(x, repeats, axis), self, self._tensor)

    def tile(self, reps):
        """The array repeated as a whole along its axes."""
        return call("tile", lambda x: shapes.tile(x, (reps,) if isinstance(reps, int) else reps), self, self._tensor)

    def dot(self, b, out=None):
        """The product with another array, as numpy's `dot`."""
        return self._out(call("dot", lambda x, y: linalg.dot(x, y, rule="numpy"), self, self._tensor, _operand(b)), out)

    def clip(self, min=None, max=None, out=None):
        """``min(max(x, min), max)``."""
        return self._out(call("clip", lambda x: elementwise.clip(x, min, max), self, self._tensor), out)

    def round(self, decimals=0, out=None):
        """Nearest number with so many decimals, a half to the even one."""
        return self._out(call("round", lambda x: elementwise.round(x, decimals), self, self._tensor), out)

    def take(self, indices, axis=None, mode="raise"):
        """Entries along an axis (of the flattened array); mode "raise", "clip" or "wrap"."""
        return call("take", lambda x, i: picks.take(x, i, axis, mode=mode), self, self._tensor, _operand(indices))

    def cumsum(self, axis=None, dtype=None, out=None):
        """Running sums along an axis, or of the flattened array."""
        wanted = self._tensor.dtype if dtype is None else mxnet_dtype(dtype)
        return self._out(call("cumsum", lambda x: reduce.cumsum(x, axis, dtype=wanted), self, self._tensor), out)

    def argmax(self, axis=None, out=None):
        """Where the largest value is (in the flattened array), int64."""
        return self._out(call("argmax", lambda x: reduce.argmax(x, axis), self, self._tensor), out)

    def argmin(self, axis=None, out=None):
        """Where the smallest value is (in the flattened array), int64."""
        return self._out(call("argmin", lambda x: reduce.argmin(x, axis), self, self._tensor), out)

    def argsort(self, axis=-1):
        """The indices that put the array in order along an axis, int64."""
        return call("argsort", lambda x: picks.argsort(x, axis), self, self._tensor)

    def nonzero(self):
        """The indices of what is not 0, an array to each dimension."""
        return tuple(ndarray._wrap(torch.from_numpy(places), self._ctx) for places in onp.nonzero(self.asnumpy()))

    def _out(self, result, out):
        if out is None:
            return result
        out._assign(result._tensor)
        return out

    def _reduced(self, name, function, out, **options):
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


# What NDArray has as methods and NumPy's arrays do not.
_ABSENT = """
    arccos arccosh arcsin arcsinh arctan arctanh argmax_channel asscalar broadcast_axes broadcast_like cast cbrt
    ceil cos cosh degrees depth_to_space diag exp expand_dims expm1 fix flip floor log log10 log1p log2
    log_softmax nanprod nansum negative norm one_hot ones_like pad pick radians rcbrt reciprocal relu
    reshape_like rint rsqrt shape_array sigmoid sign sin sinh size_array slice slice_axis slice_like softmax
    softmin sort space_to_depth split split_v2 sqrt square tan tanh topk trunc zeros_like slice_assign
    slice_assign_scalar
"""


class _Absent:
    """A method of NDArray that is not there: asking for it says so."""

    def __init__(self, name):
        self.name = name

    def __get__(self, instance, owner):
        raise AttributeError(
            explain(
                f"mxnet.numpy.ndarray object has no attribute {self.name!r}",
                hint=f"as_nd_ndarray().{self.name} is the method of the classic array.",
            )
        )


for _name in _ABSENT.split():
    setattr(ndarray, _name, _Absent(_name))

for _name, _function in (
    ("add", _mixed(typed.add)),
    ("sub", _mixed(typed.subtract)),
    ("mul", _mixed(typed.multiply)),
    ("truediv", _divide),
    ("mod", _mixed(typed.modulo)),
    ("pow", _mixed(typed.power)),
):
    setattr(ndarray, f"__{_name}__", _operator(_name, _function))
    setattr(ndarray, f"__r{_name}__", _operator(_name, _function, reflected=True))
    setattr(ndarray, f"__i{_name}__", _in_place(_name, _function))

for _name, _function in (
    ("eq", typed.equal),
    ("ne", typed.not_equal),
    ("gt", typed.greater),
    ("ge", typed.greater_equal),
    ("lt", typed.less),
    ("le", typed.less_equal),
):
    setattr(ndarray, f"__{_name}__", _operator(_name, _compared(_function)))

ndarray.__neg__ = lambda self: (
    self * -1 if self._tensor.dtype is torch.bool else call("negative", elementwise.neg, self, self._tensor)
)
ndarray.__abs__ = lambda self: call("abs", elementwise.abs, self, self._tensor)
ndarray.__hash__ = NDArray.__hash__
