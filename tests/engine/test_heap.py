"""Recording a step leaves no memory behind in pieces."""

import gc
import subprocess
import sys

import pytest
import torch

from tandem.engine import heap, program
from tandem.engine.record import record

CODE = """
import torch
from tandem.engine.replay import Step

def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024

weights = [torch.eye(64).requires_grad_() for _ in range(12)]

def train(x):
    for weight in weights:
        x = torch.tanh(x @ weight).clone() + x.mean()
    grads = torch.autograd.grad(x.sum(), weights)
    with torch.no_grad():
        for weight, grad in zip(weights, grads):
            weight.sub_(0.0 * grad)
    return x.mean()

def growth(step, x):
    step(x)
    found = []
    for _ in range(2):
        before = resident()
        step(x)
        found.append(resident() - before)
    return max(found)

# Each kind of batch is recorded twice, and then has buffers of its own: what a recording leaves comes on top of them.
step = Step(train)
buffers = 0
for rows in (4000, 4100, 4200, 4300):
    growth(step, torch.ones(rows, 64))
    blocks = {m.storage.data_ptr(): m.storage.nbytes() for m in step.programs[-1].memory.values()}
    buffers += sum(blocks.values()) / 2**20
print(resident(), buffers)
"""


@pytest.mark.skipif(heap._glibc() is None, reason="the C library is not glibc")
def test_recording_several_kinds_of_batches_takes_the_memory_of_their_buffers():
    base = subprocess.run([sys.executable, "-c", CODE.replace("(4000, 4100, 4200, 4300)", "(4000,)")], **_TOLD)
    several = subprocess.run([sys.executable, "-c", CODE], **_TOLD)
    one, many = (tuple(map(float, run.stdout.split())) for run in (base, several))
    assert many[0] - one[0] < 3 * (many[1] - one[1])  # six times as much where the holes stay


_TOLD = {"check": True, "capture_output": True, "text": True, "timeout": 120}


def test_making_a_program_looks_for_no_cycles_among_all_objects(monkeypatch):
    weights = [torch.eye(4).requires_grad_() for _ in range(300)]

    def train(x):
        for weight in weights:
            x = torch.tanh(x @ weight)
        return torch.autograd.grad(x.sum(), weights)

    collected, threshold = [], gc.get_threshold()
    gc.callbacks.append(note := lambda phase, info: collected.append(info["generation"]) if phase == "start" else None)
    try:
        _, recording = record(train, [x := torch.ones(2, 4)], (x,))
        gc.set_threshold(200, 2, 1)
        seen, plan, assemble = [], program.Plan, program._Writer._assemble
        monkeypatch.setattr(program, "Plan", lambda *args: seen.append(len(collected)) or plan(*args))
        monkeypatch.setattr(program._Writer, "_assemble", lambda *args: seen.append(len(collected)) or assemble(*args))
        made = program.Program(recording, [x])
        assert seen[0] == seen[1] and len(made.lines) > 900
        collected.clear()
        with heap.young():
            objects = [[] for _ in range(100_000)]
        assert len(objects) == 100_000 and collected.count(2) <= 1 < collected.count(1)  # one may come before it
        assert gc.isenabled() and gc.get_threshold() == (200, 2, 1)
    finally:
        gc.callbacks.remove(note)
        gc.set_threshold(*threshold)
