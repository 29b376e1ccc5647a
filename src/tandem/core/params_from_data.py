"""The shapes of learned inputs from the shape of the data: the one table for layers that wait for their first input.

Each function takes the data's shape and the operator's sizes and returns name -> shape. Weight layouts are those of
`ops`: "io"/"oi" for matrices; "spatial_io", "oi_spatial" and "o_spatial_i" for kernels.
"""

import math

from tandem.core.errors import explain


def dense(data, units, *, bias=True, flatten=False, weight_layout="io"):
    """Affine map to `units` outputs: weight and bias.

    flatten: whether all axes but the first are one; there may be none, of one input then.
    """
    _check_rank("dense", data, 1)
    inputs = math.prod(_known("dense", data[1:])) if flatten else _known("dense", data[-1:])[0]
    found = {"weight": (inputs, units) if weight_layout == "io" else (units, inputs)}
    return {**found, "bias": (units,)} if bias else found


def conv(data, filters, kernel, *, bias=True, groups=1, channel_axis=-1, weight_layout="spatial_io"):
    """Convolution with `filters` outputs and a window of sizes `kernel`: weight and bias.

    Raises ValueError where the channels do not divide into `groups`.
    """
    channels = _channels("convolution", data, channel_axis, len(kernel))
    if channels % groups:
        raise ValueError(
            explain(
                "The channels of a convolution's data divide into its groups",
                expected=f"a multiple of {groups}",
                given=f"{channels} channels",
            )
        )
    found = {"weight": _kernel(weight_layout, kernel, channels // groups, filters)}
    return {**found, "bias": (filters,)} if bias else found


def conv_transpose(data, filters, kernel, *, bias=True, groups=1, channel_axis=-1, weight_layout="oi_spatial"):
    """Transposed convolution: its kernel is that of the convolution that it is the gradient of."""
    channels = _channels("transposed convolution", data, channel_axis, len(kernel))
    found = {"weight": _kernel(weight_layout, kernel, filters // groups, channels)}
    return {**found, "bias": (filters,)} if bias else found


def batch_norm(data, axis, *, names=None):
    """Batch normalisation: scale, shift, mean, variance, each of the size of one axis."""
    return _of_axis("batch normalisation", data, axis, ("scale", "shift", "mean", "variance"), names)


def channel_norm(data, axis, *, names=None):
    """Normalisations with a scale and a shift along one axis (layer, instance, group)."""
    return _of_axis("normalisation", data, axis, ("scale", "shift"), names)


def embedding(tokens, size):
    """Lookup table of `tokens` rows: weight. The data does not matter."""
    return {"weight": (tokens, size)}


def _kernel(layout, kernel, inner, outer):
    if layout == "spatial_io":
        return (*kernel, inner, outer)
    return (outer, inner, *kernel) if layout == "oi_spatial" else (outer, *kernel, inner)


def _of_axis(what, data, axis, roles, names):
    if not -len(data) <= axis < len(data):
        raise ValueError(
            explain(f"The axis of a {what} is not there", expected=f"data with axis {axis}", given=f"shape {data}")
        )
    size = _known(what, (data[axis],))[0]
    return {(names or {}).get(role, role): (size,) for role in roles}


def _channels(what, data, axis, spatial):
    if len(data) != spatial + 2:
        raise ValueError(
            explain(
                f"A {what} with a window of {spatial} sizes takes data with {spatial + 2} axes",
                expected=f"{spatial + 2} axes (batch, channels and {spatial} more)",
                given=f"shape {tuple(data)}",
            )
        )
    return _known(what, (data[axis],))[0]


def _check_rank(what, data, least):
    if len(data) < least:
        raise ValueError(
            explain(
                f"A {what} layer's data has too few axes", expected=f"at least {least}", given=f"shape {tuple(data)}"
            )
        )


def _known(what, sizes):
    if any(size is None or size <= 0 for size in sizes):
        raise ValueError(
            explain(
                f"The weights of a {what} follow from the data's size, which is not known",
                given=f"sizes {tuple(sizes)}",
            )
        )
    return sizes
