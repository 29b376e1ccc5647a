"""Products of attention on projections that lie interleaved by head, as one dense layer makes them.

Sequences are (length, batch, features). Of self-attention the features are, head by head, a query, a key and a value;
of attention to another sequence, there a key and a value. Attention weights are (batch * heads, queries, keys).
Vaswani et al., 2017 (arXiv 1706.03762).
"""

import math

import torch

__all__ = ["attend", "attend_self", "scores", "scores_self"]


def _parts(x, heads, count):
    """(length, batch, heads * count * size) as `count` tensors (batch * heads, length, size)."""
    length, batch, features = x.shape
    if features % (heads * count):
        raise ValueError(f"{features} features are not {count} parts of {heads} heads")
    split = x.reshape(length, batch * heads, count, features // (heads * count))
    return [split[:, :, part].transpose(0, 1) for part in range(count)]


def _scores(queries, keys):
    return torch.bmm(queries * (1 / math.sqrt(queries.shape[-1])), keys.transpose(1, 2))


def _attend(weights, values, heads):
    """The weighted values, back as (length, batch, features)."""
    y = torch.bmm(weights, values).transpose(0, 1)
    return y.reshape(y.shape[0], y.shape[1] // heads, heads * y.shape[2])


def scores_self(queries_keys_values, heads):
    """``q k^T / sqrt(size)`` of a sequence with itself: (batch * heads, length, length)."""
    queries, keys, _ = _parts(queries_keys_values, heads, 3)
    return _scores(queries, keys)


def attend_self(queries_keys_values, weights, heads):
    """The sum of the values, weighted: (length, batch, features / 3)."""
    return _attend(weights, _parts(queries_keys_values, heads, 3)[2], heads)


def scores(queries, keys_values, heads):
    """``q k^T / sqrt(size)`` of a sequence (length, batch, features) with another one (keys, batch, 2 features)."""
    return _scores(_parts(queries, heads, 1)[0], _parts(keys_values, heads, 2)[0])


def attend(keys_values, weights, heads):
    """The sum of another sequence's values, weighted: (queries, batch, features)."""
    return _attend(weights, _parts(keys_values, heads, 2)[1], heads)
