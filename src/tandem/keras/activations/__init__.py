"""`keras.activations`: functions of a tensor, by name."""

import functools
import types

from tandem.keras import saving, tensors
from tandem.keras.families import identified
from tandem.keras.symbolic import lift
from tandem.ops import elementwise


def _activation(function, class_name, module="keras.src.ops.nn", name=None):
    """A function of `ops.elementwise` as Keras has it: arrays are converted, symbolic values give a node."""

    @functools.wraps(function)
    def on_tensors(x, *args, **kwargs):
        return function(tensors.convert(x), *args, **kwargs)

    entry = lift(on_tensors, class_name, 1, module=module)
    entry.__name__ = entry.__qualname__ = name or function.__name__
    entry.__module__ = __name__
    entry.function = function
    return entry


def _squareplus(x, b=4):
    """``(x + sqrt(x^2 + b)) / 2``."""
    return elementwise.squareplus(x, b)


def _hard_sigmoid(x):
    """``clip(x / 6 + 1/2, 0, 1)``."""
    return elementwise.hard_sigmoid(x)


def _sigmoid(x):
    """``1 / (1 + exp(-x))``."""
    return elementwise.sigmoid(x)


def _tanh(x):
    """``tanh(x)``."""
    return elementwise.tanh(x)


def _threshold(x, threshold, default_value):
    """x where it is greater than `threshold`, else `default_value`."""
    return elementwise.threshold(x, threshold, default_value)


def _softmax(x, axis=-1):
    """``exp(x) / sum exp(x)`` over an axis, or over several as if they were one."""
    return _over_axes(elementwise.softmax, x, axis)


def _log_softmax(x, axis=-1):
    """``log(softmax(x))`` over an axis, or over several as if they were one."""
    return _over_axes(elementwise.log_softmax, x, axis)


def _over_axes(function, x, axis):
    if not isinstance(axis, (list, tuple)):
        return function(x, axis)
    axes = sorted(one % x.dim() for one in axes_of(axis))
    last = list(range(-len(axes), 0))
    moved = x.movedim(axes, last)
    flat = function(moved.reshape(*moved.shape[: -len(axes)], -1), -1)
    return flat.reshape(moved.shape).movedim(last, axes)


def axes_of(axis):
    """One axis or several, as a tuple."""
    return tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)


def linear(x):
    """The identity: ``y = x``."""
    return x


relu = _activation(elementwise.relu, "ReLU", "keras.src.activations.activations")
leaky_relu = _activation(elementwise.leaky_relu, "LeakyRelu")
relu6 = _activation(elementwise.relu6, "Relu6")
softmax = _activation(_softmax, "Softmax", name="softmax")
log_softmax = _activation(_log_softmax, "LogSoftmax", name="log_softmax")
elu = _activation(elementwise.elu, "Elu")
selu = _activation(elementwise.selu, "Selu")
celu = _activation(elementwise.celu, "Celu")
gelu = _activation(elementwise.gelu, "Gelu")
silu = swish = _activation(elementwise.silu, "Silu")
mish = _activation(elementwise.mish, "Mish", "keras.src.activations.activations")
glu = _activation(elementwise.glu, "Glu")
softplus = _activation(elementwise.softplus, "Softplus")
softsign = _activation(elementwise.softsign, "Softsign")
soft_shrink = _activation(elementwise.soft_shrink, "SoftShrink")
hard_shrink = _activation(elementwise.hard_shrink, "HardShrink")
tanh_shrink = _activation(elementwise.tanh_shrink, "TanhShrink")
threshold = _activation(_threshold, "Threshold", name="threshold")
squareplus = _activation(_squareplus, "Squareplus", name="squareplus")
sparse_plus = _activation(elementwise.sparse_plus, "SparsePlus")
sparse_sigmoid = _activation(elementwise.sparse_sigmoid, "SparseSigmoid")
sparsemax = _activation(elementwise.sparsemax, "Sparsemax")
tanh = _activation(_tanh, "Tanh", "keras.src.ops.numpy", name="tanh")
sigmoid = _activation(_sigmoid, "Sigmoid", name="sigmoid")
log_sigmoid = _activation(elementwise.log_sigmoid, "LogSigmoid")
exponential = _activation(elementwise.exponential, "Exp", "keras.src.ops.numpy")
hard_sigmoid = _activation(_hard_sigmoid, "HardSigmoid", name="hard_sigmoid")
hard_silu = hard_swish = _activation(elementwise.hard_silu, "HardSilu")
hard_tanh = _activation(elementwise.hard_tanh, "HardTanh")

_FUNCTIONS = {
    name: thing
    for name, thing in list(globals().items())
    if not name.startswith("_") and (hasattr(thing, "operation") or thing is linear)
}


def serialize(activation):
    """The name of one of Keras's activations, or the config of another function or layer."""
    if _FUNCTIONS.get(getattr(activation, "__name__", None)) is activation:
        return activation.__name__
    config = saving.serialize_keras_object(activation)
    name = config.get("config") if isinstance(config, dict) else None
    if isinstance(name, str) and name in _FUNCTIONS and not isinstance(activation, types.BuiltinFunctionType):
        return name  # a function that shares the name of one of ours is that one when it is read again
    return config


def deserialize(config, custom_objects=None):
    """The activation that a name or a config describes."""
    return saving.deserialize_keras_object(config, custom_objects=custom_objects, module_objects=_FUNCTIONS)


def get(identifier):
    """An activation from a name, a config, a function or layer, or None (the identity).

    Raises ValueError for a name that is not known.
    """
    return linear if identifier is None else identified(identifier, _FUNCTIONS, "activation function", made=False)


__all__ = [*_FUNCTIONS, "deserialize", "get", "serialize"]
