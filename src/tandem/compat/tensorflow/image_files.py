"""Image files: `tf.io.decode_jpeg`, `tf.image.decode_png`, `tf.io.encode_jpeg` and their like."""

import io

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow._errors import InvalidArgumentError
from tandem.compat.tensorflow._strings import as_strings
from tandem.compat.tensorflow.tensor import convert, public
from tandem.core.errors import explain
from tandem.formats import images
from tandem.formats.limits import FormatError
from tandem.keras import ops

NAMES = {}


def _bytes(contents):
    found = as_strings(contents).numpy()
    if not isinstance(found, bytes):
        raise InvalidArgumentError(explain("An image comes from one string of bytes", given=f"shape {found.shape}"))
    return found


_CHANNELS = {"L": 1, "1": 1, "I;16": 1, "I": 1, "LA": 2, "RGBA": 4}  # of PIL's modes; others have 3


def _described(data):
    """(height, width, channels) of an image file. Raises InvalidArgumentError for other bytes."""
    try:
        height, width, mode = images.described(data)
    except FormatError as error:
        raise InvalidArgumentError(str(error)) from None
    return height, width, _CHANNELS.get(mode, 3)


def _decoded(contents, channels, kind=dtypes.uint8):
    data = _bytes(contents)
    channels = channels or _described(data)[2]
    try:
        if channels in (2, 4):
            pixels = _with_alpha(data, channels)
        else:
            pixels = images.decode(data, grey=channels == 1)
    except FormatError as error:
        raise InvalidArgumentError(str(error)) from None
    found = convert(pixels)
    if dtypes.as_dtype(kind) == "uint8":
        return found
    if dtypes.as_dtype(kind) == "uint16":
        return convert(pixels.astype("uint16") * 257)
    return ops.multiply(ops.cast(found, dtypes.as_dtype(kind).name), 1 / 255)


def _with_alpha(data, channels):
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.array(picture.convert("RGBA" if channels == 4 else "LA"))
    except images.errors() as error:
        raise FormatError(explain("Cannot read an image", expected="an image file", given=error)) from None


def decode_jpeg(
    contents,
    channels=0,
    ratio=1,
    fancy_upscaling=True,
    try_recover_truncated=False,
    acceptable_fraction=1,
    dct_method="",
    name=None,
):
    """A JPEG file's bytes as uint8 pixels (height, width, channels). Raises NotImplementedError for a smaller ratio."""
    if ratio != 1:
        raise NotImplementedError(explain("JPEG files are decoded in full size", expected="ratio=1", given=ratio))
    return _decoded(contents, channels)


def decode_png(contents, channels=0, dtype=dtypes.uint8, name=None):
    """A PNG file's bytes as pixels (height, width, channels)."""
    return _decoded(contents, channels, dtype)


def decode_bmp(contents, channels=0, name=None):
    """A BMP file's bytes as uint8 pixels (height, width, channels)."""
    return _decoded(contents, channels)


def decode_gif(contents, name=None):
    """A GIF file's bytes as uint8 pixels (pictures, height, width, 3)."""
    from PIL import Image, ImageSequence

    try:
        with Image.open(io.BytesIO(_bytes(contents))) as picture:
            frames = [np.array(one.convert("RGB")) for one in ImageSequence.Iterator(picture)]
    except images.errors() as error:
        raise InvalidArgumentError(explain("Cannot read an image", expected="a GIF file", given=error)) from None
    return convert(np.stack(frames))


def decode_image(contents, channels=None, dtype=dtypes.uint8, name=None, expand_animations=True):
    """An image file's bytes as pixels, in [0, 1] for floats; a GIF's with an axis of pictures, where that is wanted."""
    if _bytes(contents)[:4] == b"GIF8":
        found = decode_gif(contents)
        found = found if expand_animations else found[0]
        floats = dtypes.as_dtype(dtype).is_floating
        return ops.multiply(ops.cast(found, dtypes.as_dtype(dtype).name), 1 / 255) if floats else found
    return _decoded(contents, channels or 0, dtype)


def is_jpeg(contents, name=None):
    """Whether the bytes are those of a JPEG file."""
    return convert(_bytes(contents)[:3] == b"\xff\xd8\xff")


def extract_jpeg_shape(contents, output_type=dtypes.int32, name=None):
    """The (height, width, channels) of a JPEG file, by its header alone."""
    return convert(np.array(_described(_bytes(contents))), output_type)


def _encoded(pixels, suffix, quality):
    array = np.asarray(convert(pixels))
    try:
        return as_strings(images.encode(array, suffix, quality))
    except ValueError as error:
        raise InvalidArgumentError(str(error)) from None


def encode_jpeg(image, format="", quality=95, name=None, **kwargs):
    """uint8 pixels as the bytes of a JPEG file."""
    if kwargs:
        raise NotImplementedError(explain("encode_jpeg has no such argument", expected="quality", given=list(kwargs)))
    return _encoded(image, ".jpg", quality)


def encode_png(image, compression=-1, name=None):
    """uint8 pixels as the bytes of a PNG file."""
    return _encoded(image, ".png", 6 if compression < 0 else compression)


for _function in (decode_jpeg, decode_png, decode_bmp, decode_gif, decode_image, is_jpeg, extract_jpeg_shape):
    NAMES[_function.__name__] = public(_function)
NAMES["encode_jpeg"], NAMES["encode_png"] = encode_jpeg, encode_png
