"""The arithmetic of symbols: Python's operators, and `sym.maximum`, `sym.pow`, ... which also take numbers."""

import builtins
import math
import operator

import numpy as np

from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol import compose
from tandem.mxnet.symbol.symbol import NotImplementedForSymbol, Symbol

_NUMBERS = (float, int, np.generic)


def _apply(name, hint, inputs, scalar=None):
    attrs = {} if scalar is None else {"scalar": scalar}
    return compose.apply(OPERATORS[name], type(inputs[0]), hint, inputs, attrs)


def _operator(both, with_number, hint, hint_of_number):
    def method(self, other):
        if isinstance(other, Symbol):
            return _apply(both, hint, (self, other))
        if isinstance(other, _NUMBERS):
            return _apply(with_number, hint_of_number, (self,), other)
        raise TypeError(f"type {type(other)} not supported")

    return method


def _reflected(with_number, hint):
    def method(self, other):
        if isinstance(other, _NUMBERS):
            return _apply(with_number, hint, (self,), other)
        raise TypeError(f"type {type(other)} not supported")

    return method


def _refused(name, sign):
    def method(self, other):
        raise NotImplementedForSymbol(name, sign, other, 1)

    method.__name__ = name
    return method


# Python's name -> (operator of two arrays, of an array and a number, hints of their names).
_METHODS = {
    "__add__": ("elemwise_add", "_plus_scalar", "_plus", "_plusscalar"),
    "__sub__": ("elemwise_sub", "_minus_scalar", "_minus", "_minusscalar"),
    "__mul__": ("elemwise_mul", "_mul_scalar", "_mul", "_mulscalar"),
    "__truediv__": ("elemwise_div", "_div_scalar", "_div", "_divscalar"),
    "__mod__": ("_mod", "_mod_scalar", "_mod", "_modscalar"),
    "__pow__": ("_power", "_power_scalar", "_power", "_powerscalar"),
    **{
        f"__{short}__": (f"_{name}", f"_{name}_scalar", f"_{name}", f"_{name}_scalar")
        for short, name in (
            ("eq", "equal"),
            ("ne", "not_equal"),
            ("gt", "greater"),
            ("ge", "greater_equal"),
            ("lt", "lesser"),
            ("le", "lesser_equal"),
        )
    },
}
_METHODS["__div__"] = _METHODS["__truediv__"]


def attach():
    """Give Symbol its operators."""
    for name, names in _METHODS.items():
        setattr(Symbol, name, _operator(*names))
    Symbol.__radd__ = Symbol.__add__
    Symbol.__rmul__ = Symbol.__mul__
    for name, operator_name, hint in (
        ("__rsub__", "_rminus_scalar", "_rminusscalar"),
        ("__rtruediv__", "_rdiv_scalar", "_rdivscalar"),
        ("__rdiv__", "_rdiv_scalar", "_rdivscalar"),
        ("__rmod__", "_rmod_scalar", "_rmodscalar"),
        ("__rpow__", "_rpower_scalar", "_rpower_scalar"),
    ):
        setattr(Symbol, name, _reflected(operator_name, hint))
    for name, sign in (("iadd", "+="), ("isub", "-="), ("imul", "*="), ("itruediv", "/="), ("idiv", "/=")):
        setattr(Symbol, f"__{name}__", _refused(f"__{name}__", sign))
    Symbol.__neg__ = lambda self: _apply("_mul_scalar", "_mulscalar", (self,), -1.0)
    Symbol.__abs__ = lambda self: _apply("abs", "abs", (self,))


def _function(name, on_numbers, both, with_number, reflected=None, doc=""):
    hint = both.lower()
    number_hint = f"{hint}scalar"

    def function(left, right):
        if isinstance(left, Symbol) and isinstance(right, Symbol):
            return _apply(both, hint, (left, right))
        if isinstance(left, Symbol) and isinstance(right, _NUMBERS):
            return _apply(with_number, number_hint, (left,), right)
        if isinstance(left, _NUMBERS) and isinstance(right, Symbol):
            other = reflected or with_number
            return _apply(other, f"{other.removesuffix('_scalar')}scalar", (right,), left)
        if isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS):
            return on_numbers(left, right)
        raise TypeError(f"types ({type(left)}, {type(right)}) not supported")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


maximum = _function("maximum", builtins.max, "_maximum", "_maximum_scalar", doc="The greater of two.")
minimum = _function("minimum", builtins.min, "_minimum", "_minimum_scalar", doc="The lesser of two.")
hypot = _function("hypot", math.hypot, "_hypot", "_hypot_scalar", doc="``sqrt(left^2 + right^2)``.")
_pow = _function("pow", operator.pow, "_power", "_power_scalar", "_rpower_scalar")


def pow(base, exp):
    """``base ** exp``."""
    return _pow(base, exp)


def power(base, exp):
    """``base ** exp``."""
    return _pow(base, exp)
