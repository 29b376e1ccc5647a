"""What runs a recording: the one place where a step's program is made.

=============  =====================================================================================================
"library"      straight-line calls of torch on fixed buffers: the same bits as the function itself
"native"       the same, but runs of small operations are machine code: what a CPU gets where nothing else is said
"cuda_graph"   the calls of "library", captured in a CUDA graph: what a GPU gets where nothing else is said
"inductor"     the recorded calls compiled by torch's compiler: it takes from seconds to minutes
"auto"         each of them that there is on the machine, measured on the real step; the fastest one stays
=============  =====================================================================================================

A program begins as "library", which costs milliseconds, and becomes what was asked for after some runs, where that
pays. Where a back end cannot do it, the program is "native" (or "library"), and a `BackendWarning` says why.
"""

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from tandem.core import scope
from tandem.core.errors import explain, suggest, warn
from tandem.engine.explain import program_made
from tandem.engine.native import llvm
from tandem.engine.program import Program
from tandem.engine.record import Unfaithful
from tandem.engine.schemas import written

NAMES = ("library", "native", "cuda_graph", "inductor", "auto")

# How often "auto" runs each of two programs, in turns: for so many seconds, but neither fewer nor more often than this.
_SECONDS, _FEWEST, _MOST = 0.3, 5, 50

# Another program must be faster by this factor to take the place of a simpler one: less is noise.
_WORTH = 0.97

_log = logging.getLogger("tandem.engine")
_default = None


class BackendWarning(UserWarning):
    """A step is not run by the back end that was asked for; the message says by which one, and why."""


@dataclass
class About:
    """Whose program it is, and why it is one of this kind: `name` and `watch` are the step's."""

    name: str
    watch: tuple
    training: bool | None
    backend: str
    why: str


def check(name):
    """The name of a back end, or None; raises ValueError for any other."""
    if name is not None and name not in NAMES:
        raise ValueError(
            explain("There is no such back end", expected=", ".join(NAMES), given=repr(name), hint=suggest(name, NAMES))
        )
    return name


def default():
    """The back end of every step that does not name its own; None: "native" on a CPU, "cuda_graph" on a GPU."""
    return _default


def set_default(name):
    """Set the back end of this process: programs that are made from now on use it. None undoes it."""
    global _default
    _default = check(name)


@contextmanager
def using(name):
    """Programs that are made inside use this back end where their step does not name its own."""
    before = _default
    set_default(name)
    try:
        yield
    finally:
        set_default(before)


# -- making programs --------------------------------------------------------------------------------------------------


def first(step, recording, inputs, after):
    """The program that a step begins with; after: the number of runs after which `later` is asked."""
    name, why = _wanted(step, recording)
    if name == "library":
        why += "; it stays as it is"
    else:
        why = f"a program begins so; after {after} runs it becomes {name!r} ({why})"
    return made(step, Program(recording, inputs), "library", why)


def changes(step, recording):
    """Whether `later` would give something else than `first` did."""
    name, _ = _wanted(step, recording)
    return name != "library"


def is_native(step, recording):
    """Whether a recording of two parts becomes machine code: no other back end takes such a one."""
    return _plain(recording) == "native" and _wanted(step, recording)[0] != "library"


def made_of_two(step, program, native):
    """Note whose program of two parts it is; gives the program."""
    why = "a program of two parts" if native else "a program of two parts begins so"
    return made(step, program, "native" if native else "library", why)


def later(step, recording, inputs):
    """The program that takes the place of the first one."""
    name, why = _wanted(step, recording)
    asked = step.backend is not None or _default is not None
    program, name, why = make(name, recording, inputs, why=why, label=step.name if asked else None)
    return made(step, program, name, why)


def make(name, recording, inputs, *, why="it was asked for", label="A block"):
    """(program, the back end that was taken, why) for a recording.

    name: of `NAMES`; label: what to call it in warnings, None for none, where nobody asked for this back end. Nothing
    is run but where the name is "auto".
    """
    if name == "auto":
        return _fastest(recording, inputs, label)
    try:
        return _make(name, recording, inputs), name, why
    except Unfaithful as refusal:
        plain = _plain(recording)
        reason = f"{name} cannot run it: {refusal.reason}"
        if label is not None:
            warn(f"{label} is replayed by {plain!r}, not by {name!r}, since {refusal.reason}.", BackendWarning)
        return _make(plain, recording, inputs), plain, reason


def ahead(feed, buffers):
    """What fetches a feed's batches into a program's inputs while it runs; None where nothing is gained by that."""
    if buffers is None or feed.device is None or not all(buffer.is_cuda for buffer in buffers):
        return None
    from tandem.engine.cuda_graph import Ahead

    return Ahead(feed, buffers)


def _make(name, recording, inputs):
    if name == "inductor":
        from tandem.engine.inductor import InductorProgram

        return InductorProgram(recording, inputs)
    if name == "cuda_graph":
        from tandem.engine.cuda_graph import GraphProgram

        return GraphProgram(recording, inputs)
    return Program(recording, inputs, native=name == "native")


def made(step, program, name, why):
    """Note whose program it is, and why of this kind, and let those know who watch; gives the program."""
    program.about = About(step.name, step.watch, scope.is_training(), name, why)
    program_made(step, program)
    return program


def _wanted(step, recording):
    """(the back end to use, why)."""
    if step.backend is not None:
        name, why = step.backend, "the step asks for it"
    elif _default is not None:
        name, why = _default, "it is set for this process"
    elif _on_gpu(recording):
        return "cuda_graph", "the step is on a GPU"
    else:
        name, why = "native", "as nothing else is asked for"
    if name == "native" and _plain(recording) == "library":
        return "library", "the step is on a GPU" if _on_gpu(recording) else "llvmlite is not installed"
    return name, why


def _on_gpu(recording):
    return any(s.device.type == "cuda" for s in recording.storages)


def _plain(recording):
    """What needs nothing but what is there."""
    return "library" if _on_gpu(recording) or not llvm.binding_exists() else "native"


# -- measuring --------------------------------------------------------------------------------------------------------


def candidates(recording):
    """The back ends that "auto" measures, the simplest first."""
    from tandem.engine import inductor

    names = ["library"]
    names.append("cuda_graph" if _on_gpu(recording) else "native")
    if inductor.missing() is None:
        names.append("inductor")
    return [name for name in names if name != "native" or llvm.binding_exists()]


def _fastest(recording, inputs, label):
    """(program, name, why): the fastest one, each new candidate run in turns with the best so far.

    At no time are there more than two programs. What the runs changed is put back.
    """
    state = Snapshot(recording, inputs)
    best, taken, told = None, None, []
    for name in candidates(recording):
        try:
            program = _make(name, recording, inputs)
        except Unfaithful as refusal:
            told.append(f"{name}: {refusal.reason}")
            continue
        if best is None:
            best, taken = program, name
            continue
        try:
            old, new = _race(best, program, state)
        finally:
            state.restore()
        told.append(f"{taken} {old * 1e6:.0f} µs, {name} {new * 1e6:.0f} µs")
        if new < _WORTH * old:
            best, taken = program, name
        del program
    why = f"the fastest one measured ({'; '.join(told)})" if told else "there is no other one here"
    _log.info("%s is replayed by %r: %s.", label, taken, why)
    return best, taken, why


def _race(one, other, state):
    """The seconds of a run of two programs that run in turns: the least of each, which noise disturbs least."""
    least, spent, rounds = [float("inf")] * 2, 0.0, 0
    while rounds < _FEWEST or (spent < _SECONDS and rounds < _MOST):
        for place, program in enumerate((one, other)):
            state.restore()
            begin = time.perf_counter()
            program.run()
            if state.device is not None:
                torch.cuda.synchronize(state.device)
            seconds = time.perf_counter() - begin
            least[place], spent = min(least[place], seconds), spent + seconds
        rounds += 1
    return least


class Snapshot:
    """All that a recording's run changes and that outlives the run, so that it can be put back.

    These are the storages from outside, and inputs, that calls write, the `.grad`s of parameters, and the states of
    random generators.
    """

    def __init__(self, recording, inputs):
        changed = {ref.storage for call in recording.calls for ref in written(call)}
        fresh = iter(inputs)
        self._tensors = []
        for number, storage in enumerate(recording.storages):
            tensor = next(fresh) if storage.role == "input" else storage.tensor
            if storage.role != "made" and number in changed:
                whole = torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(tensor.untyped_storage())
                self._tensors.append((whole, whole.clone()))
        self._grads = [(parameter, parameter.grad) for parameter, _ in recording.grads]
        generators = {torch.default_generator, *_generators(recording)}
        self.device = next((tensor.device for tensor in inputs if tensor.is_cuda), None)
        if self.device is not None:
            generators.add(torch.cuda.default_generators[self.device.index or 0])
        self._generators = [(generator, generator.get_state()) for generator in generators]

    def restore(self):
        """Put everything back as it was."""
        for tensor, value in self._tensors:
            tensor.copy_(value)
        for parameter, grad in self._grads:
            parameter.grad = grad
        for generator, value in self._generators:
            generator.set_state(value)


def _generators(recording):
    return {value for call in recording.calls for value in call.args if isinstance(value, torch.Generator)}
