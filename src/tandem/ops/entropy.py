"""Where to cut a range of numbers so that 8 bits tell most about them. Migacz, 8-bit inference with TensorRT, 2017."""

import torch


def _smoothed(p, epsilon=1e-4):
    """p with a little in the place of zeros, taken from the rest; None where the rest has too little."""
    zero = p == 0
    zeros = int(zero.sum())
    if zeros == p.numel():
        return None
    each = epsilon * zeros / (p.numel() - zeros)
    if each >= 1:
        return None
    return torch.where(zero, epsilon, p - each)


def _divergence(p, q):
    """``sum p log(p / q)`` of two histograms as distributions."""
    p, q = p / p.sum(), q / q.sum()
    return float((p * (p / q).log()).sum())


def threshold(counts, edges, levels=255):
    """(threshold, divergence): of the ranges [-t, t] the one with the least divergence between a histogram that is cut
    there and the same in `levels` steps.

    counts: (n,), n odd, over a range around 0; edges: (n + 1,).
    """
    counts, edges = counts.double(), edges.double()
    middle, best = counts.numel() // 2, (float("inf"), None)
    for half in range(levels // 2, middle + 1):
        start, stop = middle - half, middle + half + 1
        part = counts[start:stop]
        p = part.clone()
        p[0] += counts[:start].sum()
        p[-1] += counts[stop:].sum()
        present = p != 0
        merged = part.numel() // levels
        step = torch.arange(part.numel()).div(merged, rounding_mode="floor").clamp_max(levels - 1)
        sums = torch.zeros(levels, dtype=torch.float64).index_add_(0, step, part)
        norms = torch.zeros(levels, dtype=torch.float64).index_add_(0, step, present.double())
        q = torch.where(present, sums[step] / norms[step].clamp_min(1), 0.0)
        smooth_p, smooth_q = _smoothed(p / p.sum()), _smoothed(q / q.sum())
        if smooth_p is None or smooth_q is None:
            continue
        found = _divergence(smooth_p, smooth_q)
        if found < best[0]:
            best = found, float(edges[stop])
    return (float(edges[-1]), best[0]) if best[1] is None else (best[1], best[0])
