"""Operators that make arrays from nothing."""

import torch

from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import sequences

_PLACE = {"shape": a.sizes(()), "ctx": a.text(""), "dtype": a.dtype("float32")}


def _zeros(shape, dtype, device):
    """Zeros."""
    return torch.zeros(shape, dtype=dtype, device=device)


def _ones(shape, dtype, device):
    """Ones."""
    return torch.ones(shape, dtype=dtype, device=device)


def _full(shape, dtype, value, device):
    """One value everywhere."""
    return torch.full(shape, value, dtype=dtype, device=device)


register("_zeros", _zeros, (), _PLACE, creates=True)
register("_ones", _ones, (), _PLACE, creates=True)
register("_full", _full, (), {**_PLACE, "value": a.real()}, creates=True)


def _arange(start, stop, step, repeat, infer_range, dtype, device, shape=None):
    """``start, start + step, ...`` below stop (from 0 to start where stop is None), each `repeat` times.

    shape: in a graph that tells how many there are (infer_range), that.
    """
    if shape is not None:
        stop = start + step * -(-shape[0] // repeat)
        return sequences.steps(start, stop, step, repeat=repeat, dtype=dtype, device=device)[: shape[0]]
    start, stop = (0.0, start) if stop is None else (start, stop)
    return sequences.steps(start, stop, step, repeat=repeat, dtype=dtype, device=device)


_RANGE = {
    "start": a.real(),
    "stop": a.optional_real(),
    "step": a.real(1.0),
    "repeat": a.integer(1),
    "infer_range": a.flag(False),
    "ctx": a.text(""),
    "dtype": a.dtype("float32"),
}
register("_arange", _arange, (), _RANGE, creates=True)


def _eye(N, M, k, dtype, device):
    """Ones on the k-th diagonal of an (N, M) matrix (M 0: N)."""
    return sequences.diagonal_ones(N, M or N, k, dtype=dtype, device=device)


register(
    "_eye",
    _eye,
    (),
    {"N": a.integer(), "M": a.integer(0), "k": a.integer(0), "ctx": a.text(""), "dtype": a.dtype("float32")},
    creates=True,
)


def _arange_like(data, start, step, repeat, axis):
    """``start, start + step, ...`` in data's shape, or of its size along an axis."""
    count = data.numel() if axis is None else data.shape[axis]
    values = sequences.steps(0, -(-count // repeat), repeat=repeat, dtype=data.dtype, device=data.device)[:count]
    values = sequences.line(values, start, step).to(data.dtype)
    return values.reshape(data.shape) if axis is None else values


register(
    "_contrib_arange_like",
    _arange_like,
    attributes={
        "start": a.real(0.0),
        "step": a.real(1.0),
        "repeat": a.integer(1),
        "ctx": a.text(""),
        "axis": a.optional_integer(),
    },
    differentiable=False,
)
