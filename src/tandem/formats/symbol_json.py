"""MXNet's `-symbol.json`: a graph of named operators as text, of any version up to 1.9, <-> plain structures.

`loads` gives a `GraphData` whose every index has been checked; nothing in it has been looked up or run.
"""

import json
from dataclasses import dataclass, field

from tandem.core.errors import explain
from tandem.formats.limits import LARGEST_CONFIG, LONGEST_NAME, FormatError

VERSION = 10901  # what is written: MXNet 1.9.1
MOST_OUTPUTS = 1 << 20  # of one node
_DEEPEST = 16  # graphs inside graphs
# Where a file has a node's attributes, from the oldest version (0.8) on; later ones win.
_ATTRIBUTE_KEYS = ("param", "attr", "attrs")


@dataclass
class NodeData:
    """One node. op: "null" for a variable; inputs: (node, output, version)."""

    op: str
    name: str
    attrs: dict
    inputs: list
    subgraphs: list = field(default_factory=list)


@dataclass
class GraphData:
    """Nodes, each after those that it takes inputs from; heads: (node, output, version) of the outputs; version: of
    the MXNet that wrote it (10901 is 1.9.1), 800 where it does not say.
    """

    nodes: list
    heads: list
    version: int = VERSION


def _refuse(what, expected, given):
    return FormatError(explain(f"This is no symbol of MXNet: {what}", expected=expected, given=given))


def loads(text):
    """The graph of a text.

    Raises FormatError where it is none, or refers to what is not there.
    """
    if len(text) > LARGEST_CONFIG:
        raise _refuse("the text is too long", f"at most {LARGEST_CONFIG} characters", len(text))
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
        raise _refuse(f"it is no JSON ({reason})", "an object with nodes and heads", repr(text[:40])) from None
    return _graph(tree, 0)


def _graph(tree, depth):
    if depth > _DEEPEST:
        raise _refuse("graphs inside graphs nest too deeply", f"at most {_DEEPEST}", depth)
    if not isinstance(tree, dict) or not isinstance(tree.get("nodes"), list) or "heads" not in tree:
        raise _refuse("parts are missing", "an object with nodes and heads", _brief(tree))
    nodes = []
    for position, node in enumerate(tree["nodes"]):
        nodes.append(_node(node, position, depth))
    heads = [_entry(entry, len(nodes), "a head") for entry in _list(tree["heads"], "heads")]
    return GraphData(nodes, heads, _version(tree.get("attrs")))


def _node(node, position, depth):
    if not isinstance(node, dict):
        raise _refuse(f"node {position} is no object", "op, name and inputs", _brief(node))
    op, name = _text(node.get("op"), f"the operator of node {position}"), _text(node.get("name", ""), "a name")
    attrs = {}
    for key in _ATTRIBUTE_KEYS:
        given = node.get(key)
        if given is None:
            continue
        if not isinstance(given, dict):
            raise _refuse(f"the attributes of {name!r} are no object", "texts by name", _brief(given))
        for inner, value in given.items():
            attrs[_text(inner, "the name of an attribute")] = _attribute(value, name, inner)
    inputs = [_entry(entry, position, f"an input of {name!r}") for entry in _list(node.get("inputs", []), "inputs")]
    subgraphs = [_graph(graph, depth + 1) for graph in _list(node.get("subgraphs", []), "subgraphs")]
    return NodeData(op, name, attrs, inputs, subgraphs)


def _attribute(value, name, key):
    if not isinstance(value, str):
        raise _refuse(f"attribute {key!r} of {name!r} is no text", "a string", _brief(value))
    return value


def _text(value, what):
    if not isinstance(value, str) or len(value) > LONGEST_NAME:
        raise _refuse(f"{what} is no text", f"a string of at most {LONGEST_NAME} characters", _brief(value))
    return value


def _list(value, what):
    if not isinstance(value, list):
        raise _refuse(f"{what} is no list", "a list", _brief(value))
    return value


def _entry(entry, nodes, what):
    """(node, output, version); files before 0.9 have no version."""
    whole = isinstance(entry, list) and 2 <= len(entry) <= 3
    if not whole or not all(type(part) is int and part >= 0 for part in entry):
        raise _refuse(f"{what} is not written as one", "[node, output, version]", _brief(entry))
    if entry[0] >= nodes or entry[1] >= MOST_OUTPUTS:
        raise _refuse(f"{what} refers to a node that does not come before it", f"a number below {nodes}", entry[0])
    return tuple(entry) if len(entry) == 3 else (*entry, 0)


def _version(attrs):
    try:
        kind, version = attrs["mxnet_version"]
    except (TypeError, KeyError, ValueError):
        return 800
    return version if kind == "int" and type(version) is int else 800


def _brief(value):
    return repr(value)[:80]


# --- writing ---------------------------------------------------------------------------------------------------------


def dumps(graph, totals, inner_totals=None, *, numpy_shapes=False):
    """The text of a graph, laid out as MXNet lays it out.

    totals: how many outputs each node has; inner_totals: the same of the graphs inside, by the id of their data;
    numpy_shapes: whether the text says that its shapes are NumPy's, where () and 0 are sizes like others.
    """
    tree = _plain(graph, totals, inner_totals or {})
    tree["attrs"] = {**({"is_np_shape": ["int", 1]} if numpy_shapes else {}), "mxnet_version": ["int", VERSION]}
    return _write(tree, 0)


def _plain(graph, totals, inner):
    rows = [0]
    for total in totals:
        rows.append(rows[-1] + total)
    return {
        "nodes": [_plain_node(node, inner) for node in graph.nodes],
        "arg_nodes": [place for place, node in enumerate(graph.nodes) if node.op == "null"],
        "node_row_ptr": rows,
        "heads": [list(head) for head in graph.heads],
    }


def _plain_node(node, inner):
    plain = {"op": node.op, "name": node.name}
    if node.attrs:
        plain["attrs"] = dict(sorted(node.attrs.items()))
    plain["inputs"] = [list(entry) for entry in node.inputs]
    if node.subgraphs:
        plain["subgraphs"] = [_plain(graph, inner[id(graph)], inner) for graph in node.subgraphs]
    return plain


def _write(value, depth, short=False):
    """MXNet's layout: one item to a line, but short lists of numbers and single attributes on one line."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {_write(item, depth + 1, key == 'attrs')}" for key, item in value.items()]
        several = len(items) > 1 or not short
    else:
        items = [_write(item, depth + 1) for item in value]
        several = len(items) > 10 or any(isinstance(item, dict) for item in value)
    if not several or not items:
        return opening + ", ".join(items) + closing
    indent = "\n" + "  " * (depth + 1)
    return opening + indent + (", " + indent).join(items) + "\n" + "  " * depth + closing
