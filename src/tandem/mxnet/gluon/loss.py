"""`gluon.loss`: losses per sample.

Each is weighted with a number (`weight`) and an array (`sample_weight`, which broadcasts to the values), and is the
mean over all axes but `batch_axis`.
"""

from tandem.core.errors import explain
from tandem.mxnet import ndarray, util
from tandem.mxnet.base import numeric_types
from tandem.mxnet.gluon import extensions
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.utils import apply_op
from tandem.ops import losses

__all__ = [
    "CTCLoss",
    "CosineEmbeddingLoss",
    "HingeLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "L2Loss",
    "LogisticLoss",
    "Loss",
    "PoissonNLLLoss",
    "SDMLLoss",
    "SigmoidBCELoss",
    "SigmoidBinaryCrossEntropyLoss",
    "SoftmaxCELoss",
    "SoftmaxCrossEntropyLoss",
    "SquaredHingeLoss",
    "TripletLoss",
]


def _others(array, batch_axis):
    """All axes but one."""
    rank = array._tensor.dim()
    return tuple(axis for axis in range(rank) if axis != batch_axis % rank)


def _like(label, pred):
    """The label in the prediction's shape.

    Raises what `reshape` raises where it has another size.
    """
    return label if label.shape == pred.shape else label.reshape(pred.shape)


def _apply_weighting(F, loss, weight=None, sample_weight=None):
    """A loss times an array, which broadcasts, and times a number.

    Raises AssertionError for a weight that is no number.
    """
    if sample_weight is not None:
        loss = _weigh(F, loss, sample_weight)
    if weight is None:
        return loss
    if not isinstance(weight, numeric_types):
        raise AssertionError(explain("weight must be a number", given=repr(weight)))
    return loss * weight


def _weigh(F, values, sample_weight):
    """values · sample_weight; NumPy-like arrays may differ in dtype."""
    return values * sample_weight if util.is_np_array() else F.broadcast_mul(values, sample_weight)


def _reshape_like(F, x, y):
    """x in y's shape."""
    return x.reshape(y.shape) if F is ndarray else F.reshape_like(x, y)


class Loss(HybridBlock):
    """Base of losses.

    weight: a number that the loss is multiplied with, None for 1; batch_axis: the axis of samples.
    """

    def __init__(self, weight, batch_axis, **kwargs):
        super().__init__(**kwargs)
        self._weight = weight
        self._batch_axis = batch_axis

    def __repr__(self):
        return f"{type(self).__name__}(batch_axis={self._batch_axis}, w={self._weight})"

    def _loss(self, F, function, label, pred, sample_weight, factor=1.0, **options):
        """The mean of `function`'s values per sample, weighted.

        function: one of `ops.losses` that takes `axis`; factor: a number to multiply with.
        """
        label = _like(label, pred)
        if sample_weight is None:
            loss = apply_op(function, label, pred, axis=_others(pred, self._batch_axis), **options)
            return self._scaled(loss, factor)
        loss = self._scaled(apply_op(function, label, pred, axis=(), **options), factor)
        return F.mean(_weigh(F, loss, sample_weight), axis=self._batch_axis, exclude=True)

    def _scaled(self, loss, factor=1.0):
        """The loss times weight and factor.

        Raises AssertionError for a weight that is no number.
        """
        if self._weight is not None:
            if not isinstance(self._weight, numeric_types):
                raise AssertionError(explain("weight must be a number", given=repr(self._weight)))
            factor = factor * self._weight
        return loss if factor == 1 else loss * factor

    def _weighted_mean(self, F, values, sample_weight):
        """Values per element, weighted and averaged."""
        if sample_weight is not None:
            values = _weigh(F, values, sample_weight)
        return F.mean(self._scaled(values), axis=self._batch_axis, exclude=True)


class L2Loss(Loss):
    """weight/2 · mean((label − pred)²)."""

    def __init__(self, weight=1.0, batch_axis=0, **kwargs):
        super().__init__(weight, batch_axis, **kwargs)

    def hybrid_forward(self, F, pred, label, sample_weight=None):
        """The loss of each sample: (batch,)."""
        return self._loss(F, losses.mean_squared_error, label, pred, sample_weight, 0.5)


class L1Loss(Loss):
    """mean(|label − pred|)."""

    def __init__(self, weight=None, batch_axis=0, **kwargs):
        super().__init__(weight, batch_axis, **kwargs)

    def hybrid_forward(self, F, pred, label, sample_weight=None):
        """The loss of each sample: (batch,)."""
        return self._loss(F, losses.mean_absolute_error, label, pred, sample_weight)


class SigmoidBinaryCrossEntropyLoss(Loss):
    """−mean(label·log p + (1 − label)·log(1 − p)), p = sigmoid(pred).

    from_sigmoid: pred is p itself. The call's pos_weight multiplies the first term.
    """

    def __init__(self, from_sigmoid=False, weight=None, batch_axis=0, **kwargs):
        super().__init__(weight, batch_axis, **kwargs)
        self._from_sigmoid = from_sigmoid

    def hybrid_forward(self, F, pred, label, sample_weight=None, pos_weight=None):
        """The loss of each sample: (batch,)."""
        options = {"guard": "add", "epsilon": 1e-12} if self._from_sigmoid else {"from_logits": True}
        if pos_weight is not None:
            options["positive_weight"] = pos_weight._tensor
        return self._loss(F, losses.binary_crossentropy, label, pred, sample_weight, **options)


class SoftmaxCrossEntropyLoss(Loss):
    """−log p[label], p = softmax(pred) along `axis`.

    sparse_label: label is a class number (pred's shape without `axis`); otherwise −Σ label·log p; from_logits: pred is
    log p itself (MXNet's meaning of the word).
    A label that is no class counts as the nearest one, as in MXNet.
    """

    def __init__(self, axis=-1, sparse_label=True, from_logits=False, weight=None, batch_axis=0, **kwargs):
        super().__init__(weight, batch_axis, **kwargs)
        self._axis = axis
        self._sparse_label = sparse_label
        self._from_logits = from_logits

    def hybrid_forward(self, F, pred, label, sample_weight=None):
        """The loss of each sample: (batch,)."""
        options = {"from_logits": not self._from_logits, "from_log": self._from_logits, "axis": self._axis}
        if not self._from_logits and extensions.are_probabilities(pred):
            options = {"from_logits": False, "normalize": False, "axis": self._axis}
        if not self._sparse_label:
            loss = apply_op(losses.categorical_crossentropy, _like(label, pred), pred, **options)
        else:
            loss = apply_op(losses.sparse_categorical_crossentropy, label, pred, clip=True, **options)
        if sample_weight is not None or loss.ndim > 1:
            # Gluon keeps the class axis, of size 1, until it takes the mean: what the weights broadcast to.
            loss = F.expand_dims(loss, axis=self._axis % pred.ndim)
            return self._weighted_mean(F, loss, sample_weight)
        return self._scaled(loss)


class KLDivLoss(Loss):
    """Σ label·(log label − pred), pred being log-probabilities: the sum over all axes but `batch_axis`.

    from_logits: pred is that already (MXNet's meaning of the word); otherwise its log-softmax along `axis` is taken.
    """

    def __init__(self, from_logits=True, axis=-1, weight=None, batch_axis=0, **kwargs):
        super().__init__(weight, batch_axis, **kwargs)
        self._from_logits = from_logits
        self._axis = axis

    def hybrid_forward(self, F, pred, label, sample_weight=None):
        """The loss of each sample: (batch,)."""
        values = apply_op(
            losses.kl_divergence,
            label,
            pred,
            from_log=self._from_logits,
            softmax_axis=self._axis,
            epsilon=1e-12,
            guard="add",
            axis=(),
        )
        if sample_weight is not None:
            values = _weigh(F, values, sample_weight)
        return F.sum(self._scaled(values), axis=self._batch_axis, exclude=True)


class CTCLoss(Loss):
    """Connectionist temporal classification: −log p(label | pred) over all alignments; the blank is the last class.

    layout: of pred, 'NTC' or 'TNC'; label_layout: 'NT' or 'TN'. Labels without lengths end at the first −1.
    Raises AssertionError for another layout. Source: Graves et al. 2006.
    """

    def __init__(self, layout="NTC", label_layout="NT", weight=None, **kwargs):
        if layout not in ("NTC", "TNC"):
            raise AssertionError(
                explain("Only 'NTC' and 'TNC' layouts for pred are supported", given=f"layout={layout!r}")
            )
        if label_layout not in ("NT", "TN"):
            raise AssertionError(
                explain("Only 'NT' and 'TN' layouts for label are supported", given=f"label_layout={label_layout!r}")
            )
        self.__dict__["_layout"], self.__dict__["_label_layout"] = layout, label_layout
        super().__init__(weight, label_layout.find("N"), **kwargs)

    def hybrid_forward(self, F, pred, label, pred_lengths=None, label_lengths=None, sample_weight=None):
        """The loss of each sample: (batch,)."""
        if self._label_layout == "TN":
            label = label.swapaxes(0, 1)
        loss = apply_op(
            losses.ctc,
            label,
            pred,
            target_length=None if label_lengths is None else label_lengths._tensor.long(),
            output_length=None if pred_lengths is None else pred_lengths._tensor.long(),
            blank=-1,
            padding=-1,
            time_axis=self._layout.find("T"),
        )
        if sample_weight is not None:
            loss = _weigh(F, loss, sample_weight)
        return self._scaled(loss)


class HuberLoss(Loss):
    """mean of (label − pred)²/(2·rho) where |label − pred| ≤ rho, else |label − pred| − rho/2."""

    def __init__(self, rho=1, weight=None, batch_axis=0, **kwargs):
        super().__init__(weight, batch_axis, **kwargs)
        self._rho = rho

    def hybrid_forward(self, F, pred, label, sample_weight=None):
        """The loss of each sample: (batch,)."""
        return self._loss(F, losses.huber, label, pred, sample_weight, delta=float(self._rho), slope="one")


class HingeLoss(Loss):
    """mean(max(0, margin − pred·label)), labels −1 and 1."""

    def __init__(self, margin=1, weight=None, batch_axis=0, **kwargs):
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def hybrid_forward(self, F, pred, label, sample_weight=None):
        """The loss of each sample: (batch,)."""
        return self._loss(F, losses.hinge, label, pred, sample_weight, margin=self._margin)


class SquaredHingeLoss(Loss):
    """mean(max(0, margin − pred·label)²), labels −1 and 1."""

    def __init__(self, margin=1, weight=None, batch_axis=0, **kwargs):
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def hybrid_forward(self, F, pred, label, sample_weight=None):
        """The loss of each sample: (batch,)."""
        return self._loss(F, losses.squared_hinge, label, pred, sample_weight, margin=self._margin)


class LogisticLoss(Loss):
    """mean(log(1 + exp(−pred·label))).

    label_format: 'signed' (−1 and 1) or 'binary' (0 and 1).
    Raises ValueError for another format.
    """

    def __init__(self, weight=None, batch_axis=0, label_format="signed", **kwargs):
        super().__init__(weight, batch_axis, **kwargs)
        if label_format not in ("signed", "binary"):
            raise ValueError(explain("label_format can only be signed or binary", given=repr(label_format)))
        self._label_format = label_format

    def hybrid_forward(self, F, pred, label, sample_weight=None):
        """The loss of each sample: (batch,)."""
        return self._loss(F, losses.logistic, label, pred, sample_weight, labels=self._label_format)


class TripletLoss(Loss):
    """max(Σ((positive − pred)² − (negative − pred)²) + margin, 0)."""

    def __init__(self, margin=1, weight=None, batch_axis=0, **kwargs):
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def hybrid_forward(self, F, pred, positive, negative):
        """The loss of each sample: (batch,)."""
        axes = _others(pred, self._batch_axis)
        loss = apply_op(
            losses.triplet, pred, _like(positive, pred), _like(negative, pred), margin=self._margin, axis=axes
        )
        return self._scaled(loss)


class PoissonNLLLoss(Loss):
    """mean(exp(pred) − target·pred): the negative log-likelihood of Poisson counts, over all elements.

    from_logits: pred is the logarithm of the rate; otherwise mean(pred − target·log(pred + epsilon)); compute_full:
    adds Stirling's approximation of log(target!) where target > 1.
    """

    def __init__(self, weight=None, from_logits=True, batch_axis=0, compute_full=False, **kwargs):
        super().__init__(weight, batch_axis, **kwargs)
        self._from_logits = from_logits
        self._compute_full = compute_full

    def hybrid_forward(self, F, pred, target, sample_weight=None, epsilon=1e-08):
        """One loss for the batch: (1,)."""
        values = apply_op(
            losses.poisson_nll,
            _like(target, pred),
            pred,
            from_log=self._from_logits,
            full=self._compute_full,
            epsilon=epsilon,
            axis=(),
        )
        if sample_weight is not None:
            values = _weigh(F, values, sample_weight)
        return F.mean(self._scaled(values))


class CosineEmbeddingLoss(Loss):
    """1 − cos(a, b) where the label is 1, max(0, cos(a, b) − margin) where it is −1, along the last axis."""

    def __init__(self, weight=None, batch_axis=0, margin=0, **kwargs):
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def hybrid_forward(self, F, input1, input2, label, sample_weight=None):
        """The loss of each sample: (batch, 1)."""
        input1 = _like(input1, input2)
        loss = apply_op(
            losses.cosine_embedding, input1, input2, label.reshape(input1.shape[:-1]), margin=self._margin
        ).reshape((*input1.shape[:-1], 1))
        if sample_weight is not None:
            loss = _weigh(F, loss, sample_weight)
        return self._scaled(loss)


class SDMLLoss(Loss):
    """Smoothed deep metric learning: rows of x1 and x2 with one number belong together, all others apart.

    smoothing_parameter: the share of probability that goes to the others. Source: Bonadiman et al. 2019.
    """

    def __init__(self, smoothing_parameter=0.3, weight=1.0, batch_axis=0, **kwargs):
        super().__init__(weight, batch_axis, **kwargs)
        self.kl_loss = KLDivLoss(from_logits=True)
        self.smoothing_parameter = smoothing_parameter

    def hybrid_forward(self, F, x1, x2):
        """The loss of each sample: (batch,)."""
        batch, size = x1.shape
        rows, columns = F.expand_dims(x1, axis=1), F.expand_dims(x2, axis=0)
        distances = F.sum(
            F.square(F.broadcast_to(rows, (batch, batch, size)) - F.broadcast_to(columns, (batch, batch, size))),
            axis=2,
        )
        gold = F.eye(batch, ctx=x1.context)
        labels = gold * (1 - self.smoothing_parameter) + (1 - gold) * self.smoothing_parameter / (batch - 1)
        return self.kl_loss(F.log_softmax(-distances, axis=1), labels)


SigmoidBCELoss = SigmoidBinaryCrossEntropyLoss
SoftmaxCELoss = SoftmaxCrossEntropyLoss
