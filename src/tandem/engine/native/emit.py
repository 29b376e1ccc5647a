"""Nests as a function in LLVM's assembly.

The function gets a table of addresses, one to a storage; extents and strides are constants in it. Storages do not
overlap inside of one function, and it says so, so that LLVM vectorises the loops. Large nests are divided among the
threads of the OpenMP library that torch itself uses.
"""

import re

from tandem.engine.native.loops import Columns, Loops, sums_columns

# From so many rounds on the loops are divided among threads.
_PARALLEL = 32_768

# Loops of more rounds than this are not unrolled: that would double the time of compiling, and is worth nothing there.
_UNROLLED = 64


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
            for access, _ in nest.accesses():
                if access.storage not in self._slots:
                    self._slots[access.storage] = len(self.storages)
                    self.storages.append(access.storage)
        main = _Function(self, "@§", "ptr %table")
        for number, nest in enumerate(nests):
            if sums_columns(nest):
                self._columns(main, nest, f"@§.{number}")
                continue
            dim = self._parallel(nest)
            if dim is None:
                Loops(main, nest).emit()
                continue
            name = f"@§.{number}"
            part = _Function(self, name, "ptr %table")
            bounds = part.share(nest.extents[dim])
            part.guarded(
                *bounds, lambda part=part, nest=nest, dim=dim, bounds=bounds: Loops(part, nest, dim, bounds).emit()
            )
            self._parts.append(part.text())
            main.line(f"call void @GOMP_parallel(ptr {name}, ptr %table, i32 0, i32 0)")
        self._parts.append(main.text())
        self.text = "\n".join(self._parts) + "\n" + self._metadata()

    def _columns(self, main, nest, name):
        """Sums over many rows: chunks of rows, divided among threads, each with sums of its own; then their sum."""
        parallel = self._threads and nest.elements() >= _PARALLEL
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
        if not self._threads or nest.elements() < _PARALLEL:
            return None
        for dim, extent in enumerate(nest.extents):
            if extent >= 2 and not any(s.reduced[dim] for s in nest.statements):
                return dim
        return None

    def _metadata(self):
        count = len(self.storages) + 1  # the last one is the scratch memory
        lines = ["!§0§ = distinct !{!§0§}"]
        for number in range(count):
            lines.append(f"!§{1 + number}§ = distinct !{{!§{1 + number}§, !§0§}}")
        for number in range(count):
            lines.append(f"!§{1 + count + number}§ = !{{!§{1 + number}§}}")
            others = ", ".join(f"!§{1 + other}§" for other in range(count) if other != number)
            lines.append(f"!§{1 + 2 * count + number}§ = !{{{others}}}")
        first = 1 + 3 * count
        lines.append(f'!§{first}§ = !{{!"llvm.loop.unroll.disable"}}')
        for number in range(first + 1, first + 1 + self._loops):
            lines.append(f"!§{number}§ = distinct !{{!§{number}§, !§{first}§}}")
        return "\n".join(lines)

    def rolled(self):
        """The words that say of a loop's branch that the loop is not to be unrolled."""
        self._loops += 1
        return f", !llvm.loop !§{1 + 3 * (len(self.storages) + 1) + self._loops}§"

    def alias(self, slot):
        """The words that say of a load or store that it touches this storage only."""
        count = len(self.storages) + 1
        return f"!alias.scope !§{1 + count + slot}§, !noalias !§{1 + 2 * count + slot}§"

    def named(self, name, first):
        """(the text as function `name` with metadata numbers from `first` on, the next free number)."""
        count = 2 + 3 * (len(self.storages) + 1) + self._loops
        text = re.sub(r"!§(\d+)§", lambda match: f"!{first + int(match[1])}", self.text)
        return text.replace("@§", f"@{name}"), first + count


class _Function:
    """The lines of a function while they are written."""

    def __init__(self, segment, name, arguments):
        self.segment = segment
        self.head = f"define void {name}({arguments}) {{\nentry:"
        self.allocations = []
        self.lines = []
        self.block = "start"
        self._count = 0
        self._pointers = {}

    def line(self, text):
        """Append an instruction without a result."""
        self.lines.append("  " + text)

    def value(self, text):
        """Append an instruction, and give its result's name."""
        self._count += 1
        self.lines.append(f"  %v{self._count} = {text}")
        return f"%v{self._count}"

    def begin(self, label):
        """Begin a block."""
        self.lines.append(f"{label}:")
        self.block = label

    def label(self):
        """A new label."""
        self._count += 1
        return f"b{self._count}"

    def variable(self, kind):
        """A place on the stack; LLVM makes a register of it."""
        self._count += 1
        self.allocations.append(f"  %a{self._count} = alloca {kind}")
        return f"%a{self._count}"

    def pointer(self, slot):
        """The address of a storage."""
        if slot not in self._pointers:
            name = f"%p{slot}"
            self.allocations.append(f"  {name}.at = getelementptr ptr, ptr %table, i64 {slot}")
            self.allocations.append(f"  {name} = load ptr, ptr {name}.at, !invariant.load !{{}}")
            self._pointers[slot] = name
        return self._pointers[slot]

    def loop(self, low, high, body):
        """A loop from low to below high, which must not be empty."""
        head, after, before = self.label(), self.label(), self.block
        self.line(f"br label %{head}")
        self.begin(head)
        place = len(self.lines)
        self._count += 1
        index, following = f"%i{self._count}", f"%n{self._count}"
        self.lines.append("")
        body(index)
        self.line(f"{following} = add nuw nsw i64 {index}, 1")
        more = self.value(f"icmp slt i64 {following}, {high}")
        self.lines[place] = f"  {index} = phi i64 [ {low}, %{before} ], [ {following}, %{self.block} ]"
        long = not high.isdigit() or int(high) > _UNROLLED
        self.line(f"br i1 {more}, label %{head}, label %{after}{self.segment.rolled() if long else ''}")
        self.begin(after)

    def guarded(self, low, high, body):
        """Run the body where low < high."""
        inside, after = self.label(), self.label()
        test = self.value(f"icmp slt i64 {low}, {high}")
        self.line(f"br i1 {test}, label %{inside}, label %{after}")
        self.begin(inside)
        body()
        self.line(f"br label %{after}")
        self.begin(after)

    def share(self, extent):
        """(low, high): this thread's part of a loop."""
        number = self.value("sext i32 " + self.value("call i32 @omp_get_thread_num()") + " to i64")
        count = self.value("sext i32 " + self.value("call i32 @omp_get_num_threads()") + " to i64")
        following = self.value(f"add i64 {number}, 1")
        low, high = (
            self.value(f"sdiv i64 {self.value(f'mul i64 {which}, {extent}')}, {count}") for which in (number, following)
        )
        return low, high

    def text(self):
        """The whole function."""
        return "\n".join([self.head, *self.allocations, "  br label %start", "start:", *self.lines, "  ret void", "}"])
