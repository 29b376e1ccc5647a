"""The modules of `mx.sym` that come from the operator table, made into functions when first used."""

from tandem.mxnet import operators
from tandem.mxnet.base import missing
from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol import compose


class Namespace:
    """Public name -> operator name, of one module.

    module: its dotted name; names: the mapping; kind: a function that answers the type of symbols.
    """

    def __init__(self, module, names, kind=None):
        self.module, self.names = module, names
        self._kind = kind or _classic

    def get(self, name, scope_globals):
        """The function for `name`, kept in the module's globals from then on.

        Raises AttributeError with a suggestion where there is none.
        """
        if name not in self.names:
            raise missing(self.module, name, self.dir(scope_globals))
        row = row_of(self.names[name])
        function = compose.function_of(row, self._kind, name, module=self.module)
        scope_globals[name] = function
        return function

    def dir(self, scope_globals):
        """All public names: those of the table and those written in the module."""
        return sorted({*self.names, *(name for name in scope_globals if not name.startswith("_"))})


def _classic():
    from tandem.mxnet.symbol.symbol import Symbol

    return Symbol


def row_of(name):
    """The row of an operator by the name that MXNet's files have for it; None where there is none."""
    row = OPERATORS.get(name)
    if row is None and name.startswith("_npx_"):
        from tandem.mxnet.numpy_extension import view

        short = name.removeprefix("_npx_")
        names = {**view.OPERATORS_OF, **operators.names("_npx_")}
        names.update({f"_image_{key}": full for key, full in operators.names("_image_").items()})
        row = OPERATORS.get(names.get(short, ""))
    elif row is None and name.startswith("_sparse_"):
        row = OPERATORS.get(name.removeprefix("_sparse_"))
    return row
