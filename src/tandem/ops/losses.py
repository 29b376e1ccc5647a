"""Losses of a prediction against its target.

Every function takes ``(target, output)``, the target in any dtype that converts to the output's, and

    axis: the axes of one sample that the loss is averaged over (some losses sum: they say so); ``()`` leaves one value
        to each element, to be weighted and reduced by `reduce`.
    reduction: "none" gives one value to a sample, "mean" and "sum" one value for all of them. Ask for "mean" where
        there are neither weights nor a mask: it is one fused call where torch has one.

A label that is no class raises ValueError on the CPU, by the bounds check of the kernel that uses it: nothing is read
back. In a replay of recorded kernels the same check raises IndexError. Elsewhere, where such a check would bring down
the process, the loss is NaN.
"""

import math

import torch
import torch.nn.functional as F

EPSILON = 1e-7  # Keras's backend.epsilon()

_REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}  # as torch's kernels number them
_NO_LABEL = -(2**63)  # nll_loss would silently skip its default ignore_index, -100


def reduce(
    loss,
    *,
    reduction="sum_over_batch_size",
    weights=None,
    mask=None,
    batch_axis=None,
    within="mean",
    scale=None,
    share=None,
):
    """Weights the values of a loss, leaves out masked ones, and reduces what is left.

    loss: any shape; weights, mask: fit its leading axes or broadcast to it.
    reduction: "sum_over_batch_size" or "mean" divides the weighted sum by the number of values (of valid ones, with a
    mask), "mean_with_sample_weight" by the sum of the given weights (times the mask), "sum" by nothing; "none" keeps
    the values. 0 where there is nothing to divide by.
    batch_axis: takes the mean (``within="sum"``: the sum) of the weighted values over all other axes before that, as
    gluon does. scale: a number to multiply by. share: where other processes have other rows, what says what to divide
    by: an object with `divisor(own)` and `total(own)`, see `engine.distributed.shards`.
    """
    total = None
    if mask is not None:
        mask = aligned(mask, loss).to(loss.dtype)
    if weights is not None:
        weights = aligned(weights.to(loss.dtype), loss)
        if mask is not None:
            weights = weights * mask
        total = weights
    elif mask is not None:
        weights = total = mask
    if weights is not None:
        loss = loss * weights
    if batch_axis is not None:
        others = [a for a in range(loss.dim()) if a != batch_axis % loss.dim()]
        if others:
            loss = loss.sum(others) if within == "sum" else loss.mean(others)
    if reduction in ("sum_over_batch_size", "mean"):
        if mask is None:
            loss = loss.mean()
        else:
            valid = mask.expand_as(loss).sum()
            # Another process's rows may be valid where none of these is: a share of their number is less than 1.
            loss = loss.sum() / (valid.clamp(min=1) if share is None else share.divisor(valid).clamp(min=1e-9))
    elif reduction == "mean_with_sample_weight":
        if total is None:
            loss = loss.mean()
        else:
            total = total.sum() if share is None else share.divisor(total.sum())
            loss = loss.sum() * torch.where(total == 0, 0.0, 1 / torch.where(total == 0, 1.0, total))
    elif reduction == "sum":
        loss = loss.sum() if share is None else share.total(loss.sum())
    elif reduction not in ("none", None):
        raise ValueError(
            "Unknown reduction: expected 'sum_over_batch_size', 'mean', 'mean_with_sample_weight', 'sum' or 'none', "
            f"given {reduction!r}"
        )
    return loss if scale is None or scale == 1 else loss * scale


def aligned(values, loss):
    """Values of lower rank get axes at the end if they fit the leading axes; else they broadcast as they are."""
    missing = loss.dim() - values.dim()
    if missing > 0 and values.dim() and values.shape == loss.shape[: values.dim()]:
        return values.reshape(*values.shape, *[1] * missing)
    while missing < 0 and values.shape[-1] == 1:
        values, missing = values.squeeze(-1), missing + 1
    return values


def _pair(target, output):
    """The target in the output's dtype, both of one shape."""
    target = target.to(output.dtype)
    return (target, output) if target.shape == output.shape else torch.broadcast_tensors(target, output)


def _finish(values, axis, reduction):
    """The mean over axis, then the reduction over what is left."""
    if reduction == "mean":
        return values.mean()
    if reduction == "sum":
        return values.sum() / _size(values, axis)
    return values if axis == () else values.mean(axis)


def _finish_sums(sums, reduction):
    return sums.mean() if reduction == "mean" else sums.sum() if reduction == "sum" else sums


def _size(values, axis):
    axes = range(values.dim()) if axis is None else (axis,) if isinstance(axis, int) else axis
    return math.prod(values.shape[a] for a in axes) if values.dim() else 1


def _fused(function, target, output, axis, reduction, **options):
    """A torch loss that can itself take the mean or the sum of its values."""
    target, output = _pair(target, output)
    if reduction == "none":
        return _finish(function(output, target, reduction="none", **options), axis, "none")
    loss = function(output, target, reduction=reduction, **options)
    return loss if reduction == "mean" else loss / _size(output, axis)


# --- regression ----------------------------------------------------------------------------------------------------


def mean_squared_error(target, output, *, axis=-1, reduction="none"):
    """``mean((t - y)^2)``."""
    return _fused(F.mse_loss, target, output, axis, reduction)


def mean_absolute_error(target, output, *, axis=-1, reduction="none"):
    """``mean(|t - y|)``."""
    return _fused(F.l1_loss, target, output, axis, reduction)


def mean_absolute_percentage_error(target, output, *, axis=-1, epsilon=EPSILON, reduction="none"):
    """``100 * mean(|t - y| / max(|t|, epsilon))``."""
    target, output = _pair(target, output)
    values = (torch.abs(target - output) / target.abs().clamp(min=epsilon)) * 100
    return _finish(values, axis, reduction)


def mean_squared_logarithmic_error(target, output, *, axis=-1, epsilon=EPSILON, reduction="none"):
    """``mean((log(max(t, epsilon) + 1) - log(max(y, epsilon) + 1))^2)``."""
    target, output = _pair(target, output)
    target, output = torch.log1p(target.clamp(min=epsilon)), torch.log1p(output.clamp(min=epsilon))
    return _fused(F.mse_loss, target, output, axis, reduction)


def huber(target, output, *, delta=1.0, slope="delta", axis=-1, reduction="none"):
    """``mean(e^2 / 2)`` where ``|e| <= delta``, else ``mean(delta |e| - delta^2 / 2)``, e the error.

    slope: of the outer branches: "delta", or "one", which divides all by delta (gluon's Huber). Huber, 1964.
    """
    if slope == "delta":
        return _fused(F.huber_loss, target, output, axis, reduction, delta=delta)
    return _fused(F.smooth_l1_loss, target, output, axis, reduction, beta=delta)


def log_cosh(target, output, *, axis=-1, reduction="none"):
    """``mean(log(cosh(y - t)))``."""
    target, output = _pair(target, output)
    error = output - target
    return _finish(error + F.softplus(error * -2) - math.log(2), axis, reduction)


def poisson(target, output, *, axis=-1, epsilon=EPSILON, reduction="none"):
    """``mean(y - t log(y + epsilon))``."""
    target, output = _pair(target, output)
    return _finish(torch.addcmul(output, target, torch.log(output + epsilon), value=-1), axis, reduction)


def poisson_nll(target, output, *, from_log=True, full=False, epsilon=1e-8, axis=-1, reduction="none"):
    """``mean(exp(y) - t y)``, or ``mean(y - t log(y + epsilon))`` where y is not a logarithm.

    full: adds Stirling's ``t log t - t + log(2 pi t) / 2`` where ``t > 1``.
    """
    target, output = _pair(target, output)
    values = F.poisson_nll_loss(output, target, log_input=from_log, full=full, eps=epsilon, reduction="none")
    return _finish(values, axis, reduction)


def cosine_similarity(target, output, *, axis=-1, epsilon=1e-12, reduction="none"):
    """``-sum(t / |t| * y / |y|)`` over axis: -1 for one direction, 0 where either is 0."""
    target, output = _pair(target, output)
    lengths = torch.linalg.vector_norm(target, dim=axis).clamp(min=epsilon)
    lengths = lengths * torch.linalg.vector_norm(output, dim=axis).clamp(min=epsilon)
    return _finish_sums(-torch.sum(target * output, axis) / lengths, reduction)


# --- margins -------------------------------------------------------------------------------------------------------


def signed(target):
    """Labels -1 and 1: if every label is 0 or 1 they become ``2 t - 1``, else they stay as they are."""
    binary = ((target == 0) | (target == 1)).all()
    return torch.where(binary, target * 2 - 1, target)


def hinge(target, output, *, margin=1.0, axis=-1, reduction="none"):
    """``mean(max(margin - t y, 0))``, t being -1 or 1 (`signed` converts)."""
    target, output = _pair(target, output)
    return _finish(torch.relu(margin - target * output), axis, reduction)


def squared_hinge(target, output, *, margin=1.0, axis=-1, reduction="none"):
    """``mean(max(margin - t y, 0)^2)``, t being -1 or 1 (`signed` converts)."""
    target, output = _pair(target, output)
    return _finish(torch.square(torch.relu(margin - target * output)), axis, reduction)


def categorical_hinge(target, output, *, reduction="none"):
    """``max(max((1 - t) y) - sum(t y) + 1, 0)`` over the last axis, t one-hot."""
    target, output = _pair(target, output)
    right = target * output
    return _finish_sums(torch.relu((output - right).amax(-1) - right.sum(-1) + 1), reduction)


def triplet(anchor, positive, negative, *, margin=1.0, axis=-1, reduction="none"):
    """``max(sum((p - a)^2 - (n - a)^2) + margin, 0)``, the sum over axis (all but the batch in gluon)."""
    values = F.mse_loss(anchor, positive, reduction="none") - F.mse_loss(anchor, negative, reduction="none")
    return _finish_sums(torch.relu(values.sum(axis) + margin), reduction)


def cosine_embedding(a, b, target, *, margin=0.0, axis=-1, epsilon=1e-12, reduction="none"):
    """``1 - cos(a, b)`` where the target is 1, ``clip(cos(a, b) - margin, 0, 1 - margin)`` where it is -1."""
    lengths = torch.linalg.vector_norm(a, dim=axis) * torch.linalg.vector_norm(b, dim=axis)
    cosine = (a * b).sum(axis) / lengths.clamp(min=epsilon)
    return _finish_sums(torch.where(target == 1, 1 - cosine, (cosine - margin).clamp(0, 1 - margin)), reduction)


# --- two classes ---------------------------------------------------------------------------------------------------


def binary_crossentropy(
    target,
    output,
    *,
    from_logits=False,
    label_smoothing=0.0,
    positive_weight=None,
    epsilon=EPSILON,
    guard="clip",
    axis=-1,
    reduction="none",
):
    """``-mean(t log(y) + (1 - t) log(1 - y))``.

    output: probabilities, or logits (then ``y = sigmoid(output)``). guard: keeps probabilities from 0 and 1: "clip",
    ``clip(y, epsilon, 1 - epsilon)`` (Keras), "add", ``log(y + epsilon)`` (MXNet, 1e-12).
    label_smoothing: the target becomes ``t (1 - s) + s / 2``. positive_weight: a tensor that multiplies ``t log(y)``.
    Raises ValueError for targets outside [0, 1] with clipped probabilities on the CPU.
    """
    target, output = _pair(target, output)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / 2
    if from_logits:
        loss = F.binary_cross_entropy_with_logits
        return _fused(loss, target, output, axis, reduction, pos_weight=positive_weight)
    if guard == "add":
        yes, no = target * torch.log(output + epsilon), (1 - target) * torch.log(1 - output + epsilon)
        return _finish(-(yes + no if positive_weight is None else yes * positive_weight + no), axis, reduction)
    if output.device.type == "cpu" and positive_weight is None:
        try:
            return _fused(F.binary_cross_entropy, target, F.hardtanh(output, epsilon, 1 - epsilon), axis, reduction)
        except RuntimeError:
            # The kernel's check is that all values are within [0, 1]: a target is not, or an output is NaN. The second
            # is the caller's to see in the loss.
            if bool(((target < 0) | (target > 1)).any()):
                raise ValueError(
                    "A target of binary crossentropy is no probability: expected values from 0 to 1, "
                    f"given {float(target.min()):g} to {float(target.max()):g}"
                ) from None
    loss = F.binary_cross_entropy_with_logits
    return _fused(loss, target, torch.logit(output, epsilon), axis, reduction, pos_weight=positive_weight)


def logistic(target, output, *, labels="signed", axis=-1, reduction="none"):
    """``mean(log(1 + exp(-t y)))`` of labels -1 and 1 ("signed"); the same of labels 0 and 1 ("binary")."""
    if labels == "signed":
        target = (target + 1) / 2
    return binary_crossentropy(target, output, from_logits=True, axis=axis, reduction=reduction)


def binary_focal_crossentropy(
    target,
    output,
    *,
    balanced=False,
    alpha=0.25,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
    reduction="none",
):
    """Binary crossentropy times ``(1 - p)^gamma``, p the probability of the right class (Lin et al., 2017).

    balanced: times ``alpha`` for class 1 and ``1 - alpha`` for class 0 besides.
    """
    target, output = _pair(target, output)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / 2
    values = binary_crossentropy(target, output, from_logits=from_logits, axis=())
    y = torch.sigmoid(output) if from_logits else output
    values = torch.pow(1 - torch.lerp(1 - y, y, target), gamma) * values
    if balanced:
        values = (target * (2 * alpha - 1) + (1 - alpha)) * values
    return _finish(values, axis, reduction)


# --- many classes --------------------------------------------------------------------------------------------------


def _log_probabilities(output, from_logits, from_log, normalize, axis, epsilon):
    if from_log:
        return output
    if from_logits:
        return torch.log_softmax(output, axis)
    if normalize:
        output = output / output.sum(axis, keepdim=True)
    # hardtanh clamps, and its gradient is one call; clamp's takes four.
    return torch.log(F.hardtanh(output, epsilon, 1 - epsilon))


def categorical_crossentropy(
    target,
    output,
    *,
    from_logits=False,
    from_log=False,
    normalize=True,
    label_smoothing=0.0,
    axis=-1,
    epsilon=EPSILON,
    reduction="none",
):
    """``-sum(t log(y))`` over the class axis.

    target: as output, probabilities of the classes. output: probabilities (divided by their sum, clipped to
    [epsilon, 1 - epsilon]), logits, or with ``from_log`` log-probabilities. normalize=False leaves out the division,
    for an output that is a softmax. label_smoothing: the target becomes ``t (1 - s) + s / classes``.
    """
    target = target.to(output.dtype)
    if target.shape != output.shape:
        raise ValueError(
            "The target of a categorical crossentropy has one probability to a class: expected the output's shape "
            f"{tuple(output.shape)}, given {tuple(target.shape)}; for class numbers there is the sparse crossentropy"
        )
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / output.shape[axis]
    logs = _log_probabilities(output, from_logits, from_log, normalize, axis, epsilon)
    if reduction == "none":
        return -torch.sum(target * logs, axis)
    total = torch.dot(logs.reshape(-1), target.reshape(-1))
    return total * (-1.0 if reduction == "sum" else -output.shape[axis] / max(output.numel(), 1))


def sparse_categorical_crossentropy(
    target,
    output,
    *,
    from_logits=False,
    from_log=False,
    normalize=True,
    ignore_class=None,
    clip=False,
    axis=-1,
    epsilon=EPSILON,
    reduction="none",
):
    """``-log(y[t])``, t the number of the class; the rest as `categorical_crossentropy`.

    target: the output's shape less the class axis (or 1 there), any dtype, cut to integers. ignore_class: a label whose
    loss is 0 and which the mean leaves out; clip: a label that is no class counts as the nearest one.
    Raises ValueError for another label that is no class (see the module).
    """
    if clip:
        target = target.clamp(0, output.shape[axis] - 1)
    if from_logits and ignore_class is None and output.dim() == 2 and axis in (1, -1) and output.is_cpu:
        shape = output.shape
        if target.dim() == 1 and target.shape[0] == shape[0] and not from_log:  # one call
            try:
                kind = _REDUCTIONS[reduction]
                return torch._C._nn.cross_entropy_loss(output, target.long(), None, kind, _NO_LABEL, 0.0)
            except IndexError:
                raise not_a_class(target.long(), shape[1]) from None
    logs = _log_probabilities(output, from_logits, from_log, normalize, axis, epsilon)
    axis %= output.dim()
    classes = output.shape[axis]
    if target.dim() == output.dim():
        target = target.squeeze(axis)
    if target.shape != (*output.shape[:axis], *output.shape[axis + 1 :]):
        raise ValueError(
            "The labels do not fit the output: expected shape "
            f"{(*output.shape[:axis], *output.shape[axis + 1 :])} of class numbers, given {tuple(target.shape)} for an "
            f"output of shape {tuple(output.shape)}"
        )
    shape = target.shape
    target = target.long()
    ignored = _NO_LABEL if ignore_class is None else ignore_class
    if axis != 1:  # torch has the classes on axis 1
        logs, target = logs.movedim(axis, -1).reshape(-1, classes), target.reshape(-1)
    elif logs.dim() == 2:
        target = target.reshape(-1)
    mean = reduction == "mean" and ignore_class is None
    kind = "mean" if mean else "none" if reduction == "none" else "sum"
    valid = None
    if logs.device.type not in ("cpu", "meta"):
        valid = ((target >= 0) & (target < classes)) | (target == ignored)
        target = torch.where(valid, target, 0)
    try:
        loss = F.nll_loss(logs, target, reduction=kind, ignore_index=ignored)
    except IndexError:
        raise not_a_class(target, classes, ignore_class) from None
    if valid is not None:
        loss = torch.where(valid if kind == "none" else valid.all(), loss, math.nan)
    if reduction == "mean" and not mean:
        # All ignored: 0, where the fused mean would be 0 / 0.
        return loss / (target != ignored).sum().clamp(min=1)
    return loss.reshape(shape) if reduction == "none" else loss


def not_a_class(target, classes, ignore_class=None):
    """The ValueError that says which label is no class; for the moment of failure: it reads the labels."""
    wrong = (target < 0) | (target >= classes)
    if ignore_class is not None:
        wrong &= target != ignore_class
    found = sorted(set(target[wrong].flatten().tolist()))
    some = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
    return ValueError(
        f"A label is no class: expected whole numbers from 0 to {classes - 1} (the output has {classes} classes), "
        f"given {some}" + ("; one unit in the last layer goes with binary crossentropy" if classes == 1 else "")
    )


def categorical_focal_crossentropy(
    target,
    output,
    *,
    alpha=0.25,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
    epsilon=EPSILON,
    reduction="none",
):
    """``-sum(alpha (1 - y)^gamma t log(y))`` over the class axis (Lin et al., 2017).

    alpha: a number, or a tensor with one for each class, the last axis.
    """
    target, output = _pair(target, output)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / output.shape[axis]
    y = torch.softmax(output, axis) if from_logits else output
    y = F.hardtanh(y / y.sum(axis, keepdim=True), epsilon, 1 - epsilon)
    values = torch.pow(1 - y, gamma) * torch.log(y) * target
    if isinstance(alpha, torch.Tensor):
        return _finish_sums(-torch.sum(values * alpha, axis), reduction)
    return _finish_sums(torch.sum(values, axis) * -alpha, reduction)


def categorical_generalized_crossentropy(target, output, *, q, reduction="none"):
    """``(1 - y[t]^q) / q``, t the number of the class, y the probabilities (Zhang and Sabuncu, 2018)."""
    picked = sparse_categorical_crossentropy(target, output, from_log=True)
    return _finish_sums((1 - torch.pow(-picked, q)) / q, reduction)


def kl_divergence(
    target, output, *, from_log=False, epsilon=EPSILON, guard="clip", softmax_axis=-1, axis=-1, reduction="none"
):
    """``sum(t log(t / y))`` over axis.

    guard "clip": t and y are clipped to [epsilon, 1] (Keras). "add": ``sum(t (log(t + epsilon) - log y))``, where log y
    is the output itself with ``from_log``, else its log-softmax along softmax_axis (gluon: epsilon 1e-12; it sums over
    all axes of a sample).
    """
    target, output = _pair(target, output)
    if guard == "clip":
        target, output = target.clamp(epsilon, 1), F.hardtanh(output, epsilon, 1.0)
        values = target * torch.log(target / output)
    else:
        logs = output if from_log else torch.log_softmax(output, softmax_axis)
        values = target * (torch.log(target + epsilon) - logs)
    return values if axis == () else _finish_sums(values.sum(axis), reduction)


# --- overlaps, embeddings, sequences -------------------------------------------------------------------------------


def tversky(target, output, *, alpha=0.5, beta=0.5, axis=None, epsilon=EPSILON, reduction="none"):
    """``1 - (i + epsilon) / (i + alpha fn + beta fp + epsilon)``, with ``i = sum(t y)``, ``fn = sum(t (1 - y))``,
    ``fp = sum((1 - t) y)`` over axis (None: over everything). Salehi et al., 2017 (arXiv 1706.05721).
    """
    target, output = _pair(target, output)
    both = torch.sum(target * output, axis)
    false_positive, false_negative = output.sum(axis) - both, target.sum(axis) - both
    ratio = (both + epsilon) / (both + alpha * false_negative + beta * false_positive + epsilon)
    return _finish_sums(1 - ratio, reduction)


def dice(target, output, *, axis=None, epsilon=EPSILON, reduction="none"):
    """``1 - (2 sum(t y) + epsilon) / (sum(t) + sum(y) + epsilon)`` over axis (None: over everything)."""
    target, output = _pair(target, output)
    both = torch.sum(target * output, axis)
    ratio = (both * 2 + epsilon) / (target.sum(axis) + output.sum(axis) + epsilon)
    return _finish_sums(1 - ratio, reduction)


def circle(
    labels,
    embeddings,
    *,
    reference_labels=None,
    reference_embeddings=None,
    remove_diagonal=True,
    gamma=80.0,
    margin=0.4,
    reduction="none",
):
    """Circle loss (Sun et al., 2020, arXiv 2002.10857): ``softplus(logsumexp(positives) + logsumexp(negatives))``.

    labels: (batch,) or (batch, 1); embeddings: (batch, size), of length 1 (distances of longer ones are
    at least 0). The references default to the batch itself; remove_diagonal: an embedding is not its own positive.
    """
    labels = labels.reshape(-1, 1)
    others = labels if reference_labels is None else reference_labels.reshape(-1, 1)
    distances = torch.relu(1 - embeddings @ (embeddings if reference_embeddings is None else reference_embeddings).t())
    positive = labels == others.t()
    negative = ~positive
    if remove_diagonal and reference_labels is None:
        positive = positive & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    pull = torch.relu(distances + margin) * (distances - margin)
    push = torch.relu(1 + margin - distances) * (1 - margin - distances)
    lowest = torch.finfo(distances.dtype).min
    pulls = torch.logsumexp(torch.where(positive, pull * gamma, lowest), 1)
    pushes = torch.logsumexp(torch.where(negative, push * gamma, lowest), 1)
    return _finish_sums(F.softplus(pulls + pushes), reduction)


def ctc(
    target,
    output,
    *,
    target_length=None,
    output_length=None,
    blank=0,
    padding=None,
    from_log=False,
    time_axis=1,
    reduction="none",
):
    """Connectionist temporal classification (Graves et al., 2006): ``-log p(target | output)``, summed over alignments.

    target: (batch, labels) class numbers; output: (batch, time, classes), or (time, batch, classes) with time_axis 0,
    logits or with ``from_log`` log-probabilities; target_length, output_length: (batch,) integers. Without
    target_length the labels that are not ``padding`` (by default the blank) count; without output_length all the time.
    blank: its class number (-1: the last). Infinite where the target cannot fit. Raises as the module says.
    """
    dtype = output.dtype
    logs = output.float() if dtype in (torch.float16, torch.bfloat16) else output
    logs = logs if from_log else torch.log_softmax(logs, -1)
    logs = logs.transpose(0, 1) if time_axis == 1 else logs
    steps, batch, classes = logs.shape
    blank %= classes
    target = target.long()
    if target_length is None:
        target_length = (target != (blank if padding is None else padding)).sum(1)
    if output_length is None:
        output_length = torch.full((batch,), steps, dtype=torch.long, device=logs.device)
    # The kernel trusts its labels and would read outside the array: look each up in a table of the classes first, which
    # is checked. What stands behind a target's end may be anything and becomes blank.
    inside = torch.arange(target.shape[1], device=target.device) < target_length.unsqueeze(1)
    target = torch.where(inside, target, blank)
    if logs.device.type == "cpu":
        known = torch.arange(classes)
        try:
            target = F.embedding(target, known.unsqueeze(1)).squeeze(2)
        except IndexError:
            raise not_a_class(target, classes) from None
        wrong = None
    else:
        wrong = ((target < 0) | (target >= classes)).any(1)
        target = target.clamp(0, classes - 1)
    # The overload with tensor lengths: the other one would fix this batch's lengths in a recording.
    if logs.is_meta:  # for which torch has no kernel
        loss = logs.new_empty(batch)
    else:
        loss = torch._ctc_loss(logs, target, output_length.long(), target_length.long(), blank)[0]
    if wrong is not None:
        loss = torch.where(wrong, math.nan, loss)
    return _finish_sums(loss.to(dtype), reduction)
