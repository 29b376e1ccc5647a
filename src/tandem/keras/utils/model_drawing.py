"""`model_to_dot`, `plot_model`: a model as a drawing of its layers, by pydot and Graphviz."""

import html
import importlib
import os
import sys

from tandem.keras import tree
from tandem.keras.models.functional import Functional, shown_inputs
from tandem.keras.models.sequential import Sequential
from tandem.keras.utils.messages import print_msg

try:
    import pydot
except ImportError:  # whoever draws is told
    pydot = None

_COLOURS = {True: ("forestgreen", "Trainable"), False: ("firebrick", "Non-trainable")}


def check_pydot():
    """Whether pydot is installed."""
    return pydot is not None


def check_graphviz():
    """Whether pydot is installed, and finds Graphviz's program `dot`."""
    if pydot is None:
        return False
    try:
        pydot.Dot().create()
    except (OSError, pydot.PydotException):
        return False
    return True


def _is_nested(layer):
    return isinstance(layer, (Functional, Sequential))


def _check(model, kwargs):
    if not model.built:
        raise ValueError(
            "This model has not yet been built. Build the model first by calling `build()` or by calling the model on "
            "a batch of data."
        )
    if kwargs.pop("layer_range", None) is not None:
        raise ValueError("Argument `layer_range` is no longer supported.")
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments: {kwargs}")


# --- edges -----------------------------------------------------------------------------------------------------------


def _operations(model):
    return model.layers if isinstance(model, Sequential) else model.operations


def _links(model):
    """(operation, output number, operation, input number) for each value that goes from one to another."""
    if isinstance(model, Sequential):
        for source, target in zip(model.layers, model.layers[1:]):
            yield source, 0, target, 0
        return
    for node in model._nodes:
        for number, value in enumerate(shown_inputs(node)):
            if value.node is not None:
                yield value.node.operation, value.index, node.operation, number


def _last(operation, number):
    """The operation, inside of models as deep as they go, that makes output `number` of an operation."""
    while _is_nested(operation):
        if isinstance(operation, Sequential):
            operation, number = operation.layers[-1], 0
        else:
            value = operation.outputs[number]
            operation, number = value.node.operation, value.index
    return operation


def _first(operation, number):
    """The operation, inside of models as deep as they go, that takes input `number` of an operation."""
    while _is_nested(operation):
        if isinstance(operation, Sequential):
            operation, number = operation.layers[0], 0
        else:
            operation = operation.inputs[number].node.operation
    return operation


def add_edge(dot, src, dst):
    """Draw an arrow from one operation to another, once."""
    ends = str(id(src)), str(id(dst))
    if not dot.get_edge(*ends):
        dot.add_edge(pydot.Edge(*ends, penwidth="2"))


# --- nodes -----------------------------------------------------------------------------------------------------------


def _per_value(function, layer, side):
    """`function` of each input or output of a layer; None where it has none that is known."""
    try:
        return tree.map_structure(function, getattr(layer, side))
    except (ValueError, AttributeError):
        return None


def _text(value):
    if value is None:
        return "?"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return html.escape(str(value).replace("{", "").replace("}", ""), quote=False)


def _cell(text, background="white", colour=None, size=14, span=1):
    colour = f' color="{colour}"' if colour else ""
    return f'<td colspan="{span}" bgcolor="{background}"><font point-size="{size}"{colour}>{text}</font></td>'


def _label(layer, show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable):
    """A table in Graphviz's HTML: the layer's name and class, its activation, and a row of what was asked for."""
    kind = type(layer).__name__
    cells = []
    if show_shapes:
        if kind != "InputLayer":
            cells.append(_cell(f"Input shape: <b>{_text(_per_value(_shape, layer, 'input'))}</b>"))
        cells.append(_cell(f"Output shape: <b>{_text(_per_value(_shape, layer, 'output'))}</b>"))
    if show_dtype:
        cells.append(_cell(f"Output dtype: <b>{_text(_per_value(lambda x: x.dtype, layer, 'output'))}</b>"))
    if show_trainable and getattr(layer, "weights", None):
        background, text = _COLOURS[bool(layer.trainable)]
        cells.append(_cell(f"<b>{text}</b>", background, "white"))
    span = max(1, len(cells))
    title = f"<b>{html.escape(layer.name, quote=False)}</b> ({kind})" if show_layer_names else f"<b>{kind}</b>"
    rows = [_cell(title, "black", "white", 16, span)]
    activation = getattr(layer, "activation", None)
    if show_layer_activations and activation is not None:
        name = getattr(activation, "name", None) or getattr(activation, "__name__", None) or str(activation)
        rows.append(_cell(f"Activation: <b>{_text(name)}</b>", span=span))
    rows += ["".join(cells)] if cells else []
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<<table border="0" cellborder="1" bgcolor="black" cellpadding="10">{body}</table>>'


def _shape(value):
    return value.shape


def _draw(dot, model, expand_nested, options):
    """The nodes of a model's operations in `dot`, with those of models inside in clusters of their own, and arrows."""
    for layer in _operations(model):
        if expand_nested and _is_nested(layer):
            cluster = pydot.Cluster(graph_name=layer.name, label=layer.name, labeljust="l", style="dashed")
            _draw(cluster, layer, expand_nested, options)
            dot.add_subgraph(cluster)
        else:
            dot.add_node(_node(layer, options))
    for source, output, target, number in _links(model):
        if expand_nested:
            source, target = _last(source, output), _first(target, number)
        add_edge(dot, source, target)


def _node(layer, options):
    return pydot.Node(str(id(layer)), label=_label(layer, **options), fontname="Helvetica", border="0", margin="0")


def model_to_dot(
    model,
    show_shapes=False,
    show_dtype=False,
    show_layer_names=True,
    rankdir="TB",
    expand_nested=False,
    dpi=200,
    subgraph=False,
    show_layer_activations=False,
    show_trainable=False,
    splines="ortho",
    **kwargs,
):
    """A model as a `pydot.Dot`, whose `write`, `create` and `to_string` give files, images and text.

    show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable: what is said of each layer;
    rankdir: "TB" from top to bottom, "LR" to the right; expand_nested: draw the layers of models inside; dpi: dots
    to an inch; subgraph: give a `pydot.Cluster`, to put into another drawing; splines: how arrows run.
    Raises ValueError for a model that is not built, ImportError where pydot is not installed.
    """
    if pydot is None:
        raise ImportError(
            "You must install pydot (`pip install pydot`) for model_to_dot to work: pip install tandem[graphviz]"
        )
    _check(model, kwargs)
    options = {
        "show_shapes": show_shapes,
        "show_dtype": show_dtype,
        "show_layer_names": show_layer_names,
        "show_layer_activations": show_layer_activations,
        "show_trainable": show_trainable,
    }
    if subgraph:
        dot = pydot.Cluster(graph_name=model.name, label=model.name, labeljust="l", style="dashed")
    else:
        dot = pydot.Dot(rankdir=rankdir, concentrate=True, dpi=dpi, splines=splines)
        dot.set_node_defaults(shape="record")
    if _is_nested(model):
        _draw(dot, model, expand_nested, options)
    else:
        dot.add_node(_node(model, options))
    return dot


def plot_model(
    model,
    to_file="model.png",
    show_shapes=False,
    show_dtype=False,
    show_layer_names=False,
    rankdir="TB",
    expand_nested=False,
    dpi=200,
    show_layer_activations=False,
    show_trainable=False,
    splines="ortho",
    **kwargs,
):
    """Draw a model into a file, in the format of its ending; the other arguments are those of `model_to_dot`.

    Gives the image to notebooks. Raises ValueError for a model that is not built, ImportError where pydot or Graphviz's
    program `dot` is missing (in a notebook that is only printed, as Keras does).
    """
    _check(model, dict(kwargs))
    message = None
    if not check_pydot():
        message = "You must install pydot (`pip install pydot`) for `plot_model` to work: pip install tandem[graphviz]"
    elif not check_graphviz():
        message = (
            "You must install graphviz (see instructions at https://graphviz.gitlab.io/download/) for `plot_model` to "
            "work."
        )
    if message is not None:
        if "IPython.core.magics.namespace" not in sys.modules:
            raise ImportError(message)
        print_msg(message)
        return None
    dot = model_to_dot(
        model,
        show_shapes=show_shapes,
        show_dtype=show_dtype,
        show_layer_names=show_layer_names,
        rankdir=rankdir,
        expand_nested=expand_nested,
        dpi=dpi,
        show_layer_activations=show_layer_activations,
        show_trainable=show_trainable,
        splines=splines,
        **kwargs,
    )
    path = str(to_file)
    form = os.path.splitext(path)[1][1:] or "png"
    dot.write(path, format=form)
    if form == "pdf":
        return None
    try:
        display = importlib.import_module("IPython.display")
    except ImportError:
        return None
    return display.Image(filename=path)
