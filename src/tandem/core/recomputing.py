"""Results that the backward pass computes once more, so that what they were made of need not be kept."""

import contextlib

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.checkpoint import checkpoint


def _drawing(func, args, kwargs):
    """The arguments by name of a call of an operator that draws random numbers; None for any other."""
    if torch.Tag.nondeterministic_seeded not in func.tags:
        return None
    given = _by_name(func, args, kwargs)
    return None if given.get("dropout_p") == 0 else given  # attention without dropout


def _by_name(func, args, kwargs):
    names = [argument.name for argument in func._schema.arguments]
    given = {argument.name: argument.default_value for argument in func._schema.arguments}
    return {**given, **dict(zip(names, args, strict=False)), **(kwargs or {})}


def _written(func, given):
    """The tensors that a call of an operator writes to."""
    arguments = func._schema.arguments
    return [given[one.name] for one in arguments if one.alias_info is not None and one.alias_info.is_write]


class _Draws(TorchDispatchMode):
    """Keeps what random operators give in a computation.

    Setting generators back would do as well, but a recorded step cannot have that: here they move on as without it.
    """

    def __init__(self):
        super().__init__()
        self.kept = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        given = _drawing(func, args, kwargs)
        if given is not None:
            # Copies, since the caller may change what it got.
            self.kept.append(tree_map_only(torch.Tensor, torch.clone, (_written(func, given), result)))
        return result


class _SameDraws(TorchDispatchMode):
    """Gives what random operators gave in an earlier computation, and draws nothing."""

    def __init__(self, kept):
        super().__init__()
        self._kept = iter(kept)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = _drawing(func, args, kwargs)
        if given is None:
            return func(*args, **(kwargs or {}))
        kept, result = next(self._kept)
        written = _written(func, given)
        for value, before in zip(written, kept, strict=True):
            value.copy_(before)
        if any(one.alias_info is not None for one in func._schema.returns):
            return written[0]
        return tree_map_only(torch.Tensor, torch.clone, result)


class _Again:
    """The context of the second computation, which a graph that is kept enters more than once."""

    def __init__(self, again, draws):
        self._again, self._draws, self._stack = again, draws, None

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(self._again())
        self._stack.enter_context(_SameDraws(self._draws.kept))

    def __exit__(self, *exc_info):
        return self._stack.__exit__(*exc_info)


def recomputed(function, args, kwargs, *, again=contextlib.nullcontext):
    """`function(*args, **kwargs)`, of which autograd keeps the arguments and random numbers alone: the backward pass
    calls it once more.

    again: makes a context for that call. Chen, Xu, Zhang and Guestrin, 2016.
    """
    draws = _Draws()
    return checkpoint(
        function,
        *args,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (draws, _Again(again, draws)),
        **kwargs,
    )
