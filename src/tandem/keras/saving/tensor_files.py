"""Weights in safetensors files, under the paths of the variables: "dense/kernel"."""

import json
import re

from tandem.core.errors import explain, warn
from tandem.formats import safetensor_files

_ORDER = "order"  # the paths in the order of the model's weights; the file itself sorts them by type


def write(variables, path):
    """Write some variables. Raises ValueError where two have one path."""
    paths = [variable.path for variable in variables]
    twice = sorted({one for one in paths if paths.count(one) > 1})
    if twice:
        raise ValueError(
            explain(
                "Each variable is written under its path, which must be its own",
                given=", ".join(twice),
                hint="Give the layers unique names.",
            )
        )
    tensors = {variable.path: variable.value.detach() for variable in variables}
    safetensor_files.write(tensors, path, {_ORDER: json.dumps(paths)})


def read(variables, path, skip_mismatch=False):
    """Set some variables from a file.

    They are found by their paths. Where those differ only in the numbers of names that were made up ("dense_3/kernel":
    such names count through a session), they are found by their order. skip_mismatch: variables that the file lacks, or
    has in another shape, stay as they are, with a warning. Raises ValueError where something is missing or left over.
    """
    with safetensor_files.reading(path) as file:
        places = _places(variables, file)
        missing = [variable.path for variable in variables if variable.path not in places]
        extra = sorted(set(file.names) - set(places.values()))
        wrong = {
            variable.path: (variable.shape, file.shape(places[variable.path]))
            for variable in variables
            if variable.path in places and variable.shape != file.shape(places[variable.path])
        }
        if missing or extra or wrong:
            shapes = [f"{name} has {ours}, the file {theirs}" for name, (ours, theirs) in wrong.items()]
            text = explain(
                f"The weights in {str(path)!r} do not fit the model",
                expected=f"the paths and shapes of the model; it lacks {missing or 'none'}",
                given=f"the file has {extra or 'none'} besides; shapes: {'; '.join(shapes) or 'as they should be'}",
            )
            if not skip_mismatch:
                raise ValueError(text)
            warn(text)
        for variable in variables:
            if variable.path in places and variable.path not in wrong:
                variable.assign(file.tensor(places[variable.path]))


def _places(variables, file):
    """Which tensor of the file each variable's path means."""
    paths = [variable.path for variable in variables]
    found = {one: one for one in paths if one in file.names}
    if len(found) == len(paths) == len(file.names):
        return found
    order = _order(file)
    if order is not None and [_without_numbers(one) for one in order] == [_without_numbers(one) for one in paths]:
        return dict(zip(paths, order))
    return found


def _order(file):
    """The paths in the order in which they were written, or None where another program wrote the file."""
    try:
        order = json.loads(file.texts.get(_ORDER, "null"))
    except ValueError:
        return None
    known = isinstance(order, list) and all(isinstance(one, str) for one in order)
    return order if known and sorted(order) == sorted(file.names) else None


def _without_numbers(path):
    return re.sub(r"_\d+(?=/|$)", "", path)
