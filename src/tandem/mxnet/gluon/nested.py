"""Nested lists of arrays as flat ones and back, in the form that MXNet's blocks and users' control flow keep it."""

from tandem.core.arrays import Array
from tandem.core.errors import explain


def _flatten(args, inout_str):
    """(all leaves in a list, the structure): 0 is an array, -1 None, n > 0 are n arrays, a list is a nested list.

    Raises ValueError for other leaves; `inout_str` ('input', 'output') names them in its message.
    """
    if isinstance(args, Array):
        return [args], 0
    if args is None:
        return [None], -1
    if not isinstance(args, (list, tuple)):
        raise ValueError(
            explain(
                f"A HybridBlock's {inout_str} must be NDArrays or Symbols, or nested lists of them",
                given=f"{type(args).__name__} {args!r}"[:200],
            )
        )
    pairs = [_flatten(one, inout_str) for one in args]
    return [leaf for leaves, _ in pairs for leaf in leaves], [structure for _, structure in pairs]


def _regroup(args, fmt):
    """Flat arrays in a structure that `_flatten` answered.

    Raises ValueError where there are fewer.
    """
    return _taken(args if isinstance(args, (list, tuple)) else [args], fmt)[0]


def _taken(args, fmt):
    if isinstance(fmt, int):
        if len(args) < max(fmt, 1):
            raise ValueError(explain("Fewer arrays than the structure has", expected=max(fmt, 1), given=len(args)))
        if fmt == -1 and args[0] is not None:
            raise ValueError(explain("An array where the structure has None", given=type(args[0]).__name__))
        return (args[0], args[1:]) if fmt < 1 else (list(args[:fmt]), args[fmt:])
    found = []
    for one in fmt:
        value, args = _taken(args, one)
        found.append(value)
    return found, args
