"""Training in float16: the loss is scaled so that small gradients do not vanish."""

import torch

from tandem.core.errors import explain
from tandem.keras.optimizers.optimizer import Optimizer, tensors_of
from tandem.ops import steps


class LossScaleOptimizer(Optimizer):
    """Multiplies the loss, and divides the gradients, by a scale that follows what the gradients can bear.

    A step whose gradients are not all finite changes nothing but halves the scale; `dynamic_growth_steps` good steps in
    a row double it. inner_optimizer: makes the steps; initial_scale: to begin with. Raises ValueError where the inner
    optimizer has a `loss_scale_factor`. Micikevicius et al., 2017 (arXiv 1710.03740).
    """

    def __init__(self, inner_optimizer, initial_scale=2.0**15, dynamic_growth_steps=2000, name=None, **kwargs):
        if not isinstance(inner_optimizer, Optimizer) or inner_optimizer.loss_scale_factor is not None:
            raise ValueError(
                explain(
                    "LossScaleOptimizer wraps an optimizer without a `loss_scale_factor`", given=repr(inner_optimizer)
                )
            )
        kwargs.pop("dynamic", None)
        super().__init__(learning_rate=0.0, name=name, **kwargs)
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        self.step_counter = self.add_variable((), dtype="int32", name="step_counter")
        self.dynamic_scale = self.add_variable((), dtype="float32", name="dynamic_scale")
        self.dynamic_scale.assign(initial_scale)

    @classmethod
    def wrap(cls, optimizer):
        """The optimizer itself where it scales losses already, else one around it."""
        if isinstance(optimizer, LossScaleOptimizer) or optimizer.loss_scale_factor is not None:
            return optimizer
        return cls(optimizer, name="loss_scale_optimizer")

    def build(self, variables):
        """Make the inner optimizer's slots."""
        if self.built:
            return
        self.inner_optimizer.build(variables)
        self._trainable_variables = list(variables)
        self._index = {id(variable): number for number, variable in enumerate(variables)}
        self.built = True

    @property
    def variables(self):
        """The scale's variables, then the inner optimizer's."""
        return self._variables + self.inner_optimizer.variables

    @property
    def counter(self):
        """How many steps the inner optimizer took part in: an int32 variable."""
        return self.inner_optimizer.counter

    @property
    def iterations(self):
        """How many steps the inner optimizer made."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self):
        """The inner optimizer's learning rate."""
        inner = self.__dict__.get("inner_optimizer")
        return self._learning_rate if inner is None else inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self.inner_optimizer.learning_rate = value

    lr = learning_rate

    @property
    def needs_phase(self):
        """Whether Python has a part in each step of the inner optimizer: only where its learning rate is a function.

        Which steps count, and with them the turn of what is done now and then, is known to the device alone.
        """
        return self.inner_optimizer._calls_rate

    def phase(self, count=None):
        """None: see `needs_phase`."""

    def in_phase(self, phase):
        """Let the inner optimizer call its learning rate before the block."""
        return self.inner_optimizer.in_phase(phase)

    def scale_loss(self, loss):
        """The loss times the scale."""
        return self.inner_optimizer.scale_loss(steps.scaled(loss, self.dynamic_scale.tensor))

    def _apply(self, grads, variables):
        grads, variables = self._without_empty(grads, variables)
        scale, counter = self.dynamic_scale.tensor, self.step_counter.tensor
        grads = [steps.scaled(grad, part) for grad, part in zip(grads, [steps.inverse(scale)] * len(grads))]
        finite = steps.all_finite(grads)
        # There is no branch in a recorded step: it is made, and taken back where it must not count.
        changed = tensors_of(variables) + [variable.tensor for variable in self.inner_optimizer.variables]
        before = [tensor.detach().clone() for tensor in changed]
        with torch.no_grad():
            self.inner_optimizer._apply(grads, variables)
            steps.choose(finite, changed, before)
            steps.adjust_loss_scale(scale, counter, finite, self.dynamic_growth_steps)

    def finalize_variable_values(self, var_list):
        """Let the inner optimizer write its averages over the weights, where it keeps them."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self):
        """The arguments that make an equal optimizer."""
        from tandem.keras import optimizers

        return {
            "name": self.name,
            "inner_optimizer": optimizers.serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The optimizer that `get_config` describes."""
        from tandem.keras import optimizers

        inner = optimizers.deserialize(config["inner_optimizer"], custom_objects=custom_objects)
        return cls(inner, **{name: value for name, value in config.items() if name != "inner_optimizer"})
