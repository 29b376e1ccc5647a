"""Python's operators on `mx.np.ndarray`.

Two arrays mix dtypes as `ops.promoted` says; a number takes the array's dtype, so that integers stay integers, but
division gives floats. An in-place operator keeps the array's dtype and memory.
"""

import numpy as onp
import torch

from tandem.core import scope
from tandem.core.dtypes import dtype_name
from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import in_place_error
from tandem.mxnet.paths import in_graph
from tandem.mxnet.views import operator_error
from tandem.ops import elementwise, linalg, promoted, typed

_scope = scope._current
_grad_enabled, _set_grad = torch.is_grad_enabled, torch._C._set_grad_enabled
_NUMBERS = (float, int, onp.generic)


def compute(name, function, *tensors):
    """`function(*tensors)`, with gradients only while recording.

    Raises MXNetError where torch or the function refuses.
    """
    try:
        if _scope.recording or not _grad_enabled():
            result = function(*tensors)
            return result if result.requires_grad or not _scope.recording else in_graph(result, tensors, function)
        _set_grad(False)
        try:
            return function(*tensors)
        finally:
            _set_grad(True)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        given = [tensor for tensor in tensors if isinstance(tensor, torch.Tensor)]
        raise operator_error(name, given, {}, error) from error


def _wrong_type(value):
    return TypeError(
        explain(
            f"type {type(value)} not supported in arithmetic with a mx.np.ndarray",
            expected="a mx.np.ndarray or a number",
            hint="mx.np.array(...) makes an array; NDArray.as_np_ndarray() shares memory.",
        )
    )


def _binary(kind, name, pairs, numbers, reflected=False, floats=False):
    """A method for one of Python's operators: `pairs` is for two arrays, `numbers` for an array and a number.

    floats: whether in hybridized blocks, which MXNet computes as symbols, a number that is not whole makes float64 of
    integers; so does every number before an operator other than ``+``.
    """
    exact = promoted.in_doubles(numbers) if floats else numbers
    first_counts = reflected and name != "add"

    def method(self, other):
        if isinstance(other, kind):
            function, value = pairs, other._tensor
        elif isinstance(other, _NUMBERS):
            function, value = numbers, other.item() if isinstance(other, onp.generic) else other
            if _scope.inside and (first_counts or type(value) is float):
                function = exact
        else:
            raise _wrong_type(other)
        first, second = (value, self._tensor) if reflected else (self._tensor, value)
        array = kind.__new__(kind)
        array._tensor = compute(name, function, first, second)
        array._ctx = self._ctx
        return array

    method.__doc__ = pairs.__doc__
    return method


def _in_place(kind, name, pairs, numbers):
    """A method for one of Python's in-place operators.

    Raises MXNetError where the result has another shape or dtype, or belongs to a recorded computation.
    """

    def method(self, other):
        if isinstance(other, kind):
            function, value = pairs, other._tensor
        elif isinstance(other, _NUMBERS):
            function, value = numbers, other.item() if isinstance(other, onp.generic) else other
        else:
            raise _wrong_type(other)
        own = self._tensor
        if _scope.recording and (own.requires_grad or (isinstance(value, torch.Tensor) and value.requires_grad)):
            raise in_place_error()
        result = compute(name, function, own.detach(), value.detach() if isinstance(value, torch.Tensor) else value)
        if result.dtype is not own.dtype or result.shape != own.shape:
            raise MXNetError(
                explain(
                    f"The result of {name} does not fit the array it is to be written to",
                    expected=f"{dtype_name(own.dtype)} {tuple(own.shape)}",
                    given=f"{dtype_name(result.dtype)} {tuple(result.shape)}",
                )
            )
        own.data.copy_(result)
        return self

    method.__doc__ = pairs.__doc__
    return method


def _with_booleans_as_numbers(function):
    """A function of an array and a number that takes True and False for 1 and 0."""

    def compute(a, b):
        if isinstance(a, bool):
            a = int(a)
        elif isinstance(b, bool):
            b = int(b)
        return function(a, b)

    compute.__doc__ = function.__doc__
    return compute


def _numbers(function):
    """What an operator computes of an array and a number, in either order; bools become int64 first."""
    plain = promoted.with_number(function)
    reverse = promoted.with_number(lambda data, scalar: function(scalar, data))
    return _with_booleans_as_numbers(lambda a, b: plain(a, b) if isinstance(a, torch.Tensor) else reverse(b, a))


def _of_one_dtype(function):
    """The function of two arrays of one dtype.

    Raises TypeError for different ones.
    """

    def compute(a, b):
        if a.dtype is not b.dtype:
            raise TypeError(f"the operator takes operands of one dtype, got {a.dtype} and {b.dtype}")
        return function(a, b)

    compute.__doc__ = function.__doc__
    return compute


def _matmul(kind, reflected=False):
    def method(self, other):
        if not isinstance(other, kind):
            raise AssertionError(
                explain(
                    "Both sides of @ must have NDArray type", expected="a mx.np.ndarray", given=type(other).__name__
                )
            )
        first, second = (other, self) if reflected else (self, other)
        return kind._wrap(compute("matmul", linalg.matmul, first._tensor, second._tensor), self._ctx)

    method.__doc__ = linalg.matmul.__doc__
    return method


def _negative(x):
    """``-x``, of bools as int64."""
    return elementwise.neg(x.long() if x.dtype is torch.bool else x)


def _unary(kind, name, function):
    def method(self):
        return kind._wrap(compute(name, function, self._tensor), self._ctx)

    method.__doc__ = function.__doc__
    return method


def attach(kind):
    """Give `mx.np.ndarray` its operators."""
    for name, pairs, numbers in (
        ("add", promoted.add, _numbers(typed.add)),
        ("sub", promoted.subtract, _numbers(typed.subtract)),
        ("mul", promoted.multiply, _numbers(typed.multiply)),
        ("truediv", promoted.divide, promoted.divide_by_number),
        ("div", promoted.divide, promoted.divide_by_number),
        ("mod", promoted.modulo, _numbers(typed.modulo)),
        ("pow", promoted.power, _numbers(typed.power)),
    ):
        floats = name not in ("truediv", "div")
        setattr(kind, f"__{name}__", _binary(kind, name, pairs, numbers, floats=floats))
        setattr(kind, f"__r{name}__", _binary(kind, name, pairs, numbers, reflected=True, floats=floats))
        if name != "pow":  # MXNet has no in-place power: `x **= 2` makes a new array
            setattr(kind, f"__i{name}__", _in_place(kind, name, pairs, numbers))
    for name, function in (
        ("and", promoted.bitwise_and),
        ("or", promoted.bitwise_or),
        ("xor", promoted.bitwise_xor),
    ):
        whole = promoted.integers_only(function)
        pairs = _of_one_dtype(whole)
        setattr(kind, f"__{name}__", _binary(kind, name, pairs, whole))
        setattr(kind, f"__i{name}__", _in_place(kind, name, pairs, whole))
    for name, function in (
        ("eq", promoted.equal),
        ("ne", promoted.not_equal),
        ("gt", promoted.greater),
        ("ge", promoted.greater_equal),
        ("lt", promoted.less),
        ("le", promoted.less_equal),
    ):
        setattr(kind, f"__{name}__", _binary(kind, name, function, _with_booleans_as_numbers(function), floats=True))
    kind.__matmul__, kind.__rmatmul__ = _matmul(kind), _matmul(kind, reflected=True)
    kind.__invert__ = _unary(kind, "invert", elementwise.bitwise_not)
    kind.__neg__ = _unary(kind, "negative", _negative)
    kind.__abs__ = _unary(kind, "abs", promoted.no_bools(elementwise.abs))
