"""Products of arrays of any dtype: of integers too on every device, int8 in int32."""

import torch

from tandem.ops import linalg


def _summed(a, b, function):
    """function(a, b) of operands that torch has products of: int8 sums in int32, bools count in int32 and are cut."""
    if a.dtype is torch.int8:
        return function(a.to(torch.int32), b.to(torch.int32))
    if a.dtype is torch.bool:
        return function(a.to(torch.int32), b.to(torch.int32)).to(torch.bool)
    if not (a.is_floating_point() or a.is_complex()) and a.device.type not in ("cpu", "meta"):
        return function(a.double(), b.double()).to(a.dtype)  # no kernel elsewhere; exact up to 2^53
    return function(a, b)


def matmul(a, b):
    """The product of matrices, or stacks of them; of int8 in int32."""
    return _summed(a, b, torch.matmul)


def _kept(a, b, function):
    return _summed(a, b, function).to(a.dtype)


def dot(a, b):
    """Products summed over the last axis of a and the last but one of b; a number multiplies."""
    if a.dim() == 0 or b.dim() == 0:
        return torch.mul(a, b)
    return _kept(a, b, lambda x, y: torch.tensordot(x, y, ([x.dim() - 1], [max(y.dim() - 2, 0)])))


def inner(a, b):
    """Products summed over the last axes; a number multiplies."""
    return torch.mul(a, b) if a.dim() == 0 or b.dim() == 0 else _kept(a, b, torch.inner)


def kron(a, b):
    """The Kronecker product."""
    return torch.kron(a, b)


def outer(a, b):
    """``y[i, j] = a[i] b[j]`` of the flattened operands."""
    return torch.outer(a.reshape(-1), b.reshape(-1))


def vdot(a, b):
    """``sum conj(a) b`` of vectors."""
    if a.is_complex():
        a = a.conj()
    return _kept(a, b, torch.dot)


def tensordot(a, b, axes):
    """Products summed over axes: a number of them, or two lists."""
    return _kept(a, b, lambda x, y: linalg.tensordot(x, y, axes))


def cross(a, b, axis_a=-1, axis_b=-1, axis_c=-1):
    """The cross product of vectors of three entries, or of two with a third of 0 (of two such the third alone)."""
    a, b = a.movedim(axis_a, -1), b.movedim(axis_b, -1)
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ValueError(f"Vectors of a cross product have 2 or 3 entries. Given: {tuple(a.shape)}, {tuple(b.shape)}.")
    flat = a.shape[-1] == b.shape[-1] == 2
    a, b = (x if x.shape[-1] == 3 else torch.nn.functional.pad(x, (0, 1)) for x in (a, b))
    y = torch.linalg.cross(*torch.broadcast_tensors(a, b), dim=-1)
    return y[..., 2] if flat else y.movedim(-1, axis_c)


def einsum(subscripts, operands):
    """Einstein's sum of operands of one dtype."""
    dtype = operands[0].dtype
    if dtype in (torch.int8, torch.bool):
        y = torch.einsum(subscripts, *(x.to(torch.int32) for x in operands))
        return y if dtype is torch.int8 else y.to(dtype)
    return torch.einsum(subscripts, *operands)
