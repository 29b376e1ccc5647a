"""Symbols that need no inputs: zeros, ones, ranges; and functions that reorder arguments."""

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.base import mx_real_t
from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol import compose
from tandem.mxnet.symbol.symbol import Symbol

__all__ = ["arange", "eye", "full", "histogram", "linspace", "ones", "split_v2", "zeros"]


def _make(operator, args=(), /, **given):
    node_name, attr = given.pop("name", None), given.pop("attr", None)
    return compose.apply(OPERATORS[operator], Symbol, operator.lower(), args, given, node_name, attr)


def zeros(shape, dtype=None, **kwargs):
    """Zeros; sizes 0 in the shape are inferred."""
    return _make("_zeros", shape=shape, dtype=mx_real_t if dtype is None else dtype, **kwargs)


def ones(shape, dtype=None, **kwargs):
    """Ones; sizes 0 in the shape are inferred."""
    return _make("_ones", shape=shape, dtype=mx_real_t if dtype is None else dtype, **kwargs)


def full(shape, val, dtype=None, **kwargs):
    """One number everywhere."""
    return _make("_full", shape=shape, dtype=mx_real_t if dtype is None else dtype, value=float(val), **kwargs)


def arange(start, stop=None, step=1.0, repeat=1, infer_range=False, name=None, dtype=None):
    """Numbers from start up to stop (not included; None: from 0 up to start), each `repeat` times.

    infer_range: how many there are follows from what the result is used with.
    """
    dtype = mx_real_t if dtype is None else dtype
    given = {"start": start, "stop": stop, "step": step, "repeat": repeat, "infer_range": infer_range}
    return _make("_arange", **given, dtype=dtype, name=name)


def linspace(start, stop, num, endpoint=True, name=None, dtype=None):
    """`num` numbers from start to stop, in equal steps; endpoint: whether stop is the last."""
    dtype = mx_real_t if dtype is None else dtype
    return _make("_linspace", start=start, stop=stop, num=num, endpoint=endpoint, dtype=dtype, name=name)


def eye(N, M=0, k=0, dtype=None, **kwargs):
    """A matrix with ones on its k-th diagonal."""
    return _make("_eye", N=N, M=M, k=k, dtype=mx_real_t if dtype is None else dtype, **kwargs)


def histogram(a, bins=10, range=None, **kwargs):
    """(counts, edges) of the values of `a` in bins: a number of them, in `range`, or a symbol of their edges.

    Raises ValueError where a number of bins comes without a range.
    """
    if isinstance(bins, Symbol):
        return _make("_histogram", (a, bins), **kwargs)
    if isinstance(bins, (int, np.integer)):
        if range is None:
            raise ValueError("null range is not supported in symbol mode")
        return _make("_histogram", (a,), bin_cnt=bins, range=range, **kwargs)
    raise ValueError(explain("bins argument should be either an integer or an NDArray", given=type(bins).__name__))


def split_v2(ary, indices_or_sections, axis=0, squeeze_axis=False):
    """Parts of `ary` along an axis: a number of equal ones, or those that begin at some indices.

    Raises ValueError for what is neither.
    """
    indices, sections = [], 0
    if isinstance(indices_or_sections, int):
        sections = indices_or_sections
    elif isinstance(indices_or_sections, (tuple, list)):
        indices = [0, *indices_or_sections]
    else:
        raise ValueError("indices_or_sections must either int or tuple of ints")
    given = {"indices": indices, "axis": axis, "squeeze_axis": squeeze_axis, "sections": sections}
    return _make("_split_v2", (ary,), **given)
