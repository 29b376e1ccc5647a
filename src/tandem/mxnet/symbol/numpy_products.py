"""Functions of `mx.sym.np` that multiply, and that take and put entries."""

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet.symbol.numpy_creation import full
from tandem.mxnet.symbol.numpy_shapes import ravel
from tandem.mxnet.symbol.numpy_symbol import NUMBERS, apply, c_order, checked, refuse_out

__all__ = [
    "delete",
    "diag_indices_from",
    "einsum",
    "inner",
    "insert",
    "matmul",
    "may_share_memory",
    "outer",
    "polyval",
    "shares_memory",
    "take",
    "tensordot",
    "unravel_index",
    "vdot",
]


def matmul(a, b, out=None, **kwargs):
    """The product of matrices, whose leading axes broadcast."""
    refuse_out("matmul", out)
    if kwargs:
        raise TypeError(explain("matmul() of symbols takes a and b only", given=", ".join(kwargs)))
    return apply("_npi_matmul", "matmul", (checked(a), checked(b)))


def tensordot(a, b, axes=2):
    """The sum of products over axes: the last ones of a and the first ones of b, or pairs of them."""
    if isinstance(axes, int):
        return apply("_npi_tensordot_int_axes", "tensordot_int_axes", (checked(a), checked(b)), {"axes": axes})
    first, second = ((one,) if isinstance(one, int) else tuple(one) for one in axes)
    if len(first) != len(second):
        raise ValueError("Axes length mismatch")
    attrs = {"a_axes_summed": first, "b_axes_summed": second}
    return apply("_npi_tensordot", "tensordot", (checked(a), checked(b)), attrs)


def inner(a, b):
    """The sum of products over the last axes."""
    return tensordot(a, b, [-1, -1])


def _flat(a):
    return apply("_np_reshape", "reshape", (checked(a),), {"newshape": (-1,), "order": "C"})


def outer(a, b):
    """The products of all pairs of elements of two flattened arrays."""
    return tensordot(_flat(a), _flat(b), 0)


def vdot(a, b):
    """The sum of the products of two flattened arrays."""
    return tensordot(_flat(a), _flat(b), 1)


def einsum(*operands, **kwargs):
    """Sums of products in Einstein's notation: subscripts, then symbols; optimize: choose a good order."""
    refuse_out("einsum", kwargs.pop("out", None))
    optimize = kwargs.pop("optimize", False)
    if kwargs:
        raise TypeError(explain("einsum() got unknown arguments", given=", ".join(kwargs)))
    return apply("_npi_einsum", "einsum", operands[1:], {"subscripts": operands[0], "optimize": int(optimize)})


def polyval(p, x):
    """The polynomial with the coefficients p, the highest power's first, at x."""
    return apply("_npi_polyval", "polyval", (checked(p), checked(x)))


def take(a, indices, axis=None, mode="raise", out=None):
    """The entries of an axis (None: of the flattened array) with these numbers; mode: "clip", "wrap" or "raise"."""
    refuse_out("take", out)
    if mode not in ("wrap", "clip", "raise"):
        raise NotImplementedError(explain("There is no such mode", expected="clip, wrap or raise", given=repr(mode)))
    a, axis = (ravel(a), 0) if axis is None else (a, axis)
    return apply("_npi_take", "take", (checked(a), checked(indices)), {"axis": axis, "mode": mode})


def _slice_attrs(obj):
    return {"start": obj.start, "stop": obj.stop, "step": 1 if obj.step is None else obj.step}


def delete(arr, obj, axis=None):
    """The array without the entries of an axis (of the flattened array) that obj names: a number, slice or symbol."""
    if isinstance(obj, slice):
        return apply("_npi_delete", "delete", (checked(arr),), {**_slice_attrs(obj), "axis": axis})
    if isinstance(obj, (int, onp.integer)):
        return apply("_npi_delete", "delete", (checked(arr),), {"int_ind": int(obj), "axis": axis})
    return apply("_npi_delete", "delete", (checked(arr), checked(obj, "obj")), {"axis": axis})


def insert(arr, obj, values, axis=None):
    """Values put in before the entries of an axis (of the flattened array) that obj names.

    obj: a number, a slice or a symbol; values: a number or a symbol.
    """
    whole = isinstance(values, NUMBERS)
    inputs = (checked(arr),) if whole else (checked(arr), checked(values, "values"))
    attrs = {"axis": axis, **({"val": float(values)} if whole else {})}
    if isinstance(obj, slice):
        return apply("_npi_insert_slice", "insert_slice", inputs, {**_slice_attrs(obj), **attrs})
    if isinstance(obj, (int, onp.integer)):
        return apply("_npi_insert_scalar", "insert_scalar", inputs, {"int_ind": int(obj), **attrs})
    if whole:
        values, attrs = full((1,), values), {"axis": axis}
    return apply("_npi_insert_tensor", "insert_tensor", (arr, values, checked(obj, "obj")), attrs)


def diag_indices_from(arr):
    """The indices of the main diagonal, a row to each axis."""
    return apply("_npi_diag_indices_from", "diag_indices_from", (checked(arr),))


def unravel_index(indices, shape, order="C"):
    """The coordinates, a row to each axis, of places counted row by row in an array of the shape."""
    c_order("unravel_index", order)
    return apply("_unravel_index", "unravel_index", (checked(indices),), {"shape": tuple(shape)})


def shares_memory(a, b, max_work=None):
    """Whether the two lie in one piece of memory when the graph runs."""
    return apply("_npi_share_memory", "share_memory", (checked(a), checked(b)))


may_share_memory = shares_memory
