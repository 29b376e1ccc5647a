"""The losses as classes: each is its function with arguments, a reduction, a name and a dtype."""

from tandem.keras.losses import functions
from tandem.keras.losses.loss import LossFunctionWrapper


class _Plain(LossFunctionWrapper):
    """A loss whose function takes nothing but targets and predictions."""

    _fn = None
    _name = None

    def __init__(self, reduction="sum_over_batch_size", name=None, dtype=None):
        super().__init__(type(self)._fn, reduction=reduction, name=name or self._name, dtype=dtype)

    def __init_subclass__(cls):
        cls._name = cls._name or cls._fn.__name__
        cls._fn = staticmethod(cls._fn)
        cls.__doc__ = f"`keras.losses.{cls._fn.__name__}`, weighted and reduced: {cls._fn.__doc__}"


class MeanSquaredError(_Plain):
    _fn = functions.mean_squared_error


class MeanAbsoluteError(_Plain):
    _fn = functions.mean_absolute_error


class MeanAbsolutePercentageError(_Plain):
    _fn = functions.mean_absolute_percentage_error


class MeanSquaredLogarithmicError(_Plain):
    _fn = functions.mean_squared_logarithmic_error


class LogCosh(_Plain):
    _fn = functions.log_cosh


class Poisson(_Plain):
    _fn = functions.poisson


class KLDivergence(_Plain):
    _fn = functions.kl_divergence


class Hinge(_Plain):
    _fn = functions.hinge


class SquaredHinge(_Plain):
    _fn = functions.squared_hinge


class CategoricalHinge(_Plain):
    _fn = functions.categorical_hinge


class CTC(_Plain):
    _fn = functions.ctc


class Huber(LossFunctionWrapper):
    """`keras.losses.huber`, weighted and reduced; delta: where the parabola becomes a line."""

    def __init__(self, delta=1.0, reduction="sum_over_batch_size", name="huber_loss", dtype=None):
        super().__init__(functions.huber, reduction=reduction, name=name, dtype=dtype, delta=delta)

    def get_config(self):
        """The arguments that make an equal loss."""
        return _without_default(super().get_config(), "delta", 1.0)


class CosineSimilarity(LossFunctionWrapper):
    """`keras.losses.cosine_similarity`, weighted and reduced; axis: that of the vectors."""

    def __init__(self, axis=-1, reduction="sum_over_batch_size", name="cosine_similarity", dtype=None):
        super().__init__(functions.cosine_similarity, reduction=reduction, name=name, dtype=dtype, axis=axis)

    def get_config(self):
        """The arguments that make an equal loss."""
        return _without_default(super().get_config(), "axis", -1)


class BinaryCrossentropy(LossFunctionWrapper):
    """`keras.losses.binary_crossentropy`, weighted and reduced; the arguments are described there."""

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="binary_crossentropy",
        dtype=None,
    ):
        super().__init__(
            functions.binary_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class BinaryFocalCrossentropy(LossFunctionWrapper):
    """`keras.losses.binary_focal_crossentropy`, weighted and reduced; the arguments are described there."""

    def __init__(
        self,
        apply_class_balancing=False,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="binary_focal_crossentropy",
        dtype=None,
    ):
        super().__init__(
            functions.binary_focal_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalCrossentropy(LossFunctionWrapper):
    """`keras.losses.categorical_crossentropy`, weighted and reduced; the arguments are described there."""

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="categorical_crossentropy",
        dtype=None,
    ):
        super().__init__(
            functions.categorical_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """`keras.losses.categorical_focal_crossentropy`, weighted and reduced; the arguments are described there."""

    def __init__(
        self,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="categorical_focal_crossentropy",
        dtype=None,
    ):
        super().__init__(
            functions.categorical_focal_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """`keras.losses.sparse_categorical_crossentropy`, weighted and reduced; the arguments are described there.

    ignore_class: labels of this number are left out of the mean too.
    """

    def __init__(
        self,
        from_logits=False,
        ignore_class=None,
        reduction="sum_over_batch_size",
        axis=-1,
        name="sparse_categorical_crossentropy",
        dtype=None,
    ):
        super().__init__(
            functions.sparse_categorical_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )

    def get_config(self):
        """The arguments that make an equal loss."""
        return _without_default(super().get_config(), "axis", -1)


class CategoricalGeneralizedCrossEntropy(LossFunctionWrapper):
    """`keras.losses.categorical_generalized_cross_entropy`, weighted and reduced. Raises ValueError for q outside
    (0, 1).
    """

    def __init__(
        self, q=0.5, reduction="sum_over_batch_size", name="categorical_generalized_cross_entropy", dtype=None
    ):
        if not 0 < q < 1:
            raise ValueError("q must be in the interval (0, 1)")
        super().__init__(
            functions.categorical_generalized_cross_entropy, reduction=reduction, name=name, dtype=dtype, q=q
        )


class Circle(LossFunctionWrapper):
    """`keras.losses.circle`, weighted and reduced; the arguments are described there."""

    def __init__(
        self,
        gamma=80.0,
        margin=0.4,
        remove_diagonal=True,
        reduction="sum_over_batch_size",
        name="circle",
        dtype=None,
    ):
        super().__init__(
            functions.circle,
            reduction=reduction,
            name=name,
            dtype=dtype,
            gamma=gamma,
            margin=margin,
            remove_diagonal=remove_diagonal,
        )


class Dice(LossFunctionWrapper):
    """`keras.losses.dice`, reduced; axis: what is summed over."""

    def __init__(self, reduction="sum_over_batch_size", name="dice", axis=None, dtype=None):
        super().__init__(functions.dice, reduction=reduction, name=name, dtype=dtype, axis=axis)


class Tversky(LossFunctionWrapper):
    """`keras.losses.tversky`, reduced; alpha and beta weight false positives and false negatives."""

    def __init__(self, alpha=0.5, beta=0.5, reduction="sum_over_batch_size", name="tversky", axis=None, dtype=None):
        super().__init__(
            functions.tversky, reduction=reduction, name=name, dtype=dtype, alpha=alpha, beta=beta, axis=axis
        )


def _without_default(config, name, default):
    # Keras writes no such key; where it holds something else, leaving it out would make another loss.
    if config[name] == default:
        del config[name]
    return config


ALL = tuple(
    kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, LossFunctionWrapper) and kind not in (LossFunctionWrapper, _Plain)
)
