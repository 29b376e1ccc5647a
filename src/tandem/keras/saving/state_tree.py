"""A model's variables as nested dicts, by the parts of their paths."""

from tandem.core.errors import explain

_GROUPS = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")


def _variables(model, group):
    if group == "optimizer_variables":
        optimizer = getattr(model, "optimizer", None)
        return [] if optimizer is None else optimizer.variables
    return getattr(model, group)


def get(model, value_format):
    """The values by group and path; see `Model.get_state_tree`."""
    if value_format not in ("backend_tensor", "numpy_array"):
        raise ValueError(
            explain(
                "Invalid `value_format` argument",
                expected="'numpy_array' or 'backend_tensor'",
                given=repr(value_format),
            )
        )
    return {group: _nested(_variables(model, group), value_format) for group in _GROUPS}


def _nested(variables, value_format):
    seen, tree = set(), {}
    for variable in variables:
        if variable.path in seen:
            raise ValueError(
                f"The following variable path is found twice in the model: '{variable.path}'. `get_state_tree()` can "
                "only be called when all variable paths are unique. Make sure to give unique names to your layers "
                "(and other objects)."
            )
        seen.add(variable.path)
        *parents, name = variable.path.split("/")
        place = tree
        for part in parents:
            place = place.setdefault(part, {})
        place[name] = variable.value if value_format == "backend_tensor" else variable.numpy()
    return tree


def assign(model, tree):
    """Set the variables whose paths a tree has; see `Model.set_state_tree`."""
    for group, values in tree.items():
        if group not in _GROUPS:
            raise ValueError(f"Unknown variable name: {group}")
        by_path = {variable.path: variable for variable in _variables(model, group)}
        for path, value in _flat(values, ""):
            # Keras passes over what the model does not have: a tree may be that of a larger one.
            if path in by_path:
                by_path[path].assign(value)


def _flat(tree, prefix):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value
