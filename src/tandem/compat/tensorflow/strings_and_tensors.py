"""`tf.Tensor` as a type: tensors of numbers and of text, variables' values, symbolic values."""

import torch

from tandem.compat.tensorflow._strings import StringTensor
from tandem.compat.tensorflow.shape_vectors import Sizes
from tandem.core.graph import Symbolic


class _Kind(type):
    def __instancecheck__(cls, value):
        return isinstance(value, (torch.Tensor, StringTensor, Symbolic, Sizes))

    def __subclasscheck__(cls, kind):
        return issubclass(kind, (torch.Tensor, StringTensor, Symbolic, Sizes))


class AnyTensor(metaclass=_Kind):
    """What `isinstance(x, tf.Tensor)` is true of. Tensors are made by `tf.constant` and its like."""

    def __new__(cls, *args, **kwargs):
        raise TypeError("tf.Tensor is not made by calling it: write tf.constant(…).")


AnyTensor.__name__ = AnyTensor.__qualname__ = "Tensor"
