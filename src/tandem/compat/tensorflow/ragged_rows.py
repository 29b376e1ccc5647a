"""`tf.RaggedTensor`: rows of different lengths, and functions of their values."""

import functools

import numpy as np
import torch

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow.shapes import RaggedTensorSpec, TensorShape
from tandem.core.errors import explain

# Functions of `tf` that go through the values one by one, and leave the rows as they are.
ON_VALUES = frozenset(
    """
    abs acos acosh asin asinh atan atanh cast ceil clip_by_value cos cosh digamma dropout elu erf erfc exp expm1 floor
    gelu identity is_finite is_inf is_nan leaky_relu lgamma log log1p log_sigmoid logical_not negative ones_like
    one_hot reciprocal relu relu6 rint round rsqrt saturate_cast selu sigmoid sign silu sin sinh softplus softsign sqrt
    square stop_gradient swish tan tanh zeros_like embedding_lookup bitcast
    """.split()  # noqa: SIM905 (one name to a line would be a page)
)


def _convert(value, dtype=None):
    from tandem.compat.tensorflow.tensor import convert

    return convert(value, dtype)


def _math(name):
    from tandem.compat.tensorflow import _math

    return _math.NAMES[name]


def rows_of(values, places):
    """Some rows of a tensor, a string tensor or a ragged tensor, by their numbers."""
    if isinstance(values, RaggedTensor):
        return values.take(places)
    if isinstance(values, torch.Tensor):
        return values[torch.as_tensor(places, device=values.device)]
    return values[places]


class RaggedTensor:
    """Rows of different lengths: their values one after the other, and where each row begins and the last one ends."""

    __array_priority__ = 20000

    def __init__(self, values, splits, uniform_row_length=None):
        self.values, self.uniform_row_length = values, uniform_row_length
        self.splits = np.asarray(splits, "int64")

    row_splits = property(lambda self: _convert(self.splits), doc="Where each row begins and the last one ends, int64.")

    @property
    def dtype(self):
        """The dtype of the values."""
        return dtypes.as_dtype(self.values.dtype)

    @property
    def flat_values(self):
        """The innermost values."""
        return self.values.flat_values if isinstance(self.values, RaggedTensor) else self.values

    @property
    def nested_row_splits(self):
        """The `row_splits` of all ragged axes, the outermost first."""
        inner = self.values.nested_row_splits if isinstance(self.values, RaggedTensor) else ()
        return (self.row_splits, *inner)

    @property
    def ragged_rank(self):
        """How many axes have rows of different lengths."""
        return 1 + (self.values.ragged_rank if isinstance(self.values, RaggedTensor) else 0)

    @property
    def shape(self):
        """The sizes, None where rows differ."""
        return TensorShape([len(self.splits) - 1, self.uniform_row_length, *tuple(self.values.shape)[1:]])

    ndim = property(lambda self: len(self.shape))
    lengths = property(lambda self: np.diff(self.splits), doc="The length of each row, NumPy's.")
    owners = property(lambda self: np.repeat(np.arange(len(self)), self.lengths), doc="The row of each value, NumPy's.")
    columns = property(
        lambda self: np.arange(self.splits[-1]) - np.repeat(self.splits[:-1], self.lengths),
        doc="The place of each value in its row, NumPy's.",
    )

    def get_shape(self):
        """The sizes, None where rows differ."""
        return self.shape

    def nrows(self, out_type=None, name=None):
        """The number of rows, int64."""
        return _convert(np.int64(len(self.splits) - 1), out_type)

    def row_lengths(self, axis=1, name=None):
        """The length of each row, int64 (of axis 2: those of the inner rows, ragged)."""
        if axis != 1:
            return self.with_values(self.values.row_lengths(axis - 1))
        return _convert(self.lengths)

    def nested_row_lengths(self, name=None):
        """The `row_lengths` of all ragged axes, the outermost first."""
        inner = self.values.nested_row_lengths() if isinstance(self.values, RaggedTensor) else ()
        return (self.row_lengths(), *inner)

    def value_rowids(self, name=None):
        """The row of each value, int64."""
        return _convert(self.owners)

    def row_starts(self, name=None):
        """Where each row begins, int64."""
        return _convert(self.splits[:-1])

    def row_limits(self, name=None):
        """Where each row ends, int64."""
        return _convert(self.splits[1:])

    def bounds(self):
        """The sizes of the smallest array that holds all rows, a list."""
        inner = self.values.bounds() if isinstance(self.values, RaggedTensor) else list(self.values.shape)
        return [len(self), int(self.lengths.max(initial=0)), *inner[1:]]

    def bounding_shape(self, axis=None, name=None, out_type=None):
        """The sizes of the smallest array that holds all rows, or one of them; int64."""
        found = np.array(self.bounds(), "int64")
        return _convert(found if axis is None else found[axis], out_type)

    def with_values(self, values):
        """The same rows of other values."""
        return RaggedTensor(values if isinstance(values, RaggedTensor) else _convert(values), self.splits)

    def with_flat_values(self, values):
        """The same rows of other innermost values."""
        if isinstance(self.values, RaggedTensor):
            return RaggedTensor(self.values.with_flat_values(values), self.splits)
        return self.with_values(values)

    def merge_dims(self, outer_axis, inner_axis):
        """The axes from one to another one as one."""
        outer_axis, inner_axis = outer_axis % self.ndim, inner_axis % self.ndim
        if outer_axis == inner_axis:
            return self
        if outer_axis:
            inner = self.values
            inner = inner if isinstance(inner, RaggedTensor) else from_dense(inner)
            return RaggedTensor(inner.merge_dims(outer_axis - 1, inner_axis - 1), self.splits)
        if inner_axis == 1:
            return self.values
        if isinstance(self.values, RaggedTensor):
            return self.values.merge_dims(0, inner_axis - 1)
        from tandem.compat.tensorflow import arrays

        return arrays.NAMES["reshape"](self.values, [-1, *tuple(self.values.shape)[inner_axis:]])

    def take(self, places):
        """Some rows, by their numbers."""
        places = np.asarray(places, "int64").reshape(-1)
        lengths = self.lengths[places]
        splits = np.concatenate([[0], np.cumsum(lengths)]).astype("int64")
        within = np.arange(splits[-1]) - np.repeat(splits[:-1], lengths)
        return RaggedTensor(rows_of(self.values, np.repeat(self.splits[:-1][places], lengths) + within), splits)

    def to_list(self):
        """The rows in nested lists."""
        flat = self.values.to_list() if isinstance(self.values, RaggedTensor) else _listed(self.values)
        return [flat[a:b] for a, b in zip(self.splits[:-1], self.splits[1:])]

    def numpy(self):
        """The rows, an array of arrays where their lengths differ."""
        if isinstance(self.values, RaggedTensor):
            rows = [row.numpy() for row in self]
        else:
            flat = np.asarray(self.values.array if self.dtype == "string" else self.values.numpy())
            rows = [flat[a:b] for a, b in zip(self.splits[:-1], self.splits[1:])]
        if (
            rows
            and len({row.shape for row in rows}) == 1
            and all(row.dtype != object or self.dtype == "string" for row in rows)
        ):
            return np.stack(rows)
        found = np.empty(len(rows), object)
        for number, row in enumerate(rows):
            found[number] = row
        return found

    def to_tensor(self, default_value=None, name=None, shape=None):
        """An array with `default_value` (0, or no text) behind shorter rows; shape: to cut or fill to."""
        from tandem.compat.tensorflow._strings import StringTensor
        from tandem.keras import ops

        sizes = self.bounds()
        if shape is not None:
            shape = [None if size in (None, -1) else int(size) for size in TensorShape(shape)]
            sizes = [old if new is None else new for old, new in zip(sizes, [*shape, *[None] * len(sizes)])]
        values = self.values
        if isinstance(values, RaggedTensor):
            values = values.to_tensor(default_value, shape=[None, *sizes[2:]])
        rows, columns = self.owners, self.columns
        kept = (rows < sizes[0]) & (columns < sizes[1])
        if self.dtype == "string":
            fill = b"" if default_value is None else _convert(default_value).numpy()
            found = np.full((*sizes[:2], *values.array.shape[1:]), fill, object)
            found[rows[kept], columns[kept]] = values.array[kept]
            return StringTensor(found)
        if not kept.all():
            rows, columns, values = rows[kept], columns[kept], rows_of(values, np.flatnonzero(kept))
        inner = tuple(torch.Tensor.size(values))[1:]
        fill = 0 if default_value is None else _convert(default_value, self.dtype)
        base = ops.broadcast_to(_convert(fill, self.dtype), (*sizes[:2], *inner))
        places = np.stack([rows, columns], axis=-1)
        return _convert(ops.scatter_update(base, places, values) if len(places) else base)

    def to_sparse(self, name=None):
        """The values at their places, a `SparseTensor`."""
        from tandem.compat.tensorflow.sparse_tensors import SparseTensor

        places, values = _places(self)
        return SparseTensor(places, values, np.array(self.bounds(), "int64"))

    def consumers(self):
        """None: nothing keeps the functions of a value."""
        return []

    def __getitem__(self, key):
        if not isinstance(key, tuple):
            key = (key,)
        first, rest = key[0], key[1:]
        if first is Ellipsis:
            first, rest = slice(None), ((Ellipsis, *rest) if rest else ())
        if first is None:
            found = RaggedTensor(self, [0, len(self)])
            return found[(slice(None), *rest)] if rest else found
        if isinstance(first, slice):
            rows = self if first == slice(None) else self.take(np.arange(len(self))[_plain_slice(first)])
            return rows._inner(rest) if rest else rows
        number, count = int(first), len(self)
        if not -count <= number < count:
            raise IndexError("list index out of range")
        start, end = self.splits[number % count], self.splits[number % count + 1]
        row = self.values[int(start) : int(end)]
        return row if not rest else row[rest if len(rest) > 1 else rest[0]]

    def _inner(self, key):
        """Each row by a key."""
        first, rest = key[0], key[1:]
        if first is Ellipsis:
            if not rest:
                return self
            if len(rest) == self.ndim - 1:
                return self._inner(rest)
            first, rest = slice(None), key
        if first is None:
            return RaggedTensor(self, np.arange(len(self) + 1))
        if isinstance(first, slice):
            found = self
            if first != slice(None):
                picked = [np.arange(a, b)[_plain_slice(first)] for a, b in zip(self.splits[:-1], self.splits[1:])]
                splits = np.concatenate([[0], np.cumsum([len(one) for one in picked])])
                flat = np.concatenate(picked) if picked else np.zeros(0, "int64")
                found = RaggedTensor(rows_of(self.values, flat.astype("int64")), splits)
            return found if not rest else RaggedTensor(found.values[(slice(None), *rest)], found.splits)
        at = int(first)
        if (self.lengths <= (at if at >= 0 else -at - 1)).any():
            from tandem.compat.tensorflow._errors import InvalidArgumentError

            raise InvalidArgumentError(explain("A row is too short for an index", given=at))
        found = rows_of(self.values, (self.splits[:-1] if at >= 0 else self.splits[1:]) + at)
        return found if not rest else found[(slice(None), *rest)]

    def __iter__(self):
        return (self[number] for number in range(len(self)))

    def __len__(self):
        return len(self.splits) - 1

    def __repr__(self):
        return f"<tf.RaggedTensor {_written(self.numpy())}>"

    __str__ = __repr__
    __hash__ = object.__hash__

    # --- making ----------------------------------------------------------------------------------------------------
    @classmethod
    def from_row_splits(cls, values, row_splits, name=None, validate=True):
        """Rows that begin and end where `row_splits` says."""
        splits = np.asarray(row_splits)
        values = values if isinstance(values, RaggedTensor) else _convert(values)
        if len(splits) == 0 or splits[0] != 0 or (np.diff(splits) < 0).any() or splits[-1] != len(values):
            from tandem.compat.tensorflow._errors import InvalidArgumentError

            raise InvalidArgumentError(
                explain("`row_splits` does not divide the values", expected=f"0 … {len(values)}", given=splits)
            )
        return cls(values, splits)

    @classmethod
    def from_row_lengths(cls, values, row_lengths, name=None, validate=True):
        """Rows of the lengths given."""
        return cls.from_row_splits(values, np.concatenate([[0], np.cumsum(np.asarray(row_lengths))]).astype("int64"))

    @classmethod
    def from_row_starts(cls, values, row_starts, name=None, validate=True):
        """Rows that begin where `row_starts` says."""
        values = values if isinstance(values, RaggedTensor) else _convert(values)
        return cls.from_row_splits(values, [*np.asarray(row_starts).tolist(), len(values)])

    @classmethod
    def from_row_limits(cls, values, row_limits, name=None, validate=True):
        """Rows that end where `row_limits` says."""
        return cls.from_row_splits(values, [0, *np.asarray(row_limits).tolist()])

    @classmethod
    def from_value_rowids(cls, values, value_rowids, nrows=None, name=None, validate=True):
        """Rows of values whose numbers of rows, which rise, are given."""
        rows = np.asarray(value_rowids).astype("int64")
        count = int(nrows) if nrows is not None else int(rows[-1]) + 1 if len(rows) else 0
        return cls.from_row_lengths(values, np.bincount(rows, minlength=count))

    @classmethod
    def from_uniform_row_length(cls, values, uniform_row_length, nrows=None, name=None, validate=True):
        """Rows of one length."""
        values, size = values if isinstance(values, RaggedTensor) else _convert(values), int(uniform_row_length)
        count = int(nrows) if nrows is not None else len(values) // max(size, 1)
        return cls(values, cls.from_row_splits(values, np.arange(count + 1) * size).splits, size)

    @classmethod
    def from_nested_row_splits(cls, flat_values, nested_row_splits, name=None, validate=True):
        """Several ragged axes, the outermost first."""
        return functools.reduce(cls.from_row_splits, reversed(list(nested_row_splits)), _convert(flat_values))

    @classmethod
    def from_nested_row_lengths(cls, flat_values, nested_row_lengths, name=None, validate=True):
        """Several ragged axes, the outermost first."""
        return functools.reduce(cls.from_row_lengths, reversed(list(nested_row_lengths)), _convert(flat_values))

    @classmethod
    def from_tensor(cls, tensor, lengths=None, padding=None, ragged_rank=1, name=None, row_splits_dtype=None):
        """The rows of an array, cut to lengths, or before the padding at their ends."""
        tensor = _convert(tensor)
        if ragged_rank > 1:
            if padding is not None or lengths is not None:
                raise NotImplementedError(
                    explain("RaggedTensor.from_tensor cuts one ragged axis", given=f"ragged_rank={ragged_rank}")
                )
            return from_dense(tensor, ragged_rank)
        array = tensor.array if hasattr(tensor, "array") else np.asarray(tensor)
        if padding is not None:
            fill = _convert(padding, dtypes.as_dtype(tensor.dtype))
            same = (array == (fill.array if hasattr(fill, "array") else np.asarray(fill))).reshape(*array.shape[:2], -1)
            kept = ~same.all(-1)
            lengths = np.where(kept.any(1), array.shape[1] - np.argmax(kept[:, ::-1], axis=1), 0)
        lengths = np.full(len(array), array.shape[1]) if lengths is None else np.asarray(lengths)
        return from_dense(tensor)._cut(lengths)

    def _cut(self, lengths):
        """The rows cut to lengths."""
        kept = self.columns < np.repeat(lengths, self.lengths)
        splits = np.concatenate([[0], np.cumsum(np.minimum(self.lengths, lengths))])
        return RaggedTensor(rows_of(self.values, np.flatnonzero(kept)), splits)

    @classmethod
    def from_sparse(cls, st_input, name=None, row_splits_dtype=None):
        """The values of each row of a sparse matrix, which stand one after the other from its beginning."""
        rows = np.asarray(st_input.indices)
        found = cls.from_value_rowids(st_input.values, rows[:, 0], int(st_input.dense_shape[0]))
        if not np.array_equal(found.columns, rows[:, 1]):
            raise ValueError(explain("SparseTensor is not right-ragged", given=rows.tolist()))
        return found


def _plain_slice(key):
    return slice(*(None if one is None else int(one) for one in (key.start, key.stop, key.step)))


def _listed(values):
    return values.array.tolist() if hasattr(values, "array") else np.asarray(values).tolist()


def _written(array):
    """An array as TensorFlow writes it: its numbers as short as they are, rows that are arrays in their place."""

    def one(value):
        return (
            _written(value)
            if isinstance(value, np.ndarray)
            else repr(value.item() if hasattr(value, "item") else value)
        )

    return np.array2string(array, separator=", ", formatter={"all": one})


def _places(ragged):
    """(the place of each value, the values), all axes of an array that would hold them."""
    if isinstance(ragged.values, RaggedTensor):
        inner, values = _places(ragged.values)
        return np.concatenate([np.stack([ragged.owners, ragged.columns], -1)[inner[:, 0]], inner[:, 1:]], -1), values
    places = np.stack([ragged.owners, ragged.columns], -1)
    extra = tuple(ragged.values.shape)[1:]
    if not extra:
        return places, ragged.values
    grid = np.indices(extra).reshape(len(extra), -1).T
    both = [np.repeat(places, len(grid), 0), np.tile(grid, (len(places), 1))]
    return np.concatenate(both, -1), ragged.values.reshape(-1)


def from_dense(tensor, ragged_rank=1):
    """All of a tensor, whose rows are of one length."""
    from tandem.compat.tensorflow import arrays

    sizes = tuple(tensor.shape)
    values = arrays.NAMES["reshape"](tensor, [sizes[0] * sizes[1], *sizes[2:]])
    if ragged_rank > 1:
        values = from_dense(values, ragged_rank - 1)
    return RaggedTensor(values, np.arange(sizes[0] + 1) * sizes[1])


def nested(rows, dtype=None, depth=None):
    """Nested lists as a ragged tensor; depth: the number of ragged axes, else as many as there are lists in lists."""
    from tandem.compat.tensorflow._strings import StringTensor, as_strings

    splits = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype("int64")
    flat = [item for row in rows for item in row]
    if (any(isinstance(item, (list, tuple)) for item in flat) and depth is None) or (depth is not None and depth > 1):
        return RaggedTensor(nested(flat, dtype, None if depth is None else depth - 1), splits)
    first = flat
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if dtype == "string" or (dtype is None and isinstance(first, (str, bytes))):
        values = as_strings(flat) if flat else StringTensor(np.empty(0, object))
    elif dtype is None and flat:
        values = _convert(flat)
    else:
        kind = dtypes.as_dtype(dtype or dtypes.float32)
        values = _convert(np.asarray(flat, kind.as_numpy_dtype))
    return RaggedTensor(values, splits)


def spec_of(ragged):
    """What a ragged tensor is like."""
    return RaggedTensorSpec(ragged.shape, ragged.dtype, ragged.ragged_rank)


# --- arithmetic ------------------------------------------------------------------------------------------------------


def on_values(function, ragged, *args, **kwargs):
    """A function of the values: the same rows of what it gives."""
    return ragged.with_values(function(ragged.values, *args, **kwargs))


def paired(function, x, y):
    """A function of two operands of which one at least is ragged; the other one is spread over its rows.

    Raises InvalidArgumentError where the rows are not of the same lengths.
    """
    if not isinstance(x, RaggedTensor):
        return paired(lambda b, a: function(a, b), y, x)
    if not isinstance(y, RaggedTensor):
        other = y if hasattr(y, "shape") or np.ndim(y) == 0 else _convert(y)
        rank = len(other.shape) if hasattr(other, "shape") else 0
        if rank < x.ndim - 1 or not rank:
            return x.with_values(function(x.values, other))
        other = _convert(other)
        if rank < x.ndim or other.shape[0] not in (1, len(x)):
            y = other if rank == x.ndim else None
        elif other.shape[1] == 1:
            return x.with_values(function(x.values, rows_of(other[:, 0], x.owners * (len(other) > 1))))
        if rank == x.ndim - 1 and x.ragged_rank == 1:
            return x.with_values(function(x.values, rows_of(other, x.columns)))
        y = from_dense(other)
    if not np.array_equal(x.splits, y.splits):
        x, y = _spread(x, y), _spread(y, x)
    return RaggedTensor(function(x.values, y.values), x.splits)


def _spread(x, like):
    """`x` with rows of one value (or a sole row) repeated to the rows of another one."""
    if len(x) == 1 and len(like) > 1:
        x = x.take(np.zeros(len(like), "int64"))
    if len(x) == len(like) and (x.lengths == 1).all():
        return RaggedTensor(rows_of(x.values, like.owners), like.splits)
    if np.array_equal(x.splits, like.splits) or (len(x) == len(like) and (like.lengths == 1).all()):
        return x
    from tandem.compat.tensorflow._errors import InvalidArgumentError

    raise InvalidArgumentError(
        explain("Unable to broadcast: the lengths of rows differ", given=f"{x.lengths} and {like.lengths}")
    )


def _install_operators():
    def operator(name, turned):
        def method(self, other):
            if other is None:
                return NotImplemented
            function = _math(name)
            return paired((lambda a, b: function(b, a)) if turned else function, self, other)

        return method

    for special, name in {
        "add": "add",
        "and": "logical_and",
        "floordiv": "floordiv",
        "mod": "floormod",
        "mul": "multiply",
        "or": "logical_or",
        "pow": "pow",
        "sub": "subtract",
        "truediv": "truediv",
        "xor": "logical_xor",
    }.items():
        setattr(RaggedTensor, f"__{special}__", operator(name, False))
        setattr(RaggedTensor, f"__r{special}__", operator(name, True))
    for special, name in {
        "eq": "equal",
        "ge": "greater_equal",
        "gt": "greater",
        "le": "less_equal",
        "lt": "less",
        "ne": "not_equal",
    }.items():
        setattr(RaggedTensor, f"__{special}__", operator(name, False))
    RaggedTensor.__neg__ = lambda self: on_values(_math("negative"), self)
    RaggedTensor.__abs__ = lambda self: on_values(_math("abs"), self)
    RaggedTensor.__invert__ = lambda self: on_values(_math("logical_not"), self)


_install_operators()
