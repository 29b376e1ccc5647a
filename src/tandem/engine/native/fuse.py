"""Joining nests that go over the same elements, so that a value stays in a register between two formulas."""

import itertools
from dataclasses import replace

from tandem.engine.native.nests import Access, Expr, Nest, Statement, cast, loads, rewrite

# A joined nest may touch so many places: more would not stay in registers, nor keep LLVM's analysis short.
_MOST_ACCESSES = 28

# Nests of fewer rounds are joined whenever they may be: a loop costs more than what it does.
_FEW_ROUNDS = 2048


def in_memory_order(nest):
    """The nest with its loops in the order in which the memory lies, without loops of one round, and with loops joined
    that go over one stretch of memory.
    """
    kept = [dim for dim, extent in enumerate(nest.extents) if extent != 1]
    places = [access for access, _ in nest.accesses]
    reduced = nest.statements[0].reduced
    if nest.statements[0].how == "argmax":
        kept.sort(key=lambda dim: reduced[dim])  # the place is counted in the innermost loop
    elif all(statement.how != "product" for statement in nest.statements):
        # The order of an access that moves in the most loops; of several such, one that most others go along with.
        moves = max((_moving(access, kept) for access in places), default=0)
        orders = [_order(access, kept) for access in places if _moving(access, kept) == moves]
        if orders:
            kept = max(orders, key=orders.count)
    groups = []
    for dim in kept:
        if (
            groups
            and all(access.strides[groups[-1][-1]] == access.strides[dim] * nest.extents[dim] for access in places)
            and all(s.reduced[groups[-1][-1]] == s.reduced[dim] for s in nest.statements)
        ):
            groups[-1].append(dim)
        else:
            groups.append([dim])

    def pick(values):
        return tuple(values[group[-1]] for group in groups)

    extents = []
    for group in groups:
        count = 1
        for dim in group:
            count *= nest.extents[dim]
        extents.append(count)
    return _mapped(nest, tuple(extents), pick, pick)


def _moving(access, dims):
    return sum(1 for dim in dims if access.strides[dim])


def _order(access, dims):
    """Some loops from the one in which an access goes farthest to the one in which it goes one element on."""
    return sorted(dims, key=lambda dim: -access.strides[dim] if access.strides[dim] else -float("inf"))


def _mapped(nest, extents, strides, flags):
    """The nest in other loops: `strides` and `flags` give an access's strides, and what is reduced, in them."""
    memo, places = {}, {}

    def moved(access):
        new = places.get(access)
        if new is None:
            new = places[access] = Access(access.storage, access.dtype, strides(access.strides), access.offset)
        return new

    def change(load):
        access = load.args[0]
        return Expr("load", load.dtype, moved(access))

    statements = []
    for old in nest.statements:
        statements.append(
            Statement(
                moved(old.target),
                rewrite(old.expr, change, memo),
                old.how,
                flags(old.reduced),
                None if old.init is None else rewrite(old.init, change, memo),
            )
        )
    new = Nest(extents, statements, nest.calls)
    new.accesses = [(moved(access), written) for access, written in nest.accesses]  # of the same formulas
    new.reads, new.writes = nest.reads, nest.writes
    return new


def _split(nest, extents):
    """The nest in finer loops, whose extents multiply up to its own."""
    if nest.extents == extents:
        return nest
    groups, at = [], 0
    for extent in nest.extents:
        group, count = [], 1
        while count < extent:
            group.append(extents[at])
            count *= extents[at]
            at += 1
        groups.append(group)

    def strides(old):
        new = []
        for stride, group in zip(old, groups):
            inner = 1
            finer = []
            for extent in reversed(group):
                finer.append(stride * inner)
                inner *= extent
            new += reversed(finer)
        return tuple(new)

    def flags(old):
        return tuple(flag for flag, group in zip(old, groups) for _ in group)

    return _mapped(nest, extents, strides, flags)


def _common(first, second):
    """The coarsest loops that both are a coarsening of, or None where there are none."""

    def marks(extents):
        counts, count = [1], 1
        for extent in reversed(extents):
            count *= extent
            counts.append(count)
        return counts

    one, other = marks(first), marks(second)
    if one[-1] != other[-1]:
        return None
    cuts = sorted({*one, *other})
    extents = []
    for low, high in itertools.pairwise(cuts):
        if high % low:
            return None
        extents.append(high // low)
    return tuple(reversed(extents))


def _join(first, second):
    """One nest that does both in each round, or None where that would not do the same."""
    if not (first.is_plain and second.is_plain):
        return None
    if len(first.accesses) + len(second.accesses) > _MOST_ACCESSES:
        return None
    large = first.elements > _FEW_ROUNDS or second.elements > _FEW_ROUNDS
    if large and not (first.reads | first.writes) & (second.reads | second.writes):
        return None
    extents = _common(first.extents, second.extents)
    if extents is None:
        return None
    first, second = _split(first, extents), _split(second, extents)
    stored = {}
    for statement in first.statements:
        stored.setdefault(statement.target.storage, []).append(statement)
    read = {}
    for access, written in first.accesses:
        if not written:
            read.setdefault(access.storage, set()).add(access)
    for access, written in second.accesses:
        for statement in stored.get(access.storage, ()):
            if statement.how != "store" or statement.target != access or not _covers(access, extents):
                return None
        if written and any(other != access for other in read.get(access.storage, ())):
            return None
        if written and access.storage in read and not _covers(access, extents):
            return None
    for statement in second.statements:
        if statement.init is not None and any(load.args[0].storage in stored for load in loads(statement.init, set())):
            return None
        if statement.how != "store" and (statement.target.storage in read or statement.target.storage in second.reads):
            return None

    def forward(load):
        values = stored.get(load.args[0].storage)
        if not values:
            return load
        last = values[-1]
        return cast(cast(last.expr, last.target.dtype), load.dtype)

    memo, statements = {}, list(first.statements)
    for statement in second.statements:
        statements.append(
            Statement(
                statement.target,
                rewrite(statement.expr, forward, memo),
                statement.how,
                statement.reduced,
                statement.init,
            )
        )
    return Nest(extents, statements, first.calls + second.calls)


def _covers(access: Access, extents):
    """Whether each round touches an element of its own."""
    return all(stride for stride, extent in zip(access.strides, extents) if extent != 1)


def fuse(nests):
    """Nests that do the same as the given ones in this order, fewer where loops could be joined.

    Each joins the last one that it can, and passes none that it must stay behind.
    """
    joined, last_read, last_written = [], {}, {}
    for nest in map(in_memory_order, nests):
        behind = [last_written.get(storage, 0) for storage in nest.reads | nest.writes]
        behind += [last_read.get(storage, 0) for storage in nest.writes]
        for number in range(len(joined) - 1, max(behind, default=0) - 1, -1):
            both = _join(joined[number], nest)
            if both is not None:
                joined[number] = both
                break
        else:
            number = len(joined)
            joined.append(nest)
        for last, storages in ((last_read, nest.reads), (last_written, nest.writes)):
            last.update((storage, max(number, last.get(storage, 0))) for storage in storages)
    return joined


def drop_stores(nests, needed):
    """Leave out what is stored and never read again; `needed`: the storages that somebody else reads."""
    kept, read = [], set(needed)
    for nest in reversed(nests):
        statements, writes = [], nest.writes
        for statement in reversed(nest.statements):
            seen = {load.args[0].storage for load in loads(statement.expr, set())}
            if statement.init is not None:
                seen |= {load.args[0].storage for load in loads(statement.init, set())}
            if statement.target.storage in read:
                statements.insert(0, statement)
                read |= seen
            elif statements and seen & writes and statement.how == "store":
                # A later formula of the same nest got the value itself, and must not compute it from what came later.
                statements.insert(0, replace(statement, how="compute"))
                read |= seen
        if statements:
            kept.insert(0, Nest(nest.extents, statements, nest.calls))
    return kept


# What is as cheap as a load.
_CHEAP = {"load", "constant", "add", "sub", "mul", "neg", "where", "cast", "and", "or", "not"}
_CHEAP |= {"eq", "ne", "lt", "le", "gt", "ge"}


def cheap_copy(nests):
    """(target, source, formula) where nests only make one storage of another, element by element and cheaply."""
    if nests is None or len(nests) != 1 or len(nests[0].statements) != 1:
        return None
    statement = nests[0].statements[0]
    nodes, stack = {}, [statement.expr]
    while stack:
        node = stack.pop()
        if node.op not in _CHEAP:
            return None
        if id(node) not in nodes:
            nodes[id(node)] = node
            stack += [arg for arg in node.args if isinstance(arg, Expr)]
    places = {node.args[0] for node in nodes.values() if node.op == "load"}
    target = statement.target
    if statement.how != "store" or len(places) != 1 or not _covers(target, nests[0].extents):
        return None
    (source,) = places
    alike = source.strides == target.strides and source.offset == target.offset and source.dtype is target.dtype
    if not alike or source.storage == target.storage or statement.expr.dtype is not target.dtype:
        return None
    return target.storage, source.storage, statement.expr


def replaced(nest, target, expr):
    """The nest with each load of a storage replaced by the formula of `cheap_copy` that made it."""

    def change(load):
        if load.args[0].storage != target:
            return load
        place = load.args[0]

        def move(inner):
            return Expr("load", inner.dtype, replace(place, storage=inner.args[0].storage))

        return rewrite(expr, move, {})

    memo, statements = {}, []
    for old in nest.statements:
        init = None if old.init is None else rewrite(old.init, change, memo)
        statements.append(Statement(old.target, rewrite(old.expr, change, memo), old.how, old.reduced, init))
    return Nest(nest.extents, statements, nest.calls)
