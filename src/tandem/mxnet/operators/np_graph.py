"""Operators behind `mx.sym.np` where `mx.np` needs no row: their arrays say what a graph must write down."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import arrangement, decompositions, distributions, typed


def _norm(data, *, ord, axis, keepdims, flag):
    """A norm over axes; flag: -2 the root of the sum of squares, 1 'fro', 2 'nuc', else the number ord."""
    if flag == -2:
        return decompositions.vector_norm(data, 2.0, axis, keepdims)
    axes = tuple(range(data.dim()))[-2:] if axis is None else axis
    if len(axes) == 1:
        if flag == 2:
            raise MXNetError(explain("The nuclear norm is one of matrices", expected="two axes", given=f"axis={axis}"))
        return decompositions.vector_norm(data, 2.0 if flag == 1 else ord, axes, keepdims)
    return decompositions.matrix_norm(data, {1: "fro", 2: "nuc"}.get(flag, ord), axes, keepdims)


register(
    "_npi_norm",
    _norm,
    attributes={
        "ord": a.real(2.0),
        "axis": a.optional_sizes(),
        "keepdims": a.flag(False),
        "flag": a.integer(-1),
    },
)


def _resize(data, *, new_shape):
    """The flattened data repeated until it fills a shape."""
    return arrangement.recycled(data, new_shape)


register("_npi_resize", _resize, attributes={"new_shape": a.sizes()})


def _multivariate_normal(mean, cov, *, size):
    """Vectors of normal numbers with a mean and a covariance."""
    return distributions.multivariate_normal(size or (), mean, cov)


register(
    "_npi_multivariate_normal",
    _multivariate_normal,
    ("mean", "cov"),
    {"size": a.optional_sizes()},
    random=True,
)


def _share_memory(a, b):
    """Whether two arrays lie in one piece of memory."""
    return typed.shares_memory(a, b)


register("_npi_share_memory", _share_memory, ("a", "b"), same_dtype=False, differentiable=False)
