"""What belongs to a layer: sublayers, variables, metrics and random generators set as attributes or put into lists."""

import torch

from tandem.core.module import Holder, Module
from tandem.keras.layers import tracking
from tandem.keras.variables import Variable


class _Hooks:
    """What torch's `__call__` looks for first; where it is missing, so is all that `Layer.__init__` sets."""

    def __get__(self, layer, owner):
        if layer is not None:
            layer._check_super_called()
        raise AttributeError("_backward_hooks")


class Ownership:
    """The part of `Layer` that finds out what belongs to it."""

    _layers: list
    _trainable_variables: list
    _non_trainable_variables: list
    _seed_generators: list
    _metrics: list
    _locked: bool
    _backward_hooks = _Hooks()

    def __setattr__(self, name, value):
        own = self.__dict__
        if "_layers" not in own:
            if isinstance(value, (Holder, torch.nn.Module)):
                self._check_super_called()
            object.__setattr__(self, name, value)
            return
        if self._take_assigned(name, value):
            return
        value = self._as_own(value)
        old = own.get(name, own["_modules"].get(name))
        if old is not None and old is not value and isinstance(old, (Ownership, Holder, list, dict)):
            self._untrack(old)
        if isinstance(value, (list, dict, tuple, set)):
            value = tracking.tracked(value, self, name)
            self._count_change()
            object.__setattr__(self, name, value)
            return
        self._track(name, value)
        super().__setattr__(name, value)

    def __delattr__(self, name):
        value = getattr(self, name, None)
        super().__delattr__(name)
        self._untrack(value)

    def _as_own(self, value):
        """`value` as it is kept: a module of another kind as a layer, anything else as it is."""
        foreign = isinstance(value, torch.nn.Module) and not isinstance(value, Ownership)
        return self._as_layer(value) if foreign else value

    def _as_layer(self, module):
        """A plain torch module as a layer, so that Keras sees its weights."""
        from tandem.keras.layers.torch_module import layer_for

        return layer_for(module)

    def _track(self, name, value):
        """Own `value` if it is a layer, variable, metric or random generator; `name` is its name in `state_dict`."""
        own = self.__dict__
        self._count_change()
        if isinstance(value, Ownership):
            if not _contains(own["_layers"], value):
                self._check_unlocked()
                own["_layers"].append(value)
                if not _contains(self._modules.values(), value):
                    self._modules[free_key(name, self._modules)] = value
        elif isinstance(value, Variable):
            kind = "_trainable_variables" if value.trainable else "_non_trainable_variables"
            if _contains(own["_trainable_variables"], value) or _contains(own["_non_trainable_variables"], value):
                self._rename(name, value)
            else:
                self._check_unlocked()
                own[kind].append(value)
                self._register(free_key(name, {**self._parameters, **self._buffers}), value)
        elif hasattr(value, "update_state") and hasattr(value, "reset_state"):
            if not _contains(own["_metrics"], value):
                own["_metrics"].append(value)
        elif getattr(value, "is_seed_generator", False) and not _contains(own["_seed_generators"], value):
            self._check_unlocked()
            own["_seed_generators"].append(value)

    def _register(self, name, variable):
        """Show the variable's tensor under `name` in `state_dict`, without an attribute."""
        self.__dict__.setdefault("_holders", {})[name] = variable
        variable.__dict__.setdefault("_owners", []).append((self, name))
        self._register_tensor(name, variable)

    def _rename(self, name, variable):
        """Show the variable's tensor under `name` only; None: no more."""
        holders = self.__dict__.get("_holders", {})
        for old in [key for key, held in holders.items() if held is variable and key != name]:
            del holders[old]
            self._parameters.pop(old, None)
            self._buffers.pop(old, None)
            variable._owners = [pair for pair in variable._owners if pair != (self, old)]
        if name is not None and name not in holders:
            self._register(free_key(name, {**self._parameters, **self._buffers}), variable)

    def _untrack(self, value):
        own = self.__dict__
        Module.mutations += 1
        if isinstance(value, (list, tuple)):
            for item in value:
                self._untrack(item)
        elif isinstance(value, dict):
            for item in value.values():
                self._untrack(item)
        elif isinstance(value, Ownership):
            own["_layers"][:] = [layer for layer in own["_layers"] if layer is not value]
            for name in [name for name, module in self._modules.items() if module is value]:
                del self._modules[name]
        elif isinstance(value, Variable):
            for kind in ("_trainable_variables", "_non_trainable_variables"):
                own[kind][:] = [variable for variable in own[kind] if variable is not value]
            self._rename(None, value)

    def _check_unlocked(self):
        if self._locked:
            raise ValueError(
                "You cannot add new elements of state (variables or sub-layers) to a layer that is already built. All "
                "state must be created in the `__init__()` method or in the `build()` method. "
                f"(Layer '{self.name}' of type {type(self).__name__}.)"
            )

    def _check_super_called(self):
        if "_layers" not in self.__dict__:
            raise RuntimeError(
                f"In layer '{type(self).__name__}', you forgot to call `super().__init__()` as the first statement in "
                "the `__init__()` method. Go add it!"
            )

    def _flatten_layers(self, include_self=True, recursive=True):
        """This layer and those below it, each before its sublayers, each once."""
        found, seen = [], set()
        stack = [self] if include_self else list(reversed(self._layers))
        while stack:
            layer = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            found.append(layer)
            if recursive or layer is self:
                stack.extend(reversed(layer._layers))
        return found

    @classmethod
    def _count_mutation(cls):
        Module.mutations += 1


def _contains(things, wanted):
    return any(thing is wanted for thing in things)


def free_key(name, taken):
    """`name` made fit for torch's registries, and numbered where it is taken."""
    name = str(name).replace(".", "_").replace("/", "_") or "unnamed"
    candidate, number = name, 0
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
