"""The group of processes that this one belongs to: none, until `start`.

On a CPU gloo moves the numbers, between GPUs NCCL.
"""

import atexit
import contextlib
import os
from datetime import timedelta

import torch
import torch.distributed as dist

from tandem.core.errors import explain
from tandem.engine.distributed import place as places

# How long a process waits for the others, at the start and in each exchange, in seconds.
_PATIENCE = 300

# What a worker of MXNet's launcher counts up when it leaves, so that the scheduler knows when to end.
LEFT = "tandem/left"


def timeout():
    """How long a process waits for the others; TANDEM_DISTRIBUTED_TIMEOUT sets it, in seconds."""
    text = os.environ.get("TANDEM_DISTRIBUTED_TIMEOUT", str(_PATIENCE))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ValueError(explain("TANDEM_DISTRIBUTED_TIMEOUT is wrong", expected="seconds", given=repr(text)))
    return timedelta(seconds=seconds)


def is_started():
    """Whether this process is one of a group."""
    return dist.is_available() and dist.is_initialized()


def start(place=None):
    """Meet the other processes; gives whether there is a group now. Where there is one already, nothing happens.

    place: a `Place`; None: that of the environment (a process that stands alone has no group).
    Raises ValueError for wrong variables, RuntimeError where the others do not come.
    """
    if is_started():
        return True
    if place is None:
        place = places.of_environment()
    if place is None:
        return False
    if not dist.is_available():
        raise RuntimeError(explain("This build of torch has no torch.distributed", expected="one that has"))
    patience = timeout()
    try:
        store, _ = meet(place, patience)
        if places.role() is not None:
            atexit.register(_say_goodbye, store)
        # torchrun begins anew with the same store where a worker died.
        store = dist.PrefixStore(f"tandem/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
        rank = place.rank if place.rank is not None else store.add("workers", 1) - 1
        local = place.local_rank if place.rank is not None else rank
        backend, gpus = "gloo", torch.cuda.device_count()
        if gpus:
            torch.cuda.set_device(local % gpus)
            # NCCL wants a GPU to each process; where they share one gloo moves its numbers over the CPU.
            alone = dist.is_nccl_available() and places.local_size(place) <= gpus
            backend = "cpu:gloo,cuda:nccl" if alone else "cpu:gloo,cuda:gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=place.world_size, timeout=patience)
    except (dist.DistError, TimeoutError) as error:
        raise RuntimeError(
            explain(
                "The processes did not find each other",
                expected=f"{place.world_size} processes, which meet at {place.address}:{place.port}",
                given=str(error).splitlines()[0],
            )
        ) from error
    atexit.register(stop)
    return True


def meet(place, patience):
    """(the store through which the processes find each other, whether this process offers it)."""
    if place.hosts is None:
        try:
            return _store(place, True, patience), True
        except (dist.DistNetworkError, RuntimeError):
            return _store(place, False, patience), False  # somebody offers it already
    return _store(place, place.hosts, patience), place.hosts


def _store(place, hosts, patience):
    return dist.TCPStore(place.address, place.port, is_master=hosts, timeout=patience, wait_for_workers=False)


def _say_goodbye(store):
    with contextlib.suppress(RuntimeError):  # the scheduler may be gone
        store.add(LEFT, 1)


def stop():
    """Leave the group."""
    atexit.unregister(stop)
    if is_started():
        # The others may be gone already; there is nothing left to say to them.
        with contextlib.suppress(RuntimeError):
            dist.destroy_process_group()


def rank():
    """This process's number: 0 where there is no group."""
    return dist.get_rank() if is_started() else 0


def size():
    """How many processes there are: 1 where there is no group."""
    return dist.get_world_size() if is_started() else 1


def is_chief():
    """Whether this process is the one that writes files and speaks to the user: the first, or the only one."""
    return rank() == 0


def barrier():
    """Wait until all processes are here."""
    if is_started():
        dist.barrier()
