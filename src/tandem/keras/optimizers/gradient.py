"""Optimizers without bias correction: SGD, RMSprop, Adagrad, Adadelta, Ftrl, Lion.

Arguments that are not described here (`weight_decay`, `clipnorm`, `use_ema`, …) are `Optimizer`'s, by keyword.
"""

from tandem.core.errors import explain
from tandem.keras import config, initializers
from tandem.keras.optimizers.optimizer import Optimizer, tensors_of
from tandem.ops import updates


class SGD(Optimizer):
    """Gradient descent: ``w -= lr * g``; with momentum ``v = momentum * v - lr * g; w += v``.

    nesterov: ``w += momentum * v - lr * g`` with the new v. Raises ValueError for a momentum outside [0, 1].
    """

    _elementwise = True

    def __init__(self, learning_rate=0.01, momentum=0.0, nesterov=False, **common):
        super().__init__(learning_rate, **common)
        if not isinstance(momentum, (float, int)) or not 0 <= momentum <= 1:
            raise ValueError(explain("`momentum` must be a float between 0 and 1", given=f"momentum={momentum!r}"))
        self.momentum = momentum
        self.nesterov = nesterov
        self.momentums = None

    def build(self, variables):
        """Make the slots."""
        if self.built:
            return
        super().build(variables)
        if self.momentum:
            self.momentums = self.add_optimizer_variables(variables, "momentum")

    def update_all(self, grads, variables, learning_rate):
        """Update some variables by their gradients."""
        velocities = self._slots(self.momentums, variables) if self.momentum else None
        updates.sgd(
            tensors_of(variables),
            grads,
            velocities,
            lr=learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
        )

    def get_config(self):
        """The arguments that make an equal optimizer."""
        return super().get_config() | {"momentum": self.momentum, "nesterov": self.nesterov}


class RMSprop(Optimizer):
    """``s = rho * s + (1 - rho) * g^2; w -= lr * g / sqrt(s + epsilon)`` (Tieleman and Hinton, 2012).

    momentum: of the step; centered: the running variance of g in place of the mean of its square (Graves, 2013).
    """

    _elementwise = True

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False, **common):
        super().__init__(learning_rate, **common)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = config.epsilon() if epsilon is None else epsilon
        self.centered = centered
        self._velocities = self._momentums = self._average_gradients = None

    def build(self, variables):
        """Make the slots."""
        if self.built:
            return
        super().build(variables)
        self._velocities = self.add_optimizer_variables(variables, "velocity")
        if self.momentum > 0:
            self._momentums = self.add_optimizer_variables(variables, "momentum")
        if self.centered:
            self._average_gradients = self.add_optimizer_variables(variables, "average_gradient")

    def update_all(self, grads, variables, learning_rate):
        """Update some variables by their gradients."""
        updates.rmsprop(
            tensors_of(variables),
            grads,
            self._slots(self._velocities, variables),
            self._slots(self._average_gradients, variables) if self.centered else None,
            self._slots(self._momentums, variables) if self.momentum > 0 else None,
            lr=learning_rate,
            rho=self.rho,
            momentum=self.momentum,
            epsilon=self.epsilon,
        )

    def get_config(self):
        """The arguments that make an equal optimizer."""
        return super().get_config() | {
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }


class Adagrad(Optimizer):
    """``s += g^2; w -= lr * g / sqrt(s + epsilon)``, s starting at `initial_accumulator_value` (Duchi et al., 2011)."""

    _elementwise = True

    def __init__(self, learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-7, **common):
        super().__init__(learning_rate, **common)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = config.epsilon() if epsilon is None else epsilon
        self._accumulators_of_squares = None

    def build(self, variables):
        """Make the slots."""
        if self.built:
            return
        super().build(variables)
        start = initializers.Constant(self.initial_accumulator_value)
        self._accumulators_of_squares = self.add_optimizer_variables(variables, "accumulator", initializer=[start])

    def update_all(self, grads, variables, learning_rate):
        """Update some variables by their gradients."""
        squares = self._slots(self._accumulators_of_squares, variables)
        updates.adagrad(tensors_of(variables), grads, squares, lr=learning_rate, epsilon=self.epsilon)

    def get_config(self):
        """The arguments that make an equal optimizer."""
        return super().get_config() | {
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }


class Adadelta(Optimizer):
    """Steps scaled by the ratio of running means of past steps and of gradients (Zeiler, 2012).

    ``s = rho * s + (1 - rho) * g^2; d = g * sqrt(e + epsilon) / sqrt(s + epsilon); w -= lr * d; e`` as s, of d^2.
    """

    _elementwise = True

    def __init__(self, learning_rate=0.001, rho=0.95, epsilon=1e-7, **common):
        super().__init__(learning_rate, **common)
        self.rho = rho
        self.epsilon = config.epsilon() if epsilon is None else epsilon
        self._accumulated_grads = self._accumulated_delta_vars = None

    def build(self, variables):
        """Make the slots."""
        if self.built:
            return
        super().build(variables)
        self._accumulated_grads, self._accumulated_delta_vars = self.add_optimizer_variables(
            variables, ["accumulated_grad", "accumulated_delta_var"]
        )

    def update_all(self, grads, variables, learning_rate):
        """Update some variables by their gradients."""
        updates.adadelta(
            tensors_of(variables),
            grads,
            self._slots(self._accumulated_grads, variables),
            self._slots(self._accumulated_delta_vars, variables),
            lr=learning_rate,
            rho=self.rho,
            epsilon=self.epsilon,
        )

    def get_config(self):
        """The arguments that make an equal optimizer."""
        return super().get_config() | {"rho": self.rho, "epsilon": self.epsilon}


class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan et al., 2013); the formula is at `ops.updates.ftrl`.

    Raises ValueError for a positive `learning_rate_power` and for negative strengths.
    """

    _elementwise = True

    def __init__(
        self,
        learning_rate=0.001,
        learning_rate_power=-0.5,
        initial_accumulator_value=0.1,
        l1_regularization_strength=0.0,
        l2_regularization_strength=0.0,
        l2_shrinkage_regularization_strength=0.0,
        beta=0.0,
        **common,
    ):
        super().__init__(learning_rate, **common)
        if learning_rate_power > 0.0:
            raise ValueError(
                f"`learning_rate_power` needs to be negative or zero. Received: "
                f"learning_rate_power={learning_rate_power}."
            )
        for name, value in (
            ("initial_accumulator_value", initial_accumulator_value),
            ("l1_regularization_strength", l1_regularization_strength),
            ("l2_regularization_strength", l2_regularization_strength),
            ("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength),
        ):
            if value < 0.0:
                raise ValueError(f"`{name}` needs to be positive or zero. Received: {name}={value}.")
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        self._squares = self._linears = None

    def build(self, variables):
        """Make the slots."""
        if self.built:
            return
        super().build(variables)
        start = initializers.Constant(self.initial_accumulator_value)
        self._squares, self._linears = self.add_optimizer_variables(
            variables, ["accumulator", "linear"], initializer=[start, "zeros"]
        )

    def update_all(self, grads, variables, learning_rate):
        """Update some variables by their gradients."""
        updates.ftrl(
            tensors_of(variables),
            grads,
            self._slots(self._squares, variables),
            self._slots(self._linears, variables),
            lr=learning_rate,
            power=self.learning_rate_power,
            l1=self.l1_regularization_strength,
            # Keras 3 divides beta by twice the rate and adds it to the strength.
            l2=self.l2_regularization_strength,
            shrinkage=self.l2_shrinkage_regularization_strength,
            beta=self.beta,
        )

    def get_config(self):
        """The arguments that make an equal optimizer."""
        return super().get_config() | {
            "learning_rate_power": self.learning_rate_power,
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }


class Lion(Optimizer):
    """Steps by the sign of an interpolated momentum: ``w -= lr * sign(b1 * m + (1 - b1) * g)`` (Chen et al., 2023).

    Raises ValueError for a beta_1 outside (0, 1].
    """

    _elementwise = True

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.99, **common):
        super().__init__(learning_rate, **common)
        if beta_1 <= 0 or beta_1 > 1:
            raise ValueError(
                explain(
                    "Argument `beta_1` must be in the (0, 1] range, else the optimizer degenerates to SignSGD",
                    given=f"beta_1={beta_1}",
                )
            )
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self._momentums = None

    def build(self, variables):
        """Make the slots."""
        if self.built:
            return
        super().build(variables)
        self._momentums = self.add_optimizer_variables(variables, "momentum")

    def update_all(self, grads, variables, learning_rate):
        """Update some variables by their gradients."""
        means = self._slots(self._momentums, variables)
        updates.lion(tensors_of(variables), grads, means, lr=learning_rate, beta1=self.beta_1, beta2=self.beta_2)

    def get_config(self):
        """The arguments that make an equal optimizer."""
        return super().get_config() | {"beta_1": self.beta_1, "beta_2": self.beta_2}
