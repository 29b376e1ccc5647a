"""Batches out of arrays in memory: shuffled by index, gathered straight into a step's buffers."""

import torch

from tandem.engine.distributed import shards


class ArrayFeed:
    """Batches of some arrays, row by row, an epoch at a time.

    arrays: tensors of one length; batch_size: rows to a batch, the last one of an epoch may be smaller; shuffle: False,
    True (a new order of the rows each epoch) or "batch" (of the batches); device: where the batches go; None: where the
    arrays are.
    Arrays that are elsewhere are moved there at once if they take at most `fraction` of its free memory, else batch by
    batch.
    """

    def __init__(self, arrays, batch_size, *, shuffle=False, device=None, fraction=0.25):
        self.arrays = list(arrays)
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.rows = len(self.arrays[0])
        self.device = device
        self.order = None  # the rows' numbers in this epoch's order; None for the arrays' own
        self.at = self.rows  # how many of them were taken
        self._starts = []
        if device is not None:
            self._settle(torch.device(device), fraction)

    def _settle(self, device, fraction):
        elsewhere = [array for array in self.arrays if array.device != device]
        if not elsewhere:
            self.device = None
            return
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if sum(array.nbytes for array in elsewhere) > fraction * free:
                return
        self.arrays = [array.to(device, non_blocking=True) for array in self.arrays]
        self.device = None

    def __len__(self):
        return -(-self.rows // self.batch_size)

    def start(self):
        """Begin an epoch: with `shuffle`, in a new order."""
        self.order, self.at = None, 0
        if self.shuffle is True:
            self.order = shards.agreed_order(torch.randperm(self.rows))
            if self.arrays[0].is_cuda:
                self.order = self.order.to(self.arrays[0].device, non_blocking=True)
        elif self.shuffle == "batch":
            self._starts = [
                self.batch_size * number for number in shards.agreed_order(torch.randperm(len(self))).tolist()
            ]

    def skip(self, count):
        """Leave the next `count` batches of the epoch out."""
        self.at += count * self.batch_size

    def __iter__(self):
        """An epoch's batches: a list of tensors each, one for each array."""
        self.start()
        return iter(self.next, None)

    def _chunk(self):
        """The rows of the next batch, a slice or their numbers; None after the last one. `at` counts them as taken."""
        if self.at >= self.rows:
            return None
        if self.shuffle == "batch":
            start = self._starts[self.at // self.batch_size]
            chunk = slice(start, min(start + self.batch_size, self.rows))
            # The smaller batch may come anywhere: `at` counts batches here.
            self.at += self.batch_size
            return chunk
        start, self.at = self.at, min(self.at + self.batch_size, self.rows)
        return slice(start, self.at) if self.order is None else self.order[start : self.at]

    def whole_batches(self):
        """How many batches of the full size come one after the other, in the order of `order` and from `at` on."""
        return 0 if self.shuffle == "batch" else (self.rows - self.at) // self.batch_size

    def next(self):
        """The next batch, a list of tensors (views of the arrays where nothing is shuffled); None after the last
        one.
        """
        chunk = self._chunk()
        if chunk is None:
            return None
        if type(chunk) is slice:
            batch = [array[chunk] for array in self.arrays]
        else:
            batch = [torch.index_select(array, 0, chunk) for array in self.arrays]
        if self.device is not None:
            batch = [tensor.to(self.device, non_blocking=True) for tensor in batch]
        return batch

    def next_into(self, buffers):
        """Write the next batch into buffers (one to an array, of the full batch's shape), without a copy between as
        long as the dtypes are the arrays'.

        Returns True; False, with the buffers as they were, where the next batch is a smaller one (`next` gives it) or
        where there is none.
        """
        before = self.at
        chunk = self._chunk()
        size = 0 if chunk is None else chunk.stop - chunk.start if type(chunk) is slice else len(chunk)
        if size != len(buffers[0]):
            self.at = before
            return False
        for array, buffer in zip(self.arrays, buffers):
            if type(chunk) is slice:
                buffer.copy_(array[chunk], non_blocking=True)
            elif self.device is None and array.dtype == buffer.dtype:
                torch.index_select(array, 0, chunk, out=buffer)
            else:
                buffer.copy_(torch.index_select(array, 0, chunk), non_blocking=True)
        return True


def has_nan(array):
    """Whether a floating point array holds a NaN; one pass over it, without a copy."""
    if not array.is_floating_point() or array.numel() == 0:
        return False
    # A sum is NaN where an element is (or where infinities of both signs meet: then look closer).
    return bool(array.sum().isnan()) and bool(array.isnan().any())


def labels_range(labels, ignored=None):
    """(smallest, largest) of an array of class numbers, without those equal to `ignored`; None where none is left."""
    if ignored is not None:
        labels = labels[labels != ignored]
    if labels.numel() == 0:
        return None
    low, high = torch.aminmax(labels)
    return low.item(), high.item()


def class_weights(labels, weights, dtype=torch.float32):
    """One weight to a sample, by its class: `weights` maps class numbers to weights, 1 for the others.

    labels: class numbers, (n,) or (n, 1), or one-hot rows (n, classes).
    """
    if labels.dim() > 1:
        labels = labels.argmax(-1) if labels.shape[-1] > 1 else labels.squeeze(-1)
    # As in Keras, which rounds labels that are floating point numbers.
    labels = labels.round().long() if labels.is_floating_point() else labels.long()
    result = torch.ones(labels.shape, dtype=dtype, device=labels.device)
    for label, weight in weights.items():
        result.masked_fill_(labels == int(label), float(weight))
    return result


def multiply(first, second):
    """The product of two lots of weights for the same samples: the second is (n,)."""
    return first * second.reshape(-1, *[1] * (first.dim() - 1))


def join(parts):
    """Batches of outputs one after the other; scalars become a row each."""
    return torch.cat([part if part.dim() else part.reshape(1) for part in parts])
