"""Programs as text: what a step became, line by line, and what did not become a program and why.

A buffer is named b0, b1, …; an input in0, …; a tensor from outside (a parameter, an optimizer's slot, a constant) has
the name that its owner gives it, or x0, …
"""

import math
import os
import re
import sys
import textwrap
import weakref
from dataclasses import dataclass, field

import torch

from tandem.engine.native.nests import Expr
from tandem.engine.record import Ref

_WIDTH = 120  # of plain text

# A formula of machine code is shown as far as it fits.
_LONGEST_FORMULA = 72
_DEEPEST_FORMULA = 5

_LETTERS = "ijklmnopqrstuvw"  # of loops, outermost first

_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">"}
_SIGNS.update({"ge": ">=", "and": "and", "or": "or"})


_NO_BREAK = "\N{NO-BREAK SPACE}"


def _unbroken(text):
    return text.replace(" ", _NO_BREAK)


def _many(count, what):
    return f"{count} {what}" + ("s" if count != 1 else "")


@dataclass
class Row:
    """A line of a program: its number, what it does, what it reads and changes, and the user's lines.

    loops: of machine code, one text to a nest of loops.
    """

    number: int
    operation: str
    reads: list
    gives: list
    where: str
    loops: list = field(default_factory=list)

    def text(self):
        """The lines of plain text for it."""
        gives = f"{', '.join(map(_unbroken, self.gives))} = " if self.gives else ""
        reads = f"({', '.join(map(_unbroken, self.reads))})" if self.reads else ""
        text = f"{gives}{self.operation}{reads}" + (f"    {_unbroken(self.where)}" if self.where else "")
        whole = {"break_long_words": False, "break_on_hyphens": False}
        lines = textwrap.wrap(text, _WIDTH - 8, subsequent_indent="    ", **whole) or [""]
        lines = [line.replace(_NO_BREAK, " ") for line in lines]
        numbers = [f"{self.number:6}", *["      "] * len(lines)]
        return [f"{number}  {line}" for number, line in zip(numbers, lines)] + [
            f"          {loop}" for loop in self.loops
        ]


@dataclass
class Report:
    """What there is to say of one program, or of what runs eagerly: `facts` are (name, text) pairs."""

    title: str
    facts: list
    rows: list = field(default_factory=list)
    buffers: list = field(default_factory=list)  # (name, size, what is in it)

    def text(self):
        """The report as plain text."""
        wide = max((len(name) for name, _ in self.facts), default=0)
        lines = [self.title, *(f"  {name:{wide}}  {text}" for name, text in self.facts)]
        for row in self.rows:
            lines += row.text()
        wide = max((len(name) for name, _, _ in self.buffers), default=0)
        tall = max((len(size) for _, size, _ in self.buffers), default=0)
        lines += [f"  {name:{wide}}  {size:>{tall}}  {content}" for name, size, content in self.buffers]
        return "\n".join(lines) + "\n"

    def print(self, file=None):
        """Print it: as tables where `file` (default: stderr) is a terminal, else as plain text."""
        file = sys.stderr if file is None else file
        if not file.isatty():
            file.write(self.text() + "\n")
            return
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        console = Console(file=file)
        console.print(f"[bold]{escape(self.title)}[/bold]", highlight=False)
        for name, text in self.facts:
            console.print(f"  [dim]{escape(name)}[/dim]  {escape(text)}", highlight=False)
        if self.rows:
            table = Table("", "operation", "reads", "gives", "your code", show_edge=False, pad_edge=False)
            for row in self.rows:
                texts = (row.operation, "\n".join(row.reads), "\n".join(row.gives), row.where)
                table.add_row(str(row.number), *map(escape, texts))
                for loop in row.loops:
                    table.add_row("", f"[dim]{escape(loop)}[/dim]", "", "", "")
            console.print(table)
        if self.buffers:
            table = Table("buffer", "size", "values", show_edge=False, pad_edge=False)
            for row in self.buffers:
                table.add_row(*map(escape, row))
            console.print(table)
        console.print()


def explain(thing):
    """The text for a program, or for a `Step`: all of its programs, and what of it runs eagerly."""
    return "\n".join(report.text() for report in (reports(thing) if hasattr(thing, "programs") else [describe(thing)]))


def reports(step):
    """A `Report` for each program of a step, and one for what runs eagerly."""
    found = [describe(program) for program in step.programs]
    eager = [eagerly(step, refusal) for refusal in step.refusals.values()]
    return found + eager


def eagerly(step, refusal):
    """The `Report` of something that a step does not replay."""
    facts = [("runs", "eagerly, not recorded and replayed"), ("since", refusal.reason)]
    if refusal.where:
        facts.append(("at", _place(refusal.where)))
    return Report(step.name, facts)


def describe(program):
    """The `Report` of a program."""
    return _Description(program).report()


# -- watching ---------------------------------------------------------------------------------------------------------

_watches: list = []


class Watch:
    """Collects a report of each program that is made, and of what runs eagerly, between `with Watch() as watch:` and
    its end; `watch.reports()` gives them, a program that took another's place instead of that one.
    """

    def __init__(self):
        self._found = {}
        self._numbers = weakref.WeakKeyDictionary()  # of steps: a place in memory may be given to another one
        self._count = 0

    def __enter__(self):
        _watches.append(self)
        return self

    def __exit__(self, *exception):
        _watches.remove(self)

    def add(self, step, key, report):
        """Keep a report about a step; one with the same key takes the place of the earlier one."""
        if step not in self._numbers:
            self._numbers[step] = self._count
            self._count += 1
        self._found[self._numbers[step], key] = report

    def reports(self):
        """The reports, in the order in which their steps were first met."""
        return [self._found[key] for key in sorted(self._found, key=lambda key: key[0])]


def program_made(step, program):
    """Say that a step has a program from now on, perhaps in the place of an earlier one with the same inputs."""
    for watch in _watches:
        key = (program.about.training, *((buffer.shape, buffer.dtype) for buffer in program.inputs))
        watch.add(step, key, describe(program))


def ran_eagerly(step, refusal):
    """Say that something of a step runs eagerly, and why."""
    for watch in _watches:
        watch.add(step, refusal.reason, eagerly(step, refusal))


# -- describing -------------------------------------------------------------------------------------------------------


def _form(dtype, size):
    return f"{str(dtype).removeprefix('torch.')}[{', '.join(map(str, size))}]"


def _bytes(count):
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _place(where):
    name, line = where
    short = os.path.relpath(name) if name.startswith(os.getcwd() + os.sep) else name
    return f"{short}:{line}"


def _short(func):
    name, overload = func._schema.name.removeprefix("aten::"), func._overloadname
    return name if overload in ("default", "Tensor", "Scalar", "out") else f"{name}.{overload}"


def _unique(items):
    return list(dict.fromkeys(items))


class _Description:
    """Finds the names of a program's memory, and writes its report."""

    def __init__(self, program):
        self.program = program
        self.memory = program.memory
        self.names = self._names()

    def _names(self):
        """storage number -> name."""
        inputs = {b.untyped_storage().data_ptr(): f"in{n}" for n, b in enumerate(self.program.inputs)}
        owned = _owners(self.program.about.watch) if self.program.about else {}
        names, buffers, others = {}, {}, {}
        for number in self._used():
            memory, (role, _) = self.memory.get(number), self.program.roles[number]
            if memory is None:
                continue  # dynamic, or the compiler's own
            place = memory.data_ptr()
            if role == "input":
                names[number] = inputs.get(place, "in")
            elif role == "constant":
                names[number] = "constant"
            elif role == "outside":
                names[number] = owned.get(place) or others.setdefault(place, f"x{len(others)}")
            else:
                names[number] = buffers.setdefault(place, f"b{len(buffers)}")
        return names

    def _used(self):
        """The numbers of the storages that the lines touch, in their order."""
        used = {}
        for line in self.program.lines:
            touched = [access.storage for nest in line.nests for access, _ in nest.accesses]
            if not line.nests:
                touched = [ref.storage for call in line.calls for ref in (*call.tensors(), *call.results())]
            used.update(dict.fromkeys(touched))
        return used

    def value(self, ref):
        """A value's text: its memory, its dtype and its size."""
        name = self.names.get(ref.storage)
        form = _form(ref.dtype, ref.size)
        return f"{name} {form}" if name else f"v{ref.storage} {form} (new memory)"

    def report(self):
        program, about = self.program, self.program.about
        rows = [self._row(number, line) for number, line in enumerate(program.lines, 1) if line.calls]
        inputs = ", ".join(_form(b.dtype, b.shape) for b in program.inputs) or "none"
        mode = {True: " (training)", False: " (not training)"}.get(about.training if about else None, "")
        facts = [("inputs", inputs + mode)]
        if about is not None:
            facts.append(("back end", f"{about.backend}: {about.why}"))
        facts.append(("recorded", f"{_many(program.recorded, 'call')} -> {_many(len(rows), 'line')}"))
        if program.first_lines is not None:
            facts.append(("parts", f"the forward pass to line {program.first_lines}, the backward pass after it"))
        table, fact = self._buffers(rows)
        facts.append(("memory", fact))
        return Report(about.name if about else "A program", facts, rows, table)

    def _buffers(self, rows):
        """(rows of the table of buffers, what their memory is in one sentence)."""
        held = {}
        for number, name in self.names.items():
            if re.fullmatch(r"b\d+", name):
                held.setdefault(name, []).append(number)
        users = {name: [] for name in held}
        for row in rows:
            text = " ".join([*row.reads, *row.gives, *row.loops])
            for name in _unique(re.findall(r"\bb\d+\b", text)):
                if name in users:
                    users[name].append(row.number)
        table, values, count, blocks = [], 0, 0, {}
        for name, numbers in held.items():
            if not users[name]:
                continue  # a value that never leaves machine code
            blocks.update((self.memory[n].storage.data_ptr(), self.memory[n].storage.nbytes()) for n in numbers)
            sizes = [self.program.roles[number][1] for number in numbers]
            values, count = values + sum(sizes), count + len(sizes)
            shared = "1 value" if len(sizes) == 1 else f"{len(sizes)} values in turn"
            lines = _unique(users[name])
            used = f"lines {lines[0]}-{lines[-1]}" if len(lines) > 1 else f"line {lines[0]}"
            table.append((name, _bytes(max(sizes)), f"{shared}, {used}"))
        if not held and any(row.operation.startswith("inductor") for row in rows):
            return table, "the compiler's own"
        total = sum(blocks.values())
        fact = f"{_bytes(total)} in {_many(len(table), 'buffer')} for {_many(count, 'value')} of {_bytes(values)}"
        return table, f"{fact}: {_bytes(max(0, values - total))} saved by sharing"

    def _row(self, number, line):
        places = _unique(_place(call.where) for call in line.calls if call.where)
        where = ", ".join(places[:3]) + (f" and {len(places) - 3} more lines" if len(places) > 3 else "")
        if line.compiled:
            names = [_short(call.func) for call in line.calls]
            loops = [text for nest in line.nests for text in self._loops(nest)]
            what = f"{self.program.compiler} for {_many(len(names), 'call')}: {_counted(names)}"
            if loops or self.program.compiler != "machine code":
                return Row(number, what, [], [], where, loops)
            gives = [ref for call in line.calls for ref in call.results()]
            reads = [ref for call in line.calls for ref in call.tensors() if ref not in gives]
            return Row(number, what, _unique(map(self.value, reads)), _unique(map(self.value, gives)), where)
        (call,) = line.calls
        reads = [self._argument(value) for value in call.args if not _is_default(value)]
        return Row(number, _short(call.func), reads, _unique(map(self.value, call.results())), where)

    def _argument(self, value):
        return self.value(value) if isinstance(value, Ref) else str(value).removeprefix("torch.")

    def _loops(self, nest):
        """A nest's texts: the extents with the first statement, then the others."""
        named = (f"{letter}<{extent}" for letter, extent in zip(_LETTERS, nest.extents))
        extents = " ".join(named) or "once"
        texts = []
        for statement in nest.statements:
            target, over = statement.target, math.prod(e for e, r in zip(nest.extents, statement.reduced) if r)
            where = f"{self._element(target)} {str(target.dtype).removeprefix('torch.')}"
            formula = self._formula(statement.expr, 0)
            if len(formula) > _LONGEST_FORMULA:
                formula = formula[: _LONGEST_FORMULA - 1] + "…"
            if statement.how == "store":
                texts.append(f"{where} = {formula}")
            else:
                how = "sum of products" if statement.how == "product" else statement.how
                texts.append(f"{where} = {how} over {over} of {formula}")
        head = f"loop {extents}: "
        return [head + texts[0], *(" " * len(head) + text for text in texts[1:])]

    def _element(self, access):
        """An element's text: its memory, and the letters of the loops that move it."""
        letters = "".join(_LETTERS[n % len(_LETTERS)] for n, stride in enumerate(access.strides) if stride)
        name = self.names.get(access.storage, f"v{access.storage}")
        return f"{name}[{letters}]" if letters else name

    def _formula(self, expr, depth):
        if not isinstance(expr, Expr):
            return f"{expr:g}" if isinstance(expr, float) else str(expr)
        if expr.op == "load":
            return self._element(expr.args[0])
        if depth >= _DEEPEST_FORMULA:
            return "…"
        args = [self._formula(arg, depth + 1) for arg in expr.args]
        if expr.op == "constant":
            return args[0]
        if expr.op in _SIGNS:
            text = f"{args[0]} {_SIGNS[expr.op]} {args[1]}"
            return f"({text})" if depth else text
        if expr.op == "cast":
            return f"{str(expr.dtype).removeprefix('torch.')}({args[0]})"
        if expr.op == "call":
            return f"{args[0]}({', '.join(args[1:])})"
        if expr.op == "neg":
            return f"-{args[0]}"
        return f"{expr.op}({', '.join(args)})"


def _is_default(value):
    return value is None or value is False or isinstance(value, (torch.layout, torch.device))


def _counted(names):
    """Names in order, one after the other the same ones as "name ×3"."""
    groups = []
    for name in names:
        if groups and groups[-1][0] == name:
            groups[-1][1] += 1
        else:
            groups.append([name, 1])
    return ", ".join(name if count == 1 else f"{name} ×{count}" for name, count in groups)


def _owners(watch):
    """address -> name, for what some modules, and objects with `variables`, hold."""
    found = {}
    for root in watch:
        for variable in getattr(root, "variables", None) or ():
            tensor = getattr(variable, "tensor", None)
            if isinstance(tensor, torch.Tensor):
                name = getattr(variable, "path", None) or getattr(variable, "name", None)
                found.setdefault(tensor.untyped_storage().data_ptr(), str(name))
        if isinstance(root, torch.nn.Module):
            for name, tensor in (*root.named_parameters(), *root.named_buffers()):
                found.setdefault(tensor.untyped_storage().data_ptr(), name)
    return found
