"""Normalisation operators."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.shapes import checked_axis
from tandem.mxnet.operators.table import register
from tandem.ops import norm


def _batch_norm(
    data,
    gamma,
    beta,
    moving_mean,
    moving_var,
    *,
    eps,
    momentum,
    fix_gamma,
    use_global_stats,
    output_mean_var,
    axis=1,
    cudnn_off=False,
    min_calib_range=None,
    max_calib_range=None,
    training,
):
    """``(x - mean) / sqrt(var + eps) * gamma + beta`` with the batch's statistics in training, else the moving ones.

    In training the moving ones become ``momentum * moving + (1 - momentum) * batch``, in place, in the backward pass:
    as in MXNet, a call that nothing learns from leaves them as they are. fix_gamma: gamma is 1; where its gradient is
    wanted, and an optimizer's weight decay may have changed it, it becomes 1 again. The calibration ranges belong to
    quantization and change nothing here.
    """
    axis = checked_axis(axis, data.dim())
    scale = None if fix_gamma else gamma
    if fix_gamma and gamma.requires_grad and gamma.is_leaf:
        norm.keep_at_one_(gamma)
    if not training or use_global_stats:
        y = norm.batch_norm(data, scale, beta, moving_mean, moving_var, axis=axis, epsilon=eps)
        return y, moving_mean, norm.inverse_deviation(moving_var, eps)
    if not output_mean_var:
        y = norm.batch_norm_learn(data, scale, beta, moving_mean, moving_var, axis=axis, momentum=momentum, epsilon=eps)
        return y, moving_mean, moving_var
    y, mean, variance = norm.batch_norm_batch(data, scale, beta, axis=axis, epsilon=eps)
    norm.blend_upon_gradient(y, (moving_mean, moving_var), lambda: (mean, variance), momentum)
    # Detached: MXNet's backward pass takes no gradient from these outputs.
    return y, mean.detach(), norm.inverse_deviation(variance.detach(), eps)


_STATISTICS = ("data", "gamma", "beta", "moving_mean", "moving_var")
_BATCH_NORM = {
    "eps": a.real(1e-3),
    "momentum": a.real(0.9),
    "fix_gamma": a.flag(True),
    "use_global_stats": a.flag(False),
    "output_mean_var": a.flag(False),
}
_BATCH_NORM_2 = {
    **_BATCH_NORM,
    "axis": a.integer(1),
    "cudnn_off": a.flag(False),
    "min_calib_range": a.optional_real(),
    "max_calib_range": a.optional_real(),
}


def _one_or_three(attributes):
    return 3 if attributes["output_mean_var"] else 1


_FIELDS = {"visible": _one_or_three, "mutates": (3, 4), "modal": True, "same_dtype": False}
register("BatchNorm", _batch_norm, _STATISTICS, _BATCH_NORM_2, **_FIELDS)
register("BatchNorm_v1", _batch_norm, _STATISTICS, _BATCH_NORM, **_FIELDS)


def _sync_batch_norm(*arrays, ndev, key, **attributes):
    """`BatchNorm`; the statistics are those of this device's part of the batch."""
    return _batch_norm(*arrays, **attributes)


register(
    "_contrib_SyncBatchNorm",
    _sync_batch_norm,
    _STATISTICS,
    {**_BATCH_NORM, "ndev": a.integer(1), "key": a.text()},
    **_FIELDS,
)


def _with_statistics(y, data, axes, eps, wanted):
    if not wanted:
        return (y,)
    # Detached: MXNet's backward pass takes no gradient from these outputs.
    mean, variance = norm.moments(data.detach(), axes, keepdims=True)
    return y, mean.to(data.dtype), norm.deviation(variance, eps).to(data.dtype)


def _layer_norm(data, gamma, beta, *, axis, eps, output_mean_var):
    """``(x - mean) / sqrt(var + eps) * gamma + beta`` with mean and variance over one axis."""
    axis = checked_axis(axis, data.dim())
    y = norm.layer_norm(data, gamma, beta, axes=axis, epsilon=eps)
    return _with_statistics(y, data, axis, eps, output_mean_var)


register(
    "LayerNorm",
    _layer_norm,
    ("data", "gamma", "beta"),
    {"axis": a.integer(-1), "eps": a.real(1e-5), "output_mean_var": a.flag(False)},
    visible=_one_or_three,
)


def _group_norm(data, gamma, beta, *, num_groups, eps, output_mean_var):
    """Normalisation over groups of channels (axis 1) and all axes behind; gamma and beta have a value to a group."""
    y = norm.group_norm(data, gamma, beta, groups=num_groups, axis=1, epsilon=eps)
    if not output_mean_var:
        return (y,)
    parts = data.detach().reshape(data.shape[0], num_groups, -1)
    mean, variance = norm.moments(parts, 2)
    return y, mean.to(data.dtype), norm.deviation(variance, eps).to(data.dtype)


register(
    "GroupNorm",
    _group_norm,
    ("data", "gamma", "beta"),
    {"num_groups": a.integer(1), "eps": a.real(1e-5), "output_mean_var": a.flag(False)},
    visible=_one_or_three,
)


def _instance_norm(data, gamma, beta, *, eps):
    """Normalisation over the spatial axes of each channel (axis 1) of each sample."""
    if data.dim() < 3:
        raise MXNetError(
            explain("InstanceNorm needs spatial axes", expected="(batch, channel, ...)", given=tuple(data.shape))
        )
    return norm.instance_norm(data, gamma, beta, axis=1, epsilon=eps)


register("InstanceNorm", _instance_norm, ("data", "gamma", "beta"), {"eps": a.real(1e-3)})


def _l2_normalization(data, *, eps, mode):
    """``x / sqrt(sum(x^2) + eps)``, the sum over a sample ("instance"), axis 1 ("channel") or those behind it."""
    if mode != "instance" and data.dim() < 3:
        raise MXNetError(
            explain(f"mode {mode!r} needs axes behind the channels", expected="3 axes or more", given=tuple(data.shape))
        )
    axes = {"instance": range(1, data.dim()), "channel": (1,), "spatial": range(2, data.dim())}[mode]
    return norm.l2_normalize(data, tuple(axes), epsilon=eps)


register(
    "L2Normalization",
    _l2_normalization,
    attributes={"eps": a.real(1e-10), "mode": a.choice("channel", "instance", "spatial", default="instance")},
)


def _lrn(data, *, alpha, beta, knorm, nsize):
    """``x / (knorm + alpha / nsize * sum of x^2 over nsize nearby channels)^beta``."""
    return norm.lrn(data, size=nsize, alpha=alpha, beta=beta, k=knorm, axis=1)


register(
    "LRN",
    _lrn,
    attributes={"alpha": a.real(1e-4), "beta": a.real(0.75), "knorm": a.real(2.0), "nsize": a.integer()},
)
