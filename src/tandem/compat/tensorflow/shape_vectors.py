"""`tf.shape(x)`: sizes that are known while the code runs, with which one reckons as with a tensor.

They are NumPy's and not torch's: a step that shapes something by them is recorded and replayed, for it reads no tensor.
"""

import numpy as np

from tandem.compat.tensorflow._dtypes import as_dtype


class Sizes(np.ndarray):
    """A whole number, or a row of them."""

    def numpy(self):
        """A plain array, or number."""
        array = np.asarray(self)
        return array[()] if array.ndim == 0 else array

    def get_shape(self):
        """The shape of the row itself."""
        from tandem.compat.tensorflow.shapes import TensorShape

        return TensorShape(self.shape)

    def __getitem__(self, key):
        return sizes(np.ndarray.__getitem__(self, key))

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return array.view(Sizes) if array.dtype.kind in "iu" else np.asarray(array)[()]

    def __iter__(self):
        return (sizes(one) for one in np.asarray(self))

    def _described(self):
        return f"shape={self.get_shape()}, dtype={as_dtype(self.dtype).name}"

    def __str__(self):
        return f"tf.Tensor({np.ndarray.__str__(np.asarray(self))}, {self._described()})"

    def __repr__(self):
        array = np.asarray(self)
        return f"<tf.Tensor: {self._described()}, numpy={repr(array) if array.ndim else array}>"

    def __format__(self, spec):
        return format(self.numpy(), spec)

    def __hash__(self):
        return hash(self.item())


def sizes(values, dtype="int32"):
    """`values` (ints) as `Sizes`."""
    return np.asarray(values, as_dtype(dtype).as_numpy_dtype).view(Sizes)


def are_sizes(values):
    """Whether a list holds nothing but `Sizes` and plain whole numbers (one `Sizes` at least)."""
    return any(isinstance(one, Sizes) for one in values) and all(_whole(one) for one in values)


def _whole(value):
    if isinstance(value, (list, tuple)):
        return all(_whole(one) for one in value)
    return isinstance(value, (Sizes, int, np.integer)) and not isinstance(value, bool)
