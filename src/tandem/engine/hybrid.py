"""Record and replay for a piece of a model whose gradient is asked for later: Gluon's `hybridize()`.

A `Step` is a whole training step. Here only a block's forward pass is called; the loss and `backward()` are the user's.
The block's forward and backward pass are recorded together as one program of two parts, and an autograd function joins
them to whatever the user does around them.
"""

from contextlib import contextmanager

import torch

from tandem.core import scope
from tandem.core.arrays import map_tree
from tandem.core.errors import explain
from tandem.core.gradients import gradients
from tandem.core.module import Module
from tandem.engine import backends, heap
from tandem.engine.explain import ran_eagerly
from tandem.engine.program import Program
from tandem.engine.record import Recorder, Unfaithful, tree_unflatten
from tandem.engine.replay import MOST_KINDS, Step, nested, patience

# How many calls may wait for their backward pass at once, each with buffers of its own, before others run eagerly.
_MOST_WAITING = 4


class _Lease:
    """The hold of one call on a program: from its forward pass until its backward pass is done or cannot come."""

    __slots__ = ("_idle", "program")

    def __init__(self, program, idle):
        self.program = program
        self._idle = idle

    def end(self):
        if self.program is not None:
            self._idle.append(self.program)
            self.program = None

    def __del__(self):
        self.end()


def _copied(result):
    """A result in the caller's own memory; there its axes lie in their order, whatever the program found better."""
    return result.clone(memory_format=torch.contiguous_format)


class _Joint(torch.autograd.Function):
    """Runs a program's first part forward and its second part backward.

    The inputs are in the program's buffers already; `tensors` are those that get gradients.
    """

    @staticmethod
    def forward(ctx, lease, kind, *tensors):
        ctx.lease, ctx.kind = lease, kind
        ctx.set_materialize_grads(False)
        results = tuple([_copied(result) for result in lease.program.begin()])
        if not kind.all_differentiable:
            flags = zip(results, kind.differentiable, strict=True)
            ctx.mark_non_differentiable(*(result for result, wanted in flags if not wanted))
        return results

    @staticmethod
    def backward(ctx, *grads):
        _check_first_order()
        program, kind = ctx.lease.program, ctx.kind
        if program is None:
            raise RuntimeError(
                explain(
                    "The backward pass of a hybridized block can run once for each forward pass",
                    given="a second backward through the same forward pass",
                    hint="Call hybridize(False) on the block to use retain_graph=True.",
                )
            )
        if not kind.all_differentiable:
            grads = [grad for grad, flag in zip(grads, kind.differentiable, strict=True) if flag]
        for buffer, grad in zip(program.inputs[kind.count :], grads, strict=True):
            if grad is None:
                buffer.zero_()
            else:
                buffer.copy_(grad)
        # They are the program's own until its next run: what is kept must be a copy.
        found = program.run()
        own = [None if grad is None else grad.clone() for grad in found[: kind.learning]]
        rest = kind.deliver(kind.parameters, found[kind.learning :])
        ctx.lease.end()
        return None, None, *own, *rest


# What `_Joint.apply` comes to where no functorch transform is active.
_join = super(torch.autograd.Function, _Joint).apply


class _Kept(torch.autograd.Function):
    """Joins what was computed on copies of some tensors to these tensors, and to the parameters that it used."""

    @staticmethod
    def forward(ctx, results, sources, *tensors):
        ctx.results, ctx.sources = results, sources
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(constants := [r.detach() for r in results if not r.requires_grad]))
        constants = iter(constants)
        return tuple(result.detach() if result.requires_grad else next(constants) for result in results)

    @staticmethod
    def backward(ctx, *grads):
        _check_first_order()
        reached = [(result, grad) for result, grad in zip(ctx.results, grads, strict=True) if grad is not None]
        wanted = [source for source in ctx.sources if source.requires_grad]
        results, seeds = zip(*reached, strict=True)
        with _without_hooks(wanted):
            found = iter(gradients(results, wanted, seeds, retain_graph=True))
        return None, None, *(next(found) if source.requires_grad else None for source in ctx.sources)


@contextmanager
def _without_hooks(tensors):
    """Run a block in which gradients for some tensors do not call their hooks: those wait for the user's own pass."""
    held = [(tensor, tensor._backward_hooks) for tensor in tensors if tensor._backward_hooks]
    for tensor, _ in held:
        tensor._backward_hooks = None
    try:
        yield
    finally:
        for tensor, hooks in held:
            tensor._backward_hooks = hooks


def _check_first_order():
    """Raise RuntimeError where the gradients of a backward pass are wanted."""
    if torch.is_grad_enabled():
        raise RuntimeError(
            explain(
                "A hybridized block cannot be differentiated twice",
                expected="first derivatives only",
                given="create_graph=True",
                hint="Call hybridize(False) on the block for higher derivatives.",
            )
        )


def copied(parameters, grads):
    """Gradients for autograd to accumulate, in memory of their own."""
    return [None if grad is None else grad.clone() for grad in grads]


class Hybrid(Step):
    """A function of tensors that is recorded and replayed, with gradients where they are asked for.

    function: as for `Step`, but it gives what autograd may differentiate, in the tensors that it gets and in
        `parameters()`, a function that gives the torch parameters that it reads.
    deliver: `deliver(parameters, grads)` is called with the gradients of a backward pass, in memory of the program's
        own, or None; it gives a list of what autograd shall still accumulate: copies, or None for what it has put
        where it belongs itself.
    inline: a function of at most so many differentiable operations runs as it is where gradients are asked for: a
        replay of so few costs more than it saves.
    certain: as for `Step`.
    Results are the caller's: they hold for as long as they are kept.
    """

    skips_hooks = True  # as in MXNet: a hybridized block calls its own hooks, not those of the blocks in it
    _watches = "a block"

    def __init__(
        self, function, parameters, *, name="block", enabled=True, watch=(), deliver=copied, inline=0, certain=False
    ):
        super().__init__(function, name=name, enabled=enabled, watch=watch, certain=certain)
        self._parameters = parameters
        self._deliver, self._inline = deliver, inline
        self.inlined = False  # whether there was a call with so few operations
        self._joint = {}

    def __call__(self, *args):
        if not self.enabled or nested():
            return self.function(*args)
        if not torch.is_grad_enabled():
            return self._call_without_gradients(args)
        tensors = []
        key = (_spec(args, tensors), scope.is_training(), torch.get_default_dtype(), self._fingerprint())
        try:
            kind = self._joint.get(key)
        except TypeError:  # a leaf that has no hash
            key = (repr(key),)
            kind = self._joint.get(key)
        if kind is None:
            kind = self._joint[key] = _JointKind(self._objects, self._deliver)
            if len(self._joint) > MOST_KINDS:
                kind.eager = True
                self._explain(Unfaithful(f"it was called with more than {MOST_KINDS} different shapes or settings"))
        if kind.eager:
            return self.function(*args)
        if kind.recording is not None:
            return self._replay_joint(kind, args, tensors)
        if kind.frozen is not None:
            known, learned = kind.frozen
            if learned == [parameter.requires_grad for parameter in known]:
                with torch.no_grad():
                    return self._call_without_gradients(args)
            kind.frozen = None
        return self._record_joint(kind, args, tensors)

    def _replays(self):
        return any(kind.recording is not None for kind in self._joint.values()) or super()._replays()

    def _call_without_gradients(self, args):
        result = super().__call__(*args)
        return map_tree(lambda leaf: _copied(leaf) if isinstance(leaf, torch.Tensor) else leaf, result)

    def _record_joint(self, kind, args, tensors):
        # What made a tensor is no part of the block: it may use the same parameters.
        cut = any(tensor.grad_fn is not None for tensor in tensors)
        given = [
            tensor.detach().clone().requires_grad_(tensor.requires_grad) if cut else tensor.clone()
            for tensor in tensors
        ]
        copies = iter(given)
        mutations = Module.mutations
        recorder = Recorder()
        for tensor in given:
            recorder.add_input(tensor)
        with heap.tidy(), recorder:
            result = self.function(
                *map_tree(lambda leaf: next(copies) if isinstance(leaf, torch.Tensor) else leaf, args)
            )
        flat, kind.spec = torch.utils._pytree.tree_flatten(result)
        kind.attempts += 1
        try:
            if not self._settles(mutations):
                raise self._unsettled()
            self._record_backward(kind, recorder, given, flat, mutations)
        except Unfaithful as refusal:
            kind.eager, kind.previous = True, None
            self._explain(refusal)
        if cut and any(isinstance(value, torch.Tensor) and value.requires_grad for value in flat):
            return self._joined(flat, kind.spec, given, tensors)
        return result

    def _joined(self, flat, spec, given, tensors):
        """The results of a run on copies as results of the tensors themselves."""
        parameters = [parameter for parameter in self._parameters() if parameter.requires_grad]
        results = [value for value in flat if isinstance(value, torch.Tensor)]
        joined = iter(_Kept.apply(results, [*given, *parameters], *tensors, *parameters))
        return tree_unflatten([next(joined) if isinstance(value, torch.Tensor) else value for value in flat], spec)

    def _record_backward(self, kind, recorder, given, flat, mutations):
        if not all(isinstance(value, torch.Tensor) for value in flat):
            raise Unfaithful("a result is not a tensor")
        differentiable = [value.requires_grad for value in flat]
        if not any(differentiable):
            recorder.finish(flat)
            known = list(self._parameters())
            kind.frozen = known, [parameter.requires_grad for parameter in known]
            return
        parameters = [parameter for parameter in self._parameters() if parameter.requires_grad]
        sources = [tensor for tensor in given if tensor.requires_grad] + parameters
        outputs = [value for value, wanted in zip(flat, differentiable, strict=True) if wanted]
        if self._inline and _operations(outputs, self._inline) <= self._inline:
            kind.eager = self.inlined = True
            few = f"its at most {self._inline} differentiable operations cost less as they are than a replay"
            ran_eagerly(self, Unfaithful(few))
            return
        recorder.end_first_part(flat)
        seeds = [torch.ones_like(value) for value in outputs]
        for seed in seeds:
            recorder.add_input(seed)
        # The user's own backward pass comes later: BatchNorm's statistics, say, change in that one alone.
        with _without_hooks(sources), heap.tidy(), recorder.trial(), recorder:
            grads = gradients(outputs, sources, seeds, retain_graph=True)
        inputs = len(sources) - len(parameters)
        # What the block does not reach is no part of it: a parameter's replica on another device, say.
        parameters = [one for one, grad in zip(parameters, grads[inputs:], strict=True) if grad is not None]
        recording = recorder.finish([*grads[:inputs], *(grad for grad in grads[inputs:] if grad is not None)])
        reason, where = "the block was not called often enough", None
        if self._certain:
            reason = None
        elif kind.previous is not None:
            reason, where = kind.previous.difference(recording) or (None, None)
            if reason is None and Module.mutations != mutations:
                reason = self._sets_attributes("every")
        if reason is None:
            kind.previous, kind.recording, kind.patience = None, recording, patience(recording)
            kind.buffers = [(*_layout(tensor),) for tensor in [*given, *seeds]]
            kind.differentiable, kind.parameters = differentiable, parameters
            kind.all_differentiable = all(differentiable)
            kind.sources = [number for number, tensor in enumerate(given) if tensor.requires_grad]
            kind.count, kind.learning = len(given), len(kind.sources)
            kind.single = kind.spec.is_leaf()
            if not self._certain:
                kind.idle.append(kind.new_program(self))  # else the next call makes it, if there is one
        elif kind.previous is not None and kind.attempts >= 4:
            raise Unfaithful(reason, where)
        else:
            kind.previous = recording

    def _replay_joint(self, kind, args, tensors):
        if not kind.idle:
            if kind.made >= _MOST_WAITING:
                return self.function(*args)
            kind.idle.append(kind.new_program(self))
        program = kind.idle.pop()
        if not program.is_current():
            kind.forget()
            return self._record_joint(kind, args, tensors)
        if kind.ripens(self):
            program = None  # there are never two lots of buffers
            heap.give_back()
            program = kind.new_program(self)
        for buffer, tensor in zip(program.inputs, tensors, strict=False):
            buffer.copy_(tensor)
        lease = _Lease(program, kind.idle)
        join = _Joint.apply if torch._C._are_functorch_transforms_active() else _join
        results = join(lease, kind, *[tensors[number] for number in kind.sources], *kind.parameters)
        return results[0] if kind.single else tree_unflatten(list(results), kind.spec)


def _operations(tensors, most):
    """How many operations made some tensors of leaves, those that only look at memory left out; at most `most` + 1."""
    count, seen, waiting = 0, set(), [tensor.grad_fn for tensor in tensors]
    while waiting and count <= most:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name = node.name().removesuffix("0")
        count += name not in _LOOKING and not name.endswith("AccumulateGrad")
        waiting += [following for following, _ in node.next_functions]
    return count


_LOOKING = {
    f"{name}Backward"
    for name in ("AsStrided", "Expand", "Permute", "ReshapeAlias", "Select", "Slice", "Squeeze", "T", "Transpose")
    + ("UnsafeView", "Unsqueeze", "View")
}


class _JointKind:
    """What is known of the calls with one signature, and the programs made for them."""

    def __init__(self, objects, deliver):
        self.objects = objects  # whose identities stand in the key
        self.deliver = deliver
        self.eager = False
        self.frozen = None  # where no result has a gradient: all parameters, and which of them learned then
        self.attempts = 0
        self.spec = None
        self.forget()

    def forget(self):
        """Begin anew: the parameters are not what they were."""
        self.previous = self.recording = None
        self.idle = []
        self.made = self.runs = self.patience = 0
        self.native = False

    def ripens(self, step):
        """Count a run; whether programs are machine code from now on (those that wait for a backward pass go on)."""
        self.runs += 1
        if self.runs == 1:
            heap.give_back()  # what the recorded passes left
        if self.native or self.runs < self.patience or not backends.is_native(step, self.recording):
            return False
        self.native, self.idle, self.made = True, [], 0
        return True

    def new_program(self, step):
        """A program with buffers of its own."""
        self.made += 1
        inputs = [torch.empty_strided(*layout, dtype=dtype, device=device) for *layout, dtype, device in self.buffers]
        program = Program(self.recording, inputs, native=self.native)
        return backends.made_of_two(step, program, self.native) if self.made == 1 else program


def _layout(tensor):
    return tensor.shape, tensor.stride(), tensor.dtype, tensor.device


def _spec(tree, tensors):
    """Structure, shapes and dtypes of a tree of tensors, and which want gradients; the tensors go to `tensors`."""
    kind = type(tree)
    if kind is torch.Tensor:
        tensors.append(tree)
        return tree.shape, tree.dtype, tree.requires_grad, tree.device
    if kind is tuple or kind is list:
        return kind, *[_spec(item, tensors) for item in tree]
    if kind is dict:
        return kind, *[(key, _spec(item, tensors)) for key, item in tree.items()]
    if isinstance(tree, torch.Tensor):
        tensors.append(tree)
        return tree.shape, tree.dtype, tree.requires_grad, tree.device
    if isinstance(tree, (list, tuple)):
        return kind, *[_spec(item, tensors) for item in tree]
    return kind, tree
