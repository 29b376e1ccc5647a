"""Products and norms."""

import torch
import torch.nn.functional as F

_WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def dense(x, weight, bias=None, *, weight_layout="io"):
    """Affine map of the last axis: ``y = x @ W + b``.

    x: (..., in); weight: (in, out) for "io" (Keras), (out, in) for "oi" (MXNet, torch); bias: (out,).
    Returns (..., out) in x's dtype, or in the weight's where x holds whole numbers or booleans.
    """
    if x.dtype in _WHOLE:
        x = x.to(weight.dtype)
    return F.linear(x, weight.t() if weight_layout == "io" else weight, bias)


def matmul(a, b):
    """Matrix product of the last two axes, the leading ones broadcast; vectors as in NumPy."""
    return torch.matmul(a, b)


def dot(a, b, *, transpose_a=False, transpose_b=False, rule="first"):
    """Sum of products over one axis of each: a's last (first if transposed), and one of b's by the rule.

    rule "first": b's first axis (last if transposed), as MXNet's ``nd.dot``; "numpy": b's last but one, as NumPy and
    Keras have it, without transposing. A scalar multiplies.
    Returns the remaining axes of a, then those of b.
    """
    if a.dim() == 0 or b.dim() == 0:
        return a * b
    if rule == "numpy":
        if transpose_a or transpose_b:
            raise ValueError("dot(rule='numpy') does not transpose; expected transpose_a=False and transpose_b=False")
        axes = (a.dim() - 1, max(b.dim() - 2, 0))
    else:
        axes = (0 if transpose_a else a.dim() - 1, b.dim() - 1 if transpose_b else 0)
    if a.dim() <= 2 and b.dim() <= 2:  # one product, without tensordot's reshapes
        a = a.t() if a.dim() == 2 and axes[0] == 0 else a
        b = b.t() if b.dim() == 2 and axes[1] == 1 else b
        return torch.matmul(a, b)
    return tensordot(a, b, ([axes[0]], [axes[1]]))


def batch_dot(a, b, *, transpose_a=False, transpose_b=False):
    """Matrix product of the last two axes, batch by batch: ``y[i] = a[i] @ b[i]``.

    a: (..., n, k), or (..., k, n) transposed; b: (..., k, m), or (..., m, k) transposed. Returns (..., n, m).
    Raises ValueError where the batches differ, or there are none.
    """
    if a.dim() < 3 or a.shape[:-2] != b.shape[:-2]:
        raise ValueError(f"batch_dot takes two equal batches of matrices, got {tuple(a.shape)} and {tuple(b.shape)}")
    return torch.matmul(a.mT if transpose_a else a, b.mT if transpose_b else b)


def batch_tensordot(a, b, axes):
    """Sum of products over ``axes = (axis of a, axis of b)``, sample by sample, as Keras's ``Dot`` and ``batch_dot``.

    a: (batch, ...); b: (batch, ...); the axes are not 0. Returns (batch, other axes of a, other axes of b), or
    (batch, 1) where nothing else is left.
    """
    left, right = axes[0] % a.dim(), axes[1] % b.dim()
    a, b = a.movedim(left, -1), b.movedim(right, 1)
    rest = (*a.shape[1:-1], *b.shape[2:])
    y = torch.bmm(a.reshape(a.shape[0], -1, a.shape[-1]), b.reshape(b.shape[0], b.shape[1], -1))
    return y.reshape(a.shape[0], *(rest or (1,)))


def tensordot(a, b, axes: int | tuple | list = 2):
    """Sum of products over the last ``axes`` axes of a and first of b, or over a pair of lists of axes.

    Raises ValueError where their sizes differ.
    """
    if isinstance(axes, int):
        summed = a.shape[a.dim() - axes :], b.shape[:axes]
    else:
        axes = tuple([side] if isinstance(side, int) else list(side) for side in axes)
        summed = tuple(tuple(x.shape[axis] for axis in side) for x, side in zip((a, b), axes))
    if tuple(summed[0]) != tuple(summed[1]):  # torch would repeat an axis of size 1
        raise ValueError(f"the axes to sum over differ in size: {tuple(summed[0])} and {tuple(summed[1])}")
    return torch.tensordot(a, b, dims=axes)


def einsum(subscripts, *operands):
    """Einstein summation, as in NumPy."""
    return torch.einsum(subscripts, *operands)


def outer(a, b):
    """``y[i, j] = a[i] b[j]`` over the flattened a and b."""
    return torch.outer(a.reshape(-1), b.reshape(-1))


def inner(a, b):
    """Sum of products over the last axis of both."""
    return torch.inner(a, b)


def norm(x, ord=2, axis=None, keepdims=False):
    """``(sum |x|^ord)^(1/ord)`` over ``axis`` (a number, several, or None: all); ord may also be inf, -inf or 0.

    An integer x gives floats. The gradient at 0 is 0.
    """
    if not (x.is_floating_point() or x.is_complex()):
        x = x.to(torch.get_default_dtype())
    return torch.linalg.vector_norm(x, ord, axis, keepdims)
