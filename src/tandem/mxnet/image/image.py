"""Functions on images: NDArrays of shape (height, width, channels), uint8, colours in the order red, green, blue."""

import random
import warnings

import numpy as np
import torch

from tandem.core.errors import explain
from tandem.formats import images
from tandem.mxnet.base import MXNetError, missing, numeric_types
from tandem.mxnet.gluon.utils import namespace_of
from tandem.mxnet.gluon.weights import array_class
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.ops import image as geometry

# --- files -----------------------------------------------------------------------------------------------------------


def _decoded(read, source, flag, to_rgb, out):
    if flag not in (0, 1):
        raise MXNetError(explain("Unknown flag for reading an image", expected="0 (grey) or 1 (colours)", given=flag))
    try:
        pixels = read(source, grey=not flag)
    except (OSError, ValueError) as error:
        raise MXNetError(str(error)) from error
    if flag and not to_rgb:
        pixels = np.ascontiguousarray(pixels[:, :, ::-1])
    image = array_class()._wrap(torch.from_numpy(pixels))
    if out is None:
        return image
    out[:] = image
    return out


def imread(filename, flag=1, to_rgb=True, out=None):
    """The image in a file: (height, width, 3), or (height, width, 1) with flag 0; uint8.

    flag: 1 colours, 0 grey; to_rgb: whether the order is red, green, blue, otherwise the reverse.
    Raises MXNetError, naming the file, where it is missing or is no image.
    """
    return _decoded(images.read, str(filename), flag, to_rgb, out)


def imdecode(buf, flag=1, to_rgb=True, out=None):
    """The image in the bytes of a file (bytes, bytearray, or an array of uint8), as `imread` gives it.

    Raises MXNetError for what is no image, ValueError for another type.
    """
    if isinstance(buf, NDArray):
        buf = buf.asnumpy()
    if isinstance(buf, np.ndarray):
        buf = buf.tobytes()
    if not isinstance(buf, (bytes, bytearray)):
        raise ValueError(
            explain(
                "buf must hold the bytes of an image file",
                expected="bytes, bytearray or numpy.ndarray",
                given=type(buf).__name__,
                hint="imread(filename) reads a file.",
            )
        )
    return _decoded(images.decode, buf, flag, to_rgb, out)


# --- sizes -----------------------------------------------------------------------------------------------------------


def _get_interp_method(interp, sizes=()):
    """OpenCV's number for MXNet's: 9 chooses by whether the image grows or shrinks, 10 at random.

    sizes: the old height and width and the new ones, or nothing. (The name is MXNet's; GluonCV takes it from here.)
    Raises ValueError for an unknown one.
    """
    if interp == 9:
        if not sizes:
            return 2
        old_height, old_width, height, width = sizes
        if height > old_height and width > old_width:
            return 2
        return 3 if height < old_height and width < old_width else 1
    if interp == 10:
        return random.randint(0, 4)
    if interp not in (0, 1, 2, 3, 4):
        raise ValueError(explain(f"Unknown interp method {interp}", expected="0 to 4, 9 or 10", given=interp))
    return interp


def imresize(src, w, h, interp=1, out=None):
    """The image at another width and height; interp: 0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos."""
    return namespace_of(src)._internal._cvimresize(src, w=w, h=h, interp=interp, out=out)


def copyMakeBorder(src, top, bot, left, right, type=0, value=0.0, values=(), out=None):
    """The image with a border; type: 0 of one colour, 1 the edge repeated, 2 and 4 mirrored, 3 wrapped around."""
    return namespace_of(src)._internal._cvcopyMakeBorder(
        src, top=top, bot=bot, left=left, right=right, type=type, value=value, values=values, out=out
    )


def scale_down(src_size, size):
    """`size` (width, height) with its proportions, made to fit into `src_size`."""
    width, height = size
    src_width, src_height = src_size
    if src_height < height:
        width, height = width * src_height / height, src_height
    if src_width < width:
        width, height = src_width, height * src_width / width
    return int(width), int(height)


def resize_short(src, size, interp=2):
    """The image with its shorter edge at `size`, proportions kept."""
    height, width = src.shape[:2]
    if height > width:
        new = size * height // width, size
    else:
        new = size, size * width // height
    return imresize(src, new[1], new[0], interp=_get_interp_method(interp, (height, width, *new)))


# --- cuts ------------------------------------------------------------------------------------------------------------


def fixed_crop(src, x0, y0, w, h, size=None, interp=2):
    """The box of width w and height h at (x0, y0); resized to `size` (width, height) where that is given."""
    out = src[y0 : y0 + h, x0 : x0 + w]
    if size is not None and (w, h) != tuple(size):
        out = imresize(out, *size, interp=_get_interp_method(interp, (h, w, size[1], size[0])))
    return out


def random_crop(src, size, interp=2):
    """A box of `size` (width, height), or of its proportions where that is too large, at a random place, at that size.

    Returns the image and the box (x0, y0, width, height).
    """
    height, width = src.shape[:2]
    new_width, new_height = scale_down((width, height), size)
    x0 = random.randint(0, width - new_width)
    y0 = random.randint(0, height - new_height)
    return fixed_crop(src, x0, y0, new_width, new_height, size, interp), (x0, y0, new_width, new_height)


def center_crop(src, size, interp=2):
    """The box of `size` (width, height), or of its proportions where that is too large, in the middle, at that size.

    Returns the image and the box (x0, y0, width, height).
    """
    height, width = src.shape[:2]
    new_width, new_height = scale_down((width, height), size)
    x0, y0 = (width - new_width) // 2, (height - new_height) // 2
    return fixed_crop(src, x0, y0, new_width, new_height, size, interp), (x0, y0, new_width, new_height)


def random_size_crop(src, size, area, ratio, interp=2, **kwargs):
    """A box of random area and proportions at a random place, resized to `size` (width, height).

    area: the least part of the image's area, or (least, most); ratio: least and most of width / height.
    Returns the image and the box (x0, y0, width, height); after ten boxes that did not fit, the one in the middle.
    """
    if "min_area" in kwargs:
        warnings.warn("`min_area` is deprecated. Please use `area` instead.", DeprecationWarning, stacklevel=2)
        area = kwargs.pop("min_area")
    if kwargs:
        raise AssertionError(explain("Unexpected arguments of random_size_crop", given=", ".join(kwargs)))
    height, width = src.shape[:2]
    area = (area, 1.0) if isinstance(area, numeric_types) else area
    for _ in range(10):
        target = random.uniform(area[0], area[1]) * (height * width)
        proportion = np.exp(random.uniform(np.log(ratio[0]), np.log(ratio[1])))
        new_width, new_height = round(np.sqrt(target * proportion)), round(np.sqrt(target / proportion))
        if new_width <= width and new_height <= height:
            x0 = random.randint(0, width - new_width)
            y0 = random.randint(0, height - new_height)
            return fixed_crop(src, x0, y0, new_width, new_height, size, interp), (x0, y0, new_width, new_height)
    return center_crop(src, size, interp)


# --- colours and rotation --------------------------------------------------------------------------------------------


def color_normalize(src, mean, std=None):
    """``(src - mean) / std``, in place; None leaves a step out."""
    if mean is not None:
        src -= mean
    if std is not None:
        src /= std
    return src


def imrotate(src, rotation_degrees, zoom_in=False, zoom_out=False):
    """The image turned counter-clockwise about its centre, with black corners.

    src: (C, H, W) or (N, C, H, W), float32; rotation_degrees: a number, or an array with one to each image; zoom_in:
    until no black shows; zoom_out: until all of the image does.
    Raises TypeError for another dtype, ValueError for another shape or both zooms.
    """
    if zoom_in and zoom_out:
        raise ValueError(explain("`zoom_in` and `zoom_out` cannot be both True", expected="one of them"))
    if src._tensor.dtype is not torch.float32:
        raise TypeError(
            explain(
                "Only `float32` images are supported by this function",
                expected="float32",
                given=np.dtype(src.dtype).name,
                hint="ToTensor() makes such an image.",
            )
        )
    if src.ndim not in (3, 4):
        raise ValueError(
            explain(
                "Only 3D and 4D are supported by this function",
                expected="(C, H, W) or (N, C, H, W)",
                given=f"shape {src.shape}",
            )
        )
    if src.ndim == 3 and not isinstance(rotation_degrees, numeric_types):
        raise TypeError(
            explain(
                "When a single image is passed the rotation angle is required to be a scalar",
                expected="a number",
                given=type(rotation_degrees).__name__,
            )
        )
    degrees = rotation_degrees._tensor if isinstance(rotation_degrees, NDArray) else rotation_degrees
    if src.ndim == 4 and not isinstance(degrees, numeric_types):
        degrees = torch.as_tensor(np.asarray(degrees), dtype=torch.float32)
        if tuple(degrees.shape) != src.shape[:1]:
            raise ValueError(
                explain(
                    "The number of images must be equal to the number of rotation angles",
                    expected=f"{src.shape[0]} angles",
                    given=f"shape {tuple(degrees.shape)}",
                )
            )
    return type(src)._wrap(geometry.rotate(src._tensor, degrees, zoom_in=zoom_in, zoom_out=zoom_out), src._ctx)


def random_rotate(src, angle_limits, zoom_in=False, zoom_out=False):
    """`imrotate` by an angle drawn from (least, most), each image of a batch by its own."""
    count = None if src.ndim == 3 else src.shape[0]
    return imrotate(src, np.random.uniform(*angle_limits, size=count), zoom_in, zoom_out)


def __getattr__(name):
    # MXNet has augmenters and iterators in this module too.
    from tandem.mxnet.image import augment, iterator

    for module in (augment, iterator):
        if not name.startswith("_") and hasattr(module, name):
            return getattr(module, name)
    raise missing(__name__, name, [*globals(), *vars(augment)])
