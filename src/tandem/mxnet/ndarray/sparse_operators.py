"""Python's operators on sparse arrays, and `mx.nd.sparse.add`, `subtract`, `multiply`, `divide`."""

import operator

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.ndarray.sparse_base import BaseSparseNDArray

__all__ = ["add", "apply", "divide", "multiply", "subtract"]

_NUMBERS = (float, int, np.generic)
# Python's name -> (operators for arrays of one shape, for others, for a number, for a number on the left).
_OPERATORS = {
    "add": ("elemwise_add", "broadcast_add", "_plus_scalar", "_plus_scalar"),
    "sub": ("elemwise_sub", "broadcast_sub", "_minus_scalar", "_rminus_scalar"),
    "mul": ("elemwise_mul", "broadcast_mul", "_mul_scalar", "_mul_scalar"),
    "truediv": ("elemwise_div", "broadcast_div", "_div_scalar", "_rdiv_scalar"),
    "mod": (None, "broadcast_mod", "_mod_scalar", "_rmod_scalar"),
    "pow": (None, "broadcast_power", "_power_scalar", "_rpower_scalar"),
    "eq": (None, "broadcast_equal", "_equal_scalar", "_equal_scalar"),
    "ne": (None, "broadcast_not_equal", "_not_equal_scalar", "_not_equal_scalar"),
    "gt": (None, "broadcast_greater", "_greater_scalar", "_lesser_scalar"),
    "ge": (None, "broadcast_greater_equal", "_greater_equal_scalar", "_lesser_equal_scalar"),
    "lt": (None, "broadcast_lesser", "_lesser_scalar", "_greater_scalar"),
    "le": (None, "broadcast_lesser_equal", "_lesser_equal_scalar", "_greater_equal_scalar"),
    "maximum": (None, "broadcast_maximum", "_maximum_scalar", "_maximum_scalar"),
    "minimum": (None, "broadcast_minimum", "_minimum_scalar", "_minimum_scalar"),
    "logical_and": (None, "broadcast_logical_and", "_logical_and_scalar", "_logical_and_scalar"),
    "logical_or": (None, "broadcast_logical_or", "_logical_or_scalar", "_logical_or_scalar"),
    "logical_xor": (None, "broadcast_logical_xor", "_logical_xor_scalar", "_logical_xor_scalar"),
}
_FUNCTIONS = {  # of mx.nd -> Python's name
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "truediv",
    "true_divide": "truediv",
    "modulo": "mod",
    "power": "pow",
    "equal": "eq",
    "not_equal": "ne",
    "greater": "gt",
    "greater_equal": "ge",
    "lesser": "lt",
    "lesser_equal": "le",
}


def _call(name, *args, **given):
    from tandem.mxnet import ndarray
    from tandem.mxnet.ndarray import _internal

    return getattr(_internal if name.startswith("_") else ndarray, name)(*args, **given)


def _computed(name, lhs, rhs, *, by_shape):
    """`lhs OP rhs`. by_shape: whether arrays of one shape meet in the operator that does not broadcast."""
    same, broadcast, number, reflected = _OPERATORS[name]
    if isinstance(lhs, NDArray) and isinstance(rhs, NDArray):
        alike = by_shape and same is not None and isinstance(lhs, BaseSparseNDArray) and lhs.shape == rhs.shape
        return _call(same if alike else broadcast, lhs, rhs)
    array, scalar, operation = (lhs, rhs, number) if isinstance(lhs, NDArray) else (rhs, lhs, reflected)
    if not isinstance(scalar, _NUMBERS):
        raise TypeError(
            explain(
                f"type {type(scalar)} not supported in arithmetic with an NDArray",
                expected="an NDArray or a number",
            )
        )
    return _call(operation, array, scalar=float(scalar))


def apply(name, lhs, rhs):
    """`mx.nd.NAME(lhs, rhs)` where one of the two is sparse."""
    return _computed(_FUNCTIONS.get(name, name), lhs, rhs, by_shape=False)


def _method(name, reflected=False):
    def method(self, other):
        if not isinstance(other, (NDArray, *_NUMBERS)):
            raise TypeError(explain(f"type {type(other)} not supported", expected="an NDArray or a number"))
        return _computed(name, other, self, by_shape=True) if reflected else _computed(name, self, other, by_shape=True)

    return method


def _in_place(name):
    def method(self, other):
        result = _computed(name, self, other, by_shape=True)
        if result.shape != self.shape:
            raise MXNetError(
                explain("The result of an in-place operator has another shape", expected=self.shape, given=result.shape)
            )
        if result.stype not in (self.stype, "default"):
            result = result.tostype("default")
        self._assign(result._held if isinstance(result, BaseSparseNDArray) else result._tensor)
        return self

    return method


def attach():
    """Give sparse arrays their operators."""
    for name in ("add", "sub", "mul", "truediv", "mod", "pow"):
        for alias in ("truediv", "div") if name == "truediv" else (name,):
            setattr(BaseSparseNDArray, f"__{alias}__", _method(name))
            setattr(BaseSparseNDArray, f"__r{alias}__", _method(name, reflected=True))
            if name != "pow":
                setattr(BaseSparseNDArray, f"__i{alias}__", _in_place(name))
    for name in ("eq", "ne", "gt", "ge", "lt", "le"):
        setattr(BaseSparseNDArray, f"__{name}__", _method(name))
    BaseSparseNDArray.__hash__ = NDArray.__hash__


def _function(name, plain):
    def function(lhs, rhs):
        if isinstance(lhs, NDArray) or isinstance(rhs, NDArray):
            return _computed(name, lhs, rhs, by_shape=True)
        if isinstance(lhs, _NUMBERS) and isinstance(rhs, _NUMBERS):
            return plain(lhs, rhs)
        raise TypeError(explain(f"type {type(rhs)} not supported", expected="an NDArray or a number"))

    return function


def _named(function, name, doc):
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


add = _named(_function("add", operator.add), "add", "``lhs + rhs``; two arrays of one sparse storage keep it.")
subtract = _named(_function("sub", operator.sub), "subtract", "``lhs - rhs``; two arrays of one storage keep it.")
multiply = _named(_function("mul", operator.mul), "multiply", "``lhs * rhs``; a sparse lhs stays sparse.")
divide = _named(_function("truediv", operator.truediv), "divide", "``lhs / rhs``; sparse where rhs is a number.")
