"""What a call is put into: `Lowering` collects the nests of one call."""

import math

import torch

from tandem.engine.native.nests import DTYPES, Access, Expr, Nest, Statement, cast

FLOATS = (torch.float32, torch.float64)


class Unlowered(Exception):
    """A call that is left to the library."""


class Lowering:
    """The nests of one call. `temporary(shape, dtype)` gives a new place for what is computed on the way."""

    def __init__(self, recorded, temporary):
        self.call = recorded
        self.temporary = temporary
        self.nests = []

    @staticmethod
    def access(ref, shape):
        """A tensor's elements in loops over a shape that it is broadcast to."""
        if ref.dtype not in DTYPES:
            raise Unlowered
        missing = len(shape) - len(ref.size)
        if missing < 0:
            raise Unlowered
        strides = [0] * missing
        for size, stride, extent in zip(ref.size, ref.stride, shape[missing:]):
            if size != extent and size != 1:
                raise Unlowered
            strides.append(stride if size != 1 else 0)
        return Access(ref.storage, ref.dtype, tuple(strides), ref.offset)

    def load(self, ref, shape, dtype=None):
        """A tensor's element as a formula, converted to a dtype."""
        loaded = Expr("load", ref.dtype, self.access(ref, shape))
        return loaded if dtype is None else cast(loaded, dtype)

    def store(self, out, expr, shape=None):
        """One element of `out` for each round of loops over its shape."""
        shape = tuple(out.size) if shape is None else shape
        self.nest(shape, Statement(self.access(out, shape), cast(expr, out.dtype)))

    def reduce(self, out, expr, shape, dims, how="sum", narrow=False):
        """`out` gets a reduction of a formula over some dimensions of the loops' shape.

        narrow: a sum's terms keep their own dtype, and only what is added up of many of them has that of `out`.
        """
        dims = {dim % len(shape) for dim in dims} if shape else set()
        kept = [dim for dim in range(len(shape)) if dim not in dims]
        if len(out.size) == len(shape):
            sizes, places = [out.size[dim] for dim in kept], {dim: out.stride[dim] for dim in kept}
        elif len(out.size) == len(kept):
            sizes, places = list(out.size), dict(zip(kept, out.stride))
        else:
            raise Unlowered
        if sizes != [shape[dim] for dim in kept]:
            raise Unlowered
        strides = tuple(places.get(dim, 0) if shape[dim] != 1 else 0 for dim in range(len(shape)))
        target = Access(out.storage, out.dtype, strides, out.offset)
        if how != "argmax" and not narrow:
            expr = cast(expr, out.dtype)
        reduced = tuple(dim in dims for dim in range(len(shape)))
        self.nest(tuple(shape), Statement(target, expr, how, reduced))

    def nest(self, shape, statement):
        if math.prod(shape) == 0 or statement.target.dtype not in DTYPES:
            raise Unlowered
        if not statement.reduced:
            statement.reduced = (False,) * len(shape)
        self.nests.append(Nest(shape, [statement], [self.call]))


def together(nests):
    """Statements of one shape that follow each other, in one nest: they share formulas, which must be computed once."""
    joined = []
    for nest in nests:
        if joined and joined[-1].extents == nest.extents:
            joined[-1] = Nest(nest.extents, joined[-1].statements + nest.statements, joined[-1].calls)
        else:
            joined.append(nest)
    return joined
