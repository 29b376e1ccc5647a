"""Operators that work element by element."""

import torch

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import elementwise, heads, typed

# --- one array -------------------------------------------------------------------------------------------------------

for _name, _function in {
    "arccos": elementwise.acos,
    "arccosh": heads.acosh,
    "arcsin": elementwise.asin,
    "arcsinh": heads.asinh,
    "arctan": elementwise.atan,
    "arctanh": elementwise.atanh,
    "cbrt": elementwise.cbrt,
    "cos": elementwise.cos,
    "cosh": elementwise.cosh,
    "degrees": elementwise.rad2deg,
    "erf": elementwise.erf,
    "erfinv": elementwise.erfinv,
    "exp": elementwise.exp,
    "expm1": elementwise.expm1,
    "gamma": elementwise.gamma,
    "gammaln": elementwise.gammaln,
    "log": elementwise.log,
    "log10": elementwise.log10,
    "log1p": elementwise.log1p,
    "log2": elementwise.log2,
    "radians": elementwise.deg2rad,
    "rcbrt": elementwise.rcbrt,
    "reciprocal": elementwise.reciprocal,
    "rsqrt": elementwise.rsqrt,
    "sigmoid": elementwise.sigmoid,
    "sin": elementwise.sin,
    "sinh": elementwise.sinh,
    "softsign": elementwise.softsign,
    "sqrt": elementwise.sqrt,
    "tan": elementwise.tan,
    "tanh": elementwise.tanh,
}.items():
    register(_name, typed.kept(_function))

register("abs", elementwise.abs)
register("negative", elementwise.neg)
register("sign", elementwise.sign)
register("square", elementwise.square)
register("relu", elementwise.relu)
register("ceil", typed.kept(elementwise.ceil))
register("floor", typed.kept(elementwise.floor))
register("trunc", typed.kept(elementwise.trunc))
register("fix", typed.kept(elementwise.trunc))
register("rint", typed.kept(elementwise.rint))


def _round(data):
    """Nearest whole number, a half away from zero."""
    return elementwise.round(data, half="away")


register("round", typed.kept(_round))
register("logical_not", typed.logical_not, differentiable=False)


def _hard_sigmoid(data, alpha, beta):
    """``clip(alpha * data + beta, 0, 1)``."""
    return elementwise.hard_sigmoid(data, alpha, beta)


register("hard_sigmoid", _hard_sigmoid, attributes={"alpha": a.real(0.2), "beta": a.real(0.5)})


def _clip(data, a_min, a_max):
    """``min(max(data, a_min), a_max)``; the gradient is 1 on the bounds. For integers the bounds are cut to them."""
    return typed.clip(data, a_min, a_max)


register("clip", _clip, attributes={"a_min": a.real(), "a_max": a.real()})


def _smooth_l1(data, scalar):
    """``(s x)^2 / 2`` where ``|x| < 1 / s^2``, else ``|x| - 1 / (2 s^2)``."""
    return elementwise.smooth_l1(data, scalar)


register("smooth_l1", _smooth_l1, attributes={"scalar": a.real(1.0)})
register("Cast", typed.cast, attributes={"dtype": a.dtype()}, aliases=("cast",), aliases_input=True)
# The dtypes that mixed precision knows; arrays of others stay as they are.
MIXED_PRECISION = (torch.float32, torch.float16, torch.bfloat16)


def _amp_cast(data, *, dtype):
    """data in another dtype where it is float32, float16 or bfloat16; others stay as they are."""
    return typed.cast(data, dtype) if data.dtype in MIXED_PRECISION else data


register("amp_cast", _amp_cast, attributes={"dtype": a.dtype()}, aliases_input=True)
register("_copy", typed.copied, aliases=("identity",))
register("_copyto", typed.copied)
register("BlockGrad", heads.stop_gradient, aliases=("stop_gradient",), aliases_input=True)


def _make_loss(data):
    """data, with gradient 1 whatever comes in."""
    return heads.own_gradient(data)


register("make_loss", _make_loss)


def _cast_storage(data, *, stype):
    """A copy of data. In `nd` it has the storage `stype`; where there are dense tensors only, it is dense."""
    return typed.copied(data)


register("cast_storage", _cast_storage, attributes={"stype": a.choice("csr", "default", "row_sparse")})


def _zeros_like(data):
    """Zeros in data's shape and dtype."""
    return torch.zeros_like(data, memory_format=torch.contiguous_format)


def _ones_like(data):
    """Ones in data's shape and dtype."""
    return torch.ones_like(data, memory_format=torch.contiguous_format)


register("zeros_like", _zeros_like, differentiable=False)
register("ones_like", _ones_like, differentiable=False)


def _round_ste(data):
    """`round` with the gradient of the identity."""
    return heads.straight_through(data, _round)


def _sign_ste(data):
    """`sign` with the gradient of the identity."""
    return heads.straight_through(data, elementwise.sign)


register("_contrib_round_ste", _round_ste)
register("_contrib_sign_ste", _sign_ste)


def _gradient_multiplier(data, scalar, is_int):
    """The identity; its gradient is multiplied with scalar."""
    return heads.gradient_multiplier(data, scalar)


def _multicast(*data, num_outputs, cast_narrow):
    """All arrays of mixed precision in the widest (or, with cast_narrow, the narrowest) of their dtypes."""
    held = [array.dtype for array in data]
    order = (torch.float16, torch.bfloat16, torch.float32) if cast_narrow else (torch.float32,)
    dtype = next((dtype for dtype in order if dtype in held), held[0])
    return tuple(_amp_cast(array, dtype=dtype) for array in data)


register(
    "amp_multicast",
    _multicast,
    attributes={"num_outputs": a.integer(), "cast_narrow": a.flag(False)},
    variadic="",
    same_dtype=False,
    aliases_input=True,
)

register(
    "_contrib_gradientmultiplier",
    _gradient_multiplier,
    attributes={"scalar": a.real(1.0), "is_int": a.flag(True)},
    aliases_input=True,
)


def _quadratic(data, *, a, b, c):
    """``a x^2 + b x + c``; of integers it is cut towards zero."""
    return typed.polynomial(data, (c, b, a))


register("_contrib_quadratic", _quadratic, attributes={"a": a.real(0.0), "b": a.real(0.0), "c": a.real(0.0)})


def _div_sqrt_dim(data):
    """data divided by the square root of its last size."""
    return typed.divide(data, data.shape[-1] ** 0.5)


register("_contrib_div_sqrt_dim", _div_sqrt_dim)

# --- two arrays ------------------------------------------------------------------------------------------------------

_PAIR = ("lhs", "rhs")

for _names, _function in {
    ("broadcast_add", "broadcast_plus"): typed.add,
    ("broadcast_sub", "broadcast_minus"): typed.subtract,
    ("broadcast_mul",): typed.multiply,
    ("broadcast_div",): typed.divide,
    ("broadcast_mod",): typed.modulo,
    ("broadcast_power",): typed.power,
    ("broadcast_maximum",): typed.maximum,
    ("broadcast_minimum",): typed.minimum,
    ("broadcast_hypot",): typed.hypot,
}.items():
    register(_names[0], _function, _PAIR, aliases=_names[1:])

for _name, _function in {
    "broadcast_equal": typed.equal,
    "broadcast_not_equal": typed.not_equal,
    "broadcast_greater": typed.greater,
    "broadcast_greater_equal": typed.greater_equal,
    "broadcast_lesser": typed.less,
    "broadcast_lesser_equal": typed.less_equal,
    "broadcast_logical_and": typed.logical_and,
    "broadcast_logical_or": typed.logical_or,
    "broadcast_logical_xor": typed.logical_xor,
}.items():
    register(_name, _function, _PAIR, differentiable=False)

for _names, _function in {
    ("elemwise_add", "_plus", "_add", "_Plus"): typed.add,
    ("elemwise_sub", "_minus", "_sub", "_Minus"): typed.subtract,
    ("elemwise_mul", "_mul", "_Mul"): typed.multiply,
    ("elemwise_div", "_div", "_Div"): typed.divide,
    ("_mod", "_Mod"): typed.modulo,
    ("_power", "_Power"): typed.power,
    ("_maximum", "_Maximum"): typed.maximum,
    ("_minimum", "_Minimum"): typed.minimum,
    ("_hypot", "_Hypot"): typed.hypot,
    ("_grad_add",): typed.add,
}.items():
    register(_names[0], typed.elementwise_only(_function), _PAIR, aliases=_names[1:])

for _names, _function in {
    ("_equal", "_Equal"): typed.equal,
    ("_not_equal", "_Not_Equal"): typed.not_equal,
    ("_greater", "_Greater"): typed.greater,
    ("_greater_equal", "_Greater_Equal"): typed.greater_equal,
    ("_lesser", "_Lesser"): typed.less,
    ("_lesser_equal", "_Lesser_Equal"): typed.less_equal,
    ("_logical_and", "_Logical_And"): typed.logical_and,
    ("_logical_or", "_Logical_Or"): typed.logical_or,
    ("_logical_xor", "_Logical_Xor"): typed.logical_xor,
}.items():
    register(_names[0], typed.elementwise_only(_function), _PAIR, aliases=_names[1:], differentiable=False)


def _add_n(*args):
    """The sum of arrays of one shape."""
    if len({x.shape for x in args}) > 1:
        raise MXNetError(
            explain("add_n() adds arrays of one shape", given=", ".join(str(tuple(x.shape)) for x in args))
        )
    return typed.add_all(*args)


register("add_n", _add_n, ("args",), aliases=("ElementWiseSum",), variadic="num_args")


def _identity_like(lhs, rhs):
    """lhs; it has rhs's shape."""
    return typed.copied(lhs)


register("_identity_with_attr_like_rhs", _identity_like, _PAIR)


def _allclose(a, b, rtol, atol, equal_nan):
    """1 where all ``|a - b| <= atol + rtol |b|``, else 0."""
    return typed.cast(elementwise.isclose(a, b, rtol, atol, equal_nan).all(), torch.uint8)


register(
    "_contrib_allclose",
    _allclose,
    ("a", "b"),
    {"rtol": a.real(1e-5), "atol": a.real(1e-8), "equal_nan": a.flag(True)},
    differentiable=False,
)

# --- an array and a number -------------------------------------------------------------------------------------------

_SCALAR = {"scalar": a.real(1.0), "is_int": a.flag(True)}


def _with_number(function, reflected=False):
    if reflected:

        def compute(data, scalar, is_int):
            return function(scalar, data)

    else:

        def compute(data, scalar, is_int):
            return function(data, scalar)

    compute.__doc__ = function.__doc__
    return compute


for _names, _function, _reflected in (
    (("_plus_scalar", "_PlusScalar"), typed.add, False),
    (("_minus_scalar", "_MinusScalar"), typed.subtract, False),
    (("_rminus_scalar", "_RMinusScalar"), typed.subtract, True),
    (("_mul_scalar", "_MulScalar"), typed.multiply, False),
    (("_div_scalar", "_DivScalar"), typed.divide, False),
    (("_rdiv_scalar", "_RDivScalar"), typed.divide, True),
    (("_mod_scalar", "_ModScalar"), typed.modulo, False),
    (("_rmod_scalar", "_RModScalar"), typed.modulo, True),
    (("_power_scalar", "_PowerScalar"), typed.power, False),
    (("_rpower_scalar", "_RPowerScalar"), typed.power, True),
    (("_maximum_scalar", "_MaximumScalar"), typed.maximum, False),
    (("_minimum_scalar", "_MinimumScalar"), typed.minimum, False),
    (("_hypot_scalar", "_HypotScalar"), typed.hypot, False),
):
    register(_names[0], _with_number(_function, _reflected), attributes=_SCALAR, aliases=_names[1:])

for _names, _function in {
    ("_equal_scalar", "_EqualScalar"): typed.equal,
    ("_not_equal_scalar", "_NotEqualScalar"): typed.not_equal,
    ("_greater_scalar", "_GreaterScalar"): typed.greater,
    ("_greater_equal_scalar", "_GreaterEqualScalar"): typed.greater_equal,
    ("_lesser_scalar", "_LesserScalar"): typed.less,
    ("_lesser_equal_scalar", "_LesserEqualScalar"): typed.less_equal,
    ("_logical_and_scalar", "_LogicalAndScalar"): typed.logical_and,
    ("_logical_or_scalar", "_LogicalOrScalar"): typed.logical_or,
    ("_logical_xor_scalar", "_LogicalXorScalar"): typed.logical_xor,
}.items():
    register(_names[0], _with_number(_function), attributes=_SCALAR, aliases=_names[1:], differentiable=False)
