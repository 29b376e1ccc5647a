"""`mx.np.random`: random numbers; parameters are numbers or arrays that broadcast.

`mx.random.seed` makes them reproducible; the numbers are torch's, not MXNet's. Where a distribution is a function of a
fixed one (normal, uniform, logistic, gumbel, exponential, rayleigh, weibull, pareto, gamma), gradients flow to its
parameters.
"""

import math

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.numpy.functions_base import NUMBERS, as_number, checked_array, dtype_given, row
from tandem.mxnet.numpy.multiarray import call
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


def _sizes(size):
    if size is None:
        return None
    return (int(size),) if isinstance(size, (int, onp.integer)) else tuple(int(one) for one in size)


def _draw(name, parameters, size, dtype=None, ctx=None, out=None, least=(), operator=None):
    """Numbers of a row of the table; parameters: name -> number or array; least: those that are 0 at least.

    Raises ValueError for a number out of range, MXNetError where the shapes do not broadcast to `size`.
    """
    for key in least:
        value = parameters[key]
        if isinstance(value, NUMBERS) and value < 0:
            raise ValueError(explain(f"{name}() needs {key} >= 0", given=f"{key}={value}"))
    arrays = [value for value in parameters.values() if isinstance(value, NDArray)]
    given = {
        key: None if isinstance(value, NDArray) else as_number(value) if isinstance(value, NUMBERS) else value
        for key, value in parameters.items()
    }
    if arrays:
        ctx = arrays[0].context
    if ctx is not None:
        given["ctx"] = ctx
    if dtype is not None:
        given["dtype"] = dtype_given(dtype)
    return row(f"_npi_{operator or name}", name)(*arrays, **given, size=_sizes(size), out=out)


def uniform(low=0.0, high=1.0, size=None, dtype=None, ctx=None, out=None):
    """Numbers from [low, high)."""
    return _draw("uniform", {"low": low, "high": high}, size, dtype, ctx, out)


def normal(loc=0.0, scale=1.0, size=None, dtype=None, ctx=None, out=None):
    """Normally distributed numbers with mean loc and deviation scale."""
    return _draw("normal", {"loc": loc, "scale": scale}, size, dtype, ctx, out, ("scale",))


def lognormal(mean=0.0, sigma=1.0, size=None, dtype=None, ctx=None, out=None):
    """``exp(x)`` of normal numbers x with mean and deviation sigma."""
    from tandem.mxnet.numpy.functions_elementwise import exp

    return exp(_draw("normal", {"loc": mean, "scale": sigma}, size, dtype, ctx, None, ("scale",)), out=out)


def logistic(loc=0.0, scale=1.0, size=None, ctx=None, out=None):
    """Logistically distributed numbers with mean loc."""
    return _draw("logistic", {"loc": loc, "scale": scale}, size, None, ctx, out, ("scale",))


def gumbel(loc=0.0, scale=1.0, size=None, ctx=None, out=None):
    """Gumbel distributed numbers with mode loc."""
    return _draw("gumbel", {"loc": loc, "scale": scale}, size, None, ctx, out, ("scale",))


def exponential(scale=1.0, size=None, ctx=None, out=None):
    """Exponentially distributed numbers with mean scale."""
    return _draw("exponential", {"scale": scale}, size, None, ctx, out, ("scale",))


def rayleigh(scale=1.0, size=None, ctx=None, out=None):
    """The lengths of vectors of two normal numbers with deviation scale."""
    return _draw("rayleigh", {"scale": scale}, size, None, ctx, out, ("scale",))


def weibull(a, size=None, ctx=None, out=None):
    """Weibull distributed numbers of shape a and scale 1."""
    return _draw("weibull", {"a": a}, size, None, ctx, out, ("a",))


def pareto(a, size=None, ctx=None, out=None):
    """Pareto distributed numbers of the second kind (Lomax) of shape a."""
    return _draw("pareto", {"a": a}, size, None, ctx, out, ("a",))


def power(a, size=None):
    """Numbers between 0 and 1 with density ``a x^(a - 1)``."""
    return _draw("power", {"a": a}, size, least=("a",), operator="powerd")


def gamma(shape, scale=1.0, size=None, dtype=None, ctx=None, out=None):
    """Gamma distributed numbers with mean ``shape * scale``."""
    return _draw("gamma", {"shape": shape, "scale": scale}, size, dtype, ctx, out, ("shape", "scale"))


def beta(a, b, size=None, dtype=None, ctx=None):
    """Beta distributed numbers with mean ``a / (a + b)``, of two gamma distributed ones."""
    if size is None and (isinstance(a, NDArray) or isinstance(b, NDArray)):
        size = onp.broadcast_shapes(*(one.shape for one in (a, b) if isinstance(one, NDArray)))
    first, second = (gamma(one, 1.0, size, dtype, ctx) for one in (a, b))
    return first / (first + second)


def chisquare(df, size=None, dtype=None, ctx=None):
    """The sums of squares of df normal numbers: gamma distributed ones of shape ``df / 2``."""
    if isinstance(df, NUMBERS) and df < 0:
        raise ValueError(explain("chisquare() needs df >= 0", given=f"df={df}"))
    return gamma(df / 2, 2.0, size, dtype, ctx)


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
    given = {} if ctx is None else {"ctx": ctx}
    return row("_npi_random_randint", "randint")(
        low=low, high=high, shape=_sizes(size), dtype=dtype_given(dtype), out=out, **given
    )


def choice(a, size=None, replace=True, p=None, ctx=None, out=None):
    """Entries of a (its first axis), or numbers below the number a, drawn with equal probabilities or those in p.

    Raises MXNetError where more entries are wanted than there are, without replacement.
    """
    arrays = [a] if isinstance(a, NDArray) else []
    number = None if arrays else as_number(a)
    if p is not None:
        arrays.append(checked_array(p, "input1"))
    ctx = arrays[0].context if arrays else ctx
    given = {} if ctx is None else {"ctx": ctx}
    return row("_npi_choice", "choice")(
        *arrays, a=number, size=_sizes(size), replace=replace, weighted=p is not None, out=out, **given
    )


def multinomial(n, pvals, size=None, **kwargs):
    """How often each class occurs among n draws with the probabilities pvals: (*size, classes) in int64.

    Raises MXNetError where the probabilities sum to more than 1.
    """
    if kwargs:
        raise TypeError(f"multinomial() got an unexpected keyword argument '{next(iter(kwargs))}'")
    total = math.fsum(pvals.asnumpy() if isinstance(pvals, NDArray) else pvals)
    if total > 1 + 1e-5:
        raise MXNetError(explain("The probabilities of multinomial() sum to 1", given=total))
    if isinstance(pvals, NDArray):
        return row("_npi_multinomial", "multinomial")(pvals, n=n, size=_sizes(size))
    return row("_npi_multinomial", "multinomial")(n=n, pvals=tuple(pvals), size=_sizes(size))


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
