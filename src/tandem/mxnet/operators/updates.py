"""Update operators: one step of an optimizer's rule on one weight, or on several.

The new weight is answered; with `out=weight` it is written there. States are changed in place.
"""

import functools

import torch

from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import steps, updates


@functools.lru_cache(maxsize=64)
def _made(value, dtype, device):
    return torch.full((), value, dtype=dtype, device=device)


def _number(value, like):
    """A number as the rules take it: a 0-d tensor, made once for as long as the number stays."""
    return _made(value, like.dtype, like.device)


def _shared(weight, rescale_grad, clip_gradient):
    """What all rules take: rescaling and clipping, left out where they do nothing."""
    return {
        "rescale": None if rescale_grad == 1.0 else _number(rescale_grad, weight),
        "clip": None if clip_gradient < 0 else clip_gradient,
    }


_PREPARE = {"wd": a.real(0.0), "rescale_grad": a.real(1.0), "clip_gradient": a.real(-1.0)}
_LAZY = {"lazy_update": a.flag(True)}


def _update(name, rule, states, attributes, *, check=True):
    """Register a rule `rule(weight, grad, *states, **attributes)` that changes weight and states in place.

    check: whether the states must have the weight's shape.
    """

    def apply(weight, *others, **given):
        for other in others if check else ():
            if other.shape != weight.shape:
                raise ValueError(
                    f"{name} needs arrays of the weight's shape {tuple(weight.shape)}, got {tuple(other.shape)}"
                )
        rule(weight, *others, **given)
        return weight

    apply.__doc__ = rule.__doc__
    register(
        name,
        apply,
        ("weight", "grad", *states),
        attributes,
        updates=(0,),
        mutates=tuple(range(2, 2 + len(states))),
        differentiable=False,
        same_dtype=False,
    )


def _sgd(weight, grad, *, lr, wd, rescale_grad, clip_gradient, lazy_update=True):
    """``w -= lr (clip(rescale g) + wd w)``. lazy_update concerns sparse gradients."""
    options = _shared(weight, rescale_grad, clip_gradient)
    updates.sgd([weight], [grad], lr=_number(lr, weight), weight_decay=wd, **options)


def _sgd_mom(weight, grad, mom, *, lr, momentum, wd, rescale_grad, clip_gradient, lazy_update=True):
    """``m = momentum m - lr (clip(rescale g) + wd w); w += m``. lazy_update concerns sparse gradients."""
    options = _shared(weight, rescale_grad, clip_gradient)
    updates.sgd([weight], [grad], [mom], lr=_number(lr, weight), momentum=momentum, weight_decay=wd, **options)


def _in_float32(rule):
    """The rule on the float32 copy of a half precision weight, which is then rounded from it."""

    def apply(weight, grad, *others, **given):
        *states, weight32 = others
        rule(weight32, grad.to(weight32.dtype), *states, **given)
        weight.copy_(weight32)

    apply.__doc__ = rule.__doc__
    return apply


_RATE, _MOMENTUM = {"lr": a.real()}, {"lr": a.real(), "momentum": a.real(0.0)}
_update("sgd_update", _sgd, (), {**_RATE, **_PREPARE, **_LAZY})
_update("sgd_mom_update", _sgd_mom, ("mom",), {**_MOMENTUM, **_PREPARE, **_LAZY})
_update("mp_sgd_update", _in_float32(_sgd), ("weight32",), {**_RATE, **_PREPARE, **_LAZY})
_update("mp_sgd_mom_update", _in_float32(_sgd_mom), ("mom", "weight32"), {**_MOMENTUM, **_PREPARE, **_LAZY})


def _nag(weight, grad, mom, *, lr, momentum, wd, rescale_grad, clip_gradient):
    """Nesterov's momentum: ``m = momentum m - lr g; w += momentum m - lr g`` with ``g = clip(rescale g) + wd w``."""
    options = _shared(weight, rescale_grad, clip_gradient)
    updates.nag([weight], [grad], [mom], lr=_number(lr, weight), momentum=momentum, weight_decay=wd, **options)


_update("nag_mom_update", _nag, ("mom",), {**_MOMENTUM, **_PREPARE})
_update("mp_nag_mom_update", _in_float32(_nag), ("mom", "weight32"), {**_MOMENTUM, **_PREPARE})


def _adam(weight, grad, mean, var, *, lr, beta1, beta2, epsilon, wd, rescale_grad, clip_gradient, lazy_update):
    """Adam without bias correction (it belongs into lr): ``w -= lr m / (sqrt(v) + epsilon)``."""
    options = _shared(weight, rescale_grad, clip_gradient)
    rate = _number(lr, weight)
    updates.adam(
        [weight],
        [grad],
        [mean],
        [var],
        rate=rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=wd,
        **options,
    )


_update(
    "adam_update",
    _adam,
    ("mean", "var"),
    {**_RATE, "beta1": a.real(0.9), "beta2": a.real(0.999), "epsilon": a.real(1e-8), **_PREPARE, **_LAZY},
)


def _rmsprop(weight, grad, n, *, lr, gamma1, epsilon, wd, rescale_grad, clip_gradient, clip_weights):
    """``n = gamma1 n + (1 - gamma1) g^2; w -= lr g / sqrt(n + epsilon)``."""
    options = _shared(weight, rescale_grad, clip_gradient)
    updates.rmsprop(
        [weight],
        [grad],
        [n],
        lr=_number(lr, weight),
        rho=gamma1,
        epsilon=epsilon,
        weight_decay=wd,
        clip_weights=None if clip_weights < 0 else clip_weights,
        **options,
    )


def _rmspropalex(
    weight, grad, n, g, delta, *, lr, gamma1, gamma2, epsilon, wd, rescale_grad, clip_gradient, clip_weights
):
    """RMSProp, centered and with momentum gamma2: ``d = gamma2 d - lr g / sqrt(n - mean^2 + epsilon); w += d``."""
    options = _shared(weight, rescale_grad, clip_gradient)
    updates.rmsprop(
        [weight],
        [grad],
        [n],
        [g],
        [delta],
        lr=_number(lr, weight),
        rho=gamma1,
        momentum=gamma2,
        epsilon=epsilon,
        velocity="change",
        weight_decay=wd,
        clip_weights=None if clip_weights < 0 else clip_weights,
        **options,
    )


_EPSILON = {"epsilon": a.real(1e-8), **_PREPARE, "clip_weights": a.real(-1.0)}
_update("rmsprop_update", _rmsprop, ("n",), {**_RATE, "gamma1": a.real(0.95), **_EPSILON})
_update(
    "rmspropalex_update",
    _rmspropalex,
    ("n", "g", "delta"),
    {**_RATE, "gamma1": a.real(0.95), "gamma2": a.real(0.9), **_EPSILON},
)


def _ftrl(weight, grad, z, n, *, lr, lamda1, beta, wd, rescale_grad, clip_gradient):
    """Follow the regularized leader with l1 penalty lamda1 and l2 penalty wd."""
    options = _shared(weight, rescale_grad, clip_gradient)
    updates.ftrl([weight], [grad], [n], [z], lr=_number(lr, weight), l1=lamda1, l2=wd / 2, beta=beta, **options)


_update("ftrl_update", _ftrl, ("z", "n"), {**_RATE, "lamda1": a.real(0.01), "beta": a.real(1.0), **_PREPARE})


def _signsgd(weight, grad, *, lr, wd, rescale_grad, clip_gradient):
    """``w -= lr (sign(g) + wd w)``."""
    updates.signum([weight], [grad], lr=_number(lr, weight), decoupled_decay=wd)


def _signum(weight, grad, mom, *, lr, momentum, wd, rescale_grad, clip_gradient, wd_lh):
    """``m = momentum m - (1 - momentum) (g + wd w); w = (1 - lr wd_lh) w + lr sign(m)``."""
    updates.signum(
        [weight],
        [grad],
        [mom],
        lr=_number(lr, weight),
        momentum=momentum,
        weight_decay=wd,
        decoupled_decay=wd_lh,
        **_shared(weight, rescale_grad, clip_gradient),
    )


_update("signsgd_update", _signsgd, (), {**_RATE, **_PREPARE})
_update("signum_update", _signum, ("mom",), {**_MOMENTUM, **_PREPARE, "wd_lh": a.real(0.0)})

# --- several weights in one call -------------------------------------------------------------------------------------


def _several(name, rule, width, momentum):
    """Register `multi_*`: inputs (weight, grad, states ...) again and again, with a learning rate and decay to each."""

    def apply(*data, lrs, wds, num_weights, **given):
        groups = [data[first : first + width] for first in range(0, len(data), width)]
        for (weight, *others), lr, wd in zip(groups, lrs, wds):
            rule(weight, *others, lr=lr, wd=wd, **given)
        return tuple(group[0] for group in groups)

    apply.__doc__ = rule.__doc__
    register(
        name,
        apply,
        ("data",),
        {
            "lrs": a.reals(),
            "wds": a.reals(),
            **({"momentum": a.real(0.0)} if momentum else {}),
            "rescale_grad": a.real(1.0),
            "clip_gradient": a.real(-1.0),
            "num_weights": a.integer(1),
        },
        variadic="",
        updates=lambda count: range(0, count, width),
        mutates=lambda count: [place for place in range(count) if place % width > 1],
        differentiable=False,
        same_dtype=False,
    )


_several("multi_sgd_update", _sgd, 2, False)
_several("multi_sgd_mom_update", _sgd_mom, 3, True)
_several("multi_mp_sgd_update", _in_float32(_sgd), 3, False)
_several("multi_mp_sgd_mom_update", _in_float32(_sgd_mom), 4, True)

# --- looking at gradients --------------------------------------------------------------------------------------------


def _all_finite(*data, init_output, num_arrays=1):
    """1 where no element is NaN or infinite, else 0. init_output: MXNet's way of reusing `out`; always as True here."""
    return steps.all_finite(list(data)).to(torch.float32).reshape(1)


_FINITE = {"num_arrays": a.integer(1), "init_output": a.flag(True)}
register("all_finite", _all_finite, attributes={"init_output": a.flag(True)}, differentiable=False)
register("multi_all_finite", _all_finite, ("data",), _FINITE, variadic="", differentiable=False)


def _multi_sum_sq(*data, num_arrays):
    """The sum of squares of each array."""
    return updates.sums_of_squares(list(data))


register(
    "multi_sum_sq",
    _multi_sum_sq,
    ("data",),
    {"num_arrays": a.integer()},
    variadic="",
    differentiable=False,
    same_dtype=False,
)


def _reset_arrays(*data, num_arrays):
    """Set all arrays to 0, in place."""
    for tensor in data:
        tensor.zero_()
    return ()


register(
    "reset_arrays",
    _reset_arrays,
    ("data",),
    {"num_arrays": a.integer()},
    variadic="",
    mutates=range,
    list_output=True,
    differentiable=False,
    same_dtype=False,
)
