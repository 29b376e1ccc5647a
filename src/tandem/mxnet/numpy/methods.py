"""Methods of `mx.np.ndarray` that are functions of `mx.np` as well, which compute them.

Those that only look at the memory in another shape, the commonest, do so without the way through the operator's row.
"""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.numpy import functions_elementwise as elementwise
from tandem.mxnet.numpy import functions_indexing as indexing
from tandem.mxnet.numpy import functions_linear as linear
from tandem.mxnet.numpy import functions_reduce as reduce
from tandem.mxnet.numpy import functions_shape as shapes
from tandem.mxnet.numpy.functions_base import checked_array
from tandem.mxnet.numpy.multiarray import c_order, call
from tandem.ops import typed


def _sizes(values, method):
    """Sizes that stand one by one or in one tuple or list.

    Raises MXNetError where one is no whole number.
    """
    if type(values) is tuple:
        if len(values) == 1 and isinstance(values[0], (tuple, list)):
            values = values[0]
        if set(map(type, values)) == {int}:  # the commonest sizes
            return tuple(values)
    try:
        return (values.__index__(),) if hasattr(values, "__index__") else tuple(size.__index__() for size in values)
    except (AttributeError, TypeError):
        raise MXNetError(
            explain(f"{method}() takes whole numbers", expected="sizes such as 2, -1", given=f"{values!r}"[:200])
        ) from None


class Methods:
    """The methods, to be taken over by the array's class."""

    def reshape(self, *args, **kwargs):
        """A copy in another shape; one size may be -1. `reshape_view` shares the memory.

        Raises MXNetError where the sizes do not fit, TypeError for other arguments than sizes and `order`.
        """
        c_order(kwargs.pop("order", "C"), "reshape")
        sizes = kwargs.pop("newshape", kwargs.pop("shape", args))
        if kwargs or (isinstance(sizes, tuple) and not sizes and sizes is args):
            raise TypeError(explain("reshape() takes sizes", expected="reshape(2, -1)", given=str(kwargs or "nothing")))
        sizes = _sizes(sizes, "reshape")
        return call("reshape", lambda x: typed.copied(x.reshape(sizes)), self, self._tensor)

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
        c_order(order, "flatten")
        return call("flatten", lambda x: typed.copied(x.reshape(-1)), self, self._tensor)

    def squeeze(self, axis=None):
        """A copy without the axes of size 1, or without those given.

        Raises MXNetError where one of them has another size.
        """
        return shapes.squeeze(self, axis)

    def broadcast_to(self, shape):
        """A copy, broadcast to a shape."""
        return shapes.broadcast_to(self, shape)

    def repeat(self, repeats, axis=None):
        """Each element (or each entry of an axis) repeated in its place."""
        return shapes.repeat(self, repeats, axis)

    def dot(self, b, out=None):
        """The product with another array, as numpy's `dot`."""
        return linear.dot(self, checked_array(b, "b"), out=out)

    def clip(self, min=None, max=None, out=None):
        """``min(max(x, min), max)``.

        Raises ValueError where both bounds are None.
        """
        return elementwise.clip(self, min, max, out=out)

    def round(self, decimals=0, out=None, **kwargs):
        """Nearest number with so many decimals, a half to the even one."""
        return elementwise.round(self, decimals, out=out, **kwargs)

    def take(self, indices, axis=None, mode="raise"):
        """Entries along an axis (of the flattened array); mode "raise", "clip" or "wrap"."""
        return indexing.take(self, checked_array(indices, "indices"), axis, mode)

    def nonzero(self):
        """The indices of what is not 0, an array to each dimension."""
        return indexing.nonzero(self)

    def cumsum(self, axis=None, dtype=None, out=None):
        """Running sums along an axis, or of the flattened array."""
        return reduce.cumsum(self, axis, dtype, out)

    def argmax(self, axis=None, out=None):
        """Where the largest value is (in the flattened array), int64."""
        return reduce.argmax(self, axis, out)

    def argmin(self, axis=None, out=None):
        """Where the smallest value is (in the flattened array), int64."""
        return reduce.argmin(self, axis, out)

    def argsort(self, axis=-1, kind=None, order=None):
        """The indices that put the array in order along an axis, int64; `kind` names an algorithm to NumPy only."""
        return reduce.argsort(self, axis, kind, order)

    def sum(self, axis=None, dtype=None, out=None, keepdims=False):
        """The sum."""
        return reduce.sum(self, axis, dtype, keepdims, out=out)

    def prod(self, axis=None, dtype=None, out=None, keepdims=False):
        """The product."""
        return reduce.prod(self, axis, dtype, out, keepdims)

    def mean(self, axis=None, dtype=None, out=None, keepdims=False):
        """The mean; of integers as float32."""
        return reduce.mean(self, axis, dtype, out, keepdims)

    def std(self, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
        """The standard deviation; of integers cut to integers."""
        return reduce.std(self, axis, dtype, out, ddof, keepdims)

    def var(self, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
        """The variance; of integers cut to integers."""
        return reduce.var(self, axis, dtype, out, ddof, keepdims)

    def max(self, axis=None, out=None, keepdims=False):
        """The largest value."""
        return reduce.max(self, axis, keepdims, out)

    def min(self, axis=None, out=None, keepdims=False):
        """The smallest value."""
        return reduce.min(self, axis, keepdims, out)

    def any(self, axis=None, out=None, keepdims=False):
        """Whether something is not 0."""
        return reduce.any(self, axis, keepdims, out)

    def all(self, axis=None, out=None, keepdims=False):
        """Whether nothing is 0."""
        return reduce.all(self, axis, keepdims, out)


def _rounded(function):
    """What Python's `round`, `math.floor` and the like ask of the array."""

    def method(self):
        return function(self)

    method.__doc__ = function.__doc__
    return method


def attach(kind):
    """Give the array's class its methods."""
    for name, method in vars(Methods).items():
        if not name.startswith("_"):
            setattr(kind, name, method)
    kind.__round__ = lambda self, ndigits=0: elementwise.round(self, ndigits or 0)
    for name in ("ceil", "floor", "trunc"):
        setattr(kind, f"__{name}__", _rounded(getattr(elementwise, name)))
