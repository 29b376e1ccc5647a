"""Parts of neural networks by the rules of `keras.ops`: dtypes kept, indices out of range, variances."""

import torch

from tandem.ops import attention, indexing, norm, shape


def one_hot(x, classes, axis, dtype):
    """1 at the index along a new axis, else 0; zeros only for an index below 0 or from `classes` on."""
    return indexing.one_hot(x, classes, axis=axis if axis >= 0 else axis + x.dim() + 1, dtype=dtype)


def moments(x, axes, keepdims=False):
    """(mean, biased variance) in x's dtype; of 16 bits computed in 32, integers as floats."""
    mean, variance = norm.moments(x, axes, keepdims=keepdims)
    if x.dtype is torch.float16:  # as Keras: what is too large for the dtype is its largest number
        limit = torch.finfo(x.dtype).max
        mean, variance = mean.clamp(-limit, limit), variance.clamp(-limit, limit)
    dtype = x.dtype if x.is_floating_point() else mean.dtype
    return mean.to(dtype), variance.to(dtype)


def batch_normalization(x, mean, variance, axis, offset, scale, epsilon):
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset``; the vectors go along an axis."""
    sizes = [1] * x.dim()
    sizes[axis] = -1
    rate = torch.rsqrt(variance + epsilon)
    rate = rate if scale is None else rate * scale
    rest = -mean * rate if offset is None else offset - mean * rate
    return x * rate.reshape(sizes) + rest.reshape(sizes)


def variance_scaled(x, scale, axes, epsilon):
    """``x / sqrt(variance + epsilon) * scale``, with the variance over axes."""
    axes = axes if isinstance(axes, tuple) else (axes,)
    y = x * torch.rsqrt(x.var(axes, correction=0, keepdim=True) + epsilon)
    return y if scale is None else y * _along(scale, x, axes)


def _along(vector, x, axes):
    sizes = [1] * x.dim()
    for place in axes:
        sizes[place] = x.shape[place]
    return vector.reshape(sizes)


def capped_attention(query, key, value, *, cap, bias=None, mask=None, scale=None, causal=False):
    """`tandem.ops.attention.dot_product_attention` with scores ``cap tanh(scores / cap)``."""
    scale = attention.inverse_root(query.shape[-1]) if scale is None else scale
    scores = attention.soft_cap(attention.grouped_scores(query, key, scale=scale), cap)
    if bias is not None:
        scores = scores + bias
    if causal:
        mask = attention.both(mask, attention.causal_mask(query.shape[1], key.shape[1], device=query.device))
    return attention.grouped_combine(attention.masked_weights(scores, mask, (-1,)), value)


def signal_to_noise(a, b, highest):
    """``20 log10(highest) - 10 log10(mean((a - b)^2))``."""
    return 20 * torch.log10(torch.as_tensor(highest, dtype=a.dtype, device=a.device)) - 10 * torch.log10(
        torch.mean((a - b).square())
    )


def polar(size, angle):
    """``size e^(i angle)``."""
    return torch.polar(size, angle)


def depth_to_space(x, block, *, layout):
    """Channels as blocks of pixels; with the channels first those of one pixel block are neighbours (torch's order)."""
    if layout == "channels_first":
        return torch.pixel_shuffle(x, block)
    return shape.depth_to_space(x, block, layout=layout)


def space_to_depth(x, block, *, layout):
    """The reverse of `depth_to_space`."""
    if layout == "channels_first":
        return torch.pixel_unshuffle(x, block)
    return shape.space_to_depth(x, block, layout=layout)
