"""Calls of a module outside training, recorded and replayed one by one: little more than their kernels remains.

Who calls a module gets what he was promised: his own tensors, the hooks, and a gradient where one may be asked for. So
a call is replayed only where nothing watches or changes it, and only for small inputs (where the work is large, a
replay has little to gain, and its buffers would stay). Its outputs carry a gradient all the same: it is computed, by
running the code as it is written, when somebody asks. Who asked once gets the ordinary graph from then on.
"""

import threading

import numpy as np
import torch

from tandem.core import arrays, scope
from tandem.core.errors import explain
from tandem.core.module import Module, fingerprint, hook_tables
from tandem.engine.replay import Step

_MOST_NUMBERS = 1 << 20  # in an input: larger ones are not replayed
_MOST_KINDS = 8
_PLAIN_CALLS = 2  # before the first recording: who calls once or twice does not pay for one
_MOST_ATTEMPTS = 8
_DTYPES = frozenset(np.dtype(name) for name in ("float32", "float64", "int32", "int64", "uint8", "bool"))

# What may change between a call and its backward pass: the pass itself puts it back as it was.
_RESTORED = ("_trainable", "training", "_mode")

_Tensor = torch.Tensor
_modes = torch._C._len_torch_function_stack
_dispatch_modes = torch._C._len_torch_dispatch_stack
_trace = torch._C._get_tracing_state
_transforms = torch._C._functorch.peek_interpreter_stack
_saving_hooks = torch._C._autograd._top_saved_tensors_default_hooks
_autocast = torch._C._is_any_autocast_enabled
_anomaly = torch.is_anomaly_enabled
_grad_enabled = torch.is_grad_enabled
_set_grad_enabled = torch._C._set_grad_enabled
_forward_mode = torch.autograd.forward_ad


def _watched():
    """Whether something looks at each operation, or changes it, or has asked for the code as it is written."""
    return (
        _modes()
        or _dispatch_modes()
        or _autocast()
        or scope.is_eager()
        or scope.is_recording() is not None
        or _transforms() is not None
        or _saving_hooks(False) is not None
        or _trace() is not None
        or _forward_mode._current_level >= 0
        or _anomaly()
    )


class _Quiet(Step):
    """A step that need not be replayed: running as it is written is what its caller was promised."""

    def _explain(self, refusal):
        self._warned = True


class Look:
    """What a module was like while nothing was set: its tensors, and what would show that it is another now.

    module: what is called; holders: the `Holder`s of all its tensors; allowed: whether its calls may be replayed.
    """

    def __init__(self, module, holders, allowed):
        self.mutations = Module.mutations
        self.print, self.objects = fingerprint([module], without=_RESTORED)
        self.hooks = hook_tables([module])
        self.holders = list(holders)
        self.weights = [holder.tensor for holder in self.holders]
        self.device = self.weights[0].device if self.weights else None
        self.allowed = allowed and not any(weight.is_inference() or weight.is_meta for weight in self.weights)


class _Kind:
    """What is known of the calls with one signature."""

    __slots__ = ("calls", "differentiable", "ends", "hopeless", "learning", "lock", "step", "strides")

    def __init__(self, step):
        self.step = step
        self.calls = 0
        self.hopeless = False
        self.strides = ()  # of the outputs of a plain call
        self.lock = threading.Lock()  # a program's buffers serve one thread at a time
        self.learning = None  # which weights learned when `differentiable` was found
        self.differentiable = None  # for each output, whether it has a gradient
        self.ends = None  # where gradients are added to the weights that learn


class Calls:
    """The calls of one module. A front end says in a subclass how it is looked at, and what a plain call is."""

    def __init__(self):
        self._seen = -1
        self._look = None
        self._kinds = {}
        self._differentiated = False

    def look(self, module):
        """A `Look` at the module."""
        raise NotImplementedError

    def plain(self, module, x, given):
        """The call as it is written; given: the argument `training`, None or False."""
        raise NotImplementedError

    def convert(self, array, device):
        """A NumPy array as a plain call would take it, a tensor; device: where the weights are, or None."""
        raise NotImplementedError

    def has_left(self, module):
        """Whether a plain call has left something behind in Python."""
        raise NotImplementedError

    def call(self, module, x, given):
        """The outputs of a call with `x`, its own; None where the call is to run as it is written.

        x: a tensor or an array, or a list, tuple or dict of them; given: the argument `training`, None or False.
        """
        look, mutations = self._look, Module.mutations
        if look is None or look.mutations != mutations:
            # Where something is set between all calls it is not worth looking.
            if mutations != self._seen:
                self._seen = mutations
                return None
            look = self._look_again(module)
        flag = scope.is_training() if given is None else given
        if not look.allowed or flag or any(look.hooks) or _watched():
            return None
        signature = _signature(x)
        if signature is None:
            return None
        signature = (given, flag, signature)
        kind = self._kinds.get(signature)
        if kind is None:
            if len(self._kinds) >= _MOST_KINDS:
                return None
            kind = self._kinds[signature] = _Kind(self._step(module, given))
        if kind.hopeless:
            return None
        for holder, weight in zip(look.holders, look.weights):
            if holder.tensor is not weight:  # other values, for a while
                return None
        learning = None
        if _grad_enabled():
            learning = [weight.requires_grad for weight in look.weights]
            if True not in learning:
                learning = None
            elif self._differentiated:
                return None
        if kind.calls < _PLAIN_CALLS or (learning is not None and learning != kind.learning):
            kind.calls += 1
            return None if kind.calls == 1 else self._observe(module, x, given, look, kind, learning)
        if not kind.lock.acquire(blocking=False):
            return None
        try:
            return self._run(module, self._tensors(x, learning is not None, look.device), given, look, kind, learning)
        finally:
            kind.lock.release()

    def note_gradient(self):
        """Somebody asks for gradients: from now on calls have the ordinary graph."""
        self._differentiated = True

    def _look_again(self, module):
        before, self._look = self._look, self.look(module)
        if before is None or before.print != self._look.print:
            self._kinds = {}
        return self._look

    def _step(self, module, given):
        return _Quiet(lambda x: self.plain(module, x, given), name="a call", watch=[module])

    def _tensors(self, x, own, device):
        """The inputs as tensors; own: whether they must not share an array's memory."""
        if type(x) is _Tensor:
            return x
        if type(x) is np.ndarray:
            return self.convert(x.copy() if own else x, device)
        return arrays.map_tree(lambda leaf: self._tensors(leaf, own, device), x)

    def _observe(self, module, x, given, look, kind, learning):
        """Run as it is written, and see whether a replay could do the same."""
        random, versions = _random_states(), [weight._version for weight in look.weights]
        outputs = self.plain(module, x, given)
        found = arrays.leaves(outputs)
        taken = {_address(value) for value in (*arrays.leaves(x), *look.weights)}
        kind.hopeless = (
            not all(type(leaf) is _Tensor and not leaf.__dict__ for leaf in found)  # with a mask, for example
            or not taken.isdisjoint(map(_address, found))
            or versions != [weight._version for weight in look.weights]
            or not all(map(torch.equal, random, _random_states()))
            or self.has_left(module)
        )
        if kind.hopeless:
            return outputs
        kind.strides = [torch.empty_like(leaf).stride() for leaf in found]
        if learning is not None:
            kind.learning, kind.differentiable = learning, [leaf.requires_grad for leaf in found]
            # Torch makes these nodes anew for each graph, behind a lock that the threads of a function of Python's and
            # of plain operations can both wait for, for ever: they are made once, here.
            kind.ends = [weight.view_as(weight).grad_fn for weight in look.weights if weight.requires_grad]
        return outputs

    def _run(self, module, inputs, given, look, kind, learning):
        kind.calls += 1
        grad = _grad_enabled()
        _set_grad_enabled(False)
        try:
            if torch.is_inference_mode_enabled():
                with torch.inference_mode(False), torch.no_grad():
                    results = kind.step(inputs)
            else:
                results = kind.step(inputs)
            # They are the program's own until its next run.
            strides = iter(kind.strides)
            if type(results) is _Tensor:
                results = _copy(results, next(strides))
            else:
                results = arrays.map_tree(lambda leaf: _copy(leaf, next(strides)), results)
        finally:
            _set_grad_enabled(grad)
        if kind.calls > _PLAIN_CALLS + _MOST_ATTEMPTS and not kind.step.programs:
            kind.hopeless = True
        if learning is None:
            return results
        call = _Call(self, module, given, look, learning, inputs, kind.differentiable)
        outputs = _Later.apply(call, arrays.leaves(results), *arrays.leaves(inputs), *look.weights)
        if type(results) is _Tensor:
            return outputs
        rest = iter(outputs if isinstance(outputs, tuple) else (outputs,))
        return arrays.map_tree(lambda _: next(rest), results)


class _Call:
    """What the backward pass of a replayed call needs."""

    __slots__ = ("calls", "differentiable", "flag", "given", "inputs", "learning", "look", "module")

    def __init__(self, calls, module, given, look, learning, inputs, differentiable):
        self.calls, self.module, self.given, self.look = calls, module, given, look
        self.learning, self.inputs, self.differentiable = learning, inputs, differentiable
        self.flag = scope.is_training()

    def gradients(self, grads):
        """The gradients of the weights that learn, by running the code as it is written.

        grads: those of the outputs, None where there is none.
        """
        look, create = self.look, torch.is_grad_enabled()
        if look.mutations != Module.mutations and fingerprint([self.module], without=_RESTORED)[0] != look.print:
            raise RuntimeError(
                explain(
                    f"The gradient of a call of a {type(self.module).__name__} cannot be computed any more",
                    expected="the module as it was when it was called",
                    given="a module that was changed since",
                    hint="Ask for the gradient before that.",
                )
            )
        flags = [weight.requires_grad for weight in look.weights]
        weights = [weight for weight, learns in zip(look.weights, self.learning) if learns]
        hooks = [weight._backward_hooks for weight in weights]
        before = scope.set_training(self.flag), scope.set_recording(None)
        try:
            for weight in weights:
                weight._backward_hooks = None  # they wait for the gradients that the pass around this one brings
            _learn(look.weights, self.learning)
            with torch.enable_grad(), scope.eagerly(), torch.autocast(_type(look.device), enabled=False):
                outputs = arrays.leaves(self.calls.plain(self.module, self.inputs, self.given))
                reached = [(one, grad) for one, grad in zip(outputs, grads, strict=True) if grad is not None]
                results, seeds = zip(*reached, strict=True)
                return torch.autograd.grad(results, weights, seeds, create_graph=create, allow_unused=True)
        finally:
            _learn(look.weights, flags)
            for weight, held in zip(weights, hooks):
                weight._backward_hooks = held
            scope.set_training(before[0])
            scope.set_recording(before[1])


class _Later(torch.autograd.Function):
    """Gives outputs that were computed without a graph a gradient, for which the call is run again."""

    @staticmethod
    def forward(ctx, call, results, *tensors):
        ctx.call = call
        ctx.save_for_backward(*tensors)  # so that a change in place is found, as in any graph
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(r for r, wanted in zip(results, call.differentiable) if not wanted))
        return results[0] if len(results) == 1 else tuple(results)

    @staticmethod
    def backward(ctx, *grads):
        ctx.saved_tensors  # noqa: B018 - raises where one was changed in place
        call = ctx.call
        call.calls.note_gradient()
        found = iter(call.gradients(grads))
        inputs = len(ctx.needs_input_grad) - 2 - len(call.learning)
        return None, None, *[None] * inputs, *(next(found) if learns else None for learns in call.learning)


def _type(device):
    return "cpu" if device is None else device.type


def _learn(weights, flags):
    for weight, learns in zip(weights, flags):
        if weight.requires_grad != learns:
            weight.requires_grad_(learns)


def _random_states():
    states = [torch.get_rng_state()]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states += torch.cuda.get_rng_state_all()
    return states


def _copy(tensor, stride):
    """A tensor with the same numbers that lies in memory as the result of a plain call does."""
    if tensor.stride() == stride:
        return tensor.clone()
    return torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def _address(value):
    """Where the memory of a tensor or array begins."""
    if isinstance(value, _Tensor):
        return value.untyped_storage().data_ptr()
    return value.__array_interface__["data"][0]


# --- inputs ----------------------------------------------------------------------------------------------------------


def _signature(x):
    """What tells calls apart by their inputs, hashable; None for inputs that are not replayed."""
    kind = type(x)
    if kind is _Tensor:
        if x.requires_grad or x.__dict__ or not x.is_contiguous() or x.is_meta or x.numel() > _MOST_NUMBERS:
            return None
        return x.shape, x.dtype, x.device
    if kind is np.ndarray:
        if x.dtype not in _DTYPES or not x.flags.c_contiguous or x.size > _MOST_NUMBERS:
            return None
        return x.shape, x.dtype
    if kind is list or kind is tuple:
        parts = tuple([_signature(item) for item in x])
    elif kind is dict:
        parts = tuple([_signature(item) for item in x.values()])
    else:
        return None
    if not parts or None in parts:
        return None
    return (kind, parts) if kind is not dict else (kind, tuple(x), parts)
