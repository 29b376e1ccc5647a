"""`Monitor`: statistics of what the operators of executors compute, and of their arguments."""

import logging
import math
import re

from tandem.mxnet import ndarray
from tandem.mxnet.base import py_str
from tandem.mxnet.ndarray.ndarray import NDArray

__all__ = ["Monitor"]


def _root_mean_square(x):
    return ndarray.norm(x) / math.sqrt(x.size)


class Monitor:
    """Collects statistics of arrays, in every `interval`-th batch.

    stat_func(array): an array or a list of arrays; the root of the mean square where None; pattern: a regular
    expression, which names have to match from their beginning; sort: by name; monitor_all: also operators' inputs.
    """

    def __init__(self, interval, stat_func=None, pattern=".*", sort=False, monitor_all=False):
        self.stat_func = _root_mean_square if stat_func is None else stat_func
        self.interval = interval
        self.activated = False
        self.queue = []
        self.step = 0
        self.exes = []
        self.re_prog = re.compile(pattern)
        self.sort = sort
        self.monitor_all = monitor_all

    def stat_helper(self, name, array):
        """What executors call with each output."""
        name = py_str(name) if isinstance(name, bytes) else name
        if self.activated and self.re_prog.match(name):
            self.queue.append((self.step, name, self.stat_func(array)))

    def install(self, exe):
        """Look at an executor."""
        exe.set_monitor_callback(self.stat_helper, self.monitor_all)
        self.exes.append(exe)

    def tic(self):
        """Begin a batch: in every `interval`-th statistics are collected until `toc`."""
        if self.step % self.interval == 0:
            self.queue = []
            self.activated = True
        self.step += 1

    def toc(self):
        """End a batch: a list of (number of the batch, name, statistics as text)."""
        if not self.activated:
            return []
        for exe in self.exes:
            symbol = exe._symbol
            for names, arrays in (
                (symbol.list_arguments(), exe.arg_arrays),
                (symbol.list_auxiliary_states(), exe.aux_arrays),
            ):
                for name, array in zip(names, arrays):
                    self.stat_helper(name, array)
        self.activated = False
        if self.sort:
            self.queue.sort(key=lambda found: found[1])
        lines = [(step, name, _as_text(found)) for step, name, found in self.queue]
        self.queue = []
        return lines

    def toc_print(self):
        """End a batch and log the statistics."""
        for step, name, text in self.toc():
            logging.info("Batch: %7d %-30s %s", step, name, text)


def _as_text(found):
    """Numbers, each with a tab behind.

    Raises AssertionError for what is no array.
    """
    found = [found] if isinstance(found, NDArray) else found
    if not isinstance(found, list) or not all(isinstance(one, NDArray) for one in found):
        raise AssertionError(f"The argument must be NDArrays or a list of them: stat_func gave {found!r}")
    return "".join(f"{one.asscalar() if one.shape == (1,) else one.asnumpy()!s}\t" for one in found)
