"""`tandem run --nproc N`: processes that are told of each other, and that end together."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

RUN = [sys.executable, "-m", "tandem", "run"]


@pytest.fixture
def script(tmp_path):
    def write(text):
        path = tmp_path / "script.py"
        path.write_text("import os, signal, sys, time\nrank = int(os.environ['RANK'])\n" + textwrap.dedent(text))
        return str(path)

    return write


def run(*words, **options):
    return subprocess.run([*RUN, *words], capture_output=True, text=True, timeout=60, **options)


def test_what_each_process_sees(script):
    names = "'RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'LOCAL_WORLD_SIZE', 'MASTER_ADDR'"
    path = script(f"""
        print(sys.argv[1:], [os.environ[name] for name in ({names})], os.environ["MASTER_PORT"].isdigit())
        print("to stderr of", rank, file=sys.stderr, end="\\n" * (1 - rank))
        if rank == 0: print("input:", sys.stdin.read())
    """)
    done = run("--nproc", "2", path, "--nproc", "-m", input="typed")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "['--nproc', '-m'] ['0', '0', '2', '2', '127.0.0.1'] True",
        "[1] ['--nproc', '-m'] ['1', '1', '2', '2', '127.0.0.1'] True",
        "input: typed",
    ]
    assert sorted(done.stderr.splitlines()) == ["[1] to stderr of 1", "to stderr of 0"]


def test_a_module(tmp_path):
    (tmp_path / "tool.py").write_text("import os, sys; print(sys.argv[1:], __name__, os.environ['RANK'])")
    done = run("--nproc=2", "-m", "tool", "word", cwd=tmp_path)
    assert sorted(done.stdout.splitlines()) == ["['word'] __main__ 0", "[1] ['word'] __main__ 1"]


@pytest.mark.parametrize(
    ("ending", "status", "message"),
    [
        ("sys.exit(3)", 3, "process 1 of 2 ended with exit status 3; the others were stopped"),
        ("1 / 0", 1, "[1] ZeroDivisionError"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "process 1 of 2 was killed by SIGKILL"),
    ],
)
def test_one_that_dies_ends_the_others(script, ending, status, message):
    begun = time.monotonic()
    done = run("--nproc", "2", script(f"if rank == 1: {ending}\ntime.sleep(50)"))
    assert done.returncode == status
    assert message in done.stderr
    assert time.monotonic() - begun < 20


@pytest.mark.slow
def test_one_that_does_not_listen_is_killed(script):
    path = script("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if rank == 1:
            time.sleep(1)
            sys.exit(2)
        time.sleep(50)
    """)
    assert run("--nproc", "2", path).returncode == 2


def _started(path, count=2):
    """A launcher and the numbers of its processes, once all have begun."""
    launcher = subprocess.Popen(
        [*RUN, "--nproc", str(count), path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    workers = [int(launcher.stdout.readline().split()[-1]) for _ in range(count)]
    return launcher, workers


def _gone(workers):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if not any(os.path.exists(f"/proc/{worker}/cmdline") and _command(worker) for worker in workers):
            return True
        time.sleep(0.05)
    return False


def _command(worker):
    try:
        with open(f"/proc/{worker}/cmdline", "rb") as file:
            return file.read()  # empty for one that is dead and not yet asked for
    except OSError:
        return b""


@pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="looks at processes where Linux has them")
@pytest.mark.parametrize(("sign", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGKILL", -9)])
def test_ending_the_launcher_ends_all(script, sign, status):
    launcher, workers = _started(script("print(os.getpid(), flush=True)\ntime.sleep(50)"))
    try:
        launcher.send_signal(getattr(signal, sign))
        launcher.communicate(timeout=30)
        assert launcher.returncode == status
        assert _gone(workers)
    finally:
        launcher.kill()
        for worker in workers:
            if _command(worker):
                os.kill(worker, signal.SIGKILL)


def test_wrong_words():
    for words, message in (
        (["--nproc", "0", "x.py"], "--nproc"),
        (["--nproc", "2", "-"], "standard input is there once"),
    ):
        done = run(*words)
        assert done.returncode == 2
        assert message in done.stderr


TRAINING = """
    import numpy as np
    import keras

    keras.distribution.set_distribution(keras.distribution.DataParallel())
    keras.utils.set_random_seed(1)
    x = np.arange(24, dtype="float32").reshape(12, 2) / 24
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    log = keras.callbacks.CSVLogger("log.csv")
    history = model.fit(x, x[:, :1], batch_size=5, epochs=2, verbose=2, callbacks=[log])
    print(len(keras.distribution.list_devices()), history.history["loss"])
"""


@pytest.mark.slow
def test_training_by_both_launchers(script, tmp_path):
    path = script(TRAINING)
    logs = []
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    for words in ([*RUN, "--nproc", "2"], [*torchrun, "-m", "tandem", "run"]):
        done = subprocess.run([*words, path], capture_output=True, text=True, timeout=200, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        lines = [line.removeprefix("[1] ") for line in done.stdout.splitlines()]
        ends = [line for line in lines if line.startswith("2 [")]
        assert len(ends) == 2 and ends[0] == ends[1]
        assert sum(line.startswith("Epoch 2/2") for line in lines) == 1  # one process speaks
        logs.append((ends[0], (tmp_path / "log.csv").read_text()))
    assert logs[0] == logs[1]
