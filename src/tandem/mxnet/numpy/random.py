"""`mx.np.random`: random numbers; parameters are numbers or arrays that broadcast.

`mx.random.seed` makes them reproducible; the numbers are torch's, not MXNet's. Where a distribution is a function of a
fixed one (normal, uniform, logistic, gumbel, exponential, rayleigh, weibull, pareto, gamma), gradients flow to its
parameters.
"""

import math

import numpy as onp
import torch

from tandem.core import scope
from tandem.core.dtypes import dtype_name
from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray, mxnet_dtype
from tandem.mxnet.numpy.functions_base import NUMBERS, as_number, checked_array, place, written
from tandem.mxnet.numpy.multiarray import call, ndarray
from tandem.ops import distributions
from tandem.ops import random as samplers

__all__ = [
    "beta",
    "chisquare",
    "choice",
    "exponential",
    "gamma",
    "gumbel",
    "logistic",
    "lognormal",
    "multinomial",
    "multivariate_normal",
    "normal",
    "pareto",
    "power",
    "rand",
    "randint",
    "randn",
    "rayleigh",
    "shuffle",
    "uniform",
    "weibull",
]


def __dir__():
    return list(__all__)


_FLOATS = ("float16", "float32", "float64")


def _sizes(size):
    if size is None:
        return None
    return (int(size),) if isinstance(size, (int, onp.integer)) else tuple(int(one) for one in size)


def _float(dtype):
    found = torch.float32 if dtype is None else mxnet_dtype(dtype)
    if dtype_name(found) not in _FLOATS:
        raise MXNetError(explain("Random numbers are floating point numbers", expected=", ".join(_FLOATS), given=dtype))
    return found


def _tensor_or_number(name, value):
    if isinstance(value, NDArray):
        return value._tensor
    if not isinstance(value, NUMBERS):
        raise MXNetError(explain(f"{name} is a number or an array", given=repr(value)[:200]))
    return as_number(value)


def _broadcast(name, shapes, size):
    """The size, or without one the shape that the parameters broadcast to.

    Raises MXNetError where the parameters do not broadcast to the size.
    """
    try:
        spread = tuple(torch.broadcast_shapes(*shapes))
        shape = spread if size is None else _sizes(size)
        fits = tuple(torch.broadcast_shapes(spread, shape)) == shape
    except RuntimeError:
        fits = False
    if not fits:
        raise MXNetError(explain(f"The parameters of {name}() do not broadcast to the size", given=f"size={size}"))
    return shape


def _draw(name, sampler, parameters, size, dtype=None, ctx=None, out=None, check=None):
    """Numbers of `sampler(shape, *parameters)`; parameters: name -> number or array.

    check: a function of a parameter's name that tells what it must be at least (None: nothing).
    Raises ValueError for a number out of range, MXNetError where the shapes do not broadcast to `size`.
    """
    for key, least in (check or {}).items():
        value = parameters[key]
        if isinstance(value, NUMBERS) and value < least:
            raise ValueError(explain(f"{name}() needs {key} >= {least}", given=f"{key}={value}"))
    dtype = _float(dtype)
    values = [_tensor_or_number(key, value) for key, value in parameters.items()]
    first = next((one for one in parameters.values() if isinstance(one, NDArray)), None)
    if first is None:
        ctx, device = place(ctx)
        made = sampler(_sizes(size) or (), *values, dtype=dtype, device=device)
        return written(ndarray._wrap(made, ctx), out)
    ctx, device = first._ctx, first._tensor.device
    tensors = [one.to(dtype) if isinstance(one, torch.Tensor) else one for one in values]
    shape = _broadcast(name, [one.shape for one in tensors if isinstance(one, torch.Tensor)], size)
    with torch.set_grad_enabled(bool(scope._current.recording) and torch.is_grad_enabled()):
        made = sampler(shape, *tensors, dtype=dtype, device=device)
    return written(ndarray._wrap(made, ctx), out)


def uniform(low=0.0, high=1.0, size=None, dtype=None, ctx=None, out=None):
    """Numbers from [low, high)."""
    return _draw("uniform", distributions.uniform, {"low": low, "high": high}, size, dtype, ctx, out)


def normal(loc=0.0, scale=1.0, size=None, dtype=None, ctx=None, out=None):
    """Normally distributed numbers with mean loc and deviation scale."""
    parameters = {"loc": loc, "scale": scale}
    return _draw("normal", samplers.normal, parameters, size, dtype, ctx, out, check={"scale": 0})


def lognormal(mean=0.0, sigma=1.0, size=None, dtype=None, ctx=None, out=None):
    """``exp(x)`` of normal numbers x with mean and deviation sigma."""
    parameters = {"mean": mean, "sigma": sigma}
    return _draw("lognormal", distributions.lognormal, parameters, size, dtype, ctx, out, check={"sigma": 0})


def logistic(loc=0.0, scale=1.0, size=None, ctx=None, out=None):
    """Logistically distributed numbers with mean loc."""
    parameters = {"loc": loc, "scale": scale}
    return _draw("logistic", distributions.logistic, parameters, size, None, ctx, out, check={"scale": 0})


def gumbel(loc=0.0, scale=1.0, size=None, ctx=None, out=None):
    """Gumbel distributed numbers with mode loc."""
    parameters = {"loc": loc, "scale": scale}
    return _draw("gumbel", distributions.gumbel, parameters, size, None, ctx, out, check={"scale": 0})


def exponential(scale=1.0, size=None, ctx=None, out=None):
    """Exponentially distributed numbers with mean scale."""
    return _draw("exponential", _exponential, {"scale": scale}, size, None, ctx, out, check={"scale": 0})


def _exponential(shape, scale, *, dtype, device):
    return samplers.exponential(shape, scale, dtype=dtype, device=device)


def rayleigh(scale=1.0, size=None, ctx=None, out=None):
    """The lengths of vectors of two normal numbers with deviation scale."""
    return _draw("rayleigh", distributions.rayleigh, {"scale": scale}, size, None, ctx, out, check={"scale": 0})


def weibull(a, size=None, ctx=None, out=None):
    """Weibull distributed numbers of shape a and scale 1."""
    return _draw("weibull", distributions.weibull, {"a": a}, size, None, ctx, out, check={"a": 0})


def pareto(a, size=None, ctx=None, out=None):
    """Pareto distributed numbers of the second kind (Lomax) of shape a."""
    return _draw("pareto", distributions.pareto, {"a": a}, size, None, ctx, out, check={"a": 0})


def power(a, size=None):
    """Numbers between 0 and 1 with density ``a x^(a - 1)``."""
    return _draw("power", distributions.power, {"a": a}, size, check={"a": 0})


def gamma(shape, scale=1.0, size=None, dtype=None, ctx=None, out=None):
    """Gamma distributed numbers with mean ``shape * scale``."""
    parameters = {"shape": shape, "scale": scale}
    return _draw("gamma", samplers.gamma, parameters, size, dtype, ctx, out, check={"shape": 0, "scale": 0})


def beta(a, b, size=None, dtype=None, ctx=None):
    """Beta distributed numbers with mean ``a / (a + b)``."""
    return _draw("beta", samplers.beta, {"a": a, "b": b}, size, dtype, ctx, check={"a": 0, "b": 0})


def chisquare(df, size=None, dtype=None, ctx=None):
    """The sums of squares of df normal numbers."""
    return _draw("chisquare", distributions.chisquare, {"df": df}, size, dtype, ctx, check={"df": 0})


def rand(*size, **kwargs):
    """Numbers from [0, 1) in the given shape; dtype=, ctx= and out= by name."""
    return uniform(0.0, 1.0, size, **_known("rand", kwargs))


def randn(*size, **kwargs):
    """Normally distributed numbers in the given shape; dtype=, ctx= and out= by name."""
    return normal(0.0, 1.0, size, **_known("randn", kwargs))


def _known(name, kwargs):
    for key in kwargs:
        if key not in ("dtype", "ctx", "out"):
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
    return kwargs


def randint(low, high=None, size=None, dtype=None, ctx=None, out=None):
    """Whole numbers from [low, high), without high from [0, low); int64 unless int32 is asked for."""
    low, high = (0, low) if high is None else (low, high)
    wanted = torch.int64 if dtype is None else mxnet_dtype(dtype)
    if wanted not in (torch.int32, torch.int64):
        raise MXNetError(explain("randint() draws int32 or int64", given=dtype))
    if not low < high:
        raise MXNetError(explain("randint() needs low < high", given=f"low={low}, high={high}"))
    ctx, device = place(ctx)
    shape = _sizes(size) or ()
    if out is not None and tuple(out.shape) != shape:
        raise MXNetError(explain("out= does not fit", expected=shape, given=out.shape))
    made = samplers.randint(shape, int(low), int(high), dtype=wanted, device=device)
    return written(ndarray._wrap(made, ctx), out)


def choice(a, size=None, replace=True, p=None, ctx=None, out=None):
    """Entries of a (its first axis), or numbers below the number a, drawn with equal probabilities or those in p.

    Raises MXNetError where more entries are wanted than there are, without replacement.
    """
    if not isinstance(a, (NDArray, int, onp.integer)):
        raise MXNetError(explain("choice() takes an array or a number", given=repr(a)[:200]))
    if p is not None:
        checked_array(p, "input1")
    count = a.shape[0] if isinstance(a, NDArray) else int(a)
    shape = _sizes(size) or ()
    draws = math.prod(shape)
    if count < 1 or (not replace and draws > count):
        raise MXNetError(
            explain("choice() cannot take more than there is", expected=f"up to {count}", given=f"size={size}")
        )
    ctx, device = (a._ctx, a._tensor.device) if isinstance(a, NDArray) else place(ctx)
    weights = None if p is None else p._tensor.detach()
    places = ndarray._wrap(
        distributions.choose(count, draws, weights, replace=replace, device=device).reshape(shape), ctx
    )
    return written(a[places] if isinstance(a, NDArray) else places, out)


def multinomial(n, pvals, size=None, **kwargs):
    """How often each class occurs among n draws with the probabilities pvals: (*size, classes) in int64.

    Raises MXNetError where the probabilities sum to more than 1.
    """
    if kwargs:
        raise TypeError(f"multinomial() got an unexpected keyword argument '{next(iter(kwargs))}'")
    if isinstance(pvals, NDArray):
        values, ctx = pvals._tensor.detach(), pvals._ctx
    else:
        ctx, device = place(None)
        values = torch.tensor(pvals, dtype=torch.float64, device=device)
    total = float(onp.sum(values.cpu().numpy(), dtype="float64"))
    if total > 1 + 1e-5:
        raise MXNetError(explain("The probabilities of multinomial() sum to 1", given=total))
    shape = _sizes(size) or ()
    return ndarray._wrap(distributions.multinomial_counts(shape, max(int(n), 0), values), ctx)


def multivariate_normal(mean, cov, size=None, check_valid=None, tol=None):
    """Vectors of normal numbers with a mean (..., k) and a covariance (..., k, k): (*size, ..., k).

    check_valid: None, "raise", "warn" or "ignore": a covariance that is not positive definite raises MXNetError in
    any case. tol: None.
    """
    checked_array(mean, "mean")
    checked_array(cov, "cov")
    if check_valid not in (None, "raise", "warn", "ignore"):
        raise ValueError("check_valid must equal 'warn', 'raise', or 'ignore'")
    if tol is not None:
        raise NotImplementedError(explain("multivariate_normal() has no tolerance", expected="tol=None", given=tol))
    shape = _sizes(size) or ()
    return call(
        "multivariate_normal",
        lambda m, c: distributions.multivariate_normal(shape, m, c),
        mean,
        mean._tensor,
        cov._tensor,
    )


def shuffle(x):
    """Put the entries of the array's first axis in random order, in place."""
    if checked_array(x).ndim == 0:
        raise MXNetError(explain("shuffle() needs an axis", given="an array without axes"))
    x._assign(samplers.shuffle(x._tensor.detach(), 0))
