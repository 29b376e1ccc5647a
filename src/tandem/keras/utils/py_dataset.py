"""`PyDataset`: batches by number, made by threads or processes ahead of time."""

import warnings

from tandem.engine import readers


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


def is_read_ahead(dataset):
    """Whether a dataset asks for threads or processes of its own."""
    workers = getattr(dataset, "workers", 1) or 0
    return workers > 1 or (workers > 0 and bool(getattr(dataset, "use_multiprocessing", False)))


class _Get:
    """Makes a batch where it is read: of a pair of its place in the pass and its number."""

    def __init__(self, dataset, change):
        self.dataset, self.change = dataset, change

    def __call__(self, item):
        _, index = item
        batch = self.dataset[index]
        return batch if self.change is None else self.change(batch)


def batches(dataset, order, change=None):
    """The batches of a `PyDataset` in an order of numbers (any iterable), made ahead where the dataset asks for it.

    change: a function of a batch that shall run where it is made, in the thread or process.
    """
    get, items = _Get(dataset, change), enumerate(order)
    if not is_read_ahead(dataset):
        return map(get, items)
    workers = dataset.workers
    ahead = max(getattr(dataset, "max_queue_size", 10), workers, 1)
    if not dataset.use_multiprocessing:
        return readers.in_threads(get, items, workers, ahead)
    # Anew for each pass, as in Keras: what `on_epoch_end` did to the dataset must reach the processes.
    hint = "With use_multiprocessing=False and workers=1"
    return readers.Crew(get, workers, ahead, name=f"the {type(dataset).__name__}", hint=hint).read(items)
