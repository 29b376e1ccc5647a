"""Arguments of Keras 1's and 2's optimizers, in today's terms."""

from tandem.core.errors import explain, suggest, warn

_TODAY = (
    "learning_rate",
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
    "name",
)
_told = set()


def take(kind, learning_rate, kwargs):
    """(learning rate, decay) of an optimizer that got `lr` or `decay`. Raises ValueError for any other argument.

    decay has Keras 2's meaning: step number t, from 0, has the rate ``lr / (1 + decay * t)``.
    """
    kwargs = dict(kwargs)
    if "lr" in kwargs:
        learning_rate = kwargs.pop("lr")
        _tell(f"keras.optimizers.{kind}: write `learning_rate` for `lr`.")
    decay = kwargs.pop("decay", None) or 0.0
    if decay:
        _tell(
            f"keras.optimizers.{kind}: for `decay={decay}` write "
            f"learning_rate=keras.optimizers.schedules.InverseTimeDecay({learning_rate}, 1, {decay})."
        )
    # What steered graphs of TensorFlow 1 and has had no meaning since.
    kwargs.pop("jit_compile", None)
    if kwargs:
        name = next(iter(kwargs))
        raise ValueError(
            explain(f"{kind} has no argument {name!r}", given=f"{name}={kwargs[name]!r}", hint=suggest(name, _TODAY))
        )
    return learning_rate, float(decay)


def _tell(message):
    if message not in _told:
        _told.add(message)
        warn(message, DeprecationWarning)
