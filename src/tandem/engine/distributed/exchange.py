"""What the processes of a group exchange: sums, one process's values for all, rows of all.

Sums are operators of torch's dispatcher, so that a recorded step has them in it and replays them in their place. Many
tensors go as few: those of one dtype and device lie one after the other in buckets.
Where there is no group each function gives what it got: a group of one.
"""

import torch
import torch.distributed as dist

from tandem.engine.distributed import group

# Bytes to a bucket: large enough that the time to begin does not count, small enough not to double a model's memory.
BUCKET = 25 << 20

_ALL = -1  # the number of the group of all processes
_some = []  # other groups, by their numbers

_LIBRARY = torch.library.Library("tandem", "FRAGMENT")
_LIBRARY.define("all_sum_(Tensor(a!) x, int processes=-1) -> ()")
_LIBRARY.impl("all_sum_", lambda x, processes=_ALL: _all_sum(x, processes), "CompositeExplicitAutograd")
_LIBRARY.impl("all_sum_", lambda x, processes=_ALL: None, "Meta")
_LIBRARY.define("gather_(Tensor(a!) parts, Tensor x, int processes) -> ()")
_LIBRARY.impl("gather_", lambda parts, x, processes: _gather(parts, x, processes), "CompositeExplicitAutograd")
_LIBRARY.impl("gather_", lambda parts, x, processes: None, "Meta")
# They write: a recorded step keeps them, whoever reads what they give, so that all processes go through the same ones.
OPERATORS = (torch.ops.tandem.all_sum_.default, torch.ops.tandem.gather_.default)


def known(processes):
    """A number for a group of processes of torch's, by which the functions here, and recorded steps, know it."""
    if processes not in _some:
        _some.append(processes)
    return _some.index(processes)


def _of(processes):
    return None if processes == _ALL else _some[processes]


def count(processes):
    """How many processes a group has."""
    return dist.get_world_size(_of(processes))


def _all_sum(x, processes):
    dist.all_reduce(x, group=_of(processes))


def _gather(parts, x, processes):
    if x.is_cuda and "nccl" not in dist.get_backend_config(_of(processes)):
        held = parts.cpu()  # of what is on GPUs gloo moves sums alone
        _gather(held, x.cpu(), processes)
        parts.copy_(held)
        return
    # gloo does not know of all dtypes, but moves bytes.
    sent, *received = (one.reshape(-1).view(torch.uint8) for one in (x.contiguous(), *parts))
    dist.all_gather(received, sent, group=_of(processes))


def gathered(tensor, processes, axis):
    """The tensors of a group of processes side by side along an axis: of one shape everywhere."""
    with torch.no_grad():
        parts = tensor.new_empty((count(processes), *tensor.shape))
        torch.ops.tandem.gather_(parts, tensor.detach(), processes)
        return parts.flatten(0, 1) if axis == 0 else parts.movedim(0, axis).flatten(axis, axis + 1)


def all_sum_(tensor, processes=_ALL):
    """Put the sum of all processes' tensors into each of them, in place: contiguous, of one shape everywhere.

    processes: the number of a group that `known` gave; by default all there are.
    """
    if group.size() > 1:
        with torch.no_grad():
            torch.ops.tandem.all_sum_(tensor.detach(), processes)
    return tensor


class _Sum(torch.autograd.Function):
    """The sum over processes with its gradient, which is again the sum: each process's loss has the sum in it."""

    @staticmethod
    def forward(ctx, x):
        return all_sum_(x.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx, grad):
        return all_sum_(grad.clone(memory_format=torch.contiguous_format))


def all_sum(tensor):
    """The sum of all processes' tensors, through which gradients flow.

    A process's gradient is that of the sum of all processes' losses.
    """
    return _Sum.apply(tensor) if group.size() > 1 else tensor


def sums(tensors, processes=_ALL):
    """The sums over processes of some tensors: new tensors, of the shapes and dtypes of the old ones.

    processes: as in `all_sum_`.
    """
    if group.size() == 1:
        return list(tensors)
    result = [None] * len(tensors)
    with torch.no_grad():
        for numbers in _buckets(tensors):
            flat = torch.cat([tensors[number].reshape(-1) for number in numbers])
            all_sum_(flat, processes)
            parts = flat.split([tensors[number].numel() for number in numbers])
            for number, part in zip(numbers, parts):
                result[number] = part.view(tensors[number].shape)
    return result


def _buckets(tensors):
    """Lists of numbers of tensors that travel together."""
    open_buckets, done = {}, []
    for number, tensor in enumerate(tensors):
        key = tensor.dtype, tensor.device
        bucket, room = open_buckets.get(key, ([], BUCKET))
        if bucket and tensor.nbytes > room:
            done.append(bucket)
            bucket, room = [], BUCKET
        bucket.append(number)
        open_buckets[key] = bucket, room - tensor.nbytes
    return [*done, *(bucket for bucket, _ in open_buckets.values())]


def spread_(tensors, source=0):
    """Put one process's values into the tensors of all, in place."""
    if group.size() == 1:
        return
    with torch.no_grad():
        for numbers in _buckets(tensors):
            flat = torch.cat([tensors[number].detach().reshape(-1) for number in numbers])
            dist.broadcast(flat.view(torch.uint8), source)  # gloo does not know of all dtypes, but moves bytes
            parts = flat.split([tensors[number].numel() for number in numbers])
            for number, part in zip(numbers, parts):
                tensors[number].detach().copy_(part.view(tensors[number].shape))


def agreed(value, source=0):
    """One process's plain value (a number, a list of numbers, None) for all."""
    if group.size() == 1:
        return value
    held = [value if group.rank() == source else None]
    dist.broadcast_object_list(held, source)
    return held[0]


def parts(tensor):
    """All processes' tensors: a list in the order of their numbers; the lengths of the first axis may differ."""
    if group.size() == 1:
        return [tensor]
    # Over the CPU, which gloo needs: that is where predictions go.
    held = tensor.detach().cpu()
    lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(group.size())]
    dist.all_gather(lengths, torch.tensor([len(held)]))
    counts = [int(length) for length in lengths]
    padded = held.new_zeros((max(counts), *held.shape[1:]))
    padded[: len(held)] = held
    travelling = padded.reshape(-1).view(torch.uint8)
    found = [torch.empty_like(travelling) for _ in counts]
    dist.all_gather(found, travelling)
    whole = [part.view(held.dtype).view(padded.shape)[:count] for part, count in zip(found, counts)]
    return [part.to(tensor.device) for part in whole]
