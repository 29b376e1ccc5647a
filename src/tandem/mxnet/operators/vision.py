"""Operators of vision networks: pooling of regions, sampling at grids, deformable convolution, correlation."""

from functools import partial

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import boxes, correlation, deformable, image, roi, sampling
from tandem.ops.conv import conv_output_sizes


def _check(holds, wrong, expected, given):
    if not holds:
        raise MXNetError(explain(wrong, expected=expected, given=given))


def _shapes(*arrays):
    return ", ".join(str(tuple(array.shape)) for array in arrays)


def _check_image(name, data):
    _check(data.dim() == 4, f"{name} takes images", "data (N, C, H, W)", _shapes(data))


# --- regions ---------------------------------------------------------------------------------------------------------


def _check_regions(name, data, rois, width, spatial_scale):
    _check_image(name, data)
    _check(rois.dim() == 2 and rois.shape[1] == width, f"{name} takes regions", f"rois (R, {width})", _shapes(rois))
    _check(0 <= spatial_scale <= 1, "spatial_scale is out of range", "0 to 1", f"spatial_scale={spatial_scale}")


def _check_pooled(pooled_size):
    _check(
        len(pooled_size) == 2 and min(pooled_size) > 0,
        "pooled_size is no size",
        "(height, width), both greater than 0",
        f"pooled_size={pooled_size}",
    )


def _roi_pooling(data, rois, *, pooled_size, spatial_scale):
    """The largest value in each of ``h * w`` parts of each region: (R, C, h, w), 0 for empty parts.

    data: (N, C, H, W); rois: (R, 5), (image, left, top, right, bottom), which spatial_scale turns into pixels of data.
    """
    _check_regions("ROIPooling", data, rois, 5, spatial_scale)
    _check_pooled(pooled_size)
    return roi.roi_pool(boxes.beside(data, rois), rois, pooled_size, spatial_scale)


def _roi_align(data, rois, *, pooled_size, spatial_scale, sample_ratio, position_sensitive, aligned):
    """The mean of samples between the pixels in each of ``h * w`` parts of each region: (R, C, h, w).

    data: (N, C, H, W); rois: (R, 5), (image, left, top, right, bottom); a region of image -1 gives 0. sample_ratio: a
    part has so many samples along each side, or (up to 0) one to a pixel; position_sensitive: each part reads channels
    of its own, C / (h w) of them; aligned: pixels' centres are half a pixel inside.
    """
    _check_regions("ROIAlign", data, rois, 5, spatial_scale)
    _check_pooled(pooled_size)
    _check(
        not position_sensitive or data.shape[1] % (pooled_size[0] * pooled_size[1]) == 0,
        "position_sensitive divides the channels among the parts of a region",
        f"a multiple of {pooled_size[0] * pooled_size[1]} channels",
        _shapes(data),
    )
    return roi.roi_align(
        boxes.beside(data, rois),
        rois,
        pooled_size,
        spatial_scale,
        ratio=sample_ratio,
        by_position=position_sensitive,
        aligned=aligned,
    )


def _rroi_align(data, rois, *, pooled_size, spatial_scale, sampling_ratio):
    """`ROIAlign` of rotated regions, rows (image, x, y of the centre, width, height, angle in degrees)."""
    _check_regions("RROIAlign", data, rois, 6, spatial_scale)
    _check_pooled(pooled_size)
    return roi.rotated_roi_align(boxes.beside(data, rois), rois, pooled_size, spatial_scale, ratio=sampling_ratio)


def _psroi_pooling(data, rois, *, spatial_scale, output_dim, pooled_size, group_size):
    """The mean of each of ``pooled_size^2`` parts of each region, each part from channels of its own: (R, output_dim,
    pooled_size, pooled_size).

    data: (N, output_dim * group_size^2, H, W), group_size is pooled_size where 0; rois: (R, 5).
    """
    group_size = group_size or pooled_size
    _check_regions("PSROIPooling", data, rois, 5, spatial_scale)
    _check_groups("PSROIPooling", data, output_dim, group_size)
    return roi.position_sensitive_pool(
        boxes.beside(data, rois), rois, pooled_size, spatial_scale, groups=group_size, channels=output_dim
    )


def _check_groups(name, data, output_dim, group_size):
    _check(
        data.shape[1] == output_dim * group_size**2,
        f"The channels of {name} do not go together",
        f"{output_dim * group_size**2} channels for output_dim={output_dim} and groups of {group_size} x {group_size}",
        _shapes(data),
    )


def _deformable_psroi_pooling(
    data,
    rois,
    trans=None,
    *,
    spatial_scale,
    output_dim,
    group_size,
    pooled_size,
    part_size,
    sample_per_part,
    trans_std,
    no_trans,
):
    """`PSROIPooling` of samples, in parts that move by ``trans_std * trans`` of the region's size.

    trans: (R, 2 K, part_size, part_size), (x, y) for each of K classes of channels. The number of samples within the
    image is a second output, which is not shown.
    """
    _check_regions("DeformablePSROIPooling", data, rois, 5, spatial_scale)
    _check_groups("DeformablePSROIPooling", data, output_dim, group_size)
    trans = None if no_trans else trans
    if trans is not None:
        part = part_size or pooled_size
        _check(
            trans.dim() == 4
            and trans.shape[0] == rois.shape[0]
            and tuple(trans.shape[2:]) == (part, part)
            and trans.shape[1] >= 2
            and output_dim % (trans.shape[1] // 2) == 0,
            "trans does not go with the regions",
            f"({rois.shape[0]}, 2 K, {part}, {part}) with K a divisor of {output_dim}",
            _shapes(trans),
        )
    return roi.deformable_position_sensitive_pool(
        boxes.beside(data, rois),
        rois,
        trans,
        pooled_size,
        spatial_scale,
        groups=group_size,
        channels=output_dim,
        parts=part_size,
        samples=sample_per_part,
        deviation=trans_std,
    )


def _mask_target(rois, gt_masks, matches, cls_targets, *, num_rois, num_classes, mask_size, sample_ratio, aligned):
    """What a mask head learns for each region and class: (targets, weights), both (B, N, num_classes, h, w).

    rois: (B, N, 4), corners; gt_masks: (B, M, H, W); matches, cls_targets: (B, N), which mask and which class.
    """
    _check(
        rois.dim() == 3
        and tuple(rois.shape[1:]) == (num_rois, 4)
        and gt_masks.dim() == 4
        and matches.shape == cls_targets.shape == rois.shape[:2]
        and gt_masks.shape[0] == rois.shape[0],
        "The inputs of mrcnn_mask_target do not go together",
        f"rois (B, {num_rois}, 4), gt_masks (B, M, H, W), matches and cls_targets (B, {num_rois})",
        _shapes(rois, gt_masks, matches, cls_targets),
    )
    _check_pooled(mask_size)
    targets = partial(roi.mask_targets, size=mask_size, count=num_classes, ratio=sample_ratio, aligned=aligned)
    return boxes.without_gradient(targets, rois, gt_masks, matches, cls_targets)


_REGIONS = ("data", "rois")
_SCALE = {"spatial_scale": a.single()}
register("ROIPooling", _roi_pooling, _REGIONS, {"pooled_size": a.sizes(), **_SCALE})
register(
    "_contrib_ROIAlign",
    _roi_align,
    _REGIONS,
    {
        "pooled_size": a.sizes(),
        **_SCALE,
        "sample_ratio": a.integer(-1),
        "position_sensitive": a.flag(False),
        "aligned": a.flag(False),
    },
)
register(
    "_contrib_RROIAlign",
    _rroi_align,
    _REGIONS,
    {"pooled_size": a.sizes(), **_SCALE, "sampling_ratio": a.integer(-1)},
)
register(
    "_contrib_PSROIPooling",
    _psroi_pooling,
    _REGIONS,
    {**_SCALE, "output_dim": a.integer(), "pooled_size": a.integer(), "group_size": a.integer(0)},
)
register(
    "_contrib_DeformablePSROIPooling",
    _deformable_psroi_pooling,
    (*_REGIONS, "trans"),
    {
        **_SCALE,
        "output_dim": a.integer(),
        "group_size": a.integer(),
        "pooled_size": a.integer(),
        "part_size": a.integer(0),
        "sample_per_part": a.integer(1),
        "trans_std": a.single(0.0),
        "no_trans": a.flag(False),
    },
    present=lambda attributes: _REGIONS if attributes["no_trans"] else (*_REGIONS, "trans"),
    visible=1,
)
register(
    "_contrib_mrcnn_mask_target",
    _mask_target,
    ("rois", "gt_masks", "matches", "cls_targets"),
    {
        "num_rois": a.integer(),
        "num_classes": a.integer(),
        "mask_size": a.sizes(),
        "sample_ratio": a.integer(2),
        "aligned": a.flag(False),
    },
)

# --- grids -----------------------------------------------------------------------------------------------------------


def _check_target(target_shape):
    _check(
        len(target_shape) == 2 and min(target_shape) > 0,
        "target_shape is no size",
        "(height, width), both greater than 0",
        f"target_shape={target_shape}",
    )


def _check_affine(name, matrix):
    _check(
        matrix.dim() == 2 and matrix.shape[1] == 6,
        f"{name} takes affine maps",
        "(N, 6), the rows of a matrix",
        _shapes(matrix),
    )


def _grid_generator(data, *, transform_type, target_shape):
    """Points at which `BilinearSampler` reads, (N, 2, h, w): of an affine map (N, 6) or of a flow (N, 2, h, w)."""
    if transform_type == "affine":
        _check_affine("GridGenerator", data)
        _check_target(target_shape)
        return sampling.affine_grid(data, target_shape)
    _check(data.dim() == 4 and data.shape[1] == 2, "GridGenerator takes flows", "(N, 2, h, w)", _shapes(data))
    return sampling.flow_grid(data)


def _bilinear_sampler(data, grid, *, cudnn_off):
    """data (N, C, H, W), read between its pixels at the points of grid (N, 2, h, w); 0 outside. x comes first; -1 and 1
    are the outermost pixels. cudnn_off chooses nothing here."""
    _check_image("BilinearSampler", data)
    _check(
        grid.dim() == 4 and grid.shape[1] == 2 and grid.shape[0] == data.shape[0],
        "BilinearSampler takes a grid",
        f"({data.shape[0]}, 2, h, w)",
        _shapes(grid),
    )
    return sampling.sample_grid(data, grid)


def _spatial_transformer(data, loc, *, target_shape, transform_type, sampler_type, cudnn_off):
    """data (N, C, H, W) under the affine maps loc (N, 6), at the size target_shape; 0 outside. There is one kind of
    map ("affine") and one of reading ("bilinear")."""
    _check_image("SpatialTransformer", data)
    _check_affine("SpatialTransformer", loc)
    _check(len(loc) == len(data), "There is one map to an image", f"({len(data)}, 6)", _shapes(loc))
    _check_target(target_shape)
    return sampling.sample_grid(data, sampling.affine_grid(loc, target_shape))


register(
    "GridGenerator",
    _grid_generator,
    attributes={"transform_type": a.choice("affine", "warp"), "target_shape": a.sizes((0, 0))},
)
register("BilinearSampler", _bilinear_sampler, ("data", "grid"), {"cudnn_off": a.optional_flag()})
register(
    "SpatialTransformer",
    _spatial_transformer,
    ("data", "loc"),
    {
        "target_shape": a.sizes((0, 0)),
        "transform_type": a.choice("affine"),
        "sampler_type": a.choice("bilinear"),
        "cudnn_off": a.optional_flag(),
    },
)

# --- sizes -----------------------------------------------------------------------------------------------------------


def _scaled(name, size, scale):
    _check(scale is not None, f"This mode needs scale_{name}", "a number", f"scale_{name}=None")
    return int(np.float32(size) * np.float32(scale))  # in single precision, as MXNet has it


def _odd_scale(name, size, wanted, scale):
    scaled = _scaled(name, size, scale)
    return scaled if size % 2 == 0 else _scaled(name, size - 1, scale) + 1


_RESIZED = {
    "size": lambda name, size, wanted, scale: wanted if scale is None else _scaled(name, size, scale),
    "odd_scale": _odd_scale,
    "to_even_down": lambda name, size, wanted, scale: size - size % 2,
    "to_even_up": lambda name, size, wanted, scale: size + size % 2,
    "to_odd_down": lambda name, size, wanted, scale: size - 1 + size % 2,
    "to_odd_up": lambda name, size, wanted, scale: size + 1 - size % 2,
}


def _bilinear_resize(data, like=None, *, height, width, scale_height, scale_width, mode, align_corners):
    """Images (N, C, H, W) at another size, linear between pixels.

    mode "size": height and width, or scale_height and scale_width times the old ones; "like": those of `like`;
    "odd_scale": scaled, odd where the old one is; "to_even_down", "to_even_up", "to_odd_down", "to_odd_up": the next
    such number. align_corners: the outermost pixels keep their places.
    """
    _check_image("BilinearResize2D", data)
    _check(data.is_floating_point(), "BilinearResize2D takes floating point numbers", "a float", str(data.dtype))
    if mode == "like":
        size = tuple(like.shape[2:])
        data = boxes.beside(data, like)
    else:
        given = (("height", height, scale_height), ("width", width, scale_width))
        size = tuple(_RESIZED[mode](name, old, new, by) for old, (name, new, by) in zip(data.shape[2:], given))
    _check(min(size) > 0, "The new size is no size", "1 or more", f"{size}")
    for axis, length in enumerate(size, start=2):
        if length == 1:
            data = data.narrow(axis, 0, 1)  # MXNet (1.9.1) takes the first pixel, corners aligned or not
    return image.resize(data, size, align_corners=align_corners, layout="channels_first")


def _crop(*data, offset, h_w, center_crop):
    """Images (N, C, H, W) cut down to the size h_w, or to that of a second array, from offset (y, x) on or in the
    middle."""
    _check_image("Crop", data[0])
    _check(len(data) in (1, 2), "Crop takes one or two arrays", "data, and what gives the size", f"{len(data)} arrays")
    whole = data[0].shape[2:]
    size = tuple(h_w) if len(data) == 1 else tuple(data[1].shape[2:])
    _check(
        len(size) == 2 and all(0 < part <= most for part, most in zip(size, whole)),
        "The crop does not fit the images",
        f"a size up to {tuple(whole)}",
        f"{size}",
    )
    if center_crop:
        offset = tuple((most - part) // 2 for part, most in zip(size, whole))
    _check(
        len(offset) == 2 and all(0 <= first <= most - part for first, part, most in zip(offset, size, whole)),
        "The crop reaches outside the images",
        f"offset up to {tuple(most - part for part, most in zip(size, whole))}",
        f"offset={offset}",
    )
    return image.crop(boxes.beside(*data), *offset, *size, layout="channels_first")


register(
    "_contrib_BilinearResize2D",
    _bilinear_resize,
    ("data", "like"),
    {
        "height": a.integer(1),
        "width": a.integer(1),
        "scale_height": a.optional_single(),
        "scale_width": a.optional_single(),
        "mode": a.choice(*sorted([*_RESIZED, "like"]), default="size"),
        "align_corners": a.flag(True),
    },
    present=lambda attributes: ("data", "like") if attributes["mode"] == "like" else ("data",),
    aliases_input=True,
    same_dtype=False,
)
register(
    "Crop",
    _crop,
    attributes={
        "num_args": a.integer(0),
        "offset": a.sizes((0, 0)),
        "h_w": a.sizes((0, 0)),
        "center_crop": a.flag(False),
    },
    variadic="num_args",
    aliases_input=True,
)

# --- correlation -----------------------------------------------------------------------------------------------------


def _correlation(data1, data2, *, kernel_size, max_displacement, stride1, stride2, pad_size, is_multiply):
    """How well patches of data1 fit displaced ones of data2, both (N, C, H, W): (N, D * D, h, w), mean products.

    D displacements of multiples of stride2, up to max_displacement to both sides; stride1: from patch to patch.
    is_multiply: mean products, or (not) mean distances.
    """
    _check_image("Correlation", data1)
    _check(data1.shape == data2.shape, "The maps are of different sizes", tuple(data1.shape), tuple(data2.shape))
    _check(kernel_size % 2 == 1, "The kernel has no centre", "an odd kernel_size", f"kernel_size={kernel_size}")
    _check(
        stride1 > 0 and stride2 > 0 and pad_size >= 0 and max_displacement >= 0,
        "A size is out of range",
        "strides greater than 0, pad_size and max_displacement 0 or more",
        f"stride1={stride1}, stride2={stride2}, pad_size={pad_size}, max_displacement={max_displacement}",
    )
    room = [size + 2 * (pad_size - max_displacement) - kernel_size + 1 for size in data1.shape[2:]]
    _check(
        min(room) > 0,
        "Nothing is left where patches could be compared",
        "a larger pad_size",
        f"{_shapes(data1)} with pad_size={pad_size}, max_displacement={max_displacement}, kernel_size={kernel_size}",
    )
    return correlation.correlation(
        data1,
        data2,
        kernel=kernel_size,
        reach=max_displacement,
        stride=stride1,
        step=stride2,
        padding=pad_size,
        product=is_multiply,
    )


register(
    "Correlation",
    _correlation,
    ("data1", "data2"),
    {
        "kernel_size": a.integer(1),
        "max_displacement": a.integer(1),
        "stride1": a.integer(1),
        "stride2": a.integer(1),
        "pad_size": a.integer(0),
        "is_multiply": a.flag(True),
    },
)

# --- deformable convolution ------------------------------------------------------------------------------------------


def _deformable(
    name, data, offset, mask, weight, bias, *, kernel, stride, dilate, pad, num_filter, num_group, num_deformable_group
):
    _check_image(name, data)
    _check(len(kernel) == 2, f"{name} has a window of two sizes", "kernel=(h, w)", f"kernel={kernel}")
    stride, dilate, pad = stride or (1, 1), dilate or (1, 1), pad or (0, 0)
    channels = data.shape[1]
    _check(
        channels % num_group == 0 and num_filter % num_group == 0 and channels % num_deformable_group == 0,
        f"The groups of {name} do not divide the channels",
        f"divisors of {channels} (num_group, num_deformable_group) and {num_filter} (num_group)",
        f"num_group={num_group}, num_deformable_group={num_deformable_group}",
    )
    size = conv_output_sizes(tuple(data.shape[2:]), kernel, stride=stride, padding=pad, dilation=dilate)
    points = num_deformable_group * kernel[0] * kernel[1]
    wanted = {
        "offset": (offset, (len(data), 2 * points, *size)),
        "mask": (mask, (len(data), points, *size)),
        "weight": (weight, (num_filter, channels // num_group, *kernel)),
        "bias": (bias, (num_filter,)),
    }
    for key, (array, shape) in wanted.items():
        if array is not None:
            _check(tuple(array.shape) == shape, f"Shape inconsistent in {name}: {key}", shape, tuple(array.shape))
    return deformable.deformable_conv(
        data,
        offset,
        weight,
        bias,
        mask=mask,
        stride=stride,
        padding=pad,
        dilation=dilate,
        groups=num_group,
        offset_groups=num_deformable_group,
    )


def _deformable_convolution(data, offset, weight, bias=None, *, workspace, no_bias, layout, **sizes):
    """Convolution whose window's points are moved by offset (N, num_deformable_group * kernel * 2, h, w), (y, x).

    data: (N, C, H, W); weight: (num_filter, C / num_group, *kernel). workspace chooses nothing here.
    """
    return _deformable("DeformableConvolution", data, offset, None, weight, bias, **sizes)


def _modulated_deformable_convolution(
    data, offset, mask, weight, bias=None, *, workspace, no_bias, im2col_step, layout, **sizes
):
    """`DeformableConvolution` with each point of the window weighted by mask, (N, num_deformable_group * kernel, h,
    w)."""
    return _deformable("ModulatedDeformableConvolution", data, offset, mask, weight, bias, **sizes)


def _without_bias(*inputs):
    return lambda attributes: inputs if attributes["no_bias"] else (*inputs, "bias")


_DEFORMABLE = {
    "kernel": a.sizes(),
    "stride": a.sizes(()),
    "dilate": a.sizes(()),
    "pad": a.sizes(()),
    "num_filter": a.integer(),
    "num_group": a.integer(1),
    "num_deformable_group": a.integer(1),
    "workspace": a.integer(1024),
    "no_bias": a.flag(False),
}
_LAYOUT = {"layout": a.optional_choice("NCDHW", "NCHW", "NCW")}
register(
    "_contrib_DeformableConvolution",
    _deformable_convolution,
    ("data", "offset", "weight", "bias"),
    {**_DEFORMABLE, **_LAYOUT},
    present=_without_bias("data", "offset", "weight"),
)
register(
    "_contrib_ModulatedDeformableConvolution",
    _modulated_deformable_convolution,
    ("data", "offset", "mask", "weight", "bias"),
    {**_DEFORMABLE, "im2col_step": a.integer(64), **_LAYOUT},
    present=_without_bias("data", "offset", "mask", "weight"),
)
