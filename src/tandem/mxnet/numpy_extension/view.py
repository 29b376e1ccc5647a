"""Rows of the operator table as functions on `mx.np.ndarray`."""

from tandem.core.errors import Unsupported, explain
from tandem.mxnet import operators, views
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.numpy.multiarray import ndarray

# Name in `npx` -> operator: MXNet 1.9.1's, then what 2.0 has besides.
OPERATORS_OF = {
    "activation": "Activation",
    "arange_like": "_contrib_arange_like",
    "batch_dot": "batch_dot",
    "batch_flatten": "Flatten",
    "batch_norm": "BatchNorm",
    "cast": "Cast",
    "convolution": "Convolution",
    "deconvolution": "Deconvolution",
    "dropout": "Dropout",
    "embedding": "Embedding",
    "erf": "erf",
    "erfinv": "erfinv",
    "fully_connected": "FullyConnected",
    "gamma": "gamma",
    "gammaln": "gammaln",
    "gather_nd": "gather_nd",
    "layer_norm": "LayerNorm",
    "leaky_relu": "LeakyReLU",
    "log_softmax": "log_softmax",
    "multibox_detection": "_contrib_MultiBoxDetection",
    "multibox_prior": "_contrib_MultiBoxPrior",
    "multibox_target": "_contrib_MultiBoxTarget",
    "nonzero": "_npx_nonzero",
    "one_hot": "one_hot",
    "pick": "pick",
    "pooling": "Pooling",
    "relu": "relu",
    "reshape": "_npx_reshape",
    "reshape_like": "reshape_like",
    "rnn": "RNN",
    "roi_pooling": "ROIPooling",
    "sequence_mask": "SequenceMask",
    "shape_array": "shape_array",
    "sigmoid": "sigmoid",
    "slice": "slice",
    "smooth_l1": "smooth_l1",
    "softmax": "softmax",
    "topk": "topk",
    # 2.0
    "broadcast_like": "broadcast_like",
    "ctc_loss": "CTCLoss",
    "digamma": "digamma",
    "group_norm": "GroupNorm",
    "hard_sigmoid": "hard_sigmoid",
    "index_add": "index_add",
    "index_update": "index_update",
    "instance_norm": "InstanceNorm",
    "l2_normalization": "L2Normalization",
    "log_sigmoid": "log_sigmoid",
    "lrn": "LRN",
    "masked_log_softmax": "masked_log_softmax",
    "masked_softmax": "masked_softmax",
    "mish": "mish",
    "norm": "norm",
    "scatter_nd": "scatter_nd",
    "sequence_last": "SequenceLast",
    "sequence_reverse": "SequenceReverse",
    "slice_axis": "slice_axis",
    "slice_like": "slice_like",
    "softmin": "softmin",
    "stop_gradient": "BlockGrad",
}


def function(module, names, name):
    """The function that a module of `npx` has under a name; None where it has none.

    names: public name -> operator. An operator that is not there yet gives a function that says so.
    """
    if name not in names:
        return None
    row = operators.OPERATORS.get(names[name]) or operators.np_extension.LATER.get(names[name])
    return _not_there(module, name) if row is None else _of_numpy_arrays(views.function_of(row, ndarray, name), name)


def _of_numpy_arrays(operator, name):
    """The operator for arrays of `mx.np` only.

    Raises TypeError for classic arrays, as in MXNet.
    """

    def call(*args, **kwargs):
        for value in args:
            if isinstance(value, NDArray) and not isinstance(value, ndarray):
                raise _classic(name)
        for value in kwargs.values():
            if isinstance(value, NDArray) and not isinstance(value, ndarray):
                raise _classic(name)
        return operator(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = operator.__doc__
    call.__module__ = "mxnet.numpy_extension"
    call.__signature__ = operator.__signature__
    return call


def _classic(name):
    return TypeError(
        explain(
            f"Operator {name} of npx is a numpy operator, which can only accept MXNet numpy ndarrays",
            expected="mx.np.ndarray",
            given="a classic mx.nd.NDArray",
            hint="as_np_ndarray() shares its memory.",
        )
    )


def _not_there(module, name):
    def unsupported(*args, **kwargs):
        raise Unsupported(explain(f"{module}.{name} is not there yet"))

    unsupported.__name__ = unsupported.__qualname__ = name
    return unsupported
