"""`DataLoader`: batches of a data set, read by this process, by threads or by worker processes."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet.gluon.data.dataset import ArrayDataset
from tandem.mxnet.gluon.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from tandem.mxnet.ndarray.creation import array
from tandem.mxnet.ndarray.ndarray import NDArray


def default_batchify_fn(data):
    """A list of samples as one batch: NDArrays stacked, tuples element by element, numbers as an array of their dtype."""
    if isinstance(data[0], NDArray):
        kind = type(data[0])
        return kind._wrap(torch.stack([item._tensor for item in data]), data[0].context)
    if isinstance(data[0], tuple):
        return [default_batchify_fn(list(column)) for column in zip(*data, strict=True)]
    data = np.asarray(data)
    return array(data, dtype=data.dtype)


default_mp_batchify_fn = default_batchify_fn


class _Batches:
    """What worker processes run: index lists in, batches of plain tensors out (shared memory carries those)."""

    def __init__(self, dataset, batchify_fn):
        self.dataset = dataset
        self.batchify_fn = batchify_fn

    def __call__(self, indices):
        return _gather(self.dataset, self.batchify_fn, indices)


class _Rows(torch.utils.data.Dataset):
    """The batches as a torch data set of which one "sample" is a whole batch."""

    def __init__(self, batches):
        self.batches = batches

    def __getitem__(self, indices):
        return _to_tensors(self.batches(indices))


def _gather(dataset, batchify_fn, indices):
    """One batch. Arrays that are read as they are come at once, without a Python loop over samples."""
    if batchify_fn is default_batchify_fn and type(dataset) is ArrayDataset:
        columns = dataset.batch(indices)
        if columns is not None:
            made = [c if isinstance(c, NDArray) else array(c, dtype=c.dtype) for c in columns]
            return made if len(made) > 1 else made[0]
    return batchify_fn([dataset[i] for i in indices])


def _to_tensors(tree):
    """NDArrays as marked tensors: a worker process hands over tensors through shared memory, arrays by pickling."""
    if isinstance(tree, NDArray):
        return _Sent(type(tree), tree._tensor.detach(), tree.context)
    if isinstance(tree, (list, tuple)):
        return type(tree)(_to_tensors(item) for item in tree)
    if isinstance(tree, dict):
        return {key: _to_tensors(item) for key, item in tree.items()}
    return tree


class _Sent:
    def __init__(self, kind, tensor, ctx):
        self.kind, self.tensor, self.ctx = kind, tensor, ctx


def _from_tensors(tree):
    if isinstance(tree, _Sent):
        return tree.kind._wrap(tree.tensor, tree.ctx)
    if isinstance(tree, (list, tuple)):
        return type(tree)(_from_tensors(item) for item in tree)
    if isinstance(tree, dict):
        return {key: _from_tensors(item) for key, item in tree.items()}
    return tree


def _as_given(batch):
    """The collate function of torch's loader: a batch comes whole already."""
    return batch


class DataLoader:
    """Batches of a data set, in order or shuffled.

    batch_size, shuffle, sampler, last_batch ("keep", "discard" or "rollover"), batch_sampler: which samples make a
    batch; batchify_fn: makes one of a list of samples; num_workers: how many processes read (threads, with
    `thread_pool`), `prefetch` batches ahead; timeout: seconds to wait for a batch; pin_memory: page-locked memory, where
    there is a GPU; auto_reload: begin to read the next pass at once. Raises ValueError for settings that exclude each
    other.
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
            raise ValueError(explain("Bad timeout", expected="a positive number of seconds", given=timeout))
        self._dataset = dataset
        self._batch_sampler = self._batches(dataset, batch_size, shuffle, sampler, last_batch, batch_sampler)
        self._batchify_fn = batchify_fn or default_batchify_fn
        self._num_workers = max(0, num_workers)
        self._prefetch = max(0, 2 * self._num_workers if prefetch is None else int(prefetch))
        self._thread_pool = thread_pool
        self._timeout = timeout
        self._pin = pin_memory and contexts.num_gpus() > pin_device_id
        self._ahead = None
        self._auto_reload = auto_reload
        if auto_reload and self._num_workers:
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
        ahead, self._ahead = self._ahead, None
        batches = ahead if ahead is not None else self._read()
        for batch in batches:
            yield self._pinned(batch) if self._pin else batch
        if self._auto_reload and self._num_workers:
            self.refresh()

    def refresh(self):
        """Begin to read the next pass now."""
        self._ahead = self._read()

    def clean(self):
        """Forget what was read ahead."""
        self._ahead = None

    def _read(self):
        batches = _Batches(self._dataset, self._batchify_fn)
        if self._num_workers == 0:
            return map(batches, self._batch_sampler)
        if self._thread_pool:
            return self._read_in_threads(batches)
        return self._read_in_processes(batches)

    def _read_in_threads(self, batches):
        with ThreadPoolExecutor(self._num_workers) as pool:
            waiting = []
            for indices in self._batch_sampler:
                waiting.append(pool.submit(batches, indices))
                if len(waiting) > max(self._prefetch, self._num_workers):
                    yield waiting.pop(0).result(self._timeout)
            for future in waiting:
                yield future.result(self._timeout)

    def _read_in_processes(self, batches):
        with warnings.catch_warnings():
            # How many workers there are is the user's to say.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            loader = torch.utils.data.DataLoader(
                _Rows(batches),
                sampler=self._batch_sampler,
                batch_size=None,
                num_workers=self._num_workers,
                prefetch_factor=max(1, -(-self._prefetch // self._num_workers)),
                collate_fn=_as_given,
                timeout=self._timeout,
                worker_init_fn=_seed_numpy,
            )
            iterator = iter(loader)
        for batch in iterator:
            yield _from_tensors(batch)

    def _pinned(self, batch):
        def pin(tree):
            if isinstance(tree, NDArray):
                return type(tree)._wrap(tree._tensor.pin_memory(), contexts.cpu_pinned(0))
            return type(tree)(pin(item) for item in tree) if isinstance(tree, (list, tuple)) else tree

        return pin(batch)


def _seed_numpy(worker):
    """Random transformations in different workers must not be the same: NumPy's state is copied into each."""
    np.random.seed(torch.initial_seed() % 2**32)
