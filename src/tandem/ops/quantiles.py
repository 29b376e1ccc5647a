"""Quantiles of numbers that come in batches, from summaries of bounded size: (2, n) arrays of values and weights."""

import numpy as np


def summarize(values, epsilon):
    """A batch's summary: each ``max(epsilon * n, 1)``-th of its n numbers, in order, each with that weight."""
    ordered = np.sort(np.reshape(values, -1))
    step = max(ordered.size / (1.0 / epsilon), 1)
    kept = ordered[int(step - 1) :: int(step)]
    return np.stack((kept, np.full_like(kept, step)))


def compress(summary, epsilon):
    """A summary of at most ``1 / epsilon`` values, read off linearly between those of a longer one."""
    if summary.shape[1] * epsilon < 1:
        return summary
    parts = epsilon + np.arange(0.0, 1.0, epsilon)
    total = np.cumsum(summary[1])
    reached = total / total[-1]
    values, weights = (np.interp(parts, reached, column) for column in (summary[0], total))
    return np.stack((values, np.diff(weights, prepend=0.0))).astype("float32")


def merge(a, b, epsilon):
    """The summary of two batches together; a may be None."""
    both = b if a is None else np.concatenate((a, b), axis=1)
    return compress(both[:, np.argsort(both[0])], epsilon)


def boundaries(summary, count):
    """The ``count - 1`` numbers between `count` bins that hold equally much."""
    return compress(summary, 1.0 / count)[0, :-1]
