"""Matching what `compile` and `fit` got (losses, targets, weights) with the outputs of a model."""

from tandem.core.errors import explain, suggest


class Output:
    """One output tensor of a model: the path to it in the outputs' tree, and its name, if it has one."""

    __slots__ = ("label", "name", "path", "prefix")

    def __init__(self, path, name, label=None):
        self.path = path
        self.name = name
        # A loss is called by the way to its output, "q/" for outputs {"q": [a, b]}, and the output's key or layer, or,
        # where it has neither, by its own name.
        self.prefix = "".join(f"{part}/" for part in path[:-1])
        self.label = path[-1] if path and isinstance(path[-1], str) else label


def describe(y_pred, names=None):
    """The outputs of a tree of predictions, in order.

    names: the layers of a functional model's outputs, which are those of a list of outputs; in a dict, keys are.
    """
    paths = [path for path, _ in flatten(y_pred)]
    if names is None or len(names) != len(paths):
        return [Output(path, _name_of(path)) for path in paths]
    labels = dict(zip(_in_order_of_keys(y_pred), names))
    return [Output(path, _name_of(path) if _is_dict(y_pred) else labels[path], labels[path]) for path in paths]


def _in_order_of_keys(tree, path=()):
    """The paths of the leaves in the order in which a functional model has its outputs: that of the dicts' keys."""
    if not is_structure(tree):
        return [path]
    items = sorted(tree.items()) if isinstance(tree, dict) else enumerate(tree)
    return [found for key, value in items for found in _in_order_of_keys(value, (*path, key))]


def _name_of(path):
    return "/".join(map(str, path)) if path and all(isinstance(part, str) for part in path) else None


def _is_dict(tree):
    return isinstance(tree, dict)


def flatten(tree, path=()):
    """(path, leaf) of each leaf, a None being one too."""
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, (list, tuple)):
        items = enumerate(tree)
    else:
        return [(path, tree)]
    return [pair for key, value in items for pair in flatten(value, (*path, key))]


def is_structure(value):
    """Whether a value is a tree with branches."""
    return isinstance(value, (dict, list, tuple))


def match(value, outputs, what, *, single=False, strict=False):
    """One entry of `value` for each output, None where there is none.

    value: a single entry (for the only output, or with `single` for each), a list in the outputs' order, a dict by the
    outputs' names, or a tree of their structure. strict: a list must be as long as the outputs.
    Raises ValueError for names of no output, and for lists that do not fit.
    """
    count = len(outputs)
    if value is None:
        return [None] * count
    if not is_structure(value):
        if count == 1 or single:
            return [value] * count
        raise _misfit(value, outputs, what)
    if isinstance(value, dict):
        return _match_names(value, outputs, what, strict)
    nested = any(isinstance(part, int) for output in outputs for part in output.path[1:])
    if nested or (len(value) != count and any(map(is_structure, value))):
        entries = flatten(value)
        if len(entries) == count:
            return [entry for _, entry in entries]
    if len(value) != count and (strict or len(value) > count):
        raise _misfit(value, outputs, what)
    return [*value, *[None] * (count - len(value))]


def targets(y_true, outputs, used):
    """The target of each output, None where there is none.

    used: the numbers of the outputs that have a loss or a metric: where they are not all, targets for them alone will
    do. Raises ValueError for targets that do not fit.
    """
    used = sorted(set(used))
    if len(used) < len(outputs):
        names = [outputs[number].name for number in used]
        if isinstance(y_true, dict):
            if set(names) <= set(y_true) <= {output.name for output in outputs}:
                return [y_true.get(output.name) for output in outputs]
        elif y_true is not None:
            given = list(y_true) if is_structure(y_true) else [y_true]
            if len(given) == len(used) and not any(map(is_structure, given)):
                found = dict(zip(used, given))
                return [found.get(number) for number in range(len(outputs))]
    return match(y_true, outputs, "y", strict=True)


def _match_names(value, outputs, what, strict):
    by_path = dict(flatten(value))
    if all(output.path in by_path for output in outputs) and len(by_path) == len(outputs):
        return [by_path[output.path] for output in outputs]
    names = [output.name for output in outputs]
    if len(outputs) == 1 and len(value) == 1:
        return [next(iter(value.values()))]
    unknown = [name for name in value if name not in names]
    if unknown:
        known = [name for name in names if name is not None]
        raise ValueError(
            explain(
                f"`{what}` names {unknown[0]!r}, which is no output of the model",
                expected=f"keys among {known}",
                given=f"{list(value)}",
                hint=suggest(unknown[0], known),
            )
        )
    if strict and len(value) < len(outputs):
        raise _misfit(value, outputs, what)
    return [value.get(name) for name in names]


def _misfit(value, outputs, what):
    names = [output.name or f"number {index}" for index, output in enumerate(outputs)]
    given = list(value) if isinstance(value, dict) else f"{len(value)} entries" if is_structure(value) else "one entry"
    return ValueError(
        explain(
            f"`{what}` does not have the structure of the model's outputs",
            expected=f"{len(outputs)} entries, for the outputs {names}",
            given=given,
        )
    )
