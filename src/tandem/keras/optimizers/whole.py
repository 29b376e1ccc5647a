"""Optimizers that look at a variable as a whole, and the schedule-free one: Adafactor, Muon, ScheduleFreeAdamW.

Arguments that are not described here (`weight_decay`, `clipnorm`, `use_ema`, …) are `Optimizer`'s, by keyword.
"""

import re

from tandem.keras import config
from tandem.keras.optimizers.optimizer import Optimizer, tensor_of, tensors_of
from tandem.keras.optimizers.schedules.schedule import LearningRateSchedule
from tandem.keras.variables import Variable
from tandem.ops import matrix_updates as rules
from tandem.ops import steps, updates


class Adafactor(Optimizer):
    """Adam's second moments kept as sums of rows and columns (Shazeer and Stern, 2018).

    beta_2_decay: the decay of the moments is ``1 - t ^ beta_2_decay``; epsilon_1, epsilon_2: least squared gradient and
    least size of a variable; clip_threshold: of an update's root mean square; relative_step: a rate of at most
    ``1 / sqrt(t)``.
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_2_decay=-0.8,
        epsilon_1=1e-30,
        epsilon_2=1e-3,
        clip_threshold=1.0,
        relative_step=True,
        **common,
    ):
        super().__init__(learning_rate, **common)
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step
        self._r, self._c, self._v = [], [], []

    def build(self, variables):
        """Make the slots."""
        if self.built:
            return
        super().build(variables)
        for variable in variables:
            shape = tuple(variable.shape)
            if len(shape) < 2:
                # Keras keeps two numbers here that nothing uses; files hold them.
                for slots in (self._r, self._c):
                    slots.append(self._track(Variable(0, name=variable.name, trainable=False)))
            else:
                self._r.append(self.add_variable(shape[:-1], dtype=variable.dtype, name=variable.name))
                self._c.append(self.add_variable(shape[:-2] + shape[-1:], dtype=variable.dtype, name=variable.name))
            self._v.append(self.add_variable_from_reference(variable, name="velocity"))

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable by its gradient."""
        index = self._get_variable_index(variable)
        param = tensor_of(variable)
        matrix = param.dim() >= 2
        rules.adafactor(
            param,
            gradient,
            self._r[index].tensor if matrix else None,
            self._c[index].tensor if matrix else None,
            self._v[index].tensor,
            lr=learning_rate.to(param.dtype),
            step=steps.number(self._count(), param.dtype),
            beta2_decay=self.beta_2_decay,
            epsilon1=self.epsilon_1,
            epsilon2=self.epsilon_2,
            clip=self.clip_threshold,
            relative=self.relative_step and not isinstance(self._learning_rate, LearningRateSchedule),
        )

    def get_config(self):
        """The arguments that make an equal optimizer."""
        return super().get_config() | {
            "beta_2_decay": self.beta_2_decay,
            "epsilon_1": self.epsilon_1,
            "epsilon_2": self.epsilon_2,
            "clip_threshold": self.clip_threshold,
            "relative_step": self.relative_step,
        }


class Muon(Optimizer):
    """Momentum made orthogonal for matrices, AdamW for all other variables (Jordan, 2024).

    exclude_layers: regular expressions of paths of matrices that AdamW takes; exclude_embeddings: it takes those whose
    path names an embedding; adam_*: of AdamW, whose rate is `learning_rate * adam_lr_ratio`; muon_a, muon_b, muon_c,
    ns_steps: of the iteration; rms_rate: of the updates' size.
    """

    def __init__(
        self,
        learning_rate=0.001,
        adam_beta_1=0.9,
        adam_beta_2=0.999,
        adam_weight_decay=0.004,
        epsilon=1e-7,
        weight_decay=0.004,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name=None,
        exclude_layers=None,
        exclude_embeddings=True,
        muon_a=3.4445,
        muon_b=-4.7750,
        muon_c=2.0315,
        adam_lr_ratio=1,
        momentum=0.95,
        ns_steps=5,
        nesterov=True,
        rms_rate=0.2,
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
            **kwargs,
        )
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = config.epsilon() if epsilon is None else epsilon
        self.exclude_layers = exclude_layers or []
        self.exclude_embeddings = exclude_embeddings
        self.muon_a = muon_a
        self.muon_b = muon_b
        self.muon_c = muon_c
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = rms_rate
        self._momentums, self._velocities = [], []
        self._table = None

    def _should_use_adamw(self, variable):
        if len(variable.shape) != 2:
            return True
        path = getattr(variable, "path", variable.name)
        if self.exclude_embeddings and "embedding" in path.lower():
            return True
        return any(re.search(pattern, path) is not None for pattern in self.exclude_layers)

    def build(self, variables):
        """Make the slots."""
        if self.built:
            return
        super().build(variables)
        for variable in variables:
            self._momentums.append(self.add_variable_from_reference(variable, name="momentum"))
            adam = self._should_use_adamw(variable)
            self._velocities.append(self.add_variable_from_reference(variable, name="velocity") if adam else None)
        self._table = updates.bias_table(self.adam_beta_1, self.adam_beta_2, device=self._iterations.device)

    def update_all(self, grads, variables, learning_rate):
        """Update some variables by their gradients."""
        pairs = list(zip(grads, variables))
        adam = [pair for pair in pairs if self._should_use_adamw(pair[1])]
        matrices = [pair for pair in pairs if not self._should_use_adamw(pair[1])]
        if matrices:
            own = [variable for _, variable in matrices]
            rules.muon(
                tensors_of(own),
                [grad for grad, _ in matrices],
                self._slots(self._momentums, own),
                lr=learning_rate,
                momentum=self.momentum,
                nesterov=self.nesterov,
                steps=self.ns_steps,
                coefficients=(self.muon_a, self.muon_b, self.muon_c),
                rms_rate=self.rms_rate,
            )
        if adam:
            own = [variable for _, variable in adam]
            betas = (self.adam_beta_1, self.adam_beta_2)
            factor = updates.bias_factor(self._count(), self._table, *betas)
            updates.adam(
                tensors_of(own),
                [grad for grad, _ in adam],
                self._slots(self._momentums, own),
                self._slots(self._velocities, own),
                rate=steps.scaled(steps.scale(learning_rate, self.adam_lr_ratio), factor),
                beta1=self.adam_beta_1,
                beta2=self.adam_beta_2,
                epsilon=self.epsilon,
            )

    def _apply_weight_decay(self, variables, rate=None):
        rate = self._get_current_learning_rate() if rate is None else rate
        for adam, decay in ((True, self.adam_weight_decay), (False, self.weight_decay)):
            own = [
                tensor_of(variable)
                for variable in variables
                if self._should_use_adamw(variable) == adam and self._use_weight_decay(variable)
            ]
            if own and decay is not None:
                updates.decay_weights(own, rate.to(own[0].dtype), decay)

    def get_config(self):
        """The arguments that make an equal optimizer."""
        names = ("adam_beta_1", "adam_beta_2", "epsilon", "exclude_layers", "muon_a", "muon_b", "muon_c")
        names += ("adam_lr_ratio", "momentum", "ns_steps", "nesterov", "exclude_embeddings", "adam_weight_decay")
        return super().get_config() | {name: getattr(self, name) for name in (*names, "rms_rate")}


class ScheduleFreeAdamW(Optimizer):
    """AdamW whose weights are a running mean of a faster sequence, in place of a schedule (Defazio et al., 2024).

    warmup_steps: the rate rises in a straight line for so many steps.
    """

    _elementwise = True

    def __init__(self, learning_rate=0.0025, beta_1=0.9, beta_2=0.999, epsilon=1e-8, warmup_steps=0, **common):
        super().__init__(learning_rate, **common)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = config.epsilon() if epsilon is None else epsilon
        self.warmup_steps = warmup_steps
        self._momentums = self._velocities = None

    def build(self, variables):
        """Make the slots."""
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])
        for slot, variable in zip(self._momentums, variables):
            slot.assign(variable)

    def update_all(self, grads, variables, learning_rate):
        """Update some variables by their gradients."""
        rules.schedule_free(
            tensors_of(variables),
            grads,
            self._slots(self._momentums, variables),
            self._slots(self._velocities, variables),
            lr=learning_rate,
            step=steps.number(self._count(), learning_rate.dtype),
            beta2=self.beta_2,
            epsilon=self.epsilon,
            warmup=self.warmup_steps,
        )

    def get_config(self):
        """The arguments that make an equal optimizer."""
        return super().get_config() | {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "warmup_steps": self.warmup_steps,
        }
