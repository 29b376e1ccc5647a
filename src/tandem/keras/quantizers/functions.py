"""Functions that turn tensors into small integers or 8-bit floats and back."""

import functools

import torch

from tandem.core import dtypes
from tandem.core.errors import explain
from tandem.keras import symbolic, tensors
from tandem.ops import quantizers as formulas

EPSILON = 1e-7


def abs_max_quantize(inputs, axis, value_range=(-127, 127), dtype="int8", epsilon=EPSILON, to_numpy=False):
    """(``round(inputs * scale)``, scale), with which the largest absolute value over `axis` becomes the range's end.

    value_range: the least and the largest integer; epsilon: added to the largest absolute value; to_numpy: whether the
    result lies in the host's memory (a device's would not be needed again). Keras computes there then; the numbers are
    the same. The scale has size 1 along `axis`.
    """
    x = tensors.convert(inputs)
    found = formulas.abs_max(_input(x, to_numpy), axis, value_range, epsilon, dtypes.torch_dtype(dtype))
    return _moved(found, x.device)


def abs_max_quantize_grouped_with_zero_point(
    inputs, block_size, value_range=(-8, 7), dtype="int8", epsilon=EPSILON, to_numpy=False
):
    """(integers, scale, zero point) of a matrix (inputs, outputs), for each block of rows in each column.

    ``integers = round(inputs / scale) + zero``. Scale and zero point are (blocks, outputs). to_numpy: as in
    `abs_max_quantize`; Keras's two ways differ for blocks of equal values, which this follows.
    """
    x = tensors.convert(inputs)
    found = formulas.groups_of(
        _input(x, to_numpy),
        block_size,
        value_range,
        epsilon,
        dtypes.torch_dtype(dtype),
        one_value_has_width=not to_numpy,
    )
    return _moved(found, x.device)


def _input(x, on_host):
    return x.detach().cpu() if on_host else x


def _moved(found, device):
    return tuple(one.to(device) for one in found)


def quantize_and_dequantize(inputs, scale, quantized_dtype, compute_dtype):
    """inputs as multiples of `scale` that an 8-bit float type ("float8_e4m3fn", "float8_e5m2") can hold."""
    return formulas.float8_steps(
        tensors.convert(inputs), scale, getattr(torch, quantized_dtype), dtypes.torch_dtype(compute_dtype)
    )


def compute_float8_scale(amax, scale, dtype_max, margin=0):
    """The scale with which numbers up to `amax` fill the range of a type whose largest number is `dtype_max`.

    The old `scale` where `amax` is 0 or not finite; margin: powers of two that are left free.
    """
    return formulas.float8_scale(tensors.convert(amax), tensors.convert(scale), dtype_max, margin)


def compute_float8_amax_history(x, amax_history):
    """The largest absolute values of the last calls: the oldest is replaced by that of `x`, which comes first."""
    return formulas.amax_history(tensors.convert(x), tensors.convert(amax_history))


@functools.partial(
    symbolic.lift,
    class_name="FakeQuantWithMinMaxVars",
    tensors=3,
    module="keras.src.quantizers.quantizers",
    spec=lambda inputs, min_vals, max_vals, **options: symbolic.KerasTensor(inputs.shape, inputs.dtype, name="spec"),
)
def fake_quant_with_min_max_vars(inputs, min_vals, max_vals, num_bits=8, narrow_range=False, axis=None):
    """inputs cut at a range and rounded to what an integer of `num_bits` bits can tell apart there.

    min_vals, max_vals: the range, one number or one to each channel; they have gradients; narrow_range: leave the least
    integer out; axis: of the channels.
    """
    x, low, high = (tensors.convert(value) for value in (inputs, min_vals, max_vals))
    if axis is not None:
        axis = axis % x.dim()
    return formulas.fake_quantized(x, low, high, int(num_bits), narrow_range, axis)


def pack_int4(arr, axis=0, dtype="int8"):
    """(bytes, their shape, the length of the axis): two integers of four bits to a byte, along an axis.

    arr: int8 from -8 to 7, or uint8 from 0 to 15, as `dtype` says. Raises TypeError for another dtype.
    """
    codes = tensors.convert(arr)
    if codes.dtype is not _byte(dtype):
        raise TypeError(f"Expected {dtype} tensor for packing, got {dtypes.dtype_name(codes.dtype)}.")
    packed = formulas.packed(codes, axis)
    return packed, tuple(packed.shape), codes.shape[axis]


def unpack_int4(packed, orig_len, axis=0, dtype="int8"):
    """The integers that `pack_int4` packed, `orig_len` along the axis. Raises TypeError for what is no bytes."""
    codes = tensors.convert(packed)
    wanted = _byte(dtype)
    if codes.dtype not in (torch.int8, torch.uint8):
        raise TypeError(f"Expected int8 or uint8 tensor for unpacking, got {dtypes.dtype_name(codes.dtype)}")
    return formulas.unpacked(codes, orig_len, axis, wanted)


def _byte(dtype):
    if dtype not in ("int8", "uint8"):
        raise ValueError(
            explain("Two integers go into one byte", expected="dtype 'int8' or 'uint8'", given=repr(dtype))
        )
    return dtypes.torch_dtype(dtype)
