"""Shapes: reshaping, joining, splitting, padding, repeating."""

import numpy as np

from tandem.core.errors import explain
from tandem.keras.ops.family import Family, axes, common, spec, storage_dtype, tensor
from tandem.keras.ops.family import tensor as convert
from tandem.keras.ops.numpy_reduce import NAMES as REDUCTIONS
from tandem.ops import arrangement, einops
from tandem.ops import shape as shapes

NAMES = Family()


def _reshape_spec(x, newshape):
    newshape = (newshape,) if isinstance(newshape, int) else tuple(newshape)
    if newshape.count(-1) > 1:
        raise ValueError(f"There must be at most one unknown dimension (-1) in shape. Received: newshape={newshape}")
    if None in newshape:
        newshape = tuple(-1 if size is None else size for size in newshape)
    known = 1
    for size in newshape:
        known *= 1 if size == -1 else size
    if None in x.shape:
        return spec([None if size == -1 else size for size in newshape], x.dtype)
    total = 1
    for size in x.shape:
        total *= size
    if -1 in newshape and known and total % known == 0:
        return spec([total // known if size == -1 else size for size in newshape], x.dtype)
    if total != known or -1 in newshape:
        raise ValueError(
            explain(
                "The total size of the tensor must be unchanged",
                expected=f"{total} elements",
                given=f"input_shape={x.shape}, newshape={newshape}",
            )
        )
    return spec(newshape, x.dtype)


@NAMES.op("Reshape", spec=_reshape_spec)
def reshape(x, newshape):
    """x in another shape; one size may be -1."""
    if isinstance(newshape, (list, tuple)):
        newshape = tuple(-1 if size is None else size for size in newshape)
    return tensor(x).reshape(newshape)


def _squeeze_spec(x, axis=None):
    sizes = list(x.shape)
    if axis is None:
        return spec([size for size in sizes if size != 1], x.dtype)
    chosen = [one % len(sizes) for one in ([axis] if isinstance(axis, int) else axis)]
    for one in chosen:
        if sizes[one] not in (1, None):
            raise ValueError(f"Cannot squeeze axis {axis}, because the dimension is not 1. Received: shape={x.shape}")
    return spec([size for place, size in enumerate(sizes) if place not in chosen], x.dtype)


@NAMES.op("Squeeze", spec=_squeeze_spec)
def squeeze(x, axis=None):
    """x without its axes of size 1 (or without `axis`, one or several)."""
    x = tensor(x)
    return x.squeeze() if axis is None else x.squeeze(axes(axis))


@NAMES.op("ExpandDims")
def expand_dims(x, axis):
    """x with new axes of size 1 at `axis`, places in the result."""
    x = tensor(x)
    axis = (axis,) if isinstance(axis, int) else axis
    rank = x.dim() + len(axis)
    for one in axis:
        if not -rank <= one < rank:
            raise ValueError(f"axis {one} is out of bounds for an array with dimension {rank}.")
    for place in sorted(one % rank for one in axis):
        x = x.unsqueeze(place)
    return x


@NAMES.op("Ravel")
def ravel(x):
    """x as a vector."""
    return tensor(x).reshape(-1)


@NAMES.op("Transpose")
def transpose(x, axes=None):
    """x with its axes in another order, by default the reverse."""
    x = tensor(x)
    return x.permute(*(reversed(range(x.dim())) if axes is None else axes))


@NAMES.op("Swapaxes")
def swapaxes(x, axis1, axis2):
    """x with two axes exchanged."""
    return tensor(x).transpose(axis1, axis2)


@NAMES.op("Moveaxis")
def moveaxis(x, source, destination):
    """x with axes moved to other places."""
    return tensor(x).movedim(axes(source), axes(destination))


def _broadcast_spec(x, shape):
    shape = tuple(shape)
    fits = len(shape) >= len(x.shape)
    for size, wanted in zip(reversed(x.shape), reversed(shape)):
        fits = fits and (size in (1, None) or wanted is None or size == wanted)
    if not fits:
        raise ValueError(explain("The shape cannot be broadcast", expected=shape, given=x.shape))
    return spec(shape, x.dtype)


@NAMES.op("BroadcastTo", spec=_broadcast_spec)
def broadcast_to(x, shape):
    """x repeated to a shape along axes of size 1."""
    return tensor(x).broadcast_to(tuple(shape))


@NAMES.op("Flip")
def flip(x, axis=None):
    """x in the reverse order along axes (None: all)."""
    x = tensor(x)
    chosen = tuple(range(x.dim())) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    return shapes.reverse(x, chosen)


@NAMES.op("Fliplr")
def fliplr(x):
    """x in the reverse order along axis 1."""
    return shapes.reverse(tensor(x), (1,))


@NAMES.op("Flipud")
def flipud(x):
    """x in the reverse order along axis 0."""
    return shapes.reverse(tensor(x), (0,))


@NAMES.op("Roll")
def roll(x, shift, axis=None):
    """x with its elements moved along axes (None: in the flattened x), from the end to the beginning."""
    return shapes.roll(tensor(x), shift, axes(axis))


@NAMES.op("Rot90")
def rot90(array, k=1, axes=(0, 1)):
    """x turned by 90 degrees, k times, from the first axis towards the second."""
    array = tensor(array)
    if array.dim() < 2:
        raise ValueError(f"Input array must have at least 2 dimensions. Received: array.ndim={array.dim()}")
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ValueError(f"Invalid axes: {axes}. Axes must be a tuple of two different dimensions.")
    return arrangement.turned(array, k, axes)


@NAMES.op("Tile")
def tile(x, repeats):
    """x repeated as a whole along its axes."""
    return shapes.tile(tensor(x), (repeats,) if isinstance(repeats, int) else tuple(repeats))


@NAMES.op("Repeat")
def repeat(x, repeats, axis=None):
    """Each entry along an axis (None: of the flattened x) repeated so many times, or each its own number of times."""
    x = tensor(x)
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    if not isinstance(repeats, int):
        repeats = [int(one) for one in np.asarray(repeats).reshape(-1)]
        repeats = repeats[0] if len(repeats) == 1 else repeats
    return arrangement.repeated(x, repeats, axis)


def _one_dtype(xs):
    xs = [tensor(x) for x in xs]
    dtype = common(*(x.dtype for x in xs))
    return [x if x.dtype == dtype else x.to(dtype) for x in xs]


def _joined_dtype(xs):
    return common(*(storage_dtype(x.dtype) for x in xs))


def _concatenate_spec(xs, axis=0):
    xs = [x if hasattr(x, "shape") else tensor(x) for x in xs]
    rank = len(xs[0].shape)
    place, total, sizes = axis % rank if rank else 0, 0, list(xs[0].shape)
    for x in xs:
        for i, (a, b) in enumerate(zip(x.shape, xs[0].shape)):
            if i != place and a != b and None not in (a, b):
                raise ValueError(
                    explain(
                        "The values to join must have the same shape but along the axis",
                        expected=xs[0].shape,
                        given=f"{tuple(x.shape)}, axis={axis}",
                    )
                )
            if i != place and sizes[i] is None:
                sizes[i] = a
        if len(x.shape) != rank:
            raise ValueError(f"The values to join must have as many axes. Received: {[x.shape for x in xs]}")
        total = None if total is None or x.shape[place] is None else total + x.shape[place]
    sizes[place] = total
    return spec(sizes, _joined_dtype(xs))


@NAMES.op("Concatenate", spec=_concatenate_spec)
def concatenate(xs, axis=0):
    """Tensors one after the other along an axis."""
    return shapes.concat(_one_dtype(xs), axis)


def _stack_spec(x, axis=0):
    xs = [one if hasattr(one, "shape") else tensor(one) for one in x]
    sizes = list(xs[0].shape)
    for one in xs[1:]:
        if len(one.shape) != len(sizes) or any(a != b and None not in (a, b) for a, b in zip(one.shape, sizes)):
            raise ValueError(f"The values to stack must have the same shape. Received: {[one.shape for one in xs]}")
    sizes.insert(axis % (len(sizes) + 1), len(xs))
    return spec(sizes, _joined_dtype(xs))


@NAMES.op("Stack", spec=_stack_spec)
def stack(x, axis=0):
    """Tensors of one shape along a new axis."""
    return shapes.stack(_one_dtype(x), axis)


@NAMES.op("Hstack")
def hstack(xs):
    """Tensors joined along axis 1, vectors along their only one."""
    return arrangement.side_by_side(_one_dtype(xs))


@NAMES.op("Vstack")
def vstack(xs):
    """Tensors joined along axis 0, vectors as rows."""
    return arrangement.on_top(_one_dtype(xs))


@NAMES.op("Dstack")
def dstack(xs):
    """Tensors joined along axis 2."""
    return arrangement.in_depth(_one_dtype(xs))


@NAMES.op("Append", 2)
def append(x1, x2, axis=None):
    """x2 behind x1 along an axis (None: both flattened)."""
    x1, x2 = _one_dtype([x1, x2])
    if axis is None:
        x1, x2, axis = x1.reshape(-1), x2.reshape(-1), 0
    return shapes.concat([x1, x2], axis)


def _places(indices):
    return [int(place) for place in (tensor(indices).tolist() if hasattr(indices, "shape") else indices)]


def _split_spec(x, indices_or_sections, axis=0):
    size = x.shape[axis]
    if isinstance(indices_or_sections, int):
        if size is not None and size % indices_or_sections:
            raise ValueError(
                explain("The axis cannot be split into equal parts", expected=f"a divisor of {size}", given=x.shape)
            )
        sizes = [None if size is None else size // indices_or_sections] * indices_or_sections
    elif size is None:
        sizes = [None] * (len(indices_or_sections) + 1)
    else:
        places = [min(place if place >= 0 else place + size, size) for place in _places(indices_or_sections)]
        sizes = [max(end - start, 0) for start, end in zip([0, *places], [*places, size])]
    axis %= len(x.shape)
    return [spec((*x.shape[:axis], part, *x.shape[axis + 1 :]), x.dtype) for part in sizes]


@NAMES.op("Split", spec=_split_spec)
def split(x, indices_or_sections, axis=0):
    """A list of parts along an axis: so many equal ones, or those between some places."""
    x = tensor(x)
    if not isinstance(indices_or_sections, int):
        return list(x.tensor_split(_places(indices_or_sections), axis))
    size = x.shape[axis]
    if size % indices_or_sections:
        raise ValueError(
            explain(
                "The axis cannot be split into equal parts",
                expected=f"a divisor of {size}",
                given=f"indices_or_sections={indices_or_sections}, axis={axis}, shape {tuple(x.shape)}",
            )
        )
    return list(x.split(size // indices_or_sections, axis)) if size else [x] * indices_or_sections


def _split_along(axis):
    def compute(x, indices_or_sections):
        x = tensor(x)
        return split.__wrapped__(x, indices_or_sections, 0 if axis == 1 and x.dim() == 1 else axis)

    return compute


def _split_spec_along(axis):
    return lambda x, indices_or_sections: _split_spec(
        x, indices_or_sections, 0 if axis == 1 and len(x.shape) == 1 else axis
    )


for _name, _axis in (("hsplit", 1), ("vsplit", 0), ("dsplit", 2)):
    NAMES.add(
        _name, _split_along(_axis), _name.capitalize(), spec=_split_spec_along(_axis)
    ).__doc__ = f"A list of parts along axis {_axis}: so many equal ones, or those between some places."


@NAMES.op("ArraySplit")
def array_split(x, indices_or_sections, axis=0):
    """`split` into parts that need not be equal: the first ones are longer by one."""
    if not isinstance(indices_or_sections, int):
        indices_or_sections = _places(indices_or_sections)
    return list(tensor(x).tensor_split(indices_or_sections, axis))


def _pad_width(pad_width, rank):
    if isinstance(pad_width, int):
        return ((pad_width, pad_width),) * rank
    pairs = [(one, one) if isinstance(one, int) else tuple(one) for one in pad_width]
    if len(pairs) == 2 and all(isinstance(one, int) for one in pad_width) and rank != 2:
        pairs = [tuple(pad_width)]
    if len(pairs) == 2 and all(isinstance(one, int) for one in pad_width):
        pairs = [tuple(pad_width)]
    pairs = [pair * 2 if len(pair) == 1 else pair for pair in pairs]
    if len(pairs) == 1:
        pairs = pairs * rank
    if len(pairs) != rank:
        raise ValueError(
            f"`pad_width` must have the same length as `x.shape`. Received: pad_width={pad_width} "
            f"(of length {len(pairs)}) and a tensor of {rank} axes"
        )
    return tuple(pairs)


@NAMES.op("Pad", ("x", "constant_values"))
def pad(x, pad_width, mode="constant", constant_values=None):
    """x with entries added at both ends of its axes: "constant", "reflect" or "symmetric", "edge", "wrap"."""
    if mode != "constant" and constant_values is not None:
        raise ValueError(
            f"Argument `constant_values` can only be provided when `mode == 'constant'`. Received: mode={mode}"
        )
    x = tensor(x)
    value = 0 if constant_values is None else constant_values
    if hasattr(value, "dtype"):
        value = tensor(value).item()
    return arrangement.padded(x, _pad_width(pad_width, x.dim()), mode, value)


@NAMES.op("Meshgrid", ("x",))
def meshgrid(*x, indexing="xy"):
    """Vectors broadcast over the grid that they span; "xy": the second one runs down, "ij": the first one."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"Valid values for `indexing` are 'xy' and 'ij'. Received: indexing={indexing}")
    return tuple(shapes.meshgrid([tensor(one) for one in x], indexing=indexing))


@NAMES.op("Diag")
def diag(x, k=0):
    """The k-th diagonal of a matrix, or a matrix with a vector on it."""
    return arrangement.diagonal_of_or_on(tensor(x), k)


@NAMES.op("Diagflat")
def diagflat(x, k=0):
    """A matrix with the flattened x on the k-th diagonal."""
    return arrangement.diagonal_of_or_on(tensor(x).reshape(-1), k)


@NAMES.op("Diagonal")
def diagonal(x, offset=0, axis1=0, axis2=1):
    """The offset-th diagonals of the planes of two axes, as the last axis."""
    x = tensor(x)
    if x.dim() < 2:
        raise ValueError(f"`diagonal` requires an array of at least two dimensions. Received: x.shape={tuple(x.shape)}")
    return arrangement.diagonal(x, offset, axis1, axis2)


@NAMES.op("Trace")
def trace(x, offset=0, axis1=0, axis2=1):
    """The sums of the offset-th diagonals; bools and small integers in int32."""
    return REDUCTIONS["sum"](arrangement.diagonal(tensor(x), offset, axis1, axis2), axis=-1)


@NAMES.op("Tril")
def tril(x, k=0):
    """x with 0 above the k-th diagonal of its last two axes."""
    return arrangement.lower_triangle(tensor(x), k)


@NAMES.op("Triu")
def triu(x, k=0):
    """x with 0 below the k-th diagonal of its last two axes."""
    return arrangement.upper_triangle(tensor(x), k)


def _rearrange(tensor, pattern, axes_lengths):
    return einops.rearrange(convert(tensor), pattern, axes_lengths)


EINOPS = Family("keras.src.ops.einops")
_rearranged = EINOPS.add("rearrange", _rearrange, "Rearrange", 3)


@EINOPS.plain
def rearrange(tensor, pattern, **axes_lengths):
    """A tensor's axes split, joined and put in another order, as a pattern like "b (h w) c -> b h w c" says."""
    return _rearranged(tensor, pattern, axes_lengths)


rearrange.operation = _rearranged.operation
