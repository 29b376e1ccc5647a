"""Loops over formulas: what `lower` writes, `fuse` joins and `emit` turns into machine code."""

import functools
from dataclasses import dataclass, field

import torch

_FLOATS = (torch.float32, torch.float64)
DTYPES = (*_FLOATS, torch.int64, torch.int32, torch.bool)


@dataclass(frozen=True, slots=True)
class Access:
    """The element of a storage that one round of the loops touches: ``offset + sum(index * stride)``, in elements."""

    storage: int
    dtype: torch.dtype
    strides: tuple
    offset: int


class Expr:
    """A formula for one element: an operator, the result's dtype, and its arguments.

    Formulas are compared by identity: one object is computed once in a round of the loops. Python's operators write
    them; both sides have one dtype then.
    """

    __slots__ = ("args", "dtype", "op")

    def __init__(self, op, dtype, *args):
        self.op, self.dtype, self.args = op, dtype, args

    def _binary(self, op, other, swap=False):
        other = constant(other, self.dtype)
        first, second = (other, self) if swap else (self, other)
        return Expr(op, self.dtype, first, second)

    def __add__(self, other):
        return self._binary("add", other)

    def __radd__(self, other):
        return self._binary("add", other, swap=True)

    def __sub__(self, other):
        return self._binary("sub", other)

    def __rsub__(self, other):
        return self._binary("sub", other, swap=True)

    def __mul__(self, other):
        return self._binary("mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other):
        return self._binary("div", other)

    def __rtruediv__(self, other):
        return self._binary("div", other, swap=True)

    def __neg__(self):
        return Expr("neg", self.dtype, self)

    def compare(self, op, other):
        """A bool: op is "eq", "ne", "lt", "le", "gt" or "ge"."""
        return Expr(op, torch.bool, self, constant(other, self.dtype))

    def __lt__(self, other):
        return self.compare("lt", other)

    def __le__(self, other):
        return self.compare("le", other)

    def __gt__(self, other):
        return self.compare("gt", other)

    def __ge__(self, other):
        return self.compare("ge", other)


def constant(value, dtype):
    """A number as a formula; a formula is given back as one of that dtype."""
    if isinstance(value, Expr):
        return cast(value, dtype)
    return Expr("constant", dtype, value)


def cast(value, dtype):
    """A formula converted to a dtype as torch converts."""
    return value if value.dtype is dtype else Expr("cast", dtype, value)


def where(condition, yes, no):
    """``yes`` where the condition holds, else ``no``; one of the two is a formula and gives the dtype."""
    dtype = yes.dtype if isinstance(yes, Expr) else no.dtype
    return Expr("where", dtype, cast(condition, torch.bool), constant(yes, dtype), constant(no, dtype))


def call(name, value):
    """A function of the mathematical library: exp, log, tanh, …"""
    return Expr("call", value.dtype, name, value)


@dataclass(slots=True)
class Statement:
    """Store ``expr`` to ``target``; with `reduced`, its sum, or another reduction, over these loops.

    reduced: a bool to each loop, whether the statement reduces over it (its target has stride 0 there); how: "store",
    "sum", "product" (a sum of products), "max", "min", "argmax" or "compute" (store nothing: later statements use the
    value, and what it is computed of changes before); init: what a sum begins with, a formula over the other loops, or
    None for 0.
    """

    target: Access
    expr: Expr
    how: str = "store"
    reduced: tuple = ()
    init: Expr | None = None


@dataclass
class Nest:
    """Loops of given extents, outermost first, and the statements of each round. It does not change once it is made."""

    extents: tuple
    statements: list
    calls: list = field(default_factory=list)  # the recorded calls that it stands for

    @functools.cached_property
    def elements(self):
        """The rounds of the loops."""
        count = 1
        for extent in self.extents:
            count *= extent
        return count

    @functools.cached_property
    def is_plain(self):
        """Whether its rounds may come in any order, and another's be among them."""
        return all(statement.how not in ("product", "argmax") for statement in self.statements)

    @functools.cached_property
    def accesses(self):
        """(access, whether it is written) of each load and store, a formula's parts once."""
        found, seen = [], set()
        for statement in self.statements:
            for root in (statement.expr, statement.init):
                if root is not None:
                    found += [(load.args[0], False) for load in loads(root, seen)]
            if statement.how != "compute":
                found.append((statement.target, True))
        return found

    @functools.cached_property
    def reads(self):
        """The storages that are read."""
        return {access.storage for access, written in self.accesses if not written}

    @functools.cached_property
    def writes(self):
        """The storages that are written."""
        return {statement.target.storage for statement in self.statements if statement.how != "compute"}


def loads(expr, seen):
    """The loads in a formula that are not in `seen`, which grows."""
    found, stack = [], [expr]
    while stack:
        node = stack.pop()
        if not isinstance(node, Expr) or id(node) in seen:
            continue
        seen.add(id(node))
        if node.op == "load":
            found.append(node)
        else:
            stack.extend(node.args)
    return found


def rewrite(expr, change, memo):
    """A formula with each load replaced by `change(load)`; shared parts stay shared through `memo`."""
    known = memo.get(id(expr))
    if known is not None:
        return known[1]
    if expr.op == "load":
        new = change(expr)
    else:
        args = tuple(rewrite(a, change, memo) if isinstance(a, Expr) else a for a in expr.args)
        same = all(a is b for a, b in zip(args, expr.args))
        new = expr if same else Expr(expr.op, expr.dtype, *args)
    memo[id(expr)] = (expr, new)  # the key's object is kept, so that its id is not given away
    return new
