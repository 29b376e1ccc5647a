"""`mx.nd.random`: samplers whose parameters are numbers, or arrays (then one distribution to each element)."""

from tandem.core.errors import explain
from tandem.mxnet import operators, views
from tandem.mxnet.base import _Null, open_module
from tandem.mxnet.ndarray import _internal
from tandem.mxnet.ndarray.ndarray import NDArray

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
    "shuffle",
    "uniform",
]

_LIKE = {
    name[len("_random_") :]: name
    for name in operators.OPERATORS
    if name.startswith("_random_") and name.endswith("_like")
}
_table = views.Namespace("mxnet.ndarray.random", lambda: NDArray, _LIKE)


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir(globals())


open_module(__name__)


def _sample(name, parameters, shape, dtype, ctx, out, kwargs, *, arrays=None):
    """Draw from `_random_NAME` for numbers, `_sample_NAME` for arrays; parameters: name -> value.

    Raises AssertionError where arrays and numbers are mixed, ValueError for what is neither.
    """
    first = next(iter(parameters.values()))
    given = {"dtype": dtype, "out": out, **kwargs}
    if isinstance(first, NDArray):
        for value in parameters.values():
            if not isinstance(value, NDArray):
                raise _mixed(first, value)
        if shape is not _Null and shape is not None:
            given["shape"] = shape
        return getattr(_internal, f"_sample_{name}")(*parameters.values(), **given)
    for value in parameters.values():
        if isinstance(value, NDArray):
            raise _mixed(first, value)
        if not isinstance(value, (int, float)) and not hasattr(value, "__float__"):
            raise ValueError(
                explain("Distribution parameters must be either NDArray or numbers", given=type(value).__name__)
            )
    given["shape"] = (1,) if shape is _Null and out is None else out.shape if shape is _Null else shape
    return getattr(_internal, f"_random_{name}")(**parameters, ctx=ctx, **given)


def _mixed(first, other):
    return AssertionError(
        explain(
            "Distribution parameters must all have the same type",
            expected="all arrays or all numbers",
            given=f"{type(first).__name__} and {type(other).__name__}",
        )
    )


def uniform(low=0, high=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Numbers from [low, high)."""
    return _sample("uniform", {"low": low, "high": high}, shape, dtype, ctx, out, kwargs)


def normal(loc=0, scale=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Normally distributed numbers with mean loc and deviation scale."""
    return _sample("normal", {"loc": loc, "scale": scale}, shape, dtype, ctx, out, kwargs)


def randn(*shape, **kwargs):
    """Normally distributed numbers in the given shape; `loc`, `scale`, `dtype`, `ctx` and `out` by name."""
    loc, scale = kwargs.pop("loc", 0), kwargs.pop("scale", 1)
    dtype, ctx, out = kwargs.pop("dtype", _Null), kwargs.pop("ctx", None), kwargs.pop("out", None)
    return _sample("normal", {"loc": loc, "scale": scale}, shape, dtype, ctx, out, kwargs)


def poisson(lam=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Poisson distributed numbers with mean lam."""
    return _sample("poisson", {"lam": lam}, shape, dtype, ctx, out, kwargs)


def exponential(scale=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Exponentially distributed numbers with mean scale."""
    return _sample("exponential", {"lam": 1.0 / scale}, shape, dtype, ctx, out, kwargs)


def gamma(alpha=1, beta=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Gamma distributed numbers with mean ``alpha * beta``."""
    return _sample("gamma", {"alpha": alpha, "beta": beta}, shape, dtype, ctx, out, kwargs)


def negative_binomial(k=1, p=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """How many draws fail before k succeed, each with probability p."""
    return _sample("negative_binomial", {"k": k, "p": p}, shape, dtype, ctx, out, kwargs)


def generalized_negative_binomial(mu=1, alpha=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Whole numbers with mean mu and variance ``mu + alpha * mu^2``."""
    parameters = {"mu": mu, "alpha": alpha}
    return _sample("generalized_negative_binomial", parameters, shape, dtype, ctx, out, kwargs)


def multinomial(data, shape=_Null, get_prob=False, out=None, dtype="int32", **kwargs):
    """Class numbers drawn with the probabilities in data's last axis.

    get_prob: also answer the logarithms of their probabilities, with gradients.
    """
    return _internal._sample_multinomial(data, shape, get_prob, out=out, dtype=dtype, **kwargs)


def randint(low, high, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Whole numbers from [low, high), as int32 or int64."""
    return _sample("randint", {"low": low, "high": high}, shape, dtype, ctx, out, kwargs)


def shuffle(data, **kwargs):
    """data with its first axis in random order."""
    return _internal._shuffle(data, **kwargs)
