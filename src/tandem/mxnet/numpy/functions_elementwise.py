"""Functions of `mx.np` that work element by element.

They take arrays or numbers; numbers alone are NumPy's affair, so that their results are NumPy's scalars.
"""

import numpy as onp

from tandem.core import scope
from tandem.core.errors import explain
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.numpy.functions_base import NUMBERS, as_number, checked_array, row

_scope = scope._current

__all__ = ["around", "clip", "fabs", "nan_to_num", "round", "round_", "where"]

# What NumPy's ufuncs take beyond `out`: only these values of it.
# Texts that say something, whether it is there or not.
_UNDERSTOOD = {
    "casting": ("no", "equiv", "safe", "same_kind", "unsafe"),
    "dtype": ("float16", "float32", "float64", "int8", "uint8", "int32", "int64"),
}
_KEYWORDS = {"where": True, "casting": "same_kind", "order": "K", "dtype": None, "subok": True}


def _check_keywords(name, given):
    for key, value in given.items():
        if key not in _KEYWORDS:
            raise TypeError(f"{key} is an invalid keyword to function '{name}'")
        if isinstance(value, str) and value not in _UNDERSTOOD.get(key, (value,)):
            raise TypeError(f"{key}={value} not understood for {name}()")
        if isinstance(value, NDArray) and key == "where":
            value = bool(value)  # of an array this is ambiguous, which says so
        if value is not _KEYWORDS[key] and value != _KEYWORDS[key]:
            raise NotImplementedError(
                explain(f"{name}() does not have {key}= yet", expected=f"{key}={_KEYWORDS[key]!r}", given=repr(value))
            )


def _wrong(value, name):
    if type(value) is NDArray:
        return TypeError(
            explain(
                f"mx.np.{name}() takes mx.np.ndarray",
                given="a classic mx.nd.NDArray",
                hint="as_np_ndarray() shares its memory.",
            )
        )
    return TypeError(explain(f"type {type(value)} not supported", expected="a mx.np.ndarray or a number"))


def _is_array(value):
    return isinstance(value, NDArray) and type(value) is not NDArray


def _unary(name, operator, doc):
    compute, of_numbers = row(operator, name), getattr(onp, name)

    def function(x, out=None, **kwargs):
        if kwargs:
            _check_keywords(name, kwargs)
        if _is_array(x):
            return compute(x, out=out)
        if isinstance(x, NUMBERS):
            return of_numbers(x)
        raise _wrong(x, name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


for _name, _doc in {
    "abs": "``|x|``.",
    "absolute": "``|x|``.",
    "arccos": "The angle with the cosine x.",
    "arccosh": "The number with the hyperbolic cosine x.",
    "arcsin": "The angle with the sine x.",
    "arcsinh": "The number with the hyperbolic sine x.",
    "arctan": "The angle with the tangent x.",
    "arctanh": "The number with the hyperbolic tangent x.",
    "bitwise_not": "The bits of x turned over; of bools whether x is False.",
    "cbrt": "The cube root.",
    "ceil": "The next whole number from x upwards.",
    "cos": "The cosine.",
    "cosh": "The hyperbolic cosine.",
    "degrees": "Radians as degrees.",
    "exp": "``e^x``.",
    "expm1": "``e^x - 1``.",
    "fix": "x without its fraction.",
    "floor": "The next whole number from x downwards.",
    "isfinite": "Whether x is neither infinite nor NaN.",
    "isinf": "Whether x is infinite.",
    "isnan": "Whether x is NaN.",
    "isneginf": "Whether x is -inf.",
    "isposinf": "Whether x is inf.",
    "log": "The natural logarithm.",
    "log10": "The logarithm to base 10.",
    "log1p": "``log(1 + x)``.",
    "log2": "The logarithm to base 2.",
    "logical_not": "Whether x is 0.",
    "negative": "``-x``.",
    "radians": "Degrees as radians.",
    "reciprocal": "``1 / x``.",
    "rint": "The nearest whole number, a half going down.",
    "sign": "-1, 0 or 1.",
    "sin": "The sine.",
    "sinh": "The hyperbolic sine.",
    "sqrt": "The square root.",
    "square": "``x^2``.",
    "tan": "The tangent.",
    "tanh": "The hyperbolic tangent.",
    "trunc": "x without its fraction.",
}.items():
    globals()[_name] = _unary(_name, f"_npi_{_name}", _doc)
    __all__.append(_name)

for _name, _operator, _doc in (
    ("invert", "bitwise_not", "The bits of x turned over; of bools whether x is False."),
    ("deg2rad", "radians", "Degrees as radians."),
    ("rad2deg", "degrees", "Radians as degrees."),
):
    globals()[_name] = _unary(_name, f"_npi_{_operator}", _doc)
    __all__.append(_name)
fabs = _unary("fabs", "_npi_abs", "``|x|``.")


# Functions that in MXNet take `out` alone, none of the other keywords of NumPy's ufuncs.
_PLAIN = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal", "true_divide")


def _binary(name, operator, doc, reflected=None):
    """`reflected`: the operator for a number and an array, or None where the order does not matter.

    A number is cut to the dtype of integers; in hybridized blocks, which MXNet computes as symbols, one that is not
    whole or comes first makes float64 of them.
    """
    compute, with_number = row(f"_npi_{operator}", name), row(f"_npi_{operator}_scalar", name)
    number_first = with_number if reflected is None else row(f"_npi_{reflected}_scalar", name)
    of_numbers = getattr(onp, name)

    def function(x1, x2, out=None, **kwargs):
        if kwargs:
            _check_keywords(name, kwargs)
        if _is_array(x1):
            if _is_array(x2):
                return compute(x1, x2, out=out)
            if isinstance(x2, NUMBERS):
                return with_number(x1, scalar=float(x2), is_int=not _scope.inside or isinstance(x2, int), out=out)
            raise _wrong(x2, name)
        if isinstance(x1, NUMBERS):
            if _is_array(x2):
                return number_first(x2, scalar=float(x1), is_int=not _scope.inside, out=out)
            if isinstance(x2, NUMBERS):
                return of_numbers(x1, x2)
            raise _wrong(x2, name)
        raise _wrong(x1, name)

    if name in _PLAIN:
        return _described(lambda x1, x2, out=None: function(x1, x2, out), name, doc)
    return _described(function, name, doc)


def _described(function, name, doc):
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


for _name, _operator, _reflected, _doc in (
    ("add", "add", None, "``x1 + x2``."),
    ("subtract", "subtract", "rsubtract", "``x1 - x2``."),
    ("multiply", "multiply", None, "``x1 * x2``."),
    ("divide", "true_divide", "rtrue_divide", "``x1 / x2``, of integers in float32."),
    ("true_divide", "true_divide", "rtrue_divide", "``x1 / x2``, of integers in float32."),
    ("mod", "mod", "rmod", "What remains of x1 divided by x2, with x2's sign; 0 where x2 is 0."),
    ("remainder", "mod", "rmod", "What remains of x1 divided by x2, with x2's sign; 0 where x2 is 0."),
    ("power", "power", "rpower", "``x1 ^ x2``, of integers cut to integers."),
    ("maximum", "maximum", None, "The larger of x1 and x2."),
    ("minimum", "minimum", None, "The smaller of x1 and x2."),
    ("hypot", "hypot", None, "``sqrt(x1^2 + x2^2)``."),
    ("arctan2", "arctan2", "rarctan2", "The angle of the point (x2, x1)."),
    ("copysign", "copysign", "rcopysign", "``|x1|`` with x2's sign."),
    ("ldexp", "ldexp", "rldexp", "``x1 * 2^x2``."),
    ("lcm", "lcm", None, "The least common multiple."),
    ("bitwise_and", "bitwise_and", None, "Bits set in both."),
    ("bitwise_or", "bitwise_or", None, "Bits set in either."),
    ("bitwise_xor", "bitwise_xor", None, "Bits set in one of both."),
    ("equal", "equal", None, "Whether ``x1 == x2``."),
    ("not_equal", "not_equal", None, "Whether ``x1 != x2``."),
    ("greater", "greater", "less", "Whether ``x1 > x2``."),
    ("greater_equal", "greater_equal", "less_equal", "Whether ``x1 >= x2``."),
    ("less", "less", "greater", "Whether ``x1 < x2``."),
    ("less_equal", "less_equal", "greater_equal", "Whether ``x1 <= x2``."),
):
    globals()[_name] = _binary(_name, _operator, _doc, _reflected)
    __all__.append(_name)


def around(x, decimals=0, out=None, **kwargs):
    """Nearest number with so many decimals, a half to the even one."""
    if isinstance(x, NUMBERS):
        return onp.around(x, decimals)
    if not _is_array(x):
        raise _wrong(x, "around")
    return row("_npi_around", "around")(x, decimals=decimals, out=out, **kwargs)


round = round_ = around


def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None, **kwargs):
    """x with numbers for NaN and infinities (None: the dtype's largest and smallest); without copy, x changed."""
    if isinstance(x, NUMBERS):
        return onp.nan_to_num(x, copy, nan, posinf, neginf)
    if not _is_array(x):
        raise _wrong(x, "nan_to_num")
    given = kwargs.pop("out", None)
    out = given if copy else x
    return row("_npi_nan_to_num")(x, copy=copy, nan=nan, posinf=posinf, neginf=neginf, out=out, **kwargs)


def clip(a, a_min, a_max, out=None):
    """``min(max(a, a_min), a_max)``; either bound may be None.

    Raises ValueError where both are.
    """
    if a_min is None and a_max is None:
        raise ValueError("array_clip: must set either max or min")
    if isinstance(a, NUMBERS):
        return onp.clip(a, a_min, a_max)
    return row("_npi_clip", "clip")(checked_array(a), a_min, a_max, out=out)


def where(condition, x=None, y=None):
    """x where the condition is not 0, else y; without both the indices at which the condition is not 0.

    Raises ValueError where one of x and y is given alone.
    """
    if x is None and y is None:
        from tandem.mxnet.numpy.functions_indexing import nonzero

        return checked_array(condition, "condition") if isinstance(condition, NUMBERS) else nonzero(condition)
    if isinstance(condition, NUMBERS):
        return x if condition else y
    checked_array(condition, "condition")
    if x is None or y is None:
        raise TypeError(explain("where() takes both x and y, or neither", given=f"x={x!r}, y={y!r}"[:200]))
    if isinstance(x, NUMBERS):
        if isinstance(y, NUMBERS):
            return row("_npi_where_scalar2")(condition, x=float(x), y=float(y))
        return row("_npi_where_lscalar")(condition, checked_array(y, "y"), scalar=as_number(x) + 0.0)
    if isinstance(y, NUMBERS):
        return row("_npi_where_rscalar")(condition, checked_array(x, "x"), scalar=as_number(y) + 0.0)
    return row("_npi_where")(condition, checked_array(x, "x"), checked_array(y, "y"))
