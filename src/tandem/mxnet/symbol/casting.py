"""A graph in mixed precision: the casts that stand before each operator and behind the whole."""

from tandem.mxnet.ndarray.ndarray import mxnet_dtype
from tandem.mxnet.operators.attributes import CODES
from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol.nodes import Entry, Node, visit
from tandem.mxnet.symbol.symbol import Symbol

_FULL = "float32"


class Mixed:
    """A symbol with casts.

    symbol; dtype: 'float16' or 'bfloat16'; low: names of operators that compute in it; full: in float32; conditional:
    (name, attribute, values) of those that compute in float32 where the attribute has one of the values; widest: in the
    widest of their inputs' dtypes; the others compute in what they get. excluded: names of nodes that compute in
    float32; kept: names of variables that are cast although they hold parameters, None for all; optional: whether the
    variables that are only cast to `dtype` are to have it themselves.
    After it: `symbol`.
    """

    def __init__(self, symbol, dtype, *, low, full, conditional, widest, excluded, kept=None, optional=False):
        self._low, self._full, self._widest = set(low), set(full), set(widest)
        self._conditional, self._excluded, self._dtype = conditional, set(excluded), dtype
        self._made = {}  # (id of an old node, place) -> entry
        self._kinds = {}  # the same -> dtype, None where it is not known
        self._casts = {}  # (the same, dtype) -> entry
        order = visit(symbol._entries)
        held = self._held(order, kept) if optional and kept is not None else None
        for node in order:
            if node.is_variable:
                attrs, low = dict(node.attrs), held is not None and node.name in held
                if held is not None and node.name not in kept:
                    attrs["__dtype__"] = str(CODES[mxnet_dtype(dtype if low else _FULL)])
                self._keep(node, Node(None, node.name, attrs), dtype if low else None)
            else:
                self._operator(node)
        self.symbol = Symbol([self._in_full(entry) for entry in symbol._entries])

    # --- what is wanted ----------------------------------------------------------------------------------------------

    def _wants(self, node):
        """'low', 'full', 'widest' or None."""
        names = {node.row.name, *node.row.aliases}
        if node.name in self._excluded or names & self._full or self._holds(node, names):
            return "full"
        if names & self._low:
            return "low"
        return "widest" if names & self._widest else None

    def _holds(self, node, names):
        attributes = node.binding.attributes
        return any(
            name in names and str(attributes.get(attribute)) in map(str, values)
            for name, attribute, values in self._conditional
        )

    def _held(self, order, kept):
        """Names of the variables that nothing but operators in `dtype` take."""
        low, others = set(), set()
        for node in order:
            if not node.is_variable:
                names = low if self._wants(node) == "low" else others
                names.update(entry.node.name for entry in node.inputs if entry.node.is_variable)
        return low - others - set(kept)

    # --- what is made ------------------------------------------------------------------------------------------------

    def _operator(self, node):
        wanted = self._wants(node)
        if wanted == "low":
            inputs, kind = [self._cast(entry, self._dtype) for entry in node.inputs], self._dtype
        elif wanted == "full":
            inputs, kind = [self._in_full(entry) for entry in node.inputs], _FULL
        elif wanted == "widest":
            inputs, kind = self._in_widest(node)
        else:
            inputs, found = [self._entry(entry) for entry in node.inputs], {self._kind(entry) for entry in node.inputs}
            known = found - {None}
            kind = known.pop() if len(known) == 1 else None
        made = Node(node.row, node.name, dict(node.attrs), inputs, node.subgraphs, written=node.written)
        made.update_versions()
        self._keep(node, made, kind)

    def _keep(self, node, made, kind):
        for place in range(node.visible):
            self._made[id(node), place] = Entry(made, place)
            self._kinds[id(node), place] = kind

    def _entry(self, entry):
        return self._made[id(entry.node), entry.index]

    def _kind(self, entry):
        return self._kinds[id(entry.node), entry.index]

    @staticmethod
    def _name(entry):
        return entry.node.name if entry.node.is_variable else entry.node.output_names()[entry.index]

    def _cast(self, entry, dtype):
        if self._kind(entry) == dtype:
            return self._entry(entry)
        key = id(entry.node), entry.index, dtype
        if key not in self._casts:
            name = f"{self._name(entry)}_amp_cast_{dtype}"
            self._casts[key] = self._node("amp_cast", name, [entry], {"dtype": dtype})[0]
        return self._casts[key]

    def _in_full(self, entry):
        """An entry in float32; variables have it."""
        return self._entry(entry) if entry.node.is_variable and self._kind(entry) is None else self._cast(entry, _FULL)

    def _in_widest(self, node):
        kinds = {self._kind(entry) for entry in node.inputs}
        if len(kinds) == 1 and None not in kinds:
            return [self._entry(entry) for entry in node.inputs], kinds.pop()
        if None not in kinds:
            return [self._cast(entry, _FULL) for entry in node.inputs], _FULL
        name = f"{self._name(node.inputs[0])}_amp_multicast"
        return self._node("amp_multicast", name, node.inputs, {"num_outputs": str(len(node.inputs))}), None

    def _node(self, operator, name, inputs, attrs):
        node = Node(OPERATORS[operator], name, attrs, [self._entry(entry) for entry in inputs])
        node.update_versions()
        return [Entry(node, place) for place in range(node.visible)]
