"""Machine code for `ops.rnn_fused`'s operators: what the kernels of both directions share, and the way forward.

The rows of a batch are divided among the threads, each of which takes its rows through all steps: rows know nothing of
each other, and so no thread waits for another. A step is a product with the recurrent weights, in blocks of some rows
by some vectors of columns whose sums stay in registers, and then the rest of the cell, one vector of units after the
other. The weights are first copied to where a block reads them one behind the other.
"""

import torch

from tandem.engine.native import vectors
from tandem.ops import rnn_loop, rnn_steps

# From so many multiplications on, the rows are divided among threads.
_PARALLEL = 200_000

# The weights should stay in a core's cache; where they do not, the library's products of all rows are better.
MOST_UNITS = 512

# Vectors of columns in a block, where there are rows enough.
_COLUMNS = 4


def can(cell, units):
    """Whether there is a kernel for a recurrence (its activations are known to be among the hand-written ones)."""
    return cell in rnn_loop.BLOCKS and 0 < units <= MOST_UNITS


class Kernel:
    """Like `emit.Segment`: the functions of a recurrence in one direction."""

    def __init__(self, refs, options, gates, units, threads):
        self.kind, self.activation, self.gate, self.update_first, self.reverse, self.layout = options
        self.steps, self.batch, self.units = *gates.size[:2], units
        self.width = rnn_loop.BLOCKS[self.kind] * units
        self.state_size = self.batch * units
        # The blocks of update and reset gate among the gates; a reversed recurrence has the state before step t behind.
        self.z, self.r = (0, 1) if self.update_first else (1, 0)
        self.back = int(self.reverse)
        self.lanes, self.block = vectors.shape()
        self.storages = list(dict.fromkeys(ref.storage for ref in refs if ref is not None))
        self.functions = set()
        self.scratch = 0
        work = self.steps * self.state_size * self.width
        self.parallel = threads and self.batch > 1 and work > _PARALLEL
        self._parts, self._packs = [], []

    def named(self, name, first):
        """(the text as function `name`, the next free number of metadata)."""
        return self.text.replace("@§", f"@{name}"), first

    def _code(self, name, parameters="ptr %table"):
        return vectors.Code(name, parameters, self.lanes)

    def room(self, floats):
        """A new piece of scratch memory, as an offset in it in floats."""
        offset = self.scratch // 4
        self.scratch += -(-floats // 16) * 64
        return offset

    def memory(self, code, ref, *terms, kind="float"):
        """An address in a tensor: from its first element on by terms of elements."""
        return code.at(code.argument(self.storages.index(ref.storage)), ref.offset, *terms, kind=kind)

    def spare(self, code, offset, *terms):
        """An address in the scratch memory."""
        return code.at(code.argument(len(self.storages)), offset, *terms)

    # -- products -----------------------------------------------------------------------------------------------------

    def product(self, name, columns, length, left, target, weight, *, add):
        """A function that emits a product with weights, ``call(code, left, target, low, high)`` for rows of a batch.

        columns, length: of the result, and how many terms its sums have; left, target: from row to row of the factor
        and of the result; weight: (ref, offset, from one term to the next, from one column to the next); add: whether
        the product is added to what is there.
        """
        made, calls = set(), []
        rows = min(self.batch, self.block // _COLUMNS)
        for first, widths in vectors.groups(columns, self.lanes, self.block // rows):
            function = f"{name}.{'.'.join(map(str, widths))}"
            if widths not in made:
                made.add(widths)
                self._block(function, widths, length, left, target, add)
                self._pack(function, widths, weight)
            panel = self.room(length * len(widths) * self.lanes)
            calls.append((function, first, panel))
            self._packs.append((function, first, panel, length))

        def call(code, left, target, low, high):
            for function, first, panel in calls:
                to, at = code.at(target, first), self.spare(code, panel)
                code.line(f"call void @§.{function}(ptr {left}, ptr {to}, ptr {at}, i64 {low}, i64 {high})")

        return call

    def _block(self, name, widths, length, left, target, add):
        """Write the function that computes a group of columns for some rows."""
        code = self._code(f"@§.{name}", "ptr %left, ptr %target, ptr %panel, i64 %low, i64 %high")
        places = list(enumerate(range(0, self.lanes * len(widths), self.lanes)))

        def tile(rows, first):
            to = code.at("%target", (first, target))
            at = [[code.at(to, row * target + place) for _, place in places] for row in range(rows)]
            sums = [[code.load(one, width) if add else code.number(0) for one, width in zip(row, widths)] for row in at]
            sums = code.product(sums, code.at("%left", (first, left)), left, "%panel", length)
            for addresses, values in zip(at, sums, strict=True):
                for one, value, width in zip(addresses, values, widths, strict=True):
                    code.store(value, one, width)

        code.tiles("%low", "%high", min(self.batch, 6, max(1, self.block // len(widths))), tile)
        self._parts.append(code.text())

    def _pack(self, name, widths, weight):
        """Write the function that copies the weights of a group of columns to its panel."""
        ref, offset, by_term, by_column = weight
        code = self._code(f"@§.pack.{name}", "ptr %table, i64 %low, i64 %high, i64 %first, ptr %panel")
        start = self.memory(code, ref, offset, ("%first", by_column))

        def one(k, _):
            for number, width in enumerate(widths):
                at = code.at(start, (k, by_term), number * self.lanes * by_column)
                to = code.at("%panel", (k, len(widths) * self.lanes), number * self.lanes)
                code.store(code.load(at, width, by_column), to)

        code.loop("%low", "%high", one)
        self._parts.append(code.text())

    def weight_strides(self, w_rec):
        """Of the weights: (from one entry of the state to the next, from one column of the gates to the next)."""
        return w_rec.stride if self.layout == "io" else w_rec.stride[::-1]

    # -- the whole ----------------------------------------------------------------------------------------------------

    def finish(self, rows):
        """Write what remains: ``rows(code, low, high)`` writes what is to be done for some rows."""
        pack = self._code("@§.packs")
        for name, first, panel, length in self._packs:
            low, high = pack.share(length) if self.parallel else ("0", str(length))
            at = self.spare(pack, panel)
            call = f"call void @§.pack.{name}(ptr %table, i64 {low}, i64 {high}, i64 {first}, ptr {at})"
            pack.when(pack.value(f"icmp slt i64 {low}, {high}"), lambda call=call: pack.line(call))
        code = self._code("@§.rows")
        low, high = code.share(self.batch) if self.parallel else ("0", str(self.batch))
        code.when(code.value(f"icmp slt i64 {low}, {high}"), lambda: rows(code, low, high))
        main = self._code("@§")
        for part in ("packs", "rows"):
            if self.parallel:
                main.line(f"call void @GOMP_parallel(ptr @§.{part}, ptr %table, i32 0, i32 0)")
            else:
                main.line(f"call void @§.{part}(ptr %table)")
        texts = [*self._parts, pack.text(), code.text(), main.text().replace("define internal", "define", 1)]
        self.text = "\n".join(texts) + "\n"

    def over_steps(self, code, backwards, body):
        """Call ``body(t, index)`` in a loop over the steps, t in the order of time or against it."""

        def step(index, _):
            body(code.value(f"sub i64 {self.steps - 1}, {index}") if backwards else index, index)

        code.loop("0", str(self.steps), step)

    def over_units(self, code, low, high, body):
        """Call ``body(row, first unit, how many)`` in loops over rows and vectors of units."""
        whole, rest = divmod(self.units, self.lanes)

        def row(b, _):
            if whole:
                code.loop("0", str(whole), lambda k, _: body(b, code.value(f"mul i64 {k}, {self.lanes}"), self.lanes))
            if rest:
                body(b, str(whole * self.lanes), rest)

        code.loop(low, high, row)

    def copy(self, code, low, high, source, strides, target):
        """Copy rows of units, or with source None set them to zero; strides: of the source's rows and columns."""

        def one(b, k, width):
            to = code.at(target, (b, self.units), (k, 1))
            if source is None:
                code.store(code.number(0), to, width)
            else:
                code.store(code.load(code.at(source, (b, strides[0]), (k, strides[1])), width, strides[1]), to, width)

        self.over_units(code, low, high, one)

    def states_at(self, code, ref, t):
        """Where the states before and after step t are in (T + 1, B, u)."""
        return [self.memory(code, ref, (t, self.state_size), k * self.state_size) for k in (self.back, 1 - self.back)]

    def shut(self, code, mask, t, row):
        """Whether a step is masked, for one row; None without a mask."""
        if mask is None:
            return None
        at = self.memory(code, mask, (t, mask.stride[0]), (row, mask.stride[1]), kind="i8")
        return code.value(f"icmp eq i8 {code.value(f'load i8, ptr {at}, align 1')}, 0")


class Vector:
    """One vector of units of a row: loads and stores of the tensors that a step touches there."""

    def __init__(self, kernel, code, t, row, unit, width):
        self.kernel, self.code, self.t, self.row, self.unit, self.width = kernel, code, t, row, unit, width

    def at(self, base, gate=0, blocks=1):
        """An address in rows of `blocks` blocks of units."""
        units = self.kernel.units
        return self.code.at(base, (self.row, blocks * units), (self.unit, 1), gate * units)

    def load(self, base, gate=0, blocks=1):
        """The vector at `at`."""
        return self.code.load(self.at(base, gate, blocks), self.width)

    def store(self, value, base, gate=0, blocks=1):
        """Store a vector at `at`."""
        self.code.store(value, self.at(base, gate, blocks), self.width)


def dense(ref):
    """Whether a tensor's elements lie one behind the other."""
    step = 1
    for extent, stride in zip(reversed(ref.size), reversed(ref.stride), strict=True):
        if extent != 1 and stride != step:
            return False
        step *= extent
    return True


def fits(gates, mask, options):
    """Whether the kernels can do what is asked."""
    kind, activation, gate = options[:3]
    return (
        gates.dtype is torch.float32
        and dense(gates)
        and activation in rnn_steps.ACTIVATIONS
        and gate in rnn_steps.ACTIVATIONS
        and (mask is None or (mask.dtype is torch.bool and (kind == "rnn" or gate in rnn_steps.GATES)))
    )


class Forward(Kernel):
    """``tandem::recurrence``."""

    def __init__(self, arguments, outputs, threads):
        tensors, options, (keep_states, self.keep) = arguments[:6], arguments[6:12], arguments[12:]
        self.gates, self.state, self.cell, self.w_rec, self.b_rec, self.mask = tensors
        self.states, self.extra = outputs
        super().__init__([*tensors, *outputs], options, self.gates, self.state.size[1], threads)
        self.turns = None if keep_states else self.room(2 * self.state_size)
        # What the gradient needs of a step and is not among the gates; of one step where nothing is kept.
        self.more = None if self.keep or not self.kind.startswith("gru") else self.room(self.state_size)
        run = {"rnn": self._rnn, "lstm": self._lstm, "gru": self._gru, "gru_reset_after": self._gru_reset_after}
        self._products(*self.weight_strides(self.w_rec))
        self.finish(lambda code, low, high: self._rows(code, low, high, run[self.kind]))

    def _products(self, by_unit, by_column):
        """Write the products of a step."""
        units, width = self.units, self.width
        of_gates, of_last = (self.w_rec, 0, by_unit, by_column), (self.w_rec, 2 * units * by_column, by_unit, by_column)
        if self.kind == "gru":
            self.of_gates = self.product("gates", 2 * units, units, units, width, of_gates, add=True)
            self.of_last = self.product("last", units, units, units, width, of_last, add=True)
        elif self.kind == "gru_reset_after":
            self.of_gates = self.product("gates", 2 * units, units, units, width, of_gates, add=True)
            self.of_last = self.product("last", units, units, units, units, of_last, add=self.b_rec is not None)
        else:
            self.of_gates = self.product("gates", width, units, units, width, of_gates, add=True)

    def _rows(self, code, low, high, run):
        first = self.steps if self.reverse else 0
        self.copy(code, low, high, self.memory(code, self.state), self.state.stride, self._state(code, str(first), "0"))
        if self.cell is not None:
            cells = self.memory(code, self.extra, first * self.state_size if self.keep else 0)
            self.copy(code, low, high, self.memory(code, self.cell), self.cell.stride, cells)

        def step(t, index):
            before = self._state(code, code.value(f"add i64 {t}, {self.back}"), index)
            following = code.value(f"add i64 {index}, 1")
            after = self._state(code, code.value(f"add i64 {t}, {1 - self.back}"), following)
            gates = self.memory(code, self.gates, (t, self.batch * self.width))

            def over(body):
                def one(row, unit, width):
                    shut = self.shut(code, self.mask, t, row)
                    body(Vector(self, code, t, row, unit, width), shut)

                self.over_units(code, low, high, one)

            def multiply(product, left, target):
                product(code, left, target, low, high)

            run(code, t, gates, before, after, over, multiply)

        self.over_steps(code, self.reverse, step)
        if self.turns is not None:
            last = self._state(code, "0", str(self.steps))
            self.copy(code, low, high, last, (self.units, 1), self.memory(code, self.states))

    def _state(self, code, number, turn):
        """Where a state is: in its own block, or in one of two that take turns."""
        if self.turns is None:
            return self.memory(code, self.states, (number, self.state_size))
        if not turn.startswith("%"):
            return self.spare(code, self.turns, int(turn) % 2 * self.state_size)
        return self.spare(code, self.turns, (code.value(f"and i64 {turn}, 1"), self.state_size))

    def _more(self, code, t):
        if self.more is not None:
            return self.spare(code, self.more)
        return self.memory(code, self.extra, (t, self.state_size))

    # -- the cells: the products, and ``over`` vectors of units the rest ----------------------------------------------

    def _rnn(self, code, t, gates, before, after, over, multiply):
        multiply(self.of_gates, before, gates)

        def rest(at, shut):
            h = code.activate(self.activation, at.load(gates))
            at.store(h if shut is None else code.select(shut, at.load(before), h), after)

        over(rest)

    def _lstm(self, code, t, gates, before, after, over, multiply):
        multiply(self.of_gates, before, gates)
        cells = self.states_at(code, self.extra, t) if self.keep else [self.memory(code, self.extra)] * 2

        def rest(at, shut):
            i, f, g, o = (at.load(gates, gate, 4) for gate in range(4))
            i, f, o = (code.activate(self.gate, x) for x in (i, f, o))
            g = code.activate(self.activation, g)
            if shut is not None:
                # Input and output gate shut, forget gate open: so the cell is carried, and no gradient goes in.
                i, o = (code.select(shut, code.number(0), x) for x in (i, o))
                f = code.select(shut, code.number(1), f)
            c = code.fma(f, at.load(cells[0]), code.mul(i, g))
            at.store(c, cells[1])
            h = code.mul(o, code.activate(self.activation, c))
            at.store(h if shut is None else code.select(shut, at.load(before), h), after)
            if self.keep:
                for gate, value in enumerate((i, f, g, o)):
                    at.store(value, gates, gate, 4)

        over(rest)

    def _mix(self, code, at, z, n, before, after, shut):
        """Store ``z h + (1 - z) n`` as the new state."""
        h = at.load(before)
        new = code.fma(z, code.sub(h, n), n)
        at.store(new if shut is None else code.select(shut, h, new), after)

    def _bias(self, code, at, gate):
        """A vector of the recurrent bias."""
        (step,) = self.b_rec.stride
        start = self.memory(code, self.b_rec, (at.unit, step), gate * self.units * step)
        return code.load(start, at.width, step)

    def _opened(self, code, at, gates, shut):
        """(z, r) of a GRU; a masked step keeps its state."""
        z, r = (at.load(gates, gate, 3) for gate in (self.z, self.r))
        if self.b_rec is not None:
            z, r = (code.add(x, self._bias(code, at, gate)) for x, gate in ((z, self.z), (r, self.r)))
        z, r = code.activate(self.gate, z), code.activate(self.gate, r)
        return z if shut is None else code.select(shut, code.number(1), z), r

    def _gru(self, code, t, gates, before, after, over, multiply):
        multiply(self.of_gates, before, gates)
        opened = self._more(code, t)

        def reset(at, shut):
            z, r = self._opened(code, at, gates, shut)
            at.store(z, gates, self.z, 3)
            at.store(r, gates, self.r, 3)
            at.store(code.mul(r, at.load(before)), opened)

        def rest(at, shut):
            n = code.activate(self.activation, at.load(gates, 2, 3))
            self._mix(code, at, at.load(gates, self.z, 3), n, before, after, shut)
            if self.keep:
                at.store(n, gates, 2, 3)

        over(reset)
        multiply(self.of_last, opened, code.at(gates, 2 * self.units))
        over(rest)

    def _gru_reset_after(self, code, t, gates, before, after, over, multiply):
        recurrent = self._more(code, t)
        if self.b_rec is not None:
            over(lambda at, shut: at.store(self._bias(code, at, 2), recurrent))
        multiply(self.of_gates, before, gates)
        multiply(self.of_last, before, recurrent)

        def rest(at, shut):
            z, r = self._opened(code, at, gates, shut)
            n = code.activate(self.activation, code.fma(r, at.load(recurrent), at.load(gates, 2, 3)))
            self._mix(code, at, z, n, before, after, shut)
            if self.keep:
                for gate, value in ((self.z, z), (self.r, r), (2, n)):
                    at.store(value, gates, gate, 3)

        over(rest)


def forward(call, arguments, threads):
    """The kernel of a recorded ``tandem::recurrence``, or None."""
    gates, mask, options = arguments[0], arguments[5], arguments[6:12]
    if not fits(gates, mask, options) or not can(options[0], arguments[1].size[1]):
        return None
    return Forward(arguments, call.outputs, threads)
