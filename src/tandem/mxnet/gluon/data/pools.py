"""Batches made in a pool of `multiprocessing`, for loaders that users derive from MXNet's inner parts.

`DataLoader` itself reads with the engine's workers; GluonCV and GluonNLP build loaders of `_MultiWorkerIter`, a pool of
their own and a worker function that answers a pickled batch.
"""

import io
import pickle
from multiprocessing.reduction import ForkingPickler

from tandem.mxnet import context as contexts
from tandem.mxnet import util
from tandem.mxnet.ndarray.ndarray import NDArray

# The data set of a worker process, which got it once when it began.
_worker_dataset = None


def _worker_initializer(dataset, active_shape, active_array):
    """Keep the data set, and begin with the switches of the process that reads."""
    global _worker_dataset
    _worker_dataset = dataset
    util.set_np(shape=active_shape, array=active_array)


def _worker_fn(samples, batchify_fn, dataset=None):
    """The batch of some samples, pickled."""
    del dataset  # threads have one; a process has its own
    buffer = io.BytesIO()
    ForkingPickler(buffer, pickle.HIGHEST_PROTOCOL).dump(batchify_fn([_worker_dataset[index] for index in samples]))
    return buffer.getvalue()


def _thread_worker_initializer(active_shape, active_array):
    """Begin a thread with the switches of the one that reads."""
    util.set_np(shape=active_shape, array=active_array)


def _thread_worker_fn(samples, batchify_fn, dataset):
    """The batch of some samples."""
    return batchify_fn([dataset[index] for index in samples])


def _as_in_context(data, ctx):
    """A batch, or each array of a nested one, on a context."""
    if isinstance(data, NDArray):
        return data.as_in_context(ctx)
    return [_as_in_context(one, ctx) for one in data] if isinstance(data, (list, tuple)) else data


class _MultiWorkerIter:
    """Batches that the workers of a pool make, in order, `prefetch` of them ahead.

    worker_pool: has `apply_async`; worker_fn: gets a list of indices, batchify_fn and the data set, and answers the
    batch, pickled where the pool's workers are processes.
    """

    def __init__(
        self,
        worker_pool,
        batchify_fn,
        batch_sampler,
        pin_memory=False,
        pin_device_id=0,
        worker_fn=_worker_fn,
        prefetch=0,
        dataset=None,
        data_loader=None,
        timeout=120,
    ):
        self._worker_pool = worker_pool
        self._batchify_fn = batchify_fn
        self._batch_sampler = batch_sampler
        self._data_buffer = {}
        self._rcvd_idx = 0
        self._sent_idx = 0
        self._iter = iter(batch_sampler)
        self._worker_fn = worker_fn
        self._pin_memory = pin_memory
        self._pin_device_id = pin_device_id
        self._dataset = dataset
        self._data_loader = data_loader
        self._timeout = timeout
        for _ in range(prefetch):
            self._push_next()

    def __len__(self):
        return len(self._batch_sampler)

    def __iter__(self):
        return self

    def _push_next(self):
        """Ask the pool for the next batch."""
        samples = next(self._iter, None)
        if samples is not None:
            answer = self._worker_pool.apply_async(self._worker_fn, (samples, self._batchify_fn, self._dataset))
            self._data_buffer[self._sent_idx] = answer
            self._sent_idx += 1

    def __next__(self):
        self._push_next()
        if self._rcvd_idx == self._sent_idx:
            raise StopIteration
        batch = self._data_buffer.pop(self._rcvd_idx).get(self._timeout)
        self._rcvd_idx += 1
        if self._dataset is None:
            batch = pickle.loads(batch)
        return _as_in_context(batch, contexts.cpu_pinned(self._pin_device_id)) if self._pin_memory else batch

    next = __next__
