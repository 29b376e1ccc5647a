"""Attention: weights from queries and keys, and the sums of values that they weight.

Sequences are (B, T, features), with heads (B, T, heads, features); queries have T steps, keys and values S.
"""

import math

import torch
import torch.nn.functional as F

from tandem.ops import masks


def dot_product_attention(query, key, value, *, bias=None, mask=None, scale=None, causal=False):
    """``softmax(scale * q k^T + bias) v`` for each head, by torch's fused kernel.

    query: (B, T, heads, size); key, value: (B, S, kv heads, size), where the number of heads is a multiple of theirs;
    bias: added to the scores, broadcasts to (B, heads, T, S); mask: of bool, False where nothing is attended to; scale:
    None for ``1 / sqrt(size)``; causal: only steps up to the query's own. Vaswani et al., 2017. Returns
    (B, T, heads, size of value).
    """
    grouped = query.shape[2] != key.shape[2]
    q, k, v = (x.transpose(1, 2) for x in (query, key, value))
    if causal and (mask is not None or bias is not None):
        steps = causal_mask(q.shape[-2], k.shape[-2], device=q.device)
        mask, causal = (steps if mask is None else mask.bool() & steps), False
    if mask is not None:  # no -inf: where nothing is left, all keys count alike, as in Keras
        mask = torch.zeros_like(mask, dtype=q.dtype).masked_fill(~mask.bool(), 0.7 * torch.finfo(q.dtype).min)
    if bias is not None:
        mask = bias.to(q.dtype) if mask is None else bias.to(q.dtype) + mask
    y = F.scaled_dot_product_attention(q, k, v, mask, 0.0, causal, scale=scale, enable_gqa=grouped)
    return y.transpose(1, 2)


def causal_mask(queries, keys, *, device=None):
    """(queries, keys) of bool: True for keys at the query's step or before."""
    row = torch.arange(queries, device=device).unsqueeze(-1)
    return torch.arange(keys, device=device) <= row


def band_mask(queries, keys, width, *, device=None):
    """(queries, keys) of bool: True for keys less than `width` steps away."""
    row = torch.arange(queries, device=device).unsqueeze(-1)
    return (torch.arange(keys, device=device) - row).abs() < width


def both(a, b):
    """Where both of two masks (broadcast; either may be None) are true; None where there is neither."""
    if a is None or b is None:
        return b if a is None else a
    return a.bool() & b.bool()


def join_masks(query=None, value=None, key=None, given=None):
    """One mask (B, T, S) of the steps' masks, (B, T) and (B, S), and of a mask that is given; None for no mask."""
    steps = None if query is None else query.bool().unsqueeze(-1)
    for mask in (value, key):
        steps = both(steps, None if mask is None else mask.bool().unsqueeze(-2))
    return both(steps, given)


def with_heads(mask, scores, count):
    """A mask of scores (or None) with the axes that it lacks, those of the heads, before its last ``2 count`` ones."""
    if mask is not None:
        for _ in range(scores.dim() - mask.dim()):
            mask = mask.unsqueeze(-2 * count - 1)
    return mask


def masked_weights(scores, mask, axes):
    """The softmax of scores over `axes`, of what the mask has; mask: of no more axes than scores, the heads left out.

    Where the mask has nothing, weights are equal.
    """
    if mask is not None:
        scores = masks.without(scores, with_heads(mask, scores, len(axes)))
    if len(axes) == 1:
        return torch.softmax(scores, axes[0])
    flat = scores.flatten(-len(axes))
    return torch.softmax(flat, -1).reshape(scores.shape)


def _letters(rank, axes):
    """Letters for the axes of queries (B, ..., heads, size) and of keys, whose `axes` are others."""
    query = [chr(ord("a") + axis) for axis in range(rank)]
    keys = list(query)
    for place, axis in enumerate(axes):
        keys[axis] = chr(ord("a") + rank + place)
    free = [query[axis] for axis in range(rank - 1) if axis not in axes]
    scores = free + [query[axis] for axis in axes] + [keys[axis] for axis in axes]
    return "".join(query), "".join(keys), "".join(scores)


def scores(query, key, axes, *, scale=1.0):
    """``scale * q k^T`` over some axes of steps: (B, other axes, heads, steps of q, steps of k).

    query, key: (B, ..., heads, size), which differ in their sizes only along `axes`.
    """
    q, k, out = _letters(query.dim(), axes)
    return torch.einsum(f"{q},{k}->{out}", query * scale, key)


def combine(weights, value, axes):
    """The sums of values that `weights` (see `scores`) weight: (B, ..., heads, size of value)."""
    q, v, w = _letters(value.dim(), axes)
    return torch.einsum(f"{w},{v}->{q}", weights, value)


def grouped_scores(query, key, *, scale=1.0):
    """``scale * q k^T``, (B, heads, T, S), where several heads of queries share one of the keys.

    query: (B, T, heads, size); key: (B, S, kv heads, size): query head h goes with key head ``h // (heads / kv)``.
    """
    key = key.repeat_interleave(query.shape[2] // key.shape[2], 2)
    return torch.einsum("btnh,bsnh->bnts", query * scale, key)


def grouped_combine(weights, value):
    """The sums of values (B, S, kv heads, size) that weights (B, heads, T, S) weight: (B, T, heads, size)."""
    value = value.repeat_interleave(weights.shape[1] // value.shape[2], 2)
    return torch.einsum("bnts,bsnh->btnh", weights, value)


# --- attention without heads -----------------------------------------------------------------------------------------


def dot_scores(query, key, scale=None):
    """``scale * q k^T``: (B, T, S). Luong et al., 2015."""
    y = torch.matmul(query, key.mT)
    return y if scale is None else y * scale


def additive_scores(query, key, weight=None, scale=None):
    """``sum_i weight_i tanh(scale * (q_i + k_i))``: (B, T, S); weight: a number or (size,). Bahdanau et al., 2015."""
    total = query.unsqueeze(-2) + key.unsqueeze(-3)
    total = torch.tanh(total if scale is None else total * scale)
    return (total if weight is None else total * weight).sum(-1)


def score_weights(scores, mask=None):
    """The softmax of scores over the keys; 10^9 (in float16: 65504) is taken off what the mask (B, T, S) leaves out."""
    if mask is not None:
        scores = scores - (65504.0 if scores.dtype == torch.float16 else 1e9) * (~mask.bool()).to(scores.dtype)
    return torch.softmax(scores, -1)


def apply(weights, value, query_mask=None):
    """The weighted sums of values, (B, T, size), 0 for queries that are masked."""
    y = torch.matmul(weights, value)
    return y if query_mask is None else y * query_mask.unsqueeze(-1).to(y.dtype)


def inverse_root(size):
    """``1 / sqrt(size)``."""
    return 1.0 / math.sqrt(float(size))


def gated(x, gate):
    """``x * gate``."""
    return x * gate


def soft_cap(x, cap):
    """``cap * tanh(x / cap)``."""
    return torch.tanh(x / cap) * cap


# --- einsum layers ---------------------------------------------------------------------------------------------------


def einsum_dense(equation, x, kernel, bias=None):
    """``einsum(equation, x, kernel) + bias``; bias broadcasts to the result.

    Where the equation sums over x's last axes, which are the kernel's first, it is one affine map.
    """
    if "..." not in equation:
        left, _, out = equation.partition("->")
        of_x, of_kernel = left.split(",")
        summed = len([letter for letter in of_x if letter in of_kernel])
        kept = of_x[: len(of_x) - summed]
        plain = len(set(of_x)) == len(of_x) and 0 < summed < len(of_kernel)
        rest = of_kernel[summed:]
        full = bias is None or tuple(bias.shape) == tuple(kernel.shape[summed:])
        if plain and of_x[len(kept) :] == of_kernel[:summed] and out == kept + rest and full:
            matrix = kernel.flatten(summed).flatten(0, summed - 1)
            y = F.linear(x.flatten(len(kept)), matrix.t(), None if bias is None else bias.flatten())
            return y.unflatten(-1, kernel.shape[summed:])
    y = torch.einsum(equation, x, kernel)
    return y if bias is None else y + bias


# --- spectral norm ---------------------------------------------------------------------------------------------------


def spectral_step(weight, vector, iterations=1, epsilon=1e-12):
    """(weight divided by its largest singular value, estimated, and the new estimate of its left vector).

    weight: (..., out), seen as a matrix (n, out); vector: (1, out). Power iteration; Miyato et al., 2018.
    """
    matrix = weight.reshape(-1, weight.shape[-1])
    other = None
    for _ in range(iterations):
        other = _unit(vector @ matrix.t(), epsilon)
        vector = _unit(other @ matrix, epsilon)
    largest = (other @ matrix) @ vector.t()
    return (matrix / largest).reshape(weight.shape), vector


def _unit(x, epsilon):
    return x * torch.rsqrt(x.square().sum().clamp_min(epsilon))
