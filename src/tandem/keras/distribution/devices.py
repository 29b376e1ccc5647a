"""The devices of all processes, and how processes find each other."""

import os

from tandem.core import devices
from tandem.core.errors import explain
from tandem.engine.distributed import group
from tandem.engine.distributed.place import Place

_VARIABLES = {
    "job_addresses": "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "num_processes": "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "process_id": "KERAS_DISTRIBUTION_PROCESS_ID",
}


def initialize(job_addresses=None, num_processes=None, process_id=None):
    """Meet the other processes. Under `tandem run --nproc N` and torchrun no arguments are needed.

    job_addresses: "host:port", where the first process offers the meeting place (of several, with commas between, the
    first counts); num_processes: how many there are; process_id: this one's number. What is None is read from
    KERAS_DISTRIBUTION_JOB_ADDRESSES, KERAS_DISTRIBUTION_NUM_PROCESSES and KERAS_DISTRIBUTION_PROCESS_ID; where these
    say nothing either, from what started the script. A process that stands alone goes on alone.
    Raises ValueError for arguments that are wrong or incomplete, RuntimeError where the others do not come.
    """
    given = {"job_addresses": job_addresses, "num_processes": num_processes, "process_id": process_id}
    found = {name: os.environ.get(_VARIABLES[name]) if value is None else value for name, value in given.items()}
    if all(value is None for value in found.values()):
        group.start()
        return
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise ValueError(
            explain(
                "Not all is said of the processes",
                expected="job_addresses, num_processes and process_id",
                given=f"no {', '.join(missing)}",
            )
        )
    size, rank = _whole(found, "num_processes", 1), _whole(found, "process_id", 0)
    if rank >= size:
        raise ValueError(explain("`process_id` is wrong", expected=f"less than num_processes, {size}", given=rank))
    address, _, port = str(found["job_addresses"]).split(",")[0].strip().rpartition(":")
    if not address or not port.isdigit():
        raise ValueError(
            explain("`job_addresses` is wrong", expected="'host:port'", given=repr(found["job_addresses"]))
        )
    if size > 1:
        group.start(Place(rank, size, rank, address, int(port), rank == 0))


def _whole(found, name, least):
    text = str(found[name])
    if not text.isdigit() or int(text) < least:
        raise ValueError(
            explain(f"`{name}` is wrong", expected=f"a whole number, at least {least}", given=repr(found[name]))
        )
    return int(text)


def list_devices(device_type=None):
    """The names of all devices: "gpu:0", "gpu:1", …, or "cpu:0", …; one to each of several processes.

    device_type: "cpu" or "gpu" (or "cuda"); None: GPUs where there are any. Raises RuntimeError for other types, and
    for one that is not there.
    """
    kind = "gpu" if devices.count() else "cpu"
    if device_type is not None:
        wanted = "gpu" if device_type.lower() == "cuda" else device_type.lower()
        if wanted not in ("cpu", kind):
            raise RuntimeError(
                explain(f"There is no device of type {device_type!r}", expected=" or ".join({"cpu", kind}))
            )
        kind = wanted
    group.start()
    count = group.size() if group.size() > 1 else devices.count() if kind == "gpu" else 1
    return [f"{kind}:{number}" for number in range(count)]


def get_device_count(device_type=None):
    """How many devices `list_devices` has."""
    return len(list_devices(device_type))
