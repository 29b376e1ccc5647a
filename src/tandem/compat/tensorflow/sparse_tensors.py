"""`tf.SparseTensor`: values at places; all others are 0, or no text."""

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow._strings import StringTensor
from tandem.compat.tensorflow.shapes import SparseTensorSpec, TensorShape
from tandem.compat.tensorflow.tensor import convert
from tandem.core.errors import explain


class SparseTensor:
    """Values at places (count, axes) of a shape."""

    __array_priority__ = 20000

    def __init__(self, indices, values, dense_shape):
        self.indices, self.values = convert(indices, dtypes.int64), convert(values)
        self.dense_shape = convert(dense_shape, dtypes.int64)
        if len(self.indices.shape) != 2 or len(self.values.shape) != 1 or len(self.indices) != len(self.values):
            raise ValueError(
                explain(
                    "Indices and values do not fit",
                    expected="indices (count, axes) and values (count,)",
                    given=f"{tuple(self.indices.shape)} and {tuple(self.values.shape)}",
                )
            )
        if self.indices.shape[1] != len(self.dense_shape):
            raise ValueError(
                explain("The indices are of other axes than the shape", given=f"{tuple(self.indices.shape)}")
            )

    @classmethod
    def from_value(cls, sparse_tensor_value):
        """A sparse tensor of one, or of what has its three parts."""
        return cls(sparse_tensor_value.indices, sparse_tensor_value.values, sparse_tensor_value.dense_shape)

    @property
    def dtype(self):
        """The dtype of the values."""
        return dtypes.as_dtype(self.values.dtype)

    @property
    def shape(self):
        """The sizes."""
        return TensorShape(self.dense_shape.tolist())

    places = property(lambda self: np.asarray(self.indices), doc="The indices, NumPy's.")
    sizes = property(lambda self: tuple(self.dense_shape.tolist()), doc="The sizes, plain numbers.")

    def get_shape(self):
        """The sizes."""
        return self.shape

    def __len__(self):
        return self.sizes[0]

    def __iter__(self):
        raise TypeError("'SparseTensor' object is not iterable")

    def __array__(self, dtype=None, copy=None):
        raise TypeError("A SparseTensor is no array: write tf.sparse.to_dense(…).")

    def with_values(self, new_values):
        """The same places with other values."""
        return SparseTensor(self.indices, new_values, self.dense_shape)

    def eval(self, feed_dict=None, session=None):
        """The tensor itself: it has its values."""
        return self

    def _scaled(self, other, name):
        from tandem.compat.tensorflow import _math as math
        from tandem.keras import ops

        other = convert(other, None if hasattr(other, "dtype") else self.dtype)
        if len(other.shape):
            whole = ops.broadcast_to(other, self.sizes)
            other = whole[tuple(convert(column) for column in self.places.T)]
        return self.with_values(math.NAMES[name](self.values, other))

    def __mul__(self, other):
        return self._scaled(other, "multiply")

    __rmul__ = __mul__

    def __truediv__(self, other):
        return self._scaled(other, "truediv")

    def __add__(self, other):
        from tandem.compat.tensorflow import _sparse

        return _sparse.add(self, other)

    __radd__ = __add__

    def __neg__(self):
        return self * -1

    def __getitem__(self, key):
        keys = key if isinstance(key, tuple) else (key,)
        keys = (*keys, *[slice(None)] * (len(self.sizes) - len(keys)))
        kept, places, sizes = np.ones(len(self.places), bool), [], []
        for axis, (one, size) in enumerate(zip(keys, self.sizes, strict=True)):
            column = self.places[:, axis]
            if not isinstance(one, slice):
                if not -size <= int(one) < size:
                    raise IndexError(f"Index {int(one)} is out of bounds for an axis of size {size}.")
                kept &= column == int(one) % size
                continue
            numbers = range(size)[one]
            at = {number: place for place, number in enumerate(numbers)}
            places.append(np.array([at.get(number, -1) for number in column.tolist()], "int64"))
            kept &= places[-1] >= 0
            sizes.append(len(numbers))
        rows = np.flatnonzero(kept)
        indices = np.stack([column[rows] for column in places], -1) if places else np.zeros((len(rows), 0), "int64")
        return SparseTensor(indices, picked(self.values, rows), sizes)

    def __repr__(self):
        return f"SparseTensor(indices={self.indices!s}, values={self.values!s}, dense_shape={self.dense_shape!s})"


def picked(values, numbers):
    """Some of the values, by their numbers."""
    from tandem.compat.tensorflow.ragged_rows import rows_of

    return rows_of(values, np.asarray(numbers, "int64"))


def to_dense(sp_input, default_value=None, validate_indices=True, name=None):
    """A sparse tensor as a whole one, with `default_value` (0, or no text) elsewhere."""
    from tandem.keras import ops

    if not isinstance(sp_input, SparseTensor):
        return sp_input
    places = sp_input.places
    if validate_indices and len(places):
        _check(places, sp_input.sizes)
    if sp_input.dtype == "string":
        found = np.full(sp_input.sizes, b"" if default_value is None else convert(default_value).numpy(), object)
        if len(places):
            found[tuple(places.T)] = sp_input.values.array
        return StringTensor(found)
    fill = convert(0 if default_value is None else default_value, sp_input.dtype)
    base = ops.broadcast_to(fill, sp_input.sizes)
    return convert(ops.scatter_update(base, sp_input.indices, sp_input.values) if len(places) else base)


def _check(places, sizes):
    from tandem.compat.tensorflow._errors import InvalidArgumentError

    if (places < 0).any() or (places >= np.asarray(sizes)).any():
        raise InvalidArgumentError(
            explain("An index is out of bounds", expected=f"below {sizes}", given=places.tolist())
        )
    flat = np.ravel_multi_index(tuple(places.T), sizes)
    steps = np.diff(flat)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0)) + 1
        word = "repeated" if steps[at - 1] == 0 else "out of order; write tf.sparse.reorder(…)"
        raise InvalidArgumentError(f"indices[{at}] = {places[at].tolist()} is {word}")


def from_dense(tensor, name=None):
    """What is not 0 (or no text) of a tensor."""
    tensor = convert(tensor)
    array = tensor.array if isinstance(tensor, StringTensor) else np.asarray(tensor)
    places = np.argwhere(array != (b"" if array.dtype == object else 0)).reshape(-1, array.ndim)
    key = tuple(convert(column) for column in places.T) if not isinstance(tensor, StringTensor) else tuple(places.T)
    return SparseTensor(places, tensor[key], array.shape)


def spec_of(sparse):
    """What a sparse tensor is like."""
    return SparseTensorSpec(sparse.shape, sparse.dtype)
