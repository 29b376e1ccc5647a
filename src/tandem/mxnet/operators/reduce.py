"""Operators that reduce axes, and running sums."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators import shapes
from tandem.mxnet.operators.table import register
from tandem.ops import counting, elementwise, linalg, norm, reduce, sequences

_REDUCE = {"axis": a.optional_sizes(), "keepdims": a.flag(False), "exclude": a.flag(False)}


def _axes(data, axis):
    """The axes as `reduce` takes them.

    Raises MXNetError where one is named twice or is not there.
    """
    if axis is None or axis == ():
        return None
    axes = [shapes.checked_axis(one, data.dim()) for one in axis]
    if len(set(axes)) != len(axes):
        raise MXNetError(explain("Reduction axes have duplicates", given=f"axis={axis}"))
    return tuple(axes)


def _sum(data, *, axis, keepdims, exclude):
    """The sum over axes (all, or with exclude all but these), in data's dtype."""
    axes = _axes(data, axis)
    return reduce.sum(data, axes, keepdims, exclude=exclude and axes is not None, dtype=data.dtype)


def _nansum(data, *, axis, keepdims, exclude):
    """The sum of what is not NaN."""
    axes = _axes(data, axis)
    return reduce.nansum(data, axes, keepdims, exclude=exclude and axes is not None, dtype=data.dtype)


def _prod(data, *, axis, keepdims, exclude):
    """The product."""
    axes = _axes(data, axis)
    return reduce.prod(data, axes, keepdims, exclude=exclude and axes is not None, dtype=data.dtype)


def _nanprod(data, *, axis, keepdims, exclude):
    """The product of what is not NaN."""
    axes = _axes(data, axis)
    return reduce.nanprod(data, axes, keepdims, exclude=exclude and axes is not None, dtype=data.dtype)


def _mean(data, *, axis, keepdims, exclude):
    """The mean; of integers cut to an integer."""
    axes = _axes(data, axis)
    exclude = exclude and axes is not None
    if data.is_floating_point():
        return reduce.mean(data, axes, keepdims, exclude=exclude)
    return elementwise.truncated(lambda x: reduce.mean(x, axes, keepdims, exclude=exclude), data)


def _max(data, *, axis, keepdims, exclude):
    """The largest value; each of several equal ones has the whole gradient."""
    axes = _axes(data, axis)
    return reduce.max(data, axes, keepdims, exclude=exclude and axes is not None, tie=_tie(data))


def _min(data, *, axis, keepdims, exclude):
    """The smallest value; each of several equal ones has the whole gradient."""
    axes = _axes(data, axis)
    return reduce.min(data, axes, keepdims, exclude=exclude and axes is not None, tie=_tie(data))


def _tie(data):
    return "all" if data.requires_grad else "split"  # the latter is torch's own, quicker, function


for _names, _function in {
    ("sum", "sum_axis"): _sum,
    ("mean",): _mean,
    ("prod",): _prod,
    ("nansum",): _nansum,
    ("nanprod",): _nanprod,
    ("max", "max_axis"): _max,
    ("min", "min_axis"): _min,
}.items():
    register(_names[0], shapes.with_axis(_function), attributes=_REDUCE, aliases=_names[1:], aliases_input=True)


def _norm(data, *, ord, axis, out_dtype, keepdims):
    """The 1- or 2-norm over all axes, one or two."""
    if ord not in (1, 2):
        raise MXNetError(explain("norm only supports ord=1 and ord=2", given=f"ord={ord}"))
    axes = _axes(data, axis)
    if data.is_floating_point():
        y = linalg.norm(data, ord, axes, keepdims)
    else:
        y = elementwise.truncated(lambda x: linalg.norm(x, ord, axes, keepdims), data)
    return y if out_dtype is None else y.to(out_dtype)


register(
    "norm",
    shapes.with_axis(_norm),
    attributes={
        "ord": a.integer(2),
        "axis": a.optional_sizes(),
        "out_dtype": a.optional_dtype(),
        "keepdims": a.flag(False),
    },
)


def _moments(data, *, axes, keepdims):
    """Mean and variance."""
    found = [one.to(data.dtype) for one in norm.moments(data, axes or None, keepdims=keepdims)]
    return tuple(one if one.dim() else one.reshape(1) for one in found)


register("moments", _moments, attributes={"axes": a.optional_sizes(), "keepdims": a.flag(False)})


def _argmax(data, *, axis, keepdims):
    """Where the largest value is, the first of equals, in data's dtype; without axis in the flattened data."""
    axis = axis if axis is None else shapes.checked_axis(axis, data.dim())
    return reduce.argmax(data, axis, keepdims, dtype=data.dtype)


def _argmin(data, *, axis, keepdims):
    """Where the smallest value is, the first of equals, in data's dtype; without axis in the flattened data."""
    axis = axis if axis is None else shapes.checked_axis(axis, data.dim())
    return reduce.argmin(data, axis, keepdims, dtype=data.dtype)


def _argmax_channel(data):
    """`argmax` over axis 1."""
    return reduce.argmax(data, 1, dtype=data.dtype)


_PLACE = {"axis": a.optional_integer(), "keepdims": a.flag(False)}
register("argmax", shapes.with_axis(_argmax), attributes=_PLACE, differentiable=False)
register("argmin", shapes.with_axis(_argmin), attributes=_PLACE, differentiable=False)
register("argmax_channel", _argmax_channel, differentiable=False)


def _cumsum(a, *, axis, dtype):
    """Running sums along an axis; without one, of the flattened array."""
    return reduce.cumsum(a, axis, dtype=dtype or a.dtype)


register(
    "cumsum", _cumsum, ("a",), {"axis": a.optional_integer(), "dtype": a.optional_dtype()}, aliases=("_np_cumsum",)
)


def histogram(data, bins=None, *, bin_cnt, range):
    """Counts in bins (bin_cnt equal ones over range, or between given edges), and the edges."""
    if bin_cnt is not None:
        bins = sequences.spaced(*range, bin_cnt + 1, dtype=data.dtype, device=data.device)
    return counting.histogram(data, bins), bins


HISTOGRAM = {
    "attributes": {"bin_cnt": a.optional_integer(), "range": a.optional_reals()},
    "present": lambda attributes: ("data", "bins") if attributes["bin_cnt"] is None else ("data",),
    "differentiable": False,
    "aliases_input": True,
}
register("_histogram", histogram, ("data", "bins"), **HISTOGRAM)
