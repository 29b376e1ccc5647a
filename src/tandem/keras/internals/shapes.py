"""Checks and arithmetic of shapes, and of arguments that say sizes.

The shape of a result comes from the operation itself, applied to values that have no more than a shape.
"""

from tandem.keras import ops
from tandem.keras.layers import arguments
from tandem.keras.symbolic import KerasTensor, standardize_shape

__all__ = [
    "broadcast_shapes",
    "canonicalize_axes",
    "canonicalize_axis",
    "compute_conv_output_shape",
    "compute_conv_transpose_output_shape",
    "compute_expand_dims_output_shape",
    "compute_matmul_output_shape",
    "compute_pooling_output_shape",
    "compute_reshape_output_shape",
    "compute_take_along_axis_output_shape",
    "compute_transpose_output_shape",
    "reduce_shape",
    "shape_equal",
    "standardize_padding",
    "standardize_shape",
    "standardize_tuple",
    "to_tuple_or_list",
    "validate_string_arg",
]


def _value(shape, dtype="float32"):
    return KerasTensor(tuple(shape), dtype, record_history=False)


def shape_equal(a_shape, b_shape):
    """Whether two shapes are the same where both say a size (None is any size)."""
    return len(a_shape) == len(b_shape) and all(
        a == b or a is None or b is None for a, b in zip(a_shape, b_shape, strict=True)
    )


def broadcast_shapes(shape1, shape2):
    """The shape in which two shapes meet, a list. Raises ValueError where they do not."""
    return list(ops.add(_value(shape1), _value(shape2)).shape)


def compute_expand_dims_output_shape(input_shape, axis):
    """The shape of `expand_dims`."""
    return ops.expand_dims(_value(input_shape), axis).shape


def compute_matmul_output_shape(shape1, shape2):
    """The shape of `matmul`. Raises ValueError where the inner sizes differ."""
    return ops.matmul(_value(shape1), _value(shape2)).shape


def compute_reshape_output_shape(input_shape, newshape, newshape_arg_name="newshape"):
    """The shape of `reshape`, in which one size may be -1. Raises ValueError where the numbers of values differ."""
    return ops.reshape(_value(input_shape), tuple(newshape)).shape


def compute_transpose_output_shape(input_shape, axes):
    """The shape of `transpose`."""
    return ops.transpose(_value(input_shape), axes).shape


def compute_take_along_axis_output_shape(input_shape, indices_shape, axis):
    """The shape of `take_along_axis`, a list."""
    return list(ops.take_along_axis(_value(input_shape), _value(indices_shape, "int32"), axis).shape)


def reduce_shape(shape, axis=None, keepdims=False):
    """The shape after a reduction over some axes (None: all)."""
    axis = tuple(axis) if isinstance(axis, list) else axis
    return ops.sum(_value(shape), axis=axis, keepdims=keepdims).shape


def compute_pooling_output_shape(input_shape, pool_size, strides, padding="valid", data_format="channels_last"):
    """The shape of `max_pool` and `average_pool`."""
    return ops.max_pool(_value(input_shape), pool_size, strides, padding, data_format).shape


def compute_conv_output_shape(
    input_shape, filters, kernel_size, strides=1, padding="valid", data_format="channels_last", dilation_rate=1
):
    """The shape of `conv` with `filters` filters of a size."""
    channels = input_shape[-1 if data_format == "channels_last" else 1]
    value = _value(input_shape)
    if padding == "causal":  # as many values as before, but for the strides
        padding = "same"
    kernel = _value((*kernel_size, channels, filters))
    return ops.conv(value, kernel, strides, padding, data_format, dilation_rate).shape


def compute_conv_transpose_output_shape(
    input_shape,
    kernel_size,
    filters,
    strides,
    padding,
    output_padding=None,
    data_format="channels_last",
    dilation_rate=1,
):
    """The shape of `conv_transpose` with `filters` filters of a size."""
    channels = input_shape[-1 if data_format == "channels_last" else 1]
    rank = len(input_shape) - 2
    kernel_size = (kernel_size,) * rank if isinstance(kernel_size, int) else tuple(kernel_size)
    kernel = _value((*kernel_size, filters, channels))
    return ops.conv_transpose(
        _value(input_shape), kernel, strides, padding, output_padding, data_format, dilation_rate
    ).shape


def canonicalize_axis(axis, num_dims):
    """An axis counted from the front. Raises ValueError where there is no such axis."""
    if not -num_dims <= axis < num_dims:
        raise ValueError(f"axis {axis} is out of bounds for an array with dimension {num_dims}.")
    return axis % num_dims


def canonicalize_axes(axis, num_dims):
    """Axes (one, several or None for all) counted from the front, a tuple. Raises ValueError where one is not there."""
    if axis is None:
        return tuple(range(num_dims))
    return tuple(canonicalize_axis(one, num_dims) for one in ((axis,) if isinstance(axis, int) else axis))


def to_tuple_or_list(value):
    """`value` where it is a tuple, list or None; else a tuple of it (the items of an iterable)."""
    if value is None or isinstance(value, (list, tuple)):
        return value
    return tuple(value) if hasattr(value, "__iter__") else (value,)


def standardize_tuple(value, n, name, allow_zero=False):
    """`value` as a tuple of n positive integers; one integer stands for all. Raises ValueError otherwise."""
    return arguments.sizes(value, n, name, allow_zero=allow_zero)


def standardize_padding(value, allow_causal=False):
    """`value` in lower case, lists and tuples as they are. Raises ValueError where it is none of a padding's names."""
    if isinstance(value, (list, tuple)):
        return value
    return arguments.standardize_padding(value, ("valid", "same", "causal") if allow_causal else ("valid", "same"))


def validate_string_arg(value, allowable_strings, caller_name, arg_name, allow_none=False, allow_callables=False):
    """Raise ValueError where `value` is none of the allowed strings (None and functions may be allowed too)."""
    if (allow_none and value is None) or (allow_callables and callable(value)):
        return
    if not isinstance(value, str) or value not in allowable_strings:
        or_none = ", `None`" * allow_none + ", `Callable`s" * allow_callables
        raise ValueError(
            f"Unknown value for `{arg_name}` argument of {caller_name}. Allowed values are: "
            f"{allowable_strings}{or_none}. Received: {arg_name}={value}"
        )
