"""ONNX for operators that go element by element, casts, and what is made of nothing."""

import math

import torch

# One ONNX operator on all inputs.
_PLAIN = {
    "abs": "Abs", "add_n": "Sum", "amp_cast": None, "arccos": "Acos", "arccosh": "Acosh", "arcsin": "Asin",
    "arcsinh": "Asinh", "arctan": "Atan", "arctanh": "Atanh", "ceil": "Ceil", "cos": "Cos", "cosh": "Cosh",
    "erf": "Erf", "exp": "Exp", "floor": "Floor", "log": "Log", "negative": "Neg", "reciprocal": "Reciprocal",
    "relu": "Relu", "sigmoid": "Sigmoid", "sign": "Sign", "sin": "Sin", "sinh": "Sinh", "softsign": "Softsign",
    "sqrt": "Sqrt", "_contrib_sign_ste": "Sign", "tan": "Tan", "tanh": "Tanh",
    **dict.fromkeys(
        ("_copy", "_copyto", "BlockGrad", "MakeLoss", "make_loss", "_contrib_gradientmultiplier",
         "IdentityAttachKLSparseReg", "LinearRegressionOutput", "MAERegressionOutput", "SVMOutput"),
        "Identity",
    ),
    "LogisticRegressionOutput": "Sigmoid",
}  # fmt: skip

# The same for two inputs, under both of MXNet's spellings (and that of `_`): with and without broadcasting.
_BINARY = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div"}
_COMPARED = {
    "equal": ("Equal", False), "not_equal": ("Equal", True), "greater": ("Greater", False),
    "lesser_equal": ("LessOrEqual", False), "lesser": ("Less", False), "greater_equal": ("GreaterOrEqual", False),
}  # fmt: skip
_LOGICAL = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}


def plain(op_type):
    """The translation that is one ONNX operator on the first input, or all of them."""
    single = op_type in ("Identity", "Sigmoid")

    def translate(call):
        return call.add(op_type, *(call.inputs[:1] if single else call.inputs))

    return translate


def _formula(function):
    """The translation that is a formula of the first input."""
    return lambda call: function(call, call.inputs[0])


def _times(factor):
    return _formula(lambda call, x: call.add("Mul", x, call.number(factor)))


def _log_of(base):
    return _formula(lambda call, x: call.add("Div", call.add("Log", x), call.number(math.log(base))))


def _cube_root(call, x):
    return call.add("Mul", call.add("Sign", x), call.add("Pow", call.add("Abs", x), call.number(1 / 3)))


def _towards_zero(call, x):
    return call.add("Mul", call.add("Sign", x), call.add("Floor", call.add("Abs", x)))


def _round(call, x):
    """Halves go away from zero."""
    up = call.add("Floor", call.add("Add", call.add("Abs", x), call.number(0.5)))
    return call.add("Mul", call.add("Sign", x), up)


def _rint(call, x):
    """Halves go down."""
    return call.add("Ceil", call.add("Sub", x, call.number(0.5)))


def _smooth_l1(call, x):
    square = call.a["scalar"] ** 2
    size = call.add("Abs", x)
    inner = call.add("Mul", call.add("Mul", x, x), call.number(0.5 * square))
    outer = call.add("Sub", size, call.number(0.5 / square))
    return call.add("Where", call.add("Less", size, call.number(1 / square)), inner, outer)


def _quadratic(call, x):
    square = call.add("Mul", call.add("Mul", x, x), call.number(call.a["a"]))
    line = call.add("Add", call.add("Mul", x, call.number(call.a["b"])), call.number(call.a["c"]))
    return call.add("Add", square, line)


def _by_root_of_size(call, x):
    (size,) = call.sizes(axes=[-1])
    return call.add("Div", x, call.number(math.sqrt(size)))


# --- two inputs ------------------------------------------------------------------------------------------------------


def _operands(call):
    """(names, dtype) of two inputs, or of one and the scalar among the attributes, in the output's dtype."""
    if len(call.inputs) == 2:
        return call.inputs, call.dtype()
    x, dtype = call.inputs[0], call.dtype()
    scalar = call.a["scalar"]
    if not dtype.is_floating_point and scalar != int(scalar):
        dtype = call.out_dtype() if call.out_dtype().is_floating_point else torch.float32
        x = call.cast(x, dtype)
    return [x, call.number(scalar, dtype)], dtype


def _binary(op_type, turned=False):
    def translate(call):
        operands, dtype = _operands(call)
        y = call.add(op_type, *(operands[::-1] if turned else operands))
        return y if dtype is call.out_dtype() else call.cast(y, call.out_dtype())

    return translate


def _compared(op_type, negated):
    def translate(call):
        y = call.add(op_type, *_operands(call)[0])
        return call.cast(call.add("Not", y) if negated else y, call.out_dtype())

    return translate


def _logical(op_type):
    def translate(call):
        operands = [call.truth(one) for one in _operands(call)[0]]
        return call.cast(call.add(op_type, *operands), call.out_dtype())

    return translate


def _modulo(turned=False):
    """The remainder that has the divisor's sign."""

    def translate(call):
        (x, y), dtype = _operands(call)
        x, y = (y, x) if turned else (x, y)
        if not dtype.is_floating_point:
            return call.add("Mod", x, y)
        half = dtype is torch.float16  # whose quotients round up to the next whole number
        x, y = (call.cast(x, torch.float32), call.cast(y, torch.float32)) if half else (x, y)
        rest = call.add("Sub", x, call.add("Mul", call.add("Floor", call.add("Div", x, y)), y))
        return call.cast(rest, dtype) if half else rest

    return translate


def _hypot(call):
    squares = [call.add("Mul", one, one) for one in _operands(call)[0]]
    return call.add("Sqrt", call.add("Add", *squares))


# --- the rest --------------------------------------------------------------------------------------------------------


def _cast(call):
    return call.cast(call.inputs[0], call.out_dtype())


def _casts(call):
    return [call.cast(name, call.out_dtype(place)) for place, name in enumerate(call.inputs)]


def _not(call):
    return call.cast(call.add("Not", call.truth(call.inputs[0])), call.out_dtype())


def _clip(call):
    return call.add("Clip", call.inputs[0], call.number(call.a["a_min"]), call.number(call.a["a_max"]))


def _filled(value):
    def translate(call):
        if None not in call.shape():
            return call.folded()[0]
        shape = call.add("Shape", call.inputs[0])
        return call.add("Expand", call.number(value, call.out_dtype()), shape)

    return translate


def _made(call):
    return call.folded()[0]


def _zeros(call):
    """None where a size stays open: what takes such zeros can do without."""
    return None if None in (call.out_shape() or (None,)) else call.folded()[0]


def _random(op_type, **names):
    def translate(call):
        shape = call.out_shape()
        call.only(shape is not None and None not in shape, "the shape of what it draws is not known")
        return call.add(op_type, shape=list(shape), **{key: float(call.a[name]) for key, name in names.items()})

    return translate


def _random_like(op_type, **names):
    def translate(call):
        return call.add(op_type, call.inputs[0], **{key: float(call.a[name]) for key, name in names.items()})

    return translate


def _multinomial(call):
    """Classes by their probabilities, so many to a row."""
    call.only(not call.a["get_prob"], "get_prob=True")
    x, shape = call.inputs[0], call.sizes()
    flat = call.reshape(x, -1, shape[-1])
    count = math.prod(call.a["shape"]) if call.a["shape"] else 1
    drawn = call.add("Multinomial", call.add("Log", flat), sample_size=count)
    drawn = call.cast(drawn, call.a["dtype"])
    return call.reshape(drawn, *(shape[:-1] + tuple(call.a["shape"]) or (1,)))


TABLE = {
    **{name: plain(op_type) for name, op_type in _PLAIN.items() if op_type},
    "Cast": _cast,
    "amp_cast": _cast,
    "amp_multicast": _casts,
    "cbrt": _formula(_cube_root),
    "clip": _clip,
    "degrees": _times(180 / math.pi),
    "expm1": _formula(lambda call, x: call.add("Sub", call.add("Exp", x), call.number(1))),
    "fix": _formula(_towards_zero),
    "hard_sigmoid": lambda call: call.add(
        "HardSigmoid", call.inputs[0], alpha=float(call.a["alpha"]), beta=float(call.a["beta"])
    ),
    "log10": _log_of(10),
    "log1p": _formula(lambda call, x: call.add("Log", call.add("Add", x, call.number(1)))),
    "log2": _log_of(2),
    "logical_not": _not,
    "radians": _times(math.pi / 180),
    "rcbrt": _formula(lambda call, x: call.add("Reciprocal", _cube_root(call, x))),
    "rint": _formula(_rint),
    **dict.fromkeys(("round", "_contrib_round_ste"), _formula(_round)),
    "rsqrt": _formula(lambda call, x: call.add("Reciprocal", call.add("Sqrt", x))),
    "smooth_l1": _formula(_smooth_l1),
    "square": _formula(lambda call, x: call.add("Mul", x, x)),
    "trunc": _formula(_towards_zero),
    "_contrib_div_sqrt_dim": _formula(_by_root_of_size),
    "_contrib_quadratic": _formula(_quadratic),
    **{f"{kind}_{name}": _binary(op_type) for kind in ("elemwise", "broadcast") for name, op_type in _BINARY.items()},
    "_grad_add": _binary("Add"),
    "_plus_scalar": _binary("Add"),
    "_minus_scalar": _binary("Sub"),
    "_rminus_scalar": _binary("Sub", turned=True),
    "_mul_scalar": _binary("Mul"),
    "_div_scalar": _binary("Div"),
    "_rdiv_scalar": _binary("Div", turned=True),
    "_rpower_scalar": _binary("Pow", turned=True),
    **{
        name.format(stem): _binary(op_type)
        for stem, op_type in (("power", "Pow"), ("maximum", "Max"), ("minimum", "Min"))
        for name in ("_{}", "broadcast_{}", "_{}_scalar")
    },
    **{
        name.format(stem): _compared(*row)
        for stem, row in _COMPARED.items()
        for name in ("_{}", "broadcast_{}", "_{}_scalar")
    },
    **{
        name.format(stem): _logical(op_type)
        for stem, op_type in _LOGICAL.items()
        for name in ("_{}", "broadcast_{}", "_{}_scalar")
    },
    **dict.fromkeys(("_mod", "broadcast_mod", "_mod_scalar"), _modulo()),
    "_rmod_scalar": _modulo(turned=True),
    **dict.fromkeys(("_hypot", "broadcast_hypot", "_hypot_scalar"), _hypot),
    "zeros_like": _filled(0),
    "ones_like": _filled(1),
    **dict.fromkeys(
        ("_arange", "_eye", "_full", "_linspace", "_ones", "_zeros_without_dtype", "_contrib_arange_like",
         "_contrib_index_array"),
        _made,
    ),
    "_zeros": _zeros,
    "_random_uniform": _random("RandomUniform", low="low", high="high"),
    "_sample_multinomial": _multinomial,
    "_random_normal": _random("RandomNormal", mean="loc", scale="scale"),
    "_random_uniform_like": _random_like("RandomUniformLike", low="low", high="high"),
    "_random_normal_like": _random_like("RandomNormalLike", mean="loc", scale="scale"),
}  # fmt: skip
