"""Products of arrays."""

from tandem.keras.ops.family import Family, common, narrow, storage_dtype, tensor, together
from tandem.ops import products

NAMES = Family()


def _narrow(x1, x2):
    return narrow(tensor(x1), tensor(x2))


def _matmul(x1, x2):
    x1, x2 = tensor(x1), tensor(x2)
    eights = x1.dtype == x2.dtype == storage_dtype("int8")
    x1, x2 = narrow(x1, x2)
    y = products.matmul(x1, x2)
    return y if eights else y.to(x1.dtype)


def _two(function, prepare):
    return lambda x1, x2: function(*prepare(x1, x2))


for _name, _class, _function, _text in (
    ("dot", "Dot", products.dot, "Products summed over the last axis of x1 and the last but one of x2."),
    ("inner", "Inner", products.inner, "Products summed over the last axes."),
    ("kron", "Kron", products.kron, "The Kronecker product."),
    ("outer", "Outer", products.outer, "``x1[i] x2[j]`` of the flattened operands."),
    ("vdot", "Vdot", products.vdot, "The products of two vectors summed, x1's complex numbers conjugated."),
):
    NAMES.add(_name, _two(_function, together if _name in ("kron", "outer") else _narrow), _class, 2).__doc__ = _text


NAMES.add("matmul", _matmul, "Matmul", 2).__doc__ = "The product of matrices, or stacks of them; of int8 in int32."


@NAMES.op("Tensordot", 2)
def tensordot(x1, x2, axes=2):
    """Products summed over axes: the last of x1 with the first of x2, so many, or two lists of axes."""
    return products.tensordot(*_narrow(x1, x2), axes)


@NAMES.op("Cross", 2)
def cross(x1, x2, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """The cross product of vectors along axes; vectors of two entries have a third one, 0."""
    x1, x2 = _narrow(x1, x2)
    if axis is not None:
        axisa = axisb = axisc = axis
    return products.cross(x1, x2, axisa, axisb, axisc)


@NAMES.op("Einsum", ("operands",))
def einsum(subscripts, *operands, **kwargs):
    """Einstein's sum: "ij,jk->ik"."""
    unknown = set(kwargs) - {"optimize"}
    if unknown:
        raise TypeError(f"einsum() got an unexpected keyword argument {sorted(unknown)[0]!r}")
    operands = [tensor(x) for x in operands]
    dtype = common(*(x.dtype for x in operands))
    return products.einsum(subscripts, [x.to(dtype) for x in operands])
