"""What the environment says of this process's place among others; nothing here imports torch.

Two families of variables are read: those of torchrun (and of `tandem run --nproc`), RANK, WORLD_SIZE, LOCAL_RANK,
LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT; and those of MXNet's launcher, DMLC_ROLE, DMLC_NUM_WORKER,
DMLC_PS_ROOT_URI, DMLC_PS_ROOT_PORT, and where there is one DMLC_WORKER_ID or DMLC_TASK_ID.
"""

import os
from dataclasses import dataclass

from tandem.core.errors import explain

ROLES = ("worker", "server", "scheduler")


@dataclass(frozen=True)
class Place:
    """Where a process stands.

    rank: its number, None where the processes agree on their numbers when they meet; world_size: how many there are;
    local_rank: its number on its machine; address, port: where they meet; hosts: whether it offers the meeting place,
    None: if nobody else has done so already.
    """

    rank: int | None
    world_size: int
    local_rank: int
    address: str
    port: int
    hosts: bool | None


def role():
    """What MXNet's launcher wants of this process: "worker", "server" or "scheduler"; None where it says nothing.

    Raises ValueError for another role.
    """
    found = os.environ.get("DMLC_ROLE")
    if found is not None and found not in ROLES:
        raise ValueError(explain("DMLC_ROLE is wrong", expected=f"one of {', '.join(ROLES)}", given=repr(found)))
    return found


def of_environment():
    """The `Place` that the environment gives this process, None where it stands alone.

    Raises ValueError for variables that are missing beside others, or are no numbers.
    """
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        rank, size = _number("RANK"), _number("WORLD_SIZE", least=1)
        if rank >= size:
            raise ValueError(explain("RANK is wrong", expected=f"less than WORLD_SIZE, {size}", given=rank))
        address = os.environ.get("MASTER_ADDR", "127.0.0.1")
        local = _number("LOCAL_RANK") if "LOCAL_RANK" in os.environ else rank
        # torchrun's agent may have the store open already; it says so.
        hosts = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
        return Place(rank, size, local, address, _number("MASTER_PORT"), hosts)
    if "DMLC_NUM_WORKER" in os.environ:
        name = next((name for name in ("DMLC_WORKER_ID", "DMLC_TASK_ID") if name in os.environ), None)
        rank = None if name is None else _number(name)
        size = _number("DMLC_NUM_WORKER", least=1)
        if rank is not None and rank >= size:
            raise ValueError(explain(f"{name} is wrong", expected=f"less than DMLC_NUM_WORKER, {size}", given=rank))
        address = os.environ.get("DMLC_PS_ROOT_URI", "127.0.0.1")
        # The scheduler offers the place where there is one; the first worker where it comes first.
        hosts = None if role() == "scheduler" or rank == 0 else False
        local = _number("DMLC_LOCAL_RANK") if "DMLC_LOCAL_RANK" in os.environ else rank or 0
        return Place(rank, size, local, address, _number("DMLC_PS_ROOT_PORT"), hosts)
    return None


def local_size(place):
    """How many processes stand on the machine of `place`: LOCAL_WORLD_SIZE, all where the environment does not say it.

    Raises ValueError where that is no number above 0.
    """
    return _number("LOCAL_WORLD_SIZE", least=1) if "LOCAL_WORLD_SIZE" in os.environ else place.world_size


def _number(name, least=0):
    value = os.environ.get(name)
    if value is None:
        raise ValueError(
            explain(
                f"The environment says that there are several processes, but not {name}",
                hint="`tandem run --nproc N SCRIPT` and torchrun set all that is needed.",
            )
        )
    if not value.isascii() or not value.isdigit() or int(value) < least:
        raise ValueError(explain(f"{name} is wrong", expected=f"a whole number, at least {least}", given=repr(value)))
    return int(value)
