"""Images in files and in arrays: `load_img`, `save_img`, `img_to_array`, `array_to_img`."""

from pathlib import Path

import numpy as np

from tandem.core.errors import explain, suggest
from tandem.keras import config

# PIL's modes for Keras's names of colour modes, and the channels that they have.
MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}


def _resampling(name):
    from PIL import Image

    methods = {
        "nearest": Image.Resampling.NEAREST,
        "bilinear": Image.Resampling.BILINEAR,
        "bicubic": Image.Resampling.BICUBIC,
        "hamming": Image.Resampling.HAMMING,
        "box": Image.Resampling.BOX,
        "lanczos": Image.Resampling.LANCZOS,
    }
    if name not in methods:
        raise ValueError(
            explain("Unknown interpolation", expected=", ".join(methods), given=repr(name), hint=suggest(name, methods))
        )
    return methods[name]


def load_img(path, color_mode="rgb", target_size=None, interpolation="nearest", keep_aspect_ratio=False):
    """Read an image file as a PIL image.

    path: a path, or a file open for reading bytes; color_mode: "grayscale" (16-bit and 32-bit grey stays), "rgb" or
    "rgba"; target_size: None or (height, width) to resize to with `interpolation`; keep_aspect_ratio: crop the centre
    to the target's ratio first. Raises ValueError for an unknown mode, TypeError for what is no path, and OSError,
    naming the file, where it is missing or is no image.
    """
    from PIL import Image

    if color_mode not in MODES:
        raise ValueError(
            explain(
                "Unknown color_mode", expected=", ".join(MODES), given=repr(color_mode), hint=suggest(color_mode, MODES)
            )
        )
    if not (isinstance(path, (str, Path)) or hasattr(path, "read")):
        raise TypeError(explain("Cannot read an image", expected="a path or an open file", given=type(path).__name__))
    try:
        image = Image.open(path)
        image.load()
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise OSError(
            explain("Cannot read an image file", expected="an image that is whole", given=f"{path} ({error})")
        ) from error
    if color_mode != "grayscale" or image.mode not in ("L", "I;16", "I"):
        image = image.convert(MODES[color_mode]) if image.mode != MODES[color_mode] else image
    if target_size is not None and image.size != (target_size[1], target_size[0]):
        size = (target_size[1], target_size[0])
        box = _centre_box(image.size, size) if keep_aspect_ratio else None
        image = image.resize(size, _resampling(interpolation), box=box)
    return image


def _centre_box(size, target):
    """The largest centred box of an image of `size` (width, height) that has the ratio of `target`."""
    width, height = size
    crop_width = min(width, int(height * target[0] / target[1]))
    crop_height = min(height, int(width * target[1] / target[0]))
    left, top = int((width - crop_width) / 2), int((height - crop_height) / 2)
    return left, top, left + crop_width, top + crop_height


def _data_format(data_format):
    data_format = data_format or config.image_data_format()
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(
            explain("Unknown data_format", expected="channels_first or channels_last", given=repr(data_format))
        )
    return data_format


def img_to_array(img, data_format=None, dtype=None):
    """A PIL image as a numpy array (height, width, channels), or (channels, height, width) for "channels_first"."""
    data_format = _data_format(data_format)
    x = np.asarray(img, dtype=dtype or config.floatx())
    if x.ndim == 2:
        return x[None] if data_format == "channels_first" else x[..., None]
    if x.ndim != 3:
        raise ValueError(explain("Not an image", expected="2 or 3 dimensions", given=f"shape {x.shape}"))
    return x.transpose(2, 0, 1) if data_format == "channels_first" else x


def array_to_img(x, data_format=None, scale=True, dtype=None):
    """A numpy array as a PIL image; with `scale` its values are stretched to 0..255 first."""
    from PIL import Image

    data_format = _data_format(data_format)
    x = np.asarray(x, dtype=dtype or config.floatx())
    if x.ndim != 3:
        raise ValueError(explain("Not a single image", expected="an array of 3 dimensions", given=f"shape {x.shape}"))
    if data_format == "channels_first":
        x = x.transpose(1, 2, 0)
    if scale:
        x = x - np.min(x)
        largest = np.max(x)
        x = x / largest * 255 if largest != 0 else x
    channels = x.shape[2]
    if channels == 1:
        x = x[:, :, 0]
        return Image.fromarray(x.astype("int32")) if np.max(x) > 255 else Image.fromarray(x.astype("uint8"))
    if channels not in (3, 4):
        raise ValueError(explain("Unsupported number of channels", expected="1, 3 or 4", given=channels))
    return Image.fromarray(x.astype("uint8"))


def save_img(path, x, data_format=None, file_format=None, scale=True, **kwargs):
    """Write an array as an image file; the format follows from the path unless given; **kwargs go to PIL's `save`."""
    image = array_to_img(x, data_format=data_format, scale=scale)
    if image.mode == "RGBA" and (file_format or Path(str(path)).suffix.lstrip(".")).lower() in ("jpg", "jpeg"):
        import warnings

        warnings.warn("The JPG format does not support RGBA images, converting to RGB.", stacklevel=2)
        image = image.convert("RGB")
    if file_format and file_format.lower() == "jpg":
        file_format = "jpeg"
    image.save(path, format=file_format, **kwargs)


def smart_resize(x, size, interpolation="bilinear", data_format="channels_last", **kwargs):
    """An image, or a batch of images, cropped in the middle to the proportions of `size` and resized to it.

    x: (height, width, channels) or (batch, height, width, channels), with "channels_first" the channels before the
    height; an array gives an array, a tensor a tensor. Raises ValueError for other ranks and sizes.
    """
    from tandem.keras import ops

    kwargs.pop("backend_module", None)  # Keras's own way of saying with which library to compute
    if kwargs:
        raise TypeError(f"smart_resize() got unexpected keyword arguments: {list(kwargs)}")
    if len(size) != 2:
        raise ValueError(f"Expected `size` to be a tuple of 2 integers, but got: {size}.")
    images = ops.convert_to_tensor(x)
    if images.ndim not in (3, 4):
        raise ValueError(
            "Expected an image array with shape `(height, width, channels)`, or `(batch_size, height, width, "
            f"channels)`, but got input with incorrect rank, of shape {tuple(images.shape)}."
        )
    resized = ops.image.resize(
        images, size, interpolation=interpolation, crop_to_aspect_ratio=True, data_format=data_format
    )
    return ops.convert_to_numpy(resized) if isinstance(x, np.ndarray) else resized
