"""Data sets: what gives a sample for an index."""

import os
import sys

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.gluon.data.sampler import FilterSampler, Sampler
from tandem.mxnet.ndarray.ndarray import NDArray


class Dataset:
    """Something with `__getitem__` and `__len__`; a sample may be a tuple."""

    def __getitem__(self, idx):
        raise NotImplementedError

    def __len__(self):
        raise NotImplementedError

    def filter(self, fn):
        """The samples for which `fn(sample)` is true."""
        return _SampledDataset(self, FilterSampler(fn, self))

    def shard(self, num_shards, index):
        """Part `index` of `num_shards` parts, which differ by at most one sample.

        Raises AssertionError for a part that is not there.
        """
        if not 0 <= index < num_shards:
            raise AssertionError(explain("No such shard", expected=f"an index from 0 to {num_shards - 1}", given=index))
        size, rest = divmod(len(self), num_shards)
        start = size * index + min(index, rest)
        return _SampledDataset(self, range(start, start + size + (index < rest)))

    def take(self, count):
        """The first `count` samples; all where it is None or larger than the set.

        Raises ValueError for a negative count.
        """
        if count is not None and count < 0:
            raise ValueError(explain("Bad count", expected="a number that is not negative", given=count))
        return _SampledDataset(self, range(len(self) if count is None else min(count, len(self))))

    def sample(self, sampler):
        """The samples that a `Sampler` names. Raises TypeError for anything else."""
        if not isinstance(sampler, Sampler):
            raise TypeError(explain("Invalid sampler", expected="gluon.data.Sampler", given=type(sampler).__name__))
        return _SampledDataset(self, sampler)

    def transform(self, fn, lazy=True):
        """Each sample as `fn(*sample)` gives it: computed at each access, or once and for all where not `lazy`."""
        transformed = _LazyTransformDataset(self, fn)
        return transformed if lazy else SimpleDataset([transformed[i] for i in range(len(transformed))])

    def transform_first(self, fn, lazy=True):
        """Each sample with its first element replaced by `fn(element)`."""
        return self.transform(_TransformFirst(fn), lazy)

    def _columns_at(self, indices):
        """A batch at once: a list with an array for each element of the samples (a tuple of one where a sample is no
        tuple), or None where samples have to be read one by one."""
        return


def columns_of(dataset, indices):
    """What `dataset._columns_at(indices)` gives, None for a data set without it."""
    find = getattr(dataset, "_columns_at", None)
    return None if find is None else find(indices)


class SimpleDataset(Dataset):
    """A list, or anything else with a length and indices, as a data set."""

    def __init__(self, data):
        self._data = data

    def __len__(self):
        return len(self._data)

    def __getitem__(self, idx):
        return self._data[idx]


class _SampledDataset(Dataset):
    def __init__(self, dataset, indices):
        self._dataset = dataset
        self._indices = list(indices)

    def __len__(self):
        return len(self._indices)

    def __getitem__(self, idx):
        return self._dataset[self._indices[idx]]

    def _columns_at(self, indices):
        return columns_of(self._dataset, [self._indices[idx] for idx in indices])


class _LazyTransformDataset(Dataset):
    def __init__(self, data, fn):
        self._data = data
        self._fn = fn

    def __len__(self):
        return len(self._data)

    def __getitem__(self, idx):
        item = self._data[idx]
        return self._fn(*item) if isinstance(item, tuple) else self._fn(item)

    def _columns_at(self, indices):
        fn = self._fn._fn if isinstance(self._fn, _TransformFirst) else self._fn
        if not _takes_batches(fn):
            return None
        columns = columns_of(self._data, indices)
        if columns is None or not isinstance(columns[0], NDArray) or columns[0].ndim != 4:
            return None
        if fn is self._fn and not isinstance(columns, tuple):
            return None  # the function gets all elements of a sample
        return type(columns)([fn(columns[0]), *columns[1:]])


def _takes_batches(fn):
    # What is not loaded, no transformation comes from.
    transforms = sys.modules.get("tandem.mxnet.gluon.data.vision.transforms")
    return transforms is not None and transforms.takes_batches(fn)


class _TransformFirst:
    def __init__(self, fn):
        self._fn = fn

    def __call__(self, x, *rest):
        return (self._fn(x), *rest) if rest else self._fn(x)


class ArrayDataset(Dataset):
    """Arrays of one length side by side: sample i is the tuple of their i-th elements (the element, for one array).

    Raises AssertionError where the lengths differ.
    """

    def __init__(self, *args):
        if not args:
            raise AssertionError(explain("Needs at least 1 array", given="none"))
        self._length = len(args[0])
        self._data = []
        for number, data in enumerate(args):
            if len(data) != self._length:
                raise AssertionError(
                    explain(
                        "All arrays must have the same length",
                        expected=f"{self._length}, as array 0",
                        given=f"{len(data)} in array {number}",
                    )
                )
            # MXNet takes the values of 1-d NDArrays to numpy once, so that a label is a plain number.
            self._data.append(data.asnumpy() if isinstance(data, NDArray) and len(data.shape) == 1 else data)

    def __getitem__(self, idx):
        if len(self._data) == 1:
            return self._data[0][idx]
        return tuple(data[idx] for data in self._data)

    def __len__(self):
        return self._length

    def _columns_at(self, indices):
        # Not where a subclass has samples of its own, nor for arrays of anything but numbers.
        own = type(self).__getitem__ is ArrayDataset.__getitem__
        if not own or not all(isinstance(data, (np.ndarray, NDArray)) for data in self._data):
            return None
        if any(isinstance(data, np.ndarray) and data.dtype.kind not in "biuf" for data in self._data):
            return None
        columns = [data[np.asarray(indices)] for data in self._data]
        return columns if len(columns) > 1 else tuple(columns)


class _DownloadedDataset(Dataset):
    """Base of data sets in a folder of their own, which is made where it is missing.

    A subclass's `_get_data` sets `_data` and `_label`; a sample is an element of either, or what
    `transform(data, label)` makes of them.
    """

    def __init__(self, root, transform):
        super().__init__()
        self._transform = transform
        self._data = None
        self._label = None
        self._root = os.path.expanduser(root)
        os.makedirs(self._root, exist_ok=True)
        self._get_data()

    def __getitem__(self, idx):
        if self._transform is not None:
            return self._transform(self._data[idx], self._label[idx])
        return self._data[idx], self._label[idx]

    def __len__(self):
        return len(self._label)

    def _get_data(self):
        raise NotImplementedError(explain(f"{type(self).__name__} does not say how it is read"))


class RecordFileDataset(Dataset):
    """The records of a RecordIO file, as bytes; `NAME.idx` stands beside `NAME.rec`."""

    def __init__(self, filename):
        from tandem.mxnet import recordio

        self.filename = filename
        self.idx_file = os.path.splitext(filename)[0] + ".idx"
        self._record = recordio.MXIndexedRecordIO(self.idx_file, filename, "r")

    def __getitem__(self, idx):
        return self._record.read_idx(self._record.keys[idx])

    def __len__(self):
        return len(self._record.keys)
