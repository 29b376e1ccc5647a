"""`PyDataset`: batches by number, made by threads or processes ahead of time."""

import warnings
from collections import deque


class PyDataset:
    """Data that comes in batches by number: a subclass defines `__getitem__(index)` and `__len__`.

    A batch is (inputs, targets) or (inputs, targets, sample weights). workers, use_multiprocessing: with more than one
    worker, or one process, batches are made ahead of time in threads or processes; max_queue_size: how many.
    """

    def __init__(self, workers=1, use_multiprocessing=False, max_queue_size=10):
        self._workers = workers
        self._use_multiprocessing = use_multiprocessing
        self._max_queue_size = max_queue_size

    def _setting(self, name, default):
        if name not in self.__dict__:
            warnings.warn(
                "Your `PyDataset` class should call `super().__init__(**kwargs)` in its constructor. `**kwargs` can "
                "include `workers`, `use_multiprocessing`, `max_queue_size`.",
                stacklevel=4,
            )
            for key, value in (("_workers", 1), ("_use_multiprocessing", False), ("_max_queue_size", 10)):
                self.__dict__.setdefault(key, value)
        return self.__dict__.get(name, default)

    @property
    def workers(self):
        """How many threads or processes make batches."""
        return self._setting("_workers", 1)

    @workers.setter
    def workers(self, value):
        self._workers = value

    @property
    def use_multiprocessing(self):
        """Whether processes make batches, not threads."""
        return self._setting("_use_multiprocessing", False)

    @use_multiprocessing.setter
    def use_multiprocessing(self, value):
        self._use_multiprocessing = value

    @property
    def max_queue_size(self):
        """How many batches are made ahead of time."""
        return self._setting("_max_queue_size", 10)

    @max_queue_size.setter
    def max_queue_size(self, value):
        self._max_queue_size = value

    def __getitem__(self, index):
        """Batch number `index`."""
        raise NotImplementedError(f"{type(self).__name__} must define `__getitem__`.")

    @property
    def num_batches(self):
        """The number of batches, or None where they do not end."""
        try:
            return len(self)
        except (TypeError, NotImplementedError):
            return None

    def __len__(self):
        raise NotImplementedError(f"{type(self).__name__} must define `__len__` or `num_batches`.")

    def on_epoch_begin(self):
        """Before each epoch."""

    def on_epoch_end(self):
        """After each epoch: a place to shuffle."""


Sequence = PyDataset


def batches(dataset, order):
    """The batches of a `PyDataset` in an order of numbers (any iterable), made ahead where the dataset asks for it."""
    workers = getattr(dataset, "workers", 1) or 0
    processes = getattr(dataset, "use_multiprocessing", False)
    if workers > 1 or (workers > 0 and processes):
        yield from _ahead(dataset, order, workers, processes, max(getattr(dataset, "max_queue_size", 10), 1))
    else:
        for index in order:
            yield dataset[index]


def _ahead(dataset, order, workers, processes, queue_size):
    pool = _process_pool(dataset, workers) if processes else _thread_pool(workers)
    get = _get_in_worker if processes else dataset.__getitem__
    waiting = deque()
    numbers = iter(order)
    try:
        while True:
            while len(waiting) < max(queue_size, workers):
                index = next(numbers, None)
                if index is None:
                    break
                waiting.append(pool.submit(get, index))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=True, cancel_futures=True)


def _thread_pool(workers):
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(workers)


def _process_pool(dataset, workers):
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(workers, initializer=_keep_in_worker, initargs=(dataset,))


_in_worker = None


def _keep_in_worker(dataset):
    global _in_worker
    _in_worker = dataset


def _get_in_worker(index):
    return _in_worker[index]
