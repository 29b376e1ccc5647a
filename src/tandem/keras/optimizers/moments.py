"""Adam and its relatives: Adam, AdamW, Adamax, Nadam, Lamb.

Arguments that are not described here (`weight_decay`, `clipnorm`, `use_ema`, …) are `Optimizer`'s, by keyword.
"""

from tandem.keras import config
from tandem.keras.optimizers.optimizer import Optimizer, tensors_of
from tandem.ops import steps, updates, updates_lamb


class _Moments(Optimizer):
    """Two slots to a variable, and factors that correct their bias, looked up by the number of the step."""

    _names = ("momentum", "velocity")

    def __init__(self, learning_rate, beta_1, beta_2, epsilon, common):
        super().__init__(learning_rate, **common)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = config.epsilon() if epsilon is None else epsilon
        self._momentums = self._velocities = None
        self._tables = {}

    def build(self, variables):
        """Make the slots."""
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(variables, self._names)

    def _correction(self, mean, variance):
        """``sqrt(1 - b2^t) / (1 - b1^t)`` of the step that is being made, without the factors that are not asked
        for.
        """
        betas = (self.beta_1 if mean else None, self.beta_2 if variance else None)
        device = self._iterations.device
        key = (*betas, device)
        if key not in self._tables:
            self._tables[key] = updates.bias_table(*betas, device=device)
        return updates.bias_factor(self._count(), self._tables[key], *betas)

    def _rate(self, learning_rate, mean=True, variance=True):
        return steps.scaled(learning_rate, self._correction(mean, variance))

    def get_config(self):
        """The arguments that make an equal optimizer."""
        return super().get_config() | {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


class Adam(_Moments):
    """Steps scaled by running means of gradients and of their squares (Kingma and Ba, 2014).

    ``m += (1 - b1)(g - m); v += (1 - b2)(g^2 - v); w -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon)``.
    amsgrad: the largest v so far in place of v (Reddi et al., 2018).
    """

    _elementwise = True

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, **common):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, common)
        self.amsgrad = amsgrad
        self._velocity_hats = None

    def build(self, variables):
        """Make the slots."""
        if self.built:
            return
        super().build(variables)
        if self.amsgrad:
            self._velocity_hats = self.add_optimizer_variables(variables, "velocity_hat")

    def update_all(self, grads, variables, learning_rate):
        """Update some variables by their gradients."""
        updates.adam(
            tensors_of(variables),
            grads,
            self._slots(self._momentums, variables),
            self._slots(self._velocities, variables),
            self._slots(self._velocity_hats, variables) if self.amsgrad else None,
            rate=self._rate(learning_rate),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
        )

    def get_config(self):
        """The arguments that make an equal optimizer."""
        return super().get_config() | {"amsgrad": self.amsgrad}


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2017). Raises ValueError where `weight_decay` is
    None.
    """

    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.004,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        **common,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **common)
        if weight_decay is None:
            raise ValueError("Argument `weight_decay` must be a float. Received: weight_decay=None")


class Adamax(_Moments):
    """Adam with the infinity norm of past gradients: ``u = max(b2 * u, |g|); w -= lr / (1 - b1^t) * m / (u +
    epsilon)``.
    """

    _elementwise = True

    _names = ("momentum", "norm")

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **common):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, common)

    def update_all(self, grads, variables, learning_rate):
        """Update some variables by their gradients."""
        updates.adamax(
            tensors_of(variables),
            grads,
            self._slots(self._momentums, variables),
            self._slots(self._velocities, variables),
            rate=self._rate(learning_rate, variance=False),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
        )


class Nadam(_Moments):
    """Adam with Nesterov momentum and a warm-up of the momentum (Dozat, 2016); the formula is at
    `ops.updates.nadam`.

    schedule_decay: the speed of the warm-up, which Keras 1 and 2 take (0.004 is their default) and Keras 3 does not.
    """

    _elementwise = True

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **common):
        self.schedule_decay = float(common.pop("schedule_decay", 1.0))
        super().__init__(learning_rate, beta_1, beta_2, epsilon, common)
        self._u_product = None

    def get_config(self):
        """The arguments that make an equal optimizer."""
        config = super().get_config()
        return config if self.schedule_decay == 1 else {**config, "schedule_decay": self.schedule_decay}

    def build(self, variables):
        """Make the slots, and the running product of momentum factors."""
        if self.built:
            return
        super().build(variables)
        self._u_product = self.add_variable((), "ones", dtype="float32", name="u_product")

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # Once a step, however many groups of variables there are: it multiplies the product.
        self.__dict__["_factors"] = updates.nadam_factors(
            self._count(), self._u_product.tensor, beta1=self.beta_1, beta2=self.beta_2, decay=self.schedule_decay
        )
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def update_all(self, grads, variables, learning_rate):
        """Update some variables by their gradients."""
        updates.nadam(
            tensors_of(variables),
            grads,
            self._slots(self._momentums, variables),
            self._slots(self._velocities, variables),
            lr=learning_rate,
            factors=[factor.to(learning_rate.dtype) for factor in self._factors],
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
        )


class Lamb(_Moments):
    """Adam's step, scaled for each variable by the ratio of its norm to the step's (You et al., 2019)."""

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **common):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, common)

    def update_all(self, grads, variables, learning_rate):
        """Update some variables by their gradients."""
        corrections = steps.moment_factors(self._count(), self.beta_1, self.beta_2)
        mean_factor, variance_factor = (factor.to(learning_rate.dtype) for factor in corrections)
        updates_lamb.lamb(
            tensors_of(variables),
            grads,
            self._slots(self._momentums, variables),
            self._slots(self._velocities, variables),
            lr=learning_rate,
            mean_factor=mean_factor,
            variance_factor=variance_factor,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
        )
