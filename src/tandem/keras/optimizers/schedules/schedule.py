"""Learning rates that depend on the number of steps; the formulas are in `ops.steps`."""

from tandem.core.errors import explain
from tandem.keras import tensors
from tandem.ops import steps as rules


class LearningRateSchedule:
    """A function of the number of steps (an optimizer's counter, a 0-d integer tensor) that gives the learning rate.

    A subclass defines `__call__(step)` by tensor operations, and `get_config`.
    """

    def __call__(self, step):
        """The learning rate after `step` steps."""
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `__call__(self, step)`."
        )

    def get_config(self):
        """The arguments that make an equal schedule."""
        raise NotImplementedError(f"Learning rate schedule '{type(self).__name__}' must override `get_config()`.")

    @classmethod
    def from_config(cls, config):
        """The schedule that `get_config` describes."""
        return cls(**config)


class _Named(LearningRateSchedule):
    """A schedule whose config is its arguments; `_rule` gives the rate from the steps as a tensor."""

    _arguments = ()

    def __init__(self, name):
        self.name = name

    def __call__(self, step):
        """The learning rate after `step` steps, a 0-d float32 tensor."""
        return self._rule(tensors.convert(step))

    def get_config(self):
        """The arguments that make an equal schedule."""
        return {argument: getattr(self, argument) for argument in self._arguments} | {"name": self.name}

    def _positive(self, argument):
        if getattr(self, argument) <= 0:
            raise ValueError(
                explain(f"Argument `{argument}` must be > 0", given=f"{argument}={getattr(self, argument)}")
            )


class ExponentialDecay(_Named):
    """``initial_learning_rate * decay_rate ^ (step / decay_steps)``; with `staircase` the exponent is a whole
    number.
    """

    _arguments = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase")

    def __init__(self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="ExponentialDecay"):
        super().__init__(name)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self._positive("decay_steps")

    def _rule(self, step):
        return rules.exponential_decay(
            step, self.initial_learning_rate, self.decay_steps, self.decay_rate, self.staircase
        )


class InverseTimeDecay(_Named):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``; with `staircase` the quotient is whole."""

    _arguments = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase")

    def __init__(self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="InverseTimeDecay"):
        super().__init__(name)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self._positive("decay_steps")

    def _rule(self, step):
        return rules.inverse_time_decay(
            step, self.initial_learning_rate, self.decay_steps, self.decay_rate, self.staircase
        )


class PolynomialDecay(_Named):
    """From `initial_learning_rate` to `end_learning_rate` in `decay_steps`, by a power of the way that is left.

    cycle: begin again after `decay_steps`, over longer and longer spans.
    """

    _arguments = ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle")

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        end_learning_rate=0.0001,
        power=1.0,
        cycle=False,
        name="PolynomialDecay",
    ):
        super().__init__(name)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self._positive("decay_steps")

    def _rule(self, step):
        return rules.polynomial_decay(
            step, self.initial_learning_rate, self.decay_steps, self.end_learning_rate, self.power, self.cycle
        )


class PiecewiseConstantDecay(_Named):
    """``values[0]`` up to step ``boundaries[0]``, ``values[1]`` up to ``boundaries[1]``, and so on.

    Raises ValueError where there are not as many boundaries as values less one.
    """

    _arguments = ("boundaries", "values")

    def __init__(self, boundaries, values, name="PiecewiseConstant"):
        super().__init__(name)
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values. Received: "
                f"boundaries={boundaries} of length {len(boundaries)}, and values={values} of length {len(values)}."
            )
        self.boundaries = boundaries
        self.values = values

    def _rule(self, step):
        return rules.piecewise_constant(step, self.boundaries, self.values)


class CosineDecay(_Named):
    """Half a cosine down to `alpha` times the rate, after a linear rise to `warmup_target` in `warmup_steps`, if
    given.
    """

    _arguments = ("initial_learning_rate", "decay_steps", "alpha", "warmup_target", "warmup_steps")

    def __init__(
        self, initial_learning_rate, decay_steps, alpha=0.0, name="CosineDecay", warmup_target=None, warmup_steps=0
    ):
        super().__init__(name)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps
        self._positive("decay_steps")

    def _rule(self, step):
        return rules.cosine_decay(
            step, self.initial_learning_rate, self.decay_steps, self.alpha, self.warmup_target, self.warmup_steps
        )


class CosineDecayRestarts(_Named):
    """Cosines that begin again: each period `t_mul` times as long, its start `m_mul` times as high as the one
    before.
    """

    _arguments = ("initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha")

    def __init__(self, initial_learning_rate, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0, name="SGDRDecay"):
        super().__init__(name)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self._positive("first_decay_steps")

    def _rule(self, step):
        return rules.cosine_restarts(
            step, self.initial_learning_rate, self.first_decay_steps, self.t_mul, self.m_mul, self.alpha
        )


BUILT_IN = (
    ExponentialDecay,
    InverseTimeDecay,
    PolynomialDecay,
    PiecewiseConstantDecay,
    CosineDecay,
    CosineDecayRestarts,
)
