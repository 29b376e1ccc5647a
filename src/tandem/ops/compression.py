"""Gradients in few bits, what is lost of them kept for the next time."""

import torch


def two_bits_(residual, gradient, threshold):
    """Each value as ``threshold``, ``-threshold`` or 0; what that leaves out is in the residual, in place.

    ``r <- r + g; y = t where r >= t, -t where r <= -t, else 0; r <- r - y``
    residual, gradient: one shape; threshold: a positive number. Returns y. Seide et al., 2014; Strom, 2015.
    """
    residual.add_(gradient)
    levels = (residual >= threshold).to(residual.dtype) - (residual <= -threshold).to(residual.dtype)
    quantized = torch.mul(levels, threshold)
    residual.sub_(quantized)
    return quantized
