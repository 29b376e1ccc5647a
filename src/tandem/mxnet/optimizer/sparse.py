"""Updates with row_sparse gradients, or of row_sparse weights."""

import torch

from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.ops import sparse

__all__ = ["update_all"]


def update_all(optimizer, group_type, positions, indices, weights, grads, states, masters):
    """Update the weights at some positions, which are counted already, of which some or their gradients are sparse.

    Only the rows that a gradient stores are updated where the optimizer says so.
    """
    from tandem.mxnet.ndarray.sparse_base import parts_of

    plain = []
    for position in positions:
        optimizer._index_update_count[indices[position]] -= 1  # it is counted again below
    for position in positions:
        index, weight, grad, state, master = (values[position] for values in (indices, weights, grads, states, masters))
        if weight.stype == grad.stype == "default":
            plain.append(position)
            continue
        whole, state = _whole(weight), _whole(state)
        gradient = parts_of(grad)
        if isinstance(gradient, sparse.Rows) and master is None and optimizer._is_lazy(weight):
            _update_rows(optimizer, group_type, index, whole, gradient, state)
            continue
        dense = gradient if isinstance(gradient, torch.Tensor) else sparse.dense(gradient)
        optimizer._update_all([index], [whole], [NDArray._wrap(dense, grad._ctx)], [state], [master])
    if plain:
        optimizer._update_all(
            *([values[one] for one in plain] for values in (indices, weights, grads, states, masters))
        )


def _whole(state):
    """A weight or a state as dense arrays that share the memory of all their rows."""
    from tandem.mxnet.ndarray.sparse_calls import held_whole

    if isinstance(state, NDArray):
        return state if state.stype == "default" else NDArray._wrap(held_whole(state), state._ctx)
    return tuple(map(_whole, state)) if isinstance(state, (list, tuple)) else state


def _update_rows(optimizer, group_type, index, weight, gradient, state):
    """Change only the rows of the weight, and of its state, that the gradient stores."""
    optimizer._update_count([index])
    group = group_type(
        ("rows", index),
        optimizer._multiplier(index, "lr_mult", optimizer.lr_mult),
        optimizer._multiplier(index, "wd_mult", optimizer.wd_mult),
        optimizer._index_update_count[index],
        optimizer._tag(index),
    )

    def rule(weight, grad, *slots):
        group.params, group.states = [weight], [[slot] for slot in slots]
        group.apply(optimizer, optimizer.learning_rate, optimizer.wd, [grad])

    with torch.no_grad():
        sparse.lazily(rule, weight._tensor, gradient, *[slot._tensor for slot in optimizer._slots(state)])
