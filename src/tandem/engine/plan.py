"""From a recording to what a replay does: the passes over a recording's calls.

In order: calls that only look at memory (views) vanish; calls whose arguments are all constants are folded; what nobody
reads is left out; calls with an `out=` variant get a buffer of their own; runs of small or memory-bound calls become
machine code; buffers whose lives do not overlap share memory.
"""

import math
from dataclasses import dataclass, field

import torch

from tandem.engine.arena import Memory, arena
from tandem.engine.native import fuse, kernels, llvm, lower
from tandem.engine.record import FILL, Ref, Storage, Unfaithful
from tandem.engine.rewrite import rewritten
from tandem.engine.schemas import (
    COPY,
    EMPTY,
    EQUIVALENTS,
    HIDDEN_WRITES,
    NEW_MEMORY,
    bound,
    schema_of,
    written,
)

# How many calls of the library a call may pass on its way to the machine code before it.
_REACH = 24

# A nest that goes over more elements than this, all by itself, is the library's: it would do the same.
_LARGE = 16_384

# Loops that are better than the library's kernels even by themselves.
_BETTER = {
    "aten::native_batch_norm",
    "aten::native_batch_norm_backward",
    "aten::constant_pad_nd",
    "tandem::window_max",
    "tandem::window_max_gradient",
}


@dataclass(slots=True)
class Unit:
    """One thing that a replay does: a call of the library, or machine code for several calls.

    kind: "as is", "dynamic" (its result is new memory in each run), "out", "copy", "fill" or "native"; part: 0 or 1,
    the part of the recording; nests: the loops of machine code; segment: machine code that is written already (one
    kernel).
    """

    kind: str
    calls: list  # numbers of recorded calls
    part: int
    reads: set
    writes: set
    nests: list = field(default_factory=list)
    segment: object = None

    def conflicts(self, other):
        """Whether two units must stay in their order."""
        return bool(self.writes & (other.reads | other.writes)) or bool(self.reads & other.writes)


# What is longer is not compiled: 15,000 calls take some three seconds here and as many of LLVM, more are a wait.
_MOST_CALLS = 20_000


class Plan:
    """The units of a replay, and the memory that they work on.

    units: in order; buffers: storage number -> memory, for fixed storages; dynamic: numbers of the storages that a call
    makes anew in each run; deaths: unit number -> the dynamic storages that nobody needs after it.
    """

    def __init__(self, recording, inputs, native=False):
        self.recording = recording
        native = (
            native
            and len(recording.calls) <= _MOST_CALLS
            and llvm.can_compile()
            and all(s.device.type == "cpu" for s in recording.storages)
        )
        self.calls, self.storages, self.cut = recording.calls, list(recording.storages), recording.cut
        if native:
            self.calls, self.storages, self.cut = rewritten(recording)
        self.inputs = inputs
        self.constant_storages = {i for i, s in enumerate(self.storages) if s.constant}
        self.kinds = self._kinds()
        self._drop_unread()
        self.units = self._units()
        if native:
            self._make_native()
        self.dynamic = self._find_dynamic()
        self.buffers = {}
        self._allocate()
        self.deaths = self._deaths()

    # -- what each call is --------------------------------------------------------------------------------------------

    def _kinds(self):
        changed = {ref.storage for call in self.calls for ref in written(call)}
        return [self._kind(index, call, changed) for index, call in enumerate(self.calls)]

    def _kind(self, index, call, changed):
        schema = schema_of(call.func)
        if torch.Tag.inplace_view in call.func.tags:
            if call.func._schema.name in NEW_MEMORY:
                raise Unfaithful(f"{call.func} gives a tensor other memory", call.where)
            return "view"  # `t.transpose_(0, 1)`: what reads t later says itself how it looks at the memory
        if schema.writes or not call.func._schema.returns:
            return "as is"
        made = [ref for ref in call.results() if self._made_by(ref, index)]
        if not made:
            return "view"
        name = call.func._schema.name
        reads = {ref.storage for ref in call.tensors()}
        mutated = any(ref.storage in changed for ref in made)
        kept = all(self.storages[ref.storage].tensor is not None for ref in made)
        if name in EMPTY:
            return "empty"
        if name in FILL and not mutated and kept:
            self.constant_storages.update(ref.storage for ref in made)
            return "constant"
        if not mutated and kept and not schema.random and reads <= self.constant_storages:
            self.constant_storages.update(ref.storage for ref in made)
            return "constant"
        if len(made) != len(call.outputs) or any(ref.offset for ref in made):
            return "dynamic"
        if name in FILL or name == "aten::full":
            return "fill"
        if name in COPY:
            return "copy"
        if name == "aten::native_batch_norm" and _is_scattered(call.args[0]):
            return "dynamic"
        if name in EQUIVALENTS or (schema.out_variant is not None and not self._reduces(call)):
            return "out"
        return "dynamic"

    @staticmethod
    def _reduces(call):
        """Whether a loss is averaged or summed inside: those kernels use their `out` as scratch and resize it."""
        names = schema_of(call.func).names
        return "reduction" in names and "grad_output" not in names and bound(call)[names.index("reduction")] != 0

    def _made_by(self, ref, index):
        storage = self.storages[ref.storage]
        return storage.role == "made" and storage.maker == index

    def _results(self):
        recording = self.recording
        values = [*recording.outputs, *recording.first_outputs, *(ref for _, ref in recording.grads)]
        return {value.storage for value in values if isinstance(value, Ref)}

    def _drop_unread(self):
        """Mark the calls whose results nobody reads. A random one stays: it moves the generator on."""
        read = self._results()
        for index in range(len(self.calls) - 1, -1, -1):
            call, kind = self.calls[index], self.kinds[index]
            if kind in ("view", "constant", "empty"):
                continue
            effect = kind == "as is" or schema_of(call.func).random or call.func._schema.name in HIDDEN_WRITES
            if effect or any(ref.storage in read for ref in call.results()):
                read.update(ref.storage for ref in call.tensors())
            else:
                self.kinds[index] = "unread"

    # -- units --------------------------------------------------------------------------------------------------------

    def _units(self):
        units = []
        for index, (call, kind) in enumerate(zip(self.calls, self.kinds, strict=True)):
            if kind in ("view", "constant", "empty", "unread"):
                continue
            part = int(self.cut is not None and index >= self.cut)
            changes = {ref.storage for ref in written(call)}
            reads = {ref.storage for ref in call.tensors()}
            units.append(Unit(kind, [index], part, reads, {ref.storage for ref in call.results()} | changes))
        return units

    def _make_native(self):
        """Put runs of calls that can be loops, and single calls that have a kernel, into machine code."""
        for unit in self.units:
            call = self.calls[unit.calls[0]]
            make = kernels.KERNELS.get(call.func._schema.name)
            unit.segment = make(call, bound(call), llvm.has_threads()) if make is not None else None
            if unit.segment is not None:
                unit.kind = "native"
        loops = {unit.calls[0]: self._lowered(unit) for unit in self.units}
        self._compute_again(loops)
        while True:
            units = self._gathered(loops)
            needed = self._read_outside(units)
            alone = set()
            for unit, read in zip(units, needed):
                if unit.nests:
                    unit.nests = fuse.drop_stores(fuse.fuse(unit.nests), read)
                    alone |= self._alone(unit)
            if not alone:
                break
            for index in alone:
                loops[index] = None
        for unit in units:
            if unit.nests:
                accesses = [pair for nest in unit.nests for pair in nest.accesses]
                unit.reads = {access.storage for access, changes in accesses if not changes}
                unit.writes = {access.storage for access, changes in accesses if changes}
        self.units = [unit for unit in units if unit.kind != "native" or unit.nests or unit.segment]

    def _compute_again(self, loops):
        """Leave out what is made of one other value by a cheap formula, where loops that stay loops are all that read
        it: they compute it from the other value.
        """
        results = self._results()
        for place, unit in enumerate(self.units):
            made = fuse.cheap_copy(loops[unit.calls[0]])
            if made is None:
                continue
            target, source, expr = made
            later = self.units[place + 1 :]
            readers = [other for other in later if target in other.reads]
            last = later.index(readers[-1]) if readers else 0
            if (
                readers
                and target not in results
                and self.storages[target].role == "made"
                and all(self.calls[r.calls[0]].func._schema.name in _BETTER and loops[r.calls[0]] for r in readers)
                and not any({source, target} & other.writes for other in later[: last + 1])
            ):
                for reader in readers:
                    loops[reader.calls[0]] = [fuse.replaced(nest, target, expr) for nest in loops[reader.calls[0]]]
                    reader.reads = (reader.reads - {target}) | {source}
                loops[unit.calls[0]], unit.reads, unit.writes = [], set(), set()

    def _lowered(self, unit):
        call = self.calls[unit.calls[0]]
        if schema_of(call.func).random or unit.segment is not None:
            return None
        return lower.lower(call, bound(call), self._temporary)

    def _temporary(self, size, dtype):
        """A new storage for a value of this size."""
        strides, step = [], 1
        for extent in reversed(size):
            strides.insert(0, step)
            step *= extent
        nbytes = max(1, math.prod(size)) * dtype.itemsize
        self.storages.append(Storage("temporary", nbytes, 0, torch.device("cpu"), None))
        return Ref(len(self.storages) - 1, dtype, tuple(size), tuple(strides), 0)

    def _gathered(self, loops):
        """The units with loops joined to machine code before them, past calls that have nothing to do with them."""
        units = []
        for unit in self.units:
            nests = loops[unit.calls[0]]
            if nests is None:
                units.append(Unit(unit.kind, unit.calls, unit.part, unit.reads, unit.writes, segment=unit.segment))
                continue
            native = Unit("native", list(unit.calls), unit.part, set(unit.reads), set(unit.writes), list(nests))
            for nest in nests:
                native.reads |= nest.reads
                native.writes |= nest.writes
            for earlier in units[: -_REACH - 1 : -1]:
                if earlier.part == unit.part and earlier.nests:
                    earlier.calls += native.calls
                    earlier.nests += native.nests
                    earlier.reads |= native.reads
                    earlier.writes |= native.writes
                    break
                if earlier.part != unit.part or earlier.conflicts(native):
                    units.append(native)
                    break
            else:
                units.append(native)
        return units

    def _read_outside(self, units):
        """For each unit the storages whose contents matter after it."""
        later, needed = self._results(), []
        outside = {n for n, storage in enumerate(self.storages) if storage.role in ("outside", "input")}
        for unit in reversed(units):
            needed.append(later | outside)
            later = later | unit.reads
        return reversed(needed)

    def _alone(self, unit):
        """The calls of a unit whose large loops were joined with no others'."""
        joined, large = set(), set()
        for nest in unit.nests:
            numbers = {id(call) for call in nest.calls}
            if len(numbers) > 1:
                joined |= numbers
            elif nest.elements > _LARGE:
                large |= numbers
        return {
            index
            for index in unit.calls
            if id(self.calls[index]) in large - joined and self.calls[index].func._schema.name not in _BETTER
        }

    # -- memory -------------------------------------------------------------------------------------------------------

    def _find_dynamic(self):
        dynamic = set()
        for unit in self.units:
            if unit.kind in ("dynamic", "as is"):
                index = unit.calls[0]
                dynamic.update(ref.storage for ref in self.calls[index].results() if self._made_by(ref, index))
        return dynamic

    def _last_uses(self):
        """For each storage the last unit that touches it; outputs live on."""
        last, cut = {}, 0
        for number, unit in enumerate(self.units):
            for storage in unit.reads | unit.writes:
                last[storage] = number
            if unit.part == 0:
                cut = number + 1
        for value in [*self.recording.outputs, *(ref for _, ref in self.recording.grads)]:
            if isinstance(value, Ref):
                last[value.storage] = len(self.units)
        for value in self.recording.first_outputs:
            last[value.storage] = max(last.get(value.storage, 0), cut)
        return last

    def _allocate(self):
        """Give each fixed storage its memory; storages whose lives do not overlap may get the same.

        What a run hands out has memory of its own: somebody may hold it when the program is gone.
        """
        last, results = self._last_uses(), self._results()
        lives, placed = {}, set()  # device -> {storage: (first unit, last unit, bytes)}
        for number, unit in enumerate(self.units):
            for storage in sorted(unit.reads | unit.writes):
                facts = self.storages[storage]
                made = facts.role == "temporary" or (facts.role == "made" and self.kinds[facts.maker] != "constant")
                if not made or storage in self.dynamic or storage in placed:
                    continue
                placed.add(storage)
                device = self._device(unit)
                if storage in results:
                    self.buffers[storage] = Memory.new(facts.nbytes, device)
                else:
                    lives.setdefault(device, {})[storage] = (number, last[storage], facts.nbytes)
        for device, of_device in lives.items():
            self.buffers.update(zip(of_device, arena(list(of_device.values()), device)))
        inputs = iter(self.inputs)
        for number, storage in enumerate(self.storages):
            if storage.role == "input":
                self.buffers[number] = Memory.whole(next(inputs).untyped_storage())
            elif number not in self.buffers and number not in self.dynamic and storage.tensor is not None:
                self.buffers[number] = Memory.whole(storage.tensor.untyped_storage())

    def _device(self, unit):
        call = self.calls[unit.calls[0]]
        for ref in call.tensors():
            if ref.size:  # a number may be on the CPU wherever it is used
                return self.storages[ref.storage].device
        names = schema_of(call.func).names
        device = bound(call)[names.index("device")] if "device" in names else None
        if device is not None:
            return torch.device(device)
        return self.inputs[0].device if self.inputs else torch.device("cpu")

    def _deaths(self):
        deaths, last = {}, self._last_uses()
        for storage in self.dynamic:
            deaths.setdefault(last[storage], []).append(storage)
        return deaths


def _is_scattered(ref):
    """Whether a batch is dense neither with its channels second nor with them last.

    For such batches the kernel of `native_batch_norm.out` (torch 2.13, CPU) gives wrong statistics in training.
    """
    batch = torch.empty_strided(ref.size, ref.stride, dtype=ref.dtype, device="meta")
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(batch.dim(), torch.contiguous_format)
    return not (batch.is_contiguous() or batch.is_contiguous(memory_format=last))
