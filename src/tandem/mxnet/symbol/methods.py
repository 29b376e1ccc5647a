"""Operators that are also methods of symbols: ``x.sum(axis=1)`` is ``sym.sum(x, axis=1)``."""

from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol import compose, creation
from tandem.mxnet.symbol.symbol import Symbol

NAMES = """
    abs arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin argsort broadcast_axes broadcast_like
    broadcast_to cbrt ceil clip cos cosh degrees depth_to_space diag exp expand_dims expm1 fix flatten flip floor log
    log10 log1p log2 log_softmax max mean min nanprod nansum norm one_hot ones_like pad pick prod radians rcbrt
    reciprocal relu repeat reshape
    reshape_like rint round rsqrt shape_array sigmoid sign sin sinh size_array slice slice_axis
    slice_like softmax softmin sort space_to_depth split sqrt square squeeze sum swapaxes take tan tanh tile topk
    transpose trunc zeros_like
    """.split()  # noqa: SIM905 (one name to a line would be a page)
# Methods that take what MXNet's arrays take and its symbols cannot follow: whether memory is shared.
_IN_PLACE = ("expand_dims", "flatten", "squeeze")


def _method(name):
    function = compose.function_of(OPERATORS[name], lambda: Symbol, name)

    def method(self, *args, **kwargs):
        if name in _IN_PLACE:
            kwargs.pop("inplace", None)
        return function(self, *args, **kwargs)

    method.__name__, method.__qualname__, method.__doc__ = name, f"Symbol.{name}", function.__doc__
    return method


def _astype(self, *args, **kwargs):
    """The values in another dtype."""
    return compose.function_of(OPERATORS["Cast"], lambda: Symbol, "cast")(self, *args, **kwargs)


def _split_v2(self, *args, **kwargs):
    """Parts along an axis; see `sym.split_v2`."""
    return creation.split_v2(self, *args, **kwargs)


def attach():
    """Give Symbol these methods."""
    for name in NAMES:
        setattr(Symbol, name, _method(name))
    Symbol.astype, Symbol.split_v2 = _astype, _split_v2
