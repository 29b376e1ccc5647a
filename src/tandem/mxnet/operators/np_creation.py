"""Operators of `mx.np` that make arrays from nothing."""

import torch

from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import sequences

_FILLED = {"shape": a.sizes(()), "ctx": a.text(""), "dtype": a.dtype("float32")}


def _zeros(*, shape, dtype, device):
    """Zeros."""
    return torch.zeros(shape, dtype=dtype, device=device)


def _ones(*, shape, dtype, device):
    """Ones."""
    return torch.ones(shape, dtype=dtype, device=device)


def _full(*, shape, dtype, value, device):
    """One value everywhere."""
    return torch.full(shape, value, dtype=dtype, device=device)


def _full_like(a, *, fill_value, dtype):
    """One value in an array's shape and dtype, or another dtype."""
    return torch.full(a.shape, fill_value, dtype=dtype or a.dtype, device=a.device)


def _identity(*, shape, dtype, device):
    """The identity of an (n, n) shape."""
    return sequences.diagonal_ones(*shape, dtype=dtype, device=device)


def _eye(*, N, M, k, dtype, device):
    """Ones on the k-th diagonal of an (N, M) matrix (M None: N)."""
    return sequences.diagonal_ones(N, N if M is None else M, k, dtype=dtype, device=device)


def _arange(*, start, stop, step, repeat, infer_range, dtype, device):
    """``start, start + step, ...`` below stop (from 0 to start where stop is None), each `repeat` times."""
    start, stop = (0.0, start) if stop is None else (start, stop)
    return sequences.steps(start, stop, step, repeat=repeat, dtype=dtype, device=device)


register("_npi_zeros", _zeros, (), _FILLED, creates=True)
register("_npi_ones", _ones, (), _FILLED, creates=True)
register("_npi_full", _full, (), {**_FILLED, "value": a.real()}, creates=True)
register("_npi_identity", _identity, (), _FILLED, creates=True)
register(
    "_npi_full_like",
    _full_like,
    ("a",),
    {"fill_value": a.real(), "ctx": a.text(""), "dtype": a.optional_dtype()},
    differentiable=False,
)
register(
    "_npi_eye",
    _eye,
    (),
    {
        "N": a.integer(),
        "M": a.optional_integer(),
        "k": a.integer(0),
        "ctx": a.text(""),
        "dtype": a.dtype("float32"),
    },
    creates=True,
)
register(
    "_npi_arange",
    _arange,
    (),
    {
        "start": a.real(),
        "stop": a.optional_real(),
        "step": a.real(1.0),
        "repeat": a.integer(1),
        "infer_range": a.flag(False),
        "ctx": a.text(""),
        "dtype": a.dtype("float32"),
    },
    creates=True,
)
