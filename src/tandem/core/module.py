"""The base of Keras's `Layer` and Gluon's `Block`: a `torch.nn.Module` that is built from its first input."""

import functools
import sys

import numpy as np
import torch

from tandem.core import arrays, scope


class Holder:
    """A named tensor that modules own: the base of `keras.Variable` and `gluon.Parameter`.

    `tensor` is a `torch.nn.Parameter` (or a plain tensor, for state that is not learned), or None until it is
    created. Each owner has it registered under an attribute name, so that `state_dict`, `.to(device)` and
    `torch.optim` see one and the same tensor; `bind` keeps all of them in step.
    """

    tensor = None
    is_parameter = True

    @property
    def learns(self):
        """Whether gradients are computed for the tensor, so that optimizers change it. Each front end has its word."""
        return self.tensor is not None and self.tensor.requires_grad

    @learns.setter
    def learns(self, flag):
        self.tensor.requires_grad_(flag)

    def follow(self):
        """Take note of another dtype or device of the tensor itself: `Module.to` changes it in place."""

    def bind(self, tensor):
        """Hold `tensor` from now on, in every module that owns this holder."""
        Module.mutations += 1
        self.tensor = tensor
        for owner, name in self.__dict__.get("_owners", ()):
            owner._register_tensor(name, self)


class Module(torch.nn.Module):
    """A `torch.nn.Module` whose weights may come later, and whose mode may be set by a scope.

    Three things differ from the bare class. Weights are `Holder`s (assigning one to an attribute registers its
    tensor). Whether a call trains is decided by `is_training`: an argument, then the surrounding scope, then what
    `train()`/`eval()` last said, and where nothing says so, inference. `mutations` counts every attribute that is
    set on any module, so that a recorded program can tell when it may be stale. A module that a recorded call makes for
    itself (`Add()(…)` in a model's `call`) does not count: no program knows it.
    """

    mutations = 0
    _mode = None

    def __setattr__(self, name, value):
        before = self.__dict__.get(name, self)
        if before is value:
            return
        if type(before) is not type(value) or not _is_plain(value) or repr(before) != repr(value):
            self._count_change()
        if isinstance(value, Holder):
            self.hold(name, value)
        elif not self._take_assigned(name, value):
            super().__setattr__(name, value)

    def _count_change(self):
        recorder = scope.current.recorder
        if recorder is None or self.__dict__.get("_made_by") != recorder:
            Module.mutations += 1

    def _take_assigned(self, name, value):
        """Give the holder `name` its new tensor, where `load_state_dict(assign=True)` is setting it."""
        held = self.__dict__["_holders"].get(name) if self.__dict__.get("_assigning") else None
        if held is not None:
            held.bind(value)
        return held is not None

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        self.__dict__["_assigning"] = "_holders" in self.__dict__ and local_metadata.get("assign_to_params_buffers")
        try:
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)
        finally:
            del self.__dict__["_assigning"]

    def __dir__(self):
        # torch lists what is both an attribute and a registered module twice; scripts look for parameters by dir().
        return sorted(set(super().__dir__()))

    def __delattr__(self, name):
        Module.mutations += 1
        holders = self.__dict__.get("_holders", {})
        if name in holders:
            holder = holders.pop(name)
            holder._owners = [pair for pair in holder._owners if pair != (self, name)]
            self._parameters.pop(name, None)
            self._buffers.pop(name, None)
            self.__dict__.pop(name, None)
        else:
            super().__delattr__(name)

    def hold(self, name, holder):
        """Own `holder` as attribute `name`; its tensor appears in `state_dict` under that name."""
        if "_parameters" not in self.__dict__:
            raise AttributeError(
                f"Cannot assign a weight to {type(self).__name__}.{name} before super().__init__() was called."
            )
        self.__dict__.setdefault("_holders", {})[name] = holder
        owners = holder.__dict__.setdefault("_owners", [])
        if (self, name) not in owners:
            owners.append((self, name))
        self.__dict__[name] = holder
        self._register_tensor(name, holder)

    def _register_tensor(self, name, holder):
        # A tensor that is still to come keeps its place: the order is that of the attributes, whenever they are filled.
        learned = holder.is_parameter if holder.tensor is None else isinstance(holder.tensor, torch.nn.Parameter)
        registry, other = self._parameters, self._buffers
        if not (learned and holder.is_parameter):
            registry, other = other, registry
        other.pop(name, None)
        registry[name] = holder.tensor

    def _apply(self, fn, recurse=True):
        # `.to(device)` may put new tensors into the registries: the holders must follow.
        super()._apply(fn, recurse)
        for name, holder in self.__dict__.get("_holders", {}).items():
            tensor = self._parameters.get(name, self._buffers.get(name))
            if tensor is not None and tensor is not holder.tensor:
                holder.bind(tensor)
            else:
                holder.follow()
        return self

    def register_forward_hook(self, *args, **kwargs):
        """As `torch.nn.Module.register_forward_hook`."""
        Module.mutations += 1
        return super().register_forward_hook(*args, **kwargs)

    def register_forward_pre_hook(self, *args, **kwargs):
        """As `torch.nn.Module.register_forward_pre_hook`."""
        Module.mutations += 1
        return super().register_forward_pre_hook(*args, **kwargs)

    def register_full_backward_hook(self, *args, **kwargs):
        """As `torch.nn.Module.register_full_backward_hook`."""
        Module.mutations += 1
        return super().register_full_backward_hook(*args, **kwargs)

    def register_full_backward_pre_hook(self, *args, **kwargs):
        """As `torch.nn.Module.register_full_backward_pre_hook`."""
        Module.mutations += 1
        return super().register_full_backward_pre_hook(*args, **kwargs)

    def train(self, mode=True):
        """Say that calls outside any other scope train (or, with False, do not)."""
        super().train(mode)
        self._mode = mode
        return self

    def is_training(self, given=None):
        """Whether this call trains: the argument, else the scope, else `train()`/`eval()`, else False."""
        if given is not None:
            return given
        flag = scope.is_training()
        if flag is None:
            flag = self._mode
        return bool(flag)


# What torch keeps in every module for itself, and what tells nothing of what a call does.
_NOT_STATE = {"_modules", "_parameters", "_buffers", "_holders", "_owners"}
# A layer's own notes: that its first call has gone well, so that later ones give the same, sooner; which attributes
# are results of its calls (`_kept`), of itself and of those in it.
_NOTES = {"_settled", "_kept", "_places"}
_PLAIN = (bool, int, float, str, bytes, type(None), tuple)


def _is_plain(value):
    """Whether a value is a number or text, or a tuple of such: setting it again to the same one changes nothing."""
    return type(value) in (int, float, str) or (type(value) is tuple and all(map(_is_plain, value)))


# Of a NumPy array up to this size the numbers themselves are watched: a recording holds them.
_NUMBERS = 1 << 16


def fingerprint(roots, without=()):
    """(hash, objects): the hash of every attribute of some modules and all below them, and what it knows by identity.

    It is equal while nothing that steers a call was set: plain values count by value, anything else by identity. Who
    compares two hashes keeps the objects: another one could get the identity of one that is gone. Hooks count too.
    without: names of attributes that do not count.
    """
    objects = []

    def identity(value):
        objects.append(value)
        return id(value)

    def part(value):
        if isinstance(value, np.ndarray) and value.size <= _NUMBERS:
            return value.shape, value.dtype.str, value.tobytes()
        if isinstance(value, tuple) and not _is_plain(value):
            return tuple(map(part, value))  # its text would have all numbers of the tensors in it
        return repr(value) if isinstance(value, _PLAIN) else identity(value)

    parts = []
    for item in _watched(roots):
        kept = vars(item).get("_kept", ())
        for name, value in vars(item).items():
            if name in without or name in _NOTES:
                continue
            if name in kept:
                parts.append((name, type(value)))
            elif name in _NOT_STATE:
                parts.append(tuple(map(identity, value.values())) if isinstance(value, dict) else len(value))
            elif isinstance(value, dict):
                parts.append((name, tuple(value), tuple(map(part, value.values()))))
            elif isinstance(value, list):
                parts.append((name, tuple(map(part, value))))
            else:
                parts.append((name, part(value)))
        for group in _groups(item):
            parts.append(tuple((name, part(value)) for name, value in group.items()))
    return hash(tuple(parts)), objects


def _groups(item):
    """The settings of an optimizer of torch's, which are Python numbers in dicts in a list."""
    return item.param_groups if isinstance(item, torch.optim.Optimizer) else ()


# Objects with settings that any call may read; who adds one counts `Module.mutations` when a setting is set.
SETTINGS = []


def _watched(roots):
    """Some objects, the modules below them, and what these have as attributes that steers a call."""
    for root in (*roots, *SETTINGS):
        for item in root.modules() if isinstance(root, torch.nn.Module) else (root,):
            if hasattr(item, "__dict__"):
                yield item
                yield from filter(_steers, vars(item).values())


def _steers(value):
    """Whether a value is an object whose attributes code may read: one of the user's, or one of ours that says so."""
    kind = type(value)
    return kind not in _NEVER_STEER and _may_steer(kind) and hasattr(value, "__dict__")


@functools.lru_cache(maxsize=4096)
def _may_steer(kind):
    if getattr(kind, "steers", False) is True or issubclass(kind, torch.optim.Optimizer):
        return True
    return kind.__module__.partition(".")[0] not in _NO_USERS and not issubclass(kind, (torch.nn.Module, type))


# Most attributes are of these.
_NEVER_STEER = {bool, int, float, str, type(None), tuple, list, dict, torch.Tensor, torch.nn.Parameter}
_NO_USERS = {*sys.stdlib_module_names, "torch", "numpy", "tandem"} - {"__main__"}


def uncounted(roots):
    """The attributes of some objects, and all below them, that can be set without `mutations` being counted.

    A list of (function that gives the present values, their identities now).
    """
    found = []
    for item in _watched(roots):
        own = vars(item)
        found += [_Content(value) for value in own.values() if isinstance(value, np.ndarray) and value.size <= _NUMBERS]
        found += [group.values for group in _groups(item)]
        sets = type(item).__setattr__
        if sets is not torch.nn.Module.__setattr__ and (sets is not object.__setattr__ or not _steers(item)):
            continue
        found.append(own.values)
        if isinstance(item, torch.nn.Module):
            found += [item._parameters.values, item._buffers.values, item._modules.values]
        for name, value in own.items():
            if isinstance(value, (dict, list)) and not name.startswith("_"):
                found.append(value.values if isinstance(value, dict) else value.__iter__)
    return [(values, tuple(map(id, values()))) for values in found]


class _Content:
    """The numbers of a NumPy array as an object, which is another one once they were changed in place."""

    def __init__(self, array):
        self.array, self.before, self.token = array, None, None

    def __call__(self):
        content = self.array.tobytes()
        if content != self.before:
            self.before, self.token = content, object()
        return (self.token,)


_GLOBAL_HOOKS = [
    getattr(torch.nn.modules.module, f"_global_{name}_hooks")
    for name in ("forward", "forward_pre", "backward", "backward_pre")
]
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def hook_tables(roots):
    """The tables of hooks of some modules and all below them that may have hooks before `mutations` next changes.

    Those that torch calls for every module are among them.
    """
    tables = list(_GLOBAL_HOOKS)
    for module in _watched(roots):
        own = [vars(module)[name] for name in _HOOKS if name in vars(module)]
        tables += own if not isinstance(module, Module) else filter(None, own)
    return tables


def call_with_arrays(function, args, kwargs):
    """Call a function of tensors with `Array`s: unwrap the arguments, wrap the results as the same kind.

    Gradients are kept as the arrays' own front end has it: only while it records.
    """
    kind = arrays.array_type(args, kwargs)
    with torch.set_grad_enabled(bool(scope.is_recording())):
        result = function(*arrays.unwrap(args), **arrays.unwrap(kwargs))
    return arrays.wrap(result, kind)


def call_plain(module, training, args, kwargs):
    """Call a plain `torch.nn.Module` inside a model, in the mode that the model is called in.

    Its own mode is afterwards what it was. What is in inference mode inside a module that trains stays so: somebody
    froze it. Modules of ours inside take their mode from the scope.
    """
    changed = []
    if module.training != training and not isinstance(module, Module):
        changed = [m for m in module.modules() if m.training != training and not isinstance(m, Module)]
    before, rebound = scope.set_training(training), scope.current.rebinds
    scope.current.rebinds = False
    for one in changed:
        one.training = training
    try:
        return module(*args, **kwargs)
    finally:
        scope.current.rebinds = rebound
        for one in changed:
            one.training = not training
        scope.set_training(before)
