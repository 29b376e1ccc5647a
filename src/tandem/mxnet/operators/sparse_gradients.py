"""Gradients of operators on sparse arrays that touch few rows, or that pass on what comes in.

A gradient is `gradient(function, attributes, inputs, incoming, wanted)` -> {position: dense tensor, torch's sparse
tensor or `Rows`}, for some of the positions that are wanted; the others are computed with dense copies. `incoming` is
dense or torch's sparse tensor.
"""

from tandem.mxnet.operators.sparse import square_sum_axis
from tandem.ops import sparse, sparse_products, typed
from tandem.ops.sparse import Csr

__all__ = ["GRADIENTS"]


def _linear(function, attributes, inputs, incoming, wanted):
    """Of c x: c times what comes in."""
    return {position: function(incoming) for position in wanted}


def _passed(function, attributes, inputs, incoming, wanted):
    """Of sums: what comes in."""
    return dict.fromkeys(wanted, incoming)


def _difference(function, attributes, inputs, incoming, wanted):
    return {position: incoming if position == 0 else typed.multiply(incoming, -1) for position in wanted}


def _dense(incoming):
    return incoming.to_dense() if incoming.is_sparse else incoming


def _retain(function, attributes, inputs, incoming, wanted):
    """The rows that were kept."""
    if wanted != [0]:
        return {}
    return {0: sparse.kept_gradient(incoming, inputs[1])}


def _embedding(function, attributes, inputs, incoming, wanted):
    """The rows that were picked."""
    return {1: sparse_products.embedding_gradient(inputs[0], incoming, inputs[1].shape)} if wanted == [1] else {}


def _dot(function, attributes, inputs, incoming, wanted):
    """Of csr @ w: csr.T @ incoming, the rows whose columns the matrix has. Of x @ csr: incoming @ csr.T."""
    lhs, rhs = inputs
    if wanted == [1] and isinstance(lhs, Csr):
        incoming = _dense(incoming)
        if attributes["transpose_a"]:
            return {1: sparse_products.csr_dot(lhs, incoming)}
        return {1: sparse_products.csr_t_dot(lhs, incoming)}
    if wanted == [0] and isinstance(rhs, Csr):
        return {0: sparse_products.dot_csr(_dense(incoming), rhs, transpose=not attributes["transpose_b"])}
    return {}


def _square_sum(function, attributes, inputs, incoming, wanted):
    """2 x times the sum's gradient, in the rows that are stored."""
    return {0: sparse_products.square_sum_gradient(inputs[0], incoming, square_sum_axis(attributes))}


GRADIENTS = {
    "_copy": _passed,
    "cast_storage": _passed,
    "elemwise_add": _passed,
    "_grad_add": _passed,
    "add_n": _passed,
    "elemwise_sub": _difference,
    "negative": _linear,
    "_mul_scalar": _linear,
    "_div_scalar": _linear,
    "_sparse_retain": _retain,
    "_square_sum": _square_sum,
    "Embedding": _embedding,
    "_contrib_SparseEmbedding": _embedding,
    "dot": _dot,
}
