"""The table that `Model.summary` prints, laid out as Keras 3 lays it out."""

import math
import re
import shutil

from tandem.core import arrays
from tandem.core.errors import explain
from tandem.keras.layers.base import Layer

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def print_summary(
    model,
    line_length=None,
    positions=None,
    print_fn=None,
    expand_nested=False,
    show_trainable=False,
    layer_range=None,
):
    """Print the table; see `Model.summary`."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    linear = _is_linear(model)
    if linear:
        default_length, columns = 88, [("Layer (type)", "left"), ("Output Shape", "left"), ("Param #", "right")]
        positions = positions or [0.45, 0.80, 1.0]
    else:
        default_length = 108
        columns = [("Layer (type)", "left"), ("Output Shape", "left"), ("Param #", "right"), ("Connected to", "left")]
        positions = positions or [0.3, 0.56, 0.74, 1.0]
    if show_trainable:
        default_length += 11
        positions = [0.9 * position for position in positions] + [1.0]
        columns.append(("Trainable", "center"))
    line_length = line_length or min(default_length, shutil.get_terminal_size().columns - 4)
    if len(positions) < len(columns):
        raise ValueError(
            explain("`positions` is too short", expected=f"{len(columns)} numbers, one to a column", given=positions)
        )
    if positions[-1] <= 1:
        positions = [int(line_length * position) for position in positions]
    widths = [end - start for start, end in zip([0, *positions], positions)]

    nodes = _nodes(model)
    rows = []

    def add(layer, level):
        rows.append(_row(layer, level, nodes, linear, show_trainable))
        if expand_nested and hasattr(layer, "layers") and layer.layers:
            for inner in layer.layers:
                add(inner, level + 1)

    operations = getattr(model, "_operations", None) or model.layers
    if layer_range is not None:
        operations = _within(operations, layer_range)
    for operation in operations:
        add(operation, 0)

    def text(content):
        return escape(content)

    table = Table(
        *(
            Column(f"[bold]{text(header)}[/bold]", justify=justify, width=width)
            for (header, justify), width in zip(columns, widths)
        ),
        width=line_length,
        show_lines=True,
    )
    for row in rows:
        table.add_row(*map(text, row))
    console = (
        Console(highlight=False, force_terminal=False, color_system=None) if print_fn else Console(highlight=False)
    )
    lines = [f'[bold]Model: "{text(model.name)}"[/bold]', table]
    lines += [f"[bold] {label}: [/bold]{amount}" for label, amount in _totals(model)]
    if print_fn is None:
        console.print(*lines[:1])
        console.print(table)
        for line in lines[2:]:
            console.print(line)
        return
    with console.capture() as capture:
        for line in lines:
            console.print(line)
    print_fn(capture.get())


def _is_linear(model):
    """Whether each operation follows the one before: no column of connections is needed."""
    if getattr(model, "_nodes", None) is None:
        return True
    by_depth = {}
    for node in model._nodes:
        by_depth.setdefault(model._depths[id(node)], []).append(node)
    if any(len(nodes) > 1 or len(_shown(nodes[0])) > 1 for nodes in by_depth.values()):
        return False
    uses = [id(node.operation) for node in model._nodes]
    return len(uses) == len(set(uses))


def _shown(node):
    from tandem.keras.models.functional import shown_inputs

    return shown_inputs(node)


def _nodes(model):
    """The nodes that belong to the model, and its own numbers for them."""
    found = getattr(model, "_nodes", None)
    functional = getattr(model, "_functional", None)
    if found is None and functional is not None:
        found = functional._nodes
    return {id(node) for node in found or ()}


def _row(layer, level, nodes, linear, show_trainable):
    name = f"{'   ' * level}└ {layer.name}" if level else layer.name
    row = [f"{name} ({type(layer).__name__})", _output_shape(layer), _parameters(layer)]
    if not linear:
        row.append(_connections(layer, nodes) or "-")
    if show_trainable:
        weights = isinstance(layer, Layer) and layer.weights
        row.append(("Y" if layer.trainable else "N") if weights else "-")
    return row


def _output_shape(layer):
    def shape_text(shape):
        return "(" + ", ".join(map(str, shape)) + ")"

    if layer._inbound_nodes:  # of several uses the last one, as in Keras 3
        return _plain([shape_text(leaf.shape) for leaf in arrays.leaves(layer._inbound_nodes[-1].outputs)])
    if not getattr(layer, "_build_shapes", None):
        return "?"
    if hasattr(layer, "output_shape"):
        return shape_text(layer.output_shape)
    if not _says_its_shape(type(layer)):
        return "?"
    try:
        shape = layer.compute_output_shape(**_compute_arguments(layer))
    except Exception:  # what only runs on values has no shape to show
        return "?"
    return _plain(_shape_tree(shape, shape_text))


def _says_its_shape(kind):
    """Whether a class has a `compute_output_shape`: those here have, a class of a script's own if it wrote one."""
    from tandem.keras.models.model import Model

    for base in kind.__mro__:
        if base in (Layer, Model):
            return False
        if "compute_output_shape" in vars(base) or ("call" in vars(base) and base.__module__.startswith("tandem.")):
            return True
    return False


def _compute_arguments(layer):
    import inspect

    shapes = layer._build_shapes
    names = list(inspect.signature(layer.compute_output_shape).parameters)
    return shapes if set(shapes) <= set(names) else {names[0]: next(iter(shapes.values()))}


def _shape_tree(shape, text):
    if isinstance(shape, (list, tuple)) and (not shape or not isinstance(shape[0], (list, tuple, dict))):
        return text(shape)
    if isinstance(shape, dict):
        return {key: _shape_tree(value, text) for key, value in shape.items()}
    return type(shape)(_shape_tree(value, text) for value in shape)


def _plain(tree):
    """Shapes in words: one as it is, several in the brackets that they came in."""
    values = arrays.leaves(tree)
    return values[0] if len(values) == 1 else str(tree).replace("'", "")


def _parameters(layer):
    if not hasattr(layer, "built"):
        return "0"
    if not layer.built:
        return "0 (unbuilt)"
    return f"{layer.count_params():,}"


def _connections(layer, nodes):
    found = []
    for node in layer._inbound_nodes:
        if nodes and id(node) not in nodes:
            continue
        for value in _shown(node):
            if value.node is not None:
                found.append(f"{value.node.operation.name}[{value.node.number}][{value.index}]")
    return ", ".join(found)


def _within(operations, layer_range):
    if len(layer_range) != 2:
        raise ValueError(f"layer_range must be a list or tuple of length 2. Received: layer_range={layer_range}")
    low = [index for index, operation in enumerate(operations) if re.match(layer_range[0], operation.name)]
    high = [index for index, operation in enumerate(operations) if re.match(layer_range[1], operation.name)]
    if not low or not high:
        raise ValueError(
            f"Passed layer_names do not match the layer names in the model. Received: {list(layer_range)}. "
            f"The layers are {[operation.name for operation in operations]}."
        )
    first, last = min(low), max(high)
    if first > last:
        first, last = min(high), max(low)
    return operations[first : last + 1]


def _totals(model):
    trainable, frozen = model.trainable_weights, model.non_trainable_weights
    optimizer = getattr(model, "optimizer", None)
    extra = list(optimizer.variables) if optimizer is not None and optimizer.built else []
    groups = [("Total params", [*model.weights, *extra])]
    groups += [("Trainable params", trainable), ("Non-trainable params", frozen)]
    if extra:
        groups.append(("Optimizer params", extra))
    return [(label, _amount(variables)) for label, variables in groups]


def _amount(variables):
    count = sum(math.prod(variable.shape) for variable in variables)
    size = float(sum(math.prod(variable.shape) * variable.tensor.element_size() for variable in variables))
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{count:,} ({size:.2f} {unit})"
