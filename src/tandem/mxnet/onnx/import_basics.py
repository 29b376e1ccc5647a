"""From ONNX: what goes element by element, reductions, products."""

import math

import numpy as np

from tandem.mxnet.onnx.graph import library

_UNARY = {
    "Abs": "abs", "Acos": "arccos", "Acosh": "arccosh", "Asin": "arcsin", "Asinh": "arcsinh", "Atan": "arctan",
    "Atanh": "arctanh", "Ceil": "ceil", "Cos": "cos", "Cosh": "cosh", "Erf": "erf", "Exp": "exp", "Floor": "floor",
    "Identity": "_copy", "Log": "log", "Neg": "negative", "Not": "logical_not", "Reciprocal": "reciprocal",
    "Relu": "relu", "Sigmoid": "sigmoid", "Sign": "sign", "Sin": "sin", "Sinh": "sinh", "Softsign": "softsign",
    "Sqrt": "sqrt", "Tan": "tan", "Tanh": "tanh",
}  # fmt: skip
# With two inputs: MXNet's operator, and with a number as the second or the first.
_BINARY = {
    "Add": ("broadcast_add", "_plus_scalar", "_plus_scalar"),
    "Div": ("broadcast_div", "_div_scalar", "_rdiv_scalar"),
    "Equal": ("broadcast_equal", "_equal_scalar", "_equal_scalar"),
    "Greater": ("broadcast_greater", "_greater_scalar", "_lesser_scalar"),
    "GreaterOrEqual": ("broadcast_greater_equal", "_greater_equal_scalar", "_lesser_equal_scalar"),
    "Less": ("broadcast_lesser", "_lesser_scalar", "_greater_scalar"),
    "LessOrEqual": ("broadcast_lesser_equal", "_lesser_equal_scalar", "_greater_equal_scalar"),
    "Mul": ("broadcast_mul", "_mul_scalar", "_mul_scalar"),
    "Pow": ("broadcast_power", "_power_scalar", "_rpower_scalar"),
    "Sub": ("broadcast_sub", "_minus_scalar", "_rminus_scalar"),
}
# With any number of inputs.
_MANY = {"Max": "broadcast_maximum", "Min": "broadcast_minimum", "Sum": "broadcast_add", "Mean": "broadcast_add"}
_REDUCED = {
    "ReduceL1": ("norm", {"ord": 1}), "ReduceL2": ("norm", {"ord": 2}), "ReduceMax": ("max", {}),
    "ReduceMean": ("mean", {}), "ReduceMin": ("min", {}), "ReduceProd": ("prod", {}), "ReduceSum": ("sum", {}),
}  # fmt: skip


def dtype_of(number):
    """numpy's name of ONNX's number of a dtype; MXNet has truth values as numbers."""
    dtype = library().helper.tensor_dtype_to_np_dtype(number)
    return "int32" if dtype == np.bool_ else dtype.name


def _unary(operator):
    return lambda op: op.last(operator, op.symbol())


def lifted(op, symbols, ranks):
    """Symbols with as many axes each, as MXNet's broadcasting wants them: ones before."""
    found = []
    for one, rank in zip(symbols, ranks):
        for _ in range(max(ranks) - rank):
            one = op.add("expand_dims", one, axis=0)
        found.append(one)
    return found


def together(op, places):
    """Inputs that broadcast with each other."""
    # A constant without axes has one in MXNet.
    ranks = [max(op.rank(place), 1) for place in places]
    return lifted(op, [op.symbol(place) for place in places], ranks)


def _number(op, place):
    """A constant input that is one number, and no more axes than the other has; else None."""
    found = op.constant(place)
    if found is None or found.size != 1 or found.ndim > 1 or op.constant(1 - place) is not None:
        return None
    other = op.shape(1 - place)
    if found.ndim and (other is None or not len(other)):
        return None
    return found.reshape(-1)[0].item()


def _binary(full, right, left):
    def translate(op):
        number = _number(op, 1)
        if number is not None:
            return op.last(right, op.symbol(0), scalar=number)
        number = _number(op, 0)
        if number is not None:
            return op.last(left, op.symbol(1), scalar=number)
        x, y = _along_axis(op) if "axis" in op.attr else together(op, (0, 1))
        kind, other = op.element_type(0), op.element_type(1)
        if kind and other and kind != other:  # a power may be of another dtype
            y = op.add("Cast", y, dtype=dtype_of(kind))
        return op.last(full, x, y)

    return translate


def _along_axis(op):
    """Before opset 7 an attribute says where the second input's axes lie among the first's."""
    x, y = op.symbol(0), op.symbol(1)
    axis = op.attr["axis"] + (op.rank(0) if op.attr["axis"] < 0 else 0)
    for place in range(op.rank(1), op.rank(0) - axis):
        y = op.add("expand_dims", y, axis=place)
    return lifted(op, [x, y], [op.rank(0), op.rank(0) - axis])


def _logical(operator):
    """Truth values are numbers in MXNet, of the dtypes of what was compared."""
    return lambda op: op.last(operator, *[op.add("Cast", one, dtype="float32") for one in together(op, (0, 1))])


def _many(operator):
    def translate(op):
        inputs = together(op, range(len(op)))
        if len(inputs) == 1:
            return op.last("_copy", inputs[0])
        for other in inputs[1:-1]:
            inputs[0] = op.add(operator, inputs[0], other)
        if op.node.op_type != "Mean":
            return op.last(operator, inputs[0], inputs[-1])
        return op.last("_div_scalar", op.add(operator, inputs[0], inputs[-1]), scalar=len(inputs))

    return translate


def _modulo(op):
    op.only(not op.attr.get("fmod"), "fmod=1")
    return _binary("broadcast_mod", "_mod_scalar", "_rmod_scalar")(op)


def _halves_to_even(op):
    """`Round`: halves go to the even neighbour."""
    x = op.symbol()
    up = op.add("floor", op.add("_plus_scalar", x, scalar=0.5))
    tie = op.add("_equal_scalar", op.add("elemwise_sub", up, x), scalar=0.5)
    odd = op.add("_mod_scalar", up, scalar=2.0)
    return op.last("elemwise_sub", up, op.add("elemwise_mul", tie, odd))


def _clip(op):
    if any(op.has(place) and op.constant(place) is None for place in (1, 2)):
        x = op.symbol()
        for place, operator in ((1, "broadcast_maximum"), (2, "broadcast_minimum")):
            if op.has(place):
                x = op.add(operator, *lifted(op, [x, op.symbol(place)], [max(op.rank(), 1), 1]))
        return op.last("_copy", x)
    low, high = (
        op.attr.get(key, op.needed(place, key).item() if op.has(place) else bound)
        for key, place, bound in (("min", 1, -math.inf), ("max", 2, math.inf))
    )
    largest = float(np.finfo(np.float32).max)
    return op.last("clip", op.symbol(), a_min=max(low, -largest), a_max=min(high, largest))


def _cast(op):
    return op.last("Cast", op.symbol(), dtype=dtype_of(op.attr["to"]))


def _cast_like(op):
    op.only(op.element_type(1), "the dtype of its second input is not known")
    return op.last("Cast", op.symbol(), dtype=dtype_of(op.element_type(1)))


def _is_infinite(op):
    op.only(op.attr.get("detect_negative", 1) and op.attr.get("detect_positive", 1), "infinity of one sign")
    return op.last("_equal_scalar", op.add("abs", op.symbol()), scalar=math.inf)


def _where(op):
    """MXNet's three inputs have one shape."""
    condition, x, y = together(op, (0, 1, 2))
    if len({op.shape(place) for place in range(3)}) > 1 or None in (op.shape() or (None,)):
        parts = [op.add("zeros_like", op.add("Cast", one, dtype="float32")) for one in (condition, x, y)]
        whole = op.add("broadcast_add", op.add("broadcast_add", parts[0], parts[1]), parts[2])
        condition, x, y = (op.add("broadcast_like", one, whole) for one in (condition, x, y))
    return op.last("where", condition, x, y)


def _is_nan(op):
    return op.last("broadcast_not_equal", op.symbol(), op.symbol())


# --- reductions ------------------------------------------------------------------------------------------------------


def _reduce(operator, attributes):
    def translate(op):
        return _reduced(op, op.symbol(), operator, last=True, **attributes)

    return translate


def _reduced(op, x, operator, last=False, **attributes):
    axes = op.numbers("axes", 1)
    if not axes and op.attr.get("noop_with_empty_axes"):
        return x
    add = op.last if last else op.add
    axis = tuple(axes) if axes else None
    return add(operator, x, axis=axis, keepdims=bool(op.attr.get("keepdims", 1)), **attributes)


def _sum_of(before, after=None):
    def translate(op):
        total = _reduced(op, op.add(before, op.symbol()) if before else op.symbol(), "sum", last=after is None)
        return op.last(after, total) if after else total

    return translate


def _extreme(operator):
    def translate(op):
        op.only(not op.attr.get("select_last_index"), "select_last_index=1")
        kept = bool(op.attr.get("keepdims", 1))
        return op.last("Cast", op.add(operator, op.symbol(), axis=op.attr.get("axis", 0), keepdims=kept), dtype="int64")

    return translate


def _top(op):
    count = op.attr["k"] if "k" in op.attr else op.needed(1, "k").item()
    return list(
        op.last(
            "topk", op.symbol(), k=int(count), axis=op.attr.get("axis", -1), ret_typ="both",
            is_ascend=not op.attr.get("largest", 1), dtype="int64",
        )
    )  # fmt: skip


def _cumulative(op):
    op.only(not op.attr.get("exclusive") and not op.attr.get("reverse"), "exclusive or reverse")
    return op.last("cumsum", op.symbol(), axis=int(op.needed(1, "axis").item()))


# --- products --------------------------------------------------------------------------------------------------------


def _gemm(op):
    """A dense layer where it is one."""
    a, b = op.symbol(0), op.symbol(1)
    alpha, beta = op.attr.get("alpha", 1.0), op.attr.get("beta", 1.0)
    turned = bool(op.attr.get("transA")), bool(op.attr.get("transB"))
    weight = op.constant(1)
    plain = alpha == 1 and beta == 1 and not turned[0] and weight is not None
    if plain and (not op.has(2) or (op.shape(2) is not None and len(op.shape(2)) == 1)):
        units = weight.shape[0 if turned[1] else 1]
        if not op.has(2) or op.shape(2) == (units,):
            b = b if turned[1] else op.add("transpose", b)
            bias = [op.symbol(2)] if op.has(2) else []
            return op.last("FullyConnected", a, b, *bias, num_hidden=units, flatten=False, no_bias=not bias)
    product = op.add("dot", a, b, transpose_a=turned[0], transpose_b=turned[1])
    if alpha != 1:
        product = op.add("_mul_scalar", product, scalar=alpha)
    if not op.has(2):
        return op.last("_copy", product)
    (bias,) = lifted(op, [op.symbol(2)], [op.rank(2)]) if op.rank(2) == 2 else [
        op.add("Reshape", op.symbol(2), shape=(1, -1))
    ]  # fmt: skip
    return op.last("broadcast_add", product, bias if beta == 1 else op.add("_mul_scalar", bias, scalar=beta))


def _matmul(op):
    left, right = op.rank(0), op.rank(1)
    x, y = op.symbol(0), op.symbol(1)
    if right <= 2:
        return op.last("dot", x, y)
    a, b = op.shape(0), op.shape(1)
    op.only(left > 1, "a vector times matrices")
    if left == 2:  # the same matrix for all: (y' x')'
        product = op.add("dot", op.add("SwapAxis", y, dim1=right - 2, dim2=right - 1), x, transpose_b=True)
        return op.last("SwapAxis", product, dim1=right - 2, dim2=right - 1)
    if a[:-2] != b[:-2] or None in a[:-2]:
        known = None not in a[:-2] and None not in b[:-2]
        if known:
            batch = np.broadcast_shapes(a[:-2], b[:-2])
            x, y = lifted(op, [x, y], [left, right])
            x, y = (
                op.add("broadcast_to", one, shape=(*batch, *(0, 0))) if shape[:-2] != batch else one
                for one, shape in ((x, a), (y, b))
            )
        else:
            op.only(left == right, "products of different and open sizes")
    return op.last("_linalg_gemm2", x, y)


TABLE = {
    **{name: _unary(operator) for name, operator in _UNARY.items()},
    **{name: _binary(*operators) for name, operators in _BINARY.items()},
    **{name: _many(operator) for name, operator in _MANY.items()},
    **{name: _reduce(*row) for name, row in _REDUCED.items()},
    "And": _logical("broadcast_logical_and"),
    "Or": _logical("broadcast_logical_or"),
    "Xor": _logical("broadcast_logical_xor"),
    "ArgMax": _extreme("argmax"),
    "ArgMin": _extreme("argmin"),
    "Cast": _cast,
    "CastLike": _cast_like,
    "Clip": _clip,
    "CumSum": _cumulative,
    "Gemm": _gemm,
    "IsInf": _is_infinite,
    "IsNaN": _is_nan,
    "MatMul": _matmul,
    "Mod": _modulo,
    "ReduceLogSum": _sum_of(None, "log"),
    "ReduceLogSumExp": _sum_of("exp", "log"),
    "ReduceSumSquare": _sum_of("square"),
    "Round": _halves_to_even,
    "TopK": _top,
    "Where": _where,
}
