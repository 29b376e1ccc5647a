"""Datasets of files, and `tf.data.experimental`."""

import numpy as np

from tandem.compat.tensorflow import csv_data, elements, records
from tandem.compat.tensorflow import dataset_sources as sources
from tandem.compat.tensorflow.datasets import AUTOTUNE, INFINITE, UNKNOWN, Dataset
from tandem.compat.tensorflow.shapes import TensorSpec
from tandem.core.errors import explain


class TextLineDataset(Dataset):
    """The lines of some text files."""

    def __init__(self, filenames, compression_type=None, buffer_size=None, num_parallel_reads=None, name=None):
        make = lambda: sources.lines(filenames, compression_type)  # noqa: E731
        super().__init__(make, UNKNOWN, TensorSpec((), "string"))


class TFRecordDataset(Dataset):
    """The records of some TFRecord files, bytes."""

    def __init__(self, filenames, compression_type=None, buffer_size=None, num_parallel_reads=None, name=None):
        make = lambda: sources.records(filenames, compression_type)  # noqa: E731
        super().__init__(make, UNKNOWN, TensorSpec((), "string"))


class FixedLengthRecordDataset(Dataset):
    """Pieces of one length of some files, bytes."""

    def __init__(self, filenames, record_bytes, header_bytes=None, footer_bytes=None, **kwargs):
        if kwargs:
            raise NotImplementedError(explain("FixedLengthRecordDataset has no such argument", given=list(kwargs)))
        make = lambda: sources.pieces(filenames, record_bytes, header_bytes or 0, footer_bytes or 0)  # noqa: E731
        super().__init__(make, UNKNOWN, TensorSpec((), "string"))


def _method(name):
    """A function of a dataset, made of the method of that name and its arguments."""

    def function(*args, **kwargs):
        return lambda dataset: getattr(dataset, name)(*args, **kwargs)

    function.__name__, function.__doc__ = name, getattr(Dataset, name).__doc__
    return function


def map_and_batch(map_func, batch_size, num_parallel_batches=None, drop_remainder=False, num_parallel_calls=None):
    """`map`, then `batch`."""
    return lambda dataset: dataset.map(map_func).batch(batch_size, drop_remainder)


def shuffle_and_repeat(buffer_size, count=None, seed=None):
    """`shuffle`, then `repeat`."""
    return lambda dataset: dataset.shuffle(buffer_size, seed).repeat(count)


def parallel_interleave(
    map_func, cycle_length, block_length=1, sloppy=False, buffer_output_elements=None, prefetch_input_elements=None
):
    """`interleave`."""
    return lambda dataset: dataset.interleave(map_func, cycle_length, block_length)


def dense_to_ragged_batch(batch_size, drop_remainder=False, row_splits_dtype="int64"):
    """`ragged_batch`."""
    return lambda dataset: dataset.ragged_batch(batch_size, drop_remainder)


def dense_to_sparse_batch(batch_size, row_shape):
    """Batches of rows of different sizes as sparse tensors (batch, *row_shape)."""
    from tandem.compat.tensorflow.sparse_tensors import SparseTensor
    from tandem.compat.tensorflow.tensor import convert

    def of(group):
        arrays = [np.asarray(one) for one in group]
        places = [[number, *place] for number, array in enumerate(arrays) for place in np.ndindex(array.shape)]
        sizes = [max(parts) for parts in zip(*(array.shape for array in arrays))]
        sizes = [old if new in (None, -1) else new for old, new in zip(sizes, tuple(row_shape))]
        values = convert(np.concatenate([array.reshape(-1) for array in arrays]))
        return SparseTensor(np.array(places, "int64").reshape(-1, len(sizes) + 1), values, [len(arrays), *sizes])

    def change(dataset):
        from tandem.compat.tensorflow.datasets import _groups

        return Dataset(lambda: map(of, _groups(dataset._make(), int(batch_size), False)))

    return change


def copy_to_device(target_device, source_device="/cpu:0"):
    """The dataset itself: elements go to the model's device when they are used."""
    return lambda dataset: dataset


def prefetch_to_device(device, buffer_size=None):
    """`prefetch`."""
    return lambda dataset: dataset.prefetch(1 if buffer_size is None else buffer_size)


def get_single_element(dataset):
    """The only element."""
    return dataset.get_single_element()


def save(dataset, path, compression=None, shard_func=None, checkpoint_args=None):
    """`Dataset.save`."""
    dataset.save(path, compression, shard_func, checkpoint_args)


def table_from_dataset(
    dataset=None,
    num_oov_buckets=0,
    vocab_size=None,
    default_value=None,
    hasher_spec=None,
    key_dtype="string",
    name=None,
):
    """A table of the (key, value) that are a dataset's elements."""
    from tandem.compat.tensorflow import arrays, lookups, tables

    keys, values = zip(*dataset._make())
    initializer = lookups.KeyValueTensorInitializer(arrays.NAMES["stack"](keys), arrays.NAMES["stack"](values))
    if num_oov_buckets:
        return tables.StaticVocabularyTable(initializer, num_oov_buckets)
    return lookups.StaticHashTable(initializer, -1 if default_value is None else default_value)


def index_table_from_dataset(
    dataset=None, num_oov_buckets=0, vocab_size=None, default_value=-1, hasher_spec=None, key_dtype="string", name=None
):
    """A table from a dataset's elements to their numbers."""
    dataset = dataset.enumerate().map(lambda number, one: (one, number))
    return table_from_dataset(dataset, num_oov_buckets, vocab_size, default_value)


def parse_example_dataset(features, num_parallel_calls=1, deterministic=None):
    """`tf.io.parse_example` of each batch of messages."""
    return lambda dataset: dataset.map(lambda batch: records.parse_example(batch, features))


def make_batched_features_dataset(
    file_pattern,
    batch_size,
    features,
    reader=None,
    label_key=None,
    reader_args=None,
    num_epochs=None,
    shuffle=True,
    shuffle_buffer_size=10000,
    shuffle_seed=None,
    prefetch_buffer_size=None,
    reader_num_threads=None,
    parser_num_threads=None,
    sloppy_ordering=False,
    drop_final_batch=False,
):
    """Batches of the features of the examples in some TFRecord files; with `label_key` pairs of features and labels."""
    files = Dataset.list_files(file_pattern, shuffle=shuffle, seed=shuffle_seed)
    found = files.flat_map(lambda name: (reader or TFRecordDataset)(name, *(reader_args or ())))
    found = found.shuffle(shuffle_buffer_size, shuffle_seed) if shuffle else found
    found = found.repeat(num_epochs).batch(batch_size, drop_final_batch or num_epochs is None)
    found = found.map(lambda batch: records.parse_example(batch, features))
    if label_key is None:
        return found

    def apart(parsed):
        label = parsed.pop(label_key)
        return parsed, label

    return found.map(apart)


class TFRecordWriter:
    """Writes a dataset of messages into a TFRecord file."""

    def __init__(self, filename, compression_type=None):
        self._filename, self._compression = filename, compression_type

    def write(self, dataset):
        """Write all elements."""
        with records.TFRecordWriter(self._filename, self._compression) as writer:
            for one in dataset._make():
                writer.write(one)


class AutoShardPolicy:
    """How a dataset is divided over workers, which one worker does not do."""

    OFF, AUTO, FILE, DATA, HINT = -1, 0, 1, 2, 3


class ExternalStatePolicy:
    """What becomes of state when a dataset is sent to workers."""

    WARN, IGNORE, FAIL = 0, 1, 2


class Settings:
    """Attributes of any name, which steer how TensorFlow runs a dataset and nothing here."""


def get_structure(dataset):
    """What the elements are like."""
    return dataset.element_spec


def assert_cardinality(expected_cardinality):
    """The same elements, of which there are so many."""
    return lambda dataset: dataset.assert_cardinality(expected_cardinality)


def from_list(elements_, name=None):
    """A dataset of the elements of a list."""
    if not elements_:
        raise ValueError("Empty lists are not supported.")
    made = [elements.structure(one) for one in elements_]
    return Dataset(lambda: iter(made), len(made))


EXPERIMENTAL = {
    "AUTOTUNE": AUTOTUNE,
    "AutoShardPolicy": AutoShardPolicy,
    "AutotuneOptions": Settings,
    "Counter": Dataset.counter,
    "CsvDataset": csv_data.CsvDataset,
    "DistributeOptions": Settings,
    "ExternalStatePolicy": ExternalStatePolicy,
    "INFINITE_CARDINALITY": INFINITE,
    "OptimizationOptions": Settings,
    "RandomDataset": Dataset.random,
    "TFRecordWriter": TFRecordWriter,
    "ThreadingOptions": Settings,
    "UNKNOWN_CARDINALITY": UNKNOWN,
    "assert_cardinality": assert_cardinality,
    "bucket_by_sequence_length": _method("bucket_by_sequence_length"),
    "cardinality": lambda dataset: dataset.cardinality(),
    "choose_from_datasets": Dataset.choose_from_datasets,
    "copy_to_device": copy_to_device,
    "dense_to_ragged_batch": dense_to_ragged_batch,
    "dense_to_sparse_batch": dense_to_sparse_batch,
    "enumerate_dataset": _method("enumerate"),
    "from_list": from_list,
    "get_single_element": get_single_element,
    "get_structure": get_structure,
    "group_by_window": _method("group_by_window"),
    "ignore_errors": _method("ignore_errors"),
    "index_table_from_dataset": index_table_from_dataset,
    "load": Dataset.load,
    "make_batched_features_dataset": make_batched_features_dataset,
    "make_csv_dataset": csv_data.make_csv_dataset,
    "map_and_batch": map_and_batch,
    "parallel_interleave": parallel_interleave,
    "parse_example_dataset": parse_example_dataset,
    "prefetch_to_device": prefetch_to_device,
    "rejection_resample": _method("rejection_resample"),
    "sample_from_datasets": Dataset.sample_from_datasets,
    "save": save,
    "scan": _method("scan"),
    "shuffle_and_repeat": shuffle_and_repeat,
    "snapshot": _method("snapshot"),
    "table_from_dataset": table_from_dataset,
    "take_while": _method("take_while"),
    "unbatch": _method("unbatch"),
    "unique": _method("unique"),
}
