"""Element by element: one row a name."""

import operator

import torch

from tandem.keras import config
from tandem.keras.ops import numpy_indexing
from tandem.keras.ops.family import (
    Family,
    meeting,
    narrow,
    narrow_float,
    operand,
    storage_dtype,
    tensor,
    to_float,
    to_narrow_float,
    to_wide_float,
    together,
)
from tandem.ops import arithmetic, elementwise, promoted

NAMES = Family()


def _same(x):
    return x


# name, class, function, what becomes of x first
_UNARY = [
    ("absolute", "Absolute", arithmetic.absolute, _same),
    ("abs", "Abs", arithmetic.absolute, _same),
    ("angle", "Angle", elementwise.angle, to_float),
    ("arccos", "Arccos", elementwise.acos, to_float),
    ("arccosh", "Arccosh", elementwise.acosh, to_float),
    ("arcsin", "Arcsin", elementwise.asin, to_float),
    ("arcsinh", "Arcsinh", elementwise.asinh, to_float),
    ("arctan", "Arctan", elementwise.atan, to_float),
    ("arctanh", "Arctanh", elementwise.atanh, to_float),
    ("bitwise_invert", "BitwiseInvert", elementwise.bitwise_not, _same),
    ("bitwise_not", "BitwiseNot", elementwise.bitwise_not, _same),
    ("cbrt", "Cbrt", elementwise.cbrt, to_wide_float),
    ("ceil", "Ceil", elementwise.ceil, to_narrow_float),
    ("conj", "Conj", elementwise.conj, _same),
    ("conjugate", "Conjugate", elementwise.conj, _same),
    ("copy", "Copy", arithmetic.copied, _same),
    ("cos", "Cos", elementwise.cos, to_float),
    ("cosh", "Cosh", elementwise.cosh, to_float),
    ("deg2rad", "Deg2rad", elementwise.deg2rad, to_wide_float),
    ("exp", "Exp", elementwise.exp, to_float),
    ("exp2", "Exp2", elementwise.exp2, to_float),
    ("expm1", "Expm1", elementwise.expm1, to_float),
    ("fabs", "Fabs", elementwise.abs, to_float),
    ("floor", "Floor", elementwise.floor, to_narrow_float),
    ("i0", "I0", elementwise.i0, to_wide_float),
    ("imag", "Imag", arithmetic.imaginary, _same),
    ("isfinite", "Isfinite", elementwise.isfinite, _same),
    ("isinf", "Isinf", elementwise.isinf, _same),
    ("isnan", "Isnan", elementwise.isnan, _same),
    ("isneginf", "Isneginf", elementwise.isneginf, _same),
    ("isposinf", "Isposinf", elementwise.isposinf, _same),
    ("isreal", "Isreal", elementwise.isreal, _same),
    ("log", "Log", elementwise.log, to_float),
    ("log10", "Log10", elementwise.log10, to_float),
    ("log1p", "Log1p", elementwise.log1p, to_float),
    ("log2", "Log2", elementwise.log2, to_float),
    ("logical_not", "LogicalNot", elementwise.logical_not, _same),
    ("negative", "Negative", elementwise.neg, _same),
    ("rad2deg", "Rad2deg", elementwise.rad2deg, to_wide_float),
    ("real", "Real", elementwise.real, _same),
    ("reciprocal", "Reciprocal", elementwise.reciprocal, to_float),
    ("sign", "Sign", elementwise.sgn, _same),
    ("signbit", "Signbit", elementwise.signbit, _same),
    ("sin", "Sin", elementwise.sin, to_float),
    ("sinc", "Sinc", elementwise.sinc, to_float),
    ("sinh", "Sinh", elementwise.sinh, to_float),
    ("sqrt", "Sqrt", elementwise.sqrt, to_float),
    ("square", "Square", arithmetic.square, _same),
    ("tan", "Tan", elementwise.tan, to_float),
    ("tanh", "Tanh", elementwise.tanh, to_float),
    ("trunc", "Trunc", arithmetic.truncated, _same),
]


def _unary(function, prepare):
    if prepare is _same:
        return lambda x: function(tensor(x))
    return lambda x: function(prepare(tensor(x)))


for _name, _class, _function, _prepare in _UNARY:
    NAMES.add(_name, _unary(_function, _prepare), _class).__doc__ = f"`{_name}`, element by element."


def _weak(function, numbers=True):
    """The function of two operands of which one may be a number, which takes the other's dtype where it can."""

    def compute(x1, x2):
        x1, x2 = (operand(x1), operand(x2)) if numbers else (tensor(x1), tensor(x2))
        if not hasattr(x1, "shape") and not hasattr(x2, "shape"):
            x1 = tensor(x1)
        if type(x1) is int and x2.dtype is torch.bool:  # torch would make int64 of it
            x1 = tensor(x1)
        elif type(x2) is int and x1.dtype is torch.bool:
            x2 = tensor(x2)
        return function(x1, x2)

    return compute


def _tensors(function):
    return _weak(function, numbers=False)


def _weak_float(x1, x2):
    return (to_float(x) for x in narrow(x1, x2))


def _not_bools(x1, x2):
    x1, x2 = tensor(x1), tensor(x2)
    return (x1, x2) if x1.dtype == x2.dtype == torch.bool else narrow_float(x1, x2)


def _promoted(function, prepare=together):
    return lambda x1, x2: function(*prepare(x1, x2))


_BINARY = [
    ("add", "Add", _weak(operator.add)),
    ("subtract", "Subtract", _weak(arithmetic.subtract)),
    ("multiply", "Multiply", _weak(operator.mul)),
    ("divide", "Divide", _weak(operator.truediv)),
    ("true_divide", "TrueDivide", _weak(operator.truediv)),
    ("divide_no_nan", "DivideNoNan", _promoted(arithmetic.divide_no_nan, _weak_float)),
    ("floor_divide", "FloorDivide", _promoted(operator.floordiv, narrow)),
    ("mod", "Mod", _tensors(arithmetic.modulo)),
    ("fmod", "Fmod", _tensors(arithmetic.fmod)),
    ("power", "Power", _weak(operator.pow)),
    ("less", "Less", _weak(operator.lt)),
    ("less_equal", "LessEqual", _weak(operator.le)),
    ("greater", "Greater", _weak(operator.gt)),
    ("greater_equal", "GreaterEqual", _weak(operator.ge)),
    ("equal", "Equal", _weak(operator.eq)),
    ("not_equal", "NotEqual", _weak(operator.ne)),
    ("logical_and", "LogicalAnd", _tensors(elementwise.logical_and)),
    ("logical_or", "LogicalOr", _tensors(elementwise.logical_or)),
    ("logical_xor", "LogicalXor", _tensors(elementwise.logical_xor)),
    ("maximum", "Maximum", _promoted(arithmetic.larger, narrow)),
    ("minimum", "Minimum", _promoted(arithmetic.smaller, narrow)),
    ("fmax", "Fmax", _promoted(elementwise.fmax, narrow)),
    ("fmin", "Fmin", _promoted(elementwise.fmin, narrow)),
    ("gcd", "Gcd", _tensors(elementwise.gcd)),
    ("lcm", "Lcm", _tensors(elementwise.lcm)),
    ("ldexp", "Ldexp", _tensors(arithmetic.ldexp)),
    ("arctan2", "Arctan2", _promoted(elementwise.atan2, narrow_float)),
    ("hypot", "Hypot", _promoted(elementwise.hypot, narrow_float)),
    ("heaviside", "Heaviside", _promoted(elementwise.heaviside, _not_bools)),
    ("logaddexp", "Logaddexp", _promoted(elementwise.logaddexp, narrow_float)),
    ("logaddexp2", "Logaddexp2", _promoted(elementwise.logaddexp2, narrow_float)),
    ("nextafter", "Nextafter", _promoted(elementwise.nextafter, narrow_float)),
]
_BITWISE = [
    ("bitwise_and", "BitwiseAnd", elementwise.bitwise_and),
    ("bitwise_or", "BitwiseOr", elementwise.bitwise_or),
    ("bitwise_xor", "BitwiseXor", elementwise.bitwise_xor),
    ("bitwise_left_shift", "BitwiseLeftShift", elementwise.bitwise_left_shift),
    ("left_shift", "LeftShift", elementwise.bitwise_left_shift),
    ("bitwise_right_shift", "BitwiseRightShift", elementwise.bitwise_right_shift),
    ("right_shift", "RightShift", elementwise.bitwise_right_shift),
]
for _name, _class, _function in _BINARY:
    NAMES.add(
        _name, _function, _class, 2
    ).__doc__ = f"`{_name}`, element by element, with broadcasting; either operand may be a number."


def _bits(function):
    function = _tensors(function)
    return lambda x, y: function(x, y)


for _name, _class, _function in _BITWISE:
    NAMES.add(_name, _bits(_function), _class, 2).__doc__ = f"`{_name}` of integers, element by element."


@NAMES.op("Round")
def round_(x, decimals=0):
    """x rounded to `decimals` places, halves to even; integers stay as they are."""
    x = tensor(x)
    if x.is_floating_point() or x.is_complex() or (decimals == 0 and x.dtype != torch.bool):
        return elementwise.round(x, decimals)
    return elementwise.round(x.to(storage_dtype(None)), decimals).to(x.dtype)


@NAMES.op("Clip")
def clip(x, x_min, x_max):
    """``min(max(x, x_min), x_max)``; the bounds are numbers or tensors that broadcast, or None. float16 stays so."""
    x = operand(x)
    x = int(x) if type(x) is bool else x.to(torch.int32) if getattr(x, "dtype", None) is torch.bool else x
    given = [operand(bound) for bound in (x_min, x_max) if bound is not None]
    if getattr(x, "dtype", None) is not torch.float16:
        x = meeting(x, *given)[0]
    bounds = (bound if bound is None else operand(bound) for bound in (x_min, x_max))
    return arithmetic.clip(x, *(bound.to(x.dtype) if hasattr(bound, "dtype") else bound for bound in bounds))


@NAMES.op("NanToNum")
def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """x with numbers for NaN and infinities (None: the dtype's largest and smallest)."""
    return promoted.nan_to_num(tensor(x), nan, posinf, neginf)


@NAMES.op("Isclose", ("x1", "x2", "rtol", "atol"))
def isclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether ``|x1 - x2| <= atol + rtol |x2|``."""
    return elementwise.isclose(*together(x1, x2), rtol, atol, equal_nan)


@NAMES.op("AllClose", 2)
def allclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether `isclose` holds everywhere: one bool."""
    return elementwise.isclose(*together(x1, x2), rtol, atol, equal_nan).all()


@NAMES.op("IsIn", 2)
def isin(x1, x2, assume_unique=False, invert=False):
    """Whether each element of x1 is among those of x2 (with `invert`: is not)."""
    return arithmetic.is_among(*together(x1, x2), assume_unique=assume_unique, invert=invert)


def _chosen(condition, x1, x2):
    return elementwise.where(arithmetic.truth(tensor(condition)), *meeting(x1, x2))


_where = NAMES.add("where", _chosen, "Where", 3)


@NAMES.plain
def where(condition, x1=None, x2=None):
    """x1 where the condition holds, else x2; of the condition alone, the indices where it does."""
    if x1 is None and x2 is None:
        return numpy_indexing.nonzero(condition)
    if x1 is None or x2 is None:
        raise ValueError("`x1` and `x2` either both should be `None` or both should have non-None value.")
    return _where(condition, x1, x2)


where.operation = _where.operation


@NAMES.op("Select", 3)
def select(condlist, choicelist, default=0):
    """From the first of several conditions that holds the choice, else the default."""
    if len(condlist) != len(choicelist):
        raise ValueError(
            f"condlist and choicelist must have the same length. Received: len(condlist)={len(condlist)}, "
            f"len(choicelist)={len(choicelist)}"
        )
    if not condlist:
        raise ValueError("condlist and choicelist must not be empty. Received: len(condlist)=0")
    found = tensor(default)
    for condition, choice in zip(reversed(condlist), reversed(choicelist)):
        choice, found = together(choice, found)
        found = elementwise.where(arithmetic.truth(tensor(condition)), choice, found)
    return found


@NAMES.op("View")
def view(x, dtype=None):
    """The same bytes read as another dtype."""
    return arithmetic.reinterpreted(tensor(x), storage_dtype(dtype or config.floatx()))
