"""`tf.image`: sizes, crops, flips, colours. Files are in `image_files`."""

import inspect
import math

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import _random as random
from tandem.compat.tensorflow import boxes, image_files, lifted
from tandem.compat.tensorflow.tensor import convert, ints, static, taker
from tandem.core.errors import explain
from tandem.keras import ops
from tandem.keras.ops import image as keras_image

NAMES = {**image_files.NAMES, **boxes.NAMES}
add = taker(NAMES)


class ResizeMethod:
    """How pixels in between are found."""

    BILINEAR, NEAREST_NEIGHBOR, BICUBIC, AREA = "bilinear", "nearest", "bicubic", "area"
    LANCZOS3, LANCZOS5, GAUSSIAN, MITCHELLCUBIC = "lanczos3", "lanczos5", "gaussian", "mitchellcubic"


_METHODS = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")


# --- dtypes ----------------------------------------------------------------------------------------------------------


@add
def convert_image_dtype(image, dtype, saturate=False):
    """In another dtype and its range: [0, 1] for floats, all of it for whole numbers."""
    x = convert(image)
    old, new = dtypes.as_dtype(x.dtype), dtypes.as_dtype(dtype)
    if old == new:
        return x
    if old.is_integer and new.is_integer:
        if new.max < old.max:
            return ops.cast(ops.floor_divide(x, (int(old.max) + 1) // (int(new.max) + 1)), new.name)
        return ops.multiply(ops.cast(x, new.name), (int(new.max) + 1) // (int(old.max) + 1))
    if new.is_floating:
        found = ops.cast(x, new.name)
        return found if old.is_floating else ops.multiply(found, 1.0 / old.max)
    scaled = ops.multiply(x, new.max + 0.5)
    return ops.saturate_cast(scaled, new.name) if saturate else ops.cast(scaled, new.name)


def _as_float(function):
    """A function of float images for images of any dtype: whole numbers come back as such, rounded and cut."""

    def compute(image, *args):
        x = convert(image)
        kind = dtypes.as_dtype(x.dtype)
        if kind.is_floating:
            return function(x, *args)
        return convert_image_dtype(function(convert_image_dtype(x, dtypes.float32), *args), kind, saturate=True)

    return compute


# --- sizes -----------------------------------------------------------------------------------------------------------


@add
def resize(images, size, method=ResizeMethod.BILINEAR, preserve_aspect_ratio=False, antialias=False):
    """Images of another size (height, width), float32 except for the nearest pixel's own dtype."""
    method = str(getattr(method, "value", method)).lower()
    if method not in _METHODS:
        raise ValueError(explain("Unknown resize method", expected=", ".join(_METHODS), given=repr(method)))
    x, size = convert(images), ints(size)
    if len(x.shape) not in (3, 4) or len(size) != 2:
        raise ValueError(
            explain(
                "'images' must have either 3 or 4 dimensions, and `size` two numbers",
                given=f"shape {tuple(x.shape)}, size={size}",
            )
        )
    height, width = x.shape[-3], x.shape[-2]
    if preserve_aspect_ratio:
        scale = min(size[0] / height, size[1] / width)
        size = (round(scale * height), round(scale * width))
    if method != "nearest":
        x = ops.cast(x, "float32") if dtypes.as_dtype(x.dtype) != dtypes.float32 else x
    return lifted.resize_image(x, tuple(size), method, bool(antialias))


def _resize_v1(name, method):
    def compute(images, size, align_corners=False, half_pixel_centers=False):
        if align_corners:
            raise NotImplementedError(f"tf.image.{name}: `align_corners` is not there.")
        return resize(images, size, method)

    compute.__name__, compute.__doc__ = name, f"`resize` by the method {method}."
    add(compute)


for _name, _method in {"bilinear": "bilinear", "nearest_neighbor": "nearest", "bicubic": "bicubic"}.items():
    _resize_v1(f"resize_{_name}", _method)
NAMES["resize_images"] = NAMES["resize"]


@add
def crop_to_bounding_box(image, offset_height, offset_width, target_height, target_width):
    """The box of an image, or of each of a batch. Raises ValueError where it reaches outside."""
    x = convert(image)
    top, left, height, width = (static(one) for one in (offset_height, offset_width, target_height, target_width))
    if top < 0 or left < 0 or height < 1 or width < 1 or top + height > x.shape[-3] or left + width > x.shape[-2]:
        raise ValueError(
            explain(
                "The box reaches outside the image",
                expected=f"within {x.shape[-3]} x {x.shape[-2]}",
                given=f"{height} x {width} at ({top}, {left})",
            )
        )
    return x[..., top : top + height, left : left + width, :]


@add
def pad_to_bounding_box(image, offset_height, offset_width, target_height, target_width):
    """The image on a larger ground of zeros."""
    x = convert(image)
    top, left, height, width = (static(one) for one in (offset_height, offset_width, target_height, target_width))
    bottom, right = height - top - x.shape[-3], width - left - x.shape[-2]
    if min(top, left, bottom, right) < 0:
        raise ValueError(explain("The image does not fit into the box", given=(top, left, height, width)))
    return ops.pad(x, (*[(0, 0)] * (len(x.shape) - 3), (top, bottom), (left, right), (0, 0)))


@add
def resize_with_crop_or_pad(image, target_height, target_width):
    """The middle of the image, or the image in the middle of zeros."""
    x, height, width = convert(image), static(target_height), static(target_width)
    over_height, over_width = x.shape[-3] - height, x.shape[-2] - width
    x = crop_to_bounding_box(
        x,
        max(over_height, 0) // 2,
        max(over_width, 0) // 2,
        min(height, x.shape[-3]),
        min(width, x.shape[-2]),
    )
    return pad_to_bounding_box(x, max(-over_height, 0) // 2, max(-over_width, 0) // 2, height, width)


NAMES["resize_image_with_crop_or_pad"] = NAMES["resize_with_crop_or_pad"]


@add
def resize_with_pad(image, target_height, target_width, method=ResizeMethod.BILINEAR, antialias=False):
    """Resized in its proportions, then in the middle of zeros."""
    x, height, width = convert(image), static(target_height), static(target_width)
    ratio = max(x.shape[-2] / width, x.shape[-3] / height)
    size = (math.floor(x.shape[-3] / ratio), math.floor(x.shape[-2] / ratio))
    found = resize(x, size, method, antialias=antialias)
    top, left = max((height - size[0]) // 2, 0), max((width - size[1]) // 2, 0)
    return pad_to_bounding_box(found, top, left, height, width)


@add
def central_crop(image, central_fraction):
    """The middle of the image, such a part of each side."""
    fraction = static(central_fraction)
    if not 0 < fraction <= 1:
        raise ValueError("central_fraction must be within (0, 1]")
    x = convert(image)
    if fraction == 1:
        return x
    top, left = (int((size - size * fraction) / 2) for size in (x.shape[-3], x.shape[-2]))
    return x[..., top : x.shape[-3] - top, left : x.shape[-2] - left, :]


@add
def random_crop(value, size, seed=None):
    """A block of a size somewhere in a tensor."""
    x, size = convert(value), ints(size)
    if any(part > whole for part, whole in zip(size, x.shape)):
        raise ValueError(explain("The block is larger than the tensor", expected=tuple(x.shape), given=size))
    starts = [
        int(random.NAMES["uniform"]((), 0, whole - part + 1, "int32", seed)) for part, whole in zip(size, x.shape)
    ]
    return x[tuple(slice(at, at + part) for at, part in zip(starts, size))]


@add
def crop_and_resize(image, boxes, box_indices, crop_size, method="bilinear", extrapolation_value=0.0):
    """Boxes (y1, x1, y2, x2, parts of the height and width) of a batch's images, all of one size."""
    return lifted.crop_and_resize(
        ops.cast(convert(image), "float32"),
        convert(boxes),
        convert(box_indices),
        ints(crop_size),
        method,
        extrapolation_value,
    )


@add
def extract_patches(images, sizes, strides, rates, padding):
    """Patches of images, each a row of its pixels: (samples, rows, columns, pixels)."""
    return keras_image.extract_patches(
        convert(images), tuple(sizes[1:3]), strides=tuple(strides[1:3]), dilation_rate=rates[1], padding=padding.lower()
    )


# --- flips and turns -------------------------------------------------------------------------------------------------


@add
def flip_left_right(image):
    """Left and right changed."""
    return ops.flip(convert(image), axis=-2)


@add
def flip_up_down(image):
    """Top and bottom changed."""
    return ops.flip(convert(image), axis=-3)


@add
def transpose(image):
    """Rows and columns changed."""
    return ops.swapaxes(convert(image), -3, -2)


@add
def rot90(image, k=1):
    """Turned counter-clockwise by k quarters."""
    x = convert(image)
    return ops.rot90(x, k=static(k) % 4, axes=(-3 % len(x.shape), -2 % len(x.shape)))


def _random_flip(name, axis):
    def compute(image, seed=None):
        x = convert(image)
        shape = (x.shape[0], 1, 1, 1) if len(x.shape) == 4 else ()
        coin = random.NAMES["uniform"](shape, seed=seed)
        return ops.where(ops.less(coin, 0.5), ops.flip(x, axis=axis), x)

    compute.__name__, compute.__doc__ = name, "Flipped or not, each image of a batch by itself."
    add(compute)


_random_flip("random_flip_left_right", -2)
_random_flip("random_flip_up_down", -3)


# --- colours ---------------------------------------------------------------------------------------------------------


@add
def adjust_brightness(image, delta):
    """`delta` added, where whole numbers count as [0, 1]."""
    return _as_float(lambda x: ops.add(x, delta))(image)


@add
def adjust_contrast(images, contrast_factor):
    """``(x - mean) * factor + mean`` with the mean of each channel of each image."""

    def change(x):
        mean = ops.mean(x, axis=(-3, -2), keepdims=True)
        return ops.add(ops.multiply(ops.subtract(x, mean), contrast_factor), mean)

    return _as_float(change)(images)


@add
def adjust_saturation(image, saturation_factor):
    """The saturation (of HSV) times a factor."""

    def change(x):
        hue, saturation, value = ops.unstack(rgb_to_hsv(x), axis=-1)
        saturation = ops.clip(ops.multiply(saturation, saturation_factor), 0, 1)
        return hsv_to_rgb(ops.stack([hue, saturation, value], axis=-1))

    return _as_float(change)(image)


@add
def adjust_hue(image, delta):
    """The hue turned by a part of a full turn."""

    def change(x):
        hue, saturation, value = ops.unstack(rgb_to_hsv(x), axis=-1)
        return hsv_to_rgb(ops.stack([ops.mod(ops.add(hue, ops.mod(delta, 1)), 1), saturation, value], axis=-1))

    return _as_float(change)(image)


@add
def adjust_gamma(image, gamma=1, gain=1):
    """``gain * x ** gamma``."""
    return _as_float(lambda x: ops.multiply(ops.power(x, gamma), gain))(image)


@add
def rgb_to_hsv(images):
    """Red, green, blue in [0, 1] as hue, saturation, value."""
    return keras_image.rgb_to_hsv(convert(images), data_format="channels_last")


@add
def hsv_to_rgb(images):
    """Hue, saturation, value as red, green, blue."""
    return keras_image.hsv_to_rgb(convert(images), data_format="channels_last")


@add
def rgb_to_grayscale(images):
    """``0.2989 R + 0.587 G + 0.114 B``, one channel."""
    return _as_float(lambda x: ops.expand_dims(ops.tensordot(x, convert([0.2989, 0.587, 0.114], x.dtype), 1), -1))(
        images
    )


@add
def grayscale_to_rgb(images):
    """One channel three times."""
    return ops.repeat(convert(images), 3, axis=-1)


@add
def per_image_standardization(image):
    """``(x - mean) / max(deviation, 1 / sqrt(n))`` of each image, float32."""
    x = ops.cast(convert(image), "float32")
    count = int(np.prod(tuple(x.shape)[-3:]))
    mean = ops.mean(x, axis=(-3, -2, -1), keepdims=True)
    deviation = ops.std(x, axis=(-3, -2, -1), keepdims=True)
    return ops.divide(ops.subtract(x, mean), ops.maximum(deviation, 1 / math.sqrt(count)))


def _randomly(name, change, doc):
    def compute(image, lower, upper, seed=None):
        if upper <= lower:
            raise ValueError("upper must be > lower.")
        return change(image, random.NAMES["uniform"]((), lower, upper, seed=seed))

    compute.__name__, compute.__doc__ = name, doc
    add(compute)


_randomly("random_contrast", adjust_contrast, "`adjust_contrast` by a random factor.")
_randomly("random_saturation", adjust_saturation, "`adjust_saturation` by a random factor.")


@add
def random_brightness(image, max_delta, seed=None):
    """`adjust_brightness` by a random number up to `max_delta` either way."""
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")
    return adjust_brightness(image, random.NAMES["uniform"]((), -max_delta, max_delta, seed=seed))


@add
def random_hue(image, max_delta, seed=None):
    """`adjust_hue` by a random number up to `max_delta` either way."""
    if not 0 <= max_delta <= 0.5:
        raise ValueError("max_delta must be <= 0.5." if max_delta > 0.5 else "max_delta must be non-negative.")
    return adjust_hue(image, random.NAMES["uniform"]((), -max_delta, max_delta, seed=seed))


def _with_seed(name):
    own = inspect.signature(NAMES[name])

    def compute(*args, **kwargs):
        # The seed stands where the function's own arguments end.
        count = len(own.parameters) - 1
        args, seed = (args[:count], args[count]) if len(args) > count else (args, kwargs.pop("seed"))
        return NAMES[name](*args, seed=random._seed_of(seed), **kwargs)

    compute.__name__, compute.__doc__ = (
        f"stateless_{name}",
        f"`{name}`, the same for the same seed (two whole numbers).",
    )
    add(compute)


for _name in ("flip_left_right", "flip_up_down", "brightness", "contrast", "hue", "saturation", "crop"):
    _with_seed(f"random_{_name}")


# --- comparisons -----------------------------------------------------------------------------------------------------


def _pair(img1, img2, max_val):
    kind = dtypes.as_dtype(convert(img1).dtype)
    high = max_val if kind.is_floating else max_val / kind.max
    return convert_image_dtype(img1, dtypes.float32), convert_image_dtype(img2, dtypes.float32), high


@add
def psnr(a, b, max_val):
    """The peak's ratio to the noise of each image, in decibels."""
    a, b, high = _pair(a, b, max_val)
    mean = ops.mean(ops.square(ops.subtract(a, b)), axis=(-3, -2, -1))
    return ops.subtract(20 * math.log10(high), ops.multiply(10 / math.log(10), ops.log(mean)))


@add
def ssim(img1, img2, max_val, filter_size=11, filter_sigma=1.5, k1=0.01, k2=0.03):
    """How alike the structures of two images are, up to 1. Wang et al., 2004."""
    a, b, high = _pair(img1, img2, max_val)
    return keras_image.ssim(a, b, high, filter_size, filter_sigma, k1, k2, data_format="channels_last")


@add
def total_variation(images):
    """The sum of the differences between neighbours, of each image."""
    x = convert(images)
    down = ops.absolute(ops.subtract(x[..., 1:, :, :], x[..., :-1, :, :]))
    right = ops.absolute(ops.subtract(x[..., :, 1:, :], x[..., :, :-1, :]))
    return ops.add(ops.sum(down, axis=(-3, -2, -1)), ops.sum(right, axis=(-3, -2, -1)))


@add
def image_gradients(image):
    """(down, right): the differences to the next pixels, 0 at the last ones."""
    x = convert(image)
    down = ops.pad(ops.subtract(x[:, 1:], x[:, :-1]), ((0, 0), (0, 1), (0, 0), (0, 0)))
    right = ops.pad(ops.subtract(x[:, :, 1:], x[:, :, :-1]), ((0, 0), (0, 0), (0, 1), (0, 0)))
    return down, right


@add
def adjust_jpeg_quality(image, jpeg_quality, dct_method=""):
    """The image after it was a JPEG file of a quality."""
    x = convert(image)
    kind = dtypes.as_dtype(x.dtype)
    pixels = convert_image_dtype(x, "uint8", saturate=True)
    return convert_image_dtype(
        image_files.decode_jpeg(image_files.encode_jpeg(pixels, quality=int(jpeg_quality)), x.shape[-1]), kind
    )


@add
def random_jpeg_quality(image, min_jpeg_quality, max_jpeg_quality, seed=None):
    """`adjust_jpeg_quality` of a random quality."""
    quality = random.NAMES["uniform"]((), min_jpeg_quality, max_jpeg_quality, "int32", seed)
    return adjust_jpeg_quality(image, quality)


@add
def sobel_edges(image):
    """The derivatives (down, right) of each channel."""
    x = convert(image)
    x = ops.pad(x, (*[(0, 0)] * (len(x.shape) - 3), (1, 1), (1, 1), (0, 0)), mode="reflect")

    def smooth(first, middle, last):
        return ops.add(ops.add(first, last), ops.multiply(middle, 2))

    down = ops.subtract(x[..., 2:, :, :], x[..., :-2, :, :])
    right = ops.subtract(x[..., :, 2:, :], x[..., :, :-2, :])
    down = smooth(down[..., :, :-2, :], down[..., :, 1:-1, :], down[..., :, 2:, :])
    right = smooth(right[..., :-2, :, :], right[..., 1:-1, :, :], right[..., 2:, :, :])
    return ops.stack([down, right], axis=-1)


def _space(name):
    def change(images):
        return lifted.colour_space(convert(images), name)

    change.__name__, change.__doc__ = name, f"The space of colours changed: {name.replace('_', ' ')}."
    add(change)


for _name in ("rgb_to_yuv", "yuv_to_rgb", "rgb_to_yiq", "yiq_to_rgb"):
    _space(_name)
NAMES["ResizeMethod"] = ResizeMethod
