"""`tf.data.Dataset`: elements one by one, made anew each time that they are gone through."""

import functools
import itertools
import os
import random as python_random
import warnings

import numpy as np

from tandem.compat.tensorflow import dataset_files, elements
from tandem.compat.tensorflow import dataset_sources as sources
from tandem.compat.tensorflow._dtypes import as_dtype
from tandem.compat.tensorflow._errors import InvalidArgumentError, OutOfRangeError
from tandem.compat.tensorflow.shapes import TensorSpec
from tandem.compat.tensorflow.tensor import convert, ints, static
from tandem.core.errors import explain
from tandem.ops import random as draws

AUTOTUNE = -1
INFINITE, UNKNOWN = -1, -2


def _titled(title):
    """A method whose datasets are written with a name of TensorFlow's."""

    def decorate(method):
        @functools.wraps(method)
        def titled(*args, **kwargs):
            found = method(*args, **kwargs)
            if not args or found is not args[0]:
                found._title = title
            return found

        return titled

    return decorate


class Dataset:
    """Elements (tensors, or tuples and dicts of them) from `make`, a function that begins to give them anew.

    count: how many there are, `INFINITE` or `UNKNOWN`; spec: what they are like, or a function that says it, found by
    looking at the first one where it is not given; rows: (tensors, a function that begins to give numbers anew) where
    the elements are rows of tensors, so that a batch is taken out of these at once.
    """

    def __init__(self, make=None, count=UNKNOWN, spec=None, rows=None):
        if make is None:
            raise TypeError("Dataset is made by Dataset.from_tensor_slices and the like.")
        self._make, self._count, self._spec, self._rows = make, count, spec, rows
        self._mapped = None  # (dataset, function) of `map`, for `ignore_errors`

    def _rearranged(self, change, count):
        """The elements that `change` makes of a function that begins to give them (or the numbers of rows) anew."""
        if self._rows is None:
            return Dataset(lambda: change(self._make), count, self._spec)
        tensors, order = self._rows
        make = lambda: (elements.row(tensors, number) for number in change(order))  # noqa: E731
        return Dataset(make, count, self._spec, (tensors, lambda: change(order)))

    def __iter__(self):
        return Iterator(self)

    def __len__(self):
        if self._count == INFINITE:
            raise TypeError("The dataset is infinite.")
        if self._count == UNKNOWN:
            raise TypeError("The dataset length is unknown.")
        return self._count

    def __bool__(self):
        return True

    __nonzero__ = __bool__

    def cardinality(self, name=None):
        """How many elements there are: -1 for ever, -2 unknown."""
        return convert(np.int64(self._count))

    @property
    def element_spec(self):
        """What the elements are like, a structure of specs; the first one is looked at where nothing says it."""
        if callable(self._spec):
            self._spec = self._spec()
        if self._spec is None:
            first = next(iter(self._make()), None)
            if first is None:
                raise ValueError("The dataset is empty, and so nothing says what its elements are like.")
            self._spec = elements.spec_of(first)
        return self._spec

    def as_numpy_iterator(self):
        """The elements with NumPy's arrays for tensors."""
        return NumpyIterator(self)

    def get_single_element(self, name=None):
        """The only element. Raises InvalidArgumentError where there is another number of them."""
        found = list(itertools.islice(self._make(), 2))
        if len(found) != 1:
            raise InvalidArgumentError("Dataset had " + ("more than one element." if found else "no elements."))
        return found[0]

    def __repr__(self):
        kind = self._title if type(self) is Dataset else type(self).__name__
        return f"<{kind} element_spec={self.element_spec}>"

    _title = "Dataset"

    # --- making ----------------------------------------------------------------------------------------------------
    @staticmethod
    @_titled("_TensorSliceDataset")
    def from_tensor_slices(tensors, name=None):
        """The rows of a tensor or of a structure of them."""
        tensors = elements.structure(tensors)
        leaves = elements.leaves(tensors)
        sizes = {len(leaf) for leaf in leaves if len(leaf.shape)}
        if not leaves or any(not len(leaf.shape) for leaf in leaves):
            raise ValueError("Unbatching a tensor is only supported for rank >= 1")
        if len(sizes) > 1:
            raise ValueError(explain("The tensors have different numbers of rows", given=sorted(sizes)))

        count = next(iter(sizes))
        spec = elements.map_leaves(lambda leaf: elements.spec_of_leaf(leaf, rows=True), tensors)
        make = lambda: (elements.row(tensors, number) for number in range(count))  # noqa: E731
        return Dataset(make, count, spec, (tensors, lambda: iter(range(count))))

    @staticmethod
    @_titled("_TensorDataset")
    def from_tensors(tensors, name=None):
        """One element."""
        tensors = elements.structure(tensors)
        return Dataset(lambda: iter([tensors]), 1, elements.spec_of(tensors))

    @staticmethod
    def from_generator(generator, output_types=None, output_shapes=None, args=None, output_signature=None, name=None):
        """What a function's generator gives, of the dtypes and shapes that are said."""
        return Dataset(*sources.from_generator(generator, output_types, output_shapes, args, output_signature))

    @staticmethod
    @_titled("_RangeDataset")
    def range(*args, output_type="int64", name=None):
        """Whole numbers as Python's `range` gives them, int64."""
        numbers = range(*(int(static(one)) for one in args))
        kind = as_dtype(output_type)
        return Dataset(lambda: (convert(one, kind) for one in numbers), len(numbers), TensorSpec((), kind))

    @staticmethod
    @_titled("_ZipDataset")
    def zip(*args, datasets=None, name=None):
        """The elements of several datasets side by side, until the first one ends."""
        args = args[0] if len(args) == 1 and not isinstance(args[0], Dataset) else args
        structure = tuple(args) if datasets is None else datasets
        sets = elements.leaves(structure)

        def make():
            for parts in zip(*(one._make() for one in sets)):
                yield elements.filled(structure, parts)

        counts = [one._count for one in sets]
        finite = [count for count in counts if count >= 0]
        count = UNKNOWN if UNKNOWN in counts else min(finite) if finite else INFINITE
        return Dataset(make, count)

    @staticmethod
    def list_files(file_pattern, shuffle=None, seed=None, name=None):
        """The files that fit a pattern (or several), in another order each time unless `shuffle` is False."""
        paths = sources.matching(file_pattern)
        found = Dataset.from_tensor_slices(paths)
        return found if shuffle is False else found.shuffle(len(found), seed=seed)

    @staticmethod
    def counter(start=0, step=1, dtype="int64", name=None):
        """Whole numbers for ever."""
        kind = as_dtype(dtype)
        make = lambda: (convert(number, kind) for number in itertools.count(int(static(start)), int(static(step))))  # noqa: E731
        return Dataset(make, INFINITE, TensorSpec((), kind))

    @staticmethod
    def random(seed=None, rerandomize_each_iteration=None, name=None):
        """Random whole numbers for ever, int64."""

        def make():
            draw = np.random.RandomState(seed)
            return (convert(np.int64(draw.randint(0, 2**32, dtype="int64"))) for _ in itertools.count())

        return Dataset(make, INFINITE, TensorSpec((), "int64"))

    @staticmethod
    def choose_from_datasets(datasets, choice_dataset, stop_on_empty_dataset=True):
        """The next element of the dataset that another one of numbers says."""
        return Dataset(lambda: sources.chosen(datasets, choice_dataset, stop_on_empty_dataset))

    @staticmethod
    def sample_from_datasets(
        datasets, weights=None, seed=None, stop_on_empty_dataset=False, rerandomize_each_iteration=None
    ):
        """The next element of a dataset drawn by lot."""
        weights = None if weights is None else static(weights)
        return Dataset(lambda: sources.sampled(datasets, weights, seed, stop_on_empty_dataset))

    # --- elements to elements --------------------------------------------------------------------------------------
    @_titled("_MapDataset")
    def map(
        self,
        map_func,
        num_parallel_calls=None,
        deterministic=None,
        synchronous=None,
        use_unbounded_threadpool=None,
        name=None,
    ):
        """A function of each element. The other arguments say how TensorFlow runs it; here one thread reads ahead."""

        def spec():
            first = next(iter(self._make()), None)
            return (
                None
                if first is None
                else elements.spec_after(self.element_spec, first, elements.apply(map_func, first))
            )

        found = Dataset(lambda: (elements.apply(map_func, one) for one in self._make()), self._count, spec)
        found._mapped = (self, map_func)
        return found

    @_titled("_FilterDataset")
    def filter(self, predicate, name=None):
        """The elements of which a function is true."""
        make = lambda: (one for one in self._make() if bool(elements.apply(predicate, one)))  # noqa: E731
        return Dataset(make, UNKNOWN, self._spec)

    @_titled("_FlatMapDataset")
    def flat_map(self, map_func, name=None):
        """The elements of the datasets that a function makes of each element, one after the other."""

        def make():
            for one in self._make():
                yield from elements.call(map_func, one)._make()

        return Dataset(make)

    @_titled("_InterleaveDataset")
    def interleave(
        self, map_func, cycle_length=None, block_length=1, num_parallel_calls=None, deterministic=None, name=None
    ):
        """As `flat_map`, `cycle_length` datasets at a time, in turn `block_length` elements of each."""
        cycle = sources.CYCLE if cycle_length in (None, AUTOTUNE) else int(cycle_length)
        return Dataset(lambda: sources.interleaved(self, map_func, cycle, int(block_length)))

    def apply(self, transformation_func):
        """What a function makes of the dataset."""
        return transformation_func(self)

    def enumerate(self, start=0, name=None):
        """(number, element)."""
        make = lambda: ((convert(np.int64(number)), one) for number, one in enumerate(self._make(), start))  # noqa: E731
        return Dataset(make, self._count)

    @_titled("_ScanDataset")
    def scan(self, initial_state, scan_func, name=None):
        """(state, element) -> (state, what is given), element by element."""

        def make():
            state = elements.structure(initial_state)
            for one in self._make():
                state, found = scan_func(state, one)
                yield elements.structure(found)

        return Dataset(make, self._count)

    # --- groups ----------------------------------------------------------------------------------------------------
    @_titled("_BatchDataset")
    def batch(self, batch_size, drop_remainder=False, num_parallel_calls=None, deterministic=None, name=None):
        """So many elements as one, with an axis more; the last one may be smaller."""
        size = _positive("batch_size", batch_size)

        def make():
            if self._rows is None:
                yield from map(elements.stack, _groups(self._make(), size, drop_remainder))
                return
            tensors, order = self._rows
            for group in _groups(order(), size, drop_remainder):
                yield elements.rows(tensors, group)

        spec = lambda: elements.spec_of_batch(self.element_spec, size if drop_remainder else None)  # noqa: E731
        return Dataset(make, _divided(self._count, size, drop_remainder), spec)

    @_titled("_PaddedBatchDataset")
    def padded_batch(self, batch_size, padded_shapes=None, padding_values=None, drop_remainder=False, name=None):
        """`batch` of elements of different sizes, filled up at their ends with `padding_values` (0, or no text)."""
        size = _positive("batch_size", batch_size)

        def make():
            for group in _groups(self._make(), size, drop_remainder):
                yield elements.stack_padded(group, padded_shapes, padding_values)

        return Dataset(make, _divided(self._count, size, drop_remainder))

    def ragged_batch(self, batch_size, drop_remainder=False, row_splits_dtype=None, name=None):
        """`batch` of elements of different sizes as ragged tensors."""
        size = _positive("batch_size", batch_size)
        make = lambda: map(elements.stack_ragged, _groups(self._make(), size, drop_remainder))  # noqa: E731
        return Dataset(make, _divided(self._count, size, drop_remainder))

    @_titled("_UnbatchDataset")
    def unbatch(self, name=None):
        """The rows of each element."""

        def make():
            for one in self._make():
                for number in range(len(elements.leaves(one)[0])):
                    yield elements.row(one, number)

        return Dataset(make)

    def rebatch(self, batch_size, drop_remainder=False, name=None):
        """The rows of each element in other batches."""
        return self.unbatch().batch(batch_size, drop_remainder)

    @_titled("_WindowDataset")
    def window(self, size, shift=None, stride=1, drop_remainder=False, name=None):
        """Datasets of `size` elements, each beginning `shift` further on; elements within are `stride` apart."""
        size, stride = _positive("size", size), _positive("stride", stride)
        shift = size if shift is None else _positive("shift", shift)
        return Dataset(lambda: sources.windows(self, size, shift, stride, drop_remainder, Dataset), UNKNOWN)

    def group_by_window(self, key_func, reduce_func, window_size=None, window_size_func=None, name=None):
        """Elements of one key gathered, so many at a time as a dataset that a function makes elements of."""
        return Dataset(lambda: sources.by_key(self, key_func, reduce_func, window_size, window_size_func, Dataset))

    def bucket_by_sequence_length(
        self,
        element_length_func,
        bucket_boundaries,
        bucket_batch_sizes,
        padded_shapes=None,
        padding_values=None,
        pad_to_bucket_boundary=False,
        no_padding=False,
        drop_remainder=False,
        name=None,
    ):
        """Batches of elements of about one length. Raises NotImplementedError for filling up to a boundary."""
        if pad_to_bucket_boundary:
            raise NotImplementedError("bucket_by_sequence_length(pad_to_bucket_boundary=True) is not there.")

        def batched(key, group):
            size = bucket_batch_sizes[int(key)]
            if no_padding:
                return group.batch(size, drop_remainder)
            return group.padded_batch(size, padded_shapes, padding_values, drop_remainder)

        return self.group_by_window(
            lambda *one: int(np.searchsorted(bucket_boundaries, int(element_length_func(*one)), "right")),
            batched,
            window_size_func=lambda key: bucket_batch_sizes[int(key)],
        )

    def reduce(self, initial_state, reduce_func, name=None):
        """The state after a function of (state, element) has gone through all elements."""
        state = elements.structure(initial_state)
        for one in self._make():
            state = elements.structure(reduce_func(state, one))
        return state

    # --- order and number ------------------------------------------------------------------------------------------
    @_titled("_ShuffleDataset")
    def shuffle(self, buffer_size, seed=None, reshuffle_each_iteration=True, name=None):
        """In random order, by way of a buffer: each element is drawn from the next `buffer_size` ones."""
        size = _positive("buffer_size", self._count if buffer_size == self._count else buffer_size)
        first = None if seed is None else int(static(seed))
        drawn = _begin() if first is None and not reshuffle_each_iteration else first
        passes = itertools.count()

        def change(begin_anew):
            number = next(passes)
            begin = drawn if drawn is not None else _begin()
            mixed = begin + (number if reshuffle_each_iteration and drawn is not None else 0) * 1_000_003
            return sources.shuffled(begin_anew(), size, python_random.Random(mixed))

        return self._rearranged(change, self._count)

    @_titled("_RepeatDataset")
    def repeat(self, count=None, name=None):
        """So many times, or for ever."""
        count = -1 if count is None else int(static(count))
        if count < 0:
            return self._rearranged(sources.forever, INFINITE if self._count else 0)
        change = lambda begin_anew: (one for _ in range(count) for one in begin_anew())  # noqa: E731
        return self._rearranged(change, self._count * count if self._count >= 0 else self._count)

    @_titled("_TakeDataset")
    def take(self, count, name=None):
        """The first ones; -1 for all."""
        count = int(static(count))
        if count < 0:
            return self
        known = count if self._count == INFINITE else min(count, self._count) if self._count >= 0 else UNKNOWN
        return self._rearranged(lambda begin_anew: itertools.islice(begin_anew(), count), known)

    @_titled("_SkipDataset")
    def skip(self, count, name=None):
        """Without the first ones; -1 for none."""
        count = int(static(count))
        known = self._count if self._count < 0 else 0 if count < 0 else max(self._count - count, 0)
        change = lambda begin_anew: iter(()) if count < 0 else itertools.islice(begin_anew(), count, None)  # noqa: E731
        return self._rearranged(change, known)

    @_titled("_ShardDataset")
    def shard(self, num_shards, index, name=None):
        """Every so many, from a number on."""
        shards, index = int(static(num_shards)), int(static(index))
        if not 0 <= index < shards:
            raise ValueError(explain("`index` is none of the shards", expected=f"0 … {shards - 1}", given=index))
        known = self._count if self._count < 0 else len(range(index, self._count, shards))
        return self._rearranged(lambda begin_anew: itertools.islice(begin_anew(), index, None, shards), known)

    @_titled("_ConcatenateDataset")
    def concatenate(self, dataset, name=None):
        """This one, then another."""
        make = lambda: itertools.chain(self._make(), dataset._make())  # noqa: E731
        counts = (self._count, dataset._count)
        known = INFINITE if INFINITE in counts else UNKNOWN if UNKNOWN in counts else sum(counts)
        return Dataset(make, known, self._spec)

    @_titled("_TakeWhileDataset")
    def take_while(self, predicate, name=None):
        """The first ones, as long as a function of them is true."""
        make = lambda: itertools.takewhile(lambda one: bool(elements.apply(predicate, one)), self._make())  # noqa: E731
        return Dataset(make, UNKNOWN, self._spec)

    @_titled("_UniqueDataset")
    def unique(self, name=None):
        """Without those that came before."""
        return Dataset(lambda: sources.unique(self), UNKNOWN, self._spec)

    @_titled("CacheDataset")
    def cache(self, filename="", name=None):
        """Kept in memory once all were gone through, or in a folder of that name, from where they come after it."""
        if _text(filename):
            return self._kept_in(f"{_text(filename)}.tandem_cache", None)
        if self._rows is None:
            return Dataset(sources.Cache(self._make), self._count, self._spec)
        tensors, order = self._rows
        kept = sources.Cache(order)
        make = lambda: (elements.row(tensors, number) for number in kept())  # noqa: E731
        return Dataset(make, self._count, self._spec, (tensors, kept))

    @_titled("_PrefetchDataset")
    def prefetch(self, buffer_size, name=None):
        """The dataset itself: the training loop's own thread reads ahead."""
        static(buffer_size)
        return Dataset(self._make, self._count, self._spec, self._rows)

    def assert_cardinality(self, expected_cardinality):
        """The same elements, of which there are so many."""
        return Dataset(self._make, int(static(expected_cardinality)), self._spec, self._rows)

    def with_options(self, options, name=None):
        """The dataset itself: options steer how TensorFlow runs it."""
        return self

    def options(self):
        """New options."""
        return Options()

    def _kept_in(self, path, compression):
        """The elements as a folder has them, which is written when they are gone through for the first time."""

        def make():
            if not dataset_files.is_there(path):
                dataset_files.write(self, path, compression)
            return dataset_files.read(path)[0]()

        return Dataset(make, self._count, lambda: self.element_spec)

    def ignore_errors(self, log_warning=False, name=None):
        """Without the elements that `map` raises on (`tf.errors.OpError`, ValueError and what else functions raise)."""
        source = self._mapped
        if source is None:  # where nothing is computed, nothing raises
            return Dataset(self._make, self._count if self._count < 0 else UNKNOWN, self._spec)
        before, function = source

        def make():
            for one in before._make():
                try:
                    found = elements.apply(function, one)
                except Exception as error:
                    if log_warning:
                        warnings.warn(f"An element is left out: {error}", stacklevel=2)
                    continue
                yield found

        return Dataset(make, UNKNOWN, self._spec)

    def save(self, path, compression=None, shard_func=None, checkpoint_args=None):
        """Write the elements into a folder of Tandem's own kind, which `Dataset.load` reads."""
        if shard_func is not None or checkpoint_args is not None:
            raise NotImplementedError(explain("Dataset.save writes one file", given="shard_func or checkpoint_args"))
        dataset_files.write(self, _text(path), compression)

    @staticmethod
    def load(path, element_spec=None, compression=None, reader_func=None, wait=False):
        """The elements that `save` has written into a folder. Raises NotFoundError where there are none of ours."""
        make, count, spec = dataset_files.read(_text(path))
        found = Dataset(make, count, spec)
        return found if reader_func is None else reader_func(Dataset.from_tensors(0).map(lambda _: found))

    def snapshot(self, path, compression="AUTO", reader_func=None, shard_func=None, name=None):
        """The elements, which are written into a folder the first time and come from there after it."""
        return self._kept_in(os.path.join(_text(path), "snapshot"), compression)

    def rejection_resample(self, class_func, target_dist, initial_dist=None, seed=None, name=None):
        """(class, element) with the classes as often as `target_dist` says: some elements are left out by lot."""
        return Dataset(lambda: sources.resampled(self, class_func, target_dist, initial_dist, seed), UNKNOWN)

    def make_one_shot_iterator(self):
        """TensorFlow 1's iterator."""
        return iter(self)


def _text(value):
    return value.numpy().decode() if hasattr(value, "numpy") else value


def _begin():
    """A number to begin with, which `tf.random.set_seed` settles."""
    return draws.randint((), 0, 2**31).item()


def _positive(name, value):
    value = int(ints(value)[0])
    if value < 1:
        raise InvalidArgumentError(explain(f"`{name}` is wrong", expected="a number above 0", given=value))
    return value


def _groups(items, size, drop_remainder):
    while group := list(itertools.islice(items, size)):
        if len(group) == size or not drop_remainder:
            yield group


def _divided(count, size, drop_remainder):
    return count if count < 0 else count // size if drop_remainder else -(-count // size)


class Iterator:
    """Goes through the elements once."""

    def __init__(self, dataset):
        self._dataset, self._items = dataset, iter(dataset._make())

    @property
    def element_spec(self):
        """What the elements are like."""
        return self._dataset.element_spec

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._items)

    next = __next__

    def get_next(self, name=None):
        """The next element. Raises OutOfRangeError after the last one."""
        try:
            return next(self._items)
        except StopIteration:
            raise OutOfRangeError("End of sequence") from None


class NumpyIterator(Iterator):
    """Goes through the elements once, with NumPy's arrays for tensors."""

    def __next__(self):
        return elements.as_numpy(next(self._items))

    next = __next__


class Options:
    """How TensorFlow would run a dataset: attributes of any name, which steer nothing here."""

    def __init__(self):
        from types import SimpleNamespace

        for part in ("autotune", "distribute", "experimental_distribute", "experimental_optimization", "threading"):
            setattr(self, part, SimpleNamespace())
