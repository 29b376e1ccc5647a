"""The losses as metrics: their running means, unweighted or weighted."""

from tandem.keras.losses import functions
from tandem.keras.metrics.metric import Mean, MeanMetricWrapper, same_ranks
from tandem.ops import losses as rules
from tandem.ops import means


class _OfLoss(MeanMetricWrapper):
    """The running mean of a loss function without further arguments."""

    _direction = "down"
    _function = None
    _default_name = None

    def __init__(self, name=None, dtype=None):
        super().__init__(type(self)._function, name=name or self._default_name, dtype=dtype)

    def __init_subclass__(cls):
        if "_function" in vars(cls):
            cls._default_name = vars(cls).get("_default_name") or cls._function.__name__
            cls._function = staticmethod(cls._function)
            cls.__doc__ = f"The running mean of `keras.losses.{cls._function.__name__}`: {cls._function.__doc__}"


class MeanSquaredError(_OfLoss):
    _function = functions.mean_squared_error


class MeanAbsoluteError(_OfLoss):
    _function = functions.mean_absolute_error


class MeanAbsolutePercentageError(_OfLoss):
    _function = functions.mean_absolute_percentage_error


class MeanSquaredLogarithmicError(_OfLoss):
    _function = functions.mean_squared_logarithmic_error


class LogCoshError(_OfLoss):
    _function = functions.log_cosh
    _default_name = "logcosh"


class Poisson(_OfLoss):
    _function = functions.poisson


class KLDivergence(_OfLoss):
    _function = functions.kl_divergence


class Hinge(_OfLoss):
    _function = functions.hinge


class SquaredHinge(_OfLoss):
    _function = functions.squared_hinge


class CategoricalHinge(_OfLoss):
    _function = functions.categorical_hinge


class RootMeanSquaredError(Mean):
    """The root of the weighted mean of squared errors: ``sqrt(mean((y_true - y_pred)^2))``."""

    _direction = "down"

    def __init__(self, name="root_mean_squared_error", dtype=None):
        super().__init__(name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch."""
        y_true, y_pred = same_ranks(y_true, y_pred)
        # Element by element, and without a mask that travels with y_pred: as in Keras.
        super().update_state(rules.mean_squared_error(y_true, y_pred.detach(), axis=()), sample_weight)

    def result(self):
        """The root of the mean so far."""
        return means.root_mean(self.total.tensor, self.count.tensor)


def _negated_cosine(y_true, y_pred, axis=-1):
    return means.negated(functions.cosine_similarity(y_true, y_pred, axis=axis))


class CosineSimilarity(MeanMetricWrapper):
    """The running mean of the cosine of the angle between y_true and y_pred: 1 for one direction."""

    _direction = "up"

    def __init__(self, name="cosine_similarity", dtype=None, axis=-1):
        super().__init__(_negated_cosine, name=name, dtype=dtype, axis=axis)

    def get_config(self):
        """The arguments that make an equal metric."""
        config = super().get_config()
        if config["axis"] == -1:
            del config["axis"]  # Keras writes no such key
        return config


class BinaryCrossentropy(MeanMetricWrapper):
    """The running mean of `keras.losses.binary_crossentropy`; the arguments are described there."""

    _direction = "down"

    def __init__(self, name="binary_crossentropy", dtype=None, from_logits=False, label_smoothing=0):
        super().__init__(
            functions.binary_crossentropy,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


class CategoricalCrossentropy(MeanMetricWrapper):
    """The running mean of `keras.losses.categorical_crossentropy`; the arguments are described there."""

    _direction = "down"

    def __init__(self, name="categorical_crossentropy", dtype=None, from_logits=False, label_smoothing=0, axis=-1):
        super().__init__(
            functions.categorical_crossentropy,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The running mean of `keras.losses.sparse_categorical_crossentropy`; the arguments are described there."""

    _direction = "down"

    def __init__(
        self, name="sparse_categorical_crossentropy", dtype=None, from_logits=False, ignore_class=None, axis=-1
    ):
        super().__init__(
            functions.sparse_categorical_crossentropy,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
