"""Keras 2's `keras.utils.data_utils`: batches that are made ahead, by threads or processes, into a queue."""

import itertools
import queue
import random
import threading
from concurrent import futures

import numpy as np

from tandem.core.errors import Unsupported, explain

# What the workers read from, by an enqueuer's number. Processes have a copy of their own.
_SHARED = {}
_NUMBERS = itertools.count()
_LOCK = threading.Lock()


def init_pool(seqs):
    """Let `get_index` find the sequences {number: sequence}; processes call it when they begin."""
    _SHARED.update(seqs)


def init_pool_generator(gens, random_seed=None):
    """Let `next_sample` find the generators {number: generator}, and seed NumPy."""
    _SHARED.update(gens)
    if random_seed is not None:
        np.random.seed(random_seed)


def get_index(uid, i):
    """Batch i of the sequence with number `uid`."""
    return _SHARED[uid][i]


def next_sample(uid):
    """The next batch of the generator with number `uid`; one thread at a time may ask a generator."""
    with _LOCK:
        return next(_SHARED[uid])


class TimedThread:
    """A thread that calls `on_interval`, which a subclass gives, every `interval` seconds until it is stopped.

    kwargs: of `threading.Thread`.
    """

    def __init__(self, interval, **kwargs):
        self.interval = interval
        self.daemon = kwargs.pop("daemon", False)
        self._kwargs = kwargs
        self._thread, self._end = None, None

    def _run(self, end):
        while not end.wait(self.interval):
            self.on_interval()

    def start(self):
        """Begin, unless it runs already."""
        if self.is_alive():
            return
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._end,), daemon=self.daemon, **self._kwargs)
        self._thread.start()

    def stop(self):
        """Let the thread end."""
        if self._end is not None:
            self._end.set()

    def is_alive(self):
        """Whether it runs and was not told to end."""
        return self._thread is not None and self._thread.is_alive() and not self._end.is_set()

    def on_interval(self):
        """What is to be done. A subclass gives it."""
        raise NotImplementedError(f"{type(self).__name__} has no `on_interval`.")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stop()


class SequenceEnqueuer:
    """The base: `start` begins to make batches, `get` gives them, `stop` ends it.

    sequence: where batches come from; use_multiprocessing: by processes, not threads.

    >>> enqueuer = OrderedEnqueuer(sequence)
    >>> enqueuer.start(workers=4, max_queue_size=10)
    >>> batches = enqueuer.get()
    >>> x, y = next(batches)
    >>> enqueuer.stop()
    """

    def __init__(self, sequence, use_multiprocessing=False):
        self.sequence = sequence
        self.use_multiprocessing = use_multiprocessing
        self.uid = next(_NUMBERS)
        self.workers = 0
        self.queue = self.run_thread = self.stop_signal = None

    def is_running(self):
        """Whether batches are being made."""
        return self.stop_signal is not None and not self.stop_signal.is_set()

    def start(self, workers=1, max_queue_size=10):
        """Begin, with so many workers, to fill a queue of so many batches."""
        self.workers = max(1, workers)
        self.queue = queue.Queue(max_queue_size)
        self.stop_signal = threading.Event()
        _SHARED[self.uid] = self.sequence
        self.run_thread = threading.Thread(target=self._run, daemon=True)
        self.run_thread.start()

    def stop(self, timeout=None):
        """End; wait for the workers at most `timeout` seconds."""
        self.stop_signal.set()
        self.run_thread.join(timeout)
        _SHARED.pop(self.uid, None)

    def _pool(self):
        if not self.use_multiprocessing:
            return futures.ThreadPoolExecutor(self.workers)
        return futures.ProcessPoolExecutor(self.workers, initializer=init_pool, initargs=({self.uid: self.sequence},))

    def _put(self, future):
        """Queue a batch in the making; False where it is over."""
        while self.is_running():
            try:
                self.queue.put(future, timeout=0.1)
            except queue.Full:
                continue
            return True
        future.cancel()
        return False

    def _run(self):
        raise NotImplementedError(f"{type(self).__name__} does not say what is queued.")

    def get(self):
        """The batches, one after the other, as long as it runs."""
        while self.is_running():
            try:
                future = self.queue.get(timeout=0.1)
            except queue.Empty:
                continue
            try:
                batch = future.result()
            except StopIteration:
                self.stop()
                return
            except Exception:
                self.stop()
                raise
            finally:
                self.queue.task_done()
            if batch is not None:
                yield batch


class OrderedEnqueuer(SequenceEnqueuer):
    """The batches of a `Sequence` in their order, epoch after epoch; `on_epoch_end` is called between epochs.

    sequence: a `Sequence`; use_multiprocessing: by processes, not threads; shuffle: the batches in another order each
    epoch.
    """

    def __init__(self, sequence, use_multiprocessing=False, shuffle=False):
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle
        self.end_of_epoch_signal = threading.Event()

    def _run(self):
        order = list(range(len(self.sequence)))
        while self.is_running():
            if self.shuffle:
                random.shuffle(order)
            # Processes begin anew with each epoch: `on_epoch_end` may have changed the sequence.
            with self._pool() as pool:
                for number in order:
                    if not self._put(pool.submit(get_index, self.uid, number)):
                        return
                while self.queue.unfinished_tasks and self.is_running():
                    self.stop_signal.wait(0.01)
            if not self.is_running():
                return
            self.sequence.on_epoch_end()
            self.end_of_epoch_signal.set()

    def join_end_of_epoch(self):
        """Wait until an epoch's batches were all taken."""
        self.end_of_epoch_signal.wait()
        self.end_of_epoch_signal.clear()


class GeneratorEnqueuer(SequenceEnqueuer):
    """The batches of a generator, until it ends.

    random_seed: of NumPy, before the first batch. Raises Unsupported for `use_multiprocessing=True`: a generator cannot
    be given to another process.
    """

    def __init__(self, generator, use_multiprocessing=False, random_seed=None):
        if use_multiprocessing:
            raise Unsupported(
                explain(
                    "A generator cannot be given to other processes",
                    expected="use_multiprocessing=False, or a `keras.utils.Sequence`",
                    given="use_multiprocessing=True",
                )
            )
        super().__init__(generator)
        self.random_seed = random_seed

    def _run(self):
        init_pool_generator({self.uid: self.sequence}, self.random_seed)
        with self._pool() as pool:
            while self._put(pool.submit(next_sample, self.uid)):
                pass
