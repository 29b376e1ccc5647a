"""Nests as a function in LLVM's assembly.

The function gets a table of addresses, one to a storage; extents and strides are constants in it. Storages do not
overlap inside of one function, and it says so, so that LLVM vectorises the loops. Large nests are divided among the
threads of the OpenMP library that torch itself uses.
"""

import re

from tandem.engine.native.lines import Lines
from tandem.engine.native.loops import Columns, Loops, sums_columns

# From so many rounds on the loops are divided among threads.
_PARALLEL = 32_768

# Loops of more rounds than this are not unrolled: that would double the time of compiling, and is worth nothing there.
_UNROLLED = 64


# Up to so many nests stand in one function. What LLVM does with a function takes more than the square of their number;
# of more nests each has a function, and those that differ in their storages alone have one together.
_TOGETHER = 24


class Segment:
    """The text of one function, with what it needs: which storage stands where in its table, and scratch memory.

    text has ``@§`` in place of the function's name and ``!§N§`` in place of metadata numbers, so that equal texts are
    compiled once; functions: the mathematical functions that it calls, as (name, dtype, number of arguments).
    """

    def __init__(self, nests, threads):
        self.storages = []
        self.functions = set()
        self.scratch = 0
        self._loops = 0
        self._parts = []
        self._slots = {}
        self._threads = threads
        for nest in nests:
            for access, _ in nest.accesses:
                if access.storage not in self._slots:
                    self._slots[access.storage] = len(self.storages)
                    self.storages.append(access.storage)
        apart = len(nests) > _TOGETHER
        self._scopes = (
            _Scopes(self._used(piece) for piece in ([nest] for nest in nests))
            if apart
            else _Scopes([self._used(nests)])
        )
        self._known = {}  # the text of a function of addresses -> its name
        main = _Function(self, "@§", "ptr %table")
        for number, nest in enumerate(nests):
            name = f"@§.{number}"
            self._scopes.enter(number if apart else 0)
            if not apart:
                self._nest(main, nest, name)
            elif sums_columns(nest) or self._parallel(nest) is not None:
                function = _Function(self, f"{name}.all", "ptr %table")
                self._nest(function, nest, name)
                self._parts.append(function.text())
                main.line(f"call void {name}.all(ptr %table)")
            else:
                self._apart(main, nest, name)
        self._parts.append(main.text())
        self.text = "\n".join(self._parts) + "\n" + self._metadata()

    def _apart(self, main, nest, name):
        """Call a function of the addresses of a nest's storages: an equal one that is there, or a new one."""
        function = _Function(self, "@name", None)
        Loops(function, nest).emit()
        text = function.text()
        key = re.sub(r"!§\d+§", "!", text)
        if key not in self._known:
            self._known[key] = name
            self._parts.append(text.replace("@name(", f"{name}(", 1))
        addresses = [main.value(f"getelementptr ptr, ptr %table, i64 {slot}") for slot in function.slots]
        given = ", ".join(f"ptr {main.value(f'load ptr, ptr {address}')}" for address in addresses)
        main.line(f"call void {self._known[key]}({given})")

    def _used(self, nests):
        """The slots that some nests touch; the last one is the scratch memory."""
        used = {self._slots[access.storage] for nest in nests for access, _ in nest.accesses}
        return [*sorted(used), len(self.storages)]

    def _nest(self, main, nest, name):
        """Write a nest into a function, or, divided among threads, into one of its own by that name."""
        if sums_columns(nest):
            self._columns(main, nest, name)
            return
        dim = self._parallel(nest)
        if dim is None:
            Loops(main, nest).emit()
            return
        part = _Function(self, name, "ptr %table")
        bounds = part.share(nest.extents[dim])
        part.guarded(*bounds, lambda: Loops(part, nest, dim, bounds).emit())
        self._parts.append(part.text())
        main.line(f"call void @GOMP_parallel(ptr {name}, ptr %table, i32 0, i32 0)")

    def _columns(self, main, nest, name):
        """Sums over many rows: chunks of rows, divided among threads, each with sums of its own; then their sum."""
        parallel = self._threads and nest.elements >= _PARALLEL
        part = _Function(self, name, "ptr %table") if parallel else main
        columns = Columns(part, nest)
        if parallel:
            low, high = part.share(columns.chunks)
            part.guarded(low, high, lambda: columns.emit(low, high))
            self._parts.append(part.text())
            main.line(f"call void @GOMP_parallel(ptr {name}, ptr %table, i32 0, i32 0)")
        else:
            columns.emit("0", str(columns.chunks))
        columns.finish(main)

    def slot(self, storage):
        """The place of a storage's address in the table."""
        return self._slots[storage]

    def room(self, nbytes):
        """A new piece of scratch memory, as an offset in it."""
        offset = self.scratch
        self.scratch += -(-nbytes // 64) * 64
        return offset

    def _parallel(self, nest):
        """The loop to divide among threads, or None."""
        if not self._threads or nest.elements < _PARALLEL:
            return None
        for dim, extent in enumerate(nest.extents):
            if extent >= 2 and not any(s.reduced[dim] for s in nest.statements):
                return dim
        return None

    def _metadata(self):
        first = self._scopes.count
        lines = [*self._scopes.lines(), f'!§{first}§ = !{{!"llvm.loop.unroll.disable"}}']
        for number in range(first + 1, first + 1 + self._loops):
            lines.append(f"!§{number}§ = distinct !{{!§{number}§, !§{first}§}}")
        return "\n".join(lines)

    def rolled(self):
        """The words that say of a loop's branch that the loop is not to be unrolled."""
        self._loops += 1
        return f", !llvm.loop !§{self._scopes.count + self._loops}§"

    def alias(self, slot):
        """The words that say of a load or store that it touches this storage only."""
        return self._scopes.words(slot)

    def named(self, name, first):
        """(the text as function `name` with metadata numbers from `first` on, the next free number)."""
        count = self._scopes.count + 1 + self._loops
        text = re.sub(r"!§(\d+)§", lambda match: f"!{first + int(match[1])}", self.text)
        return text.replace("@§", f"@{name}"), first + count


class _Scopes:
    """Metadata that says which storages a function's loads and stores touch: a domain to each group of slots."""

    def __init__(self, groups):
        self._groups, self._first, self.count = [], [], 0
        for slots in groups:
            self._groups.append({slot: place for place, slot in enumerate(slots)})
            self._first.append(self.count)
            self.count += 1 + 3 * len(slots)
        self._now = 0

    def enter(self, number):
        """From now on the words are those of a group."""
        self._now = number

    def words(self, slot):
        """What a load or store of a slot has to say."""
        group, first = self._groups[self._now], self._first[self._now]
        mine = first + 1 + len(group) + group[slot]
        return f"!alias.scope !§{mine}§, !noalias !§{mine + len(group)}§"

    def lines(self):
        """The definitions: of each group its domain, its scopes, and the lists of one and of all others."""
        lines = []
        for first, group in zip(self._first, self._groups, strict=True):
            count = len(group)
            scopes = [f"!§{first + 1 + place}§" for place in range(count)]
            lines.append(f"!§{first}§ = distinct !{{!§{first}§}}")
            lines += [f"{scope} = distinct !{{{scope}, !§{first}§}}" for scope in scopes]
            lines += [f"!§{first + 1 + count + place}§ = !{{{scope}}}" for place, scope in enumerate(scopes)]
            for place in range(count):
                others = ", ".join(scopes[:place] + scopes[place + 1 :])
                lines.append(f"!§{first + 1 + 2 * count + place}§ = !{{{others}}}")
        return lines


class _Function(Lines):
    """The lines of a function while they are written."""

    def __init__(self, segment, name, arguments):
        """arguments: their text, or None for a function that gets the address of each storage that it asks for."""
        super().__init__("start")
        self.segment, self.name, self.arguments = segment, name, arguments
        self.slots = []  # whose addresses are the arguments
        self.allocations = []
        self._pointers = {}

    def variable(self, kind):
        """A place on the stack; LLVM makes a register of it."""
        self._count += 1
        self.allocations.append(f"  %a{self._count} = alloca {kind}")
        return f"%a{self._count}"

    def pointer(self, slot):
        """The address of a storage."""
        if self.arguments is None:
            if slot not in self.slots:
                self.slots.append(slot)
            return f"%p{self.slots.index(slot)}"
        if slot not in self._pointers:
            name = f"%p{slot}"
            self.allocations.append(f"  {name}.at = getelementptr ptr, ptr %table, i64 {slot}")
            self.allocations.append(f"  {name} = load ptr, ptr {name}.at, !invariant.load !{{}}")
            self._pointers[slot] = name
        return self._pointers[slot]

    def rounds(self, low, high, body):
        """Run ``body(index)`` from low to below high, which must not be empty; a long loop is not unrolled."""
        long = not high.isdigit() or int(high) > _UNROLLED
        self.loop(low, high, lambda index, _: body(index), note=self.segment.rolled() if long else "")

    def guarded(self, low, high, body):
        """Run the body where low < high."""
        self.when(self.value(f"icmp slt i64 {low}, {high}"), body)

    def text(self):
        """The whole function."""
        arguments, kind = self.arguments, "define"
        if arguments is None:
            arguments, kind = ", ".join(f"ptr noalias %p{n}" for n in range(len(self.slots))), "define internal"
        head = f"{kind} void {self.name}({arguments}){' noinline' if kind != 'define' else ''} {{\nentry:"
        return "\n".join([head, *self.allocations, "  br label %start", "start:", *self.lines, "  ret void", "}"])
