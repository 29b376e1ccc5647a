"""More of `tf.lookup`: tables out of files, tables with places for unknown keys, tables that change."""

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow._io import GFile
from tandem.compat.tensorflow.lookups import TABLES, StaticHashTable, _plain
from tandem.compat.tensorflow.tensor import convert
from tandem.core.errors import explain


class TextFileIndex:
    """What of a line is taken: all of it, or its number; else the number of a column."""

    WHOLE_LINE, LINE_NUMBER = -2, -1


class TextFileInitializer:
    """The keys and values of a table, out of the lines of a file."""

    def __init__(
        self,
        filename,
        key_dtype,
        key_index,
        value_dtype,
        value_index,
        vocab_size=None,
        delimiter="\t",
        name=None,
        value_index_offset=0,
    ):
        with GFile(filename, "rb") as file:
            lines = file.read().splitlines()
        lines = lines if vocab_size is None else lines[: int(vocab_size)]
        offset = int(value_index_offset)
        self.keys = self._taken(lines, dtypes.as_dtype(key_dtype), key_index, delimiter.encode(), 0)
        self.values = self._taken(lines, dtypes.as_dtype(value_dtype), value_index, delimiter.encode(), offset)

    def _taken(self, lines, kind, index, delimiter, offset):
        if index == TextFileIndex.LINE_NUMBER:
            return convert(np.arange(len(lines)) + offset, kind)
        parts = lines if index == TextFileIndex.WHOLE_LINE else [line.split(delimiter)[index] for line in lines]
        if kind == "string":
            return convert(parts, kind)
        return convert(np.array([kind.as_numpy_dtype(one.decode()) for one in parts]), kind)


class StaticVocabularyTable:
    """Numbers of words; those that it does not have get one of `num_oov_buckets` numbers behind them, by their hash."""

    def __init__(self, initializer, num_oov_buckets, lookup_key_dtype=None, name=None, experimental_is_anonymous=False):
        self._buckets = int(num_oov_buckets)
        if self._buckets < 1:
            raise ValueError(explain("`num_oov_buckets` must be > 0", given=num_oov_buckets))
        self._known = {} if initializer is None else dict(zip(_plain(initializer.keys), _plain(initializer.values)))
        self.key_dtype = dtypes.as_dtype(lookup_key_dtype or (initializer.keys.dtype if initializer else "string"))
        self.value_dtype = dtypes.int64

    def lookup(self, keys, name=None):
        """The numbers of words, int64."""
        from tandem.ops.hashing import fingerprint64

        keys = convert(keys, None if hasattr(keys, "dtype") else self.key_dtype)
        found = []
        for one in _plain(keys):
            text = one if isinstance(one, bytes) else str(one).encode()
            found.append(self._known.get(one, len(self._known) + fingerprint64(text) % self._buckets))
        return convert(np.array(found, "int64").reshape(tuple(keys.shape)))

    __getitem__ = lookup

    def size(self, name=None):
        """The number of words and buckets."""
        return convert(np.int64(len(self._known) + self._buckets))


class MutableHashTable(StaticHashTable):
    """A table that `insert` and `remove` change."""

    def __init__(
        self,
        key_dtype,
        value_dtype,
        default_value,
        name="MutableHashTable",
        checkpoint=True,
        experimental_is_anonymous=False,
    ):
        self.key_dtype, self.value_dtype = dtypes.as_dtype(key_dtype), dtypes.as_dtype(value_dtype)
        self._default, self._table = _value(convert(default_value, self.value_dtype)), {}

    def insert(self, keys, values, name=None):
        """Take keys and their values in."""
        keys, values = convert(keys, self.key_dtype), convert(values, self.value_dtype)
        rows = values.reshape(-1) if hasattr(values, "array") or len(values.shape) == len(keys.shape) else values
        self._table.update(zip(_plain(keys), (_value(one) for one in rows), strict=True))

    insert_or_assign = insert

    def remove(self, keys, name=None):
        """Forget keys."""
        for one in _plain(convert(keys, self.key_dtype)):
            self._table.pop(one, None)

    erase = remove

    def lookup(self, keys, name=None):
        """The values of keys, in their shape."""
        keys = convert(keys, self.key_dtype)
        found = [self._table.get(key, self._default) for key in _plain(keys)]
        return self._as_tensor(found, tuple(keys.shape))

    __getitem__ = lookup

    def _as_tensor(self, found, shape):
        inner = np.shape(self._default)
        if self.value_dtype == "string":
            return (
                convert(found, self.value_dtype) if len(shape) == 1 else convert(np.array(found, object).reshape(shape))
            )
        array = np.asarray(found, self.value_dtype.as_numpy_dtype).reshape(*shape, *inner)
        return convert(array)

    def export(self, name=None):
        """(all keys, their values)."""
        keys = list(self._table)
        if self.key_dtype == "string":
            first = convert(keys, self.key_dtype)
        else:
            first = convert(np.asarray(keys, self.key_dtype.as_numpy_dtype))
        return first, self._as_tensor(list(self._table.values()), (len(keys),))


def _value(one):
    """A value of a table: text, a number or nested lists of numbers."""
    return one.numpy() if hasattr(one, "array") else one.tolist()


class DenseHashTable(MutableHashTable):
    """`MutableHashTable`; `empty_key` and `deleted_key` are none of its keys."""

    def __init__(
        self,
        key_dtype,
        value_dtype,
        default_value,
        empty_key,
        deleted_key,
        initial_num_buckets=None,
        name="DenseHashTable",
        checkpoint=True,
        experimental_is_anonymous=False,
    ):
        super().__init__(key_dtype, value_dtype, default_value)
        self._never = {_plain(convert(one, self.key_dtype))[0] for one in (empty_key, deleted_key)}

    def insert(self, keys, values, name=None):
        """Take keys and their values in. Raises InvalidArgumentError for the empty and the deleted key."""
        from tandem.compat.tensorflow._errors import InvalidArgumentError

        if self._never & set(_plain(convert(keys, self.key_dtype))):
            raise InvalidArgumentError("Using the empty_key or deleted_key as a table key is not allowed")
        super().insert(keys, values)


NAMES = {
    **TABLES,
    "StaticVocabularyTable": StaticVocabularyTable,
    "TextFileIndex": TextFileIndex,
    "TextFileInitializer": TextFileInitializer,
}
EXPERIMENTAL = {"DenseHashTable": DenseHashTable, "MutableHashTable": MutableHashTable}
