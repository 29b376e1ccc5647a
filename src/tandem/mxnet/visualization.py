"""`mx.viz`: symbols as tables and as drawings."""

import json
import math
import re

from tandem.core.errors import Unsupported, explain
from tandem.mxnet.symbol.symbol import Symbol

__all__ = ["plot_network", "print_summary"]

# Which inputs are a layer's own, as MXNet tells them: by the end of their names.
_OWN = ("weight", "bias", "gamma", "beta", "parameters", "moving_mean", "moving_var", "running_mean", "running_var")


def _nodes(symbol):
    if not isinstance(symbol, Symbol):
        raise TypeError(explain("symbol must be Symbol", given=type(symbol).__name__))
    return json.loads(symbol.tojson())


def _internal_shapes(symbol, shape):
    """Output's name -> shape, for all nodes.

    Raises ValueError where the shapes do not follow.
    """
    internals = symbol.get_internals()
    found = internals.infer_shape(**shape)[1]
    if found is None:
        raise ValueError("Input shape is incomplete")
    return dict(zip(internals.list_outputs(), found))


def print_summary(symbol, shape=None, line_length=120, positions=(0.44, 0.64, 0.74, 1.0)):
    """Print a table of a symbol's layers: type, output shape, number of parameters, the layers before.

    shape: name -> shape of inputs, without which shapes and most numbers are left out; line_length; positions: where
    the columns end, as parts of the line, or in characters.
    Raises TypeError for what is no symbol, ValueError for shapes that do not suffice.
    """
    graph = _nodes(symbol)
    shapes = _internal_shapes(symbol, shape) if shape is not None else None
    nodes, heads = graph["nodes"], graph["heads"][0]  # MXNet takes all three of its numbers for nodes
    ends = [int(line_length * p) if p <= 1 else int(p) for p in positions]

    def line(fields):
        text = ""
        for field, end in zip(fields, ends):
            text = (text + str(field))[:end].ljust(end)
        print(text)  # noqa: T201

    print("_" * line_length)  # noqa: T201
    line(["Layer (type)", "Output Shape", "Param #", "Previous Layer"])
    print("=" * line_length)  # noqa: T201
    total = 0
    for place, node in enumerate(nodes):
        if node["op"] == "null" and place > 0:
            continue
        sources = [nodes[source] for source, _, _ in node["inputs"] if nodes[source]["op"] != "null" or source in heads]
        before = [source["name"] for source in sources]
        arriving = [_output_shape(shapes, source) for source in sources]
        shape = _output_shape(shapes, node)
        count = _parameters(node, sum(shape[1] for shape in arriving if len(shape) > 1), shape)
        out = "x".join(str(size) for size in shape[1:])
        first = before[0] if before else ""
        line([f"{node['name']}({node['op']})", out, count, first])
        for other in before[1:]:
            line(["", "", "", other])
        total += count
        print(("=" if place == len(nodes) - 1 else "_") * line_length)  # noqa: T201
    print(f"Total params: {total}")  # noqa: T201
    print("_" * line_length)  # noqa: T201


def _output_shape(shapes, node):
    """The shape of a node's only output, () where it is not known."""
    return (shapes or {}).get(node["name"] if node["op"] == "null" else f"{node['name']}_output", ())


def _parameters(node, channels, shape):
    """How many parameters MXNet counts for a layer: by these formulas, whatever its parameters' shapes are.

    channels: the sum of its inputs' second axes; shape: of its output. Other layers count as having none.
    """
    attrs, op = node.get("attrs", {}), node["op"]
    bias = attrs.get("no_bias", "False") not in ("True", "1")
    if op == "Convolution":
        filters = int(attrs["num_filter"])
        kernel = math.prod(map(int, re.findall(r"\d+", attrs["kernel"])))
        return channels * filters // int(attrs.get("num_group", "1")) * kernel + bias * filters
    if op == "FullyConnected":
        return (channels + bias) * int(attrs["num_hidden"])
    if op == "BatchNorm":
        return 2 * shape[1] if len(shape) > 1 else 0
    if op == "Embedding":
        return int(attrs["input_dim"]) * int(attrs["output_dim"])
    return 0


_COLOURS = {
    "null": "#8dd3c7", "FullyConnected": "#fb8072", "Convolution": "#fb8072", "Deconvolution": "#fb8072",
    "Activation": "#ffffb3", "LeakyReLU": "#ffffb3", "BatchNorm": "#bebada", "Pooling": "#80b1d3", "Concat": "#fdb462",
    "Flatten": "#fdb462", "Reshape": "#fdb462", "SoftmaxOutput": "#b3de69",
}  # fmt: skip


def _label(node):
    attrs = node.get("attrs", {})

    def sizes(key):
        return "x".join(re.findall(r"\d+", attrs.get(key, "1")))

    op = node["op"]
    if op == "null":
        return node["name"]
    if op in ("Convolution", "Deconvolution"):
        return f"{op}\n{sizes('kernel')}/{sizes('stride')}, {attrs['num_filter']}"
    if op == "FullyConnected":
        return f"{op}\n{attrs['num_hidden']}"
    if op in ("Activation", "LeakyReLU"):
        return f"{op}\n{attrs.get('act_type', 'leaky')}"
    if op == "Pooling":
        return f"{op}\n{attrs.get('pool_type', 'max')}, {sizes('kernel')}/{sizes('stride')}"
    return op


def plot_network(symbol, title="plot", save_format="pdf", shape=None, dtype=None, node_attrs=None, hide_weights=True):
    """A drawing of a symbol, a `graphviz.Digraph` (its `render()` makes the file).

    title: the drawing's name; save_format: of the file; shape, dtype: name -> shape or dtype of inputs, by which the
    edges are labelled; node_attrs: graphviz's attributes of all nodes; hide_weights: leave out the layers' parameters.
    Raises Unsupported without the package graphviz, TypeError for what is no symbol.
    """
    try:
        from graphviz import Digraph  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise Unsupported(
            explain("plot_network() needs the package graphviz", hint="`pip install graphviz` has it.")
        ) from error
    graph = _nodes(symbol)
    shapes = _internal_shapes(symbol, shape) if shape is not None else None
    if dtype is not None:
        symbol.infer_type(**dtype)
    style = {"shape": "box", "fixedsize": "true", "width": "1.3", "height": "0.8034", "style": "filled"}
    drawing = Digraph(name=title, format=save_format)
    nodes, hidden = graph["nodes"], set()
    for node in nodes:
        if hide_weights and node["op"] == "null" and node["name"].endswith(_OWN):
            hidden.add(node["name"])
            continue
        colour = _COLOURS.get(node["op"], "#fccde5")
        drawing.node(node["name"], label=_label(node), **{**style, **(node_attrs or {}), "fillcolor": colour})
    for node in nodes:
        for source, output, _ in node["inputs"]:
            given = nodes[source]
            if given["name"] in hidden:
                continue
            label = ""
            if shapes is not None:
                key = given["name"] if given["op"] == "null" else f"{given['name']}_output"
                found = shapes.get(key) or shapes.get(f"{key}{output}") or ()
                label = "x".join(str(size) for size in found[1:])
            drawing.edge(node["name"], given["name"], label=label, dir="back", arrowtail="open")
    return drawing
