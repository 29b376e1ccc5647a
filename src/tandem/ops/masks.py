"""Steps that are masked: leaving them out of a mean, setting them to zero."""

def masked_mean(x, mask, axis=1, *, keepdims=False):
    """Mean over the steps that the mask keeps: ``sum(mask * x) / sum(mask)`` along `axis`.

    x: (N, L, C) with axis 1, or (N, C, L) with axis 2; mask: (N, L). Returns (N, C), with a 1 for the steps if `keepdims`.
    """
    weights = mask.to(x.dtype).unsqueeze(2 if axis == 1 else 1)
    return (x * weights).sum(axis, keepdim=keepdims) / weights.sum(axis, keepdim=keepdims)


def zero_steps(x, value):
    """x with 0 in the steps whose entries along the last axis all equal `value`."""
    return x * (x != value).any(-1, keepdim=True).to(x.dtype)

