"""Tensors that are divided: each process holds a piece, and the whole is put together where it is computed with.

A piece is cut along axes of the tensor, each of them along an axis of a mesh. Whatever is computed is computed with
whole tensors, so that every operator gives the numbers of one process; between steps there are only the pieces.
"""

from contextlib import contextmanager

import torch

from tandem.engine.distributed import exchange, group, shards


class Piece:
    """Which part of a tensor is this process's.

    shape: the whole's; cuts: for each divided axis (the axis, the processes between which it is divided, this one's
    place among them); copies: the groups of processes that hold equal pieces, one to each other axis of the mesh.
    Groups are numbers that `exchange.known` gives.
    """

    __slots__ = ("copies", "cuts", "shape")

    def __init__(self, shape, cuts, copies):
        self.shape, self.cuts, self.copies = tuple(shape), tuple(cuts), tuple(copies)

    def is_piece(self, tensor):
        """Whether a tensor is the piece, and not the whole."""
        return tensor.shape != self.shape

    def cut(self, whole):
        """The piece of a whole tensor: a new tensor."""
        part = whole
        for cut in self.cuts:
            part = _part(part, *cut)
        return part.clone(memory_format=torch.contiguous_format)

    def whole(self, part):
        """The whole tensor of all processes' pieces; gradients flow through it, joined as `shards.means` joins them."""
        return _Whole.apply(part, self)


def _part(tensor, axis, processes, place):
    length = tensor.shape[axis] // exchange.count(processes)
    return tensor.narrow(axis, place * length, length)


class _Whole(torch.autograd.Function):
    """The pieces side by side. The gradient of a piece is the mean of what all processes' losses say of it."""

    @staticmethod
    def forward(ctx, part, piece):
        ctx.piece, ctx.share = piece, shards.current()
        for axis, processes, _ in reversed(piece.cuts):
            part = exchange.gathered(part, processes, axis)
        return part

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        # Weighted before it is added up, since processes may have other numbers of rows.
        grad = grad * shards.weight(ctx.share, grad)
        for cut in ctx.piece.cuts:
            grad = exchange.all_sum_(grad.contiguous(), cut[1])
            grad = _part(grad, *cut)
        return grad.contiguous(), None


def of(variable):
    """The `Piece` that a variable holds now, None where it holds the whole."""
    piece = getattr(variable, "piece", None)
    return piece if piece is not None and piece.is_piece(variable.tensor) else None


def parts(tensors, pieces):
    """Tensors with those cut that are the wholes of pieces (None is no piece, and stays)."""
    return [
        tensor if piece is None or tensor is None or piece.is_piece(tensor) else piece.cut(tensor)
        for tensor, piece in zip(tensors, pieces)
    ]


def wholes(tensors, variables):
    """For each variable the whole of a tensor that is divided as the variable is (None stays None)."""
    held = [of(variable) for variable in variables]
    return [tensor if piece is None or tensor is None else piece.whole(tensor) for tensor, piece in zip(tensors, held)]


@contextmanager
def united(variables):
    """Let variables hold whole tensors inside the block, all processes together; what it changes in them stays."""
    held = [(variable, variable.tensor) for variable in variables if of(variable) is not None]
    with torch.no_grad():
        for variable, part in held:
            variable.tensor = variable.piece.whole(part)
    try:
        yield
    finally:
        with torch.no_grad():
            for variable, part in held:
                part.copy_(variable.piece.cut(variable.tensor))
                variable.tensor = part


@contextmanager
def written_once(variables):
    """A block that writes variables into a file; it gives whether this process is the one that does.

    Where some are divided that is the first one, and the others wait until the file is there. Else it is each.
    """
    if not any(of(variable) is not None for variable in variables):
        yield True
        return
    with united(variables):
        yield group.is_chief()
    group.barrier()
