"""Record once, replay: a function of tensors that is called again and again.

The first calls of each kind run as they are, under a recorder. When two runs in a row did exactly the same, the
recording becomes a `Program` and later calls run that. What cannot be recorded faithfully runs eagerly from then on,
and says so once, with the reason and the line of the user's code.
"""

import torch

from tandem.core import scope
from tandem.core.arrays import map_tree
from tandem.core.errors import warn
from tandem.core.module import Module, fingerprint, hook_tables, uncounted
from tandem.engine import backends, heap
from tandem.engine.explain import explain, ran_eagerly
from tandem.engine.native.loop import Loop
from tandem.engine.record import Unfaithful, record

# A program becomes what its back end makes of it (see `engine.backends`) after so many runs: code that runs a few times
# is not worth the compiling. The number is fixed, so that two runs from one seed do the same.
NATIVE_AFTER = 24

# Where a run moves this much memory, compiling takes no longer than a few runs: then so many are enough.
_HEAVY_BYTES = 64 << 20
_HEAVY_AFTER = 2

# Compiling takes as long as some hundred runs of small calls save, and a long recording (a network over the steps of a
# sequence, one for each length) is dear: what is longer than this waits in proportion, so many times as long at most.
_LONG = 600
_MOST_TIMES = 4

# How many steps one call of machine code does at the most: Ctrl-C is heard in between.
_MOST_AT_ONCE = 512

# A function that is called with ever new shapes is not worth recording: each program keeps its buffers.
MOST_KINDS = 32
_MOST_ATTEMPTS = 4

_SETS_ATTRIBUTES = "an attribute of {} is set in {} call"


class EagerWarning(UserWarning):
    """A step runs eagerly, without record and replay; the message says why."""


def patience(recording):
    """After how many runs a program becomes what its back end makes of it."""
    if sum(storage.nbytes for storage in recording.storages) > _HEAVY_BYTES:
        return min(NATIVE_AFTER, _HEAVY_AFTER)
    return NATIVE_AFTER * min(max(len(recording.calls), _LONG), _MOST_TIMES * _LONG) // _LONG


class _Kind:
    """What is known of the calls with one signature."""

    __slots__ = (
        "ahead", "args", "attempts", "buffers", "eager", "loop", "objects", "patience", "previous", "program",
        "recording", "runs",
    )  # fmt: skip

    def __init__(self, objects):
        self.objects = objects  # whose identities stand in the signature
        self.buffers = None
        self.args = None  # the call's arguments with the buffers in place of its tensors
        self.previous = None
        self.program = None
        self.recording = None  # what the program was made from, as long as it may become machine code
        self.runs = 0
        self.loop = None  # what `advance` found of the last feed
        self.ahead = None  # what fetches its batches while the program runs
        self.eager = False
        self.attempts = 0

    def forget(self):
        """Begin anew: what was recorded holds no longer."""
        self.program = self.previous = self.recording = self.loop = self.ahead = None
        self.runs = 0

    def count(self, step):
        """Count a run of the program, and let the back end take it over where it is time."""
        self.runs += 1
        if self.runs == 1:
            heap.give_back()  # what the recorded runs left
        if self.recording is not None and self.runs >= self.patience:
            recording, self.recording = self.recording, None
            self.program = None  # its memory is free now: there are never two lots of buffers
            heap.give_back()
            self.program = backends.later(step, recording, self.buffers)


class Step:
    """A function of trees of tensors that is recorded and replayed.

    function: changes tensors that it does not get as arguments (parameters, optimizer's slots, metrics' sums) in place
        only, and returns a tree of tensors.
    name: what to call it in messages; enabled: with False every call is eager.
    watch: the modules and objects whose attributes steer what the function does; when one of them is set, the step is
        recorded anew.
    backend: what runs the recordings, a name of `engine.backends.NAMES`; None: what is set for the process.
    certain: whether each call does the same, as that of a graph does and that of code need not: then one recording is
        enough, and the second call is a replay.
    The result of a call holds until the next call.
    """

    # Whether a replay may leave out the hooks of watched modules: they are Python, and run where the function does.
    skips_hooks = False

    _watches = "a layer or model"  # what it calls those whose attributes steer it

    def __init__(self, function, *, name="step", enabled=True, watch=(), backend=None, certain=False):
        self.function = function
        self.name = name
        self.enabled = enabled
        self.backend = backends.check(backend)
        self.watch = tuple(watch)
        self._certain = certain
        self._kinds = {}
        self._mutations = -1
        self._print, self._objects = None, ()
        self._uncounted = ()
        self._restless = 0
        self._hooks = ()
        self._last = (None, None)
        self._warned = False
        self.refusals = {}  # reason -> what was refused, of all that runs eagerly

    def __call__(self, *args):
        if not self.enabled or nested():
            return self.function(*args)
        tensors = []
        signature = (
            _signature(args, tensors),
            scope.is_training(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.is_autocast_enabled("cpu"),
            self._fingerprint(),
        )
        if any(self._hooks):
            self._refuse_hooks()
            return self.function(*args)
        if signature == self._last[0]:
            kind = self._last[1]
        else:
            kind = self._kind(signature)
            self._last = (signature, kind)
        if kind.eager:
            return self.function(*args)
        if kind.program is None:
            if not self._certain or kind.previous is None:
                return self._record(kind, args, tensors)
            self._make(kind, kind.previous)
        if not kind.program.is_current():
            kind.forget()
            return self._record(kind, args, tensors)
        if kind.recording is not None:
            kind.count(self)
        program = kind.program
        for buffer, tensor in zip(program.inputs, tensors, strict=True):
            buffer.copy_(tensor)
        try:
            return program.run()
        except (IndexError, RuntimeError, ValueError):
            # A kernel refused its input (a label that is no class, say). The function itself says it better, and names
            # the user's line.
            return self.function(*args)

    def advance(self, feed, pack, most=None):
        """Run the program of the last call on a feed's next batches, as many as fit it; gives the number of steps.

        Nothing else may happen between these steps: neither signature nor attributes are looked at again. Results of
        the function are not given.
        feed: an `engine.feeding.ArrayFeed`; pack: makes a call's first argument of one tensor to an array of the feed.
        most: steps to do at the most.
        """
        kind = self._last[1]
        if kind is None or kind.program is None or not self.enabled or nested() or not kind.program.is_current():
            return 0
        if kind.loop is None or kind.loop[0] is not feed:
            kind.loop = (feed, *self._in_order(kind, feed, pack))
            kind.ahead = backends.ahead(feed, kind.loop[1])
        _, buffers, whole = kind.loop
        if buffers is None:
            return 0
        done, most = 0, len(feed) if most is None else most
        while done < most:
            if kind.recording is not None:
                program = None  # nobody else holds the one that makes room for the next
                kind.count(self)
            program = kind.program
            if program.whole is not None and feed.device is None and whole:
                steps = min(feed.whole_batches(), most - done, _MOST_AT_ONCE)
                if not steps:
                    break
                if type(kind.loop[2]) is not Loop:
                    kind.loop = (feed, buffers, Loop(feed, buffers, program.whole))
                kind.loop[2].run(steps)
                done += steps
                continue
            if not (feed.next_into(buffers) if kind.ahead is None else kind.ahead.next(last=done + 1 == most)):
                break
            try:
                program.run()
            except (IndexError, RuntimeError, ValueError):
                self.function(*kind.args)
            done += 1
        if kind.ahead is not None:
            kind.ahead.stop()
        return done

    @staticmethod
    def _in_order(kind, feed, pack):
        """(The program's inputs in the order of the feed's arrays, whether the loop of machine code may fill them);
        (None, False) where its batches are not the inputs.
        """
        marks, found = [torch.empty(0) for _ in feed.arrays], []
        _signature((pack(marks), *kind.args[1:]), found)
        places = {id(mark): place for place, mark in enumerate(found)}
        if len(found) != len(kind.buffers) or any(id(mark) not in places for mark in marks):
            return None, False
        buffers = [kind.buffers[places[id(mark)]] for mark in marks]
        if any(
            buffer.shape[1:] != array.shape[1:] or buffer.dtype is not array.dtype
            for buffer, array in zip(buffers, feed.arrays)
        ):
            return None, False
        return buffers, Loop.fits(feed, buffers)

    @property
    def programs(self):
        """The programs made so far, one to a signature."""
        return [kind.program for kind in self._kinds.values() if kind.program is not None]

    def reset(self):
        """Forget all recordings."""
        self._kinds.clear()
        self._last = (None, None)

    def _fingerprint(self):
        self._count_uncounted()
        if Module.mutations != self._mutations:
            self._print, self._objects = fingerprint(self.watch)
            self._uncounted = uncounted(self.watch)
            self._hooks = () if self.skips_hooks else hook_tables(self.watch)
            self._mutations = Module.mutations
        return self._print

    def _count_uncounted(self):
        """Count a mutation where an attribute was set on a watched object that does not say so itself."""
        for values, identities in self._uncounted:
            if tuple(map(id, values())) != identities:
                Module.mutations += 1
                return

    def _settles(self, mutations):
        """Whether a recorded call is worth it: not where attributes are set in call after call."""
        self._count_uncounted()
        if Module.mutations == mutations:
            self._restless = 0
            return True
        self._restless += 1
        return self._restless < _MOST_ATTEMPTS

    def _unsettled(self):
        """Why calls of this kind run eagerly from now on, and all calls where none has come to be replayed.

        Others replay where an attribute follows from the shapes, say: it is set where a batch of another size comes.
        """
        self.enabled = self._replays()
        return Unfaithful(self._sets_attributes("this kind of" if self.enabled else "every"))

    def _sets_attributes(self, which):
        return _SETS_ATTRIBUTES.format(self._watches, which)

    def _replays(self):
        return bool(self.programs)

    def _refuse_hooks(self):
        """Say that hooks are the reason why this call is eager."""
        hook = next(hook for table in self._hooks for hook in table.values())
        code = getattr(hook, "__code__", None)
        where = code and (code.co_filename, code.co_firstlineno)
        self._explain(Unfaithful("a layer has a hook, which a replay would not call", where))

    def _kind(self, signature):
        kind = self._kinds.get(signature)
        if kind is None:
            kind = self._kinds[signature] = _Kind(self._objects)
            if len(self._kinds) > MOST_KINDS:
                kind.eager = True
                self._explain(Unfaithful(f"it was called with more than {MOST_KINDS} different shapes or settings"))
        return kind

    def _record(self, kind, args, tensors):
        if kind.buffers is None:
            kind.buffers = [tensor.detach().clone() for tensor in tensors]
        else:
            for buffer, tensor in zip(kind.buffers, tensors, strict=True):
                buffer.copy_(tensor)
        buffers = iter(kind.buffers)
        given = kind.args = map_tree(lambda leaf: next(buffers) if isinstance(leaf, torch.Tensor) else leaf, args)
        mutations = Module.mutations
        with heap.tidy():
            result, recording = record(self.function, kind.buffers, given)
        kind.attempts += 1
        try:
            if isinstance(recording, Unfaithful):
                raise recording
            if not self._settles(mutations):
                raise self._unsettled()
            if kind.previous is not None:
                self._compile(kind, recording, mutations)
            if kind.program is None:
                kind.previous = recording
        except Unfaithful as refusal:
            kind.eager, kind.previous, kind.buffers, kind.args = True, None, None, None
            self._explain(refusal)
        return result

    def _compile(self, kind, recording, mutations):
        reason, where = kind.previous.difference(recording) or (None, None)
        if reason is None and Module.mutations != mutations:
            reason = self._sets_attributes("every")
        if reason is None:
            self._make(kind, recording)
        elif kind.attempts >= _MOST_ATTEMPTS:
            raise Unfaithful(reason, where)

    def _make(self, kind, recording):
        """Make a program of a recording."""
        kind.previous = None
        kind.patience = patience(recording)
        kind.program = backends.first(self, recording, kind.buffers, kind.patience)
        kind.recording = recording if backends.changes(self, recording) else None

    def explain(self):
        """The programs made so far as text, and what runs eagerly and why."""
        return explain(self)

    def _explain(self, refusal):
        self.refusals.setdefault(refusal.reason, refusal)
        ran_eagerly(self, refusal)
        if self._warned:
            return
        self._warned = True
        where = f" ({refusal.where[0]}, line {refusal.where[1]})" if refusal.where else ""
        warn(f"{self.name} runs eagerly, not recorded and replayed, since {refusal.reason}{where}.", EagerWarning)


def nested():
    """Whether something else watches every call already, or has turned off what a recorder needs to see."""
    return torch._C._len_torch_dispatch_stack() > 0 or torch.is_inference_mode_enabled() or scope.is_eager()


def _signature(tree, tensors):
    """Structure, shapes and dtypes of a tree of tensors, hashable; the tensors are appended to `tensors`."""
    if isinstance(tree, torch.Tensor):
        tensors.append(tree)
        return tree.shape, tree.dtype, tree.device
    if isinstance(tree, (list, tuple)):
        return type(tree), tuple([_signature(item, tensors) for item in tree])
    if isinstance(tree, dict):
        return dict, tuple([(key, _signature(item, tensors)) for key, item in tree.items()])
    return tree
