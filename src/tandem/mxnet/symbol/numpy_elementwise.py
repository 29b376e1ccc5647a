"""Functions of `mx.sym.np` that work element by element."""

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet.symbol.numpy_symbol import BINARY, NUMBERS, apply, binary, checked, refuse_out

# Name -> function.
FUNCTIONS = {}


def _unary(name, operator):
    of_numbers = getattr(onp, name)

    def function(x, out=None, **kwargs):
        refuse_out(name, out)
        if kwargs:
            raise TypeError(explain(f"{name}() of symbols takes x only", given=", ".join(kwargs)))
        if isinstance(x, NUMBERS):
            return of_numbers(x)
        return apply(f"_npi_{operator}", name, (checked(x, "x"),))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name}` of a symbol, element by element; of a number as NumPy has it."
    return function


_UNARY = """
abs absolute arccos arccosh arcsin arcsinh arctan arctanh bitwise_not cbrt ceil cos cosh degrees exp expm1 fix floor
isfinite isinf isnan isneginf isposinf log log10 log1p log2 logical_not negative radians reciprocal rint sign sin sinh
sqrt square tan tanh trunc
""".split()  # noqa: SIM905 (one name to a line would be a page)
for _name, _operator in [
    *((name, name) for name in _UNARY),
    ("fabs", "abs"),
    ("invert", "bitwise_not"),
    ("deg2rad", "radians"),
    ("rad2deg", "degrees"),
]:
    FUNCTIONS[_name] = _unary(_name, _operator)


def _of_two(name, formula):
    def function(x1, x2, out=None, **kwargs):
        refuse_out(name, out)
        if kwargs:
            raise TypeError(explain(f"{name}() of symbols takes x1 and x2 only", given=", ".join(kwargs)))
        return binary(formula, x1, x2)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name}` of two symbols that broadcast, or of one and a number."
    return function


for _name, _formula in [*((name, name) for name in BINARY), ("divide", "true_divide"), ("remainder", "mod")]:
    FUNCTIONS[_name] = _of_two(_name, _formula)


def around(x, decimals=0, out=None, **kwargs):
    """Nearest number with so many decimals, a half to the even one."""
    refuse_out("around", out)
    if kwargs:
        raise TypeError(explain("around() of symbols takes x and decimals only", given=", ".join(kwargs)))
    if isinstance(x, NUMBERS):
        return onp.around(x, decimals)
    return apply("_npi_around", "around", (checked(x),), {"decimals": decimals})


def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None, **kwargs):
    """x with numbers for NaN and infinities (None: the dtype's largest and smallest)."""
    if kwargs:
        raise TypeError(explain("nan_to_num() got unknown arguments", given=", ".join(kwargs)))
    attrs = {"copy": copy, "nan": nan, "posinf": posinf, "neginf": neginf}
    return apply("_npi_nan_to_num", "nan_to_num", (checked(x),), attrs)


def clip(a, a_min, a_max, out=None):
    """``min(max(a, a_min), a_max)``; either bound may be None.

    Raises ValueError where both are.
    """
    refuse_out("clip", out)
    if a_min is None and a_max is None:
        raise ValueError("array_clip: must set either max or min")
    low, high = (-onp.inf if a_min is None else a_min), (onp.inf if a_max is None else a_max)
    return apply("_npi_clip", "clip", (checked(a),), {"a_min": low, "a_max": high})


def where(condition, x, y):
    """x where the condition is not 0, else y; either may be a number."""
    if isinstance(condition, NUMBERS):
        return x if condition else y
    if isinstance(x, NUMBERS) and isinstance(y, NUMBERS):
        return apply("_npi_where_scalar2", "where_scalar2", (checked(condition),), {"x": float(x), "y": float(y)})
    if isinstance(x, NUMBERS):
        return apply("_npi_where_lscalar", "where_lscalar", (checked(condition), checked(y)), {"scalar": float(x)})
    if isinstance(y, NUMBERS):
        return apply("_npi_where_rscalar", "where_rscalar", (checked(condition), checked(x)), {"scalar": float(y)})
    return apply("_npi_where", "where", (checked(condition), checked(x), checked(y)))


FUNCTIONS.update(around=around, clip=clip, nan_to_num=nan_to_num, round=around, round_=around, where=where)
