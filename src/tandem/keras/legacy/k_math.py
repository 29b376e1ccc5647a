"""Keras 2's backend functions that compute: names and arguments of `K.*` for the functions of `keras.ops`."""

import builtins

import numpy as np

from tandem.core.errors import explain
from tandem.keras import activations, config, ops, tensors
from tandem.keras.legacy.activations import hard_sigmoid as _hard_sigmoid
from tandem.keras.legacy.k_nodes import apply
from tandem.keras.symbolic import KerasTensor
from tandem.ops import linalg

_op = ops.NAMES
# The same name and the same arguments.
_SAME = "abs cos exp log round sign sigmoid sin softplus softsign sqrt square squeeze stack tanh"
globals().update({name: _op[name] for name in _SAME.split()})


def _binary(name):
    def function(x, y):
        return _op[name](x, y)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _op[name].__doc__
    return function


_PAIRS = "equal greater greater_equal less less_equal maximum minimum not_equal"
globals().update({name: _binary(name) for name in _PAIRS.split()})


def _dtype_of(x):
    return x.dtype if isinstance(x, KerasTensor) else tensors.convert(x).dtype


def _one(x):
    """A shape, as `shape` gives it, as a tensor; other things as they are."""
    if isinstance(x, (list, tuple)):
        return apply(lambda sizes: tensors.convert(list(sizes)), x)
    return x


def _axes(axis):
    """An axis argument: a number or None as it is, a list, range or array as a tuple."""
    return axis if axis is None or isinstance(axis, int) else tuple(int(one) for one in np.atleast_1d(axis))


def _bool_as_float(x):
    return _op["cast"](x, config.floatx()) if str(_dtype_of(x)).endswith("bool") else x


# --- reductions ------------------------------------------------------------------------------------------------------
def sum(x, axis=None, keepdims=False):
    """The sum over `axis`, a number or a list; None: over all."""
    return _op["sum"](_one(x), axis=_axes(axis), keepdims=keepdims)


def prod(x, axis=None, keepdims=False):
    """The product over `axis`."""
    return _op["prod"](_one(x), axis=_axes(axis), keepdims=keepdims)


def mean(x, axis=None, keepdims=False):
    """The mean over `axis`; of booleans, the part that is True."""
    return _op["mean"](_bool_as_float(x), axis=_axes(axis), keepdims=keepdims)


def var(x, axis=None, keepdims=False):
    """The variance over `axis`, divided by the count."""
    return _op["var"](_bool_as_float(x), axis=_axes(axis), keepdims=keepdims)


def std(x, axis=None, keepdims=False):
    """The standard deviation over `axis`, divided by the count."""
    return _op["std"](_bool_as_float(x), axis=_axes(axis), keepdims=keepdims)


def max(x, axis=None, keepdims=False):
    """The greatest value over `axis`."""
    return _op["max"](x, axis=_axes(axis), keepdims=keepdims)


def min(x, axis=None, keepdims=False):
    """The least value over `axis`."""
    return _op["min"](x, axis=_axes(axis), keepdims=keepdims)


def any(x, axis=None, keepdims=False):
    """Whether one is True, over `axis`."""
    return _op["any"](_op["cast"](x, "bool"), axis=_axes(axis), keepdims=keepdims)


def all(x, axis=None, keepdims=False):
    """Whether all are True, over `axis`."""
    return _op["all"](_op["cast"](x, "bool"), axis=_axes(axis), keepdims=keepdims)


def argmax(x, axis=-1):
    """The index of the greatest value along `axis`, as int64."""
    return _op["cast"](_op["argmax"](x, axis=axis), "int64")


def argmin(x, axis=-1):
    """The index of the least value along `axis`, as int64."""
    return _op["cast"](_op["argmin"](x, axis=axis), "int64")


def logsumexp(x, axis=None, keepdims=False):
    """``log(sum(exp(x)))`` over `axis`, without overflow."""
    return _op["logsumexp"](x, axis=axis, keepdims=keepdims)


def cumsum(x, axis=0):
    """The sums of the values up to each along `axis`."""
    return _op["cumsum"](x, axis=axis)


def cumprod(x, axis=0):
    """The products of the values up to each along `axis`."""
    return _op["cumprod"](x, axis=axis)


# --- values ----------------------------------------------------------------------------------------------------------
def cast(x, dtype):
    """x as `dtype`."""
    return _op["cast"](_one(x), dtype)


def cast_to_floatx(x):
    """x as `floatx`: an array for an array or numbers, a tensor for a tensor."""
    if isinstance(x, KerasTensor) or tensors.is_tensor(x):
        return _op["cast"](x, config.floatx())
    return np.asarray(x, dtype=config.floatx())


def pow(x, a):
    """``x ** a``, value by value."""
    return _op["power"](x, a)


def clip(x, min_value, max_value):
    """x with what lies outside moved to the bounds; None: no bound. A lower bound above the upper one wins."""
    if isinstance(min_value, (int, float)) and isinstance(max_value, (int, float)) and max_value < min_value:
        max_value = min_value
    if min_value is None and max_value is None:
        return x
    if min_value is None:
        return _op["minimum"](x, max_value)
    if max_value is None:
        return _op["maximum"](x, min_value)
    return _op["clip"](x, min_value, max_value)


def identity(x, name=None):
    """x. name: without meaning here, where values have names of their own."""
    return x if isinstance(x, KerasTensor) else tensors.convert(x)


def stop_gradient(variables):
    """The values as constants, through which no gradient flows; a list for a list."""
    if isinstance(variables, (list, tuple)):
        return [_op["stop_gradient"](one) for one in variables]
    return _op["stop_gradient"](variables)


def zeros_like(x, dtype=None, name=None):
    """Zeros of the shape of x."""
    return _op["zeros_like"](x, dtype=dtype)


def ones_like(x, dtype=None, name=None):
    """Ones of the shape of x."""
    return _op["ones_like"](x, dtype=dtype)


def one_hot(indices, num_classes):
    """For each index a row with 1 at its place and 0 elsewhere."""
    return _op["one_hot"](_op["cast"](indices, "int32"), num_classes)


def arange(start, stop=None, step=1, dtype="int32"):
    """The numbers from `start` up to `stop`, which is not among them; from 0 where there is one argument."""
    if stop is None:
        start, stop = 0, start
    return apply(lambda *given: _op["arange"](*given, dtype=dtype), start, stop, step)


def in_top_k(predictions, targets, k):
    """Whether each target class is among the `k` likeliest."""
    return _op["in_top_k"](_op["cast"](targets, "int32"), predictions, k)


# --- products --------------------------------------------------------------------------------------------------------
def dot(x, y):
    """The product over the last axis of x and the last but one of y."""
    return _op["dot"](x, y)


def transpose(x):
    """x with its axes in reverse."""
    return _op["transpose"](x)


def batch_dot(x, y, axes=None):
    """For each sample the product over an axis of x and one of y.

    axes: two numbers, or one for both; by default the last of x and the last but one of y. A result without other axes
    is (batch, 1). Raises ValueError for axes that do not fit.
    """
    first, second = len(x.shape), len(y.shape)
    if first < 2 or second < 2:
        raise ValueError(
            explain("batch_dot takes tensors of two axes and more", given=f"shapes {tuple(x.shape)}, {tuple(y.shape)}")
        )
    if axes is None:
        axes = (first - 1, second - 1) if second == 2 else (first - 1, second - 2)
    axes = (axes, axes) if isinstance(axes, int) else tuple(axes)
    if len(axes) != 2:
        raise ValueError(explain("batch_dot takes two axes", given=f"axes={axes}"))
    left, right = axes[0] % first, axes[1] % second
    if 0 in (left, right):
        raise ValueError(explain("The axis of the batch cannot be summed over", given=f"axes={axes}"))
    sizes = x.shape[left], y.shape[right]
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(
            explain(
                "Cannot do batch_dot: the sizes of the axes differ",
                given=f"shapes {tuple(x.shape)} and {tuple(y.shape)} with axes={axes}",
            )
        )
    return apply(_batch_tensordot, x, y, (left, right))


def _batch_tensordot(x, y, axes):
    return linalg.batch_tensordot(tensors.convert(x), tensors.convert(y), axes)


def l2_normalize(x, axis=None):
    """x divided by its Euclidean norm along `axis`."""
    norm = _op["sum"](_op["square"](x), axis=axis, keepdims=True)
    return _op["multiply"](x, _op["rsqrt"](_op["maximum"](norm, 1e-12)))


# --- shapes ----------------------------------------------------------------------------------------------------------
def reshape(x, shape):
    """x in another shape; -1 stands for the size that is left."""
    return apply(lambda x, shape: _op["reshape"](x, tuple(map(_size, shape))), x, _sizes(shape))


def _sizes(shape):
    return tuple(shape) if isinstance(shape, (list, tuple)) else shape


def _size(size):
    return size if size is None else int(size)


def permute_dimensions(x, pattern):
    """x with its axes in the order of `pattern`."""
    return _op["transpose"](x, axes=tuple(pattern))


def expand_dims(x, axis=-1):
    """x with a new axis of size 1."""
    return _op["expand_dims"](x, axis)


def concatenate(tensors, axis=-1):
    """The tensors one behind the other along `axis`."""
    return _op["concatenate"](list(tensors), axis=axis)


def flatten(x):
    """All values in one axis."""
    return _op["reshape"](x, (-1,))


def batch_flatten(x):
    """All values of each sample in one axis: (batch, values)."""

    def flat(x):
        rest = 1
        for size in x.shape[1:]:
            rest *= size
        return _op["reshape"](x, (-1, rest))

    return apply(flat, x)


def repeat(x, n):
    """(batch, features) as (batch, n, features)."""
    if len(x.shape) != 2:
        raise ValueError(explain("repeat takes (batch, features)", given=f"shape {tuple(x.shape)}"))
    return _op["repeat"](_op["expand_dims"](x, 1), n, axis=1) if isinstance(n, int) else apply(_repeat, x, n)


def _repeat(x, n):
    return _op["repeat"](_op["expand_dims"](x, 1), int(n), axis=1)


def repeat_elements(x, rep, axis):
    """x with each entry along `axis` `rep` times in a row."""
    return _op["repeat"](x, rep, axis=axis)


def tile(x, n):
    """x put side by side `n` times: a number to each axis, or one for the last."""
    rank = len(x.shape)

    def tiled(x, n):
        times = [int(one) for one in (n if isinstance(n, (list, tuple)) else [n])]
        return _op["tile"](x, tuple([1] * (rank - len(times)) + times))

    return apply(tiled, x, _sizes(n))


def gather(reference, indices):
    """The rows of `reference` that `indices` number."""
    return _op["take"](reference, _op["cast"](indices, "int32"), axis=0)


def reverse(x, axes):
    """x back to front along some axes."""
    return _op["flip"](x, axis=axes if isinstance(axes, int) else tuple(axes))


def slice(x, start, size):
    """The part of x that begins at `start` and has the sizes `size`, where -1 means up to the end."""

    def part(x, start, size):
        key = tuple(
            builtins.slice(int(first), None if int(count) == -1 else int(first) + int(count))
            for first, count in zip(start, size, strict=True)
        )
        return x[key]

    return apply(part, x, _sizes(start), _sizes(size))


# --- activations -----------------------------------------------------------------------------------------------------
def relu(x, alpha=0.0, max_value=None, threshold=0.0):
    """x above `threshold`, at most `max_value`; below, `alpha` times its distance to it."""
    return activations.relu(x, negative_slope=alpha, max_value=max_value, threshold=threshold)


def elu(x, alpha=1.0):
    """x where it is positive, else ``alpha (exp(x) - 1)``."""
    return _op["elu"](x, alpha=alpha)


def softmax(x, axis=-1):
    """``exp(x)`` over its sum along `axis`."""
    return _op["softmax"](x, axis=axis)


def hard_sigmoid(x):
    """``min(max(0.2 x + 0.5, 0), 1)``, as Keras 2 had it."""
    return apply(lambda x: _hard_sigmoid(tensors.convert(x)), x)


py_all, py_any, py_sum, py_slice = builtins.all, builtins.any, builtins.sum, builtins.slice
