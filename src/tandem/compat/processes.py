"""N processes that run one script: started together, told of each other, and ended together.

Each is a `tandem run` with the variables that torchrun sets, so that `engine.distributed` finds the others. The first
one has this terminal to itself; what the others write comes line by line with their number in front. Into a file or a
pipe the first one's lines come unmarked.
Nothing here imports torch: this process only waits.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

# How long the others get to end by themselves when one has failed or Ctrl-C was pressed, in seconds.
_GRACE = 5.0
_LOOK = 0.05

# The number of the end of a pipe that a worker watches: it closes when the launcher is gone, however that came.
_LIFELINE = "TANDEM_LIFELINE"


def run(count, words):
    """Run `tandem run *words` in `count` processes; gives the exit status: 0, or that of the first one that failed.

    A process that fails, or is killed, ends the others. Ctrl-C and SIGTERM end all of them.
    """
    lifeline, ours = os.pipe()
    workers, readers = [], []
    ended = []
    with _terminated_as_interrupt() as told:
        try:
            port = _free_port()
            for rank in range(count):
                workers.append(_start(rank, count, port, words, lifeline))
                readers += _read(workers[-1], rank)
            os.close(lifeline)
            lifeline = None
            ended = _wait(workers)
        except KeyboardInterrupt:
            # A terminal sends Ctrl-C to all of them: who has not got it soon, gets it from here.
            sign = told[0] or signal.SIGINT
            _end(workers, sign, patience=0.0 if told[0] else 1.0)
            return 128 + sign
        finally:
            _end(workers, signal.SIGTERM)
            _join(readers)
            for handle in (lifeline, ours):
                if handle is not None:
                    os.close(handle)
    if not ended:
        return 0
    rank, status = ended[0]
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
    others = "; the others were stopped" if count > 1 else ""
    sys.stderr.write(f"tandem: process {rank} of {count} {how}{others}.\n")
    return status if status > 0 else 128 - status


def watch_launcher():
    """In a worker: end when the launcher is gone without a word."""
    handle = os.environ.pop(_LIFELINE, None)
    if handle is None:
        return

    def wait():
        with contextlib.suppress(OSError):
            os.read(int(handle), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="tandem-lifeline", daemon=True).start()


def _start(rank, count, port, words, lifeline):
    environment = {
        **os.environ,
        "RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        _LIFELINE: str(lifeline),
    }
    # Each process would take all processors otherwise, and they would be in each other's way.
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    if rank and sys.stdout.isatty():
        environment.setdefault("PYTHONUNBUFFERED", "1")  # lines come when they are written, as the first process's do
    flags = subprocess._args_from_interpreter_flags()
    return subprocess.Popen(
        [sys.executable, *flags, "-m", "tandem", "run", *words],
        env=environment,
        stdin=None if rank == 0 else subprocess.DEVNULL,
        stdout=_outlet(rank, sys.stdout),
        stderr=_outlet(rank, sys.stderr),
        pass_fds=(lifeline,),
    )


def _outlet(rank, stream):
    # The first process may draw on a terminal; in a file or a pipe lines of several processes must not run together.
    return None if rank == 0 and stream.isatty() else subprocess.PIPE


def _read(worker, rank):
    """Threads that pass on what a worker writes, line by line."""
    readers, mark = [], f"[{rank}] ".encode() if rank else b""
    for source, target in ((worker.stdout, sys.stdout), (worker.stderr, sys.stderr)):
        if source is not None:
            reader = threading.Thread(target=_pass_on, args=(source, target, mark), daemon=True)
            reader.start()
            readers.append(reader)
    return readers


def _pass_on(source, target, mark):
    with source:
        for line in source:
            # What nobody reads any more is read here all the same: the worker would wait for room in its pipe.
            with _writing, contextlib.suppress(OSError):
                target.flush()
                target.buffer.write(mark + line if line.endswith(b"\n") or not mark else mark + line + b"\n")
                target.flush()


_writing = threading.Lock()


def _join(readers):
    # A process that a worker left behind may hold its pipe open: it is not waited for.
    until = time.monotonic() + 1.0
    for reader in readers:
        reader.join(max(0.0, until - time.monotonic()))


def _wait(workers):
    """Wait for all to end well, or one not to; gives [(rank, exit status)] of those that did not."""
    while True:
        found = [(rank, worker.poll()) for rank, worker in enumerate(workers)]
        failed = [(rank, status) for rank, status in found if status]
        if failed or all(status == 0 for _, status in found):
            return failed
        time.sleep(_LOOK)


def _end(workers, sign, patience=0.0):
    """End what still runs: wait `patience` seconds, send a signal, and after the grace kill."""
    if not _all_ended(workers, patience):
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(sign)
        if not _all_ended(workers, _GRACE):
            for worker in workers:
                if worker.poll() is None:
                    worker.kill()
    for worker in workers:
        worker.wait()


def _all_ended(workers, patience):
    until = time.monotonic() + patience
    while any(worker.poll() is None for worker in workers):
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK)
    return True


@contextlib.contextmanager
def _terminated_as_interrupt():
    """SIGTERM comes as KeyboardInterrupt does; the list that is given holds the signal then."""
    told = [0]

    def interrupt(number, frame):
        told[0] = number
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
