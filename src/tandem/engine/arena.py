"""One block of memory for all that a program computes: where in it each value lies.

Values whose lives do not overlap get the same bytes. The block is asked of the system whole, so it goes back whole when
the program does, and leaves no holes in the heap.
"""

import bisect
import heapq
import math
from typing import NamedTuple

import torch

# Each value begins at a multiple of a cache line, which is also what torch's own allocator gives.
_LINE = 64


class Memory(NamedTuple):
    """A piece of a storage: it begins `offset` bytes after the storage does and has `nbytes` bytes."""

    storage: torch.UntypedStorage
    offset: int
    nbytes: int

    @classmethod
    def whole(cls, storage):
        return cls(storage, 0, storage.nbytes())

    @classmethod
    def new(cls, nbytes, device):
        return cls.whole(torch.empty(nbytes, dtype=torch.uint8, device=device).untyped_storage())

    def data_ptr(self):
        return self.storage.data_ptr() + self.offset

    def view(self, ref):
        """The tensor that looks at this memory as a recorded `Ref` says."""
        offset = ref.offset + self.offset // ref.dtype.itemsize
        tensor = torch.empty(0, dtype=ref.dtype, device=self.storage.device)
        return tensor.set_(self.storage, offset, ref.size, ref.stride)


def arena(lives, device):
    """Memory for values that live from one moment to another, in one new block.

    lives: (first moment, last moment, bytes) of each value. Gives a `Memory` for each.
    """
    offsets, total = placed(lives)
    if not lives:
        return []
    block = Memory.new(total, device).storage
    return [Memory(block, offset, nbytes) for offset, (_, _, nbytes) in zip(offsets, lives)]


def placed(lives):
    """(the offset of each value in a block, the block's size): best fit in the order of the first moments.

    As an allocator would do it that knows what comes. It needs a few per cent more than the values that live at the
    same moment have, and what is written goes to memory that was read just before, which the caches still hold.
    """
    offsets, free, top = [0] * len(lives), [], 0
    living = []  # (last moment, offset, size)
    for index in sorted(range(len(lives)), key=lambda index: (lives[index][0], -lives[index][2])):
        begin, end, nbytes = lives[index]
        size = max(1, math.ceil(nbytes / _LINE)) * _LINE
        while living and living[0][0] < begin:
            _free(free, *heapq.heappop(living)[1:])
        fitting = [(length, offset) for offset, length in free if length >= size]
        if fitting:
            length, offset = min(fitting)
            free.remove((offset, length))
            if length > size:
                bisect.insort(free, (offset + size, length - size))
        else:
            offset = free.pop()[0] if free and sum(free[-1]) == top else top  # the last hole grows
            top = offset + size
        offsets[index] = offset
        heapq.heappush(living, (end, offset, size))
    return offsets, top


def _free(free, offset, length):
    """Put a piece back among the free ones (in the order of their offsets), joined with its neighbours."""
    place = bisect.bisect(free, (offset, length))
    if place < len(free) and free[place][0] == offset + length:
        length += free.pop(place)[1]
    if place and sum(free[place - 1]) == offset:
        before = free.pop(place - 1)
        offset, length, place = before[0], length + before[1], place - 1
    free.insert(place, (offset, length))
