"""The arithmetic of arrays: Python's operators, and `nd.add`, `nd.maximum`, ... which also take numbers."""

import operator

import numpy as np
import torch

from tandem.core import scope
from tandem.core.errors import explain
from tandem.mxnet import util
from tandem.mxnet.ndarray.ndarray import NDArray, SparseStorage, in_place_error
from tandem.mxnet.paths import in_graph, with_one_axis
from tandem.mxnet.views import dtype_error, mixed, operator_error
from tandem.ops import typed

_scope = scope._current
_NUMBERS = (float, int, np.generic)


def _type_error(value):
    return TypeError(
        explain(
            f"type {type(value)} not supported in arithmetic with an NDArray",
            expected="an NDArray or a number",
            hint="mx.nd.array(...) makes an array.",
        )
    )


def _compute(name, function, a, b, like):
    """`function(a, b)` on tensors and numbers, as an array like `like`."""
    try:
        if _scope.recording or not torch.is_grad_enabled():
            result = function(a, b)
        else:
            with torch.no_grad():
                result = function(a, b)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        tensors = [value for value in (a, b) if isinstance(value, torch.Tensor)]
        raise operator_error(name, tensors, {}, error) from error
    if _scope.recording and not result.requires_grad:
        result = in_graph(result, (a, b), function)
    if result.dim() == 0 and not util.is_np_shape():
        result = with_one_axis(result)
    array = NDArray.__new__(NDArray)
    array._tensor = result
    array._ctx = like._ctx
    return array


def _operator(name, function, reflected=False):
    """A method for one of Python's operators."""

    def method(self, other):
        a = self._tensor
        if isinstance(other, NDArray):
            b = other._tensor
            if a.dtype is not b.dtype:
                a, b = mixed(name, (a, b))
        elif isinstance(other, _NUMBERS):
            b = other.item() if isinstance(other, np.generic) else other
            if a.dtype is torch.bool:  # MXNet has rules for numbers only
                a, b = a.long(), int(b)
        else:
            raise _type_error(other)
        return _compute(name, function, b, a, self) if reflected else _compute(name, function, a, b, self)

    method.__doc__ = function.__doc__
    return method


def _in_place(name, function):
    """A method for one of Python's in-place operators; the result keeps the array's shape and memory."""

    def method(self, other):
        a = self._tensor
        if isinstance(other, NDArray):
            try:
                b = other._tensor
            except SparseStorage:
                b = other._dense()
            if a.dtype is not b.dtype:
                raise dtype_error(name, (a, b))
        elif isinstance(other, _NUMBERS):
            b = other.item() if isinstance(other, np.generic) else other
        else:
            raise _type_error(other)
        if _scope.recording and (a.requires_grad or (isinstance(b, torch.Tensor) and b.requires_grad)):
            raise in_place_error()
        try:
            with torch.no_grad():
                function(a.data, b.detach() if isinstance(b, torch.Tensor) else b)
        except (RuntimeError, ValueError) as error:
            tensors = [value for value in (a, b) if isinstance(value, torch.Tensor)]
            raise operator_error(name, tensors, {}, error) from error
        return self

    method.__doc__ = function.__doc__
    return method


def attach():
    """Give NDArray its operators."""
    for name, function in (
        ("add", typed.add),
        ("sub", typed.subtract),
        ("mul", typed.multiply),
        ("truediv", typed.divide),
        ("div", typed.divide),
        ("mod", typed.modulo),
        ("pow", typed.power),
    ):
        setattr(NDArray, f"__{name}__", _operator(name, function))
        setattr(NDArray, f"__r{name}__", _operator(name, function, reflected=True))
        if name != "pow":  # MXNet has no in-place power: `x **= 2` makes a new array
            setattr(NDArray, f"__i{name}__", _in_place(name, getattr(typed, function.__name__ + "_")))
    for name, function in (
        ("eq", typed.equal),
        ("ne", typed.not_equal),
        ("gt", typed.greater),
        ("ge", typed.greater_equal),
        ("lt", typed.less),
        ("le", typed.less_equal),
    ):
        setattr(NDArray, f"__{name}__", _operator(name, function))
    NDArray.__neg__ = lambda self: self * -1 if self.dtype is np.bool_ else self.negative()
    NDArray.__abs__ = lambda self: self.abs()


attach()


def _function(name, function, plain):
    """`nd.add` and its like: either side may be an array or a number; two numbers give Python's result."""

    def function_of_two(lhs, rhs):
        try:
            if isinstance(lhs, NDArray):
                return method(lhs, rhs)
            if isinstance(rhs, NDArray):
                if not isinstance(lhs, _NUMBERS):
                    raise _type_error(lhs)
                return reflected(rhs, lhs)
        except SparseStorage:
            from tandem.mxnet.ndarray.sparse_operators import apply

            return apply(name, lhs, rhs)
        if isinstance(lhs, _NUMBERS) and isinstance(rhs, _NUMBERS):
            return plain(lhs, rhs)
        raise _type_error(rhs if isinstance(lhs, _NUMBERS) else lhs)

    method, reflected = _operator(name, function), _operator(name, function, reflected=True)
    function_of_two.__name__ = function_of_two.__qualname__ = name
    function_of_two.__doc__ = function.__doc__
    return function_of_two


add = _function("add", typed.add, operator.add)
subtract = _function("subtract", typed.subtract, operator.sub)
multiply = _function("multiply", typed.multiply, operator.mul)
divide = _function("divide", typed.divide, operator.truediv)
true_divide = _function("true_divide", typed.divide, operator.truediv)
modulo = _function("modulo", typed.modulo, operator.mod)
maximum = _function("maximum", typed.maximum, max)
minimum = _function("minimum", typed.minimum, min)
equal = _function("equal", typed.equal, lambda a, b: int(a == b))
not_equal = _function("not_equal", typed.not_equal, lambda a, b: int(a != b))
greater = _function("greater", typed.greater, lambda a, b: int(a > b))
greater_equal = _function("greater_equal", typed.greater_equal, lambda a, b: int(a >= b))
lesser = _function("lesser", typed.less, lambda a, b: int(a < b))
lesser_equal = _function("lesser_equal", typed.less_equal, lambda a, b: int(a <= b))
logical_and = _function("logical_and", typed.logical_and, lambda a, b: int(bool(a) and bool(b)))
logical_or = _function("logical_or", typed.logical_or, lambda a, b: int(bool(a) or bool(b)))
logical_xor = _function("logical_xor", typed.logical_xor, lambda a, b: int(bool(a) != bool(b)))
_power = _function("power", typed.power, operator.pow)


def power(base, exp):
    """``base ** exp``; either may be a number."""
    return _power(base, exp)


__all__ = [
    "add",
    "divide",
    "equal",
    "greater",
    "greater_equal",
    "lesser",
    "lesser_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "modulo",
    "multiply",
    "not_equal",
    "power",
    "subtract",
    "true_divide",
]
