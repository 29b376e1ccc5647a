"""`TensorShape` and `TensorSpec`."""

import importlib

import torch

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.core.errors import explain


class TensorShape(tuple):
    """The sizes of a tensor, a tuple with TensorFlow's methods. None stands for a size that is not known."""

    unknown = False  # whether even the number of axes is not known

    def __new__(cls, dims=()):
        if dims is None:
            shape = super().__new__(cls, ())
            shape.unknown = True
            return shape
        if isinstance(dims, int):
            dims = (dims,)
        sizes = []
        for size in dims:
            size = getattr(size, "value", size) if not isinstance(size, torch.Tensor) else size
            if size is not None and (not hasattr(size, "__index__") or int(size) < -1):
                raise ValueError(explain("A size is not valid", expected="None or a whole number >= 0", given=size))
            sizes.append(None if size is None or int(size) == -1 else int(size))
        return super().__new__(cls, sizes)

    @property
    def rank(self):
        """The number of axes, or None."""
        return None if self.unknown else len(self)

    ndims = rank

    @property
    def dims(self):
        """The sizes, a list, or None."""
        return None if self.unknown else list(self)

    def as_list(self):
        """The sizes, a list. Raises ValueError where the number of axes is not known."""
        if self.unknown:
            raise ValueError("as_list() is not defined on an unknown TensorShape.")
        return list(self)

    def num_elements(self):
        """The product of the sizes, or None where one is not known."""
        count = 1
        for size in self:
            if size is None:
                return None
            count *= size
        return None if self.unknown else count

    numel = num_elements  # as torch.Size has it

    def is_fully_defined(self):
        """Whether all sizes are known."""
        return not self.unknown and None not in self

    def is_compatible_with(self, other):
        """Whether one tensor can have both shapes."""
        other = as_shape(other)
        if self.unknown or other.unknown:
            return True
        return len(self) == len(other) and all(a is None or b is None or a == b for a, b in zip(self, other))

    def assert_is_compatible_with(self, other):
        """Raise ValueError where no tensor can have both shapes."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Shapes {self} and {as_shape(other)} are incompatible")

    def assert_has_rank(self, rank):
        """Raise ValueError where the number of axes is another one."""
        if not self.unknown and len(self) != rank:
            raise ValueError(f"Shape {self} must have rank {rank}")

    def merge_with(self, other):
        """The shape in which what either knows is known."""
        self.assert_is_compatible_with(other)
        other = as_shape(other)
        if self.unknown or other.unknown:
            return other if self.unknown else self
        return TensorShape([b if a is None else a for a, b in zip(self, other)])

    def concatenate(self, other):
        """The sizes of both, one after the other."""
        return self + as_shape(other)

    def with_rank(self, rank):
        """The shape itself. Raises ValueError where the number of axes is another one."""
        self.assert_has_rank(rank)
        return TensorShape([None] * rank) if self.unknown else self

    def __add__(self, other):
        return TensorShape((*self, *as_shape(other)))

    def __radd__(self, other):
        return TensorShape((*as_shape(other), *self))

    def __getitem__(self, key):
        found = tuple.__getitem__(self, key)
        return TensorShape(found) if isinstance(key, slice) else found

    def __eq__(self, other):
        try:
            other = as_shape(other)
        except (TypeError, ValueError):
            return NotImplemented
        return self.unknown == other.unknown and tuple.__eq__(self, other)

    def __ne__(self, other):
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    __hash__ = tuple.__hash__

    def __bool__(self):
        return not self.unknown

    def __str__(self):
        if self.unknown:
            return "<unknown>"
        return f"({self[0]},)" if len(self) == 1 else f"({', '.join(map(str, self))})"

    def __repr__(self):
        return f"TensorShape({None if self.unknown else list(self)})"

    def __reduce__(self):
        return TensorShape, (None if self.unknown else list(self),)


def as_shape(shape):
    """A `TensorShape` of whatever gives one."""
    return shape if isinstance(shape, TensorShape) else TensorShape(shape)


class TensorSpec:
    """A shape, a dtype and a name: what a tensor must be like."""

    def __init__(self, shape, dtype=dtypes.float32, name=None):
        self.shape = as_shape(shape)
        self.dtype = dtypes.as_dtype(dtype)
        self.name = name

    @classmethod
    def from_tensor(cls, tensor, name=None):
        """The shape and dtype of a tensor."""
        return cls(tensor.shape, tensor.dtype, name)

    from_spec = from_tensor

    def is_compatible_with(self, other):
        """Whether a tensor or another spec fits."""
        return self.dtype == other.dtype and self.shape.is_compatible_with(other.shape)

    def most_general_type(self):
        """The spec itself with all sizes free."""
        return TensorSpec([None] * len(self.shape), self.dtype)

    def __eq__(self, other):
        return type(other) is type(self) and (self.shape, self.dtype, self.name) == (
            other.shape,
            other.dtype,
            other.name,
        )

    def __hash__(self):
        return hash((self.shape, self.dtype))

    def __repr__(self):
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype!r}, name={self.name!r})"


class RaggedTensorSpec:
    """The shape and dtype of a ragged tensor: None where rows differ."""

    def __init__(self, shape=None, dtype=dtypes.float32, ragged_rank=None, row_splits_dtype=dtypes.int64):
        self.shape, self.dtype = as_shape(shape), dtypes.as_dtype(dtype)
        self.ragged_rank, self.row_splits_dtype = ragged_rank, dtypes.as_dtype(row_splits_dtype)

    def __repr__(self):
        return f"RaggedTensorSpec({self.shape!r}, {self.dtype!r}, {self.ragged_rank}, {self.row_splits_dtype!r})"

    value_type = property(lambda self: _kind("ragged_rows", "RaggedTensor"), doc="The class of what it describes.")

    def __eq__(self, other):
        return type(other) is type(self) and repr(self) == repr(other)

    def __hash__(self):
        return hash(repr(self))


class SparseTensorSpec:
    """The shape and dtype of a sparse tensor."""

    value_type = property(lambda self: _kind("sparse_tensors", "SparseTensor"), doc="The class of what it describes.")

    def __init__(self, shape=None, dtype=dtypes.float32):
        self.shape, self.dtype = as_shape(shape), dtypes.as_dtype(dtype)

    def __repr__(self):
        return f"SparseTensorSpec({self.shape!r}, {self.dtype!r})"

    __eq__, __hash__ = RaggedTensorSpec.__eq__, RaggedTensorSpec.__hash__


def _kind(module, name):
    return getattr(importlib.import_module(f"tandem.compat.tensorflow.{module}"), name)
