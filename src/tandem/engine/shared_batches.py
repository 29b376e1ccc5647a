"""Batches from a worker process to the loop through memory that both keep: no file, no mapping, no new pages per batch.

A worker owns a few slots of shared memory. It writes the arrays of a batch into a free one and sends only where they
lie; the loop gets arrays that look straight into the slot, and the slot is free again when the last of them is gone. A
loop that keeps its batches gets copies, so that a worker never runs out of slots.

torch shares the memory (its handle travels with the first batch in a slot), so that nothing stays behind in /dev/shm,
whatever becomes of the processes.
"""

import ctypes
import functools
import math
import weakref

import numpy as np
import torch

_FREE, _SENT, _LENT = 0, 1, 2
# Arrays begin at multiples of so many bytes.
_ALIGN = 64
# A batch up to this many bytes goes through the pipe: that costs less than to keep watch over its slot.
_SMALL = 1 << 16
# Batches of one worker that may look into its slots at a time.
_LOANS = 2
# Slots to a worker beside those whose batches are on their way: lent ones, and the one that is written.
_SPARE = _LOANS + 1


def board(workers, ahead):
    """What workers and loop write the state of the slots on: `ahead` batches of each worker may be on their way."""
    return torch.zeros(workers, ahead + _SPARE, dtype=torch.uint8).share_memory_()


class _Place:
    """Where an array lies in a slot; `kind` is its dtype: torch's for a tensor, NumPy's for an array."""

    __slots__ = ("kind", "shape", "start", "tag")

    def __init__(self, start, kind, shape, tag):
        self.start, self.kind, self.shape, self.tag = start, kind, shape, tag

    def __getstate__(self):
        return self.start, self.kind, self.shape, self.tag

    def __setstate__(self, state):
        self.start, self.kind, self.shape, self.tag = state


class Packed:
    """A batch on its way: the tree with places for arrays; the slot's memory where the loop does not have it yet."""

    __slots__ = ("memory", "size", "slot", "tree", "worker")

    def __init__(self, worker, slot, size, tree, memory):
        self.worker, self.slot, self.size, self.tree, self.memory = worker, slot, size, tree, memory

    def __getstate__(self):
        return self.worker, self.slot, self.size, self.tree, self.memory

    def __setstate__(self, state):
        self.worker, self.slot, self.size, self.tree, self.memory = state


def swap(tree, change):
    """A tree of lists, tuples and dicts with `change(leaf)` for each leaf."""
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(swap(item, change) for item in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(swap(item, change) for item in tree)
    if isinstance(tree, dict):
        return {key: swap(item, change) for key, item in tree.items()}
    return change(tree)


def _values(leaf, unwrap):
    """(a tensor on the CPU or an array of numbers, tag) for a leaf; None for one that travels as it is."""
    tag = None
    if unwrap is not None:
        leaf, tag = unwrap(leaf)
    if isinstance(leaf, torch.Tensor):
        plain = leaf.layout is torch.strided and leaf.device.type == "cpu" and not leaf.is_quantized
        return (leaf.detach(), tag) if plain else None
    if type(leaf) is np.ndarray and leaf.dtype.kind in "biufc" and leaf.ndim:
        return leaf, tag
    return None


class Outbox:
    """A worker's side.

    states: its row of the `board`; unwrap: (tensor, tag) of a leaf of a front end's own kind, (leaf, None) for others.
    """

    def __init__(self, worker, states, unwrap=None):
        self.worker, self.unwrap = worker, unwrap
        self.states = states.numpy()
        self.memories = [None] * len(self.states)
        self.known = set()
        self.number = None
        # The slot for the batch that is being made, how much of it is given away, and what the last batch took.
        self.slot, self.used, self.hint = None, 0, 0

    def begin(self, number):
        """Pass `number` begins: what was sent in the one before and has not been taken never will be."""
        if number != self.number:
            self.number = number
            for slot, state in enumerate(self.states):
                if state == _SENT:
                    self.states[slot] = _FREE
                    self.known.discard(slot)
        self.slot, self.used = self._free(), 0
        if self.slot is not None and self.hint > _SMALL:
            self._room(self.hint)

    def empty(self, shape, dtype):
        """A tensor in the slot of the batch that is being made, None where there is no room.

        For what goes straight into the batch and is not kept by anybody: the slot will be written again.
        """
        size = math.prod(shape) * dtype.itemsize
        memory = None if self.slot is None else self.memories[self.slot]
        if memory is None or not size or self.used + size > len(memory):
            return None
        start = self.used
        self.used += -(-size // _ALIGN) * _ALIGN
        return memory[start : start + size].view(dtype).view(shape)

    def _room(self, size):
        """The memory of the slot, of at least so many bytes."""
        memory = self.memories[self.slot]
        if memory is None or len(memory) < size:
            grown = 0 if memory is None else len(memory) + len(memory) // 4
            memory = self.memories[self.slot] = torch.empty(max(size, grown), dtype=torch.uint8).share_memory_()
            self.known.discard(self.slot)
        return memory

    def _start(self, kept):
        """Where in the slot an array lies already, None where it does not."""
        memory = None if self.slot is None else self.memories[self.slot]
        if memory is None or not isinstance(kept, torch.Tensor) or not kept.is_contiguous():
            return None
        start = kept.data_ptr() - memory.data_ptr()
        return start if kept.nbytes and 0 <= start <= self.used - kept.nbytes else None

    def pack(self, batch):
        """The batch as it travels. What is no array of numbers, or finds no free slot, travels as torch sends it."""
        found, size = [], self.used

        def measure(leaf):
            nonlocal size
            values = _values(leaf, self.unwrap)
            if values is None:
                return leaf
            kept, tag = values
            start = self._start(kept)
            place = _Place(size if start is None else start, kept.dtype, tuple(kept.shape), tag)
            if start is None:
                size += -(-kept.nbytes // _ALIGN) * _ALIGN
            found.append((place, kept, start is None))
            return place

        tree = swap(batch, measure)
        self.hint = size
        if size <= _SMALL and not self.used:
            memory = torch.empty(size, dtype=torch.uint8)
            _write(memory, found)
            return Packed(self.worker, None, size, tree, memory.numpy())
        slot = self.slot
        if slot is None:
            return Packed(self.worker, None, size, tree, [kept for _, kept, _ in found])
        before = self.memories[slot]
        memory = self._room(size)
        if memory is not before:
            found = [(place, kept, True) for place, kept, _ in found]
        _write(memory, found)
        self.states[slot] = _SENT
        new = slot not in self.known
        self.known.add(slot)
        return Packed(self.worker, slot, size, tree, memory if new else None)

    def _free(self):
        for slot, state in enumerate(self.states):
            if state == _FREE:
                return slot
        return None


def _write(memory, found):
    for place, kept, elsewhere in found:
        if not elsewhere:
            continue
        view = _look(memory, place)
        if isinstance(kept, torch.Tensor):
            view.copy_(kept)
        else:
            np.copyto(view, kept)


_outbox = None


def use(outbox):
    """Let `empty` give memory of this outbox, in this process."""
    global _outbox
    _outbox = outbox


def empty(shape, dtype):
    """A tensor for an array of the batch that is being made: in a worker's slot where there is room, else a new one.

    For what goes straight into the batch and is not kept by anybody else.
    """
    made = None if _outbox is None else _outbox.empty(shape, dtype)
    return torch.empty(shape, dtype=dtype) if made is None else made


def _look(memory, place):
    """The array at a place of some memory (a tensor of bytes, or anything with a buffer)."""
    count = math.prod(place.shape)
    if not count:
        return (torch if isinstance(place.kind, torch.dtype) else np).empty(place.shape, dtype=place.kind)
    if isinstance(place.kind, torch.dtype):
        if isinstance(memory, torch.Tensor):
            size = count * place.kind.itemsize
            return memory[place.start : place.start + size].view(place.kind).view(place.shape)
        return torch.frombuffer(memory, dtype=place.kind, count=count, offset=place.start).view(place.shape)
    if isinstance(memory, torch.Tensor):
        memory = memory.numpy()
    return np.frombuffer(memory, place.kind, count, place.start).reshape(place.shape)


@functools.lru_cache(maxsize=64)
def _bytes_type(size):
    return ctypes.c_ubyte * size


def _return(states, key, memory):
    states[key] = _FREE


class Inbox:
    """The loop's side. states: the `board`; wrap: makes a leaf of the front end's own kind of (tensor, tag)."""

    def __init__(self, states, wrap=None):
        self.states, self.wrap = states.numpy(), wrap
        self.memories = {}

    def unpack(self, packed):
        """The batch."""
        if packed.slot is None:
            if isinstance(packed.memory, list):
                return self._filled(packed.tree, iter(packed.memory).__next__)
            return self._filled(packed.tree, None, packed.memory)
        key = packed.worker, packed.slot
        if packed.memory is not None:
            self.memories[key] = packed.memory
        memory = self.memories[key]
        if np.count_nonzero(self.states[packed.worker] == _LENT) >= _LOANS:
            memory = memory[: packed.size].clone().numpy()
            self.states[key] = _FREE
        else:
            memory = self._lent(key, memory)
        return self._filled(packed.tree, None, memory)

    def _lent(self, key, memory):
        """The memory of a slot as an object with a buffer, upon whose end the slot is free."""
        buffer = _bytes_type(len(memory)).from_address(memory.data_ptr())
        self.states[key] = _LENT
        # `memory` is an argument so that it stays mapped for as long as somebody looks into it.
        weakref.finalize(buffer, _return, self.states, key, memory).atexit = False
        return buffer

    def _filled(self, tree, give, memory=None):
        def fill(leaf):
            if type(leaf) is not _Place:
                return leaf
            values = _look(memory, leaf) if give is None else give()
            return values if leaf.tag is None else self.wrap(values, leaf.tag)

        return swap(tree, fill)
