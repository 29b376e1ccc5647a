"""`mx.random`: the seed, and the samplers of `mx.nd.random`."""

import torch

from tandem.core import seeds
from tandem.core.errors import explain
from tandem.mxnet.context import Context
from tandem.mxnet.ndarray.random import (
    exponential,
    gamma,
    generalized_negative_binomial,
    multinomial,
    negative_binomial,
    normal,
    poisson,
    randint,
    randn,
    shuffle,
    uniform,
)

__all__ = [
    "exponential",
    "gamma",
    "generalized_negative_binomial",
    "multinomial",
    "negative_binomial",
    "normal",
    "poisson",
    "randint",
    "randn",
    "seed",
    "shuffle",
    "uniform",
]


def seed(seed_state, ctx="all"):
    """Seed the random numbers of all contexts, or of one.

    seed_state: an integer; ctx: a `Context` or "all". NumPy's and Python's generators are left alone.
    Raises ValueError where the seed is not an integer.
    """
    if not isinstance(seed_state, int) and not hasattr(seed_state, "__index__"):
        raise ValueError(explain("seed_state must be int", given=repr(seed_state)))
    seed_state = int(seed_state)
    if ctx == "all":
        seeds.set_global(seed_state, python=False, numpy=False)
        return
    device = Context(ctx).torch_device()
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed_state)
    else:
        torch.random.default_generator.manual_seed(seed_state)
