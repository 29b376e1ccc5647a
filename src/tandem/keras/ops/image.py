"""`keras.ops.image`."""

from tandem.core.errors import Unsupported, explain
from tandem.keras import config
from tandem.keras.ops.family import Family, spec, storage_dtype, tensor, to_float
from tandem.ops import image, image_filters, image_warp, tones
from tandem.ops import random as draws
from tandem.ops import shape as shapes

NAMES = Family("keras.src.ops.image")
_METHODS = {"bilinear": "bilinear", "nearest": "nearest", "bicubic": "bicubic", "lanczos3": "lanczos3"}
_METHODS["lanczos5"] = "lanczos5"


def _layout(data_format):
    return config.standardize_data_format(data_format)


def _images(images):
    images = tensor(images)
    if images.dim() not in (3, 4):
        raise ValueError(
            "Invalid images rank: expected rank 3 (single image) or rank 4 (batch of images). "
            f"Received input with shape: images.shape={tuple(images.shape)}"
        )
    return images


def _one_of(name, value, choices):
    if value not in choices:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected of one {set(choices)}. Received: {name}={value}"
        )


def _in_batch(function):
    """A function of (N, H, W, C) for one image or a batch, in either layout."""

    def compute(images, data_format, *args, **kwargs):
        single, first = images.dim() == 3, _layout(data_format) == "channels_first"
        x = images.unsqueeze(0) if single else images
        x = x.movedim(1, -1) if first else x
        y = function(x, *args, **kwargs)
        y = y.movedim(3, 1) if first else y
        return y.squeeze(0) if single else y

    return compute


def _size(size):
    if len(size) != 2:
        raise ValueError(f"Expected `size` to be a tuple of 2 integers. Received: size={size}")
    if min(size) <= 0:
        raise ValueError(f"`size` must have positive height and width. Received: size={size}")
    return tuple(int(one) for one in size)


@NAMES.op("Resize")
def resize(
    images,
    size,
    interpolation="bilinear",
    antialias=False,
    crop_to_aspect_ratio=False,
    pad_to_aspect_ratio=False,
    fill_mode="constant",
    fill_value=0.0,
    data_format=None,
):
    """Images of another size (height, width); or cropped, or padded, to its proportions first."""
    size, layout = _size(size), _layout(data_format)
    _one_of("interpolation", interpolation, _METHODS)
    if fill_mode != "constant":
        raise ValueError(
            f"Invalid value for argument `fill_mode`. Only `'constant'` is supported. Received: {fill_mode}"
        )
    if pad_to_aspect_ratio and crop_to_aspect_ratio:
        raise ValueError("Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`.")
    images = _images(images)
    spatial = (-3, -2) if layout == "channels_last" else (-2, -1)
    old = tuple(images.shape[axis] for axis in spatial)
    if crop_to_aspect_ratio:
        images = image.crop(images, *image.crop_box_for(old, size), layout=layout)
    elif pad_to_aspect_ratio:
        (top, _), (left, _) = image.padding_for(old, size)
        amounts = [(0, 0)] * images.dim()
        amounts[spatial[0]], amounts[spatial[1]] = (top, top), (left, left)  # an odd pixel is left out, as in Keras
        images = shapes.pad(images, amounts, value=fill_value)
    options = {"cubic": -0.5, "edge": "renormalize"} if antialias else {"cubic": -0.75, "edge": "replicate"}
    return image.resize(images, size, method=_METHODS[interpolation], antialias=antialias, layout=layout, **options)


_ORDERS = {"nearest": 0, "bilinear": 1}
_affine = _in_batch(image_warp.affine)
_perspective = _in_batch(image_warp.perspective)
_displaced = _in_batch(image_warp.displaced)


@NAMES.op("AffineTransform", 2)
def affine_transform(images, transform, interpolation="bilinear", fill_mode="constant", fill_value=0, data_format=None):
    """Images read through maps of 8 numbers: output (x, y) is input ``(a0 x + a1 y + a2, b0 x + b1 y + b2)``."""
    _one_of("interpolation", interpolation, _ORDERS)
    _one_of("fill_mode", fill_mode, image_warp.MODES)
    images, transform = _images(images), to_float(tensor(transform))
    if transform.dim() not in (1, 2) or transform.shape[-1] != 8:
        raise ValueError(
            "Invalid transform shape: expected (8,) for one transform or (batch, 8). "
            f"Received: transform.shape={tuple(transform.shape)}"
        )
    transform = transform.unsqueeze(0) if transform.dim() == 1 else transform
    options = {"order": _ORDERS[interpolation], "mode": fill_mode, "fill": fill_value}
    return _affine(images, data_format, transform, **options)


@NAMES.op("PerspectiveTransform", 3)
def perspective_transform(images, start_points, end_points, interpolation="bilinear", fill_value=0, data_format=None):
    """Images pulled so that four points (x, y) come to lie at four others."""
    _one_of("interpolation", interpolation, _ORDERS)
    images = _images(images)
    start, end = to_float(tensor(start_points)), to_float(tensor(end_points))
    for name, points in (("start_points", start), ("end_points", end)):
        if points.dim() not in (2, 3) or tuple(points.shape[-2:]) != (4, 2):
            raise ValueError(
                f"Invalid {name} shape: expected (4,2) for a single image or (N,4,2) for a batch. "
                f"Received shape: {tuple(points.shape)}"
            )
    if start.shape != end.shape:
        raise ValueError(
            f"start_points and end_points must have the same shape. Received: {tuple(start.shape)}, {tuple(end.shape)}"
        )
    start, end = (points.unsqueeze(0) if points.dim() == 2 else points for points in (start, end))
    return _perspective(images, data_format, start, end, order=_ORDERS[interpolation], fill=fill_value)


@NAMES.op("MapCoordinates", 2)
def map_coordinates(inputs, coordinates, order, fill_mode="constant", fill_value=0):
    """An array at positions between its entries; coordinates: (axes, ...); order: 0 nearest, 1 linear."""
    inputs, coordinates = tensor(inputs), tensor(coordinates)
    if coordinates.dim() < 2:
        raise ValueError(f"Invalid coordinates rank: expected at least rank 2. Received: {tuple(coordinates.shape)}")
    if coordinates.shape[0] != inputs.dim():
        raise ValueError(
            "First dim of `coordinates` must be the same as the rank of `inputs`. Received inputs with shape: "
            f"{tuple(inputs.shape)} and coordinate leading dim of {coordinates.shape[0]}"
        )
    if order not in (0, 1):
        raise Unsupported(f"map_coordinates requires order 0 or 1. Received: order={order}")
    _one_of("fill_mode", fill_mode, image_warp.MODES)
    return image_warp.map_coordinates(inputs, coordinates, order, fill_mode, fill_value)


def _patches(x, size, strides, dilation_rate, padding, data_format, rank):
    layout = _layout(data_format)
    size = (size,) * rank if isinstance(size, int) else tuple(size)
    if len(size) != rank:
        raise ValueError(f"Invalid `size` argument. Expected an int or {rank} ints. Received: size={size}")
    single = x.dim() == rank + 1
    x = x.unsqueeze(0) if single else x
    x = x.movedim(1, -1) if layout == "channels_first" else x
    y = image_filters.patches(x, size, size if strides is None else strides, dilation_rate, padding)
    y = y.movedim(-1, 1) if layout == "channels_first" else y
    return y.squeeze(0) if single else y


@NAMES.op("ExtractPatches")
def extract_patches(images, size, strides=None, dilation_rate=1, padding="valid", data_format=None):
    """Windows of images (or, with three sizes, of volumes) in place of the channels, row by row."""
    if not isinstance(size, int) and len(size) == 3:
        return _patches(tensor(images), size, strides, dilation_rate, padding, data_format, 3)
    return _patches(_images(images), size, strides, dilation_rate, padding, data_format, 2)


@NAMES.plain
def extract_patches_3d(volumes, size, strides=None, dilation_rate=1, padding="valid", data_format=None):
    """Windows of volumes in place of the channels."""
    size = (size,) * 3 if isinstance(size, int) else tuple(size)
    if len(size) != 3:
        raise ValueError(f"Invalid `size` argument. Expected an int or 3 ints. Received: size={size}")
    return extract_patches(volumes, size, strides, dilation_rate, padding, data_format)


def _amounts(images, data_format, pairs, what):
    """(before, after) of rows and of columns, of which two of (before, after, target) are given."""
    layout = _layout(data_format)
    spatial = (-3, -2) if layout == "channels_last" else (-2, -1)
    found = []
    for (before, after, target), names, axis in zip(
        pairs, (("top", "bottom", "height"), ("left", "right", "width")), spatial
    ):
        if [before, after, target].count(None) != 1:
            raise ValueError(
                f"Must specify exactly two of {names[0]}_{what}, {names[1]}_{what}, target_{names[2]}. Received: "
                f"{names[0]}_{what}={before}, {names[1]}_{what}={after}, target_{names[2]}={target}"
            )
        found.append((axis, images.shape[axis], before, after, target))
    return found


@NAMES.op("PadImages")
def pad_images(
    images,
    top_padding=None,
    left_padding=None,
    bottom_padding=None,
    right_padding=None,
    target_height=None,
    target_width=None,
    data_format=None,
):
    """Images with zeros around them: of each direction two of (before, after, size of the result) are given."""
    images = _images(images)
    pairs = ((top_padding, bottom_padding, target_height), (left_padding, right_padding, target_width))
    amounts = [(0, 0)] * images.dim()
    for axis, size, before, after, target in _amounts(images, data_format, pairs, "padding"):
        before = target - size - after if before is None else before
        after = target - size - before if after is None else after
        if before < 0 or after < 0:
            raise ValueError(explain("Padding adds pixels", expected="amounts of 0 or more", given=(before, after)))
        amounts[axis] = (before, after)
    return shapes.pad(images, amounts)


@NAMES.op("CropImages")
def crop_images(
    images,
    top_cropping=None,
    left_cropping=None,
    bottom_cropping=None,
    right_cropping=None,
    target_height=None,
    target_width=None,
    data_format=None,
):
    """Images without their border: of each direction two of (before, after, size of the result) are given."""
    images = _images(images)
    pairs = ((top_cropping, bottom_cropping, target_height), (left_cropping, right_cropping, target_width))
    for axis, size, before, after, target in _amounts(images, data_format, pairs, "cropping"):
        before = size - target - after if before is None else before
        target = size - before - after if target is None else target
        if before < 0 or target < 0 or before + target > size:
            raise ValueError(
                explain("The crop does not fit the images", expected=f"within 0 and {size}", given=(before, target))
            )
        images = images.narrow(axis, before, target)
    return images


_blur = _in_batch(image_filters.gaussian_blur)


@NAMES.op("GaussianBlur")
def gaussian_blur(images, kernel_size=(3, 3), sigma=(1.0, 1.0), data_format=None):
    """Images with a normal density for a kernel."""
    images = _images(images)
    sizes, sigmas = ((one, one) if isinstance(one, (int, float)) else tuple(one) for one in (kernel_size, sigma))
    return _blur(to_float(images), data_format, sizes, sigmas).to(images.dtype)


@NAMES.op("ElasticTransform")
def elastic_transform(
    images,
    alpha=20.0,
    sigma=5.0,
    interpolation="bilinear",
    fill_mode="reflect",
    fill_value=0.0,
    seed=None,
    data_format=None,
):
    """Images read at pixels moved by smooth random displacements: normal ones, blurred by sigma, times alpha."""
    from tandem.keras.random import generator_of

    _one_of("interpolation", interpolation, _ORDERS)
    _one_of("fill_mode", fill_mode, image_warp.MODES)
    images = _images(images)
    first = _layout(data_format) == "channels_first"
    height, width = images.shape[-2:] if first else images.shape[-3:-1]
    count = images.shape[0] if images.dim() == 4 else 1
    generator = generator_of(seed, images.device)
    noise = draws.normal(
        (count, height, width, 2), dtype=storage_dtype("float32"), device=images.device, generator=generator
    )
    kernel = int(6 * sigma) | 1
    down, right = image_filters.scaled(image_filters.gaussian_blur(noise, (kernel, kernel), (sigma, sigma)), alpha)
    options = {"order": _ORDERS[interpolation], "mode": fill_mode, "fill": fill_value}
    return _displaced(images, data_format, down, right, **options)


def _channels(function, wanted, floats):
    def compute(images, data_format=None):
        images = _images(images)
        axis = -1 if _layout(data_format) == "channels_last" else -3
        if images.shape[axis] not in wanted:
            kinds = "3 (RGB) or 1 (Grayscale)" if 1 in wanted else "3"
            raise ValueError(
                f"Invalid channel size: expected {kinds}. Received input with shape: images.shape={tuple(images.shape)}"
            )
        if floats and not images.is_floating_point():
            raise ValueError(f"Invalid images dtype: expected float dtype. Received: images.dtype={images.dtype}")
        if images.shape[axis] == 1:
            return images
        work = images if images.is_floating_point() else images.float()
        return function(work, _layout(data_format)).to(images.dtype)

    return compute


NAMES.add(
    "rgb_to_grayscale", _channels(tones.grey, (1, 3), False), "RGBToGrayscale"
).__doc__ = "The brightness of coloured images: one channel."
NAMES.add(
    "rgb_to_hsv", _channels(tones.rgb_to_hsv, (3,), True), "RGBToHSV"
).__doc__ = "(hue, saturation, value), each from 0 to 1, of (red, green, blue)."
NAMES.add(
    "hsv_to_rgb", _channels(tones.hsv_to_rgb, (3,), True), "HSVToRGB"
).__doc__ = "(red, green, blue) of (hue, saturation, value)."
_SCALING = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic", "tricubic": "cubic"}
_SCALING.update({name: name for name in ("linear", "cubic", "lanczos3", "lanczos5")})


def _scale_spec(images, output_shape, scale, translation, spatial_dims, method, antialias=True):
    _one_of("method", method, _SCALING)
    return spec(output_shape, images.dtype)


@NAMES.op("ScaleAndTranslate", ("images", "output_shape", "scale", "translation"), spec=_scale_spec)
def scale_and_translate(images, output_shape, scale, translation, spatial_dims, method, antialias=True):
    """An array scaled and then moved along some axes; what lies outside is 0."""
    _one_of("method", method, _SCALING)
    images = tensor(images)
    work = to_float(images)
    scale, translation = (tensor(one).to(work.dtype) for one in (scale, translation))
    y = image_warp.scale_and_translate(
        work, tuple(output_shape), scale, translation, spatial_dims, _SCALING[method], antialias
    )
    return image.to_dtype(y, images.dtype)


@NAMES.op("SobelEdges")
def sobel_edges(images, data_format=None):
    """The derivatives of images down and to the right, in a new last axis."""
    images = _images(images)
    if images.dim() != 4:
        raise ValueError(f"Expected a batch of images. Received: images.shape={tuple(images.shape)}")
    if _layout(data_format) == "channels_first":
        return image_filters.sobel(to_float(images).movedim(1, -1)).movedim(3, 1)
    return image_filters.sobel(to_float(images))


@NAMES.op("SSIM", 2)
def ssim(image1, image2, max_val=1.0, filter_size=11, filter_sigma=1.5, k1=0.01, k2=0.03, data_format=None):
    """The mean structural similarity of images: one number to each of a batch."""
    image1, image2 = to_float(_images(image1)), to_float(_images(image2))
    if image1.shape != image2.shape:
        raise ValueError(f"The images differ in shape. Received: {tuple(image1.shape)} and {tuple(image2.shape)}")
    single = image1.dim() == 3
    pair = [x.unsqueeze(0) if single else x for x in (image1, image2)]
    if _layout(data_format) == "channels_first":
        pair = [x.movedim(1, -1) for x in pair]
    y = image_filters.similarity(*pair, max_val, filter_size, filter_sigma, k1, k2)
    return y.squeeze(0) if single else y


globals().update(NAMES)


def __dir__():
    return sorted(NAMES)
