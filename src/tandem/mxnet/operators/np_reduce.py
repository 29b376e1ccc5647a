"""Operators of `mx.np` that reduce axes, order, count or accumulate."""

import torch

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators import shapes
from tandem.mxnet.operators.reduce import HISTOGRAM, histogram
from tandem.mxnet.operators.table import register
from tandem.ops import counting, indexing, reduce, statistics


def _axes(x, axis):
    """The axes as `reduce` takes them: None for all, an empty tuple for none.

    Raises MXNetError where one is named twice or is not there.
    """
    if axis is None or (x.dim() == 0 and axis in ((0,), (-1,))):
        return None
    axes = [shapes.checked_axis(one, x.dim()) for one in axis]
    if len(set(axes)) != len(axes):
        raise MXNetError(explain("Reduction axes have duplicates", given=f"axis={axis}"))
    return tuple(axes)


def _no_initial(initial):
    if initial is not None:
        raise MXNetError(explain("Reductions begin with no number of their own", given=f"initial={initial}"))


def _summed(x, dtype):
    """The dtype of a sum: the array's own, int64 for bools."""
    return dtype or (torch.int64 if x.dtype is torch.bool else x.dtype)


_INITIAL = {"axis": a.optional_sizes(), "keepdims": a.flag(False), "initial": a.optional_real()}
_TYPED = {
    "axis": a.optional_sizes(),
    "dtype": a.optional_dtype(),
    "keepdims": a.flag(False),
    "initial": a.optional_real(),
}


def _sum(a, *, axis, dtype, keepdims, initial):
    """The sum, in the array's dtype; of bools in int64."""
    _no_initial(initial)
    return statistics.accumulated(reduce.sum, a, _axes(a, axis), keepdims, _summed(a, dtype))


def _prod(a, *, axis, dtype, keepdims, initial):
    """The product, in the array's dtype; of bools in int64."""
    _no_initial(initial)
    return statistics.accumulated(reduce.prod, a, _axes(a, axis), keepdims, _summed(a, dtype))


def _mean(a, *, axis, dtype, keepdims, initial):
    """The mean; of integers and bools in float32."""
    _no_initial(initial)
    return statistics.mean(a, _axes(a, axis), keepdims, dtype=dtype)


def _max(a, *, axis, keepdims, initial):
    """The largest value; each of several equal ones has the whole gradient."""
    _no_initial(initial)
    return statistics.over(reduce.max, a, _axes(a, axis), keepdims, tie=_tie(a))


def _min(a, *, axis, keepdims, initial):
    """The smallest value; each of several equal ones has the whole gradient."""
    _no_initial(initial)
    return statistics.over(reduce.min, a, _axes(a, axis), keepdims, tie=_tie(a))


def _tie(x):
    return "all" if x.requires_grad else "split"  # the latter is torch's own, quicker, function


def _any(data, *, axis, keepdims):
    """Whether something is not 0."""
    return statistics.over(reduce.any, data, _axes(data, axis), keepdims)


def _all(data, *, axis, keepdims):
    """Whether nothing is 0."""
    return statistics.over(reduce.all, data, _axes(data, axis), keepdims)


register("_np_sum", _sum, ("a",), _TYPED, aliases_input=True)
register("_np_prod", _prod, ("a",), _TYPED, aliases=("_np_product",), aliases_input=True)
register("_npi_mean", _mean, ("a",), _TYPED, aliases_input=True)
register("_np_max", _max, ("a",), _INITIAL, aliases=("_np_amax",), aliases_input=True)
register("_np_min", _min, ("a",), _INITIAL, aliases=("_np_amin",), aliases_input=True)
for _name, _function, _aliases in (("any", _any, ("_np_sometrue",)), ("all", _all, ())):
    register(
        f"_np_{_name}",
        _function,
        attributes={"axis": a.optional_sizes(), "keepdims": a.flag(False)},
        aliases=_aliases,
        differentiable=False,
        aliases_input=True,
    )


def _var(a, *, axis, dtype, ddof, keepdims):
    """The variance; of integers cut towards zero."""
    return statistics.variance(a, _axes(a, axis), keepdims, ddof=ddof, dtype=dtype)


def _std(a, *, axis, dtype, ddof, keepdims):
    """The standard deviation; of integers cut towards zero."""
    return statistics.deviation(a, _axes(a, axis), keepdims, ddof=ddof, dtype=dtype)


for _name, _function in (("var", _var), ("std", _std)):
    register(
        f"_npi_{_name}",
        _function,
        ("a",),
        {
            "axis": a.optional_sizes(),
            "dtype": a.optional_dtype(),
            "ddof": a.integer(0),
            "keepdims": a.flag(False),
        },
    )


def _average(a, weights=None, *, axis, returned, weighted):
    """The average with weights, and with `returned` the sum of the weights."""
    return statistics.average(a, weights if weighted else None, _axes(a, axis))


register(
    "_npi_average",
    _average,
    ("a", "weights"),
    {"axis": a.optional_sizes(), "returned": a.flag(False), "weighted": a.flag(True)},
    present=lambda attributes: ("a", "weights") if attributes["weighted"] else ("a",),
    visible=lambda attributes: 2 if attributes["returned"] else 1,
    aliases_input=True,
)


def _percentile(a, q=None, *, axis, interpolation, keepdims, q_scalar):
    """The values below which q percent of the values lie."""
    return statistics.percentile(a, q if q_scalar is None else q_scalar, _axes(a, axis), keepdims, interpolation)


register(
    "_npi_percentile",
    _percentile,
    ("a", "q"),
    {
        "axis": a.optional_sizes(),
        "interpolation": a.choice("higher", "linear", "lower", "midpoint", "nearest", default="linear"),
        "keepdims": a.flag(False),
        "q_scalar": a.optional_real(),
    },
    present=lambda attributes: ("a", "q") if attributes["q_scalar"] is None else ("a",),
    same_dtype=False,
)


def _place(function):
    def find(data, *, axis, keepdims):
        if data.dtype is torch.bool:
            raise TypeError("bools have no order here; convert them with astype()")
        axis = axis if axis is None else shapes.checked_axis(axis, max(data.dim(), 1))
        return function(data, axis, keepdims)

    find.__doc__ = function.__doc__
    return find


for _name, _function in (("argmax", reduce.argmax), ("argmin", reduce.argmin)):
    register(
        f"_npi_{_name}",
        _place(_function),
        attributes={"axis": a.optional_integer(), "keepdims": a.flag(False)},
        differentiable=False,
    )


def _ordered(x, axis):
    """The axis to put in order.

    Raises TypeError for bools.
    """
    if x.dtype is torch.bool:
        raise TypeError("bools have no order here; convert them with astype()")
    return axis if axis is None else shapes.checked_axis(axis, x.dim())


def _sort(data, *, axis, is_ascend):
    """data in order along an axis, or flattened."""
    return indexing.sort(data, _ordered(data, axis), ascending=is_ascend)


def _argsort(data, *, axis, is_ascend, dtype):
    """The indices that put data in order along an axis, or flattened."""
    return indexing.argsort(data, _ordered(data, axis), ascending=is_ascend, dtype=dtype)


register("_npi_sort", _sort, attributes={"axis": a.optional_integer(-1), "is_ascend": a.flag(True)})
register(
    "_npi_argsort",
    _argsort,
    attributes={"axis": a.optional_integer(-1), "is_ascend": a.flag(True), "dtype": a.dtype("float32")},
    differentiable=False,
)


def _bincount(data, weights=None, *, minlength, has_weights):
    """How often each number occurs, or the sums of their weights."""
    return counting.bincount(data, weights if has_weights else None, minlength)


register(
    "_npi_bincount",
    _bincount,
    ("data", "weights"),
    {"minlength": a.integer(0), "has_weights": a.flag(False)},
    present=lambda attributes: ("data", "weights") if attributes["has_weights"] else ("data",),
    same_dtype=False,
    differentiable=False,
)


register("_npi_histogram", histogram, ("data", "bins"), **HISTOGRAM)


def _diff(a, *, n, axis):
    """The n-th differences of neighbours along an axis."""
    return statistics.differences(a, n, shapes.checked_axis(axis, a.dim()))


register("_npi_diff", _diff, ("a",), {"n": a.integer(1), "axis": a.integer(-1)})


def _ediff1d(*arrays, to_begin_arr_given, to_end_arr_given, to_begin_scalar, to_end_scalar):
    """The differences of neighbours in the flattened array, with what goes before and behind them."""
    data, *others = arrays
    begin = others.pop(0) if to_begin_arr_given else to_begin_scalar
    end = others.pop(0) if to_end_arr_given else to_end_scalar
    return statistics.differences_between(data, begin, end)


def _ediff1d_inputs(attributes):
    given = (attributes["to_begin_arr_given"], attributes["to_end_arr_given"])
    return ("input1", "input2", "input3")[: 1 + sum(given)]


register(
    "_npi_ediff1d",
    _ediff1d,
    ("input1", "input2", "input3"),
    {
        "to_begin_arr_given": a.flag(False),
        "to_end_arr_given": a.flag(False),
        "to_begin_scalar": a.optional_real(),
        "to_end_scalar": a.optional_real(),
    },
    present=_ediff1d_inputs,
)
