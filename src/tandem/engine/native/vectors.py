"""Functions of explicit vector code in LLVM's assembly, written line by line.

`emit` leaves vectors to LLVM; here they are written out: values of `lanes` floats in registers, of which a kernel keeps
as many as the processor has, and loops that carry them.
"""

import functools

import torch

from tandem.engine.native import llvm
from tandem.engine.native.lines import Lines
from tandem.engine.native.loops import literal

# 1.5 * 2**23: adding it to a small number leaves the nearest whole number in the lowest bits of the sum.
_ROUNDING = 12582912.0

# exp(r) - 1 - r = r**2 (1/2 + r/6 + ...); the next term is below half a unit in the last place for r up to ln(2) / 2.
_SERIES = (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2)

# ln(2) in two parts, the first of which has few digits: a whole number times it is exact.
_LN2 = (0.693359375, -2.12194440e-4)


@functools.cache
def shape():
    """(lanes of a vector, how many of them a block of sums may take) on this processor."""
    if "avx512f" in llvm.features():
        return 16, 24
    return 8, 12


class Code(Lines):
    """The lines of a function while they are written. Values are texts: names, or numbers."""

    def __init__(self, name, parameters, lanes):
        super().__init__("entry")
        self.lanes = lanes
        self.vector = f"<{lanes} x float>"
        # LLVM would gain nothing by copying a kernel's parts into each other, and take twice the time.
        self._head = f"define internal void {name}({parameters}) noinline nounwind {{\nentry:"

    def text(self):
        """The whole function."""
        return "\n".join([self._head, *self.lines, "  ret void", "}"])

    # -- control ------------------------------------------------------------------------------------------------------

    def tiles(self, low, high, most, body):
        """Call ``body(rows, first row)`` for tiles of rows, of at most `most` and nearly the same number each."""
        count = self.value(f"sub i64 {high}, {low}")
        number = self.value(f"udiv i64 {self.value(f'add i64 {count}, {most - 1}')}, {most}")
        least, larger = self.value(f"udiv i64 {count}, {number}"), self.value(f"urem i64 {count}, {number}")

        def tile(index, values):
            (first,) = values
            more = self.value(f"icmp slt i64 {index}, {larger}")
            rows = self.value(f"add i64 {least}, {self.value(f'zext i1 {more} to i64')}")
            labels, after = [self.label() for _ in range(most)], self.label()
            cases = " ".join(f"i64 {k + 1}, label %{label}" for k, label in enumerate(labels[:-1]))
            self.line(f"switch i64 {rows}, label %{labels[-1]} [ {cases} ]")
            for k, label in enumerate(labels):
                self.begin(label)
                body(k + 1, first)
                self.line(f"br label %{after}")
            self.begin(after)
            return [self.value(f"add i64 {first}, {rows}")]

        self.loop("0", number, tile, [("i64", low)])

    # -- memory -------------------------------------------------------------------------------------------------------

    def argument(self, slot):
        """An address in the table."""
        at = self.value(f"getelementptr ptr, ptr %table, i64 {slot}")
        return self.value(f"load ptr, ptr {at}, !invariant.load !{{}}")

    def at(self, base, *terms, kind="float"):
        """`base` moved on by terms of elements: numbers, or (index, stride)."""
        place, fixed = None, 0
        for term in terms:
            if isinstance(term, int):
                fixed += term
                continue
            index, stride = term
            if stride == 0:
                continue
            if not index.startswith("%"):
                fixed += int(index) * stride
                continue
            step = index if stride == 1 else self.value(f"mul nsw i64 {index}, {stride}")
            place = step if place is None else self.value(f"add nsw i64 {place}, {step}")
        if place is not None:
            base = self.value(f"getelementptr {kind}, ptr {base}, i64 {place}")
        return self.value(f"getelementptr {kind}, ptr {base}, i64 {fixed}") if fixed else base

    def load(self, at, count=None, stride=1):
        """A vector of `count` floats (all lanes if None) `stride` apart; the other lanes are zero."""
        count = count or self.lanes
        if stride != 1 and count > 1:
            whole = "zeroinitializer"
            for lane in range(count):
                one = self.value(f"load float, ptr {self.at(at, lane * stride)}, align 4")
                whole = self.value(f"insertelement {self.vector} {whole}, float {one}, i64 {lane}")
            return whole
        if count == self.lanes:
            return self.value(f"load {self.vector}, ptr {at}, align 4")
        part = self.value(f"load <{count} x float>, ptr {at}, align 4")
        order = ", ".join(f"i32 {min(lane, count)}" for lane in range(self.lanes))
        kind = f"<{count} x float>"
        return self.value(f"shufflevector {kind} {part}, {kind} zeroinitializer, <{self.lanes} x i32> <{order}>")

    def store(self, vector, at, count=None):
        """Store the first `count` lanes (all if None)."""
        if count in (None, self.lanes):
            self.line(f"store {self.vector} {vector}, ptr {at}, align 4")
            return
        order = ", ".join(f"i32 {lane}" for lane in range(count))
        part = self.value(f"shufflevector {self.vector} {vector}, {self.vector} poison, <{count} x i32> <{order}>")
        self.line(f"store <{count} x float> {part}, ptr {at}, align 4")

    def everywhere(self, at):
        """A vector with one float of memory in all lanes."""
        one = self.value(f"load float, ptr {at}, align 4")
        first = self.value(f"insertelement {self.vector} poison, float {one}, i64 0")
        order = f"<{self.lanes} x i32> zeroinitializer"
        return self.value(f"shufflevector {self.vector} {first}, {self.vector} poison, {order}")

    # -- arithmetic ---------------------------------------------------------------------------------------------------

    def number(self, value):
        """A vector of one number."""
        return f"splat (float {literal(value, torch.float32)})"

    def _binary(self, name, a, b):
        return self.value(f"{name} {self.vector} {a}, {b}")

    def add(self, a, b):
        """a + b"""
        return self._binary("fadd contract", a, b)

    def sub(self, a, b):
        """a - b"""
        return self._binary("fsub contract", a, b)

    def mul(self, a, b):
        """a * b"""
        return self._binary("fmul contract", a, b)

    def div(self, a, b):
        """a / b"""
        return self._binary("fdiv", a, b)

    def fma(self, a, b, c):
        """a * b + c, in one instruction where the processor has it"""
        return self.add(self.mul(a, b), c)

    def negative(self, a):
        """-a"""
        return self.value(f"fneg {self.vector} {a}")

    def one_minus(self, a):
        """1 - a"""
        return self.sub(self.number(1), a)

    def select(self, test, a, b):
        """a where the test (one for the whole vector) holds, else b"""
        return self.value(f"select i1 {test}, {self.vector} {a}, {self.vector} {b}")

    def _choose(self, compare, a, b, yes, no):
        test = self.value(f"fcmp {compare} {self.vector} {a}, {b}")
        return self.value(f"select <{self.lanes} x i1> {test}, {self.vector} {yes}, {self.vector} {no}")

    def clamp(self, x, low, high):
        """x between two numbers; what is not a number stays so"""
        low, high = self.number(low), self.number(high)
        x = self._choose("ogt", x, high, high, x)
        return self._choose("olt", x, low, low, x)

    def _exponential(self, x):
        """(q, s) with exp(x) = s + s q, s a power of two and q small, for |x| below 88."""
        shifted = self.fma(x, self.number(1.4426950408889634), self.number(_ROUNDING))
        whole = self.sub(shifted, self.number(_ROUNDING))
        r = self.fma(whole, self.number(-_LN2[0]), x)
        r = self.fma(whole, self.number(-_LN2[1]), r)
        series = self.number(_SERIES[0])
        for factor in _SERIES[1:]:
            series = self.fma(series, r, self.number(factor))
        q = self.fma(self.mul(series, r), r, r)
        words = f"<{self.lanes} x i32>"
        bits = self.value(f"bitcast {self.vector} {shifted} to {words}")
        bits = self.value(f"shl {words} {bits}, splat (i32 23)")
        bits = self.value(f"add {words} {bits}, splat (i32 {127 << 23})")
        return q, self.value(f"bitcast {words} {bits} to {self.vector}")

    def sigmoid(self, x):
        """1 / (1 + exp(-x))"""
        q, s = self._exponential(self.negative(self.clamp(x, -87, 87)))
        return self.div(self.number(1), self.fma(q, s, self.add(s, self.number(1))))

    def tanh(self, x):
        """(exp(2 x) - 1) / (exp(2 x) + 1), without losing the digits of a small x"""
        x = self.clamp(x, -15, 15)
        q, s = self._exponential(self.add(x, x))
        e = self.fma(q, s, self.sub(s, self.number(1)))
        return self.div(e, self.add(e, self.number(2)))

    def activate(self, name, x):
        """One of the activations that the hand-written recurrences have."""
        if name in ("sigmoid", "tanh"):
            return getattr(self, name)(x)
        if name == "relu":
            return self._choose("olt", x, self.number(0), self.number(0), x)
        if name == "hard_sigmoid":
            return self.clamp(self.fma(x, self.number(1 / 6), self.number(0.5)), 0, 1)
        return x

    def slope(self, name, grad, y):
        """`grad` times the derivative of an activation whose result is y."""
        if name == "sigmoid":
            return self.mul(grad, self.mul(y, self.one_minus(y)))
        if name == "tanh":
            return self.sub(grad, self.mul(grad, self.mul(y, y)))
        if name == "relu":
            return self._choose("ogt", y, self.number(0), grad, self.number(0))
        if name == "hard_sigmoid":
            inside = self._choose("ogt", y, self.number(0), self.mul(grad, self.number(1 / 6)), self.number(0))
            return self._choose("olt", y, self.number(1), inside, self.number(0))
        return grad

    # -- products -----------------------------------------------------------------------------------------------------

    def product(self, sums, rows, stride, panel, length, unroll=2):
        """Add ``sum over k of left[row, k] * panel[k, column]`` to a block of sums.

        sums: a list of vectors to a row; rows: the address of the first row; stride: from row to row; panel: for each
        of `length` k the block's columns, one vector behind the other. Gives the new sums.
        """
        width = len(sums[0])
        flat = [vector for row in sums for vector in row]

        def step(flat, left, right):
            # A column at a time, for all rows: so the fewest registers are needed beside the sums.
            ones, flat = [self.everywhere(self.at(left, row * stride)) for row in range(len(sums))], list(flat)
            for column in range(width):
                vector = self.load(self.at(right, self.lanes * column))
                for row, one in enumerate(ones):
                    flat[row * width + column] = self.fma(one, vector, flat[row * width + column])
            return flat

        def steps(index, flat):
            for k in range(unroll):
                left, right = self.at(rows, (index, unroll), k), self.at(panel, (index, unroll * width * self.lanes))
                flat = step(flat, left, self.at(right, k * width * self.lanes))
            return flat

        rounds = length // unroll
        if rounds:
            flat = self.loop("0", str(rounds), steps, [(self.vector, vector) for vector in flat])
        for k in range(rounds * unroll, length):
            flat = step(flat, self.at(rows, k), self.at(panel, k * width * self.lanes))
        return [flat[row * width : (row + 1) * width] for row in range(len(sums))]


def groups(columns, lanes, most):
    """Columns as groups of at most `most` vectors: (first column, the number of columns of each vector)."""
    vectors = -(-columns // lanes)
    number = -(-vectors // most)
    found, first = [], 0
    for group in range(number):
        count = vectors // number + (group < vectors % number)
        widths = tuple(min(lanes, columns - first - k * lanes) for k in range(count))
        found.append((first, widths))
        first += sum(widths)
    return found
