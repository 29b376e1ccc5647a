"""Ragged tensors: rows of different lengths, and `tf.ragged`."""

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow.shapes import TensorShape
from tandem.core.errors import explain


class RaggedTensor:
    """Rows of different lengths: their values one after the other, and where each row begins and the last one ends."""

    def __init__(self, values, row_splits):
        self.values = values
        self.row_splits = np.asarray(row_splits, "int64")

    @property
    def dtype(self):
        """The dtype of the values."""
        return dtypes.as_dtype(self.values.dtype)

    @property
    def flat_values(self):
        """The innermost values."""
        return self.values.flat_values if isinstance(self.values, RaggedTensor) else self.values

    @property
    def ragged_rank(self):
        """How many axes have rows of different lengths."""
        return 1 + (self.values.ragged_rank if isinstance(self.values, RaggedTensor) else 0)

    @property
    def shape(self):
        """The sizes, None where rows differ."""
        return TensorShape([len(self.row_splits) - 1, None, *tuple(self.values.shape)[1:]])

    def get_shape(self):
        """The sizes, None where rows differ."""
        return self.shape

    def nrows(self):
        """The number of rows."""
        return len(self.row_splits) - 1

    def row_lengths(self, axis=1):
        """The length of each row, int64."""
        from tandem.compat.tensorflow.tensor import convert

        return convert(np.diff(self.row_splits))

    def bounding_shape(self):
        """The sizes of the smallest array that holds all rows."""
        from tandem.compat.tensorflow.tensor import convert

        lengths = np.diff(self.row_splits)
        inner = self.values.bounding_shape().tolist() if isinstance(self.values, RaggedTensor) else self.values.shape
        return convert(np.array([self.nrows(), int(lengths.max(initial=0)), *tuple(inner)[1:]], "int64"))

    def with_values(self, values):
        """The same rows of other values."""
        return RaggedTensor(values, self.row_splits)

    def to_list(self):
        """The rows in nested lists."""
        flat = self.values.to_list() if isinstance(self.values, RaggedTensor) else np.asarray(self.values).tolist()
        return [flat[a:b] for a, b in zip(self.row_splits[:-1], self.row_splits[1:])]

    def numpy(self):
        """The rows, an array of arrays where their lengths differ."""
        rows = self.to_list()
        if len({len(row) for row in rows}) <= 1 and self.ragged_rank == 1:
            return np.asarray(rows, self.dtype.as_numpy_dtype)
        found = np.empty(len(rows), object)
        for number, row in enumerate(rows):
            found[number] = np.asarray(row, self.dtype.as_numpy_dtype) if self.ragged_rank == 1 else row
        return found

    def to_tensor(self, default_value=None, shape=None, name=None):
        """An array with `default_value` (0, or no text) behind shorter rows; shape: to cut or fill to."""
        from tandem.compat.tensorflow._strings import StringTensor
        from tandem.compat.tensorflow.tensor import convert

        text = self.dtype == "string"
        sizes = [int(size) for size in self.bounding_shape().tolist()]
        if shape is not None:
            sizes = [old if new is None else int(new) for old, new in zip(sizes, [*shape, *[None] * len(sizes)])]
        fill = (b"" if text else 0) if default_value is None else default_value
        fill = fill.encode() if isinstance(fill, str) else fill
        found = np.full(sizes, np.asarray(fill)[()] if not text else fill, self.dtype.as_numpy_dtype)
        _fill(found, self.to_list())
        return StringTensor(found) if text else convert(found)

    def __getitem__(self, key):
        from tandem.compat.tensorflow.tensor import convert

        if isinstance(key, tuple):
            first, *rest = key
            if isinstance(first, slice) and len(rest) == 1:
                inner, rows = rest[0], self.to_list()[first]
                if isinstance(inner, slice):
                    return nested([row[inner] for row in rows], self.dtype)
                return convert([row[int(inner)] for row in rows], self.dtype)
            found = self[first]
            return found[tuple(rest) if len(rest) > 1 else rest[0]]
        if isinstance(key, slice):
            return nested(self.to_list()[key], self.dtype)
        number, count = int(key), self.nrows()
        if not -count <= number < count:
            raise IndexError("list index out of range")
        start, end = self.row_splits[number % count], self.row_splits[number % count + 1]
        return self.values[int(start) : int(end)]

    def __iter__(self):
        return (self[number] for number in range(self.nrows()))

    def __len__(self):
        return self.nrows()

    def __repr__(self):
        return f"<tf.RaggedTensor {self.to_list()}>"

    __str__ = __repr__

    # --- making ----------------------------------------------------------------------------------------------------
    @classmethod
    def from_row_splits(cls, values, row_splits, name=None, validate=True):
        """Rows that begin and end where `row_splits` says."""
        from tandem.compat.tensorflow.tensor import convert

        splits = np.asarray(row_splits)
        values = values if isinstance(values, RaggedTensor) else convert(values)
        if len(splits) == 0 or splits[0] != 0 or (np.diff(splits) < 0).any() or splits[-1] != len(values):
            raise ValueError(
                explain("`row_splits` does not divide the values", expected=f"0 … {len(values)}", given=splits)
            )
        return cls(values, splits)

    @classmethod
    def from_row_lengths(cls, values, row_lengths, name=None, validate=True):
        """Rows of the lengths given."""
        return cls.from_row_splits(values, np.concatenate([[0], np.cumsum(np.asarray(row_lengths))]).astype("int64"))

    @classmethod
    def from_tensor(cls, tensor, lengths=None, padding=None, ragged_rank=1, name=None, row_splits_dtype=None):
        """The rows of an array, cut to lengths, or before the padding at their ends.

        Raises NotImplementedError for another ragged_rank than 1.
        """
        if ragged_rank != 1:
            raise NotImplementedError(
                explain(
                    "RaggedTensor.from_tensor makes one ragged axis", expected="1", given=f"ragged_rank={ragged_rank}"
                )
            )
        rows = np.asarray(tensor)
        if padding is not None:
            lengths = [len(row) - _behind(row, padding) for row in rows]
        lengths = [rows.shape[1]] * len(rows) if lengths is None else np.asarray(lengths).tolist()
        return nested([row[:size].tolist() for row, size in zip(rows, lengths)], dtypes.as_dtype(rows.dtype))

    @staticmethod
    def concatenated(values, axis):
        """One after the other along axis 0 or 1."""
        lists = [one.to_list() if isinstance(one, RaggedTensor) else np.asarray(one).tolist() for one in values]
        kind = next(one.dtype for one in values if isinstance(one, RaggedTensor))
        if axis == 0:
            return nested([row for rows in lists for row in rows], kind)
        return nested([[item for row in rows for item in row] for rows in zip(*lists, strict=True)], kind)


def _behind(row, padding):
    padding = padding.encode() if isinstance(padding, str) else padding
    count = 0
    while count < len(row) and row[len(row) - 1 - count] == padding:
        count += 1
    return count


def _fill(array, rows):
    for number, row in enumerate(rows[: len(array)]):
        if isinstance(row, list) and array[number].ndim and any(isinstance(one, list) for one in row):
            _fill(array[number], row)
        else:
            row = row[: len(array[number])]
            array[number, : len(row)] = row


def nested(rows, dtype=None):
    """Nested lists as a ragged tensor."""
    from tandem.compat.tensorflow._strings import StringTensor, as_strings
    from tandem.compat.tensorflow.tensor import convert

    splits = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype("int64")
    flat = [item for row in rows for item in row]
    if any(isinstance(item, (list, tuple)) for item in flat):
        return RaggedTensor(nested(flat, dtype), splits)
    text = dtype == "string" or (dtype is None and flat and isinstance(flat[0], (str, bytes)))
    if text:
        values = as_strings(flat) if flat else StringTensor(np.empty(0, object))
    else:
        kind = dtypes.as_dtype(dtype or (dtypes.float32 if not flat or isinstance(flat[0], float) else dtypes.int32))
        values = convert(np.asarray(flat, kind.as_numpy_dtype))
    return RaggedTensor(values, splits)


def constant(pylist, dtype=None, ragged_rank=None, inner_shape=None, name=None, row_splits_dtype=None):
    """Nested lists as a ragged tensor. Raises NotImplementedError for lists whose inner axes shall be of one length."""
    depth, inner = 0, pylist
    while isinstance(inner, (list, tuple)):
        depth, inner = depth + 1, next((one for one in inner if not isinstance(one, (list, tuple)) or one), None)
    depth += np.ndim(inner)
    if inner_shape or (ragged_rank is not None and inner is not None and ragged_rank != depth - 1):
        raise NotImplementedError(
            explain(
                "tf.ragged.constant makes all axes but the first ragged",
                expected=f"ragged_rank={depth - 1}, no inner_shape",
                given=f"ragged_rank={ragged_rank}, inner_shape={inner_shape}",
            )
        )
    return nested(pylist, None if dtype is None else dtypes.as_dtype(dtype))


def stack(values, axis=0, name=None):
    """Rows of different lengths as one ragged tensor. Raises NotImplementedError for another axis than 0."""
    if axis:
        raise NotImplementedError(explain("tf.ragged.stack stacks along axis 0", given=f"axis={axis}"))
    rows = [one.to_list() if isinstance(one, RaggedTensor) else np.asarray(one).tolist() for one in values]
    first = values[0]
    return nested(rows, dtypes.as_dtype(first.dtype) if hasattr(first, "dtype") else None)


def range_(starts, limits=None, deltas=1, dtype=None, name=None, row_splits_dtype=None):
    """The numbers from each start to before each limit, a row each."""
    starts, limits = (np.zeros_like(np.asarray(starts)), starts) if limits is None else (starts, limits)
    trio = np.broadcast_arrays(np.asarray(starts), np.asarray(limits), np.asarray(deltas))
    return nested([np.arange(*one).tolist() for one in zip(*(part.reshape(-1) for part in trio))], dtype)


NAMES = {"constant": constant, "range": range_, "stack": stack}
