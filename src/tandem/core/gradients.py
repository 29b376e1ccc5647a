"""Gradients with seeds, without what `torch.autograd.grad` imports to check them."""

import torch

_run = torch.autograd.graph._engine_run_backward


def gradients(outputs, inputs, seeds, *, retain_graph=False):
    """The gradients of tensors for others, None for those that they do not depend on.

    seeds: the gradients that arrive at the outputs, one of its shape and dtype to each: torch would check them by its
    symbolic shapes, for which it imports SymPy (a quarter of a second, once).
    """
    return _run(
        tuple(outputs),
        tuple(seeds),
        retain_graph,
        False,
        tuple(inputs),
        allow_unreachable=True,
        accumulate_grad=False,
    )
