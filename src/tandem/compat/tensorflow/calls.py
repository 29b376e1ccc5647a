"""What goes into code of the script's own that Keras calls, and what comes out of Keras's layers, are `Tensor`s.

Keras computes on torch's tensors. A script's `call`, `train_step`, loss or metric may ask its arguments for what
TensorFlow's tensors have (`x.shape.as_list()`, `x.dtype.name`), and so gets them with these methods; `build` and
`compute_output_shape` get `TensorShape`s, which are tuples. The engine that records and replays sees no difference.
"""

import functools
import inspect

import numpy as np

from tandem.compat.tensorflow._strings import StringTensor
from tandem.compat.tensorflow.ragged_rows import RaggedTensor
from tandem.compat.tensorflow.shapes import TensorShape
from tandem.compat.tensorflow.tensor import adopt
from tandem.keras import tensors, tree
from tandem.keras.layers import base, core
from tandem.keras.layers.preprocessing.strings import TextLayer
from tandem.keras.losses.loss import Loss, LossFunctionWrapper
from tandem.keras.metrics.metric import MeanMetricWrapper, Metric
from tandem.keras.models.functional import Functional
from tandem.keras.models.sequential import Sequential

_OF_TENSORS = ("call", "compute_loss", "predict_step", "test_step", "train_step", "update_state")
_OF_SHAPES = ("build", "compute_output_shape")


def _own(module):
    return module is not None and module.split(".")[0] == "tandem"


def _shapes(value):
    """A shape, or each of a list or dict of shapes, as a `TensorShape`."""
    if isinstance(value, dict):
        return {key: _shapes(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(one, (list, tuple)) for one in value):
            return type(value)(map(_shapes, value))
        if all(one is None or isinstance(one, int) for one in value):
            return TensorShape(value)
    return value


def _taking(convert, function):
    """The function with its arguments converted."""

    @functools.wraps(function)
    def method(self, *args, **kwargs):
        return function(
            self, *(convert(one) for one in args), **{name: convert(value) for name, value in kwargs.items()}
        )

    return method


def _change(cls):
    """Let the methods that a class of the script's has defined take TensorFlow's tensors and shapes."""
    if _own(cls.__module__):
        return
    for names, convert in ((_OF_TENSORS, adopt), (_OF_SHAPES, _shapes)):
        for name in names:
            function = cls.__dict__.get(name)
            if inspect.isfunction(function):
                setattr(cls, name, _taking(convert, function))


def _changing(kind):
    """Change the classes that a script makes from `kind`."""
    before = kind.__dict__.get("__init_subclass__")

    def changed(cls, **kwargs):
        _change(cls)
        if before is not None:
            before.__func__(cls, **kwargs)
        else:
            super(kind, cls).__init_subclass__(**kwargs)

    kind.__init_subclass__ = classmethod(changed)


def _text(value):
    """What a layer that takes or gives text gives: text in an array is a string tensor."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "OUS":
        return StringTensor(np.vectorize(_encoded, otypes=[object])(value) if value.size else value)
    if isinstance(value, (str, bytes)):
        return StringTensor(np.asarray(_encoded(value), object))
    return adopt(value)


def _encoded(value):
    return value.encode() if isinstance(value, str) else value


def _on_text(forward):
    @functools.wraps(forward)
    def given(self, *args, **kwargs):
        if args and isinstance(args[0], RaggedTensor):
            return args[0].with_values(given(self, args[0].values, *args[1:], **kwargs))
        return _text(forward(self, *args, **kwargs))

    return given


def _leaving_text(convert_input):
    """The conversion of a layer's arguments, in which text stays text."""

    @functools.wraps(convert_input)
    def given(value, dtype):
        if isinstance(value, (StringTensor, RaggedTensor)):
            return value
        if isinstance(value, np.ndarray) and value.dtype.kind in "OUS":
            return _text(value)
        return convert_input(value, dtype)

    return given


def _as_array(value):
    return value.array if isinstance(value, StringTensor) else value


def _outermost(call):
    """A layer's call: what the outermost layer gives are `Tensor`s; models that Keras runs take text in arrays."""

    @functools.wraps(call)
    def given(self, *args, **kwargs):
        if args and isinstance(self, (Functional, Sequential)):
            args = (tree.map_structure(_as_array, args[0]), *args[1:])
        if base._calls.entry is not None:
            return call(self, *args, **kwargs)
        return adopt(call(self, *args, **kwargs))

    return given


def _giving(call):
    @functools.wraps(call)
    def given(*args, **kwargs):
        return adopt(call(*args, **kwargs))

    return given


def _of_scripts_function(method, attribute):
    """A method that calls a function which the layer, loss or metric holds: a script's gets `Tensor`s."""

    @functools.wraps(method)
    def given(self, *args, **kwargs):
        if not _own(getattr(getattr(self, attribute, None), "__module__", None)):
            args, kwargs = adopt(list(args)), adopt(kwargs)
        return method(self, *args, **kwargs)

    return given


def install():
    """Change Keras's classes; for the process, which is the script's."""
    for kind in (base.Layer, Loss, Metric):
        _changing(kind)
    core.Lambda.call = _of_scripts_function(core.Lambda.call, "function")
    LossFunctionWrapper.call = _of_scripts_function(LossFunctionWrapper.call, "fn")
    MeanMetricWrapper.update_state = _of_scripts_function(MeanMetricWrapper.update_state, "_fn")
    TextLayer.forward = _on_text(TextLayer.forward)
    tensors.convert_input = _leaving_text(tensors.convert_input)
    base.Layer._allow_non_tensor_positional_args = True  # text is none of torch's tensors
    base.Layer.__call__ = _outermost(base.Layer.__call__)
    Loss.__call__, Metric.__call__ = _giving(Loss.__call__), _giving(Metric.__call__)
