"""`mx.sym.npx.random`: samplers beyond NumPy's, in graphs of `mx.np` arrays."""

from tandem.core.errors import explain
from tandem.mxnet.symbol.numpy_random import draw
from tandem.mxnet.symbol.numpy_symbol import apply
from tandem.mxnet.symbol.symbol import Symbol

__all__ = ["bernoulli", "normal_n", "uniform_n"]


def __dir__():
    return list(__all__)


def bernoulli(prob=None, logit=None, size=None, dtype=None, ctx=None, out=None):
    """1 with the probability `prob`, or ``sigmoid(logit)``, else 0.

    Raises ValueError where both or none are given, TypeError for `out`.
    """
    if (prob is None) == (logit is None):
        raise ValueError(
            explain("Either `prob` or `logit` must be specified, but not both", given=f"prob={prob}, logit={logit}")
        )
    if out is not None:
        raise TypeError(explain("bernoulli() of symbols answers a new symbol", expected="out=None", given=repr(out)))
    value = prob if logit is None else logit
    inputs = (value,) if isinstance(value, Symbol) else ()
    number = "None" if inputs else value
    attrs = {
        "prob": number if logit is None else "None",
        "logit": "None" if logit is None else number,
        "is_logit": logit is not None,
        "size": (size,) if isinstance(size, int) else size if size is None else tuple(size),
        "dtype": dtype or "float32",
        "ctx": ctx,
    }
    return apply("_npi_bernoulli", "bernoulli", inputs, attrs)


def uniform_n(low=0.0, high=1.0, batch_shape=None, dtype=None, ctx=None):
    """Numbers from [low, high): for each pair of parameters `batch_shape` of them, whose axes come first."""
    return draw("uniform_n", {"low": low, "high": high}, batch_shape, dtype or "float32", ctx)


def normal_n(loc=0.0, scale=1.0, batch_shape=None, dtype=None, ctx=None):
    """Normal numbers: for each pair of parameters `batch_shape` of them, whose axes come first."""
    return draw("normal_n", {"loc": loc, "scale": scale}, batch_shape, dtype or "float32", ctx)
