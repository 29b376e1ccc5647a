"""`DataLoader`: batches of a data set, read by this process, by threads or by worker processes."""

import functools

import numpy as np
import torch

from tandem.core import arrays
from tandem.core.errors import explain
from tandem.engine import readers
from tandem.mxnet import context as contexts
from tandem.mxnet.base import MXNetError
from tandem.mxnet.gluon.data import workers

# What loaders of other packages are made of.
from tandem.mxnet.gluon.data.pools import (  # noqa: F401
    ForkingPickler,
    _as_in_context,
    _MultiWorkerIter,
    _thread_worker_fn,
    _thread_worker_initializer,
    _worker_fn,
    _worker_initializer,
)
from tandem.mxnet.gluon.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from tandem.mxnet.gluon.weights import array_class
from tandem.mxnet.ndarray.creation import array
from tandem.mxnet.ndarray.ndarray import NDArray

__all__ = ["DataLoader", "default_batchify_fn", "default_mp_batchify_fn"]


def default_batchify_fn(data):
    """A list of samples as one batch: NDArrays stacked, tuples element by element, numbers as an array of their dtype.

    Raises MXNetError for NDArrays of different shapes, TypeError for what is no array of numbers.
    """
    if isinstance(data[0], NDArray):
        kind = type(data[0])
        try:
            return kind._wrap(torch.stack([item._tensor for item in data]), data[0]._ctx)
        except (RuntimeError, AttributeError) as error:
            raise MXNetError(_unequal(data)) from error
    if isinstance(data[0], tuple):
        return [default_batchify_fn(list(column)) for column in zip(*data, strict=True)]
    try:
        values = np.asarray(data)
    except ValueError as error:
        raise TypeError(_unequal(data)) from error
    if values.dtype.kind not in "biuf":
        raise TypeError(_unequal(data))
    return _as_array(values)


# In MXNet it puts the batch into shared memory; here the way from a worker process to this one does.
default_mp_batchify_fn = default_batchify_fn


def _unequal(data):
    kinds = {
        f"{type(item).__name__} {tuple(np.shape(item))}" if np.shape(item) else type(item).__name__ for item in data
    }
    return explain(
        "These samples do not make a batch",
        expected="arrays of one shape, numbers, or tuples of those",
        given=", ".join(sorted(kinds)[:5]),
        hint="batchify_fn= takes a function that makes a batch of a list of samples.",
    )


def _as_array(values):
    made = array(values, dtype=values.dtype)
    kind = array_class()
    return made if type(made) is kind else kind._wrap(made._tensor, made._ctx)


class _Batches:
    """Index lists in, batches out."""

    def __init__(self, dataset, batchify_fn):
        self.dataset = dataset
        self.batchify_fn = batchify_fn

    def __call__(self, indices):
        indices = list(indices)
        if self.batchify_fn is default_batchify_fn:
            columns = self._columns_at(indices)
            if columns is not None:
                made = [column if isinstance(column, NDArray) else _as_array(column) for column in columns]
                return made if isinstance(columns, list) else made[0]
        return self.batchify_fn([self.dataset[i] for i in indices])

    def _columns_at(self, indices):
        """The elements of all samples at once, without a Python loop over them, where the data set can; else None."""
        if isinstance(self.dataset, (np.ndarray, NDArray)):
            # An element of an NDArray with one axis is an array too, of one number.
            return (self.dataset[np.asarray(indices)],) if self.dataset.ndim > 1 else None
        find = getattr(self.dataset, "_columns_at", None)
        return None if find is None else find(indices)


class DataLoader:
    """Batches of a data set, in order or shuffled.

    dataset: anything with a length and indices; batch_size, shuffle, sampler, last_batch ("keep", "discard" or
    "rollover"), batch_sampler: which samples make a batch; batchify_fn: makes one of a list of samples; num_workers:
    how many processes read (threads, with `thread_pool`), `prefetch` batches ahead; timeout: seconds to wait for a
    batch; pin_memory: page-locked memory, where there is a GPU `pin_device_id`; auto_reload: begin to read the next
    pass when one ends. Raises ValueError for settings that exclude each other; what a data set raises in a worker
    reaches the loop with its type, and the worker's traceback as its cause.
    """

    def __init__(
        self,
        dataset,
        batch_size=None,
        shuffle=False,
        sampler=None,
        last_batch=None,
        batch_sampler=None,
        batchify_fn=None,
        num_workers=0,
        pin_memory=False,
        pin_device_id=0,
        prefetch=None,
        thread_pool=False,
        timeout=120,
        auto_reload=False,
    ):
        if timeout <= 0:
            raise AssertionError(explain("timeout must be positive", expected="seconds", given=timeout))
        self._dataset = dataset
        self._batch_sampler = self._batches(dataset, batch_size, shuffle, sampler, last_batch, batch_sampler)
        self._batchify_fn = default_batchify_fn if batchify_fn is None else batchify_fn
        self._num_workers = max(0, num_workers)
        self._prefetch = max(0, 2 * self._num_workers if prefetch is None else int(prefetch))
        self._thread_pool = thread_pool
        self._timeout = timeout
        self._pin = pin_memory and contexts.num_gpus() > pin_device_id
        self._crew = None
        self._ahead = None
        self._auto_reload = auto_reload
        if auto_reload:
            self.refresh()

    @staticmethod
    def _batches(dataset, batch_size, shuffle, sampler, last_batch, batch_sampler):
        if batch_sampler is not None:
            if batch_size is not None or shuffle or sampler is not None or last_batch is not None:
                raise ValueError(
                    "batch_size, shuffle, sampler and last_batch must not be specified if batch_sampler is specified."
                )
            return batch_sampler
        if batch_size is None:
            raise ValueError("batch_size must be specified unless batch_sampler is specified")
        if sampler is None:
            sampler = RandomSampler(len(dataset)) if shuffle else SequentialSampler(len(dataset))
        elif shuffle:
            raise ValueError("shuffle must not be specified if sampler is specified")
        return BatchSampler(sampler, batch_size, last_batch or "keep")

    def __len__(self):
        return len(self._batch_sampler)

    def __iter__(self):
        batches, self._ahead = self._ahead, None
        for batch in self._read() if batches is None else batches:
            yield self._pinned(batch) if self._pin else batch
        if self._auto_reload:
            self.refresh()

    def refresh(self):
        """Begin to read the next pass now."""
        self._ahead = self._read()

    def clean(self):
        """Forget what was read ahead."""
        self._ahead = None

    def __getstate__(self):
        return {**self.__dict__, "_crew": None, "_ahead": None}

    def _read(self):
        batches = _Batches(self._dataset, self._batchify_fn)
        if self._num_workers == 0:
            return map(batches, self._batch_sampler)
        if self._thread_pool:
            return self._read_in_threads(batches)
        if self._crew is None:
            self._crew = workers.crew(batches, self._num_workers, self._prefetch, self._timeout)
        return self._crew.read(self._batch_sampler)

    def _read_in_threads(self, batches):
        late = functools.partial(readers.late, workers.NAME, self._timeout, self._num_workers, workers.HINT)
        return readers.in_threads(
            batches,
            self._batch_sampler,
            self._num_workers,
            self._prefetch,
            timeout=self._timeout,
            enter=workers.Enter(False),
            late=late,
        )

    @staticmethod
    def _pinned(batch):
        def pin(leaf):
            if isinstance(leaf, NDArray):
                return type(leaf)._wrap(leaf._tensor.pin_memory(), contexts.cpu_pinned(0))
            return leaf

        return arrays.map_tree(pin, batch)
