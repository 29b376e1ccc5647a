"""`mx.sym.random`: samplers whose parameters are numbers, or symbols (then one distribution to each element)."""

from tandem.core.errors import explain
from tandem.mxnet.base import _Null, open_module
from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol import compose, namespaces
from tandem.mxnet.symbol.symbol import Symbol

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

_LIKE = {name[len("_random_") :]: name for name in OPERATORS if name.startswith("_random_") and name.endswith("_like")}
_table = namespaces.Namespace("mxnet.symbol.random", _LIKE)


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir(dict.fromkeys(__all__))


open_module(__name__)


def _apply(name, args, given):
    given = {key: value for key, value in given.items() if value is not None}
    node_name, attr = given.pop("name", None), given.pop("attr", None)
    return compose.apply(OPERATORS[name], Symbol, name, args, given, node_name, attr)


def _sample(name, parameters, shape, dtype, kwargs):
    """`_random_NAME` for numbers, `_sample_NAME` for symbols; parameters: name -> value.

    Raises AssertionError where symbols and numbers are mixed, ValueError for what is neither.
    """
    first = next(iter(parameters.values()))
    given = {"shape": shape, "dtype": dtype, **kwargs}
    for value in parameters.values():
        if isinstance(value, Symbol) != isinstance(first, Symbol):
            raise AssertionError(
                f"Distribution parameters must all have the same type, but got both {type(first)} and {type(value)}."
            )
        if not isinstance(value, Symbol) and not hasattr(value, "__float__"):
            raise ValueError(
                explain("Distribution parameters must be either Symbol or numbers", given=type(value).__name__)
            )
    if isinstance(first, Symbol):
        given.pop("ctx", None)
        return _apply(f"_sample_{name}", tuple(parameters.values()), given)
    return _apply(f"_random_{name}", (), {**parameters, **given})


def uniform(low=0, high=1, shape=_Null, dtype=_Null, **kwargs):
    """Numbers from [low, high)."""
    return _sample("uniform", {"low": low, "high": high}, shape, dtype, kwargs)


def normal(loc=0, scale=1, shape=_Null, dtype=_Null, **kwargs):
    """Normally distributed numbers with mean loc and deviation scale."""
    return _sample("normal", {"loc": loc, "scale": scale}, shape, dtype, kwargs)


def randn(*shape, **kwargs):
    """Normally distributed numbers of a shape (loc=0, scale=1, dtype)."""
    loc, scale, dtype = kwargs.pop("loc", 0), kwargs.pop("scale", 1), kwargs.pop("dtype", _Null)
    return _sample("normal", {"loc": loc, "scale": scale}, shape, dtype, kwargs)


def poisson(lam=1, shape=_Null, dtype=_Null, **kwargs):
    """Poisson distributed numbers with mean lam."""
    return _sample("poisson", {"lam": lam}, shape, dtype, kwargs)


def exponential(scale=1, shape=_Null, dtype=_Null, **kwargs):
    """Exponentially distributed numbers with mean scale."""
    if isinstance(scale, Symbol):
        return _sample("exponential", {"lam": 1.0 / scale}, shape, dtype, kwargs)
    return _sample("exponential", {"lam": 1.0 / scale}, shape, dtype, kwargs)


def gamma(alpha=1, beta=1, shape=_Null, dtype=_Null, **kwargs):
    """Gamma distributed numbers with shape alpha and scale beta."""
    return _sample("gamma", {"alpha": alpha, "beta": beta}, shape, dtype, kwargs)


def negative_binomial(k=1, p=1, shape=_Null, dtype=_Null, **kwargs):
    """How many failures there are before k successes of probability p."""
    return _sample("negative_binomial", {"k": k, "p": p}, shape, dtype, kwargs)


def generalized_negative_binomial(mu=1, alpha=1, shape=_Null, dtype=_Null, **kwargs):
    """Poisson distributed numbers whose mean is gamma distributed with mean mu and dispersion alpha."""
    return _sample("generalized_negative_binomial", {"mu": mu, "alpha": alpha}, shape, dtype, kwargs)


def multinomial(data, shape=_Null, get_prob=True, dtype="int32", **kwargs):
    """Class numbers, each drawn with the probabilities along the last axis of `data`; and the logarithms of these."""
    given = {"shape": shape, "get_prob": get_prob, "dtype": dtype, **kwargs}
    return _apply("_sample_multinomial", (data,), given)


def shuffle(data, **kwargs):
    """`data` in a random order along its first axis."""
    return _apply("_shuffle", (data,), kwargs)


def randint(low, high, shape=_Null, dtype=_Null, **kwargs):
    """Whole numbers from low up to high (not included)."""
    return _sample("randint", {"low": low, "high": high}, shape, dtype, kwargs)
