"""Functions of `mx.np` that change shapes, and that join, cut, repeat and reorder."""

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.numpy.functions_base import NUMBERS, checked_array, row
from tandem.mxnet.numpy.multiarray import call
from tandem.ops import arrangement

__all__ = [
    "append",
    "array_split",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_to",
    "column_stack",
    "concatenate",
    "copy",
    "diag",
    "diagflat",
    "diagonal",
    "dsplit",
    "dstack",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "meshgrid",
    "moveaxis",
    "pad",
    "ravel",
    "repeat",
    "reshape",
    "resize",
    "roll",
    "rot90",
    "row_stack",
    "shape",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "trace",
    "transpose",
    "tril",
    "vsplit",
    "vstack",
]

# --- the same elements in another shape ------------------------------------------------------------------------------


def copy(a, out=None):
    """The same elements in memory of their own."""
    return row("_np_copy", "copy")(a, out=out)


def shape(a):
    """The sizes of the array's axes."""
    return a.shape


def reshape(a, newshape, order="C", out=None):
    """The same elements in another shape, a copy; one size may be -1. order: "C" (so is "F", as in MXNet 1.9.1)."""
    return row("_np_reshape", "reshape")(a, newshape, order=order, out=out)


def ravel(x, order="C"):
    """The elements in one dimension; of a number an array of one.

    Raises NotImplementedError for another order than "C".
    """
    if order != "C":
        raise NotImplementedError(explain("ravel() works in C order", expected="order='C'", given=repr(order)))
    if isinstance(x, NUMBERS):
        return onp.reshape(x, -1)
    return reshape(checked_array(x, "x"), -1)


def transpose(a, axes=None):
    """The axes in another order, by default reversed; a copy.

    Raises ValueError where an axis is named twice.
    """
    axes = (axes,) if isinstance(axes, (int, onp.integer)) else axes
    if axes is not None and len(set(axes)) != len(axes):
        raise ValueError(explain("repeated axis in transpose", given=f"axes={axes}"))
    return row("_np_transpose", "transpose")(a, axes=axes)


def squeeze(a, axis=None, out=None):
    """A copy without the axes of size 1, or without those given."""
    return row("_np_squeeze", "squeeze")(a, axis=axis, out=out)


def expand_dims(a, axis):
    """A copy with a new axis of size 1."""
    return row("_npi_expand_dims", "expand_dims")(a, axis)


def moveaxis(a, source, destination):
    """A copy with axes in other places."""
    return row("_np_moveaxis", "moveaxis")(a, source, destination)


def swapaxes(a, axis1, axis2):
    """A copy with two axes exchanged."""
    return row("_npi_swapaxes", "swapaxes")(a, axis1, axis2)


def broadcast_to(array, shape):
    """A copy with sizes of 1 repeated; of a number an array of it."""
    if isinstance(array, NUMBERS):
        from tandem.mxnet.numpy import full

        return full(shape, array)
    return row("_npi_broadcast_to", "broadcast_to")(array, shape)


def broadcast_arrays(*args):
    """The arrays in the shape that all broadcast to.

    Raises ValueError where there is none.
    """
    try:
        sizes = onp.broadcast_shapes(*(checked_array(one).shape for one in args))
    except ValueError:
        raise ValueError(
            explain("The arrays do not broadcast", given=", ".join(str(one.shape) for one in args))
        ) from None
    return [one if one.shape == sizes else broadcast_to(one, sizes) for one in args]


def _at_least(axes):
    compute = row(f"_np_atleast_{axes}d", f"atleast_{axes}d")

    def function(*arys):
        return compute(*arys)

    function.__name__ = function.__qualname__ = f"atleast_{axes}d"
    function.__doc__ = f"Each array with axes of size 1 where it has fewer than {axes}; a list where there are several."
    return function


atleast_1d, atleast_2d, atleast_3d = _at_least(1), _at_least(2), _at_least(3)

# --- joining ---------------------------------------------------------------------------------------------------------


def concatenate(seq, axis=0, out=None):
    """Arrays joined along an axis they have, or flattened (None)."""
    arrays = list(seq) if not isinstance(seq, NDArray) else [seq[place] for place in range(len(seq))]
    if not arrays:
        raise MXNetError(explain("concatenate() joins one array or more", given="none"))
    return row("_npi_concatenate", "concatenate")(*arrays, axis=axis, out=out)


def append(arr, values, axis=None):
    """Values behind an array, along an axis or both flattened."""
    return concatenate((arr, values), axis)


def stack(arrays, axis=0, out=None):
    """Arrays of one shape joined along a new axis."""
    return row("_npi_stack", "stack")(*arrays, axis=axis, out=out)


def _joined(name, arrays, out=None):
    return row(f"_npi_{name}", name)(*arrays, out=out)


def vstack(arrays, out=None):
    """Arrays joined along the first axis, vectors as rows."""
    return _joined("vstack", arrays, out)


def row_stack(arrays):
    """Arrays joined along the first axis, vectors as rows."""
    return _joined("vstack", arrays)


def hstack(arrays):
    """Arrays joined along the second axis, vectors along their only one."""
    return _joined("hstack", arrays)


def dstack(arrays):
    """Arrays joined along the third axis."""
    return _joined("dstack", arrays)


def column_stack(tup):
    """Vectors and matrices joined along the second axis, vectors as columns."""
    return _joined("column_stack", tup)


# --- cutting ---------------------------------------------------------------------------------------------------------


def split(ary, indices_or_sections, axis=0):
    """A list of parts along an axis: so many equal ones, or those between the given places.

    Raises ValueError where the parts would not be equal.
    """
    checked_array(ary)
    if isinstance(indices_or_sections, (int, onp.integer)):
        parts = int(indices_or_sections)
        if parts == 0 or ary.shape[axis] % parts:
            raise ValueError(
                explain(
                    "array split does not result in an equal division",
                    expected=f"a divisor of {ary.shape[axis]}",
                    given=parts,
                )
            )
        return row("_npi_split", "split")(ary, indices=(0,), axis=axis, sections=parts)
    return row("_npi_split", "split")(ary, indices=_cuts(indices_or_sections), axis=axis)


def _cuts(places):
    if not isinstance(places, (list, tuple, set)):
        raise ValueError(
            explain(
                "indices_or_sections must be either int, or tuple / list / set of ints",
                given=type(places).__name__,
            )
        )
    return (0, *places)


def array_split(ary, indices_or_sections, axis=0):
    """A list of parts along an axis, as `split`, but the first ones may be larger by one."""
    checked_array(ary)
    if not isinstance(indices_or_sections, (int, onp.integer)):
        return split(ary, indices_or_sections, axis)
    parts = int(indices_or_sections)
    if parts <= 0:
        raise ValueError(explain("number sections must be larger than 0", given=parts))
    return row("_npi_split", "array_split")(ary, indices=(0,), axis=axis, sections=parts)


def _needs_axes(ary, count, name):
    if checked_array(ary).ndim < count:
        raise ValueError(f"{name} only works on arrays of {count} or more dimensions")


def hsplit(ary, indices_or_sections):
    """`array_split` along the second axis, of a vector along its only one."""
    _needs_axes(ary, 1, "hsplit")
    return array_split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


def vsplit(ary, indices_or_sections):
    """`split` along the first of two axes or more."""
    _needs_axes(ary, 2, "vsplit")
    return split(ary, indices_or_sections, 0)


def dsplit(ary, indices_or_sections):
    """`split` along the third axis."""
    _needs_axes(ary, 3, "dsplit")
    return split(ary, indices_or_sections, 2)


# --- repeating and reordering ----------------------------------------------------------------------------------------


def repeat(a, repeats, axis=None):
    """Each element (or each entry of an axis) repeated in its place, so many times."""
    return row("_np_repeat", "repeat")(a, repeats, axis)


def tile(A, reps):
    """The array repeated as a whole along its axes; a number as NumPy repeats it."""
    if isinstance(A, NUMBERS):
        return onp.tile(A, reps)
    return row("_npi_tile", "tile")(A, reps)


def flip(m, axis=None, out=None):
    """The array with axes (by default all) in reverse order."""
    if isinstance(m, NUMBERS):
        return onp.flip(m, axis)
    if axis is None:
        axis = tuple(range(checked_array(m).ndim))
    return row("_npi_flip", "flip")(m, axis, out=out)


def flipud(m):
    """The array with its first axis in reverse order."""
    return flip(m, 0)


def fliplr(m):
    """The array with its second axis in reverse order."""
    return flip(m, 1)


def roll(a, shift, axis=None):
    """The array shifted along axes (or flattened), what falls off coming in at the other end."""
    return row("_np_roll", "roll")(a, shift, axis)


def rot90(m, k=1, axes=(0, 1)):
    """The array turned k times by 90 degrees from the first axis towards the second."""
    return row("_npi_rot90", "rot90")(m, k=k, axes=axes)


_PAD_MODES = ("constant", "edge", "reflect", "symmetric", "maximum", "minimum")
_PAD_OPTIONS = {
    "constant": ("constant_values",),
    "edge": (),
    "reflect": ("reflect_type",),
    "symmetric": ("reflect_type",),
    "maximum": ("stat_length",),
    "minimum": ("stat_length",),
}


def pad(x, pad_width, mode="constant", **kwargs):
    """The array with entries added at both ends of its axes.

    pad_width: a tuple of (before, after) to each axis, or one pair. mode: "constant" (constant_values=), "edge",
    "reflect", "symmetric", "maximum", "minimum".
    Raises ValueError for another mode or keyword, TypeError for another kind of pad_width or constant.
    """
    if not isinstance(pad_width, (tuple, list)):
        raise TypeError(explain("`pad_width` must be tuple", given=f"{pad_width!r}"))
    if mode not in _PAD_MODES:
        raise ValueError(explain(f"mode {mode!r} is not supported", expected=", ".join(_PAD_MODES)))
    for key in kwargs:
        if key not in _PAD_OPTIONS[mode]:
            raise ValueError(f"{key} keyword not in allowed keywords {list(_PAD_OPTIONS[mode])}")
    value = kwargs.get("constant_values", 0)
    if not isinstance(value, NUMBERS):
        raise TypeError(explain(f"unsupported constant_values type: {type(value).__name__}", expected="a number"))
    if kwargs.get("reflect_type", "even") != "even":
        raise ValueError(f"unsupported reflect_type '{kwargs['reflect_type']}'")
    if kwargs.get("stat_length") is not None:
        raise ValueError(explain("unsupported stat_length", expected="None", given=kwargs["stat_length"]))
    if len(pad_width) == 2 and all(isinstance(one, int) for one in pad_width):
        pad_width = (tuple(pad_width),) * checked_array(x).ndim
    return row("_npi_pad", "pad")(x, pad_width=pad_width, mode=mode, constant_value=float(value))


def resize(a, new_shape):
    """The flattened array repeated until it fills a new shape."""
    sizes = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    return call("resize", lambda x: arrangement.recycled(x, sizes), checked_array(a, "a"), a._tensor)


def meshgrid(*xi, **kwargs):
    """A list of the vectors broadcast over the grid that they span; indexing: "xy" (the second runs down) or "ij".

    Raises NotImplementedError for sparse or shared grids.
    """
    indexing = kwargs.pop("indexing", "xy")
    if kwargs.pop("sparse", False):
        raise NotImplementedError(explain("meshgrid() has no sparse grids", expected="sparse=False"))
    if not kwargs.pop("copy", True):
        raise NotImplementedError(explain("meshgrid() makes copies", expected="copy=True"))
    if kwargs:
        raise TypeError(f"meshgrid() got an unexpected keyword argument '{next(iter(kwargs))}'")
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    if not xi:
        return []
    first = checked_array(xi[0])
    return [
        call(
            "meshgrid", lambda *xs, place=place: arrangement.grids(xs, indexing)[place], first, *[x._tensor for x in xi]
        )
        for place in range(len(xi))
    ]


# --- diagonals and triangles -----------------------------------------------------------------------------------------


def diag(array, k=0):
    """The k-th diagonal of a matrix, or of a vector the matrix that has it there."""
    return row("_np_diag", "diag")(array, k=k)


def diagflat(array, k=0):
    """The matrix with the flattened array on its k-th diagonal."""
    return row("_np_diagflat", "diagflat")(array, k=k)


def diagonal(a, offset=0, axis1=0, axis2=1):
    """The diagonals of the planes of two axes, as the last axis."""
    return row("_np_diagonal", "diagonal")(a, offset=offset, axis1=axis1, axis2=axis2)


def trace(a, offset=0, axis1=0, axis2=1, out=None):
    """The sums of the diagonals of the planes of two axes."""
    return row("_np_trace", "trace")(a, offset=offset, axis1=axis1, axis2=axis2, out=out)


def tril(m, k=0):
    """The array with 0 above the k-th diagonal of its last two axes; a vector is every row of a matrix."""
    return row("_npi_tril", "tril")(m, k=k)
