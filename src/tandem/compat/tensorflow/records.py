"""TFRecord files and the `Example` messages in them: features by name, lists of bytes, floats or whole numbers."""

from collections import namedtuple

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow._errors import DataLossError, InvalidArgumentError
from tandem.compat.tensorflow._strings import StringTensor, as_strings
from tandem.compat.tensorflow.messages import plain
from tandem.compat.tensorflow.ragged_rows import nested
from tandem.compat.tensorflow.shapes import TensorShape
from tandem.compat.tensorflow.sparse_tensors import SparseTensor
from tandem.compat.tensorflow.tensor import adopt, convert
from tandem.core.errors import explain
from tandem.formats import tfrecord
from tandem.formats.limits import FormatError
from tandem.keras import ops

# --- parsing ---------------------------------------------------------------------------------------------------------


class FixedLenFeature(namedtuple("FixedLenFeature", ["shape", "dtype", "default_value"])):
    """A feature of one shape in each sample."""

    def __new__(cls, shape, dtype, default_value=None):
        return super().__new__(cls, shape, dtypes.as_dtype(dtype), default_value)


class VarLenFeature(namedtuple("VarLenFeature", ["dtype"])):
    """A feature of any length: what is parsed is a `SparseTensor`."""

    def __new__(cls, dtype):
        return super().__new__(cls, dtypes.as_dtype(dtype))


class FixedLenSequenceFeature(
    namedtuple("FixedLenSequenceFeature", ["shape", "dtype", "allow_missing", "default_value"])
):
    """A feature of any number of blocks of one shape; of many samples, shorter ones are filled up."""

    def __new__(cls, shape, dtype, allow_missing=False, default_value=None):
        return super().__new__(cls, shape, dtypes.as_dtype(dtype), allow_missing, default_value)


class SparseFeature(namedtuple("SparseFeature", ["index_key", "value_key", "dtype", "size", "already_sorted"])):
    """A sparse tensor out of two features: where its values are, and the values."""

    def __new__(cls, index_key, value_key, dtype, size, already_sorted=False):
        return super().__new__(cls, index_key, value_key, dtypes.as_dtype(dtype), size, already_sorted)


class RaggedFeature(namedtuple("RaggedFeature", ["dtype", "value_key"])):
    """A feature of any length: what is parsed is a tensor (of many samples a ragged one)."""

    def __new__(cls, dtype, value_key=None):
        return super().__new__(cls, dtypes.as_dtype(dtype), value_key)


_KIND = {"string": "bytes", "float32": "float", "int64": "int64"}


def _values(features, name, dtype):
    """The values of a feature as an array, or None where the sample has none."""
    if dtype.name not in _KIND:
        raise ValueError(explain("A feature's dtype is not stored in Examples", expected=list(_KIND), given=dtype))
    found = features.get(name)
    if found is None:
        return None
    if found[0] != _KIND[dtype.name]:
        raise InvalidArgumentError(
            explain(f"Key: {name}. Data types don't match", expected=dtype.name, given=f"a list of {found[0]}")
        )
    if dtype == "string":
        array = np.empty(len(found[1]), object)
        array[:] = found[1]
        return array
    return np.asarray(found[1], dtype.as_numpy_dtype)


def _fixed(features, name, spec):
    shape = tuple(TensorShape(spec.shape))
    array = _values(features, name, spec.dtype)
    if array is None:
        if spec.default_value is None:
            raise InvalidArgumentError(
                f"Feature: {name} (data type: {spec.dtype.name}) is required but could not be found."
            )
        default = convert(spec.default_value, spec.dtype)
        return np.broadcast_to(np.asarray(default), shape)
    count = int(np.prod(shape)) if shape else 1
    if array.size != count:
        raise InvalidArgumentError(
            f"Key: {name}. Can't parse serialized Example: number of values is {array.size}, expected {count}."
        )
    return array.reshape(shape)


def _tensor(array):
    return StringTensor(array) if array.dtype == object else convert(np.array(array))


def _sparse(rows, dtype, batched):
    arrays = [np.empty(0, dtype.as_numpy_dtype) if row is None else row for row in rows]
    longest = max((len(row) for row in arrays), default=0)
    if batched:
        places = [[number, at] for number, row in enumerate(arrays) for at in range(len(row))]
        shape = [len(arrays), longest]
    else:
        places, shape = [[at] for at in range(longest)], [longest]
    values = _tensor(np.concatenate(arrays) if arrays else np.empty(0, dtype.as_numpy_dtype))
    return SparseTensor(np.array(places, "int64").reshape(-1, len(shape)), values, np.array(shape, "int64"))


def _rank(spec):
    return 0 if isinstance(spec, (VarLenFeature, SparseFeature)) else 2 if isinstance(spec, RaggedFeature) else 1


def _blocks(rows, name, spec, batched):
    """The blocks of a feature of each sample, as many as the longest has (or those of one sample)."""
    shape = tuple(TensorShape(spec.shape))
    if not spec.allow_missing and batched:
        raise ValueError(f"Unsupported: FixedLenSequenceFeature requires allow_missing to be True. Feature: {name}")
    arrays = []
    for row in rows:
        row = np.empty(0, spec.dtype.as_numpy_dtype) if row is None else row
        size = int(np.prod(shape))
        if size and len(row) % size:
            raise InvalidArgumentError(
                f"Key: {name}. Number of values is {len(row)}, expected a multiple of {size} for shape {list(shape)}."
            )
        arrays.append(row.reshape(-1, *shape))
    if not batched:
        return _tensor(arrays[0])
    longest = max(map(len, arrays), default=0)
    fill = b"" if spec.dtype == "string" else 0
    fill = fill if spec.default_value is None else plain(spec.default_value)
    found = np.full((len(arrays), longest, *shape), fill, spec.dtype.as_numpy_dtype)
    for number, array in enumerate(arrays):
        found[number, : len(array)] = array
    return _tensor(found)


def _sparse_of_two(samples, spec, batched):
    keys = [spec.index_key] if isinstance(spec.index_key, str) else list(spec.index_key)
    sizes = [spec.size] if isinstance(spec.size, int) else list(spec.size)
    places, parts = [], []
    for number, sample in enumerate(samples):
        values = _values(sample, spec.value_key, spec.dtype)
        columns = [_values(sample, key, dtypes.int64) for key in keys]
        if values is None:
            continue
        rows = np.stack(columns, -1)
        order = np.lexsort(rows.T[::-1])
        parts.append(values[order])
        places += [[number, *row] if batched else row for row in rows[order].tolist()]
    shape = [len(samples), *sizes] if batched else sizes
    values = np.concatenate(parts) if parts else np.empty(0, spec.dtype.as_numpy_dtype)
    return SparseTensor(np.array(places, "int64").reshape(-1, len(shape)), _tensor(values), np.array(shape, "int64"))


def _parsed(messages, features, batched):
    try:
        samples = [tfrecord.read_example(bytes(one)) for one in messages]
    except FormatError as error:
        raise InvalidArgumentError(f"Could not parse example input: {error}") from None
    return _of_specs(samples, features, batched)


def _of_specs(samples, features, batched):
    found = {}
    # In TensorFlow's order: what is sparse, what is whole, what is ragged, each by name.
    for name, spec in sorted(features.items(), key=lambda item: (_rank(item[1]), item[0])):
        if isinstance(spec, FixedLenFeature):
            rows = [_fixed(sample, name, spec) for sample in samples]
            found[name] = _tensor(np.stack(rows) if batched else rows[0])
        elif isinstance(spec, VarLenFeature):
            found[name] = _sparse([_values(sample, name, spec.dtype) for sample in samples], spec.dtype, batched)
        elif isinstance(spec, FixedLenSequenceFeature):
            found[name] = _blocks([_values(sample, name, spec.dtype) for sample in samples], name, spec, batched)
        elif isinstance(spec, SparseFeature):
            found[name] = _sparse_of_two(samples, spec, batched)
        elif isinstance(spec, RaggedFeature):
            rows = [_values(sample, spec.value_key or name, spec.dtype) for sample in samples]
            rows = [[] if row is None else row.tolist() for row in rows]
            found[name] = nested(rows, spec.dtype) if batched else nested(rows, spec.dtype).values
        else:
            raise NotImplementedError(
                explain(
                    f"The feature {name!r} is of a kind that is not there",
                    expected="FixedLenFeature, VarLenFeature or RaggedFeature",
                    given=type(spec).__name__,
                )
            )
    return found


def parse_single_example(serialized, features, example_names=None, name=None):
    """The features of one message, a dict of tensors."""
    return _parsed([as_strings(serialized).numpy()], features, False)


def parse_example(serialized, features, example_names=None, name=None):
    """The features of several messages, a dict of tensors whose first axis is the messages'."""
    return _parsed(as_strings(serialized).array.reshape(-1), features, True)


def _of_steps(lists, features):
    """The lists of features of one sample: each step's one row."""
    found = {}
    for name, spec in sorted(features.items(), key=lambda item: (_rank(item[1]), item[0])):
        steps = lists.get(name)
        if steps is None and not getattr(spec, "allow_missing", True):
            raise InvalidArgumentError(f"Name: <unknown>, Feature list '{name}' is required but could not be found.")
        rows = [_values({name: one}, name, spec.dtype) for one in steps or ()]
        if isinstance(spec, VarLenFeature):
            found[name] = _sparse(rows, spec.dtype, True)
        elif isinstance(spec, FixedLenSequenceFeature):
            shape = tuple(TensorShape(spec.shape))
            if any(row is None or len(row) != int(np.prod(shape)) for row in rows):
                raise InvalidArgumentError(f"Feature list '{name}': a step has another number of values than {shape}.")
            flat = np.concatenate(rows) if rows else np.empty(0, spec.dtype.as_numpy_dtype)
            found[name] = _tensor(flat.reshape(len(rows), *shape))
        elif isinstance(spec, RaggedFeature):
            found[name] = nested([[] if row is None else row.tolist() for row in rows], spec.dtype, 1)
        else:
            raise ValueError(explain(f"Unsupported sequence feature {name!r}", given=type(spec).__name__))
    return found


def _sequence(data):
    try:
        return tfrecord.read_sequence_example(bytes(data))
    except FormatError as error:
        raise InvalidArgumentError(f"Could not parse sequence example input: {error}") from None


def parse_single_sequence_example(
    serialized, context_features=None, sequence_features=None, example_name=None, name=None
):
    """(the features of the context, those of the steps) of one `SequenceExample`, dicts of tensors."""
    context, lists = _sequence(as_strings(serialized).numpy())
    return _of_specs([context], context_features or {}, False), _of_steps(lists, sequence_features or {})


def parse_sequence_example(serialized, context_features=None, sequence_features=None, example_names=None, name=None):
    """(features of the contexts, features of the steps, how many steps each sample has) of `SequenceExample`s.

    Shorter samples are filled up with zeros, or no text.
    """
    samples = [_sequence(one) for one in as_strings(serialized).array.reshape(-1)]
    found, lengths = {}, {}
    for feature, spec in (sequence_features or {}).items():
        parts = [_of_steps(lists, {feature: spec})[feature] for _, lists in samples]
        if isinstance(spec, VarLenFeature):
            from tandem.compat.tensorflow import elements

            found[feature] = elements.stack(parts)
        elif isinstance(spec, RaggedFeature):
            from tandem.compat.tensorflow import _ragged

            found[feature] = _ragged.stack(parts)
        else:
            from tandem.compat.tensorflow import elements

            found[feature] = elements.stack_padded([(part,) for part in parts], None, None)[0]
            lengths[feature] = convert(np.array([len(part) for part in parts], "int64"))
    contexts = _of_specs([context for context, _ in samples], context_features or {}, True)
    return contexts, found, lengths


# --- files -----------------------------------------------------------------------------------------------------------


class TFRecordOptions:
    """How a file is compressed: "", "GZIP" or "ZLIB"."""

    def __init__(self, compression_type=None):
        self.compression_type = compression_type or ""


class TFRecordWriter:
    """Writes records into a file."""

    def __init__(self, path, options=None):
        kind = options.compression_type if isinstance(options, TFRecordOptions) else options
        self._writer = tfrecord.Writer(str(plain(path)), kind or "")

    def write(self, record):
        """Write one record, bytes."""
        self._writer.write(as_strings(record).numpy())

    def flush(self):
        """Write what is still in memory."""
        self._writer.flush()

    def close(self):
        """Write the rest and close the file."""
        self._writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def read_records(path, compression=""):
    """The records of a file, one by one. Raises DataLossError where it is damaged."""
    try:
        yield from tfrecord.read(path, compression or "")
    except FormatError as error:
        raise DataLossError(str(error)) from None


def serialize_tensor(tensor, name=None):
    """A tensor as bytes, which `parse_tensor` reads."""
    value = convert(tensor)
    return as_strings(tfrecord.write_tensor(value.array if isinstance(value, StringTensor) else np.asarray(value)))


def parsed_tensor(data):
    """The tensor that `serialize_tensor` has written, of whatever dtype."""
    try:
        return _tensor(tfrecord.read_tensor(data))
    except FormatError as error:
        raise DataLossError(str(error)) from None


def parse_tensor(serialized, out_type, name=None):
    """The tensor that `serialize_tensor` wrote. Raises InvalidArgumentError for other bytes or another dtype."""
    try:
        found = _tensor(tfrecord.read_tensor(as_strings(serialized).numpy()))
    except FormatError as error:
        raise InvalidArgumentError(str(error)) from None
    if dtypes.as_dtype(out_type) != found.dtype:
        raise InvalidArgumentError(
            explain(
                "Type mismatch between parsed tensor and dtype",
                expected=dtypes.as_dtype(out_type).name,
                given=dtypes.as_dtype(found.dtype).name,
            )
        )
    return found


def decode_raw(input_bytes, out_type, little_endian=True, fixed_length=None, name=None):
    """Bytes as the numbers that they are; with `fixed_length` cut to so many bytes, or zeros put behind them."""
    array = as_strings(input_bytes).array
    kind = np.dtype(dtypes.as_dtype(out_type).as_numpy_dtype).newbyteorder("<" if little_endian else ">")
    texts = array.reshape(-1)
    if fixed_length is not None:
        texts = [one[:fixed_length].ljust(fixed_length, b"\0") for one in texts]
    rows = [np.frombuffer(one, kind).astype(kind.newbyteorder("=")) for one in texts]
    return convert(np.stack(rows).reshape(*array.shape, -1))


def decode_csv(
    records, record_defaults, field_delim=",", use_quote_delim=True, na_value="", select_cols=None, name=None
):
    """Lines as a list of columns, each of the dtype of its default; a default that is empty must be there."""
    import csv

    array = as_strings(records).array
    quoting = csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE
    lines = [one.decode() for one in array.reshape(-1)]
    rows = list(csv.reader(lines, delimiter=field_delim, quoting=quoting))
    chosen = range(len(record_defaults)) if select_cols is None else select_cols
    columns = []
    for number, default in zip(chosen, record_defaults, strict=True):
        columns.append(_column([row[number] for row in rows], default, na_value, number, array.shape))
    return columns


def _column(fields, default, missing, number, shape):
    required = isinstance(default, dtypes.DType)
    if not required:
        value = convert(default)
        kind = dtypes.as_dtype(value.dtype)
        required = np.size(np.asarray(value)) == 0
        fallback = None if required else np.asarray(value).reshape(-1)[0]
    else:
        kind, fallback = default, None
    values = []
    for field in fields:
        if field in ("", missing):
            if required:
                raise InvalidArgumentError(f"Field {number} is required but missing in record!")
            values.append(fallback)
        elif kind == "string":
            values.append(field.encode())
        else:
            try:
                values.append(int(field) if kind.is_integer else float(field))
            except ValueError:
                raise InvalidArgumentError(f"Field {number} in record is not a valid {kind.name}: {field}") from None
    if kind == "string":
        found = np.empty(len(values), object)
        found[:] = values
        return StringTensor(found.reshape(shape))
    return adopt(ops.convert_to_tensor(np.asarray(values, kind.as_numpy_dtype).reshape(shape)))


def tf_record_iterator(path, options=None):
    """The records of a file, bytes."""
    kind = options.compression_type if isinstance(options, TFRecordOptions) else options
    return read_records(plain(path), kind or "")
