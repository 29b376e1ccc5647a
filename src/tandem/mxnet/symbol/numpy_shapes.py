"""Functions of `mx.sym.np` that change shapes, join, cut and repeat."""

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet.symbol.numpy_creation import full
from tandem.mxnet.symbol.numpy_symbol import NUMBERS, apply, c_order, checked, refuse_out

__all__ = [
    "append",
    "array_split",
    "broadcast_to",
    "column_stack",
    "concatenate",
    "dsplit",
    "dstack",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "pad",
    "ravel",
    "resize",
    "rot90",
    "row_stack",
    "split",
    "stack",
    "swapaxes",
    "tile",
    "tril",
    "vsplit",
    "vstack",
]


def ravel(x, order="C"):
    """The elements in one dimension."""
    c_order("ravel", order)
    return onp.reshape(x, -1) if isinstance(x, NUMBERS) else apply("_npx_reshape", "reshape", (x,), {"newshape": -1})


def expand_dims(a, axis):
    """A new axis of size 1."""
    return apply("_npi_expand_dims", "expand_dims", (checked(a),), {"axis": axis})


def swapaxes(a, axis1, axis2):
    """Two axes exchanged."""
    return apply("_npi_swapaxes", "swapaxes", (checked(a),), {"dim1": axis1, "dim2": axis2})


def broadcast_to(array, shape):
    """Sizes of 1 repeated; of a number an array of it."""
    if isinstance(array, NUMBERS):
        return full(shape, array)
    return apply("_npi_broadcast_to", "broadcast_to", (checked(array),), {"shape": shape})


def _joined(name, operator=None):
    def function(arrays, out=None):
        refuse_out(name, out)
        return apply(f"_npi_{operator or name}", operator or name, tuple(arrays))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name}` of a list of symbols."
    return function


vstack, hstack, dstack = _joined("vstack"), _joined("hstack"), _joined("dstack")
row_stack = _joined("row_stack", "vstack")


def column_stack(tup):
    """Vectors and matrices joined along the second axis, vectors as columns."""
    return apply("_npi_column_stack", "column_stack", tuple(tup))


def concatenate(seq, axis=0, out=None):
    """Arrays joined along an axis they have, or flattened (None)."""
    refuse_out("concatenate", out)
    return apply("_npi_concatenate", "concatenate", tuple(seq), {"axis": "None" if axis is None else axis})


def append(arr, values, axis=None):
    """Values behind an array, along an axis or both flattened."""
    return concatenate((arr, values), axis)


def stack(arrays, axis=0, out=None):
    """Arrays of one shape joined along a new axis."""
    refuse_out("stack", out)
    return apply("_npi_stack", "stack", tuple(arrays), {"axis": axis})


def _parts(name, operator, ary, indices_or_sections, axis):
    if isinstance(indices_or_sections, (int, onp.integer)):
        sections, cuts = int(indices_or_sections), []
    elif isinstance(indices_or_sections, (list, tuple, set)):
        sections, cuts = 0, [0, *indices_or_sections]
    else:
        raise ValueError("indices_or_sections must be either int, or tuple / list / set of ints")
    attrs = {"indices": cuts, "axis": axis, "squeeze_axis": False, "sections": sections}
    return list(apply(operator, name, (checked(ary),), attrs))


def split(ary, indices_or_sections, axis=0):
    """A list of parts along an axis: so many equal ones, or those between the given places."""
    return _parts("split", "_npi_split", ary, indices_or_sections, axis)


def array_split(ary, indices_or_sections, axis=0):
    """As `split`; a symbol's size is not known, so that a number of parts must divide it."""
    return _parts("split", "_npi_split", ary, indices_or_sections, axis)


def vsplit(ary, indices_or_sections):
    """`split` along the first axis."""
    return split(ary, indices_or_sections, 0)


def hsplit(ary, indices_or_sections):
    """`split` along the second axis, of a vector along its only one."""
    return _parts("hsplit", "_npi_hsplit", ary, indices_or_sections, 1)


def dsplit(ary, indices_or_sections):
    """`split` along the third axis."""
    return _parts("dsplit", "_npi_dsplit", ary, indices_or_sections, 2)


def flip(m, axis=None, out=None):
    """Axes (by default all) in reverse order."""
    refuse_out("flip", out)
    if isinstance(m, NUMBERS):
        return onp.flip(m, axis)
    return apply("_npi_flip", "flip", (checked(m),), {"axis": "None" if axis is None else axis})


def flipud(m):
    """The first axis in reverse order."""
    return flip(m, 0)


def fliplr(m):
    """The second axis in reverse order."""
    return flip(m, 1)


def rot90(m, k=1, axes=(0, 1)):
    """Turned k times by 90 degrees from the first axis towards the second."""
    return apply("_npi_rot90", "rot90", (checked(m),), {"k": k, "axes": axes})


def tile(A, reps):
    """The array repeated as a whole along its axes."""
    return onp.tile(A, reps) if isinstance(A, NUMBERS) else apply("_npi_tile", "tile", (A,), {"reps": reps})


def tril(m, k=0):
    """0 above the k-th diagonal of the last two axes."""
    return apply("_npi_tril", "tril", (checked(m),), {"k": k})


def resize(a, new_shape):
    """The flattened array repeated until it fills a new shape."""
    return apply("_npi_resize", "resize", (checked(a),), {"new_shape": new_shape})


def pad(x, pad_width, mode="constant", **kwargs):
    """Entries added at both ends of the axes: pad_width has (before, after) to each.

    mode: "constant" (constant_values=), "edge", "reflect", "symmetric", "maximum" or "minimum".
    Raises ValueError for another mode or keyword.
    """
    allowed = {"constant": ("constant_values",), "reflect": ("reflect_type",), "symmetric": ("reflect_type",)}
    if mode not in ("constant", "edge", "reflect", "symmetric", "maximum", "minimum"):
        raise ValueError(explain(f"mode {mode!r} is not supported"))
    for key in kwargs:
        if key not in allowed.get(mode, ()):
            raise ValueError(f"unsupported keyword arguments for mode '{mode}': {key}")
    if kwargs.get("reflect_type", "even") != "even":
        raise ValueError(f"unsupported reflect_type '{kwargs['reflect_type']}'")
    attrs = {"pad_width": tuple(pad_width), "mode": mode, "constant_value": kwargs.get("constant_values")}
    return apply("_npi_pad", "pad", (checked(x),), attrs)
