"""A function in LLVM's assembly while it is written: lines, names of values, loops."""


class Lines:
    """The lines of a function's body. Values are texts: names, or numbers."""

    def __init__(self, block):
        """block: the label of the block that the first line belongs to."""
        self.lines = []
        self.block = block
        self._count = 0

    def line(self, text):
        """Append an instruction without a result."""
        self.lines.append("  " + text)

    def value(self, text):
        """Append an instruction, and give its result's name."""
        self._count += 1
        self.lines.append(f"  %v{self._count} = {text}")
        return f"%v{self._count}"

    def label(self):
        """A new label."""
        self._count += 1
        return f"b{self._count}"

    def begin(self, label):
        """Begin a block."""
        self.lines.append(f"{label}:")
        self.block = label

    def loop(self, low, high, body, carried=(), note=""):
        """A loop from low to below high, which must not be empty; gives what it carries at the end.

        carried: (type, first value) of what each round hands on to the next; ``body(index, values)`` gives the values
        for the next round; note: what the branch at the end says besides, metadata.
        """
        head, after, before = self.label(), self.label(), self.block
        self.line(f"br label %{head}")
        self.begin(head)
        place = len(self.lines)
        self._count += 1
        index, values = f"%i{self._count}", [f"%c{self._count}.{k}" for k in range(len(carried))]
        self.lines.append("")
        following = body(index, values) or ()
        count = self.value(f"add nuw nsw i64 {index}, 1")
        more = self.value(f"icmp slt i64 {count}, {high}")
        phis = [f"  {index} = phi i64 [ {low}, %{before} ], [ {count}, %{self.block} ]"]
        for (kind, first), name, new in zip(carried, values, following, strict=True):
            phis.append(f"  {name} = phi {kind} [ {first}, %{before} ], [ {new}, %{self.block} ]")
        self.lines[place] = "\n".join(phis)
        self.line(f"br i1 {more}, label %{head}, label %{after}{note}")
        self.begin(after)
        return following

    def when(self, test, body):
        """Run the body where the test holds."""
        inside, after = self.label(), self.label()
        self.line(f"br i1 {test}, label %{inside}, label %{after}")
        self.begin(inside)
        body()
        self.line(f"br label %{after}")
        self.begin(after)

    def share(self, extent):
        """(low, high): this thread's part of `extent` rounds."""
        number = self.value("sext i32 " + self.value("call i32 @omp_get_thread_num()") + " to i64")
        count = self.value("sext i32 " + self.value("call i32 @omp_get_num_threads()") + " to i64")
        following = self.value(f"add i64 {number}, 1")
        low, high = (
            self.value(f"sdiv i64 {self.value(f'mul i64 {which}, {extent}')}, {count}") for which in (number, following)
        )
        return low, high
