"""Operators of `contrib` without a family of their own, and some that MXNet's own code calls."""

import torch

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators import indexing as rows
from tandem.mxnet.operators import norm as norms
from tandem.mxnet.operators.table import register
from tandem.ops import elementwise, hawkes, heads, indexing, interleaved, sequences, sparseness, spectra

# --- attention -------------------------------------------------------------------------------------------------------

_HEADS = {"heads": a.integer()}


def _selfatt_qk(queries_keys_values, *, heads):
    """Scaled products of queries and keys, whose projections lie interleaved by head."""
    return interleaved.scores_self(queries_keys_values, heads)


def _selfatt_valatt(queries_keys_values, attention, *, heads):
    """Values weighted by attention, their projections interleaved by head."""
    return interleaved.attend_self(queries_keys_values, attention, heads)


def _encdec_qk(queries, keys_values, *, heads):
    """Scaled products of queries with another sequence's keys."""
    return interleaved.scores(queries, keys_values, heads)


def _encdec_valatt(keys_values, attention, *, heads):
    """Another sequence's values weighted by attention."""
    return interleaved.attend(keys_values, attention, heads)


for _name, _function, _inputs in (
    ("selfatt_qk", _selfatt_qk, ("queries_keys_values",)),
    ("selfatt_valatt", _selfatt_valatt, ("queries_keys_values", "attention")),
    ("encdec_qk", _encdec_qk, ("queries", "keys_values")),
    ("encdec_valatt", _encdec_valatt, ("keys_values", "attention")),
):
    register(f"_contrib_interleaved_matmul_{_name}", _function, _inputs, _HEADS)

# --- point processes, transforms, sketches ---------------------------------------------------------------------------


def _hawkesll(lda, alpha, beta, state, lags, marks, valid_length, max_time):
    """Log-likelihood of marked self-exciting Hawkes processes, and the state at the end.

    Gradients are those of the likelihood with respect to lda, alpha and beta.
    """
    given = [array.detach() for array in (state, lags, marks, valid_length, max_time)]
    total, end = hawkes.log_likelihood(lda, alpha, beta, *given)
    return total, heads.stop_gradient(end)


_HAWKES = ("lda", "alpha", "beta", "state", "lags", "marks", "valid_length", "max_time")
register("_contrib_hawkesll", _hawkesll, _HAWKES, same_dtype=False)


def _fft(data, *, compute_size):
    """The Fourier transform of each row, real and imaginary parts in turn. compute_size: rows in one GPU call."""
    return spectra.fft(data)


def _ifft(data, *, compute_size):
    """The inverse transform of each row, times its length; see `fft`."""
    return spectra.ifft(data)


register("_contrib_fft", _fft, attributes={"compute_size": a.integer(128)})
register("_contrib_ifft", _ifft, attributes={"compute_size": a.integer(128)})


def _count_sketch(data, h, s, *, out_dim, processing_batch_size):
    """The count sketch of each row. processing_batch_size: rows in one GPU call."""
    return spectra.count_sketch(data, h.detach(), s.detach(), out_dim)


register(
    "_contrib_count_sketch",
    _count_sketch,
    ("data", "h", "s"),
    {"out_dim": a.integer(), "processing_batch_size": a.integer(32)},
    same_dtype=False,
)

# --- layers ----------------------------------------------------------------------------------------------------------


def _batch_norm_relu(*arrays, **attributes):
    """`BatchNorm` with a rectifier behind it."""
    y, *statistics = norms._batch_norm(*arrays, **attributes)
    return elementwise.relu(y), *statistics


register(
    "_contrib_BatchNormWithReLU",
    _batch_norm_relu,
    norms._STATISTICS,
    norms._BATCH_NORM_2,
    **norms._FIELDS,
)

register(
    "_contrib_SparseEmbedding",
    rows._embedding,
    ("data", "weight"),
    {
        "input_dim": a.integer(),
        "output_dim": a.integer(),
        "dtype": a.dtype("float32"),
        "sparse_grad": a.flag(False),
    },
    **rows._INDICES,
)


def _kl_sparse(data, moving_avg, *, sparseness_target, penalty, momentum):
    """data itself; its gradient has that of a penalty on units that are active more often than sparseness_target."""
    return sparseness.attach(data, moving_avg, target=sparseness_target, penalty=penalty, momentum=momentum)


register(
    "IdentityAttachKLSparseReg",
    _kl_sparse,
    ("data", "moving_avg"),
    {"sparseness_target": a.real(0.1), "penalty": a.real(0.001), "momentum": a.real(0.9)},
    mutates=(1,),
)

# --- what MXNet's own code calls -------------------------------------------------------------------------------------


def _linspace(*, start, stop, num, endpoint, dtype, device):
    """num values from start to stop."""
    return sequences.spaced(start, stop, num, endpoint=endpoint, dtype=dtype, device=device)


register(
    "_linspace",
    _linspace,
    (),
    {
        "start": a.real(),
        "stop": a.real(),
        "num": a.integer(),
        "endpoint": a.flag(True),
        "ctx": a.text(""),
        "dtype": a.dtype("float32"),
    },
    creates=True,
)


def _zeros_without_dtype(*, shape, dtype, device):
    """Zeros of a shape, of float32 where the dtype is left open."""
    return torch.zeros(shape, dtype=dtype or torch.float32, device=device)


register(
    "_zeros_without_dtype",
    _zeros_without_dtype,
    (),
    {"shape": a.sizes(()), "ctx": a.text(""), "dtype": a.dtype_code()},
    creates=True,
)


def _scatter_set_nd(lhs, rhs, indices, *, shape):
    """lhs with rhs at ``[indices[0], indices[1], ...]``.

    Raises MXNetError where lhs has not the given shape.
    """
    if tuple(lhs.shape) != tuple(shape):
        raise MXNetError(
            explain("_scatter_set_nd: lhs has another shape", expected=tuple(shape), given=tuple(lhs.shape))
        )
    return indexing.index_update(lhs, indices, rhs)


register(
    "_scatter_set_nd",
    _scatter_set_nd,
    ("lhs", "rhs", "indices"),
    {"shape": a.sizes()},
    differentiable=False,
    same_dtype=False,
)
