"""Making, shaping, joining, picking: `tf.reshape`, `tf.concat`, `tf.gather` and their like."""

import numpy as np
import torch

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import lifted
from tandem.compat.tensorflow._errors import InvalidArgumentError, UnimplementedError
from tandem.compat.tensorflow._strings import StringTensor
from tandem.compat.tensorflow.ragged_rows import RaggedTensor
from tandem.compat.tensorflow.shape_vectors import Sizes, are_sizes, sizes
from tandem.compat.tensorflow.shapes import TensorShape
from tandem.compat.tensorflow.tensor import convert, has_text, ints, is_symbolic, static, taker
from tandem.core.errors import explain
from tandem.core.graph import Symbolic
from tandem.keras import ops, tensors
from tandem.ops import gathering

NAMES = {}
add = taker(NAMES)


def _ragged():
    from tandem.compat.tensorflow import _ragged

    return _ragged


def _is_text(value):
    return isinstance(value, StringTensor)


# --- making ----------------------------------------------------------------------------------------------------------


@add
def convert_to_tensor(value, dtype=None, dtype_hint=None, preferred_dtype=None):
    """`value` as a tensor."""
    hint = dtype_hint or preferred_dtype
    if dtype is None and hint is not None and not hasattr(value, "dtype"):
        try:
            return convert(value, hint)
        except (TypeError, ValueError):
            return convert(value)
    if dtype is not None and isinstance(value, torch.Tensor) and dtypes.as_dtype(dtype) != value.dtype:
        raise ValueError(
            f"Tensor conversion requested dtype {dtypes.as_dtype(dtype).name} for Tensor with dtype "
            f"{dtypes.as_dtype(value.dtype).name}; write tf.cast(…)."
        )
    return convert(value, dtype)


@add
def constant(value, dtype=None, shape=None):
    """`value` as a tensor, of a shape where one is given: one number fills it."""
    found = convert(value, dtype)
    if isinstance(value, torch.Tensor) and isinstance(found, torch.Tensor):
        found = found.detach()
    if shape is None:
        return found
    shape = ints(shape)
    count = found.numel() if isinstance(found, torch.Tensor) else found.size
    if count != 1 and count != int(np.prod(shape)):
        raise TypeError(
            f"Eager execution of tf.constant with unsupported shape. Tensor has {count} elements, shape {shape}."
        )
    return ops.broadcast_to(ops.reshape(found, ()), shape) if count == 1 else ops.reshape(found, shape)


def _filled(name, fill):
    def function(shape, dtype=dtypes.float32):
        if dtypes.as_dtype(dtype) == "string":
            return StringTensor(np.full(ints(shape), b"", dtype=object))
        return fill(ints(shape), dtype=dtypes.as_dtype(dtype).name)

    function.__name__, function.__doc__ = name, f"A tensor of a shape, full of {name}."
    add(function)


_filled("zeros", ops.zeros)
_filled("ones", ops.ones)


@add
def fill(dims, value):
    """A tensor of a shape, full of `value`."""
    if has_text(value) or _is_text(value):
        return StringTensor(np.full(ints(dims), convert(value).numpy(), dtype=object))
    return ops.broadcast_to(convert(value), ints(dims))


def _like(name, fill):
    def function(input, dtype=None, optimize=True):
        if dtype is None and has_text(input):
            return StringTensor(np.full(np.shape(input), b"", dtype=object))
        return fill(convert(input), dtype=None if dtype is None else dtypes.as_dtype(dtype).name)

    function.__name__, function.__doc__ = name, f"`{name[:-5]}` of the shape and dtype of `input`."
    add(function)


_like("zeros_like", ops.zeros_like)
_like("ones_like", ops.ones_like)


@add
def eye(num_rows, num_columns=None, batch_shape=None, dtype=dtypes.float32):
    """The unit matrix, or as many of them as `batch_shape` says."""
    rows, columns = ints(num_rows)[0], None if num_columns is None else ints(num_columns)[0]
    found = ops.eye(rows, columns, dtype=dtypes.as_dtype(dtype).name)
    return found if batch_shape is None else ops.broadcast_to(found, (*ints(batch_shape), *found.shape))


@add
def range_(start, limit=None, delta=1, dtype=None):
    """The numbers from `start` (0 if only one number is given) to before `limit`, `delta` apart."""
    if limit is None:
        start, limit = 0, start
    start, limit, delta = static(start), static(limit), static(delta)
    if dtype is None:
        whole = all(isinstance(one, int) for one in (start, limit, delta))
        dtype = dtypes.int32 if whole else dtypes.float32
    return ops.arange(start, limit, delta, dtype=dtypes.as_dtype(dtype).name)


@add
def linspace(start, stop, num, axis=0):
    """`num` numbers from `start` to `stop`, both among them."""
    kind = dtypes.as_dtype(convert(start).dtype).name
    return ops.linspace(static(start), static(stop), ints(num)[0], axis=axis, dtype=kind)


@add
def meshgrid(*args, indexing="xy"):
    """The coordinates of a grid, a list."""
    return list(ops.meshgrid(*(convert(one) for one in args), indexing=indexing))


@add
def one_hot(indices, depth, on_value=None, off_value=None, axis=None, dtype=None):
    """Rows with `on_value` (1) where the index says and `off_value` (0) elsewhere; all off for an index of no class."""
    if dtype is None:
        dtype = dtypes.float32 if on_value is None else dtypes.as_dtype(convert(on_value).dtype)
    kind = dtypes.as_dtype(dtype).name
    hot = ops.one_hot(convert(indices), ints(depth)[0], axis=-1 if axis is None else axis, dtype=kind)
    if on_value is None and off_value is None:
        return hot
    on, off = (1 if on_value is None else on_value), (0 if off_value is None else off_value)
    return ops.where(ops.cast(hot, "bool"), convert(on, kind), convert(off, kind))


@add
def sequence_mask(lengths, maxlen=None, dtype=dtypes.bool_):
    """True in each row before the row's length."""
    lengths = convert(lengths)
    if maxlen is None:
        maxlen = int(ops.max(lengths))
    row = ops.arange(ints(maxlen)[0], dtype=dtypes.as_dtype(lengths.dtype).name)
    return ops.cast(ops.less(row, ops.expand_dims(lengths, -1)), dtypes.as_dtype(dtype).name)


# --- shapes ----------------------------------------------------------------------------------------------------------


@add
def shape(input, out_type=dtypes.int32):
    """The sizes, known as Python runs: what is shaped by them is replayed. For a symbolic value a tuple."""
    if isinstance(input, Symbolic):
        return TensorShape(input.shape)
    if isinstance(input, torch.Tensor):
        return sizes(tuple(torch.Tensor.size(input)), out_type)
    if isinstance(input, RaggedTensor):
        return sizes(input.bounds(), dtypes.int64)
    return sizes(tuple((input if hasattr(input, "shape") else convert(input)).shape), out_type)


@add
def size(input, out_type=dtypes.int32):
    """How many elements there are."""
    if isinstance(input, RaggedTensor):
        return sizes(size(input.flat_values), out_type)
    return sizes(TensorShape(input.shape if hasattr(input, "shape") else convert(input).shape).num_elements(), out_type)


@add
def rank(input):
    """How many axes there are."""
    return sizes(len(input.shape if hasattr(input, "shape") else convert(input).shape))


def _free(shape):
    """A shape in which what is not known is what is left."""
    shape = tuple(-1 if size is None else size for size in ints(shape))
    if shape.count(-1) > 1:
        raise ValueError(explain("Only one size of a shape can be left open", given=shape))
    return shape


@add
def reshape(tensor, shape):
    """The same elements in another shape; -1 is what is left."""
    tensor = convert(tensor)
    if isinstance(tensor, StringTensor):
        return StringTensor(tensor.array.reshape(_free(shape)))
    return ops.reshape(tensor, _free(shape))


@add
def transpose(a, perm=None, conjugate=False):
    """The axes in another order, by default the reverse."""
    found = ops.transpose(convert(a), None if perm is None else ints(perm))
    return ops.conjugate(found) if conjugate else found


@add
def expand_dims(input, axis):
    """A new axis of size 1."""
    if isinstance(input, Sizes):
        return np.expand_dims(input, ints(axis)[0])
    input = convert(input)
    if isinstance(input, RaggedTensor):
        return _ragged().expand_dims(input, ints(axis)[0])
    if _is_text(input):
        return StringTensor(np.expand_dims(input.array, ints(axis)[0]))
    return ops.expand_dims(input, ints(axis)[0])


@add
def squeeze(input, axis=None, squeeze_dims=None):
    """Without the axes of size 1, or without those named."""
    axis = squeeze_dims if axis is None else axis
    axis = None if axis is None else ints(axis) or None
    input = convert(input)
    if isinstance(input, RaggedTensor):
        return _ragged().squeeze(input, axis)
    if _is_text(input):
        return StringTensor(np.squeeze(input.array, axis))
    for one in axis or ():
        if input.shape[one] not in (1, None):
            raise InvalidArgumentError(f"Can not squeeze dim[{one}], expected a dimension of 1, got {input.shape[one]}")
    return ops.squeeze(input, axis)


@add
def broadcast_to(input, shape):
    """Repeated along axes of size 1 to a shape."""
    shape = ints(shape)
    if None in shape:  # the size of a symbolic batch is not known, and stays as it is
        return lifted.broadcast_to(convert(input), shape)
    return ops.broadcast_to(convert(input), shape)


@add
def broadcast_static_shape(shape_x, shape_y):
    """The shape in which two meet."""
    return TensorShape(torch.broadcast_shapes(tuple(shape_x), tuple(shape_y)))


NAMES["broadcast_dynamic_shape"] = lambda shape_x, shape_y, name=None: sizes(
    tuple(torch.broadcast_shapes(ints(shape_x), ints(shape_y)))
)


@add
def identity(input):
    """The value."""
    value = convert(input)
    return value if is_symbolic(value) or not isinstance(value, torch.Tensor) else value.view_as(value)


@add
def cast(x, dtype):
    """In another dtype: floats are cut off to whole numbers."""
    kind = dtypes.as_dtype(dtype)
    x = convert(x)
    if _is_text(x):
        if kind == "string":
            return x
        raise UnimplementedError(
            explain("Cast string to number is not supported", hint="Write tf.strings.to_number(…).")
        )
    if kind == "string":
        raise TypeError(explain("Numbers are not cast to text", hint="Write tf.strings.as_string(…)."))
    if not isinstance(x, Symbolic) and x.is_complex() and not kind.is_complex:
        x = ops.real(x)
    return x if kind == x.dtype else ops.cast(x, kind.name)


@add
def saturate_cast(value, dtype):
    """In another dtype, cut to what that can hold."""
    return ops.saturate_cast(convert(value), dtypes.as_dtype(dtype).name)


@add
def bitcast(input, type):
    """The same bytes as another dtype."""
    return ops.view(convert(input), dtype=dtypes.as_dtype(type).name)


# --- joining and cutting ---------------------------------------------------------------------------------------------


def _joined(values):
    """Operands of one dtype: that of the first that has one."""
    typed = [one for one in values if tensors.is_tensor(one) or isinstance(one, (Symbolic, StringTensor))]
    like = typed[0].dtype if typed else None
    return [
        one
        if isinstance(one, Symbolic)
        else convert(one, None if tensors.is_tensor(one) or like is None else dtypes.as_dtype(like))
        for one in values
    ]


def _strings(values):
    return any(_is_text(one) or has_text(one) for one in values)


@add
def concat(values, axis):
    """One after the other along an axis."""
    values = list(values) if isinstance(values, (list, tuple)) else [values]
    axis = ints(axis)[0]
    if are_sizes(values):
        return sizes(np.concatenate([np.asarray(one) for one in values], axis))
    if any(isinstance(one, RaggedTensor) for one in values):
        return _ragged().concat(values, axis)
    if _strings(values):
        return StringTensor(np.concatenate([convert(one).array for one in values], axis))
    return ops.concatenate(_joined(values), axis=axis)


@add
def stack(values, axis=0):
    """One beside the other along a new axis."""
    if isinstance(values, (list, tuple)) and any(isinstance(one, RaggedTensor) for one in values):
        return _ragged().stack(values, ints(axis)[0])
    if are_sizes(values):
        return sizes(np.stack([np.asarray(one) for one in values], axis))
    if isinstance(values, (torch.Tensor, Symbolic)):
        return ops.moveaxis(values, 0, axis) if axis else values
    if _strings(values):
        return StringTensor(np.stack([convert(one).array for one in values], axis))
    return ops.stack(_joined(values), axis=axis)


@add
def unstack(value, num=None, axis=0):
    """The entries along an axis, a list."""
    return list(ops.unstack(convert(value), num=num, axis=axis))


@add
def split(value, num_or_size_splits, axis=0, num=None):
    """Into so many equal parts, or parts of the sizes given, of which one may be -1; a list."""
    value, axis, parts = convert(value), ints(axis)[0], static(num_or_size_splits)
    if isinstance(parts, int):
        if _is_text(value):
            return [StringTensor(one) for one in np.split(value.array, parts, axis)]
        if value.shape[axis] is not None and value.shape[axis] % parts:
            raise InvalidArgumentError(
                explain(
                    "An axis does not divide into equal parts", expected=f"a multiple of {parts}", given=value.shape
                )
            )
        return list(ops.split(value, parts, axis=axis))
    known = sum(size for size in parts if size != -1)
    parts = [value.shape[axis] - known if size == -1 else size for size in parts]
    if sum(parts) != value.shape[axis]:
        raise ValueError(explain("The parts are not the whole", expected=f"{value.shape[axis]} in all", given=parts))
    return list(ops.split(value, np.cumsum(parts)[:-1].tolist(), axis=axis))


@add
def tile(input, multiples):
    """Repeated so many times along each axis."""
    input = convert(input)
    if isinstance(input, RaggedTensor):
        return _ragged().tile(input, ints(multiples))
    if _is_text(input):
        return StringTensor(np.tile(input.array, ints(multiples)))
    if len(ints(multiples)) != len(input.shape):
        raise InvalidArgumentError(
            explain("Expected multiples of one size to an axis", expected=f"{len(input.shape)}", given=ints(multiples))
        )
    return ops.tile(input, ints(multiples))


@add
def repeat(input, repeats, axis=None):
    """Each entry so many times."""
    input, repeats = convert(input), static(repeats)
    if _is_text(input):
        return StringTensor(np.repeat(input.array, repeats, axis))
    return ops.repeat(input, repeats if isinstance(repeats, int) else np.asarray(repeats), axis=axis)


_MODES = {"CONSTANT": "constant", "REFLECT": "reflect", "SYMMETRIC": "symmetric"}


@add
def pad(tensor, paddings, mode="CONSTANT", constant_values=0):
    """With a margin of (before, after) on each axis: constant, or mirrored without or with its edge."""
    if mode.upper() not in _MODES:
        raise ValueError(explain("Unknown padding mode", expected=list(_MODES), given=repr(mode)))
    mode = _MODES[mode.upper()]
    widths = tuple(tuple(pair) for pair in static(paddings))
    extra = {"constant_values": static(constant_values)} if mode == "constant" else {}
    return ops.pad(convert(tensor), widths, mode=mode, **extra)


@add
def reverse(tensor, axis):
    """The other way round along some axes."""
    return ops.flip(convert(tensor), axis=ints(axis))


@add
def reverse_sequence(input, seq_lengths, seq_axis=None, batch_axis=0):
    """The first so many steps of each sample the other way round, the others as they are."""
    return lifted.reverse_sequence(convert(input), convert(seq_lengths), int(seq_axis), int(batch_axis or 0))


@add
def roll(input, shift, axis):
    """Shifted along axes; what leaves at one end comes in at the other."""
    shift, axis = static(shift), static(axis)
    if isinstance(axis, list):
        return ops.roll(convert(input), tuple(shift), axis=tuple(axis))
    return ops.roll(convert(input), shift, axis=axis)


@add
def slice_(input_, begin, size):
    """The block that begins at `begin`; a size of -1 is to the end."""
    begin, wanted = ints(begin), ints(size)
    input_ = convert(input_)
    key = tuple(slice(at, None if count == -1 else at + count) for at, count in zip(begin, wanted))
    return input_[key]


@add
def strided_slice(input_, begin, end, strides=None):
    """From `begin` to before `end`, every so many."""
    begin, end = ints(begin), ints(end)
    strides = (1,) * len(begin) if strides is None else ints(strides)
    return convert(input_)[tuple(slice(*one) for one in zip(begin, end, strides))]


_gather = lifted.lift(gathering.take, "GatherV2", 2, module=__name__)
_gather_nd = lifted.lift(gathering.take_nd, "GatherNd", 2, module=__name__)


# --- picking ---------------------------------------------------------------------------------------------------------


@add
def gather(params, indices, validate_indices=None, axis=None, batch_dims=0):
    """The entries at some indices along an axis; the first `batch_dims` axes are gone through together."""
    params, indices = convert(params), convert(indices)
    if isinstance(params, RaggedTensor) or isinstance(indices, RaggedTensor):
        return _ragged().gather(params, indices, 0 if axis is None else ints(axis)[0])
    axis = batch_dims if axis is None else ints(axis)[0]
    if _is_text(params):
        return StringTensor(np.take(params.array, np.asarray(indices), axis))
    return _gather(params, indices, axis % len(params.shape), batch_dims % max(len(indices.shape), 1))


@add
def gather_nd(params, indices, batch_dims=0):
    """The entries or blocks at indices (..., axes indexed)."""
    return _gather_nd(convert(params), convert(indices), batch_dims)


@add
def boolean_mask(tensor, mask, axis=None):
    """The entries where the mask is true, one after the other."""
    tensor, mask = convert(tensor), np.asarray(convert(mask)) if _is_text(tensor) else convert(mask)
    if _is_text(tensor):
        return StringTensor(tensor.array[mask])
    return tensor[(slice(None),) * (axis or 0) + (mask,)]


@add
def where(condition, x=None, y=None):
    """x where the condition holds, else y; without them, the places where it holds: (count, axes), int64."""
    condition = convert(condition)
    if (x is None) != (y is None):
        raise ValueError("x and y must both be non-None or both be None.")
    if _ragged().is_ragged(condition, x, y):
        return _ragged().where(condition, x, y)
    if x is None:
        places = ops.nonzero(condition)
        return ops.cast(ops.stack(places, axis=-1), "int64")
    if _strings([x, y]):
        return StringTensor(np.where(np.asarray(condition), convert(x).array, convert(y).array))
    x, y = _joined([x, y]) if tensors.is_tensor(x) or tensors.is_tensor(y) else (convert(x), convert(y))
    return ops.where(condition, x, y)


NAMES["where_v2"] = NAMES["where"]


@add
def scatter_nd(indices, updates, shape):
    """Zeros of a shape with `updates` added at indices (..., axes indexed)."""
    return ops.scatter(convert(indices), convert(updates), ints(shape))


def _scattered(name, reduction):
    def function(tensor, indices, updates):
        tensor = convert(tensor)
        return ops.scatter_update(tensor, convert(indices), convert(updates, tensor.dtype), reduction=reduction)

    function.__name__, function.__doc__ = (
        name,
        f"`tensor` changed at indices (..., axes indexed): {reduction or 'set'}.",
    )
    add(function)


_scattered("tensor_scatter_nd_update", None)
_scattered("tensor_scatter_nd_add", "add")
_scattered("tensor_scatter_nd_max", "max")
_scattered("tensor_scatter_nd_min", "min")


@add
def tensor_scatter_nd_sub(tensor, indices, updates):
    """`tensor` with `updates` taken off at indices (..., axes indexed)."""
    tensor = convert(tensor)
    return ops.scatter_update(tensor, convert(indices), ops.negative(convert(updates, tensor.dtype)), reduction="add")


@add
def sort(values, axis=-1, direction="ASCENDING"):
    """In order along an axis."""
    found = ops.sort(convert(values), axis=axis)
    return found if direction == "ASCENDING" else ops.flip(found, axis=axis)


@add
def argsort(values, axis=-1, direction="ASCENDING", stable=False):
    """The indices that put an axis in order; equal values stay in theirs."""
    values = convert(values)
    if direction != "ASCENDING":
        return ops.cast(ops.argsort(ops.negative(values), axis=axis), "int32")
    return ops.cast(ops.argsort(values, axis=axis), "int32")


def is_tensor(x):
    """Whether x is a tensor, variable or symbolic value."""
    return tensors.is_tensor(x) or isinstance(x, (Symbolic, StringTensor, RaggedTensor, Sizes))


NAMES["is_tensor"] = is_tensor


@add
def ensure_shape(x, shape):
    """The value. Raises ValueError where its shape is another one."""
    x = convert(x)
    if not TensorShape(x.shape).is_compatible_with(shape):
        message = f"Shape of tensor {TensorShape(x.shape)} is not compatible with expected shape {TensorShape(shape)}."
        raise ValueError(message) if is_symbolic(x) else InvalidArgumentError(message)
    return x
