"""What holds for the current thread while a piece of code runs: training or inference, recording or not.

`training` is None outside any scope: then a module decides for itself (see `Module.is_training`).
`recording` is MXNet's `autograd.record` flag: None where torch's own grad mode rules. `rebinds`: whether `x += y`
leaves the tensor as it is and gives another (see `keras/internals/rebinding.py`). `recorder`: the number of the
recording that is being made, or None; while there is one, nobody sees how intermediate values lie in memory.
`inside`: whether a hybridized block is computing, of whose graph the blocks in it are parts.
"""

import threading
from contextlib import contextmanager


class _Scope(threading.local):
    training = None
    recording = None
    eager = False
    rebinds = False
    recorder = None
    inside = False


current = _current = _Scope()  # `current` is for those who cannot afford a call


def is_training():
    """True, False, or None where no scope says."""
    return _current.training


def is_recording():
    """True, False, or None where no scope says."""
    return _current.recording


def set_training(flag):
    """Set the training flag of this thread and return the one before."""
    before, _current.training = _current.training, flag
    return before


def set_recording(flag):
    """Set the recording flag of this thread and return the one before."""
    before, _current.recording = _current.recording, flag
    return before


def is_eager():
    """Whether nothing is to be recorded for replay just now."""
    return _current.eager


@contextmanager
def eagerly():
    """Run a block in which nothing is recorded for replay."""
    before, _current.eager = _current.eager, True
    try:
        yield
    finally:
        _current.eager = before


@contextmanager
def training(flag):
    """Run a block with the training flag set."""
    before = set_training(flag)
    try:
        yield
    finally:
        set_training(before)


@contextmanager
def recording(flag):
    """Run a block with the recording flag set."""
    before = set_recording(flag)
    try:
        yield
    finally:
        set_recording(before)
