"""A graph in which layers work on 8-bit integers: what stands in for each layer, and what joins them."""

from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol.nodes import Entry, Node, visit
from tandem.mxnet.symbol.symbol import Symbol

# Operator -> (the one on integers, how many of its inputs are quantized (None: all), whether it answers int32).
_LAYERS = {
    "Convolution": ("_contrib_quantized_conv", 2, True),
    "FullyConnected": ("_contrib_quantized_fully_connected", 3, True),
    "elemwise_add": ("_contrib_quantized_elemwise_add", 2, True),
    "Pooling": ("_contrib_quantized_pooling", 1, False),
    "Flatten": ("_contrib_quantized_flatten", 1, False),
    "Activation": ("_contrib_quantized_act", 1, False),
    "Concat": ("_contrib_quantized_concat", None, False),
}
# These are worth it where their data is integers already; alone they would only add conversions.
_FOLLOWING = {"Pooling", "Flatten", "Activation", "Concat", "elemwise_add"}


def _fits(node):
    """Whether there is an operator on integers for what a node does."""
    attributes = node.binding.attributes
    if node.row.name == "Activation":
        return attributes["act_type"] == "relu"
    if node.row.name == "Pooling":
        return attributes["pool_type"] in ("max", "avg") and attributes["layout"] in (None, "NCHW")
    if node.row.name == "Convolution":
        return attributes["layout"] in (None, "NCHW", "NCW", "NCDHW")
    return node.row.name in _LAYERS


class Quantized:
    """A symbol on integers.

    symbol; excluded: names of nodes, and operators, names of those, that stay as they are; offline: names of parameters
    that are quantized once, as variables "{name}_quantize", "{name}_quantize_min" and "..._max"; out_type: 'int8',
    'uint8' or 'auto'; smart: leave alone what only follows other layers where these do not work on integers.
    After it: `symbol`; `calibrated`, name of a node that makes integers -> the name of the output that it stands for.
    """

    def __init__(self, symbol, *, excluded, operators, offline, out_type, smart):
        self._offline, self._type, self._smart = offline, out_type, smart
        self._floats, self._integers = {}, {}  # (id of an old node, place) -> entry; -> (values, low, high)
        self.calibrated = {}
        for node in visit(symbol._entries):
            wanted = node.row is not None and node.name not in excluded and node.row.name not in operators
            if wanted and _fits(node) and self._is_worth_it(node):
                self._layer(node)
            else:
                self._copy(node)
        self.symbol = Symbol([self._float(entry) for entry in symbol._entries])

    def _is_worth_it(self, node):
        if not self._smart or node.row.name not in _FOLLOWING:
            return True
        return all((id(entry.node), entry.index) in self._integers for entry in node.inputs)

    def _copy(self, node):
        if node.is_variable and node.name in self._offline:
            made = None  # made when somebody asks for it as it is
        else:
            inputs = [self._float(entry) for entry in node.inputs]
            made = Node(node.row, node.name, dict(node.attrs), inputs, node.subgraphs, written=node.written)
            made.update_versions()
        for place in range(node.visible):
            if made is not None:
                self._floats[id(node), place] = Entry(made, place)

    @staticmethod
    def _made(operator, name, inputs, attrs):
        node = Node(OPERATORS[operator], name, attrs, inputs)
        node.update_versions()
        return [Entry(node, place) for place in range(node.visible)]

    def _float(self, entry):
        key = id(entry.node), entry.index
        if key not in self._floats:
            if key in self._integers:
                name = f"{entry.node.name}_dequantize"
                self._floats[key] = self._made("_contrib_dequantize", name, list(self._integers[key]), {})[0]
            else:
                self._floats[key] = Entry(Node(None, entry.node.name, dict(entry.node.attrs)))
        return self._floats[key]

    def _integer(self, entry):
        key = id(entry.node), entry.index
        if key not in self._integers:
            node = entry.node
            name = f"{node.name}_quantize"
            if node.is_variable and node.name in self._offline:
                names = (name, f"{name}_min", f"{name}_max")
                self._integers[key] = [Entry(Node(None, one, {})) for one in names]
            else:
                attrs = {"out_type": self._type}
                self._integers[key] = self._made("_contrib_quantize_v2", name, [self._float(entry)], attrs)
                self.calibrated[name] = node.name if node.is_variable else node.output_names()[entry.index]
        return self._integers[key]

    def _layer(self, node):
        operator, count, wide = _LAYERS[node.row.name]
        given = node.inputs if count is None else node.inputs[:count]
        parts = [self._integer(entry) for entry in given]
        attrs = dict(node.attrs)
        # The operator adds a convolution's bias as it is, whatever its range: it is added to the result instead.
        bias = node.inputs[2] if node.row.name == "Convolution" and len(node.inputs) == 3 else None
        if bias is not None:
            attrs["no_bias"] = "True"
        inputs = [part[0] for part in parts] + [bound for part in parts for bound in part[1:]]
        made = self._made(operator, f"quantized_{node.name}", inputs, attrs)
        if wide:
            name = f"requantize_{node.name}"
            made = self._made("_contrib_requantize", name, made, {"out_type": "int8"})
            if bias is None:
                self.calibrated[name] = node.output_names()[0]
        if bias is None:
            self._integers[id(node), 0] = made
            return
        shape = {"shape": str((1, -1, *[1] * len(node.binding.attributes["kernel"])))}
        row = self._made("Reshape", f"{node.name}_bias_row", [self._float(bias)], shape)
        whole = self._made("_contrib_dequantize", f"{node.name}_dequantize", made, {})
        self._floats[id(node), 0] = self._made("broadcast_add", node.name, whole + row, {})[0]
