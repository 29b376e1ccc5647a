"""`mx.nd.np._internal`: the operators behind `mx.np` under their own names, with their own arguments."""

from tandem.mxnet import operators, views
from tandem.mxnet.numpy.multiarray import ndarray

# Operators of other families that MXNet lists here too.
_OTHERS = {
    "boolean_mask": "_contrib_boolean_mask",
    "cast": "Cast",
    "gather_nd": "gather_nd",
    "linspace": "_linspace",
    "nonzero": "_npx_nonzero",
    "reshape": "_npx_reshape",
    "rnn_param_concat": "_rnn_param_concat",
    "scatter_set_nd": "_scatter_set_nd",
    "slice": "slice",
    "slice_assign": "_slice_assign",
    "slice_assign_scalar": "_slice_assign_scalar",
}
NAMES = {**operators.names("_npi_"), **_OTHERS}
_table = views.Namespace("mxnet.ndarray.numpy._internal", lambda: ndarray, NAMES, scalars=True)


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return sorted(NAMES)
