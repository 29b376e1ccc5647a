"""MXNet's names of operators in a profile: while one is taken, each call of an operator is marked with its name.

The functions of `mx.nd`, the methods of arrays and Python's operators on them are wrapped when a profile is first
taken; a wrapper does nothing outside one. What a hybridized block replays has torch's names only.
"""

import functools

import torch

from tandem.mxnet import ndarray
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.operators.table import OPERATORS

PREFIX = "mx::"

# Python's operator -> MXNet's operator of two arrays and, with what stands for the number's side, of one.
_ARITHMETIC = {
    "add": ("broadcast_add", "plus"),
    "sub": ("broadcast_sub", "minus"),
    "mul": ("broadcast_mul", "mul"),
    "truediv": ("broadcast_div", "div"),
    "mod": ("broadcast_mod", "mod"),
    "pow": ("broadcast_power", "power"),
}
_COMPARISONS = {
    "eq": ("broadcast_equal", "equal"),
    "ne": ("broadcast_not_equal", "not_equal"),
    "gt": ("broadcast_greater", "greater"),
    "ge": ("broadcast_greater_equal", "greater_equal"),
    "lt": ("broadcast_lesser", "lesser"),
    "le": ("broadcast_lesser_equal", "lesser_equal"),
}
_ORDERED = ("sub", "truediv", "mod", "pow")  # a number on the left is another operator
_FUNCTIONS = {"subtract": "sub", "multiply": "mul", "divide": "truediv", "true_divide": "truediv", "modulo": "mod"}
_FUNCTIONS |= {"add": "add", "power": "pow", "equal": "eq", "not_equal": "ne", "greater": "gt", "greater_equal": "ge"}
_FUNCTIONS |= {"lesser": "lt", "lesser_equal": "le"}


class _State:
    on = False
    attached = False


_state = _State()


def turn(on):
    """Begin or end marking."""
    if on and not _state.attached:
        _attach()
        _state.attached = True
    _state.on = on


def _marked(function, name):
    @functools.wraps(function)
    def operator(*args, **kwargs):
        if not _state.on:
            return function(*args, **kwargs)
        with torch.profiler.record_function(PREFIX + name):
            return function(*args, **kwargs)

    return operator


def _marked_pair(function, operator, reflected=False):
    """The same for a function of two, whose name depends on what they are."""
    of_arrays, of_scalar = {**_ARITHMETIC, **_COMPARISONS}[operator]

    @functools.wraps(function)
    def method(lhs, rhs):
        if not _state.on:
            return function(lhs, rhs)
        name = of_arrays
        if not (isinstance(lhs, NDArray) and isinstance(rhs, NDArray)):
            turned = operator in _ORDERED and (reflected or not isinstance(lhs, NDArray))
            name = f"_{'r' if turned else ''}{of_scalar}_scalar"
        with torch.profiler.record_function(PREFIX + name):
            return function(lhs, rhs)

    return method


def _attach():
    names = ndarray._table.names
    for name, operator in names.items():
        if name in _FUNCTIONS:
            continue
        function = getattr(ndarray, name, None)
        if callable(function):
            operator = OPERATORS[operator].name
            setattr(ndarray, name, _marked(function, operator))
            if name in NDArray.__dict__ and name in ndarray._METHODS:
                setattr(NDArray, name, _marked(NDArray.__dict__[name], operator))
    for name, operator in _FUNCTIONS.items():
        setattr(ndarray, name, _marked_pair(getattr(ndarray, name), operator))
    for operator in (*_ARITHMETIC, *_COMPARISONS):
        for side in ("", "r", "i"):
            method = NDArray.__dict__.get(f"__{side}{operator}__")
            if method is not None:
                setattr(NDArray, f"__{side}{operator}__", _marked_pair(method, operator, reflected=side == "r"))
