"""`tf.math`: arithmetic, reductions, comparisons; most are in `tf` itself too."""

import numpy as np
import torch

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import _strings as strings
from tandem.compat.tensorflow import lifted
from tandem.compat.tensorflow._errors import InvalidArgumentError
from tandem.compat.tensorflow._strings import StringTensor
from tandem.compat.tensorflow.ragged_rows import RaggedTensor, on_values, paired
from tandem.compat.tensorflow.results import TopK
from tandem.compat.tensorflow.shape_vectors import Sizes, sizes
from tandem.compat.tensorflow.tensor import convert, convert_pair, has_text, ints, static, taker
from tandem.core.errors import explain
from tandem.keras import ops

NAMES = {}
add = taker(NAMES)


# --- one operand -----------------------------------------------------------------------------------------------------


def _is_text(x):
    return isinstance(x, StringTensor) or has_text(x)


def _one(name, function, doc):
    def compute(x):
        if isinstance(x, RaggedTensor):
            return on_values(NAMES[name], x)
        x = convert(x)
        if name in _OF_FLOATS and isinstance(x, torch.Tensor) and not (x.is_floating_point() or x.is_complex()):
            raise InvalidArgumentError(
                explain(f"tf.{name} takes floats", given=dtypes.as_dtype(x.dtype).name, hint="Write tf.cast(…) first.")
            )
        return function(x)

    compute.__name__, compute.__doc__ = name, doc
    add(compute)


_OF_FLOATS = frozenset(
    """
    acos acosh asin asinh atan atanh cos cosh digamma erf erfc erfinv exp expm1 lgamma log log1p log_sigmoid rsqrt
    sigmoid sin sinh softplus softsign sqrt tan tanh
    """.split()  # noqa: SIM905 (one name to a line would be a page)
)
_ONE = {
    "abs": ops.absolute,
    "acos": ops.arccos,
    "acosh": ops.arccosh,
    "angle": ops.angle,
    "asin": ops.arcsin,
    "asinh": ops.arcsinh,
    "atan": ops.arctan,
    "atanh": ops.arctanh,
    "ceil": ops.ceil,
    "conj": ops.conjugate,
    "cos": ops.cos,
    "cosh": ops.cosh,
    "digamma": lifted.digamma,
    "erf": ops.erf,
    "erfc": ops.erfc,
    "erfinv": ops.erfinv,
    "exp": ops.exp,
    "expm1": ops.expm1,
    "floor": ops.floor,
    "imag": ops.imag,
    "is_finite": ops.isfinite,
    "is_inf": ops.isinf,
    "is_nan": ops.isnan,
    "lgamma": lifted.lgamma,
    "log": ops.log,
    "log1p": ops.log1p,
    "log_sigmoid": ops.log_sigmoid,
    "logical_not": ops.logical_not,
    "negative": ops.negative,
    "real": ops.real,
    "reciprocal": ops.reciprocal,
    "rint": ops.round,
    "round": ops.round,
    "rsqrt": ops.rsqrt,
    "sigmoid": ops.sigmoid,
    "sign": ops.sign,
    "sin": ops.sin,
    "sinh": ops.sinh,
    "softplus": ops.softplus,
    "softsign": ops.softsign,
    "sqrt": ops.sqrt,
    "square": ops.square,
    "tan": ops.tan,
    "tanh": ops.tanh,
}


for _name, _function in _ONE.items():
    _one(_name, _function, f"`{_name}` of each element.")


# --- two operands ----------------------------------------------------------------------------------------------------


def _two(name, function, doc):
    def compute(x, y):
        if isinstance(x, RaggedTensor) or isinstance(y, RaggedTensor):
            return paired(NAMES[name], x, y)
        if isinstance(x, Sizes) or isinstance(y, Sizes):
            whole = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "floordiv": np.floor_divide}
            if name in whole and all(isinstance(one, (Sizes, int)) for one in (x, y)):
                return whole[name](x, y)
        return function(*convert_pair(x, y, None if name in ("divide", "truediv") else name))

    compute.__name__, compute.__doc__ = name, doc
    add(compute)


def _true_divide(x, y):
    return x / y if not isinstance(x, (int, float)) or not isinstance(y, (int, float)) else convert(x / y)


_TWO = {
    "add": ops.add,
    "atan2": ops.arctan2,
    "divide": _true_divide,
    "divide_no_nan": ops.divide_no_nan,
    "floordiv": ops.floor_divide,
    "floormod": ops.mod,
    "greater": ops.greater,
    "greater_equal": ops.greater_equal,
    "less": ops.less,
    "less_equal": ops.less_equal,
    "logical_and": ops.logical_and,
    "logical_or": ops.logical_or,
    "logical_xor": ops.logical_xor,
    "maximum": ops.maximum,
    "minimum": ops.minimum,
    "mod": ops.mod,
    "multiply": ops.multiply,
    "multiply_no_nan": lambda x, y: ops.where(ops.equal(y, 0), ops.zeros_like(x), ops.multiply(x, y)),
    "pow": ops.power,
    "squared_difference": lambda x, y: ops.square(ops.subtract(x, y)),
    "subtract": ops.subtract,
    "truediv": _true_divide,
    "xdivy": lambda x, y: ops.where(ops.equal(x, 0), ops.zeros_like(x), ops.divide(x, y)),
    "xlogy": lifted.xlogy,
}


for _name, _function in _TWO.items():
    _two(_name, _function, f"`{_name}` of two operands, element by element.")

_add_numbers = NAMES["add"]


def _add(x, y, name=None):
    """The sum; text is joined."""
    if isinstance(x, RaggedTensor) or isinstance(y, RaggedTensor):
        return paired(_add, x, y)
    if _is_text(x) or _is_text(y):
        return strings.join([x, y])
    return _add_numbers(x, y)


NAMES["add"] = _add


def _compared(name, function):
    def compute(x, y):
        if isinstance(x, RaggedTensor) or isinstance(y, RaggedTensor):
            return paired(NAMES[name], x, y)
        if _is_text(x) or _is_text(y):
            x = x if isinstance(x, StringTensor) else convert(x)
            return x == y if name == "equal" else x != y
        return function(*convert_pair(x, y, name))

    compute.__name__, compute.__doc__ = name, "Comparison, element by element; of text too."
    add(compute)


_compared("equal", ops.equal)
_compared("not_equal", ops.not_equal)


@add
def add_n(inputs):
    """The sum of several tensors of one shape."""
    found = convert(inputs[0])
    for one in inputs[1:]:
        found = ops.add(found, convert(one))
    return found


accumulate_n = add(lambda inputs, shape=None, tensor_dtype=None: add_n(inputs), "accumulate_n")


@add
def scalar_mul(scalar, x):
    """A number times a tensor."""
    return ops.multiply(scalar, convert(x))


@add
def complex_(real, imag):
    """Complex numbers of their two parts."""
    return lifted.complex_of(*convert_pair(real, imag))


# --- reductions ------------------------------------------------------------------------------------------------------


def _axis(axis, old):
    axis = old if axis is None else axis
    if axis is None:
        return None
    axis = ints(axis)
    return axis[0] if len(axis) == 1 else tuple(axis)


def _reduction(name, function, doc):
    def compute(input_tensor, axis=None, keepdims=False, keep_dims=None, reduction_indices=None):
        keepdims = keepdims if keep_dims is None else keep_dims
        axis = _axis(axis, reduction_indices)
        if isinstance(input_tensor, Sizes) and name == "reduce_prod" and axis is None:
            return sizes(np.prod(np.asarray(input_tensor)))
        if isinstance(input_tensor, RaggedTensor):
            from tandem.compat.tensorflow import _ragged

            return _ragged.reduced(name, input_tensor, axis, bool(keepdims))
        value = convert(input_tensor)
        if axis == ():  # no axis at all: nothing is reduced
            return value
        found = function(value, axis=axis, keepdims=bool(keepdims))
        # TensorFlow's reductions keep the dtype.
        wanted = dtypes.as_dtype(value.dtype)
        return found if wanted == found.dtype or name in ("reduce_all", "reduce_any") else ops.cast(found, wanted.name)

    compute.__name__, compute.__doc__ = name, doc
    add(compute)


_REDUCTIONS = {
    "reduce_all": (ops.all, "Whether all are true"),
    "reduce_any": (ops.any, "Whether one is true"),
    "reduce_logsumexp": (ops.logsumexp, "The logarithm of the sum of the exponentials"),
    "reduce_max": (ops.max, "The largest"),
    "reduce_mean": (ops.mean, "The mean"),
    "reduce_min": (ops.min, "The smallest"),
    "reduce_prod": (ops.prod, "The product"),
    "reduce_std": (ops.std, "The standard deviation"),
    "reduce_sum": (ops.sum, "The sum"),
    "reduce_variance": (ops.var, "The variance"),
}
for _name, (_function, _doc) in _REDUCTIONS.items():
    _reduction(_name, _function, f"{_doc} along some axes, None for all.")


@add
def reduce_euclidean_norm(input_tensor, axis=None, keepdims=False):
    """The root of the sum of squares."""
    return ops.sqrt(ops.sum(ops.square(convert(input_tensor)), axis=_axis(axis, None), keepdims=keepdims))


def _arg(name, function):
    def compute(input, axis=None, output_type=dtypes.int64, dimension=None):
        axis = _axis(axis, dimension)
        return ops.cast(function(convert(input), axis=0 if axis is None else axis), dtypes.as_dtype(output_type).name)

    compute.__name__, compute.__doc__ = name, "The index of the extreme along an axis (0), the first of equals; int64."
    add(compute)


_arg("argmax", ops.argmax)
_arg("argmin", ops.argmin)


@add
def count_nonzero(input, axis=None, keepdims=False, dtype=dtypes.int64):
    """How many are not 0."""
    hit = ops.cast(ops.not_equal(convert(input), 0), dtypes.as_dtype(dtype).name)
    return ops.cast(ops.sum(hit, axis=_axis(axis, None), keepdims=keepdims), dtypes.as_dtype(dtype).name)


def _running(name, function, neutral):
    def compute(x, axis=0, exclusive=False, reverse=False):
        x, axis = convert(x), ints(axis)[0]
        found = ops.flip(x, axis=axis) if reverse else x
        found = function(found, axis=axis)
        if exclusive:
            rank = len(x.shape)
            axis %= rank
            first = [slice(None)] * rank
            first[axis] = slice(0, -1)
            widths = [(1, 0) if number == axis else (0, 0) for number in range(rank)]
            found = ops.pad(found[tuple(first)], widths, constant_values=neutral)
        found = ops.flip(found, axis=axis) if reverse else found
        return ops.cast(found, dtypes.as_dtype(x.dtype).name)

    compute.__name__ = name
    compute.__doc__ = "What has come together along an axis so far; exclusive: without the element itself."
    add(compute)


_running("cumsum", ops.cumsum, 0)
_running("cumprod", ops.cumprod, 1)


@add
def top_k(input, k=1, sorted=True):
    """(the k largest of each row, their indices), the largest first, of equals the first."""
    values, indices = ops.top_k(convert(input), ints(k)[0], sorted=True)
    return TopK(values, ops.cast(indices, "int32"))


@add
def in_top_k(targets, predictions, k):
    """Whether each row's target is among its k largest predictions."""
    return ops.in_top_k(convert(targets), convert(predictions), ints(k)[0])


@add
def bincount(arr, weights=None, minlength=None, maxlength=None, dtype=dtypes.int32, axis=None, binary_output=False):
    """How often each whole number comes, or the sum of its weights."""
    if axis is not None or binary_output:
        raise NotImplementedError("tf.math.bincount: `axis` and `binary_output` are not there.")
    values = np.asarray(convert(arr)).reshape(-1)
    weights = None if weights is None else np.asarray(convert(weights)).reshape(-1)
    found = np.bincount(values, weights, 0 if minlength is None else int(minlength))
    found = found if maxlength is None else found[: int(maxlength)]
    return convert(found.astype("float32" if weights is not None else dtypes.as_dtype(dtype).as_numpy_dtype))


@add
def confusion_matrix(labels, predictions, num_classes=None, weights=None, dtype=dtypes.int32):
    """How often each label (row) was predicted as each class (column)."""
    labels, predictions = (ops.reshape(ops.cast(convert(one), "int64"), (-1,)) for one in (labels, predictions))
    if num_classes is None:
        num_classes = int(ops.maximum(ops.max(labels), ops.max(predictions))) + 1
    kind = dtypes.as_dtype(dtype).name
    ones = ops.ones_like(labels, dtype=kind) if weights is None else ops.cast(convert(weights), kind)
    return ops.scatter(ops.stack([labels, predictions], axis=-1), ones, (num_classes, num_classes))


def _segment(name, function):
    def compute(data, segment_ids, num_segments=None):
        data, segment_ids = convert(data), convert(segment_ids)
        if num_segments is None:
            num_segments = int(ops.max(segment_ids)) + 1
        found = function(data, segment_ids, int(num_segments))
        if name.endswith(("max", "min")):
            found = _with_empty(name, found, segment_ids, int(num_segments))
        return found

    compute.__name__, compute.__doc__ = name, "The rows of each segment together."
    add(compute)


def _with_empty(name, found, ids, number):
    """The segments of which there are no rows: 0, or of those not in order the lowest or highest finite number."""
    kind = dtypes.as_dtype(found.dtype)
    if not name.startswith("unsorted"):
        fill = 0
    else:
        fill = kind.min if name.endswith("max") else kind.max
    count = ops.segment_sum(ops.ones_like(ids), ids, number)
    empty = ops.reshape(ops.equal(count, 0), (-1, *[1] * (len(found.shape) - 1)))
    return ops.where(empty, convert(fill, kind), found)


def _segment_mean(data, ids, number):
    total = ops.segment_sum(data, ids, number)
    count = ops.segment_sum(ops.ones_like(ids, dtype=dtypes.as_dtype(data.dtype).name), ids, number)
    count = ops.reshape(ops.maximum(count, 1), (-1, *[1] * (len(data.shape) - 1)))
    return ops.divide(total, count) if dtypes.as_dtype(data.dtype).is_floating else ops.floor_divide(total, count)


def add_segments(functions):
    """Take functions of (data, numbers of segments, how many) by name."""
    for name, function in functions.items():
        _segment(name, function)


add_segments(
    {
        "segment_sum": ops.segment_sum,
        "segment_max": ops.segment_max,
        "segment_min": ops.segment_min,
        "segment_mean": _segment_mean,
        "unsorted_segment_sum": ops.segment_sum,
        "unsorted_segment_max": ops.segment_max,
        "unsorted_segment_min": ops.segment_min,
        "unsorted_segment_mean": _segment_mean,
    }
)


# --- products --------------------------------------------------------------------------------------------------------


@add
def matmul(
    a,
    b,
    transpose_a=False,
    transpose_b=False,
    adjoint_a=False,
    adjoint_b=False,
    a_is_sparse=False,
    b_is_sparse=False,
    output_type=None,
):
    """The product of matrices."""
    a, b = convert_pair(a, b, "matmul")
    if min(len(a.shape), len(b.shape)) < 2:
        raise InvalidArgumentError(
            explain(
                "tf.matmul takes matrices", given=f"{tuple(a.shape)} and {tuple(b.shape)}", hint="See tf.linalg.matvec."
            )
        )
    a, b = turned(a, transpose_a, adjoint_a), turned(b, transpose_b, adjoint_b)
    found = ops.matmul(a, b)
    return found if output_type is None else ops.cast(found, dtypes.as_dtype(output_type).name)


def turned(x, transpose=False, adjoint=False):
    """Matrices as they are, transposed, or transposed and conjugated."""
    x = ops.swapaxes(x, -1, -2) if transpose or adjoint else x
    return ops.conjugate(x) if adjoint else x


@add
def matvec(a, b, transpose_a=False, adjoint_a=False):
    """The product of a matrix and a vector."""
    a, b = convert_pair(a, b)
    return ops.squeeze(ops.matmul(turned(a, transpose_a, adjoint_a), ops.expand_dims(b, -1)), -1)


@add
def tensordot(a, b, axes):
    """The sum of products over some axes of both."""
    axes = static(axes)
    return ops.tensordot(*convert_pair(a, b), axes=axes)


@add
def einsum(equation, *inputs, optimize="greedy"):
    """The product that the equation says."""
    return ops.einsum(equation, *(convert(one) for one in inputs))


@add
def cross(a, b):
    """The vector product."""
    return ops.cross(*convert_pair(a, b))


@add
def l2_normalize(x, axis=None, epsilon=1e-12, dim=None):
    """``x / sqrt(max(sum(x ** 2), epsilon))`` along an axis."""
    x = convert(x)
    total = ops.sum(ops.square(x), axis=_axis(axis, dim), keepdims=True)
    return ops.multiply(x, ops.rsqrt(ops.maximum(total, epsilon)))


# --- limits ----------------------------------------------------------------------------------------------------------


@add
def clip_by_value(t, clip_value_min, clip_value_max):
    """Cut to what lies between two values."""
    t = convert(t)
    low, high = (
        one if isinstance(one, (int, float)) else convert_pair(t, one)[1] for one in (clip_value_min, clip_value_max)
    )
    return ops.minimum(ops.maximum(t, low), high)


@add
def clip_by_norm(t, clip_norm, axes=None):
    """Made smaller to a norm where it is larger."""
    t = convert(t)
    total = ops.sum(ops.square(t), axis=_axis(axes, None), keepdims=True)
    # A root of 0 has no gradient.
    safe = ops.where(ops.greater(total, 0), total, ops.ones_like(total))
    norm = ops.where(ops.greater(total, 0), ops.sqrt(safe), total)
    return ops.divide(ops.multiply(t, clip_norm), ops.maximum(norm, clip_norm))


@add
def global_norm(t_list):
    """The norm of several tensors together; None counts for nothing."""
    squares = [ops.sum(ops.square(convert(one))) for one in t_list if one is not None]
    return ops.sqrt(add_n(squares))


@add
def clip_by_global_norm(t_list, clip_norm, use_norm=None):
    """(the tensors made smaller together to a norm, the norm that they had)."""
    norm = global_norm(t_list) if use_norm is None else convert(use_norm)
    scale = ops.divide(clip_norm, ops.maximum(norm, clip_norm))
    return [None if one is None else ops.multiply(convert(one), scale) for one in t_list], norm


@add
def polyval(coeffs, x):
    """The value of a polynomial; the highest power comes first."""
    x = convert(x)
    found = ops.zeros_like(x)
    for one in coeffs:
        found = ops.add(ops.multiply(found, x), one)
    return found


@add
def invert_permutation(x):
    """Where each number stands."""
    return ops.cast(ops.argsort(convert(x)), dtypes.as_dtype(convert(x).dtype).name)


@add
def approximate_equal(x, y, tolerance=1e-05):
    """Whether two are closer than a tolerance."""
    x, y = convert_pair(x, y)
    return ops.less(ops.absolute(ops.subtract(x, y)), tolerance)


@add
def zero_fraction(value):
    """The part that is 0."""
    return ops.mean(ops.cast(ops.equal(convert(value), 0), "float32"))


IN_TF = """
    abs acos acosh add add_n argmax argmin asin asinh atan atan2 atanh clip_by_value clip_by_norm
    clip_by_global_norm complex cos cosh cumsum divide equal einsum exp floor greater greater_equal less
    less_equal logical_and logical_not logical_or matmul maximum minimum multiply negative not_equal pow realdiv
    reduce_all reduce_any reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_sum round
    scalar_mul sigmoid sign sin sinh sqrt square subtract tan tanh tensordot truediv math_mod
""".split()  # noqa: SIM905 (one name to a line would be a page)
# Names that TensorFlow 1 had in `tf` itself, which old scripts still use.
OLD_IN_TF = """
    ceil conj confusion_matrix count_nonzero cross cumprod digamma erf erfc expm1 floor_div floordiv floormod
    imag is_finite is_inf is_nan l2_normalize lgamma log log1p log_sigmoid logical_xor mod real reciprocal rint
    rsqrt segment_max segment_mean segment_sum squared_difference top_k zero_fraction global_norm bincount
""".split()  # noqa: SIM905 (one name to a line would be a page)
NAMES["realdiv"] = NAMES["truediv"]
NAMES["math_mod"] = NAMES["floormod"]
NAMES["floor_div"] = NAMES["floordiv"]
