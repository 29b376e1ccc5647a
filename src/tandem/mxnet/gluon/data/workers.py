"""Worker processes that read batches: torch's, which watch over each other, with MXNet's arrays and errors on top."""

import multiprocessing
import pickle
import signal
import time
import traceback
import warnings
import weakref

import numpy as np

# Loaded before a worker is forked: loading a library there can wait for ever for a lock that a thread here had.
import numpy.random
import torch

from tandem.core import scope
from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet import util
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray

# An array up to this many bytes goes through the pipe; a larger one through shared memory, which costs a file handle.
_THROUGH_PIPE = 1 << 19
# Up to here it is copied out of shared memory on arrival, so that a list of many batches does not run out of handles.
_COPIED_OUT = 1 << 22
# Seconds after which a batch that has not come makes one look whether the workers still live.
_LOOK = 2.0


class _Sent:
    """An array on its way."""

    def __init__(self, array):
        tensor = array._tensor.detach()
        small = tensor.nbytes <= _THROUGH_PIPE and tensor.device.type == "cpu" and tensor.dtype != torch.bfloat16
        self.kind, self.context = type(array), array._ctx
        self.values = tensor.numpy() if small else tensor

    def arrive(self):
        values = self.values
        if not isinstance(values, torch.Tensor):
            values = torch.from_numpy(values)
        elif values.nbytes <= _COPIED_OUT and values.device.type == "cpu":
            values = values.clone()
        return self.kind._wrap(values, self.context)


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


def _swap(tree, kind, change):
    """A tree of lists, tuples and dicts with each leaf of a kind changed."""
    if isinstance(tree, kind):
        return change(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_swap(item, kind, change) for item in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(_swap(item, kind, change) for item in tree)
    if isinstance(tree, dict):
        return {key: _swap(item, kind, change) for key, item in tree.items()}
    return tree


class _Whole(torch.utils.data.Dataset):
    """A data set for torch's loader of which one "sample" is a whole batch."""

    def __init__(self, batches):
        self.batches = batches

    def __getitem__(self, indices):
        try:
            return _swap(self.batches(indices), NDArray, _Sent)
        except Exception as error:
            return _Failed(error)


def _as_it_comes(batch):
    """The collate function of torch's loader: a batch comes whole already."""
    return batch


class _Enter:
    """What a worker process does first."""

    def __init__(self):
        self.switches = util.is_np_shape(), util.is_np_array()

    def __call__(self, number):
        # Random transformations in different workers must not be the same: NumPy's state is copied into each.
        np.random.seed(torch.initial_seed() % 2**32)
        util.set_np(*self.switches)
        # A worker forked inside `with autograd.record():` or `with mx.gpu(0):` is not inside those.
        scope.set_recording(False)
        scope.set_training(False)
        contexts.cpu(0).__enter__()


class Crew:
    """Worker processes for one loader, kept from pass to pass."""

    def __init__(self, batches, batch_sampler, count, prefetch, timeout):
        self._batches, self._batch_sampler = batches, batch_sampler
        self._count, self._timeout = count, timeout
        self._prefetch = max(1, -(-prefetch // count))
        self._idle = None
        # Torch's loaders in use. They must never be part of garbage that Python collects at once: of a queue that goes
        # together with its loader the workers do not hear that they shall end, and are waited for.
        self._hired = []
        weakref.finalize(self, self._hired.clear).atexit = False

    def read(self):
        """Begin a pass; its batches, one by one. A second pass at the same time gets workers of its own."""
        loader, self._idle = self._idle, None
        if loader is None:
            loader = self._hire()
        with warnings.catch_warnings():
            # How many workers there are is the user's to say.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            # Python 3.12 warns of forking beside threads. Those here compute for torch; workers do not use them.
            warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
            iterator = iter(loader)
        return self._receive(loader, iterator)

    def _hire(self):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            loader = torch.utils.data.DataLoader(
                _Whole(self._batches),
                sampler=self._batch_sampler,
                batch_size=None,
                num_workers=self._count,
                prefetch_factor=self._prefetch,
                collate_fn=_as_it_comes,
                timeout=min(self._timeout, _LOOK),
                worker_init_fn=_Enter(),
                persistent_workers=True,
            )
        self._hired.append(loader)
        return loader

    def _receive(self, loader, iterator):
        try:
            while True:
                try:
                    batch = self._next(iterator)
                except StopIteration:
                    break
                except BaseException:
                    self._hired.remove(loader)
                    loader = None
                    raise
                if isinstance(batch, _Failed):
                    raise batch.error()
                yield _swap(batch, _Sent, _Sent.arrive)
        finally:
            # Also where the loop was left or the data set failed: the workers are as good as before.
            if loader is not None and self._idle is None:
                self._idle = loader
            elif loader is not None:
                self._hired.remove(loader)

    def _next(self, iterator):
        """The next batch of torch's iterator, with MXNet's errors where there is none in time."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return next(iterator)
            except RuntimeError as error:
                if "timed out" not in str(error):
                    raise self._lost(error, iterator) from error
                if time.monotonic() < deadline:
                    continue
                raise multiprocessing.TimeoutError(
                    explain(
                        f"The DataLoader has waited {self._timeout} s for a batch",
                        given=f"num_workers={self._count}",
                        hint="timeout= allows more; with num_workers=0 one sees what takes so long.",
                    )
                ) from None

    def _lost(self, error, iterator):
        ends = [_end(process) for process in getattr(iterator, "_workers", ())]
        return MXNetError(
            explain(
                "A worker process of the DataLoader ended before its work was done",
                given="; ".join(filter(None, ends)) or error,
                hint="With num_workers=0 the data set runs in this process, where the reason shows.",
            )
        )


def _end(process):
    """How a worker process ended, None while it runs."""
    process.join(0.1)
    code = process.exitcode
    if not code:
        return None
    if code > 0:
        return f"process {process.pid} with exit status {code}"
    killed = f"process {process.pid} by {signal.Signals(-code).name}"
    return killed + (" (the system does so where memory runs out)" if -code == signal.SIGKILL else "")
