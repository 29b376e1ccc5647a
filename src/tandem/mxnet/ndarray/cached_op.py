"""`nd.CachedOp`: a symbol that is called with arrays."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.numpy.multiarray import ndarray
from tandem.mxnet.symbol.evaluate import run_as_operator
from tandem.mxnet.symbol.inference import Facts
from tandem.mxnet.symbol.nodes import Entry
from tandem.mxnet.symbol.symbol import Symbol
from tandem.mxnet.views import write_all

__all__ = ["CachedOp"]

# What MXNet's engine can be told of memory and of groups of operators: it changes no numbers, and nothing here.
_FLAGS = (
    "backward_bulk_size",
    "data_indices",
    "forward_bulk_size",
    "inline_limit",
    "param_indices",
    "static_alloc",
    "static_shape",
)


class CachedOp:
    """A symbol as a function of arrays: `CachedOp(symbol)(*arrays)`, which autograd records like an operator.

    sym: the Symbol, whose `list_inputs()` says the order of the arrays; flags: pairs (name, value) as `hybridize` has
    them.
    Raises AttributeError for what is no symbol, MXNetError for an unknown flag.
    """

    def __init__(self, sym, flags=()):
        if not isinstance(sym, Symbol):
            raise AttributeError(explain("CachedOp takes a symbol", given=type(sym).__name__))
        unknown = sorted(name for name, _ in flags if name not in _FLAGS)
        if unknown:
            raise MXNetError(
                explain(
                    f"Cannot find argument {unknown[0]!r} of CachedOp",
                    expected=", ".join(_FLAGS),
                    given=f"flags={flags!r}",
                )
            )
        self.is_np_sym = type(sym) is not Symbol
        self._symbol, self._kinds = sym, {}

    @property
    def handle(self):
        """The number that stands for the operator (MXNet: the address of its C object)."""
        return id(self)

    def __call__(self, *args, out=None, **kwargs):
        """The outputs of the symbol: an array or a list of them, or `out`, into which they are written.

        args: one array to each input.
        Raises TypeError for other arguments, MXNetError for another number of arrays or shapes that do not fit.
        """
        if kwargs:
            raise TypeError(f"CachedOp.__call__ got unexpected keyword argument(s): {', '.join(kwargs)}")
        names = self._symbol.list_inputs()
        if len(args) != len(names):
            raise MXNetError(
                explain(
                    "CachedOp needs one array to each input", expected=", ".join(names), given=f"{len(args)} arrays"
                )
            )
        for name, array in zip(names, args):
            if not isinstance(array, NDArray):
                raise AttributeError(explain(f"Input {name!r} of CachedOp is no array", given=type(array).__name__))
        results = run_as_operator(self._symbol, self._kinds, args, self._facts, dict(zip(names, args)))
        if out is not None:
            return write_all(out, results, "CachedOp")
        kind = ndarray if self.is_np_sym else NDArray
        outputs = [kind._wrap(tensor, args[0]._ctx if args else None) for tensor in results]
        return outputs[0] if len(outputs) == 1 else outputs

    def _facts(self, args):
        arrays = dict(zip(self._symbol.list_inputs(), args))
        facts = Facts(self._symbol._entries)
        for node in facts.order:
            if node.is_variable:
                facts.tell_shape(Entry(node), tuple(arrays[node.name].shape))
        return facts.search(dtypes=False)
