"""Where batches come from: arrays in memory, datasets, loaders, generators, all behind one interface."""

import collections
import itertools

import numpy as np
import torch

from tandem.core import dtypes, strings
from tandem.core.arrays import Array
from tandem.core.errors import explain, warn
from tandem.engine import feeding, readers
from tandem.engine.distributed import shards
from tandem.keras import config
from tandem.keras.losses.loss import is_numbers
from tandem.keras.utils.py_dataset import PyDataset, batches, is_read_ahead
from tandem.ops import random

_WIDER = {"uint16": "int32", "uint32": "int64"}  # what torch can compute with


class Source:
    """Batches, an epoch at a time. `num_batches` is None where it is not known; `name` is for messages."""

    num_batches = None
    name = "data"
    in_memory = False

    def __iter__(self):
        """One pass over the batches: tuples (x,), (x, y) or (x, y, sample_weight) of trees of tensors."""
        raise NotImplementedError

    def after(self, count):
        """A pass over the batches without the first `count` ones."""
        iterator = iter(self)
        allow(iterator, count)
        collections.deque(itertools.islice(iterator, count), maxlen=0)
        allow(iterator, None)
        return iterator

    def on_epoch_begin(self):
        """Before each epoch."""

    def on_epoch_end(self):
        """After each epoch."""


def allow(iterator, count):
    """Tell an iterator that reads ahead how many items will be asked for."""
    tell = getattr(iterator, "allow", None)
    if tell is not None:
        tell(count)


def pack(x, y=None, sample_weight=None):
    """(x, y, sample_weight) without what is None at the end; x alone is not put into a tuple if it is one tensor."""
    if y is None:
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack(data):
    """(x, y, sample_weight) of what a batch holds. Raises ValueError for tuples that are longer."""
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if len(data) > 3 or not data:
        raise ValueError(
            explain(
                "A batch has the wrong form",
                expected="`x`, `(x,)`, `(x, y)`, or `(x, y, sample_weight)`",
                given=f"a tuple of {len(data)}",
            )
        )
    return (*data, *(None,) * (3 - len(data)))


pack_x_y_sample_weight = pack
unpack_x_y_sample_weight = unpack


# --- arrays ----------------------------------------------------------------------------------------------------------


def is_array(value):
    """Whether a value is one array: NumPy, torch, pandas, MXNet's, a sparse matrix."""
    if isinstance(value, (np.ndarray, torch.Tensor, Array)):
        return True
    kind = type(value)
    return (
        (kind.__module__.split(".")[0] == "pandas" and kind.__name__ in ("DataFrame", "Series"))
        or (kind.__module__.startswith("scipy.sparse") and hasattr(value, "todense"))
        or (hasattr(value, "__array__") and hasattr(value, "shape") and not isinstance(value, np.generic))
    )


def are_arrays(value):
    """Whether a value is an array or a tree of arrays (None and plain nested lists of numbers are allowed as
    leaves).
    """
    if value is None or is_array(value):
        return True
    if isinstance(value, dict):
        return bool(value) and all(are_arrays(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return _is_one(value) or (bool(value) and all(are_arrays(item) for item in value))
    return False


def _is_one(value):
    return is_numbers(value) or strings.is_list_of_strings(value)


def has_strings(tree):
    """Whether an array of strings is in a tree, or the tree is a list of strings."""
    if isinstance(tree, dict):
        return any(map(has_strings, tree.values()))
    if isinstance(tree, (list, tuple)):
        return strings.is_list_of_strings(tree) or (not is_numbers(tree) and any(map(has_strings, tree)))
    return isinstance(tree, np.ndarray) and strings.is_text(tree)


def map_arrays(function, value):
    """A tree with `function` applied to each array; a list of numbers, or of strings, counts as one array."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {key: map_arrays(function, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not _is_one(value):
        return type(value)(map_arrays(function, item) for item in value)
    return function(value)


def tensor(value):
    """An array as a tensor that may share its memory; floating point numbers become `floatx`, strings code points.

    Raises ValueError for arrays of other objects.
    """
    if isinstance(value, Array):
        value = value._tensor
    if isinstance(value, torch.Tensor):
        return _to_floatx(value.detach())
    kind = type(value)
    if kind.__module__.split(".")[0] == "pandas":
        value = _from_pandas(value)
    elif kind.__module__.startswith("scipy.sparse"):
        value = value.toarray()
    if strings.is_list_of_strings(value):
        value = strings.texts(value)
    array = np.asarray(value)
    if strings.is_text(array):
        return strings.code_points(array)
    if array.dtype.kind not in "fiub":
        raise ValueError(
            explain(
                "An array cannot be fed to the model",
                expected="numbers or booleans",
                given=f"dtype {array.dtype}" + (" (rows of different lengths?)" if array.dtype == object else ""),
            )
        )
    if array.dtype.kind == "f":
        array = array.astype(dtypes.numpy_dtype(config.floatx()), copy=False)
    elif array.dtype.name in _WIDER:
        array = array.astype(_WIDER[array.dtype.name])
    elif array.dtype.name == "uint64":
        raise ValueError("An array of dtype uint64 cannot be fed to the model; convert it to int64.")
    if not array.flags.writeable or any(stride < 0 for stride in array.strides) or not array.dtype.isnative:
        array = np.array(array, dtype=array.dtype.newbyteorder("="))  # torch cannot share such memory
    return _to_floatx(torch.from_numpy(array))


def _to_floatx(value):
    return value.to(dtypes.torch_dtype(config.floatx())) if value.is_floating_point() else value


def _from_pandas(value):
    array = value.to_numpy()
    if array.dtype == object:
        # A table of numbers and booleans together.
        array = value.astype(config.floatx()).to_numpy() if _is_numeric(value) else array
    return array[:, None] if array.ndim == 1 else array


def _is_numeric(value):
    kinds = value.dtypes if hasattr(value, "columns") else [value.dtype]
    return all(
        getattr(dtype, "kind", "O") in "fiub" or str(dtype).lower().startswith(("int", "float", "bool"))
        for dtype in kinds
    )


class ArraySource(Source):
    """Arrays in memory. `arrays` is (x, y, sample_weight), trees of tensors with the same number of rows.

    batch_size: 32 where neither it nor `steps` is given; steps: divides the rows into so many batches.
    Raises ValueError where the numbers of rows differ, and for no rows at all.
    """

    name = "array"
    in_memory = True

    def __init__(self, x, y=None, sample_weight=None, batch_size=None, steps=None, shuffle=False, device=None):
        x, y = map_arrays(tensor, x), map_arrays(tensor, y)
        sample_weight = map_arrays(tensor, sample_weight) if y is not None else None
        self.arrays = (x, y, sample_weight)
        self._leaves = []
        map_arrays(self._leaves.append, self.arrays)
        rows = self._check_rows()
        if batch_size is None:
            batch_size = -(-rows // steps) if steps else 32
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, float, np.integer)) or int(batch_size) < 1:
            raise ValueError(explain("`batch_size` is wrong", expected="a positive integer", given=batch_size))
        self.rows = rows
        self.batch_size = min(int(batch_size), max(rows, 1))
        self.feed = feeding.ArrayFeed(self._leaves, self.batch_size, shuffle=shuffle, device=device)
        self.num_batches = len(self.feed)
        self.pack = self._packer()

    def _check_rows(self):
        sizes = {}
        for name, part in zip(("x", "y", "sample_weight"), self.arrays):
            leaves = []
            map_arrays(leaves.append, part)
            for leaf in leaves:
                if leaf.dim() == 0:
                    raise ValueError(f"`{name}` is a single number; expected an array with a row for each sample.")
            if leaves:
                sizes[name] = [len(leaf) for leaf in leaves]
        counts = {size for part in sizes.values() for size in part}
        if len(counts) > 1:
            lines = [f"'{name}' sizes: {', '.join(map(str, part))}" for name, part in sizes.items()]
            raise ValueError(
                "Data cardinality is ambiguous. Make sure all arrays contain the same number of samples.\n"
                + "\n".join(lines)
            )
        if not counts:
            raise ValueError("There is no data: `x` is None or holds no arrays.")
        return counts.pop()

    def _packer(self):
        """A function that makes a batch of the list of its tensors."""
        x, y, sample_weight = self.arrays
        parts = [part for part in (x, y, sample_weight) if part is not None]
        if len(parts) > 1 and all(isinstance(part, torch.Tensor) for part in parts):
            return tuple

        def make(tensors):
            rest = iter(tensors)
            return pack(*(map_arrays(lambda _: next(rest), part) for part in (x, y, sample_weight)))

        return make

    def __iter__(self):
        return self.after(0)

    def after(self, count):
        """A pass over the batches without the first `count` ones."""
        feed, make = self.feed, self.pack
        feed.start()
        feed.skip(count)
        return map(make, iter(feed.next, None))


# --- other sources ---------------------------------------------------------------------------------------------------


class _Converted(Source):
    """A source whose batches are made elsewhere: they become tensors on the way."""

    def __init__(self, class_weight=None, device=None):
        self.class_weight = class_weight
        self.device = device
        self._habit = readers.Habit()

    def _ahead(self, items):
        """The batches of items that are made one by one, by a thread where that pays."""
        return readers.ReadAhead(map(self._batch, items), self._habit)

    def _batch(self, data):
        x, y, sample_weight = unpack(data)
        x, y, sample_weight = map_arrays(tensor, x), map_arrays(tensor, y), map_arrays(tensor, sample_weight)
        if self.class_weight is not None and y is not None:
            sample_weight = with_class_weight(y, sample_weight, self.class_weight)
        if self.device is not None and self.device.type != "cpu":
            x, y, sample_weight = map_arrays(lambda t: t.to(self.device, non_blocking=True), (x, y, sample_weight))
        return pack(x, y, sample_weight)


class DatasetSource(_Converted):
    """A `PyDataset`, or anything with `__getitem__` and `__len__`."""

    name = "PyDataset"

    def __init__(self, dataset, shuffle=False, class_weight=None, device=None):
        super().__init__(class_weight, device)
        self.dataset = dataset
        self.shuffle = shuffle is True

    @property
    def num_batches(self):
        """The number of batches, or None where they do not end."""
        return self.dataset.num_batches if isinstance(self.dataset, PyDataset) else len(self.dataset)

    def __iter__(self):
        return self.after(0)

    def after(self, count):
        """A pass over the batches without the first `count` ones, which are not asked for."""
        number = self.num_batches
        order = itertools.count(count) if number is None else range(count, number)
        if number is not None and self.shuffle:
            order = shards.agreed_order(random.permutation(number)).tolist()[count:]
        if is_read_ahead(self.dataset):
            return map(self._batch, batches(self.dataset, order, as_tensors))
        return self._ahead(batches(self.dataset, order))

    def on_epoch_begin(self):
        """Tell the dataset."""
        getattr(self.dataset, "on_epoch_begin", _nothing)()

    def on_epoch_end(self):
        """Tell the dataset."""
        getattr(self.dataset, "on_epoch_end", _nothing)()


class IterableSource(_Converted):
    """A torch `DataLoader` or another iterable that begins again with each `iter`."""

    def __init__(self, iterable, name, device=None):
        super().__init__(device=device)
        self.iterable = iterable
        self.name = name

    @property
    def num_batches(self):
        """The number of batches, where the iterable knows it."""
        try:
            return len(self.iterable)
        except (TypeError, NotImplementedError):
            return None

    def __iter__(self):
        if getattr(self.iterable, "num_workers", 0):
            return map(self._batch, iter(self.iterable))
        return self._ahead(self.iterable)


class GeneratorSource(_Converted):
    """A generator, which can be run through once.

    As in Keras 3, its first two batches are kept: what is asked for after its end begins with them.
    Raises ValueError for a generator without any batch, and for batches that are not tuples.
    """

    name = "Python generator"
    _KEPT = 2

    def __init__(self, generator, device=None):
        super().__init__(device=device)
        self.generator = generator
        self._first = list(itertools.islice(generator, self._KEPT))
        if not self._first:
            raise ValueError(
                "When passing a Python generator to a Keras model, the generator must yield at least one batch. "
                "Received an empty generator."
            )
        # One for all passes: a generator cannot be read in two places.
        self._rest = self._ahead(generator)

    def _batch(self, data):
        if not isinstance(data, (tuple, list)) or not data or (isinstance(data, list) and len(data) == 1):
            raise ValueError(
                explain(
                    "A Python generator gave a batch of the wrong form",
                    expected="a tuple, (input,) or (inputs, targets) or (inputs, targets, sample_weights)",
                    given=type(data).__name__,
                )
            )
        return super()._batch(tuple(data))

    def __iter__(self):
        return _Kept(map(self._batch, self._first), len(self._first), self._rest)

    def after(self, count):
        """All batches: a generator that was made anew begins where it likes."""
        return iter(self)


class _Kept:
    """Some items that are there already, then those of an iterator that reads ahead."""

    def __init__(self, items, count, rest):
        self._items, self._count, self._rest = items, count, rest

    def __iter__(self):
        return self

    def __next__(self):
        if self._count:
            self._count -= 1
            return next(self._items)
        return next(self._rest)

    def allow(self, count):
        """How many items will be asked for; None: all."""
        self._rest.allow(None if count is None else max(count - self._count, 0))


def as_tensors(data):
    """A batch with tensors for arrays; what is wrong with it is said where it is used."""
    try:
        return map_arrays(tensor, data)
    except (ValueError, TypeError):
        return data


def _nothing():
    return None


def with_class_weight(y, sample_weight, class_weight):
    """The weights of the samples times those of their classes.

    class_weight: class number -> weight; or, for several outputs, such a dict or None to each output, by its name in
    the model's order (`parts.class_weights_by_output`). Raises ValueError for several outputs and one dict.
    """
    labels = []
    map_arrays(labels.append, y)
    if class_weight and all(value is None or isinstance(value, dict) for value in class_weight.values()):
        if not isinstance(y, (dict, list, tuple)):
            y = [y]
        keys = list(y) if isinstance(y, dict) else list(class_weight)[: len(y)]
        targets = [y[key] for key in keys] if isinstance(y, dict) else y
        if not isinstance(sample_weight, (dict, list, tuple)):
            sample_weight = dict.fromkeys(keys, sample_weight)
        given = sample_weight if isinstance(sample_weight, dict) else dict(zip(keys, sample_weight))
        weights = [
            _class_weighted(target, given.get(key), class_weight.get(key) or {}) for key, target in zip(keys, targets)
        ]
        return dict(zip(keys, weights)) if isinstance(y, dict) else weights if len(weights) > 1 else weights[0]
    if len(labels) != 1:
        raise ValueError("`class_weight` is only supported for models with a single output.")
    given = []
    map_arrays(given.append, sample_weight)
    return _class_weighted(labels[0], given[0] if given else None, class_weight)


def _class_weighted(labels, given, class_weight):
    weights = feeding.class_weights(labels, class_weight, dtypes.torch_dtype(config.floatx()))
    return weights if given is None else feeding.multiply(given, weights)


def make(
    x,
    y=None,
    sample_weight=None,
    *,
    batch_size=None,
    steps=None,
    shuffle=False,
    class_weight=None,
    device=None,
):
    """The source for what `fit`, `evaluate` or `predict` got. Raises ValueError for data of an unknown kind."""
    # A generator that runs a model must not do so beside the training loop.
    readers.belongs_to_loop()
    if isinstance(x, PyDataset) or _is_indexed(x):
        _refuse("PyDataset", y=y, sample_weight=sample_weight)
        return DatasetSource(x, shuffle=shuffle, class_weight=class_weight, device=device)
    if isinstance(x, torch.utils.data.DataLoader):
        _refuse("torch DataLoader", y=y, sample_weight=sample_weight, class_weight=class_weight)
        _ignores_shuffle(shuffle, "torch DataLoader")
        return IterableSource(x, "torch DataLoader", device=device)
    if are_arrays(x) and x is not None:
        if not are_arrays(y) or not are_arrays(sample_weight):
            what, wrong = ("y", y) if not are_arrays(y) else ("sample_weight", sample_weight)
            raise ValueError(explain(f"Unrecognized data type of `{what}`", expected="arrays", given=type(wrong)))
        if class_weight is not None and y is not None:
            y = map_arrays(tensor, y)
            sample_weight = with_class_weight(y, map_arrays(tensor, sample_weight), class_weight)
        return ArraySource(x, y, sample_weight, batch_size, steps, shuffle, device)
    if hasattr(x, "__next__"):
        _refuse("generator", y=y, sample_weight=sample_weight, class_weight=class_weight)
        _ignores_shuffle(shuffle, "generator")
        return GeneratorSource(x, device=device)
    if hasattr(x, "__iter__") and not isinstance(x, (str, bytes, dict, list, tuple, set)):
        _refuse("dataset", y=y, sample_weight=sample_weight, class_weight=class_weight)
        return IterableSource(x, "dataset", device=device)
    raise ValueError(
        explain(
            "Unrecognized data type",
            expected="arrays, lists or dicts of arrays, a PyDataset, a torch DataLoader or a generator",
            given=f"x={str(x)[:80]} (of type {type(x)})",
        )
    )


def _is_indexed(x):
    """Whether an object of a class of the user's own gives batches by number, without being called a PyDataset."""
    return (
        hasattr(type(x), "__getitem__")
        and hasattr(type(x), "__len__")
        and not isinstance(x, (list, tuple, dict, str, bytes))
        and not is_array(x)
        and not hasattr(x, "shape")
    )


def _refuse(name, **arguments):
    for argument, value in arguments.items():
        if value is None:
            continue
        if argument == "class_weight":
            raise ValueError(
                f"Argument `class_weight` is not supported for {name} inputs. Received: class_weight={value}"
            )
        part = "targets" if argument == "y" else "sample weights"
        argument = "y" if argument == "y" else "sample_weights"  # Keras's word, here
        raise ValueError(
            f"When providing `x` as a {name}, `{argument}` should not be passed. Instead, the {part} should be "
            "included "
            f"as part of the {name}."
        )


def _ignores_shuffle(shuffle, name):
    if shuffle:
        warn(
            f"`shuffle=True` was passed, but will be ignored since the data `x` was provided as a {name}. The {name} "
            "is "
            "expected to yield already-shuffled data."
        )


def split(arrays, fraction):
    """(the first part of each array, the rest): the last `fraction` of the rows is for validation.

    Raises ValueError for what are no arrays, and where a part would be empty.
    """
    leaves = []
    for part in arrays:
        if not are_arrays(part):
            raise ValueError(
                explain(
                    "Argument `validation_split` is only supported for tensors or NumPy arrays",
                    given=f"{type(part).__name__}",
                )
            )
        map_arrays(leaves.append, part)
    if not leaves:
        return arrays, arrays
    rows = len(leaves[0])
    at = int(rows * (1.0 - fraction))
    if at <= 0 or at >= rows:
        raise ValueError(
            f"Training data contains {rows} samples, which is not sufficient to split it into a validation and "
            "training "
            f"set as specified by `validation_split={fraction}`. Either provide more data, or a different value for "
            "the "
            "`validation_split` argument."
        )
    return (
        tuple(map_arrays(lambda array: _rows(array, slice(None, at)), part) for part in arrays),
        tuple(map_arrays(lambda array: _rows(array, slice(at, None)), part) for part in arrays),
    )


def _rows(array, rows):
    return array.iloc[rows] if hasattr(array, "iloc") else array[rows]
