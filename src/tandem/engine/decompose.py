"""What torch's compiler does not know, or not with every argument, as operations that it does know.

A function takes what its kernel takes. Those of the fused optimizers change the same tensors in place, in the kernel's
order of computing, and give whether they could.
"""


def _check(grad_scale, found_inf):
    return grad_scale is None and found_inf is None


def sgd(
    params, grads, buffers, *, weight_decay, momentum, lr, dampening, nesterov, maximize, is_first_step,
    grad_scale=None, found_inf=None,
):  # fmt: skip
    """``b = momentum * b + (1 - dampening) * g; p -= lr * b``, of `aten::_fused_sgd_`; False where it cannot be."""
    if not _check(grad_scale, found_inf):
        return False
    for number, (param, grad) in enumerate(zip(params, grads)):
        if maximize:
            grad = -grad
        if weight_decay:
            grad = grad + param * weight_decay
        if momentum:
            buffer = buffers[number]
            buffer.copy_(grad if is_first_step else buffer * momentum + grad * (1 - dampening))
            grad = grad + buffer * momentum if nesterov else buffer
        param.sub_(grad * lr)
    return True


def _adam(decoupled):
    def adam(
        params, grads, means, variances, largest, steps, *, lr, beta1, beta2, weight_decay, eps, amsgrad, maximize,
        grad_scale=None, found_inf=None,
    ):  # fmt: skip
        """``p -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)``, of `aten::_fused_adam_` and `_adamw_`."""
        if not _check(grad_scale, found_inf):
            return False
        for number, (param, grad, mean, variance, step) in enumerate(zip(params, grads, means, variances, steps)):
            if maximize:
                grad = -grad
            if weight_decay and decoupled:
                param.sub_(param * (lr * weight_decay))
            elif weight_decay:
                grad = grad + param * weight_decay
            mean.add_((grad - mean) * (1 - beta1))
            variance.copy_(variance * beta2 + grad * grad * (1 - beta2))
            seen = variance
            if amsgrad:
                largest[number].copy_(largest[number].maximum(variance))
                seen = largest[number]
            first, second = 1 - beta1**step, 1 - beta2**step
            param.sub_(mean * (lr / first) / (seen.sqrt() / second.sqrt() + eps))
        return True

    return adam


def take(array, index):
    """``array.flatten()[index]``: of torch 2.13's compiler an index without axes wants the number."""
    return array.reshape(-1).index_select(0, index.reshape(-1)).view_as(index)


UPDATES = {"aten::_fused_sgd_": sgd, "aten::_fused_adam_": _adam(False), "aten::_fused_adamw_": _adam(True)}
VALUES = {"aten::take": take}
