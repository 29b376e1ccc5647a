"""Damaged files of every kind are refused in the documented way, or harmless; in a process whose memory is limited."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent / "fuzzing.py"

# Kind of file -> how many damaged ones the long run reads; a model takes longer than an array.
LONG = {
    "params": 8000,
    "sparse": 8000,
    "symbol": 8000,
    "rec": 8000,
    "images": 6000,
    "idx": 8000,
    "lst": 8000,
    "states": 8000,
    "pickled": 8000,
    "keras": 5000,
    "h5": 5000,
    "weights": 5000,
    "npz": 8000,
    "onnx": 4000,
    "shapes": 4000,
}


def fuzz(seed, count, kinds, timeout):
    """The reports of a run, after it is seen that nothing is wrong."""
    command = [sys.executable, str(SCRIPT), str(seed), str(count), *kinds]
    # The limit is on address space, of which glibc keeps 64 MiB for each thread that allocates, were it only to end.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, env=environment)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert not [(report["kind"], report["faults"]) for report in reports if report["faults"]]
    assert done.returncode == 0, f"after {[report['kind'] for report in reports]}: {done.returncode}\n{done.stderr}"
    return {report["kind"]: report for report in reports}


def test_damaged_files():
    reports = fuzz(3, 150, [], timeout=300)
    assert set(reports) == set(LONG)
    for report in reports.values():
        assert report["refused"] >= 40
        assert report["read"] + report["refused"] == 150


@pytest.mark.slow
@pytest.mark.parametrize("kind", LONG)
def test_very_many_damaged_files(kind):
    report = fuzz(1, LONG[kind], [kind], timeout=1800)[kind]
    assert report["read"] + report["refused"] == LONG[kind]


def test_the_watch_sees_what_a_file_has_no_say_in(tmp_path):
    """The harness itself: that an error of another kind, a started program and too much memory are told of."""
    code = f"""
import sys, tempfile, pathlib, os
sys.path.insert(0, {str(SCRIPT.parent)!r})
import fuzzing, signal
signal.signal(signal.SIGALRM, fuzzing._ring)
fuzzing.SECONDS = 1
def read(path):
    text = path.read_bytes()
    if text == b"1": raise KeyError("other")
    if text == b"2": os.system("true")
    if text == b"3":
        while True: pass
    if text == b"4": bytearray(1 << 31)
    if text == b"5": raise ValueError("as documented")
    if text == b"6": open({str(Path.home())!r} + "/.nothing-there/x", "w")
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    damage = lambda data, count, seed: (str(number).encode() for number in range(count))
    kind = (b"good", damage, ".x", read, (ValueError, OSError))
    print([fault[0] for fault in fuzzing.fuzz("x", kind, 0, 7, folder, fuzzing.Watch(folder))["faults"]])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "[1, 2, 3, 4, 6]\n", done.stderr
