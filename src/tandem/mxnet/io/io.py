"""Batches, their descriptions, and iterators over them that are written in Python."""

from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.base import mx_real_t
from tandem.mxnet.io.utils import _getdata_by_idx, _has_instance, _init_data, _joined, _rows
from tandem.mxnet.ndarray import sparse

__all__ = ["DataBatch", "DataDesc", "DataIter", "NDArrayIter", "PrefetchingIter", "ResizeIter"]

_init_data, _has_instance = _init_data, _has_instance  # names that scripts import from here


class DataDesc(namedtuple("DataDesc", ["name", "shape"])):
    """The name and shape of an array in each batch: a pair, with `dtype` and `layout` as attributes.

    layout: a letter to each axis, of which N is the batch's.
    """

    def __new__(cls, name, shape, dtype=mx_real_t, layout="NCHW"):
        new = super().__new__(cls, name, shape)
        new.dtype = dtype
        new.layout = layout
        return new

    def __repr__(self):
        return f"DataDesc[{self.name},{self.shape},{self.dtype},{self.layout}]"

    @staticmethod
    def get_batch_axis(layout):
        """Which axis is the batch's: the place of N in the layout, 0 for None, -1 where it has none."""
        return 0 if layout is None else layout.find("N")

    @staticmethod
    def get_list(shapes, types):
        """Descriptions from pairs of name and shape; types: pairs of name and dtype, or None."""
        if types is None:
            return [DataDesc(name, shape) for name, shape in shapes]
        types = dict(types)
        return [DataDesc(name, shape, types[name]) for name, shape in shapes]


class DataBatch:
    """What an iterator gives at once.

    data, label: lists of arrays; pad: how many rows at the end only fill the batch up; index: the rows' numbers;
    bucket_key: which bucket it belongs to; provide_data, provide_label: descriptions of this batch.
    Raises AssertionError for data or label that are no list.
    """

    def __init__(self, data, label=None, pad=None, index=None, bucket_key=None, provide_data=None, provide_label=None):
        for name, value in (("Data", data), ("Label", label)):
            if value is not None and not isinstance(value, (list, tuple)):
                raise AssertionError(
                    explain(f"{name} must be list of NDArrays", expected="a list", given=type(value).__name__)
                )
        self.data, self.label = data, label
        self.pad, self.index = pad, index
        self.bucket_key = bucket_key
        self.provide_data, self.provide_label = provide_data, provide_label

    def __str__(self):
        data = [value.shape for value in self.data]
        label = [value.shape for value in self.label] if self.label else None
        return f"{type(self).__name__}: data shapes: {data} label shapes: {label}"


class DataIter:
    """Base of iterators over batches.

    A subclass overrides `iter_next`, `getdata` and `getlabel`, or `next`; and `reset`, `provide_data` and
    `provide_label` (lists of `DataDesc`).
    """

    def __init__(self, batch_size=0):
        self.batch_size = batch_size

    def __iter__(self):
        return self

    def reset(self):
        """Begin anew. Nothing to do here: the base has no data."""

    def next(self):
        """The next batch.

        Raises StopIteration at the end.
        """
        if not self.iter_next():
            raise StopIteration
        return DataBatch(self.getdata(), self.getlabel(), self.getpad(), self.getindex())

    def __next__(self):
        return self.next()

    def iter_next(self):
        """Go to the next batch; whether there is one."""

    def getdata(self):
        """The data of this batch."""

    def getlabel(self):
        """The labels of this batch."""

    def getindex(self):
        """The numbers of the rows in this batch, or None."""
        return

    def getpad(self):
        """How many rows at the end of this batch only fill it up."""


class _Current(DataIter):
    """An iterator whose `iter_next` sets `current_batch`, of which the other methods tell."""

    current_batch = None

    def next(self):
        """The next batch.

        Raises StopIteration at the end.
        """
        if not self.iter_next():
            raise StopIteration
        return self.current_batch

    def getdata(self):
        """The data of this batch."""
        return self.current_batch.data

    def getlabel(self):
        """The labels of this batch."""
        return self.current_batch.label

    def getindex(self):
        """The numbers of the rows in this batch, or None."""
        return self.current_batch.index

    def getpad(self):
        """How many rows at the end of this batch only fill it up."""
        return self.current_batch.pad


class ResizeIter(_Current):
    """Another iterator with `size` batches to an epoch: it begins anew where that ends too soon.

    data_iter: the iterator; reset_internal: whether `reset` begins anew there too, or goes on where it was.
    """

    def __init__(self, data_iter, size, reset_internal=True):
        super().__init__(data_iter.batch_size)
        self.data_iter = data_iter
        self.size = size
        self.reset_internal = reset_internal
        self.cur = 0
        self.current_batch = None
        self.provide_data = data_iter.provide_data
        self.provide_label = data_iter.provide_label
        if hasattr(data_iter, "default_bucket_key"):
            self.default_bucket_key = data_iter.default_bucket_key

    def reset(self):
        """Begin a new epoch."""
        self.cur = 0
        if self.reset_internal:
            self.data_iter.reset()

    def iter_next(self):
        """Go to the next batch; whether there is one."""
        if self.cur == self.size:
            return False
        try:
            self.current_batch = self.data_iter.next()
        except StopIteration:
            self.data_iter.reset()
            self.current_batch = self.data_iter.next()
        self.cur += 1
        return True


def _next_or_none(iterator):
    try:
        return iterator.next()
    except StopIteration:
        return None


class PrefetchingIter(_Current):
    """Iterators side by side, each a batch ahead in a thread of its own; a batch holds what all of them give.

    iters: an iterator or a list of them; rename_data, rename_label: to each iterator a dict from its names to others.
    Raises AssertionError for an empty list.
    """

    def __init__(self, iters, rename_data=None, rename_label=None):
        self.iters = iters if isinstance(iters, list) else [iters]
        self.n_iter = len(self.iters)
        if not self.n_iter:
            raise AssertionError(explain("PrefetchingIter needs at least one iterator"))
        self.rename_data, self.rename_label = rename_data, rename_label
        super().__init__(self.provide_data[0][1][0])
        self._threads = ThreadPoolExecutor(self.n_iter, thread_name_prefix="prefetch")
        self._fetch()

    def _fetch(self):
        self._coming = [self._threads.submit(_next_or_none, iterator) for iterator in self.iters]

    def _described(self, what, renamed):
        found = []
        for number, iterator in enumerate(self.iters):
            for one in getattr(iterator, what):
                if renamed is not None:
                    rest = (one.dtype, one.layout) if isinstance(one, DataDesc) else one[2:]
                    one = DataDesc(renamed[number][one[0]], one[1], *rest)
                found.append(one)
        return found

    @property
    def provide_data(self):
        """Descriptions of the data of all iterators."""
        return self._described("provide_data", self.rename_data)

    @property
    def provide_label(self):
        """Descriptions of the labels of all iterators."""
        return self._described("provide_label", self.rename_label)

    def reset(self):
        """Begin anew with all iterators."""
        for future in self._coming:
            future.result()
        for iterator in self.iters:
            iterator.reset()
        self._fetch()

    def iter_next(self):
        """Go to the next batch; whether there is one.

        Raises AssertionError where the iterators do not end together or differ in what fills their batches up.
        """
        batches = [future.result() for future in self._coming]
        ended = [batch is None for batch in batches]
        if all(ended):
            return False
        first = batches[0]
        if any(ended):
            raise AssertionError(explain("Number of entry mismatches between iterators", expected="equal lengths"))
        if any(batch.pad != first.pad for batch in batches):
            given = ", ".join(str(batch.pad) for batch in batches)
            raise AssertionError(explain("The iterators' batches are filled up by different numbers", given=given))
        self.current_batch = DataBatch(
            [value for batch in batches for value in batch.data],
            [value for batch in batches for value in batch.label],
            first.pad,
            first.index,
            provide_data=self.provide_data,
            provide_label=self.provide_label,
        )
        self._fetch()
        return True

    def __del__(self):
        threads = self.__dict__.get("_threads")
        if threads is not None:
            threads.shutdown(wait=False)


class NDArrayIter(DataIter):
    """Batches of rows of arrays in memory.

    data, label: an NDArray, a numpy array, an h5py.Dataset, a list of them or a dict from names to them; batch_size:
    rows to a batch; shuffle: whether the rows come in another order in each epoch, drawn by `numpy.random`;
    last_batch_handle: what happens to rows that do not fill a batch: 'pad' with the first ones, 'discard', or
    'roll_over' into the next epoch; data_name, label_name: of arrays that have no name; layout: for `provide_data`.
    Raises NotImplementedError for a CSRNDArray, unless what does not fill a batch is discarded.
    """

    def __init__(
        self,
        data,
        label=None,
        batch_size=1,
        shuffle=False,
        last_batch_handle="pad",
        data_name="data",
        label_name="softmax_label",
        layout="NCHW",
    ):
        super().__init__(batch_size)
        self.data = _init_data(data, allow_empty=False, default_name=data_name)
        self.label = _init_data(label, allow_empty=True, default_name=label_name)
        if last_batch_handle != "discard" and _has_instance(self.data + self.label, sparse.CSRNDArray):
            raise NotImplementedError(
                explain(
                    "NDArrayIter fills no batches of sparse rows up",
                    expected="last_batch_handle='discard' for a CSRNDArray",
                    given=repr(last_batch_handle),
                )
            )
        self.idx = np.arange(self.data[0][1].shape[0])
        self.shuffle = shuffle
        self.last_batch_handle = last_batch_handle
        self.cursor = -batch_size
        self.num_data = len(self.idx)
        self._cache_data = self._cache_label = None
        self.layout = layout
        self.reset()
        self.num_source = len(self.data_list)

    @property
    def data_list(self):
        """All arrays, data and labels, in their present order."""
        return [value for _, value in (*self.data, *self.label)]

    def _provided(self, sources):
        return [
            DataDesc(name, (self.batch_size, *value.shape[1:]), value.dtype, layout=self.layout)
            for name, value in sources
        ]

    @property
    def provide_data(self):
        """Descriptions of the data of a batch."""
        return self._provided(self.data)

    @property
    def provide_label(self):
        """Descriptions of the labels of a batch."""
        return self._provided(self.label)

    def _shuffle_data(self):
        np.random.shuffle(self.idx)
        self.data = _getdata_by_idx(self.data, self.idx)
        self.label = _getdata_by_idx(self.label, self.idx)

    def hard_reset(self):
        """Begin anew, without what rolled over."""
        if self.shuffle:
            self._shuffle_data()
        self.cursor = -self.batch_size
        self._cache_data = self._cache_label = None

    def reset(self):
        """Begin a new epoch."""
        if self.shuffle:
            self._shuffle_data()
        left = self.num_data - self.cursor
        if self.last_batch_handle == "roll_over" and 0 < left < self.batch_size:
            self.cursor = -left - self.batch_size
        else:
            self.cursor = -self.batch_size

    def iter_next(self):
        """Go to the next batch; whether there are rows for it."""
        self.cursor += self.batch_size
        return self.cursor < self.num_data

    def next(self):
        """The next batch.

        Raises StopIteration at the end, and where the rows that are left do not fill a batch.
        """
        if not self.iter_next():
            raise StopIteration
        data, label = self.getdata(), self.getlabel()
        if data[0].shape[0] != self.batch_size:
            self._cache_data, self._cache_label = data, label
            raise StopIteration
        if self.cursor < 0:
            self._cache_data = self._cache_label = None
        return DataBatch(data, label, self.getpad(), None)

    def _batch(self, sources, kept):
        """The arrays of this batch; kept: what rolled over from the last epoch."""
        if self.cursor >= self.num_data:
            raise AssertionError(explain("DataIter needs reset.", hint="Its last batch is over."))
        start, stop = self.cursor, self.cursor + self.batch_size
        if self.last_batch_handle == "roll_over" and -self.batch_size < start < 0:
            if kept is None:
                raise AssertionError(
                    explain("Nothing rolled over from the last epoch", hint="hard_reset() begins without it.")
                )
            new = [_rows(value, 0, stop) for _, value in sources]
            return [_joined(pair) for pair in zip(kept, new)]
        if self.last_batch_handle != "pad" or stop <= self.num_data:
            return [_rows(value, start, min(stop, self.num_data)) for _, value in sources]
        again, rest = divmod(stop - self.num_data, self.num_data)
        pieces = [(start, self.num_data), *[(0, self.num_data)] * again, *[(0, rest)] * bool(rest)]
        return [_joined([_rows(value, *piece) for piece in pieces]) for _, value in sources]

    def getdata(self):
        """The data of this batch.

        Raises AssertionError beyond the last one.
        """
        return self._batch(self.data, self._cache_data)

    def getlabel(self):
        """The labels of this batch.

        Raises AssertionError beyond the last one.
        """
        return self._batch(self.label, self._cache_label)

    def getpad(self):
        """How many rows of this batch are another epoch's: the first ones again, or what rolled over."""
        if self.last_batch_handle == "pad":
            return max(self.cursor + self.batch_size - self.num_data, 0)
        if self.last_batch_handle == "roll_over" and -self.batch_size < self.cursor < 0:
            return -self.cursor
        return 0
