"""`keras.tree`: nested lists, tuples and dicts of values. The entries of a dict go in the order of their sorted
keys.
"""

from tandem.core.errors import explain


class MAP_TO_NONE:
    """What the function of `traverse` returns for a value that is to become None."""


def is_nested(structure):
    """Whether `structure` is a list, tuple or dict."""
    return isinstance(structure, (list, tuple, dict))


def _entries(structure):
    """(key, value) of each child, in order; None where there are no children."""
    if isinstance(structure, dict):
        try:
            keys = sorted(structure)
        except TypeError:
            keys = list(structure)
        return [(key, structure[key]) for key in keys]
    if isinstance(structure, (list, tuple)):
        return list(enumerate(structure))
    return None


def _rebuild(structure, entries):
    """A structure like `structure` with other children."""
    if isinstance(structure, dict):
        found = dict(entries)
        if type(structure) is dict:
            return found
        return type(structure)((key, found[key]) for key in structure)
    values = [value for _, value in entries]
    if hasattr(structure, "_fields"):
        return type(structure)(*values)
    return type(structure)(values)


def flatten_with_path(structure):
    """The leaves with their paths, tuples of keys and indices."""
    entries = _entries(structure)
    if entries is None:
        return [((), structure)]
    return [((key, *path), leaf) for key, value in entries for path, leaf in flatten_with_path(value)]


def flatten(structure):
    """The leaves of a structure, a list; None is a leaf."""
    return [leaf for _, leaf in flatten_with_path(structure)]


def _check(structures):
    first = structures[0]
    entries = _entries(first)
    for other in structures[1:]:
        if type(other) is not type(first) and not (isinstance(first, dict) and isinstance(other, dict)):
            if entries is None and not is_nested(other):
                continue
            raise ValueError(
                explain("The structures differ: node type mismatch", expected=type(first), given=type(other))
            )
        if entries is not None and len(other) != len(first):
            raise ValueError(
                explain("The structures differ: node arity mismatch", expected=len(first), given=len(other))
            )
        if isinstance(first, dict) and set(first) != set(other):
            raise ValueError(explain("The structures differ: keys", expected=sorted(first), given=sorted(other)))
    return entries


def map_structure(func, *structures, none_is_leaf=True):
    """Structures of one form, leaf by leaf through `func`. Raises ValueError where their forms differ."""
    if not callable(func):
        raise TypeError(f"`func` must be callable. Received: {func} (of type {type(func)})")
    if not structures:
        raise ValueError("Must provide at least one structure")
    entries = _check(structures)
    if entries is None:
        if not none_is_leaf and all(structure is None for structure in structures):
            return None
        return func(*structures)
    mapped = [
        (key, map_structure(func, *(structure[key] for structure in structures), none_is_leaf=none_is_leaf))
        for key, _ in entries
    ]
    return _rebuild(structures[0], mapped)


def map_structure_up_to(shallow_structure, func, *structures):
    """Like `map_structure`, down to the leaves of `shallow_structure` only."""
    entries = _entries(shallow_structure)
    if entries is None:
        return func(*structures)
    for structure in structures:
        if not is_nested(structure) or len(structure) != len(shallow_structure):
            raise ValueError(explain("The structures differ", expected=shallow_structure, given=structure))
    mapped = [
        (key, map_structure_up_to(value, func, *(structure[key] for structure in structures))) for key, value in entries
    ]
    return _rebuild(shallow_structure, mapped)


def map_shape_structure(func, structure):
    """Map over shapes, lists or tuples of ints and Nones, as leaves."""

    def is_shape(value):
        return isinstance(value, (list, tuple)) and all(size is None or isinstance(size, int) for size in value)

    if is_shape(structure):
        return func(tuple(structure) if isinstance(structure, tuple) else structure)
    return _rebuild(structure, [(key, map_shape_structure(func, value)) for key, value in _entries(structure) or ()])


def assert_same_structure(a, b, check_types=None):
    """Raise ValueError where two structures differ in form."""
    map_structure(lambda left, right: None, a, b)


def assert_same_paths(a, b):
    """Raise ValueError where the leaves of two structures have other paths."""
    left, right = ({path for path, _ in flatten_with_path(structure)} for structure in (a, b))
    if left != right:
        raise ValueError(explain("`a` and `b` don't have the same paths", expected=sorted(left), given=sorted(right)))


def pack_sequence_as(structure, flat_sequence):
    """The values of `flat_sequence` in the form of `structure`. Raises ValueError where their number is another."""
    if not is_nested(flat_sequence):
        raise TypeError(f"Flat sequence must be a list or tuple. Received: {type(flat_sequence)}")
    values = list(flat_sequence)
    count = len(flatten(structure))
    if count != len(values):
        raise ValueError(
            explain(
                "The sequence does not fit the structure", expected=f"{count} values", given=f"{len(values)} values"
            )
        )
    remaining = iter(values)

    def fill(part):
        entries = _entries(part)
        if entries is None:
            return next(remaining)
        return _rebuild(part, [(key, fill(value)) for key, value in entries])

    return fill(structure)


def traverse(func, structure, top_down=True):
    """Give every part of a structure to `func`; what it returns replaces the part, None leaves it."""
    if top_down:
        found = func(structure)
        if found is not None:
            return None if found is MAP_TO_NONE else found
    entries = _entries(structure)
    if entries is not None:
        structure = _rebuild(structure, [(key, traverse(func, value, top_down)) for key, value in entries])
    if not top_down:
        found = func(structure)
        if found is not None:
            return None if found is MAP_TO_NONE else found
    return structure


def lists_to_tuples(structure):
    """A structure with its lists as tuples."""
    entries = _entries(structure)
    if entries is None:
        return structure
    mapped = _rebuild(structure, [(key, lists_to_tuples(value)) for key, value in entries])
    return tuple(mapped) if isinstance(mapped, list) else mapped
