"""Memory that is used again: fresh pages of a large batch cost the system as much as the decoding of its images."""

import torch

# How many others hold a storage; a torch that does not tell gets new memory each time.
_holders = getattr(torch._C, "_storage_Use_Count", None)


class Spare:
    """Tensors of one shape after the other, in memory that nobody else has hold of any more.

    count: how many are kept. A tensor is free when it, its views, its arrays of numpy and whatever autograd keeps of it
    are gone: they all hold its storage.
    """

    def __init__(self, count=4):
        self._count = count
        self._kept = []

    def empty(self, shape, dtype):
        """A tensor on the CPU with any values in it, whose memory is its own as long as somebody has it."""
        size = dtype.itemsize
        for length in shape:
            size *= length
        if _holders is None or not size:
            return torch.empty(shape, dtype=dtype)
        self._kept = [storage for storage in self._kept if storage.nbytes() == size]
        for storage in self._kept:
            if _holders(storage._cdata) == 1:
                return torch.empty(0, dtype=dtype).set_(storage).view(shape)
        new = torch.empty(shape, dtype=dtype)
        if len(self._kept) < self._count:
            self._kept.append(new.untyped_storage())
        return new
