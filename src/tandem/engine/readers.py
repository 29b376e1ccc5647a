"""Readers beside the loop: worker processes (torch's, which watch over each other), threads, and one thread that reads
an iterator ahead where that pays.

Whatever reads, the results come in order; what it raises is raised in the loop, with the reader's traceback; a process
that ends too soon is told of within seconds; and when the loop ends, also in the middle of a pass, the readers end.
"""

import atexit
import contextvars
import ctypes
import multiprocessing
import pickle
import signal
import statistics
import sys
import threading
import time
import traceback
import warnings
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime

import torch

from tandem.core import scope
from tandem.core.errors import explain
from tandem.engine import shared_batches

# Seconds after which a batch that has not come makes one look whether the workers still live.
_LOOK = 2.0
# Parameters of glibc's mallopt.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


# --- processes -------------------------------------------------------------------------------------------------------


class _Failed:
    """An exception on its way, with the traceback as text."""

    def __init__(self, error):
        self.trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.name, self.text = type(error).__name__, str(error)
        try:
            self.pickled = pickle.dumps(error)
            pickle.loads(self.pickled)
        except Exception:
            self.pickled = None  # an exception that does not survive the way is told by its name

    def error(self):
        from multiprocessing.pool import RemoteTraceback

        try:
            error = pickle.loads(self.pickled) if self.pickled else None
        except Exception:
            error = None
        if not isinstance(error, BaseException):
            error = RuntimeError(f"{self.name}: {self.text}")
        error.__cause__ = RemoteTraceback(f'\n"""\n{self.trace}"""')
        return error


class _Items:
    """The sampler of torch's loader: what a pass shall read, with the number of the pass."""

    def __init__(self):
        self.items, self.number = (), 0

    def __iter__(self):
        self.number += 1
        number = self.number
        return ((number, item) for item in self.items)


class _Whole(torch.utils.data.Dataset):
    """A data set for torch's loader of which one "sample" is a whole batch, packed into shared memory."""

    def __init__(self, get, board, unwrap):
        self.get, self.board, self.unwrap = get, board, unwrap
        self.outbox = None

    def __getitem__(self, numbered):
        number, item = numbered
        if self.outbox is None:
            worker = torch.utils.data.get_worker_info().id
            self.outbox = shared_batches.Outbox(worker, self.board[worker], self.unwrap)
            shared_batches.use(self.outbox)
        try:
            self.outbox.begin(number)
            return self.outbox.pack(self.get(item))
        except Exception as error:
            return _Failed(error)


def _as_it_comes(batch):
    """The collate function of torch's loader: a batch comes whole already."""
    return batch


class _Enter:
    """What a worker process does first."""

    def __init__(self, enter):
        self.enter = enter

    def __call__(self, number):
        _keep_memory()
        # A worker forked inside a scope of the loop (recording, training) is not inside it.
        scope.set_recording(False)
        scope.set_training(False)
        if self.enter is not None:
            self.enter(number)


def _keep_memory():
    """Let the allocator keep what a batch took for the next one: new pages from the system cost more than the work."""
    allocator = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if allocator is not None:
        allocator(_MMAP_THRESHOLD, 1 << 25)
        allocator(_TRIM_THRESHOLD, 1 << 28)


class Crew:
    """Worker processes that call `get(item)`, kept from pass to pass.

    get: gives a batch, a tree; count: how many processes; ahead: how many batches are read before they are asked for;
    timeout: seconds to wait for a batch, None for ever; enter: called with its number in each process first; unwrap,
    wrap: see `shared_batches`; lost: what is raised where a process ends too soon; name, hint: for that message and
    that of a batch which does not come in time.
    """

    def __init__(
        self, get, count, ahead, *, timeout=None, enter=None, unwrap=None, wrap=None, lost=RuntimeError, name, hint
    ):
        self._get, self._count = get, count
        self._ahead = max(1, -(-ahead // count))
        self._timeout = timeout
        self._enter, self._unwrap, self._wrap = enter, unwrap, wrap
        self._lost_error, self._name, self._hint = lost, name, hint
        self._idle = None
        # Torch's loaders in use. They must never be part of garbage that Python collects at once: of a queue that goes
        # together with its loader the workers do not hear that they shall end, and are waited for.
        self._hired = []
        weakref.finalize(self, self._hired.clear).atexit = False

    def read(self, items):
        """Begin a pass; its batches, one by one. A second pass at the same time gets workers of its own."""
        hired, self._idle = self._idle, None
        if hired is None:
            hired = self._hire()
        loader, _, waiting = hired
        waiting.items = items
        with warnings.catch_warnings():
            # How many workers there are is the user's to say.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            # Python 3.12 warns of forking beside threads. Those here compute for torch; workers do not use them.
            warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
            iterator = iter(loader)
        return self._receive(hired, iterator)

    def _hire(self):
        board, items = shared_batches.board(self._count, self._ahead), _Items()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            loader = torch.utils.data.DataLoader(
                _Whole(self._get, board, self._unwrap),
                sampler=items,
                batch_size=None,
                num_workers=self._count,
                prefetch_factor=self._ahead,
                collate_fn=_as_it_comes,
                timeout=_LOOK if self._timeout is None else min(self._timeout, _LOOK),
                worker_init_fn=_Enter(self._enter),
                persistent_workers=True,
            )
        hired = loader, shared_batches.Inbox(board, self._wrap), items
        self._hired.append(hired)
        return hired

    def _receive(self, hired, iterator):
        inbox = hired[1]
        try:
            while True:
                try:
                    packed = self._next(iterator)
                except StopIteration:
                    break
                except BaseException:
                    self._hired.remove(hired)
                    hired = None
                    raise
                if isinstance(packed, _Failed):
                    raise packed.error()
                yield inbox.unpack(packed)
        finally:
            # Also where the loop was left or the data set failed: the workers are as good as before.
            if hired is not None and self._idle is None:
                self._idle = hired
            elif hired is not None:
                self._hired.remove(hired)

    def _next(self, iterator):
        """The next batch of torch's iterator, with an error of the front end's where there is none in time."""
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            try:
                return next(iterator)
            except (RuntimeError, OSError, EOFError) as error:
                if "timed out" not in str(error):
                    # From a process that has ended nothing can be fetched any more: that is an OSError.
                    found = self._lost(error, iterator)
                    raise found from (None if found is error else error)
                if deadline is None or time.monotonic() < deadline:
                    continue
                raise late(self._name, self._timeout, self._count, self._hint) from None

    def _lost(self, error, iterator):
        ends = [_end(process) for process in getattr(iterator, "_workers", ())]
        if isinstance(error, OSError) and not any(ends):
            return error
        return self._lost_error(
            explain(
                f"A worker process of {self._name} ended before its work was done",
                given="; ".join(filter(None, ends)) or error,
                hint=f"{self._hint} the data set runs in this process, where the reason shows.",
            )
        )


def late(name, timeout, count, hint):
    """The exception for a batch that has not come in time."""
    return multiprocessing.TimeoutError(
        explain(
            f"{name} has waited {timeout} s for a batch",
            given=f"{count} workers",
            hint=f"timeout= allows more. {hint} one sees what takes so long.",
        )
    )


def _end(process):
    """How a worker process ended, None while it runs."""
    process.join(0.2)
    code = process.exitcode
    if not code:
        return None
    if code > 0:
        return f"process {process.pid} with exit status {code}"
    killed = f"process {process.pid} by {signal.Signals(-code).name}"
    return killed + (" (the system does so where memory runs out)" if -code == signal.SIGKILL else "")


# --- threads ---------------------------------------------------------------------------------------------------------


def in_threads(get, items, count, ahead, *, timeout=None, enter=None, late=None):
    """`get(item)` for all items, in order, by `count` threads that are up to `ahead` results ahead.

    The first items are read at once, before anything is asked for. enter: called first in each thread; late: makes the
    exception for a result that has not come after `timeout` seconds.
    """
    pool = ThreadPoolExecutor(count, "reader", enter)
    waiting, items = deque(), iter(items)

    def submit():
        for item in items:
            waiting.append(pool.submit(get, item))
            return

    for _ in range(max(ahead, 1)):
        submit()

    def receive():
        wait = True
        try:
            while waiting:
                try:
                    result = waiting[0].result(timeout)
                except NotInTime:
                    if waiting[0].done():
                        raise  # by the reader itself
                    wait = False
                    raise late() from None
                waiting.popleft()
                submit()
                yield result
        finally:
            pool.shutdown(wait=wait, cancel_futures=True)

    return receive()


# --- one iterator, ahead ---------------------------------------------------------------------------------------------

# A read that takes less than so many seconds is done where it is asked for: to hand it over costs a part of that.
_WORTH = 5e-4
# How many reads are looked at before one decides, and how many with the thread before one decides again.
_LOOKED_AT, _TRIED = 2, 8
# How much slower the loop may be with the thread than without it.
_WORSE = 1.1
# How many items are read ahead.
_DEPTH = 2

_DRAINED = object()


class Habit:
    """What is known of the reads of an iterator, kept from pass to pass.

    ahead: None as long as one does not know, then whether a thread reads.
    """

    def __init__(self):
        self.ahead = None
        self.inline = []  # seconds from one item to the next without the thread, until that has been compared


class ReadAhead:
    """The items of an iterator, read by a thread where the time that it takes can be hidden.

    The first items are read where they are asked for. A thread takes over where a read takes longer than it costs to
    hand it over, and draws no numbers from torch's generator, which the training step draws from: with a thread their
    order would depend on who comes first. It goes again where the loop is slower with it. It never reads more than
    `allow` says, so that nothing is taken from a generator that the loop does not ask for.
    """

    def __init__(self, iterator, habit=None):
        self._thread = None
        self._iterator = iter(iterator)
        self._habit = Habit() if habit is None else habit
        self._given = 0
        self._ceiling = None
        self._before = None
        self._cycles = []

    def __iter__(self):
        return self

    def __del__(self):
        self.close()

    def close(self):
        """End the thread, where there is one."""
        if self._thread is not None:
            self._thread.stop()

    def allow(self, count):
        """The loop will ask for `count` more items; None: for all that there are."""
        self._ceiling = None if count is None else self._given + count
        if self._thread is not None:
            self._thread.allow(self._ceiling)

    def __next__(self):
        if self._habit.ahead is False and self._thread is None:
            return next(self._iterator)
        now = time.perf_counter()
        cycle, self._before = (0.0 if self._before is None else now - self._before), now
        more = self._ceiling is None or self._given < self._ceiling
        if self._thread is None and self._habit.ahead and self._given and more:
            self._thread = _Thread(self._iterator, self._given, self._ceiling)
            self._cycles = []
        item = _DRAINED
        if self._thread is not None:
            item = self._thread.get()
            if item is _DRAINED:
                self._thread = None
            else:
                self._judge(cycle)
        if item is _DRAINED:
            # The first read may also begin what the iterator needs, such as the seed of an order.
            looking = self._given and self._habit.ahead is None
            item = self._look(cycle, now) if looking else next(self._iterator)
        self._given += 1
        return item

    def _look(self, cycle, start):
        """Read an item and decide whether a thread shall read the next ones."""
        state = torch.get_rng_state()
        item = next(self._iterator)
        took = time.perf_counter() - start
        habit = self._habit
        if took < _WORTH or not torch.equal(state, torch.get_rng_state()):
            habit.ahead = False
        elif self._given > 1:  # the first cycle holds what a first step does
            habit.inline.append(cycle)
            habit.ahead = True if len(habit.inline) == _LOOKED_AT else None
        return item

    def _judge(self, cycle):
        """Give the thread up where the loop is slower with it, or where it does what belongs to the loop."""
        habit = self._habit
        give_up = self._thread.belongs_to_loop
        if habit.inline:
            self._cycles.append(cycle)
            if len(self._cycles) == _TRIED:
                # The first ones still hold the change.
                give_up |= statistics.median(self._cycles[2:]) > _WORSE * statistics.median(habit.inline)
                habit.inline = []
        if give_up:
            habit.ahead = False
            self._thread.allow(0)


_here = threading.local()
_threads = weakref.WeakSet()


def belongs_to_loop():
    """Called by what must not run beside the training loop: an iterator that does it is read in the loop again."""
    thread = getattr(_here, "thread", None)
    if thread is not None:
        thread.belongs_to_loop = True


class _Thread:
    """A thread that reads an iterator, up to `_DEPTH` items ahead.

    read: how many items were read before; ceiling: how many may be read in all, None for all that there are.
    """

    def __init__(self, iterator, read, ceiling):
        self.belongs_to_loop = False
        self._iterator, self._read, self._ceiling = iterator, read, ceiling
        self._ready = deque()
        self._reading = self._stopped = False
        self._ended = None
        self._changed = threading.Condition()
        context, grad = contextvars.copy_context(), torch.is_grad_enabled()
        # A daemon: an iterator that waits for ever must not keep the process from ending.
        self._thread = threading.Thread(target=context.run, args=(self._run, grad), name="read ahead", daemon=True)
        _threads.add(self)
        self._thread.start()

    def allow(self, ceiling):
        """Read no more than this in all (0: nothing more)."""
        with self._changed:
            self._ceiling = ceiling
            self._changed.notify_all()

    def stop(self):
        """End the thread, at the latest after the item that it reads just now."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self, seconds):
        """Wait for the thread's end."""
        self._thread.join(seconds)

    def get(self):
        """The next item; `_DRAINED` where all is given that may be read; raises what the iterator raised."""
        with self._changed:
            while not self._ready:
                if self._ended is not None:
                    raise self._ended
                if not self._reading and self._ceiling is not None and self._read >= self._ceiling:
                    self._stopped = True
                    self._changed.notify_all()
                    return _DRAINED
                self._changed.wait()
            item = self._ready.popleft()
            self._changed.notify_all()
            return item

    def _may_read(self):
        return len(self._ready) < _DEPTH and (self._ceiling is None or self._read < self._ceiling)

    def _run(self, grad):
        _here.thread = self
        torch.set_grad_enabled(grad)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._may_read())
                if self._stopped:
                    return
                self._reading = True
            item = error = None
            try:
                item = next(self._iterator)
            except BaseException as raised:
                error = raised
            with self._changed:
                self._reading = False
                self._read += 1
                if error is None:
                    self._ready.append(item)
                else:
                    self._ended, self._stopped = error, True
                self._changed.notify_all()


@atexit.register
def _stop_all():
    # A thread that computes while the interpreter goes down would take it along.
    for thread in list(_threads):
        thread.stop()
    for thread in list(_threads):
        thread.join(1.0)
