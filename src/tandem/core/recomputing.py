"""Results that the backward pass computes once more, so that what they were made of need not be kept."""

import contextlib

import torch
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils.checkpoint import checkpoint


class _Again:
    """The context of the second computation: random numbers as in the first one, and what the caller wants."""

    def __init__(self, again, generators):
        self._again = again
        self._first = [(generator, _bytes(generator), generator.get_state()) for generator in generators]
        self._stack = None

    def forget_idle(self):
        """After the first computation: leave the generators that it did not use alone."""
        self._first = [entry for entry in self._first if _bytes(entry[0]) != entry[1]]

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        for generator, _, state in self._first:
            self._stack.callback(generator.set_state, generator.get_state())
            generator.set_state(state)
        self._stack.enter_context(self._again())

    def __exit__(self, *exc_info):
        return self._stack.__exit__(*exc_info)


def _bytes(generator):
    with _disable_current_modes():  # a recording has nothing to do with it
        return generator.get_state().numpy().tobytes()


def recomputed(function, args, kwargs, *, again=contextlib.nullcontext, generators=()):
    """`function(*args, **kwargs)`, of which autograd keeps the arguments alone: the backward pass calls it once more.

    again: makes a context for that call; generators: those whose numbers it needs, torch's global one besides.
    Chen, Xu, Zhang and Guestrin, 2016.
    """
    second = _Again(again, (torch.default_generator, *generators))
    result = checkpoint(
        function,
        *args,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (contextlib.nullcontext(), second),
        **kwargs,
    )
    second.forget_idle()
    return result
