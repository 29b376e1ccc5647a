"""What Keras's side gives to a script that imports TensorFlow: tensors and shapes with TensorFlow's methods.

This is done to torch's and Keras's classes for as long as the process lasts, which is the script's: the methods that
are added exist nowhere else, and those that are changed raise where they are not.
"""

import numpy as np
import torch

from tandem.compat.tensorflow import calls, elements
from tandem.compat.tensorflow.datasets import Dataset
from tandem.compat.tensorflow.shapes import TensorShape, TensorSpec
from tandem.compat.tensorflow.tensor import Tensor, adopt, plain
from tandem.core.graph import Symbolic
from tandem.keras.symbolic import KerasTensor
from tandem.keras.utils.datasets import Batches
from tandem.keras.variables import Variable


def _numpy(self, *, force=False):
    """The values as a NumPy array; of what has gradients too, as TensorFlow's tensors give it."""
    return _torch_numpy(plain(self) if self.requires_grad or self.is_cuda else self, force=force)


def _get_shape(self):
    """The sizes, a `TensorShape`."""
    return TensorShape(torch.Tensor.size(self)) if isinstance(self, torch.Tensor) else TensorShape(self.shape)


def _set_shape(self, shape):
    """Raise ValueError where `shape` is not this value's; of a symbolic value, let it be what was not known."""
    merged = _get_shape(self).merge_with(shape)
    if isinstance(self, Symbolic):
        self.shape = tuple(merged)


def _float(self):
    return _torch_float(plain(self))  # torch warns of numbers that have gradients; scripts print losses so


def _format(self, spec):
    return format(Tensor.numpy(self), spec)


def _repr(self, *, tensor_contents=None):
    return Tensor.__repr__(self)


class _Shape:
    """The shape of symbolic values, a tuple that has `as_list` and `rank` too."""

    def __get__(self, owner, kind=None):
        if owner is None:
            return self
        return owner.__dict__["shape"]

    def __set__(self, owner, value):
        owner.__dict__["shape"] = TensorShape(value)


def _create(self, initializer, shape, dtype):
    """Make a variable's tensor of torch's own kind: one of ours would be no `torch.nn.Parameter`."""
    values = initializer
    if isinstance(initializer, Tensor):
        values = plain(initializer)
    elif callable(initializer):

        def values(*args, **kwargs):
            found = initializer(*args, **kwargs)
            return plain(found) if isinstance(found, Tensor) else found

    _keras_create(self, values, shape, dtype)
    if self._initializer is values:
        self._initializer = initializer


def _as_dataset(batches):
    """Keras's datasets out of folders and series with `map`, `cache`, `prefetch` and their like."""

    def spec():
        first = next(map(elements.structure, _batches_iter(batches)))
        free = lambda leaf: TensorSpec([None, *leaf.shape[1:]], leaf.dtype)  # noqa: E731
        return elements.map_leaves(lambda leaf: free(leaf) if len(leaf.shape) else elements.spec_of_leaf(leaf), first)

    return Dataset(lambda: map(elements.structure, _batches_iter(batches)), len(batches), spec)


def _method(name):
    def method(self, *args, **kwargs):
        return getattr(_as_dataset(self), name)(*args, **kwargs)

    method.__name__, method.__doc__ = name, getattr(Dataset, name).__doc__
    return method


_METHODS = """
    apply as_numpy_iterator batch cache cardinality concatenate enumerate filter flat_map map prefetch rebatch reduce
    repeat shard shuffle skip take take_while unbatch window with_options
""".split()  # noqa: SIM905 (one name to a line would be a page)
_batches_iter = Batches.__iter__
_keras_create = Variable._create
_torch_numpy, _torch_float = torch.Tensor.numpy, torch.Tensor.__float__


def install():
    """Give torch's tensors, Keras's symbolic values and its variables TensorFlow's methods."""
    if getattr(torch.Tensor, "get_shape", None) is not None:
        return
    torch.Tensor.numpy, torch.Tensor.__array__ = _numpy, Tensor.__array__
    torch.Tensor.__array_function__ = Tensor.__array_function__
    torch.Tensor.__format__, torch.Tensor.__float__ = _format, _float
    torch.Tensor.__repr__, torch.Tensor.__str__ = _repr, Tensor.__str__
    calls.install()
    for kind in (torch.Tensor, KerasTensor, Variable):
        kind.get_shape = _get_shape
        kind.set_shape = _set_shape
    KerasTensor.shape = _Shape()
    Variable._create = _create
    Variable.read_value = lambda self: adopt(self.value)
    Variable.numpy = lambda self: np.array(self)[()]
    Variable.__float__ = lambda self: float(np.array(self))
    Batches.__iter__ = lambda self: iter(_as_dataset(self))
    Batches.element_spec = property(lambda self: _as_dataset(self).element_spec)
    for name in _METHODS:
        setattr(Batches, name, _method(name))
