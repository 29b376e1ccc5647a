"""What pictures are made of: values in the range of a screen, colours over images, points of curves."""

import torch


def to_range(x, source, target=(0, 255)):
    """``(x - low) / (high - low)`` of the range `source`, in the range `target`; both are pairs of numbers."""
    (low, high), (first, last) = source, target
    return (x - low) / (high - low) * (last - first) + first


def to_bytes(images):
    """Images as whole numbers from 0 to 255; floating point ones that reach no further than 1 are taken as shares."""
    if images.is_floating_point() and images.numel():
        scale = 255 if bool(images.max() <= 1) else 1
        images = (images.clamp(0, 255 / scale)) * scale
    return images.to(torch.uint8)


def paint_classes(images, classes, colours, *, alpha=1.0, ignored=-1):
    """Images with the colour of each pixel's class over them: ``(1 - alpha) * image + alpha * colour``.

    images: (N, H, W, channels); classes: whole numbers (N, H, W); colours: (number of classes, channels). Pixels of
    the class `ignored` and of numbers that are no class keep their colour.
    """
    count = len(colours)
    chosen = colours.to(images)[classes.clamp(0, count - 1).long()]
    known = ((classes >= 0) & (classes < count) & (classes != ignored))[..., None]
    return torch.where(known, torch.lerp(images, chosen, alpha), images)


def _cumulated(labels, scores):
    """(thresholds, true positives, false positives) for each different score, from the highest on."""
    scores, order = scores.flatten().sort(descending=True)
    hits = labels.flatten()[order].to(torch.float64)
    ends = torch.cat([scores[1:] != scores[:-1], scores.new_ones(1, dtype=torch.bool)])
    return scores[ends], hits.cumsum(0)[ends], (1 - hits).cumsum(0)[ends]


def roc(labels, scores):
    """(false positive rates, true positive rates, thresholds) of the scores from the highest on, and (0, 0) before.

    labels: 0 or 1, scores: numbers of the same size. The first threshold is infinite: nothing is positive.
    """
    thresholds, hits, misses = _cumulated(labels, scores)
    start = hits.new_zeros(1)
    hits, misses = torch.cat([start, hits]), torch.cat([start, misses])
    return misses / misses[-1], hits / hits[-1], torch.cat([thresholds.new_full((1,), float("inf")), thresholds])


def precision_recall(labels, scores):
    """(precisions, recalls, thresholds) of the scores from the highest on, and (1, 0) before.

    labels: 0 or 1, scores: numbers of the same size.
    """
    thresholds, hits, misses = _cumulated(labels, scores)
    first = hits.new_ones(1)
    return torch.cat([first, hits / (hits + misses)]), torch.cat([first * 0, hits / hits[-1]]), thresholds


def area(x, y):
    """The area below a curve through points, x rising: trapezoids."""
    return torch.trapezoid(y, x)


def steps(x, y):
    """The area below a curve that steps: the sum of ``(x[i] - x[i - 1]) * y[i]``."""
    return (x.diff() * y[1:]).sum()
