"""Operators of `mx.np` that work element by element."""

from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import elementwise, heads, promoted, typed

# --- one array -------------------------------------------------------------------------------------------------------

for _name, _function in {
    "arccos": elementwise.acos,
    "arccosh": heads.acosh,
    "arcsin": elementwise.asin,
    "arcsinh": heads.asinh,
    "arctan": elementwise.atan,
    "arctanh": elementwise.atanh,
    "cbrt": elementwise.cbrt,
    "ceil": elementwise.ceil,
    "cos": elementwise.cos,
    "cosh": elementwise.cosh,
    "degrees": elementwise.rad2deg,
    "exp": elementwise.exp,
    "expm1": elementwise.expm1,
    "fix": elementwise.trunc,
    "floor": elementwise.floor,
    "log": elementwise.log,
    "log10": elementwise.log10,
    "log1p": elementwise.log1p,
    "log2": elementwise.log2,
    "radians": elementwise.deg2rad,
    "reciprocal": elementwise.reciprocal,
    "rint": elementwise.rint,
    "sin": elementwise.sin,
    "sinh": elementwise.sinh,
    "sqrt": elementwise.sqrt,
    "tan": elementwise.tan,
    "tanh": elementwise.tanh,
    "trunc": elementwise.trunc,
}.items():
    register(f"_npi_{_name}", promoted.no_bools(typed.kept(_function)), ("x",))

for _name, _function in {
    "abs": elementwise.abs,
    "absolute": elementwise.abs,
    "negative": elementwise.neg,
    "sign": elementwise.sign,
    "square": elementwise.square,
}.items():
    register(f"_npi_{_name}", promoted.no_bools(_function), ("x",))

for _name, _function in {
    "bitwise_not": elementwise.bitwise_not,
    "isfinite": elementwise.isfinite,
    "isinf": elementwise.isinf,
    "isnan": elementwise.isnan,
    "isneginf": elementwise.isneginf,
    "isposinf": elementwise.isposinf,
    "logical_not": elementwise.logical_not,
}.items():
    register(f"_npi_{_name}", _function, ("x",), differentiable=False)


def _around(x, *, decimals):
    """Nearest number with so many decimals, a half to the even one."""
    return promoted.around(x, decimals)


def _nan_to_num(data, *, copy, nan, posinf, neginf):
    """data with numbers for NaN and infinities."""
    return promoted.nan_to_num(data, nan, posinf, neginf)


def _clip(data, *, a_min, a_max):
    """``min(max(data, a_min), a_max)``."""
    return promoted.clip(data, a_min, a_max)


register("_npi_around", _around, ("x",), {"decimals": a.integer(0)}, aliases_input=True)
register(
    "_npi_nan_to_num",
    _nan_to_num,
    attributes={
        "copy": a.flag(True),
        "nan": a.real(0.0),
        "posinf": a.optional_real(),
        "neginf": a.optional_real(),
    },
)
register("_npi_clip", _clip, attributes={"a_min": a.optional_real(a.REQUIRED), "a_max": a.optional_real(a.REQUIRED)})

# --- two arrays, or an array and a number ----------------------------------------------------------------------------

_SCALAR = {"scalar": a.real(1.0), "is_int": a.flag(True)}
_PAIR = ("lhs", "rhs")


def _with_number(function, reflected=False, floats=True):
    """The function of an array and a number. floats: whether a number that is not said to be whole (is_int), which
    symbols say of theirs, makes float64 of integers.
    """
    exact = promoted.in_doubles(function) if floats else function

    def compute(data, *, scalar, is_int):
        chosen = function if is_int else exact
        return chosen(scalar, data) if reflected else chosen(data, scalar)

    compute.__doc__ = function.__doc__
    return compute


def _numbered(function):
    """The two functions of an array and a number, in either order, that make int64 of bools."""

    def exchanged(data, scalar):
        return function(scalar, data)

    exchanged.__doc__ = function.__doc__
    return promoted.with_number(function), promoted.with_number(exchanged)


for _name, _function, _scalar in (
    ("add", promoted.add, typed.add),
    ("subtract", promoted.subtract, typed.subtract),
    ("multiply", promoted.multiply, typed.multiply),
    ("mod", promoted.modulo, typed.modulo),
    ("power", promoted.power, typed.power),
    ("true_divide", promoted.divide, promoted.divide_by_number),
):
    register(f"_npi_{_name}", _function, _PAIR, same_dtype=False)
    _plain, _reversed = _numbered(_scalar)
    _floats = _name != "true_divide"
    register(f"_npi_{_name}_scalar", _with_number(_plain, floats=_floats), attributes=_SCALAR)
    if _name not in ("add", "multiply"):
        register(f"_npi_r{_name}_scalar", _with_number(_reversed, floats=_floats), attributes=_SCALAR)

for _name, _function, _inputs, _mirrored in (
    ("maximum", typed.maximum, _PAIR, False),
    ("minimum", typed.minimum, _PAIR, False),
    ("hypot", promoted.hypot, ("x1", "x2"), False),
    ("arctan2", promoted.arctan2, ("x1", "x2"), True),
    ("copysign", promoted.copysign, _PAIR, True),
    ("ldexp", promoted.ldexp, _PAIR, True),
):
    register(f"_npi_{_name}", promoted.no_bool_pairs(_function), _inputs)
    _plain, _reversed = _numbered(_function)
    register(f"_npi_{_name}_scalar", _with_number(_plain), attributes=_SCALAR)
    if _mirrored:
        register(f"_npi_r{_name}_scalar", _with_number(_reversed), attributes=_SCALAR)

for _name, _function in {
    "bitwise_and": promoted.bitwise_and,
    "bitwise_or": promoted.bitwise_or,
    "bitwise_xor": promoted.bitwise_xor,
    "lcm": promoted.lcm,
}.items():
    register(f"_npi_{_name}", promoted.integers_only(_function), _PAIR, differentiable=False)
    register(
        f"_npi_{_name}_scalar",
        _with_number(promoted.integers_only(_function), floats=False),
        attributes=_SCALAR,
        differentiable=False,
    )

for _name, _function in {
    "equal": promoted.equal,
    "not_equal": promoted.not_equal,
    "greater": promoted.greater,
    "greater_equal": promoted.greater_equal,
    "less": promoted.less,
    "less_equal": promoted.less_equal,
}.items():
    register(f"_npi_{_name}", _function, _PAIR, differentiable=False)
    register(f"_npi_{_name}_scalar", _with_number(_function), attributes=_SCALAR, differentiable=False)

# --- choosing --------------------------------------------------------------------------------------------------------


def _where(condition, x, y):
    """x where the condition is not 0, else y."""
    if x.dtype is not y.dtype:
        raise TypeError(f"x and y must have one dtype, got {x.dtype} and {y.dtype}")
    return promoted.choose(condition, x, y)


def _where_number_x(condition, x, *, scalar):
    """A number where the condition is not 0, else x."""
    return promoted.choose(condition, scalar, x)


def _where_y_number(condition, y, *, scalar):
    """y where the condition is not 0, else a number."""
    return promoted.choose(condition, y, scalar)


def _where_numbers(condition, *, x, y):
    """One number where the condition is not 0, else another."""
    return promoted.choose(condition, x, y)


register("_npi_where", _where, ("condition", "x", "y"), same_dtype=False)
register("_npi_where_lscalar", _where_number_x, ("condition", "x"), {"scalar": a.real(0.0)}, same_dtype=False)
register("_npi_where_rscalar", _where_y_number, ("condition", "y"), {"scalar": a.real(0.0)}, same_dtype=False)
register("_npi_where_scalar2", _where_numbers, ("condition",), {"x": a.real(0.0), "y": a.real(0.0)})
