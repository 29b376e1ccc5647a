"""What tests set around themselves: contexts, environment variables, repetition, silence."""

import contextlib
import functools
import os
import platform
import sys

from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet import util
from tandem.mxnet.io import DataIter


def default_context():
    """The context where tests run: the current one."""
    return contexts.current_context()


def set_default_context(ctx):
    """Make a context that where new arrays live, unless told otherwise."""
    contexts.Context.default_ctx = ctx


def list_gpus():
    """The numbers of the GPUs that can be used."""
    return range(contexts.num_gpus())


def has_tvm_ops():
    """Whether operators that TVM compiled are there: they are not."""
    return False


def is_op_runnable():
    """Whether operators that TVM compiled for GPUs can run here: on a CPU, and from compute capability 5.3 on."""
    ctx = contexts.current_context()
    return ctx.device_type != "gpu" or util.get_cuda_compute_capability(ctx) >= 53


def is_cd_run():
    """Whether the environment says that this is a run of MXNet's deployment (CD_JOB=1)."""
    return os.environ.get("CD_JOB", "0") == "1"


def is_aarch64_run():
    """Whether the processor is a 64-bit ARM."""
    return platform.machine() == "aarch64"


@contextlib.contextmanager
def environment(*args):
    """`with environment(name, value):` or `environment({name: value, …}):` sets variables; None removes one.

    They are as before afterwards; usable as a decorator, too.
    Raises AssertionError for other arguments.
    """
    if len(args) == 1 and isinstance(args[0], dict):
        wanted = args[0]
    elif len(args) == 2:
        wanted = {args[0]: args[1]}
    else:
        raise AssertionError("Expecting one dict arg or two args: env var name and value")
    before = {name: os.environ.get(name) for name in wanted}
    try:
        for name, value in wanted.items():
            _set(name, value)
        yield
    finally:
        for name, value in before.items():
            _set(name, value)


def _set(name, value):
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def retry(n):
    """Decorate a function so that it is called up to `n` times, as long as it raises AssertionError.

    Raises AssertionError for n below 1.
    """
    if n < 1:
        raise AssertionError(explain("A function is tried at least once", expected="n >= 1", given=f"n={n}"))

    def decorate(function):
        @functools.wraps(function)
        def tried(*args, **kwargs):
            for _ in range(n - 1):
                try:
                    return function(*args, **kwargs)
                except AssertionError:
                    continue
            return function(*args, **kwargs)

        return tried

    return decorate


@contextlib.contextmanager
def discard_stderr():
    """`with discard_stderr():` what anything, C code too, writes to the standard error stream is gone."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
            sys.stderr.flush()
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class DummyIter(DataIter):
    """An iterator that gives the first batch of another one again and again, to measure without reading data."""

    def __init__(self, real_iter):
        super().__init__()
        self.real_iter = real_iter
        self.provide_data, self.provide_label = real_iter.provide_data, real_iter.provide_label
        self.batch_size = real_iter.batch_size
        self.the_batch = next(real_iter)

    def __iter__(self):
        return self

    def next(self):
        """The first batch."""
        return self.the_batch

    __next__ = next
