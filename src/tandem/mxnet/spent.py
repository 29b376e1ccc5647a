"""Which recorded computations a backward pass has used up.

MXNet takes every array of such a computation for a constant from then on. torch keeps the results tied to what is no
longer there, and refuses a second pass; `NDArray.detach` asks here, because scripts call `state.detach()` between the
batches and throw the answer away.
"""

import functools

import torch

# Nodes that are asked, from the array back; beyond them the computation is taken to be whole.
_MOST = 64


def is_spent(tensor):
    """Whether a backward pass has freed what the tensor was computed from."""
    waiting, seen = [tensor.grad_fn], set()
    while waiting and len(seen) < _MOST:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        state = _state(node)
        if state is False:
            return True
        if state is None:  # it keeps nothing that could be freed: its inputs tell
            waiting.extend(parent for parent, _ in node.next_functions)
    return False


def _state(node):
    """Whether a node of torch's graph still has what it saved; None where it saves nothing."""
    lease = getattr(node, "lease", None)  # a hybridized block's
    if lease is not None:
        return lease.program is not None
    kept = None
    for name in _saved(type(node)):
        try:
            value = getattr(node, name)
        except RuntimeError:
            return False
        if isinstance(value, torch.Tensor) or (name == "saved_tensors" and value):
            kept = True
    return kept


@functools.cache
def _saved(kind):
    return tuple(name for name in dir(kind) if name.startswith("_saved_") or name == "saved_tensors")
