"""`tf.summary`: numbers, pictures and texts for TensorBoard."""

import contextlib

import numpy as np

from tandem.compat.tensorflow._strings import as_strings
from tandem.compat.tensorflow.tensor import convert
from tandem.core.errors import explain

_open = []
_step = [None]


class Writer:
    """Writes into a folder that TensorBoard shows."""

    def __init__(self, logdir):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError("tf.summary needs the tensorboard package: pip install tandem[tensorboard]") from error
        self._writer = SummaryWriter(logdir)

    @contextlib.contextmanager
    def as_default(self, step=None):
        """A scope in which this writer is the one that is written to."""
        before = _step[0]
        _open.append(self._writer)
        if step is not None:
            _step[0] = int(step)
        try:
            yield self
        finally:
            _open.pop()
            _step[0] = before

    def set_as_default(self, step=None):
        """From now on this writer is the one that is written to."""
        _open.append(self._writer)
        if step is not None:
            _step[0] = int(step)

    def flush(self):
        """Write what is still in memory."""
        self._writer.flush()

    def close(self):
        """Write the rest and close the file."""
        self._writer.close()


def create_file_writer(logdir, max_queue=None, flush_millis=None, filename_suffix=None, name=None, **kwargs):
    """A writer into a folder; max_queue, flush_millis: no other numbers, what is written is on disk at `flush`.

    Raises ImportError where TensorBoard's package is not installed, NotImplementedError for a name's ending.
    """
    if filename_suffix is not None:
        kwargs["filename_suffix"] = filename_suffix
    if kwargs:
        raise NotImplementedError(explain("create_file_writer has no such argument", given=list(kwargs)))
    return Writer(str(logdir.numpy().decode() if hasattr(logdir, "numpy") else logdir))


def _place(step):
    step = _step[0] if step is None else step
    if step is None:
        raise ValueError("No step set. Please specify one either through the `step` argument or through set_step()")
    return int(step)


def scalar(name, data, step=None, description=None):
    """A number; True where a writer is open."""
    if _open:
        _open[-1].add_scalar(name, float(convert(data)), _place(step))
    return bool(_open)


def image(name, data, step=None, max_outputs=3, description=None):
    """Pictures (samples, height, width, channels), the first few of them; True where a writer is open."""
    if _open:
        for number, picture in enumerate(np.asarray(convert(data))[:max_outputs]):
            _open[-1].add_image(f"{name}/{number}" if number else name, picture, _place(step), dataformats="HWC")
    return bool(_open)


def histogram(name, data, step=None, buckets=None, description=None):
    """How some numbers are distributed; True where a writer is open."""
    if _open:
        values = np.asarray(convert(data)).reshape(-1)
        _open[-1].add_histogram(name, values, _place(step), bins="tensorflow" if buckets is None else int(buckets))
    return bool(_open)


def text(name, data, step=None, description=None):
    """A text; True where a writer is open."""
    if _open:
        words = as_strings(data).array.reshape(-1)
        _open[-1].add_text(name, "\n".join(word.decode() for word in words), _place(step))
    return bool(_open)


class _Experimental:
    @staticmethod
    def set_step(step):
        """The step of what is written without one."""
        _step[0] = int(step)

    @staticmethod
    def get_step():
        """The step of what is written without one."""
        return _step[0]


EXPERIMENTAL = {"get_step": _Experimental.get_step, "set_step": _Experimental.set_step}
NAMES = {
    "create_file_writer": create_file_writer,
    "histogram": histogram,
    "image": image,
    "scalar": scalar,
    "text": text,
}
