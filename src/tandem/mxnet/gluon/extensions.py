"""What published listings write that neither MXNet nor Keras has: Keras's spellings on Gluon's layers.

`input_shape=`, recurrent layers in `gluon.nn`, Keras's activation names, `trainer.backward` and `trainer.fit`. Whatever
of this is used is told in one warning, at the first step of training or the first inference.
"""

import sys
import warnings
from functools import partial

import numpy as np

from tandem.core import scope
from tandem.core.errors import Unsupported, explain
from tandem.mxnet import autograd
from tandem.mxnet.gluon import probabilities
from tandem.mxnet.gluon.rnn import rnn_layer
from tandem.mxnet.gluon.utils import apply_op, to_numpy
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.ops import elementwise

# --- the one warning -------------------------------------------------------------------------------------------------

_notes, _told = {}, set()


def note(text):
    """Remember to tell that something was done which MXNet would not have done."""
    if text not in _told:
        _notes[text] = None


def tell():
    """Warn of all that was noted since the last time."""
    if not _notes:
        return
    texts = list(_notes)
    _notes.clear()
    _told.update(texts)
    warnings.warn(
        "This script uses what MXNet does not have; it runs as Keras would have it: " + "; ".join(texts) + ".",
        UserWarning,
        stacklevel=_users_frame(),
    )


def _users_frame():
    """How many frames above `tell` the caller's own code is."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(("tandem.", "contextlib")):
        level, frame = level + 1, frame.f_back
    return level


# --- input_shape -----------------------------------------------------------------------------------------------------


def take_input_shape(block, kwargs):
    """Take Keras's `input_shape` (or `input_dim`) out of a layer's keyword arguments; answers the others."""
    shape = kwargs.get("input_shape")
    if shape is None and "input_dim" in kwargs and not isinstance(kwargs["input_dim"], NDArray):
        shape = (kwargs["input_dim"],)
    if shape is None:
        return kwargs
    block.__dict__["_input_shape"] = tuple(shape)
    return {key: value for key, value in kwargs.items() if key not in ("input_shape", "input_dim")}


def made(layer):
    """A convolution or pooling was made: with `input_shape` it reads channels last, as Keras gives it."""
    shape = layer.__dict__.get("_input_shape")
    if shape is not None:
        if len(shape) != layer._rank + 1:
            raise ValueError(
                explain(
                    f"{type(layer).__name__} takes an input_shape of {layer._rank + 1} sizes",
                    expected="(height, width, channels) and the like, without the batch",
                    given=f"input_shape={shape}",
                )
            )
        layer._read_channels_last()
        note(
            f"input_shape={shape} means images with the channels last, so this net reads NHWC (MXNet's default is NCHW)"
        )


def added(row, block):
    """A block was added to a row: where one reads channels last, those after it do too."""
    if block.__dict__.get("_input_shape") is not None and not _is_spatial(block):
        note("input_shape= and input_dim= are taken; the first batch tells the shapes in any case")
    if row.__dict__.get("_channels_last"):
        _turn(block)
    elif any(_is_spatial(one) and one.__dict__.get("_input_shape") for one in block._walk()):
        row.__dict__["_channels_last"] = True


def _is_spatial(block):
    return hasattr(type(block), "_rank")


def _turn(block):
    for one in block._walk():
        if hasattr(type(one), "_read_channels_last"):
            one._read_channels_last()
        if hasattr(type(one), "add"):
            one.__dict__["_channels_last"] = True
        act = one.__dict__.get("act")
        if _is_spatial(one) and act is not None:
            act._axis = -1


# --- activations -----------------------------------------------------------------------------------------------------

_ACTIVATIONS = {
    name: getattr(elementwise, name)
    for name in (
        "celu",
        "elu",
        "exponential",
        "gelu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_tanh",
        "leaky_relu",
        "linear",
        "log_sigmoid",
        "mish",
        "relu6",
        "selu",
        "silu",
        "soft_shrink",
        "softplus",
        "sparse_plus",
        "sparse_sigmoid",
        "squareplus",
        "tanh_shrink",
        "threshold",
    )
}
_ACTIVATIONS |= {"swish": elementwise.silu, "hard_swish": elementwise.hard_silu}
_ALONG_AXIS = {name: getattr(elementwise, name) for name in ("glu", "log_softmax", "softmax", "sparsemax")}


def is_activation(name):
    """Whether a name is one of Keras's activations that MXNet's layers do not know."""
    return name in _ACTIVATIONS or name in _ALONG_AXIS


def activate(name, x, axis=-1):
    """One of Keras's activations of an array; softmax and its like along `axis`."""
    note(f"activation={name!r} is Keras's")
    if not scope.is_recording():
        tell()
    if name not in _ALONG_AXIS:
        return apply_op(_ACTIVATIONS[name], x)
    y = apply_op(partial(_ALONG_AXIS[name], axis=axis), x)
    if name == "softmax":
        probabilities.mark(y)
    return y


def are_probabilities(array):
    """Whether an array is the output of a layer with activation='softmax'.

    SoftmaxCrossEntropyLoss would take the softmax of it once more; it takes the logarithm alone.
    """
    if not probabilities.are(array):
        return False
    note(
        "SoftmaxCrossEntropyLoss takes the output of activation='softmax' as probabilities, not once more softmax of it"
    )
    return True


# --- recurrent layers ------------------------------------------------------------------------------------------------


class _KerasLike:
    """`gluon.nn.LSTM(units, return_sequences=…)`: a recurrent layer on (batch, time, features), as Keras has it."""

    def __init__(self, units, return_sequences=False, activation="tanh", recurrent_activation="sigmoid", **kwargs):
        kwargs = take_input_shape(self, kwargs)
        if activation != "tanh" or recurrent_activation != "sigmoid":
            raise Unsupported(
                explain(
                    f"gluon.nn.{type(self).__name__} has fixed activations",
                    expected="activation='tanh', recurrent_activation='sigmoid'",
                    given=f"activation={activation!r}, recurrent_activation={recurrent_activation!r}",
                )
            )
        # Keras's initial weights: with Gluon's small ones a stack of such layers hardly begins to learn.
        kwargs.setdefault("i2h_weight_initializer", "xavier")
        kwargs.setdefault("h2h_weight_initializer", self._orthogonal())
        super().__init__(units, layout="NTC", **self._own_arguments(), **kwargs)
        self._return_sequences = return_sequences
        note(
            f"gluon.nn.{type(self).__name__}(units, return_sequences=) is Keras's layer, on (batch, time, features),"
            " with Keras's initial weights (MXNet has gluon.rnn)"
        )

    def _own_arguments(self):
        return {}

    @staticmethod
    def _orthogonal():
        from tandem.mxnet import initializer

        return initializer.Orthogonal(scale=1.0)

    def forward(self, inputs, states=None, sequence_length=None):
        """All steps, or the last one only."""
        outputs = super().forward(inputs, states, sequence_length)
        return outputs if self._return_sequences else outputs[:, -1]


class LSTM(_KerasLike, rnn_layer.LSTM):
    """Long short-term memory; see `_KerasLike`."""

    def _own_arguments(self):
        from tandem.mxnet import initializer

        # One of the two biases: Keras has one, with 1 at the forget gate.
        return {"i2h_bias_initializer": initializer.LSTMBias(1.0)}


class GRU(_KerasLike, rnn_layer.GRU):
    """Gated recurrent unit; see `_KerasLike`."""


class RNN(_KerasLike, rnn_layer.RNN):
    """Simple recurrent layer with tanh; see `_KerasLike`."""

    def _own_arguments(self):
        return {"activation": "tanh"}


# --- training --------------------------------------------------------------------------------------------------------


def backward(loss):
    """`trainer.backward(loss)`: gradients of a loss, or of a list of them."""
    note("trainer.backward(loss) is loss.backward()")
    autograd.backward(loss if isinstance(loss, (list, tuple)) else [loss])


def fit(trainer, x, y, batch_size=32, loss=None, shuffle=True):
    """`trainer.fit(x, y, batch_size)`: one epoch over arrays; answers the mean loss.

    loss: a loss block; where None it follows from the net's last activation and the labels' form.
    Raises ValueError where the net is not known or the arrays do not fit each other.
    """
    from tandem.mxnet import ndarray

    net = trainer._block
    if net is None:
        raise ValueError(
            explain(
                "trainer.fit() needs the net, and this trainer was given a list of parameters",
                expected="gluon.Trainer(net.collect_params(), ...)",
            )
        )
    x, y = to_numpy(x), to_numpy(y)
    if len(x) != len(y) or not len(x):
        raise ValueError(
            explain(
                "x and y hold one row to each sample", expected="equal lengths", given=f"{len(x)} and {len(y)} rows"
            )
        )
    ctx = _context_of(trainer)
    order = np.random.permutation(len(x)) if shuffle else np.arange(len(x))
    total = None
    for start in range(0, len(x), batch_size):
        rows = order[start : start + batch_size]
        features, labels = ndarray.array(x[rows], ctx=ctx), ndarray.array(y[rows], ctx=ctx)
        with autograd.record():
            outputs = net(features)
            if loss is None:
                loss = _loss_for(net, outputs, labels)
            value = loss(outputs, labels)
        value.backward()
        trainer.step(len(rows))
        part = value.sum().detach()
        total = part if total is None else total + part
    return total._tensor.item() / len(x)


def _context_of(trainer):
    for parameter in trainer._params:
        if parameter._data is not None or parameter._deferred_init:
            return parameter.list_ctx()[0]
    return None


def _loss_for(net, outputs, labels):
    """The loss that goes with a net's last activation and the labels' form."""
    from tandem.mxnet.gluon import loss as losses

    name = probabilities.last_activation(net)
    numbered = labels.size * outputs.shape[-1] == outputs.size and outputs.shape[-1] > 1
    if name == "softmax":
        chosen = losses.SoftmaxCrossEntropyLoss(sparse_label=numbered)
        how = "cross entropy of its softmax with " + ("class numbers" if numbered else "one-hot labels")
    elif name == "sigmoid":
        chosen, how = losses.SigmoidBinaryCrossEntropyLoss(from_sigmoid=True), "binary cross entropy of its sigmoid"
    elif numbered:
        chosen, how = losses.SoftmaxCrossEntropyLoss(), "softmax cross entropy with class numbers"
    else:
        chosen, how = losses.L2Loss(), "the mean squared error"
    note(f"trainer.fit() is one epoch; the loss, which was not given, is {how}")
    return chosen
