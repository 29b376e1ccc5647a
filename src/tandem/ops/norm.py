"""Normalisation: over the batch, a layer's entries, groups of channels, an instance, neighbouring channels.

And division by a norm; weights are drawn to a norm in `penalties`. Statistics of half precision data are computed in
float32 (or in the parameters' dtype); variances are biased.
"""

import torch
import torch.nn.functional as F


def _axes(axes, rank):
    """The axes as a sorted tuple of non-negative ints; None means all."""
    if axes is None:
        return tuple(range(rank))
    axes = (axes,) if isinstance(axes, int) else axes
    for axis in axes:
        if not -rank <= axis < rank:
            raise ValueError(f"There is no such axis. Expected: from {-rank} to {rank - 1}. Given: {axis}.")
    return tuple(sorted({axis % rank for axis in axes}))


def _as_float(x):
    """Half precision and integers as float32; what is wider already as it is."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


# --- statistics ------------------------------------------------------------------------------------------------------


def moments(x, axes=None, *, mask=None, keepdims=False):
    """Mean and biased variance over `axes`: ``(mean, E[(x - mean)^2])``, in float32 at least.

    mask: None, or weights (bool or numbers) that broadcast against x; then both are weighted means, and 0 where no
    entry has weight.
    """
    axes = _axes(axes, x.ndim)
    x = _as_float(x)
    if mask is None:
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=keepdims)
        return mean, variance
    weight = mask.to(x.dtype)
    weight = weight / weight.expand_as(x).sum(axes, keepdim=True).clamp_min(1e-7)
    mean = (x * weight).sum(axes, keepdim=True)
    variance = ((x - mean).square() * weight).sum(axes, keepdim=True)
    if not keepdims:
        shape = [n for axis, n in enumerate(x.shape) if axis not in axes]
        mean, variance = mean.reshape(shape), variance.reshape(shape)
    return mean, variance


# --- over the batch --------------------------------------------------------------------------------------------------


def _channels_second(x, axis):
    """`x` with the channels as its second axis, without a copy where a kernel reads it as it stands."""
    if axis == 1:
        return x
    if x.ndim == 3 and axis == 2:
        return x.reshape(-1, x.shape[2])  # (N, L, C) permuted has no memory format of its own, and is slow
    return x.movedim(axis, 1)


def _channels_back(y, shape, axis):
    if y.ndim != len(shape):
        return y.reshape(shape)
    return y if axis == 1 else y.movedim(1, axis)


def _along(vector, rank, axis):
    return None if vector is None else vector.reshape([-1 if i == axis else 1 for i in range(rank)])


def _scale_and_shift(y, scale, shift, rank, axis):
    """``y * scale + shift`` in x's channels; either may be None."""
    scale, shift = _along(scale, rank, axis), _along(shift, rank, axis)
    if scale is None:
        return y if shift is None else y + shift
    return y * scale if shift is None else torch.addcmul(shift, y, scale)


def batch_norm(x, scale, shift, mean, variance, *, axis=-1, epsilon=1e-3):
    """Normalisation with given statistics: ``(x - mean) / sqrt(variance + epsilon) * scale + shift``.

    x: any shape; scale, shift (either may be None), mean, variance: (C,), C the length of `axis`. Returns x's dtype.
    """
    (axis,) = _axes(axis, x.ndim)
    statistics = mean.requires_grad or variance.requires_grad
    if (torch.is_grad_enabled() and statistics) or x.ndim == 1:  # the fused kernel gives statistics no gradient
        y = (_as_float(x) - _along(mean, x.ndim, axis)) * _along(torch.rsqrt(variance + epsilon), x.ndim, axis)
        return _scale_and_shift(y, scale, shift, x.ndim, axis).to(x.dtype)
    y = F.batch_norm(_channels_second(x, axis), mean, variance, scale, shift, False, 0.0, epsilon)
    return _channels_back(y, x.shape, axis)


def batch_norm_train(
    x, scale, shift, moving_mean, moving_variance, *, axis=-1, momentum=0.99, epsilon=1e-3, mask=None, share=None
):
    """Normalisation with the batch's own statistics, which are blended IN PLACE into the moving ones.

    ``moving = momentum * moving + (1 - momentum) * batch``, with the biased variance (as Keras and MXNet have it; the
    fused kernel's own is unbiased, so it gets ``n / (n - 1)`` times the old one and what it gives is scaled back).
    x: any shape; scale, shift (either may be None), moving_mean, moving_variance: (C,), C the length of `axis`.
    mask: as for `moments`, in front-aligned axes, e.g. (N, L) for x (N, L, C). share: where other processes have other
    rows of the batch, an object whose `mean(own)` is the mean over all of them. Returns x's dtype.
    Ioffe and Szegedy, 2015 (arXiv 1502.03167).
    """
    (axis,) = _axes(axis, x.ndim)
    count = x.numel() // max(x.shape[axis], 1)
    if not count:  # no entries, no statistics
        return batch_norm(x, scale, shift, moving_mean, moving_variance, axis=axis, epsilon=epsilon)
    if mask is not None or count == 1 or share is not None:
        y, mean, variance = batch_norm_batch(x, scale, shift, axis=axis, epsilon=epsilon, mask=mask, share=share)
        moving_mean.lerp_(mean.detach().to(moving_mean.dtype), 1.0 - momentum)
        moving_variance.lerp_(variance.detach().to(moving_variance.dtype), 1.0 - momentum)
        return y
    # Under `.data`, since autograd keeps the moving statistics (to no use here) and would take the scaling for a fault.
    unbiased = count / (count - 1)
    variance = moving_variance.data
    variance.mul_(unbiased)
    y = F.batch_norm(
        _channels_second(x, axis), moving_mean, moving_variance, scale, shift, True, 1.0 - momentum, epsilon
    )
    variance.mul_(1.0 / unbiased)
    return _channels_back(y, x.shape, axis)


def batch_norm_learn(x, scale, shift, moving_mean, moving_variance, *, axis=-1, momentum=0.99, epsilon=1e-3):
    """`batch_norm_train`, but the moving statistics are blended by `blend_upon_gradient`, as in MXNet."""
    (axis,) = _axes(axis, x.ndim)
    count = x.numel() // max(x.shape[axis], 1)
    if not count:
        return batch_norm(x, scale, shift, moving_mean, moving_variance, axis=axis, epsilon=epsilon)
    if count == 1:
        y, mean, variance = batch_norm_batch(x, scale, shift, axis=axis, epsilon=epsilon)
        blend_upon_gradient(y, (moving_mean, moving_variance), lambda: (mean, variance), momentum)
        return y
    y, mean, inverse = torch.native_batch_norm(_channels_second(x, axis), scale, shift, None, None, True, 0.0, epsilon)
    blend_upon_gradient(
        y, (moving_mean, moving_variance), lambda: (mean, inverse.detach().square().reciprocal() - epsilon), momentum
    )
    return _channels_back(y, x.shape, axis)


def blend_upon_gradient(y, moving, batch, momentum):
    """`blend_` statistics whenever the gradient of y arrives: that is MXNet's rule for those that move.

    What is not learned through, a frozen network or a result that is thrown away, leaves them alone. moving: tensors;
    batch: a function that gives those to blend into them.
    """
    if y.requires_grad:

        def blend(_):
            for old, new in zip(moving, batch(), strict=True):
                blend_(old, new, momentum)

        y.register_hook(blend)


def batch_norm_batch(x, scale, shift, *, axis=-1, epsilon=1e-3, mask=None, share=None):
    """Normalisation with the batch's own statistics: (y, mean, biased variance), all with gradients.

    Arguments as `batch_norm_train`.
    """
    (axis,) = _axes(axis, x.ndim)
    if mask is not None:
        mask = mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim))
    mean, variance = moments(x, [i for i in range(x.ndim) if i != axis], mask=mask, keepdims=True)
    if share is not None:
        own, mean = mean, share.mean(mean)
        variance = share.mean(variance + (own - mean).square())
    y = (_as_float(x) - mean) * torch.rsqrt(variance + epsilon)
    y = _scale_and_shift(y, scale, shift, x.ndim, axis).to(x.dtype)
    return y, mean.flatten(), variance.flatten()


def batch_renorm_train(
    x,
    scale,
    shift,
    renorm_mean,
    renorm_deviation,
    *,
    axis=-1,
    momentum=0.99,
    epsilon=1e-3,
    mask=None,
    least=None,
    most=None,
    shift_limit=None,
):
    """Batch renormalisation: ``((x - mean) / deviation * r + d) * scale + shift``; (y, mean, deviation) of the batch.

    ``r = clip(deviation / renorm_deviation, least, most)``, ``d = clip((mean - renorm_mean) / renorm_deviation,
    -shift_limit, shift_limit)``, both without gradient, and ``deviation = sqrt(variance + epsilon)``. The two renorm
    statistics (C,) are then blended in place: ``old * momentum + (1 - momentum) * batch``. None: no such limit.
    Arguments otherwise as `batch_norm_train`. Ioffe, 2017 (arXiv 1702.03275).
    """
    (axis,) = _axes(axis, x.ndim)
    y, mean, variance = batch_norm_batch(x, None, None, axis=axis, epsilon=epsilon, mask=mask)
    with torch.no_grad():
        deviation = torch.sqrt(variance + epsilon)
        r = deviation / renorm_deviation
        d = (mean - renorm_mean) / renorm_deviation
        if least is not None or most is not None:
            r = r.clamp(least, most)
        if shift_limit is not None:
            d = d.clamp(-shift_limit, shift_limit)
        renorm_mean.lerp_(mean.to(renorm_mean.dtype), 1.0 - momentum)
        renorm_deviation.lerp_(deviation.to(renorm_deviation.dtype), 1.0 - momentum)
    y = _scale_and_shift(_scale_and_shift(_as_float(y), r, d, x.ndim, axis), scale, shift, x.ndim, axis)
    return y.to(x.dtype), mean.detach(), deviation


# --- over a sample's entries -----------------------------------------------------------------------------------------


def _same_dtype(x, scale, shift):
    """x in the parameters' dtype: the fused kernels do not all take half precision data with wider parameters."""
    parameter = scale if scale is not None else shift
    return x if parameter is None or parameter.dtype == x.dtype else x.to(parameter.dtype)


def layer_norm(x, scale, shift, *, axes=-1, epsilon=1e-3):
    """``(x - mean) / sqrt(variance + epsilon) * scale + shift`` with each sample's mean and variance over `axes`.

    x: any shape; scale, shift: None, or of x's shape in these axes, in x's order of axes. Ba, Kiros and Hinton, 2016.
    """
    axes = _axes(axes, x.ndim)
    rank, dtype = len(axes), x.dtype
    last = tuple(range(x.ndim - rank, x.ndim))
    y = _same_dtype(x, scale, shift)
    y = y if axes == last else y.movedim(axes, last)
    y = F.layer_norm(y, y.shape[x.ndim - rank :], scale, shift, epsilon)
    return (y if axes == last else y.movedim(last, axes)).to(dtype)


def rms_norm(x, scale=None, *, axes=-1, epsilon=1e-6):
    """``x / sqrt(mean(x^2) + epsilon) * scale`` with the mean over `axes`; scale as for `layer_norm`."""
    axes = _axes(axes, x.ndim)
    rank, dtype = len(axes), x.dtype
    last = tuple(range(x.ndim - rank, x.ndim))
    y = _same_dtype(x, scale, None)
    y = y if axes == last else y.movedim(axes, last)
    y = F.rms_norm(y, y.shape[x.ndim - rank :], scale, epsilon)
    return (y if axes == last else y.movedim(last, axes)).to(dtype)


def group_norm(x, scale, shift, *, groups, axis=-1, epsilon=1e-3):
    """Normalisation over the spatial axes and the channels of one group of a sample. Wu and He, 2018.

    x: (N, ..., C, ...) with C at `axis`, a multiple of `groups`; scale, shift: None, (C,), or (groups,) as in MXNet.
    Raises ValueError where C is no multiple.
    """
    (axis,) = _axes(axis, x.ndim)
    channels = x.shape[axis]
    if groups < 1 or channels % groups:
        raise ValueError(
            f"The channels do not divide into groups. Expected: a divisor of {channels} channels. Given: {groups}."
        )
    if scale is not None and scale.shape[0] != channels:
        scale = scale.repeat_interleave(channels // groups)
    if shift is not None and shift.shape[0] != channels:
        shift = shift.repeat_interleave(channels // groups)
    y = _same_dtype(x, scale, shift)
    y = y if axis == 1 else y.movedim(axis, 1)
    shape = y.shape
    # One spatial axis: the gradient's kernel for channels last in memory (torch 2.13, CPU) crashes where the data want
    # no gradient.
    y = torch.group_norm(y.flatten(2) if y.ndim > 3 else y, groups, scale, shift, epsilon).reshape(shape)
    return (y if axis == 1 else y.movedim(1, axis).contiguous()).to(x.dtype)


def instance_norm(x, scale, shift, *, axis=1, epsilon=1e-3):
    """Normalisation over the spatial axes of one channel of a sample: `group_norm` with a group to a channel."""
    return group_norm(x, scale, shift, groups=x.shape[axis], axis=axis, epsilon=epsilon)


def lrn(x, *, size, alpha=1e-4, beta=0.75, k=2.0, axis=1):
    """Local response normalisation: ``x / (k + alpha / size * sum of x^2 over nearby channels)^beta``.

    The neighbours of channel c are ``c - r .. c + r`` with ``r = (size - 1) // 2``. Krizhevsky et al., 2012.
    """
    (axis,) = _axes(axis, x.ndim)
    radius = (size - 1) // 2
    squares = x.square().movedim(axis, -1)
    flat = squares.reshape(1, -1, squares.shape[-1])
    total = F.avg_pool1d(flat, 2 * radius + 1, 1, radius).reshape(squares.shape).movedim(-1, axis)
    return x * (total * (alpha * (2 * radius + 1) / size) + k).pow(-beta)


# --- to a norm -------------------------------------------------------------------------------------------------------


def normalize(x, axes=-1, *, order=2, epsilon=1e-12):
    """``x / max(norm, epsilon)`` with the `order`-norm over `axes` (None: all). Zeros stay zeros."""
    x = x if x.is_floating_point() else x.float()
    return x / torch.linalg.vector_norm(x, order, _axes(axes, x.ndim), keepdim=True).clamp_min(epsilon)


def l2_normalize(x, axes=-1, *, epsilon=1e-10, guard="add"):
    """``x / sqrt(sum(x^2) + epsilon)`` with the sum over `axes` (None: all), as in MXNet's L2Normalization.

    guard: "add", or "most" for ``sqrt(max(sum(x^2), epsilon))``, as in Keras 2's l2_normalize.
    """
    axes = _axes(axes, x.ndim)
    total = x.square()
    total = total.sum(axes, keepdim=True) if axes else total  # torch would sum over everything
    return x * torch.rsqrt(total + epsilon if guard == "add" else total.clamp_min(epsilon))


# --- what operators answer beside the normalised data ----------------------------------------------------------------


def deviation(variance, epsilon):
    """``sqrt(variance + epsilon)``."""
    return torch.sqrt(variance + epsilon)


def inverse_deviation(variance, epsilon):
    """``1 / sqrt(variance + epsilon)``."""
    return torch.rsqrt(variance + epsilon)


def keep_at_one_(scale):
    """``scale = 1``, in place and without gradient."""
    scale.data.fill_(1)


def blend_(moving, batch, momentum):
    """``moving = momentum * moving + (1 - momentum) * batch``, in place and without gradient."""
    moving.lerp_(batch.detach().to(moving.dtype), 1.0 - momentum)


def variance_from_deviation_(variance, deviation, epsilon):
    """``variance = deviation^2 - epsilon``, in place: the variance of which `deviation` gave the deviation."""
    variance.copy_(deviation.square() - epsilon)
