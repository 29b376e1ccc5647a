"""The rest of `tf.math`, and `tf.math.special`."""

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import _math as math
from tandem.compat.tensorflow.lifted import lift
from tandem.compat.tensorflow.results import TopK
from tandem.compat.tensorflow.tensor import convert, convert_pair, ints, public, taker
from tandem.core.errors import explain
from tandem.keras import ops
from tandem.ops import special

NAMES = math.NAMES
SPECIAL = {}
add = taker(NAMES)


def _class_name(name):
    return "".join(part.title() for part in name.split("_"))


def _one(name, function):
    operation = lift(function, _class_name(name), 1, module=__name__)

    def compute(x):
        return operation(convert(x))

    compute.__name__, compute.__doc__ = name, f"`{name}` of each element."
    return public(compute)


def _two(name, function):
    operation = lift(function, _class_name(name), 2, module=__name__)

    def compute(x, y):
        return operation(*convert_pair(x, y))

    compute.__name__, compute.__doc__ = name, f"`{name}` of two operands, element by element."
    return public(compute)


def _bessel(kind, order, scaled=None):
    functions = {"i": special.modified_bessel, "k": special.modified_bessel_second}

    def function(x):
        return special.bessel(x, kind, order) if scaled is None else functions[kind](x, order, scaled)

    return function


for _kind in "ik":
    for _order in (0, 1):
        for _scaled in (False, True):
            _name = f"bessel_{_kind}{_order}{'e' if _scaled else ''}"
            SPECIAL[_name] = _one(_name, _bessel(_kind, _order, _scaled))
for _kind in "jy":
    for _order in (0, 1):
        SPECIAL[f"bessel_{_kind}{_order}"] = _one(f"bessel_{_kind}{_order}", _bessel(_kind, _order))
NAMES.update({name: SPECIAL[name] for name in ("bessel_i0", "bessel_i0e", "bessel_i1", "bessel_i1e")})
NAMES["ndtri"] = _one("ndtri", special.normal_quantile)
NAMES["erfcinv"] = _one("erfcinv", special.inverse_erfc)
NAMES["lbeta"] = _one("lbeta", special.log_beta)
NAMES["igamma"] = _two("igamma", special.lower_gamma)
NAMES["igammac"] = _two("igammac", special.upper_gamma)
NAMES["zeta"] = _two("zeta", special.zeta)
NAMES["polygamma"] = _two("polygamma", special.polygamma)
NAMES["xlog1py"] = _two("xlog1py", special.xlog1py)
NAMES["nextafter"] = _two("nextafter", special.next_after)
_betainc = lift(special.incomplete_beta, "IncompleteBeta", 3, module=__name__)
_logsumexp = lift(special.running_logsumexp, "RunningLogSumExp", 1, module=__name__)


@add
def betainc(a, b, x):
    """The regularised incomplete beta function."""
    x = convert(x)
    return _betainc(convert(a, x.dtype), convert(b, x.dtype), x)


@add
def reciprocal_no_nan(x):
    """``1 / x``, 0 where x is 0."""
    x = convert(x)
    return ops.divide_no_nan(ops.ones_like(x), x)


@add
def cumulative_logsumexp(x, axis=0, exclusive=False, reverse=False):
    """The logarithm of the sum of the exponentials so far along an axis; exclusive: without the element itself."""
    x, axis = convert(x), ints(axis)[0] % len(convert(x).shape)
    found = _logsumexp(ops.flip(x, axis=axis) if reverse else x, axis)
    if exclusive:
        first = [slice(None)] * len(x.shape)
        first[axis] = slice(0, -1)
        widths = [(1, 0) if number == axis else (0, 0) for number in range(len(x.shape))]
        lowest = float(np.finfo(dtypes.as_dtype(x.dtype).as_numpy_dtype).min)
        found = ops.pad(found[tuple(first)], widths, constant_values=lowest)
    return ops.flip(found, axis=axis) if reverse else found


def _rising(name, holds):
    def compute(x):
        x = ops.reshape(convert(x), (-1,))
        return ops.all(holds(x[1:], x[:-1]))

    compute.__name__, compute.__doc__ = name, "Whether each element is as large as the one before, or larger."
    add(compute)


_rising("is_non_decreasing", ops.greater_equal)
_rising("is_strictly_increasing", ops.greater)


def _product(data, ids, count):
    from tandem.ops import segments

    return segments.reduce(data, ids, count, "prod")


_segment_product = lift(_product, "SegmentProduct", 2, module=__name__)


def _root_mean(data, ids, count):
    total = ops.segment_sum(data, ids, count)
    size = ops.segment_sum(ops.ones_like(ids, dtype=dtypes.as_dtype(data.dtype).name), ids, count)
    size = ops.reshape(ops.maximum(size, 1), (-1, *[1] * (len(data.shape) - 1)))
    return ops.divide(total, ops.sqrt(size))


math.add_segments({"unsorted_segment_sqrt_n": _root_mean, "unsorted_segment_prod": _segment_product})
math.add_segments({"segment_prod": _segment_product})


def _best(name, sign):
    def compute(
        operand, k, reduction_dimension=-1, recall_target=0.95, reduction_input_size_override=-1, aggregate_to_topk=True
    ):
        x = ops.moveaxis(convert(operand), reduction_dimension, -1)
        values, places = ops.top_k(ops.multiply(x, sign), ints(k)[0])
        back = lambda one: ops.moveaxis(one, -1, reduction_dimension)  # noqa: E731
        return TopK(back(ops.multiply(values, sign)), back(ops.cast(places, "int32")))

    compute.__name__, compute.__doc__ = name, "(the k extremes along an axis, their places); they are exact."
    return public(compute)


NAMES["approx_max_k"], NAMES["approx_min_k"] = _best("approx_max_k", 1), _best("approx_min_k", -1)


@add
def sobol_sample(dim, num_results, skip=0, dtype=dtypes.float32):
    """Points of Sobol's sequence, (num_results, dim) in [0, 1), those after the first `skip` + 1."""
    from tandem.ops.random import sobol

    return ops.cast(sobol(int(dim), int(num_results), int(skip) + 1), dtypes.as_dtype(dtype).name)


@add
def truncatediv(x, y):
    """The quotient of whole numbers, cut towards 0."""
    x, y = convert_pair(x, y)
    return ops.cast(
        ops.trunc(ops.divide(ops.cast(x, "float64"), ops.cast(y, "float64"))), dtypes.as_dtype(x.dtype).name
    )


@add
def truncatemod(x, y):
    """What is left of x after `truncatediv`, of the sign of x."""
    x, y = convert_pair(x, y)
    return ops.fmod(x, y)


def hessians(ys, xs, **kwargs):
    """TensorFlow 1's second derivatives of a graph; there is none where everything runs at once."""
    raise RuntimeError(explain("tf.hessians is not supported when eager execution is enabled", hint="Nest two tapes."))
