"""Operators that repeat, pad, flip and regroup."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators import shapes
from tandem.mxnet.operators.table import register
from tandem.ops import columns, conv, indexing, matrices, shape, typed


def _tile(data, *, reps):
    """data repeated as a whole along its axes."""
    return shape.tile(data, reps)


register("tile", _tile, attributes={"reps": a.sizes()}, aliases_input=True)


def _repeat(data, *, repeats, axis):
    """Each element (or each entry of an axis) repeated in its place."""
    if repeats < 0:
        raise MXNetError(explain("repeat needs a number of repeats", expected="repeats >= 0", given=repeats))
    return shape.repeat(data, repeats, axis if axis is None else shapes.checked_axis(axis, data.dim()))


register("repeat", _repeat, attributes={"repeats": a.integer(), "axis": a.optional_integer()}, aliases_input=True)


def _pad(data, *, mode, pad_width, constant_value):
    """data (4 or 5 axes) with entries added before and after all axes but the first two."""
    if data.dim() not in (4, 5) or len(pad_width) != 2 * data.dim() or any(pad_width[:4]):
        raise MXNetError(
            explain(
                "Pad is for 4 or 5 axes, the first two of them without padding",
                expected="pad_width=(0, 0, 0, 0, before, after, ...)",
                given=f"data {tuple(data.shape)}, pad_width={pad_width}",
            )
        )
    return shape.pad(data, list(zip(pad_width[::2], pad_width[1::2])), mode=mode, value=constant_value)


register(
    "Pad",
    _pad,
    attributes={
        "mode": a.choice("constant", "edge", "reflect"),
        "pad_width": a.sizes(),
        "constant_value": a.real(0.0),
    },
    aliases=("pad",),
    aliases_input=True,
)


def _reverse(data, *, axis):
    """data with axes in reverse order."""
    return shape.reverse(data, [shapes.checked_axis(one, data.dim()) for one in axis])


register("reverse", _reverse, attributes={"axis": a.sizes()}, aliases=("flip",))


def _depth_to_space(data, *, block_size):
    """Channels as blocks of pixels: (N, C b^2, H, W) to (N, C, H b, W b)."""
    return shape.depth_to_space(data, block_size, layout="channels_first")


def _space_to_depth(data, *, block_size):
    """Blocks of pixels as channels: (N, C, H b, W b) to (N, C b^2, H, W)."""
    return shape.space_to_depth(data, block_size, layout="channels_first")


register("depth_to_space", _depth_to_space, attributes={"block_size": a.integer()}, aliases_input=True)
register("space_to_depth", _space_to_depth, attributes={"block_size": a.integer()}, aliases_input=True)


def _diag(data, *, k, axis1, axis2):
    """The k-th diagonal, or of a vector the matrix that has it there."""
    if data.dim() == 1:
        return matrices.from_diagonal(data, k)
    return data.diagonal(k, axis1, axis2)


register(
    "diag", _diag, attributes={"k": a.integer(0), "axis1": a.integer(0), "axis2": a.integer(1)}, aliases_input=True
)


def _up_sampling(*data, scale, num_filter, sample_type, multi_input_mode, workspace):
    """Images enlarged: "nearest" repeats pixels (all inputs to the first's new size, then joined or added up),
    "bilinear" is a transposed convolution with the second input as weight."""
    if scale < 1:
        raise MXNetError(explain("UpSampling does not shrink", expected="scale of 1 or more", given=f"scale={scale}"))
    if sample_type == "bilinear":
        if len(data) != 2:
            raise MXNetError(
                explain("UpSampling lacks an input", expected="data and weight", given=f"{len(data)} array")
            )
        image, weight = data
        window, pad = 2 * scale - scale % 2, -(-(scale - 1) // 2)
        if weight.shape[-1] != window:
            raise MXNetError(
                explain("UpSampling needs another weight", expected=f"{window} x {window}", given=tuple(weight.shape))
            )
        return conv.conv_transpose(
            image,
            weight,
            stride=scale,
            padding=(pad, pad),
            groups=num_filter or image.shape[1],
            layout="channels_first",
            weight_layout="io_spatial",
        )
    first = data[0].shape
    for image in data:
        divides = image.dim() == 4 and len(first) == 4 and not first[2] * scale % image.shape[2]
        if not divides or (multi_input_mode == "sum" and image.shape[1] != first[1]):
            raise MXNetError(
                explain(
                    "These images cannot be brought to one size",
                    expected="(N, C, H, W) each, with heights that divide the new one, and as many channels for a sum",
                    given=", ".join(str(tuple(image.shape)) for image in data),
                )
            )
    height = first[2] * scale
    images = [shape.upsample(image, height // image.shape[2], layout="channels_first") for image in data]
    return typed.add_all(*images) if multi_input_mode == "sum" else shape.concat(images, 1)


register(
    "UpSampling",
    _up_sampling,
    attributes={
        "scale": a.integer(),
        "num_filter": a.integer(0),
        "sample_type": a.choice("bilinear", "nearest"),
        "multi_input_mode": a.choice("concat", "sum", default="concat"),
        "num_args": a.integer(0),
        "workspace": a.integer(512),
    },
    variadic="num_args",
)

_WINDOW = {"kernel": a.sizes(), "stride": a.sizes(()), "dilate": a.sizes(()), "pad": a.sizes(())}


def _im2col(data, *, kernel, stride, dilate, pad):
    """Windows of images as columns: (N, C, H, W) to (N, C * kernel, places)."""
    return columns.from_image(data, kernel, stride=stride or (1, 1), dilation=dilate or (1, 1), padding=pad or (0, 0))


def _col2im(data, *, output_size, kernel, stride, dilate, pad):
    """Images of the sums of overlapping windows."""
    return columns.to_image(
        data, output_size, kernel, stride=stride or (1, 1), dilation=dilate or (1, 1), padding=pad or (0, 0)
    )


register("im2col", _im2col, attributes=_WINDOW)
register("col2im", _col2im, attributes={"output_size": a.sizes(), **_WINDOW})

# --- sequences -------------------------------------------------------------------------------------------------------


def _with_lengths(attributes):
    return ("data", "sequence_length") if attributes["use_sequence_length"] else ("data",)


_SEQUENCE = {"use_sequence_length": a.flag(False), "axis": a.integer(0)}
_FIELDS = {"present": _with_lengths, "same_dtype": False, "aliases_input": True}


def _check_sequences(name, data, length, axis):
    if data.dim() < 2:
        raise MXNetError(
            explain(f"{name} needs time, batch and more", expected="2 axes or more", given=tuple(data.shape))
        )
    if length is not None and length.shape != data.shape[1 - axis : 2 - axis]:
        raise MXNetError(
            explain(
                f"{name} needs a length to each sequence",
                expected=tuple(data.shape[1 - axis : 2 - axis]),
                given=tuple(length.shape),
            )
        )


def _sequence_mask(data, sequence_length=None, *, use_sequence_length, value, axis):
    """data with value behind each sequence's length; time is axis 0 or 1, the batch the other one."""
    _check_sequences("SequenceMask", data, sequence_length, axis)
    return indexing.sequence_mask(data, sequence_length, value=value, axis=axis)


def _sequence_last(data, sequence_length=None, *, use_sequence_length, axis):
    """The last entry of each sequence."""
    _check_sequences("SequenceLast", data, sequence_length, axis)
    return indexing.sequence_last(data, sequence_length, axis=axis)


def _sequence_reverse(data, sequence_length=None, *, use_sequence_length, axis):
    """data with each sequence, up to its length, in reverse; time is axis 0."""
    if axis != 0:
        raise MXNetError(explain("SequenceReverse needs time first", expected="axis=0", given=f"axis={axis}"))
    _check_sequences("SequenceReverse", data, sequence_length, axis)
    return indexing.sequence_reverse(data, sequence_length, axis=0)


_INPUTS = ("data", "sequence_length")
register(
    "SequenceMask",
    _sequence_mask,
    _INPUTS,
    {"use_sequence_length": a.flag(False), "value": a.real(0.0), "axis": a.integer(0)},
    **_FIELDS,
)
register("SequenceLast", _sequence_last, _INPUTS, _SEQUENCE, **_FIELDS)
register("SequenceReverse", _sequence_reverse, _INPUTS, _SEQUENCE, **_FIELDS)
