"""The losses as functions of (y_true, y_pred): one value to a sample. The formulas are in `ops.losses`."""

from functools import wraps

from tandem.core.errors import explain
from tandem.core.graph import Symbolic
from tandem.keras import config, tensors
from tandem.keras.legacy.k_nodes import apply
from tandem.keras.losses.loss import same_rank
from tandem.ops import losses as rules


def _loss(rule, ranks=True, counts=None):
    """Make a public function of a function that gives its `ops.losses` call: see `mean_squared_error`.

    The decorated function prepares (y_true, y_pred, arguments of the rule); the result takes what a user has at hand.
    `.mean(y_true, y_pred, ...)` is the mean of all values, in one fused call where torch has one.
    counts(values, y_true): a mask of the values that a mean takes, which travels with them; None: all.
    """

    def decorate(prepare):
        def run(y_true, y_pred, reduction, args, kwargs):
            y_pred = tensors.convert(y_pred)
            if not y_pred.is_floating_point():
                y_pred = y_pred.to(tensors.convert(0.0).dtype)
            y_true = tensors.convert(y_true, device=y_pred.device)
            if ranks:
                y_true, y_pred = same_rank(y_true, y_pred)
            y_true, y_pred, options = prepare(y_true, y_pred, *args, **kwargs)
            values = rule(y_true, y_pred, reduction=reduction, **options)
            if counts is not None and reduction == "none":
                tensors.set_mask(values, counts(values, y_true, options))
            return values

        @wraps(prepare)
        def function(y_true, y_pred, *args, **kwargs):
            if isinstance(y_pred, Symbolic) or isinstance(y_true, Symbolic):
                return apply(function, y_true, y_pred, *args, **kwargs)
            return run(y_true, y_pred, "none", args, kwargs)

        def mean(y_true, y_pred, *args, **kwargs):
            return run(y_true, y_pred, "mean", args, kwargs)

        # A mean of chosen values is taken by the reduction; but the sparse crossentropy's own leaves them out too.
        if counts is None or rule is rules.sparse_categorical_crossentropy:
            function.mean = mean
        return function

    return decorate


def _labels_that_count(values, y_true, options):
    ignored = options["ignore_class"]
    return None if ignored is None else y_true.reshape(values.shape) != ignored


def _anchors_that_count(values, y_true, options):
    # An anchor without a positive or a negative has the loss 0.
    return values != 0


@_loss(rules.mean_squared_error)
def mean_squared_error(y_true, y_pred):
    """``mean((y_true - y_pred)^2)`` over the last axis."""
    return y_true, y_pred, {}


@_loss(rules.mean_absolute_error)
def mean_absolute_error(y_true, y_pred):
    """``mean(|y_true - y_pred|)`` over the last axis."""
    return y_true, y_pred, {}


@_loss(rules.mean_absolute_percentage_error)
def mean_absolute_percentage_error(y_true, y_pred):
    """``100 * mean(|y_true - y_pred| / max(|y_true|, epsilon))`` over the last axis."""
    return y_true, y_pred, {"epsilon": config.epsilon()}


@_loss(rules.mean_squared_logarithmic_error)
def mean_squared_logarithmic_error(y_true, y_pred):
    """``mean((log(y_true + 1) - log(y_pred + 1))^2)`` over the last axis, both at least epsilon."""
    return y_true, y_pred, {"epsilon": config.epsilon()}


@_loss(rules.huber)
def huber(y_true, y_pred, delta=1.0):
    """``mean(e^2 / 2)`` where ``|e| <= delta``, else ``mean(delta * |e| - delta^2 / 2)``, e the error (Huber, 1964)."""
    return y_true, y_pred, {"delta": float(delta)}


@_loss(rules.log_cosh)
def log_cosh(y_true, y_pred):
    """``mean(log(cosh(y_pred - y_true)))`` over the last axis."""
    return y_true, y_pred, {}


@_loss(rules.poisson)
def poisson(y_true, y_pred):
    """``mean(y_pred - y_true * log(y_pred + epsilon))`` over the last axis."""
    return y_true, y_pred, {"epsilon": config.epsilon()}


@_loss(rules.kl_divergence)
def kl_divergence(y_true, y_pred):
    """``sum(y_true * log(y_true / y_pred))`` over the last axis, both clipped to [epsilon, 1]."""
    return y_true, y_pred, {"epsilon": config.epsilon()}


@_loss(rules.cosine_similarity)
def cosine_similarity(y_true, y_pred, axis=-1):
    """``-sum(y_true / |y_true| * y_pred / |y_pred|)`` over `axis`: -1 for one direction."""
    return y_true, y_pred, {"axis": axis}


@_loss(rules.hinge)
def hinge(y_true, y_pred):
    """``mean(max(1 - y_true * y_pred, 0))`` over the last axis, the labels -1 and 1 (or all of them 0 and 1)."""
    return rules.signed(y_true.to(y_pred.dtype)), y_pred, {}


@_loss(rules.squared_hinge)
def squared_hinge(y_true, y_pred):
    """``mean(max(1 - y_true * y_pred, 0)^2)`` over the last axis, the labels -1 and 1 (or all of them 0 and 1)."""
    return rules.signed(y_true.to(y_pred.dtype)), y_pred, {}


@_loss(rules.categorical_hinge, ranks=False)
def categorical_hinge(y_true, y_pred):
    """``max(max((1 - y_true) * y_pred) - sum(y_true * y_pred) + 1, 0)`` over the last axis, y_true one-hot."""
    return y_true, y_pred, {}


@_loss(rules.binary_crossentropy)
def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """``-mean(y_true * log(y_pred) + (1 - y_true) * log(1 - y_pred))`` over `axis`.

    from_logits: y_pred goes through a sigmoid first; label_smoothing: y_true becomes ``y_true * (1 - s) + s / 2``.
    Raises ValueError where the shapes differ, and for targets outside [0, 1].
    """
    _check_same_shape("binary_crossentropy", y_true, y_pred)
    options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
    return y_true, y_pred, options | {"epsilon": config.epsilon()}


@_loss(rules.binary_focal_crossentropy)
def binary_focal_crossentropy(
    y_true,
    y_pred,
    apply_class_balancing=False,
    alpha=0.25,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
):
    """Binary crossentropy times ``(1 - p)^gamma``, p the probability of the right class (Lin et al., 2017).

    apply_class_balancing: weights the classes with `alpha` and ``1 - alpha`` besides.
    """
    _check_same_shape("binary_focal_crossentropy", y_true, y_pred)
    options = {"balanced": apply_class_balancing, "alpha": alpha, "gamma": gamma, "from_logits": from_logits}
    return y_true, y_pred, options | {"label_smoothing": label_smoothing, "axis": axis}


@_loss(rules.categorical_crossentropy, ranks=False)
def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """``-sum(y_true * log(y_pred))`` over `axis`, the axis of the classes.

    from_logits: y_pred goes through a softmax first, else it is divided by its sum; label_smoothing: y_true becomes
    ``y_true * (1 - s) + s / classes``. Raises ValueError where the shapes differ.
    """
    _check_classes(y_pred, axis)
    options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
    return y_true, y_pred, options | {"epsilon": config.epsilon()}


@_loss(rules.categorical_focal_crossentropy, ranks=False)
def categorical_focal_crossentropy(
    y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """``-sum(alpha * (1 - y_pred)^gamma * y_true * log(y_pred))`` over `axis` (Lin et al., 2017)."""
    _check_classes(y_pred, axis)
    if not isinstance(alpha, (int, float)):  # one for each class
        alpha = tensors.convert(alpha, y_pred.dtype, device=y_pred.device)
    options = {"alpha": alpha, "gamma": gamma, "from_logits": from_logits, "label_smoothing": label_smoothing}
    return y_true, y_pred, options | {"axis": axis, "epsilon": config.epsilon()}


@_loss(rules.sparse_categorical_crossentropy, ranks=False, counts=_labels_that_count)
def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None, axis=-1):
    """``-log(y_pred[y_true])``, y_true the numbers of the classes, which lie on `axis` of y_pred.

    from_logits: y_pred goes through a softmax first, else it is divided by its sum; ignore_class: a number whose loss
    is
    0. Raises ValueError for a label that is no class, and where the shapes do not fit.
    """
    if y_true.dim() == y_pred.dim() and y_true.shape[-1] == 1 and y_true.dim() > 1:
        y_true = y_true.squeeze(-1)
    options = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
    return y_true, y_pred, options | {"epsilon": config.epsilon()}


@_loss(rules.categorical_generalized_crossentropy, ranks=False)
def categorical_generalized_cross_entropy(y_true, y_pred, q):
    """``(1 - p^q) / q``, p the probability of the class numbered y_true; 0 < q < 1 (Zhang and Sabuncu, 2018)."""
    return y_true, y_pred, {"q": q}


@_loss(rules.dice)
def dice(y_true, y_pred, axis=None):
    """``1 - 2 * sum(y_true * y_pred) / (sum(y_true) + sum(y_pred))`` over `axis` (None: over everything)."""
    return y_true, y_pred, {"axis": axis, "epsilon": config.epsilon()}


@_loss(rules.tversky)
def tversky(y_true, y_pred, alpha=0.5, beta=0.5, axis=None):
    """Dice's loss with `alpha` for false positives and `beta` for false negatives (Salehi et al., 2017)."""
    return y_true, y_pred, {"alpha": alpha, "beta": beta, "axis": axis, "epsilon": config.epsilon()}


@_loss(rules.circle, ranks=False, counts=_anchors_that_count)
def circle(y_true, y_pred, ref_labels=None, ref_embeddings=None, remove_diagonal=True, gamma=80, margin=0.4):
    """Circle loss of labels and embeddings of length 1 (Sun et al., 2020)."""
    options = {"remove_diagonal": remove_diagonal, "gamma": float(gamma), "margin": margin}
    if ref_embeddings is not None:
        ref_embeddings = tensors.convert(ref_embeddings, y_pred.dtype, device=y_pred.device)
        ref_labels = y_true if ref_labels is None else tensors.convert(ref_labels, device=y_pred.device)
        options |= {"reference_embeddings": ref_embeddings, "reference_labels": ref_labels}
    return y_true, y_pred, options


@_loss(rules.ctc, ranks=False)
def ctc(y_true, y_pred):
    """Connectionist temporal classification (Graves et al., 2006).

    y_true: (batch, labels) class numbers, 0 standing for what is no label; y_pred: (batch, time, classes) logits, class
    0 the blank. Raises ValueError for other ranks.
    """
    if y_true.dim() != 2 or y_pred.dim() != 3:
        raise ValueError(
            explain(
                "The ranks of CTC's arguments are wrong",
                expected="y_true of shape (batch, max_length) and y_pred of shape (batch, max_length, num_classes)",
                given=f"y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}",
            )
        )
    return y_true, y_pred, {}


def _check_same_shape(name, y_true, y_pred):
    if y_true.shape != y_pred.shape:
        raise ValueError(
            explain(
                f"The targets of {name} do not fit the predictions",
                expected=f"y_true of shape {tuple(y_pred.shape)}, as y_pred",
                given=f"y_true.shape={tuple(y_true.shape)}",
            )
        )


def _check_classes(y_pred, axis):
    if y_pred.dim() and y_pred.shape[axis] == 1:
        import warnings

        warnings.warn(
            "In loss categorical_crossentropy, expected y_pred.shape to be (batch_size, num_classes) with "
            f"num_classes > 1. Received: y_pred.shape={tuple(y_pred.shape)}. Consider using 'binary_crossentropy' if "
            "you "
            "only have 2 classes.",
            SyntaxWarning,
            stacklevel=4,
        )


ALL = (
    mean_squared_error,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_logarithmic_error,
    huber,
    log_cosh,
    poisson,
    kl_divergence,
    cosine_similarity,
    hinge,
    squared_hinge,
    categorical_hinge,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    sparse_categorical_crossentropy,
    categorical_generalized_cross_entropy,
    dice,
    tversky,
    circle,
    ctc,
)
