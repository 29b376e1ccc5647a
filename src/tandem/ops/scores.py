"""What metrics count: per-sample scores, counts that state tensors sum up, and results of the sums.

Names that end in ``_`` add to the state tensors they are given, in place; nothing is read back. Gradients do not flow.
Shapes: target and output of a batch, the classes on the last axis; weights fit the leading axes or broadcast.
"""

import math

import torch

from tandem.ops import losses

# Up to this many comparisons all thresholds are tried at once; above it predictions go into the thresholds' bins.
_MOST_COMPARISONS = 1 << 20


# --- means ---------------------------------------------------------------------------------------------------------


def sum_(total, values, weights=None):
    """``total += sum(w * values)``."""
    values = values.detach()
    if weights is not None:
        values = values * losses.aligned(weights.to(total.dtype), values)
    total.add_(values if values.dim() == 0 else values.sum(dtype=total.dtype))


def mean_(total, count, values, weights=None):
    """``total += sum(w * values); count += sum(w)``, the weights 1 if there are none. `ratio` of both is the mean."""
    values = values.detach()
    if weights is None:
        count.add_(values.numel())
    else:
        weights = losses.aligned(weights.to(total.dtype), values)
        values = values * weights
        count.add_(weights.expand_as(values).sum())
    total.add_(values if values.dim() == 0 else values.sum(dtype=total.dtype))


def mean_of_(total, count, mean, number):
    """As `mean_` of ``number`` values of which only the mean is known: a loss and its batch."""
    total.add_(mean.detach(), alpha=number)
    count.add_(number)


def ratio(a, b, empty=0.0):
    """``a / b``, and ``empty`` where b is 0."""
    none = b == 0
    return torch.where(none, empty, a / torch.where(none, 1.0, b))


# --- matches, one value to a sample ---------------------------------------------------------------------------------


def equal(target, output, *, dtype=torch.float32):
    """1 where target and output are equal, else 0."""
    return (target == output).to(dtype)


def binary_matches(target, output, threshold=0.5, *, dtype=torch.float32):
    """1 where the target is what ``output > threshold`` is, else 0."""
    return (target == (output.detach() > threshold)).to(dtype)


def categorical_matches(target, output, *, dtype=torch.float32):
    """1 where target and output, (..., classes), have their largest value at the same class, else 0: (...)."""
    target = target.to(dtype) if target.dtype == torch.bool else target
    return (target.argmax(-1) == output.detach().argmax(-1)).to(dtype)


def sparse_matches(target, output, *, axis=-1, dtype=torch.float32):
    """1 where the class number is that of the output's largest value along axis, else 0: the target's shape.

    dtype: None for booleans.
    """
    best = output.detach().argmax(axis)
    target = target.squeeze(axis) if target.dim() > best.dim() else target
    matches = target == best
    return matches if dtype is None else matches.to(dtype)


def topk_matches(target, output, k=5, *, dtype=torch.float32):
    """1 where fewer than k classes have a larger output than the class of the target, else 0.

    target: (...) class numbers, output: (..., classes). A label that is no class never matches.
    """
    output, label = output.detach(), target.long()
    classes = output.shape[-1]
    known = (label >= 0) & (label < classes)
    score = output.gather(-1, label.clamp(0, classes - 1).unsqueeze(-1))
    return (((output > score).sum(-1) < k) & known).to(dtype)


def sorted_topk_matches(target, ids, k=5, *, dtype=torch.float32):
    """1 where the class number is among the first k of ids (..., classes), best first, else 0."""
    return (ids[..., :k] == target.unsqueeze(-1)).any(-1).to(dtype)


def pearson_correlation(target, output, axis=-1):
    """The correlation of target and output along axis; NaN where one of them is constant."""
    target, output = _centred(target, axis), _centred(output.detach(), axis)
    lengths = torch.linalg.vector_norm(target, dim=axis) * torch.linalg.vector_norm(output, dim=axis)
    return (target * output).sum(axis) / lengths


def concordance_correlation(target, output, axis=-1):
    """``2 cov(t, y) / (var(t) + var(y) + (mean(t) - mean(y))^2)`` along axis (Lin, 1989)."""
    output = output.detach()
    gap = (target.mean(axis) - output.mean(axis)).square()
    target, output = _centred(target, axis), _centred(output, axis)
    return 2 * (target * output).mean(axis) / (target.square().mean(axis) + output.square().mean(axis) + gap)


def _centred(x, axis):
    return x - x.mean(axis, keepdim=True)


# --- counts at thresholds -------------------------------------------------------------------------------------------


def keep_largest(output, k):
    """The output with -inf for all but the k largest values of each last axis."""
    best = output.detach().topk(k, -1)
    return torch.full_like(output, -math.inf).scatter(-1, best.indices, best.values)


def confusion(target, output, thresholds, *, weights=None, per_label=False, clip=False):
    """Weighted (true positives, false positives, true negatives, false negatives) at each threshold.

    target: not 0 is positive; output: as target, ``output > threshold`` is called positive; thresholds: (thresholds,).
    per_label: target and output are (samples, labels), and each label is counted by itself. clip: outputs are brought
    into [0, 1] first (Keras, where the outermost of its even thresholds lie just beyond).
    Returns four tensors (thresholds,), or (thresholds, labels).
    """
    output = output.detach()
    if clip:
        output = output.clamp(0, 1)
    positive = (target != 0).to(thresholds.dtype)
    if weights is not None:
        weights = losses.aligned(weights.to(thresholds.dtype), positive).expand_as(positive)
        classes = torch.stack([positive * weights, (1 - positive) * weights], -1)
    else:
        classes = torch.stack([positive, 1 - positive], -1)
    if per_label:
        output, classes = output.t().contiguous(), classes.transpose(0, 1)
    else:
        output, classes = output.reshape(1, -1), classes.reshape(1, -1, 2)
    called = _called_positive(output, classes, thresholds)
    rest = classes.sum(1).unsqueeze(1) - called
    if per_label:
        called, rest = called.transpose(0, 1), rest.transpose(0, 1)
    else:
        called, rest = called.squeeze(0), rest.squeeze(0)
    return called[..., 0], called[..., 1], rest[..., 1], rest[..., 0]


def _called_positive(output, classes, thresholds):
    """(labels, thresholds, 2): the sums of classes (labels, samples, 2) where output (labels, samples) is above."""
    labels, samples = output.shape
    count = thresholds.shape[0]
    if labels * samples * count <= _MOST_COMPARISONS:
        above = (output.unsqueeze(1) > thresholds.unsqueeze(1)).to(classes.dtype)
        return torch.bmm(above, classes)
    ordered, order = thresholds.sort()
    # How many thresholds a value is above; NaN would be above all.
    bins = torch.bucketize(output, ordered).masked_fill(output.isnan(), 0)
    bins = bins + torch.arange(labels, device=bins.device).unsqueeze(1) * (count + 1)
    sums = torch.zeros(labels * (count + 1), 2, dtype=classes.dtype, device=classes.device)
    sums.index_add_(0, bins.reshape(-1), classes.reshape(-1, 2))
    sums = sums.view(labels, count + 1, 2)[:, 1:].flip(1).cumsum(1).flip(1)
    return torch.empty_like(sums).index_copy_(1, order, sums)


def confusion_(states, target, output, thresholds, **options):
    """Adds `confusion` to four state tensors in its order; a state that is None is left out."""
    counts = confusion(target, output, thresholds, **options)
    wanted = [(state, count) for state, count in zip(states, counts) if state is not None]
    torch._foreach_add_([state for state, _ in wanted], [count for _, count in wanted])


def class_counts(target, output, *, threshold=None, weights=None, axis=0):
    """Weighted (true positives, false positives, false negatives, positives) of each class: axis 0; of all: axis None.

    target: (samples, classes) of 0 and 1. What is called positive: ``output > threshold``, or without a threshold the
    largest outputs of a sample unless they are 0.
    """
    output = output.detach()
    if threshold is None:
        called = (output == output.amax(-1, keepdim=True)) & (output.abs() > 1e-9)
    else:
        called = output > threshold
    called, target = called.to(output.dtype), target.to(output.dtype)
    weights = None if weights is None else losses.aligned(weights.to(output.dtype), target)
    both = called * target
    if weights is not None:
        both, called, target = both * weights, called * weights, target * weights
    hits, called, positives = both.sum(axis), called.sum(axis), target.sum(axis)
    return hits, called - hits, positives - hits, positives


def confusion_matrix(target, predicted, classes, *, weights=None, ignore_class=None, dtype=torch.float32):
    """(classes, classes): the weight of the samples of each class (row) that were taken for each class (column).

    target, predicted: class numbers. Raises ValueError for one that is no class, unless it is a target equal to
    ignore_class (on the CPU; elsewhere the matrix becomes NaN, or very negative where the dtype has no NaN).
    """
    target, predicted = target.reshape(-1).long(), predicted.reshape(-1).long()
    weights = torch.ones_like(target, dtype=dtype) if weights is None else weights.expand(target.shape).to(dtype)
    if ignore_class is not None:
        valid = target != ignore_class
        weights, target = weights * valid, torch.where(valid, target, 0)
    matrix = torch.zeros(classes, classes, dtype=dtype, device=target.device)
    if target.device.type == "cpu":
        try:
            return matrix.index_put((_not_negative(target), _not_negative(predicted)), weights, accumulate=True)
        except IndexError:
            wrong = target if bool(((target < 0) | (target >= classes)).any()) else predicted
            raise losses.not_a_class(wrong, classes, ignore_class) from None
    wrong = (target < 0) | (target >= classes) | (predicted < 0) | (predicted >= classes)
    matrix = matrix.index_put((target.clamp(0, classes - 1), predicted.clamp(0, classes - 1)), weights, accumulate=True)
    return torch.where(wrong.any(), math.nan if dtype.is_floating_point else -(2**30), matrix)


def binary_counts(target, predicted, *, dtype=torch.float32):
    """(true positives, false positives, true negatives, false negatives) of class numbers 0 and 1."""
    target, predicted = (target == 1).to(dtype), (predicted == 1).to(dtype)
    hits = (target * predicted).sum()
    called, positives = predicted.sum(), target.sum()
    return hits, called - hits, target.numel() - positives - called + hits, positives - hits


# --- results --------------------------------------------------------------------------------------------------------


def precision(tp, fp):
    """``tp / (tp + fp)``, or 0."""
    return ratio(tp, tp + fp)


def recall(tp, fn):
    """``tp / (tp + fn)``, or 0."""
    return ratio(tp, tp + fn)


def f_beta(tp, fp, fn, *, beta=1.0, average=None, positives=None):
    """``(1 + b^2) p r / (b^2 p + r)``, p the precision and r the recall, or 0.

    average: None, "micro" (the counts are of all classes together), "macro", "weighted" (by ``positives``).
    """
    p, r = precision(tp, fp), recall(tp, fn)
    score = ratio((1 + beta**2) * p * r, beta**2 * p + r)
    if average == "weighted":
        return (score * ratio(positives, positives.sum())).sum()
    return score.mean() if average == "macro" else score


def auc(tp, fp, tn, fn, *, curve="ROC", method="interpolation", label_weights=None):
    """The area under a curve through the points of falling thresholds: counts (thresholds,) or (thresholds, labels).

    curve: "ROC" (recall over the false positive rate), "PR" (precision over recall), "PRGAIN" (their gains, recall's
    from 0 on: Flach and Kull, 2015). method: heights between points are their mean ("interpolation"; for "PR" the exact
    integral of Davis and Goadrich, 2006), the lower ("minoring") or the higher ("majoring").
    With labels: the mean of their areas, weighted by label_weights.
    """
    if curve == "PR" and method == "interpolation":
        area = _precision_recall_area(tp, fp, fn)
    else:
        if curve == "ROC":
            x, y = ratio(fp, fp + tn), recall(tp, fn)
        elif curve == "PR":
            x, y = recall(tp, fn), precision(tp, fp)
        else:
            odds = ratio(tp + fn, fp + tn)
            x = torch.where(tp > 0, 1 - odds * ratio(fn, tp), 0.0).clamp(min=0)
            y = 1 - odds * ratio(fp, tp)
        if method == "interpolation":
            height = (y[:-1] + y[1:]) / 2
        else:
            height = (torch.minimum if method == "minoring" else torch.maximum)(y[:-1], y[1:])
        area = ((x[:-1] - x[1:]) * height).sum(0)
    if area.dim() == 0:
        return area
    if label_weights is None:
        return area.mean()
    return ratio((area * label_weights).sum(), label_weights.sum())


def _precision_recall_area(tp, fp, fn):
    called = tp + fp
    hits, more = tp[:-1] - tp[1:], called[:-1] - called[1:]
    slope = ratio(hits, more.clamp(min=0))
    intercept = tp[1:] - slope * called[1:]
    both = (called[:-1] > 0) & (called[1:] > 0)
    quotient = torch.where(both, ratio(called[:-1], called[1:].clamp(min=0)), 1.0)
    return ratio(slope * (hits + intercept * torch.log(quotient)), (tp[1:] + fn[1:]).clamp(min=0)).sum(0)


def best_at(goal, constraint, least):
    """The largest goal among the thresholds where the constraint is at least ``least``; 0 if there are none."""
    feasible = constraint >= least
    return torch.where(feasible.any(), torch.where(feasible, goal, -math.inf).amax(), 0.0)


def intersection_over_union(matrix, classes=None, *, mean=True):
    """``diagonal / (row sum + column sum - diagonal)`` of a confusion matrix.

    classes: the numbers of those that count. mean: over the classes that occur at all, else one value to a class.
    """
    hits = torch.diagonal(matrix)
    union = matrix.sum(0) + matrix.sum(1) - hits
    hits, union = hits.to(torch.get_default_dtype()), union.to(torch.get_default_dtype())
    if classes is not None:
        chosen = torch.as_tensor(list(classes), device=matrix.device)
        hits, union = hits[chosen], union[chosen]
    score = ratio(hits, union)
    return ratio(score.sum(), (union != 0).sum().to(score.dtype)) if mean else score


def matthews(tp, fp, tn, fn):
    """Matthews' correlation ``(tp tn - fp fn) / sqrt(product of the four sums)``; sums that are 0 are left out."""
    sums = torch.stack([tp + fp, tp + fn, tn + fp, tn + fn])
    return (tp * tn - fp * fn) / torch.where(sums == 0, 1.0, sums).prod().sqrt()


def matrix_correlation(matrix):
    """Matthews' correlation of a confusion matrix of any size (Gorodkin, 2004); NaN where there is one class alone."""
    total, rows, columns = matrix.sum(), matrix.sum(1), matrix.sum(0)
    both = (torch.diagonal(matrix) * total - rows * columns).sum()
    return both / ((rows * (total - rows)).sum() * (columns * (total - columns)).sum()).sqrt()


# --- regression -----------------------------------------------------------------------------------------------------


def r2_(squares, sums, residual, count, target, output, weights=None):
    """Adds to the sums for `r2` of each output column: ``w t^2``, ``w t``, ``w (t - y)^2``, ``w``."""
    target, output = target.to(sums.dtype), output.detach().to(sums.dtype)
    if weights is None:
        weights = torch.ones((), dtype=sums.dtype, device=sums.device)
    weights = losses.aligned(weights.to(sums.dtype), target).expand_as(target)
    weighted = target * weights
    parts = torch.stack([target * weighted, weighted, (target - output).square() * weights, weights])
    torch._foreach_add_([squares, sums, residual, count], list(parts.sum(1).unbind()))


def r2(squares, sums, residual, count, *, average="uniform_average", samples=None, regressors=0):
    """The explained part of the variance, ``1 - residual / (squares - sums^2 / count)``; 0 where there is no variance.

    average: over the columns: None, "uniform_average", "variance_weighted_average". regressors, samples: for the
    adjusted score ``1 - (1 - r2) (samples - 1) / (samples - regressors - 1)``.
    """
    total = squares - sums * sums / count
    score = 1 - residual / total
    score = torch.where(score.isinf(), 0.0, score)
    if average == "uniform_average":
        score = score.mean()
    elif average == "variance_weighted_average":
        score = (score * total).sum() / total.sum()
    if regressors:
        score = 1 - (1 - score) * (samples - 1) / (samples - regressors - 1)
    return score


def correlation_(count, means, moments, target, output):
    """Merges a batch into running moments for `correlation` (Chan, Golub and LeVeque, 1979).

    count: (); means: (2,) of target and output; moments: (3,), their squares' and products' sums about the means.
    """
    values = torch.stack([target.reshape(-1).to(means.dtype), output.detach().reshape(-1).to(means.dtype)])
    number = values.shape[1]
    centre = values.mean(1)
    values = values - centre.unsqueeze(1)
    own = torch.stack([values[0].square().sum(), values[1].square().sum(), (values[0] * values[1]).sum()])
    gap, together = centre - means, count + number
    between = torch.stack([gap[0] * gap[0], gap[1] * gap[1], gap[0] * gap[1]])
    moments.add_(own + between * (count * number / together))
    means.add_(gap * (number / together))
    count.copy_(together)


def co_moment_(means, moments, target, output):
    """Adds ``sum((target - means[0])·(output - means[1]))`` to the moments' sum of products."""
    gaps = [value.reshape(-1).to(means.dtype) - mean for value, mean in zip((target, output), means)]
    moments[2].add_((gaps[0] * gaps[1]).sum())


def correlation(moments):
    """Pearson's correlation from the moments of `correlation_`."""
    return moments[2] / (moments[0] * moments[1]).sqrt()


# --- likelihoods ----------------------------------------------------------------------------------------------------


def log_loss(target, output, *, epsilon=1e-12, guard="add", ignore_label=None):
    """(sum of ``-log p``, number of labels), p the output's probability of the label.

    target: class numbers, output: (..., classes). guard: ``log(p + epsilon)`` ("add": MXNet's cross-entropy) or
    ``log(max(p, epsilon))`` ("max": its perplexity, 1e-10). ignore_label: counts for nothing.
    Raises ValueError for a label that is no class.
    """
    output = output.detach().reshape(-1, output.shape[-1])
    if guard == "add":
        logs = torch.log(output + epsilon)
    else:
        logs = torch.log(output.clamp(min=epsilon))
    label = target.reshape(-1)
    total = losses.sparse_categorical_crossentropy(
        label, logs, from_log=True, ignore_class=ignore_label, reduction="sum"
    )
    number = label.numel() if ignore_label is None else (label != ignore_label).sum()
    return total, number


# --- parts ---------------------------------------------------------------------------------------------------------


def _not_negative(index):
    # index_put counts negative numbers from the end; a class number below 0 is out of range.
    return torch.where(index < 0, 2**40, index)
