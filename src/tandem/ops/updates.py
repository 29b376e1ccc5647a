"""Optimizer rules over lists of tensors, in place.

Each rule takes ``params``, ``grads`` and its state lists (all of one length, item by item of one shape), changes params
and states in place and never writes to grads (autograd may hand out one tensor for two parameters, or an expanded one).
``lr`` and every factor that changes from step to step is a 0-d tensor on the params' device; the rest are numbers.
Nothing is read back, so a rule can be recorded once and replayed.

All rules share:
    rescale: 0-d tensor or None; clip: number or None; weight_decay: number. The gradient that the rule sees is
    ``clamp(rescale * g, -clip, clip) + weight_decay * p``, or with ``decay="inside"``
    ``clamp(rescale * g + weight_decay * p, -clip, clip)`` (MXNet has some rules of either kind; Keras clips and decays
    by functions of their own, `clip_by_value`, `decay_weights`).

Where torch has a fused kernel it is one call for all parameters. It walks raw memory, so it is used only where
parameter, gradient and states are laid out alike; else the same formula runs as ``torch._foreach`` calls.
"""

import math

import torch

_WORTH_THREADS = 1 << 16
_WORTH_WAKING = 4096  # elements of a tensor in the mean: the threads are woken for each


# --- the gradient --------------------------------------------------------------------------------------------------


def prepare(params, grads, *, rescale=None, clip=None, weight_decay=0.0, decay="outside"):
    """The gradients a rule sees (see the module): a new list, or ``grads`` itself where there is nothing to do."""
    given = grads
    if rescale is not None:
        grads = torch._foreach_mul(grads, rescale)
    if weight_decay and decay == "inside":
        grads = torch._foreach_add(grads, params, alpha=weight_decay)
    if clip is not None:
        grads = clip_by_value(grads, clip) if grads is given else _clamp_(grads, clip)
    if weight_decay and decay == "outside":
        if grads is given:
            return torch._foreach_add(grads, params, alpha=weight_decay)
        torch._foreach_add_(grads, params, alpha=weight_decay)
    return grads


def clip_by_value(grads, limit):
    """``clamp(g, -limit, limit)`` of each."""
    return _clamp_(torch._foreach_clamp_min(grads, -limit), limit)


def _clamp_(grads, limit):
    torch._foreach_clamp_min_(grads, -limit)
    torch._foreach_clamp_max_(grads, limit)
    return grads


def clip_by_norm(grads, limit):
    """Each gradient with a norm of at most ``limit``: ``g * limit / max(norm(g), limit)``."""
    scales = torch._foreach_norm(grads)
    torch._foreach_clamp_min_(scales, limit)
    torch._foreach_div_(scales, limit)
    return torch._foreach_div(grads, scales)


def global_norm(grads):
    """``sqrt`` of the sum of squares of all elements of all gradients: a 0-d tensor."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))


def clip_by_global_norm(grads, limit, *, epsilon=0.0):
    """``g * limit / max(norm + epsilon, limit)``, the norm that of all gradients together. Returns (gradients, norm).

    Pascanu et al., 2012 (arXiv 1211.5063).
    """
    norm = global_norm(grads)
    scale = limit / (norm + epsilon if epsilon else norm).clamp(min=limit)
    return torch._foreach_mul(grads, scale), norm


def accumulate(sums, grads):
    """``sum += g`` of each: gradients of several batches for one step."""
    torch._foreach_add_(sums, grads)


def assign(targets, sources):
    """Copies each source into its target."""
    torch._foreach_copy_(targets, sources)


def ema(averages, params, momentum):
    """Exponential moving average: ``average = momentum * average + (1 - momentum) * p``."""
    torch._foreach_lerp_(averages, params, 1 - momentum)


def decay_weights(params, lr, rate):
    """Decoupled weight decay: ``p -= lr * rate * p`` (Loshchilov and Hutter, 2017)."""
    torch._foreach_addcmul_(params, params, [lr] * len(params), value=-rate)


# --- bias correction -----------------------------------------------------------------------------------------------


def bias_table(beta1=None, beta2=None, *, dtype=torch.float32, device=None, longest=1 << 22):
    """Bias corrections by step, to be made once: ``table[i] = sqrt(1 - beta2^(i+1)) / (1 - beta1^(i+1))``.

    A beta that is None leaves its factor out. The last entry stands for all steps after it (1 within rounding).
    None where more than ``longest`` entries would be needed; `bias_factor` then computes what the table would hold.
    """
    slowest = max(beta for beta in (beta1, beta2, 0.0) if beta is not None)
    entries = 1 if slowest == 0 else math.ceil(math.log(torch.finfo(dtype).eps / 4) / math.log(slowest)) + 1
    if entries > longest:
        return None
    step = torch.arange(1, entries + 1, dtype=torch.float64)
    return _bias_factor(step, beta1, beta2).to(device=device, dtype=dtype)


def bias_factor(iterations, table, beta1=None, beta2=None):
    """The bias correction of the step after ``iterations`` steps, a 0-d tensor.

    iterations: 0-d integer tensor; table: from `bias_table`, with the same betas.
    """
    if table is None:
        return _bias_factor(iterations.to(torch.float64) + 1, beta1, beta2).to(torch.float32)
    return table.take(iterations.clamp(max=table.shape[0] - 1))


def bias_rate(lr, iterations, table, beta1=None, beta2=None):
    """``lr`` times `bias_factor`: Adam's alpha, a 0-d tensor."""
    return lr * bias_factor(iterations, table, beta1, beta2)


def _bias_factor(step, beta1, beta2):
    factor = torch.ones_like(step)
    if beta2 is not None:
        factor = torch.sqrt(1 - beta2**step)
    return factor if beta1 is None else factor / (1 - beta1**step)


# --- rules ---------------------------------------------------------------------------------------------------------


def sgd(params, grads, velocities=None, *, lr, momentum=0.0, nesterov=False, weight_decay=0.0, rescale=None, clip=None):
    """Gradient descent: ``p -= lr g``; with momentum ``v = momentum v - lr g; p += v``.

    nesterov: ``p += momentum v - lr g`` with the new v. velocities: needed where ``momentum`` is not 0; they are moved
    whenever they are given.
    """
    if rescale is not None and clip is None and not weight_decay:
        lr, rescale = lr * rescale, None
    if not (momentum or velocities):
        grads = prepare(params, grads, rescale=rescale, clip=clip)
        if _fusable(params):
            _fused_sgd(params, _laid_out_like(params, grads), [], lr=lr, weight_decay=weight_decay)
        else:
            _descend(params, grads, lr, weight_decay)
        return
    grads = prepare(params, grads, rescale=rescale, clip=clip, weight_decay=weight_decay)
    steps = torch._foreach_mul(_laid_out_like(params, grads), lr)
    if momentum and _fusable(params, velocities):
        # torch's rule v = momentum v + g, p -= lr v gives ours with g = -step ("maximize") and lr = -1.
        _fused_sgd(params, steps, velocities, lr=-1.0, momentum=momentum, nesterov=nesterov, maximize=True)
        return
    torch._foreach_mul_(velocities, momentum)
    torch._foreach_sub_(velocities, steps)
    if nesterov:
        torch._foreach_add_(params, velocities, alpha=momentum)
        torch._foreach_sub_(params, steps)
    else:
        torch._foreach_add_(params, velocities)


def nag(params, grads, velocities, *, lr, momentum, weight_decay=0.0, rescale=None, clip=None):
    """Nesterov's momentum as MXNet 1.9.1 has it: `sgd`'s, but the velocity that is kept decays by the new weights.

    ``p' = p + momentum (momentum v - s) - s`` with ``s = lr (g + weight_decay p)``;
    ``v' = momentum v - lr (g + weight_decay p')``.
    """
    old = [p.clone() for p in params] if weight_decay else params
    options = {"rescale": rescale, "clip": clip, "weight_decay": weight_decay}
    sgd(params, grads, velocities, lr=lr, momentum=momentum, nesterov=True, **options)
    if weight_decay:
        torch._foreach_sub_(old, params)
        torch._foreach_addcmul_(velocities, old, [lr] * len(old), value=weight_decay)


def adam(
    params,
    grads,
    means,
    variances,
    largest=None,
    *,
    rate,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-7,
    weight_decay=0.0,
    rescale=None,
    clip=None,
):
    """Adam: ``m += (1-b1)(g - m); v += (1-b2)(g^2 - v); p -= rate m / (sqrt(v) + epsilon)``.

    rate: 0-d tensor, ``lr sqrt(1 - b2^t) / (1 - b1^t)`` (`bias_rate`): epsilon stands beside the uncorrected root as in
    Keras, MXNet and the end of the paper's section 2. largest: AMSGrad's running maxima of v, used in its place.
    Weight decay is inside the clip. Kingma and Ba, 2014 (arXiv 1412.6980); Reddi et al., 2018.
    """
    amsgrad = largest is not None
    states = (means, variances, largest) if amsgrad else (means, variances)
    if _fusable(params, *states):
        inside = weight_decay if clip is not None else 0.0  # the kernel's own decay would come after the clip
        grads = prepare(params, grads, rescale=rescale, clip=clip, weight_decay=inside, decay="inside")
        # A step count so large that torch's own bias corrections are 1: ours is in the rate.
        done = [torch.full((), 1e9, device=params[0].device)] * len(params)
        torch._fused_adam_(
            params,
            _laid_out_like(params, grads),
            means,
            variances,
            largest if amsgrad else [],
            done,
            lr=rate,
            beta1=beta1,
            beta2=beta2,
            weight_decay=weight_decay - inside,
            eps=epsilon,
            amsgrad=amsgrad,
            maximize=False,
        )
        return
    grads = prepare(params, grads, rescale=rescale, clip=clip, weight_decay=weight_decay, decay="inside")
    _average_(means, grads, beta1)
    _average_squares_(variances, grads, beta2)
    if amsgrad:
        torch._foreach_maximum_(largest, variances)
        variances = largest
    roots = torch._foreach_sqrt(variances)
    _shift_(roots, epsilon)
    _descend(params, torch._foreach_div(means, roots), rate)


def adamax(
    params,
    grads,
    means,
    norms,
    *,
    rate,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-7,
    weight_decay=0.0,
    rescale=None,
    clip=None,
):
    """Adam with the infinity norm: ``m += (1-b1)(g - m); u = max(b2 u, |g|); p -= rate m / (u + epsilon)``.

    rate: ``lr / (1 - b1^t)``. MXNet has epsilon 0. Weight decay is inside the clip. Kingma and Ba, 2014, section 7.
    """
    grads = prepare(params, grads, rescale=rescale, clip=clip, weight_decay=weight_decay, decay="inside")
    _average_(means, grads, beta1)
    _scale_(norms, beta2)
    torch._foreach_maximum_(norms, torch._foreach_abs(grads))
    if epsilon:
        steps = torch._foreach_add(norms, epsilon)
        torch._foreach_reciprocal_(steps)
        torch._foreach_mul_(steps, means)
    else:
        steps = torch._foreach_div(means, norms)
    _descend(params, steps, rate)


def nadam_factors(iterations, product, *, beta1=0.9, beta2=0.999, decay=1.0, parameters=None):
    """Nadam's factors of the step after ``iterations`` steps; multiplies ``product`` (of all ``u`` so far) in place.

    With ``u_t = b1 (1 - 0.5 * 0.96^(decay t))`` and U_t the product of u_1 .. u_t: the 0-d tensors for
    the mean, ``u_{t+1} / (1 - U_{t+1})``, the gradient, ``(1 - u_t) / (1 - U_t)``, and variance, ``1 / (1 - b2^t)``.
    decay: 1 in Keras, MXNet's schedule_decay 0.004. parameters: MXNet multiplies ``u_t`` into one product for all
    parameters, again at each of them: with their number the first two factors are lists, one item to a parameter.
    """
    step = iterations.to(product.dtype) + 1
    now = beta1 * (1 - 0.5 * torch.pow(0.96, step * decay))
    following = beta1 * (1 - 0.5 * torch.pow(0.96, (step + 1) * decay))
    of_variance = 1 / (1 - torch.pow(beta2, step))
    if parameters is None:
        product.mul_(now)
        return following / (1 - product * following), (1 - now) / (1 - product), of_variance
    products = product * torch.pow(now, torch.arange(1, parameters + 1, device=product.device))
    product.copy_(products[-1])
    of_mean, of_grad = following / (1 - products * following), (1 - now) / (1 - products)
    return list(of_mean.unbind()), list(of_grad.unbind()), of_variance


def nadam(
    params,
    grads,
    means,
    variances,
    *,
    lr,
    factors,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-7,
    weight_decay=0.0,
    rescale=None,
    clip=None,
):
    """Adam with Nesterov momentum: ``p -= lr (cm m + cg g) / (sqrt(cv v) + epsilon)``.

    factors: (cm, cg, cv) from `nadam_factors`. Weight decay is inside the clip. Dozat, 2016.
    """
    of_mean, of_grad, of_variance = factors
    grads = prepare(params, grads, rescale=rescale, clip=clip, weight_decay=weight_decay, decay="inside")
    _average_(means, grads, beta1)
    _average_squares_(variances, grads, beta2)
    roots = torch._foreach_mul(variances, of_variance)
    torch._foreach_sqrt_(roots)
    _shift_(roots, epsilon)
    steps = torch._foreach_mul(means, of_mean)
    torch._foreach_add_(steps, torch._foreach_mul(grads, of_grad))
    torch._foreach_div_(steps, roots)
    _descend(params, steps, lr)


def adagrad(params, grads, squares, *, lr, epsilon=1e-7, weight_decay=0.0, rescale=None, clip=None):
    """Adagrad: ``s += g^2; p -= lr (g / sqrt(s + epsilon) + weight_decay p)`` (Duchi et al., 2011)."""
    grads = prepare(params, grads, rescale=rescale, clip=clip)
    torch._foreach_addcmul_(squares, grads, grads)
    steps = torch._foreach_add(squares, epsilon)
    torch._foreach_rsqrt_(steps)
    torch._foreach_mul_(steps, grads)
    _descend(params, steps, lr, weight_decay)


def adadelta(params, grads, squares, deltas, *, lr, rho=0.95, epsilon=1e-7, weight_decay=0.0, rescale=None, clip=None):
    """Adadelta: ``s += (1-rho)(g^2 - s); d = g sqrt((e + epsilon) / (s + epsilon)); e += (1-rho)(d^2 - e); p -= lr d``.

    squares: s; deltas: e. ``weight_decay p`` is taken off besides, without lr (MXNet, where lr is 1). Zeiler, 2012.
    """
    grads = prepare(params, grads, rescale=rescale, clip=clip)
    _average_squares_(squares, grads, rho)
    steps = torch._foreach_add(deltas, epsilon)
    torch._foreach_div_(steps, torch._foreach_add(squares, epsilon))
    torch._foreach_sqrt_(steps)
    torch._foreach_mul_(steps, grads)
    _average_squares_(deltas, steps, rho)
    if weight_decay:
        _scale_(params, 1 - weight_decay)
    _descend(params, steps, lr)


def rmsprop(
    params,
    grads,
    squares,
    means=None,
    velocities=None,
    *,
    lr,
    rho=0.9,
    momentum=0.0,
    epsilon=1e-7,
    velocity="step",
    weight_decay=0.0,
    rescale=None,
    clip=None,
    clip_weights=None,
):
    """RMSProp: ``s += (1-rho)(g^2 - s); p -= lr g / sqrt(s + epsilon)``.

    means: running means a of g; then ``s - a^2 + epsilon`` is under the root ("centered"; Graves, 2013).
    velocities: with momentum. velocity "step": ``v = momentum v + lr g / ...; p -= v`` (Keras); "change": v with the
    other sign, ``p += v`` (MXNet). clip_weights: params are clamped to +-clip_weights afterwards.
    Weight decay is inside the clip. Tieleman and Hinton, 2012.
    """
    grads = prepare(params, grads, rescale=rescale, clip=clip, weight_decay=weight_decay, decay="inside")
    _average_squares_(squares, grads, rho)
    steps = torch._foreach_add(squares, epsilon)
    if means is not None:
        _average_(means, grads, rho)
        torch._foreach_addcmul_(steps, means, means, value=-1.0)
    torch._foreach_rsqrt_(steps)
    torch._foreach_mul_(steps, grads)
    if velocities is not None:
        _scale_(velocities, momentum)
        torch._foreach_mul_(steps, lr)
        if velocity == "step":
            torch._foreach_add_(velocities, steps)
            torch._foreach_sub_(params, velocities)
        else:
            torch._foreach_sub_(velocities, steps)
            torch._foreach_add_(params, velocities)
    else:
        _descend(params, steps, lr)
    if clip_weights is not None:
        _clamp_(params, clip_weights)


def ftrl(
    params,
    grads,
    squares,
    linears,
    *,
    lr,
    power=-0.5,
    l1=0.0,
    l2=0.0,
    shrinkage=0.0,
    beta=0.0,
    rescale=None,
    clip=None,
):
    """Follow the regularized leader: ``z += g + 2 shrinkage p - (n'^-power - n^-power) p / lr``, n' = n + g^2, and
    ``p = -sign(z) max(|z| - l1, 0) / (n'^-power / lr + 2 l2 + beta / lr)``.

    squares: n; linears: z. MXNet's wd is ``2 l2``. McMahan et al., 2013.
    """
    grads = prepare(params, grads, rescale=rescale, clip=clip)
    before = _power(squares, power)
    torch._foreach_addcmul_(squares, grads, grads)
    after = _power(squares, power)
    torch._foreach_sub_(before, after)
    torch._foreach_div_(before, lr)
    torch._foreach_addcmul_(linears, before, params)
    torch._foreach_add_(linears, grads)
    if shrinkage:
        torch._foreach_add_(linears, params, alpha=2 * shrinkage)
    if beta:
        _shift_(after, beta)
    torch._foreach_div_(after, lr)
    if l2:
        _shift_(after, 2 * l2)
    # clamp(z, -l1, l1) - z is -sign(z) max(|z| - l1, 0).
    torch._foreach_copy_(params, linears)
    _clamp_(params, l1)
    torch._foreach_sub_(params, linears)
    torch._foreach_div_(params, after)


def lion(params, grads, means, *, lr, beta1=0.9, beta2=0.99):
    """Lion: ``p -= lr sign(b1 m + (1-b1) g); m += (1-b2)(g - m)`` (Chen et al., 2023)."""
    steps = torch._foreach_lerp(means, grads, 1 - beta1)
    torch._foreach_sign_(steps)
    _descend(params, steps, lr)
    _average_(means, grads, beta2)


def signum(
    params,
    grads,
    velocities=None,
    *,
    lr,
    momentum=0.0,
    weight_decay=0.0,
    decoupled_decay=0.0,
    rescale=None,
    clip=None,
):
    """Sign descent: ``p -= lr sign(g)``; with momentum ``v = momentum v - (1 - momentum) g; p += lr sign(v)``.

    decoupled_decay: ``p -= lr * decoupled_decay * p`` besides. Bernstein et al., 2018 (arXiv 1802.04434).
    """
    grads = prepare(params, grads, rescale=rescale, clip=clip, weight_decay=weight_decay)
    if decoupled_decay:
        decay_weights(params, lr, decoupled_decay)
    if velocities is None:
        _descend(params, torch._foreach_sign(grads), lr)
        return
    _scale_(velocities, momentum)
    torch._foreach_add_(velocities, grads, alpha=momentum - 1)
    torch._foreach_addcmul_(params, torch._foreach_sign(velocities), [lr] * len(params))


# --- parts ---------------------------------------------------------------------------------------------------------


def _number(value, like):
    # On the CPU a foreach call is several times quicker with a 0-d tensor than with a Python number, wrapped each time.
    return torch.full((), value, dtype=like[0].dtype, device=like[0].device)


def _shift_(tensors, value):
    # Not with a tensor: torch's binding would read it back.
    torch._foreach_add_(tensors, value)


def _scale_(tensors, value):
    torch._foreach_mul_(tensors, _number(value, tensors))


def _average_(means, values, beta):
    torch._foreach_lerp_(means, values, 1 - beta)


def _average_squares_(means, values, beta):
    torch._foreach_lerp_(means, torch._foreach_mul(values, values), 1 - beta)


def _power(squares, power):
    return torch._foreach_sqrt(squares) if power == -0.5 else torch._foreach_pow(squares, -power)


def _descend(params, steps, lr, weight_decay=0.0):
    """``p -= lr (step + weight_decay p)``."""
    if weight_decay:
        steps = torch._foreach_add(steps, params, alpha=weight_decay)
    torch._foreach_addcmul_(params, steps, [lr] * len(params), value=-1.0)


def _fused_sgd(params, grads, velocities, *, lr, momentum=0.0, weight_decay=0.0, nesterov=False, maximize=False):
    torch._fused_sgd_(
        params,
        grads,
        velocities,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        dampening=0.0,
        nesterov=nesterov,
        maximize=maximize,
        is_first_step=False,
    )


def _fusable(params, *states):
    """Whether the fused kernels may walk these lists: on a device that has them, dense, and all laid out alike.

    On a CPU they wake all threads, which costs more than the update itself where there are few elements.
    """
    kind = params[0].device.type
    if kind == "cpu":
        count = sum(p.numel() for p in params)
        if torch.get_num_threads() > 1 and count < max(_WORTH_THREADS, _WORTH_WAKING * len(params)):
            return False
    elif kind != "cuda":
        return False
    return all(
        (p.is_contiguous() or p.stride() == torch.empty_like(p).stride())
        and all(_same_layout(p, tensors[index]) for tensors in states)
        for index, p in enumerate(params)
    )


def _same_layout(a, b):
    return (a.is_contiguous() and b.is_contiguous()) or a.stride() == b.stride()


def _laid_out_like(params, grads):
    return [g if _same_layout(p, g) else torch.empty_like(p).copy_(g) for p, g in zip(params, grads)]


def sums_of_squares(tensors):
    """The sum of squares of each tensor, in float32: (number of tensors,)."""
    return torch.stack(torch._foreach_norm(tensors)).float().square()
