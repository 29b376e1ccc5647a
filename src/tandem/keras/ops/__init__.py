"""`keras.ops`: functions of tensors that also take the symbolic values of a functional model."""

import functools
import operator

import torch

from tandem.core.dtypes import torch_dtype
from tandem.keras import tensors
from tandem.keras.symbolic import lift
from tandem.ops import elementwise
from tandem.ops import shape as shapes


def _operand(x):
    return x if isinstance(x, (int, float, bool)) else tensors.convert(x)


def _binary(function, name, class_name):
    def compute(x1, x2):
        x1, x2 = _operand(x1), _operand(x2)
        if not hasattr(x1, "shape") and not hasattr(x2, "shape"):
            x1 = tensors.convert(x1)
        return function(x1, x2)

    compute.__name__ = compute.__qualname__ = name
    compute.__doc__ = f"`{name}`, element by element, with broadcasting; either operand may be a number."
    return lift(compute, class_name, 2)


def _logical(function):
    @functools.wraps(function)
    def compute(x1, x2):
        return function(tensors.convert(x1), tensors.convert(x2))

    return compute


def _unary(function, name, class_name):
    def compute(x):
        return function(tensors.convert(x))

    compute.__name__ = compute.__qualname__ = name
    compute.__doc__ = f"`{name}`, element by element."
    return lift(compute, class_name, 1)


add = _binary(operator.add, "add", "Add")
subtract = _binary(operator.sub, "subtract", "Subtract")
multiply = _binary(operator.mul, "multiply", "Multiply")
true_divide = _binary(operator.truediv, "true_divide", "TrueDivide")
floor_divide = _binary(operator.floordiv, "floor_divide", "FloorDivide")
mod = _binary(operator.mod, "mod", "Mod")
power = _binary(operator.pow, "power", "Power")
matmul = _binary(operator.matmul, "matmul", "Matmul")
less = _binary(operator.lt, "less", "Less")
less_equal = _binary(operator.le, "less_equal", "LessEqual")
greater = _binary(operator.gt, "greater", "Greater")
greater_equal = _binary(operator.ge, "greater_equal", "GreaterEqual")
not_equal = _binary(operator.ne, "not_equal", "NotEqual")
equal = _binary(operator.eq, "equal", "Equal")
logical_and = _binary(_logical(elementwise.logical_and), "logical_and", "LogicalAnd")
logical_or = _binary(_logical(elementwise.logical_or), "logical_or", "LogicalOr")
logical_xor = _binary(_logical(elementwise.logical_xor), "logical_xor", "LogicalXor")
logical_not = _unary(elementwise.logical_not, "logical_not", "LogicalNot")
negative = _unary(elementwise.neg, "negative", "Negative")
absolute = _unary(elementwise.abs, "absolute", "Absolute")


def _round(x, decimals=0):
    """x rounded to `decimals` places, halves to even."""
    return elementwise.round(tensors.convert(x), decimals)


def _reshape(x, newshape):
    """x in another shape; one size may be -1."""
    return tensors.convert(x).reshape(newshape)


def _squeeze(x, axis=None):
    """x without its axes of size 1 (or without `axis`)."""
    x = tensors.convert(x)
    return x.squeeze() if axis is None else x.squeeze(axis)


def _get_item(x, key):
    """``x[key]``."""
    return tensors.convert(x)[key]


def _any(x, axis=None, keepdims=False):
    """Whether any element along `axis` is true."""
    x = tensors.convert(x)
    return x.any() if axis is None else x.any(axis, keepdim=keepdims)


def _expand_dims(x, axis):
    """x with a new axis of size 1 at `axis`."""
    return tensors.convert(x).unsqueeze(axis)


def _zeros_like(x, dtype=None):
    """0 in the shape of x, of its dtype or another."""
    return torch.zeros_like(tensors.convert(x), dtype=None if dtype is None else torch_dtype(dtype))


def _ones_like(x, dtype=None):
    """1 in the shape of x, of its dtype or another."""
    return torch.ones_like(tensors.convert(x), dtype=None if dtype is None else torch_dtype(dtype))


def _concatenate(xs, axis=0):
    """Tensors one after the other along `axis`."""
    return shapes.concat([tensors.convert(x) for x in xs], axis)


round = lift(_round, "Round", 1)
expand_dims = lift(_expand_dims, "ExpandDims", 1)
zeros_like = lift(_zeros_like, "ZerosLike", 1)
ones_like = lift(_ones_like, "OnesLike", 1)
concatenate = lift(_concatenate, "Concatenate", 1)
reshape = lift(_reshape, "Reshape", 1)
squeeze = lift(_squeeze, "Squeeze", 1)
get_item = lift(_get_item, "GetItem", 2)
any = lift(_any, "Any", 1)


def operation_class(class_name):
    """The `Operation` class that files call `class_name`, or None."""
    from tandem.keras import activations

    for room in (globals(), vars(activations)):
        for thing in room.values():
            kind = getattr(thing, "operation", None)
            if kind is not None and kind.__name__ == class_name:
                return kind
    return None


def __getattr__(name):
    from tandem.keras.missing import absent

    return absent("keras.ops", name, globals())
