"""The loops of one nest in LLVM's assembly: addresses, formulas, and what reductions have so far."""

import math
import struct

import torch

from tandem.engine.native.nests import Expr

_TYPES = {
    torch.float32: "float",
    torch.float64: "double",
    torch.int64: "i64",
    torch.int32: "i32",
    torch.bool: "i1",
}
_SIZES = {torch.float32: 4, torch.float64: 8, torch.int64: 8, torch.int32: 4, torch.bool: 1}
_FLOATS = (torch.float32, torch.float64)

# Sums of more terms than this are added up in double precision.
_LONG_SUM = 256

# Sums over rows: how many rows are added up in single precision, and in how many chunks the rows come.
_BLOCK = 64
_CHUNKS = 8

_INTRINSICS = {"sqrt", "fabs", "floor", "ceil"}
_COMPARE_FLOAT = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}
_COMPARE_INT = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}
_ARITHMETIC = {"add": ("fadd", "add"), "sub": ("fsub", "sub"), "mul": ("fmul", "mul"), "div": ("fdiv", "sdiv")}


class Loops:
    """The loops of one nest."""

    def __init__(self, function, nest, dim=None, bounds=None):
        self.function = function
        self.nest = nest
        self.bounds = [("0", str(extent)) for extent in nest.extents]
        if dim is not None:
            self.bounds[dim] = bounds
        self.index = [None] * len(nest.extents)
        self.known = {}
        self.accumulators = {}

    def emit(self):
        """Write the loops."""
        rank = len(self.nest.extents)
        for statement in self.nest.statements:
            if not any(statement.reduced):
                continue
            # The loops from `inner` on are all reduced: a register adds them up.
            inner = rank
            while inner and statement.reduced[inner - 1]:
                inner -= 1
            count = math.prod(extent for extent, flag in zip(self.nest.extents, statement.reduced) if flag)
            long = count > _LONG_SUM and statement.how in ("sum", "product")
            dtype = torch.float64 if long and statement.target.dtype is torch.float32 else statement.expr.dtype
            in_memory = any(statement.reduced[:inner])
            self.accumulators[id(statement)] = _Accumulator(self, statement, inner, dtype, in_memory)
        for accumulator in self.accumulators.values():
            accumulator.prepare()
        self._level(0)
        for accumulator in self.accumulators.values():
            accumulator.finish()

    def over(self, dims, body):
        """Loops over some of the dimensions, with `index` set in the body."""
        if not dims:
            body()
            return
        first, *rest = dims

        def inside(index):
            self.index[first] = index
            self.over(rest, body)

        self.function.rounds(*self.bounds[first], inside)

    def _level(self, depth):
        ending = [a for a in self.accumulators.values() if a.inner == depth and depth < len(self.index)]
        for accumulator in ending:
            accumulator.begin()
        if depth == len(self.index):
            self.known = {}
            for statement in self.nest.statements:
                value = self.compute(statement.expr)
                accumulator = self.accumulators.get(id(statement))
                if accumulator is not None:
                    accumulator.add(value)
                elif statement.how == "argmax":
                    self.store(statement.target, "0")
                elif statement.how != "compute":
                    if statement.init is not None:
                        value = self.arithmetic("add", statement.expr.dtype, self.compute(statement.init), value)
                    self.store(statement.target, value)
            return

        def inside(index):
            self.index[depth] = index
            self._level(depth + 1)

        self.function.rounds(*self.bounds[depth], inside)
        for accumulator in ending:
            accumulator.end()

    # -- memory ---------------------------------------------------------------------------------------------------

    def address(self, access):
        """The address of the element that this round touches."""
        function = self.function
        base = function.pointer(function.segment.slot(access.storage))
        return self.offset(base, _storage_type(access.dtype), access.strides, access.offset)

    def offset(self, base, kind, strides, offset):
        """`base` moved on by the present indices."""
        function, place = self.function, None
        for index, stride in zip(self.index, strides):
            if stride:
                step = index if stride == 1 else function.value(f"mul nsw i64 {index}, {stride}")
                place = step if place is None else function.value(f"add nsw i64 {place}, {step}")
        if offset:
            place = str(offset) if place is None else function.value(f"add nsw i64 {place}, {offset}")
        return base if place is None else function.value(f"getelementptr {kind}, ptr {base}, i64 {place}")

    def load(self, access):
        """The element of this round."""
        kind, alias = _storage_type(access.dtype), self._alias(access.storage)
        value = self.function.value(f"load {kind}, ptr {self.address(access)}, align {_SIZES[access.dtype]}, {alias}")
        return self.function.value(f"icmp ne i8 {value}, 0") if access.dtype is torch.bool else value

    def store(self, access, value):
        """Store a value of the access's dtype."""
        if access.dtype is torch.bool:
            value = self.function.value(f"zext i1 {value} to i8")
        kind, alias = _storage_type(access.dtype), self._alias(access.storage)
        self.function.line(f"store {kind} {value}, ptr {self.address(access)}, align {_SIZES[access.dtype]}, {alias}")

    def _alias(self, storage):
        return self.function.segment.alias(self.function.segment.slot(storage))

    # -- formulas -------------------------------------------------------------------------------------------------

    def compute(self, expr):
        """The value of a formula in this round; each formula is computed once."""
        known = self.known.get(id(expr))
        if known is None:
            known = self.known[id(expr)] = self._compute(expr)
        return known

    def _compute(self, expr):
        op, args = expr.op, expr.args
        if op == "load":
            return self.load(args[0])
        if op == "constant":
            return literal(args[0], expr.dtype)
        values = [self.compute(arg) for arg in args if isinstance(arg, Expr)]
        value, kind = self.function.value, _TYPES[expr.dtype]
        if op in _ARITHMETIC:
            return self.arithmetic(op, expr.dtype, *values)
        if op == "neg":
            return value(f"fneg {kind} {values[0]}" if expr.dtype in _FLOATS else f"sub {kind} 0, {values[0]}")
        if op == "where":
            condition, yes, no = values
            return value(f"select i1 {condition}, {kind} {yes}, {kind} {no}")
        if op in _COMPARE_INT:
            dtype = args[0].dtype
            if dtype in _FLOATS:
                return value(f"fcmp {_COMPARE_FLOAT[op]} {_TYPES[dtype]} {values[0]}, {values[1]}")
            predicate = _COMPARE_INT[op]
            predicate = predicate.replace("s", "u") if dtype is torch.bool else predicate
            return value(f"icmp {predicate} {_TYPES[dtype]} {values[0]}, {values[1]}")
        if op in ("and", "or"):
            return value(f"{op} i1 {values[0]}, {values[1]}")
        if op == "not":
            return value(f"xor i1 {values[0]}, true")
        if op == "cast":
            return self.cast(values[0], args[0].dtype, expr.dtype)
        name = "pow" if op == "pow" else args[0]
        return self._function(name, expr.dtype, values)

    def arithmetic(self, op, dtype, first, second, flags=""):
        """A sum, difference, product or quotient."""
        floating, whole = _ARITHMETIC[op]
        name = f"{floating} {flags}".strip() if dtype in _FLOATS else whole
        if dtype is torch.bool:
            name = {"add": "or", "mul": "and"}[op]
        return self.function.value(f"{name} {_TYPES[dtype]} {first}, {second}")

    def _function(self, name, dtype, values):
        kind = _TYPES[dtype]
        arguments = ", ".join(f"{kind} {value}" for value in values)
        if name in _INTRINSICS:
            suffix = "f32" if dtype is torch.float32 else "f64"
            self.function.segment.functions.add((name, dtype, 0))
            return self.function.value(f"call {kind} @llvm.{name}.{suffix}({arguments})")
        self.function.segment.functions.add((name, dtype, len(values)))
        symbol = name + ("f" if dtype is torch.float32 else "")
        return self.function.value(f"call {kind} @{symbol}({arguments}) #{{{symbol}}}")

    def cast(self, value, old, new):
        """A value of one dtype as another, as torch converts."""
        if old is new:
            return value
        one, other, emit = _TYPES[old], _TYPES[new], self.function.value
        if new is torch.bool:
            return emit(f"fcmp une {one} {value}, 0.0" if old in _FLOATS else f"icmp ne {one} {value}, 0")
        if old in _FLOATS and new in _FLOATS:
            return emit(f"{'fpext' if new is torch.float64 else 'fptrunc'} {one} {value} to {other}")
        if old in _FLOATS:
            return emit(f"fptosi {one} {value} to {other}")
        if new in _FLOATS:
            return emit(f"{'uitofp' if old is torch.bool else 'sitofp'} {one} {value} to {other}")
        if old is torch.bool:
            return emit(f"zext i1 {value} to {other}")
        return emit(f"{'sext' if new is torch.int64 else 'trunc'} {one} {value} to {other}")


class Columns(Loops):
    """A nest of which the first loop, over rows, is what all its sums go over.

    Rows come in chunks, whose number is always the same, so that threads do not change a result; each chunk adds its
    rows up in blocks, in single precision, and the blocks in double precision.
    """

    def __init__(self, function, nest):
        super().__init__(function, nest)
        self.rows, self.width = nest.extents[0], math.prod(nest.extents[1:])
        self.chunks = min(_CHUNKS, self.rows // _BLOCK)
        self.sums = [s for s in nest.statements if s.reduced[0]]
        segment = function.segment
        # Of each chunk, the sums of its blocks so far and those of the present block.
        self.wide = [segment.room(8 * self.width * self.chunks) for _ in self.sums]
        self.block = [
            segment.room(_SIZES[s.expr.dtype] * self.width * self.chunks) if s.expr.dtype is torch.float32 else None
            for s in self.sums
        ]

    def emit(self, low, high):
        """The chunks from low to below high."""
        self.function.rounds(low, high, self._chunk)

    def _chunk(self, chunk):
        function = self.function
        self.chunk = chunk
        for number in range(len(self.sums)):
            self._columns(lambda number=number: self._write(number, torch.float64, "0x0000000000000000"))
        following = function.value(f"add i64 {chunk}, 1")
        low, high = (
            function.value(f"udiv i64 {function.value(f'mul i64 {which}, {self.rows}')}, {self.chunks}")
            for which in (chunk, following)
        )
        count = function.value(f"sub i64 {high}, {low}")
        blocks = function.value(f"udiv i64 {function.value(f'add i64 {count}, {_BLOCK - 1}')}, {_BLOCK}")

        def block(index):
            begin = function.value(f"add i64 {low}, {function.value(f'mul i64 {index}, {_BLOCK}')}")
            end = function.value(f"add i64 {begin}, {_BLOCK}")
            end = function.value(f"call i64 @llvm.smin.i64(i64 {end}, i64 {high})")
            for number, place in enumerate(self.block):
                if place is not None:
                    self._columns(lambda number=number: self._write(number, torch.float32, "0x0000000000000000"))
            function.rounds(begin, end, self._row)
            for number, place in enumerate(self.block):
                if place is not None:
                    self._columns(lambda number=number: self._add(number, self._block_sum(number)))

        function.rounds("0", blocks, block)

    def _block_sum(self, number):
        return self.cast(self._read(number, torch.float32), torch.float32, torch.float64)

    def _row(self, row):
        self.index[0] = row
        self._columns(self._element)

    def _element(self):
        self.known = {}
        for statement in self.nest.statements:
            value = self.compute(statement.expr)
            if not statement.reduced[0]:
                if statement.how != "compute":
                    self.store(statement.target, value)
                continue
            number = self.sums.index(statement)
            if self.block[number] is None:
                self._add(number, value)
            else:
                old = self._read(number, torch.float32)
                self._write(number, torch.float32, self.arithmetic("add", torch.float32, old, value))

    def _add(self, number, value):
        old = self._read(number, torch.float64)
        self._write(number, torch.float64, self.arithmetic("add", torch.float64, old, value))

    def _columns(self, body):
        self.over(list(range(1, len(self.index))), body)

    def _place(self, number, dtype):
        """The address of a chunk's sum for the present column."""
        function = self.function
        strides, step = [0] * len(self.index), 1
        for dim in range(len(self.index) - 1, 0, -1):
            strides[dim] = step
            step *= self.nest.extents[dim]
        begin = (self.wide if dtype is torch.float64 else self.block)[number] // _SIZES[dtype]
        base = function.pointer(len(function.segment.storages))
        first = function.value(f"mul nsw i64 {self.chunk}, {self.width}")
        base = function.value(f"getelementptr {_TYPES[dtype]}, ptr {base}, i64 {first}")
        return self.offset(base, _TYPES[dtype], strides, begin)

    def _read(self, number, dtype):
        alias = self._sums_alias(number, dtype)
        return self.function.value(
            f"load {_TYPES[dtype]}, ptr {self._place(number, dtype)}, align {_SIZES[dtype]}, {alias}"
        )

    def _write(self, number, dtype, value):
        alias = self._sums_alias(number, dtype)
        self.function.line(
            f"store {_TYPES[dtype]} {value}, ptr {self._place(number, dtype)}, align {_SIZES[dtype]}, {alias}"
        )

    def _sums_alias(self, number, dtype):
        return self.function.segment.alias(len(self.function.segment.storages))

    def finish(self, function):
        """Add up the chunks' sums, in their order."""
        self.function = function
        self.index = [None] * len(self.index)
        for number, statement in enumerate(self.sums):

            def column(number=number, statement=statement):
                total = None
                for chunk in range(self.chunks):
                    self.chunk = str(chunk)
                    part = self._read(number, torch.float64)
                    total = part if total is None else self.arithmetic("add", torch.float64, total, part)
                if statement.init is not None:
                    self.known = {}
                    init = self.cast(self.compute(statement.init), statement.init.dtype, torch.float64)
                    total = self.arithmetic("add", torch.float64, total, init)
                self.store(statement.target, self.cast(total, torch.float64, statement.target.dtype))

            self._columns(column)


def sums_columns(nest):
    """Whether all sums of a nest go over its first loop, of many rows, and over no other."""
    found = [s for s in nest.statements if any(s.reduced)]
    return (
        bool(found)
        and nest.extents[0] >= 2 * _BLOCK
        and len(nest.extents) > 1
        and all(s.how == "sum" and s.expr.dtype in _FLOATS and s.reduced[0] and not any(s.reduced[1:]) for s in found)
    )


class _Accumulator:
    """What a reduction has so far: in a register over the innermost loops, in memory over those around them."""

    def __init__(self, loops, statement, inner, dtype, in_memory):
        self.loops, self.statement, self.inner = loops, statement, inner
        self.dtype, self.in_memory = dtype, in_memory
        self.kept = [dim for dim, flag in enumerate(statement.reduced) if not flag]
        function = loops.function
        kind = _TYPES[dtype]
        self.register = function.variable(kind) if inner < len(statement.reduced) else None
        self.best = function.variable("i64") if statement.how == "argmax" else None
        self.scratch = None
        if in_memory and dtype is not statement.target.dtype:
            count = math.prod(loops.nest.extents[dim] for dim in self.kept)
            self.scratch = function.segment.room(count * _SIZES[dtype])

    def _start(self):
        if self.statement.how in ("sum", "product"):
            return literal(0, self.dtype)
        return literal(-math.inf if self.statement.how in ("max", "argmax") else math.inf, self.dtype)

    def _combined(self, old, new):
        loops, how = self.loops, self.statement.how
        if how == "sum":
            return loops.arithmetic("add", self.dtype, old, new, "reassoc")
        if how == "product":
            return loops.arithmetic("add", self.dtype, old, new, "reassoc contract")
        value, kind = loops.function.value, _TYPES[self.dtype]
        better = value(f"fcmp {'ogt' if how == 'max' else 'olt'} {kind} {new}, {old}")
        better = value(f"or i1 {better}, {value(f'fcmp uno {kind} {new}, {new}')}")
        return value(f"select i1 {better}, {kind} {new}, {kind} {old}")

    def _initial(self):
        init = self.statement.init
        if init is None:
            return self._start()
        self.loops.known = {}
        return self.loops.cast(self.loops.compute(init), init.dtype, self.dtype)

    def prepare(self):
        """Before all loops: set what is in memory to its first value."""
        if self.in_memory:
            self.loops.over(self.kept, lambda: self._to_memory(self._initial()))

    def finish(self):
        """After all loops: from scratch memory to where the result belongs."""
        if self.scratch is not None:
            self.loops.over(self.kept, lambda: self._store(self._from_memory()))

    def begin(self):
        """Before the loops that the register adds up."""
        self.loops.function.line(f"store {_TYPES[self.dtype]} {self._start()}, ptr {self.register}")
        if self.best is not None:
            self.loops.function.line(f"store i64 0, ptr {self.best}")

    def add(self, value):
        """One more term."""
        loops, function, kind = self.loops, self.loops.function, _TYPES[self.dtype]
        value = loops.cast(value, self.statement.expr.dtype, self.dtype)
        if self.register is None:
            self._to_memory(self._combined(self._from_memory(), value))
            return
        old = function.value(f"load {kind}, ptr {self.register}")
        if self.best is None:
            function.line(f"store {kind} {self._combined(old, value)}, ptr {self.register}")
            return
        better = function.value(f"fcmp ogt {kind} {value}, {old}")
        fresh = function.value(f"fcmp uno {kind} {value}, {value}")
        fresh = function.value(f"and i1 {fresh}, {function.value(f'fcmp ord {kind} {old}, {old}')}")
        better = function.value(f"or i1 {better}, {fresh}")
        index = loops.index[-1]
        place = function.value(f"load i64, ptr {self.best}")
        function.line(
            f"store {kind} {function.value(f'select i1 {better}, {kind} {value}, {kind} {old}')}, ptr {self.register}"
        )
        function.line(f"store i64 {function.value(f'select i1 {better}, i64 {index}, i64 {place}')}, ptr {self.best}")

    def end(self):
        """After the loops that the register added up."""
        function = self.loops.function
        if self.best is not None:
            self.loops.store(self.statement.target, function.value(f"load i64, ptr {self.best}"))
            return
        value = function.value(f"load {_TYPES[self.dtype]}, ptr {self.register}")
        if self.in_memory:
            self._to_memory(self._combined(self._from_memory(), value))
            return
        if self.statement.init is not None:
            value = self.loops.arithmetic("add", self.dtype, self._initial(), value)
        self._store(value)

    def _store(self, value):
        self.loops.store(self.statement.target, self.loops.cast(value, self.dtype, self.statement.target.dtype))

    def _scratch(self):
        function, strides, step = self.loops.function, [0] * len(self.statement.reduced), 1
        for dim in reversed(self.kept):
            strides[dim] = step
            step *= self.loops.nest.extents[dim]
        base = function.pointer(len(function.segment.storages))
        return self.loops.offset(base, _TYPES[self.dtype], strides, self.scratch // _SIZES[self.dtype])

    def _from_memory(self):
        if self.scratch is None:
            return self.loops.load(self.statement.target)
        segment = self.loops.function.segment
        kind, alias = _TYPES[self.dtype], segment.alias(len(segment.storages))
        return self.loops.function.value(f"load {kind}, ptr {self._scratch()}, align {_SIZES[self.dtype]}, {alias}")

    def _to_memory(self, value):
        if self.scratch is None:
            self.loops.store(self.statement.target, value)
            return
        segment = self.loops.function.segment
        kind, alias = _TYPES[self.dtype], segment.alias(len(segment.storages))
        self.loops.function.line(f"store {kind} {value}, ptr {self._scratch()}, align {_SIZES[self.dtype]}, {alias}")


def _storage_type(dtype):
    return "i8" if dtype is torch.bool else _TYPES[dtype]


def literal(value, dtype):
    """A number in LLVM's notation."""
    if dtype is torch.bool:
        return "true" if value else "false"
    if dtype not in _FLOATS:
        return str(int(value))
    value = float(value)
    if dtype is torch.float32:
        try:
            value = struct.unpack("f", struct.pack("f", value))[0]
        except OverflowError:
            value = math.copysign(math.inf, value)
    return f"0x{struct.unpack('>Q', struct.pack('>d', value))[0]:016X}"
