"""The optimizers that are there. Their formulas are in `ops.updates`; here are MXNet's arguments and defaults."""

import math

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.optimizer.optimizer import Optimizer, register, zeros_like
from tandem.ops import updates, updates_lamb, updates_mxnet

__all__ = [
    "LAMB",
    "NAG",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "Adamax",
    "Ftrl",
    "Nadam",
    "RMSProp",
    "Signum",
    "Test",
    "ccSGD",
]


class _WithMomentum(Optimizer):
    """Rules with one momentum array, or none where momentum is 0."""

    def __init__(self, momentum=0.0, **kwargs):
        super().__init__(**kwargs)
        self.momentum = momentum

    def create_state(self, index, weight):
        """The momentum, or None."""
        return zeros_like(weight) if self.momentum != 0.0 else None

    def create_state_multi_precision(self, index, weight):
        """(momentum, float32 copy) for float16 weights under multi_precision."""
        state = super().create_state_multi_precision(index, weight)
        return state[::-1] if self._keeps_master(weight) else state

    def _split_master(self, state):
        return state[::-1]


@register
class SGD(_WithMomentum):
    """Gradient descent: w ← w − lr·(g + wd·w); with momentum v ← momentum·v − lr·(g + wd·w), w ← w + v.

    lazy_update: whether of a row_sparse gradient only the rows that it stores are updated, with decay and momentum.
    """

    def __init__(self, momentum=0.0, lazy_update=True, **kwargs):
        super().__init__(momentum, **kwargs)
        self.lazy_update = lazy_update
        self.aggregate_num = 4

    def _is_lazy(self, weight):
        return self.lazy_update

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
class ccSGD(SGD):
    """The old name of SGD."""


@register
class NAG(_WithMomentum):
    """SGD with Nesterov's momentum: v ← momentum·v − lr·(g + wd·w), w ← w + momentum·v − lr·(g + wd·w)."""

    def _rule(self, group):
        options = {"weight_decay": group.wd, "rescale": group.rescale, "clip": self._clip()}
        lr = group.scalar("lr", group.lr)
        if group.states:
            updates_mxnet.nag(group.params, group.grads, group.states[0], lr=lr, momentum=self.momentum, **options)
        else:
            updates.sgd(group.params, group.grads, lr=lr, **options)


@register
class Signum(Optimizer):
    """The sign of the gradient, or of its running mean: v ← momentum·v − (1 − momentum)·(g + wd·w), w ← w + lr·sign v.

    wd_lh: decay beside the sign, w ← (1 − lr·wd_lh)·w; without momentum wd is of that kind. Source: Bernstein et al.
    2018.
    """

    def __init__(self, learning_rate=0.01, momentum=0.9, wd_lh=0.0, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.momentum = momentum
        self.wd_lh = wd_lh

    def create_state(self, index, weight):
        """The momentum, or None."""
        return zeros_like(weight) if self.momentum != 0.0 else None

    def _rule(self, group):
        plain = not group.states
        updates.signum(
            group.params,
            group.grads,
            None if plain else group.states[0],
            lr=group.scalar("lr", group.lr),
            momentum=self.momentum,
            weight_decay=0.0 if plain else group.wd,
            decoupled_decay=group.wd if plain else self.wd_lh,
            rescale=group.rescale,
            clip=self._clip(),
        )


class _TwoMoments(Optimizer):
    """Rules with a running mean and a second running array."""

    def create_state(self, index, weight):
        """(mean, variance)."""
        return (zeros_like(weight), zeros_like(weight))


@register
class Adam(_TwoMoments):
    """m ← β1·m + (1 − β1)·g, v ← β2·v + (1 − β2)·g², w ← w − lr·√(1 − β2ᵗ)/(1 − β1ᵗ)·m/(√v + epsilon).

    lazy_update: whether of a row_sparse gradient only the rows that it stores are updated. Source: Kingma & Ba 2015.
    """

    def __init__(self, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, lazy_update=True, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.lazy_update = lazy_update

    def _is_lazy(self, weight):
        return self.lazy_update

    def _rule(self, group):
        rate = group.lr * math.sqrt(1.0 - self.beta2**group.step) / (1.0 - self.beta1**group.step)
        updates.adam(
            group.params,
            group.grads,
            *group.states,
            rate=group.scalar("rate", rate),
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            weight_decay=group.wd,
            rescale=group.rescale,
            clip=self._clip(),
        )


@register
class AdaGrad(Optimizer):
    """h ← h + g², w ← w − lr·(g/√(h + eps) + wd·w). Source: Duchi et al. 2011."""

    def __init__(self, eps=1e-7, **kwargs):
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def _is_lazy(self, weight):
        if self.wd:
            raise MXNetError(
                explain("AdaGrad takes no weight decay with row_sparse gradients", expected="wd=0", given=self.wd)
            )
        return True

    def create_state(self, index, weight):
        """The sum of squares."""
        return zeros_like(weight)

    def _rule(self, group):
        updates.adagrad(
            group.params,
            group.grads,
            group.states[0],
            lr=group.scalar("lr", group.lr),
            epsilon=self.float_stable_eps,
            weight_decay=group.wd,
            rescale=group.rescale,
            clip=self._clip(),
        )


@register
class RMSProp(Optimizer):
    """n ← γ1·n + (1 − γ1)·g², w ← w − lr·g/√(n + epsilon); centered: with the mean of g subtracted and momentum γ2.

    gamma1, gamma2; clip_weights: weights are cut to ±this. Source: Tieleman & Hinton 2012, Graves 2013.
    """

    def __init__(
        self, learning_rate=0.001, gamma1=0.9, gamma2=0.9, epsilon=1e-8, centered=False, clip_weights=None, **kwargs
    ):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.gamma1 = gamma1
        self.gamma2 = gamma2
        self.centered = centered
        self.epsilon = epsilon
        self.clip_weights = clip_weights

    def create_state(self, index, weight):
        """(n,), or (n, mean, change) where centered."""
        return tuple(zeros_like(weight) for _ in range(3 if self.centered else 1))

    def _rule(self, group):
        updates.rmsprop(
            group.params,
            group.grads,
            *group.states,
            lr=group.scalar("lr", group.lr),
            rho=self.gamma1,
            momentum=self.gamma2,
            epsilon=self.epsilon,
            velocity="change",
            weight_decay=group.wd,
            rescale=group.rescale,
            clip=self._clip(),
            clip_weights=self.clip_weights or None,
        )


@register
class AdaDelta(Optimizer):
    """E ← ρ·E + (1 − ρ)·g², d = g·√(D + epsilon)/√(E + epsilon), D ← ρ·D + (1 − ρ)·d², w ← w − d − wd·w.

    There is no learning rate in it. Source: Zeiler 2012.
    """

    def __init__(self, rho=0.90, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.rho = rho
        self.epsilon = epsilon

    def create_state(self, index, weight):
        """(E, D)."""
        return (zeros_like(weight), zeros_like(weight))

    def _rule(self, group):
        updates.adadelta(
            group.params,
            group.grads,
            *group.states,
            lr=group.scalar("lr", 1.0),
            rho=self.rho,
            epsilon=self.epsilon,
            weight_decay=group.wd,
            rescale=group.rescale,
            clip=self._clip(),
        )


@register
class Ftrl(Optimizer):
    """Follow the regularized leader, with L1 strength lamda1 and L2 strength wd. Source: McMahan et al. 2013."""

    def __init__(self, lamda1=0.01, learning_rate=0.1, beta=1, **kwargs):
        super().__init__(**kwargs)
        self.lamda1 = lamda1
        self.beta = beta
        self.lr = learning_rate

    def _is_lazy(self, weight):
        return weight.stype == "row_sparse"

    def create_state(self, index, weight):
        """(z, n): the linear term and the sum of squares."""
        return (zeros_like(weight), zeros_like(weight))

    def _rule(self, group):
        linear, squares = group.states
        updates.ftrl(
            group.params,
            group.grads,
            squares,
            linear,
            lr=group.scalar("lr", group.lr),
            l1=self.lamda1,
            l2=group.wd / 2,
            beta=self.beta,
            rescale=group.rescale,
            clip=self._clip(),
        )


@register
class Adamax(_TwoMoments):
    """m ← β1·m + (1 − β1)·g, u ← max(β2·u, |g|), w ← w − lr/(1 − β1ᵗ)·m/u. Source: Kingma & Ba 2015."""

    def __init__(self, learning_rate=0.002, beta1=0.9, beta2=0.999, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2

    def _rule(self, group):
        updates.adamax(
            group.params,
            group.grads,
            *group.states,
            rate=group.scalar("rate", group.lr / (1.0 - self.beta1**group.step)),
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=0.0,
            weight_decay=group.wd,
            rescale=group.rescale,
            clip=self._clip(),
        )


@register
class Nadam(_TwoMoments):
    """Adam with Nesterov's momentum, whose rate grows with schedule_decay. Source: Dozat 2016.

    The product of all momentum rates is one number for all weights and grows with each weight's update, as in MXNet.
    """

    def __init__(self, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, schedule_decay=0.004, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.schedule_decay = schedule_decay
        self.m_schedule = 1.0

    def _tag(self, index):
        return index

    def _rule(self, group):
        step = group.step
        now = self.beta1 * (1.0 - 0.5 * 0.96 ** (step * self.schedule_decay))
        following = self.beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * self.schedule_decay))
        self.m_schedule *= now
        factors = (
            group.scalar("mean", following / (1.0 - self.m_schedule * following)),
            group.scalar("grad", (1.0 - now) / (1.0 - self.m_schedule)),
            group.scalar("variance", 1.0 / (1.0 - self.beta2**step)),
        )
        updates.nadam(
            group.params,
            group.grads,
            *group.states,
            lr=group.scalar("lr", group.lr),
            factors=factors,
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            weight_decay=group.wd,
            rescale=group.rescale,
            clip=self._clip(),
        )


@register
class LAMB(_TwoMoments):
    """Adam's step scaled by |w|/|step| for each weight. Source: You et al. 2020.

    lower_bound, upper_bound: of |w|; bias_correction.
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-6,
        lower_bound=None,
        upper_bound=None,
        bias_correction=True,
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.lower_bound = lower_bound
        self.upper_bound = upper_bound
        self.bias_correction = bias_correction
        self.aggregate_num = 45

    def _rule(self, group):
        correct = self.bias_correction
        updates_lamb.lamb(
            group.params,
            group.grads,
            *group.states,
            lr=group.scalar("lr", group.lr),
            mean_factor=group.scalar("mean", 1.0 / (1.0 - self.beta1**group.step)) if correct else None,
            variance_factor=group.scalar("variance", 1.0 / (1.0 - self.beta2**group.step)) if correct else None,
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            weight_decay=group.wd,
            lower=self.lower_bound,
            upper=self.upper_bound,
            rescale=group.rescale,
            clip=self._clip(),
        )


@register
class Test(Optimizer):
    """w ← w + rescale_grad·g; its state is a copy of the weight. For tests of what uses optimizers."""

    def create_state(self, index, weight):
        """Zeros, later the weight."""
        return zeros_like(weight)

    def update(self, index, weight, grad, state):
        """Change a weight by its gradient.

        Raises AssertionError for lists: it takes one weight at a time.
        """
        if isinstance(index, (list, tuple)):
            raise AssertionError(explain("The Test optimizer updates one weight at a time"))
        weight[:] += grad * self.rescale_grad
        weight.as_nd_ndarray().copyto(state)  # which may be sparse
