"""Orders in which a data set is read."""

import numpy as np

from tandem.core.errors import explain


class Sampler:
    """Gives indices, one by one: `__iter__` and `__len__` are the subclass's."""

    def __iter__(self):
        raise NotImplementedError

    def __len__(self):
        raise NotImplementedError


class SequentialSampler(Sampler):
    """`start`, `start + 1`, …, `length` indices in all."""

    def __init__(self, length, start=0):
        self._length, self._start = length, start

    def __iter__(self):
        return iter(range(self._start, self._start + self._length))

    def __len__(self):
        return self._length


class RandomSampler(Sampler):
    """The indices below `length` in an order that NumPy's global generator draws anew for each pass."""

    def __init__(self, length):
        self._length = length

    def __iter__(self):
        return iter(np.random.permutation(self._length).tolist())

    def __len__(self):
        return self._length


class FilterSampler(Sampler):
    """The indices of the samples for which `fn(sample)` is true."""

    def __init__(self, fn, dataset):
        self._indices = [index for index in range(len(dataset)) if fn(dataset[index])]

    def __iter__(self):
        return iter(self._indices)

    def __len__(self):
        return len(self._indices)


class BatchSampler(Sampler):
    """Lists of `batch_size` indices of a sampler.

    last_batch: what becomes of the rest: "keep" it as a smaller batch, "discard" it, or "rollover" it to the next pass.
    Raises ValueError for another word.
    """

    def __init__(self, sampler, batch_size, last_batch="keep"):
        if last_batch not in ("keep", "discard", "rollover"):
            raise ValueError(
                explain(
                    "Unknown last_batch", expected="one of 'keep', 'discard', or 'rollover'", given=repr(last_batch)
                )
            )
        self._sampler, self._batch_size, self._last_batch = sampler, batch_size, last_batch
        self._rest = []

    def __iter__(self):
        batch, self._rest = self._rest, []
        for index in self._sampler:
            batch.append(index)
            if len(batch) == self._batch_size:
                yield batch
                batch = []
        if batch and self._last_batch == "keep":
            yield batch
        elif self._last_batch == "rollover":
            self._rest = batch

    def __len__(self):
        count = len(self._sampler)
        if self._last_batch == "keep":
            return -(-count // self._batch_size)
        if self._last_batch == "rollover":
            count += len(self._rest)
        return count // self._batch_size
