"""Worker processes that read batches: the engine's, with MXNet's arrays, switches and errors on top."""

import numpy as np

# Loaded before a worker is forked: loading a library there can wait for ever for a lock that a thread here had.
import numpy.random
import torch

from tandem.engine import readers
from tandem.mxnet import context as contexts
from tandem.mxnet import util
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray

NAME, HINT = "the DataLoader", "With num_workers=0"


def _unwrap(leaf):
    return (leaf._tensor, (type(leaf), leaf._ctx)) if isinstance(leaf, NDArray) else (leaf, None)


def _wrap(tensor, tag):
    kind, context = tag
    return kind._wrap(tensor, context)


class Enter:
    """What a worker, a process or a thread, does first."""

    def __init__(self, processes):
        self.processes = processes
        self.switches = util.is_np_shape(), util.is_np_array()

    def __call__(self, number=0):
        # The switches of MXNet's semantics hold for a thread: a new one begins with those of the loop.
        util.set_np(*self.switches)
        if self.processes:
            # Random transformations in different workers must not be the same: NumPy's state is copied into each.
            np.random.seed(torch.initial_seed() % 2**32)
            # A worker forked inside `with mx.gpu(0):` is not inside it.
            contexts.cpu(0).__enter__()


def crew(get, count, prefetch, timeout):
    """Worker processes for one loader, kept from pass to pass."""
    return readers.Crew(
        get,
        count,
        prefetch,
        timeout=timeout,
        enter=Enter(True),
        unwrap=_unwrap,
        wrap=_wrap,
        lost=MXNetError,
        name=NAME,
        hint=HINT,
    )
