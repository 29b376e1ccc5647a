"""`KVStoreServer`: servers and schedulers of MXNet's launcher have nothing to do here but let the workers work."""

import sys
import time

from tandem.engine.distributed import place as places

__all__ = ["KVStoreServer"]

# How often the scheduler looks whether the workers are still there, in seconds.
_LOOK = 0.2


class KVStoreServer:
    """The server of a kvstore. The workers keep their arrays themselves: `run` returns at once."""

    def __init__(self, kvstore):
        self.kvstore = kvstore

    def run(self):
        """Nothing is left to serve."""


def serve():
    """In a process that the launcher started as server or scheduler: do its part, and exit. Else return.

    A server exits at once. The scheduler offers the place where the workers meet, until the last one has left.
    """
    role = places.role()
    if role in (None, "worker"):
        return
    if role == "scheduler":
        _schedule()
    sys.exit(0)


def _schedule():
    from tandem.engine.distributed import group

    place = places.of_environment()
    if place is None:
        return
    store, hosts = group.meet(place, group.timeout())
    if not hosts:
        return
    # The workers count themselves out; one that dies does not, and whoever started it ends this process too.
    left = 0
    while left < place.world_size:
        time.sleep(_LOOK)
        left = store.add(group.LEFT, 0)
