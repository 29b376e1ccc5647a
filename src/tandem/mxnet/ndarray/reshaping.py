"""The methods that change an array's shape and share its memory, or broadcast it."""

import math

import torch

from tandem.core import scope
from tandem.core.errors import explain
from tandem.mxnet import util
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators.shapes import reshaped
from tandem.mxnet.paths import in_graph

_scope = scope._current


def reshape_array(array, shape, kwargs):
    """`array.reshape(...)` as `NDArray.reshape` describes it."""
    if len(shape) == 1 and isinstance(shape[0], (tuple, list, torch.Size)):
        shape = tuple(shape[0])
    elif not shape:
        shape = kwargs.get("shape")
        if shape is None:
            raise AssertionError("Shape must be provided.")
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
    unknown = [name for name in kwargs if name not in ("shape", "reverse")]
    if unknown:
        raise TypeError(
            explain(f"Got unknown keywords in reshape: {', '.join(unknown)}", expected="'shape' and 'reverse'")
        )
    for size in shape:
        if not hasattr(size, "__index__"):
            raise TypeError(explain("Sizes are integers", given=f"shape={shape!r}"))
    tensor = array._tensor
    target = tuple(size.__index__() for size in shape)
    if target == () and tensor.numel() == 1 and util.is_np_shape():
        sizes = ()
    elif target == ():
        raise ValueError(f"Cannot reshape array of size {tensor.numel()} into shape ()")
    else:
        try:
            sizes = reshaped(tuple(tensor.shape), target, kwargs.get("reverse", False))
        except MXNetError as error:
            if _too_few(target, tensor.numel()):
                raise ValueError(f"Cannot reshape array of size {tensor.numel()} into shape {target}") from error
            raise
    if not tensor.is_contiguous():
        tensor = array._tensor = tensor.contiguous()  # so that the result can share memory
    if _scope.recording or not torch.is_grad_enabled():
        result = tensor.view(sizes)
        if _scope.recording and not result.requires_grad:
            result = in_graph(result, (tensor,), lambda path: path.reshape(sizes))
        return array._wrap(result, array._ctx)
    with torch.no_grad():
        return array._wrap(tensor.view(sizes), array._ctx)


def _too_few(target, total):
    """Whether sizes, of which one may be -1, ask for fewer elements than there are: MXNet has another error for it."""
    if min(target) < -1 or 0 in target or target.count(-1) > 1:
        return False
    known = math.prod(abs(size) for size in target)
    return (known * (total // known) if -1 in target else known) < total


def broadcast_array(array, shape):
    """`array.broadcast_to(shape)`: dimensions are added in front, zeros keep sizes.

    Raises ValueError where a size is neither 1 nor the wanted one.
    """
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    own = array.shape
    padded = (1,) * (len(shape) - len(own)) + own
    fits = len(padded) == len(shape) and all(have in (1, want) for have, want in zip(padded, shape))
    if not fits:
        raise ValueError(
            f"operands could not be broadcast together with remapped shapes[original->remapped]: "
            f"{own} and requested shape {shape}"
        )
    from tandem.mxnet.ndarray import broadcast_to

    return broadcast_to(array if padded == own else array.reshape(padded), shape=shape)
