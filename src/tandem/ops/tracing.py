"""What traces an operation."""

import torch


def is_exporting():
    """Whether a program for other machines is being made, so that operators of this one's are out of place."""
    return getattr(torch.compiler, "is_exporting", bool)()  # torch 2.7 and later
