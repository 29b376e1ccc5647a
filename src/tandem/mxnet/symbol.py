"""`mx.sym`: symbols, which are not there yet; the names raise when they are used."""

from tandem.core.errors import Unsupported, explain
from tandem.mxnet import operators
from tandem.mxnet.base import missing

_NAMES = ("Group", "Variable", "arange", "contrib", "eye", "full", "image", "linalg", "load", "load_json", "ones", "op")
_NAMES += ("random", "sparse", "var", "zeros")


def _unsupported(name):
    return Unsupported(
        explain(
            f"mx.sym.{name} is not supported yet: there are no symbols",
            expected="mx.nd with mx.autograd, or mx.gluon",
            hint="A HybridBlock runs without symbols, hybridized too.",
        )
    )


class Symbol:
    """A node of a symbolic graph: there are none yet, so that nothing is an instance."""

    def __init__(self, *args, **kwargs):
        raise _unsupported("Symbol")


def __getattr__(name):
    if name not in _NAMES and name not in operators.names():
        raise missing("mxnet.symbol", name, [*_NAMES, "Symbol"])

    def unsupported(*args, **kwargs):
        raise _unsupported(name)

    unsupported.__name__ = unsupported.__qualname__ = name
    return unsupported


def __dir__():
    return sorted({*_NAMES, "Symbol"})
