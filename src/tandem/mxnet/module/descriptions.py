"""What a module is told of its inputs: names, and shapes of a batch."""

from tandem.core.errors import warn
from tandem.mxnet.io.io import DataDesc

_OF_PARAMETERS = ("_weight", "_bias", "_gamma", "_beta")


def check_input_names(symbol, names, typename, throw):
    """See that names are arguments of a symbol.

    typename: what they are, for the message: 'data', 'label', ...; throw: raise ValueError for one that is none;
    else warn.
    """
    arguments = symbol.list_arguments()
    for name in names:
        if name in arguments:
            continue
        near = "\n\t".join(one for one in arguments if not one.endswith(_OF_PARAMETERS))
        message = (
            f"\033[91mYou created Module with Module(..., {typename}_names={names}) but input with name '{name}' is not"
            f" found in symbol.list_arguments(). Did you mean one of:\n\t{near}\033[0m"
        )
        if throw:
            raise ValueError(message)
        warn(message)


def _check_match(names, shapes, what, throw):
    if sorted(names) == sorted(shape[0] for shape in shapes):
        return
    message = f"Data provided by {what}_shapes don't match names specified by {what}_names ({shapes} vs. {names})"
    if throw:
        raise ValueError(message)
    warn(message)


def described(shapes):
    """A list of `DataDesc` from such, or from tuples of name, shape and maybe dtype and layout."""
    return [one if isinstance(one, DataDesc) else DataDesc(*one) for one in shapes]


def parse(data_names, label_names, data_shapes, label_shapes):
    """(descriptions of data, descriptions of labels or None).

    Raises ValueError for data of other names than `data_names`; labels of other names than `label_names` warn.
    """
    data_shapes = described(data_shapes)
    _check_match(data_names, data_shapes, "data", True)
    if label_shapes is None:
        _check_match(label_names, [], "label", False)
        return data_shapes, None
    label_shapes = described(label_shapes)
    _check_match(label_names, label_shapes, "label", False)
    return data_shapes, label_shapes


def of_batch(known, batch, provided, arrays):
    """Descriptions of a batch's arrays: the batch's own ones, or known ones with other shapes; None without arrays.

    provided, arrays: names of the batch's attributes.
    """
    own = getattr(batch, provided, None)
    if own:
        return own
    held = getattr(batch, arrays, None)
    if not held or not known:
        return None if arrays == "label" else []
    return [DataDesc(one.name, array.shape, one.dtype, one.layout) for one, array in zip(known, held)]
