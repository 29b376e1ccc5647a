"""A sampler that goes through the data in steps."""

from tandem.core.errors import explain
from tandem.mxnet.gluon.data.sampler import Sampler

__all__ = ["IntervalSampler"]


class IntervalSampler(Sampler):
    """0, interval, 2·interval, …, then, with `rollover`, from 1 and so on.

    length: of the data; interval. Its own length is that of the data without `rollover` too, as MXNet 1.9.1 has it.
    Raises AssertionError for an interval above the length.
    """

    def __init__(self, length, interval, rollover=True):
        if interval > length:
            raise AssertionError(
                explain("The interval is longer than the data", expected=f"{length} or less", given=interval)
            )
        self._length, self._interval, self._rollover = length, interval, rollover

    def __iter__(self):
        for start in range(self._interval if self._rollover else 1):
            yield from range(start, self._length, self._interval)

    def __len__(self):
        return self._length
