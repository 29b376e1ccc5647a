"""Optimizer rules with row_sparse gradients: only the rows that the gradient stores change.

A rule is `update(function, attributes, weight, gradient, *states)`: function is the operator's own with its attributes,
weight and states are dense tensors, the gradient is `ops.sparse.Rows`.
"""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.mxnet.operators.updates import _PREPARE, _number, _shared
from tandem.ops import sparse, updates

__all__ = ["SPARSE_WEIGHTS_ONLY", "UPDATES"]


def _lazily(function, attributes, weight, gradient, *states):
    sparse.lazily(function, weight, gradient, *states)


def _adagrad(weight, grad, history, *, lr, epsilon, wd, rescale_grad, clip_gradient):
    """``h += g^2; w -= lr g / sqrt(h + epsilon)`` in the rows of a row_sparse gradient, g clipped and rescaled.

    Raises MXNetError for weight decay, as MXNet does.
    """
    if wd:
        raise MXNetError(
            explain("Operator not implemented: _sparse_adagrad_update with weight decay", expected="wd=0", given=wd)
        )
    options = _shared(weight, rescale_grad, clip_gradient)
    updates.adagrad([weight], [grad], [history], lr=_number(lr, weight), epsilon=epsilon, **options)
    return weight


register(
    "_sparse_adagrad_update",
    _adagrad,
    ("weight", "grad", "history"),
    {"lr": a.real(), "epsilon": a.real(1e-7), **_PREPARE},
    updates=(0,),
    mutates=(2,),
    differentiable=False,
    same_dtype=False,
)

# Those that are lazy only where the weight is row_sparse too.
SPARSE_WEIGHTS_ONLY = {"ftrl_update"}
UPDATES = dict.fromkeys(
    (
        "sgd_update",
        "sgd_mom_update",
        "adam_update",
        "ftrl_update",
        "_sparse_adagrad_update",
        "_contrib_group_adagrad_update",
    ),
    _lazily,
)
