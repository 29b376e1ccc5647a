"""`mx.npx.random`: samplers beyond NumPy's."""

import torch

from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import mxnet_dtype
from tandem.mxnet.numpy import arithmetic
from tandem.mxnet.numpy.multiarray import ndarray
from tandem.mxnet.random import seed as seed_all
from tandem.mxnet.views import parse_context
from tandem.ops import random

_modes = torch._C._len_torch_dispatch_stack

__all__ = ["bernoulli", "normal_n", "seed", "uniform_n"]


def seed(seed, ctx="all"):
    """Seed the random numbers of all contexts, or of one; see `mx.random.seed`."""
    seed_all(seed, ctx)


def _place(ctx, *parameters):
    """The context that is given, that of the first array, or the current one."""
    if ctx is not None:
        return parse_context(ctx)
    for value in parameters:
        if isinstance(value, ndarray):
            return value.context
    return contexts.current_context()


def _parameter(value, name, ctx):
    """A parameter as a tensor on a device.

    Raises MXNetError for what is neither a number nor a `mx.np.ndarray`.
    """
    if isinstance(value, ndarray):
        return value._tensor.to(ctx.torch_device())
    if isinstance(value, (int, float)) or hasattr(value, "__float__"):
        return torch.tensor(float(value), device=ctx.torch_device())
    raise MXNetError(explain(f"{name} cannot be read", expected="a number or a mx.np.ndarray", given=repr(value)[:200]))


def _outside(given, tensor, low, high):
    """Whether a parameter is out of range. Arrays are not read where a hybridized block is being recorded."""
    if not isinstance(given, ndarray):
        return not low <= given <= high
    return not _modes() and random.outside(tensor, low, high)


def _sizes(size):
    return () if size is None else (size,) if hasattr(size, "__index__") else tuple(size)


def _broadcast(*tensors):
    try:
        return tuple(torch.broadcast_shapes(*(tensor.shape for tensor in tensors)))
    except RuntimeError as error:
        raise MXNetError(
            explain(
                "operands could not be broadcast together",
                given=" and ".join(str(tuple(tensor.shape)) for tensor in tensors),
            )
        ) from error


def bernoulli(prob=None, logit=None, size=None, dtype=None, ctx=None, out=None):
    """1 with the probability `prob`, or ``sigmoid(logit)``, else 0.

    prob, logit: one of them, a number or an array that broadcasts to the size; size: by default their shape; dtype:
    float32 by default; out: an array to write into.
    Raises ValueError where both or none are given, or for a probability outside of 0 to 1.
    """
    if (prob is None) == (logit is None):
        raise ValueError(
            explain("Either `prob` or `logit` must be specified, but not both", given=f"prob={prob}, logit={logit}")
        )
    ctx = _place(ctx, prob, logit)
    chance = _parameter(prob if logit is None else logit, "prob" if logit is None else "logit", ctx)
    if logit is not None:
        chance = arithmetic.compute("bernoulli", random.probability_of, chance)
    elif _outside(prob, chance, 0, 1):
        raise ValueError(explain("prob is out of range", expected="0 <= prob <= 1", given=f"{prob}"))
    shape = tuple(chance.shape) if size is None else _sizes(size)
    if size is not None and _broadcast(chance, torch.empty(shape, device="meta")) != shape:
        raise MXNetError(explain("prob does not broadcast to the size", expected=str(shape), given=str(chance.shape)))
    drawn = arithmetic.compute(
        "bernoulli", lambda p: random.bernoulli(shape, p.detach(), dtype=mxnet_dtype(dtype)), chance
    )
    return _answer(drawn, ctx, out)


def _answer(drawn, ctx, out=None):
    if out is None:
        return ndarray._wrap(drawn, ctx)
    if out.shape != tuple(drawn.shape):
        raise MXNetError(explain("out= has another shape", expected=tuple(drawn.shape), given=out.shape))
    out._assign(drawn)
    return out


def _floating(dtype):
    found = mxnet_dtype(dtype)
    if not found.is_floating_point:
        raise MXNetError(explain("No such dtype here", expected="float16, float32 or float64", given=repr(dtype)))
    return found


def uniform_n(low=0.0, high=1.0, batch_shape=None, dtype=None, ctx=None):
    """Numbers from [low, high), for each pair of parameters (numbers or arrays, which broadcast) a batch of them.

    Returns (*batch_shape, *the parameters' shape).
    """
    ctx, wanted = _place(ctx, low, high), _floating(dtype)
    low, high = _parameter(low, "low", ctx).detach(), _parameter(high, "high", ctx).detach()
    shape = (*_sizes(batch_shape), *_broadcast(low, high))
    return _answer(random.uniform(shape, low.to(wanted), high.to(wanted), dtype=wanted), ctx)


def normal_n(loc=0.0, scale=1.0, batch_shape=None, dtype=None, ctx=None):
    """Normally distributed numbers, for each pair of parameters (numbers or arrays, which broadcast) a batch of them.

    Returns (*batch_shape, *the parameters' shape); gradients flow to the parameters.
    Raises ValueError for a negative scale.
    """
    ctx, wanted = _place(ctx, loc, scale), _floating(dtype)
    given = scale
    loc, scale = _parameter(loc, "loc", ctx), _parameter(scale, "scale", ctx)
    if _outside(given, scale, 0, float("inf")):
        raise ValueError(explain("scale < 0", expected="scale >= 0"))
    shape = (*_sizes(batch_shape), *_broadcast(loc, scale))
    drawn = arithmetic.compute(
        "normal_n", lambda m, s: random.normal(shape, m.to(wanted), s.to(wanted), dtype=wanted), loc, scale
    )
    return _answer(drawn, ctx)
