"""`mx.sym.np.random`: samplers in graphs of `mx.np` arrays; parameters are numbers, or symbols that broadcast."""

from tandem.core.errors import explain
from tandem.mxnet.symbol.numpy_symbol import NUMBERS, apply, binary
from tandem.mxnet.symbol.symbol import Symbol

__all__ = [
    "beta",
    "chisquare",
    "choice",
    "exponential",
    "gamma",
    "gumbel",
    "logistic",
    "lognormal",
    "multivariate_normal",
    "normal",
    "pareto",
    "power",
    "rand",
    "randint",
    "rayleigh",
    "shuffle",
    "uniform",
    "weibull",
]


def __dir__():
    return list(__all__)


def draw(name, parameters, size, dtype=None, ctx=None, out=None, operator=None):
    """A symbol of a sampler. parameters: name -> number or symbol; operator: its name, where it is another.

    Raises TypeError where `out` is given.
    """
    if out is not None:
        raise TypeError(explain(f"{name}() of symbols answers a new symbol", expected="out=None", given=repr(out)))
    inputs = tuple(value for value in parameters.values() if isinstance(value, Symbol))
    attrs = {key: "None" if isinstance(value, Symbol) else value for key, value in parameters.items()}
    sizes = (size,) if isinstance(size, int) else size if size is None else tuple(size)
    operator = operator or name
    return apply(f"_npi_{operator}", operator, inputs, {**attrs, "size": sizes, "dtype": dtype, "ctx": ctx})


def uniform(low=0.0, high=1.0, size=None, dtype=None, ctx=None, out=None):
    """Numbers from [low, high)."""
    return draw("uniform", {"low": low, "high": high}, size, dtype or "float32", ctx, out)


def normal(loc=0.0, scale=1.0, size=None, dtype=None, ctx=None, out=None):
    """Normally distributed numbers with mean loc and deviation scale."""
    return draw("normal", {"loc": loc, "scale": scale}, size, dtype or "float32", ctx, out)


def lognormal(mean=0.0, sigma=1.0, size=None, dtype=None, ctx=None, out=None):
    """``exp(x)`` of normal numbers x with mean and deviation sigma."""
    return apply("_npi_exp", "exp", (normal(mean, sigma, size, dtype, ctx, out),))


def logistic(loc=0.0, scale=1.0, size=None, ctx=None, out=None):
    """Logistically distributed numbers with mean loc."""
    return draw("logistic", {"loc": loc, "scale": scale}, size, None, ctx, out)


def gumbel(loc=0.0, scale=1.0, size=None, ctx=None, out=None):
    """Gumbel distributed numbers with mode loc."""
    return draw("gumbel", {"loc": loc, "scale": scale}, size, None, ctx, out)


def exponential(scale=1.0, size=None, ctx=None, out=None):
    """Exponentially distributed numbers with mean scale."""
    return draw("exponential", {"scale": scale}, size, None, ctx, out)


def rayleigh(scale=0.0, size=None, ctx=None, out=None):
    """The lengths of vectors of two normal numbers with deviation scale."""
    return draw("rayleigh", {"scale": scale}, size, None, ctx, out)


def weibull(a, size=None, ctx=None, out=None):
    """Weibull distributed numbers of shape a and scale 1."""
    return draw("weibull", {"a": a}, size, None, ctx, out)


def pareto(a, size=None, ctx=None, out=None):
    """Pareto distributed numbers of the second kind (Lomax) of shape a."""
    return draw("pareto", {"a": a}, size, None, ctx, out)


def power(a, size=None):
    """Numbers between 0 and 1 with density ``a x^(a - 1)``."""
    return draw("power", {"a": a}, size, operator="powerd")


def gamma(shape, scale=1.0, size=None, dtype=None, ctx=None, out=None):
    """Gamma distributed numbers with mean ``shape * scale``."""
    return draw("gamma", {"shape": shape, "scale": scale}, size, dtype or "float32", ctx, out)


def beta(a, b, size=None, dtype=None, ctx=None):
    """Beta distributed numbers with mean ``a / (a + b)``, of two gamma distributed ones."""
    first, second = (gamma(one, 1.0, size, "float64", ctx) for one in (a, b))
    return binary("true_divide", first, binary("add", first, second)).astype(dtype or "float32")


def chisquare(df, size=None, dtype=None, ctx=None):
    """The sums of squares of df normal numbers: gamma distributed ones of shape ``df / 2``."""
    return gamma(df / 2, 2.0, size, dtype, ctx)


def rand(*size, **kwargs):
    """Numbers from [0, 1) in the given shape; dtype= and ctx= by name."""
    return uniform(0, 1, size, **kwargs)


def randint(low, high=None, size=None, dtype=None, ctx=None, out=None):
    """Whole numbers from [low, high), without high from [0, low); int64 unless int32 is asked for."""
    if out is not None:
        raise TypeError(explain("randint() of symbols answers a new symbol", expected="out=None", given=repr(out)))
    low, high = (0, low) if high is None else (low, high)
    sizes = (size,) if isinstance(size, int) else () if size is None else tuple(size)
    attrs = {"low": low, "high": high, "shape": sizes, "dtype": dtype or "int64", "ctx": ctx}
    return apply("_npi_random_randint", "random_randint", (), attrs)


def choice(a, size=None, replace=True, p=None, ctx=None, out=None):
    """Entries of a (its first axis), or numbers below the number a, drawn with equal probabilities or those in p."""
    if out is not None:
        raise TypeError(explain("choice() of symbols answers a new symbol", expected="out=None", given=repr(out)))
    inputs = tuple(one for one in (a, p) if isinstance(one, Symbol))
    number = a if isinstance(a, NUMBERS) else "None"
    sizes = (size,) if isinstance(size, int) else size if size is None else tuple(size)
    attrs = {"a": number, "size": sizes, "replace": replace, "weighted": p is not None, "ctx": ctx}
    return apply("_npi_choice", "choice", inputs, attrs)


def multivariate_normal(mean, cov, size=None, check_valid=None, tol=None):
    """Vectors of normal numbers with a mean (..., k) and a covariance (..., k, k): (*size, ..., k).

    Raises NotImplementedError for check_valid and tol.
    """
    if check_valid is not None or tol is not None:
        raise NotImplementedError(
            explain("multivariate_normal() of symbols checks nothing", expected="check_valid=None, tol=None")
        )
    sizes = (size,) if isinstance(size, int) else size if size is None else tuple(size)
    return apply("_npi_multivariate_normal", "multivariate_normal", (mean, cov), {"size": sizes})


def shuffle(x):
    """The entries of the first axis in random order.

    A symbol has no memory to change: unlike `mx.np.random.shuffle` this answers them.
    """
    return apply("_npi_shuffle", "shuffle", (x,))
