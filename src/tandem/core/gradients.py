"""Backward passes with seeds, without what `torch.autograd` imports to check them.

The seeds are the gradients that arrive at the outputs, to each one of its shape and dtype: torch would look whether
they are by its symbolic shapes, for which it imports SymPy (a quarter of a second, once).
"""

import torch

_run = torch.autograd.graph._engine_run_backward


def gradients(outputs, inputs, seeds, *, retain_graph=False, create_graph=False):
    """The gradients of tensors for others, None for those that they do not depend on, as `torch.autograd.grad`.

    Raises RuntimeError where there are no inputs.
    """
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    return _run(
        tuple(outputs),
        tuple(seeds),
        retain_graph,
        create_graph,
        tuple(inputs),
        allow_unreachable=True,
        accumulate_grad=False,
    )


def accumulate(outputs, seeds, *, retain_graph=False):
    """Add the gradients of tensors to their leaves' `grad`, as `torch.autograd.backward`."""
    _run(tuple(outputs), tuple(seeds), retain_graph, False, (), allow_unreachable=True, accumulate_grad=True)
