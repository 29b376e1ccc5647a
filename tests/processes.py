"""Functions run in several processes that are one group, forked from the test's own: torch is there already."""

import multiprocessing
import socket
import traceback

import torch

from tandem.engine.distributed import group
from tandem.engine.distributed.place import Place

_LIMIT = 60


def together(function, *args, count=2):
    """[what `function(*args)` gives in process 0, in process 1, ...].

    Raises AssertionError with the traceback where one fails, or takes more than a minute. None of them outlives this.
    """
    context = multiprocessing.get_context("fork")
    port = free_port()
    pipes = [context.Pipe(duplex=False) for _ in range(count)]
    workers = [
        context.Process(
            target=_work, args=(function, args, Place(rank, count, rank, "127.0.0.1", port, rank == 0), end)
        )
        for rank, (_, end) in enumerate(pipes)
    ]
    try:
        for worker in workers:
            worker.start()
        for _, end in pipes:
            end.close()
        results = [_received(start, rank) for rank, (start, _) in enumerate(pipes)]
        for worker in workers:
            worker.join(_LIMIT)
        failed = [text for good, text in results if not good]
        assert not failed, "\n".join(failed)
        return [result for _, result in results]
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def _received(start, rank):
    if not start.poll(_LIMIT):
        return False, f"process {rank} did not answer within {_LIMIT} seconds"
    try:
        return start.recv()
    except EOFError:
        return False, f"process {rank} ended without an answer"


def _work(function, args, place, end):
    torch.set_num_threads(1)  # the threads of the process that was forked are not here
    try:
        group.start(place)
        answer = True, function(*args)
        group.barrier()
    except BaseException:
        answer = False, f"process {place.rank}:\n{traceback.format_exc()}"
    finally:
        group.stop()
    end.send(answer)


def free_port():
    """A port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
