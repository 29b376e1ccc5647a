"""Further update operators: FTML, LAMB, LARS, AdamW, and `multi_*` whose rates are arrays."""

from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.mxnet.operators.updates import _in_float32, _number, _shared, _update
from tandem.ops import updates_lamb, updates_mxnet

_SCALED = {"rescale_grad": a.real(1.0), "clip_gradient": a.real(-1.0)}
_BETAS = {"beta1": a.real(0.9), "beta2": a.real(0.999)}


def _limit(value):
    return None if value < 0 else value


def _corrections(step, beta1, beta2, like):
    return _number(1 / (1 - beta1**step), like), _number(1 / (1 - beta2**step), like)


def _ftml(weight, grad, d, v, z, *, lr, beta1, beta2, epsilon, t, wd, rescale_grad, clip_grad):
    """Follow the moving leader; t: the number of the step, from 1."""
    options = _shared(weight, rescale_grad, clip_grad)
    updates_mxnet.ftml(
        [weight],
        [grad],
        [d],
        [v],
        [z],
        rate=_number(lr / (1 - beta1**t), weight),
        variance_factor=_number(1 / (1 - beta2**t), weight),
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=wd,
        **options,
    )


_update(
    "ftml_update",
    _ftml,
    ("d", "v", "z"),
    {
        "lr": a.real(),
        "beta1": a.real(0.6),
        "beta2": a.real(0.999),
        "epsilon": a.real(1e-8),
        "t": a.integer(),
        "wd": a.real(0.0),
        "rescale_grad": a.real(1.0),
        "clip_grad": a.real(-1.0),
    },
)


def _group_adagrad(weight, grad, history, *, lr, rescale_grad, clip_gradient, epsilon):
    """Adagrad with one sum of squares to each row."""
    options = _shared(weight, rescale_grad, clip_gradient)
    history = history.reshape(-1, *[1] * (weight.dim() - 1))
    updates_mxnet.group_adagrad([weight], [grad], [history], lr=_number(lr, weight), epsilon=epsilon, **options)


_update(
    "_contrib_group_adagrad_update",
    _group_adagrad,
    ("history",),
    {"lr": a.real(), **_SCALED, "epsilon": a.real(1e-5)},
    check=False,  # one state to a row
)

# --- LAMB and LARS ---------------------------------------------------------------------------------------------------


def _directions(weight, grad, mean, var, *, beta1, beta2, epsilon, t, bias_correction, wd, rescale_grad, clip_gradient):
    mean_factor, variance_factor = _corrections(t, beta1, beta2, weight) if bias_correction else (None, None)
    return updates_lamb.lamb_directions(
        [weight],
        [grad],
        [mean],
        [var],
        mean_factor=mean_factor,
        variance_factor=variance_factor,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=wd,
        **_shared(weight, rescale_grad, clip_gradient),
    )


def _lamb_phase1(weight, grad, mean, var, **given):
    """The direction of LAMB's step, before it is scaled by norms; mean and var are moved."""
    return _directions(weight, grad, mean, var, **given)[0]


def _mp_lamb_phase1(weight, grad, mean, var, weight32, **given):
    """The direction of LAMB's step in float32, for a half precision weight."""
    return _directions(weight32, grad.to(weight32.dtype), mean, var, **given)[0]


_PHASE1 = {
    **_BETAS,
    "epsilon": a.real(1e-6),
    "t": a.integer(),
    "bias_correction": a.flag(True),
    "wd": a.real(),
    **_SCALED,
}
_FIXED = {"differentiable": False, "same_dtype": False}
_MOMENTS = ("weight", "grad", "mean", "var")
register("lamb_update_phase1", _lamb_phase1, _MOMENTS, _PHASE1, mutates=(2, 3), **_FIXED)
register("mp_lamb_update_phase1", _mp_lamb_phase1, (*_MOMENTS, "weight32"), _PHASE1, mutates=(2, 3), **_FIXED)


def _scaled_step(weight, g, r1, r2, *, lr, lower_bound, upper_bound):
    bounds = {"lower": _limit(lower_bound), "upper": _limit(upper_bound)}
    norms = [norm.reshape(1).to(weight.dtype) for norm in (r1, r2)]
    updates_lamb.lamb_steps([weight], [g], *norms, lr=_number(lr, weight), **bounds)


def _lamb_phase2(weight, g, r1, r2, **given):
    """``w -= lr (r1 / r2) g``, r1 the weight's norm and r2 that of the direction g."""
    _scaled_step(weight, g, r1, r2, **given)
    return weight


def _mp_lamb_phase2(weight, g, r1, r2, weight32, **given):
    """``w = weight32 - lr (r1 / r2) g``, rounded to half precision; MXNet 1.9.1 leaves weight32 as it was."""
    master = weight32.clone()
    _scaled_step(master, g, r1, r2, **given)
    weight.copy_(master)
    return weight


_PHASE2 = {"lr": a.real(), "lower_bound": a.real(-1.0), "upper_bound": a.real(-1.0)}
_NORMS = ("weight", "g", "r1", "r2")
register("lamb_update_phase2", _lamb_phase2, _NORMS, _PHASE2, updates=(0,), **_FIXED)
register("mp_lamb_update_phase2", _mp_lamb_phase2, (*_NORMS, "weight32"), _PHASE2, updates=(0,), **_FIXED)


def _multi_lars(lrs, weights_sum_sq, grads_sum_sq, wds, *, eta, eps, rescale_grad):
    """The learning rate of each weight, scaled by the norms of it and of its gradient."""
    return updates_lamb.lars_rates(lrs, weights_sum_sq, grads_sum_sq, wds, eta=eta, epsilon=eps, rescale=rescale_grad)


register(
    "multi_lars",
    _multi_lars,
    ("lrs", "weights_sum_sq", "grads_sum_sq", "wds"),
    {"eta": a.real(), "eps": a.real(), "rescale_grad": a.real(1.0)},
    differentiable=False,
)

# --- AdamW -----------------------------------------------------------------------------------------------------------


def _adamw(weight, grad, mean, var, rescale_grad, *, lr, beta1, beta2, epsilon, wd, eta, clip_gradient):
    """Adam with decoupled weight decay; nothing changes where rescale_grad is 0, infinite or NaN."""
    updates_mxnet.adamw(
        [weight],
        [grad],
        [mean],
        [var],
        lr=lr,
        eta=eta,
        scale=rescale_grad.reshape(()).to(mean.dtype),
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=wd,
        clip=_limit(clip_gradient),
    )
    return weight


def _mp_adamw(weight, grad, mean, var, weight32, rescale_grad, **given):
    """AdamW on the float32 copy of a half precision weight, which is then rounded from it."""
    _adamw(weight32, grad, mean, var, rescale_grad, **given)
    weight.copy_(weight32)
    return weight


_ADAMW = {
    "lr": a.real(),
    **_BETAS,
    "epsilon": a.real(1e-8),
    "wd": a.real(0.0),
    "eta": a.real(),
    "clip_gradient": a.real(-1.0),
}
register("_adamw_update", _adamw, (*_MOMENTS, "rescale_grad"), _ADAMW, updates=(0,), mutates=(2, 3), **_FIXED)
register(
    "_mp_adamw_update",
    _mp_adamw,
    (*_MOMENTS, "weight32", "rescale_grad"),
    _ADAMW,
    updates=(0,),
    mutates=(2, 3, 4),
    **_FIXED,
)

# --- several weights in one call -------------------------------------------------------------------------------------


def _several(name, apply, width, attributes, last):
    """Register an operator on (weight, grad, states ...) again and again, and `last` arrays for all."""

    def positions(count):
        return [place for place in range(count - last) if place % width > 1]

    register(
        name,
        apply,
        ("data",),
        attributes,
        variadic="",
        updates=lambda count: range(0, count - last, width),
        mutates=positions,
        **_FIXED,
    )


def _groups(data, width):
    return [data[first : first + width] for first in range(0, len(data), width)]


def _preloaded(name, width, momentum, half):
    def apply(*data, num_weights, rescale_grad, clip_gradient, momentum=0.0):
        """Gradient descent whose learning rates and decays are the last two arrays."""
        rates, decays = data[-2:]
        for number, group in enumerate(_groups(data[:-2], width)):
            weight, grad = (group[-1], group[1].to(group[-1].dtype)) if half else group[:2]
            updates_mxnet.sgd_of_tensors(
                [weight],
                [grad],
                [group[2]] if has_momentum else None,
                rates=rates[number : number + 1],
                decays=decays[number : number + 1],
                momentum=momentum,
                **_shared(weight, rescale_grad, clip_gradient),
            )
            if half:
                group[0].copy_(weight)
        return tuple(data[:-2:width])

    has_momentum = bool(momentum)
    _several(name, apply, width, {**momentum, **_SCALED, "num_weights": a.integer(1)}, 2)


_preloaded("preloaded_multi_sgd_update", 2, {}, False)
_preloaded("preloaded_multi_sgd_mom_update", 3, {"momentum": a.real(0.0)}, False)
_preloaded("preloaded_multi_mp_sgd_update", 3, {}, True)
_preloaded("preloaded_multi_mp_sgd_mom_update", 4, {"momentum": a.real(0.0)}, True)


def _multi_adamw(*data, lrs, wds, etas, num_weights, **given):
    """AdamW on several weights; the last array is rescale_grad."""
    *arrays, scale = data
    width = len(arrays) // num_weights
    rule = _adamw if width == 4 else _mp_adamw
    for group, lr, wd, eta in zip(_groups(arrays, width), lrs, wds, etas):
        rule(*group, scale, lr=lr, wd=wd, eta=eta, **given)
    return tuple(arrays[::width])


_MULTI_ADAMW = {
    "lrs": a.reals(),
    **_BETAS,
    "epsilon": a.real(1e-8),
    "wds": a.reals(),
    "etas": a.reals(),
    "clip_gradient": a.real(-1.0),
    "num_weights": a.integer(1),
}
_several("_multi_adamw_update", _multi_adamw, 4, _MULTI_ADAMW, 1)
_several("_multi_mp_adamw_update", _multi_adamw, 5, _MULTI_ADAMW, 1)


def _lamb(weight, grad, mean, var, *, lr, step, beta1, beta2, bias_correction, rescale_grad, clip_gradient, **given):
    """LAMB: Adam's step, scaled by the norms of the weight and of the step."""
    mean_factor, variance_factor = _corrections(step, beta1, beta2, weight) if bias_correction else (None, None)
    updates_lamb.lamb(
        [weight],
        [grad],
        [mean],
        [var],
        lr=_number(lr, weight),
        mean_factor=mean_factor,
        variance_factor=variance_factor,
        beta1=beta1,
        beta2=beta2,
        **_shared(weight, rescale_grad, clip_gradient),
        **given,
    )


def _multi_lamb(*data, learning_rates, wds, step_count, num_tensors, lower_bound, upper_bound, epsilon, **given):
    """LAMB on several weights, whose numbers of steps are step_count."""
    width = len(data) // num_tensors
    rule = _lamb if width == 4 else _in_float32(_lamb)
    given.update(epsilon=epsilon, lower=_limit(lower_bound), upper=_limit(upper_bound))
    for group, lr, wd, step in zip(_groups(data, width), learning_rates, wds, step_count):
        rule(*group, lr=lr, step=step, weight_decay=wd, **given)
    return tuple(data[::width])


_MULTI_LAMB = {
    "learning_rates": a.reals(),
    **_BETAS,
    "epsilon": a.real(1e-6),
    "wds": a.reals(),
    "rescale_grad": a.real(1.0),
    "lower_bound": a.real(-1.0),
    "upper_bound": a.real(-1.0),
    "clip_gradient": a.real(-1.0),
    "bias_correction": a.flag(True),
    "step_count": a.sizes(),
    "num_tensors": a.integer(1),
}
_several("_multi_lamb_update", _multi_lamb, 4, _MULTI_LAMB, 0)
_several("_multi_mp_lamb_update", _multi_lamb, 5, _MULTI_LAMB, 0)
