"""Optimizers that are seldom used. Their formulas are in `ops.updates_mxnet`."""

import logging

import torch

from tandem.core.errors import explain
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.optimizer.optimizer import Optimizer, register, zeros_like
from tandem.mxnet.optimizer.rules import SGD
from tandem.ops import updates, updates_mxnet

__all__ = ["DCASGD", "FTML", "LARS", "LBSGD", "SGLD", "GroupAdaGrad"]


@register
class FTML(Optimizer):
    """Follow the moving leader. Source: Zheng & Kwok 2017.

    beta1, beta2, epsilon.
    """

    def __init__(self, beta1=0.6, beta2=0.999, epsilon=1e-8, **kwargs):
        super().__init__(**kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def create_state(self, index, weight):
        """(d, v, z)."""
        return tuple(zeros_like(weight) for _ in range(3))

    def _rule(self, group):
        updates_mxnet.ftml(
            group.params,
            group.grads,
            *group.states,
            rate=group.scalar("rate", group.lr / (1.0 - self.beta1**group.step)),
            variance_factor=group.scalar("variance", 1.0 / (1.0 - self.beta2**group.step)),
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            weight_decay=group.wd,
            rescale=group.rescale,
            clip=self._clip(),
        )


@register
class DCASGD(Optimizer):
    """Gradient descent for delayed gradients. Source: Zheng et al. 2017.

    momentum; lamda: strength of the correction.
    """

    def __init__(self, momentum=0.0, lamda=0.04, **kwargs):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.weight_previous = {}
        self.lamda = lamda

    def create_state(self, index, weight):
        """(momentum or None, the weight before)."""
        return (None if self.momentum == 0.0 else zeros_like(weight), weight.copy())

    def _slots(self, state):
        return [slot for slot in reversed(state) if slot is not None]

    def _rule(self, group):
        updates_mxnet.dcasgd(
            group.params,
            group.grads,
            *group.states,
            lr=group.scalar("lr", group.lr),
            delay=self.lamda,
            momentum=self.momentum,
            weight_decay=group.wd,
            rescale=group.rescale,
            clip=self._clip(),
        )


@register
class SGLD(Optimizer):
    """Stochastic gradient Langevin dynamics: half a step of gradient descent and noise of variance lr.

    Source: Welling & Teh 2011.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def _rule(self, group):
        updates_mxnet.langevin(
            group.params,
            group.grads,
            lr=group.scalar("lr", group.lr),
            weight_decay=group.wd,
            rescale=group.rescale,
            clip=self._clip(),
        )


@register
class LBSGD(Optimizer):
    """SGD for large batches: gradients of `batch_scale` calls are averaged, and the rate grows during a warm-up.

    momentum; multi_precision; warmup_strategy: how the rate grows from lr to batch_scale·lr over
    warmup_epochs·updates_per_epoch calls: 'linear', 'power2', 'sqrt'; 'lars': the rate is
    lr·√(|w|² / (|g|² + wd·|w|²)) within lr/100 and 100·lr, with no warm-up; any other word: lr; begin_epoch: how many
    epochs have gone by; num_epochs: of the whole training, which no strategy depends on.
    Source: Goyal et al. 2017, You et al. 2017.
    """

    def __init__(
        self,
        momentum=0.0,
        multi_precision=False,
        warmup_strategy="linear",
        warmup_epochs=5,
        batch_scale=1,
        updates_per_epoch=32,
        begin_epoch=0,
        num_epochs=60,
        **kwargs,
    ):
        super().__init__(multi_precision=multi_precision, **kwargs)
        logging.info("Running Large-Batch SGD Algorithm")
        logging.info(
            "(Batch_scale=%f, warmup_epochs=%d, warmup_strategy=%s, updates_per_epoch=%d)",
            batch_scale,
            warmup_epochs,
            warmup_strategy,
            updates_per_epoch,
        )
        self.momentum = momentum
        self.warmup_strategy = warmup_strategy
        self.warmup_epochs = warmup_epochs
        self.batch_scale = batch_scale
        self.updates_per_epoch = updates_per_epoch
        self.init_updates = begin_epoch * updates_per_epoch
        self.num_epochs = num_epochs
        self.lbmult = 1
        self.cumgrads = {}  # index -> {"cum_grad": the sum since the last update, "num_cums": calls so far}

    def create_state(self, index, weight):
        """The momentum, or None."""
        return zeros_like(weight) if self.momentum != 0.0 else None

    @property
    def learning_rate(self):
        """The current learning rate, without multipliers; during an update with the large batch's."""
        return super().learning_rate * self.lbmult

    def _warmup_factor(self, calls):
        warmup, most = self.warmup_epochs * self.updates_per_epoch, float(self.batch_scale)
        if calls >= warmup:
            return most
        share = calls / warmup
        shares = {"linear": share, "power2": share**2, "sqrt": share**0.5}
        return 1.0 + (most - 1.0) * shares.get(self.warmup_strategy, 0.0) if warmup > 1 else 1.0

    def _layer_factor(self, index, weight, grad):
        weights, grads = ((array * array).sum().asscalar() for array in (weight, grad))
        factor = (weights / (grads + self._get_wd(index) * weights + 1e-18)) ** 0.5
        return min(max(factor, 0.01), 100.0)

    def update(self, index, weight, grad, state):
        """Add a gradient, and change the weight where it is the last one of a large batch."""
        if isinstance(index, (list, tuple)):
            for one in zip(index, weight, grad, state):
                self.update(*one)
            return
        sum_so_far = self.cumgrads.get(index)
        calls = (self.init_updates if sum_so_far is None else sum_so_far["num_cums"]) + 1
        total = grad.copy() if sum_so_far is None or sum_so_far["cum_grad"] is None else sum_so_far["cum_grad"] + grad
        self.cumgrads[index] = {"cum_grad": total, "num_cums": calls}
        if calls % self.batch_scale:
            self._update_count(index)
            return
        self.cumgrads[index]["cum_grad"] = None
        mean = total / self.batch_scale
        lars = self.warmup_strategy == "lars"
        self.lbmult = self._layer_factor(index, weight, mean) if lars else self._warmup_factor(calls)
        try:
            super().update(index, weight, mean, state)
        finally:
            self.lbmult = 1

    def _rule(self, group):
        updates.sgd(
            group.params,
            group.grads,
            group.states[0] if group.states else None,
            lr=group.scalar("lr", group.lr),
            momentum=self.momentum,
            weight_decay=group.wd,
            rescale=group.rescale,
            clip=self._clip(),
        )


@register
class LARS(SGD):
    """SGD whose rate for each weight is lr·eta·|w|/(|g| + wd·|w| + eps); biases, gammas and betas keep lr.

    momentum_correction: whether the momentum follows changes of the learning rate. Source: You et al. 2017.
    """

    def __init__(self, momentum=0.0, lazy_update=True, eta=0.001, eps=0, momentum_correction=True, **kwargs):
        super().__init__(momentum, lazy_update, **kwargs)
        self.momentum_correction = momentum_correction
        self.eta = eta
        self.eps = eps
        self.last_lr = None
        self.cur_lr = None

    def _update_all(self, indices, weights, grads, states, masters):
        now = self.learning_rate
        self.last_lr, self.cur_lr = now if self.cur_lr is None else self.cur_lr, now
        super()._update_all(indices, weights, grads, states, masters)

    def _is_lazy(self, weight):
        return False  # its rates are those of whole weights

    def _tag(self, index):
        name = self.idx2name.get(index, str(index))
        return "plain" if name.endswith(("gamma", "beta", "bias")) else "scaled"

    def _rule(self, group):
        momentum = self.momentum
        if self.momentum_correction and self.last_lr:
            momentum *= self.cur_lr / self.last_lr
        options = {
            "lr": group.scalar("lr", group.lr),
            "weight_decay": group.wd,
            "rescale": group.rescale,
            "clip": self._clip(),
        }
        velocities = group.states[0] if group.states else None
        if group.tag == "plain":
            updates.sgd(group.params, group.grads, velocities, momentum=momentum, **options)
        else:
            updates_mxnet.lars(
                group.params,
                group.grads,
                velocities,
                momentum=group.scalar("momentum", momentum),
                eta=self.eta,
                epsilon=self.eps,
                **options,
            )


@register
class GroupAdaGrad(Optimizer):
    """AdaGrad with one sum of squares for each row of a weight.

    eps. Raises ValueError, at an update, for a weight decay, and AssertionError for a weight without rows.
    """

    def __init__(self, eps=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def _is_lazy(self, weight):
        return True

    def create_state(self, index, weight):
        """The mean squares of rows: (rows, 1, ...)."""
        if weight.ndim < 2:
            raise AssertionError(
                explain(
                    "GroupAdaGrad updates weights with rows", expected="2 axes or more", given=f"shape {weight.shape}"
                )
            )
        tensor = weight._tensor if weight.stype == "default" else weight._held.values
        shape = (weight.shape[0], *[1] * (weight.ndim - 1))
        return NDArray._wrap(torch.zeros(shape, dtype=tensor.dtype, device=tensor.device), weight._ctx)

    def _rule(self, group):
        if group.wd:
            raise ValueError(explain("Weight decay is not supported for GroupAdaGrad", given=f"wd={group.wd}"))
        updates_mxnet.group_adagrad(
            group.params,
            group.grads,
            group.states[0],
            lr=group.scalar("lr", group.lr),
            epsilon=self.float_stable_eps,
            rescale=group.rescale,
            clip=self._clip(),
        )
