"""Batches that are shared out: each process computes with its rows, and the results are those of the whole batch.

Inside `sharing` a process's loss is taken so that the mean of all processes' losses, weighted by their rows, is the
loss of the whole batch: for a mean over rows that is its own mean; what divides by something else, or by nothing, asks
the `Share`. Gradients are joined by that weighted mean, sums (the states of metrics) by adding what each has added.
"""

import threading
from contextlib import contextmanager

import torch

from tandem.engine.distributed import exchange, group


class Share:
    """What part of a batch is this process's.

    rows: how many rows are here; whole: how many the batch has, None where only the processes together know; copies: in
    how many processes each row is; counts: whether sums of this process go into the whole's: of the copies one does.
    """

    __slots__ = ("_total", "copies", "counts", "rows", "whole")

    def __init__(self, rows, whole, copies=1, counts=True):
        self.rows, self.whole, self.copies, self.counts = rows, whole, copies, counts
        self._total = None

    def signature(self):
        """What a recorded step has of it in its code."""
        return self.rows, self.whole, self.copies, self.counts

    def weight(self, like):
        """This process's rows by those of all processes, copies counted: the weights of all make 1."""
        if self.whole is not None:
            return self.rows / (self.whole * self.copies)
        if self._total is None:
            self._total = exchange.all_sum_(torch.full((), float(self.rows), device=like.device))
        return (self.rows / self._total).to(like.dtype)

    def divisor(self, local):
        """What this process divides by, where its own part of the divisor is `local`."""
        return exchange.all_sum(local.detach()) * self.weight(local)

    def total(self, local):
        """A sum over rows, of which `local` is this process's, as a process's loss."""
        return local / (self.weight(local) * self.copies)

    def mean(self, local):
        """The mean over all rows of what `local` is the mean over this process's rows; gradients flow through it."""
        return _Mean.apply(local, self.weight(local))


class _Mean(torch.autograd.Function):
    """``sum_r(weight_r * x_r)``; the gradients of the processes' losses are weighted likewise."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.weight = weight
        return exchange.all_sum_((x * weight).contiguous())

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        # A process's own loss is weighted by its share later on, the others' by theirs.
        return exchange.all_sum_((grad * ctx.weight).contiguous()), None


class _Current(threading.local):
    share = None


_current = _Current()
_plan = None


def set_plan(value):
    """Say how batches are shared out from now on; None: they are not.

    value: an object whose `places()` gives for each process the number of its part, and whose `auto_shard_dataset` says
    whether all processes are given the same batches.
    """
    global _plan
    _plan = value


def plan():
    """How batches are shared out; None where they are not, or where there is one process."""
    return _plan if _plan is not None and group.size() > 1 else None


def current():
    """The `Share` that holds in this thread, or None."""
    return _current.share


@contextmanager
def sharing(share):
    """Run a block with a `Share`."""
    before, _current.share = _current.share, share
    try:
        yield
    finally:
        _current.share = before


def weight(share, like):
    """What this process's gradients count in the mean over processes: as many as its rows are of the whole batch's.

    In a loop of somebody's own, where there is no share, each process's count the same.
    """
    return 1 / group.size() if share is None else share.weight(like)


def means(grads, pieces=None):
    """The means over processes of gradients, None where there is none: weighted by rows in a shared batch.

    pieces: the `Piece` of each gradient that is a piece's: it came weighted, and joined from the processes that hold
    other pieces; it is added to that of those that hold the same.
    In a loop of somebody's own each process's count the same; where there is no plan they are as given.
    """
    share = _current.share
    if share is None and plan() is None:
        return grads
    pieces = pieces or [None] * len(grads)
    whole = [number for number, grad in enumerate(grads) if grad is not None and pieces[number] is None]
    result = list(grads)
    with torch.no_grad():
        # Weighted before they are added up: a sum of gradients in half precision could overflow.
        parts = [grads[number] * weight(share, grads[number]) for number in whole]
        for number, grad in zip(whole, exchange.sums(parts)):
            result[number] = grad
        holders = {}
        for number, piece in enumerate(pieces):
            for processes in piece.copies if piece is not None and grads[number] is not None else ():
                holders.setdefault(processes, []).append(number)
        for processes, numbers in holders.items():
            for number, grad in zip(numbers, exchange.sums([result[number] for number in numbers], processes)):
                result[number] = grad
    return result


@contextmanager
def adding(find):
    """Run a block after which some tensors hold what they held before and what all processes' blocks added to it.

    find: gives the tensors, before the block and after it: one that came into being in it held zeros before.
    """
    share = _current.share
    before = {id(tensor): (tensor, tensor.detach().clone()) for tensor in find()}
    yield
    with torch.no_grad():
        tensors = find()
        added = [tensor - before[id(tensor)][1] if id(tensor) in before else tensor.clone() for tensor in tensors]
        if not share.counts:
            added = [torch.zeros_like(change) for change in added]
        for tensor, change in zip(tensors, exchange.sums(added)):
            tensor.copy_(before[id(tensor)][1] + change if id(tensor) in before else change)


def cut(rows, places, auto=True):
    """(the slice of a batch of `rows` rows that is this process's, None for all of it; its `Share`).

    places: for each process the number of its part; auto: whether all processes were given the same batch; else each
    was given its own part. A batch with fewer rows than there are parts is computed by all as a whole.
    """
    rank, size = group.rank(), group.size()
    count = max(places) + 1
    copies, first = size // count, places.index(places[rank]) == rank
    if not auto:
        return None, Share(rows, None, copies, first)
    if rows < count:
        return None, Share(rows, rows, size, rank == 0)
    start, stop = places[rank] * rows // count, (places[rank] + 1) * rows // count
    return slice(start, stop), Share(stop - start, rows, copies, first)


def whole(tensor, share, places):
    """The rows of all parts of a batch, of which `tensor` has this process's along its first axis."""
    if share.whole in (None, share.rows) or not tensor.dim():
        return tensor
    found = exchange.parts(tensor)
    return torch.cat([found[places.index(number)] for number in range(max(places) + 1)])


def agreed_order(order):
    """The chief's order of rows or batches for all, where batches are shared out; else the given one."""
    found = plan()
    if found is not None and found.auto_shard_dataset:
        exchange.spread_([order])
    return order
