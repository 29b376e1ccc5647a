"""Symbols to and from text: `-symbol.json`, of all versions, and `debug_str`."""

from tandem.core.errors import explain
from tandem.formats import symbol_json
from tandem.formats.limits import FormatError
from tandem.formats.saving import atomic_write
from tandem.formats.symbol_json import GraphData, NodeData
from tandem.mxnet import util
from tandem.mxnet.base import MXNetError
from tandem.mxnet.symbol import control_flow
from tandem.mxnet.symbol.compose import _tell_initializers
from tandem.mxnet.symbol.control_flow import ROWS as CONTROL_FLOW
from tandem.mxnet.symbol.nodes import HIDDEN, SPECIAL, Entry, Node, copy_graph, visit

# The table's names of operators whose name in MXNet's files is another one.
_WRITTEN = {
    "_npi_full": "_full",
    "_npi_abs": "_npi_absolute",
    "_npi_clip": "clip",
    "_npi_maximum": "broadcast_maximum",
    "_npi_maximum_scalar": "_maximum_scalar",
    "_npi_minimum": "broadcast_minimum",
    "_npi_minimum_scalar": "_minimum_scalar",
    "_npi_hypot_scalar": "_hypot_scalar",
    "_npi_take": "take",
    "_npi_det": "_linalg_det",
    "_npi_inv": "_linalg_inverse",
    "_npi_slogdet": "_linalg_slogdet",
    "_npi_random_randint": "_random_randint",
    "_npi_shuffle": "_shuffle",
    "_npi_sort": "sort",
    "_npi_argsort": "argsort",
    "_npi_histogram": "_histogram",
    "_npi_expand_dims": "expand_dims",
    "_npi_swapaxes": "SwapAxis",
    "_npi_split": "_split_v2",
    "_np_repeat": "repeat",
    "_npi_tile": "tile",
    "cumsum": "_np_cumsum",
}
_OF_VARIABLES = tuple(f"_{key}" for key in HIDDEN)
_CASTS = ("amp_cast", "amp_multicast")


def dumps(symbol, remove_amp_cast=True):
    """The text of a symbol."""
    entries = symbol._entries
    if remove_amp_cast and any(node.row is not None and node.row.name in _CASTS for node in visit(entries)):
        entries = _without_casts(entries)
    totals = {}
    graph = _data(entries, totals)
    return symbol_json.dumps(graph, totals[id(graph)], totals, numpy_shapes=util.is_np_shape())


def save(symbol, path, remove_amp_cast=True):
    """Write the text of a symbol into a file.

    Raises MXNetError where that cannot be written.
    """
    try:
        with atomic_write(path, "w") as file:
            file.write(dumps(symbol, remove_amp_cast))
    except OSError as error:
        raise MXNetError(explain(f"The file {str(path)!r} cannot be written ({error.strerror})")) from error


def _data(entries, totals):
    order = visit(entries)
    places = {id(node): place for place, node in enumerate(order)}
    nodes = [
        NodeData(
            _WRITTEN.get(node.written, node.written),
            node.name,
            node.attrs,
            [(places[id(entry.node)], entry.index, entry.version) for entry in node.inputs],
            [_data(inner._entries, totals) for inner in node.subgraphs],
        )
        for node in order
    ]
    graph = GraphData(nodes, [(places[id(entry.node)], entry.index, entry.version) for entry in entries])
    totals[id(graph)] = [node.total for node in order]
    return graph


def _without_casts(entries):
    """The graph without what mixed precision put in."""
    entries = copy_graph(entries)

    def source(entry):
        while entry.node.row is not None and entry.node.row.name in _CASTS:
            entry = entry.node.inputs[entry.index]
        return entry

    for node in visit(entries):
        node.inputs = [source(entry) for entry in node.inputs]
    return entries  # a cast that is itself an output stays


# --- reading ---------------------------------------------------------------------------------------------------------


def load(path):
    """The symbol of a file.

    Raises MXNetError where it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MXNetError(explain(f"The file {path!r} cannot be read: {reason}")) from error
    return loads(text)


def loads(text):
    """The symbol of a text.

    Raises MXNetError where it cannot be read, or an operator is not there.
    """
    try:
        graph = symbol_json.loads(text)
    except FormatError as error:
        raise MXNetError(str(error)) from error
    return _symbol(graph)


def _symbol(graph):
    from tandem.mxnet.symbol.symbol import Symbol

    if not graph.heads:
        raise MXNetError(explain("A symbol has at least one output", given="a graph without heads"))
    nodes = []
    for data in graph.nodes:
        nodes.append(_node(data, nodes, graph.version))
    return Symbol([_head(nodes, entry) for entry in graph.heads])


def _head(nodes, entry):
    place, index, version = entry
    node = nodes[place]
    _check_output(node, index)
    return Entry(node, index, version)


def _check_output(node, index):
    if index >= node.visible:
        raise MXNetError(
            explain(
                f"The graph asks for an output that {node.name} does not have",
                expected=f"one of {', '.join(node.output_names())}",
                given=f"output {index}",
            )
        )


def _node(data, nodes, version):
    attrs = _upgraded(data, version)
    if data.op == "null":
        return Node(None, data.name, attrs)
    inputs = [_head(nodes, entry) for entry in data.inputs]
    row = _row(data)
    subgraphs = [_symbol(graph) for graph in data.subgraphs]
    node = Node(row, data.name, attrs, inputs, subgraphs, written=_name_in_files(data.op, row))
    try:
        if row.name in SPECIAL:
            taken = SPECIAL[row.name].inputs(node.binding.attributes, node)
        else:
            taken = None if row.variadic is not None else node.binding.taken
    except MXNetError as error:
        raise MXNetError(f"Failed loading Op {data.name} of type {data.op}: {error}") from error
    if data.op in CONTROL_FLOW:
        control_flow.check(node)
    _fill(node, taken, attrs)
    if taken is not None and len(node.inputs) > len(taken):
        raise MXNetError(
            explain(
                f"Failed loading Op {data.name} of type {data.op}: it has another number of inputs",
                expected=f"{len(taken)} ({', '.join(taken)})",
                given=len(node.inputs),
            )
        )
    if version < 10000:
        _tell_initializers(node)
    _hand_on(node, taken, data.attrs)
    node.update_versions()
    return node


def _fill(node, taken, attrs):
    """Files of 0.8 leave out auxiliary states."""
    if taken is None:
        return
    for key in taken[len(node.inputs) :]:
        if key not in node.row.optional:
            kept = {name: value for name, value in attrs.items() if name.startswith("__")}
            node.inputs.append(Entry(Node(None, f"{node.name}_{key}", kept)))


def _hand_on(node, taken, attrs):
    """Old files say of a layer what is meant for its variables: "weight_lr_mult"."""
    for name, entry in zip(taken or (), node.inputs):
        for hidden in HIDDEN if entry.node.is_variable else ():
            value = attrs.get(f"{name}_{hidden}")
            if value is not None:
                entry.node.attrs[f"__{hidden}__"] = value


def _row(data):
    from tandem.mxnet.symbol.namespaces import row_of

    row = CONTROL_FLOW.get(data.op) or row_of(data.op)
    if row is None:
        raise MXNetError(
            explain(f"Failed loading Op {data.name} of type {data.op}: Operator {data.op} is not registered")
        )
    return row


def _name_in_files(op, row):
    return op if op.startswith("_npx_") else row.name


def _upgraded(data, version):
    """The attributes as 1.x has them: those that speak of the node have underscores around."""
    attrs = {}
    for key, value in data.attrs.items():
        if data.op == "null" or key.startswith("__") or not key.endswith(_OF_VARIABLES):
            attrs[f"__{key}__" if key in HIDDEN else key] = value
    if version < 905 and data.op in ("argmax", "argmin") and attrs.get("axis") == "-1":
        del attrs["axis"]  # which meant all axes then
    if data.op != "null" and version < 10000:
        # Old files have the users' own attributes among the operator's.
        row = CONTROL_FLOW.get(data.op) or _known_row(data.op)
        if row is not None and row.name != "Custom" and row.attributes:
            attrs = {
                key: value
                for key, value in attrs.items()
                if key in row.attributes or key.startswith("__") or key == row.variadic
            }
    return attrs


def _known_row(op):
    from tandem.mxnet.symbol.namespaces import row_of

    return row_of(op)


# --- for people ------------------------------------------------------------------------------------------------------


def debug_str(symbol):
    """The graph as MXNet prints it."""
    lines = ["Symbol Outputs:"]
    lines += [f"\toutput[{place}]={entry.node.name}({entry.index})" for place, entry in enumerate(symbol._entries)]
    for node in visit(symbol._entries):
        if node.is_variable:
            lines.append(f"Variable:{node.name}")
            continue
        lines += ["--------------------", f"Op:{node.written}, Name={node.name}", "Inputs:"]
        for place, entry in enumerate(node.inputs):
            version = f" version={entry.version}" if entry.node.is_variable else ""
            lines.append(f"\targ[{place}]={entry.node.name}({entry.index}){version}")
        if node.attrs:
            lines.append("Attrs:")
            lines += [f"\t{key}={value}" for key, value in sorted(node.attrs.items())]
    return "\n".join(lines) + "\n"
